//! A JSON reader that keeps going.
//!
//! It reads what models write where JSON was asked for, and says what it had to forgive. It
//! never fails and knows no types: whether the tree is of use is for `fit` to say.
//!
//! Strings are the hard part, for a quote inside may be meant or may end the text. A quote ends
//! a string when what follows could follow a string there; how far is looked ahead is bounded,
//! so that the whole is linear.

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
pub(super) fn read_at(text: &str, start: usize) -> Found<'_> {
    let mut parser = Parser::new(text, start);
    let node = parser.value(Inside::Top);
    let end = parser.at;
    Found { node, flaws: parser.flaws, start, end }
}

/// Reads `"a": 1, "b": 2`, a map without its braces.
pub(super) fn read_unbraced(text: &str) -> Found<'_> {
    let mut parser = Parser::new(text, 0);
    parser.flaws.note("braces are missing");
    let entries = parser.entries(true);
    let end = parser.at;
    Found {
        node: Node { kind: Kind::Map(entries), raw: text },
        flaws: parser.flaws,
        start: 0,
        end,
    }
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
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, at: usize) -> Self {
        Self { text, at, open: Vec::new(), flaws: Flaws::default() }
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
        Node { kind, raw: self.text[start..self.at].trim() }
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
            self.at += length;
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
            _ => self.bare(inside),
        }
    }

    fn too_deep(&mut self) -> Node<'t> {
        self.flaws.doubtful = true;
        self.at = self.text.len();
        Node { kind: Kind::Elided, raw: "" }
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
        let ends = dots.trim_start().chars().next().is_none_or(|c| ",]})".contains(c));
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
        loop {
            self.separators(!items.is_empty());
            match self.peek() {
                None => {
                    self.truncated();
                    break;
                }
                Some(c @ (']' | '}' | ')')) => {
                    if self.closes(c, close) {
                        break;
                    }
                }
                Some(_) => items.push(self.progress(|it| it.value(Inside::List))),
            }
        }
        self.open.pop();
        self.node(start, Kind::List(items))
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

    fn map(&mut self) -> Node<'t> {
        let start = self.at;
        self.bump();
        self.skip_space();
        if self.peek() == Some('{') {
            return self.doubled(start);
        }
        self.open.push('}');
        let entries = self.entries(false);
        self.open.pop();
        self.node(start, Kind::Map(entries))
    }

    /// `{{ … }}`, from a model that copied a template.
    fn doubled(&mut self, start: usize) -> Node<'t> {
        self.flaws.note("doubled braces");
        self.open.push('}');
        let inner = if self.open.len() < MAX_DEPTH { self.map() } else { self.too_deep() };
        self.skip_space();
        if self.peek() == Some('}') {
            self.bump();
        }
        self.open.pop();
        Node { raw: self.text[start..self.at].trim(), ..inner }
    }

    fn entries(&mut self, unbraced: bool) -> Vec<(Cow<'t, str>, Node<'t>)> {
        let mut entries = Vec::new();
        loop {
            self.separators(!entries.is_empty());
            match self.peek() {
                None => {
                    self.flaws.truncated |= !unbraced;
                    break;
                }
                Some(c @ (']' | '}' | ')')) => {
                    if unbraced {
                        self.bump();
                        break;
                    }
                    if self.closes(c, '}') {
                        break;
                    }
                }
                Some(_) => {
                    if let Some(entry) = self.progress(Self::entry) {
                        entries.push(entry);
                    }
                }
            }
        }
        entries
    }

    /// Passes over commas, and notes where there are none or too many.
    fn separators(&mut self, wanted: bool) {
        self.skip_space();
        let mut commas = 0;
        while matches!(self.peek(), Some(',' | ';' | '，' | '、')) {
            commas += 1;
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
    }

    fn entry(&mut self) -> Option<(Cow<'t, str>, Node<'t>)> {
        let start = self.at;
        if self.elision() {
            let elided = self.node(start, Kind::Elided);
            return Some((Cow::Borrowed("..."), elided));
        }
        let key = self.key()?;
        self.skip_space();
        match self.peek() {
            Some(':' | '=' | '：') => self.colon(),
            Some(',' | '}' | ']') => {
                self.flaws.doubtful = true;
                return None;
            }
            None => {
                self.truncated();
                return None;
            }
            Some(_) => self.flaws.note("missing colons"),
        }
        self.skip_space();
        match self.peek() {
            Some(',' | '}' | ']') => {
                self.flaws.note("keys without values");
                None
            }
            None => {
                self.truncated();
                None
            }
            Some(_) => Some((key, self.value(Inside::Map))),
        }
    }

    fn colon(&mut self) {
        if self.peek() != Some(':') {
            self.flaws.note("other signs for colons");
        }
        self.bump();
        if self.rest().starts_with('>') {
            self.bump();
        }
    }

    fn key(&mut self) -> Option<Cow<'t, str>> {
        if self.peek().is_some_and(is_opening) || self.rest().starts_with("\\\"") {
            return match self.string(Inside::Key).kind {
                Kind::Text(key) => Some(key),
                _ => None,
            };
        }
        self.flaws.note("keys without quotes");
        let rest = self.rest();
        let end = rest
            .char_indices()
            .find(|(_, c)| ":=：,{}[]()\n".contains(*c) || is_opening(*c))
            .map_or(rest.len(), |(at, _)| at);
        self.at += end;
        let key = rest[..end].trim();
        if key.is_empty() || end > LOOK_AHEAD {
            self.flaws.doubtful = true;
            return None;
        }
        if matches!(self.peek(), Some(c) if is_opening(c)) && self.string_is_key() {
            // `NOTE "key": …`: a word that does not belong.
            self.flaws.note("stray words");
            return self.key();
        }
        Some(Cow::Borrowed(key))
    }

    /// Whether the string that begins here is a key, for a colon follows it.
    fn string_is_key(&self) -> bool {
        let rest = self.rest();
        let mut chars = rest.chars();
        chars.next();
        let inner = window(chars.as_str());
        let Some(end) = inner.find(is_closing) else { return false };
        let mut after = inner[end..].chars();
        after.next();
        after.as_str().trim_start_matches(is_space).starts_with([':', '：'])
    }

    fn string(&mut self, inside: Inside) -> Node<'t> {
        let start = self.at;
        let escaped = self.peek() == Some('\\');
        self.at += usize::from(escaped);
        let quote = self.peek().unwrap_or('"');
        self.bump();
        if escaped {
            self.flaws.note("escaped quotes");
        } else if quote != '"' {
            self.flaws.note("other quotes");
        }
        let body = self.at;
        let mut scan = StringScan { quote, escaped, inside, body, out: None, inner: None };
        let text = self.string_body(&mut scan);
        self.node(start, Kind::Text(text))
    }

    fn string_body(&mut self, scan: &mut StringScan) -> Cow<'t, str> {
        loop {
            let from = self.at;
            let Some(c) = self.peek() else { return self.unterminated(scan) };
            if scan.escaped && self.rest().starts_with("\\\"") {
                let text = scan.finish(self.text, from);
                self.at += 2;
                return text;
            }
            if c == '\\' {
                self.escape(scan);
                continue;
            }
            self.bump();
            if c != '\n' && c.is_control() || c == '\n' {
                self.flaws.note("control characters in strings");
            }
            if scan.may_close(c) {
                match self.after_quote(scan.inside) {
                    After::Ends => return scan.finish(self.text, from),
                    After::Continues => scan.inner = Some((scan.length(from), from)),
                    After::Overran => {
                        if let Some(text) = self.step_back(scan) {
                            return text;
                        }
                    }
                }
                self.flaws.note("quotes inside strings");
            }
            scan.push(c);
        }
    }

    /// `"New York, "age": 3`: the quote that should have closed is missing, and the one before
    /// the next key was taken for an inner one.
    fn step_back(&mut self, scan: &mut StringScan) -> Option<Cow<'t, str>> {
        let (length, from) = scan.inner?;
        let text = scan.so_far(self.text, length);
        let text = text.trim_end().strip_suffix(',')?.to_owned();
        self.flaws.note("unclosed strings");
        self.at = from;
        Some(Cow::Owned(text))
    }

    /// The text ended inside a string: what closes the open brackets is no part of it.
    fn unterminated(&mut self, scan: &mut StringScan) -> Cow<'t, str> {
        self.truncated();
        let text = scan.finish(self.text, self.text.len());
        let mut kept = text.trim_end().trim_end_matches("```").trim_end();
        for close in self.open.iter().rev() {
            match kept.strip_suffix(*close) {
                Some(shorter) => kept = shorter.trim_end(),
                None => break,
            }
        }
        if kept.len() == text.trim_end().len() { text } else { Cow::Owned(kept.to_owned()) }
    }

    fn escape(&mut self, scan: &mut StringScan) {
        let from = self.at;
        scan.own(self.text, from);
        self.bump();
        let Some(c) = self.peek() else { return };
        self.bump();
        match c {
            'n' => scan.push('\n'),
            't' => scan.push('\t'),
            'r' => scan.push('\r'),
            'b' => scan.push('\u{8}'),
            'f' => scan.push('\u{c}'),
            'u' => self.unicode(scan),
            '"' | '\\' | '/' | '\n' => scan.push(c),
            _ if c == scan.quote => scan.push(c),
            // `C:\dir` means what it says.
            _ => {
                self.flaws.note("unknown escapes");
                scan.push('\\');
                scan.push(c);
            }
        }
    }

    fn unicode(&mut self, scan: &mut StringScan) {
        let Some(high) = self.hex4() else {
            let rest = self.rest();
            if rest.len() < 4 && rest.chars().all(|c| c.is_ascii_hexdigit()) {
                // Cut in the middle of an escape.
                self.at = self.text.len();
            } else {
                self.flaws.note("unknown escapes");
                scan.push('\\');
                scan.push('u');
            }
            return;
        };
        if let Some(c) = char::from_u32(high) {
            return scan.push(c);
        }
        let back = self.at;
        let low = self.rest().starts_with("\\u").then(|| {
            self.at += 2;
            self.hex4()
        });
        let pair = low.flatten().filter(|low| (0xDC00..0xE000).contains(low));
        match pair.filter(|_| high < 0xDC00) {
            Some(low) => {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                scan.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            None => {
                self.at = back;
                self.flaws.note("unknown escapes");
                scan.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    /// What the text behind a quote says about it.
    fn after_quote(&self, inside: Inside) -> After {
        let rest = window(self.rest());
        let next = rest.trim_start_matches(is_space);
        let spaced = next.len() < rest.len();
        let ends = |it: bool| if it { After::Ends } else { After::Continues };
        let Some(c) = next.chars().next() else {
            return ends(rest.len() == self.rest().len());
        };
        match (inside, c) {
            (Inside::Key, ':' | '=' | '：') => After::Ends,
            (Inside::Key, _) => {
                ends(spaced || is_opening(c) || "{[-}],".contains(c) || c.is_ascii_digit())
            }
            (Inside::Map, ':') => After::Overran,
            (_, ',' | '，' | '、' | ';') => {
                ends(follows_comma(&next[c.len_utf8()..], inside))
            }
            (Inside::Map, '}') => After::Ends,
            (Inside::List, ']') => After::Ends,
            (_, ']' | '}' | ')') => ends(self.open.contains(&c)),
            (_, '`') => ends(next.starts_with("```")),
            (_, '/') => ends(comment_length(next).is_some()),
            (Inside::Map, _) => ends(spaced && begins_key(next)),
            (Inside::List, _) => ends(spaced && begins_value(next)),
            (Inside::Top, _) => After::Continues,
        }
    }

    /// Words without quotes, up to what ends them here.
    fn bare(&mut self, inside: Inside) -> Node<'t> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(c) = self.peek() {
            if depth == 0 && self.ends_bare(c, inside) {
                break;
            }
            match c {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.bump();
        }
        if self.peek().is_none() && !self.open.is_empty() {
            self.truncated();
        }
        let words = self.text[start..self.at].trim();
        let kind = classify(words);
        match kind {
            Kind::Bare(_) => self.flaws.note("text without quotes"),
            _ if serde_json::from_str::<serde::de::IgnoredAny>(words).is_err() => {
                self.flaws.note("other spellings of literals");
            }
            _ => {}
        }
        Node { kind, raw: words }
    }

    fn ends_bare(&self, c: char, inside: Inside) -> bool {
        let after = &self.rest()[c.len_utf8()..];
        match c {
            ']' | '}' => true,
            ')' => self.open.contains(&')'),
            ',' if inside == Inside::Map => {
                let next = window(after).trim_start_matches(is_space);
                next.is_empty()
                    || next.starts_with('}')
                    || begins_key(next)
                    || next.starts_with(',')
            }
            ',' => true,
            '\n' if inside == Inside::Map => {
                let next = window(after).trim_start_matches(is_space);
                begins_key(next) || next.starts_with(['}', ']'])
            }
            '\n' => true,
            ' ' | '\t' => comment_length(after).is_some_and(|_| !after.starts_with('#')),
            _ => false,
        }
    }
}

enum After {
    Ends,
    Continues,
    /// A colon follows: a key was swallowed.
    Overran,
}

/// A string while it is read. Its text is a piece of the source for as long as that will do.
struct StringScan {
    quote: char,
    escaped: bool,
    inside: Inside,
    body: usize,
    out: Option<String>,
    /// The last quote that was taken for an inner one: how long the text was, and where.
    inner: Option<(usize, usize)>,
}

impl StringScan {
    fn may_close(&self, c: char) -> bool {
        !self.escaped
            && match self.quote {
                '"' => c == '"',
                '\'' => c == '\'',
                '‘' | '’' => matches!(c, '‘' | '’' | '\''),
                '`' | '´' => matches!(c, '`' | '´' | '\''),
                '«' => c == '»',
                '“' | '”' | '„' => matches!(c, '“' | '”' | '"'),
                '＂' => c == '＂',
                _ => c == '」',
            }
    }

    fn own(&mut self, text: &str, upto: usize) {
        self.out.get_or_insert_with(|| text[self.body..upto].to_owned());
    }

    fn push(&mut self, c: char) {
        if let Some(out) = &mut self.out {
            out.push(c);
        }
    }

    fn length(&self, upto: usize) -> usize {
        self.out.as_ref().map_or(upto - self.body, String::len)
    }

    fn so_far<'s>(&'s self, text: &'s str, length: usize) -> &'s str {
        match &self.out {
            Some(out) => &out[..length],
            None => &text[self.body..self.body + length],
        }
    }

    fn finish<'t>(&mut self, text: &'t str, upto: usize) -> Cow<'t, str> {
        match self.out.take() {
            Some(out) => Cow::Owned(out),
            None => Cow::Borrowed(&text[self.body..upto]),
        }
    }
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{180e}')
}

pub(super) fn is_opening(c: char) -> bool {
    matches!(c, '"' | '\'' | '“' | '”' | '„' | '‘' | '’' | '`' | '´' | '«' | '＂' | '「')
}

fn is_closing(c: char) -> bool {
    is_opening(c) || matches!(c, '»' | '」')
}

/// The next piece of a text, as far as is looked ahead.
fn window(text: &str) -> &str {
    let mut end = LOOK_AHEAD.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") || text.starts_with('#') {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let inner = text.strip_prefix("/*")?;
    Some(inner.find("*/").map_or(text.len(), |end| end + 4))
}

/// Whether a key and a colon stand here.
fn begins_key(text: &str) -> bool {
    let mut chars = text.chars();
    let inner = match chars.next() {
        Some(c) if is_opening(c) => {
            let inner = chars.as_str();
            let Some(end) = inner.find(is_closing) else { return false };
            let mut after = inner[end..].chars();
            after.next();
            after.as_str()
        }
        Some(c) if c.is_alphanumeric() || c == '_' => {
            text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
        }
        _ => return false,
    };
    let after = inner.trim_start_matches(is_space);
    // `https://…` is no key.
    after.starts_with([':', '：']) && !after.starts_with("://")
}

fn begins_value(text: &str) -> bool {
    let literal = ["true", "false", "null", "True", "False", "None", "..."];
    text.starts_with(|c: char| c.is_ascii_digit() || is_opening(c) || "{[-".contains(c))
        || literal.iter().any(|it| text.starts_with(it))
}

/// Whether what stands behind a comma goes with the comma being outside of a string.
fn follows_comma(text: &str, inside: Inside) -> bool {
    let next = text.trim_start_matches(is_space);
    if next.is_empty() || next.starts_with(['}', ']', ')', ',', '#']) || next.starts_with("//")
    {
        return true;
    }
    match inside {
        Inside::Map => {
            next.starts_with(is_opening) || begins_key(next) || next.starts_with("/*")
        }
        _ => begins_value(next) || next.starts_with("/*"),
    }
}

fn classify(words: &str) -> Kind<'_> {
    match words {
        "null" | "None" | "Null" | "NULL" | "nil" | "undefined" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        _ => {}
    }
    let digits = words.trim_start_matches(['-', '+', '.']);
    let numeric = |c: char| c.is_ascii_digit() || ".eE+-_".contains(c);
    if digits.starts_with(|c: char| c.is_ascii_digit()) && words.chars().all(numeric) {
        return Kind::Number;
    }
    // `abc"`: the opening quote is missing.
    let quotes = words.matches('"').count();
    match words.strip_suffix('"') {
        Some(word) if quotes == 1 => Kind::Bare(word.trim()),
        _ => Kind::Bare(words),
    }
}
