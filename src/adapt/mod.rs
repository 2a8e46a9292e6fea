//! Prompts out, replies in: a signature with its state and inputs becomes what a model reads,
//! and what the model writes becomes values.
//!
//! Everything here is pure. An [`Adapter`] is a layout: `chat`, `json` and `xml` for models of
//! conversations, `two_step` for those that answer better in their own words, `complete` for
//! those that continue text, and templates of the user's own. Replies are read leniently but never by guessing;
//! each thing that was forgiven is a [`Liberty`], and a reply that cannot be read is a
//! [`ParseError`] that says why, for the model that is asked again and for the person.

mod chat;
mod complete;
mod conversation;
mod fields;
mod json;
mod media;
mod origin;
mod read;
mod sketch;
mod template;
mod two_step;
mod write;
mod xml;

pub use origin::{Origin, Part};
pub use read::{read_loose, read_partial, read_value};
pub use two_step::Extraction;

use crate::adapt::origin::{Pen, Silent};
use crate::lm::{Capabilities, Decoding, Prompt};
use crate::schema::{ConvertError, Demo, Record, Signature, Template};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One question to a model.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The task's inputs and outputs.
    pub signature: &'a Signature,
    /// What to do: the state's instructions, or the signature's.
    pub instructions: &'a str,
    /// Examples to show.
    pub demos: &'a [Demo],
    /// The inputs of this call.
    pub inputs: &'a Record,
}

/// What is sent, but for what the caller decides: temperature, limits, seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// What the model reads.
    pub prompt: Prompt,
    /// How the reply is constrained.
    pub decoding: Decoding,
    /// What ends the reply where it is not constrained.
    pub stop: Vec<String>,
    /// How long a reply can usefully be, where the layout knows.
    pub max_tokens: Option<u32>,
}

/// The outputs of a reply.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// Every output, in the signature's order.
    pub values: Record,
    /// What was forgiven.
    pub liberties: Vec<Liberty>,
}

/// What the beginning of a reply states of the outputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Partial {
    /// The outputs that have begun, in the signature's order. Each is the beginning of what it
    /// will be: text and lists grow, and what a record does not have yet is nothing.
    pub values: Record,
    /// The names of those that have ended.
    pub complete: Vec<Arc<str>>,
    /// Outputs that have ended and are no values of their types, each with the reason.
    pub wrong: Vec<(Arc<str>, String)>,
}

/// Something in a reply that was not as asked for and was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liberty {
    /// The output; empty for the reply as a whole.
    pub field: Arc<str>,
    /// What kind of thing.
    pub kind: LibertyKind,
    /// What it was, in a few words.
    pub note: String,
    /// Where in the reply, in bytes, as far as that is known: the text of the field, or what was
    /// dropped.
    pub at: Option<Range<usize>>,
}

impl Liberty {
    /// Returns one of the reply as a whole.
    fn of_reply(kind: LibertyKind, note: impl Into<String>) -> Self {
        Self { field: "".into(), kind, note: note.into(), at: None }
    }

    fn with_place(self, at: Option<Range<usize>>) -> Self {
        Self { at, ..self }
    }

    /// Whether the same was forgiven, wherever it stands.
    fn says_as(&self, other: &Self) -> bool {
        (&self.field, self.kind, &self.note) == (&other.field, other.kind, &other.note)
    }
}

/// Where a part of a text stands in it; nowhere when it is another text.
fn place_in(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len()).filter(|it| *it <= whole.len())?;
    (!part.is_empty()).then_some(start..end)
}

/// Kinds of [`Liberty`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LibertyKind {
    /// A field was marked in another way, or not at all.
    Marker,
    /// Quotes, fences or markup stood around a value.
    Wrapping,
    /// A number or label was spelled in another way.
    Spelling,
    /// A key that no field has was dropped.
    Extra,
    /// The JSON was broken.
    Repair,
    /// A field was left out and became its default, or nothing.
    Missing,
    /// A field was written more than once.
    Duplicate,
    /// A value had another shape: one item for a list, an object around the object.
    Shape,
    /// The text ended too early.
    Truncated,
    /// The value stood in prose, which was dropped.
    Prose,
}

impl LibertyKind {
    /// Its name in traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Wrapping => "wrapping",
            Self::Spelling => "spelling",
            Self::Extra => "extra",
            Self::Repair => "repair",
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::Shape => "shape",
            Self::Truncated => "truncated",
            Self::Prose => "prose",
        }
    }

    /// What it adds to the price of a reading. Only the order of sums matters: broken brackets
    /// are likelier than a wrong shape, and both likelier than a value lost in prose.
    fn cost(self) -> u32 {
        match self {
            Self::Marker | Self::Wrapping | Self::Spelling | Self::Extra | Self::Repair => 1,
            Self::Missing | Self::Duplicate => 2,
            Self::Shape => 3,
            Self::Truncated => 4,
            Self::Prose => 5,
        }
    }
}

impl fmt::Display for Liberty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.note)
    }
}

/// Why a reply has no values for all outputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParseError {
    /// One line that says it all, also to the model that is asked again.
    pub message: String,
    /// Outputs that the reply does not state.
    pub missing: Vec<Arc<str>>,
    /// Outputs that are stated and are no values of their types, each with the reason.
    pub wrong: Vec<(Arc<str>, String)>,
    /// The outputs that could be read.
    pub values: Arc<Record>,
}

impl ParseError {
    fn new(missing: Vec<Arc<str>>, wrong: Vec<(Arc<str>, String)>, values: Record) -> Self {
        let mut reasons = wrong.iter().map(|(_, why)| why.clone()).collect::<Vec<_>>();
        if !missing.is_empty() {
            let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            reasons.push(format!("missing {}", names.join(", ")));
        }
        Self { message: reasons.join("; "), missing, wrong, values: Arc::new(values) }
    }

    fn of_reply(error: ConvertError) -> Self {
        let name = error.path.split(['.', '[']).next().unwrap_or("").into();
        Self {
            message: error.to_string(),
            wrong: vec![(name, error.to_string())],
            ..Self::default()
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

/// A layout of prompts and replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adapter {
    /// Turns of a conversation, with `[[ ## field ## ]]` markers.
    Chat,
    /// The same with the outputs as a JSON object.
    Json,
    /// The same with tags around values.
    Xml,
    /// A free answer, which is then read by a second question.
    TwoStep,
    /// Text to be continued, with `Field: value` lines.
    Complete,
    /// As its user wrote it.
    Template(Arc<Template>),
}

impl Adapter {
    /// All that have a name of their own.
    pub const ALL: [Self; 5] =
        [Self::Chat, Self::Json, Self::Xml, Self::TwoStep, Self::Complete];

    /// The name in scripts and states.
    pub fn name(&self) -> &str {
        match self {
            Self::Chat => "chat",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::TwoStep => "two_step",
            Self::Complete => "complete",
            Self::Template(template) => &template.name,
        }
    }

    /// The adapter of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|adapter| adapter.name() == name)
    }

    /// The adapter that suits a model: those whose decoding we hold in hand continue text.
    pub fn auto(capabilities: &Capabilities) -> Self {
        if capabilities.template || !capabilities.chat { Self::Complete } else { Self::Chat }
    }

    /// Lays out a question.
    pub fn prompt(&self, ask: &Ask<'_>, capabilities: &Capabilities) -> Prepared {
        self.prompt_with(ask, capabilities, &mut Silent)
    }

    fn prompt_with(
        &self,
        ask: &Ask<'_>,
        capabilities: &Capabilities,
        pen: &mut impl Pen,
    ) -> Prepared {
        let prepared = match self {
            Self::Chat => chat::prompt(ask, pen),
            Self::Json => json::prompt(ask, capabilities, pen),
            Self::Xml => xml::prompt(ask, pen),
            Self::TwoStep => two_step::prompt(ask, pen),
            Self::Complete => complete::prompt(ask, capabilities, pen),
            Self::Template(it) => template::prompt(it, ask, capabilities, pen),
        };
        media::placed(prepared, ask, pen)
    }

    /// The second question about what a model wrote, where the first one leaves it free what
    /// to write. `signature` is what is wanted of the reply.
    pub fn extraction(&self, signature: &Signature, text: &str) -> Option<Extraction> {
        matches!(self, Self::TwoStep).then(|| Extraction::new(signature, text))
    }

    /// Reads a reply: of two, the second.
    ///
    /// # Errors
    /// Where an output is missing, or stated in a way that leaves open which value is meant.
    pub fn parse(&self, signature: &Signature, text: &str) -> Result<Parsed, ParseError> {
        match self {
            Self::Chat | Self::TwoStep => read::read_reply(signature, text),
            Self::Json => read::read_object(signature, text),
            Self::Xml => read::read_xml(signature, text),
            Self::Complete => complete::parse(signature, text),
            Self::Template(it) => template::parse(it, signature, text),
        }
    }

    /// Reads the beginning of a reply. It never fails: what cannot be told yet is not there.
    pub fn parse_partial(&self, signature: &Signature, text: &str) -> Partial {
        match self {
            Self::Chat | Self::TwoStep => read::read_begun(signature, text),
            Self::Json => read::begun_object(signature, text),
            Self::Xml => read::begun_xml(signature, text),
            Self::Complete => complete::parse_partial(signature, text),
            Self::Template(it) => template::parse_partial(it, signature, text),
        }
    }

    /// Lays out the question again, with the reply that could not be read and the reason.
    pub fn repair(
        &self,
        ask: &Ask<'_>,
        capabilities: &Capabilities,
        reply: &str,
        error: &ParseError,
    ) -> Prepared {
        self.repair_with(ask, capabilities, reply, error, &mut Silent)
    }

    fn repair_with(
        &self,
        ask: &Ask<'_>,
        capabilities: &Capabilities,
        reply: &str,
        error: &ParseError,
        pen: &mut impl Pen,
    ) -> Prepared {
        let prepared = match self {
            Self::Chat | Self::TwoStep => chat::repair(ask, reply, error, pen),
            Self::Json => json::repair(ask, capabilities, reply, error, pen),
            Self::Xml => xml::repair(ask, reply, error, pen),
            Self::Complete => complete::repair(ask, capabilities, reply, error, pen),
            Self::Template(it) => template::repair(it, ask, capabilities, reply, error, pen),
        };
        media::placed(prepared, ask, pen)
    }

    /// Lays out a complete example as the reply that a model should have given: of two, the
    /// second.
    pub fn reply(&self, signature: &Signature, outputs: &Record) -> String {
        match self {
            Self::Chat | Self::TwoStep => chat::reply(signature, outputs, &mut Silent),
            Self::Json => json::reply(signature, outputs, &mut Silent),
            Self::Xml => xml::reply(signature, outputs, &mut Silent),
            Self::Complete => complete::reply(signature, outputs),
            Self::Template(it) => template::reply(it, signature, outputs, &mut Silent),
        }
    }
}
