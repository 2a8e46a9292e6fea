//! Traces as values of scripts: the graph, its nodes, and what differs between two.

use crate::lm::Address;
use crate::runtime::bind::named_values;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::forking::{Origin, fork, without_prefix};
use crate::runtime::natives::spent;
use crate::runtime::program::prompt_text;
use crate::runtime::value::{Object, Val};
use crate::trace::{
    Attempt, Difference, Edge, Filter, Kind, Node, NodeId, Totals, Trace, diff, tree,
};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The most nodes whose differences are shown.
const SHOWN: usize = 20;
/// The longest line that a node is shown as, in characters.
const LINE: usize = 200;

/// A trace.
#[derive(Debug)]
pub(in crate::runtime) struct TraceValue {
    pub(in crate::runtime) trace: Arc<Trace>,
    /// The call that it is of, where it is that of one.
    made: Option<Arc<Origin>>,
}

impl TraceValue {
    /// A trace, and the call that it is of.
    pub(in crate::runtime) fn new(trace: Trace, made: Option<Arc<Origin>>) -> Self {
        Self { trace: Arc::new(trace), made }
    }

    fn node(&self, id: NodeId) -> Val {
        Val::object(NodeValue { trace: self.trace.clone(), id })
    }

    /// `trace.fork(at: …, reply: …)`
    fn fork(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        let own = |at: &Val| {
            let other = at.downcast::<NodeValue>()?.data();
            // The whole trace of a run has the same nodes under other numbers.
            let is_same = |it: &Node| {
                (it.kind, it.began, &it.address) == (other.kind, other.began, &other.address)
                    && it.inputs == other.inputs
            };
            let found = self.trace.iter().find(|(_, it)| is_same(it)).map(|it| it.0);
            Some(found.ok_or_else(|| {
                Error::value("`at` is a node of another trace")
                    .hint("take it from the trace that is forked: `trace(reply).calls[0]`")
            }))
        };
        fork(cx, (&self.trace, self.made.as_ref()), own, args)
    }

    fn nodes(&self, wanted: impl Fn(&Node) -> bool) -> Val {
        let found = self.trace.iter().filter(|(_, node)| wanted(node));
        Val::List(found.map(|(id, _)| self.node(id)).collect())
    }

    /// `trace.where(kind: "lm", path: "answer", failed: true)`, or with a closure.
    fn wanted(&self, cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
        let test = args.take(0, "f");
        let filter = Filter {
            path: args.text("path")?,
            kinds: kinds(args.option("kind"))?,
            failed: false,
        };
        let failed = args.flag("failed")?;
        args.finish("where", 1, &["f", "kind", "path", "failed"])?;
        let only_failed = Filter { failed: true, ..Filter::default() };
        let mut found = Vec::new();
        for (id, node) in self.trace.iter() {
            let is_meant = filter.takes(node)
                && failed.is_none_or(|failed| only_failed.takes(node) == failed);
            if !is_meant {
                continue;
            }
            let value = self.node(id);
            let Some(test) = &test else {
                found.push(value);
                continue;
            };
            match cx.call(test, Args::positional(vec![value.clone()]))? {
                Val::Bool(true) => found.push(value),
                Val::Bool(false) => {}
                other => return Err(wrong("f", "a function that gives true or false", &other)),
            }
        }
        Ok(Val::List(found))
    }

    fn diff(&self, mut args: Args) -> Result<Val, Error> {
        let other = args.take(0, "other").unwrap_or_default();
        args.finish("diff", 1, &["other"])?;
        let Some(other) = other.downcast::<Self>() else {
            return Err(wrong("other", "a trace", &other));
        };
        let (a, b) = (Arc::new(counted_anew(self)), Arc::new(counted_anew(other)));
        let found = diff(&a, &b);
        Ok(Val::object(DiffValue { a, b, found }))
    }
}

/// A trace whose calls are counted from its own first ones, in branches of its own: the traces of
/// two replies of one run are compared, too.
fn counted_anew(TraceValue { trace, made }: &TraceValue) -> Trace {
    let mut trace = Trace::clone(trace);
    let stride = made.as_ref().map_or(1, |it| it.stride().max(1));
    let outer = trace.nodes.first().map(|it| it.address.branch.clone()).unwrap_or_default();
    let is_inside = |it: &Node| it.address.branch.starts_with(&outer);
    if !outer.is_empty() && trace.nodes.iter().all(is_inside) {
        for node in &mut trace.nodes {
            let branch = without_prefix(&node.address.branch, &outer).to_owned();
            node.address.branch = branch;
        }
    }
    let mut first: BTreeMap<(String, String, Option<usize>), usize> = BTreeMap::new();
    let of = |it: &Address| (it.path.clone(), it.branch.clone(), it.example);
    for node in &trace.nodes {
        let known = first.entry(of(&node.address)).or_insert(usize::MAX);
        *known = (*known).min(node.address.ordinal);
    }
    for node in &mut trace.nodes {
        node.address.ordinal = (node.address.ordinal - first[&of(&node.address)]) / stride;
    }
    trace
}

/// The kinds that somebody names: one, or several.
fn kinds(value: Option<Val>) -> Result<Vec<Kind>, Error> {
    let one = |it: &Val| {
        let kind =
            it.as_str().and_then(|name| Kind::ALL.into_iter().find(|it| it.as_str() == name));
        kind.ok_or_else(|| {
            let all: Vec<&str> = Kind::ALL.iter().map(|it| it.as_str()).collect();
            wrong("kind", &format!("one of {}", all.join(", ")), it)
        })
    };
    match value {
        None => Ok(Vec::new()),
        Some(Val::List(all)) => all.iter().map(one).collect(),
        Some(value) => Ok(vec![one(&value)?]),
    }
}

impl Object for TraceValue {
    fn type_name(&self) -> &'static str {
        "trace"
    }

    fn get(&self, name: &str) -> Option<Val> {
        match name {
            "nodes" => Some(self.nodes(|_| true)),
            "calls" => Some(self.nodes(|it| it.kind == Kind::Lm)),
            "roots" => Some(self.nodes(|it| it.parent.is_none())),
            "cost" => Some(Val::Map(spent(&self.trace.totals()))),
            "edges" => Some(edges(&self.trace)),
            _ => None,
        }
    }

    fn members(&self) -> Vec<String> {
        ["nodes", "edges", "calls", "roots", "cost"].map(str::to_owned).to_vec()
    }

    fn method(&self, cx: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        match name {
            "to_mermaid" => Some(Ok(Val::str(&self.trace.to_mermaid()))),
            "to_json" => Some(Ok(Val::str(&self.trace.to_json().to_string()))),
            "show" => Some(Ok(Val::str(&tree(&self.trace, true)))),
            "canonical" => Some(Ok(Val::str(&self.trace.canonical()))),
            "where" => Some(self.wanted(cx, args)),
            "diff" => Some(self.diff(args)),
            "fork" => Some(self.fork(cx, args)),
            _ => None,
        }
    }

    fn n_items(&self) -> Option<usize> {
        Some(self.trace.nodes.len())
    }

    fn item(&self, at: usize) -> Option<Result<Val, Error>> {
        (at < self.trace.nodes.len()).then(|| Ok(self.node(NodeId(at))))
    }

    fn show(&self) -> String {
        tree(&self.trace, false)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn map<const N: usize>(entries: [(&str, Val); N]) -> Val {
    Val::Map(entries.into_iter().map(|(name, value)| (Arc::from(name), value)).collect())
}

fn place(id: NodeId) -> Val {
    Val::Int(i64::try_from(id.0).unwrap_or(i64::MAX))
}

fn text(it: Option<&str>) -> Val {
    it.map_or(Val::Null, Val::str)
}

fn edges(trace: &Trace) -> Val {
    let edge = |it: &Edge| {
        map([
            ("from", place(it.from)),
            ("output", text(it.output.as_deref())),
            ("to", place(it.to)),
            ("input", text(it.input.as_deref())),
            ("via", Val::str(it.via.as_str())),
        ])
    };
    Val::List(trace.edges.iter().map(edge).collect())
}

/// A node of a trace, from which one gets to the others.
#[derive(Debug)]
struct NodeValue {
    trace: Arc<Trace>,
    id: NodeId,
}

const NODE: &[&str] = &[
    "id",
    "kind",
    "name",
    "path",
    "inputs",
    "outputs",
    "error",
    "parent",
    "parents",
    "children",
    "inputs_from",
    "used_by",
    "attempts",
    "prompt",
    "reply",
    "cost",
    "retry_of",
    "replayed",
    "began",
    "took",
];

impl NodeValue {
    fn data(&self) -> &Node {
        self.trace.node(self.id)
    }

    fn at(&self, id: NodeId) -> Val {
        Val::object(Self { trace: self.trace.clone(), id })
    }

    /// The nodes in whose course it happened, the innermost first.
    fn parents(&self) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut at = self.data().parent;
        // A parent comes before its children: what says otherwise is no tree.
        while let Some(id) = at.filter(|it| *it < *found.last().unwrap_or(&self.id)) {
            found.push(id);
            at = self.trace.node(id).parent;
        }
        found
    }

    /// What it took, and what happened in its course.
    fn totals(&self) -> Totals {
        let mut inside = BTreeSet::from([self.id]);
        let mut totals = Totals::default();
        for (id, node) in self.trace.iter().skip(self.id.0) {
            if id == self.id || node.parent.is_some_and(|it| inside.contains(&it)) {
                inside.insert(id);
                let attempts = node.call.iter().flat_map(|it| &it.attempts);
                totals = attempts.fold(totals, |sum, it| sum.plus(it.totals()));
            }
        }
        totals
    }

    /// The edges that lead to it or from it; `other` is their other end.
    fn edges(&self, own: impl Fn(&Edge) -> NodeId, other: impl Fn(&Edge) -> NodeId) -> Val {
        let edge = |it: &Edge| {
            map([
                ("node", self.at(other(it))),
                ("output", text(it.output.as_deref())),
                ("input", text(it.input.as_deref())),
                ("via", Val::str(it.via.as_str())),
            ])
        };
        let found = self.trace.edges.iter().filter(|it| own(it) == self.id);
        Val::List(found.map(edge).collect())
    }

    fn last(&self) -> Option<&Attempt> {
        self.data().call.as_ref()?.attempts.last()
    }
}

/// A request and its reply.
fn attempt(node: &Node, it: &Attempt) -> Val {
    let usual = node.call.as_ref().map(|it| it.model.as_str());
    let reply = it.completion.as_ref().map(|it| it.text.as_str());
    map([
        ("model", text(it.model.as_deref().or(usual))),
        ("prompt", Val::str(&prompt_text(&it.request.prompt))),
        ("reply", text(reply)),
        ("error", text(it.error.as_deref())),
        ("cached", Val::Bool(it.cached)),
        ("read_freely", Val::List(it.liberties.iter().map(|it| Val::str(&it.note)).collect())),
    ])
}

impl Object for NodeValue {
    fn type_name(&self) -> &'static str {
        "node"
    }

    fn get(&self, name: &str) -> Option<Val> {
        let node = self.data();
        let all = |ids: Vec<NodeId>| Val::List(ids.into_iter().map(|it| self.at(it)).collect());
        let data = |record| Val::Map(named_values(record));
        let seconds = |it: Duration| Val::Float(it.as_secs_f64());
        Some(match name {
            "id" => place(self.id),
            "kind" => Val::str(node.kind.as_str()),
            "name" => Val::str(&node.name),
            "path" => Val::str(&node.address.path),
            "inputs" => data(&node.inputs),
            "outputs" => node.outputs.as_ref().map_or(Val::Null, data),
            "error" => text(node.error.as_deref()),
            "parent" => node.parent.map_or(Val::Null, place),
            "parents" => all(self.parents()),
            "children" => {
                let found = self.trace.iter().filter(|(_, it)| it.parent == Some(self.id));
                all(found.map(|(id, _)| id).collect())
            }
            "inputs_from" => self.edges(|it| it.to, |it| it.from),
            "used_by" => self.edges(|it| it.from, |it| it.to),
            "attempts" => {
                let call = node.call.iter();
                Val::List(
                    call.flat_map(|it| &it.attempts).map(|it| attempt(node, it)).collect(),
                )
            }
            "prompt" => {
                self.last().map_or(Val::Null, |it| Val::str(&prompt_text(&it.request.prompt)))
            }
            "reply" => {
                let completion = self.last().and_then(|it| it.completion.as_ref());
                completion.map_or(Val::Null, |it| Val::str(&it.text))
            }
            "cost" => Val::Map(spent(&self.totals())),
            "retry_of" => node.retry_of.map_or(Val::Null, place),
            "replayed" => Val::Bool(node.replayed),
            "began" => seconds(node.began),
            "took" => seconds(node.took),
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        NODE.iter().map(ToString::to_string).collect()
    }

    fn show(&self) -> String {
        let node = self.data();
        let path = match &*node.address.path {
            path if path == &*node.name => String::new(),
            path => format!(" [{path}]"),
        };
        let json = |it| Val::Map(named_values(it)).show();
        let outcome = match (&node.outputs, &node.error) {
            (Some(outputs), _) => json(outputs),
            (None, Some(error)) => format!("failed: {error}"),
            (None, None) => "under way".to_owned(),
        };
        let (id, kind, name) = (self.id.0, node.kind.as_str(), &node.name);
        let line = format!("#{id} {kind} {name}{path} {} -> {outcome}", json(&node.inputs));
        match line.char_indices().nth(LINE) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What differs between two traces.
#[derive(Debug)]
struct DiffValue {
    a: Arc<Trace>,
    b: Arc<Trace>,
    found: Difference,
}

impl DiffValue {
    fn at(trace: &Arc<Trace>, id: Option<NodeId>) -> Val {
        let node = |id| Val::object(NodeValue { trace: trace.clone(), id });
        id.map_or(Val::Null, node)
    }

    fn changed(&self) -> Val {
        let changed = self.found.changed.iter().map(|it| {
            let field = |it: &crate::trace::Field| {
                map([
                    ("name", Val::str(&it.name)),
                    ("a", text(it.a.as_deref())),
                    ("b", text(it.b.as_deref())),
                ])
            };
            map([
                ("a", Self::at(&self.a, Some(it.a))),
                ("b", Self::at(&self.b, Some(it.b))),
                ("fields", Val::List(it.fields.iter().map(field).collect())),
            ])
        });
        Val::List(changed.collect())
    }
}

impl Object for DiffValue {
    fn type_name(&self) -> &'static str {
        "difference"
    }

    fn get(&self, name: &str) -> Option<Val> {
        let all = |trace: &Arc<Trace>, ids: &[NodeId]| {
            Val::List(ids.iter().map(|it| Self::at(trace, Some(*it))).collect())
        };
        Some(match name {
            "same" => Val::Bool(self.found.is_none()),
            "first" => {
                let (a, b) = self.found.first();
                map([("a", Self::at(&self.a, a)), ("b", Self::at(&self.b, b))])
            }
            "changed" => self.changed(),
            "only_a" => all(&self.a, &self.found.only_a),
            "only_b" => all(&self.b, &self.found.only_b),
            _ => return None,
        })
    }

    fn members(&self) -> Vec<String> {
        ["same", "first", "changed", "only_a", "only_b"].map(str::to_owned).to_vec()
    }

    fn show(&self) -> String {
        self.found.show(&self.a, &self.b, SHOWN).trim_end().to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
