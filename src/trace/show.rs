//! Traces as text: a tree for people, and the canonical form for comparisons.

use crate::lm::Prompt;
use crate::schema::Record;
use crate::trace::relations::{Relations, Step};
use crate::trace::{Attempt, Edge, Filter, LmCall, Node, NodeId, Trace, Via};
use std::fmt::Write;

/// How many columns of a value are shown.
const WIDTH: usize = 100;
/// What stands deeper is not moved in any further.
const DEEPEST: usize = 40;

/// How a trace is shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// Prompts and raw replies are shown too.
    pub full: bool,
    /// How many columns of a value are shown.
    pub width: usize,
    /// Which nodes are shown; of those in whose course they happened only the first line is.
    pub filter: Filter,
}

impl Default for Look {
    fn default() -> Self {
        Self { full: false, width: WIDTH, filter: Filter::default() }
    }
}

/// The trace as an indented tree. With `full`, prompts and raw replies are shown too.
pub fn tree(trace: &Trace, full: bool) -> String {
    tree_as(trace, &Look { full, ..Look::default() })
}

/// The trace as an indented tree, as far as it is looked at.
pub fn tree_as(trace: &Trace, look: &Look) -> String {
    let relations = Relations::of(trace);
    let meant: Vec<bool> = trace.nodes.iter().map(|it| look.filter.takes(it)).collect();
    // Those in whose course others happened come before them.
    let mut shown = meant.clone();
    for (at, node) in trace.nodes.iter().enumerate().rev() {
        if let Some(parent) = node.parent.filter(|it| shown[at] && it.0 < at) {
            shown[parent.0] = true;
        }
    }
    let mut out = String::new();
    relations.walk(|step| {
        let Step::Enter(id, depth) = step else { return };
        if shown[id.0] {
            let pad = "  ".repeat(depth.min(DEEPEST));
            push_head(&mut out, &pad, id, trace.node(id));
            if meant[id.0] {
                push_node(&mut out, &pad, trace.node(id), relations.edges_to(id), look);
            }
        }
    });
    out
}

/// A node whole: what was sent, what came back, and what was made of it.
pub fn whole_node(trace: &Trace, id: NodeId) -> String {
    let (relations, node) = (Relations::of(trace), trace.node(id));
    let mut out = String::new();
    push_head(&mut out, "", id, node);
    let look = Look { full: true, width: usize::MAX, filter: Filter::default() };
    push_node(&mut out, "", node, relations.edges_to(id), &look);
    out
}

/// `#3 lm Answer [rag.answer]`
pub(super) fn title(id: NodeId, node: &Node) -> String {
    format!("#{} {} {}", id.0, node.kind.as_str(), label(node))
}

fn push_head(out: &mut String, pad: &str, id: NodeId, node: &Node) {
    let _ = write!(out, "{pad}{}", title(id, node));
    if let Some(earlier) = node.retry_of {
        let what = if node.replayed { "replayed from" } else { "retry of" };
        let _ = write!(out, "  {what} #{}", earlier.0);
    }
    let _ = writeln!(out, "  {:.1} ms", node.took.as_secs_f64() * 1000.0);
}

fn push_node(out: &mut String, pad: &str, node: &Node, edges: &[&Edge], look: &Look) {
    push_values(out, pad, "in ", &node.inputs, look.width);
    for edge in edges {
        let output = edge.output.as_deref().map(|it| format!(".{it}")).unwrap_or_default();
        let input = edge.input.as_deref().filter(|it| !it.is_empty()).unwrap_or("*");
        // That a value was computed from the other is what an arrow means.
        let how = if edge.via == Via::Text { "  (same text)" } else { "" };
        let _ = writeln!(out, "{pad}    {input} <- #{}{output}{how}", edge.from.0);
    }
    if let Some(call) = &node.call {
        push_call(out, pad, call, look);
    }
    if let Some(outputs) = &node.outputs {
        push_values(out, pad, "out", outputs, look.width);
    }
    if let Some(error) = &node.error {
        let _ = writeln!(out, "{pad}    failed: {}", clip(error, look.width));
    }
}

fn label(node: &Node) -> String {
    let mut label = node.name.to_string();
    if !node.address.path.is_empty() && node.address.path != label {
        let _ = write!(label, " [{}]", node.address.place());
    }
    if let Some(example) = node.address.example {
        let _ = write!(label, " example {example}");
    }
    label
}

fn push_values(out: &mut String, pad: &str, what: &str, values: &Record, width: usize) {
    for (name, value) in values {
        let _ = writeln!(out, "{pad}    {what} {name}: {}", clip(&value.to_string(), width));
    }
}

fn push_call(out: &mut String, pad: &str, call: &LmCall, look: &Look) {
    let mut extracted = false;
    for (n, attempt) in call.attempts.iter().enumerate() {
        let what = match attempt.extracts && !extracted {
            true => "extraction",
            false if n == 0 => "call",
            // Another model was asked, for the one before it could not answer.
            false if call.attempts[n - 1].completion.is_none() => "instead",
            false => "repair",
        };
        extracted |= attempt.extracts;
        let model = attempt.model.as_ref().unwrap_or(&call.model);
        let _ = write!(out, "{pad}    {what} ");
        let _ = writeln!(out, "{model} by `{}` adapter, {}", call.adapter, facts(attempt));
        for liberty in &attempt.liberties {
            let _ = writeln!(out, "{pad}      read freely: {liberty}");
        }
        if let Some(error) = &attempt.error {
            let _ = writeln!(out, "{pad}      failed: {}", clip(error, look.width));
        }
        if look.full {
            push_exchange(out, pad, attempt);
        }
    }
}

fn facts(attempt: &Attempt) -> String {
    if attempt.replayed {
        return "as before".to_owned();
    }
    let from = match (attempt.cached, attempt.sent) {
        (true, _) => "from the store",
        (false, true) => "called",
        (false, false) => "not sent",
    };
    let usage = attempt.completion.as_ref().map(|it| it.usage).unwrap_or_default();
    let tokens = |count: Option<u64>| count.map_or("?".to_owned(), |it| it.to_string());
    let part = |count: Option<u64>, what: &str| {
        count.filter(|it| *it > 0).map(|it| format!(", {it} {what}")).unwrap_or_default()
    };
    let cost = attempt.cost.told().map(|it| format!(", {it}")).unwrap_or_default();
    format!(
        "{from}, {} + {} tokens{}{}{}{cost}, {:.1} ms",
        tokens(usage.prompt_tokens),
        tokens(usage.completion_tokens),
        part(usage.cached_tokens, "cached"),
        part(usage.cache_write_tokens, "put into the cache"),
        part(usage.reasoning_tokens, "thoughts"),
        attempt.took.as_secs_f64() * 1000.0
    )
}

fn push_exchange(out: &mut String, pad: &str, attempt: &Attempt) {
    match &attempt.request.prompt {
        Prompt::Chat(messages) => {
            for message in messages {
                push_block(out, pad, message.role.as_str(), &message.shown());
            }
        }
        Prompt::Text(text) => push_block(out, pad, "prompt", text),
    }
    if let Some(completion) = &attempt.completion {
        if let Some(thought) = &completion.reasoning {
            push_block(out, pad, "reasoning", thought);
        }
        push_block(out, pad, "reply", &completion.text);
    }
}

fn push_block(out: &mut String, pad: &str, title: &str, text: &str) {
    let _ = writeln!(out, "{pad}      --- {title}");
    for line in text.lines() {
        let _ = writeln!(out, "{pad}      {line}");
    }
}

/// A text on one line, at most so many characters of it.
fn clip(text: &str, width: usize) -> String {
    let line = text.replace('\n', "⏎");
    match line.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The canonical form: see [`Trace::canonical`].
pub(super) fn canonical(trace: &Trace) -> String {
    let mut out = String::new();
    for (id, node) in trace.iter() {
        let parent = node.parent.map_or("-".to_owned(), |it| it.0.to_string());
        let address = &node.address;
        let _ = write!(
            out,
            "{} {parent} {} {} {}",
            id.0,
            node.kind.as_str(),
            node.name,
            address.place()
        );
        let _ = write!(out, " {:?} {}", address.example, address.ordinal);
        let _ = write!(out, " {} {}", json(&node.inputs), outcome(node));
        if let Some(earlier) = node.retry_of {
            let _ =
                write!(out, " {} {}", if node.replayed { "as" } else { "again" }, earlier.0);
        }
        out.push('\n');
        for attempt in node.call.iter().flat_map(|call| &call.attempts) {
            let reply = attempt.completion.as_ref().map(|it| it.text.as_str());
            let liberties: Vec<&str> = attempt.liberties.iter().map(|it| &*it.note).collect();
            let _ = writeln!(out, "  {} {reply:?} {liberties:?}", attempt.key);
        }
    }
    for edge in &trace.edges {
        let _ = writeln!(out, "{edge:?}");
    }
    out
}

fn outcome(node: &Node) -> String {
    match (&node.outputs, &node.error) {
        (Some(outputs), _) => json(outputs),
        (None, Some(error)) => format!("failed: {error:?}"),
        (None, None) => "-".to_owned(),
    }
}

fn json(record: &Record) -> String {
    serde_json::to_string(record).expect("records have string keys and finite numbers")
}
