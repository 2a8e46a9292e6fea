//! Traces as values of scripts.

use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::Error;
use crate::runtime::value::{Object, Val};
use crate::trace::{Trace, tree};
use indexmap::IndexMap;
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
        (name == "nodes").then(|| {
            let nodes = self.0.nodes.iter().map(|node| {
                let entries: [(Arc<str>, Val); 3] = [
                    ("kind".into(), Val::str(node.kind.as_str())),
                    ("name".into(), Val::str(&node.name)),
                    ("path".into(), Val::str(&node.address.path)),
                ];
                Val::Map(IndexMap::from(entries))
            });
            Val::List(nodes.collect())
        })
    }

    fn members(&self) -> Vec<String> {
        vec!["nodes".to_owned()]
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

    fn show(&self) -> String {
        tree(&self.0, false)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
