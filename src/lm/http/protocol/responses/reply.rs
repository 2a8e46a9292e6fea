//! Replies of responses, whole and in pieces.

use super::super::carry::{keep, settle};
use super::super::count::{Count, lenient};
use super::super::logprobs::Token;
use super::super::{ErrorBody, Reader, Unread};
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
    output: Option<Vec<Item>>,
    model: Option<String>,
    status: Option<String>,
    incomplete_details: Option<Incomplete>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Tokens>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct Item {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    content: Option<Vec<Part>>,
    #[serde(default, deserialize_with = "lenient")]
    summary: Option<Vec<Part>>,
    /// Thoughts that only the server can read.
    #[serde(default, deserialize_with = "lenient")]
    encrypted_content: Option<String>,
    call_id: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    arguments: Option<String>,
}

#[derive(Deserialize, Default)]
struct Part {
    #[serde(rename = "type", default)]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    logprobs: Option<Vec<Token>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tokens {
    input_tokens: Count,
    output_tokens: Count,
    #[serde(deserialize_with = "lenient")]
    input_tokens_details: Details,
    #[serde(deserialize_with = "lenient")]
    output_tokens_details: Details,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    reasoning_tokens: Count,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self {
            prompt_tokens: tokens.input_tokens.0,
            completion_tokens: tokens.output_tokens.0,
            cached_tokens: tokens.input_tokens_details.cached_tokens.0,
            cache_write_tokens: tokens.input_tokens_details.cache_write_tokens.0,
            reasoning_tokens: tokens.output_tokens_details.reasoning_tokens.0,
        }
    }
}

impl Reply {
    fn completion(self) -> Result<Completion, Unread> {
        if let Some(error) = self.error {
            return Err(Unread::Error(error));
        }
        if matches!(self.status.as_deref(), Some("queued" | "in_progress")) {
            return Err(Unread::Malformed("a reply that is not written yet".to_owned()));
        }
        let Some(output) = self.output else {
            return Err(Unread::Malformed("a body without output".to_owned()));
        };
        let reason = self.incomplete_details.and_then(|it| it.reason);
        let mut completion = Completion {
            finish: finish(self.status.as_deref(), reason.as_deref()),
            usage: self.usage.unwrap_or_default().into(),
            model: self.model,
            attempts: 1,
            ..Completion::default()
        };
        for item in output {
            add(&mut completion, item);
        }
        settle(&mut completion);
        if completion.finish == Finish::Stop && !completion.calls.is_empty() {
            completion.finish = Finish::Tools;
        }
        Ok(completion)
    }
}

fn add(completion: &mut Completion, item: Item) {
    match item.kind.as_str() {
        "message" => item.content.into_iter().flatten().for_each(|it| say(completion, it)),
        "reasoning" => {
            if let Some(item) = item.sealed() {
                keep(completion, item);
            }
            // The thoughts themselves where they are told, else what they were about.
            let content = thoughts(item.content);
            let thoughts = content.or_else(|| thoughts(item.summary));
            if let Some(thoughts) = thoughts {
                let known = completion.reasoning.get_or_insert_default();
                if !known.is_empty() {
                    known.push_str("\n\n");
                }
                known.push_str(&thoughts);
            }
        }
        "function_call" => {
            let id = item.call_id.or(item.id);
            let id = id.unwrap_or_else(|| format!("call_{}", completion.calls.len()));
            let (name, arguments) =
                (item.name.unwrap_or_default(), item.arguments.unwrap_or_default());
            completion.calls.push(ToolCall { id, name, arguments });
        }
        // Tools that run at the server have been answered there.
        _ => {}
    }
}

impl Item {
    /// Thoughts as they are sent back; those that the server would have to remember are not.
    fn sealed(&self) -> Option<Value> {
        let told = |parts: &Option<Vec<Part>>| -> Vec<Value> {
            let parts = parts.iter().flatten();
            parts.map(|it| json!({ "type": it.kind, "text": it.text })).collect()
        };
        let content = told(&self.content);
        if self.encrypted_content.is_none() && content.is_empty() {
            return None;
        }
        let mut item = json!({ "type": "reasoning", "summary": told(&self.summary) });
        if let Some(id) = &self.id {
            item["id"] = json!(id);
        }
        if !content.is_empty() {
            item["content"] = json!(content);
        }
        if let Some(sealed) = &self.encrypted_content {
            item["encrypted_content"] = json!(sealed);
        }
        Some(item)
    }
}

fn say(completion: &mut Completion, part: Part) {
    if let Some(refusal) = part.refusal {
        completion.text.push_str(&refusal);
        completion.finish = Finish::Filter;
    }
    if part.kind == "output_text" || part.kind == "text" {
        completion.text.push_str(&part.text.unwrap_or_default());
    }
    if let Some(tokens) = part.logprobs.filter(|it| !it.is_empty()) {
        let told = tokens.into_iter().map(Token::told);
        completion.logprobs.get_or_insert_default().extend(told);
    }
}

fn thoughts(parts: Option<Vec<Part>>) -> Option<String> {
    let texts = parts.into_iter().flatten().filter_map(|it| it.text);
    let text = texts.collect::<Vec<_>>().join("\n\n");
    Some(text).filter(|it| !it.is_empty())
}

fn finish(status: Option<&str>, reason: Option<&str>) -> Finish {
    match (status, reason) {
        (_, Some("max_output_tokens")) => Finish::Length,
        (_, Some("content_filter")) => Finish::Filter,
        (Some("completed" | "complete") | None, None) => Finish::Stop,
        _ => Finish::Other,
    }
}

/// Gathers the pieces of a reply.
#[derive(Default)]
pub(super) struct Pieces {
    /// What the last event told, which is all.
    last: Option<Reply>,
    /// Items that were told as a whole, for servers whose last event has none.
    items: Vec<Item>,
    text: String,
    reasoning: String,
    /// Which part is being told.
    part: (String, u64),
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    delta: Option<String>,
    item_id: Option<String>,
    #[serde(default)]
    summary_index: Count,
    #[serde(default)]
    content_index: Count,
    item: Option<Item>,
    response: Option<Reply>,
    message: Option<String>,
    code: Option<String>,
    error: Option<ErrorBody>,
}

impl Reader for Pieces {
    fn event(&mut self, data: &str, teller: &mut Teller<'_>) -> Result<(), Unread> {
        if data.trim() == "[DONE]" {
            return Ok(());
        }
        let event: Event =
            serde_json::from_str(data).map_err(|e| Unread::json(data.as_bytes(), &e))?;
        match event.kind.as_str() {
            "response.output_text.delta" | "response.refusal.delta" => {
                let delta = event.delta.unwrap_or_default();
                teller.text(&delta);
                self.text.push_str(&delta);
            }
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                self.think(event, teller);
            }
            "response.output_item.done" => self.items.extend(event.item),
            "response.completed" | "response.incomplete" => self.last = event.response,
            "response.failed" | "error" => {
                let told = event.response.and_then(|it| it.error).or(event.error);
                let codes = event.code.into_iter().collect();
                let own = ErrorBody { message: event.message, codes, status: None };
                return Err(Unread::Error(told.unwrap_or(own)));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_ended(&self) -> bool {
        self.last.is_some()
    }

    fn is_whole(&self) -> bool {
        self.last.is_some()
    }

    fn completion(self: Box<Self>) -> Result<Completion, Unread> {
        let Some(mut reply) = self.last else {
            let reasoning = Some(self.reasoning).filter(|it| !it.is_empty());
            let text = self.text;
            return Ok(Completion { text, reasoning, attempts: 1, ..Completion::default() });
        };
        if reply.output.as_ref().is_none_or(Vec::is_empty) {
            reply.output = Some(self.items);
        }
        reply.completion()
    }
}

impl Pieces {
    fn think(&mut self, event: Event, teller: &mut Teller<'_>) {
        let index = event.summary_index.0.or(event.content_index.0).unwrap_or(0);
        let part = (event.item_id.unwrap_or_default(), index);
        let mut delta = event.delta.unwrap_or_default();
        if part != self.part && !self.reasoning.is_empty() {
            delta.insert_str(0, "\n\n");
        }
        self.part = part;
        teller.reasoning(&delta);
        self.reasoning.push_str(&delta);
    }
}
