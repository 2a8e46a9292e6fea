//! The `json` layout: inputs under markers, and the outputs as one JSON object.
//!
//! The object is shown as a sketch of its types. Where the model's server can hold a reply to a
//! schema, it is asked to; the prompt is the same with and without, so that demos, stored
//! replies and what people read do not depend on the server.

use crate::adapt::conversation::{Turns, conversation, repaired, room};
use crate::adapt::fields::{self, ABSENT, Marks};
use crate::adapt::{Ask, ParseError, Prepared, sketch};
use crate::lm::{Capabilities, Decoding};
use crate::schema::{
    Choices, Record, Signature, Value, choices_of, has_strict_schema, strict_schema,
};

const MARKS: Marks = Marks::Brackets;
const CLOSING: &str = "Write JSON";

pub(super) fn prompt(ask: &Ask<'_>, capabilities: &Capabilities) -> Prepared {
    let prepared = conversation(ask, system(ask), &Json { signature: ask.signature });
    Prepared { decoding: decoding(ask, capabilities), ..prepared }
}

pub(super) fn repair(
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    reply: &str,
    error: &ParseError,
) -> Prepared {
    repaired(prompt(ask, capabilities), reply, error, CLOSING)
}

pub(super) fn reply(signature: &Signature, outputs: &Record) -> String {
    let absent = Value::from(ABSENT);
    let fields = signature
        .outputs
        .iter()
        .map(|field| (field.name.clone(), outputs.get(&field.name).unwrap_or(&absent).clone()));
    Value::map(fields.collect()).to_json()
}

/// The schema that a reply is held to; none where a type cannot be said in a strict one.
pub(super) fn decoding(ask: &Ask<'_>, capabilities: &Capabilities) -> Decoding {
    if !capabilities.schema {
        return Decoding::Free;
    }
    let settled = settled(ask);
    let signature = settled.as_ref().unwrap_or(ask.signature);
    if !has_strict_schema(&signature.outputs, &signature.types) {
        return Decoding::Free;
    }
    Decoding::Json(strict_schema(&signature.outputs, &signature.types))
}

/// The signature with what this call's inputs list as choices.
fn settled(ask: &Ask<'_>) -> Option<Signature> {
    let of = |choices: &Choices| match choices {
        Choices::Input(name) => choices_of(ask.inputs.get(name)?),
        Choices::Const { .. } => None,
    };
    let known = ask.signature.choices().into_iter();
    let known = known.filter_map(|it| Some((it.clone(), of(it)?))).collect::<Vec<_>>();
    (!known.is_empty()).then(|| ask.signature.chosen_from(&known))
}

struct Json<'a> {
    signature: &'a Signature,
}

impl Turns for Json<'_> {
    fn question(&self, inputs: &Record) -> String {
        let mut out = String::with_capacity(room(inputs) + CLOSING.len());
        MARKS.push_inputs(&mut out, self.signature, inputs);
        out.push_str(CLOSING);
        out
    }

    fn answer(&self, signature: &Signature, outputs: &Record) -> String {
        reply(signature, outputs)
    }
}

fn system(ask: &Ask<'_>) -> String {
    let mut out = String::with_capacity(256 + ask.instructions.len());
    fields::push_inputs(&mut out, ask, MARKS);
    out.push_str("Output, a JSON object:\n");
    sketch::push_outputs(&mut out, ask.signature);
    fields::push_choices(&mut out, ask.signature, MARKS);
    out.truncate(out.trim_end().len());
    fields::push_instructions(&mut out, ask.instructions);
    out
}
