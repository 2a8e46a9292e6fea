//! Strings: where they end, and what stands in them.

use super::look::{
    begins_key, begins_value, comment_length, follows_comma, is_closing, is_opening, is_space,
    window,
};
use super::{Inside, Kind, LOOK_AHEAD, Node, Parser};
use std::borrow::Cow;

/// What ends a string whose closing quote is missing.
const STOPS: &[char] = &[',', '[', ']', '{', '}', '\n', '+'];

impl<'t> Parser<'t> {
    pub(super) fn string(&mut self, inside: Inside) -> Node<'t> {
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
        if let Some(text) = self.tripled() {
            return self.node(start, Kind::Text(Cow::Borrowed(text)));
        }
        let mut scan = StringScan::new(quote, escaped, inside, self.at);
        let mut text = self.string_body(&mut scan);
        if self.mode.loose && inside != Inside::Key {
            self.joined(&mut text, inside);
        }
        Node { cut: scan.cut, ..self.node(start, Kind::Text(text)) }
    }

    /// The text between three quotes, of which the first is passed.
    fn tripled(&mut self) -> Option<&'t str> {
        let body = self.rest().strip_prefix("\"\"")?;
        let length = body.find("\"\"\"")?;
        if length == 0 || !self.text[..self.at].ends_with('"') {
            return None;
        }
        self.flaws.note("triple quotes");
        self.at += length + 5;
        Some(&body[..length])
    }

    /// `"a" + "b"` is one string.
    fn joined(&mut self, text: &mut Cow<'t, str>, inside: Inside) {
        while self.rest().trim_start_matches(is_space).starts_with('+') {
            self.flaws.note("strings joined with `+`");
            self.skip_space();
            self.bump();
            self.skip_space();
            let Some(quote) = self.peek().filter(|c| is_opening(*c)) else { return };
            self.bump();
            let mut scan = StringScan::new(quote, false, inside, self.at);
            let more = self.string_body(&mut scan);
            text.to_mut().push_str(&more);
        }
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
            if scan.escaped && self.rest().starts_with("\\\\\"") {
                scan.own(self.text, from);
                scan.push('"');
                self.at += 3;
                continue;
            }
            if c == '\\' {
                self.escape(scan);
                continue;
            }
            self.bump();
            if c.is_control() {
                self.flaws.note("control characters in strings");
            }
            if scan.may_close(c) {
                match self.after_quote(scan.inside) {
                    After::Ends => return self.ended(scan, from),
                    After::Continues if self.is_open_end() => {
                        // What follows will tell whether this was the end.
                        scan.cut = true;
                        self.at = self.text.len();
                        return scan.finish(self.text, from);
                    }
                    After::Continues => {
                        if let Some(text) = self.stop_before(scan, from) {
                            return text;
                        }
                        scan.inner = Some((scan.length(from), from));
                    }
                    After::Overran => {
                        if let Some(text) = self.step_back(scan) {
                            return text;
                        }
                    }
                }
                self.flaws.note("quotes inside strings");
            }
            if self.mode.loose
                && (STOPS.contains(&c) || (c == ':' && scan.inside == Inside::Key))
            {
                scan.passed(c, from);
            }
            scan.push(c);
        }
    }

    /// Whether more text may come, and little is known of what follows here.
    fn is_open_end(&self) -> bool {
        self.mode.partial && self.rest().len() < LOOK_AHEAD
    }

    /// The text of a string that ends at `upto`. A line break before the quote comes from a
    /// model that broke its lines.
    fn ended(&mut self, scan: &mut StringScan, upto: usize) -> Cow<'t, str> {
        let text = scan.finish(self.text, upto);
        let raw = &self.text[scan.body..upto];
        if !self.mode.loose || !raw.ends_with('\n') || raw.ends_with("\\\n") {
            return text;
        }
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end()),
            Cow::Owned(text) => Cow::Owned(text.trim_end().to_owned()),
        }
    }

    /// `"a, "b"` in a list, `"a, b: "c"` in a map: the quote at `from` begins the next string,
    /// for nothing that could be text stands before it. The one here was never closed.
    fn stop_before(&mut self, scan: &mut StringScan, from: usize) -> Option<Cow<'t, str>> {
        let (length, comma) = scan.comma.filter(|_| self.mode.loose && !self.mode.partial)?;
        let between = self.text[comma + 1..from].trim_matches(is_space);
        let begins = match (scan.inside, between.strip_suffix(':')) {
            (Inside::Key, None) => between.is_empty(),
            (Inside::List, None) => between.is_empty() && is_item(window(self.rest())),
            (Inside::Map, Some(key)) => {
                !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_')
            }
            _ => false,
        };
        (begins && self.may_reread(comma)).then(|| self.cut_back(scan, length, comma))
    }

    fn cut_back(&mut self, scan: &StringScan, length: usize, at: usize) -> Cow<'t, str> {
        self.flaws.note("unclosed strings");
        self.at = at;
        Cow::Owned(scan.so_far(self.text, length).trim_end().to_owned())
    }

    /// `"New York, "age": 3`: the quote that should have closed is missing, and the one before
    /// the next key was taken for an inner one.
    fn step_back(&mut self, scan: &mut StringScan) -> Option<Cow<'t, str>> {
        let (length, from) = scan.inner?;
        let text = scan.so_far(self.text, length);
        let text = text.trim_end().strip_suffix(',')?.to_owned();
        if !self.may_reread(from) {
            return None;
        }
        self.flaws.note("unclosed strings");
        self.at = from;
        Some(Cow::Owned(text))
    }

    /// The text ended inside a string: what closes the open brackets is no part of it.
    fn unterminated(&mut self, scan: &mut StringScan) -> Cow<'t, str> {
        if let Some((length, at)) = scan.stop.filter(|_| self.mode.loose && !self.mode.partial)
        {
            // A text that ends as JSON does is whole but for the quote.
            let last = self.text.trim_end_matches(is_space);
            let whole = last.ends_with([',', ':', '[', ']', '{', '}', '(', ')', '+']);
            if whole && self.may_reread(at) {
                return self.cut_back(scan, length, at);
            }
        }
        self.truncated();
        scan.cut = true;
        let text = scan.finish(self.text, self.text.len());
        let fenceless = text.trim_end().strip_suffix("```").map_or(&*text, str::trim_end);
        // Line breaks behind the cut are the reply's; one that was escaped is the string's.
        let breaks = self.text.ends_with('\n');
        let mut kept = if breaks { fenceless.trim_end_matches('\n') } else { fenceless };
        for close in self.open.iter().rev() {
            match kept.strip_suffix(*close) {
                Some(shorter) => kept = shorter.trim_end(),
                None => break,
            }
        }
        if kept.len() == text.len() { text } else { Cow::Owned(kept.to_owned()) }
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
            None if "\\u".starts_with(&self.text[back..]) || cut_escape(&self.text[back..]) => {
                // Half of a pair, cut off before the other half.
                self.at = self.text.len();
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
            (Inside::List, ':') if self.mode.loose => After::Ends,
            (Inside::Map, '}') => ends(self.follows_brace(&next[1..])),
            (Inside::List, ']') => After::Ends,
            (_, '+') if self.mode.loose => ends(joins(&next[1..])),
            (_, ']' | '}' | ')') => ends(self.open.contains(&c)),
            (_, '`') => ends(next.starts_with("```")),
            (_, '/') => ends(comment_length(next).is_some()),
            (Inside::Map | Inside::List, '#') => ends(spaced),
            (Inside::Map, _) => ends((spaced || is_opening(c)) && begins_key(next)),
            (Inside::List, _) => ends(spaced && begins_value(next)),
            (Inside::Top, _) => After::Continues,
        }
    }

    /// Whether what stands behind a brace goes with the brace being outside of a string.
    fn follows_brace(&self, text: &str) -> bool {
        let next = text.trim_start_matches(is_space);
        let Some(rest) = next.strip_prefix(',') else { return true };
        if self.mode.loose && self.open.len() == 1 {
            return rest.trim_start_matches(is_space).starts_with(['[', '{', '"']);
        }
        let outer = self.open.len().checked_sub(2).map(|at| self.open[at]);
        let inside = if outer == Some(']') { Inside::List } else { Inside::Map };
        rest.trim().is_empty() || follows_comma(rest, inside)
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
    /// The first sign that could end the string, were it not one, in the same way.
    stop: Option<(usize, usize)>,
    /// The last comma, in the same way.
    comma: Option<(usize, usize)>,
    /// The text ended inside.
    cut: bool,
}

impl StringScan {
    fn new(quote: char, escaped: bool, inside: Inside, body: usize) -> Self {
        Self {
            quote,
            escaped,
            inside,
            body,
            out: None,
            inner: None,
            stop: None,
            comma: None,
            cut: false,
        }
    }

    /// Remembers a sign that may have been meant to stand outside.
    fn passed(&mut self, c: char, at: usize) {
        let here = Some((self.length(at), at));
        self.stop = self.stop.or(here);
        // What ends a key is its colon.
        if c == (if self.inside == Inside::Key { ':' } else { ',' }) {
            self.comma = here;
        }
    }

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

/// Whether a string goes on behind a `+`.
fn joins(text: &str) -> bool {
    let next = text.trim_start_matches(is_space);
    next.is_empty() || next.starts_with(is_opening) || next.starts_with([']', '}', ','])
}

/// Whether the rest of a string and what ends an item stand here.
fn is_item(text: &str) -> bool {
    let Some(end) = text.find(is_closing) else { return false };
    let mut after = text[end..].chars();
    after.next();
    after.as_str().trim_start_matches(is_space).starts_with([',', ']'])
}

/// Whether a text is the beginning of `\\uDC00` and no more.
fn cut_escape(text: &str) -> bool {
    let digits = text.strip_prefix("\\u").unwrap_or("no");
    digits.len() < 4 && digits.chars().all(|c| c.is_ascii_hexdigit())
}
