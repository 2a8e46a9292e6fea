//! Traces as files: JSON lines, one a node or an edge, after a head line.
//!
//! Prompts and raw replies are not in the file: they are content of the store, and the file
//! names them by hash. So a trace is small, and may be handed on without what was said.

use crate::lm::{Address, Completion, Cost, Request};
use crate::schema::Record;
use crate::trace::{Attempt, Edge, Kind, LmCall, Node, NodeId, Trace, absent_completion};
use crate::util::sha256_hex;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The version of the format.
const VERSION: u32 = 1;

/// Where content is kept: bytes by the hex SHA-256 of themselves.
pub trait Content {
    /// What bytes are called.
    fn name(&self, bytes: &[u8]) -> String {
        sha256_hex(bytes)
    }

    /// Keeps `bytes` under `hash`.
    fn keep(&self, hash: &str, bytes: &[u8]);

    /// What is kept under `hash`.
    fn find(&self, hash: &str) -> Option<Vec<u8>>;
}

#[derive(Serialize, Deserialize)]
struct Head {
    dsp_trace: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Node(Box<NodeLine>),
    Edge(Edge),
}

#[derive(Serialize, Deserialize)]
pub(super) struct NodeLine {
    id: usize,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    parent: Option<usize>,
    kind: Kind,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    path: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    example: Option<usize>,
    #[serde(default)]
    ordinal: usize,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    branch: String,
    inputs: Record,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    outputs: Option<Record>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    call: Option<CallLine>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    retry_of: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    replayed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    judge: bool,
    began_us: u64,
    took_us: u64,
}

#[derive(Serialize, Deserialize)]
struct CallLine {
    model: String,
    adapter: String,
    attempts: Vec<AttemptLine>,
}

#[derive(Serialize, Deserialize)]
struct AttemptLine {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    model: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    extracts: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    replayed: bool,
    request: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reply: Option<String>,
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sent: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    liberties: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error: Option<String>,
    #[serde(skip_serializing_if = "Cost::is_nothing", default)]
    cost: Cost,
    took_us: u64,
}

/// Writes a trace; prompts and replies go to `content`.
pub fn to_jsonl(trace: &Trace, content: &dyn Content) -> String {
    let mut out = json(&Head { dsp_trace: VERSION });
    out.push('\n');
    for (id, node) in trace.iter() {
        out.push_str(&json(&Line::Node(Box::new(node_line(id, node, content)))));
        out.push('\n');
    }
    for edge in &trace.edges {
        out.push_str(&json(&Line::Edge(edge.clone())));
        out.push('\n');
    }
    out
}

/// The trace as one JSON object: the lines of the file, and the content that they name.
pub(super) fn whole(trace: &Trace) -> serde_json::Value {
    let kept = Kept::default();
    let nodes: Vec<NodeLine> =
        trace.iter().map(|(id, node)| node_line(id, node, &kept)).collect();
    serde_json::json!({
        "dsp_trace": VERSION,
        "nodes": nodes,
        "edges": trace.edges,
        "content": kept.0.into_inner(),
    })
}

/// Content in memory, as JSON values.
#[derive(Default)]
struct Kept(RefCell<BTreeMap<String, serde_json::Value>>);

impl Content for Kept {
    fn keep(&self, hash: &str, bytes: &[u8]) {
        let value = serde_json::from_slice(bytes).unwrap_or_default();
        self.0.borrow_mut().insert(hash.to_owned(), value);
    }

    fn find(&self, hash: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(hash).map(|it| it.to_string().into_bytes())
    }
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("lines of a trace have string keys")
}

pub(super) fn node_line(id: NodeId, node: &Node, content: &dyn Content) -> NodeLine {
    NodeLine {
        id: id.0,
        parent: node.parent.map(|it| it.0),
        kind: node.kind,
        name: node.name.to_string(),
        path: node.address.path.clone(),
        example: node.address.example,
        ordinal: node.address.ordinal,
        branch: node.address.branch.clone(),
        inputs: node.inputs.clone(),
        outputs: node.outputs.clone(),
        error: node.error.clone(),
        call: node.call.as_ref().map(|call| CallLine {
            model: call.model.clone(),
            adapter: call.adapter.clone(),
            attempts: call.attempts.iter().map(|it| attempt_line(it, content)).collect(),
        }),
        retry_of: node.retry_of.map(|it| it.0),
        replayed: node.replayed,
        judge: node.judge,
        began_us: micros(node.began),
        took_us: micros(node.took),
    }
}

fn attempt_line(attempt: &Attempt, content: &dyn Content) -> AttemptLine {
    AttemptLine {
        key: attempt.key.clone(),
        model: attempt.model.clone(),
        extracts: attempt.extracts,
        replayed: attempt.replayed,
        request: keep(content, &*attempt.request),
        reply: attempt.completion.as_ref().map(|it| keep(content, &**it)),
        cached: attempt.cached,
        sent: (attempt.sent == attempt.cached).then_some(attempt.sent),
        liberties: attempt.liberties.clone(),
        error: attempt.error.clone(),
        cost: attempt.cost,
        took_us: micros(attempt.took),
    }
}

fn keep(content: &dyn Content, value: &impl Serialize) -> String {
    let bytes = json(value).into_bytes();
    let hash = content.name(&bytes);
    content.keep(&hash, &bytes);
    hash
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Why a file is no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads a trace. Content that `content` no longer has is shown as its hash.
///
/// # Errors
/// A line that is no part of a trace, or a file of another version.
pub fn parse_jsonl(text: &str, content: &dyn Content) -> Result<Trace, ReadError> {
    let mut lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty());
    let fail = |at: usize, message: String| ReadError { line: at + 1, message };
    let (at, head) = lines.next().ok_or_else(|| fail(0, "the file is empty".to_owned()))?;
    let head: Head =
        serde_json::from_str(head).map_err(|_| fail(at, "this is no trace".to_owned()))?;
    if head.dsp_trace != VERSION {
        let message =
            format!("a trace of version {}, this program reads {VERSION}", head.dsp_trace);
        return Err(fail(at, message));
    }
    let mut trace = Trace::default();
    for (at, line) in lines {
        match serde_json::from_str(line).map_err(|error| fail(at, error.to_string()))? {
            Line::Node(line) if line.id == trace.nodes.len() => {
                trace.nodes.push(read_node(*line, content));
            }
            Line::Node(_) => return Err(fail(at, "nodes are not in order".to_owned())),
            Line::Edge(edge) => trace.edges.push(edge),
        }
    }
    let known = |id: Option<NodeId>| id.is_none_or(|it| it.0 < trace.nodes.len());
    let is_before = |id: Option<NodeId>, at: usize| id.is_none_or(|it| it.0 < at);
    let fits = |at, it: &Node| is_before(it.parent, at) && is_before(it.retry_of, at);
    if !trace.nodes.iter().enumerate().all(|(at, it)| fits(at, it))
        || !trace.edges.iter().all(|it| known(Some(it.from)) && known(Some(it.to)))
    {
        return Err(fail(0, "a node names one that is not there".to_owned()));
    }
    Ok(trace)
}

pub(super) fn read_node(line: NodeLine, content: &dyn Content) -> Node {
    Node {
        parent: line.parent.map(NodeId),
        kind: line.kind,
        name: line.name.into(),
        address: Address {
            path: line.path,
            example: line.example,
            ordinal: line.ordinal,
            branch: line.branch,
        },
        inputs: line.inputs,
        outputs: line.outputs,
        error: line.error,
        call: line.call.map(|call| {
            Arc::new(LmCall {
                model: call.model,
                adapter: call.adapter,
                attempts: call
                    .attempts
                    .into_iter()
                    .map(|it| read_attempt(it, content))
                    .collect(),
            })
        }),
        retry_of: line.retry_of.map(NodeId),
        replayed: line.replayed,
        judge: line.judge,
        began: Duration::from_micros(line.began_us),
        took: Duration::from_micros(line.took_us),
    }
}

fn read_attempt(line: AttemptLine, content: &dyn Content) -> Attempt {
    let request = find(content, &line.request).unwrap_or_else(|| absent_request(&line.request));
    let completion = line.reply.map(|hash| {
        find::<Completion>(content, &hash)
            .unwrap_or_else(|| absent_completion(format!("(not in the store: {hash})")))
    });
    Attempt {
        key: line.key,
        model: line.model,
        extracts: line.extracts,
        replayed: line.replayed,
        request: Arc::new(request),
        completion: completion.map(Arc::new),
        cached: line.cached,
        sent: line.sent.unwrap_or(!line.cached),
        liberties: line.liberties,
        error: line.error,
        cost: line.cost,
        took: Duration::from_micros(line.took_us),
    }
}

fn find<T: for<'de> Deserialize<'de>>(content: &dyn Content, hash: &str) -> Option<T> {
    serde_json::from_slice(&content.find(hash)?).ok()
}

fn absent_request(hash: &str) -> Request {
    Request::new(crate::lm::Prompt::Text(format!("(not in the store: {hash})")))
}
