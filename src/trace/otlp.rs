//! Traces as OpenTelemetry spans, in the JSON of OTLP, with the names of the `GenAI` conventions
//! (semantic-conventions-genai 0.1.0; they are still being developed).
//!
//! A node is a span, and each request of a call a span in it: only those carry tokens, so that
//! sums over spans are right. Replies from the store cost nothing and tell no tokens. Values that
//! flowed are links. What has no name there is under `dsp.`. Ids come from the canonical form and
//! from when the run began, so that a file is exported under the same ids each time.

mod protobuf;

pub use protobuf::to_protobuf;

use super::relations::Relations;
use super::{About, Attempt, Edge, Kind, LmCall, Node, NodeId, Trace};
use crate::lm::{Completion, Decoding, Finish, Message, Prompt, Request, Role};
use crate::schema::{Media, Record, Source, Value};
use crate::util::sha256_hex;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Spans in one request, at most.
const BATCH: usize = 512;
/// Bytes of spans in one request after which another one begins.
const BATCH_BYTES: usize = 2 << 20;

/// What is exported.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// What ran: the name of the service.
    pub service: &'a str,
    /// Inputs, outputs, prompts and replies are told too.
    pub content: bool,
}

/// The trace as requests of OTLP: each is an object to be sent.
pub fn to_otlp(trace: &Trace, about: &About, export: &Export<'_>) -> Vec<Json> {
    let spans = Spans::new(trace, about, export.content).all();
    let mut batches: Vec<Vec<Json>> = Vec::new();
    let mut bytes = usize::MAX;
    for span in spans {
        let size = span.to_string().len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes + size <= BATCH_BYTES => {
                bytes += size;
                batch.push(span);
            }
            _ => {
                bytes = size;
                batches.push(vec![span]);
            }
        }
    }
    batches.into_iter().map(|spans| request(export.service, spans)).collect()
}

fn request(service: &str, spans: Vec<Json>) -> Json {
    let resource = attributes(vec![
        ("service.name", json!(service)),
        ("telemetry.sdk.name", json!("dsp-lang")),
        ("telemetry.sdk.language", json!("rust")),
        ("telemetry.sdk.version", json!(env!("CARGO_PKG_VERSION"))),
    ]);
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{
            "scope": { "name": "dsp-lang", "version": env!("CARGO_PKG_VERSION") },
            "spans": spans,
        }],
    }] })
}

/// What a span is told of, in their order.
type Attributes = Vec<(&'static str, Json)>;

/// Attributes as OTLP has them: lists of names and typed values.
fn attributes(of: Attributes) -> Vec<Json> {
    let told = of.into_iter().filter(|(_, value)| !value.is_null());
    told.map(|(key, value)| json!({ "key": key, "value": any_value(&value) })).collect()
}

fn any_value(value: &Json) -> Json {
    match value {
        Json::Bool(it) => json!({ "boolValue": it }),
        // 64-bit integers are texts in the JSON of protobuf.
        Json::Number(it) if it.is_f64() => json!({ "doubleValue": it }),
        Json::Number(it) => json!({ "intValue": it.to_string() }),
        Json::Array(items) => {
            json!({ "arrayValue": { "values": items.iter().map(any_value).collect::<Vec<_>>() } })
        }
        Json::String(it) => json!({ "stringValue": it }),
        other => json!({ "stringValue": other.to_string() }),
    }
}

struct Spans<'a> {
    trace: &'a Trace,
    relations: Relations<'a>,
    content: bool,
    /// When the time began that nodes count from.
    epoch: Duration,
    trace_id: String,
    /// The span of each node.
    ids: Vec<String>,
    /// Which nodes were sent back.
    abandoned: Vec<bool>,
    /// The span around all, where nodes have none around them.
    root: Option<String>,
}

const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
const ERROR: u8 = 2;

impl<'a> Spans<'a> {
    fn new(trace: &'a Trace, about: &About, content: bool) -> Self {
        let began = about.began_us.unwrap_or_default();
        let whole = format!("{began}\n{}", trace.canonical());
        let trace_id = sha256_hex(whole.as_bytes())[..32].to_owned();
        let relations = Relations::of(trace);
        let ids = trace.iter().map(|(id, node)| span_id(&trace_id, &canonical_id(id, node)));
        let ids = ids.collect();
        let root = (relations.roots().len() > 1).then(|| span_id(&trace_id, "run"));
        let epoch = Duration::from_micros(began);
        let abandoned = trace.abandoned();
        Self { trace, relations, content, epoch, trace_id, ids, abandoned, root }
    }

    fn all(&self) -> Vec<Json> {
        let mut out: Vec<Json> = self.around().into_iter().collect();
        for (id, node) in self.trace.iter() {
            out.push(self.node(id, node));
            if let Some(call) = &node.call {
                self.push_attempts(&mut out, id, node, call);
            }
        }
        out
    }

    /// The span around all nodes, where there are several at the top.
    fn around(&self) -> Option<Json> {
        let id = self.root.as_ref()?;
        let nodes = &self.trace.nodes;
        let began = nodes.iter().map(|it| it.began).min().unwrap_or_default();
        let end = nodes.iter().map(|it| it.began.saturating_add(it.took)).max();
        let took = end.unwrap_or_default().saturating_sub(began);
        Some(self.span(id, None, "dsp run", INTERNAL, (began, took), Vec::new()))
    }

    fn span(
        &self,
        id: &str,
        parent: Option<&str>,
        name: &str,
        kind: u8,
        (began, took): (Duration, Duration),
        of: Attributes,
    ) -> Json {
        let start = self.epoch.saturating_add(began);
        let nanos = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX).to_string();
        let mut span = json!({
            "traceId": self.trace_id,
            "spanId": id,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": nanos(start),
            "endTimeUnixNano": nanos(start.saturating_add(took)),
            "attributes": attributes(of),
        });
        if let Some(parent) = parent {
            span["parentSpanId"] = json!(parent);
        }
        span
    }

    fn node(&self, id: NodeId, node: &Node) -> Json {
        let parent = node.parent.map(|it| &self.ids[it.0]).or(self.root.as_ref());
        let (name, of) = self.told(id, node);
        let parent = parent.map(String::as_str);
        let times = (node.began, node.took);
        let mut span = self.span(&self.ids[id.0], parent, &name, INTERNAL, times, of);
        let links = self.links(id, node);
        if !links.is_empty() {
            span["links"] = json!(links);
        }
        if node.kind == Kind::Metric {
            self.push_score(&mut span, node);
        }
        // A false `suggest` stops nobody.
        let failed = node.error.as_deref().filter(|_| node.kind != Kind::Suggest);
        if failed.is_some() || node.kind == Kind::Assert {
            push_error(&mut span, failed.unwrap_or("the condition is false"), self.content);
        }
        span
    }

    /// What a node is called and what is said of it.
    fn told(&self, id: NodeId, node: &Node) -> (String, Attributes) {
        let name = &*node.name;
        let place = node.address.place();
        let (title, mut of): (String, Attributes) = match node.kind {
            Kind::Module => (
                format!("invoke_workflow {name}"),
                vec![
                    ("gen_ai.operation.name", json!("invoke_workflow")),
                    ("gen_ai.agent.name", json!(name)),
                ],
            ),
            Kind::Lm => (format!("predict {place}"), vec![("dsp.predictor", json!(place))]),
            Kind::Retrieval => (format!("retrieval {name}"), self.retrieval(node)),
            Kind::Tool => (format!("execute_tool {name}"), self.tool(node)),
            Kind::Metric => (format!("metric {name}"), Vec::new()),
            Kind::Assert | Kind::Suggest => {
                (node.kind.as_str().to_owned(), vec![("dsp.condition", json!(name))])
            }
        };
        of.push(("dsp.node", json!(id.0)));
        of.push(("dsp.kind", json!(node.kind.as_str())));
        of.push(("dsp.path", text(&node.address.path)));
        of.push(("dsp.example", node.address.example.map_or(Json::Null, |it| json!(it))));
        of.push(("dsp.ordinal", json!(node.address.ordinal)));
        if node.replayed {
            of.push(("dsp.replayed", json!(true)));
        }
        for (name, is_so) in
            [("dsp.judge", node.judge), ("dsp.abandoned", self.abandoned[id.0])]
        {
            if is_so {
                of.push((name, json!(true)));
            }
        }
        if let Some(call) = &node.call {
            of.push(("dsp.adapter", json!(call.adapter)));
        }
        if self.content {
            of.push(("dsp.inputs", record(&node.inputs)));
            of.push(("dsp.outputs", node.outputs.as_ref().map_or(Json::Null, record)));
        }
        (title, of)
    }

    fn retrieval(&self, node: &Node) -> Attributes {
        let mut of = vec![
            ("gen_ai.operation.name", json!("retrieval")),
            ("gen_ai.data_source.id", json!(&*node.name)),
        ];
        if let Some(Value::Int(k)) = node.inputs.get("k") {
            of.push(("gen_ai.retrieval.top_k", json!(k)));
        }
        let query = node.inputs.get("query").and_then(Value::as_str);
        if let Some(query) = query.filter(|_| self.content) {
            of.push(("gen_ai.retrieval.query.text", json!(query)));
        }
        of
    }

    fn tool(&self, node: &Node) -> Attributes {
        let mut of = vec![
            ("gen_ai.operation.name", json!("execute_tool")),
            ("gen_ai.tool.name", json!(&*node.name)),
            ("gen_ai.tool.type", json!("function")),
        ];
        if self.content {
            of.push(("gen_ai.tool.call.arguments", record(&node.inputs)));
            let result = node.outputs.as_ref().map_or(Json::Null, record);
            of.push(("gen_ai.tool.call.result", result));
        }
        of
    }

    /// What a metric said, as the event that evaluations have.
    fn push_score(&self, span: &mut Json, node: &Node) {
        let score = node.outputs.as_ref().and_then(|it| it.get("score"));
        let score = match score {
            Some(Value::Float(it)) => json!(it),
            Some(Value::Int(it)) => json!(*it as f64),
            Some(Value::Bool(it)) => json!(f64::from(*it)),
            _ => return,
        };
        let of = vec![
            ("gen_ai.evaluation.name", json!(&*node.name)),
            ("gen_ai.evaluation.score.value", score),
        ];
        let time = span["endTimeUnixNano"].clone();
        let name = "gen_ai.evaluation.result";
        span["events"] =
            json!([{ "timeUnixNano": time, "name": name, "attributes": attributes(of) }]);
    }

    fn links(&self, id: NodeId, node: &Node) -> Vec<Json> {
        let link = |to: NodeId, of: Attributes| {
            json!({
                "traceId": self.trace_id,
                "spanId": self.ids[to.0],
                "attributes": attributes(of),
            })
        };
        let value = |edge: &&Edge| {
            let name = |it: &Option<String>| it.as_deref().map_or(Json::Null, |it| json!(it));
            link(
                edge.from,
                vec![
                    ("dsp.link", json!("value")),
                    ("dsp.output", name(&edge.output)),
                    ("dsp.input", name(&edge.input)),
                    ("dsp.via", json!(edge.via.as_str())),
                ],
            )
        };
        let values = self.relations.edges_to(id).iter().map(value);
        let retry = node.retry_of.map(|it| link(it, vec![("dsp.link", json!("retry"))]));
        values.chain(retry).collect()
    }

    /// The requests of a call. When each began is not known: they came one after the other.
    fn push_attempts(&self, out: &mut Vec<Json>, id: NodeId, node: &Node, call: &LmCall) {
        let mut began = node.began;
        // What an earlier attempt of the program was told is a span of that one.
        let asked = call.attempts.iter().enumerate().filter(|(_, it)| !it.replayed);
        for (at, attempt) in asked {
            let span_id = span_id(&self.trace_id, &format!("{}.{at}", self.ids[id.0]));
            let model = attempt.model.as_deref().unwrap_or(&call.model);
            let (name, of) = self.asked(model, &call.adapter, attempt);
            let parent = Some(self.ids[id.0].as_str());
            let times = (began, attempt.took);
            let mut span = self.span(&span_id, parent, &name, CLIENT, times, of);
            if let Some(error) = &attempt.error {
                push_error(&mut span, error, self.content);
            }
            out.push(span);
            began = began.saturating_add(attempt.took);
        }
    }

    fn asked(&self, model: &str, adapter: &str, attempt: &Attempt) -> (String, Attributes) {
        let request = &*attempt.request;
        let (provider, model) = provider(model);
        let operation = match &request.prompt {
            _ if adapter == "embedding" => "embeddings",
            Prompt::Chat(_) => "chat",
            Prompt::Text(_) => "text_completion",
        };
        let sampling = &request.sampling;
        let number = |it: Option<u64>| it.map_or(Json::Null, |it| json!(it));
        let mut of = vec![
            ("gen_ai.operation.name", json!(operation)),
            ("gen_ai.provider.name", json!(provider)),
            ("gen_ai.request.model", json!(model)),
        ];
        if operation != "embeddings" {
            let is_json = matches!(request.decoding, Decoding::Json(_));
            of.push(("gen_ai.output.type", json!(if is_json { "json" } else { "text" })));
            of.push(("gen_ai.request.temperature", json!(sampling.temperature)));
            of.push((
                "gen_ai.request.top_p",
                sampling.top_p.map_or(Json::Null, |it| json!(it)),
            ));
            let longest = sampling.max_tokens.map(u64::from);
            of.push(("gen_ai.request.max_tokens", number(longest)));
            of.push(("gen_ai.request.seed", number(sampling.seed)));
            of.push(("gen_ai.request.choice.count", number(request.n.map(u64::from))));
        }
        of.push(("dsp.cached", json!(attempt.cached)));
        of.push(("dsp.sent", json!(attempt.sent)));
        if let Some(reply) = &attempt.completion {
            of.extend(answered(reply, attempt));
        }
        if attempt.cost.listed != crate::lm::Money::ZERO {
            of.push(("dsp.cost.usd", json!(attempt.cost.paid.dollars())));
        }
        if self.content && operation != "embeddings" {
            of.extend(content(request, attempt.completion.as_deref(), provider));
            if !attempt.liberties.is_empty() {
                let notes: Vec<&str> = attempt.liberties.iter().map(|it| &*it.note).collect();
                of.push(("dsp.read_freely", json!(notes)));
            }
        }
        (format!("{operation} {model}"), of)
    }
}

/// What is told of a reply.
fn answered(reply: &Completion, attempt: &Attempt) -> Attributes {
    let mut of = vec![
        ("gen_ai.response.finish_reasons", json!([finish(reply.finish)])),
        ("gen_ai.response.model", reply.model.as_deref().map_or(Json::Null, |it| json!(it))),
    ];
    if !attempt.cached {
        let usage = &reply.usage;
        let mut told =
            |name, it: Option<u64>| of.push((name, it.map_or(Json::Null, |it| json!(it))));
        told("gen_ai.usage.input_tokens", usage.prompt_tokens);
        told("gen_ai.usage.output_tokens", usage.completion_tokens);
        told("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens);
        told("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens);
        told("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens);
    }
    of
}

fn finish(it: Finish) -> &'static str {
    match it {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Filter => "content_filter",
        Finish::Tools => "tool_call",
        Finish::Halted => "halted",
        Finish::Other => "other",
    }
}

/// What was said, as JSON texts of the conventions' schemas.
fn content(request: &Request, reply: Option<&Completion>, provider: &str) -> Attributes {
    let messages: Vec<&Message> = match &request.prompt {
        Prompt::Chat(messages) => messages.iter().collect(),
        Prompt::Text(_) => Vec::new(),
    };
    // These take standing instructions apart from the conversation.
    let is_apart = matches!(provider, "anthropic" | "gcp.gemini");
    let (system, said): (Vec<&Message>, Vec<&Message>) =
        messages.into_iter().partition(|it| is_apart && it.role == Role::System);
    let mut of = Attributes::new();
    if !system.is_empty() {
        let all: Vec<Json> = system.into_iter().flat_map(parts).collect();
        of.push(("gen_ai.system_instructions", json!(json!(all).to_string())));
    }
    let mut input: Vec<Json> = said
        .into_iter()
        .map(|it| json!({ "role": it.role.as_str(), "parts": parts(it) }))
        .collect();
    if let Prompt::Text(text) = &request.prompt {
        input.push(json!({ "role": "user", "parts": [text_part(text)] }));
    }
    of.push(("gen_ai.input.messages", json!(json!(input).to_string())));
    if let Some(reply) = reply {
        let thought =
            reply.reasoning.iter().map(|it| json!({ "type": "reasoning", "content": it }));
        let calls = reply.calls.iter().map(|it| {
            let arguments = serde_json::from_str(&it.arguments).unwrap_or(json!(it.arguments));
            json!({ "type": "tool_call", "id": it.id, "name": it.name, "arguments": arguments })
        });
        let parts: Vec<Json> =
            thought.chain(std::iter::once(text_part(&reply.text))).chain(calls).collect();
        let said = json!([{
            "role": "assistant", "parts": parts, "finish_reason": finish(reply.finish),
        }]);
        of.push(("gen_ai.output.messages", json!(said.to_string())));
    }
    of
}

fn text_part(text: &str) -> Json {
    json!({ "type": "text", "content": text })
}

/// The parts of a message: its text, and what stands in it.
fn parts(message: &Message) -> Vec<Json> {
    if let Some(call) = &message.answers {
        let answer =
            json!({ "type": "tool_call_response", "id": call, "response": message.text });
        return vec![answer];
    }
    let mut out = Vec::new();
    let mut done = 0;
    for placed in &message.media {
        let at = placed.at.clamp(done, message.text.len());
        let before = message.text.get(done..at).unwrap_or_default();
        if !before.is_empty() {
            out.push(text_part(before));
        }
        out.push(media_part(&placed.media));
        done = at;
    }
    let rest = message.text.get(done..).unwrap_or_default();
    if !rest.is_empty() || out.is_empty() {
        out.push(text_part(rest));
    }
    out
}

/// A picture, a sound or a file: where it is, or its hash, never its content.
fn media_part(media: &Media) -> Json {
    let (modality, mime) = (media.kind.as_str(), &*media.mime);
    match &media.source {
        Source::Url(url) => {
            json!({ "type": "uri", "modality": modality, "mime_type": mime, "uri": &**url })
        }
        Source::Bytes { sha256, .. } | Source::Absent { sha256, .. } => json!({
            "type": "file",
            "modality": modality,
            "mime_type": mime,
            "file_id": format!("sha256:{sha256}"),
            "size": media.source.size(),
        }),
    }
}

fn push_error(span: &mut Json, message: &str, content: bool) {
    let message = if content { message } else { super::LEFT_OUT };
    span["status"] = json!({ "code": ERROR, "message": message });
    let error = json!({ "key": "error.type", "value": { "stringValue": "_OTHER" } });
    if let Some(attributes) = span["attributes"].as_array_mut() {
        attributes.push(error);
    }
}

/// What a node is, whatever its times.
fn canonical_id(id: NodeId, node: &Node) -> String {
    let it = &node.address;
    let (kind, name) = (node.kind.as_str(), &node.name);
    format!("{} {kind} {name} {:?} {} {}", id.0, it.example, it.place(), it.ordinal)
}

fn span_id(trace: &str, of: &str) -> String {
    sha256_hex(format!("{trace} {of}").as_bytes())[..16].to_owned()
}

/// The provider as the conventions name it, and the model as the provider does.
fn provider(model: &str) -> (&str, &str) {
    let Some((provider, model)) = model.split_once('/') else { return ("dsp", model) };
    let provider = match provider {
        "openai-responses" => "openai",
        "gemini" => "gcp.gemini",
        "azure" => "azure.ai.openai",
        "mistral" => "mistral_ai",
        "moonshot" => "moonshot_ai",
        "xai" => "x_ai",
        other => other,
    };
    (provider, model)
}

fn text(it: &str) -> Json {
    if it.is_empty() { Json::Null } else { json!(it) }
}

fn record(it: &Record) -> Json {
    serde_json::to_string(it).map_or(Json::Null, Json::String)
}
