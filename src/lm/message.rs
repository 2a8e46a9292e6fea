//! What is sent to a model and what comes back: plain data.

use serde::{Deserialize, Serialize};

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Standing instructions.
    System,
    /// The asking side.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The name that providers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
}

impl Message {
    /// Returns a message of `role`.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into() }
    }
}

/// The input of a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// Turns of a conversation.
    Chat(Vec<Message>),
    /// Text to be continued.
    Text(String),
}

/// A piece of a reply whose shape is known before it is decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// Text that is not decoded but put there, and stands in the reply.
    Fixed(String),
    /// Exactly one of these texts.
    Choice(Vec<String>),
    /// Free text that ends before the first of `stop` (which is not part of it), at the
    /// model's end of text, or after `max_tokens`.
    Free {
        /// What ends the text.
        stop: Vec<String>,
        /// The longest text, in tokens.
        max_tokens: u32,
    },
    /// A literal of this form; it ends where no longer literal continues it.
    Literal(Pattern),
}

/// Forms of [`Segment::Literal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// `-?[0-9]{1,18}`
    Int,
    /// `-?[0-9]{1,18}(\.[0-9]{1,18})?`
    Float,
}

/// How a reply is constrained while it is decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// Not at all.
    #[default]
    Free,
    /// The reply is these segments, one after the other. Its text is all of them joined.
    Template(Vec<Segment>),
    /// The reply is JSON of this schema.
    Json(serde_json::Value),
}

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the likeliest token.
    pub temperature: f64,
    /// Nucleus: draw from the likeliest tokens that together weigh this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts that end the reply; they are not part of it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub stop: Vec<String>,
    /// The provider's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: None, max_tokens: None, stop: Vec::new(), seed: None }
    }
}

/// One request, complete: equal requests to one model may share a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What the model reads.
    pub prompt: Prompt,
    /// How the reply is constrained.
    pub decoding: Decoding,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Numbers fresh samples of one request: 0 is the first.
    pub rollout: u64,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended it, or a stop text or the template did.
    Stop,
    /// It was cut at the token limit.
    Length,
    /// The provider filtered it.
    Filter,
    /// Anything else.
    Other,
}

/// Tokens of a call, as the model reports them; `None` is unknown, not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: Option<u64>,
    /// Tokens written.
    pub completion_tokens: Option<u64>,
    /// Of the tokens read, those the provider had cached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cached_tokens: Option<u64>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The text, stop text excluded.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens.
    pub usage: Usage,
    /// The model's name as the server reports it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<String>,
    /// Requests that were sent for it: 1 plus retries.
    pub attempts: u32,
}
