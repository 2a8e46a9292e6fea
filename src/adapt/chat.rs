//! The `chat` layout: `[[ ## field ## ]]` markers in turns of a conversation.
//!
//! The markers and the order of parts are DSPy's, so that demos and states carry over; the
//! wording is ours. One system message serves all examples. Every question, of a demo as of the
//! task itself, closes with the same line, which names the fields to write: models take a line
//! that only the last turn has for part of the task, and small ones fail over it.

use crate::adapt::write::{push_escaped, push_value};
use crate::adapt::{Ask, ParseError, Prepared};
use crate::lm::{Decoding, Message, Prompt, Role};
use crate::schema::{Choices, Demo, Field, Record, Signature, Ty, Value, is_history_type};
use std::borrow::Cow;
use std::fmt::Write as _;

pub(super) fn prompt(ask: &Ask<'_>) -> Prepared {
    let closing = closing_line(ask.signature);
    let mut messages = Vec::with_capacity(2 * ask.demos.len() + 2);
    messages.push(Message::new(Role::System, system(ask)));
    let (partial, complete) = split_demos(ask.signature, ask.demos);
    for demo in partial.into_iter().chain(complete) {
        messages.push(question(ask.signature, &demo.inputs, &closing));
        messages.push(answer(ask.signature, &demo.outputs));
    }
    for turn in ask.signature.turns(ask.inputs) {
        messages.extend(said(ask.signature, turn, &closing));
    }
    messages.push(question(ask.signature, &asked(ask), &closing));
    Prepared {
        prompt: Prompt::Chat(messages),
        decoding: Decoding::Free,
        stop: Vec::new(),
        max_tokens: None,
    }
}

/// The inputs of the last question: earlier turns are messages of their own.
pub(super) fn asked<'a>(ask: &Ask<'a>) -> Cow<'a, Record> {
    let Some(history) = ask.signature.history() else { return Cow::Borrowed(ask.inputs) };
    let mut inputs = ask.inputs.clone();
    inputs.shift_remove(&history.name);
    Cow::Owned(inputs)
}

/// A turn that went before: what it has of the signature's fields.
fn said(signature: &Signature, turn: &Record, closing: &str) -> Vec<Message> {
    let has = |fields: &[Field]| fields.iter().any(|field| turn.contains_key(&field.name));
    let mut messages = Vec::new();
    if has(&signature.inputs) {
        messages.push(question(signature, turn, closing));
    }
    if has(&signature.outputs) {
        let outputs =
            signature.outputs.iter().filter(|field| turn.contains_key(&field.name)).cloned();
        let told = Signature { outputs: outputs.collect(), ..signature.clone() };
        messages.push(answer(&told, turn));
    }
    messages
}

pub(super) fn repair(ask: &Ask<'_>, reply: &str, error: &ParseError) -> Prepared {
    let mut prepared = prompt(ask);
    if let Prompt::Chat(messages) = &mut prepared.prompt {
        messages.push(Message::new(Role::Assistant, reply));
        let closing = closing_line(ask.signature);
        let text = format!("That reply cannot be used: {error}.\n\n{closing}");
        messages.push(Message::new(Role::User, text));
    }
    prepared
}

/// Demos that lack a field, and those that have all. Demos without any output show nothing.
pub(super) fn split_demos<'a>(
    signature: &Signature,
    demos: &'a [Demo],
) -> (Vec<&'a Demo>, Vec<&'a Demo>) {
    let has = |record: &Record, fields: &[Field]| {
        // A conversation may begin with its first question.
        let given = |it: &Field| record.contains_key(&it.name) || is_history_type(&it.ty);
        fields.iter().all(given)
    };
    let some = |record: &Record, fields: &[Field]| {
        fields.iter().any(|field| record.get(&field.name).is_some_and(|it| !it.is_null()))
    };
    demos.iter().filter(|demo| some(&demo.outputs, &signature.outputs)).partition(|demo| {
        !has(&demo.inputs, &signature.inputs) || !has(&demo.outputs, &signature.outputs)
    })
}

fn system(ask: &Ask<'_>) -> String {
    let signature = ask.signature;
    let mut out = String::with_capacity(256 + ask.instructions.len());
    if !signature.inputs.is_empty() {
        out.push_str("Input fields:\n");
        let shown = |field: &&Field| !is_history_type(&field.ty) || shows(ask, field);
        signature.inputs.iter().filter(shown).for_each(|field| push_field(&mut out, field));
    }
    out.push_str("Output fields:\n");
    signature.outputs.iter().for_each(|field| push_field(&mut out, field));
    for (name, ty) in signature.reachable_types() {
        let _ = writeln!(out, "{name} = {ty}");
        push_inner(&mut out, ty);
    }
    for choices in signature.choices() {
        if let Choices::Input(name) = choices {
            let _ = write!(out, "one_of({name}) = a value of ");
            push_marker(&mut out, name);
            out.push('\n');
        }
    }
    out.push_str("A value stands below its marker");
    if signature.outputs.iter().any(|field| is_json(&field.ty, signature)) {
        out.push_str(", lists and objects as JSON");
    }
    out.push('.');
    let instructions = ask.instructions.trim();
    if !instructions.is_empty() {
        out.push_str("\n\n");
        out.push_str(instructions);
    }
    out
}

/// Whether a demo shows what went before it.
fn shows(ask: &Ask<'_>, history: &Field) -> bool {
    ask.demos.iter().any(|demo| demo.inputs.contains_key(&history.name))
}

fn is_json(ty: &Ty, signature: &Signature) -> bool {
    match ty.resolve(&signature.types) {
        Some(Ty::List(_) | Ty::Dict(_) | Ty::Record(_) | Ty::Any) => true,
        Some(Ty::Optional(inner) | Ty::Bounded(inner, _)) => is_json(inner, signature),
        Some(Ty::Union(members)) => members.iter().any(|it| is_json(it, signature)),
        _ => false,
    }
}

fn push_field(out: &mut String, field: &Field) {
    push_marker(out, &field.name);
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

fn push_marker(out: &mut String, name: &str) {
    out.push_str("[[ ## ");
    out.push_str(name);
    out.push_str(" ## ]]");
}

/// `Write [[ ## reasoning ## ]] [[ ## answer ## ]]`
fn closing_line(signature: &Signature) -> String {
    let mut out = String::with_capacity(8 + 24 * signature.outputs.len());
    out.push_str("Write");
    for field in &signature.outputs {
        out.push(' ');
        push_marker(&mut out, &field.name);
    }
    out
}

fn question(signature: &Signature, inputs: &Record, closing: &str) -> Message {
    let mut out = String::with_capacity(room(inputs) + closing.len());
    for field in &signature.inputs {
        if let Some(value) = inputs.get(&field.name) {
            push_section(&mut out, field, Some(value), signature);
        }
    }
    out.push_str(closing);
    Message::new(Role::User, out)
}

fn answer(signature: &Signature, outputs: &Record) -> Message {
    Message::new(Role::Assistant, reply(signature, outputs))
}

pub(super) fn reply(signature: &Signature, outputs: &Record) -> String {
    let mut out = String::with_capacity(room(outputs));
    for field in &signature.outputs {
        push_section(&mut out, field, outputs.get(&field.name), signature);
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

fn push_section(out: &mut String, field: &Field, value: Option<&Value>, signature: &Signature) {
    push_marker(out, &field.name);
    out.push('\n');
    match (value, &field.ty) {
        (Some(Value::Str(text)), Ty::Str) => push_escaped(out, text),
        (Some(value), ty) => {
            let mut text = String::new();
            push_value(&mut text, value, ty, &signature.types);
            push_escaped(out, &text);
        }
        (None, _) => out.push_str("(not given in this example)"),
    }
    out.push_str("\n\n");
}

/// About how long a turn will be.
fn room(values: &Record) -> usize {
    let size = |value: &Value| value.as_str().map_or(32, str::len);
    values.iter().map(|(name, value)| name.len() + size(value) + 18).sum()
}
