//! Where each part of a prompt comes from: the instructions, a demo, an input, the layout itself.
//!
//! What writes a text says where its parts begin, to a [`Pen`]. For a prompt that is only sent the
//! pen notes nothing and costs nothing; to know the origins, the same code lays the prompt out once
//! more, with one that does.

use crate::adapt::{Adapter, Ask, ParseError, Prepared};
use crate::lm::{Capabilities, Prompt};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which message it stands in; 0 for a text that is continued.
    pub message: usize,
    /// Its bytes in the message's text.
    pub range: Range<usize>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a part of a prompt comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// The layout's own words.
    Layout,
    /// The words of the user's template.
    Template,
    /// The instructions.
    Instruction,
    /// What is told of the fields and their types as a whole.
    Fields,
    /// What is told of one field: its type and its description.
    Field {
        /// The field.
        name: Arc<str>,
    },
    /// A demo.
    Demo {
        /// Its place among the demos of the question, which is not always the one in the prompt.
        index: usize,
        /// The field whose value stands here; nothing for what the layout says around values.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        field: Option<Arc<str>>,
    },
    /// A turn of the conversation that went before.
    History {
        /// Which turn.
        index: usize,
        /// As in a demo.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        field: Option<Arc<str>>,
    },
    /// An input of this call, with the mark that names it.
    Input {
        /// The input.
        name: Arc<str>,
    },
    /// What the model is told to write.
    Closing,
    /// A reply that could not be read.
    Refused,
    /// Why it could not be read.
    Repair,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turn =
            |f: &mut fmt::Formatter<'_>, word: &str, index: &usize, field: &Option<_>| {
                write!(f, "{word} {}", index + 1)?;
                match field {
                    Some(field) => write!(f, ", {field}"),
                    None => Ok(()),
                }
            };
        match self {
            Self::Layout => f.write_str("layout"),
            Self::Template => f.write_str("template"),
            Self::Instruction => f.write_str("instructions"),
            Self::Fields => f.write_str("fields"),
            Self::Field { name } => write!(f, "field {name}"),
            Self::Demo { index, field } => turn(f, "demo", index, field),
            Self::History { index, field } => turn(f, "turn", index, field),
            Self::Input { name } => write!(f, "input {name}"),
            Self::Closing => f.write_str("closing"),
            Self::Refused => f.write_str("refused reply"),
            Self::Repair => f.write_str("reason"),
        }
    }
}

impl Adapter {
    /// Lays out a question as [`Adapter::prompt`] does, with the origin of each part: every byte
    /// of every message's text is in one part, and parts are in order.
    pub fn prompt_parts(
        &self,
        ask: &Ask<'_>,
        capabilities: &Capabilities,
    ) -> (Prepared, Vec<Part>) {
        noted(|pen| self.prompt_with(ask, capabilities, pen))
    }

    /// Lays out a question again as [`Adapter::repair`] does, with the origin of each part.
    pub fn repair_parts(
        &self,
        ask: &Ask<'_>,
        capabilities: &Capabilities,
        reply: &str,
        error: &ParseError,
    ) -> (Prepared, Vec<Part>) {
        noted(|pen| self.repair_with(ask, capabilities, reply, error, pen))
    }
}

/// What a layout tells, and the parts of it.
pub(super) fn noted(lay_out: impl FnOnce(&mut Noting) -> Prepared) -> (Prepared, Vec<Part>) {
    let mut pen = Noting::default();
    let prepared = lay_out(&mut pen);
    let parts = pen.parts(&prepared.prompt);
    (prepared, parts)
}

/// In whose turn something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Turn {
    /// The call's own.
    #[default]
    Own,
    /// A demo's.
    Demo(usize),
    /// One that went before.
    History(usize),
    /// The reply that could not be read.
    Refused,
}

impl Turn {
    /// Where something comes from that is said in this turn.
    fn origin(self, said: Said<'_>) -> Origin {
        let value = match said {
            Said::Value(name) => Some(Arc::clone(name)),
            _ => None,
        };
        match self {
            Self::Demo(index) => Origin::Demo { index, field: value },
            Self::History(index) => Origin::History { index, field: value },
            Self::Refused => Origin::Refused,
            Self::Own => match said {
                Said::Layout => Origin::Layout,
                Said::Template => Origin::Template,
                Said::Instruction => Origin::Instruction,
                Said::Fields => Origin::Fields,
                Said::Field(name) => Origin::Field { name: Arc::clone(name) },
                Said::Value(name) => Origin::Input { name: Arc::clone(name) },
                Said::Closing => Origin::Closing,
                Said::Repair => Origin::Repair,
            },
        }
    }
}

/// What is said in a turn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    Layout,
    Template,
    Instruction,
    Fields,
    Field(&'a Arc<str>),
    Value(&'a Arc<str>),
    Closing,
    Repair,
}

/// Bytes that were put in place of others.
pub(super) struct Edit {
    pub(super) taken: Range<usize>,
    pub(super) given: usize,
}

/// Who hears where the parts of a prompt begin.
pub(super) trait Pen {
    /// From this byte of the message under way on, it is this that is said.
    fn says(&mut self, at: usize, said: Said<'_>);
    /// The text goes into whose turn from now on; what it went into before is returned.
    fn turn(&mut self, turn: Turn) -> Turn;
    /// The message under way is whole.
    fn end_message(&mut self);
    /// Where a text begins that is made apart, for [`Pen::placed`].
    fn apart(&self) -> usize;
    /// A text that was made apart lost so many bytes before it and has `len` left, and stands at
    /// `at` of the message.
    fn placed(&mut self, apart: usize, lost: usize, len: usize, at: usize);
    /// What was said in the last message is said again at `at` of the one under way, as far as
    /// `len`.
    fn repeats(&mut self, len: usize, at: usize);
    /// Bytes of a message were replaced, in order.
    fn edited(&mut self, message: usize, edits: &[Edit]);
}

/// A pen for a prompt that is only sent.
pub(super) struct Silent;

impl Pen for Silent {
    #[inline]
    fn says(&mut self, _: usize, _: Said<'_>) {}

    #[inline]
    fn turn(&mut self, _: Turn) -> Turn {
        Turn::Own
    }

    #[inline]
    fn end_message(&mut self) {}

    #[inline]
    fn apart(&self) -> usize {
        0
    }

    #[inline]
    fn placed(&mut self, _: usize, _: usize, _: usize, _: usize) {}

    #[inline]
    fn repeats(&mut self, _: usize, _: usize) {}

    #[inline]
    fn edited(&mut self, _: usize, _: &[Edit]) {}
}

/// A pen that notes all.
#[derive(Debug, Default)]
pub(super) struct Noting {
    notes: Vec<Note>,
    message: usize,
    turn: Turn,
}

/// A part begins.
#[derive(Debug, Clone)]
struct Note {
    message: usize,
    at: usize,
    origin: Origin,
}

impl Pen for Noting {
    fn says(&mut self, at: usize, said: Said<'_>) {
        let origin = self.turn.origin(said);
        self.notes.push(Note { message: self.message, at, origin });
    }

    fn turn(&mut self, turn: Turn) -> Turn {
        std::mem::replace(&mut self.turn, turn)
    }

    fn end_message(&mut self) {
        self.message += 1;
    }

    fn apart(&self) -> usize {
        self.notes.len()
    }

    fn placed(&mut self, apart: usize, lost: usize, len: usize, at: usize) {
        for note in &mut self.notes[apart..] {
            note.at = note.at.saturating_sub(lost).min(len) + at;
        }
    }

    fn repeats(&mut self, len: usize, at: usize) {
        let Some(last) = self.message.checked_sub(2) else { return };
        let said = self.notes.iter().filter(|it| it.message == last && it.at < len);
        let again = said.map(|it| Note { message: self.message, at: it.at + at, ..it.clone() });
        let again = again.collect::<Vec<_>>();
        self.notes.extend(again);
    }

    fn edited(&mut self, message: usize, edits: &[Edit]) {
        for note in self.notes.iter_mut().filter(|it| it.message == message) {
            note.at = moved(note.at, edits);
        }
    }
}

/// Where a byte stands after edits.
fn moved(at: usize, edits: &[Edit]) -> usize {
    let before = edits.iter().take_while(|it| it.taken.end <= at);
    before.fold(at, |now, it| now + it.given - it.taken.len())
}

impl Noting {
    /// The parts of a prompt: from each note to the next one.
    fn parts(&self, prompt: &Prompt) -> Vec<Part> {
        let texts: Vec<&str> = match prompt {
            Prompt::Text(text) => vec![text],
            Prompt::Chat(messages) => messages.iter().map(|it| it.text.as_str()).collect(),
        };
        let mut parts = Vec::new();
        for (message, text) in texts.into_iter().enumerate() {
            let mut notes = self.notes.iter().filter(|it| it.message == message).peekable();
            let mut from = 0;
            let mut origin = &Origin::Layout;
            while from < text.len() {
                let Some(note) = notes.next() else { break };
                if note.at > from {
                    push(&mut parts, message, from..note.at.min(text.len()), origin);
                    from = note.at.min(text.len());
                }
                origin = &note.origin;
            }
            if from < text.len() {
                push(&mut parts, message, from..text.len(), origin);
            }
        }
        parts
    }
}

/// Adds a part, or makes the last one longer.
fn push(parts: &mut Vec<Part>, message: usize, range: Range<usize>, origin: &Origin) {
    match parts.last_mut() {
        Some(last) if last.message == message && last.origin == *origin => {
            last.range.end = range.end;
        }
        _ => parts.push(Part { message, range, origin: origin.clone() }),
    }
}
