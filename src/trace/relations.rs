//! Who is whose child and which edges lead where, found once for a whole trace.

use super::{Edge, NodeId, Trace};

/// The relations of a trace's nodes.
#[derive(Debug)]
pub(super) struct Relations<'a> {
    roots: Vec<NodeId>,
    children: Vec<Vec<NodeId>>,
    edges_to: Vec<Vec<&'a Edge>>,
}

impl<'a> Relations<'a> {
    /// Finds them.
    pub(super) fn of(trace: &'a Trace) -> Self {
        let n = trace.nodes.len();
        let (mut roots, mut children) = (Vec::new(), vec![Vec::new(); n]);
        for (id, node) in trace.iter() {
            match node.parent {
                // A parent comes before its children: what says otherwise is no tree.
                Some(parent) if parent < id => children[parent.0].push(id),
                _ => roots.push(id),
            }
        }
        let mut edges_to = vec![Vec::new(); n];
        for edge in &trace.edges {
            if let Some(edges) = edges_to.get_mut(edge.to.0) {
                edges.push(edge);
            }
        }
        Self { roots, children, edges_to }
    }

    /// The nodes that happened in nobody's course.
    pub(super) fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// The nodes that happened in the course of one, in their order.
    pub(super) fn children(&self, id: NodeId) -> &[NodeId] {
        &self.children[id.0]
    }

    /// The edges that lead to a node.
    pub(super) fn edges_to(&self, id: NodeId) -> &[&'a Edge] {
        &self.edges_to[id.0]
    }

    /// All nodes as a tree is read: each before what happened in its course. `leave` is told of a
    /// node when all that happened in its course was visited. Depth is bounded by memory alone.
    pub(super) fn walk(&self, mut visit: impl FnMut(Step)) {
        let mut todo: Vec<Step> = Vec::new();
        let push = |todo: &mut Vec<Step>, ids: &[NodeId], depth| {
            todo.extend(ids.iter().rev().map(|id| Step::Enter(*id, depth)));
        };
        push(&mut todo, &self.roots, 0);
        while let Some(step) = todo.pop() {
            visit(step);
            if let Step::Enter(id, depth) = step {
                todo.push(Step::Leave(id, depth));
                push(&mut todo, self.children(id), depth + 1);
            }
        }
    }
}

/// A step of a walk: a node, and in how many others it stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A node begins.
    Enter(NodeId, usize),
    /// What happened in its course is over.
    Leave(NodeId, usize),
}
