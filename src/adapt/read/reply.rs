//! A whole reply into the outputs of a signature.

use crate::adapt::read::json::Kind;
use crate::adapt::read::plain::folded;
use crate::adapt::read::sections::{self, Mark, Names, Style, What};
use crate::adapt::read::text::candidates;
use crate::adapt::read::{Best, Reader, Reading};
use crate::adapt::xml::tag_name;
use crate::adapt::{Liberty, LibertyKind, ParseError, Parsed, place_in, write};
use crate::schema::{ConvertError, Field, Record, Signature, Ty, left_out};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Reads the outputs of `signature` out of a reply in whatever form it has.
pub(in crate::adapt) fn read_reply(
    signature: &Signature,
    text: &str,
) -> Result<Parsed, ParseError> {
    // JSON inside a JSON string, from a model that encoded twice.
    if text.trim_start().starts_with("\"{")
        && let Ok(inner) = serde_json::from_str::<String>(text.trim())
        && let Some(parsed) = Reply::new(signature, &inner).json()
    {
        return parsed.map(|mut parsed| {
            parsed
                .liberties
                .insert(0, Liberty::of_reply(LibertyKind::Shape, "JSON inside text"));
            // Places are those of the inner text.
            parsed.liberties.iter_mut().for_each(|it| it.at = None);
            parsed
        });
    }
    let reply = Reply::new(signature, text);
    let found = reply.bracketed();
    if let Some(found) = &found
        && reply.suffices(found)
    {
        return reply.read(found);
    }
    let json = reply.json();
    if let Some(Ok(parsed)) = json {
        return Ok(parsed);
    }
    let styles: &[Style] = match found {
        Some(_) => &[Style::Mixed],
        None => &[Style::Tagged, Style::Headed, Style::Labelled],
    };
    let looser = styles.iter().find_map(|style| {
        let found = reply.found(*style);
        reply.suffices(&found).then_some(found)
    });
    if let Some(found) = looser {
        return reply.read(&found);
    }
    // A marker was written: the rest of the reply is not to be read as one value.
    if let Some(found) = found {
        return reply.read(&found);
    }
    json.or_else(|| reply.alone()).unwrap_or_else(|| reply.read(&reply.found(Style::Headed)))
}

/// Reads a reply that should be a JSON object: markers count where there is no such object.
pub(in crate::adapt) fn read_object(
    signature: &Signature,
    text: &str,
) -> Result<Parsed, ParseError> {
    match Reply::new(signature, text).json() {
        Some(Ok(mut parsed)) => {
            let thought = &text[..text.len() - without_thoughts(text).len()];
            if !thought.is_empty() {
                let note = "thinking before the reply was dropped";
                let liberty = Liberty::of_reply(LibertyKind::Prose, note);
                let at = place_in(text, thought.trim());
                parsed.liberties.insert(0, liberty.with_place(at));
            }
            Ok(parsed)
        }
        _ => read_reply(signature, text),
    }
}

/// Reads outputs whose texts are known.
pub(in crate::adapt) fn read_sections(
    signature: &Signature,
    whole: &str,
    texts: &[Option<Cow<'_, str>>],
) -> Result<Parsed, ParseError> {
    let mut outcome = Outcome::default();
    for (field, text) in signature.outputs.iter().zip(texts) {
        let mut reader = Reader::new(&signature.types, field.name.clone()).within(whole);
        let reading = match text {
            Some(text) => reader.text(text, &field.ty),
            None => reader.absent(field),
        };
        reader.place(0, text.as_deref().unwrap_or_default());
        outcome.add(field, text.is_some(), reading, reader.liberties);
    }
    outcome.finish()
}

/// What one style of markers found.
struct Sections<'t> {
    style: Style,
    bodies: Vec<Vec<&'t str>>,
    /// What stands before the first marker.
    before: &'t str,
}

impl Sections<'_> {
    fn count(&self) -> usize {
        self.bodies.iter().filter(|bodies| !bodies.is_empty()).count()
    }
}

pub(super) struct Reply<'a> {
    signature: &'a Signature,
    pub(super) text: &'a str,
    /// What the model thought aloud before it.
    thought: &'a str,
    /// Both.
    whole: &'a str,
    pub(super) outputs: Vec<Arc<str>>,
    pub(super) inputs: Vec<Arc<str>>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(signature: &'a Signature, text: &'a str) -> Self {
        let names = |fields: &[Field]| fields.iter().map(|it| it.name.clone()).collect();
        let reply = without_thoughts(text);
        Self {
            signature,
            thought: &text[..text.len() - reply.len()],
            whole: text,
            text: reply,
            outputs: names(&signature.outputs),
            inputs: names(&signature.inputs),
        }
    }

    fn found(&self, style: Style) -> Sections<'a> {
        let names = Names::new(&self.outputs, &self.inputs);
        let marks = sections::marks(self.text, &names, style);
        let bodies = sections::bodies(self.text, &marks, self.outputs.len());
        let before = marks.first().map_or("", |mark| &self.text[..mark.start]);
        let mut found = Sections { style, bodies, before };
        self.mend(&mut found, &marks);
        found
    }

    /// Takes off the last text what is no part of it, and gives the text before the first
    /// marker to a field that should have been marked there.
    fn mend(&self, found: &mut Sections<'a>, marks: &[Mark]) {
        let last = marks.iter().rev().find(|mark| mark.what != What::Other);
        if let Some(Mark { what: What::Output(index), end, .. }) = last
            && let Some(body) = found.bodies[*index].last_mut()
            && *body == &self.text[*end..]
        {
            *body = without_tail(body, found.before);
        }
        let first = marks.iter().find_map(|mark| match mark.what {
            What::Output(index) => Some(index),
            What::Other | What::Completed => None,
        });
        if first == Some(1)
            && found.bodies[0].is_empty()
            && !found.before.trim().is_empty()
            && matches!(self.signature.outputs[0].ty, Ty::Str)
        {
            found.bodies[0].push(found.before);
        }
    }

    fn suffices(&self, found: &Sections<'_>) -> bool {
        let fields = self.signature.outputs.iter().zip(&found.bodies);
        let types = &self.signature.types;
        found.count() > 0
            && fields
                .into_iter()
                .all(|(field, bodies)| !bodies.is_empty() || left_out(field, types).is_some())
    }

    /// What stands under bracketed markers: strictly where that finds every field, else the way
    /// that finds the most.
    fn bracketed(&self) -> Option<Sections<'a>> {
        let mut best: Option<Sections<'a>> = None;
        for style in [Style::Exact, Style::Bracketed, Style::Inline] {
            let found = self.found(style);
            if found.count() == self.outputs.len() {
                return Some(found);
            }
            if found.count() > best.as_ref().map_or(0, Sections::count) {
                best = Some(found);
            }
        }
        best
    }

    fn read(&self, found: &Sections<'a>) -> Result<Parsed, ParseError> {
        let mut outcome = Outcome::default();
        if !self.thought.is_empty() {
            let at = place_in(self.whole, self.thought.trim());
            outcome.drop_text("thinking before the reply", at);
        }
        let used = found.bodies.iter().flatten().any(|body| *body == found.before);
        if !used && found.before.contains(char::is_alphanumeric) {
            let at = place_in(self.whole, found.before.trim());
            outcome.drop_text("the text before the first field", at);
        }
        for (field, bodies) in self.signature.outputs.iter().zip(&found.bodies) {
            let mut reader =
                Reader::new(&self.signature.types, field.name.clone()).within(self.whole);
            if found.style != Style::Exact && !bodies.is_empty() {
                reader.forgive(LibertyKind::Marker, found.style.what());
            }
            let reading = self.body(&mut reader, bodies, field);
            reader.place(0, bodies.last().copied().unwrap_or_default());
            outcome.add(field, !bodies.is_empty(), reading, reader.liberties);
        }
        outcome.finish()
    }

    /// Of several texts for one field the one that reads best, and of equals the first.
    fn body(&self, reader: &mut Reader<'_>, bodies: &[&str], field: &Field) -> Reading {
        match bodies {
            [] => reader.absent(field),
            [one] => reader.text(&write::unescaped(one), &field.ty),
            several => {
                let mut best = Best::default();
                for body in several {
                    reader.attempt(&mut best, |it| it.text(&write::unescaped(body), &field.ty));
                }
                reader.forgive(LibertyKind::Duplicate, "the field was written more than once");
                reader.settle(best, || ConvertError::new("no reading"))
            }
        }
    }

    /// The reply as a JSON object of all outputs. Of several objects the last that reads best
    /// is taken: drafts come first.
    fn json(&self) -> Option<Result<Parsed, ParseError>> {
        let ty = Ty::Record(Arc::new(self.signature.outputs.clone()));
        let found = candidates(self.text, &ty);
        let mut best: Option<(u32, Parsed)> = None;
        let mut error = None;
        for one in &found {
            let mut reader = Reader::new(&self.signature.types, "").within(self.whole);
            reader.is_outer = true;
            reader.allow(self.text.len());
            reader.forgive_around(one, self.text);
            reader.forgive_flaws(&one.flaws);
            match reader.fit(&one.node, &ty) {
                Ok(value) if best.as_ref().is_none_or(|(cost, _)| reader.cost <= *cost) => {
                    reader.place(0, one.node.raw);
                    let values = match value {
                        crate::schema::Value::Map(record) => (*record).clone(),
                        _ => Record::new(),
                    };
                    best = Some((reader.cost, Parsed { values, liberties: reader.liberties }));
                }
                Ok(_) => {}
                Err(reason) => {
                    let names = self.names_output(&one.node.kind);
                    error = error.or(names.then(|| ParseError::of_reply(reason)));
                }
            }
        }
        best.map(|(_, parsed)| Ok(parsed)).or(error.map(Err))
    }

    /// Whether an object has a key that is an output.
    fn names_output(&self, kind: &Kind<'_>) -> bool {
        let Kind::Map(entries) = kind else { return false };
        entries.iter().any(|(key, _)| self.outputs.iter().any(|it| folded(it) == folded(key)))
    }

    /// The whole reply as the only field.
    fn alone(&self) -> Option<Result<Parsed, ParseError>> {
        let types = &self.signature.types;
        let mut wanted =
            self.signature.outputs.iter().filter(|it| left_out(it, types).is_none());
        let only = wanted.next().or_else(|| self.signature.outputs.first())?;
        if wanted.next().is_some() || self.text.trim().is_empty() {
            return None;
        }
        let mut outcome = Outcome::default();
        for field in &self.signature.outputs {
            let mut reader = Reader::new(types, field.name.clone()).within(self.whole);
            let is_it = field.name == only.name;
            let reading = if is_it {
                reader.forgive(LibertyKind::Marker, "no marker: the whole reply was taken");
                reader.text(self.without_end_of(field), &field.ty)
            } else {
                reader.absent(field)
            };
            reader.place(0, if is_it { self.text } else { "" });
            outcome.add(field, is_it, reading, reader.liberties);
        }
        Some(outcome.finish())
    }

    /// The reply without the end tag of its only field, where the model left out the other one.
    fn without_end_of(&self, field: &Field) -> &'a str {
        let bare = self.text.trim_end().strip_suffix('>');
        let bare = bare.and_then(|it| it.strip_suffix(tag_name(&field.name)));
        bare.and_then(|it| it.strip_suffix("</")).unwrap_or(self.text)
    }
}

impl Style {
    fn what(self) -> &'static str {
        match self {
            Self::Exact => "the marker",
            Self::Bracketed => "another spelling of the marker",
            Self::Inline => "a marker in the middle of a line",
            Self::Tagged => "a tag for the marker",
            Self::Headed | Self::Mixed => "a heading for the marker",
            Self::Labelled => "a label for the marker",
        }
    }
}

/// The fields read so far, and what is wrong with the others.
#[derive(Default)]
pub(super) struct Outcome {
    values: Record,
    pub(super) liberties: Vec<Liberty>,
    missing: Vec<Arc<str>>,
    wrong: Vec<(Arc<str>, String)>,
}

impl Outcome {
    /// Tells of text that belongs to no field.
    pub(super) fn drop_text(&mut self, what: &str, at: Option<Range<usize>>) {
        let note = format!("{what} was dropped");
        self.liberties.push(Liberty::of_reply(LibertyKind::Prose, note).with_place(at));
    }

    pub(super) fn add(
        &mut self,
        field: &Field,
        written: bool,
        reading: Reading,
        took: Vec<Liberty>,
    ) {
        match reading {
            Ok(value) => {
                self.values.insert(field.name.clone(), value);
                self.liberties.extend(took);
            }
            Err(_) if !written => self.missing.push(field.name.clone()),
            Err(error) => {
                let error = error.inside(&field.name);
                self.wrong.push((field.name.clone(), error.to_string()));
            }
        }
    }

    pub(super) fn finish(self) -> Result<Parsed, ParseError> {
        if self.missing.is_empty() && self.wrong.is_empty() {
            return Ok(Parsed { values: self.values, liberties: self.liberties });
        }
        Err(ParseError::new(self.missing, self.wrong, self.values))
    }
}

/// Whether the model still thinks aloud, or may be about to.
pub(in crate::adapt) fn is_thinking(text: &str) -> bool {
    let start = text.trim_start();
    [("<think>", "</think>"), ("<thinking>", "</thinking>")].iter().any(|(open, close)| {
        (start.starts_with(open) && !text.contains(close)) || open.starts_with(start)
    })
}

/// The text behind what a reasoning model thinks aloud.
pub(in crate::adapt) fn without_thoughts(text: &str) -> &str {
    let start = text.trim_start();
    for (open, close) in [("<think>", "</think>"), ("<thinking>", "</thinking>")] {
        // Some servers cut the opening tag off.
        let opens = start.starts_with(open);
        let orphan = || !text.contains(open) && text.contains(close);
        if (opens || orphan())
            && let Some(at) = text.find(close)
        {
            return &text[at + close.len()..];
        }
    }
    text
}

/// The last text of a reply without the start of a cut-off marker, and without the end of a
/// code fence that was opened before the first marker.
fn without_tail<'t>(body: &'t str, before: &str) -> &'t str {
    let trimmed = body.trim_end();
    let line = trimmed.rfind('\n').map_or(0, |at| at + 1);
    let last = &trimmed[line..];
    let end = "[[ ## completed ## ]]";
    if last.len() > 1 && line > 0 && end.starts_with(last) {
        return &trimmed[..line];
    }
    if before.matches("```").count() % 2 == 1 {
        return trimmed.strip_suffix("```").unwrap_or(body);
    }
    body
}
