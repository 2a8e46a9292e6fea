//! Bodies of requests.

use super::shape::Shape;
use super::{Failure, Server};
use crate::diag::did_you_mean;
use crate::lm::{Completion, Decoding, Message, Prompt, Request, Role, Sampling};
use serde_json::{Map, Value, json};

/// The most replies to one request.
const MOST: u64 = 128;
/// What only changes how a model draws, and cannot be had here: wrong unless it is 0 or empty.
const UNSERVED: [&str; 8] = [
    "tools",
    "functions",
    "audio",
    "modalities",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "web_search_options",
];

/// What a client wants.
#[derive(Debug)]
pub(super) struct Ask {
    /// The request of the first reply.
    pub(super) request: Request,
    pub(super) n: u32,
    pub(super) stream: bool,
    /// Whether a stream says at its end what was used.
    pub(super) usage: bool,
    /// What the reply is held to.
    pub(super) shape: Option<Shape>,
}

impl Ask {
    /// The request of one of the replies.
    pub(super) fn of(&self, choice: u32) -> Request {
        let rollout = self.request.rollout + u64::from(choice);
        Request { rollout, ..self.request.clone() }
    }

    /// Writes a reply that was held to a shape as JSON has it.
    pub(super) fn mend(&self, reply: &mut Completion) {
        if let Some(shape) = &self.shape {
            reply.text = shape.mended(&reply.text);
        }
    }
}

/// Reads the body of a request for a completion.
pub(super) fn read(server: &Server, body: &[u8]) -> Result<Ask, Failure> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|it| Failure::new(400, format!("the body is no JSON: {it}")))?;
    let Value::Object(body) = body else {
        return Err(Failure::new(400, "the body is no JSON object"));
    };
    let body = Fields(body);
    match body.text("model")? {
        Some(name) => check_model(server, name)?,
        None => return Err(Failure::of("model", "`model` is missing")),
    }
    if let Some(name) = UNSERVED.into_iter().find(|it| body.says(it)) {
        return Err(Failure::of(name, format!("`{name}` is not served here")));
    }
    let mut request = Request::new(Prompt::Chat(messages(&body)?));
    request.sampling = sampling(&body)?;
    request.logprobs = logprobs(server, &body)?;
    let shape = shape(server, &body, &mut request)?;
    let n = body.whole("n")?.unwrap_or(1);
    let n = u32::try_from(n).ok().filter(|it| (1..=MOST).contains(&(*it).into()));
    let n = n.ok_or_else(|| Failure::of("n", format!("`n` must be from 1 to {MOST}")))?;
    let usage = body.get("stream_options").and_then(|it| it.get("include_usage"));
    let usage = usage.and_then(Value::as_bool).unwrap_or(false);
    Ok(Ask { request, n, stream: body.flag("stream")?, usage, shape })
}

/// A model is called by its whole name or by what stands behind the slash.
pub(super) fn check_model(server: &Server, name: &str) -> Result<(), Failure> {
    let served = server.0.lm.name();
    let short = served.split_once('/').map_or(served, |(_, short)| short);
    if [served, short].contains(&name) {
        return Ok(());
    }
    let message = format!("there is no model `{name}`; {}", did_you_mean(name, [served]));
    let why = Failure { status: 404, ..Failure::of("model", message) };
    Err(why.code("model_not_found"))
}

/// The parts of a body; null is missing.
struct Fields(Map<String, Value>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|it| !it.is_null())
    }

    /// Whether something is said that is not the rule.
    fn says(&self, name: &str) -> bool {
        self.get(name).is_some_and(|it| match it {
            Value::Array(items) => !items.is_empty() && *it != json!(["text"]),
            Value::Object(entries) => !entries.is_empty(),
            other => other.as_f64() != Some(0.0),
        })
    }

    fn read<'a, T>(
        &'a self,
        name: &str,
        what: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        let wrong = || Failure::of(name, format!("`{name}` must be {what}"));
        self.get(name).map(|it| read(it).ok_or_else(wrong)).transpose()
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        self.read(name, "a string", Value::as_str)
    }

    fn flag(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.read(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    fn whole(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.read(name, "a whole number, 0 or more", Value::as_u64)
    }

    fn number(&self, name: &str, from: f64, to: f64) -> Result<Option<f64>, Failure> {
        let within = |it: &f64| (from..=to).contains(it);
        let what = format!("a number from {from} to {to}");
        self.read(name, &what, |it| it.as_f64().filter(within))
    }
}

fn sampling(body: &Fields) -> Result<Sampling, Failure> {
    let most = match body.whole("max_completion_tokens")? {
        Some(most) => Some(("max_completion_tokens", most)),
        None => body.whole("max_tokens")?.map(|most| ("max_tokens", most)),
    };
    let limit = |(name, most): (&str, u64)| match most {
        0 => Err(Failure::of(name, format!("`{name}` must be at least 1"))),
        most => Ok(u32::try_from(most).unwrap_or(u32::MAX)),
    };
    let seed = body.read("seed", "a whole number", |it| {
        it.as_u64().or_else(|| it.as_i64().map(i64::cast_unsigned))
    })?;
    Ok(Sampling {
        temperature: body.number("temperature", 0.0, 2.0)?.unwrap_or(0.0),
        // Nothing can be drawn of nothing: 0 is the likeliest token alone.
        top_p: body.number("top_p", 0.0, 1.0)?.map(|it| it.max(f64::MIN_POSITIVE)),
        max_tokens: most.map(limit).transpose()?,
        stop: stop(body)?,
        seed,
        effort: None,
    })
}

fn stop(body: &Fields) -> Result<Vec<String>, Failure> {
    let stop = body.read("stop", "a string or a list of strings", |it| match it {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => {
            items.iter().map(|it| it.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        }
        _ => None,
    })?;
    Ok(stop.unwrap_or_default().into_iter().filter(|it| !it.is_empty()).collect())
}

fn logprobs(server: &Server, body: &Fields) -> Result<Option<u32>, Failure> {
    let top = body.whole("top_logprobs")?;
    if !body.flag("logprobs")? {
        return match top {
            Some(1..) => Err(Failure::of("top_logprobs", "`top_logprobs` wants `logprobs`")),
            _ => Ok(None),
        };
    }
    if !server.0.lm.capabilities().logprobs {
        return Err(Failure::of("logprobs", "this model does not tell `logprobs`"));
    }
    match top.unwrap_or(0) {
        top @ 0..=20 => Ok(u32::try_from(top).ok()),
        _ => Err(Failure::of("top_logprobs", "`top_logprobs` must be from 0 to 20")),
    }
}

fn messages(body: &Fields) -> Result<Vec<Message>, Failure> {
    let wrong = |message: String| Failure::of("messages", message);
    let Some(Value::Array(messages)) = body.get("messages") else {
        return Err(wrong("`messages` must be a list".to_owned()));
    };
    if messages.is_empty() {
        return Err(wrong("`messages` is empty".to_owned()));
    }
    let read = messages.iter().enumerate().map(|(at, it)| {
        message(it).map_err(|why| {
            let param = format!("messages[{at}]");
            Failure::of(&param, format!("`{param}`: {why}"))
        })
    });
    read.collect()
}

fn message(message: &Value) -> Result<Message, String> {
    let role = match message.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => return Err("tools are not served here".to_owned()),
        Some(other) => return Err(format!("there is no role `{other}`")),
        None => return Err("`role` is missing".to_owned()),
    };
    let is_calling = message.get("tool_calls").and_then(Value::as_array);
    if is_calling.is_some_and(|it| !it.is_empty()) {
        return Err("tools are not served here".to_owned());
    }
    let text = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().map(part).collect::<Result<Vec<&str>, String>>()?.concat()
        }
        None | Some(Value::Null) if role == Role::Assistant => String::new(),
        None | Some(Value::Null) => return Err("`content` is missing".to_owned()),
        Some(_) => return Err("`content` must be a string or a list of parts".to_owned()),
    };
    Ok(Message::new(role, text))
}

fn part(part: &Value) -> Result<&str, String> {
    match part.get("type").and_then(Value::as_str) {
        Some("text") | None => {
            part.get("text").and_then(Value::as_str).ok_or("a part has no `text`".to_owned())
        }
        Some(other) => Err(format!("parts of type `{other}` are not served here")),
    }
}

/// What the reply is held to.
fn shape(
    server: &Server,
    body: &Fields,
    request: &mut Request,
) -> Result<Option<Shape>, Failure> {
    const PARAM: &str = "response_format";
    let Some(format) = body.get(PARAM) else { return Ok(None) };
    let can = server.0.lm.capabilities();
    let schema = match format.get("type").and_then(Value::as_str) {
        Some("text") => return Ok(None),
        Some("json_object") if can.schema => {
            request.decoding = Decoding::Json(json!({ "type": "object" }));
            return Ok(None);
        }
        Some("json_object") => {
            let message = "this model can be held to a schema (`json_schema`), not to any JSON";
            return Err(Failure::of(PARAM, message));
        }
        Some("json_schema") => format.get("json_schema").and_then(|it| it.get("schema")),
        _ => {
            let message = "`type` must be `text`, `json_object` or `json_schema`";
            return Err(Failure::of(PARAM, message));
        }
    };
    let Some(schema) = schema else {
        return Err(Failure::of(PARAM, "`json_schema.schema` is missing"));
    };
    if can.schema {
        request.decoding = Decoding::Json(schema.clone());
        return Ok(None);
    }
    if !can.template {
        return Err(Failure::of(PARAM, "this model cannot be held to a schema"));
    }
    let shape = Shape::of(schema)
        .map_err(|why| Failure::of(PARAM, format!("this model cannot be held to it: {why}")))?;
    request.decoding = Decoding::Template(shape.segments(request.sampling.max_tokens));
    Ok(Some(shape))
}
