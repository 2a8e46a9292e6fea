//! `OpenAI`'s chat completions, which most servers speak.

mod reply;

use super::carry::carried;
use super::media::{Piece, base64_of, no_place, pieces, url_of};
use super::{Ask, Protocol, Reader, Unread, Unwritable, is_strict};
use crate::config::Effort;
use crate::lm::http::offers::Schemas;
use crate::lm::{
    Completion, Decoding, Message, Prompt, Role, Takes, Tool, ToolCall, ToolChoice,
};
use crate::schema::{Media, MediaKind, Source};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value, json};

/// The protocol.
#[derive(Debug)]
pub(super) struct Chat;

impl Protocol for Chat {
    fn name(&self) -> &'static str {
        "openai-chat/1"
    }

    fn path(&self, _: &str, _: bool) -> String {
        "/chat/completions".to_owned()
    }

    fn takes(&self) -> Takes {
        Takes::ALL
    }

    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable> {
        check_media(&ask.request.prompt)?;
        // Line breaks double.
        let length = ask.request.prompt.text_len() * 9 / 8 + 256;
        let mut bytes = Vec::with_capacity(length);
        serde_json::to_writer(&mut bytes, &Body(ask))
            .expect("maps with text keys are written to memory");
        Ok(bytes.into())
    }

    fn read(&self, body: &[u8]) -> Result<Completion, Unread> {
        reply::read(body)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(reply::Pieces::default())
    }
}

struct Body<'a>(&'a Ask<'a>);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Ask { model, request, streams, offers, .. } = *self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", model)?;
        map.serialize_entry("messages", &Messages(self.0))?;
        self.sampling(&mut map)?;
        match (&request.decoding, offers.schemas) {
            (Decoding::Json(schema), Schemas::Schema) => {
                map.serialize_entry("response_format", &JsonSchema::new(schema))?;
            }
            (Decoding::Json(_), Schemas::AnyJson) => {
                map.serialize_entry("response_format", &Kind { kind: "json_object" })?;
            }
            // Templates are for models that say they obey them; this one does not.
            _ => {}
        }
        if !request.tools.is_empty() {
            let tools: Vec<Value> = request.tools.iter().map(tool).collect();
            map.serialize_entry("tools", &tools)?;
            if request.tool_choice != ToolChoice::Auto {
                map.serialize_entry("tool_choice", &tool_choice(&request.tool_choice))?;
            }
        }
        if streams {
            map.serialize_entry("stream", &true)?;
            if offers.stream_usage {
                map.serialize_entry("stream_options", &json!({ "include_usage": true }))?;
            }
        }
        map.end()
    }
}

impl Body<'_> {
    fn sampling<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Ask { request, offers, .. } = *self.0;
        let sampling = &request.sampling;
        // Models that think draw tokens as they like, unless they are told not to think.
        let is_steered = sampling.effort == Some(Effort::None);
        if offers.temperature || is_steered {
            map.serialize_entry("temperature", &sampling.temperature)?;
        }
        if let Some(top_p) = sampling.top_p.filter(|_| offers.top_p || is_steered) {
            map.serialize_entry("top_p", &top_p)?;
        }
        if offers.stop && !sampling.stop.is_empty() {
            map.serialize_entry("stop", &sampling.stop)?;
        }
        if let Some(max_tokens) = sampling.max_tokens {
            map.serialize_entry(offers.max_tokens, &max_tokens)?;
        }
        if let (Some(name), Some(seed)) = (offers.seed, sampling.seed) {
            map.serialize_entry(name, &seed)?;
        }
        if let Some(effort) = sampling.effort {
            map.serialize_entry("reasoning_effort", effort.as_str())?;
        }
        if let Some(n) = request.n.filter(|it| offers.n && *it > 1) {
            map.serialize_entry("n", &n)?;
        }
        if let Some(top) = request.logprobs.filter(|_| offers.logprobs) {
            map.serialize_entry("logprobs", &true)?;
            if top > 0 {
                map.serialize_entry("top_logprobs", &top)?;
            }
        }
        Ok(())
    }
}

/// A tool as chat completions are told of it.
pub(super) fn tool(tool: &Tool) -> Value {
    let Tool { name, description, parameters } = tool;
    let mut function = json!({ "name": name, "parameters": parameters });
    if !description.is_empty() {
        function["description"] = json!(description);
    }
    json!({ "type": "function", "function": function })
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => {
            json!({ "type": "function", "function": { "name": name } })
        }
    }
}

struct Messages<'a>(&'a Ask<'a>);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.request.prompt {
            Prompt::Chat(messages) => {
                let turn = |message| Turn { message, ask: self.0 };
                serializer.collect_seq(messages.iter().map(turn))
            }
            Prompt::Text(text) => {
                let mut seq = serializer.serialize_seq(Some(1))?;
                seq.serialize_element(&json!({ "role": "user", "content": text }))?;
                seq.end()
            }
        }
    }
}

struct Turn<'a> {
    message: &'a Message,
    ask: &'a Ask<'a>,
}

impl Serialize for Turn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Message { role, text, media, calls, answers, .. } = self.message;
        let named =
            if *role == Role::System && !self.ask.offers.system { Role::User } else { *role };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", named.as_str())?;
        if !media.is_empty() {
            let parts: Vec<Value> = pieces(self.message).into_iter().filter_map(part).collect();
            map.serialize_entry("content", &parts)?;
        } else if text.is_empty() && *role == Role::Assistant && !calls.is_empty() {
            map.serialize_entry("content", &())?;
        } else {
            map.serialize_entry("content", text)?;
        }
        if !calls.is_empty() {
            let calls: Vec<Value> = calls.iter().map(call).collect();
            map.serialize_entry("tool_calls", &calls)?;
        }
        if let Some(id) = answers {
            map.serialize_entry("tool_call_id", id)?;
        }
        let kept = carried(self.message, self.ask).iter();
        for (name, kept) in kept.filter_map(|it| it.value.as_object()).flatten() {
            map.serialize_entry(name, kept)?;
        }
        map.end()
    }
}

fn call(call: &ToolCall) -> Value {
    let ToolCall { id, name, arguments } = call;
    let function = json!({ "name": name, "arguments": arguments });
    json!({ "id": id, "type": "function", "function": function })
}

fn check_media(prompt: &Prompt) -> Result<(), Unwritable> {
    let Prompt::Chat(messages) = prompt else { return Ok(()) };
    let mut media = messages.iter().flat_map(|it| &it.media);
    media.try_for_each(|it| medium(&it.media).map(drop))
}

/// A piece of a message; what cannot be written was refused before.
fn part(piece: Piece<'_>) -> Option<Value> {
    match piece {
        Piece::Text(text) => Some(json!({ "type": "text", "text": text })),
        Piece::Media(media) => medium(media).ok(),
    }
}

fn medium(media: &Media) -> Result<Value, Unwritable> {
    Ok(match media.kind {
        MediaKind::Image => {
            json!({ "type": "image_url", "image_url": { "url": url_of(media)? } })
        }
        MediaKind::Audio => {
            let format = match &*media.mime {
                "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
                "audio/mpeg" | "audio/mp3" => "mp3",
                _ => return Err(no_place(media, "it takes audio as wav or mp3")),
            };
            let audio = json!({ "data": base64_of(media)?, "format": format });
            json!({ "type": "input_audio", "input_audio": audio })
        }
        MediaKind::File => {
            let mut file = json!({ "file_data": url_of(media)? });
            file["filename"] = match (&media.name, &media.source) {
                (Some(name), _) => json!(name),
                (None, Source::Url(url)) => json!(url.rsplit('/').next()),
                (None, _) => json!("file"),
            };
            json!({ "type": "file", "file": file })
        }
    })
}

#[derive(Serialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: NamedSchema<'a>,
}

#[derive(Serialize)]
struct NamedSchema<'a> {
    name: &'static str,
    strict: bool,
    schema: &'a Value,
}

impl<'a> JsonSchema<'a> {
    fn new(schema: &'a Value) -> Self {
        let json_schema = NamedSchema { name: "reply", strict: is_strict(schema), schema };
        Self { kind: "json_schema", json_schema }
    }
}
