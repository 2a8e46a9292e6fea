//! Tokens to tree.
//!
//! Recursive descent by hand; a function bears the name of what it reads. Nodes are built
//! bottom-up on one stack: [`Parser::open`] notes where a node begins, [`Parser::close`] takes
//! all that was pushed since into a node. So an operator can take in the operand that was
//! there before it.
//!
//! One mistake gives one diagnostic: there is at most one per token, one per line of those
//! after which the parser can only guess, and none right behind a string that does not end or
//! a character that means nothing.

mod expr;
mod item;
mod stmt;
mod ty;

use crate::diag::{Code, Diagnostic};
use crate::source::{SourceId, Span};
use crate::syntax::kind::{NodeKind, TokenKind};
use crate::syntax::lexer::lex;
use crate::syntax::messages;
use crate::syntax::tree::{Child, Node, Token};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many expressions, statements and types may stand in each other. Whoever walks the tree
/// recurses, so the limit protects all of them.
const MAX_DEPTH: u32 = 200;

/// How high a tree may become by operators in a row: `a + a + a + …`, `a.b.c.…`.
const MAX_HEIGHT: u32 = 400;

/// How many words ahead a closing bracket is looked for. A line may be the whole text, and have
/// a bracket in each word.
const FARTHEST: usize = 500;

/// What a text is, as far as its grammar goes.
#[derive(Debug, Clone)]
pub struct Parse {
    /// The whole text, as a tree.
    pub tree: Arc<Node>,
    /// What is wrong with it, in the order of the text.
    pub diags: Vec<Diagnostic>,
}

/// Parses a file.
pub fn parse(source: SourceId, text: &str) -> Parse {
    let mut parser = Parser::new(Span::new(source, 0, text.len()), text);
    parser.file();
    let mut parsed = parser.finish();
    let slips = |text: &str| {
        let mut parser = Parser::new(Span::new(source, 0, text.len()), text);
        parser.file();
        parser.finish().diags.len()
    };
    crate::syntax::mend::mend_all(&mut parsed.diags, text, slips);
    parsed
}

/// Parses the text under `span` as a type, such as one inside a string; the tree's root is a
/// `Root` with the type, or with an `Error`, below.
///
/// The tree counts from the beginning of `text`; diagnostics point into `span`.
pub fn parse_type(span: Span, text: &str) -> Parse {
    let mut parser = Parser::new(span, text);
    parser.type_union();
    parser.rest("the end of the type");
    parser.finish()
}

/// Parses the text under `span` as a signature in a string: `question, context: list[str] ->
/// answer: str`. Below the `Root` stand `FieldDecl` nodes; those before the `Arrow` token are
/// inputs, see [`crate::syntax::ast::sides`].
///
/// The tree counts from the beginning of `text`; diagnostics point into `span`.
pub fn parse_signature(span: Span, text: &str) -> Parse {
    let mut parser = Parser::new(span, text);
    parser.signature_string();
    parser.rest("`,` or the end of the signature");
    parser.finish()
}

/// Parses the text under `span` as one field, with or without `in` or `out` before it.
///
/// The tree counts from the beginning of `text`; diagnostics point into `span`.
pub fn parse_field(span: Span, text: &str) -> Parse {
    let mut parser = Parser::new(span, text);
    parser.field(item::Direction::Optional);
    parser.rest("the end of the field");
    parser.finish()
}

/// A token that is no trivia.
#[derive(Clone, Copy)]
struct Word {
    token: Token,
    /// Its place among all tokens.
    raw: usize,
    /// Whether a line ends between the one before and this.
    on_new_line: bool,
    /// Whether nothing stands between the one before and this.
    adjacent: bool,
    /// Whether a character without meaning stands before it; it has its diagnostic.
    after_junk: bool,
    line: u32,
}

/// Where a node begins.
#[derive(Clone, Copy)]
struct Mark(usize);

/// What depends on where in an expression we are.
#[derive(Clone, Copy, Default)]
struct Context {
    /// Before the block of an `if`, `while`, …: a `{` begins that block.
    head: bool,
    /// In the patterns of a `switch`: `|` is between two patterns.
    pattern: bool,
}

struct Parser<'t> {
    text: &'t str,
    /// The place that the text has in its source.
    place: Span,
    tokens: Vec<Token>,
    words: Vec<Word>,
    /// The next word.
    at: usize,
    /// How many of all tokens are in the tree.
    taken: usize,
    /// What is built, with the height of each, and not yet part of a node.
    built: Vec<(Child, u32)>,
    diags: Vec<Diagnostic>,
    /// The word at which the last diagnostic was given.
    last_error: Option<usize>,
    /// The line of the last diagnostic after which the parser had to guess.
    lost_on: Option<u32>,
    depth: u32,
    context: Context,
    in_loop: bool,
    /// How many more closing than opening braces the text has: so many blocks lack their first
    /// one, or, if it is negative, their last.
    missing_braces: i32,
    /// The word up to which no `{` stands on the line, where it was looked for.
    braceless: usize,
    /// The names that the file declares, once somebody asked.
    declared: OnceCell<BTreeSet<&'t str>>,
}

impl<'t> Parser<'t> {
    fn new(place: Span, text: &'t str) -> Self {
        let tokens = lex(text);
        let mut parser = Self {
            text,
            place,
            words: Vec::with_capacity(tokens.len() / 2 + 1),
            tokens,
            at: 0,
            taken: 0,
            built: Vec::new(),
            diags: Vec::new(),
            last_error: None,
            lost_on: None,
            depth: 0,
            context: Context::default(),
            in_loop: false,
            missing_braces: 0,
            braceless: 0,
            declared: OnceCell::new(),
        };
        parser.find_words();
        parser
    }

    /// Notes all tokens that the grammar knows; tells what the others are.
    fn find_words(&mut self) {
        let (mut on_new_line, mut adjacent, mut after_junk) = (true, false, false);
        let mut line = 0;
        for (raw, token) in self.tokens.iter().enumerate() {
            let text = token.text(self.text);
            if token.kind.is_trivia() {
                on_new_line |= text.contains('\n');
                adjacent = false;
                continue;
            }
            if token.kind == TokenKind::Unknown && !has_place(text) {
                let diag = messages::unknown(text, shift(self.place, token.start, token.end));
                if !after_junk {
                    self.diags.push(diag);
                }
                (adjacent, after_junk) = (false, true);
                continue;
            }
            line += u32::from(on_new_line);
            self.words.push(Word {
                token: *token,
                raw,
                on_new_line,
                adjacent,
                after_junk,
                line,
            });
            (on_new_line, adjacent, after_junk) = (false, true, false);
            match token.kind {
                TokenKind::LBrace | TokenKind::HashBrace | TokenKind::TemplateOpen => {
                    self.missing_braces -= 1;
                }
                TokenKind::RBrace => self.missing_braces += 1,
                _ => {}
            }
        }
    }

    /// Puts all that was built below the root.
    fn finish(mut self) -> Parse {
        self.take_until(self.tokens.len() - 1);
        let end = self.tokens.last().map_or(0, |it| it.end);
        let children = self.built.into_iter().map(|(child, _)| child).collect();
        let tree = Arc::new(Node { kind: NodeKind::Root, start: 0, end, children });
        // Characters without meaning were told first.
        self.diags.sort_by_key(|diag| diag.primary.as_ref().map(|it| it.span.start));
        Parse { tree, diags: self.diags }
    }

    /// What is left when a text should have ended.
    fn rest(&mut self, what: &str) {
        if !self.at(TokenKind::End) {
            self.error_expected(what);
            self.junk(|parser| parser.at(TokenKind::End));
        }
    }

    // Looking.

    fn word(&self, ahead: usize) -> Word {
        self.words[(self.at + ahead).min(self.words.len() - 1)]
    }

    fn kind(&self) -> TokenKind {
        self.word(0).token.kind
    }

    fn nth(&self, ahead: usize) -> TokenKind {
        self.word(ahead).token.kind
    }

    fn at(&self, kind: TokenKind) -> bool {
        self.kind() == kind
    }

    fn word_text(&self, ahead: usize) -> &'t str {
        self.word(ahead).token.text(self.text)
    }

    /// Whether the next word is this contextual word or operator.
    fn at_text(&self, text: &str) -> bool {
        matches!(self.kind(), TokenKind::Ident | TokenKind::Op) && self.word_text(0) == text
    }

    fn on_new_line(&self) -> bool {
        self.word(0).on_new_line
    }

    /// Whether the next word begins at the left margin.
    fn at_margin(&self) -> bool {
        let start = self.word(0).token.start as usize;
        start == 0 || self.text.as_bytes()[start - 1] == b'\n'
    }

    /// Whether the file declares this name anywhere. Words of ours and of other languages that
    /// are also names of the user's are taken for those.
    fn declares(&self, name: &str) -> bool {
        use TokenKind as T;
        let declared = self.declared.get_or_init(|| {
            let pairs = self.words.windows(2).filter(|pair| {
                matches!(pair[0].token.kind, T::Fn | T::Let | T::Const | T::As)
                    && pair[1].token.kind == T::Ident
            });
            pairs.map(|pair| pair[1].token.text(self.text)).collect()
        });
        declared.contains(name)
    }

    // Building.

    /// Moves tokens that are no words, up to `raw`, into the tree.
    fn take_until(&mut self, raw: usize) {
        while self.taken < raw {
            let token = self.tokens[self.taken];
            self.taken += 1;
            let child = if token.kind.is_trivia() {
                Child::Token(token)
            } else {
                Child::Node(Node {
                    kind: NodeKind::Error,
                    start: token.start,
                    end: token.end,
                    children: vec![Child::Token(token)],
                })
            };
            self.built.push((child, 1));
        }
    }

    /// Notes that a node begins with the next word.
    fn open(&mut self) -> Mark {
        self.take_until(self.word(0).raw);
        Mark(self.built.len())
    }

    /// Makes all since `mark` a node, but for trivia at its end; nothing makes none.
    fn close(&mut self, mark: Mark, kind: NodeKind) {
        let trivia = |child: &Child| matches!(child, Child::Token(it) if it.kind.is_trivia());
        let kept = self.built[mark.0..].iter().rposition(|(child, _)| !trivia(child));
        let behind = self.built.split_off(kept.map_or(mark.0, |last| mark.0 + last + 1));
        self.wrap(mark, kind);
        self.built.extend(behind);
    }

    fn wrap(&mut self, mark: Mark, kind: NodeKind) {
        let mut height = 0;
        let mut children = Vec::with_capacity(self.built.len() - mark.0);
        for (child, its_height) in self.built.drain(mark.0..) {
            height = height.max(its_height);
            children.push(child);
        }
        let bounds = |child: &Child| match child {
            Child::Node(node) => (node.start, node.end),
            Child::Token(token) => (token.start, token.end),
        };
        let (Some(first), Some(last)) = (children.first(), children.last()) else { return };
        let (start, end) = (bounds(first).0, bounds(last).1);
        self.built.push((Child::Node(Node { kind, start, end, children }), height + 1));
    }

    /// The node that was closed last, if it began at `mark`.
    fn built_since(&self, mark: Mark) -> Option<&Node> {
        match self.built.get(mark.0) {
            Some((Child::Node(node), _)) => Some(node),
            _ => None,
        }
    }

    fn height_since(&self, mark: Mark) -> u32 {
        self.built.get(mark.0).map_or(0, |(_, height)| *height)
    }

    /// Takes the next word into the tree.
    fn bump(&mut self) -> Token {
        let word = self.word(0);
        if word.token.kind == TokenKind::End {
            return word.token;
        }
        self.take_until(word.raw);
        self.built.push((Child::Token(word.token), 1));
        self.taken = word.raw + 1;
        self.at += 1;
        word.token
    }

    /// Takes the next word if it is of this kind.
    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.at(kind);
        if found {
            self.bump();
        }
        found
    }

    /// Takes the next word, or says that it is missing.
    fn expect(&mut self, kind: TokenKind, what: &str) -> bool {
        let found = self.eat(kind);
        if !found {
            self.error_expected(what);
        }
        found
    }

    /// Takes a closing bracket, or says which one is missing and where it was opened.
    fn expect_closer(&mut self, kind: TokenKind, opened: Token, closer: &str) {
        if self.eat(kind) {
            return;
        }
        self.missing_braces += i32::from(kind == TokenKind::RBrace && self.missing_braces < 0);
        let found = self.found();
        let label = shift(self.place, opened.start, opened.end);
        let message = format!("expected `{closer}`, found {found}");
        self.report(self.before(), messages::MISSING_CLOSER, message, |diag| {
            diag.label(label, "opened here")
        });
        self.find_closer(kind);
    }

    /// Passes over what stands before a closing bracket that should have come earlier on this
    /// line, or over another one before it.
    fn find_closer(&mut self, kind: TokenKind) {
        if is_closer(self.kind()) && self.nth(1) == kind && !self.word(1).on_new_line {
            self.skip();
            self.bump();
        } else if let Some(end) = self.closer_ahead(kind) {
            self.junk(|parser| parser.at == end);
            self.eat(kind);
        }
    }

    /// The word on this line that closes a bracket that is open here, if it is not far.
    fn closer_ahead(&self, kind: TokenKind) -> Option<usize> {
        let mut open = 0u32;
        for ahead in 0..FARTHEST {
            match self.nth(ahead) {
                TokenKind::Semi | TokenKind::LBrace | TokenKind::End => break,
                _ if self.word(ahead).on_new_line => break,
                found if open == 0 && found == kind => return Some(self.at + ahead),
                found if is_opener(found) => open += 1,
                found if is_closer(found) => open = open.checked_sub(1)?,
                _ => {}
            }
        }
        None
    }

    /// Takes words into an `Error` node until `stop`, over whole brackets.
    fn junk(&mut self, stop: impl Fn(&Self) -> bool) {
        let mark = self.open();
        let mut open = 0u32;
        while !self.at(TokenKind::End) {
            if open == 0 && (stop(self) || is_closer(self.kind())) {
                break;
            }
            if is_opener(self.kind()) {
                open += 1;
            } else if is_closer(self.kind()) {
                open -= 1;
            }
            self.bump();
        }
        self.close(mark, NodeKind::Error);
    }

    // Telling.

    fn span(&self, token: Token) -> Span {
        shift(self.place, token.start, token.end)
    }

    /// The place of the next word.
    fn here(&self) -> Span {
        self.span(self.word(0).token)
    }

    /// The place right behind the word before.
    fn before(&self) -> Span {
        let end = self.at.checked_sub(1).map_or(0, |before| self.words[before].token.end);
        shift(self.place, end, end)
    }

    /// The next word, in words.
    fn found(&self) -> String {
        messages::describe(self.kind(), self.word_text(0))
    }

    /// Whether a diagnostic about the next word would be a second one about the same mistake.
    fn told(&self) -> bool {
        let behind_open_string = self.at.checked_sub(1).is_some_and(|before| {
            let token = self.words[before].token;
            token.kind == TokenKind::Unknown && is_open_literal(token.text(self.text))
        });
        self.last_error == Some(self.at) || self.word(0).after_junk || behind_open_string
    }

    /// Adds a diagnostic about the next word, unless there is one.
    fn report(
        &mut self,
        span: Span,
        code: Code,
        message: impl Into<String>,
        more: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let line = if span == self.before() && self.at > 0 {
            self.words[self.at - 1].line
        } else {
            self.word(0).line
        };
        let lost = is_guess(code);
        let follows = lost || code == messages::POSITIONAL_AFTER_NAMED;
        let again = self.told() || follows && self.lost_on == Some(line);
        if !again {
            self.diags.push(more(Diagnostic::new(code, span, message)));
            if lost {
                self.lost_on = Some(line);
            }
        }
        self.last_error = Some(self.at);
    }

    fn error(&mut self, span: Span, code: Code, message: impl Into<String>, hint: &str) {
        self.report(span, code, message, |diag| diag.hint(hint));
    }

    /// Says what should have been the next word, at it, or behind the one before if it stands
    /// on another line.
    fn error_expected(&mut self, what: &str) {
        self.error_expected_with(what, messages::foreign_word(self.word_text(0)).unwrap_or(""));
    }

    /// Says that the next word is not what it should be.
    fn error_unexpected(&mut self, what: &str) {
        let message = messages::expected(what, &self.found(), self.here()).message;
        let hint = messages::foreign_word(self.word_text(0)).unwrap_or("");
        self.error(self.here(), messages::EXPECTED, message, hint);
    }

    fn error_expected_with(&mut self, what: &str, hint: &str) {
        let elsewhere = self.on_new_line() || self.at(TokenKind::End);
        let span = if elsewhere && self.at > 0 { self.before() } else { self.here() };
        let diag = messages::expected(what, &self.found(), span);
        self.report(span, messages::EXPECTED, diag.message, |diag| diag.hint(hint));
    }

    // Depth and context.

    /// Reads something that may hold more of its kind; refuses when there is too much of it.
    fn deeper(&mut self, read: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_DEPTH {
            self.too_deep();
            return;
        }
        self.depth += 1;
        read(self);
        self.depth -= 1;
    }

    /// Whether one more operator around what began at `mark` is too much; says so.
    fn too_high(&mut self, mark: Mark) -> bool {
        let too_high = self.height_since(mark) > MAX_HEIGHT;
        if too_high {
            self.too_deep();
        }
        too_high
    }

    fn too_deep(&mut self) {
        self.error(
            self.here(),
            messages::TOO_DEEP,
            "this is nested too deeply",
            "give parts of it names with `let`, or make functions of them",
        );
        self.junk(|parser| parser.at(TokenKind::Semi));
        // All that is still open around here would tell of it again.
        self.last_error = Some(self.at);
    }

    /// Reads what stands in brackets of its own: no context reaches in.
    fn fresh(&mut self, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.context);
        read(self);
        self.context = outer;
    }

    fn with_context(&mut self, context: Context, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.context, context);
        read(self);
        self.context = outer;
    }

    /// Reads the body of a loop, or of a function, where loops outside do not count.
    fn with_loop(&mut self, in_loop: bool, read: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.in_loop, in_loop);
        read(self);
        self.in_loop = outer;
    }
}

/// A range of the parsed text, as a place in its source.
fn shift(place: Span, start: u32, end: u32) -> Span {
    let at = |offset: u32| place.start.saturating_add(offset).min(place.end);
    Span { source: place.source, start: at(start), end: at(end) }
}

/// Whether the parser has to guess how a text was meant after this.
fn is_guess(code: Code) -> bool {
    use messages as m;
    matches!(
        code,
        m::EXPECTED
            | m::MISSING_SEMICOLON
            | m::MISSING_CLOSER
            | m::STRAY_CLOSER
            | m::BAD_TYPE
            | m::FIELD_DIRECTION
            | m::MODULE_BODY
            | m::BAD_NAME
    )
}

fn is_opener(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::LParen
            | T::LBracket
            | T::QuestionBracket
            | T::LBrace
            | T::HashBrace
            | T::TemplateOpen
    )
}

fn is_closer(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::RParen | TokenKind::RBracket | TokenKind::RBrace)
}

/// Whether an `Unknown` token stands where something could stand: a string without end, or a
/// sign of another language.
fn has_place(text: &str) -> bool {
    is_open_literal(text) || matches!(text, "===" | "!==" | "++" | "--" | ":=")
}

fn is_open_literal(text: &str) -> bool {
    text.starts_with(['"', '\'', '`']) || text.trim_start_matches('#').starts_with('"')
}
