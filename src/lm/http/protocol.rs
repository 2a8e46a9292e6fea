//! What a server is sent and how its answer is read: pure mapping, one file a protocol.

mod anthropic;
mod azure;
mod carry;
mod chat;
mod count;
mod gemini;
mod logprobs;
mod media;
mod ollama;
mod refusal;
mod responses;
mod texts;
mod think;

use super::frames::Framing;
use super::offers::Offers;
use super::teller::Teller;
use crate::config::Api;
use crate::lm::{Completion, Request, Takes, ToolCall};
pub(super) use anthropic::version as claude_version;
pub(super) use refusal::ErrorBody;
use serde_json::{Map, Value, json};
use std::fmt::Debug;
pub(super) use texts::{Texts, Vectors};

/// Where the key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyHeader {
    /// `Authorization: Bearer …`
    Bearer,
    /// A header of its own.
    Named(&'static str),
}

/// What is asked, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) model: &'a str,
    /// The interface and the model, as [`crate::lm::Carry`] names them.
    pub(super) of: &'a str,
    pub(super) request: &'a Request,
    /// Whether the reply is to come in pieces.
    pub(super) streams: bool,
    pub(super) offers: &'a Offers,
}

/// Why a request cannot be written for this server.
#[derive(Debug)]
pub(super) struct Unwritable {
    pub(super) message: String,
    pub(super) hint: String,
}

/// Why a body with status 200 holds no reply.
#[derive(Debug)]
pub(super) enum Unread {
    /// It holds an error, as gateways send them.
    Error(ErrorBody),
    /// It holds nothing of use.
    Malformed(String),
}

impl Unread {
    /// A body that cannot be read as JSON of the protocol.
    fn json(body: &[u8], e: &serde_json::Error) -> Self {
        Self::Malformed(
            match e.is_eof() {
                _ if body.is_empty() => "an empty body",
                true => "JSON that is cut off",
                false => "JSON of another form",
            }
            .to_owned(),
        )
    }
}

/// An interface that servers have.
pub(super) trait Protocol: Send + Sync + Debug {
    /// Its name, with a number that changes whenever a request is written differently.
    fn name(&self) -> &'static str;

    /// Where requests go, below the base URL.
    fn path(&self, model: &str, streams: bool) -> String;

    /// Where the key goes.
    fn key_header(&self) -> KeyHeader {
        KeyHeader::Bearer
    }

    /// Headers of all requests, besides the usual ones.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The media that have a place in its messages.
    fn takes(&self) -> Takes;

    /// The body of a request.
    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable>;

    /// Reads the body of a response.
    fn read(&self, body: &[u8]) -> Result<Completion, Unread>;

    /// How the events of a stream are set off.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// Returns what reads a stream.
    fn reader(&self) -> Box<dyn Reader>;
}

/// Reads the events of one stream. It gathers what a whole body would have held, so that a
/// reply is the same whichever way it comes.
pub(super) trait Reader: Send {
    /// Reads an event and tells what is new.
    fn event(&mut self, data: &str, teller: &mut Teller<'_>) -> Result<(), Unread>;

    /// Whether an event was read that no other follows.
    fn is_ended(&self) -> bool;

    /// Whether all of the reply has come.
    fn is_whole(&self) -> bool;

    /// The reply, as far as it has come.
    fn completion(self: Box<Self>) -> Result<Completion, Unread>;
}

/// The protocol of an interface, at the server of a provider.
pub(super) fn of(provider: &str, api: Api) -> Box<dyn Protocol> {
    match (provider, api) {
        ("azure", Api::Chat) => Box::new(azure::Azure::Chat),
        ("azure", Api::Responses) => Box::new(azure::Azure::Responses),
        (_, Api::Chat) => Box::new(chat::Chat),
        (_, Api::Responses) => Box::new(responses::Responses),
        (_, Api::Anthropic) => Box::new(anthropic::Anthropic),
        (_, Api::Gemini) => Box::new(gemini::Gemini),
        (_, Api::Ollama) => Box::new(ollama::Ollama),
    }
}

/// The interface for vectors of texts beside another; none where there is none.
pub(super) fn texts_of(provider: &str, api: Api) -> Option<Box<dyn Texts>> {
    match (provider, api) {
        ("azure", _) => Some(Box::new(azure::Texts)),
        (_, Api::Anthropic) => None,
        (_, Api::Gemini) => Some(Box::new(texts::Gemini)),
        (_, Api::Ollama) => Some(Box::new(texts::Ollama)),
        (_, Api::Chat | Api::Responses) => Some(Box::new(texts::OpenAi)),
    }
}

/// A body of JSON.
fn body(map: Map<String, Value>) -> bytes::Bytes {
    Value::Object(map).to_string().into()
}

/// The arguments of a call as JSON; what is none stands as a text.
fn arguments(call: &ToolCall) -> Value {
    match serde_json::from_str::<Value>(&call.arguments) {
        Ok(arguments @ Value::Object(_)) => arguments,
        _ if call.arguments.trim().is_empty() => json!({}),
        _ => json!({ "arguments": call.arguments }),
    }
}

/// Whether a schema keeps the rules under which servers hold replies to it: nothing may be
/// left out of maps, and nothing added.
fn is_strict(schema: &Value) -> bool {
    let here = match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let required = schema["required"].as_array();
            let is_required = |name: &String| {
                required.is_some_and(|it| it.iter().any(|it| it.as_str() == Some(name)))
            };
            schema["additionalProperties"] == false && properties.keys().all(is_required)
        }
        None => schema["type"] != "object",
    };
    let below: Vec<&Value> = match schema {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    here && below.into_iter().all(is_strict)
}
