//! A request's input as tokens, up to text that is still open at its end.

use crate::lm::embedded::vocabulary::Vocabulary;
use crate::lm::{Prompt, Role};

/// What a model reads before it replies.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// Tokens that are final.
    pub(crate) tokens: Vec<u32>,
    /// Text after them; how it is cut depends on what follows.
    pub(crate) text: String,
}

/// Why a prompt cannot be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The model has no form for conversations.
    NoChat,
    /// The text cannot be cut into tokens.
    Text(String),
}

/// Writes a prompt in the model's own form.
///
/// A conversation is written in ChatML, with exactly the turns that it has: a default system
/// message, which some templates put first, would be a part of the prompt that nobody sees.
pub(crate) fn open(vocabulary: &Vocabulary, prompt: &Prompt) -> Result<Opening, Unreadable> {
    let mut tokens: Vec<u32> = vocabulary.start().into_iter().collect();
    let messages = match prompt {
        Prompt::Text(text) => return Ok(Opening { tokens, text: text.clone() }),
        Prompt::Chat(messages) => messages,
    };
    let begin = vocabulary.control("<|im_start|>").ok_or(Unreadable::NoChat)?;
    let end = vocabulary.control("<|im_end|>").ok_or(Unreadable::NoChat)?;
    let encode = |text: &str| vocabulary.encode(text).map_err(Unreadable::Text);
    for message in messages {
        tokens.push(begin);
        tokens.extend(encode(&format!("{}\n{}", message.role.as_str(), message.text))?);
        tokens.push(end);
        tokens.extend(encode("\n")?);
    }
    tokens.push(begin);
    Ok(Opening { tokens, text: format!("{}\n", Role::Assistant.as_str()) })
}
