//! Words without quotes: literals, numbers, text.

use super::look::{begins_key, begins_value, comment_length, is_opening, is_space, window};
use super::{Inside, Kind, Node, Parser};

impl<'t> Parser<'t> {
    /// Words without quotes, up to what ends them here.
    pub(super) fn bare(&mut self, inside: Inside) -> Node<'t> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(c) = self.peek() {
            if depth == 0
                && (self.ends_bare(c, inside)
                    || (self.mode.loose && self.ends_loosely(start, c, inside)))
            {
                break;
            }
            match c {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.bump();
        }
        let mut words = self.text[start..self.at].trim();
        if let Some(literal) = words.strip_suffix('"').filter(|it| it.len() < 40)
            && self.mode.loose
            && !matches!(classify(literal), Kind::Bare(_))
        {
            words = literal;
        }
        let mut kind = classify(words);
        let cut = self.peek().is_none() && (!self.open.is_empty() || self.mode.partial);
        if cut {
            self.truncated();
            kind = completed(words).unwrap_or(kind);
            if self.mode.partial && matches!(kind, Kind::Bare(_)) {
                kind = Kind::Absent;
            }
        }
        match kind {
            Kind::Bare(_) => self.flaws.note("text without quotes"),
            Kind::Absent => {}
            _ if serde_json::from_str::<serde::de::IgnoredAny>(words).is_err() => {
                self.flaws.note("other spellings of literals");
            }
            _ => {}
        }
        Node { kind, raw: words, cut }
    }

    /// What ends words where a value of any kind may stand: a literal is whole by itself.
    fn ends_loosely(&self, start: usize, c: char, inside: Inside) -> bool {
        let literal = || Some(&self.text[start..self.at]).filter(|it| it.len() < 40);
        let next = || window(&self.rest()[c.len_utf8()..]).trim_start_matches(is_space);
        let kind = || literal().map_or(Kind::Bare(""), |it| classify(it.trim()));
        match c {
            ',' | ';' => match kind() {
                Kind::Null | Kind::Bool(_) => true,
                // `12,345` is one number.
                Kind::Number => !next().starts_with(|c: char| c.is_ascii_digit()) || c == ';',
                _ => false,
            },
            ' ' | '\t' if comment_length(next()).is_some() => !matches!(kind(), Kind::Bare(_)),
            ' ' if inside == Inside::List => {
                literal().is_some_and(is_number) && begins_value(next())
            }
            ')' => !matches!(kind(), Kind::Bare(_)),
            '{' => inside == Inside::Map && !matches!(kind(), Kind::Bare(_)),
            _ if is_opening(c) && inside == Inside::Map => {
                self.text[..self.at].ends_with(is_space) && self.string_is_key()
            }
            _ => false,
        }
    }

    fn ends_bare(&self, c: char, inside: Inside) -> bool {
        let after = &self.rest()[c.len_utf8()..];
        match c {
            ']' | '}' => true,
            ')' => self.open.contains(&')'),
            ',' if inside == Inside::Map => {
                let next = window(after).trim_start_matches(is_space);
                next.is_empty()
                    || next.starts_with(['}', ','])
                    || next.starts_with(is_opening)
                    || next.starts_with("...")
                    || comment_length(next).is_some_and(|_| !next.starts_with('#'))
                    || begins_key(next)
            }
            ',' => true,
            '/' => after.starts_with('*'),
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

fn is_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text.trim()).is_ok()
}

/// The literal that was cut off, as in `[1, fal`.
fn completed(words: &str) -> Option<Kind<'_>> {
    let begins = |word: &str| !words.is_empty() && word.starts_with(words);
    if begins("true") {
        return Some(Kind::Bool(true));
    }
    if begins("false") {
        return Some(Kind::Bool(false));
    }
    begins("null").then_some(Kind::Null)
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
