//! The traces of the rows of an evaluation or a search, until all are there.
//!
//! They are taken over in the order of what they are traces of, and not in that of time. Until
//! then they lie in a file, for a hundred thousand rows would not fit beside each other.

use crate::eval::Job;
use crate::host::Host;
use crate::program::{State, row_hash};
use crate::trace::{Edge, NodeId, Spill, Trace};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What a trace is of: a state, a sample, the row and its content.
type Key = ([u8; 16], u64, usize, [u8; 16]);

/// Traces of rows.
#[derive(Debug, Default)]
pub(crate) struct RowTraces {
    nodes: Spill,
    /// Which of the nodes are those of a trace.
    places: BTreeMap<Key, Range<usize>>,
    /// Traces that could not be written.
    unwritten: BTreeMap<Key, Trace>,
    /// The state that rows were kept of last, and its hash: rows of one state come together.
    latest: Option<(Arc<State>, [u8; 16])>,
}

impl RowTraces {
    /// Keeps the trace of a run; a row that is run again counts as it was last.
    pub(crate) fn keep(&mut self, host: &dyn Host, job: &Job, trace: Trace) {
        let key = self.key(job);
        self.places.remove(&key);
        self.unwritten.remove(&key);
        let first = self.nodes.len();
        let mut edges: BTreeMap<NodeId, Vec<Edge>> = BTreeMap::new();
        for edge in &trace.edges {
            edges.entry(edge.to).or_default().push(edge.clone());
        }
        let leading = |id| edges.get(&id).map_or(&[][..], |it: &Vec<Edge>| it);
        let nodes = &mut self.nodes;
        let is_written =
            trace.iter().all(|(id, node)| nodes.push(host, node, leading(id)).is_ok());
        if is_written {
            self.places.insert(key, first..self.nodes.len());
        } else {
            self.unwritten.insert(key, trace);
        }
    }

    fn key(&mut self, job: &Job) -> Key {
        let known = self.latest.as_ref().filter(|it| Arc::ptr_eq(&it.0, &job.state));
        let state = match known {
            Some((_, hash)) => *hash,
            None => {
                let hash = bytes(&job.state.hash());
                self.latest = Some((job.state.clone(), hash));
                hash
            }
        };
        // Rows of several data sets have the same indices.
        (state, job.rollout, job.row.index, bytes(&row_hash(&job.row)))
    }

    /// Gives all away, in their order.
    pub(crate) fn give(mut self, to: &mut dyn FnMut(Trace)) {
        let mut keys: Vec<Key> =
            self.places.keys().chain(self.unwritten.keys()).copied().collect();
        keys.sort_unstable();
        for key in keys {
            let unwritten = self.unwritten.remove(&key);
            let place = self.places.get(&key).cloned();
            // What cannot be read again is missing.
            if let Some(trace) = unwritten.or_else(|| self.read(place?)) {
                to(trace);
            }
        }
    }

    fn read(&mut self, at: Range<usize>) -> Option<Trace> {
        let mut trace = Trace::default();
        for at in at {
            let (node, edges) = self.nodes.get(at)?;
            trace.nodes.push(node);
            trace.edges.extend(edges);
        }
        Some(trace)
    }
}

/// A hash as bytes, in the order of the text.
fn bytes(hash: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = hash.len().min(16);
    bytes[..length].copy_from_slice(&hash.as_bytes()[..length]);
    bytes
}
