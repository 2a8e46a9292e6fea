//! The fields of a signature as a system message tells them, and their values under marks.

use crate::adapt::conversation::{Turns, room};
use crate::adapt::origin::{Pen, Said};
use crate::adapt::write::{push_escaped, push_value};
use crate::adapt::{Ask, xml};
use crate::schema::{Choices, Field, Record, Signature, Ty, Value, is_history_type};
use std::fmt::Write as _;

/// What stands for a value that an incomplete demo lacks.
pub(super) const ABSENT: &str = "(not given in this example)";

/// The turns of a layout whose fields stand under marks. Every question closes with the line that
/// names the outputs to write.
pub(super) struct Marked<'a> {
    pub(super) marks: Marks,
    pub(super) signature: &'a Signature,
    pub(super) closing: String,
}

impl<'a> Marked<'a> {
    /// Returns the turns of a signature.
    pub(super) fn new(marks: Marks, signature: &'a Signature) -> Self {
        Self { marks, signature, closing: marks.closing(signature) }
    }
}

impl Turns for Marked<'_> {
    fn question(&self, inputs: &Record, pen: &mut impl Pen) -> String {
        let mut out = String::with_capacity(room(inputs) + self.closing.len());
        self.marks.push_inputs(&mut out, self.signature, inputs, pen);
        if self.marks == Marks::Tags && !out.is_empty() {
            out.push('\n');
        }
        pen.says(out.len(), Said::Closing);
        out.push_str(&self.closing);
        out
    }

    fn answer(&self, signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
        self.marks.outputs(signature, outputs, pen)
    }
}

/// What is told at first: the fields, what their types are, how the layout has replies written,
/// and the task.
pub(super) fn system(ask: &Ask<'_>, marks: Marks, rule: &str, pen: &mut impl Pen) -> String {
    let mut out = String::with_capacity(256 + ask.instructions.len());
    push_inputs(&mut out, ask, marks, pen);
    push_outputs(&mut out, ask.signature, marks, pen);
    push_types(&mut out, ask.signature, marks, pen);
    pen.says(out.len(), Said::Layout);
    out.push_str(rule);
    push_instructions(&mut out, ask.instructions, pen);
    out
}

/// How fields are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// `[[ ## name ## ]]`, and the value below.
    Brackets,
    /// `<name>`, and the value before `</name>`.
    Tags,
    /// `name:`, and the value behind it.
    Names,
}

impl Marks {
    /// Appends the mark of a name.
    pub(super) fn push(self, out: &mut String, name: &str) {
        let (before, after) = match self {
            Self::Brackets => ("[[ ## ", " ## ]]"),
            Self::Tags => ("<", ">"),
            Self::Names => ("", ""),
        };
        out.push_str(before);
        out.push_str(name);
        out.push_str(after);
    }

    /// Appends a field with its value, and what stands between fields.
    pub(super) fn push_section(
        self,
        out: &mut String,
        field: &Field,
        value: Option<&Value>,
        signature: &Signature,
    ) {
        match self {
            Self::Brackets => push_marked(out, field, value, signature),
            Self::Tags => {
                match value {
                    Some(value) => xml::push_field(out, field, value, signature),
                    None => xml::push_absent(out, field),
                }
                out.push('\n');
            }
            Self::Names => {
                out.push_str(&field.name);
                out.push_str(": ");
                match value {
                    Some(value) => push_value(out, value, &field.ty, &signature.types),
                    None => out.push_str(ABSENT),
                }
                out.push('\n');
            }
        }
    }

    /// Appends the fields that have values.
    pub(super) fn push_inputs(
        self,
        out: &mut String,
        signature: &Signature,
        inputs: &Record,
        pen: &mut impl Pen,
    ) {
        for field in &signature.inputs {
            if let Some(value) = inputs.get(&field.name) {
                pen.says(out.len(), Said::Value(&field.name));
                self.push_section(out, field, Some(value), signature);
            }
        }
    }

    /// All outputs.
    pub(super) fn outputs(
        self,
        signature: &Signature,
        outputs: &Record,
        pen: &mut impl Pen,
    ) -> String {
        let mut out = String::with_capacity(room(outputs));
        for field in &signature.outputs {
            pen.says(out.len(), Said::Value(&field.name));
            self.push_section(&mut out, field, outputs.get(&field.name), signature);
        }
        out.truncate(out.trim_end_matches('\n').len());
        out
    }

    /// `Write [[ ## reasoning ## ]] [[ ## answer ## ]]`
    pub(super) fn closing(self, signature: &Signature) -> String {
        let mut out = String::with_capacity(8 + 24 * signature.outputs.len());
        out.push_str("Write");
        for field in &signature.outputs {
            out.push(' ');
            self.push(&mut out, &field.name);
        }
        out
    }
}

fn push_marked(out: &mut String, field: &Field, value: Option<&Value>, signature: &Signature) {
    Marks::Brackets.push(out, &field.name);
    out.push('\n');
    match (value, &field.ty) {
        (Some(Value::Str(text)), Ty::Str) => push_escaped(out, text),
        (Some(value), ty) => {
            let start = out.len();
            push_value(out, value, ty, &signature.types);
            if out[start..].contains("[[ ## ") {
                let text = out.split_off(start);
                push_escaped(out, &text);
            }
        }
        (None, _) => out.push_str(ABSENT),
    }
    out.push_str("\n\n");
}

/// Appends the inputs: their names, types and descriptions.
pub(super) fn push_inputs(out: &mut String, ask: &Ask<'_>, marks: Marks, pen: &mut impl Pen) {
    let signature = ask.signature;
    if signature.inputs.is_empty() {
        return;
    }
    pen.says(out.len(), Said::Fields);
    out.push_str("Input fields:\n");
    let shown = |field: &&Field| !is_history_type(&field.ty) || shows(ask, field);
    signature.inputs.iter().filter(shown).for_each(|field| push_field(out, field, marks, pen));
}

/// Appends the outputs in the same way.
pub(super) fn push_outputs(
    out: &mut String,
    signature: &Signature,
    marks: Marks,
    pen: &mut impl Pen,
) {
    pen.says(out.len(), Said::Fields);
    out.push_str("Output fields:\n");
    signature.outputs.iter().for_each(|field| push_field(out, field, marks, pen));
}

/// Appends what the names of types mean, and where choices come from.
pub(super) fn push_types(
    out: &mut String,
    signature: &Signature,
    marks: Marks,
    pen: &mut impl Pen,
) {
    pen.says(out.len(), Said::Fields);
    for (name, ty) in signature.reachable_types() {
        let _ = writeln!(out, "{name} = {ty}");
        push_inner(out, ty);
    }
    push_choices(out, signature, marks);
}

/// Appends which inputs hold the values that others are chosen from.
pub(super) fn push_choices(out: &mut String, signature: &Signature, marks: Marks) {
    for choices in signature.choices() {
        if let Choices::Input(name) = choices {
            let _ = write!(out, "one_of({name}) = a value of ");
            marks.push(out, name);
            out.push('\n');
        }
    }
}

/// Appends the instructions, apart from what stands before them.
pub(super) fn push_instructions(out: &mut String, instructions: &str, pen: &mut impl Pen) {
    let instructions = instructions.trim();
    if !instructions.is_empty() {
        out.push_str("\n\n");
        pen.says(out.len(), Said::Instruction);
        out.push_str(instructions);
    }
}

/// Whether a demo shows what went before it.
fn shows(ask: &Ask<'_>, history: &Field) -> bool {
    ask.demos.iter().any(|demo| demo.inputs.contains_key(&history.name))
}

fn push_field(out: &mut String, field: &Field, marks: Marks, pen: &mut impl Pen) {
    pen.says(out.len(), Said::Field(&field.name));
    marks.push(out, &field.name);
    let described = field.description.as_deref().unwrap_or("");
    // Text is what a field is where nothing is said.
    if field.ty != Ty::Str {
        let _ = write!(out, " {}", field.ty);
    }
    if !described.is_empty() {
        out.push_str(if field.ty == Ty::Str { " " } else { ": " });
        out.push_str(described);
    }
    out.push('\n');
    push_inner(out, &field.ty);
}

/// What the fields of a record are, where the author said so.
fn push_inner(out: &mut String, ty: &Ty) {
    match ty {
        Ty::List(inner) | Ty::Dict(inner) | Ty::Optional(inner) | Ty::Bounded(inner, _) => {
            push_inner(out, inner);
        }
        Ty::Record(fields) => {
            for field in fields.iter() {
                if let Some(text) = &field.description {
                    let _ = writeln!(out, "- {}: {text}", field.name);
                }
                push_inner(out, &field.ty);
            }
        }
        _ => {}
    }
}

/// Whether values of a type may be lists or objects.
pub(super) fn is_nested(ty: &Ty, signature: &Signature) -> bool {
    match ty.resolve(&signature.types) {
        Some(Ty::List(_) | Ty::Dict(_) | Ty::Record(_) | Ty::Any) => true,
        Some(Ty::Optional(inner) | Ty::Bounded(inner, _)) => is_nested(inner, signature),
        Some(Ty::Union(members)) => members.iter().any(|it| is_nested(it, signature)),
        _ => false,
    }
}
