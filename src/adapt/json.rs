//! The `json` layout: inputs under markers, and the outputs as one JSON object.
//!
//! The object is shown as a sketch of its types. Where the model's server can hold a reply to a
//! schema, it is asked to; the prompt is the same with and without, so that demos, stored
//! replies and what people read do not depend on the server.

use crate::adapt::conversation::{Turns, conversation, repaired, room};
use crate::adapt::fields::{self, ABSENT, Marks};
use crate::adapt::origin::{Pen, Said};
use crate::adapt::{Ask, ParseError, Prepared, sketch};
use crate::lm::{Capabilities, Decoding};
use crate::schema::{
    Choices, Record, Signature, Value, choices_of, has_strict_schema, strict_schema,
};

const MARKS: Marks = Marks::Brackets;
const CLOSING: &str = "Write JSON";

pub(super) fn prompt(
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    pen: &mut impl Pen,
) -> Prepared {
    let system = system(ask, pen);
    let prepared = conversation(ask, system, &Json { signature: ask.signature }, pen);
    Prepared { decoding: decoding(ask, capabilities), ..prepared }
}

pub(super) fn repair(
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    reply: &str,
    error: &ParseError,
    pen: &mut impl Pen,
) -> Prepared {
    repaired(prompt(ask, capabilities, pen), reply, error, CLOSING, pen)
}

pub(super) fn reply(signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
    let absent = Value::from(ABSENT);
    let mut out = String::with_capacity(room(outputs));
    out.push('{');
    for (at, field) in signature.outputs.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        pen.says(out.len(), Said::Value(&field.name));
        out.push_str(&Value::Str(field.name.clone()).to_json());
        out.push(':');
        out.push_str(&outputs.get(&field.name).unwrap_or(&absent).to_json());
    }
    pen.says(out.len(), Said::Layout);
    out.push('}');
    out
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
    fn question(&self, inputs: &Record, pen: &mut impl Pen) -> String {
        let mut out = String::with_capacity(room(inputs) + CLOSING.len());
        MARKS.push_inputs(&mut out, self.signature, inputs, pen);
        pen.says(out.len(), Said::Closing);
        out.push_str(CLOSING);
        out
    }

    fn answer(&self, signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
        reply(signature, outputs, pen)
    }
}

fn system(ask: &Ask<'_>, pen: &mut impl Pen) -> String {
    let mut out = String::with_capacity(256 + ask.instructions.len());
    fields::push_inputs(&mut out, ask, MARKS, pen);
    pen.says(out.len(), Said::Fields);
    out.push_str("Output, a JSON object:\n");
    sketch::push_outputs(&mut out, ask.signature, pen);
    fields::push_choices(&mut out, ask.signature, MARKS);
    out.truncate(out.trim_end().len());
    fields::push_instructions(&mut out, ask.instructions, pen);
    out
}
