//! Traces as Mermaid flow charts, which many viewers of Markdown draw.
//!
//! Boxes are nodes, boxes in boxes happen in the course of the outer one, and arrows are values:
//! the labels say which field went into which input.

use crate::trace::{Kind, Node, NodeId, Trace};
use std::fmt::Write;

/// The trace as a flow chart.
pub(super) fn chart(trace: &Trace) -> String {
    let mut out = "flowchart TD\n".to_owned();
    for (id, node) in trace.iter().filter(|(_, node)| node.parent.is_none()) {
        push_node(&mut out, trace, id, node, 1);
    }
    for edge in &trace.edges {
        let output = edge.output.as_deref().unwrap_or("reply");
        let label = match edge.input.as_deref() {
            Some(input) if input != output => format!("{output} → {input}"),
            _ => output.to_owned(),
        };
        let (from, to) = (edge.from.0, edge.to.0);
        let _ = writeln!(out, "    n{from} -->|\"{}\"| n{to}", quoted(&label));
    }
    for (id, node) in trace.iter() {
        if let Some(earlier) = node.retry_of.filter(|_| !node.replayed) {
            let _ = writeln!(out, "    n{} -.->|retry| n{}", earlier.0, id.0);
        }
    }
    for (id, _) in trace.iter().filter(|(_, node)| node.error.is_some()) {
        let _ = writeln!(out, "    style n{} stroke:#c00,stroke-width:2px", id.0);
    }
    out
}

fn push_node(out: &mut String, trace: &Trace, id: NodeId, node: &Node, depth: usize) {
    let pad = "    ".repeat(depth);
    let children: Vec<_> = trace.iter().filter(|(_, it)| it.parent == Some(id)).collect();
    let label = quoted(&label(node));
    if children.is_empty() {
        let (open, close) = shape(node.kind);
        let _ = writeln!(out, "{pad}n{}{open}\"{label}\"{close}", id.0);
        return;
    }
    let _ = writeln!(out, "{pad}subgraph n{}[\"{label}\"]", id.0);
    for (child, node) in children {
        push_node(out, trace, child, node, depth + 1);
    }
    let _ = writeln!(out, "{pad}end");
}

/// What the brackets around a label make of it.
fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Module => ("[", "]"),
        Kind::Lm => ("([", "])"),
        Kind::Retrieval => ("[(", ")]"),
        Kind::Tool => ("[[", "]]"),
        Kind::Metric => (">", "]"),
        Kind::Assert | Kind::Suggest => ("{", "}"),
    }
}

fn label(node: &Node) -> String {
    let mut label = format!("{} {}", node.kind.as_str(), node.name);
    if let Some(call) = &node.call {
        let _ = write!(label, "\n{}", call.model);
        if call.attempts.len() > 1 {
            let _ = write!(label, ", asked {} times", call.attempts.len());
        }
    }
    if node.error.is_some() {
        label.push_str("\nfailed");
    }
    label
}

/// Text between double quotes of a chart, where code and markup mean nothing.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '\n' => out.push_str("<br>"),
            '"' | '<' | '>' | '&' | '#' | '`' => {
                let _ = write!(out, "#{};", u32::from(ch));
            }
            _ if ch.is_control() => {}
            _ => out.push(ch),
        }
    }
    out
}
