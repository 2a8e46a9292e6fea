//! Which nodes of a trace are meant.

use super::{Kind, Node, NodeId, Trace};

/// What nodes are looked for; nothing said is all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those at this path, or below it.
    pub path: Option<String>,
    /// Those of one of these kinds.
    pub kinds: Vec<Kind>,
    /// Those that failed.
    pub failed: bool,
}

impl Filter {
    /// Whether all are meant.
    pub fn is_all(&self) -> bool {
        self.path.is_none() && self.kinds.is_empty() && !self.failed
    }

    /// Whether a node is meant. False conditions have failed, whatever came of them.
    pub fn takes(&self, node: &Node) -> bool {
        let is_false = matches!(node.kind, Kind::Assert | Kind::Suggest);
        let attempts = node.call.iter().flat_map(|it| &it.attempts);
        let failed = || {
            is_false || node.error.is_some() || attempts.clone().any(|it| it.error.is_some())
        };
        self.path.as_deref().is_none_or(|it| is_at(node, it))
            && (self.kinds.is_empty() || self.kinds.contains(&node.kind))
            && (!self.failed || failed())
    }
}

/// Whether a node is at a path or below it, or has this name.
fn is_at(node: &Node, wanted: &str) -> bool {
    let below = |path: &str| {
        let rest = path.strip_prefix(wanted);
        rest.is_some_and(|it| it.is_empty() || it.starts_with(['.', '[', '/']))
    };
    below(&node.address.path) || below(&node.address.place()) || &*node.name == wanted
}

/// The node that somebody means: `#12`, `12`, or where it stands in the program (`rag.answer`),
/// with the number of the call where there are several (`rag.answer#2`).
///
/// # Errors
/// Why none is meant, or which ones may be.
pub fn find(trace: &Trace, wanted: &str) -> Result<NodeId, String> {
    let number = wanted.strip_prefix('#').unwrap_or(wanted);
    if let Ok(id) = number.parse::<usize>() {
        return match id < trace.nodes.len() {
            true => Ok(NodeId(id)),
            false => Err(format!("there is no node #{id}: {}", count(trace.nodes.len()))),
        };
    }
    let (place, ordinal) = match wanted.rsplit_once('#') {
        Some((place, ordinal)) => match ordinal.parse::<usize>() {
            Ok(ordinal) => (place, Some(ordinal)),
            Err(_) => return Err(format!("`{wanted}` names no node")),
        },
        None => (wanted, None),
    };
    let is_meant = |it: &Node| {
        let is_there = it.address.path == place || it.address.place() == place;
        is_there && ordinal.is_none_or(|ordinal| it.address.ordinal == ordinal)
    };
    let found: Vec<NodeId> =
        trace.iter().filter(|(_, it)| is_meant(it)).map(|(id, _)| id).collect();
    match found[..] {
        [] => Err(format!("no node is at `{wanted}`: {}", count(trace.nodes.len()))),
        [id] => Ok(id),
        [first, second, ..] => Err(format!(
            "{} nodes are at `{wanted}`, such as #{} and #{}",
            found.len(),
            first.0,
            second.0
        )),
    }
}

fn count(nodes: usize) -> String {
    match nodes {
        0 => "the trace has no nodes".to_owned(),
        1 => "the only node is #0".to_owned(),
        n => format!("the nodes are #0 to #{}", n - 1),
    }
}
