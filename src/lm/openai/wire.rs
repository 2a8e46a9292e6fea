//! Requests to JSON and JSON to replies, with the dialects of OpenAI's interface.

use crate::lm::{
    Completion, Decoding, Finish, Message, Prompt, Request, Role, Sampling, Usage,
};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What differs between servers that speak the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// The name of the token limit.
    max_tokens: &'static str,
    /// The name of the seed.
    seed: Option<&'static str>,
    /// It takes a JSON schema, and not only the wish for some JSON.
    schema: bool,
    /// It takes temperature, nucleus and stop texts. Models that reason refuse all three.
    sampling: bool,
}

impl Dialect {
    pub(super) fn of(provider: &str, model: &str) -> Self {
        let plain =
            Self { max_tokens: "max_tokens", seed: Some("seed"), schema: true, sampling: true };
        match provider {
            "openai" if reasons(model) => {
                Self { max_tokens: "max_completion_tokens", sampling: false, ..plain }
            }
            "mistral" => Self { seed: Some("random_seed"), ..plain },
            "anthropic" | "gemini" => Self { seed: None, ..plain },
            "deepseek" => Self { schema: false, seed: None, ..plain },
            _ => plain,
        }
    }
}

/// OpenAI's models that think before they answer: `o1`, `o3-mini`, `gpt-5` …
fn reasons(model: &str) -> bool {
    let series = model
        .strip_prefix('o')
        .is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_digit()));
    series || (model.starts_with("gpt-5") && !model.contains("-chat"))
}

/// The body of a request.
pub(super) fn write(model: &str, request: &Request, dialect: Dialect) -> bytes::Bytes {
    let mut bytes = Vec::with_capacity(length(&request.prompt) + 256);
    serde_json::to_writer(&mut bytes, &Body { model, request, dialect })
        .expect("maps with text keys are written to memory");
    bytes.into()
}

fn length(prompt: &Prompt) -> usize {
    match prompt {
        // Line breaks double, and names and marks take some 40 bytes a message.
        Prompt::Chat(messages) => messages.iter().map(|it| it.text.len() * 9 / 8 + 40).sum(),
        Prompt::Text(text) => text.len() * 9 / 8 + 40,
    }
}

struct Body<'a> {
    model: &'a str,
    request: &'a Request,
    dialect: Dialect,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("messages", &Messages(&self.request.prompt))?;
        self.sampling(&mut map, &self.request.sampling)?;
        match &self.request.decoding {
            Decoding::Json(schema) if self.dialect.schema => {
                map.serialize_entry("response_format", &JsonSchema::new(schema))?;
            }
            Decoding::Json(_) => {
                map.serialize_entry("response_format", &Kind { kind: "json_object" })?;
            }
            // Templates are for models that say they obey them; this one does not.
            Decoding::Free | Decoding::Template(_) => {}
        }
        map.end()
    }
}

impl Body<'_> {
    fn sampling<M: SerializeMap>(
        &self,
        map: &mut M,
        sampling: &Sampling,
    ) -> Result<(), M::Error> {
        if self.dialect.sampling {
            map.serialize_entry("temperature", &sampling.temperature)?;
            if let Some(top_p) = sampling.top_p {
                map.serialize_entry("top_p", &top_p)?;
            }
            if !sampling.stop.is_empty() {
                map.serialize_entry("stop", &sampling.stop)?;
            }
        }
        if let Some(max_tokens) = sampling.max_tokens {
            map.serialize_entry(self.dialect.max_tokens, &max_tokens)?;
        }
        if let (Some(name), Some(seed)) = (self.dialect.seed, sampling.seed) {
            map.serialize_entry(name, &seed)?;
        }
        Ok(())
    }
}

struct Messages<'a>(&'a Prompt);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Prompt::Chat(messages) => serializer.collect_seq(messages.iter().map(Turn::of)),
            Prompt::Text(text) => {
                let mut seq = serializer.serialize_seq(Some(1))?;
                seq.serialize_element(&Turn { role: Role::User.as_str(), content: text })?;
                seq.end()
            }
        }
    }
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Turn<'a> {
    fn of(message: &'a Message) -> Self {
        Self { role: message.role.as_str(), content: &message.text }
    }
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
    schema: &'a serde_json::Value,
}

impl<'a> JsonSchema<'a> {
    fn new(schema: &'a serde_json::Value) -> Self {
        let json_schema = NamedSchema { name: "reply", strict: true, schema };
        Self { kind: "json_schema", json_schema }
    }
}

/// Why a body with status 200 holds no reply.
pub(super) enum Unread {
    /// It holds an error, as gateways send them.
    Error(ErrorBody),
    /// It holds nothing of use.
    Malformed(String),
}

/// Reads the body of a response with status 200.
pub(super) fn read(body: &[u8]) -> Result<Completion, Unread> {
    let reply: Reply = serde_json::from_slice(body).map_err(|e| {
        let what = if e.is_eof() { "JSON that is cut off" } else { "JSON of another form" };
        Unread::Malformed(if body.is_empty() {
            "an empty body".to_owned()
        } else {
            what.to_owned()
        })
    })?;
    let Some(choice) = reply.choices.into_iter().flatten().next() else {
        return Err(match reply.error {
            Some(error) => Unread::Error(error),
            None => Unread::Malformed("a body without choices".to_owned()),
        });
    };
    let finish = finish(choice.finish_reason.as_deref());
    let message = choice.message;
    let (text, finish) = match (message.content.0, message.refusal) {
        (None, Some(refusal)) => (refusal, Finish::Filter),
        (text, _) => (text.unwrap_or_default(), finish),
    };
    let usage = reply.usage.unwrap_or_default().into();
    let model = reply.model;
    Ok(Completion { text, finish, usage, model, attempts: 1, ..Completion::default() })
}

fn finish(reason: Option<&str>) -> Finish {
    match reason {
        Some("stop" | "eos" | "end_turn" | "stop_sequence") => Finish::Stop,
        Some("length" | "max_tokens" | "model_length") => Finish::Length,
        Some("content_filter" | "safety" | "SAFETY") => Finish::Filter,
        _ => Finish::Other,
    }
}

#[derive(Deserialize)]
struct Reply {
    choices: Option<Vec<Choice>>,
    usage: Option<Tokens>,
    model: Option<String>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Content,
    refusal: Option<String>,
}

/// Text, parts of which only text counts (others are thoughts and pictures), or nothing.
#[derive(Default)]
struct Content(Option<String>);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor).map(Self)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or parts of it")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut whole = None;
        while let Some(part) = parts.next_element::<Part>()? {
            if let (Some("text" | "output_text"), Some(text)) =
                (part.kind.as_deref(), part.text)
            {
                whole.get_or_insert_with(String::new).push_str(&text);
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
}

/// Token counts under the names that servers use; what is odd about them is passed over, for
/// no reply is lost because of its bill.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Tokens {
    prompt_tokens: Count,
    completion_tokens: Count,
    prompt_tokens_details: Details,
    /// Moonshot.
    cached_tokens: Count,
    /// Mistral.
    num_cached_tokens: Count,
    /// `DeepSeek`.
    prompt_cache_hit_tokens: Count,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self {
            prompt_tokens: tokens.prompt_tokens.0,
            completion_tokens: tokens.completion_tokens.0,
            cached_tokens: tokens
                .prompt_tokens_details
                .0
                .or(tokens.cached_tokens.0)
                .or(tokens.num_cached_tokens.0)
                .or(tokens.prompt_cache_hit_tokens.0),
            ..Self::default()
        }
    }
}

#[derive(Default)]
struct Count(Option<u64>);

/// `{"cached_tokens": n}` of the prompt's details.
#[derive(Default)]
struct Details(Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor).map(Self)
    }
}

/// Reads a count, or the `cached_tokens` of a map; anything else is no count.
struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count of tokens")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Some(count))
    }

    fn visit_i64<E>(self, count: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(count).ok())
    }

    fn visit_f64<E>(self, count: f64) -> Result<Self::Value, E> {
        Ok((0.0..1e15).contains(&count).then_some(count as u64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.parse().ok())
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cached = None;
        while let Some(name) = map.next_key::<String>()? {
            let count = map.next_value::<Count>()?.0;
            if name == "cached_tokens" {
                cached = count;
            }
        }
        Ok(cached)
    }
}

/// The `error` of a body, in the forms that servers send.
#[derive(Deserialize, Debug, Default)]
#[serde(from = "serde_json::Value")]
pub(super) struct ErrorBody {
    pub(super) message: Option<String>,
    /// `code` and `type`, whichever are texts.
    pub(super) codes: Vec<String>,
    /// A status inside a body whose own status was 200.
    pub(super) status: Option<u16>,
}

impl From<serde_json::Value> for ErrorBody {
    fn from(value: serde_json::Value) -> Self {
        let text = |name: &str| value.get(name).and_then(|it| it.as_str()).map(str::to_owned);
        let message = text("message").or_else(|| text("detail"));
        Self {
            message: message.or_else(|| value.as_str().map(str::to_owned)),
            codes: ["code", "type", "status"].into_iter().filter_map(text).collect(),
            status: value
                .get("code")
                .and_then(serde_json::Value::as_u64)
                .and_then(|it| u16::try_from(it).ok()),
        }
    }
}

impl ErrorBody {
    /// Reads the body of a response that is an error; what is no JSON is the message itself.
    pub(super) fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(mut value) => match value.get_mut("error").map(serde_json::Value::take) {
                Some(error) if !error.is_null() => error.into(),
                _ => match value {
                    // Some gateways send a list with one error in it.
                    serde_json::Value::Array(mut list) if !list.is_empty() => {
                        let mut first = list.swap_remove(0);
                        first
                            .get_mut("error")
                            .map(serde_json::Value::take)
                            .unwrap_or(first)
                            .into()
                    }
                    other => other.into(),
                },
            },
            Err(_) => Self {
                message: Some(String::from_utf8_lossy(body).into_owned()),
                ..Self::default()
            },
        }
    }
}
