//! Pictures, sounds and files in prompts: a mark where one stands, until the prompt is whole;
//! then its place in the message.

use crate::adapt::origin::{Edit, Pen};
use crate::adapt::{Ask, Prepared};
use crate::lm::{Message, Placed, Prompt};
use crate::schema::{Media, MediaFile, MediaKind, Record, Value};
use crate::util::sha256_hex;
use std::fmt::Write as _;
use std::sync::Arc;

/// Begins and ends a mark: what Unicode has for an object in the midst of text.
const EDGE: char = '\u{fffc}';

/// Appends the mark of a medium.
pub(super) fn push_mark(out: &mut String, medium: &MediaFile) {
    let media = &medium.media;
    let hash = sha256_hex(media.source.told().as_bytes());
    let _ = write!(out, "{EDGE}{}:{}{EDGE}", media.kind.as_str(), &hash[..16]);
}

/// A value with marks in place of media.
pub(super) fn marked(value: &Value) -> Value {
    match value {
        Value::Media(medium) => {
            let mut mark = String::new();
            push_mark(&mut mark, medium);
            Value::from(mark)
        }
        Value::List(items) => Value::list(items.iter().map(marked)),
        Value::Map(entries) => {
            Value::map(entries.iter().map(|(name, it)| (name.clone(), marked(it))).collect())
        }
        other => other.clone(),
    }
}

/// The prompt with media in place of their marks; text that is continued has words for them.
pub(super) fn placed(mut prepared: Prepared, ask: &Ask<'_>, pen: &mut impl Pen) -> Prepared {
    let mut known = Vec::new();
    let inputs = ask.demos.iter().map(|it| &it.inputs).chain([ask.inputs]);
    inputs.for_each(|it| gather(it, &mut known));
    if known.is_empty() {
        return prepared;
    }
    match &mut prepared.prompt {
        Prompt::Chat(messages) => {
            for (at, Message { text, media, .. }) in messages.iter_mut().enumerate() {
                let edits = place(text, &known, |text, it| {
                    media.push(Placed { at: text.len(), media: it.clone() });
                });
                pen.edited(at, &edits);
            }
        }
        Prompt::Text(text) => {
            let edits = place(text, &known, |text, it| text.push_str(&it.to_string()));
            pen.edited(0, &edits);
        }
    }
    prepared
}

/// Each medium with its mark.
type Known = Vec<(String, Arc<Media>)>;

fn gather(record: &Record, known: &mut Known) {
    record.values().filter(|it| it.has_media()).for_each(|it| gather_in(it, known));
}

fn gather_in(value: &Value, known: &mut Known) {
    match value {
        Value::Media(medium) => {
            let mut mark = String::new();
            push_mark(&mut mark, medium);
            if !known.iter().any(|it| it.0 == mark) {
                known.push((mark, as_sent(&medium.media)));
            }
        }
        Value::List(items) => items.iter().for_each(|it| gather_in(it, known)),
        Value::Map(entries) => entries.values().for_each(|it| gather_in(it, known)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_) => {}
    }
}

/// A medium without what the model is not told: a picture has content and no name.
fn as_sent(media: &Arc<Media>) -> Arc<Media> {
    match (media.kind, &media.name) {
        (MediaKind::File, _) | (_, None) => media.clone(),
        (_, Some(_)) => Arc::new(Media { name: None, ..(**media).clone() }),
    }
}

/// Takes the marks out of a text, and has `put` put media in their places.
fn place(
    marked: &mut String,
    known: &Known,
    mut put: impl FnMut(&mut String, &Arc<Media>),
) -> Vec<Edit> {
    let mut edits = Vec::new();
    if !marked.contains(EDGE) {
        return edits;
    }
    let mut text = String::with_capacity(marked.len());
    let mut rest = &**marked;
    while let Some(at) = rest.find(EDGE) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = known.iter().find(|(mark, _)| rest.starts_with(&**mark));
        let taken = match found {
            Some((mark, media)) => {
                let from = marked.len() - rest.len();
                let start = text.len();
                put(&mut text, media);
                let given = text.len() - start;
                edits.push(Edit { taken: from..from + mark.len(), given });
                mark.len()
            }
            None => {
                text.push(EDGE);
                EDGE.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    text.push_str(rest);
    *marked = text;
    edits
}
