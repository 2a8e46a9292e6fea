//! A reply that is still being written.
//!
//! Fields count from their markers on: a reply without any may turn out to have them, so nothing
//! of it is told before its end. What may be the beginning of a marker is no text of a value.

use crate::adapt::read::json::{Kind, Mode};
use crate::adapt::read::partial::begun;
use crate::adapt::read::plain::folded;
use crate::adapt::read::reply::{Reply, is_thinking};
use crate::adapt::read::sections::{self, Mark, Names, Style, What};
use crate::adapt::read::{Reader, Reading};
use crate::adapt::{Partial, write};
use crate::schema::{Field, Signature, Ty, left_out};
use std::borrow::Cow;

/// How the marker of a field begins.
const MARKER: &str = "[[ ## ";
/// The longest marker that is waited for, in bytes.
const MAX_MARKER: usize = 96;

/// What the beginning of a reply states of the outputs of `signature`.
pub(in crate::adapt) fn read_begun(signature: &Signature, text: &str) -> Partial {
    if is_thinking(text) {
        return Partial::default();
    }
    let reply = Reply::new(signature, text);
    let text = settled(reply.text);
    let names = Names::new(&reply.outputs, &reply.inputs);
    let styles = [Style::Exact, Style::Bracketed, Style::Inline];
    let found = styles.map(|style| sections::marks(text, &names, style));
    let count = |marks: &[Mark]| {
        let bodies = sections::bodies(text, marks, signature.outputs.len());
        bodies.iter().filter(|it| !it.is_empty()).count()
    };
    let most = found.iter().map(|it| count(it)).max().unwrap_or(0);
    // An object may have a marker in its texts; one that was asked for begins a line.
    let stated =
        if count(&found[0]) > 0 { Partial::default() } else { object(signature, text) };
    // The strictest of those that find the most, as in a reply that is whole.
    match found.iter().position(|it| most > 0 && count(it) == most) {
        Some(at) if stated.values.is_empty() => marked(signature, text, &found[at], styles[at]),
        _ => stated,
    }
}

/// What the beginning of a reply states that should be a JSON object.
pub(in crate::adapt) fn begun_object(signature: &Signature, text: &str) -> Partial {
    if is_thinking(text) {
        return Partial::default();
    }
    let reply = Reply::new(signature, text);
    let stated = object(signature, reply.text);
    let opens = reply.text.trim_start().starts_with(['{', '[', '`']);
    if opens || !stated.values.is_empty() { stated } else { read_begun(signature, text) }
}

/// Reads outputs whose texts are known so far; that of `open` may go on.
pub(in crate::adapt) fn read_begun_sections(
    signature: &Signature,
    texts: &[Option<Cow<'_, str>>],
    open: Option<usize>,
) -> Partial {
    let mut partial = Partial::default();
    for (at, (field, text)) in signature.outputs.iter().zip(texts).enumerate() {
        let Some(text) = text else { continue };
        add(&mut partial, signature, field, open != Some(at), |it| match open == Some(at) {
            true => it.text_cut(text, &field.ty),
            false => it.text_whole(text, &field.ty),
        });
    }
    partial
}

fn add(
    partial: &mut Partial,
    signature: &Signature,
    field: &Field,
    ended: bool,
    read: impl FnOnce(&mut Reader<'_>) -> Reading,
) {
    let mut reader = Reader::new(&signature.types, field.name.clone());
    reader.partial = true;
    let value = match read(&mut reader) {
        Ok(value) => value,
        Err(why) => {
            let why = ended.then(|| (field.name.clone(), why.to_string()));
            return partial.wrong.extend(why);
        }
    };
    partial.values.insert(field.name.clone(), value);
    if ended {
        partial.complete.push(field.name.clone());
    }
}

fn marked(signature: &Signature, text: &str, marks: &[Mark], style: Style) -> Partial {
    let bodies = sections::bodies(text, marks, signature.outputs.len());
    let last = marks.iter().rev().find(|it| it.what != What::Other);
    let open = last.and_then(|it| match it.what {
        What::Output(index) if bodies[index].last() == Some(&&text[it.end..]) => Some(index),
        _ => None,
    });
    let fenced =
        marks.first().is_some_and(|it| text[..it.start].matches("```").count() % 2 == 1);
    let texts = bodies.iter().enumerate().map(|(at, bodies)| {
        let body = *bodies.first()?;
        // The reply stands in a block of code, whose end is no part of the last value.
        let ends = fenced && open == Some(at);
        let body = if ends { body.trim_end().trim_end_matches('`') } else { body };
        // Where markers have bullets and stars before them, the next one may have begun.
        let decorated = style != Style::Exact && open == Some(at);
        let body = if decorated { body.trim_end_matches(sections::MARKUP) } else { body };
        Some(write::unescaped(body))
    });
    let texts = texts.collect::<Vec<_>>();
    // Of a field that is written twice the first text is over.
    let open = open.filter(|at| bodies[*at].len() == 1);
    read_begun_sections(signature, &texts, open)
}

/// A reply that is a JSON object of the outputs, or the only output by itself.
fn object(signature: &Signature, text: &str) -> Partial {
    let mut partial = Partial::default();
    let start = text.trim_start().trim_start_matches("json").trim_start_matches("```");
    let start = start.trim_start_matches("json").trim_start();
    if !start.starts_with(['{', '[']) {
        return partial;
    }
    let mode = Mode { loose: false, partial: true };
    let Some(node) = begun(text, mode) else { return partial };
    let entries = match &node.kind {
        Kind::Map(entries) => &entries[..],
        _ => &[],
    };
    let is_output = |key: &str| {
        signature.outputs.iter().any(|it| *key == *it.name || folded(key) == folded(&it.name))
    };
    if !entries.iter().any(|(key, _)| is_output(key)) {
        if let Some(only) = only_output(signature)
            && (node.is_list() || !entries.is_empty())
        {
            add(&mut partial, signature, only, false, |it| it.text_cut(text, &only.ty));
        }
        return partial;
    }
    for field in &signature.outputs {
        let is_it = |key: &str| *key == *field.name || folded(key) == folded(&field.name);
        let Some((_, node)) = entries.iter().rev().find(|(key, _)| is_it(key)) else {
            continue;
        };
        add(&mut partial, signature, field, !node.cut, |it| it.fit(node, &field.ty));
    }
    partial
}

/// The only output that a reply must state, where it is no text.
fn only_output(signature: &Signature) -> Option<&Field> {
    let types = &signature.types;
    let mut wanted = signature.outputs.iter().filter(|it| left_out(it, types).is_none());
    let only = wanted.next().or_else(|| signature.outputs.first())?;
    let is_text = matches!(only.ty.resolve(types), Some(Ty::Str | Ty::Enum(_) | Ty::OneOf(_)));
    (wanted.next().is_none() && !is_text).then_some(only)
}

/// A text without what may be the beginning of a marker.
fn settled(text: &str) -> &str {
    let line = text.rfind('\n').map_or(0, |at| at + 1);
    let body = text[line..].trim_start();
    // A backslash before a marker says that it is text.
    let bare = body.trim_start_matches('\\');
    let begins = MARKER.starts_with(bare) || (bare.starts_with(MARKER) && !bare.contains("]]"));
    if !body.is_empty() && begins {
        return &text[..line];
    }
    let mut from = text.len().saturating_sub(MAX_MARKER);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let near = &text[from..];
    let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '#' | ' ');
    match near.rfind("[[") {
        Some(at) if near[at + 2..].trim_end_matches(']').chars().all(name) => {
            let closed = near[at..].contains("]]");
            if closed { text } else { without_markup(&text[..from + at]) }
        }
        _ => without_markup(text.strip_suffix('[').unwrap_or(text)),
    }
}

/// A text without the signs that may belong to a marker behind them.
fn without_markup(text: &str) -> &str {
    let kept = text.trim_end_matches(['*', '#', '`']);
    let line = kept.rfind('\n').map_or(0, |at| at + 1);
    if kept[line..].trim().is_empty() { kept } else { text }
}
