//! What happened in a run, as plain data: calls, values, prompts, replies, and what flowed where.
//!
//! A [`Trace`] is a graph. Its nodes are module calls, model calls, retrievals and failed
//! conditions; `parent` says in whose course a node happened, an [`Edge`] that a value of one
//! node went into another. Its *canonical form* ([`Trace::canonical`]) leaves out times,
//! retries of the network and who answered from a cache: two runs are the same when their
//! canonical forms are.

mod content;
mod diff;
mod dot;
mod export;
mod html;
mod liberty;
mod made;
mod mermaid;
mod otlp;
mod recorded;
mod relations;
mod select;
mod show;
mod spill;

pub use content::LEFT_OUT;
pub use diff::{Difference, Field, diff, request_difference};
pub use export::{
    About, Content, NoContent, ReadError, head_line, line_of_edge, line_of_node, parse,
    parse_jsonl, to_jsonl, to_jsonl_about, to_whole_jsonl, whole,
};
pub use html::{Shown, to_html};
pub use liberty::Liberty;
pub use made::{Abilities, Forked, Made};
pub use otlp::{Export, to_otlp, to_protobuf};
pub use recorded::{Exchanges, question};
pub use select::{Filter, find};
pub use show::{Look, tree, tree_as, whole_node};
pub use spill::Spill;

use crate::lm::{Address, Completion, Cost, Details, ErrorKind, Finish, Request};
use crate::schema::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A node's place in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub usize);

/// The graph of one run.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Nodes in the order in which they began.
    pub nodes: Vec<Node>,
    /// What flowed where.
    pub edges: Vec<Edge>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Node {
    /// In whose course it happened.
    pub parent: Option<NodeId>,
    /// What it is.
    pub kind: Kind,
    /// The class of a module, the signature of a predictor, the condition of an assert.
    pub name: Arc<str>,
    /// Which call of the program it is.
    pub address: Address,
    /// What went in.
    pub inputs: Record,
    /// What came out; `None` when it failed or is under way.
    pub outputs: Option<Record>,
    /// Why it failed.
    pub error: Option<String>,
    /// The exchange with the model, for model calls.
    pub call: Option<Arc<LmCall>>,
    /// The earlier attempt of the same call, which a false condition sent back.
    pub retry_of: Option<NodeId>,
    /// Whether its outcome was taken from the earlier attempt: it cost nothing.
    pub replayed: bool,
    /// Whether its outputs flow only into conditions.
    pub judge: bool,
    /// When it began, since the start of the process.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
}

impl Node {
    /// The same with other ids, where those that it names have one.
    #[must_use]
    pub fn renumbered(self, moved: impl Fn(NodeId) -> Option<NodeId>) -> Self {
        let parent = self.parent.and_then(&moved);
        Self { parent, retry_of: self.retry_of.and_then(moved), ..self }
    }

    /// Returns a node that has just begun.
    pub fn new(
        kind: Kind,
        name: impl Into<Arc<str>>,
        address: Address,
        inputs: Record,
    ) -> Self {
        Self {
            parent: None,
            kind,
            name: name.into(),
            address,
            inputs,
            outputs: None,
            error: None,
            call: None,
            retry_of: None,
            replayed: false,
            judge: false,
            began: Duration::ZERO,
            took: Duration::ZERO,
        }
    }
}

/// Kinds of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A call of a module.
    Module,
    /// A call of a predictor: one or more exchanges with a model.
    Lm,
    /// A search in an index.
    Retrieval,
    /// A call of a tool.
    Tool,
    /// A metric of an evaluation.
    Metric,
    /// A false `assert`.
    Assert,
    /// A false `suggest`.
    Suggest,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Module,
        Self::Lm,
        Self::Retrieval,
        Self::Tool,
        Self::Metric,
        Self::Assert,
        Self::Suggest,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Lm => "lm",
            Self::Retrieval => "retrieval",
            Self::Tool => "tool",
            Self::Metric => "metric",
            Self::Assert => "assert",
            Self::Suggest => "suggest",
        }
    }
}

/// The exchange of a predictor with its model.
#[derive(Debug, Clone)]
pub struct LmCall {
    /// The model's name.
    pub model: String,
    /// The adapter's name.
    pub adapter: String,
    /// The first request and, after a reply that could not be read, the repair turns.
    pub attempts: Vec<Attempt>,
}

/// One request and its reply.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The key of the reply in the store.
    pub key: String,
    /// The model that was asked, where it is not the call's.
    pub model: Option<String>,
    /// Whether the reply is that of an earlier attempt of the whole program: it is counted there.
    pub replayed: bool,
    /// Whether it asks what an earlier reply of the call states.
    pub extracts: bool,
    /// What was sent.
    pub request: Arc<Request>,
    /// Where the parts of the prompt come from, in their order; empty where nobody wanted to
    /// know. What is in none is the layout's own.
    pub parts: Arc<[Part]>,
    /// What came back; `None` when the call failed.
    pub completion: Option<Arc<Completion>>,
    /// Whether the reply came from the store.
    pub cached: bool,
    /// Whether it was sent to the model: not where the store had the reply, nor where a budget
    /// refused it.
    pub sent: bool,
    /// Liberties that were taken to read the reply.
    pub liberties: Vec<Liberty>,
    /// Why the reply could not be read, or the call failed.
    pub error: Option<String>,
    /// What kind of failure of the model's it was, where it was one.
    pub fault: Option<ErrorKind>,
    /// What it cost.
    pub cost: Cost,
    /// How long it took.
    pub took: Duration,
}

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which message it stands in; 0 for a text that is continued.
    pub message: usize,
    /// Its bytes in the message's text.
    pub range: Range<usize>,
    /// What it is, in a word: `instruction`, `demo`, `input`.
    pub kind: Arc<str>,
    /// Where it comes from: `demo 2, answer: row 17`.
    pub label: Arc<str>,
}

/// A value of one node that went into another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Where the value came from.
    pub from: NodeId,
    /// Which field of it; `None` for the whole reply.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output: Option<String>,
    /// Where it went.
    pub to: NodeId,
    /// Into which input.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub input: Option<String>,
    /// How we know.
    pub via: Via,
}

/// How a data edge is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The program says so: the value was computed from it.
    Static,
    /// The very same value arrived.
    Identity,
    /// The same text stands in it.
    Text,
}

impl Via {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Identity => "identity",
            Self::Text => "text",
        }
    }
}

/// Calls and tokens of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests that were sent to models.
    pub calls: u64,
    /// Replies that came from the store.
    pub cached: u64,
    /// Tokens read by models, as far as they told; those of cached replies are not counted.
    pub prompt_tokens: u64,
    /// Tokens written by models, likewise.
    pub completion_tokens: u64,
    /// What is known of those tokens besides, and of how many calls nothing is.
    pub details: Details,
    /// What calls cost, those of cached replies included as far as they are listed.
    pub cost: Cost,
}

/// Calls and tokens by the path of the predictor and the name of the model.
pub type Shares = BTreeMap<(String, String), Totals>;

impl Totals {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            cached: self.cached + other.cached,
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            completion_tokens: self.completion_tokens + other.completion_tokens,
            details: self.details.plus(other.details),
            cost: self.cost.plus(other.cost),
        }
    }

    /// What was added since there were `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            cached: self.cached.saturating_sub(earlier.cached),
            prompt_tokens: self.prompt_tokens.saturating_sub(earlier.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_sub(earlier.completion_tokens),
            details: self.details.minus(earlier.details),
            cost: self.cost.minus(earlier.cost),
        }
    }
}

impl Trace {
    /// The node of `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// All nodes with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(at, node)| (NodeId(at), node))
    }

    /// Calls and tokens.
    pub fn totals(&self) -> Totals {
        let attempts = self.nodes.iter().filter_map(|node| node.call.as_ref());
        attempts
            .flat_map(|call| &call.attempts)
            .fold(Totals::default(), |sum, attempt| sum.plus(attempt.totals()))
    }

    /// The same by predictor and model.
    pub fn shares(&self) -> Shares {
        let mut shares = Shares::default();
        let calls = self.nodes.iter().filter_map(|it| Some((it, it.call.as_ref()?)));
        for (node, call) in calls {
            let of = (node.address.path.clone(), call.model.clone());
            for attempt in &call.attempts {
                let share = shares.entry(of.clone()).or_default();
                *share = share.plus(attempt.totals());
            }
        }
        shares
    }

    /// What happened after the first `n` nodes, with ids that begin at 0 again; values that
    /// came from before have no edges in it.
    #[must_use]
    pub fn since(&self, n: usize) -> Self {
        let moved = |id: NodeId| id.0.checked_sub(n).map(NodeId);
        let nodes = self.nodes.iter().skip(n);
        let nodes = nodes.map(|it| it.clone().renumbered(moved));
        let edges = self.edges.iter().filter_map(|edge| {
            Some(Edge { from: moved(edge.from)?, to: moved(edge.to)?, ..edge.clone() })
        });
        Self { nodes: nodes.collect(), edges: edges.collect() }
    }

    /// Which nodes belong to attempts that were made again: what came of them is not part of the
    /// program's result.
    pub fn abandoned(&self) -> Vec<bool> {
        let mut abandoned = vec![false; self.nodes.len()];
        for (id, node) in self.iter() {
            // A call that is asked again within the same attempt stands in another program's.
            if let Some(earlier) = node.retry_of.filter(|it| it.0 < id.0) {
                abandoned[earlier.0] = true;
            }
        }
        for (id, node) in self.iter() {
            let outer = node.parent.is_some_and(|it| abandoned[it.0]);
            abandoned[id.0] |= outer;
        }
        abandoned
    }

    /// A flow chart in Mermaid's language: calls in their modules, and what flowed where.
    pub fn to_mermaid(&self) -> String {
        mermaid::chart(self)
    }

    /// The same in Graphviz's language.
    pub fn to_dot(&self) -> String {
        dot::graph(self)
    }

    /// A JSON object with all nodes and edges, prompts and raw replies among them.
    pub fn to_json(&self) -> serde_json::Value {
        whole(self, &About::default(), |_| true)
    }

    /// The canonical form: one line a node, one an edge, without times and cache layers.
    pub fn canonical(&self) -> String {
        show::canonical(self)
    }
}

impl Attempt {
    /// Requests that a model worked on: that of the reply, and those whose reply was lost.
    fn requests(&self) -> u64 {
        u64::from(self.completion.is_some() && self.sent) + u64::from(self.cost.lost)
    }

    /// What it took.
    pub fn totals(&self) -> Totals {
        if self.replayed {
            return Totals::default();
        }
        if self.cached {
            return Totals { cached: 1, cost: self.cost, ..Totals::default() };
        }
        let usage = self.completion.as_ref().map(|it| it.usage);
        let details = usage.as_ref().map(Details::of).unwrap_or_default();
        let usage = usage.unwrap_or_default();
        Totals {
            details,
            calls: u64::from(self.sent).max(self.requests()),
            cached: 0,
            cost: self.cost,
            prompt_tokens: usage.prompt_tokens.unwrap_or(0),
            completion_tokens: usage.completion_tokens.unwrap_or(0),
        }
    }
}

/// An empty reply, for attempts whose content is not at hand.
fn absent_completion(text: String) -> Completion {
    Completion { text, finish: Finish::Other, attempts: 1, ..Completion::default() }
}
