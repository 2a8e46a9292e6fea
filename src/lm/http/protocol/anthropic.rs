//! Anthropic's messages.

mod reply;

use super::carry::{Step, steps};
use super::media::{base64_of, no_place};
use super::{Ask, KeyHeader, Protocol, Reader, Unread, Unwritable, arguments, body};
use crate::config::Effort;
use crate::lm::http::offers::Schemas;
use crate::lm::{Completion, Decoding, Message, Prompt, Request, Role, Takes, ToolChoice};
use crate::schema::{Media, MediaKind, Source};
use serde_json::{Map, Value, json};

/// The protocol.
#[derive(Debug)]
pub(super) struct Anthropic;

/// The tool that stands for the reply where a model knows no schema of replies. Its arguments
/// are the reply.
const REPLY: &str = "dsp_reply";
/// The longest reply where nothing is said: the server wants to be told one.
const LONGEST: u32 = 8192;
/// The server caches no prompt that is shorter: some 1,024 tokens.
const CACHED_FROM: usize = 4096;
/// Blocks that cannot be marked for the cache.
const THOUGHTS: [&str; 2] = ["thinking", "redacted_thinking"];

impl Protocol for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic-messages/1"
    }

    fn path(&self, _: &str, _: bool) -> String {
        "/messages".to_owned()
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Named("x-api-key")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn takes(&self) -> Takes {
        Takes { image: true, audio: false, file: true }
    }

    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable> {
        let mut map = Map::new();
        map.insert("model".to_owned(), json!(ask.model));
        prompt(&mut map, ask)?;
        sampling(&mut map, ask);
        tools(&mut map, ask);
        if ask.streams {
            map.insert("stream".to_owned(), json!(true));
        }
        Ok(body(map))
    }

    fn read(&self, body: &[u8]) -> Result<Completion, Unread> {
        reply::read(body)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(reply::Pieces::default())
    }
}

/// Which generation a model is of: `claude-sonnet-4-5-20250929` is 4.5.
pub(in crate::lm::http) fn version(model: &str) -> (u32, u32) {
    let numbers = model
        .split(['-', '.', '@'])
        .skip_while(|it| it.len() > 2 || it.parse::<u32>().is_err())
        .map_while(|it| it.parse::<u32>().ok().filter(|_| it.len() <= 2));
    let numbers: Vec<u32> = numbers.take(2).collect();
    (numbers.first().copied().unwrap_or(u32::MAX), numbers.get(1).copied().unwrap_or(0))
}

fn prompt(map: &mut Map<String, Value>, ask: &Ask<'_>) -> Result<(), Unwritable> {
    let messages = match &ask.request.prompt {
        Prompt::Chat(messages) => messages.as_slice(),
        Prompt::Text(text) => {
            let turn = json!({ "role": "user", "content": text });
            map.insert("messages".to_owned(), json!([turn]));
            return Ok(());
        }
    };
    let is_system = |it: &&Message| it.role == Role::System;
    let system: Vec<&str> = messages.iter().filter(is_system).map(|it| &*it.text).collect();
    let system = system.join("\n\n");
    let mut turns: Vec<Turn> = Vec::new();
    let mut length = system.len();
    let mut cached = None;
    for message in messages.iter().filter(|it| it.role != Role::System) {
        length += message.text.len();
        let role = if message.role == Role::Assistant { "assistant" } else { "user" };
        let blocks = blocks(message, ask)?;
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.blocks.extend(blocks),
            _ => turns.push(Turn { role, blocks }),
        }
        // What comes behind the demonstrations differs from call to call.
        if role == "assistant" && length >= CACHED_FROM {
            cached = Some(turns.len() - 1);
        }
    }
    let is_said = |it: &&mut Value| !THOUGHTS.contains(&it["type"].as_str().unwrap_or(""));
    if let Some(block) = cached.and_then(|it| turns[it].blocks.iter_mut().rfind(is_said)) {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
    if system.len() >= CACHED_FROM {
        let cache = json!({ "type": "ephemeral" });
        let block = json!({ "type": "text", "text": system, "cache_control": cache });
        map.insert("system".to_owned(), json!([block]));
    } else if !system.is_empty() {
        map.insert("system".to_owned(), json!(system));
    }
    let turns: Vec<Value> = turns.into_iter().map(Turn::written).collect();
    map.insert("messages".to_owned(), json!(turns));
    Ok(())
}

/// A turn; those of one side that follow each other are one.
struct Turn {
    role: &'static str,
    blocks: Vec<Value>,
}

impl Turn {
    fn written(self) -> Value {
        match self.blocks.as_slice() {
            [only]
                if only.as_object().is_some_and(|it| it.len() == 2)
                    && only["type"] == "text" =>
            {
                json!({ "role": self.role, "content": only["text"] })
            }
            [] => json!({ "role": self.role, "content": "" }),
            blocks => json!({ "role": self.role, "content": blocks }),
        }
    }
}

fn blocks(message: &Message, ask: &Ask<'_>) -> Result<Vec<Value>, Unwritable> {
    // Who is told not to think is not shown thoughts.
    let thinks = ask.request.sampling.effort != Some(Effort::None);
    let blocks = steps(message, ask).into_iter().filter_map(|step| match step {
        Step::Text(text) => Some(Ok(json!({ "type": "text", "text": text }))),
        Step::Media(media) => Some(medium(media)),
        Step::Kept(block) => thinks.then(|| Ok(block.clone())),
        Step::Call(call) => Some(Ok(json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": arguments(call),
        }))),
    });
    let content = blocks.collect::<Result<Vec<_>, _>>()?;
    if let Some(id) = &message.answers {
        let content = match content.as_slice() {
            [only] if only["type"] == "text" => only["text"].clone(),
            blocks => json!(blocks),
        };
        let answer = json!({ "type": "tool_result", "tool_use_id": id, "content": content });
        return Ok(vec![answer]);
    }
    Ok(content)
}

fn medium(media: &Media) -> Result<Value, Unwritable> {
    let kind = match media.kind {
        MediaKind::Image => "image",
        MediaKind::File => "document",
        MediaKind::Audio => return Err(no_place(media, "it takes images, PDF files and text")),
    };
    let source = match &media.source {
        Source::Url(url) => json!({ "type": "url", "url": url }),
        Source::Bytes { bytes, .. } if media.mime.starts_with("text/") => {
            let text = String::from_utf8_lossy(bytes);
            json!({ "type": "text", "media_type": "text/plain", "data": text })
        }
        _ => json!({
            "type": "base64", "media_type": media.mime, "data": base64_of(media)?,
        }),
    };
    let mut block = json!({ "type": kind, "source": source });
    if let Some(name) = media.name.as_ref().filter(|_| kind == "document") {
        block["title"] = json!(name);
    }
    Ok(block)
}

fn sampling(map: &mut Map<String, Value>, ask: &Ask<'_>) {
    let (sampling, offers) = (&ask.request.sampling, ask.offers);
    let thinks = thinking(map, ask);
    let room = if thinks { sampling.effort.map_or(0, budget) } else { 0 };
    let longest = sampling.max_tokens.unwrap_or(LONGEST);
    // The limit holds for thoughts as well.
    map.insert("max_tokens".to_owned(), json!(longest.saturating_add(room)));
    if offers.temperature && !thinks {
        map.insert("temperature".to_owned(), json!(sampling.temperature));
    }
    if let Some(top_p) = sampling.top_p.filter(|_| offers.top_p && !thinks) {
        map.insert("top_p".to_owned(), json!(top_p));
    }
    if offers.stop && !sampling.stop.is_empty() {
        map.insert("stop_sequences".to_owned(), json!(sampling.stop));
    }
    if let (Decoding::Json(schema), Schemas::Schema) = (&ask.request.decoding, offers.schemas) {
        let config = map.entry("output_config").or_insert_with(|| json!({}));
        config["format"] = json!({ "type": "json_schema", "schema": schema });
    }
}

/// How much the model is to think; whether it does.
fn thinking(map: &mut Map<String, Value>, ask: &Ask<'_>) -> bool {
    let Some(effort) = ask.request.sampling.effort.filter(|it| *it != Effort::None) else {
        return false;
    };
    if version(ask.model) >= (4, 6) {
        let word = if effort == Effort::Minimal { Effort::Low } else { effort };
        map.insert("thinking".to_owned(), json!({ "type": "adaptive" }));
        map.insert("output_config".to_owned(), json!({ "effort": word.as_str() }));
    } else {
        let thinking = json!({ "type": "enabled", "budget_tokens": budget(effort) });
        map.insert("thinking".to_owned(), thinking);
    }
    true
}

/// How many tokens of thoughts an effort is.
fn budget(effort: Effort) -> u32 {
    match effort {
        Effort::None => 0,
        Effort::Minimal => 1024,
        Effort::Low => 2048,
        Effort::Medium => 8192,
        Effort::High => 16_384,
    }
}

fn tools(map: &mut Map<String, Value>, ask: &Ask<'_>) {
    let Request { tools, tool_choice, decoding, sampling, .. } = ask.request;
    let mut told: Vec<Value> = tools
        .iter()
        .map(|it| {
            let mut tool = json!({ "name": it.name, "input_schema": it.parameters });
            if !it.description.is_empty() {
                tool["description"] = json!(it.description);
            }
            tool
        })
        .collect();
    let mut choice = match tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!({ "type": "none" })),
        ToolChoice::Required => Some(json!({ "type": "any" })),
        ToolChoice::Named(name) => Some(json!({ "type": "tool", "name": name })),
    };
    // Who thinks cannot be made to call a tool.
    let thinks = sampling.effort.is_some_and(|it| it != Effort::None);
    if let (Decoding::Json(schema), Schemas::Tool, false) =
        (decoding, ask.offers.schemas, thinks)
    {
        let description = "Give the reply.";
        told.push(json!({ "name": REPLY, "description": description, "input_schema": schema }));
        choice = match told.len() {
            1 => Some(json!({ "type": "tool", "name": REPLY })),
            _ => Some(json!({ "type": "any" })),
        };
    }
    if !told.is_empty() {
        map.insert("tools".to_owned(), json!(told));
        map.extend(choice.map(|it| ("tool_choice".to_owned(), it)));
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn generations_are_read_off_names() {
        let cases = [
            ("claude-sonnet-4-5-20250929", (4, 5)),
            ("claude-sonnet-4-20250514", (4, 0)),
            ("claude-3-7-sonnet-latest", (3, 7)),
            ("claude-3-opus-20240229", (3, 0)),
            ("claude-opus-4-1", (4, 1)),
            ("claude-opus-5", (5, 0)),
            ("claude-next", (u32::MAX, 0)),
        ];
        for (model, expected) in cases {
            assert_eq!(version(model), expected, "{model}");
        }
    }
}
