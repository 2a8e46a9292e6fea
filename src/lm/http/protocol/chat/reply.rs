//! Replies of chat completions, whole and in pieces.

use super::super::carry::{keep, settle};
use super::super::count::{Count, lenient};
use super::super::logprobs::Token;
use super::super::think::{self, Splitter};
use super::super::{ErrorBody, Reader, Unread};
use crate::lm::http::teller::Teller;
use crate::lm::{Alternative, Completion, Finish, ToolCall, Usage};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use std::fmt;

/// Reads the body of a response with status 200.
pub(super) fn read(body: &[u8]) -> Result<Completion, Unread> {
    let reply: Reply = serde_json::from_slice(body).map_err(|e| Unread::json(body, &e))?;
    reply.completion()
}

#[derive(Deserialize, Default)]
struct Reply {
    choices: Option<Vec<Choice>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Tokens>,
    model: Option<String>,
    error: Option<ErrorBody>,
    #[serde(default, deserialize_with = "lenient")]
    x_groq: Option<Groq>,
}

/// Where Groq tells the usage of a stream.
#[derive(Deserialize, Default)]
struct Groq {
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Tokens>,
}

#[derive(Deserialize, Default)]
struct Choice {
    #[serde(default)]
    index: Count,
    /// In pieces it is the `delta`.
    #[serde(alias = "delta", default)]
    message: Said,
    finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    logprobs: Option<Logprobs>,
}

#[derive(Deserialize, Default)]
struct Said {
    #[serde(default)]
    content: Content,
    refusal: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    reasoning_content: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    reasoning: Option<String>,
    /// The same in parts, some of them sealed, as `OpenRouter` has it.
    #[serde(default, deserialize_with = "lenient")]
    reasoning_details: Option<Vec<Value>>,
    #[serde(default)]
    tool_calls: Option<Vec<Called>>,
}

#[derive(Deserialize, Default)]
struct Called {
    #[serde(default)]
    index: Count,
    id: Option<String>,
    #[serde(default)]
    function: Function,
}

#[derive(Deserialize, Default)]
struct Function {
    name: Option<String>,
    /// A text, or what the text would say.
    #[serde(default)]
    arguments: Value,
}

impl Function {
    fn arguments(self) -> String {
        match self.arguments {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }
}

#[derive(Deserialize, Default)]
struct Logprobs {
    content: Option<Vec<Token>>,
}

impl Reply {
    fn completion(self) -> Result<Completion, Unread> {
        let mut choices = self.choices.into_iter().flatten();
        let Some(first) = choices.next() else {
            return Err(match self.error {
                Some(error) => Unread::Error(error),
                None => Unread::Malformed("a body without choices".to_owned()),
            });
        };
        let mut completion = first.completion();
        completion.others = choices.map(Choice::alternative).collect();
        completion.usage = self.usage.unwrap_or_default().into();
        completion.model = self.model;
        Ok(completion)
    }
}

impl Choice {
    fn completion(self) -> Completion {
        let finish = finish(self.finish_reason.as_deref());
        let thoughts = self.message.kept();
        let Said { content, refusal, reasoning_content, reasoning, tool_calls, .. } =
            self.message;
        let (mut text, finish) = match (content.text, refusal.filter(|it| !it.is_empty())) {
            (None, Some(refusal)) => (refusal, Finish::Filter),
            (Some(text), Some(refusal)) if text.is_empty() => (refusal, Finish::Filter),
            (text, _) => (text.unwrap_or_default(), finish),
        };
        let told = [reasoning_content, reasoning, content.thoughts];
        let mut reasoning = told.into_iter().flatten().find(|it| !it.is_empty());
        think::take(&mut text, &mut reasoning);
        let called = tool_calls.into_iter().flatten().enumerate();
        let calls: Vec<ToolCall> = called.map(|(at, it)| it.call(at)).collect();
        let finish = match finish {
            Finish::Stop | Finish::Other if !calls.is_empty() => Finish::Tools,
            other => other,
        };
        let tokens = self.logprobs.and_then(|it| it.content);
        let logprobs = tokens.map(|it| it.into_iter().map(Token::told).collect());
        let mut completion = Completion {
            text,
            finish,
            attempts: 1,
            reasoning,
            calls,
            logprobs,
            ..Completion::default()
        };
        if let Some(thoughts) = thoughts {
            keep(&mut completion, thoughts);
        }
        settle(&mut completion);
        completion
    }

    fn alternative(self) -> Alternative {
        let Completion { text, finish, .. } = self.completion();
        Alternative { text, finish }
    }
}

impl Called {
    fn call(self, at: usize) -> ToolCall {
        let id = self.id.filter(|it| !it.is_empty()).unwrap_or_else(|| format!("call_{at}"));
        let name = self.function.name.clone().unwrap_or_default();
        ToolCall { id, name, arguments: self.function.arguments() }
    }
}

fn finish(reason: Option<&str>) -> Finish {
    match reason {
        Some("stop" | "eos" | "end_turn" | "stop_sequence" | "STOP") => Finish::Stop,
        Some("length" | "max_tokens" | "model_length" | "MAX_TOKENS") => Finish::Length,
        Some("content_filter" | "safety" | "SAFETY" | "refusal") => Finish::Filter,
        Some("tool_calls" | "function_call" | "tool_use") => Finish::Tools,
        _ => Finish::Other,
    }
}

/// Text, parts of it, or nothing; parts may be thoughts.
#[derive(Default)]
struct Content {
    text: Option<String>,
    thoughts: Option<String>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or parts of it")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content { text: Some(text.to_owned()), thoughts: None })
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content { text: Some(text), thoughts: None })
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
        let mut whole = Content::default();
        while let Some(part) = parts.next_element::<Part>()? {
            match part.kind.as_deref() {
                Some("text" | "output_text") => append(&mut whole.text, part.text),
                Some("thinking" | "reasoning") => {
                    let more = part.thinking.and_then(|it| it.text).or(part.text);
                    append(&mut whole.thoughts, more);
                }
                _ => {}
            }
        }
        Ok(whole)
    }
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<String>,
    /// Mistral's thoughts are parts themselves.
    thinking: Option<Content>,
}

fn append(whole: &mut Option<String>, more: Option<String>) {
    match (whole.as_mut(), more) {
        (Some(whole), Some(more)) => whole.push_str(&more),
        (None, Some(more)) => *whole = Some(more),
        (_, None) => {}
    }
}

/// Token counts under the names that servers use.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Tokens {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    #[serde(deserialize_with = "lenient")]
    prompt_tokens_details: Option<Details>,
    #[serde(deserialize_with = "lenient")]
    completion_tokens_details: Option<Details>,
    /// Moonshot.
    cached_tokens: Count,
    /// Mistral.
    num_cached_tokens: Count,
    /// `DeepSeek`.
    prompt_cache_hit_tokens: Count,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    /// `OpenRouter`.
    cache_write_tokens: Count,
    reasoning_tokens: Count,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        let read = tokens.prompt_tokens_details.unwrap_or_default();
        let written = tokens.completion_tokens_details.unwrap_or_default();
        let reasoning = written.reasoning_tokens.0;
        let counts = (tokens.prompt_tokens.0, tokens.completion_tokens.0);
        let completion = match (counts, reasoning, tokens.total_tokens.0) {
            // xAI counts thoughts beside the rest, not in it.
            ((Some(read), Some(written)), Some(thought), Some(total))
                if thought > 0 && total == read + written + thought =>
            {
                Some(written + thought)
            }
            ((_, written), ..) => written,
        };
        Self {
            prompt_tokens: counts.0,
            completion_tokens: completion,
            cached_tokens: read
                .cached_tokens
                .0
                .or(tokens.cached_tokens.0)
                .or(tokens.num_cached_tokens.0)
                .or(tokens.prompt_cache_hit_tokens.0),
            cache_write_tokens: read.cache_write_tokens.0,
            reasoning_tokens: reasoning,
        }
    }
}

/// Gathers the pieces of a reply.
#[derive(Default)]
pub(super) struct Pieces {
    reply: Reply,
    splitter: Splitter,
    is_ended: bool,
}

impl Reader for Pieces {
    fn event(&mut self, data: &str, teller: &mut Teller<'_>) -> Result<(), Unread> {
        if data.trim() == "[DONE]" {
            self.is_ended = true;
            self.splitter.end(teller);
            return Ok(());
        }
        let piece: Reply =
            serde_json::from_str(data).map_err(|e| Unread::json(data.as_bytes(), &e))?;
        if let Some(error) = piece.error {
            return Err(Unread::Error(error));
        }
        let usage = piece.usage.or(piece.x_groq.and_then(|it| it.usage));
        self.reply.usage = usage.or(self.reply.usage.take());
        self.reply.model = self.reply.model.take().or(piece.model);
        for choice in piece.choices.into_iter().flatten() {
            self.choice(choice, teller);
        }
        Ok(())
    }

    fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn is_whole(&self) -> bool {
        // Not every server sends the last mark; why a reply ended is told at its end as well.
        let choices = self.reply.choices.as_deref().unwrap_or_default();
        let ended = !choices.is_empty() && choices.iter().all(|it| it.finish_reason.is_some());
        self.is_ended || ended
    }

    fn completion(self: Box<Self>) -> Result<Completion, Unread> {
        self.reply.completion()
    }
}

impl Pieces {
    fn choice(&mut self, piece: Choice, teller: &mut Teller<'_>) {
        let choices = self.reply.choices.get_or_insert_default();
        let index = piece.index.0.unwrap_or(0);
        let at = choices.iter().position(|it| it.index.0 == Some(index));
        let at = at.unwrap_or_else(|| {
            let index = Count(Some(index));
            choices.push(Choice { index, ..Choice::default() });
            choices.sort_by_key(|it| it.index.0);
            choices.iter().position(|it| it.index == index).unwrap_or_default()
        });
        let Choice { message, finish_reason, logprobs, .. } = piece;
        if index == 0 {
            self.splitter.tell(&message, teller);
            if finish_reason.is_some() {
                self.splitter.end(teller);
            }
        }
        let choice = &mut choices[at];
        choice.message.extend(message);
        choice.finish_reason = finish_reason.or(choice.finish_reason.take());
        if let Some(more) = logprobs.and_then(|it| it.content) {
            let logprobs = choice.logprobs.get_or_insert_default();
            logprobs.content.get_or_insert_default().extend(more);
        }
    }
}

/// Joins pieces of the same part, which has its number.
fn join(whole: &mut Vec<Value>, more: Value) {
    let is_same = |it: &&mut Value| {
        !more["index"].is_null() && it["index"] == more["index"] && it["type"] == more["type"]
    };
    let Some(part) = whole.iter_mut().rfind(is_same).and_then(Value::as_object_mut) else {
        return whole.push(more);
    };
    for (name, value) in more.as_object().into_iter().flatten() {
        match (part.get_mut(name), value) {
            (Some(Value::String(text)), Value::String(more))
                if IN_PIECES.contains(&&**name) =>
            {
                text.push_str(more);
            }
            (_, Value::Null) => {}
            _ => drop(part.insert(name.clone(), value.clone())),
        }
    }
}

/// What of a part of thoughts comes in pieces.
const IN_PIECES: [&str; 3] = ["text", "summary", "data"];

impl Splitter {
    fn tell(&mut self, said: &Said, teller: &mut Teller<'_>) {
        let told = [&said.reasoning_content, &said.reasoning, &said.content.thoughts];
        if let Some(thought) = told.into_iter().flatten().find(|it| !it.is_empty()) {
            teller.reasoning(thought);
        }
        for text in [&said.content.text, &said.refusal].into_iter().flatten() {
            self.push(text, teller);
        }
    }
}

impl Said {
    /// Thoughts as servers that tell them want them back, under the name that they have there.
    fn kept(&self) -> Option<Value> {
        let is_told = |it: &&String| !it.is_empty();
        if let Some(parts) = self.reasoning_details.as_ref().filter(|it| !it.is_empty()) {
            return Some(json!({ "reasoning_details": parts }));
        }
        match (&self.reasoning_content, &self.reasoning) {
            (Some(text), _) if is_told(&text) => Some(json!({ "reasoning_content": text })),
            (_, Some(text)) if is_told(&text) => Some(json!({ "reasoning": text })),
            _ => None,
        }
    }

    fn extend(&mut self, more: Self) {
        append(&mut self.content.text, more.content.text);
        append(&mut self.content.thoughts, more.content.thoughts);
        append(&mut self.refusal, more.refusal);
        append(&mut self.reasoning_content, more.reasoning_content);
        append(&mut self.reasoning, more.reasoning);
        for part in more.reasoning_details.into_iter().flatten() {
            join(self.reasoning_details.get_or_insert_default(), part);
        }
        for call in more.tool_calls.into_iter().flatten() {
            self.call(call);
        }
    }

    /// A piece belongs to the call of its index; one that has another id begins a call, for
    /// some servers number none.
    fn call(&mut self, piece: Called) {
        let calls = self.tool_calls.get_or_insert_default();
        let is_same = |it: &Called| {
            let same_id = match (&it.id, &piece.id) {
                (Some(known), Some(id)) if !id.is_empty() => known == id,
                _ => true,
            };
            same_id && (piece.index.0.is_none() || it.index == piece.index)
        };
        let Some(call) = calls.iter_mut().rfind(|it| is_same(it)) else {
            return calls.push(piece);
        };
        call.function.name = call.function.name.take().or(piece.function.name.clone());
        let mut whole = std::mem::take(&mut call.function).arguments_of();
        whole.1.push_str(&piece.function.arguments());
        call.function = Function { name: whole.0, arguments: whole.1.into() };
    }
}

impl Function {
    fn arguments_of(mut self) -> (Option<String>, String) {
        (self.name.take(), self.arguments())
    }
}
