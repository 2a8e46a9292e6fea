//! What is sent to a model and what comes back: plain data.

pub use crate::config::Effort;
use crate::schema::{Media, Source};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// A tool that the model called.
    Tool,
}

impl Role {
    /// The name that providers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
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
    /// Pictures, sounds and files, each at its place in the text, in the order of places.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub media: Vec<Placed>,
    /// Tools that the model called, in a message of the model.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub calls: Vec<ToolCall>,
    /// Which call a message of a tool answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answers: Option<String>,
    /// What the provider of the model wants back, in a message of the model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub carry: Option<Arc<Carry>>,
}

impl Message {
    /// Returns a message of `role`.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            media: Vec::new(),
            calls: Vec::new(),
            answers: None,
            carry: None,
        }
    }
}

/// A reply as the turn that stands in the next request, before the answers of its tools.
impl From<&Completion> for Message {
    fn from(reply: &Completion) -> Self {
        let (calls, carry) = (reply.calls.clone(), reply.carry.clone());
        Self { calls, carry, ..Self::new(Role::Assistant, reply.text.clone()) }
    }
}

impl Message {
    /// Its text as people read it, with words where media stand.
    pub fn shown(&self) -> std::borrow::Cow<'_, str> {
        if self.media.is_empty() {
            return std::borrow::Cow::Borrowed(&self.text);
        }
        let mut shown = String::with_capacity(self.text.len() + 64 * self.media.len());
        let mut done = 0;
        for Placed { at, media } in &self.media {
            let at = (*at).clamp(done, self.text.len());
            shown.push_str(self.text.get(done..at).unwrap_or_default());
            shown.push_str(&media.to_string());
            done = at;
        }
        shown.push_str(self.text.get(done..).unwrap_or_default());
        std::borrow::Cow::Owned(shown)
    }
}

/// A picture, a sound or a file in a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placed {
    /// Where it stands: before this byte of the message's text.
    pub at: usize,
    /// What it is.
    pub media: Arc<Media>,
}

/// A tool that a model may call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The JSON schema of its arguments: an object.
    pub parameters: serde_json::Value,
}

/// Whether tools are called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// None is.
    None,
    /// At least one is.
    Required,
    /// This one is.
    Named(String),
}

impl ToolChoice {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// A tool that a model calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ToolCall {
    /// What its answer is addressed to; made up in order where a provider gives none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments as the model wrote them: JSON, as a rule.
    pub arguments: String,
}

/// What a provider wants back, as it came, together with the answers of the tools that its
/// model called: thoughts that are signed or sealed. Only who wrote it can read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Carry {
    /// The interface and the model that it came from; no other is given it.
    pub of: String,
    /// Its pieces, in the order of their places.
    pub pieces: Vec<Carried>,
}

/// A piece of a [`Carry`], and where it stands in the reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Carried {
    /// How many bytes of the text stand before it.
    pub text: usize,
    /// How many calls of tools stand before it.
    pub calls: usize,
    /// The piece, in the words of its interface.
    pub value: serde_json::Value,
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

impl Prompt {
    /// How long its texts are, in bytes.
    pub(crate) fn text_len(&self) -> usize {
        match self {
            // Names and marks take some 40 bytes a message.
            Self::Chat(messages) => messages.iter().map(|it| it.text.len() + 40).sum(),
            Self::Text(text) => text.len() + 40,
        }
    }

    /// A bound of the tokens that its pictures, sounds and files take: a byte of content is
    /// none too few where it is large, and what is small or fetched by the provider is taken to
    /// be a large picture.
    pub fn most_media_tokens(&self) -> u64 {
        let Self::Chat(messages) = self else { return 0 };
        let most = |it: &Placed| match &it.media.source {
            Source::Bytes { bytes, .. } => (bytes.len() as u64).max(SMALL_MEDIA),
            Source::Url(_) | Source::Absent { .. } => FETCHED_MEDIA,
        };
        messages.iter().flat_map(|it| &it.media).map(most).fold(0, u64::saturating_add)
    }
}

/// The most tokens of a medium of few bytes.
const SMALL_MEDIA: u64 = 8_000;
/// The most tokens that a medium of unknown size is taken for.
const FETCHED_MEDIA: u64 = 50_000;

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
    /// How much a model that reasons is to think; the provider's rule where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub effort: Option<Effort>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: None,
            max_tokens: None,
            stop: Vec::new(),
            seed: None,
            effort: None,
        }
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
    /// Tools that may be called.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tools: Vec<Tool>,
    /// Whether they are.
    #[serde(skip_serializing_if = "ToolChoice::is_auto", default)]
    pub tool_choice: ToolChoice,
    /// How many replies are wanted; `None` is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub n: Option<u32>,
    /// How many of the likeliest tokens are told at each place, with their logarithms of
    /// probability; 0 tells the one that was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub logprobs: Option<u32>,
}

impl Request {
    /// The request as it is remembered: content that was sent with it is known by its hash.
    pub fn remembered(self: &Arc<Self>) -> Arc<Self> {
        let Prompt::Chat(messages) = &self.prompt else { return self.clone() };
        let is_here = |it: &Placed| matches!(it.media.source, Source::Bytes { .. });
        if !messages.iter().any(|it| it.media.iter().any(is_here)) {
            return self.clone();
        }
        let mut request = (**self).clone();
        if let Prompt::Chat(messages) = &mut request.prompt {
            for placed in messages.iter_mut().flat_map(|it| &mut it.media) {
                placed.media = Arc::new(placed.media.remembered());
            }
        }
        Arc::new(request)
    }

    /// Returns a request for free text at the usual sampling.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            decoding: Decoding::Free,
            sampling: Sampling::default(),
            rollout: 0,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            n: None,
            logprobs: None,
        }
    }
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model ended it, or a stop text or the template did.
    #[default]
    Stop,
    /// The model calls tools.
    Tools,
    /// Who listened to it wanted no more.
    Halted,
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
    /// Of the tokens read, those the provider put into its cache, at a price of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cache_write_tokens: Option<u64>,
    /// Of the tokens written, those of thoughts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reasoning_tokens: Option<u64>,
}

/// A token of a reply and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// The likeliest tokens at its place, with theirs.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub top: Vec<(String, f64)>,
}

/// One of several replies to a request, besides the first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Alternative {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish: Finish,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// What the model thought before it, where the provider tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reasoning: Option<String>,
    /// Tools that it calls.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub calls: Vec<ToolCall>,
    /// What is to be sent back with the answers of those; see [`Message::from`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub carry: Option<Arc<Carry>>,
    /// Replies besides this one, where several were wanted.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub others: Vec<Alternative>,
    /// How likely its tokens were, where that was wanted and is told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub logprobs: Option<Vec<TokenLogprob>>,
}
