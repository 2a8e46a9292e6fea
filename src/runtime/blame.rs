//! Whom a false condition sends back: the call to a model that its values came from.

use crate::runtime::instance::{Instance, walk};
use crate::runtime::predictor::Predictor;
use crate::runtime::run::Run;
use crate::runtime::value::Val;
use crate::trace::{Kind, Node, NodeId};

/// The call to blame for a condition, in the course of `root`: the one that `retry` names, the
/// one whose contract it is, the newest whose reply flows into the condition, or else the
/// newest.
pub(in crate::runtime) fn blame(
    run: &Run,
    condition: NodeId,
    root: NodeId,
    retry: &Val,
) -> Option<NodeId> {
    let within = Within { run, root };
    if !retry.is_null() {
        let paths = paths_of(retry);
        let is_meant = |node: &Node| paths.iter().any(|it| is_at(&node.address.path, it));
        return within.newest(condition, &is_meant);
    }
    let node = run.read_node(condition)?.0;
    if let Some(call) = node.parent.filter(|it| within.kind(*it) == Some(Kind::Lm)) {
        return Some(call);
    }
    let flowed = within.flowed_into(condition, 0);
    flowed.or_else(|| within.newest(condition, &|_| true))
}

/// The paths of the predictor or module that is to be asked again, or of those that a program
/// is made of; none where the value is no program.
pub(in crate::runtime) fn paths_of(retry: &Val) -> Vec<String> {
    if let Some(predictor) = retry.downcast::<Predictor>() {
        return vec![predictor.path().to_owned()];
    }
    if let Some(instance) = retry.downcast::<Instance>() {
        return vec![instance.prefix().to_owned()];
    }
    let mut paths = Vec::new();
    walk(retry, "", &mut |_, predictor| paths.push(predictor.path().to_owned()));
    paths
}

fn is_at(path: &str, at: &str) -> bool {
    path == at || at.is_empty() || {
        path.strip_prefix(at).is_some_and(|it| it.starts_with(['.', '[']))
    }
}

/// How far values are followed back.
const DEPTH: usize = 64;

struct Within<'a> {
    run: &'a Run,
    root: NodeId,
}

impl Within<'_> {
    fn kind(&self, id: NodeId) -> Option<Kind> {
        (id >= self.root).then(|| self.run.read_node(id)).flatten().map(|it| it.0.kind)
    }

    /// The newest call before a node that fits.
    fn newest(&self, before: NodeId, fits: &dyn Fn(&Node) -> bool) -> Option<NodeId> {
        (self.root.0..before.0).rev().map(NodeId).find(|id| {
            let node = self.run.read_node(*id).map(|it| it.0);
            node.is_some_and(|it| it.kind == Kind::Lm && fits(&it))
        })
    }

    /// The newest call whose reply flows into a node. What only judges flows on from what it
    /// read.
    fn flowed_into(&self, id: NodeId, depth: usize) -> Option<NodeId> {
        let (_, edges) = self.run.read_node(id).filter(|_| depth < DEPTH)?;
        let from = edges.iter().map(|it| it.from).filter(|it| *it > self.root && *it != id);
        from.filter_map(|from| self.made(from, depth)).max()
    }

    /// The call that made what a node gave.
    fn made(&self, id: NodeId, depth: usize) -> Option<NodeId> {
        let node = self.run.read_node(id)?.0;
        match node.kind {
            Kind::Lm if !node.judge => Some(id),
            Kind::Lm => self.flowed_into(id, depth + 1).or(Some(id)),
            Kind::Module => self.newest_below(id, &node),
            Kind::Retrieval | Kind::Tool => self.flowed_into(id, depth + 1),
            Kind::Assert | Kind::Suggest | Kind::Metric => None,
        }
    }

    /// The call in the course of a module that said what the module returned, or else the
    /// newest.
    fn newest_below(&self, module: NodeId, returned: &Node) -> Option<NodeId> {
        let (mut newest, mut same) = (None, None);
        for id in (module.0 + 1..).map(NodeId) {
            let Some((node, _)) = self.run.read_node(id) else { break };
            if !self.is_below(id, module) {
                break;
            }
            if node.kind == Kind::Lm {
                newest = Some(id);
                same = same.max(Some(id).filter(|_| node.outputs == returned.outputs));
            }
        }
        same.or(newest)
    }

    fn is_below(&self, id: NodeId, outer: NodeId) -> bool {
        let mut at = self.run.read_node(id).and_then(|it| it.0.parent);
        while let Some(parent) = at.filter(|it| *it > outer) {
            at = self.run.read_node(parent).and_then(|it| it.0.parent);
        }
        at == Some(outer)
    }
}
