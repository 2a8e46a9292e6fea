//! Where values came from, while a program runs: what its slices mean at each of their marks.
//!
//! Each run of a function that has sites is a frame: it holds what its sites gave, and where
//! that came from what its variables hold. A closure's frame knows that of the function it
//! stands in, and tells it what it returns. A branch reads the frames of the run around it,
//! which do not change while it goes on: what it tells them is taken over once all have ended.

use crate::check::slices::{self, Note, Origin, Slot, Source};
use crate::runtime::course::moved;
use crate::runtime::run::Run;
use crate::source::SourceId;
use crate::trace::{Edge, NodeId, Via};
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The number of main's frame.
const MAIN: i64 = 0;

/// The most nodes that a value is said to come from, where a loop adds to it: the latest.
const MOST: usize = 128;
/// The most that closures give together, and edges that are left to nodes behind.
const WIDEST: usize = 1024;
/// How many edges may lead to a node in any case.
const FEW: usize = 32;
/// How many more each node leaves to those behind it.
const ROOM: usize = 8;

/// What a course knows of where values came from.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Sources {
    frames: BTreeMap<i64, Frame>,
    /// The frames of functions, with the depth of their calls, the innermost last.
    stack: Vec<(usize, i64)>,
    /// Sites under way, the innermost last.
    calls: Vec<Under>,
    /// What closures gave whose functions are outside this course, or were when they began.
    told: Vec<(i64, i64, Vec<From>)>,
    /// How many edges the nodes so far left to those behind them.
    room: usize,
}

/// A run of a function.
#[derive(Debug, Default)]
struct Frame {
    body: i64,
    /// The frame of the function that a closure stands in.
    outer: Option<i64>,
    /// What its variables, sites and closures gave, by what they are.
    held: Vec<(Held, Arc<[From]>)>,
    /// What its value came from.
    returned: Vec<From>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Var(i64),
    Site(i64),
    Closure(i64),
}

/// A node that a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) struct From {
    /// The node.
    node: NodeId,
    /// Which output of it; `None` is the whole.
    output: Option<Arc<str>>,
    /// The names of its outputs.
    fields: Arc<[Arc<str>]>,
    /// The keys of maps that it stands under, the outermost first.
    under: Vec<Arc<str>>,
}

/// What flows in where.
type Flows = Vec<(Slot, Vec<From>)>;

/// A site under way.
#[derive(Debug)]
struct Under {
    site: i64,
    frame: i64,
    /// How many nodes were open.
    depth: usize,
    /// The body of the function that is called, where the text says it.
    callee: Option<i64>,
    /// What flows into it; known when its arguments are.
    given: Option<Arc<Flows>>,
    /// The nodes that were opened for it.
    nodes: Vec<NodeId>,
    /// Whether a function began for it.
    is_entered: bool,
    /// The frame of that function, where no node stands between.
    entered: Option<i64>,
}

impl Sources {
    /// What a run that was stopped left.
    pub(in crate::runtime) fn forget_what_was_open(&mut self) {
        self.calls.clear();
        self.told.clear();
    }

    /// How many sites are under way.
    pub(in crate::runtime) fn n_calls(&self) -> usize {
        self.calls.len()
    }

    /// The innermost of so many sites is called anew: what it gave before is not its value.
    pub(in crate::runtime) fn begin_again(&mut self, n_calls: usize) {
        self.calls.truncate(n_calls);
        if let Some(call) = self.calls.last_mut() {
            call.nodes.clear();
            (call.is_entered, call.entered) = (false, None);
        }
    }

    /// Takes down that a node was opened, or taken over, where so many are open around it; the
    /// site that it was opened for.
    pub(in crate::runtime) fn opened(&mut self, node: NodeId, depth: usize) -> Option<i64> {
        self.room = (self.room + ROOM).min(WIDEST);
        let call = self.calls.last_mut().filter(|it| it.depth == depth)?;
        call.nodes.push(node);
        Some(call.site)
    }

    /// What flows into a node, where a site opened it.
    fn flows_into(&self, node: NodeId) -> Option<Arc<Flows>> {
        let call = self.calls.last().filter(|it| it.nodes.last() == Some(&node))?;
        call.given.clone()
    }

    /// The call that a function that begins belongs to.
    fn entering(&mut self, body: i64) -> Option<&mut Under> {
        let call = self.calls.last_mut().filter(|it| !it.is_entered)?;
        call.callee.is_none_or(|callee| callee == body).then_some(call)
    }

    fn drop_frames(&mut self, level: usize) {
        while let Some((_, number)) = self.stack.pop_if(|it| it.0 >= level) {
            self.frames.remove(&number);
        }
    }

    /// A closure gave a value: the frame of its function is told.
    fn tell(&mut self, frame: i64, closure: i64, from: Vec<From>) {
        match self.frames.get_mut(&frame) {
            Some(frame) => frame.add(Held::Closure(closure), from, WIDEST),
            None => self.told.push((frame, closure, from)),
        }
    }

    /// Takes over what branches told while they went on; none does now.
    fn settle(&mut self) {
        if self.told.iter().any(|it| self.frames.contains_key(&it.0)) {
            for (frame, closure, from) in std::mem::take(&mut self.told) {
                self.tell(frame, closure, from);
            }
        }
    }

    /// Takes over what a branch told; of very much, the latest.
    pub(in crate::runtime) fn join(&mut self, theirs: Self, base: usize, end: usize) {
        for (frame, closure, from) in theirs.told {
            let from = from.into_iter().map(|it| it.moved(base, end)).collect();
            self.told.push((frame, closure, from));
        }
        if self.told.len() > 4 * WIDEST {
            self.told.drain(..self.told.len() - 2 * WIDEST);
        }
    }
}

impl Frame {
    fn get(&self, what: Held) -> Option<&Arc<[From]>> {
        self.held.iter().find(|it| it.0 == what).map(|it| &it.1)
    }

    fn set(&mut self, what: Held, from: Arc<[From]>) {
        match self.held.iter_mut().find(|it| it.0 == what) {
            Some(held) => held.1 = from,
            None => self.held.push((what, from)),
        }
    }

    fn add(&mut self, what: Held, from: Vec<From>, most: usize) {
        let known = self.get(what).cloned().unwrap_or_default();
        let from: Vec<From> = from.into_iter().filter(|it| !known.contains(it)).collect();
        if from.is_empty() {
            return;
        }
        let all = known.len() + from.len();
        let kept = known.iter().skip(all.saturating_sub(most));
        self.set(what, kept.cloned().chain(from).collect());
    }
}

/// The number of the next frame: no two in a process have the same, and nobody sees them.
fn next_number() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Run {
    /// A function begins, at a depth of calls; `outer` is the frame of the one that a closure
    /// stands in.
    pub(in crate::runtime) fn enter(&self, body: i64, outer: Option<i64>, level: usize) -> i64 {
        if !self.is_recorded() {
            return MAIN;
        }
        let number = next_number();
        let held = self.params(body);
        let mut course = lock(&self.course);
        let n_open = course.n_open();
        let sources = &mut course.sources;
        sources.drop_frames(level);
        sources.frames.insert(number, Frame { body, outer, held, ..Frame::default() });
        sources.stack.push((level, number));
        if let Some(call) = sources.entering(body) {
            call.is_entered = true;
            call.entered = (call.depth == n_open).then_some(number);
        }
        number
    }

    /// What the parameters of a function that begins are given.
    fn params(&self, body: i64) -> Vec<(Held, Arc<[From]>)> {
        let (unit, index) = slices::split(body);
        let call = lock(&self.course)
            .sources
            .entering(body)
            .map(|it| (it.site, it.frame, it.given.clone()));
        let Some(slices) = self.script().slices(unit) else { return Vec::new() };
        let given = match call {
            Some((_, _, Some(given))) => given,
            Some((site, frame, None)) => self.given(site, frame),
            None => Arc::default(),
        };
        let body = &slices.bodies[index as usize];
        let own = if body.is_contract { self.innermost() } else { None };
        let mut held = Vec::new();
        for (nth, (name, var)) in body.params.iter().enumerate() {
            let is_here = |slot: &Slot| match slot {
                Slot::Nth(at) => *at as usize == nth,
                Slot::Named(it) => it == name,
                Slot::Some => false,
            };
            let mut from: Vec<From> =
                given.iter().filter(|it| is_here(&it.0)).flat_map(|it| it.1.clone()).collect();
            if let Some((node, inputs)) = &own
                && !inputs.contains(name)
            {
                let (output, fields) = (Some(name.clone()), Arc::from([]));
                from = vec![From { node: *node, output, fields, under: Vec::new() }];
            }
            if !from.is_empty() {
                held.push((Held::Var(slices::key(unit, *var)), from.into()));
            }
        }
        held
    }

    /// The node under way, and the names of its inputs.
    fn innermost(&self) -> Option<(NodeId, Vec<Arc<str>>)> {
        let mut course = lock(&self.course);
        let node = course.open_node()?;
        Some((node, course.node(node).inputs.keys().cloned().collect()))
    }

    /// A mark of the program: something is noted of a value.
    pub(in crate::runtime) fn mark(&self, mark: i64, number: i64) {
        if !self.is_recorded() {
            return;
        }
        let (unit, index) = slices::split(mark);
        let Some(slices) = self.script().slices(unit) else { return };
        lock(&self.course).sources.settle();
        let mark = &slices.marks[index as usize];
        let from = self.resolve_all(unit, number, &mark.sources);
        match mark.note {
            Note::Set(var) => self.hold(unit, number, var, from, false),
            Note::Add(var) => self.hold(unit, number, var, from, true),
            Note::Return => self.returned(number, from),
            Note::Made(body) => {
                let closure = Held::Closure(slices::key(unit, body));
                if let Some(frame) = lock(&self.course).sources.frame(number) {
                    frame.set(closure, Arc::default());
                }
            }
        }
    }

    /// A variable holds what came from these.
    fn hold(&self, unit: SourceId, number: i64, var: u32, from: Vec<From>, is_added: bool) {
        let Some(slices) = self.script().slices(unit) else { return };
        let body = slices::key(unit, slices.vars[var as usize]);
        // A branch has copies of what its closures captured.
        let owner = self.frame_of(number, body).unwrap_or(number);
        let mut course = lock(&self.course);
        let is_here = owner == MAIN && self.branch.is_none()
            || course.sources.frames.contains_key(&owner);
        let what = Held::Var(slices::key(unit, var));
        let Some(frame) = course.sources.frame(if is_here { owner } else { number }) else {
            return;
        };
        match is_added {
            true => frame.add(what, from, MOST),
            false => frame.set(what, from.into()),
        }
    }

    /// A function returns what came from these.
    fn returned(&self, number: i64, from: Vec<From>) {
        let mut course = lock(&self.course);
        let Some(frame) = course.sources.frames.get_mut(&number) else { return };
        frame.returned.clone_from(&from);
        let (outer, body) = (frame.outer, frame.body);
        if let Some(outer) = outer {
            if outer == MAIN && self.branch.is_none() {
                course.sources.frame(MAIN);
            }
            course.sources.tell(outer, body, from);
        }
    }

    /// A site begins: what was begun is at the place that is returned.
    pub(in crate::runtime) fn begin_site(&self, site: i64, frame: i64) -> usize {
        if !self.is_recorded() {
            return 0;
        }
        let given = Some(self.given(site, frame));
        self.push_site(site, frame, None, given)
    }

    /// A function is called next by its name, once its arguments are computed.
    pub(in crate::runtime) fn begin_function(&self, site: i64, frame: i64) {
        if !self.is_recorded() {
            return;
        }
        let (unit, index) = slices::split(site);
        let Some(slices) = self.script().slices(unit) else { return };
        let callee = slices.sites[index as usize].callee;
        let Some(callee) = callee.and_then(|it| slices.body_at(it)) else { return };
        // What is there already was left by an error.
        let same = |it: &Under| (it.site, it.frame) == (site, frame);
        let mut course = lock(&self.course);
        if let Some(at) = course.sources.calls.iter().position(same) {
            course.sources.calls.truncate(at);
        }
        drop(course);
        self.push_site(site, frame, Some(slices::key(unit, callee)), None);
    }

    fn push_site(
        &self,
        site: i64,
        frame: i64,
        callee: Option<i64>,
        given: Option<Arc<Flows>>,
    ) -> usize {
        let mut course = lock(&self.course);
        let (depth, nodes) = (course.n_open(), Vec::new());
        let (entered, is_entered) = (None, false);
        let call = Under { site, frame, depth, callee, given, nodes, is_entered, entered };
        course.sources.calls.push(call);
        course.sources.calls.len() - 1
    }

    /// A function ended that was called by its name.
    pub(in crate::runtime) fn end_function(&self, site: i64, frame: i64) {
        let same = |it: &Under| (it.site, it.frame) == (site, frame);
        let at = lock(&self.course).sources.calls.iter().rposition(same);
        if let Some(at) = at {
            self.end_site(at, true);
        }
    }

    /// A site ended; with `gave`, it gave a value.
    pub(in crate::runtime) fn end_site(&self, at: usize, gave: bool) {
        let mut course = lock(&self.course);
        let sources = &mut course.sources;
        sources.settle();
        sources.calls.truncate(at + 1);
        let Some(call) = sources.calls.pop().filter(|_| gave) else { return };
        let mut from: Vec<From> = Vec::new();
        for node in &call.nodes {
            let fields = course.output_names(*node);
            from.push(From { node: *node, output: None, fields, under: Vec::new() });
        }
        match call.entered {
            Some(number) => {
                let frame = course.sources.frames.get_mut(&number);
                from.extend(
                    frame.map(|it| std::mem::take(&mut it.returned)).unwrap_or_default(),
                );
            }
            // Who neither calls a model nor runs here computes from what it is given.
            None if from.is_empty() && !call.is_entered => {
                let given = call.given.unwrap_or_default();
                let all = given.iter().flat_map(|it| it.1.clone());
                from.extend(all.map(|it| From { under: Vec::new(), ..it }));
            }
            None => {}
        }
        let from = unique(from);
        let frame = course.sources.frame(call.frame);
        if let Some(frame) = frame {
            frame.set(Held::Site(call.site), from.into());
        }
    }

    /// What flows into a site.
    fn given(&self, site: i64, frame: i64) -> Arc<Flows> {
        let (unit, index) = slices::split(site);
        let Some(slices) = self.script().slices(unit) else { return Arc::default() };
        lock(&self.course).sources.settle();
        let flow = |(slot, sources): &(Slot, Vec<Source>)| {
            (slot.clone(), self.resolve_all(unit, frame, sources))
        };
        Arc::new(slices.sites[index as usize].flows.iter().map(flow).collect())
    }

    /// The nodes that sources mean now: of several that a loop adds to, the latest.
    fn resolve_all(&self, unit: SourceId, number: i64, sources: &[Source]) -> Vec<From> {
        if let [source] = sources {
            return self.resolve(unit, number, source);
        }
        let all = sources.iter().flat_map(|it| self.resolve(unit, number, it)).collect();
        let mut all = unique(all);
        all.drain(..all.len().saturating_sub(MOST));
        all
    }

    /// The nodes that a source means now.
    fn resolve(&self, unit: SourceId, number: i64, source: &Source) -> Vec<From> {
        let Some(slices) = self.script().slices(unit) else { return Vec::new() };
        let (what, body) = match source.origin {
            Origin::Var(var) => (Held::Var(slices::key(unit, var)), slices.vars[var as usize]),
            Origin::Site(site) => {
                let body = slices.sites[site as usize].body;
                (Held::Site(slices::key(unit, site)), body)
            }
            Origin::Closure(body) => {
                let outer = slices.bodies[body as usize].outer.unwrap_or_default();
                (Held::Closure(slices::key(unit, body)), outer)
            }
        };
        let found = self.held(number, slices::key(unit, body), what).unwrap_or_default();
        found.iter().filter_map(|it| it.clone().at(source)).collect()
    }

    /// What is held in a frame, or in one of those around its function.
    fn held(&self, number: i64, body: i64, what: Held) -> Option<Arc<[From]>> {
        let mut at = number;
        loop {
            let look = |it: &Frame| (it.get(what).cloned(), it.body, it.outer);
            let (found, own, outer) = self.with_frame(at, look)?;
            if found.is_some() || own == body || at == MAIN {
                return found;
            }
            at = outer?;
        }
    }

    /// The frame of a body, from the frame of a closure in it on.
    fn frame_of(&self, number: i64, body: i64) -> Option<i64> {
        let mut at = number;
        loop {
            if at == MAIN {
                return Some(MAIN);
            }
            let (own, outer) = self.with_frame(at, |it| (it.body, it.outer))?;
            if own == body {
                return Some(at);
            }
            at = outer?;
        }
    }

    /// Looks at a frame of this run, or of one around it.
    fn with_frame<T>(&self, number: i64, look: impl FnOnce(&Frame) -> T) -> Option<T> {
        let course = lock(&self.course);
        if let Some(frame) = course.sources.frames.get(&number) {
            return Some(look(frame));
        }
        drop(course);
        self.branch.as_ref()?.outer().with_frame(number, look)
    }

    /// The edges of what flows into a node by the text of the program. `names` are those of its
    /// inputs, in their order.
    pub(in crate::runtime) fn static_edges(&self, to: NodeId, names: &[&str]) -> Vec<Edge> {
        let mut course = lock(&self.course);
        let Some(flows) = course.sources.flows_into(to) else { return Vec::new() };
        let most = FEW + course.sources.room;
        let edges = edges(&flows, to, most, |nth| names.get(nth).copied());
        let room = &mut course.sources.room;
        *room = room.saturating_sub(edges.len().saturating_sub(FEW));
        edges
    }

    /// As [`Run::static_edges`], of a condition: what it reads, by its site.
    pub(in crate::runtime) fn condition_edges(&self, to: NodeId, at: (i64, i64)) -> Vec<Edge> {
        edges(&self.given(at.0, at.1), to, WIDEST, |_| None)
    }
}

impl Sources {
    /// A frame of this course.
    fn frame(&mut self, number: i64) -> Option<&mut Frame> {
        if number == MAIN {
            return Some(self.frames.entry(MAIN).or_default());
        }
        self.frames.get_mut(&number)
    }
}

fn edges<'n>(
    flows: &Flows,
    to: NodeId,
    most: usize,
    name: impl Fn(usize) -> Option<&'n str>,
) -> Vec<Edge> {
    let mut found: Vec<Edge> = Vec::new();
    for (slot, from) in flows {
        let input = match slot {
            Slot::Nth(nth) => name(*nth as usize).map(str::to_owned),
            Slot::Named(name) => Some(name.to_string()),
            Slot::Some => None,
        };
        // Each comes once; the latest are kept.
        for from in from.iter().skip(from.len().saturating_sub(most)) {
            let output = from.output.as_deref().map(str::to_owned);
            let (from, via, input) = (from.node, Via::Static, input.clone());
            if from != to {
                found.push(Edge { from, output, to, input, via });
            }
        }
    }
    found
}

/// Each once, in the order of the nodes.
fn unique(mut all: Vec<From>) -> Vec<From> {
    all.sort_by_key(|it| it.node);
    let mut kept: Vec<From> = Vec::with_capacity(all.len());
    for it in all {
        let same = kept.iter().rev().take_while(|known| known.node == it.node);
        let is_same = |known: &From| known.output == it.output && known.under == it.under;
        if !same.into_iter().any(is_same) {
            kept.push(it);
        }
    }
    kept
}

impl From {
    /// The part of it that a source means, where that source stands now. The output is the first
    /// of a path that is one.
    fn at(mut self, source: &Source) -> Option<Self> {
        let (n_left, path) = slices::below(&self.under, &source.path)?;
        self.under.drain(..self.under.len() - n_left);
        self.under.splice(..0, source.under.iter().cloned());
        if self.output.is_none() {
            self.output = path.iter().find(|it| self.fields.contains(it)).cloned();
        }
        Some(self)
    }

    fn moved(self, base: usize, end: usize) -> Self {
        Self { node: moved(self.node, base, end), ..self }
    }
}
