//! What differs between two traces: their canonical forms, node by node and field by field.
//!
//! Nodes are told apart by where they stand in the program, not by their numbers, so that one
//! that is missing does not make all that follow it differ. Times, cache layers and retries of
//! the network are no differences.

mod show;

use super::relations::Relations;
use super::{Attempt, Edge, Kind, LmCall, Node, NodeId, Trace};
use crate::lm::{Prompt, Request};
use crate::schema::{Record, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// What differs between two traces.
#[derive(Debug, Clone, Default)]
pub struct Difference {
    /// Nodes that are in both and do not differ.
    pub same: usize,
    /// Nodes that are in both and differ, in the order of the first trace.
    pub changed: Vec<Changed>,
    /// Nodes of the first trace that the second has not.
    pub only_a: Vec<NodeId>,
    /// Nodes of the second trace that the first has not.
    pub only_b: Vec<NodeId>,
    /// Nodes that are in both, in the order of the first trace.
    pub pairs: Vec<(NodeId, NodeId)>,
    /// All nodes are the same, in another order.
    pub reordered: bool,
}

impl Difference {
    /// Whether the canonical forms are the same.
    pub fn is_none(&self) -> bool {
        let lost = !self.only_a.is_empty() || !self.only_b.is_empty();
        self.changed.is_empty() && !lost && !self.reordered
    }

    /// What differs, for people, of at most so many nodes; words that differ are marked
    /// `[-so-]` and `{+so+}`.
    pub fn show(&self, a: &Trace, b: &Trace, limit: usize) -> String {
        show::text(self, a, b, limit)
    }

    /// The first node that differs: in the first trace, in the second, or in both.
    pub fn first(&self) -> (Option<NodeId>, Option<NodeId>) {
        let changed = self.changed.first();
        let (a, b) = (self.only_a.first().copied(), self.only_b.first().copied());
        let first_a = changed.map(|it| it.a).into_iter().chain(a).min();
        match (first_a, b, changed) {
            // A node that only the second has stands where the first goes on with another.
            (None, b, _) => (None, b),
            (Some(at), Some(b), _) if self.place_in_a(b) <= at => (None, Some(b)),
            (Some(at), _, Some(it)) if it.a == at => (Some(it.a), Some(it.b)),
            (Some(at), ..) => (Some(at), None),
        }
    }

    /// Before which node of the first trace one of the second would stand.
    fn place_in_a(&self, b: NodeId) -> NodeId {
        let behind = self.pairs.iter().filter(|it| it.1 > b).map(|it| it.0).min();
        behind.unwrap_or(NodeId(usize::MAX))
    }
}

/// A node that differs.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// Its number in the first trace.
    pub a: NodeId,
    /// Its number in the second.
    pub b: NodeId,
    /// In what.
    pub fields: Vec<Field>,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What it is: `in question`, `prompt of attempt 2, message 3 (user)`.
    pub name: String,
    /// What it is in the first trace; `None` where it is not there.
    pub a: Option<String>,
    /// What it is in the second.
    pub b: Option<String>,
}

/// In what two requests differ, for people: prompts word by word.
pub fn request_difference(a: &Request, b: &Request) -> String {
    let mut out = Fields(Vec::new());
    out.requests("", a, b);
    show::fields(&out.0)
}

/// Where a node stands: two nodes of one trace never stand at the same place.
type Place = (Option<usize>, &'static str, String, String, usize, usize);

/// Compares two traces.
pub fn diff(a: &Trace, b: &Trace) -> Difference {
    let (places_a, places_b) = (places(a), places(b));
    let of_b: BTreeMap<&Place, NodeId> =
        places_b.iter().enumerate().map(|(at, it)| (it, NodeId(at))).collect();
    let mut out = Difference::default();
    let mut found = vec![None; b.nodes.len()];
    for (at, place) in places_a.iter().enumerate() {
        match of_b.get(place) {
            Some(in_b) => {
                found[in_b.0] = Some(NodeId(at));
                out.pairs.push((NodeId(at), *in_b));
            }
            None => out.only_a.push(NodeId(at)),
        }
    }
    let lost = found.iter().enumerate().filter(|(_, it)| it.is_none());
    out.only_b = lost.map(|(at, _)| NodeId(at)).collect();
    let both = Both { a, b, of_a: Relations::of(a), of_b: Relations::of(b), in_a: found };
    for (in_a, in_b) in &out.pairs {
        match both.fields(*in_a, *in_b) {
            fields if fields.is_empty() => out.same += 1,
            fields => out.changed.push(Changed { a: *in_a, b: *in_b, fields }),
        }
    }
    if out.is_none() && a.canonical() != b.canonical() {
        out.reordered = true;
    }
    out
}

fn places(trace: &Trace) -> Vec<Place> {
    let mut counts: BTreeMap<Place, usize> = BTreeMap::new();
    let place = |node: &Node| -> Place {
        let it = &node.address;
        // Conditions have no place of their own, and are counted.
        let name = match node.kind {
            Kind::Lm | Kind::Retrieval => String::new(),
            _ => node.name.to_string(),
        };
        (it.example, node.kind.as_str(), it.place(), name, it.ordinal, 0)
    };
    let mut numbered = |node: &Node| {
        let mut place = place(node);
        let count = counts.entry(place.clone()).or_default();
        place.5 = *count;
        *count += 1;
        place
    };
    trace.nodes.iter().map(&mut numbered).collect()
}

struct Both<'a> {
    a: &'a Trace,
    b: &'a Trace,
    of_a: Relations<'a>,
    of_b: Relations<'a>,
    /// The nodes of the second trace as the first has them.
    in_a: Vec<Option<NodeId>>,
}

impl Both<'_> {
    fn fields(&self, in_a: NodeId, in_b: NodeId) -> Vec<Field> {
        let (a, b) = (self.a.node(in_a), self.b.node(in_b));
        let mut out = Fields(Vec::new());
        out.text("name", &a.name, &b.name);
        let moved = |id: Option<NodeId>| id.and_then(|it| self.in_a.get(it.0).copied()?);
        let shown = |id: NodeId| format!("#{}", id.0);
        if a.parent != moved(b.parent) {
            out.some("in the course of", a.parent.map(shown), b.parent.map(shown));
        }
        if a.retry_of != moved(b.retry_of) {
            out.some("retry of", a.retry_of.map(shown), b.retry_of.map(shown));
        }
        if a.retry_of.is_some() {
            out.text("replayed", &a.replayed.to_string(), &b.replayed.to_string());
        }
        out.records("in ", Some(&a.inputs), Some(&b.inputs));
        out.some("values from", self.edges_a(in_a), self.edges_b(in_b));
        out.calls(a, b);
        out.records("out ", a.outputs.as_ref(), b.outputs.as_ref());
        // Of what has outputs the reason is not part of the canonical form.
        if a.outputs.is_none() && b.outputs.is_none() {
            out.some("error", a.error.clone(), b.error.clone());
        }
        out.0
    }

    fn edges_a(&self, to: NodeId) -> Option<String> {
        let edges = self.of_a.edges_to(to);
        (!edges.is_empty()).then(|| told(edges, Some))
    }

    fn edges_b(&self, to: NodeId) -> Option<String> {
        let edges = self.of_b.edges_to(to);
        (!edges.is_empty()).then(|| told(edges, |id| self.in_a[id.0]))
    }
}

/// Where values came from, as the first trace numbers nodes.
fn told(edges: &[&Edge], number: impl Fn(NodeId) -> Option<NodeId>) -> String {
    let one = |edge: &&Edge| {
        let from =
            number(edge.from).map_or("another node".to_owned(), |it| format!("#{}", it.0));
        let output = edge.output.as_deref().map(|it| format!(".{it}")).unwrap_or_default();
        format!(
            "{} <- {from}{output} ({})",
            edge.input.as_deref().unwrap_or("*"),
            edge.via.as_str()
        )
    };
    edges.iter().map(one).collect::<Vec<_>>().join("\n")
}

struct Fields(Vec<Field>);

impl Fields {
    fn text(&mut self, name: &str, a: &str, b: &str) {
        self.some(name, Some(a.to_owned()), Some(b.to_owned()));
    }

    fn some(&mut self, name: &str, a: Option<String>, b: Option<String>) {
        if a != b {
            self.0.push(Field { name: name.to_owned(), a, b });
        }
    }

    fn records(&mut self, what: &str, a: Option<&Record>, b: Option<&Record>) {
        if a == b {
            return;
        }
        let names = a.into_iter().chain(b).flat_map(Record::keys);
        let mut told: Vec<&str> = Vec::new();
        let value = |it: Option<&Record>, name: &str| it.and_then(|it| it.get(name)).cloned();
        for name in names {
            if !told.contains(&&**name) {
                told.push(name);
                let (a, b) = (value(a, name), value(b, name));
                if a != b {
                    self.values(&format!("{what}{name}"), a.as_ref(), b.as_ref());
                }
            }
        }
        if a.is_some() != b.is_some() && told.is_empty() {
            let word = |it: bool| Some(if it { "came back" } else { "nothing" }.to_owned());
            self.some(what.trim(), word(a.is_some()), word(b.is_some()));
        }
    }

    /// Values that differ; what looks alike is told as JSON.
    fn values(&mut self, name: &str, a: Option<&Value>, b: Option<&Value>) {
        let text = |it: Option<&Value>| it.map(ToString::to_string);
        match text(a) == text(b) {
            false => self.some(name, text(a), text(b)),
            true => self.some(name, a.map(Value::to_json), b.map(Value::to_json)),
        }
    }

    fn calls(&mut self, a: &Node, b: &Node) {
        let (a, b) = (a.call.as_deref(), b.call.as_deref());
        self.some("model", a.map(|it| it.model.clone()), b.map(|it| it.model.clone()));
        self.some("adapter", a.map(|it| it.adapter.clone()), b.map(|it| it.adapter.clone()));
        let attempts = |it: Option<&LmCall>| it.map_or(0, |it| it.attempts.len());
        let (n_a, n_b) = (attempts(a), attempts(b));
        self.text("attempts", &n_a.to_string(), &n_b.to_string());
        for at in 0..n_a.max(n_b) {
            let of = if n_a.max(n_b) > 1 {
                format!(" of attempt {}", at + 1)
            } else {
                String::new()
            };
            let a = a.and_then(|it| it.attempts.get(at));
            let b = b.and_then(|it| it.attempts.get(at));
            self.attempt(&of, a, b);
        }
    }

    fn attempt(&mut self, of: &str, a: Option<&Attempt>, b: Option<&Attempt>) {
        let before = self.0.len();
        if let (Some(a), Some(b)) = (a, b) {
            self.some(&format!("model{of}"), a.model.clone(), b.model.clone());
            self.requests(of, &a.request, &b.request);
            if self.0.len() == before {
                // Nothing that is known of the request differs: then the model does.
                let short = |it: &Attempt| it.key.get(..12).unwrap_or(&it.key).to_owned();
                self.text(&format!("key of the model{of}"), &short(a), &short(b));
            }
        }
        let reply = |it: Option<&Attempt>| Some(it?.completion.as_ref()?.text.clone());
        self.some(&format!("reply{of}"), reply(a), reply(b));
        let lines = |it: Option<&Attempt>| {
            let notes = it?.liberties.iter().map(|it| &*it.note).collect::<Vec<_>>();
            (!notes.is_empty()).then(|| notes.join("\n"))
        };
        self.some(&format!("read freely{of}"), lines(a), lines(b));
    }

    fn requests(&mut self, of: &str, a: &Request, b: &Request) {
        if a == b {
            return;
        }
        let (turns_a, turns_b) = (turns(&a.prompt), turns(&b.prompt));
        let several = turns_a.len().max(turns_b.len()) > 1;
        for at in 0..turns_a.len().max(turns_b.len()) {
            let (a, b) = (turns_a.get(at), turns_b.get(at));
            let role = a.or(b).map_or("", |it| it.0);
            let other = a.zip(b).filter(|(a, b)| a.0 != b.0).map(|(_, b)| b.0);
            let name = match (several, other) {
                (true, None) => format!("prompt{of}, message {} ({role})", at + 1),
                (true, Some(other)) => {
                    format!("prompt{of}, message {} ({role}, {other})", at + 1)
                }
                (false, _) => format!("prompt{of}"),
            };
            let text = |it: Option<&(&str, String)>| it.map(|it| it.1.clone());
            self.some(&name, text(a), text(b));
        }
        let settings = |it: &Request| {
            let bare = Request { prompt: Prompt::Text(String::new()), ..it.clone() };
            serde_json::to_string(&bare).ok()
        };
        self.some(&format!("settings{of}"), settings(a), settings(b));
    }
}

fn turns(prompt: &Prompt) -> Vec<(&'static str, String)> {
    match prompt {
        Prompt::Text(text) => vec![("text", text.clone())],
        Prompt::Chat(messages) => {
            messages.iter().map(|it| (it.role.as_str(), it.shown().into_owned())).collect()
        }
    }
}
