//! A question as the turns of a conversation: what is told at first, the demos, what was said
//! before, and the question itself.

use crate::adapt::origin::{Pen, Said, Turn};
use crate::adapt::{Ask, ParseError, Prepared};
use crate::lm::{Decoding, Message, Prompt, Role};
use crate::schema::{Demo, Field, Record, Signature, is_history_type};
use std::borrow::Cow;

/// What a layout says in its turns.
pub(super) trait Turns {
    /// What the user says.
    fn question(&self, inputs: &Record, pen: &mut impl Pen) -> String;
    /// What the user says in a demo, and what was said before.
    fn example(&self, inputs: &Record, pen: &mut impl Pen) -> String {
        self.question(inputs, pen)
    }
    /// What the model said, or should have said. The outputs are those of `signature`.
    fn answer(&self, signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String;
}

/// Lays out a question behind what is told at first.
pub(super) fn conversation(
    ask: &Ask<'_>,
    system: String,
    turns: &impl Turns,
    pen: &mut impl Pen,
) -> Prepared {
    let mut messages = Vec::with_capacity(2 * ask.demos.len() + 2);
    if !system.is_empty() {
        messages.push(Message::new(Role::System, system));
        pen.end_message();
    }
    let (partial, complete) = split_demos(ask.signature, ask.demos);
    for (index, demo) in partial.into_iter().chain(complete) {
        pen.turn(Turn::Demo(index));
        pen.says(0, Said::Layout);
        messages.push(Message::new(Role::User, turns.example(&demo.inputs, pen)));
        pen.end_message();
        let answer = turns.answer(ask.signature, &demo.outputs, pen);
        messages.push(Message::new(Role::Assistant, answer));
        pen.end_message();
    }
    for (index, turn) in ask.signature.turns(ask.inputs).iter().enumerate() {
        pen.turn(Turn::History(index));
        messages.extend(said(ask.signature, turn, turns, pen));
    }
    pen.turn(Turn::Own);
    messages.push(Message::new(Role::User, turns.question(&asked(ask), pen)));
    pen.end_message();
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
    pen: &mut impl Pen,
) -> Prepared {
    if let Prompt::Chat(messages) = &mut prepared.prompt {
        let question = messages.last().map(|it| it.text.as_str()).unwrap_or_default();
        let again = if question.len() <= RESTATED { question } else { "" };
        pen.turn(Turn::Refused);
        pen.says(0, Said::Layout);
        pen.turn(Turn::Own);
        pen.end_message();
        let mut text = format!("That reply cannot be used: {error}.\n\n{again}");
        pen.says(0, Said::Repair);
        pen.repeats(again.len(), text.len() - again.len());
        if !again.ends_with(closing) {
            pen.says(text.trim_end().len(), Said::Closing);
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
fn said(
    signature: &Signature,
    turn: &Record,
    turns: &impl Turns,
    pen: &mut impl Pen,
) -> Vec<Message> {
    let has = |fields: &[Field]| fields.iter().any(|field| turn.contains_key(&field.name));
    let mut messages = Vec::new();
    if has(&signature.inputs) {
        pen.says(0, Said::Layout);
        messages.push(Message::new(Role::User, turns.example(turn, pen)));
        pen.end_message();
    }
    if has(&signature.outputs) {
        let outputs =
            signature.outputs.iter().filter(|field| turn.contains_key(&field.name)).cloned();
        let told = Signature { outputs: outputs.collect(), ..signature.clone() };
        pen.says(0, Said::Layout);
        messages.push(Message::new(Role::Assistant, turns.answer(&told, turn, pen)));
        pen.end_message();
    }
    messages
}

/// Demos with their places.
type Placed<'a> = Vec<(usize, &'a Demo)>;

/// Demos that lack a field, and those that have all. Demos without any output show nothing.
pub(super) fn split_demos<'a>(
    signature: &Signature,
    demos: &'a [Demo],
) -> (Placed<'a>, Placed<'a>) {
    let has = |record: &Record, fields: &[Field]| {
        // A conversation may begin with its first question.
        let given = |it: &Field| record.contains_key(&it.name) || is_history_type(&it.ty);
        fields.iter().all(given)
    };
    let some = |record: &Record, fields: &[Field]| {
        fields.iter().any(|field| record.get(&field.name).is_some_and(|it| !it.is_null()))
    };
    let shown =
        demos.iter().enumerate().filter(|(_, demo)| some(&demo.outputs, &signature.outputs));
    shown.partition(|(_, demo)| {
        !has(&demo.inputs, &signature.inputs) || !has(&demo.outputs, &signature.outputs)
    })
}

/// About how long a turn will be.
pub(super) fn room(values: &Record) -> usize {
    let size = |value: &crate::schema::Value| value.as_str().map_or(32, str::len);
    values.iter().map(|(name, value)| 2 * name.len() + size(value) + 18).sum()
}
