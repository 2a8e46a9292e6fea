//! Where each field of a reply stands.
//!
//! The markers that were asked for are `[[ ## name ## ]]`, each on a line of its own. Models
//! also set them in bold, in the middle of a line, in another case, or write headings, labels
//! or tags instead. [`Style`] names these ways, strictest first: a looser one is looked at only
//! when the stricter ones leave fields unfound, for what looks like a loose marker may be text.

use crate::adapt::read::plain::folded;
use std::sync::Arc;

/// The longest name between markers, in bytes.
const MAX_NAME: usize = 80;
/// What may stand around a marker.
const MARKUP: &[char] = &['*', '_', '`', '#', '-', '>', ' ', '\t', '•'];

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
    /// `**Name:** …`, `## Name`, `name: …`.
    Headed,
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
    folded: Vec<(String, What)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(outputs: &'a [Arc<str>], others: &'a [Arc<str>]) -> Self {
        let outs = outputs.iter().enumerate().map(|(at, it)| (folded(it), What::Output(at)));
        let rest = others.iter().map(|it| (folded(it), What::Other));
        let end = [("completed".to_owned(), What::Completed)];
        Self { outputs, others, folded: outs.chain(rest).chain(end).collect() }
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
        self.folded.iter().find(|(known, _)| *known == name).map(|(_, what)| *what)
    }
}

/// The markers of one style, in order.
pub(super) fn marks(text: &str, names: &Names<'_>, style: Style) -> Vec<Mark> {
    match style {
        Style::Exact | Style::Bracketed | Style::Inline => bracketed(text, names, style),
        Style::Tagged => tags(text, names),
        Style::Headed => headings(text, names),
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
    let inner = &text[start + 2..];
    let end = inner.find("]]").filter(|end| *end <= MAX_NAME)?;
    let name = inner[..end].trim().trim_matches('#').trim();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ' | '-');
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, start + 2 + end + 2))
}

fn bracket(
    text: &str,
    (start, end): (usize, usize),
    name: &str,
    names: &Names<'_>,
    style: Style,
) -> Option<Mark> {
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line..start];
    if style == Style::Exact {
        let spelled = text[start..end].strip_prefix("[[ ## ")?.strip_suffix(" ## ]]")?;
        let what = names.exact(spelled)?;
        return before.trim().is_empty().then_some(Mark { start, end, what });
    }
    let what = names.loose(name)?;
    let numbered = before.trim_start_matches(|c: char| c.is_ascii_digit() || ".) ".contains(c));
    let leads = numbered.trim_start_matches(MARKUP).is_empty();
    if style == Style::Bracketed && !leads {
        return None;
    }
    let start = if leads {
        line
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
        let inner = &text[at..];
        let mut window = MAX_NAME.min(inner.len());
        while !inner.is_char_boundary(window) {
            window -= 1;
        }
        let Some(length) = inner[..window].find('>') else { continue };
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
    let body = line.trim_start_matches(MARKUP);
    let markup = &line[..line.len() - body.len()];
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ' | '-');
    let length = body.find(|c| !is_name(c)).unwrap_or(body.len());
    let name = body[..length].trim_end();
    if name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    let what = names.loose(name)?;
    let rest = &body[name.len()..];
    let after = rest.trim_start_matches(['*', '_', '`', '#', ' ', ':', '：']);
    let signs = &rest[..rest.len() - after.len()];
    let titled = markup.contains('#') || markup.contains("**") || markup.contains("__");
    let alone = after.trim().is_empty();
    let marked = signs.contains([':', '：']) || (titled && alone);
    marked.then_some((line.len() - after.len(), what))
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
