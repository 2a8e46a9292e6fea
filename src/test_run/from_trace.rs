//! Tests that are made of the traces of runs.

use super::recording::Recording;
use crate::lm::Completion;
use crate::runtime::{Asked, Recorded, Replay, Tape, Unrecorded};
use crate::schema::Value;
use crate::source::Sources;
use crate::syntax::{NodeKind, parse};
use crate::trace::{Kind, Node, NodeId, Trace};
use crate::util::lock;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// The variable of the test that holds what happened.
const NODES: &str = "nodes_of_the_trace";
/// The most calls whose outputs are asserted.
const MOST: usize = 100;

/// The text of a script whose only test does what the statements of another script do, and
/// asserts that its outermost calls come to what they came to in a trace. With `lm` it names the
/// model.
pub fn text(script: &str, trace: &Trace, title: &str, lm: Option<&str>) -> String {
    let tree = parse(Sources::default().add("script", script), script).tree;
    let (mut items, mut statements, mut from) = (String::new(), String::new(), 0);
    for node in tree.nodes() {
        let (start, end) = (node.start as usize, node.end as usize);
        match node.kind {
            NodeKind::SignatureItem
            | NodeKind::TypeItem
            | NodeKind::ModuleItem
            | NodeKind::FnItem
            | NodeKind::ConstItem
            | NodeKind::SettingsItem
            | NodeKind::ImportItem => items.push_str(&script[from..end]),
            NodeKind::TestItem => items.push_str(script[from..start].trim_end()),
            _ => {
                items.push_str(script[from..start].trim_end());
                let text = script[start..end].trim_end();
                let ends = text.ends_with([';', '}']);
                let _ = writeln!(statements, "{text}{}", if ends { "" } else { ";" });
            }
        }
        from = end;
    }
    items.push_str(script[from..].trim_end());
    let title = serde_json::Value::from(title);
    let named = lm.map_or(String::new(), |lm| {
        format!("settings {{ lm: {} }}\n\n", serde_json::Value::from(lm))
    });
    let asserts = asserts(trace);
    format!("{named}{}\n\ntest {title} {{\n{statements}{asserts}}}\n", items.trim())
}

/// What the outermost calls came to.
fn asserts(trace: &Trace) -> String {
    let abandoned = trace.abandoned();
    let is_meant = |(id, node): &(NodeId, &Node)| {
        let is_call = matches!(node.kind, Kind::Module | Kind::Lm);
        node.parent.is_none() && is_call && !abandoned[id.0]
    };
    let mut out = String::new();
    // What rows did is in the trace of the run, and not in that which its statements see.
    let is_row = |it: &&(NodeId, &Node)| it.1.address.example.is_some();
    let mut rows = 0;
    let seen = trace.iter().map(|it| {
        rows += usize::from(is_row(&&it));
        (it, it.0.0.saturating_sub(rows))
    });
    let seen = seen.filter(|(it, _)| !is_row(&it) && is_meant(it));
    for ((_, node), at) in seen.take(MOST) {
        for (name, value) in node.outputs.iter().flatten() {
            if let Some(value) = literal(value) {
                let _ = writeln!(out, "assert {NODES}[{at}].outputs.{name} == {value};");
            }
        }
    }
    match out.is_empty() {
        true => out,
        false => format!("let {NODES} = trace().nodes;\n{out}"),
    }
}

/// A value as scripts write it; `None` where they cannot.
fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Bool(it) => Some(it.to_string()),
        Value::Int(it) => Some(it.to_string()),
        Value::Float(it) if it.is_finite() => Some(format!("{it:?}")),
        Value::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(literal).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        other => {
            let text = other.as_str()?;
            let is_plain = |it: char| !it.is_control() || matches!(it, '\n' | '\t' | '\r');
            text.chars().all(is_plain).then(|| serde_json::Value::from(text).to_string())
        }
    }
}

/// Answers a test from the trace of a run, and records the replies.
#[derive(Debug)]
pub struct FromTrace {
    replay: Replay,
    test: String,
    new: Mutex<Recording>,
}

impl FromTrace {
    /// Returns the tape of a test.
    pub fn new(trace: Arc<Trace>, test: &str) -> Self {
        let (replay, test) = (Replay::wherever(trace), test.to_owned());
        Self { replay, test, new: Mutex::default() }
    }

    /// What was recorded.
    pub fn taken(&self) -> Recording {
        let mut taken = lock(&self.new).clone();
        taken.tidy();
        taken
    }
}

impl Tape for FromTrace {
    fn find(&self, asked: Asked<'_>) -> Result<Option<Recorded>, Unrecorded> {
        let found = self.replay.find(asked)?;
        match &found {
            Some(Recorded::Reply(completion) | Recorded::Again(completion, _)) => {
                self.note(asked, completion);
            }
            Some(Recorded::Failure(..)) => {
                return Err(Unrecorded {
                    message: format!("a call of `{}` failed", asked.model),
                    notes: vec!["recordings hold replies and no failures".to_owned()],
                    hint: "make the test of a run whose calls went well".to_owned(),
                });
            }
            None => {}
        }
        Ok(found)
    }

    fn note(&self, asked: Asked<'_>, completion: &Completion) {
        lock(&self.new).add(&self.test, asked, completion.clone());
    }

    fn missed(&self) -> Option<Unrecorded> {
        self.replay.missed()
    }
}
