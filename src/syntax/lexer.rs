//! Text to tokens.
//!
//! The tokens are Rhai's and a few of ours. Nothing is lost: the texts of the tokens, joined,
//! are the input. What Rhai reserves but gives no meaning (`===`, `++`, `#`, …) and what does
//! not end is an `Unknown` token; the parser says what is wrong with it.
//!
//! Template strings are cut flat: a stack says whether a back-tick's text or the code of a
//! `${ … }` is being read, so their nesting costs no call stack.

use logos::{Lexer, Logos};

use crate::syntax::kind::TokenKind;
use crate::syntax::tree::Token;

/// How often a template string without end may be cut again as ordinary code. Each costs a
/// second look at the rest of the text, and one is what a typing user leaves open.
const MAX_RETRIES: u32 = 4;

/// Cuts `text` into tokens; the last is [`crate::syntax::TokenKind::End`].
pub fn lex(text: &str) -> Vec<Token> {
    let mut cutter = Cutter {
        text,
        lexer: Raw::lexer(text),
        tokens: Vec::with_capacity(text.len() / 4 + 1),
        templates: Vec::new(),
        retries: 0,
    };
    cutter.run();
    cutter.tokens
}

/// What logos finds; the kind is the whole of it.
#[derive(Logos, Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    #[regex(r"[ \t\r\n\x0C]+", |_| TokenKind::Whitespace)]
    #[regex(r"//[^\r\n]*", line_comment, allow_greedy = true)]
    #[token("/*", block_comment)]
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*", word)]
    #[regex(r"[0-9]", number)]
    #[token("\"", string)]
    #[token("'", character)]
    #[token("`", |_| TokenKind::Backtick)]
    #[token("#", hash)]
    #[token("#{", |_| TokenKind::HashBrace)]
    #[token("(", |_| TokenKind::LParen)]
    #[token(")", |_| TokenKind::RParen)]
    #[token("[", |_| TokenKind::LBracket)]
    #[token("]", |_| TokenKind::RBracket)]
    #[token("{", |_| TokenKind::LBrace)]
    #[token("}", |_| TokenKind::RBrace)]
    #[token(",", |_| TokenKind::Comma)]
    #[token(";", |_| TokenKind::Semi)]
    #[token(":", |_| TokenKind::Colon)]
    #[token("::", |_| TokenKind::ColonColon)]
    #[token(".", |_| TokenKind::Dot)]
    #[token("?.", |_| TokenKind::QuestionDot)]
    #[token("?[", |_| TokenKind::QuestionBracket)]
    #[token("?", |_| TokenKind::Question)]
    #[token("..", |_| TokenKind::DotDot)]
    #[token("..=", |_| TokenKind::DotDotEq)]
    #[token("->", |_| TokenKind::Arrow)]
    #[token("=>", |_| TokenKind::FatArrow)]
    #[token("|", |_| TokenKind::Pipe)]
    #[token("||", |_| TokenKind::PipePipe)]
    #[token("=", |_| TokenKind::Eq)]
    #[regex(r"(\+|-|\*|/|%|\*\*|<<|>>|&|\||\^)=", |_| TokenKind::AssignOp)]
    #[regex(r"\+|-|\*|/|%|\*\*|<<|>>|&|\^|&&|==|!=|<|<=|>|>=|\?\?", |_| TokenKind::Op)]
    #[token("!", bang)]
    #[regex(r"\+\+|--|===|!==|<-|:=|:;|::<|\(\*|\*\)|\.\.\.|\|>|<\||!\.", |_| TokenKind::Unknown)]
    #[regex(r"[~@$\\]", |_| TokenKind::Unknown)]
    Token(TokenKind),
}

/// A template string that is being read.
struct Template {
    /// Where its opening back-tick stands among the tokens.
    opened: usize,
    /// The braces open in its `${ … }`, or nothing while its text is read.
    braces: Option<u32>,
}

struct Cutter<'t> {
    text: &'t str,
    lexer: Lexer<'t, Raw>,
    tokens: Vec<Token>,
    templates: Vec<Template>,
    retries: u32,
}

impl Cutter<'_> {
    fn run(&mut self) {
        self.start_of_file();
        loop {
            let in_text = self.templates.last().is_some_and(|it| it.braces.is_none());
            let more = if in_text { self.template_text() } else { self.code() };
            if !more && !self.reread_open_template() {
                break;
            }
        }
        self.push(TokenKind::End, self.text.len());
    }

    /// A byte order mark and a shebang mean nothing elsewhere.
    fn start_of_file(&mut self) {
        let mut at = 0;
        if self.text.starts_with('\u{feff}') {
            at = '\u{feff}'.len_utf8();
            self.take(TokenKind::Whitespace, at);
        }
        if self.text[at..].starts_with("#!") {
            self.take(TokenKind::Shebang, line_end(&self.text[at..]));
        }
    }

    /// Cuts one token of code; `false` at the end of the text.
    fn code(&mut self) -> bool {
        let kind = match self.lexer.next() {
            Some(Ok(Raw::Token(kind))) => kind,
            Some(Err(())) => {
                foreign_word(&mut self.lexer);
                TokenKind::Unknown
            }
            None => return false,
        };
        self.push(kind, self.lexer.span().start);
        match kind {
            TokenKind::Backtick => {
                self.templates.push(Template { opened: self.tokens.len() - 1, braces: None });
            }
            TokenKind::LBrace | TokenKind::HashBrace => self.brace(true),
            TokenKind::RBrace => self.brace(false),
            _ => {}
        }
        true
    }

    /// Counts a brace in the code of a `${ … }`.
    fn brace(&mut self, opens: bool) {
        let Some(template) = self.templates.last_mut() else { return };
        let Some(braces) = template.braces else { return };
        template.braces = if opens { Some(braces + 1) } else { braces.checked_sub(1) };
    }

    /// Cuts the text of a template string up to and with its end or a `${`; `false` at the end
    /// of the text.
    fn template_text(&mut self) -> bool {
        let rest = self.lexer.remainder();
        let length = template_text_length(rest);
        if length > 0 {
            self.take(TokenKind::TemplateText, length);
        }
        if rest[length..].starts_with('`') {
            self.take(TokenKind::Backtick, 1);
            self.templates.pop();
        } else if rest[length..].starts_with("${") {
            self.take(TokenKind::TemplateOpen, 2);
            if let Some(template) = self.templates.last_mut() {
                template.braces = Some(0);
            }
        } else {
            return false;
        }
        true
    }

    /// A template string that never ends would hide the rest of the file: it becomes a string
    /// that ends with its line, and what follows is cut again.
    fn reread_open_template(&mut self) -> bool {
        if self.retries == MAX_RETRIES {
            return false;
        }
        let Some(opened) = self.templates.first().map(|it| it.opened) else { return false };
        self.retries += 1;
        let start = self.tokens[opened].start as usize;
        self.tokens.truncate(opened);
        self.templates.clear();
        self.lexer = Raw::lexer(self.text);
        self.lexer.bump(start);
        // `next` alone forgets what was passed over: the token begins at `start`.
        self.push_range(TokenKind::Unknown, start, start + line_end(&self.text[start..]));
        self.lexer.bump(line_end(&self.text[start..]));
        true
    }

    /// Passes over the next `length` bytes as one token.
    fn take(&mut self, kind: TokenKind, length: usize) {
        let start = self.lexer.span().end;
        self.lexer.bump(length);
        self.push_range(kind, start, start + length);
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        let end = if kind == TokenKind::End { start } else { self.lexer.span().end };
        self.push_range(kind, start, end);
    }

    fn push_range(&mut self, kind: TokenKind, start: usize, end: usize) {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.tokens.push(Token { kind, start: clamp(start), end: clamp(end) });
    }
}

/// The length of the text of a template string up to its end, a `${` or the end of `rest`. A
/// doubled back-tick stands for one, `\${` for `${`.
fn template_text_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let after = &bytes[at + 1..];
        at += match bytes[at] {
            b'`' if after.first() == Some(&b'`') => 2,
            b'`' => break,
            b'$' if after.first() == Some(&b'{') => break,
            b'\\' if after.starts_with(b"${") => 3,
            _ => 1,
        };
    }
    at.min(bytes.len())
}

/// The length of `rest` up to its first line end.
fn line_end(rest: &str) -> usize {
    rest.find(['\n', '\r']).unwrap_or(rest.len())
}

fn line_comment(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    let text = lexer.slice();
    // A longer row of slashes is a ruler, not documentation.
    if text.starts_with("///") && !text.starts_with("////") {
        TokenKind::DocLine
    } else {
        TokenKind::LineComment
    }
}

fn block_comment(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    let rest = lexer.remainder().as_bytes();
    let mut level = 1u32;
    let mut at = 0;
    while level > 0 {
        let Some(next) = rest.get(at..at + 2) else {
            lexer.bump(rest.len());
            return TokenKind::Unknown;
        };
        at += match next {
            b"/*" => {
                level += 1;
                2
            }
            b"*/" => {
                level -= 1;
                2
            }
            _ => 1,
        };
    }
    lexer.bump(at);
    let text = lexer.slice();
    if text.starts_with("/**") && !text.starts_with("/***") && text.len() > 4 {
        TokenKind::DocBlock
    } else {
        TokenKind::BlockComment
    }
}

fn word(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    if foreign_word(lexer) {
        return TokenKind::Unknown;
    }
    match lexer.slice() {
        "let" => TokenKind::Let,
        "const" => TokenKind::Const,
        "fn" => TokenKind::Fn,
        "if" => TokenKind::If,
        "else" => TokenKind::Else,
        "switch" => TokenKind::Switch,
        "while" => TokenKind::While,
        "loop" => TokenKind::Loop,
        "do" => TokenKind::Do,
        "until" => TokenKind::Until,
        "for" => TokenKind::For,
        "in" => TokenKind::In,
        "return" => TokenKind::Return,
        "break" => TokenKind::Break,
        "continue" => TokenKind::Continue,
        "throw" => TokenKind::Throw,
        "try" => TokenKind::Try,
        "catch" => TokenKind::Catch,
        "import" => TokenKind::Import,
        "export" => TokenKind::Export,
        "as" => TokenKind::As,
        "true" => TokenKind::True,
        "false" => TokenKind::False,
        "this" => TokenKind::This,
        "module" => TokenKind::Module,
        _ => TokenKind::Ident,
    }
}

/// Passes over the rest of a word with letters that no name may have; whether there is one.
fn foreign_word(lexer: &mut Lexer<'_, Raw>) -> bool {
    let rest = lexer.remainder();
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
    let foreign = !rest[..length].is_ascii();
    if foreign || !lexer.slice().is_ascii() {
        lexer.bump(length);
    }
    foreign
}

/// The rest of a number whose first digit is read.
fn number(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    let rest = lexer.remainder().as_bytes();
    let radix = match (lexer.slice(), rest.first()) {
        ("0", Some(b'x' | b'X')) => Some(16),
        ("0", Some(b'o' | b'O')) => Some(8),
        ("0", Some(b'b' | b'B')) => Some(2),
        _ => None,
    };
    let (length, kind) = match radix {
        Some(radix) => (1 + digits(&rest[1..], radix), TokenKind::Int),
        None => decimal(rest),
    };
    lexer.bump(length);
    kind
}

/// The length of a decimal number's rest and what it is.
fn decimal(rest: &[u8]) -> (usize, TokenKind) {
    let mut at = digits(rest, 10);
    let mut kind = TokenKind::Int;
    if rest.get(at) == Some(&b'.') {
        match rest.get(at + 1) {
            Some(b'0'..=b'9') => {
                at += 1 + digits(&rest[at + 1..], 10);
                kind = TokenKind::Float;
            }
            // `1..5` is a range, `1.foo()` a call: neither is a number with a point.
            Some(b'.' | b'_' | b'a'..=b'z' | b'A'..=b'Z') | None => {}
            Some(_) => {
                at += 1;
                kind = TokenKind::Float;
            }
        }
    }
    match rest.get(at..at + 2) {
        Some([b'e' | b'E', b'0'..=b'9']) => {
            (at + 1 + digits(&rest[at + 1..], 10), TokenKind::Float)
        }
        Some([b'e' | b'E', b'+' | b'-']) => {
            (at + 2 + digits(&rest[at + 2..], 10), TokenKind::Float)
        }
        _ => (at, kind),
    }
}

/// How many of the next bytes are digits or separators.
fn digits(rest: &[u8], radix: u32) -> usize {
    let inside = |byte: &u8| *byte == b'_' || char::from(*byte).is_digit(radix);
    rest.iter().position(|byte| !inside(byte)).unwrap_or(rest.len())
}

fn string(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    quoted(lexer, b'"', TokenKind::Str)
}

fn character(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    quoted(lexer, b'\'', TokenKind::Char)
}

/// The rest of a literal that ends with `quote`, on its line unless a backslash continues it.
/// A doubled quote stands for one.
fn quoted(lexer: &mut Lexer<'_, Raw>, quote: u8, kind: TokenKind) -> TokenKind {
    let rest = lexer.remainder().as_bytes();
    let continues = kind == TokenKind::Str;
    let mut at = 0;
    let found = loop {
        match rest.get(at) {
            Some(&byte) if byte == quote => {
                let doubled = rest.get(at + 1) == Some(&quote) && !(at == 0 && !continues);
                at += if doubled { 2 } else { 1 };
                if !doubled {
                    break kind;
                }
            }
            Some(b'\\') if continues && rest[at + 1..].starts_with(b"\r\n") => at += 3,
            Some(b'\\') if rest.get(at + 1) != Some(&b'\n') || continues => at += 2,
            Some(b'\n' | b'\\') | None => break TokenKind::Unknown,
            Some(_) => at += 1,
        }
        if at > rest.len() {
            break TokenKind::Unknown;
        }
    };
    at = at.min(rest.len());
    if found == TokenKind::Unknown && at > 0 && rest[at - 1] == b'\r' {
        at -= 1;
    }
    // An escape may have ended inside a character.
    while !lexer.remainder().is_char_boundary(at) {
        at += 1;
    }
    lexer.bump(at);
    found
}

/// What follows a `#` that opens no map: a raw string, or a comment of another language.
fn hash(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    let rest = lexer.remainder();
    let more = rest.len() - rest.trim_start_matches('#').len();
    let Some(body) = rest[more..].strip_prefix('"') else {
        lexer.bump(line_end(rest));
        return TokenKind::Unknown;
    };
    let close = format!("\"#{}", &rest[..more]);
    match body.find(&close) {
        Some(length) => {
            lexer.bump(more + 1 + length + close.len());
            TokenKind::RawStr
        }
        None => {
            lexer.bump(line_end(rest));
            TokenKind::Unknown
        }
    }
}

/// `!`, or the `!in` that no name continues.
fn bang(lexer: &mut Lexer<'_, Raw>) -> TokenKind {
    let rest = lexer.remainder();
    let continued = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if rest.strip_prefix("in").is_some_and(|it| !it.starts_with(continued)) {
        lexer.bump(2);
    }
    TokenKind::Op
}
