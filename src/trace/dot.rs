//! Traces as graphs in Graphviz's language.
//!
//! As in the flow charts: what happened in the course of a node stands in a box with it, and
//! arrows are values. Text of models stands between double quotes, where it means nothing.

use super::mermaid::{edge_label, label};
use super::relations::{Relations, Step};
use super::{Kind, Trace, Via};
use std::fmt::Write;

/// The trace as a graph.
pub(super) fn graph(trace: &Trace) -> String {
    let mut out = "digraph trace {\n    node [shape=box, fontname=\"sans-serif\"];\n    \
                   edge [fontname=\"sans-serif\", fontsize=10];\n"
        .to_owned();
    let relations = Relations::of(trace);
    relations.walk(|step| push_step(&mut out, trace, &relations, step));
    for edge in &trace.edges {
        let style = if edge.via == Via::Text { ", style=dotted" } else { "" };
        let (from, to, label) = (edge.from.0, edge.to.0, quoted(&edge_label(edge)));
        let _ = writeln!(out, "    n{from} -> n{to} [label=\"{label}\"{style}];");
    }
    for (id, node) in trace.iter() {
        if let Some(earlier) = node.retry_of.filter(|_| !node.replayed) {
            let (from, to) = (earlier.0, id.0);
            let _ = writeln!(
                out,
                "    n{from} -> n{to} [label=\"retry\", style=bold, color=\"#b3341f\"];"
            );
        }
    }
    out.push_str("}\n");
    out
}

fn push_step(out: &mut String, trace: &Trace, relations: &Relations<'_>, step: Step) {
    let (Step::Enter(id, depth) | Step::Leave(id, depth)) = step;
    let pad = "    ".repeat(1 + depth.min(20));
    let is_box = !relations.children(id).is_empty();
    match step {
        Step::Enter(..) => {
            let node = trace.node(id);
            let color =
                if node.error.is_some() { ", color=\"#b3341f\", penwidth=2" } else { "" };
            let (text, shape) = (quoted(&label(node)), shape(node.kind, is_box));
            if is_box {
                let _ = writeln!(out, "{pad}subgraph cluster_{} {{", id.0);
            }
            let _ = writeln!(out, "{pad}n{} [label=\"{text}\", shape={shape}{color}];", id.0);
        }
        Step::Leave(..) if is_box => {
            let _ = writeln!(out, "{pad}}}");
        }
        Step::Leave(..) => {}
    }
}

fn shape(kind: Kind, is_box: bool) -> &'static str {
    match kind {
        // The box around it is its shape.
        _ if is_box => "plaintext",
        Kind::Module | Kind::Metric => "box",
        Kind::Lm => "ellipse",
        Kind::Retrieval => "cylinder",
        Kind::Tool => "component",
        Kind::Assert | Kind::Suggest => "diamond",
    }
}

/// Text between double quotes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '\n' => out.push_str("\\n"),
            '"' | '\\' => out.extend(['\\', ch]),
            _ if ch.is_control() => {}
            _ => out.push(ch),
        }
    }
    out
}
