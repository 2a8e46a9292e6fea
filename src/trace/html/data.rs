//! What the page shows, as JSON: short keys, and each text once.
//!
//! Ten thousand calls of one program have most of their prompts in common. Prompts are cut where
//! their parts begin, so that what they share is one text.

use super::Shown;
use crate::lm::{Completion, Message, Prompt, Request};
use crate::schema::Record;
use crate::trace::{Attempt, Difference, Edge, Liberty, Node, NodeId, Part, diff};
use crate::util::words::{self, Piece};
use indexmap::IndexSet;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// The kind of a part that is a picture, a sound or a file.
const MEDIA: &str = "media";

/// What the page shows of a trace, or of two.
pub(super) fn of(first: Shown<'_>, second: Option<Shown<'_>>) -> Json {
    let mut texts = Texts::default();
    let shown: Vec<Shown<'_>> = std::iter::once(first).chain(second).collect();
    let runs: Vec<Json> = shown.iter().map(|it| run(it, &mut texts)).collect();
    let differs = second.map(|second| {
        let found = diff(first.trace, second.trace);
        difference(&found, &mut texts)
    });
    json!({
        "runs": runs,
        "diff": differs,
        "labels": texts.labels,
        "texts": texts.texts,
    })
}

/// Texts and where they come from, each once, in the order in which they were first needed.
#[derive(Default)]
struct Texts {
    texts: Once<String>,
    labels: Once<(String, String)>,
}

/// Things in the order in which they first came.
type Once<T> = IndexSet<T, ahash::RandomState>;

impl Texts {
    fn text(&mut self, text: &str) -> Json {
        match self.texts.get_index_of(text) {
            Some(at) => json!(at),
            None => json!(self.texts.insert_full(text.to_owned()).0),
        }
    }

    fn maybe(&mut self, text: Option<&str>) -> Json {
        text.map_or(Json::Null, |it| self.text(it))
    }

    fn label(&mut self, kind: &str, label: &str) -> Json {
        json!(self.labels.insert_full((kind.to_owned(), label.to_owned())).0)
    }
}

fn run(shown: &Shown<'_>, texts: &mut Texts) -> Json {
    let abandoned = shown.trace.abandoned();
    let nodes = shown.trace.nodes.iter().zip(abandoned);
    let nodes: Vec<Json> = nodes.map(|(it, abandoned)| node(it, abandoned, texts)).collect();
    let edges: Vec<Json> = shown.trace.edges.iter().map(edge).collect();
    json!({
        "name": shown.name,
        "began": shown.about.began_us,
        "content": !shown.about.content_left_out,
        "nodes": nodes,
        "edges": edges,
    })
}

/// An object without what is nothing.
fn object<const N: usize>(parts: [(&str, Json); N]) -> Json {
    let is_something = |it: &Json| !it.is_null() && *it != json!(false) && *it != json!("");
    let parts = parts.into_iter().filter(|(_, it)| is_something(it));
    Json::Object(parts.map(|(name, it)| (name.to_owned(), it)).collect())
}

fn node(it: &Node, abandoned: bool, texts: &mut Texts) -> Json {
    let id = |it: Option<NodeId>| it.map_or(Json::Null, |it| json!(it.0));
    let call = it.call.as_ref().map(|call| {
        let attempts: Vec<Json> = call.attempts.iter().map(|it| attempt(it, texts)).collect();
        json!({ "model": call.model, "adapter": call.adapter, "attempts": attempts })
    });
    object([
        ("parent", id(it.parent)),
        ("kind", json!(it.kind.as_str())),
        ("name", json!(&*it.name)),
        ("path", json!(it.address.place())),
        ("example", it.address.example.map_or(Json::Null, |it| json!(it))),
        ("ordinal", json!(it.address.ordinal)),
        ("began", json!(micros(it.began))),
        ("took", json!(micros(it.took))),
        ("in", record(&it.inputs, texts)),
        ("out", it.outputs.as_ref().map_or(Json::Null, |it| record(it, texts))),
        ("error", texts.maybe(it.error.as_deref())),
        ("retry", id(it.retry_of)),
        ("replayed", json!(it.replayed)),
        ("judge", json!(it.judge)),
        ("abandoned", json!(abandoned)),
        ("call", call.unwrap_or_default()),
    ])
}

fn record(of: &Record, texts: &mut Texts) -> Json {
    let parts = of.iter().map(|(name, it)| (name.to_string(), texts.text(&it.to_string())));
    Json::Object(parts.collect::<Map<_, _>>())
}

fn edge(it: &Edge) -> Json {
    json!([it.from.0, it.to.0, it.output, it.input, it.via])
}

fn attempt(it: &Attempt, texts: &mut Texts) -> Json {
    let reply = it.completion.as_deref();
    let usage = reply.map(|it| it.usage).unwrap_or_default();
    let number = |it: Option<u64>| it.map_or(Json::Null, |it| json!(it));
    let cost = it.cost;
    let said = reply.map_or("", |it| it.text.as_str());
    let liberties: Vec<Json> = it.liberties.iter().map(|it| liberty(it, said, texts)).collect();
    object([
        ("model", it.model.as_deref().map_or(Json::Null, |it| json!(it))),
        ("extracts", json!(it.extracts)),
        ("prompt", prompt(&it.request, &it.parts, texts)),
        ("settings", settings(&it.request, texts)),
        ("reply", texts.maybe(reply.map(|it| it.text.as_str()))),
        ("thought", texts.maybe(reply.and_then(|it| it.reasoning.as_deref()))),
        ("calls", reply.map_or(Json::Null, |it| calls(it, texts))),
        ("finish", reply.map_or(Json::Null, |it| json!(it.finish))),
        ("freely", if liberties.is_empty() { Json::Null } else { json!(liberties) }),
        ("error", texts.maybe(it.error.as_deref())),
        ("cached", json!(it.cached)),
        ("replayed", json!(it.replayed)),
        ("unsent", json!(!it.sent && !it.cached && !it.replayed)),
        ("read", number(usage.prompt_tokens)),
        ("written", number(usage.completion_tokens)),
        ("kept", number(usage.cached_tokens)),
        ("thoughts", number(usage.reasoning_tokens)),
        ("usd", if cost.unknown == 0 { json!(cost.paid.dollars()) } else { Json::Null }),
        ("took", json!(micros(it.took))),
        ("key", json!(it.key.get(..16).unwrap_or(&it.key))),
    ])
}

/// What was read freely: what it was, its kind, and where in the reply it stands, as scripts of
/// pages count.
fn liberty(it: &Liberty, reply: &str, texts: &mut Texts) -> Json {
    let note = texts.text(&it.note);
    let units = |it: &str| it.encode_utf16().count();
    let place = it.at.as_ref().and_then(|at| {
        let (before, part) = (reply.get(..at.start)?, reply.get(at.clone())?);
        Some((units(before), units(before) + units(part)))
    });
    match place {
        Some((start, end)) => json!([note, it.kind, start, end]),
        None => json!([note, it.kind]),
    }
}

fn calls(reply: &Completion, texts: &mut Texts) -> Json {
    let call = |it: &crate::lm::ToolCall| texts.text(&format!("{}({})", it.name, it.arguments));
    match reply.calls.is_empty() {
        true => Json::Null,
        false => reply.calls.iter().map(call).collect(),
    }
}

/// How tokens are drawn, and how the reply is constrained.
fn settings(request: &Request, texts: &mut Texts) -> Json {
    let bare = Request { prompt: Prompt::Text(String::new()), ..request.clone() };
    let mut value = serde_json::to_value(bare).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("prompt");
    }
    texts.text(&serde_json::to_string_pretty(&value).unwrap_or_default())
}

/// The messages, each as its role and its pieces: a text, and where it comes from.
fn prompt(request: &Request, parts: &[Part], texts: &mut Texts) -> Json {
    match &request.prompt {
        Prompt::Text(text) => {
            let message = Message::new(crate::lm::Role::User, text.as_str());
            json!([["text", pieces(&message, parts, 0, texts)]])
        }
        Prompt::Chat(messages) => messages
            .iter()
            .enumerate()
            .map(|(at, it)| json!([it.role.as_str(), pieces(it, parts, at, texts)]))
            .collect(),
    }
}

fn pieces(message: &Message, parts: &[Part], at: usize, texts: &mut Texts) -> Json {
    let text = &message.text;
    let of = parts.iter().filter(|it| it.message == at);
    // Where the text is cut: at parts, and where media stand.
    let mut cuts: Vec<usize> =
        of.clone().flat_map(|it| [it.range.start, it.range.end]).collect();
    cuts.extend(message.media.iter().map(|it| it.at));
    cuts.extend([0, text.len()]);
    cuts.retain(|it| text.is_char_boundary(*it));
    cuts.sort_unstable();
    cuts.dedup();
    let of: Vec<&Part> = of.collect();
    let mut media = message.media.iter().peekable();
    let mut out: Vec<Json> = Vec::new();
    let mut next = 0;
    for (at, cut) in cuts.iter().enumerate() {
        while let Some(placed) = media.next_if(|it| it.at <= *cut) {
            let name = placed.media.to_string();
            out.push(json!([texts.text(&name), texts.label(MEDIA, &name)]));
        }
        let Some(piece) = cuts.get(at + 1).and_then(|end| text.get(*cut..*end)) else { break };
        while of.get(next).is_some_and(|it| it.range.end <= *cut) {
            next += 1;
        }
        let label = of.get(next).filter(|it| it.range.start <= *cut);
        let label = label.map_or(Json::Null, |it| texts.label(&it.kind, &it.label));
        out.push(json!([texts.text(piece), label]));
    }
    for placed in media {
        let name = placed.media.to_string();
        out.push(json!([texts.text(&name), texts.label(MEDIA, &name)]));
    }
    for call in &message.calls {
        out.push(json!([texts.text(&format!("{}({})", call.name, call.arguments)), null]));
    }
    json!(out)
}

fn difference(found: &Difference, texts: &mut Texts) -> Json {
    let field = |it: &crate::trace::Field, texts: &mut Texts| {
        let (a, b) = (it.a.as_deref(), it.b.as_deref());
        let pieces = words::words(a.unwrap_or_default(), b.unwrap_or_default());
        let piece = |it: &Piece<'_>| match it {
            Piece::Same(text) => json!([0, texts.text(text)]),
            Piece::Removed(text) => json!([-1, texts.text(text)]),
            Piece::Added(text) => json!([1, texts.text(text)]),
        };
        json!({ "name": it.name, "pieces": pieces.iter().map(piece).collect::<Vec<_>>() })
    };
    let changed = found.changed.iter().map(|it| {
        let fields: Vec<Json> = it.fields.iter().map(|it| field(it, texts)).collect();
        json!({ "a": it.a.0, "b": it.b.0, "fields": fields })
    });
    let changed: Vec<Json> = changed.collect();
    let ids = |of: &[NodeId]| of.iter().map(|it| it.0).collect::<Vec<_>>();
    json!({
        "same": found.same,
        "changed": changed,
        "only": [ids(&found.only_a), ids(&found.only_b)],
        "reordered": found.reordered,
        "pairs": found.pairs.iter().map(|(a, b)| json!([a.0, b.0])).collect::<Vec<_>>(),
    })
}

fn micros(it: Duration) -> u64 {
    u64::try_from(it.as_micros()).unwrap_or(u64::MAX)
}
