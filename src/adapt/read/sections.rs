//! Where each field of a reply stands.
//!
//! The markers that were asked for are `[[ ## name ## ]]`, each on a line of its own. Models
//! also set them in bold, in the middle of a line, in another case, or write headings, labels
//! or tags instead. [`Style`] names these ways, strictest first: a looser one is looked at only
//! when the stricter ones leave fields unfound, for what looks like a loose marker may be text.

use crate::adapt::read::plain::{folded, occurrences};
use std::cell::OnceCell;
use std::sync::Arc;

/// The longest name between markers, in bytes.
const MAX_NAME: usize = 80;
/// What may stand around a marker.
pub(super) const MARKUP: &[char] = &['*', '_', '`', '#', '-', '>', ' ', '\t', '•'];

/// Brackets and rules that stand for the markers that were asked for.
const OPENERS: &[char] = &['[', '{', '=', '【', '［', '\\'];
/// What follows a name in a heading.
const CLOSERS: &[char] = &[']', '}', '=', '】', '］', '\\', ':', '：'];

/// A way to mark fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As asked for.
    Exact,
    /// In brackets at the start of a line, but for case, spacing or markup.
    Bracketed,
    /// In brackets anywhere.
    Inline,
    /// `<name>…</name>`.
    Tagged,
    /// In brackets, and as headings where brackets are missing.
    Mixed,
    /// `**Name:** …`, `## Name`, `name: …`.
    Headed,
    /// `Name: …` in the middle of a line.
    Labelled,
}

/// A marker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: What,
}

/// What a marker begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The output of this index.
    Output(usize),
    /// Something that is no output: an input that was repeated, the end of a tag.
    Other,
    /// The end of the reply.
    Completed,
}

/// The names that markers may have.
pub(super) struct Names<'a> {
    pub(super) outputs: &'a [Arc<str>],
    pub(super) others: &'a [Arc<str>],
    /// Those that [`Names::loose`] compares; most replies need none.
    folded: OnceCell<Vec<(String, What)>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(outputs: &'a [Arc<str>], others: &'a [Arc<str>]) -> Self {
        Self { outputs, others, folded: OnceCell::new() }
    }

    fn folded(&self) -> Vec<(String, What)> {
        let outputs = self.outputs.iter().enumerate();
        let outputs = outputs.map(|(at, it)| (folded(it), What::Output(at)));
        let others = self.others.iter().map(|it| (folded(it), What::Other));
        let end = [("completed".to_owned(), What::Completed)];
        outputs.chain(others).chain(end).collect()
    }

    fn exact(&self, name: &str) -> Option<What> {
        if let Some(at) = self.outputs.iter().position(|it| **it == *name) {
            return Some(What::Output(at));
        }
        if self.others.iter().any(|it| **it == *name) {
            return Some(What::Other);
        }
        (name == "completed").then_some(What::Completed)
    }

    fn loose(&self, name: &str) -> Option<What> {
        let name = folded(name);
        let known = self.folded.get_or_init(|| self.folded());
        known.iter().find(|(known, _)| *known == name).map(|(_, what)| *what)
    }
}

/// The markers of one style, in order.
pub(super) fn marks(text: &str, names: &Names<'_>, style: Style) -> Vec<Mark> {
    match style {
        Style::Exact | Style::Bracketed | Style::Inline => bracketed(text, names, style),
        Style::Tagged => tags(text, names),
        Style::Headed => headings(text, names),
        Style::Mixed => mixed(text, names),
        Style::Labelled => labels(text, names),
    }
}

fn bracketed(text: &str, names: &Names<'_>, style: Style) -> Vec<Mark> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find("[[") {
        let start = at + offset;
        at = start + 2;
        if text[..start].ends_with('\\') {
            continue;
        }
        let Some((name, end)) = bracketed_name(text, start) else { continue };
        if let Some(mark) = bracket(text, (start, end), name, names, style) {
            at = mark.end;
            found.push(mark);
        }
    }
    found
}

/// The name in brackets at `start`, and where the brackets end.
fn bracketed_name(text: &str, start: usize) -> Option<(&str, usize)> {
    let inner = window(&text[start + 2..]);
    let end = inner.find("]]")?;
    let name = inner[..end].trim().trim_matches('#').trim();
    // `[[ ## count: int ## ]]` repeats the type.
    let name = name.split_once(':').map_or(name, |(name, _)| name.trim());
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ' | '-');
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, start + 2 + end + 2))
}

/// The start of a text, as far as a name can be long.
fn window(text: &str) -> &str {
    let mut end = MAX_NAME.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What stands on the line before `at`. Of a long line only the end is given: no markup before
/// a marker is that long.
fn line_before(text: &str, at: usize) -> &str {
    let mut from = at.saturating_sub(MAX_NAME);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let near = &text[from..at];
    near.rfind('\n').map_or(near, |line| &near[line + 1..])
}

fn bracket(
    text: &str,
    (start, end): (usize, usize),
    name: &str,
    names: &Names<'_>,
    style: Style,
) -> Option<Mark> {
    let before = line_before(text, start);
    if style == Style::Exact {
        let spelled = text[start..end].strip_prefix("[[ ## ")?.strip_suffix(" ## ]]")?;
        let what = names.exact(spelled)?;
        let plain = before.trim().is_empty() && !text[end..].starts_with([':', '*', '`']);
        return plain.then_some(Mark { start, end, what });
    }
    let what = names.loose(name)?;
    let numbered = before.trim_start_matches(|c: char| c.is_ascii_digit() || ".) ".contains(c));
    let leads = numbered.trim_start_matches(MARKUP).is_empty();
    if style == Style::Bracketed && !leads {
        return None;
    }
    let start = if leads {
        start - before.len()
    } else {
        start - (before.len() - before.trim_end_matches(['*', '`']).len())
    };
    let after = &text[end..];
    let behind = after.len() - after.trim_start_matches(['*', '`', ':']).len();
    Some(Mark { start, end: end + behind, what })
}

fn tags(text: &str, names: &Names<'_>) -> Vec<Mark> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find('<') {
        let start = at + offset;
        at = start + 1;
        let inner = window(&text[at..]);
        let Some(length) = inner.find('>') else { continue };
        let name = &inner[..length];
        let (name, closes) = name.strip_prefix('/').map_or((name, false), |it| (it, true));
        if let Some(what) = names.loose(name).filter(|_| !name.is_empty()) {
            let what = if closes { What::Other } else { what };
            found.push(Mark { start, end: at + length + 1, what });
        }
    }
    found
}

fn headings(text: &str, names: &Names<'_>) -> Vec<Mark> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((length, what)) = heading(line, names) {
            found.push(Mark { start: at, end: at + length, what });
        }
        at += line.len();
    }
    found
}

/// The name at the start of a line, and how much of the line it takes.
fn heading(line: &str, names: &Names<'_>) -> Option<(usize, What)> {
    let numbered = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let unnumbered = numbered.strip_prefix(['.', ')']).unwrap_or(line);
    let body = unnumbered.trim_start_matches(|c| MARKUP.contains(&c) || OPENERS.contains(&c));
    let markup = &line[..line.len() - body.len()];
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ');
    let length = body.find(|c| !is_name(c)).unwrap_or(body.len());
    let name = body[..length].trim_end_matches(['_', ' ']);
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    let what = names.loose(name)?;
    let rest = &body[name.len()..];
    let after = rest.trim_start_matches(|c| MARKUP.contains(&c) || CLOSERS.contains(&c));
    let signs = &rest[..rest.len() - after.len()];
    let titled = ["#", "**", "__", "--"].iter().any(|it| markup.contains(it))
        || markup.contains(OPENERS);
    let marked = signs.contains([':', '：', '=']) || (titled && after.trim().is_empty());
    marked.then_some((line.len() - after.len(), what))
}

/// Labels inside a line: `Reasoning: two and three. Answer: 5`.
fn labels(text: &str, names: &Names<'_>) -> Vec<Mark> {
    let mut found = Vec::new();
    for (at, name) in names.outputs.iter().enumerate() {
        let mut label = name.replace('_', " ");
        if let Some(first) = label.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        for start in occurrences(text, &label) {
            let end = start + label.len();
            if text[end..].starts_with(':') {
                found.push(Mark { start, end: end + 1, what: What::Output(at) });
            }
        }
    }
    found.sort_by_key(|mark| mark.start);
    found
}

/// Markers, and headings for the outputs that have no marker.
fn mixed(text: &str, names: &Names<'_>) -> Vec<Mark> {
    let mut found = bracketed(text, names, Style::Inline);
    let marked = found.iter().map(|mark| mark.what).collect::<Vec<_>>();
    let others = headings(text, names);
    found.extend(
        others.into_iter().filter(|mark| {
            matches!(mark.what, What::Output(_)) && !marked.contains(&mark.what)
        }),
    );
    found.sort_by_key(|mark| mark.start);
    found
}

/// The bodies under the headings `names`, each the first of its name.
pub(super) fn headed<'t>(text: &'t str, names: &[Arc<str>]) -> Vec<Option<&'t str>> {
    let names = Names::new(names, &[]);
    let marks = headings(text, &names);
    let bodies = bodies(text, &marks, names.outputs.len());
    bodies.into_iter().map(|bodies| bodies.first().copied()).collect()
}

/// What stands under each output's markers.
pub(super) fn bodies<'t>(text: &'t str, marks: &[Mark], outputs: usize) -> Vec<Vec<&'t str>> {
    let mut found = vec![Vec::new(); outputs];
    let mut over = false;
    for (at, mark) in marks.iter().enumerate() {
        let end = marks.get(at + 1).map_or(text.len(), |next| next.start);
        match mark.what {
            What::Completed => over = true,
            What::Other => {}
            // Behind the end only what is still missing counts: models run on into another task.
            What::Output(index) if over && !found[index].is_empty() => {}
            What::Output(index) => found[index].push(&text[mark.end.min(end)..end]),
        }
    }
    found
}
