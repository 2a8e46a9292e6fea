//! Maps: keys, what stands between them and their values, braces that are missing.

use super::look::{begins_quoted_key, is_opening, is_space, window};
use super::{Inside, Kind, LOOK_AHEAD, MAX_DEPTH, Node, Parser};
use std::borrow::Cow;

impl<'t> Parser<'t> {
    pub(super) fn map(&mut self) -> Node<'t> {
        let start = self.at;
        self.bump();
        self.skip_space();
        if self.peek() == Some('{') {
            return self.doubled(start);
        }
        self.open.push('}');
        let (entries, cut) = self.entries(false);
        self.open.pop();
        Node { cut, ..self.node(start, Kind::Map(entries)) }
    }

    /// `{"a": 1}, "b": 2}`: a map that was closed too early goes on.
    pub(super) fn run_on(&mut self, node: &mut Node<'t>) {
        let Kind::Map(entries) = &mut node.kind else { return };
        while !node.cut {
            let rest = window(self.rest()).trim_start_matches(is_space);
            let Some(next) = rest.strip_prefix(',') else { return };
            if !begins_quoted_key(next) {
                return;
            }
            self.flaws.note("brackets do not match");
            self.open.push('}');
            let (more, cut) = self.entries(false);
            self.open.pop();
            entries.extend(more);
            node.cut = cut;
        }
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

    /// The entries of a map, and whether the text ended before them.
    pub(super) fn entries(&mut self, unbraced: bool) -> (Vec<(Cow<'t, str>, Node<'t>)>, bool) {
        let mut entries = Vec::new();
        let cut = loop {
            self.separators(!entries.is_empty());
            match self.peek() {
                None => break true,
                Some(c @ (']' | '}' | ')')) => {
                    if unbraced {
                        self.bump();
                        break false;
                    }
                    if self.closes(c, '}') {
                        break false;
                    }
                }
                Some('`') if self.rest().starts_with("```") => break true,
                Some('{') if self.lacks_brace() && !entries.is_empty() => {
                    self.flaws.note("brackets do not match");
                    break false;
                }
                Some(_) => {
                    if let Some(entry) = self.progress(Self::entry) {
                        entries.push(entry);
                    }
                }
            }
        };
        self.flaws.truncated |= cut && !unbraced;
        (entries, cut)
    }

    /// `[{"a": 1{"a": 2}]`: a map begins where only a key could, and an item could.
    fn lacks_brace(&self) -> bool {
        self.mode.loose && self.open.len() > 1 && self.open[self.open.len() - 2] == ']'
    }

    pub(super) fn entry(&mut self) -> Option<(Cow<'t, str>, Node<'t>)> {
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
            None => return self.without_value(key),
            Some(_) => self.flaws.note("missing colons"),
        }
        self.skip_space();
        match self.peek() {
            Some(',' | '}' | ']') | None => self.without_value(key),
            Some(_) => Some((key, self.value(Inside::Map))),
        }
    }

    /// A key that no value follows counts for nothing, but where any value is welcome and none
    /// was cut off.
    fn without_value(&mut self, key: Cow<'t, str>) -> Option<(Cow<'t, str>, Node<'t>)> {
        if self.peek().is_none() {
            self.truncated();
            return None;
        }
        self.flaws.note("keys without values");
        self.mode.loose.then(|| (key, self.absent()))
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
        if self.rest().strip_prefix('"').is_some_and(|it| it.starts_with(':')) {
            // `b": 2`: the opening quote is missing.
            self.bump();
        }
        Some(Cow::Borrowed(key))
    }

    /// Whether the string that begins here is a key, for a colon follows it.
    pub(super) fn string_is_key(&self) -> bool {
        begins_quoted_key(window(self.rest()))
    }
}
