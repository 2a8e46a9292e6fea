//! Layouts of the user's own.
//!
//! A template says where the instructions, the demos and the inputs stand, and how a reply
//! looks; values are written as everywhere, and replies are read by the one reader. What stands
//! between two placeholders of a reply tells where a value ends: where a value has it inside,
//! it is written with a backslash before.

use crate::adapt::conversation::{Turns, asked, conversation, repaired, split_demos};
use crate::adapt::fields::{self, ABSENT, Marks};
use crate::adapt::origin::{Pen, Said, Silent, Turn};
use crate::adapt::read::{
    begun_object, begun_xml, read_begun, read_begun_sections, read_object, read_reply,
    read_sections, read_xml, without_thoughts,
};
use crate::adapt::write::push_value;
use crate::adapt::{
    Ask, Liberty, LibertyKind, ParseError, Parsed, Partial, Prepared, chat, json, place_in,
    sketch, xml,
};
use crate::lm::Capabilities;
use crate::schema::{Demo, Field, Layout, Piece, Record, Signature, Template, Text, left_out};
use std::borrow::Cow;

/// Stands for a question without text: servers take no empty message.
const NOTHING: &str = "-";

pub(super) fn prompt(
    template: &Template,
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    pen: &mut impl Pen,
) -> Prepared {
    let inline = [&template.system, &template.user].into_iter().flatten();
    let inline = inline.into_iter().any(|it| it.has("demos"));
    let filled = Filled { template, ask };
    let system = filled.system(pen);
    let shown = if inline { &[] } else { ask.demos };
    let prepared = conversation(&Ask { demos: shown, ..*ask }, system, &filled, pen);
    match template.layout {
        Layout::Json => {
            let decoding = json::decoding(ask, capabilities);
            Prepared { decoding, ..prepared }
        }
        _ => prepared,
    }
}

pub(super) fn repair(
    template: &Template,
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    reply: &str,
    error: &ParseError,
    pen: &mut impl Pen,
) -> Prepared {
    let closing = Filled { template, ask }.outputs();
    repaired(prompt(template, ask, capabilities, pen), reply, error, &closing, pen)
}

pub(super) fn reply(
    template: &Template,
    signature: &Signature,
    outputs: &Record,
    pen: &mut impl Pen,
) -> String {
    match (template.layout, &template.reply) {
        (Layout::Json, _) => json::reply(signature, outputs, pen),
        (Layout::Xml, _) => xml::reply(signature, outputs, pen),
        (Layout::Text, _) => plain(signature, outputs, pen),
        (Layout::Own, Some(text)) => own(text, signature, outputs, pen),
        (Layout::Own | Layout::Chat, _) => chat::reply(signature, outputs, pen),
    }
}

/// The only output of a signature that must be stated.
fn only(signature: &Signature) -> Option<&Field> {
    let types = &signature.types;
    let wanted = signature.outputs.iter().find(|it| left_out(it, types).is_none());
    wanted.or_else(|| signature.outputs.first())
}

fn plain(signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
    let mut out = String::new();
    if let Some(field) = only(signature) {
        pen.says(0, Said::Value(&field.name));
        push_output(&mut out, field, outputs, signature);
    }
    out
}

fn push_output(out: &mut String, field: &Field, outputs: &Record, signature: &Signature) {
    match outputs.get(&field.name) {
        Some(value) => push_value(out, value, &field.ty, &signature.types),
        None => out.push_str(ABSENT),
    }
}

/// A reply as the template lays it out.
fn own(text: &Text, signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
    let labels = labels(text);
    let mut out = String::new();
    for piece in &text.pieces {
        match piece {
            Piece::Text(text) => {
                pen.says(out.len(), Said::Template);
                out.push_str(text);
            }
            Piece::Hole { name, .. } => {
                let Some(field) = signature.output(name) else { continue };
                pen.says(out.len(), Said::Value(&field.name));
                let mut value = String::new();
                push_output(&mut value, field, outputs, signature);
                out.push_str(&escaped(&value, &labels));
            }
        }
    }
    out
}

/// What stands around the placeholders of a reply, without space at its ends.
fn labels(text: &Text) -> Vec<&str> {
    let labels = text.pieces.iter().filter_map(|it| match it {
        Piece::Text(text) => Some(text.trim()).filter(|it| !it.is_empty()),
        Piece::Hole { .. } => None,
    });
    labels.collect()
}

/// A value whose text cannot be taken for a label.
fn escaped<'t>(value: &'t str, labels: &[&str]) -> Cow<'t, str> {
    if !labels.iter().any(|it| value.contains(it)) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 8);
    for (at, c) in value.char_indices() {
        if labels.iter().any(|it| value[at..].starts_with(it)) {
            out.push('\\');
        }
        out.push(c);
    }
    Cow::Owned(out)
}

/// Undoes [`escaped`].
fn unescaped<'t>(value: &'t str, labels: &[&str]) -> Cow<'t, str> {
    if !value.contains('\\') || !labels.iter().any(|it| value.contains(it)) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        let escapes = c == '\\' && labels.iter().any(|it| value[at + 1..].starts_with(it));
        if !escapes {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

pub(super) fn parse(
    template: &Template,
    signature: &Signature,
    text: &str,
) -> Result<Parsed, ParseError> {
    match (template.layout, &template.reply) {
        (Layout::Json, _) => read_object(signature, text),
        (Layout::Xml, _) => read_xml(signature, text),
        (Layout::Text, _) => read_plain(signature, text),
        (Layout::Own, Some(reply)) => read_own(reply, signature, text),
        (Layout::Own | Layout::Chat, _) => read_reply(signature, text),
    }
}

fn read_plain(signature: &Signature, text: &str) -> Result<Parsed, ParseError> {
    let reply = without_thoughts(text);
    let name = only(signature).map(|it| &it.name);
    let texts = signature.outputs.iter();
    let texts = texts.map(|it| (Some(&it.name) == name).then_some(Cow::Borrowed(reply)));
    let mut parsed = read_sections(signature, text, &texts.collect::<Vec<_>>())?;
    if reply.len() < text.len() {
        let at = place_in(text, text[..text.len() - reply.len()].trim());
        parsed.liberties.insert(0, dropped("thinking before the reply").with_place(at));
    }
    Ok(parsed)
}

fn read_own(reply: &Text, signature: &Signature, text: &str) -> Result<Parsed, ParseError> {
    let bare = without_thoughts(text);
    let Some(found) = found(reply, bare, false) else { return read_reply(signature, text) };
    let texts = found.texts(reply, signature);
    let mut parsed = match read_sections(signature, text, &texts) {
        Ok(parsed) => parsed,
        Err(error) => return read_reply(signature, text).map_err(|_| error),
    };
    if bare[..found.start].contains(char::is_alphanumeric) {
        let at = place_in(text, bare[..found.start].trim());
        parsed.liberties.insert(0, dropped("the text before the first field").with_place(at));
    }
    if bare.len() < text.len() {
        let at = place_in(text, text[..text.len() - bare.len()].trim());
        parsed.liberties.insert(0, dropped("thinking before the reply").with_place(at));
    }
    if found.unended {
        let note = "what ends the reply is missing".to_owned();
        parsed.liberties.push(Liberty::of_reply(LibertyKind::Marker, note));
    }
    Ok(parsed)
}

fn dropped(what: &str) -> Liberty {
    let note = format!("{what} was dropped");
    Liberty::of_reply(LibertyKind::Prose, note)
}

pub(super) fn parse_partial(template: &Template, signature: &Signature, text: &str) -> Partial {
    match (template.layout, &template.reply) {
        (Layout::Json, _) => begun_object(signature, text),
        (Layout::Xml, _) => begun_xml(signature, text),
        (Layout::Text, _) => begun_plain(signature, text),
        (Layout::Own, Some(reply)) => begun_own(reply, signature, text),
        (Layout::Own | Layout::Chat, _) => read_begun(signature, text),
    }
}

fn begun_plain(signature: &Signature, text: &str) -> Partial {
    if crate::adapt::read::is_thinking(text) {
        return Partial::default();
    }
    let text = without_thoughts(text);
    let name = only(signature).map(|it| &it.name);
    let open = signature.outputs.iter().position(|it| Some(&it.name) == name);
    let texts = signature.outputs.iter();
    let texts = texts.map(|it| (Some(&it.name) == name).then_some(Cow::Borrowed(text)));
    read_begun_sections(signature, &texts.collect::<Vec<_>>(), open)
}

fn begun_own(reply: &Text, signature: &Signature, text: &str) -> Partial {
    if crate::adapt::read::is_thinking(text) {
        return Partial::default();
    }
    let text = without_thoughts(text);
    let Some(found) = found(reply, text, true) else { return Partial::default() };
    let texts = found.texts(reply, signature);
    let open = found.open.and_then(|at| {
        let (name, _) = reply.holes().nth(at)?;
        signature.outputs.iter().position(|it| &*it.name == name)
    });
    read_begun_sections(signature, &texts, open)
}

/// What stands at the placeholders of a reply.
struct Found<'t> {
    /// Where the first label begins.
    start: usize,
    /// The text at each placeholder, as far as they are there.
    holes: Vec<&'t str>,
    /// The placeholder that may go on.
    open: Option<usize>,
    /// What stands behind the last placeholder is missing.
    unended: bool,
}

impl<'t> Found<'t> {
    /// The text of each output.
    fn texts(&self, reply: &Text, signature: &Signature) -> Vec<Option<Cow<'t, str>>> {
        let labels = labels(reply);
        let names = reply.holes().map(|it| it.0).collect::<Vec<_>>();
        let text = |field: &Field| {
            let at = names.iter().position(|it| *it == &*field.name)?;
            self.holes.get(at).map(|it| unescaped(it, &labels))
        };
        signature.outputs.iter().map(text).collect()
    }
}

/// Finds the labels of a reply, one behind the other; nothing where one is missing. In a text
/// that may go on, those that are missing are still to come.
fn found<'t>(reply: &Text, text: &'t str, partial: bool) -> Option<Found<'t>> {
    let mut found = Found { start: 0, holes: Vec::new(), open: None, unended: false };
    let (mut at, mut inside) = (0, None);
    for piece in &reply.pieces {
        let label = match piece {
            Piece::Hole { .. } => {
                inside = Some(at);
                continue;
            }
            Piece::Text(label) => label.trim(),
        };
        if label.is_empty() {
            continue;
        }
        match (label_at(text, at, label), inside.take()) {
            (Some(next), Some(from)) => {
                found.holes.push(&text[from..next]);
                at = next + label.len();
            }
            (Some(next), None) => {
                found.start = next;
                at = next + label.len();
            }
            (None, Some(from)) if partial => {
                found.open = Some(found.holes.len());
                found.holes.push(held(&text[from..], label, &labels(reply)));
                return Some(found);
            }
            // What closes the last value may be left out.
            (None, Some(from)) if is_last(reply, piece) => {
                found.holes.push(&text[from..]);
                found.unended = true;
                return Some(found);
            }
            (None, _) => return None,
        }
    }
    if let Some(from) = inside {
        found.open = Some(found.holes.len());
        let rest = &text[from..];
        found.holes.push(if partial { held(rest, "", &labels(reply)) } else { rest });
    }
    Some(found)
}

fn is_last(reply: &Text, piece: &Piece) -> bool {
    reply.pieces.last().is_some_and(|it| std::ptr::eq(it, piece))
}

/// The first place of a label from `from` on that no backslash stands before.
fn label_at(text: &str, from: usize, label: &str) -> Option<usize> {
    let places = text[from..].match_indices(label).map(|it| from + it.0);
    places.into_iter().find(|at| *at == from || !text[..*at].ends_with('\\'))
}

/// A text without what may be the beginning of the next label, or of one that is escaped.
fn held<'t>(text: &'t str, label: &str, all: &[&str]) -> &'t str {
    let begins = |at: &usize| {
        let rest = &text[*at..];
        let bare = rest.trim_start_matches('\\');
        let escaped = bare.len() < rest.len();
        (!label.is_empty() && label.starts_with(bare))
            || (escaped && all.iter().any(|it| it.starts_with(bare)))
    };
    let longest = all.iter().map(|it| it.len()).max().unwrap_or(0);
    let from = text.len().saturating_sub(2 * longest + 2);
    let mut starts = text.char_indices().map(|it| it.0).filter(|at| *at >= from);
    starts.find(begins).map_or(text, |at| &text[..at])
}

/// A template with what a call puts into it.
struct Filled<'a> {
    template: &'a Template,
    ask: &'a Ask<'a>,
}

impl Filled<'_> {
    fn marks(&self) -> Marks {
        match self.template.layout {
            Layout::Chat | Layout::Json => Marks::Brackets,
            Layout::Xml => Marks::Tags,
            Layout::Own | Layout::Text => Marks::Names,
        }
    }

    fn system(&self, pen: &mut impl Pen) -> String {
        match &self.template.system {
            Some(text) => {
                let filled = self.fill(text, &asked(self.ask), true, pen);
                trimmed(&filled, 0, pen).to_owned()
            }
            None => String::new(),
        }
    }

    fn fill(&self, text: &Text, inputs: &Record, demos: bool, pen: &mut impl Pen) -> String {
        let mut out = String::new();
        for piece in &text.pieces {
            match piece {
                Piece::Text(text) => {
                    pen.says(out.len(), Said::Template);
                    out.push_str(text);
                }
                Piece::Hole { name, .. } => self.push(&mut out, name, inputs, demos, pen),
            }
        }
        out
    }

    fn push(
        &self,
        out: &mut String,
        name: &str,
        inputs: &Record,
        demos: bool,
        pen: &mut impl Pen,
    ) {
        let signature = self.ask.signature;
        if let Some(field) = signature.input(name) {
            pen.says(out.len(), Said::Value(&field.name));
            match inputs.get(name) {
                Some(value) => push_value(out, value, &field.ty, &signature.types),
                None => out.push_str(ABSENT),
            }
            return;
        }
        match name {
            "instructions" => {
                pen.says(out.len(), Said::Instruction);
                out.push_str(self.ask.instructions.trim());
            }
            "fields" => {
                fields::push_inputs(out, self.ask, self.marks(), pen);
                fields::push_outputs(out, signature, self.marks(), pen);
                fields::push_types(out, signature, self.marks(), pen);
                out.truncate(out.trim_end().len());
            }
            "inputs" => {
                pen.says(out.len(), Said::Layout);
                self.marks().push_inputs(out, signature, inputs, pen);
                out.truncate(out.trim_end().len());
            }
            "outputs" => {
                pen.says(out.len(), Said::Closing);
                out.push_str(&self.outputs());
            }
            "demos" if demos => self.push_demos(out, pen),
            _ => {}
        }
    }

    /// What is to be written.
    fn outputs(&self) -> String {
        let signature = self.ask.signature;
        let mut out = String::new();
        match (self.template.layout, &self.template.reply) {
            (Layout::Chat | Layout::Xml, _) => out = self.marks().closing(signature),
            (Layout::Json, _) => {
                sketch::push_outputs(&mut out, signature, &mut Silent);
                out.truncate(out.trim_end().len());
            }
            (Layout::Own, Some(reply)) => {
                for piece in &reply.pieces {
                    match piece {
                        Piece::Text(text) => out.push_str(text),
                        Piece::Hole { name, .. } => {
                            out.push('{');
                            out.push_str(name);
                            out.push('}');
                        }
                    }
                }
            }
            (Layout::Own | Layout::Text, _) => {
                out.extend(only(signature).map(|it| format!("Write the {}.", it.name)));
            }
        }
        out
    }

    fn push_demos(&self, out: &mut String, pen: &mut impl Pen) {
        let (partial, complete) = split_demos(self.ask.signature, self.ask.demos);
        for (at, (index, demo)) in partial.into_iter().chain(complete).enumerate() {
            if at > 0 {
                out.push_str("\n\n");
            }
            let turn = pen.turn(Turn::Demo(index));
            self.push_demo(out, demo, pen);
            pen.turn(turn);
        }
    }

    fn push_demo(&self, out: &mut String, demo: &Demo, pen: &mut impl Pen) {
        let apart = pen.apart();
        let question = self.demo_question(&demo.inputs, pen);
        let question = question.trim_end();
        pen.placed(apart, 0, question.len(), out.len());
        out.push_str(question);
        pen.says(out.len(), Said::Layout);
        out.push('\n');
        let apart = pen.apart();
        let answer = self.demo_answer(self.ask.signature, &demo.outputs, pen);
        pen.placed(apart, 0, answer.len(), out.len());
        out.push_str(&answer);
    }

    fn demo_question(&self, inputs: &Record, pen: &mut impl Pen) -> String {
        let text = self.template.demo_user.as_ref().or(self.template.user.as_ref());
        self.turn(text, inputs, false, pen)
    }

    fn demo_answer(
        &self,
        signature: &Signature,
        outputs: &Record,
        pen: &mut impl Pen,
    ) -> String {
        match &self.template.demo_reply {
            Some(text) => own(text, signature, outputs, pen),
            None => reply(self.template, signature, outputs, pen),
        }
    }

    fn turn(
        &self,
        text: Option<&Text>,
        inputs: &Record,
        demos: bool,
        pen: &mut impl Pen,
    ) -> String {
        let apart = pen.apart();
        let filled = match text {
            Some(text) => self.fill(text, inputs, demos, pen),
            None => {
                let mut out = String::new();
                self.marks().push_inputs(&mut out, self.ask.signature, inputs, pen);
                pen.says(out.len(), Said::Closing);
                out.push_str(&self.outputs());
                out
            }
        };
        let trimmed = trimmed(&filled, apart, pen);
        if trimmed.is_empty() {
            pen.says(0, Said::Layout);
            NOTHING.to_owned()
        } else {
            trimmed.to_owned()
        }
    }
}

/// A text that was made apart, without space around it.
fn trimmed<'t>(filled: &'t str, apart: usize, pen: &mut impl Pen) -> &'t str {
    let end = filled.trim_end();
    let trimmed = end.trim_start();
    pen.placed(apart, end.len() - trimmed.len(), trimmed.len(), 0);
    trimmed
}

impl Turns for Filled<'_> {
    fn question(&self, inputs: &Record, pen: &mut impl Pen) -> String {
        self.turn(self.template.user.as_ref(), inputs, true, pen)
    }

    fn example(&self, inputs: &Record, pen: &mut impl Pen) -> String {
        self.demo_question(inputs, pen)
    }

    fn answer(&self, signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
        self.demo_answer(signature, outputs, pen)
    }
}
