//! What a run writes down as it goes: its trace, its counts, its warnings.
//!
//! A run may have branches, which go on at once and keep courses of their own. What they write
//! down is taken over in the order of the branches, so that no trace depends on time: each
//! counts its calls in its own share of the numbers, and its nodes are numbered on from those
//! that there were when it began.

use crate::host::Host;
use crate::lm::Address;
use crate::runtime::history::HistoryValue;
use crate::runtime::passages::Passages;
use crate::runtime::repair::{Demand, GIVEN};
use crate::runtime::run::{Run, Warning};
use crate::runtime::sources::Sources;
use crate::runtime::tape::Tape;
use crate::runtime::value::{Text, Val, to_record};
use crate::schema::Record;
use crate::trace::{Edge, Kind, LmCall, Node, NodeId, Spill, Totals, Trace, Via};
use crate::util::lock;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many of the latest nodes stay in memory.
const IN_MEMORY: usize = 1024;

/// What a run writes down as it goes.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Course {
    /// The latest nodes of its own, and the edges that lead to them; all ids are counted from
    /// `base`, those of the nodes that were spilled first.
    trace: Trace,
    /// The nodes before them.
    spilled: Spill,
    /// Nodes among those that are under way, or were and could not be written again.
    aside: BTreeMap<usize, Node>,
    /// The machine gives no room for nodes.
    is_full: bool,
    /// How many nodes the run around it had.
    base: usize,
    /// The nodes under way, the innermost last.
    open: Vec<NodeId>,
    /// Where texts of replies came from, by identity; the text is kept so that its identity is
    /// not given to another.
    texts: BTreeMap<usize, (Text, NodeId, Arc<str>)>,
    /// How often each predictor was called.
    ordinals: BTreeMap<String, usize>,
    warnings: Vec<Warning>,
    /// What the attempt under way was found wanting of.
    pub(in crate::runtime) demands: Vec<Demand>,
    /// The consts being computed, the innermost last.
    consts: Vec<String>,
    /// What is printed when it is taken over.
    printed: String,
    /// What consts did that were first needed in a branch, by name.
    of_consts: BTreeMap<String, Self>,
    /// Where values of the program came from.
    pub(super) sources: Sources,
    /// The latest texts of replies.
    passages: Passages,
}

/// Where an attempt began.
#[derive(Debug)]
pub(in crate::runtime) struct Mark {
    ordinals: BTreeMap<String, usize>,
    warnings: usize,
    sites: usize,
}

impl Mark {
    /// How often each predictor had been called.
    pub(in crate::runtime) fn ordinals(&self) -> &BTreeMap<String, usize> {
        &self.ordinals
    }
}

/// A run's place among those that go on at once inside another.
#[derive(Debug)]
pub(in crate::runtime) struct Branch {
    outer: Arc<Run>,
    place: Place,
    /// How often each predictor had been called when they began.
    before: Arc<BTreeMap<String, usize>>,
}

impl Branch {
    /// The run that it is a branch of.
    pub(in crate::runtime) fn outer(&self) -> &Run {
        &self.outer
    }
}

/// Which of the branches it is.
#[derive(Debug, Clone)]
pub(in crate::runtime) enum Place {
    /// One of `of` elements, which all do the same: first come the first calls of all of them,
    /// then their second ones.
    Element { at: usize, of: usize },
    /// One that has a name, and counts its calls by itself.
    Named(Arc<str>),
    /// One that has a name, and in which something is made again: nothing goes on beside it.
    Again(Arc<str>),
    /// The only one, beside the run itself.
    Alone,
}

impl Place {
    /// The number of the `count`-th call.
    fn ordinal(&self, count: usize) -> usize {
        match self {
            Self::Element { at, of } => at + count * of,
            Self::Named(_) | Self::Again(_) | Self::Alone => count,
        }
    }

    /// The first number that no branch has used where each made `count` calls at most.
    fn after(&self, count: usize) -> usize {
        match self {
            Self::Element { of, .. } => count * of,
            Self::Named(_) | Self::Again(_) | Self::Alone => count,
        }
    }
}

impl Course {
    /// A run that was stopped may have left these.
    pub(in crate::runtime) fn forget_what_was_open(&mut self) {
        self.open.clear();
        self.consts.clear();
        self.warnings.clear();
        self.sources.forget_what_was_open();
    }

    /// Where the course is.
    pub(in crate::runtime) fn mark(&self) -> Mark {
        Mark {
            ordinals: self.ordinals.clone(),
            warnings: self.warnings.len(),
            sites: self.sources.n_calls(),
        }
    }

    /// Counts calls from a mark again, and forgets what was warned of since. The trace stays.
    pub(in crate::runtime) fn rewind(&mut self, mark: &Mark) {
        self.ordinals.clone_from(&mark.ordinals);
        self.warnings.truncate(mark.warnings);
        self.sources.begin_again(mark.sites);
    }

    /// How often each predictor was called.
    pub(in crate::runtime) fn ordinals(&self) -> impl Iterator<Item = (&String, &usize)> {
        self.ordinals.iter()
    }

    /// Takes what the attempt was found wanting of.
    pub(in crate::runtime) fn take_demands(&mut self) -> Vec<Demand> {
        std::mem::take(&mut self.demands)
    }

    /// The calls to models from a node on: where, which, and the reply that was read last.
    pub(in crate::runtime) fn calls_from(
        &mut self,
        root: NodeId,
    ) -> Vec<(NodeId, Address, String)> {
        let mut calls = Vec::new();
        for id in (root.0..self.end()).map(NodeId) {
            let Some((node, _)) = self.read(id) else { break };
            let Some(call) = node.call.filter(|_| node.kind == Kind::Lm) else { continue };
            let reply = call.attempts.iter().rev().find_map(|it| it.completion.as_ref());
            let reply = reply.map(|it| it.text.clone()).unwrap_or_default();
            calls.push((id, node.address, reply));
        }
        calls
    }

    /// The id of the next node.
    pub(super) fn end(&self) -> usize {
        self.in_memory_from() + self.trace.nodes.len()
    }

    /// The id of the first node that was not spilled.
    fn in_memory_from(&self) -> usize {
        self.base + self.spilled.len()
    }

    /// How many nodes there are.
    fn n_nodes(&self) -> usize {
        self.spilled.len() + self.trace.nodes.len()
    }

    /// How many nodes are under way.
    pub(super) fn n_open(&self) -> usize {
        self.open.len()
    }

    /// The innermost node under way.
    pub(super) fn open_node(&self) -> Option<NodeId> {
        self.open.last().copied()
    }

    /// The names of what a node gave, while it is in memory.
    pub(super) fn output_names(&self, id: NodeId) -> Arc<[Arc<str>]> {
        let at = id.0.checked_sub(self.in_memory_from());
        let node = at.and_then(|it| self.trace.nodes.get(it));
        node.and_then(|it| it.outputs.as_ref())
            .into_iter()
            .flat_map(|it| it.keys())
            .cloned()
            .collect()
    }

    /// A node that is under way.
    pub(super) fn node(&mut self, id: NodeId) -> &mut Node {
        match id.0.checked_sub(self.in_memory_from()) {
            Some(at) => &mut self.trace.nodes[at],
            None => self.aside.get_mut(&id.0).expect("nodes under way stay in memory"),
        }
    }

    /// A node and the edges that lead to it.
    pub(in crate::runtime) fn read(&mut self, id: NodeId) -> Option<(Node, Vec<Edge>)> {
        if let Some(at) = id.0.checked_sub(self.in_memory_from()) {
            let node = self.trace.nodes.get(at)?.clone();
            let edges = self.trace.edges.iter().filter(|it| it.to == id).cloned();
            return Some((node, edges.collect()));
        }
        let (node, edges) = self.spilled.get(id.0.checked_sub(self.base)?)?;
        Some((self.aside.get(&id.0).cloned().unwrap_or(node), edges))
    }

    /// The whole trace, with ids that are counted from `base`.
    fn whole(&mut self) -> Trace {
        if self.spilled.is_empty() {
            return self.trace.clone();
        }
        let mut whole = Trace::default();
        for id in self.base..self.in_memory_from() {
            let (node, edges) = self.read(NodeId(id)).unwrap_or_else(lost);
            whole.nodes.push(node);
            whole.edges.extend(edges);
        }
        whole.nodes.extend(self.trace.nodes.iter().cloned());
        whole.edges.extend(self.trace.edges.iter().cloned());
        whole
    }

    /// The trace with ids from 0; values that came from outside have no edges in it.
    fn own_trace(&mut self) -> Trace {
        let whole = self.whole();
        if self.base == 0 {
            return whole;
        }
        let moved = |id: NodeId| id.0.checked_sub(self.base).map(NodeId);
        let node = |it: Node| it.renumbered(moved);
        let edges = whole.edges.into_iter().filter_map(|edge| {
            Some(Edge { from: moved(edge.from)?, to: moved(edge.to)?, ..edge })
        });
        Trace { edges: edges.collect(), nodes: whole.nodes.into_iter().map(node).collect() }
    }

    /// Writes older nodes to a file where there are many. What cannot be written stays.
    fn spill(&mut self, host: &dyn Host) {
        if self.trace.nodes.len() < 2 * IN_MEMORY || self.is_full {
            return;
        }
        let first = self.in_memory_from();
        let mut edges: BTreeMap<NodeId, Vec<Edge>> = BTreeMap::new();
        let goes = first + self.trace.nodes.len() - IN_MEMORY;
        for edge in std::mem::take(&mut self.trace.edges) {
            match edge.to.0 < goes {
                true => edges.entry(edge.to).or_default().push(edge),
                false => self.trace.edges.push(edge),
            }
        }
        let mut n_written = 0;
        for (at, node) in self.trace.nodes[..goes - first].iter().enumerate() {
            let id = NodeId(first + at);
            let leading = edges.remove(&id).unwrap_or_default();
            if self.spilled.push(host, node, &leading).is_err() {
                self.is_full = true;
                edges.insert(id, leading);
                break;
            }
            n_written += 1;
        }
        let written = self.trace.nodes.drain(..n_written).enumerate();
        let written = written.map(|(at, node)| (first + at, node));
        self.aside.extend(written.filter(|(id, _)| self.open.contains(&NodeId(*id))));
        // Those that could not be written with their nodes.
        self.trace.edges.splice(..0, edges.into_values().flatten());
        // A text that nobody else holds flows nowhere any more.
        self.texts.retain(|_, (text, ..)| text.is_held_elsewhere());
    }

    /// Writes a node again that was under way when it was written.
    fn spill_again(&mut self, host: &dyn Host, id: NodeId) {
        let Some(node) = self.aside.get(&id.0) else { return };
        let at = id.0 - self.base;
        let edges = self.spilled.get(at).map(|it| it.1).unwrap_or_default();
        if self.spilled.replace(host, at, node, &edges).is_ok() {
            self.aside.remove(&id.0);
        }
    }

    /// Takes the whole trace out of it.
    fn take_whole(&mut self) -> Trace {
        if self.spilled.is_empty() {
            return std::mem::take(&mut self.trace);
        }
        let whole = self.whole();
        (self.spilled, self.trace, self.aside) = Default::default();
        whole
    }

    /// A node, and those that it is a retry of, the first attempt first.
    fn attempts(&mut self, root: NodeId) -> Vec<NodeId> {
        let mut attempts = vec![root];
        while let Some(earlier) = self.read(attempts[0]).and_then(|it| it.0.retry_of) {
            attempts.insert(0, earlier);
        }
        attempts
    }

    /// The part of the trace that is the course of one node and of the attempts before it,
    /// renumbered: its nodes follow it.
    fn below(&mut self, root: NodeId) -> Trace {
        let attempts = self.attempts(root);
        let mut places: IndexMap<NodeId, NodeId> = IndexMap::new();
        let (mut part, mut found) = (Trace::default(), Vec::new());
        for id in (attempts[0].0..self.end()).map(NodeId) {
            let Some((node, edges)) = self.read(id) else { break };
            let node = node.renumbered(|it| places.get(&it).copied());
            if !attempts.contains(&id) && node.parent.is_none() {
                if id < root {
                    continue;
                }
                break;
            }
            places.insert(id, NodeId(part.nodes.len()));
            part.nodes.push(node);
            found.extend(edges);
        }
        for edge in found {
            if let (Some(from), Some(to)) = (places.get(&edge.from), places.get(&edge.to)) {
                part.edges.push(Edge { from: *from, to: *to, ..edge });
            }
        }
        part
    }

    /// Takes over what another course wrote down, a node after the other, so that it is never
    /// in memory as a whole.
    fn take_over_from(&mut self, theirs: &mut Self, host: &dyn Host) {
        let (base, end) = (theirs.base, self.end());
        let parent = self.open.last().copied();
        let moved = |id: NodeId| moved(id, base, end);
        theirs.drain(&mut |node, edges| {
            let node = node.renumbered(|it| Some(moved(it)));
            if node.parent.is_none() && gives_values(node.kind) {
                self.sources.opened(NodeId(self.end()), self.open.len());
            }
            self.trace.nodes.push(Node { parent: node.parent.or(parent), ..node });
            self.trace.edges.extend(edges.into_iter().map(|edge| {
                let (from, to) = (moved(edge.from), moved(edge.to));
                Edge { from, to, ..edge }
            }));
            self.spill(host);
        });
    }

    /// Gives its nodes away, each with the edges that lead to it.
    fn drain(&mut self, give: &mut dyn FnMut(Node, Vec<Edge>)) {
        for id in self.base..self.in_memory_from() {
            let (node, edges) = self.read(NodeId(id)).unwrap_or_else(lost);
            give(node, edges);
        }
        let first = self.in_memory_from();
        let mut edges = by_target(std::mem::take(&mut self.trace.edges));
        for (at, node) in std::mem::take(&mut self.trace.nodes).into_iter().enumerate() {
            give(node, edges.remove(&NodeId(first + at)).unwrap_or_default());
        }
        (self.spilled, self.aside) = Default::default();
    }

    /// Tells all nodes in their order, and then all edges in the order of where they lead.
    pub(in crate::runtime) fn tell<E>(
        &mut self,
        node: &mut dyn FnMut(NodeId, &Node) -> Result<(), E>,
        edge: &mut dyn FnMut(&Edge) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = self.in_memory_from();
        for id in (self.base..first).map(NodeId) {
            let (it, _) = self.read(id).unwrap_or_else(lost);
            node(id, &it)?;
        }
        for (at, it) in self.trace.nodes.iter().enumerate() {
            node(NodeId(first + at), it)?;
        }
        for at in 0..self.spilled.len() {
            self.spilled.edges(at).unwrap_or_default().iter().try_for_each(&mut *edge)?;
        }
        let edges = by_target(self.trace.edges.clone());
        edges.values().flatten().try_for_each(edge)
    }
}

/// What stands for a node that cannot be read again: a place must be taken, so that ids stay
/// what they are.
pub(in crate::runtime) fn lost() -> (Node, Vec<Edge>) {
    (Node::new(Kind::Module, "(lost)", Address::default(), Record::new()), Vec::new())
}

/// Edges by where they lead.
fn by_target(edges: Vec<Edge>) -> BTreeMap<NodeId, Vec<Edge>> {
    let mut by: BTreeMap<NodeId, Vec<Edge>> = BTreeMap::new();
    for edge in edges {
        by.entry(edge.to).or_default().push(edge);
    }
    by
}

/// How often each predictor of a run was called.
#[derive(Debug, Clone, Default)]
pub struct Counts(BTreeMap<String, usize>);

/// Whether a node of this kind gives the program values.
fn gives_values(kind: Kind) -> bool {
    !matches!(kind, Kind::Assert | Kind::Suggest | Kind::Metric)
}

/// The id of a node that is taken over: ids from `base` on are counted from `end`.
pub(in crate::runtime) fn moved(id: NodeId, base: usize, end: usize) -> NodeId {
    if id.0 >= base { NodeId(id.0 - base + end) } else { id }
}

/// What a run had when its branches began.
#[derive(Debug)]
pub(in crate::runtime) struct Fork {
    ordinals: Arc<BTreeMap<String, usize>>,
    /// How many nodes there were.
    pub(in crate::runtime) base: usize,
    passages: Passages,
}

impl Fork {
    /// How many nodes the run had.
    pub(in crate::runtime) fn base(&self) -> usize {
        self.base
    }
}

impl Run {
    /// Begins branches.
    pub(in crate::runtime) fn fork(&self) -> Fork {
        let course = lock(&self.course);
        Fork {
            ordinals: Arc::new(course.ordinals.clone()),
            base: course.end(),
            passages: course.passages.clone(),
        }
    }

    /// Returns the branch at a place.
    pub(in crate::runtime) fn branch(self: &Arc<Self>, fork: &Fork, place: Place) -> Arc<Self> {
        let passages = fork.passages.clone();
        let course = Course { base: fork.base, passages, ..Course::default() };
        let before = fork.ordinals.clone();
        let branch = Branch { outer: self.clone(), place, before };
        Arc::new(self.inner(course, Some(branch)))
    }

    /// Returns a branch in which something is made again: it counts calls from the first, with
    /// a tape between it and its models.
    pub(in crate::runtime) fn again(
        self: &Arc<Self>,
        fork: &Fork,
        place: Place,
        tape: impl FnOnce(&Self) -> Arc<dyn Tape>,
    ) -> Arc<Self> {
        let passages = fork.passages.clone();
        let course = Course { base: fork.base, passages, ..Course::default() };
        let branch = Branch { outer: self.clone(), place, before: Arc::default() };
        let branch = self.inner(course, Some(branch));
        let tape = tape(&branch);
        branch.behind(tape)
    }

    /// How often each predictor was called so far.
    pub fn counts(&self) -> Counts {
        Counts(lock(&self.course).ordinals.clone())
    }

    /// Counts calls on from there.
    pub fn count_from(&self, Counts(ordinals): &Counts) {
        lock(&self.course).ordinals.clone_from(ordinals);
    }

    /// The id of the next node, where no call is under way in this run.
    pub(in crate::runtime) fn end_where_outermost(&self) -> Option<NodeId> {
        let course = lock(&self.course);
        course.open.is_empty().then(|| NodeId(course.end()))
    }

    /// By how much the numbers of two calls of one predictor differ that follow each other.
    pub(in crate::runtime) fn stride(&self) -> usize {
        let Some(branch) = &self.branch else { return 1 };
        let own = match branch.place {
            Place::Element { of, .. } => of,
            Place::Named(_) | Place::Again(_) | Place::Alone => 1,
        };
        own.saturating_mul(branch.outer.stride())
    }

    /// How many forks it stands in.
    pub(in crate::runtime) fn n_forks(&self) -> usize {
        let Some(branch) = &self.branch else { return 0 };
        let is_fork = matches!(&branch.place, Place::Again(_));
        usize::from(is_fork) + branch.outer.n_forks()
    }

    /// Takes over what a branch that has ended wrote down, and returns the id from which its
    /// nodes are counted now.
    pub(in crate::runtime) fn join(&self, ended: &Self) -> usize {
        let Some(branch) = &ended.branch else { return 0 };
        let mut theirs = std::mem::take(&mut *lock(&ended.course));
        self.print(&theirs.printed);
        let mut course = lock(&self.course);
        let end = course.end();
        course.take_over_from(&mut theirs, &*self.env().host);
        for (identity, (text, node, field)) in theirs.texts {
            let from = (text, moved(node, theirs.base, end), field);
            course.texts.entry(identity).or_insert(from);
        }
        for (path, count) in theirs.ordinals {
            let before = branch.before.get(&path).copied().unwrap_or_default();
            let known = course.ordinals.entry(path).or_default();
            *known = (*known).max(before + branch.place.after(count));
        }
        course.warnings.extend(theirs.warnings);
        course.demands.extend(theirs.demands);
        course.of_consts.extend(theirs.of_consts);
        course.sources.join(theirs.sources, theirs.base, end);
        let moved = |id| moved(id, theirs.base, end);
        course.passages.join(theirs.passages, moved, theirs.base);
        end
    }

    /// Takes over what consts did that the branches were the first to need: in the order of
    /// their names, for which branch came first is a matter of time.
    pub(in crate::runtime) fn join_consts(&self) {
        if self.branch.is_some() {
            return;
        }
        let of_consts = std::mem::take(&mut lock(&self.course).of_consts);
        for (_, theirs) in of_consts {
            let mut theirs = theirs;
            self.print(&theirs.printed);
            let mut course = lock(&self.course);
            course.take_over_from(&mut theirs, &*self.env().host);
            course.warnings.extend(theirs.warnings);
        }
    }

    /// A run in which a const is computed that a branch is the first to need.
    pub(in crate::runtime) fn for_const(&self, name: &str) -> Arc<Self> {
        let course = Course { consts: vec![name.to_owned()], ..Course::default() };
        Arc::new(self.inner(course, None))
    }

    /// Keeps what such a run did.
    pub(in crate::runtime) fn keep_const(&self, name: &str, ended: &Self) {
        let theirs = std::mem::take(&mut *lock(&ended.course));
        lock(&self.course).of_consts.insert(name.to_owned(), theirs);
    }

    /// How many runs it is a branch inside of.
    pub(in crate::runtime) fn depth(&self) -> usize {
        self.branch.as_ref().map_or(0, |it| {
            let is_beside = !matches!(it.place, Place::Alone | Place::Again(_));
            usize::from(is_beside) + it.outer.depth()
        })
    }

    /// Writes to the standard output; what branches and rows print is written in their order.
    pub fn print(&self, text: &str) {
        if let Some(repairs) = self.repairs().filter(|it| it.holds_prints_of(self)) {
            repairs.print(text);
        } else if self.branch.is_some() || self.example().is_some() {
            lock(&self.course).printed.push_str(text);
        } else if !text.is_empty() {
            self.env().host.print(text);
        }
    }

    /// Takes what the run of a row printed.
    pub fn take_printed(&self) -> String {
        std::mem::take(&mut lock(&self.course).printed)
    }

    /// The address of the next call of the predictor at `path`.
    pub(in crate::runtime) fn next_address(&self, path: &str) -> Address {
        let count = {
            let mut course = lock(&self.course);
            let ordinal = course.ordinals.entry(path.to_owned()).or_default();
            *ordinal += 1;
            *ordinal - 1
        };
        let ordinal = self.ordinal(path, count);
        let branch = self.branch_name();
        Address { path: path.to_owned(), example: self.example(), ordinal, branch }
    }

    /// The address for the next reply of a script: in an attempt that is made again, behind
    /// those that were given before.
    pub(in crate::runtime) fn renumbered(&self, address: &Address) -> Address {
        let Some(repairs) = self.repairs() else { return address.clone() };
        let given = self.next_address(&format!("{}{GIVEN}", address.path)).ordinal;
        match repairs.given(&address.path) {
            None => address.clone(),
            Some(before) => Address { ordinal: before + given, ..address.clone() },
        }
    }

    /// The names of the branches that it is inside of, with dots.
    pub(in crate::runtime) fn branch_name(&self) -> String {
        let Some(branch) = &self.branch else { return String::new() };
        let outer = branch.outer.branch_name();
        match &branch.place {
            Place::Element { .. } | Place::Alone => outer,
            Place::Named(name) | Place::Again(name) if outer.is_empty() => name.to_string(),
            Place::Named(name) | Place::Again(name) => format!("{outer}.{name}"),
        }
    }

    /// The number of the `count`-th call in this run among all calls.
    pub(in crate::runtime) fn ordinal(&self, path: &str, count: usize) -> usize {
        match &self.branch {
            None => count,
            Some(branch) => {
                let before = branch.before.get(path).copied().unwrap_or_default();
                branch.outer.ordinal(path, before + branch.place.ordinal(count))
            }
        }
    }

    /// The address of a node.
    pub(in crate::runtime) fn trace_address(&self, id: NodeId) -> Address {
        lock(&self.course).node(id).address.clone()
    }

    /// A node that it or a run around it has, and the edges that lead to it.
    pub(in crate::runtime) fn read_node(&self, id: NodeId) -> Option<(Node, Vec<Edge>)> {
        let mut course = lock(&self.course);
        match (id.0.checked_sub(course.base), &self.branch) {
            (Some(_), _) => course.read(id),
            (None, Some(branch)) => {
                drop(course);
                branch.outer.read_node(id)
            }
            (None, None) => None,
        }
    }

    /// Whether it is known that what goes on will be made again.
    pub(in crate::runtime) fn is_wanting(&self) -> bool {
        let own = lock(&self.course).demands.iter().any(Demand::is_open);
        own || self.branch.as_ref().is_some_and(|it| it.outer.is_wanting())
    }

    /// Opens a node: what happens until it is closed is its child.
    pub(in crate::runtime) fn open_node(&self, mut node: Node) -> NodeId {
        node.began = self.env().host.elapsed();
        for value in node.inputs.values_mut().filter(|it| it.has_media()) {
            *value = value.remembered();
        }
        let mut course = lock(&self.course);
        node.parent = course.open.last().copied();
        let id = NodeId(course.end());
        if gives_values(node.kind) {
            let depth = course.n_open();
            let site = course.sources.opened(id, depth);
            node.judge = site.is_some_and(|it| self.script().judges(it));
        }
        if course.trace.nodes.is_empty() {
            // A module and its predictor: many runs of rows open no more.
            course.trace.nodes.reserve_exact(2);
        }
        course.trace.nodes.push(node);
        course.open.push(id);
        id
    }

    /// Closes a node.
    pub(in crate::runtime) fn close_node(&self, id: NodeId, finish: impl FnOnce(&mut Node)) {
        let now = self.env().host.elapsed();
        let mut course = lock(&self.course);
        while course.open.last().is_some_and(|it| *it >= id) {
            course.open.pop();
        }
        if !self.is_recorded() {
            let kept = id.0.saturating_sub(course.in_memory_from());
            course.trace.nodes.truncate(kept);
            return;
        }
        let node = course.node(id);
        node.took = now.saturating_sub(node.began);
        finish(node);
        course.spill_again(&*self.env().host, id);
        course.spill(&*self.env().host);
    }

    /// Whether what happens is written down.
    pub(in crate::runtime) fn is_recorded(&self) -> bool {
        !self.session().settings.unrecorded
    }

    /// Notes which replies flow into a node.
    pub(in crate::runtime) fn note_inputs<'a>(
        &self,
        to: NodeId,
        inputs: impl Iterator<Item = (&'a str, &'a Val)>,
    ) {
        if !self.is_recorded() {
            return;
        }
        let inputs: Vec<(&str, &Val)> = inputs.collect();
        let names: Vec<&str> = inputs.iter().map(|it| it.0).collect();
        let mut known = self.static_edges(to, &names);
        known.extend(self.identity_edges(to, &inputs));
        for (name, value) in inputs {
            let found = lock(&self.course).passages.edges(to, name, value, &known);
            known.extend(found);
        }
        self.note_edges(to, known.into_iter());
    }

    /// As [`Run::note_inputs`], for a condition and its site.
    pub(in crate::runtime) fn note_reads(
        &self,
        to: NodeId,
        at: Option<(i64, i64)>,
        reads: &[(&str, &Val)],
    ) {
        if !self.is_recorded() {
            return;
        }
        let known = at.map(|at| self.condition_edges(to, at)).unwrap_or_default();
        self.note_edges(to, known.into_iter().chain(self.identity_edges(to, reads)));
    }

    /// The edges of the replies and texts that stand in values.
    fn identity_edges(&self, to: NodeId, inputs: &[(&str, &Val)]) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (name, value) in inputs {
            self.trace_origins(value, &mut |from, output| {
                let input = Some((*name).to_owned());
                edges.push(Edge { from, output, to, input, via: Via::Identity });
            });
        }
        edges
    }

    /// Notes the edges that lead to a node, the surest first: one from each output to each input.
    pub(in crate::runtime) fn note_edges(&self, to: NodeId, edges: impl Iterator<Item = Edge>) {
        let mut course = lock(&self.course);
        // All edges to a node are noted at once: only they can be equal.
        let known = course.trace.edges.len();
        for edge in edges {
            let same = |it: &Edge| {
                (it.from, &it.output, &it.input) == (edge.from, &edge.output, &edge.input)
            };
            if edge.from != to && !course.trace.edges[known..].iter().any(same) {
                course.trace.edges.push(edge);
            }
        }
    }

    /// Tells where the texts and replies inside a value came from.
    fn trace_origins(&self, value: &Val, tell: &mut impl FnMut(NodeId, Option<String>)) {
        match value {
            Val::Str(text) => {
                if let Some((node, field)) = self.origin(text.identity()) {
                    tell(node, Some(field.to_string()));
                }
            }
            Val::List(items) => items.iter().for_each(|it| self.trace_origins(it, tell)),
            Val::Map(entries) => entries.values().for_each(|it| self.trace_origins(it, tell)),
            Val::Object(object) => {
                if let Some(node) = object.node() {
                    tell(node, None);
                }
                let fields = value.entries().into_iter().flat_map(IndexMap::values);
                fields.for_each(|it| self.trace_origins(it, tell));
                if let Some(history) = value.downcast::<HistoryValue>() {
                    history.turns().iter().for_each(|it| self.trace_origins(it, tell));
                }
            }
            Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => {}
            Val::Func(_) | Val::Other(_) => {}
        }
    }

    /// Where a text came from: in this run, or before it began.
    fn origin(&self, identity: usize) -> Option<(NodeId, Arc<str>)> {
        let own = lock(&self.course).texts.get(&identity).map(|it| (it.1, it.2.clone()));
        own.or_else(|| self.branch.as_ref()?.outer.origin(identity))
    }

    /// Remembers where the texts of a reply came from.
    pub(in crate::runtime) fn note_outputs<'a>(
        &self,
        from: NodeId,
        outputs: impl Iterator<Item = (&'a Arc<str>, &'a Val)>,
    ) {
        if !self.is_recorded() {
            return;
        }
        let mut course = lock(&self.course);
        for (name, value) in outputs {
            remember_texts(&mut course, from, name, value);
            course.passages.note(from, name, value);
        }
    }

    /// Writes a search down: what was looked for, what was found, and the calls that it took.
    pub fn note_retrieval(
        &self,
        name: &str,
        inputs: Record,
        query: &Val,
        found: &IndexMap<Arc<str>, Val>,
        call: Option<LmCall>,
    ) -> NodeId {
        let node =
            self.open_node(Node::new(Kind::Retrieval, name, self.next_address(name), inputs));
        self.note_inputs(node, std::iter::once(("query", query)));
        self.note_outputs(node, found.iter());
        self.close_node(node, |it| {
            it.outputs = to_record(found).ok();
            it.call = call.map(Arc::new);
        });
        node
    }

    /// Tells of something that does not stop the run.
    pub fn warn(&self, warning: Warning) {
        lock(&self.course).warnings.push(warning);
    }

    /// What was told so far, a line each.
    pub(in crate::runtime) fn told_warnings(&self) -> Vec<String> {
        lock(&self.course).warnings.iter().map(|it| it.message.clone()).collect()
    }

    /// Takes what was told so far.
    pub fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut lock(&self.course).warnings)
    }

    /// The trace so far.
    pub fn trace(&self) -> Trace {
        lock(&self.course).own_trace()
    }

    /// What happened in the course of one node, renumbered.
    pub(in crate::runtime) fn trace_of(&self, root: NodeId) -> Trace {
        let mut course = lock(&self.course);
        match (root.0.checked_sub(course.base), &self.branch) {
            (Some(at), _) if at < course.n_nodes() => course.below(root),
            (None, Some(branch)) => branch.outer.trace_of(root),
            _ => Trace::default(),
        }
    }

    /// What went into a node.
    pub(in crate::runtime) fn inputs_of(&self, id: NodeId) -> Option<Record> {
        self.read_node(id).map(|it| it.0.inputs)
    }

    /// How many nodes the trace has so far.
    pub fn n_nodes(&self) -> usize {
        lock(&self.course).n_nodes()
    }

    /// Takes the trace of a run that has ended.
    pub fn take_trace(&self) -> Trace {
        lock(&self.course).take_whole()
    }

    /// Calls and tokens so far.
    pub fn totals(&self) -> Totals {
        lock(&self.course).whole().totals()
    }

    /// Where rows stand that are evaluated now: before which node of the outermost run, inside
    /// which, and in which of its branches.
    pub(in crate::runtime) fn place_of_rows(&self) -> (usize, Option<NodeId>, Vec<String>) {
        let Some(branch) = &self.branch else {
            let course = lock(&self.course);
            return (course.end(), course.open_node(), Vec::new());
        };
        let (at, parent, mut branches) = branch.outer.place_of_rows();
        branches.push(match &branch.place {
            Place::Element { at, .. } => format!("{at:08}"),
            Place::Named(name) | Place::Again(name) => name.to_string(),
            Place::Alone => String::new(),
        });
        (at, parent, branches)
    }

    /// The const whose value is being computed.
    pub(in crate::runtime) fn constant_under_way(&self) -> Option<String> {
        let own = lock(&self.course).consts.last().cloned();
        own.or_else(|| self.branch.as_ref()?.outer.constant_under_way())
    }

    /// Notes that a const is being computed.
    pub(in crate::runtime) fn enter_constant(&self, name: &str) {
        lock(&self.course).consts.push(name.to_owned());
    }

    /// Notes that a const is computed.
    pub(in crate::runtime) fn leave_constant(&self) {
        lock(&self.course).consts.pop();
    }
}

fn remember_texts(course: &mut Course, from: NodeId, name: &Arc<str>, value: &Val) {
    match value {
        Val::Str(text) => {
            // The first who made a text is where it came from; who passes it on is not.
            course
                .texts
                .entry(text.identity())
                .or_insert_with(|| (text.clone(), from, name.clone()));
        }
        Val::List(items) => {
            items.iter().for_each(|it| remember_texts(course, from, name, it));
        }
        Val::Map(entries) => {
            entries.values().for_each(|it| remember_texts(course, from, name, it));
        }
        Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => {}
        Val::Object(_) => {
            let fields = value.entries().into_iter().flat_map(IndexMap::values);
            fields.for_each(|it| remember_texts(course, from, name, it));
        }
        Val::Func(_) | Val::Other(_) => {}
    }
}
