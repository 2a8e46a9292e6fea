//! The `chat` layout: `[[ ## field ## ]]` markers in turns of a conversation.
//!
//! The markers and the order of parts are DSPy's, so that demos and states carry over; the
//! wording is ours. One system message serves all examples. Every question, of a demo as of the
//! task itself, closes with the same line, which names the fields to write: models take a line
//! that only the last turn has for part of the task, and small ones fail over it.

use crate::adapt::conversation::{conversation, repaired};
use crate::adapt::fields::{self, Marked, Marks, is_nested};
use crate::adapt::origin::Pen;
use crate::adapt::{Ask, ParseError, Prepared};
use crate::schema::{Field, Record, Signature};

const MARKS: Marks = Marks::Brackets;

pub(super) fn prompt(ask: &Ask<'_>, pen: &mut impl Pen) -> Prepared {
    let system = system(ask, pen);
    conversation(ask, system, &Marked::new(MARKS, ask.signature), pen)
}

pub(super) fn repair(
    ask: &Ask<'_>,
    reply: &str,
    error: &ParseError,
    pen: &mut impl Pen,
) -> Prepared {
    repaired(prompt(ask, pen), reply, error, &MARKS.closing(ask.signature), pen)
}

pub(super) fn reply(signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
    MARKS.outputs(signature, outputs, pen)
}

fn system(ask: &Ask<'_>, pen: &mut impl Pen) -> String {
    let is_nested = |it: &Field| is_nested(&it.ty, ask.signature);
    let rule = match ask.signature.outputs.iter().any(is_nested) {
        true => "A value stands below its marker, lists and objects as JSON.",
        false => "A value stands below its marker.",
    };
    fields::system(ask, MARKS, rule, pen)
}
