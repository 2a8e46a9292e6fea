//! A JSON reader that keeps going.
//!
//! It reads what models write where JSON was asked for, and says what it had to forgive. It
//! never fails and knows no types: whether the tree is of use is for `fit` to say.
//!
//! Strings are the hard part, for a quote inside may be meant or may end the text. A quote ends
//! a string when what follows could follow a string there; how far is looked ahead is bounded,
//! so that the whole is linear. What is read again has a budget: see [`Parser::may_reread`].

mod bare;
mod look;
mod map;
mod string;

pub(super) use look::is_opening;

use look::{begins_quoted_key, comment_length, is_space, window};
use std::borrow::Cow;

/// How far is looked ahead for what follows a quote or a comma.
const LOOK_AHEAD: usize = 96;
/// How deep a tree may be.
const MAX_DEPTH: usize = 64;

/// A node of the tree, with the piece of text that it was read from.
#[derive(Debug, Clone)]
pub(super) struct Node<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) raw: &'t str,
    /// The text ended before it did.
    pub(super) cut: bool,
}

impl Node<'_> {
    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }
}

#[derive(Debug, Clone)]
pub(super) enum Kind<'t> {
    Null,
    Bool(bool),
    /// A number, or what is one but for its spelling.
    Number,
    /// A text between quotes.
    Text(Cow<'t, str>),
    /// Words without quotes.
    Bare(&'t str),
    List(Vec<Node<'t>>),
    Map(Vec<(Cow<'t, str>, Node<'t>)>),
    /// `...`: something is left out, and what it is nobody knows.
    Elided,
    /// A key that no value follows.
    Absent,
}

/// How a text is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mode {
    /// No type says what is wanted. More is mended then, for nothing can be taken for a value
    /// that the reply does not state.
    pub(super) loose: bool,
    /// The text is the beginning of one that is still being written.
    pub(super) partial: bool,
}

/// What had to be forgiven, each at most once.
#[derive(Debug, Clone, Default)]
pub(super) struct Flaws {
    pub(super) notes: Vec<&'static str>,
    /// The text ended inside.
    pub(super) truncated: bool,
    /// A key had no value, or words stood where none belong: perhaps this is no JSON at all.
    pub(super) doubtful: bool,
}

impl Flaws {
    fn note(&mut self, note: &'static str) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// A list or map found in a text.
#[derive(Debug)]
pub(super) struct Found<'t> {
    pub(super) node: Node<'t>,
    pub(super) flaws: Flaws,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads the list or map that begins at `start`, which must be a bracket.
pub(super) fn read_at(text: &str, start: usize, mode: Mode) -> Found<'_> {
    let mut parser = Parser::new(text, start, mode);
    let mut node = parser.value(Inside::Top);
    if mode.loose && !mode.partial {
        parser.run_on(&mut node);
    }
    let end = parser.at;
    Found { node, flaws: parser.flaws, start, end }
}

/// Reads a value of any kind from the start of a text, in the loose way.
pub(super) fn read_any(text: &str, mode: Mode) -> Found<'_> {
    let mut parser = Parser::new(text, 0, Mode { loose: true, ..mode });
    parser.skip_space();
    let start = parser.at;
    let node = parser.value(Inside::Top);
    parser.skip_space();
    let end = parser.at;
    Found { node, flaws: parser.flaws, start, end }
}

/// The number or truth that a text is, to the letter.
pub(super) fn literal(text: &str) -> Option<Node<'_>> {
    let kind = match serde_json::from_str(text).ok()? {
        serde_json::Value::Bool(it) => Kind::Bool(it),
        serde_json::Value::Number(_) => Kind::Number,
        _ => return None,
    };
    Some(Node { kind, raw: text, cut: false })
}

/// The values of a text, one after the other, in the loose way.
pub(super) struct Values<'t>(Parser<'t>);

impl<'t> Values<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(Parser::new(text, 0, Mode { loose: true, partial: false }))
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'t str {
        self.0.rest()
    }

    pub(super) fn next_value(&mut self) -> Found<'t> {
        let parser = &mut self.0;
        parser.skip_space();
        let start = parser.at;
        let mut node = parser.value(Inside::Top);
        parser.run_on(&mut node);
        Found { node, flaws: std::mem::take(&mut parser.flaws), start, end: parser.at }
    }

    /// Passes over commas and white space; whether there were any, or the text is at its end.
    pub(super) fn pass_separator(&mut self) -> bool {
        let rest = self.0.rest();
        let next = rest.trim_start_matches(|c| is_space(c) || c == ',' || c == ';');
        let passed = &rest[..rest.len() - next.len()];
        self.0.at += passed.len();
        next.is_empty() || passed.contains(['\n', ',', ';'])
    }
}

/// What follows the comments that a text begins with.
pub(super) fn behind_comments(text: &str) -> &str {
    let mut rest = text.trim_start_matches(is_space);
    while rest.starts_with('/')
        && let Some(length) = comment_length(rest)
    {
        rest = rest[length..].trim_start_matches(is_space);
    }
    rest
}

/// Whether a text begins with a name and a parenthesis.
pub(super) fn is_call(text: &str) -> bool {
    Parser::new(text, 0, Mode::default()).call_length().is_some()
}

/// Reads `"a": 1, "b": 2` where it is all of a text, and little else was wrong with it.
pub(super) fn read_bare_map(text: &str) -> Option<Found<'_>> {
    if !begins_quoted_key(window(text)) {
        return None;
    }
    let found = read_unbraced(text, 0, Mode { loose: true, partial: false });
    let notes = &found.flaws.notes;
    let plain = !notes.contains(&"text without quotes") && !notes.contains(&"unclosed strings");
    (plain && !found.flaws.doubtful && found.end == text.len()).then_some(found)
}

/// Reads `"a": 1, "b": 2` from `start` on, a map without its braces.
pub(super) fn read_unbraced(text: &str, start: usize, mode: Mode) -> Found<'_> {
    let mut parser = Parser::new(text, start, mode);
    parser.flaws.note("braces are missing");
    let (entries, _) = parser.entries(true);
    let end = parser.at;
    let node = Node { kind: Kind::Map(entries), raw: &text[start..end], cut: mode.partial };
    Found { node, flaws: parser.flaws, start, end }
}

#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Top,
    Key,
    List,
    Map,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    /// The brackets that are open.
    open: Vec<char>,
    flaws: Flaws,
    mode: Mode,
    /// How many bytes may still be read a second time.
    spare: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, at: usize, mode: Mode) -> Self {
        let spare = 2 * text.len() + LOOK_AHEAD;
        Self { text, at, open: Vec::new(), flaws: Flaws::default(), mode, spare }
    }

    /// Whether the text from `from` to here may be read once more. Mending a string may mean to
    /// read it again in another way; were that free, a text of nothing but unclosed strings
    /// would take the square of its length.
    fn may_reread(&mut self, from: usize) -> bool {
        let cost = self.at - from;
        let may = cost <= self.spare;
        self.spare = self.spare.saturating_sub(cost);
        may
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn node(&self, start: usize, kind: Kind<'t>) -> Node<'t> {
        Node { kind, raw: self.text[start..self.at].trim(), cut: false }
    }

    fn absent(&self) -> Node<'t> {
        Node { kind: Kind::Absent, raw: "", cut: self.at == self.text.len() }
    }

    fn truncated(&mut self) {
        self.flaws.truncated = true;
    }

    /// Passes over white space and comments.
    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(is_space).len();
            let Some(length) = comment_length(self.rest()) else { return };
            self.flaws.note("comments");
            self.at += self.comment_end(length);
        }
    }

    /// Where a comment of this length ends. In JSON that was put on one line, a comment of a line
    /// has what closes the brackets behind it.
    fn comment_end(&self, length: usize) -> usize {
        let comment = &self.rest()[..length];
        let swallows = self.mode.loose && length == self.rest().len() && !self.open.is_empty();
        match comment.find([']', '}']) {
            Some(end) if swallows && !comment.starts_with("/*") => end,
            _ => length,
        }
    }

    fn value(&mut self, inside: Inside) -> Node<'t> {
        let start = self.at;
        match self.peek() {
            Some('{') if self.open.len() < MAX_DEPTH => self.map(),
            Some('[') if self.open.len() < MAX_DEPTH => self.list(']'),
            Some('(') if self.open.len() < MAX_DEPTH && self.is_tuple() => {
                self.flaws.note("parentheses for brackets");
                self.list(')')
            }
            Some('{' | '[') => self.too_deep(),
            Some('.' | '…') if self.elision() => self.node(start, Kind::Elided),
            Some(quote) if is_opening(quote) || self.rest().starts_with("\\\"") => {
                self.string(inside)
            }
            Some(_) if self.mode.loose && self.call_length().is_some() => self.call(inside),
            _ => self.bare(inside),
        }
    }

    /// The length of `ObjectId(`, where a name and a parenthesis stand here.
    fn call_length(&self) -> Option<usize> {
        let near = window(self.rest());
        let name = near.find(|c: char| !c.is_alphanumeric() && !"_.$".contains(c))?;
        let named = near.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$');
        (named && near[name..].starts_with('(')).then_some(name + 1)
    }

    /// `NumberLong(2)`: what is called tells the type, and the value is what it is called with.
    fn call(&mut self, inside: Inside) -> Node<'t> {
        let start = self.at;
        self.at += self.call_length().unwrap_or(0);
        self.skip_space();
        self.open.push(')');
        let inner = match self.peek() {
            Some(_) if self.open.len() < MAX_DEPTH => self.value(Inside::List),
            _ => self.absent(),
        };
        self.open.pop();
        self.skip_space();
        match self.peek() {
            Some(')') => {
                self.bump();
                if inside == Inside::Top && self.peek() == Some(';') {
                    self.bump();
                }
                self.flaws.note("a call around a value");
                inner
            }
            None if matches!(inner.kind, Kind::List(_) | Kind::Map(_)) => {
                self.flaws.note("a call around a value");
                self.truncated();
                Node { cut: true, ..inner }
            }
            // These are words and no call.
            _ if self.may_reread(start) => {
                self.at = start;
                self.bare(inside)
            }
            _ => {
                self.flaws.doubtful = true;
                self.node(start, Kind::Bare(self.text[start..self.at].trim()))
            }
        }
    }

    fn too_deep(&mut self) -> Node<'t> {
        self.flaws.doubtful = true;
        self.at = self.text.len();
        Node { kind: Kind::Elided, raw: "", cut: true }
    }

    /// Whether the parenthesis here begins a list and not words such as `(see below) …`.
    fn is_tuple(&self) -> bool {
        let rest = self.rest()[1..].trim_start();
        rest.starts_with(|c: char| c.is_ascii_digit() || is_opening(c) || "([{)-".contains(c))
    }

    fn elision(&mut self) -> bool {
        let rest = self.rest();
        let dots = rest.trim_start_matches(['.', '…']);
        let length = rest.len() - dots.len();
        let is_one = rest.starts_with("...") || rest.starts_with('…');
        let next = dots.trim_start();
        let ends = next.chars().next().is_none_or(|c| ",]})".contains(c))
            || (self.mode.loose && comment_length(window(next)).is_some());
        if is_one && ends {
            self.at += length;
        }
        is_one && ends
    }

    fn list(&mut self, close: char) -> Node<'t> {
        let start = self.at;
        self.bump();
        self.open.push(close);
        let mut items = Vec::new();
        let mut cut = false;
        loop {
            let commas = self.separators(!items.is_empty());
            match self.peek() {
                None => {
                    cut = true;
                    break;
                }
                Some(c @ (']' | '}' | ')')) => {
                    if self.closes(c, close) {
                        if close == ')' && commas == 0 && self.mode.loose && items.len() == 1 {
                            self.open.pop();
                            return items.swap_remove(0);
                        }
                        break;
                    }
                }
                Some('`') if self.rest().starts_with("```") => {
                    cut = true;
                    break;
                }
                Some(_) if self.lacks_bracket() && !items.is_empty() => {
                    self.flaws.note("brackets do not match");
                    break;
                }
                Some(_) => {
                    let item = self.progress(|it| it.value(Inside::List));
                    items.push(item);
                    self.unbraced_item(&mut items);
                }
            }
        }
        self.flaws.truncated |= cut;
        self.open.pop();
        Node { cut, ..self.node(start, Kind::List(items)) }
    }

    /// `{"a": [1, "b": 2}`: a key of the map around begins where an item should.
    fn lacks_bracket(&self) -> bool {
        let around = self.open.len().checked_sub(2).map(|at| self.open[at]);
        self.mode.loose && around == Some('}') && begins_quoted_key(window(self.rest()))
    }

    /// `["key": "value"]`: the item that was read is the key of a map without its brace.
    fn unbraced_item(&mut self, items: &mut Vec<Node<'t>>) {
        let is_key = self.mode.loose
            && self.rest().trim_start_matches(is_space).starts_with(':')
            && matches!(items.last(), Some(Node { kind: Kind::Text(_), .. }));
        if !is_key || self.open.len() >= MAX_DEPTH {
            return;
        }
        let Some(Node { kind: Kind::Text(key), raw, .. }) = items.pop() else { return };
        self.flaws.note("braces are missing");
        self.skip_space();
        self.bump();
        self.skip_space();
        self.open.push('}');
        let value = if self.peek().is_some() { self.value(Inside::Map) } else { self.absent() };
        self.open.pop();
        let mut entries = vec![(key, value)];
        self.skip_space();
        while self.peek() == Some(',') && begins_quoted_key(window(&self.rest()[1..])) {
            self.bump();
            self.skip_space();
            self.open.push('}');
            entries.extend(self.progress(Self::entry));
            self.open.pop();
            self.skip_space();
        }
        if self.peek() == Some('}') {
            self.bump();
        }
        items.push(Node { kind: Kind::Map(entries), raw, cut: false });
    }

    /// Handles a closing bracket inside something that ends with `close`; true when it ends.
    fn closes(&mut self, found: char, close: char) -> bool {
        if found == close {
            self.bump();
            return true;
        }
        self.flaws.note("brackets do not match");
        // One of an outer level ends this level too; one of no level is a slip for ours.
        if !self.open[..self.open.len() - 1].contains(&found) {
            self.bump();
        }
        true
    }

    /// Reads something, and moves on by one character if it did not: the loops must end.
    fn progress<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.at;
        let result = read(self);
        if self.at == before {
            self.flaws.doubtful = true;
            self.bump();
        }
        result
    }

    /// Passes over commas, and notes where there are none or too many.
    fn separators(&mut self, wanted: bool) -> usize {
        self.skip_space();
        let mut commas = 0;
        while matches!(self.peek(), Some(',' | ';' | '，' | '、')) {
            commas += 1;
            if self.peek() != Some(',') {
                self.flaws.note("other signs for commas");
            }
            self.bump();
            self.skip_space();
        }
        let ended = matches!(self.peek(), None | Some(']' | '}' | ')'));
        if commas > 1 || (commas == 1 && (ended || !wanted)) {
            self.flaws.note("stray commas");
        }
        if commas == 0 && wanted && !ended {
            self.flaws.note("missing commas");
        }
        commas
    }
}
