//! The calls to models that a failure came from, by the data edges of the trace.

use crate::diag::Diagnostic;
use crate::lm::Prompt;
use crate::trace::{Kind, LmCall, Node, NodeId, Trace};
use std::collections::BTreeSet;

/// The most calls that are shown for one failure.
const MOST: usize = 3;

/// What went to a model and what came back, the last time that a call asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Why it is shown: what of it the failed condition read.
    pub why: String,
    /// The call: signature, and path in its program.
    pub call: String,
    /// The model's name.
    pub model: String,
    /// The adapter's name.
    pub adapter: String,
    /// The turns of the prompt: who speaks, and what is said.
    pub prompt: Vec<(&'static str, String)>,
    /// What came back; `None` when nothing did.
    pub reply: Option<String>,
}

/// Returns the calls that a failure came from: those whose replies flowed into a false
/// condition, the one that itself failed, or else the newest.
pub fn blame(trace: &Trace, failure: &Diagnostic) -> Vec<Exchange> {
    let failed = trace.iter().filter(|(_, node)| node.error.is_some());
    let told = |node: &Node| node.error.as_deref() == Some(failure.message.as_str());
    let Some((id, node)) = failed.filter(|(_, node)| told(node)).last() else {
        return Vec::new();
    };
    let found = match node.kind {
        Kind::Assert | Kind::Suggest => sources(trace, id),
        _ => calls_below(trace, id)
            .last()
            .map(|it| (it, "this call failed".to_owned()))
            .into_iter()
            .collect(),
    };
    let shown = found.into_iter().take(MOST);
    shown.filter_map(|(id, why)| exchange(trace.node(id), why)).collect()
}

/// The calls that a condition's values came from, each once.
fn sources(trace: &Trace, condition: NodeId) -> Vec<(NodeId, String)> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for edge in trace.edges.iter().filter(|edge| edge.to == condition) {
        let Some(call) = made(trace, edge.from) else { continue };
        if known.insert(call) {
            let read = edge.input.as_deref().filter(|it| !it.is_empty());
            let read = read.map_or("the condition reads it".to_owned(), |it| {
                format!("`{it}` came from it")
            });
            found.push((call, read));
        }
    }
    if !found.is_empty() {
        return found;
    }
    // A contract is checked in the course of its call; numbers have no history.
    match trace.node(condition).parent.filter(|it| trace.node(*it).kind == Kind::Lm) {
        Some(call) => vec![(call, "its reply breaks the contract".to_owned())],
        None => {
            let before =
                trace.iter().filter(|(id, node)| *id < condition && node.call.is_some());
            let newest = before.last().map(|(id, _)| (id, "the newest call before".to_owned()));
            newest.into_iter().collect()
        }
    }
}

/// The call to a model that made what a node gave.
fn made(trace: &Trace, id: NodeId) -> Option<NodeId> {
    let node = trace.node(id);
    match node.kind {
        Kind::Lm => Some(id),
        Kind::Module => {
            let calls: Vec<NodeId> = calls_below(trace, id).collect();
            let same = calls.iter().rev().find(|it| trace.node(**it).outputs == node.outputs);
            same.or(calls.last()).copied()
        }
        _ => None,
    }
}

/// The calls to models in the course of a node, itself included.
fn calls_below(trace: &Trace, id: NodeId) -> impl Iterator<Item = NodeId> {
    let inside = move |mut at: NodeId| loop {
        if at == id {
            return true;
        }
        match trace.node(at).parent {
            Some(parent) => at = parent,
            None => return false,
        }
    };
    trace.iter().filter(move |(at, node)| node.call.is_some() && inside(*at)).map(|(at, _)| at)
}

fn exchange(node: &Node, why: String) -> Option<Exchange> {
    let LmCall { model, adapter, attempts } = &**node.call.as_ref()?;
    let attempt = attempts.last()?;
    let prompt = match &attempt.request.prompt {
        Prompt::Chat(turns) => {
            turns.iter().map(|it| (it.role.as_str(), it.text.clone())).collect()
        }
        Prompt::Text(text) => vec![("prompt", text.clone())],
    };
    let path = &node.address.path;
    let named = path.is_empty() || **path == *node.name;
    let call = if named { node.name.to_string() } else { format!("{} [{path}]", node.name) };
    let reply = attempt.completion.as_ref().map(|it| it.text.clone());
    Some(Exchange {
        why,
        call,
        model: attempt.model.as_ref().unwrap_or(model).clone(),
        adapter: adapter.clone(),
        prompt,
        reply,
    })
}
