//! Lists and dicts as people write them: bullets, lines, commas.

use crate::adapt::LibertyKind;
use crate::adapt::read::fit::is_nothing;
use crate::adapt::read::plain::{bullet, fence, undecorated, unquoted};
use crate::adapt::read::text::unread;
use crate::adapt::read::{Reader, Reading};
use crate::schema::{Record, Ty, Value};
use std::sync::Arc;

/// An item longer than this many words is a sentence, and its commas do not separate items.
const MAX_WORDS: usize = 5;

impl Reader<'_> {
    /// Words for a list.
    pub(super) fn list(&mut self, text: &str, item: &Ty) -> Reading {
        let text = fence(text.trim()).unwrap_or(text).trim();
        let whole = || Ty::List(Box::new(item.clone()));
        if text.is_empty() {
            return Err(unread(text, &whole()));
        }
        self.forgive(LibertyKind::Shape, "words for a list");
        if is_nothing(text) || is_nothing(text.trim_matches(['(', ')', '.', '[', ']'])) {
            return Ok(Value::list([]));
        }
        let items = self
            .bulleted(text)
            .or_else(|| lines(text))
            .unwrap_or_else(|| inline(text, self.is_text(item)));
        let items = items.into_iter().enumerate().map(|(at, one)| {
            let one = unquoted(one).unwrap_or(one);
            self.text(one, item).map_err(|error| error.inside(&format!("[{at}]")))
        });
        items.collect::<Result<Vec<_>, _>>().map(Value::list)
    }

    /// `- a` and `1. a`, with prose before and after.
    fn bulleted<'t>(&mut self, text: &'t str) -> Option<Vec<&'t str>> {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>();
        let items = lines.iter().filter_map(|line| point(line.trim())).collect::<Vec<_>>();
        if items.is_empty() {
            return None;
        }
        let first = lines.iter().position(|line| point(line.trim()).is_some())?;
        let last = lines.iter().rposition(|line| point(line.trim()).is_some())?;
        // Lines between two points belong to one of them, and which part is unclear.
        let unbroken = last - first + 1 == items.len();
        let around = lines.len() - items.len();
        if !unbroken || (around > 0 && items.len() < 2) {
            return None;
        }
        if around > 0 {
            self.forgive(LibertyKind::Prose, "text around a list");
        }
        Some(items)
    }

    /// `key: value`, line by line or with commas between.
    pub(super) fn pairs(&mut self, text: &str, item: &Ty) -> Reading {
        let text = fence(text.trim()).unwrap_or(text).trim();
        let whole = || Ty::Dict(Box::new(item.clone()));
        let parts = match lines(text) {
            Some(lines) => lines,
            None => text.split([',', ';']).map(str::trim).collect(),
        };
        self.forgive(LibertyKind::Shape, "words for an object");
        let mut record = Record::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let part = point(part).unwrap_or(part);
            let (key, value) =
                part.split_once([':', '=']).ok_or_else(|| unread(text, &whole()))?;
            let (key, _) = undecorated(key, "");
            let value = value.trim().trim_start_matches(['*', '_', '>']);
            let value = self.text(value, item).map_err(|error| error.inside(key))?;
            record.insert(Arc::from(key), value);
        }
        if record.is_empty() {
            return Err(unread(text, &whole()));
        }
        Ok(Value::map(record))
    }
}

/// What follows `- ` or `1. `.
fn point(line: &str) -> Option<&str> {
    let numbered = || {
        let rest = line.strip_prefix('(').unwrap_or(line);
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = rest.len() - after.len();
        let rest = after.strip_prefix(['.', ')', ':'])?;
        ((1..4).contains(&digits) && rest.starts_with([' ', '\t'])).then_some(rest)
    };
    bullet(line).or_else(numbered).map(str::trim)
}

/// The lines, where there are several.
fn lines(text: &str) -> Option<Vec<&str>> {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>();
    (lines.len() > 1).then_some(lines)
}

/// The parts of one line. A sentence with commas is one item.
fn inline(text: &str, is_text: bool) -> Vec<&str> {
    let separator = [';', '，', '、', '|', ','].into_iter().find(|c| text.contains(*c));
    let parts = match separator {
        Some(separator) => text.split(separator).map(str::trim).collect::<Vec<_>>(),
        None => vec![text.trim()],
    };
    let mut parts = parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>();
    split_last(&mut parts);
    let short = |part: &&str| part.split_whitespace().count() <= MAX_WORDS;
    if is_text && !parts.iter().all(short) {
        return vec![text.trim()];
    }
    if let Some(last) = parts.last_mut() {
        *last = last.strip_suffix('.').unwrap_or(last);
    }
    parts
}

/// `a, b and c`, `a and b`: the last comma is a word.
fn split_last(parts: &mut Vec<&str>) {
    let several = parts.len() > 1;
    let Some(last) = parts.pop() else { return };
    if let Some(rest) = last.strip_prefix("and ").filter(|_| several) {
        return parts.push(rest.trim());
    }
    match last.split_once(" and ") {
        Some((a, b)) if several || (is_brief(a) && is_brief(b)) => {
            parts.extend([a.trim(), b.trim()])
        }
        _ => parts.push(last),
    }
}

fn is_brief(text: &str) -> bool {
    text.split_whitespace().count() <= 2 && !text.contains(" and ")
}
