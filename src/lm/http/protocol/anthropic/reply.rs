//! Replies of Anthropic's messages, whole and in pieces.

use super::super::carry::{keep, settle};
use super::super::count::{Count, lenient};
use super::super::{ErrorBody, Reader, Unread};
use super::REPLY;
use crate::lm::http::teller::Teller;
use crate::lm::{Completion, Finish, ToolCall, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// Reads the body of a response with status 200.
pub(super) fn read(body: &[u8]) -> Result<Completion, Unread> {
    let reply: Reply = serde_json::from_slice(body).map_err(|e| Unread::json(body, &e))?;
    reply.completion()
}

#[derive(Deserialize, Default)]
struct Reply {
    content: Option<Vec<Block>>,
    model: Option<String>,
    stop_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Tokens>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize, Default)]
struct Block {
    #[serde(rename = "type", default)]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    /// What shows that thoughts are the model's own.
    signature: Option<String>,
    /// Thoughts that nobody is to read.
    data: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[serde(default)]
    input: Value,
    /// The input in pieces, as text.
    #[serde(skip)]
    written: String,
}

impl Block {
    fn arguments(self) -> String {
        match self.input {
            // What comes in pieces begins as an empty map.
            _ if !self.written.is_empty() => self.written,
            Value::Null => "{}".to_owned(),
            input => input.to_string(),
        }
    }
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct Tokens {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    #[serde(deserialize_with = "lenient")]
    output_tokens_details: Details,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct Details {
    thinking_tokens: Count,
}

impl Tokens {
    /// These, and those of `before` that are not told again.
    fn or(self, before: Self) -> Self {
        let or = |a: Count, b: Count| Count(a.0.or(b.0));
        Self {
            input_tokens: or(self.input_tokens, before.input_tokens),
            output_tokens: or(self.output_tokens, before.output_tokens),
            cache_read_input_tokens: or(
                self.cache_read_input_tokens,
                before.cache_read_input_tokens,
            ),
            cache_creation_input_tokens: or(
                self.cache_creation_input_tokens,
                before.cache_creation_input_tokens,
            ),
            output_tokens_details: Details {
                thinking_tokens: or(
                    self.output_tokens_details.thinking_tokens,
                    before.output_tokens_details.thinking_tokens,
                ),
            },
        }
    }
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let cached = tokens.cache_read_input_tokens.0;
        let written = tokens.cache_creation_input_tokens.0;
        let rest = cached.unwrap_or(0) + written.unwrap_or(0);
        Self {
            // What the cache gave and took is not among the tokens that were read.
            prompt_tokens: tokens.input_tokens.0.map(|it| it + rest),
            completion_tokens: tokens.output_tokens.0,
            cached_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: tokens.output_tokens_details.thinking_tokens.0,
        }
    }
}

impl Reply {
    fn completion(self) -> Result<Completion, Unread> {
        let Some(content) = self.content else {
            return Err(match self.error {
                Some(error) => Unread::Error(error),
                None => Unread::Malformed("a body without content".to_owned()),
            });
        };
        let finish = finish(self.stop_reason.as_deref());
        let usage = self.usage.unwrap_or_default().into();
        let mut completion = Completion {
            finish,
            usage,
            model: self.model,
            attempts: 1,
            ..Completion::default()
        };
        for block in content {
            add(&mut completion, block);
        }
        settle(&mut completion);
        if completion.calls.is_empty() && completion.finish == Finish::Tools {
            completion.finish = Finish::Stop;
        }
        Ok(completion)
    }
}

fn add(completion: &mut Completion, block: Block) {
    match block.kind.as_str() {
        "text" => completion.text.push_str(&block.text.unwrap_or_default()),
        "thinking" => {
            let thought = block.thinking.unwrap_or_default();
            if !thought.is_empty() {
                completion.reasoning.get_or_insert_default().push_str(&thought);
            }
            if let Some(signature) = block.signature.filter(|it| !it.is_empty()) {
                let told =
                    json!({ "type": "thinking", "thinking": thought, "signature": signature });
                keep(completion, told);
            }
        }
        "redacted_thinking" => {
            if let Some(data) = block.data {
                keep(completion, json!({ "type": "redacted_thinking", "data": data }));
            }
        }
        "tool_use" if block.name.as_deref() == Some(REPLY) => {
            completion.text.push_str(&block.arguments());
        }
        "tool_use" => {
            let id = block.id.clone();
            let id = id.unwrap_or_else(|| format!("call_{}", completion.calls.len()));
            let name = block.name.clone().unwrap_or_default();
            completion.calls.push(ToolCall { id, name, arguments: block.arguments() });
        }
        // Tools that run at the server have been answered there.
        _ => {}
    }
}

fn finish(reason: Option<&str>) -> Finish {
    match reason {
        Some("end_turn" | "stop_sequence" | "stop") => Finish::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("tool_use") => Finish::Tools,
        Some("refusal") => Finish::Filter,
        _ => Finish::Other,
    }
}

/// Gathers the pieces of a reply.
#[derive(Default)]
pub(super) struct Pieces {
    reply: Reply,
    is_ended: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Reply,
    },
    ContentBlockStart {
        index: usize,
        content_block: Block,
    },
    ContentBlockDelta {
        index: usize,
        delta: Piece,
    },
    MessageDelta {
        delta: End,
        #[serde(default, deserialize_with = "lenient")]
        usage: Tokens,
    },
    MessageStop,
    Error {
        error: ErrorBody,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Piece {
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
}

#[derive(Deserialize)]
struct End {
    stop_reason: Option<String>,
}

impl Reader for Pieces {
    fn event(&mut self, data: &str, teller: &mut Teller<'_>) -> Result<(), Unread> {
        let event: Event =
            serde_json::from_str(data).map_err(|e| Unread::json(data.as_bytes(), &e))?;
        match event {
            Event::MessageStart { message } => self.reply = message,
            Event::ContentBlockStart { index, content_block } => {
                teller.reasoning(content_block.thinking.as_deref().unwrap_or_default());
                teller.text(content_block.text.as_deref().unwrap_or_default());
                *self.block(index) = content_block;
            }
            Event::ContentBlockDelta { index, delta } => self.piece(index, delta, teller),
            Event::MessageDelta { delta, usage } => {
                self.reply.stop_reason = delta.stop_reason.or(self.reply.stop_reason.take());
                self.reply.usage = Some(usage.or(self.reply.usage.unwrap_or_default()));
            }
            Event::MessageStop => self.is_ended = true,
            Event::Error { error } => return Err(Unread::Error(error)),
            Event::Other => {}
        }
        Ok(())
    }

    fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn is_whole(&self) -> bool {
        self.is_ended
    }

    fn completion(self: Box<Self>) -> Result<Completion, Unread> {
        self.reply.completion()
    }
}

impl Pieces {
    fn block(&mut self, index: usize) -> &mut Block {
        // No reply has more; a number from a server is not a size.
        let index = index.min(4096);
        let blocks = self.reply.content.get_or_insert_default();
        if blocks.len() <= index {
            blocks.resize_with(index + 1, Block::default);
        }
        &mut blocks[index]
    }

    fn piece(&mut self, index: usize, piece: Piece, teller: &mut Teller<'_>) {
        let block = self.block(index);
        if let Some(text) = piece.text {
            teller.text(&text);
            block.text.get_or_insert_default().push_str(&text);
        }
        if let Some(thought) = piece.thinking {
            teller.reasoning(&thought);
            block.thinking.get_or_insert_default().push_str(&thought);
        }
        if let Some(signature) = piece.signature {
            block.signature.get_or_insert_default().push_str(&signature);
        }
        if let Some(json) = piece.partial_json {
            if block.name.as_deref() == Some(REPLY) {
                teller.text(&json);
            }
            block.written.push_str(&json);
        }
    }
}
