//! `OpenAI`'s responses.

mod reply;

use super::carry::{Step, carried, steps};
use super::media::{Piece, base64_of, no_place, pieces, url_of};
use super::{Ask, Protocol, Reader, Unread, Unwritable, body, is_strict};
use crate::config::Effort;
use crate::lm::http::offers::{Schemas, reasons};
use crate::lm::{Completion, Decoding, Message, Prompt, Role, Takes, ToolCall, ToolChoice};
use crate::schema::{Media, MediaKind, Source};
use serde_json::{Map, Value, json};

/// The protocol.
#[derive(Debug)]
pub(super) struct Responses;

impl Protocol for Responses {
    fn name(&self) -> &'static str {
        "openai-responses/1"
    }

    fn path(&self, _: &str, _: bool) -> String {
        "/responses".to_owned()
    }

    fn takes(&self) -> Takes {
        Takes { image: true, audio: false, file: true }
    }

    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable> {
        let mut map = Map::new();
        map.insert("model".to_owned(), json!(ask.model));
        map.insert("input".to_owned(), input(ask)?);
        sampling(&mut map, ask);
        tools(&mut map, ask);
        // Nothing is left at the server: the conversation is ours.
        map.insert("store".to_owned(), json!(false));
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

fn input(ask: &Ask<'_>) -> Result<Value, Unwritable> {
    let messages = match &ask.request.prompt {
        Prompt::Text(text) => return Ok(json!([{ "role": "user", "content": text }])),
        Prompt::Chat(messages) => messages,
    };
    let mut items = Vec::with_capacity(messages.len());
    for message in messages {
        items.extend(turn(message, ask)?);
    }
    Ok(Value::Array(items))
}

/// The items of a message: what is said, and each call of a tool.
fn turn(message: &Message, ask: &Ask<'_>) -> Result<Vec<Value>, Unwritable> {
    if let Some(id) = &message.answers {
        let output = content(message)?;
        return Ok(vec![
            json!({ "type": "function_call_output", "call_id": id, "output": output }),
        ]);
    }
    let role = match message.role {
        Role::System if !ask.offers.system => "user",
        role => role.as_str(),
    };
    if carried(message, ask).is_empty() || !message.media.is_empty() {
        let mut items = Vec::with_capacity(1 + message.calls.len());
        if !message.text.is_empty() || !message.media.is_empty() || message.calls.is_empty() {
            items.push(json!({ "role": role, "content": content(message)? }));
        }
        items.extend(message.calls.iter().map(call));
        return Ok(items);
    }
    let items = steps(message, ask).into_iter().filter_map(|step| match step {
        Step::Text(text) => Some(json!({ "role": role, "content": text })),
        Step::Call(it) => Some(call(it)),
        Step::Kept(item) => Some(item.clone()),
        Step::Media(_) => None,
    });
    Ok(items.collect())
}

fn call(call: &ToolCall) -> Value {
    json!({
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
    })
}

fn content(message: &Message) -> Result<Value, Unwritable> {
    if message.media.is_empty() {
        return Ok(json!(message.text));
    }
    let parts = pieces(message).into_iter().map(|piece| match piece {
        Piece::Text(text) => Ok(json!({ "type": "input_text", "text": text })),
        Piece::Media(media) => medium(media),
    });
    parts.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn medium(media: &Media) -> Result<Value, Unwritable> {
    match (media.kind, &media.source) {
        (MediaKind::Image, _) => {
            Ok(json!({ "type": "input_image", "image_url": url_of(media)?, "detail": "auto" }))
        }
        (MediaKind::File, Source::Url(url)) => {
            Ok(json!({ "type": "input_file", "file_url": url }))
        }
        (MediaKind::File, _) => {
            let data = format!("data:{};base64,{}", media.mime, base64_of(media)?);
            let name = media.name.as_deref().unwrap_or("file");
            Ok(json!({ "type": "input_file", "filename": name, "file_data": data }))
        }
        (MediaKind::Audio, _) => {
            Err(no_place(media, "chat completions take audio: `openai/…` without `api`"))
        }
    }
}

fn sampling(map: &mut Map<String, Value>, ask: &Ask<'_>) {
    let (request, offers) = (ask.request, ask.offers);
    let sampling = &request.sampling;
    // Models that think draw tokens as they like, unless they are told not to think.
    let is_steered = sampling.effort == Some(Effort::None);
    if offers.temperature || is_steered {
        map.insert("temperature".to_owned(), json!(sampling.temperature));
    }
    if let Some(top_p) = sampling.top_p.filter(|_| offers.top_p || is_steered) {
        map.insert("top_p".to_owned(), json!(top_p));
    }
    if let Some(max_tokens) = sampling.max_tokens {
        map.insert("max_output_tokens".to_owned(), json!(max_tokens));
    }
    if let Some(effort) = sampling.effort {
        let mut reasoning = json!({ "effort": effort.as_str() });
        if offers.summary && reasons(ask.model) {
            reasoning["summary"] = json!("auto");
        }
        map.insert("reasoning".to_owned(), reasoning);
    }
    let mut include = Vec::new();
    if let Some(top) = request.logprobs.filter(|_| offers.logprobs) {
        include.push("message.output_text.logprobs");
        map.insert("top_logprobs".to_owned(), json!(top));
    }
    // Nothing is left at the server, so that thoughts before a tool's answer have to come here.
    if !request.tools.is_empty() && offers.sealed && reasons(ask.model) {
        include.push("reasoning.encrypted_content");
    }
    if !include.is_empty() {
        map.insert("include".to_owned(), json!(include));
    }
    let format = match (&request.decoding, offers.schemas) {
        (Decoding::Json(schema), Schemas::Schema) => json!({
            "type": "json_schema",
            "name": "reply",
            "schema": schema,
            "strict": is_strict(schema),
        }),
        (Decoding::Json(_), Schemas::AnyJson) => json!({ "type": "json_object" }),
        _ => return,
    };
    map.insert("text".to_owned(), json!({ "format": format }));
}

fn tools(map: &mut Map<String, Value>, ask: &Ask<'_>) {
    if ask.request.tools.is_empty() {
        return;
    }
    let tool = |it: &crate::lm::Tool| {
        let mut tool = json!({
            "type": "function",
            "name": it.name,
            "parameters": it.parameters,
            "strict": is_strict(&it.parameters),
        });
        if !it.description.is_empty() {
            tool["description"] = json!(it.description);
        }
        tool
    };
    let tools: Vec<Value> = ask.request.tools.iter().map(tool).collect();
    map.insert("tools".to_owned(), json!(tools));
    let choice = match &ask.request.tool_choice {
        ToolChoice::Auto => return,
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({ "type": "function", "name": name }),
    };
    map.insert("tool_choice".to_owned(), choice);
}
