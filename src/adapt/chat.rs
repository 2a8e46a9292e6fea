//! The `chat` layout: `[[ ## field ## ]]` markers in turns of a conversation.
//!
//! The markers and the order of parts are DSPy's, so that demos and states carry over; the
//! wording is ours. One system message serves all examples. Every question, of a demo as of the
//! task itself, closes with the same line, which names the fields to write: models take a line
//! that only the last turn has for part of the task, and small ones fail over it.

use crate::adapt::conversation::{conversation, repaired};
use crate::adapt::fields::{self, Marked, Marks, is_nested};
use crate::adapt::origin::{Pen, Said};
use crate::adapt::{Ask, ParseError, Prepared};
use crate::schema::{Record, Signature};

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
    let signature = ask.signature;
    let mut out = String::with_capacity(256 + ask.instructions.len());
    fields::push_inputs(&mut out, ask, MARKS, pen);
    fields::push_outputs(&mut out, signature, MARKS, pen);
    fields::push_types(&mut out, signature, MARKS, pen);
    pen.says(out.len(), Said::Layout);
    out.push_str("A value stands below its marker");
    if signature.outputs.iter().any(|field| is_nested(&field.ty, signature)) {
        out.push_str(", lists and objects as JSON");
    }
    out.push('.');
    fields::push_instructions(&mut out, ask.instructions, pen);
    out
}
