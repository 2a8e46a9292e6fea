//! A question as the turns of a conversation: what is told at first, the demos, what was said
//! before, and the question itself.

use crate::adapt::{Ask, ParseError, Prepared};
use crate::lm::{Decoding, Message, Prompt, Role};
use crate::schema::{Demo, Field, Record, Signature, is_history_type};
use std::borrow::Cow;

/// What a layout says in its turns.
pub(super) trait Turns {
    /// What the user says.
    fn question(&self, inputs: &Record) -> String;
    /// What the user says in a demo, and what was said before.
    fn example(&self, inputs: &Record) -> String {
        self.question(inputs)
    }
    /// What the model said, or should have said. The outputs are those of `signature`.
    fn answer(&self, signature: &Signature, outputs: &Record) -> String;
}

/// Lays out a question behind what is told at first.
pub(super) fn conversation(ask: &Ask<'_>, system: String, turns: &impl Turns) -> Prepared {
    let mut messages = Vec::with_capacity(2 * ask.demos.len() + 2);
    if !system.is_empty() {
        messages.push(Message::new(Role::System, system));
    }
    let (partial, complete) = split_demos(ask.signature, ask.demos);
    for demo in partial.into_iter().chain(complete) {
        messages.push(Message::new(Role::User, turns.example(&demo.inputs)));
        messages
            .push(Message::new(Role::Assistant, turns.answer(ask.signature, &demo.outputs)));
    }
    for turn in ask.signature.turns(ask.inputs) {
        messages.extend(said(ask.signature, turn, turns));
    }
    messages.push(Message::new(Role::User, turns.question(&asked(ask))));
    Prepared {
        prompt: Prompt::Chat(messages),
        decoding: Decoding::Free,
        stop: Vec::new(),
        max_tokens: None,
    }
}

/// Adds the reply that could not be read, with the reason and what is wanted.
pub(super) fn repaired(
    mut prepared: Prepared,
    reply: &str,
    error: &ParseError,
    closing: &str,
) -> Prepared {
    if let Prompt::Chat(messages) = &mut prepared.prompt {
        let question = messages.last().map(|it| it.text.as_str()).unwrap_or_default();
        let again = if question.len() <= RESTATED { question } else { "" };
        let mut text = format!("That reply cannot be used: {error}.\n\n{again}");
        if !again.ends_with(closing) {
            text = format!("{}\n\n{closing}", text.trim_end());
        }
        messages.push(Message::new(Role::Assistant, reply));
        messages.push(Message::new(Role::User, text.trim_end()));
    }
    prepared
}

/// The longest question, in bytes, that stands again behind the reason: small models answer what
/// they read last.
const RESTATED: usize = 4096;

/// The inputs of the last question: earlier turns are messages of their own.
pub(super) fn asked<'a>(ask: &Ask<'a>) -> Cow<'a, Record> {
    let Some(history) = ask.signature.history() else { return Cow::Borrowed(ask.inputs) };
    let mut inputs = ask.inputs.clone();
    inputs.shift_remove(&history.name);
    Cow::Owned(inputs)
}

/// A turn that went before: what it has of the signature's fields.
fn said(signature: &Signature, turn: &Record, turns: &impl Turns) -> Vec<Message> {
    let has = |fields: &[Field]| fields.iter().any(|field| turn.contains_key(&field.name));
    let mut messages = Vec::new();
    if has(&signature.inputs) {
        messages.push(Message::new(Role::User, turns.example(turn)));
    }
    if has(&signature.outputs) {
        let outputs =
            signature.outputs.iter().filter(|field| turn.contains_key(&field.name)).cloned();
        let told = Signature { outputs: outputs.collect(), ..signature.clone() };
        messages.push(Message::new(Role::Assistant, turns.answer(&told, turn)));
    }
    messages
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

/// About how long a turn will be.
pub(super) fn room(values: &Record) -> usize {
    let size = |value: &crate::schema::Value| value.as_str().map_or(32, str::len);
    values.iter().map(|(name, value)| 2 * name.len() + size(value) + 18).sum()
}
