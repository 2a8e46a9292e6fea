//! The traces of rows that a run evaluates, beside its own course.
//!
//! Nothing that a program sees depends on whether anybody wants a trace: what its rows did is no
//! part of `trace()`, of what flowed where, or of what may be repaired. Only the trace of the
//! run that has ended holds it, where the evaluation stood, in the order of the rows. Rows that
//! are done are written to a file where there are many.

use crate::host::Host;
use crate::runtime::course::{Course, lost};
use crate::runtime::run::Run;
use crate::trace::{Edge, Node, NodeId, Spill, Trace};
use crate::util::lock;
use std::collections::BTreeMap;

/// How many nodes of rows stay in memory.
const IN_MEMORY: usize = 1024;

/// What a row is told apart by: the state, the sample, its number, and what it is.
pub type RowKey = ([u8; 16], u64, usize, [u8; 16]);

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

    /// Where the evaluations stand.
    fn layout(&self) -> Layout {
        let mut order: Vec<usize> = (0..self.batches.len()).collect();
        // Those of one branch are in the order in which they came.
        order.sort_by(|a, b| self.batches[*a].place.cmp(&self.batches[*b].place));
        let mut before = 0;
        let placed = order.into_iter().map(|batch| {
            let Rowed { place, rows } = &self.batches[batch];
            before += rows.values().map(Kept::len).sum::<usize>();
            Placed { at: place.at, batch, end: before }
        });
        Layout(placed.collect())
    }

    /// The nodes of an evaluation, which are counted from `first` in the whole trace.
    fn tell_nodes<E>(
        &mut self,
        batch: usize,
        layout: &Layout,
        mut first: usize,
        tell: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
    ) -> Result<(), E> {
        let Rowed { place, rows } = &self.batches[batch];
        let parent = place.parent.map(|it| layout.moved(it));
        for kept in rows.values() {
            for at in 0..kept.len() {
                let node = match kept {
                    Kept::Here(trace) => trace.nodes[at].clone(),
                    Kept::Spilled { first, .. } => {
                        self.spilled.get(first + at).unwrap_or_else(lost).0
                    }
                };
                let node = node.renumbered(|it| Some(NodeId(it.0 + first)));
                let node = Node { parent: node.parent.or(parent), ..node };
                tell(NodeId(first + at), &node)?;
            }
            first += kept.len();
        }
        Ok(())
    }

    /// Its edges.
    fn tell_edges<E>(
        &mut self,
        batch: usize,
        mut first: usize,
        tell: &mut dyn FnMut(&Edge) -> Result<(), E>,
    ) -> Result<(), E> {
        for kept in self.batches[batch].rows.values() {
            let moved = |it: NodeId| NodeId(it.0 + first);
            let mut one =
                |it: Edge| tell(&Edge { from: moved(it.from), to: moved(it.to), ..it });
            match kept {
                Kept::Here(trace) => trace.edges.iter().cloned().try_for_each(&mut one)?,
                Kept::Spilled { first, nodes } => {
                    for at in *first..first + nodes {
                        let edges = self.spilled.edges(at).unwrap_or_default();
                        edges.into_iter().try_for_each(&mut one)?;
                    }
                }
            }
            first += kept.len();
        }
        Ok(())
    }
}

/// Where the evaluations of a run stand in its trace, in order.
#[derive(Debug)]
struct Layout(Vec<Placed>);

/// Where an evaluation stands.
#[derive(Debug)]
struct Placed {
    /// Before which node of the run.
    at: usize,
    /// Which it is.
    batch: usize,
    /// How many nodes it and those before it have.
    end: usize,
}

impl Layout {
    /// Where a node of the run is in the whole trace.
    fn moved(&self, id: NodeId) -> NodeId {
        let n_before = self.0.partition_point(|it| it.at <= id.0);
        let before = n_before.checked_sub(1).map_or(0, |it| self.0[it].end);
        NodeId(id.0 + before)
    }
}

impl Kept {
    /// How many nodes it has.
    fn len(&self) -> usize {
        match self {
            Self::Here(trace) => trace.nodes.len(),
            Self::Spilled { nodes, .. } => *nodes,
        }
    }
}

/// A trace that is told: its nodes in their order, and its edges.
trait Told {
    fn tell<E>(
        &mut self,
        node: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
        edge: &mut dyn FnMut(&Edge) -> Result<(), E>,
    ) -> Result<(), E>;
}

impl Told for Course {
    fn tell<E>(
        &mut self,
        node: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
        edge: &mut dyn FnMut(&Edge) -> Result<(), E>,
    ) -> Result<(), E> {
        Self::tell(self, node, edge)
    }
}

impl Told for Trace {
    fn tell<E>(
        &mut self,
        node: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
        edge: &mut dyn FnMut(&Edge) -> Result<(), E>,
    ) -> Result<(), E> {
        self.iter().try_for_each(|(id, it)| node(id, it))?;
        self.edges.iter().try_for_each(edge)
    }
}

/// Tells the trace of a run with those of its rows where they were evaluated.
fn tell_merged<E>(
    rows: &mut Rows,
    own: &mut impl Told,
    node: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
    edge: &mut dyn FnMut(&Edge) -> Result<(), E>,
) -> Result<(), E> {
    if rows.is_empty() {
        return own.tell(node, edge);
    }
    let layout = rows.layout();
    let mut open = layout.0.iter().peekable();
    // How many nodes of the run and of rows were told.
    let (mut n_own, mut n_rows) = (0, 0);
    own.tell(
        &mut |id, it| {
            while let Some(Placed { batch, end, .. }) = open.next_if(|it| it.at <= id.0) {
                rows.tell_nodes(*batch, &layout, n_own + n_rows, node)?;
                n_rows = *end;
            }
            n_own += 1;
            node(layout.moved(id), &it.clone().renumbered(|it| Some(layout.moved(it))))
        },
        &mut |_| Ok(()),
    )?;
    for Placed { batch, end, .. } in open {
        rows.tell_nodes(*batch, &layout, n_own + n_rows, node)?;
        n_rows = *end;
    }
    n_rows = 0;
    for Placed { at, batch, end } in &layout.0 {
        rows.tell_edges(*batch, at.min(&n_own) + n_rows, edge)?;
        n_rows = *end;
    }
    own.tell(&mut |_, _| Ok(()), &mut |it| {
        let (from, to) = (layout.moved(it.from), layout.moved(it.to));
        edge(&Edge { from, to, ..it.clone() })
    })
}

/// The same as a whole.
fn merged(rows: &mut Rows, own: &mut impl Told) -> Trace {
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    let told: Result<(), std::convert::Infallible> = tell_merged(
        rows,
        own,
        &mut |_, it| {
            nodes.push(it.clone());
            Ok(())
        },
        &mut |it| {
            edges.push(it.clone());
            Ok(())
        },
    );
    match told {
        Ok(()) => Trace { nodes, edges },
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
        let mut rows = lock(&self.rows);
        if rows.is_empty() {
            return self.trace();
        }
        merged(&mut rows, &mut self.trace())
    }

    /// Tells that trace without having it in memory as a whole: all nodes, then all edges.
    ///
    /// # Errors
    /// Those of whom it tells.
    pub fn tell_trace<E>(
        &self,
        node: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
        edge: &mut dyn FnMut(&Edge) -> Result<(), E>,
    ) -> Result<(), E> {
        tell_merged(&mut lock(&self.rows), &mut *lock(&self.course), node, edge)
    }

    /// How many nodes that trace has.
    pub fn n_whole(&self) -> usize {
        let rows = lock(&self.rows);
        let all = rows.batches.iter().flat_map(|it| it.rows.values());
        all.map(Kept::len).sum::<usize>() + self.n_nodes()
    }

    /// The trace of a run of a row that has ended, with those of the rows that it evaluated.
    #[must_use]
    pub fn with_rows(&self, mut own: Trace) -> Trace {
        let mut rows = lock(&self.rows);
        if rows.is_empty() { own } else { merged(&mut rows, &mut own) }
    }
}
