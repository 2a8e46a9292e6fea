//! The `two_step` layout: a model answers in its own words, and what it wrote is then read by a
//! model, its own or another, that states the outputs as `chat` does.
//!
//! Both are requests of the same call. The first is never read by itself: a model that may
//! write as it likes reasons better, and what it meant is for the second one to say.

use crate::adapt::conversation::{Turns, conversation, room};
use crate::adapt::fields::{self, Marks};
use crate::adapt::origin::{Part, Pen, Silent, noted};
use crate::adapt::{Ask, ParseError, Prepared, chat};
use crate::schema::{Field, Record, Signature, Ty, Value};
use std::sync::Arc;

const MARKS: Marks = Marks::Names;
/// The input that holds what the first model wrote.
const TEXT: &str = "text";
const TASK: &str = "State what the text says of each output. Take its words, and add nothing.";

pub(super) fn prompt(ask: &Ask<'_>, pen: &mut impl Pen) -> Prepared {
    let system = system(ask, pen);
    conversation(ask, system, &Free { signature: ask.signature }, pen)
}

/// The second question: what the text of the first reply states.
#[derive(Debug)]
pub struct Extraction {
    signature: Signature,
    inputs: Record,
}

impl Extraction {
    /// Returns the question about the text that a model wrote for `signature`.
    pub fn new(signature: &Signature, text: &str) -> Self {
        // An output may be called `text` as well.
        let mut name = TEXT.to_owned();
        while signature.output(&name).is_some() {
            name.insert(0, '_');
        }
        let name: Arc<str> = name.into();
        let inputs = Record::from_iter([(name.clone(), Value::from(text))]);
        let signature = Signature {
            instructions: TASK.into(),
            inputs: vec![Field::new(name, Ty::Str)],
            ..signature.clone()
        };
        Self { signature, inputs }
    }

    fn ask(&self) -> Ask<'_> {
        Ask { signature: &self.signature, instructions: TASK, demos: &[], inputs: &self.inputs }
    }

    /// Lays out the question.
    pub fn prompt(&self) -> Prepared {
        chat::prompt(&self.ask(), &mut Silent)
    }

    /// The same, with the origin of each part: what the first model wrote is an input.
    pub fn prompt_parts(&self) -> (Prepared, Vec<Part>) {
        noted(|pen| chat::prompt(&self.ask(), pen))
    }

    /// Lays out the question again, with the reply that could not be read and the reason.
    pub fn repair(&self, reply: &str, error: &ParseError) -> Prepared {
        chat::repair(&self.ask(), reply, error, &mut Silent)
    }

    /// The same, with the origin of each part.
    pub fn repair_parts(&self, reply: &str, error: &ParseError) -> (Prepared, Vec<Part>) {
        noted(|pen| chat::repair(&self.ask(), reply, error, pen))
    }
}

struct Free<'a> {
    signature: &'a Signature,
}

impl Turns for Free<'_> {
    fn question(&self, inputs: &Record, pen: &mut impl Pen) -> String {
        let mut out = String::with_capacity(room(inputs));
        MARKS.push_inputs(&mut out, self.signature, inputs, pen);
        out.truncate(out.trim_end_matches('\n').len());
        out
    }

    fn answer(&self, signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
        MARKS.outputs(signature, outputs, pen)
    }
}

fn system(ask: &Ask<'_>, pen: &mut impl Pen) -> String {
    fields::system(ask, MARKS, "Answer in your own words, and say what each output is.", pen)
}
