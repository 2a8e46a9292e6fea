//! The traces of rows that a run evaluates, beside its own course.
//!
//! Nothing that a program sees depends on whether anybody wants a trace: what its rows did is no
//! part of `trace()`, of what flowed where, or of what may be repaired. Only the trace of the
//! run that has ended holds it, where the evaluation stood, in the order of the rows. Rows that
//! are done are written to a file where there are many.

use crate::host::Host;
use crate::runtime::run::Run;
use crate::trace::{Edge, Node, NodeId, Spill, Trace};
use crate::util::lock;
use std::collections::BTreeMap;

/// How many nodes of rows stay in memory.
const IN_MEMORY: usize = 1024;

/// What a row is told apart by: the state, the sample, its number, and what it is.
pub type RowKey = (String, u64, usize, String);

/// Which of the evaluations of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch(usize);

/// The rows of all evaluations of a run.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Rows {
    batches: Vec<Rowed>,
    spilled: Spill,
    in_memory: usize,
}

/// The rows of one evaluation.
#[derive(Debug)]
struct Rowed {
    place: Place,
    rows: BTreeMap<RowKey, Kept>,
}

/// Where rows stand: before which node, and which of the branches that go on there evaluated them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: usize,
    branch: Vec<String>,
    parent: Option<NodeId>,
}

/// The trace of a row.
#[derive(Debug)]
enum Kept {
    Here(Trace),
    /// Its nodes in the file.
    Spilled {
        first: usize,
        nodes: usize,
    },
}

impl Rows {
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.batches.iter().all(|it| it.rows.is_empty())
    }

    fn keep(&mut self, host: &dyn Host, Batch(batch): Batch, key: RowKey, trace: Trace) {
        let nodes = trace.nodes.len();
        let has_room = self.in_memory + nodes <= IN_MEMORY;
        let first = (!has_room).then(|| self.spill(host, &trace)).flatten();
        let kept = match first {
            Some(first) => Kept::Spilled { first, nodes },
            None => {
                self.in_memory += nodes;
                Kept::Here(trace)
            }
        };
        let Some(of) = self.batches.get_mut(batch) else { return };
        if let Some(Kept::Here(before)) = of.rows.insert(key, kept) {
            self.in_memory -= before.nodes.len();
        }
    }

    /// Writes the trace of a row to the file, and tells where; what cannot be written stays.
    fn spill(&mut self, host: &dyn Host, trace: &Trace) -> Option<usize> {
        let first = self.spilled.len();
        let mut edges: BTreeMap<NodeId, Vec<Edge>> = BTreeMap::new();
        for edge in &trace.edges {
            edges.entry(edge.to).or_default().push(edge.clone());
        }
        for (id, node) in trace.iter() {
            let leading = edges.remove(&id).unwrap_or_default();
            self.spilled.push(host, node, &leading).ok()?;
        }
        Some(first)
    }

    fn read(&mut self, kept: &Kept) -> Trace {
        let (first, nodes) = match kept {
            Kept::Here(trace) => return trace.clone(),
            Kept::Spilled { first, nodes } => (*first, *nodes),
        };
        let mut trace = Trace::default();
        for at in first..first + nodes {
            let Some((node, edges)) = self.spilled.get(at) else { break };
            trace.nodes.push(node);
            trace.edges.extend(edges);
        }
        trace
    }

    /// The trace of the run with those of its rows where they were evaluated.
    fn merged(&mut self, own: Trace) -> Trace {
        if self.is_empty() {
            return own;
        }
        let mut batches = std::mem::take(&mut self.batches);
        // Those of one branch are in the order in which they came.
        let mut order: Vec<usize> = (0..batches.len()).collect();
        order.sort_by(|a, b| batches[*a].place.cmp(&batches[*b].place));
        let mut into = Merged::default();
        let mut order = order.into_iter().peekable();
        let end = own.nodes.len();
        let mut nodes = own.nodes.into_iter();
        for at in 0..=end {
            let is_here = |it: &usize| batches[*it].place.at.min(end) == at;
            while let Some(batch) = order.next_if(is_here) {
                let parent = batches[batch].place.parent;
                for kept in batches[batch].rows.values() {
                    let row = self.read(kept);
                    into.row(row, parent);
                }
            }
            into.own(nodes.next());
        }
        std::mem::swap(&mut self.batches, &mut batches);
        into.edges(own.edges)
    }
}

/// A trace that is put together.
#[derive(Default)]
struct Merged {
    trace: Trace,
    /// Where the nodes of the run are in it.
    moved: Vec<NodeId>,
}

impl Merged {
    fn row(&mut self, row: Trace, parent: Option<NodeId>) {
        let end = self.trace.nodes.len();
        let parent = parent.and_then(|it| self.moved.get(it.0).copied());
        let moved = |it: NodeId| NodeId(it.0 + end);
        let nodes = row.nodes.into_iter().map(|it| it.renumbered(|it| Some(moved(it))));
        self.trace.nodes.extend(nodes.map(|it| Node { parent: it.parent.or(parent), ..it }));
        let edges = row.edges.into_iter();
        self.trace.edges.extend(edges.map(|it| Edge {
            from: moved(it.from),
            to: moved(it.to),
            ..it
        }));
    }

    fn own(&mut self, node: Option<Node>) {
        let Some(node) = node else { return };
        let node = node.renumbered(|it| self.moved.get(it.0).copied());
        self.moved.push(NodeId(self.trace.nodes.len()));
        self.trace.nodes.push(node);
    }

    fn edges(mut self, own: Vec<Edge>) -> Trace {
        let place = |it: NodeId| self.moved.get(it.0).copied();
        let own = own.into_iter().filter_map(|it| {
            Some(Edge { from: place(it.from)?, to: place(it.to)?, ..it.clone() })
        });
        self.trace.edges.extend(own);
        self.trace
    }
}

impl Run {
    /// Begins to keep the traces of rows.
    pub fn begin_rows(&self) -> Batch {
        let mut rows = lock(&self.rows);
        // Where they are not placed, something ended the evaluation: they came last.
        let place = Place { at: usize::MAX, branch: Vec::new(), parent: None };
        rows.batches.push(Rowed { place, rows: BTreeMap::new() });
        Batch(rows.batches.len() - 1)
    }

    /// Keeps the trace of a row; that of an earlier attempt at it goes.
    pub fn keep_row(&self, batch: Batch, key: RowKey, trace: Trace) {
        lock(&self.rows).keep(&*self.env().host, batch, key, trace);
    }

    /// Says that the rows were evaluated here and now.
    pub fn place_rows(&self, batch: Batch) {
        let (at, parent, branch) = self.place_of_rows();
        if let Some(it) = lock(&self.rows).batches.get_mut(batch.0) {
            it.place = Place { at, branch, parent };
        }
    }

    /// The trace so far, the rows that were evaluated among it.
    pub fn whole_trace(&self) -> Trace {
        let own = self.trace();
        lock(&self.rows).merged(own)
    }

    /// How many nodes that trace has.
    pub fn n_whole(&self) -> usize {
        let rows = lock(&self.rows);
        let nodes = |it: &Kept| match it {
            Kept::Here(trace) => trace.nodes.len(),
            Kept::Spilled { nodes, .. } => *nodes,
        };
        let all = rows.batches.iter().flat_map(|it| it.rows.values());
        all.map(nodes).sum::<usize>() + self.n_nodes()
    }

    /// The trace of a run of a row that has ended, with those of the rows that it evaluated.
    #[must_use]
    pub fn with_rows(&self, own: Trace) -> Trace {
        lock(&self.rows).merged(own)
    }
}
