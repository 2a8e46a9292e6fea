//! The tags of a reply as a tree. Only tags with known names count: all others are text.

use crate::adapt::read::plain::folded;
use crate::adapt::xml::{CDATA, ENTITIES, tag_name};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How deep elements nest; opening tags deeper inside are text.
const MAX_DEPTH: usize = 64;
/// The longest tag, in bytes.
const MAX_TAG: usize = 256;

/// What stands between a tag and its end.
#[derive(Debug)]
pub(super) struct Element<'t> {
    /// Its name as it is written.
    pub(super) name: &'t str,
    /// Its name without what is only spelling.
    pub(super) folded: String,
    /// What its `key` says.
    pub(super) key: Option<Cow<'t, str>>,
    /// Where its tag begins.
    pub(super) start: usize,
    /// Where what it holds begins and ends.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Where its end tag ends.
    pub(super) end: usize,
    /// Whether it has an end tag.
    pub(super) closed: bool,
    pub(super) children: Vec<Element<'t>>,
}

/// Which tags count.
pub(super) enum Known<'a> {
    /// Those with these names, folded.
    Names(&'a BTreeSet<String>),
    /// All that look like tags.
    All,
}

struct Tag<'t> {
    start: usize,
    end: usize,
    name: &'t str,
    folded: String,
    key: Option<Cow<'t, str>>,
    opens: bool,
    closes: bool,
}

/// Reads the elements of a text from `from` to `to`. Where more text may come, elements that
/// have no end yet are left open as they stand.
pub(super) fn elements<'t>(
    text: &'t str,
    (from, to): (usize, usize),
    known: &Known<'_>,
    partial: bool,
) -> Vec<Element<'t>> {
    let tags = tags(&text[..to], from, known);
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for tag in tags.iter().filter(|it| !it.opens) {
        *ends.entry(tag.folded.clone()).or_default() += 1;
    }
    let mut tree = Tree { text, open: Vec::new(), done: Vec::new(), partial };
    for tag in tags {
        if tag.opens {
            tree.end_unended(&tag, &ends);
            tree.open(tag);
        } else {
            if let Some(left) = ends.get_mut(&tag.folded) {
                *left -= 1;
            }
            tree.close(&tag);
        }
    }
    while !tree.open.is_empty() {
        tree.pop(to, to, false);
    }
    tree.done
}

struct Tree<'t> {
    text: &'t str,
    open: Vec<Element<'t>>,
    done: Vec<Element<'t>>,
    partial: bool,
}

impl<'t> Tree<'t> {
    fn open(&mut self, tag: Tag<'t>) {
        if self.open.len() >= MAX_DEPTH {
            return;
        }
        let at = tag.end;
        self.open.push(Element {
            name: tag.name,
            folded: tag.folded,
            key: tag.key,
            start: tag.start,
            from: at,
            to: at,
            end: at,
            closed: false,
            children: Vec::new(),
        });
        if tag.closes {
            self.pop(at, at, true);
        }
    }

    /// `<item>a<item>b`: an element with text in it ends where the next one begins, where its
    /// end tag is nowhere in the rest.
    fn end_unended(&mut self, tag: &Tag<'t>, ends: &BTreeMap<String, usize>) {
        while let Some(top) = self.open.last() {
            let has_text = !self.text[top.from..tag.start].trim().is_empty();
            let ended = ends.get(&top.folded).is_some_and(|it| *it > 0);
            if self.partial || ended || !has_text || !top.children.is_empty() {
                return;
            }
            self.pop(tag.start, tag.start, false);
        }
    }

    fn close(&mut self, tag: &Tag<'t>) {
        let Some(at) = self.open.iter().rposition(|it| it.folded == tag.folded) else { return };
        while self.open.len() > at + 1 {
            self.pop(tag.start, tag.start, false);
        }
        self.pop(tag.start, tag.end, true);
    }

    /// Ends the innermost element. What stands in one without an end tag behind its text goes
    /// beside it.
    fn pop(&mut self, to: usize, end: usize, closed: bool) {
        let Some(mut element) = self.open.pop() else { return };
        (element.to, element.end, element.closed) = (to, end, closed);
        let mut beside = Vec::new();
        if !closed
            && let Some(first) = element.children.first()
            && !self.text[element.from..first.start].trim().is_empty()
        {
            (element.to, element.end) = (first.start, first.start);
            beside = std::mem::take(&mut element.children);
        }
        let siblings = match self.open.last_mut() {
            Some(parent) => &mut parent.children,
            None => &mut self.done,
        };
        siblings.push(element);
        if !self.partial {
            siblings.append(&mut beside);
        }
    }
}

fn tags<'t>(text: &'t str, from: usize, known: &Known<'_>) -> Vec<Tag<'t>> {
    let mut found = Vec::new();
    let mut at = from;
    while let Some(offset) = text[at..].find('<') {
        let start = at + offset;
        let rest = &text[start..];
        if rest.starts_with(CDATA) {
            at = rest.find("]]>").map_or(text.len(), |it| start + it + 3);
            continue;
        }
        at = start + 1;
        if let Some(tag) = tag(text, start, known) {
            at = tag.end;
            found.push(tag);
        }
    }
    found
}

fn tag<'t>(text: &'t str, start: usize, known: &Known<'_>) -> Option<Tag<'t>> {
    let inner = window(&text[start + 1..]);
    let name = tag_name(inner);
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let folded = folded(name);
    let counts = match known {
        Known::Names(names) => names.contains(&folded),
        Known::All => true,
    };
    if !counts {
        return None;
    }
    let length = inner.find(['>', '<']).filter(|it| inner[*it..].starts_with('>'))?;
    let closes_only = inner.starts_with('/');
    let rest = &inner[name.len() + usize::from(closes_only)..length];
    if !rest.is_empty() && !rest.starts_with(|c: char| c.is_whitespace() || c == '/') {
        return None;
    }
    Some(Tag {
        start,
        end: start + 1 + length + 1,
        name,
        folded,
        key: key(rest),
        opens: !closes_only,
        closes: closes_only || rest.ends_with('/'),
    })
}

/// The value of `key="…"` among the attributes of a tag.
fn key(attributes: &str) -> Option<Cow<'_, str>> {
    let (_, rest) = attributes.split_once("key=")?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let body = &rest[1..];
    body.find(quote).map(|end| decoded(&body[..end]))
}

fn window(text: &str) -> &str {
    let mut end = MAX_TAG.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The text between tags: entities are the signs that they stand for.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    let bare = text.trim();
    if let Some(inner) = bare.strip_prefix(CDATA) {
        return Cow::Borrowed(inner.strip_suffix("]]>").unwrap_or(inner));
    }
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match ENTITIES.iter().find(|it| rest.starts_with(it.0)) {
            Some((entity, c)) => {
                out.push(*c);
                rest = &rest[entity.len()..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A text without what may be the beginning of a tag or an entity.
pub(super) fn settled<'t>(text: &'t str, names: &BTreeSet<String>) -> &'t str {
    let from = text.len() - text.len().min(MAX_TAG);
    let from = (from..=text.len()).find(|it| text.is_char_boundary(*it)).unwrap_or(text.len());
    let near = &text[from..];
    if let Some(at) = near.rfind('<')
        && begins_tag(&near[at..], names)
    {
        return &text[..from + at];
    }
    match near.rfind('&') {
        Some(at) if ENTITIES.iter().any(|it| it.0.starts_with(&near[at..])) => {
            let ended = ENTITIES.iter().any(|it| it.0 == &near[at..]);
            if ended { text } else { &text[..from + at] }
        }
        // The end of a quoted block may have begun.
        _ => text.strip_suffix("]]").or_else(|| text.strip_suffix(']')).unwrap_or(text),
    }
}

/// Whether a text that begins with `<` and has no more of them may become a tag.
fn begins_tag(text: &str, names: &BTreeSet<String>) -> bool {
    if text.contains('>') {
        return false;
    }
    if CDATA.starts_with(text) {
        return true;
    }
    let name = tag_name(&text[1..]);
    let slash = usize::from(text[1..].starts_with('/'));
    let rest = &text[1 + slash + name.len()..];
    let part = folded(name);
    if rest.is_empty() {
        return names.iter().any(|it| it.starts_with(&part));
    }
    names.contains(&part) && rest.starts_with(|c: char| c.is_whitespace() || c == '/')
}
