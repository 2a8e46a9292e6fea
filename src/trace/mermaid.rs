//! Traces as Mermaid flow charts, which many viewers of Markdown draw.
//!
//! Boxes are nodes, boxes in boxes happen in the course of the outer one, and arrows are values:
//! the labels say which field went into which input.

use crate::trace::relations::{Relations, Step};
use crate::trace::{Edge, Kind, Node, Trace, Via};
use std::fmt::Write;

/// The trace as a flow chart.
pub(super) fn chart(trace: &Trace) -> String {
    let mut out = "flowchart TD\n".to_owned();
    let relations = Relations::of(trace);
    relations.walk(|step| push_step(&mut out, trace, &relations, step));
    for edge in &trace.edges {
        let (from, to, label) = (edge.from.0, edge.to.0, quoted(&edge_label(edge)));
        // Where only the same text was found, the arrow is dotted.
        let arrow = if edge.via == Via::Text { "-.->" } else { "-->" };
        let _ = writeln!(out, "    n{from} {arrow}|\"{label}\"| n{to}");
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

/// What an arrow says: which field went into which input.
pub(super) fn edge_label(edge: &Edge) -> String {
    let output = edge.output.as_deref().unwrap_or("reply");
    match edge.input.as_deref().filter(|it| !it.is_empty()) {
        Some(input) if input != output => format!("{output} → {input}"),
        _ => output.to_owned(),
    }
}

fn push_step(out: &mut String, trace: &Trace, relations: &Relations<'_>, step: Step) {
    let (Step::Enter(id, depth) | Step::Leave(id, depth)) = step;
    let pad = "    ".repeat(1 + depth.min(20));
    let is_box = !relations.children(id).is_empty();
    match step {
        Step::Enter(..) => {
            let node = trace.node(id);
            let label = quoted(&label(node));
            let (open, close) = shape(node.kind);
            let _ = match is_box {
                true => writeln!(out, "{pad}subgraph n{}[\"{label}\"]", id.0),
                false => writeln!(out, "{pad}n{}{open}\"{label}\"{close}", id.0),
            };
        }
        Step::Leave(..) if is_box => {
            let _ = writeln!(out, "{pad}end");
        }
        Step::Leave(..) => {}
    }
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

/// What a node is called in a drawing.
pub(super) fn label(node: &Node) -> String {
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
