//! Traces as values of scripts.

use crate::runtime::bind::named_values;
use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::Error;
use crate::runtime::value::{Object, Val};
use crate::trace::{Node, NodeId, Trace, tree};
use std::any::Any;
use std::sync::Arc;

/// A trace.
#[derive(Debug)]
pub(in crate::runtime) struct TraceValue(pub(in crate::runtime) Arc<Trace>);

impl Object for TraceValue {
    fn type_name(&self) -> &'static str {
        "trace"
    }

    fn get(&self, name: &str) -> Option<Val> {
        match name {
            "nodes" => Some(nodes(&self.0)),
            "edges" => Some(edges(&self.0)),
            _ => None,
        }
    }

    fn members(&self) -> Vec<String> {
        vec!["nodes".to_owned(), "edges".to_owned()]
    }

    fn method(&self, _: &Cx<'_>, name: &str, _: Args) -> Option<Result<Val, Error>> {
        match name {
            "to_mermaid" => Some(Ok(Val::str(&self.0.to_mermaid()))),
            "to_json" => Some(Ok(Val::str(&self.0.to_json().to_string()))),
            "show" => Some(Ok(Val::str(&tree(&self.0, true)))),
            "canonical" => Some(Ok(Val::str(&self.0.canonical()))),
            _ => None,
        }
    }

    fn n_items(&self) -> Option<usize> {
        Some(self.0.nodes.len())
    }

    fn item(&self, at: usize) -> Option<Result<Val, Error>> {
        self.0.nodes.get(at).map(|it| Ok(node(NodeId(at), it)))
    }

    fn show(&self) -> String {
        tree(&self.0, false)
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

fn node(id: NodeId, node: &Node) -> Val {
    let data = |record| Val::Map(named_values(record));
    map([
        ("id", place(id)),
        ("parent", node.parent.map_or(Val::Null, place)),
        ("kind", Val::str(node.kind.as_str())),
        ("name", Val::str(&node.name)),
        ("path", Val::str(&node.address.path)),
        ("inputs", data(&node.inputs)),
        ("outputs", node.outputs.as_ref().map_or(Val::Null, data)),
        ("error", node.error.as_deref().map_or(Val::Null, Val::str)),
    ])
}

fn nodes(trace: &Trace) -> Val {
    Val::List(trace.iter().map(|(id, it)| node(id, it)).collect())
}

fn edges(trace: &Trace) -> Val {
    let text = |it: &Option<String>| it.as_deref().map_or(Val::Null, Val::str);
    let edge = |it: &crate::trace::Edge| {
        map([
            ("from", place(it.from)),
            ("output", text(&it.output)),
            ("to", place(it.to)),
            ("input", text(&it.input)),
            ("via", Val::str(it.via.as_str())),
        ])
    };
    Val::List(trace.edges.iter().map(edge).collect())
}
