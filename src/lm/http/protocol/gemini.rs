//! Gemini's `generateContent`.

mod reply;
mod schema;

use super::carry::{Step, steps};
use super::media::base64_of;
use super::{Ask, KeyHeader, Protocol, Reader, Unread, Unwritable, arguments, body};
use crate::config::Effort;
use crate::lm::http::offers::Schemas;
use crate::lm::{Completion, Decoding, Message, Prompt, Role, Takes, ToolChoice};
use crate::schema::{Media, Source};
use serde_json::{Map, Value, json};

/// The protocol.
#[derive(Debug)]
pub(super) struct Gemini;

impl Protocol for Gemini {
    fn name(&self) -> &'static str {
        "gemini-content/1"
    }

    fn path(&self, model: &str, streams: bool) -> String {
        let what = if streams { "streamGenerateContent?alt=sse" } else { "generateContent" };
        let model = model.strip_prefix("models/").unwrap_or(model);
        format!("/models/{model}:{what}")
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Named("x-goog-api-key")
    }

    fn takes(&self) -> Takes {
        Takes::ALL
    }

    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable> {
        let mut map = Map::new();
        prompt(&mut map, ask)?;
        map.insert("generationConfig".to_owned(), Value::Object(config(ask)));
        tools(&mut map, ask);
        Ok(body(map))
    }

    fn read(&self, body: &[u8]) -> Result<Completion, Unread> {
        reply::read(body)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(reply::Pieces::default())
    }
}

fn prompt(map: &mut Map<String, Value>, ask: &Ask<'_>) -> Result<(), Unwritable> {
    let messages = match &ask.request.prompt {
        Prompt::Chat(messages) => messages.as_slice(),
        Prompt::Text(text) => {
            let turn = json!({ "role": "user", "parts": [{ "text": text }] });
            map.insert("contents".to_owned(), json!([turn]));
            return Ok(());
        }
    };
    let is_system = |it: &&Message| it.role == Role::System;
    let system: Vec<Value> =
        messages.iter().filter(is_system).map(|it| json!({ "text": it.text })).collect();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = match message.role {
            Role::System => continue,
            Role::Assistant => "model",
            Role::User | Role::Tool => "user",
        };
        let parts = parts(message, &messages[..at], ask)?;
        match turns.last_mut() {
            Some((last, known)) if *last == role => known.extend(parts),
            _ => turns.push((role, parts)),
        }
    }
    let turn = |(role, parts)| json!({ "role": role, "parts": parts });
    let turns: Vec<Value> = turns.into_iter().map(turn).collect();
    map.insert("contents".to_owned(), json!(turns));
    if !system.is_empty() {
        map.insert("systemInstruction".to_owned(), json!({ "parts": system }));
    }
    Ok(())
}

fn parts(
    message: &Message,
    before: &[Message],
    ask: &Ask<'_>,
) -> Result<Vec<Value>, Unwritable> {
    let mut parts: Vec<Value> = Vec::new();
    for step in steps(message, ask) {
        match step {
            Step::Text(text) => parts.push(json!({ "text": text })),
            Step::Media(media) => parts.push(medium(media)?),
            Step::Call(it) => {
                let call = json!({ "name": it.name, "args": arguments(it) });
                parts.push(json!({ "functionCall": call }));
            }
            Step::Kept(kept) => sign(&mut parts, kept),
        }
    }
    if let Some(id) = &message.answers {
        // Answers are addressed by the name of the tool.
        let calls = before.iter().rev().flat_map(|it| &it.calls);
        let name = calls.clone().find(|it| it.id == *id).map_or(id.as_str(), |it| &it.name);
        let response = json!({ "output": message.text });
        let answer = json!({ "name": name, "response": response });
        parts.retain(|it| it.get("text").is_none());
        parts.insert(0, json!({ "functionResponse": answer }));
        return Ok(parts);
    }
    if parts.is_empty() {
        parts.push(json!({ "text": "" }));
    }
    Ok(parts)
}

/// Puts what was kept onto the part that ends here, or where it was a part of its own.
fn sign(parts: &mut Vec<Value>, kept: &Value) {
    match (kept.as_object(), parts.last_mut().and_then(Value::as_object_mut)) {
        (Some(kept), Some(part)) if !kept.contains_key("text") => {
            part.extend(kept.iter().map(|(name, it)| (name.clone(), it.clone())));
        }
        _ => parts.push(kept.clone()),
    }
}

fn medium(media: &Media) -> Result<Value, Unwritable> {
    if let Source::Url(url) = &media.source {
        return Ok(json!({ "fileData": { "fileUri": url, "mimeType": media.mime } }));
    }
    let data = base64_of(media)?;
    Ok(json!({ "inlineData": { "mimeType": media.mime, "data": data } }))
}

fn config(ask: &Ask<'_>) -> Map<String, Value> {
    let (request, offers) = (ask.request, ask.offers);
    let sampling = &request.sampling;
    let mut config = Map::new();
    let mut put = |name: &str, value: Value| config.insert(name.to_owned(), value);
    if offers.temperature {
        put("temperature", json!(sampling.temperature));
    }
    if let Some(top_p) = sampling.top_p.filter(|_| offers.top_p) {
        put("topP", json!(top_p));
    }
    if let Some(max_tokens) = sampling.max_tokens {
        put("maxOutputTokens", json!(max_tokens));
    }
    if offers.stop && !sampling.stop.is_empty() {
        put("stopSequences", json!(sampling.stop));
    }
    if let (Some(name), Some(seed)) = (offers.seed, sampling.seed) {
        // The server counts in 32 bits.
        put(name, json!(seed & 0x7FFF_FFFF));
    }
    if let Some(n) = request.n.filter(|it| offers.n && *it > 1) {
        put("candidateCount", json!(n));
    }
    if let Some(top) = request.logprobs.filter(|_| offers.logprobs) {
        put("responseLogprobs", json!(true));
        if top > 0 {
            put("logprobs", json!(top));
        }
    }
    if let Some(effort) = sampling.effort {
        put("thinkingConfig", thinking(ask.model, effort));
    }
    if let (Decoding::Json(schema), true) =
        (&request.decoding, offers.schemas != Schemas::Nothing)
    {
        put("responseMimeType", json!("application/json"));
        let schema = schema::subset(schema).filter(|_| offers.schemas == Schemas::Schema);
        if let Some(schema) = schema {
            put("responseSchema", schema);
        }
    }
    config
}

/// Models before the third generation are given tokens, later ones a word.
fn thinking(model: &str, effort: Effort) -> Value {
    let is_early = ["gemini-1", "gemini-2"].iter().any(|it| model.contains(it));
    let mut config = if is_early {
        let budget = match effort {
            Effort::None => 0,
            Effort::Minimal => 512,
            Effort::Low => 1024,
            Effort::Medium => 8192,
            Effort::High => 24_576,
        };
        json!({ "thinkingBudget": budget })
    } else {
        let word = if effort == Effort::None { Effort::Minimal } else { effort };
        json!({ "thinkingLevel": word.as_str() })
    };
    if effort != Effort::None {
        config["includeThoughts"] = json!(true);
    }
    config
}

fn tools(map: &mut Map<String, Value>, ask: &Ask<'_>) {
    if ask.request.tools.is_empty() {
        return;
    }
    let tool = |it: &crate::lm::Tool| {
        let mut tool = json!({ "name": it.name });
        if !it.description.is_empty() {
            tool["description"] = json!(it.description);
        }
        let parameters = it.parameters.get("properties").and_then(Value::as_object);
        if parameters.is_some_and(|it| !it.is_empty()) {
            tool["parametersJsonSchema"] = it.parameters.clone();
        }
        tool
    };
    let tools: Vec<Value> = ask.request.tools.iter().map(tool).collect();
    map.insert("tools".to_owned(), json!([{ "functionDeclarations": tools }]));
    let config = match &ask.request.tool_choice {
        ToolChoice::Auto => return,
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
    };
    map.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": config }));
}
