//! Ollama's own `/api/chat`.

use super::carry::{carried, keep, settle};
use super::count::Count;
use super::logprobs::Token;
use super::media::{base64_of, no_place};
use super::think::{self, Splitter};
use super::{Ask, ErrorBody, Protocol, Reader, Unread, Unwritable, arguments, body, chat};
use crate::config::Effort;
use crate::lm::http::frames::Framing;
use crate::lm::http::offers::Schemas;
use crate::lm::http::teller::Teller;
use crate::lm::{
    Completion, Decoding, Finish, Message, Prompt, Takes, ToolCall, ToolChoice, Usage,
};
use crate::schema::MediaKind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The protocol.
#[derive(Debug)]
pub(super) struct Ollama;

impl Protocol for Ollama {
    fn name(&self) -> &'static str {
        "ollama-chat/1"
    }

    fn path(&self, _: &str, _: bool) -> String {
        "/api/chat".to_owned()
    }

    fn takes(&self) -> Takes {
        Takes { image: true, audio: false, file: false }
    }

    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable> {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        put("model", json!(ask.model));
        put("messages", messages(ask)?);
        put("stream", json!(ask.streams));
        put("options", Value::Object(options(ask)));
        match (&ask.request.decoding, ask.offers.schemas) {
            (Decoding::Json(schema), Schemas::Schema) => {
                put("format", schema.clone());
            }
            (Decoding::Json(_), Schemas::AnyJson) => {
                put("format", json!("json"));
            }
            _ => {}
        }
        if let Some(effort) = ask.request.sampling.effort {
            put("think", think(ask.model, effort));
        }
        if let Some(top) = ask.request.logprobs.filter(|_| ask.offers.logprobs) {
            put("logprobs", json!(true));
            put("top_logprobs", json!(top));
        }
        // It knows no choice of tools but that between all and none.
        if !ask.request.tools.is_empty() && ask.request.tool_choice != ToolChoice::None {
            let tools: Vec<Value> = ask.request.tools.iter().map(chat::tool).collect();
            put("tools", json!(tools));
        }
        Ok(body(map))
    }

    fn read(&self, body: &[u8]) -> Result<Completion, Unread> {
        let reply: Reply = serde_json::from_slice(body).map_err(|e| Unread::json(body, &e))?;
        reply.completion()
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Pieces::default())
    }
}

/// Some models are told how much, others only whether.
fn think(model: &str, effort: Effort) -> Value {
    match effort {
        _ if !model.contains("gpt-oss") => json!(effort != Effort::None),
        Effort::None | Effort::Minimal => json!("low"),
        other => json!(other.as_str()),
    }
}

fn messages(ask: &Ask<'_>) -> Result<Value, Unwritable> {
    match &ask.request.prompt {
        Prompt::Text(text) => Ok(json!([{ "role": "user", "content": text }])),
        Prompt::Chat(messages) => {
            let turns = messages.iter().enumerate();
            let turns = turns.map(|(at, message)| turn(message, &messages[..at], ask));
            turns.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
    }
}

fn turn(message: &Message, before: &[Message], ask: &Ask<'_>) -> Result<Value, Unwritable> {
    let mut turn = json!({ "role": message.role.as_str(), "content": message.text });
    let images = message.media.iter().map(|it| match it.media.kind {
        MediaKind::Image => base64_of(&it.media),
        _ => Err(no_place(&it.media, "it takes images, given as files")),
    });
    let images = images.collect::<Result<Vec<_>, _>>()?;
    if !images.is_empty() {
        turn["images"] = json!(images);
    }
    if !message.calls.is_empty() {
        let calls = message
            .calls
            .iter()
            .map(|it| json!({ "function": { "name": it.name, "arguments": arguments(it) } }));
        turn["tool_calls"] = calls.collect();
    }
    for (name, kept) in
        carried(message, ask).iter().filter_map(|it| it.value.as_object()).flatten()
    {
        turn[name] = kept.clone();
    }
    if let Some(id) = &message.answers {
        let calls = before.iter().rev().flat_map(|it| &it.calls);
        let name = calls.clone().find(|it| it.id == *id).map_or(id.as_str(), |it| &it.name);
        turn["tool_name"] = json!(name);
    }
    Ok(turn)
}

fn options(ask: &Ask<'_>) -> Map<String, Value> {
    let sampling = &ask.request.sampling;
    let mut options = Map::new();
    let mut put = |name: &str, value: Value| options.insert(name.to_owned(), value);
    put("temperature", json!(sampling.temperature));
    if let Some(top_p) = sampling.top_p {
        put("top_p", json!(top_p));
    }
    if let Some(max_tokens) = sampling.max_tokens {
        put("num_predict", json!(max_tokens));
    }
    if !sampling.stop.is_empty() {
        put("stop", json!(sampling.stop));
    }
    if let Some(seed) = sampling.seed {
        put("seed", json!(seed));
    }
    options
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reply {
    message: Option<Said>,
    model: Option<String>,
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Count,
    eval_count: Count,
    logprobs: Option<Vec<Token>>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<Called>>,
}

#[derive(Deserialize)]
struct Called {
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: Value,
}

impl Reply {
    fn completion(self) -> Result<Completion, Unread> {
        if let Some(error) = self.error {
            return Err(Unread::Error(error));
        }
        let Some(message) = self.message else {
            return Err(Unread::Malformed("a body without a message".to_owned()));
        };
        let mut text = message.content.unwrap_or_default();
        let mut reasoning = message.thinking.filter(|it| !it.is_empty());
        let thinking = reasoning.clone();
        think::take(&mut text, &mut reasoning);
        let calls = message.tool_calls.into_iter().flatten().enumerate();
        let calls: Vec<ToolCall> = calls.map(|(at, it)| it.call(at)).collect();
        let finish = match self.done_reason.as_deref() {
            Some("stop") | None if !calls.is_empty() => Finish::Tools,
            Some("stop") | None => Finish::Stop,
            Some("length") => Finish::Length,
            Some(_) => Finish::Other,
        };
        let usage = Usage {
            prompt_tokens: self.prompt_eval_count.0,
            completion_tokens: self.eval_count.0,
            ..Usage::default()
        };
        let logprobs = self.logprobs.map(|it| it.into_iter().map(Token::told).collect());
        let mut completion = Completion {
            text,
            finish,
            usage,
            model: self.model,
            attempts: 1,
            reasoning,
            calls,
            logprobs,
            ..Completion::default()
        };
        if let Some(thinking) = thinking {
            keep(&mut completion, json!({ "thinking": thinking }));
        }
        settle(&mut completion);
        Ok(completion)
    }
}

impl Called {
    fn call(self, at: usize) -> ToolCall {
        let id = self.id.filter(|it| !it.is_empty()).unwrap_or_else(|| format!("call_{at}"));
        let arguments = match self.function.arguments {
            Value::Null => "{}".to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        ToolCall { id, name: self.function.name, arguments }
    }
}

/// Gathers the pieces of a reply.
#[derive(Default)]
struct Pieces {
    reply: Reply,
    splitter: Splitter,
}

impl Reader for Pieces {
    fn event(&mut self, data: &str, teller: &mut Teller<'_>) -> Result<(), Unread> {
        let piece: Reply =
            serde_json::from_str(data).map_err(|e| Unread::json(data.as_bytes(), &e))?;
        if let Some(error) = piece.error {
            return Err(Unread::Error(error));
        }
        let whole = self.reply.message.get_or_insert_default();
        if let Some(said) = piece.message {
            if let Some(thought) = said.thinking {
                teller.reasoning(&thought);
                whole.thinking.get_or_insert_default().push_str(&thought);
            }
            let text = said.content.unwrap_or_default();
            self.splitter.push(&text, teller);
            whole.content.get_or_insert_default().push_str(&text);
            if let Some(calls) = said.tool_calls {
                whole.tool_calls.get_or_insert_default().extend(calls);
            }
        }
        if let Some(logprobs) = piece.logprobs {
            self.reply.logprobs.get_or_insert_default().extend(logprobs);
        }
        if piece.done {
            self.splitter.end(teller);
        }
        self.reply.done |= piece.done;
        self.reply.model = piece.model.or(self.reply.model.take());
        self.reply.done_reason = piece.done_reason.or(self.reply.done_reason.take());
        let or = |new: Count, old: Count| Count(new.0.or(old.0));
        self.reply.prompt_eval_count =
            or(piece.prompt_eval_count, self.reply.prompt_eval_count);
        self.reply.eval_count = or(piece.eval_count, self.reply.eval_count);
        Ok(())
    }

    fn is_ended(&self) -> bool {
        self.reply.done
    }

    fn is_whole(&self) -> bool {
        self.reply.done
    }

    fn completion(self: Box<Self>) -> Result<Completion, Unread> {
        self.reply.completion()
    }
}
