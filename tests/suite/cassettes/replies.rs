//! What recorded replies say, read by other means than the clients'.

use dsp_lang::config::Api;
use dsp_lang::lm::{Completion, Finish};
use serde_json::{Map, Value, json};

/// The reply is not made up yet.
#[derive(Debug)]
pub(super) struct Unfinished;

/// What a reply has to say.
#[derive(Debug, PartialEq)]
pub(super) struct Expected {
    text: String,
    reasoning: String,
    calls: Vec<(String, Value)>,
    finish: Finish,
    model: Option<String>,
    read: Option<u64>,
    written: Option<u64>,
    cached: Option<u64>,
}

impl Expected {
    pub(super) fn of(api: Api, body: &Value) -> Result<Self, Unfinished> {
        match api {
            Api::Chat => Ok(chat(body)),
            Api::Responses if body["status"] == "queued" => Err(Unfinished),
            Api::Responses => Ok(responses(body)),
            Api::Anthropic => Ok(anthropic(body)),
            Api::Gemini => Ok(gemini(body)),
            Api::Ollama => unreachable!("nothing of it is recorded"),
        }
    }

    pub(super) fn check(&self, found: &Completion) -> Result<(), String> {
        let arguments = |text: &str| {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        };
        let calls = found.calls.iter();
        let found = Self {
            text: found.text.clone(),
            reasoning: found.reasoning.clone().unwrap_or_default(),
            calls: calls.map(|it| (it.name.clone(), arguments(&it.arguments))).collect(),
            finish: found.finish,
            model: found.model.clone(),
            read: found.usage.prompt_tokens,
            written: found.usage.completion_tokens,
            cached: found.usage.cached_tokens,
        };
        (found == *self).then_some(()).ok_or_else(|| format!("{found:?}\nis not {self:?}"))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn parsed(arguments: &Value) -> Value {
    match arguments.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        None if arguments.is_null() => json!(""),
        None => arguments.clone(),
    }
}

fn chat(body: &Value) -> Expected {
    let choice = &body["choices"][0];
    let message = &choice["message"];
    let mut said = String::new();
    let mut thought = String::new();
    match &message["content"] {
        Value::Array(parts) => {
            for part in parts {
                said += &text(&part["text"]);
                thought.extend(list(&part["thinking"]).iter().map(|it| text(&it["text"])));
            }
        }
        content => said = text(content),
    }
    for name in ["reasoning", "reasoning_content"] {
        if thought.is_empty() {
            thought = text(&message[name]);
        }
    }
    if let Some(thoughts) = said.strip_prefix("<think>") {
        let (thoughts, rest) = thoughts.split_once("</think>").unwrap_or((thoughts, ""));
        (thought, said) = (thoughts.trim().to_owned(), rest.trim_start().to_owned());
    }
    let calls: Vec<_> = list(&message["tool_calls"])
        .iter()
        .map(|it| (text(&it["function"]["name"]), parsed(&it["function"]["arguments"])))
        .collect();
    let finish = match choice["finish_reason"].as_str() {
        Some("tool_calls") => Finish::Tools,
        Some("stop") if !calls.is_empty() => Finish::Tools,
        Some("stop") => Finish::Stop,
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::Filter,
        _ if !calls.is_empty() => Finish::Tools,
        _ => Finish::Other,
    };
    let usage = &body["usage"];
    let count = |value: &Value| value.as_u64();
    Expected {
        text: said,
        reasoning: thought,
        calls,
        finish,
        model: body["model"].as_str().map(str::to_owned),
        read: count(&usage["prompt_tokens"]),
        written: count(&usage["completion_tokens"]),
        cached: count(&usage["prompt_tokens_details"]["cached_tokens"])
            .or(count(&usage["cached_tokens"]))
            .or(count(&usage["num_cached_tokens"]))
            .or(count(&usage["prompt_cache_hit_tokens"])),
    }
}

fn responses(body: &Value) -> Expected {
    let items = |kind: &str| -> Vec<&Value> {
        list(&body["output"]).iter().filter(|it| it["type"] == kind).collect()
    };
    let mut said = String::new();
    for part in items("message").into_iter().flat_map(|it| list(&it["content"])) {
        said += &text(&part["text"]);
        said += &text(&part["refusal"]);
    }
    let thoughts: Vec<String> = items("reasoning")
        .into_iter()
        .filter_map(|it| {
            let parts = match list(&it["content"]) {
                [] => list(&it["summary"]),
                parts => parts,
            };
            let texts: Vec<String> = parts.iter().map(|it| text(&it["text"])).collect();
            Some(texts.join("\n\n")).filter(|it| !it.is_empty())
        })
        .collect();
    let calls: Vec<_> = items("function_call")
        .into_iter()
        .map(|it| (text(&it["name"]), parsed(&it["arguments"])))
        .collect();
    let finish = match body["incomplete_details"]["reason"].as_str() {
        Some("max_output_tokens") => Finish::Length,
        Some(_) => Finish::Filter,
        None if !calls.is_empty() => Finish::Tools,
        None => Finish::Stop,
    };
    let usage = &body["usage"];
    Expected {
        text: said,
        reasoning: thoughts.join("\n\n"),
        calls,
        finish,
        model: body["model"].as_str().map(str::to_owned),
        read: usage["input_tokens"].as_u64(),
        written: usage["output_tokens"].as_u64(),
        cached: usage["input_tokens_details"]["cached_tokens"].as_u64(),
    }
}

fn anthropic(body: &Value) -> Expected {
    let blocks = |kind: &str| -> Vec<&Value> {
        list(&body["content"]).iter().filter(|it| it["type"] == kind).collect()
    };
    let calls: Vec<_> = blocks("tool_use")
        .into_iter()
        .map(|it| (text(&it["name"]), parsed(&it["input"])))
        .collect();
    let finish = match body["stop_reason"].as_str() {
        Some("end_turn" | "stop_sequence") => Finish::Stop,
        Some("tool_use") => Finish::Tools,
        Some("max_tokens") => Finish::Length,
        Some("refusal") => Finish::Filter,
        _ => Finish::Other,
    };
    let usage = &body["usage"];
    let count = |name: &str| usage[name].as_u64();
    let beside = ["cache_read_input_tokens", "cache_creation_input_tokens"];
    let beside: u64 = beside.into_iter().filter_map(count).sum();
    Expected {
        text: blocks("text").into_iter().map(|it| text(&it["text"])).collect(),
        reasoning: blocks("thinking").into_iter().map(|it| text(&it["thinking"])).collect(),
        calls,
        finish,
        model: body["model"].as_str().map(str::to_owned),
        read: count("input_tokens").map(|it| it + beside),
        written: count("output_tokens"),
        cached: count("cache_read_input_tokens"),
    }
}

fn gemini(body: &Value) -> Expected {
    let candidate = &body["candidates"][0];
    let parts = list(&candidate["content"]["parts"]);
    let thought = |it: &&Value| it["thought"] == true;
    let calls: Vec<_> = parts
        .iter()
        .filter(|it| it.get("functionCall").is_some())
        .map(|it| (text(&it["functionCall"]["name"]), it["functionCall"]["args"].clone()))
        .collect();
    let finish = match candidate["finishReason"].as_str() {
        Some("STOP") if !calls.is_empty() => Finish::Tools,
        Some("STOP") => Finish::Stop,
        Some("MAX_TOKENS") => Finish::Length,
        Some("SAFETY" | "MODEL_ARMOR") => Finish::Filter,
        _ => Finish::Other,
    };
    let usage = &body["usageMetadata"];
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    Expected {
        text: parts.iter().filter(|it| !thought(it)).map(|it| text(&it["text"])).collect(),
        reasoning: parts.iter().filter(thought).map(|it| text(&it["text"])).collect(),
        calls,
        finish,
        model: body["modelVersion"].as_str().map(str::to_owned),
        read: Some(count("promptTokenCount") + count("toolUsePromptTokenCount")),
        written: Some(count("candidatesTokenCount") + count("thoughtsTokenCount")),
        cached: usage["cachedContentTokenCount"].as_u64(),
    }
}

/// The whole body that the events of a stream amount to.
pub(super) fn fold(api: Api, stream: &str) -> Value {
    let events: Vec<Value> = stream
        .lines()
        .filter_map(|it| it.strip_prefix("data:"))
        .filter_map(|it| serde_json::from_str(it.trim()).ok())
        .collect();
    match api {
        Api::Chat => fold_chat(&events),
        Api::Anthropic => fold_anthropic(&events),
        Api::Gemini => fold_gemini(&events),
        _ => events
            .iter()
            .rev()
            .map(|it| it["response"].clone())
            .find(|it| !it.is_null())
            .unwrap_or_default(),
    }
}

fn fold_chat(events: &[Value]) -> Value {
    let mut message = Map::new();
    let mut calls: Vec<(Value, String, String)> = Vec::new();
    let (mut usage, mut model, mut finish) = (Value::Null, Value::Null, Value::Null);
    for event in events {
        for told in [&event["usage"], &event["x_groq"]["usage"]] {
            if !told.is_null() {
                usage = told.clone();
            }
        }
        if model.is_null() {
            model = event["model"].clone();
        }
        let choice = &event["choices"][0];
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
        for name in ["content", "reasoning", "reasoning_content"] {
            if let Some(more) = choice["delta"][name].as_str() {
                let whole = message.entry(name).or_insert_with(|| json!(""));
                *whole = json!(text(whole) + more);
            }
        }
        for piece in list(&choice["delta"]["tool_calls"]) {
            let (index, function) = (&piece["index"], &piece["function"]);
            if calls.iter().all(|it| it.0 != *index) {
                calls.push((index.clone(), String::new(), String::new()));
            }
            let call = calls.iter_mut().find(|it| it.0 == *index).unwrap();
            call.1 += &text(&function["name"]);
            call.2 += &text(&function["arguments"]);
        }
    }
    let calls: Vec<Value> = calls
        .into_iter()
        .map(|it| json!({ "function": { "name": it.1, "arguments": it.2 } }))
        .collect();
    message.insert("tool_calls".to_owned(), json!(calls));
    let choice = json!({ "message": message, "finish_reason": finish });
    json!({ "choices": [choice], "usage": usage, "model": model })
}

fn fold_gemini(events: &[Value]) -> Value {
    let mut body = events.last().cloned().unwrap_or_default();
    let parts = events.iter().flat_map(|it| list(&it["candidates"][0]["content"]["parts"]));
    let parts: Vec<Value> = parts.cloned().collect();
    body["candidates"][0]["content"]["parts"] = json!(parts);
    body
}

fn fold_anthropic(events: &[Value]) -> Value {
    let mut body = json!({});
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        let at = event["index"].as_u64().unwrap_or(0) as usize;
        match event["type"].as_str() {
            Some("message_start") => body = event["message"].clone(),
            Some("content_block_start") => {
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            Some("content_block_delta") => {
                for name in ["text", "thinking"] {
                    if let Some(more) = event["delta"][name].as_str() {
                        blocks[at][name] = json!(text(&blocks[at][name]) + more);
                    }
                }
                inputs[at] += &text(&event["delta"]["partial_json"]);
            }
            Some("message_delta") => {
                body["stop_reason"] = event["delta"]["stop_reason"].clone();
                for (name, value) in event["usage"].as_object().unwrap() {
                    body["usage"][name] = value.clone();
                }
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(inputs) {
        if !input.is_empty() {
            block["input"] = serde_json::from_str(&input).unwrap();
        }
    }
    body["content"] = json!(blocks);
    body
}
