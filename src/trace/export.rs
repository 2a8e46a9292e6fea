//! Traces as files: JSON lines, one a node or an edge, after a head line.
//!
//! Prompts and raw replies are not in the file that a run writes: they are content of the store,
//! and the file names them by hash. So a trace is small. What is exported to be read elsewhere
//! holds its content: as lines of their own, or under `content` of the one JSON object.

use crate::lm::{Address, Completion, Cost, ErrorKind, Finish, Request, Usage};
use crate::schema::Record;
use crate::trace::content::LEFT_OUT;
use crate::trace::{
    Attempt, Edge, Kind, Liberty, LmCall, Made, Node, NodeId, Part, Trace, absent_completion,
};
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

/// What a file says of its trace as a whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct About {
    /// When the time began that its nodes count from, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub began_us: Option<u64>,
    /// Inputs, outputs, prompts and replies were left out.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub content_left_out: bool,
    /// The run that it is of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub made: Option<Made>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    dsp_trace: u32,
    #[serde(flatten)]
    about: About,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Node(Box<NodeLine>),
    Edge(Edge),
    Content(ContentLine),
}

#[derive(Serialize, Deserialize)]
struct ContentLine {
    hash: String,
    value: serde_json::Value,
}

/// A trace as one JSON object.
#[derive(Serialize, Deserialize)]
struct Whole {
    dsp_trace: u32,
    #[serde(flatten)]
    about: About,
    nodes: Vec<NodeLine>,
    edges: Vec<Edge>,
    content: BTreeMap<String, serde_json::Value>,
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
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    parts: Vec<PartLine>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    told: Option<Told>,
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sent: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    liberties: Vec<Liberty>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fault: Option<ErrorKind>,
    #[serde(skip_serializing_if = "Cost::is_nothing", default)]
    cost: Cost,
    took_us: u64,
}

/// A part of a prompt: the message, where it begins and ends, its kind and its label.
type PartLine = (usize, usize, usize, Arc<str>, Arc<str>);

/// What is known of a reply where its text is not at hand.
#[derive(Serialize, Deserialize)]
struct Told {
    finish: Finish,
    usage: Usage,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    model: Option<String>,
}

/// Writes a trace; prompts and replies go to `content`.
pub fn to_jsonl(trace: &Trace, content: &dyn Content) -> String {
    to_jsonl_about(trace, &About::default(), content)
}

/// The same with what is known of the trace as a whole.
pub fn to_jsonl_about(trace: &Trace, about: &About, content: &dyn Content) -> String {
    let mut out = head_line(about, content);
    push_lines(&mut out, trace, content);
    out
}

/// Writes a trace with its prompts and replies, each once, before the nodes.
pub fn to_whole_jsonl(trace: &Trace, about: &About) -> String {
    let kept = Kept::default();
    let mut lines = String::new();
    push_lines(&mut lines, trace, &kept);
    let mut out = head_line(about, &kept);
    for (hash, value) in kept.0.into_inner() {
        out.push_str(&json(&Line::Content(ContentLine { hash, value })));
        out.push('\n');
    }
    out.push_str(&lines);
    out
}

/// The first line of a file.
pub fn head_line(about: &About, content: &dyn Content) -> String {
    json(&Head { dsp_trace: VERSION, about: about.kept(content) }) + "\n"
}

/// The line of a node; its prompts and replies go to `content`.
pub fn line_of_node(id: NodeId, node: &Node, content: &dyn Content) -> String {
    json(&Line::Node(Box::new(node_line(id, node, content)))) + "\n"
}

/// The line of an edge.
pub fn line_of_edge(edge: &Edge) -> String {
    json(&Line::Edge(edge.clone())) + "\n"
}

impl About {
    /// The same of a trace without what was said.
    #[must_use]
    pub fn without_content(self) -> Self {
        let bare = |it: Made| Made {
            printed: None,
            printed_hash: None,
            failed: None,
            forks: Vec::new(),
            ..it
        };
        Self { content_left_out: true, made: self.made.map(bare), ..self }
    }

    /// The same with what was printed kept as content.
    fn kept(&self, content: &dyn Content) -> Self {
        let mut about = self.clone();
        if let Some(made) = &mut about.made {
            made.printed_hash = made.printed.as_ref().map(|it| keep(content, it));
        }
        about
    }

    /// The same with what was printed as it was kept.
    fn found(mut self, content: &dyn Content) -> Self {
        if let Some(made) = &mut self.made {
            made.printed = made.printed_hash.as_ref().and_then(|it| find(content, it));
        }
        self
    }
}

fn push_lines(out: &mut String, trace: &Trace, content: &dyn Content) {
    for (id, node) in trace.iter() {
        out.push_str(&line_of_node(id, node, content));
    }
    for edge in &trace.edges {
        out.push_str(&line_of_edge(edge));
    }
}

/// The trace as one JSON object: the lines of the file, and the content that they name; only the
/// nodes that are wanted, and the edges between them.
pub fn whole(
    trace: &Trace,
    about: &About,
    wanted: impl Fn(&Node) -> bool,
) -> serde_json::Value {
    let kept = Kept::default();
    let nodes = trace.iter().filter(|(_, node)| wanted(node));
    let nodes = nodes.map(|(id, node)| node_line(id, node, &kept)).collect();
    let is_wanted = |id: NodeId| trace.nodes.get(id.0).is_some_and(&wanted);
    let edges = trace.edges.iter().filter(|it| is_wanted(it.from) && is_wanted(it.to));
    let whole = Whole {
        dsp_trace: VERSION,
        about: about.kept(&kept),
        nodes,
        edges: edges.cloned().collect(),
        content: kept.0.into_inner(),
    };
    serde_json::to_value(whole).expect("traces have string keys and finite numbers")
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
        parts: attempt.parts.iter().map(part_line).collect(),
        reply: attempt.completion.as_ref().map(|it| keep(content, &**it)),
        told: attempt.completion.as_ref().map(|it| Told {
            finish: it.finish,
            usage: it.usage,
            attempts: it.attempts,
            model: it.model.clone(),
        }),
        cached: attempt.cached,
        sent: (attempt.sent == attempt.cached).then_some(attempt.sent),
        liberties: attempt.liberties.clone(),
        error: attempt.error.clone(),
        fault: attempt.fault,
        cost: attempt.cost,
        took_us: micros(attempt.took),
    }
}

fn part_line(part: &Part) -> PartLine {
    let Part { message, range, kind, label } = part;
    (*message, range.start, range.end, kind.clone(), label.clone())
}

fn read_part((message, start, end, kind, label): PartLine) -> Part {
    Part { message, range: start..end, kind, label }
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

/// Reads a trace; see [`parse`].
///
/// # Errors
/// As there.
pub fn parse_jsonl(text: &str, content: &dyn Content) -> Result<Trace, ReadError> {
    parse(text, content).map(|it| it.0)
}

/// Reads a trace, as lines or as one object. What the file does not hold of its content is looked
/// for in `content`; what is not there either is shown as its hash.
///
/// # Errors
/// A line that is no part of a trace, or a file of another version.
pub fn parse(text: &str, content: &dyn Content) -> Result<(Trace, About), ReadError> {
    let is_object = |it: &Whole| it.dsp_trace == VERSION;
    match serde_json::from_str::<Whole>(text) {
        Ok(whole) if is_object(&whole) => of_object(whole, content),
        _ => of_lines(text, content),
    }
}

fn of_object(whole: Whole, content: &dyn Content) -> Result<(Trace, About), ReadError> {
    let content = Both { own: whole.content, other: content };
    let mut trace = Trace { edges: whole.edges, ..Trace::default() };
    for line in whole.nodes {
        if line.id != trace.nodes.len() {
            return Err(fail(0, "nodes are not in order".to_owned()));
        }
        trace.nodes.push(read_node(line, &content));
    }
    let about = whole.about.found(&content);
    checked(trace).map(|trace| (trace, about))
}

fn of_lines(text: &str, content: &dyn Content) -> Result<(Trace, About), ReadError> {
    let mut lines = text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (at, head) = lines.next().ok_or_else(|| fail(0, "the file is empty".to_owned()))?;
    let head: Head =
        serde_json::from_str(head).map_err(|_| fail(at, "this is no trace".to_owned()))?;
    if head.dsp_trace != VERSION {
        let message =
            format!("a trace of version {}, this program reads {VERSION}", head.dsp_trace);
        return Err(fail(at, message));
    }
    let mut content = Both { own: BTreeMap::new(), other: content };
    let mut trace = Trace::default();
    for (at, line) in lines {
        match serde_json::from_str(line).map_err(|error| fail(at, error.to_string()))? {
            Line::Node(line) if line.id == trace.nodes.len() => {
                trace.nodes.push(read_node(*line, &content));
            }
            Line::Node(_) => return Err(fail(at, "nodes are not in order".to_owned())),
            Line::Edge(edge) => trace.edges.push(edge),
            Line::Content(line) => {
                content.own.insert(line.hash, line.value);
            }
        }
    }
    let about = head.about.found(&content);
    checked(trace).map(|trace| (trace, about))
}

fn fail(at: usize, message: String) -> ReadError {
    ReadError { line: at + 1, message }
}

/// A trace whose nodes name only nodes that are there, and those that came before them.
fn checked(trace: Trace) -> Result<Trace, ReadError> {
    let known = |id: NodeId| id.0 < trace.nodes.len();
    let is_before = |id: Option<NodeId>, at: usize| id.is_none_or(|it| it.0 < at);
    let fits = |at, it: &Node| is_before(it.parent, at) && is_before(it.retry_of, at);
    if !trace.nodes.iter().enumerate().all(|(at, it)| fits(at, it))
        || !trace.edges.iter().all(|it| known(it.from) && known(it.to))
    {
        return Err(fail(0, "a node names one that is not there".to_owned()));
    }
    Ok(trace)
}

/// The content of a file, and what is kept elsewhere.
struct Both<'a> {
    own: BTreeMap<String, serde_json::Value>,
    other: &'a dyn Content,
}

impl Content for Both<'_> {
    fn keep(&self, _: &str, _: &[u8]) {}

    fn find(&self, hash: &str) -> Option<Vec<u8>> {
        let own = self.own.get(hash).map(|it| it.to_string().into_bytes());
        own.or_else(|| self.other.find(hash))
    }
}

/// Content that is kept nowhere: files without it name none.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

impl Content for NoContent {
    fn name(&self, _: &[u8]) -> String {
        String::new()
    }

    fn keep(&self, _: &str, _: &[u8]) {}

    fn find(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
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
    let told = line.told;
    let completion = line.reply.map(|hash| {
        find::<Completion>(content, &hash).unwrap_or_else(|| absent_reply(&hash, told))
    });
    Attempt {
        key: line.key,
        model: line.model,
        extracts: line.extracts,
        replayed: line.replayed,
        request: Arc::new(request),
        parts: line.parts.into_iter().map(read_part).collect(),
        completion: completion.map(Arc::new),
        cached: line.cached,
        sent: line.sent.unwrap_or(!line.cached),
        liberties: line.liberties,
        error: line.error,
        fault: line.fault,
        cost: line.cost,
        took: Duration::from_micros(line.took_us),
    }
}

fn find<T: for<'de> Deserialize<'de>>(content: &dyn Content, hash: &str) -> Option<T> {
    serde_json::from_slice(&content.find(hash)?).ok()
}

fn absent_request(hash: &str) -> Request {
    Request::new(crate::lm::Prompt::Text(absent(hash)))
}

fn absent_reply(hash: &str, told: Option<Told>) -> Completion {
    let reply = absent_completion(absent(hash));
    match told {
        Some(Told { finish, usage, attempts, model }) => {
            Completion { finish, usage, attempts, model, ..reply }
        }
        None => reply,
    }
}

/// What stands in place of content that is not at hand.
fn absent(hash: &str) -> String {
    match hash {
        "" => LEFT_OUT.to_owned(),
        _ => format!("(not in the store: {hash})"),
    }
}
