//! Traces as text: a tree for people, and the canonical form for comparisons.

use crate::lm::Prompt;
use crate::schema::Record;
use crate::trace::{Attempt, LmCall, Node, NodeId, Trace};
use std::fmt::Write;

/// The trace as an indented tree. With `full`, prompts and raw replies are shown too.
pub fn tree(trace: &Trace, full: bool) -> String {
    let mut out = String::new();
    for (id, node) in trace.iter().filter(|(_, node)| node.parent.is_none()) {
        push_node(&mut out, trace, id, node, 0, full);
    }
    out
}

fn push_node(
    out: &mut String,
    trace: &Trace,
    id: NodeId,
    node: &Node,
    depth: usize,
    full: bool,
) {
    let pad = "  ".repeat(depth);
    let _ = write!(out, "{pad}#{} {} {}", id.0, node.kind.as_str(), label(node));
    if let Some(earlier) = node.retry_of {
        let what = if node.replayed { "replayed from" } else { "retry of" };
        let _ = write!(out, "  {what} #{}", earlier.0);
    }
    let _ = writeln!(out, "  {:.1} ms", node.took.as_secs_f64() * 1000.0);
    push_values(out, &pad, "in ", &node.inputs);
    for edge in trace.edges.iter().filter(|edge| edge.to == id) {
        let output = edge.output.as_deref().map(|it| format!(".{it}")).unwrap_or_default();
        let input = edge.input.as_deref().unwrap_or("*");
        let _ = writeln!(out, "{pad}    {input} <- #{}{output}", edge.from.0);
    }
    if let Some(call) = &node.call {
        push_call(out, &pad, call, full);
    }
    if let Some(outputs) = &node.outputs {
        push_values(out, &pad, "out", outputs);
    }
    if let Some(error) = &node.error {
        let _ = writeln!(out, "{pad}    failed: {}", clip(error));
    }
    for (child, node) in trace.iter().filter(|(_, it)| it.parent == Some(id)) {
        push_node(out, trace, child, node, depth + 1, full);
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

fn push_values(out: &mut String, pad: &str, what: &str, values: &Record) {
    for (name, value) in values {
        let _ = writeln!(out, "{pad}    {what} {name}: {}", clip(&value.to_string()));
    }
}

fn push_call(out: &mut String, pad: &str, call: &LmCall, full: bool) {
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
            let _ = writeln!(out, "{pad}      failed: {}", clip(error));
        }
        if full {
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

/// The first line of a text, at most 100 characters.
fn clip(text: &str) -> String {
    let line = text.replace('\n', "⏎");
    match line.char_indices().nth(100) {
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
            let _ = writeln!(out, "  {} {:?} {:?}", attempt.key, reply, attempt.liberties);
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
