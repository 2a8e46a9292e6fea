//! What goes back to a provider as it came: where it stood in a reply, and where it stands in
//! the next request.

use super::media::{Piece, pieces};
use super::{Ask, ToolCall};
use crate::lm::{Carried, Completion, Message};
use crate::schema::Media;
use serde_json::Value;
use std::sync::Arc;

/// Keeps a piece of a reply behind what was read of it until now.
pub(super) fn keep(completion: &mut Completion, value: Value) {
    let (text, calls) = (completion.text.len(), completion.calls.len());
    let carry = Arc::make_mut(completion.carry.get_or_insert_default());
    carry.pieces.push(Carried { text, calls, value });
}

/// Whether a piece was kept right here.
pub(super) fn is_kept_here(completion: &Completion) -> bool {
    let last = completion.carry.as_ref().and_then(|it| it.pieces.last());
    last.is_some_and(|it| {
        it.text == completion.text.len() && it.calls == completion.calls.len()
    })
}

/// Ends a reply: what belongs to no call of a tool is wanted by nobody.
pub(super) fn settle(completion: &mut Completion) {
    if completion.calls.is_empty() {
        completion.carry = None;
    }
}

/// A step through a message, in the order of what was said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Text(&'a str),
    Media(&'a Media),
    Call(&'a ToolCall),
    /// What was kept here.
    Kept(&'a Value),
}

/// The pieces of a message that this server is given back.
pub(super) fn carried<'a>(message: &'a Message, ask: &Ask<'_>) -> &'a [Carried] {
    match &message.carry {
        Some(carry) if carry.of == ask.of => &carry.pieces,
        _ => &[],
    }
}

/// The steps of a message; empty texts are left out.
pub(super) fn steps<'a>(message: &'a Message, ask: &Ask<'_>) -> Vec<Step<'a>> {
    let mut kept = carried(message, ask).iter().peekable();
    let mut steps = Vec::new();
    let mut done = 0;
    for piece in pieces(message) {
        let mut text = match piece {
            Piece::Text(text) => text,
            Piece::Media(media) => {
                steps.push(Step::Media(media));
                continue;
            }
        };
        let end = done + text.len();
        while let Some(it) = kept.next_if(|it| it.calls == 0 && it.text < end) {
            let at = text.floor_char_boundary(it.text.saturating_sub(done));
            let (before, rest) = text.split_at(at);
            steps.extend([Step::Text(before), Step::Kept(&it.value)]);
            (done, text) = (done + at, rest);
        }
        steps.push(Step::Text(text));
        done = end;
    }
    for (at, call) in message.calls.iter().enumerate() {
        while let Some(it) = kept.next_if(|it| it.calls <= at) {
            steps.push(Step::Kept(&it.value));
        }
        steps.push(Step::Call(call));
    }
    steps.extend(kept.map(|it| Step::Kept(&it.value)));
    steps.retain(|it| !matches!(it, Step::Text("")));
    steps
}
