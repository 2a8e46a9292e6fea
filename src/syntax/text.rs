//! The values of literals, and texts that are written in code: documentation and descriptions.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::syntax::kind::{NodeKind, TokenKind};
use crate::syntax::tree::{Child, Node, Token};

/// The range of an escape that strings do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEscape {
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

/// Returns the value of a string Literal, or of a Template without `${ … }`, with escapes as
/// Rhai reads them; a Template of several lines is dedented.
pub fn string_value(node: &Node, text: &str) -> Option<String> {
    match node.kind {
        NodeKind::Template => template_inner(node, text).map(|inner| {
            let lines = if inner.contains('\n') { dedent(inner) } else { inner.to_owned() };
            lines.replace("``", "`").replace("\\${", "${")
        }),
        NodeKind::Literal | NodeKind::TypeLiteral => {
            let token = node.tokens().next().filter(|it| is_text(it.kind))?;
            unquote(token, text).ok()
        }
        _ => None,
    }
}

/// Returns the text of a string Literal or Template that describes something: as
/// [`string_value`], and raw strings are dedented too.
pub fn prose(node: &Node, text: &str) -> Option<String> {
    let value = string_value(node, text)?;
    let raw = node.token(TokenKind::RawStr).is_some();
    Some(if raw { dedent(&value) } else { value.trim().to_owned() })
}

/// Returns the `///` and `/** … */` text directly before `item`, a child of `parent`: dedented,
/// with its line breaks and relative indentation. An empty line ends it.
pub fn docs(parent: &Node, item: &Node, text: &str) -> Option<String> {
    let first = parent.children.partition_point(|child| child.start() < item.start);
    let at = parent.children[first..].iter().position(|child| match child {
        Child::Node(node) => node.start == item.start && node.kind == item.kind,
        Child::Token(_) => false,
    });
    let at = first + at?;
    let mut tokens = Vec::new();
    for child in parent.children[..at].iter().rev() {
        let Child::Token(token) = child else { break };
        match token.kind {
            TokenKind::Whitespace if token.text(text).matches('\n').count() > 1 => break,
            TokenKind::DocLine | TokenKind::DocBlock => tokens.push(*token),
            kind if kind.is_trivia() => {}
            _ => break,
        }
    }
    tokens.reverse();
    let is_line = |token: &Token| token.kind == TokenKind::DocLine;
    let parts: Vec<String> =
        tokens
            .chunk_by(|a, b| is_line(a) && is_line(b))
            .map(|run| {
                if is_line(&run[0]) {
                    doc_lines(run, text)
                } else {
                    doc_block(run[0].text(text))
                }
            })
            .collect();
    let docs = parts.join("\n");
    (!docs.is_empty()).then_some(docs)
}

/// The text of `///` lines.
fn doc_lines(run: &[Token], text: &str) -> String {
    let line = |token: &Token| format!("\n{}", token.text(text).trim_start_matches("///"));
    dedent(&run.iter().map(line).collect::<String>())
}

/// The text of a `/** … */`, without the stars that some put before each line.
fn doc_block(comment: &str) -> String {
    let inner = comment.trim_start_matches("/**").trim_end_matches("*/");
    let starred = inner.contains('\n')
        && inner
            .lines()
            .skip(1)
            .all(|it| it.trim().is_empty() || it.trim_start().starts_with('*'));
    if !starred {
        return dedent(inner);
    }
    let unstarred: Vec<&str> =
        inner.lines().map(|line| line.trim_start().strip_prefix('*').unwrap_or(line)).collect();
    // Here the first line counts: what stands behind `/**` is indented as behind the stars.
    dedent(&format!("\n{}", unstarred.join("\n")))
}

/// Takes away the indentation that all lines have, spaces at line ends, and empty lines at
/// both ends. The first line, which begins right behind a quote, has no say.
pub fn dedent(value: &str) -> String {
    let mut lines = value.lines().map(str::trim_end);
    let first = lines.next().unwrap_or("").trim_start();
    let rest: Vec<&str> = lines.collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = rest.iter().filter(|it| !it.is_empty()).map(indent).min().unwrap_or(0);
    let cut = rest.iter().map(|line| line.get(common..).unwrap_or(""));
    let lines: Vec<&str> = std::iter::once(first).chain(cut).collect();
    let start = lines.iter().position(|it| !it.is_empty()).unwrap_or(lines.len());
    let end = lines.iter().rposition(|it| !it.is_empty()).map_or(start, |it| it + 1);
    lines[start..end].join("\n")
}

/// Whether tokens of this kind are texts in quotes.
fn is_text(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Str | TokenKind::RawStr | TokenKind::Char)
}

/// The text between the back-ticks of a Template in which nothing is inserted.
fn template_inner<'t>(node: &Node, text: &'t str) -> Option<&'t str> {
    if node.token(TokenKind::TemplateOpen).is_some() {
        return None;
    }
    Some(node.token(TokenKind::TemplateText).map_or("", |it| it.text(text)))
}

/// The value of a token in quotes.
///
/// # Errors
///
/// Returns the place of an escape that there is not.
pub fn unquote(token: Token, text: &str) -> Result<String, BadEscape> {
    let quoted = token.text(text);
    if token.kind == TokenKind::RawStr {
        let hashes = quoted.len() - quoted.trim_start_matches('#').len();
        return Ok(quoted[hashes + 1..quoted.len() - hashes - 1].to_owned());
    }
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or("");
    let line_start = text[..token.start as usize].rfind('\n').map_or(0, |at| at + 1);
    let column = text[line_start..token.start as usize].chars().count() + 1;
    let quote = if token.kind == TokenKind::Char { '\'' } else { '"' };
    let (chars, length) = (inner.char_indices().peekable(), inner.len());
    Unquoter { chars, length, quote, base: token.start + 1, column }.run()
}

struct Unquoter<'t> {
    chars: Peekable<CharIndices<'t>>,
    length: usize,
    quote: char,
    /// Where the text inside the quotes begins.
    base: u32,
    /// The column of the opening quote: Rhai ignores the indentation of a continued line up
    /// to it.
    column: usize,
}

impl Unquoter<'_> {
    fn run(mut self) -> Result<String, BadEscape> {
        let mut value = String::new();
        while let Some((at, c)) = self.chars.next() {
            match c {
                '\\' => self.escape(at, &mut value)?,
                // Only a doubled quote can stand inside; it stands for one.
                _ if c == self.quote => {
                    self.chars.next();
                    value.push(c);
                }
                _ => value.push(c),
            }
        }
        Ok(value)
    }

    fn escape(&mut self, at: usize, value: &mut String) -> Result<(), BadEscape> {
        let next = self.chars.next().map(|(_, c)| c);
        let simple = match next {
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('\\') => Some('\\'),
            Some(c) if c == self.quote => Some(c),
            Some('x') => Some(self.code_point(at, 2)?),
            Some('u') => Some(self.code_point(at, 4)?),
            Some('U') => Some(self.code_point(at, 8)?),
            Some('\n' | '\r') => {
                self.continued_line();
                None
            }
            _ => return Err(self.bad(at)),
        };
        value.extend(simple);
        Ok(())
    }

    fn code_point(&mut self, at: usize, digits: usize) -> Result<char, BadEscape> {
        let mut code = 0u32;
        for _ in 0..digits {
            let digit = self.chars.peek().and_then(|(_, c)| c.to_digit(16));
            let Some(digit) = digit else { return Err(self.bad(at)) };
            self.chars.next();
            code = code.wrapping_mul(16).wrapping_add(digit);
        }
        char::from_u32(code).ok_or_else(|| self.bad(at))
    }

    fn continued_line(&mut self) {
        self.chars.next_if(|(_, c)| *c == '\n');
        for _ in 0..self.column {
            if self.chars.next_if(|(_, c)| c.is_whitespace() && *c != '\n').is_none() {
                break;
            }
        }
    }

    /// The escape that begins at `at` and was read up to here.
    fn bad(&mut self, at: usize) -> BadEscape {
        let offset = |at: usize| self.base + u32::try_from(at).unwrap_or(u32::MAX);
        let start = offset(at);
        let end = self.chars.peek().map_or(self.length, |(end, _)| *end);
        BadEscape { start, end: offset(end) }
    }
}

/// What a number literal is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any other, and whole ones that are too great.
    Float(f64),
}

/// Returns the value of an Int or Float token's text, as Rhai reads it.
pub fn number(shown: &str) -> Option<Number> {
    let plain: String = shown.chars().filter(|it| *it != '_').collect();
    let radix = match plain.get(..2) {
        Some("0x" | "0X") => Some(16),
        Some("0o" | "0O") => Some(8),
        Some("0b" | "0B") => Some(2),
        _ => None,
    };
    if let Some(radix) = radix {
        // Rhai reads all 64 bits: `0xffff_ffff_ffff_ffff` is -1.
        return u64::from_str_radix(&plain[2..], radix)
            .ok()
            .map(|it| Number::Int(it.cast_signed()));
    }
    let whole = plain.parse().ok().map(Number::Int);
    whole.or_else(|| plain.parse().ok().map(Number::Float))
}
