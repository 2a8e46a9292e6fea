//! Where values came from, while a program runs: which calls the sources of its slices mean.
//!
//! Each run of a function that has sites is a frame: it holds what its sites gave, when rounds
//! of its loops began, and what its parameters were given. A closure's frame knows that of the
//! function it stands in, and tells it of its own sites. A branch reads the frames of the run
//! around it as they were when it began; what it has to tell them is taken over where it joins.

use crate::check::slices::{self, ALL, Origin, Slices, Slot, Source, TURNS};
use crate::runtime::course::{Course, moved};
use crate::runtime::run::Run;
use crate::source::SourceId;
use crate::trace::{Edge, NodeId, Via};
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The number of main's frame.
const MAIN: i64 = 0;

/// How many of the latest turns of a site one argument is said to come from, where a loop adds
/// to a value; more where there were many nodes with fewer before.
const FEW: usize = 32;
/// How many more each node leaves to those behind it.
const ROOM: usize = 8;
/// The most.
const MOST: usize = 4096;

/// What a course knows of where values came from.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Origins {
    frames: BTreeMap<i64, Frame>,
    /// The frames of functions, with the depth of their calls, the innermost last.
    stack: Vec<(usize, i64)>,
    /// Sites under way, the innermost last.
    calls: Vec<Under>,
    /// What frames outside this course are to be told.
    told: Vec<(i64, i64, Turn)>,
    /// What happened when: counts turns and rounds, on from where a branch began.
    clock: u64,
    /// Where it began.
    since: u64,
    /// Edges that nodes so far left to those behind them.
    room: usize,
}

/// A run of a function.
#[derive(Debug, Default)]
struct Frame {
    body: i64,
    /// The frame of the function that a closure stands in.
    outer: Option<i64>,
    start: u64,
    sites: Vec<(i64, Vec<Turn>)>,
    /// When the present round of each loop began.
    rounds: Vec<(i64, u64)>,
    params: Vec<Vec<From>>,
}

/// What a site gave once.
#[derive(Debug, Clone)]
struct Turn {
    /// When it ended.
    when: u64,
    from: Vec<From>,
}

/// A node that a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runtime) struct From {
    /// The node.
    pub(in crate::runtime) node: NodeId,
    /// Which output of it; `None` is the whole.
    pub(in crate::runtime) output: Option<Arc<str>>,
    /// The names of its outputs.
    fields: Arc<[Arc<str>]>,
}

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
    given: Option<Vec<(Slot, Vec<From>)>>,
    /// The nodes that were opened for it.
    nodes: Vec<NodeId>,
    /// The frame of the function that it called.
    entered: Option<i64>,
    /// Whether the function that it called was given its parameters.
    is_entered: bool,
}

impl Origins {
    /// Those of a branch that begins when the clock shows so much.
    pub(in crate::runtime) fn of_branch(clock: u64) -> Self {
        Self { clock, since: clock, ..Self::default() }
    }

    /// What the clock shows.
    pub(in crate::runtime) fn clock(&self) -> u64 {
        self.clock
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// What a run that was stopped left.
    pub(in crate::runtime) fn forget_what_was_open(&mut self) {
        self.calls.clear();
        self.told.clear();
    }

    /// Takes down that a node was opened, or taken over, where so many are open around it.
    pub(in crate::runtime) fn opened(&mut self, node: NodeId, depth: usize) {
        self.room = (self.room + ROOM).min(MOST);
        if let Some(call) = self.calls.last_mut().filter(|it| it.depth == depth) {
            call.nodes.push(node);
        }
    }

    /// What flows into a node, where a site opened it.
    fn into_node(&self, node: NodeId) -> Option<&[(Slot, Vec<From>)]> {
        let call = self.calls.last().filter(|it| it.nodes.last() == Some(&node))?;
        call.given.as_deref()
    }

    fn drop_frames(&mut self, level: usize) {
        while let Some((_, number)) = self.stack.pop_if(|it| it.0 >= level) {
            self.frames.remove(&number);
        }
    }

    fn tell(&mut self, frame: i64, site: i64, turn: Turn, is_kept: bool) -> Option<i64> {
        let Some(known) = self.frames.get_mut(&frame) else {
            self.told.push((frame, site, turn));
            return None;
        };
        let turns = match known.sites.iter().position(|it| it.0 == site) {
            Some(at) => &mut known.sites[at].1,
            None => {
                known.sites.push((site, Vec::new()));
                let last = known.sites.len() - 1;
                &mut known.sites[last].1
            }
        };
        if !is_kept && turns.len() >= usize::from(TURNS) {
            turns.remove(0);
        }
        turns.push(turn);
        known.outer
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
        let number = next_number();
        let params = self.params(body);
        let mut course = lock(&self.course);
        let n_open = course.n_open();
        let origins = &mut course.origins;
        let start = origins.tick();
        origins.drop_frames(level);
        let frame = Frame { body, outer, start, params, ..Frame::default() };
        origins.frames.insert(number, frame);
        origins.stack.push((level, number));
        let is_called = |it: &&mut Under| it.callee.is_none_or(|callee| callee == body);
        if let Some(call) = origins.calls.last_mut().filter(is_called)
            && !call.is_entered
        {
            call.is_entered = true;
            call.entered = (call.depth == n_open).then_some(number);
        }
        number
    }

    /// What the parameters of a function that begins are given.
    fn params(&self, body: i64) -> Vec<Vec<From>> {
        let (unit, index) = slices::split(body);
        let call = {
            let course = lock(&self.course);
            let call = course.origins.calls.last().filter(|it| !it.is_entered);
            let call = call.filter(|it| it.callee.is_none_or(|callee| callee == body));
            call.map(|it| (it.site, it.frame, it.given.clone()))
        };
        let Some(slices) = self.script().slices(unit) else { return Vec::new() };
        let given = match call {
            Some((_, _, Some(given))) => given,
            Some((site, frame, None)) => self.given(site, frame),
            None => Vec::new(),
        };
        let body = &slices.bodies[index as usize];
        let (names, own) = (&body.params, body.is_contract.then(|| self.innermost()));
        let at = |(nth, name): (usize, &Arc<str>)| {
            let is_here = |slot: &Slot| match slot {
                Slot::Nth(at) => *at as usize == nth,
                Slot::Named(it) => it == name,
                Slot::Some => false,
            };
            let given = given.iter().filter(|it| is_here(&it.0));
            let given: Vec<From> = given.flat_map(|it| it.1.clone()).collect();
            match &own {
                Some(Some((node, inputs))) if !inputs.contains(name) => {
                    vec![From {
                        node: *node,
                        output: Some(name.clone()),
                        fields: Arc::from([]),
                    }]
                }
                _ => given,
            }
        };
        names.iter().enumerate().map(at).collect()
    }

    /// The node under way, and the names of its inputs.
    fn innermost(&self) -> Option<(NodeId, Vec<Arc<str>>)> {
        let mut course = lock(&self.course);
        let node = course.open_node()?;
        Some((node, course.node(node).inputs.keys().cloned().collect()))
    }

    /// A loop begins a round.
    pub(in crate::runtime) fn round(&self, number: i64, frame: i64) {
        let mut course = lock(&self.course);
        let now = course.origins.tick();
        let Some(frame) = course.frame(frame) else { return };
        match frame.rounds.iter_mut().find(|it| it.0 == number) {
            Some(round) => round.1 = now,
            None => frame.rounds.push((number, now)),
        }
    }

    /// A site begins: what was begun is at the place that is returned.
    pub(in crate::runtime) fn begin_site(&self, site: i64, frame: i64) -> usize {
        let given = Some(self.given(site, frame));
        self.push_site(site, frame, None, given)
    }

    /// A function is called next by its name, once its arguments are computed.
    pub(in crate::runtime) fn begin_function(&self, site: i64, frame: i64) {
        let (unit, index) = slices::split(site);
        let Some(slices) = self.script().slices(unit) else { return };
        let callee = slices.sites.get(index as usize).and_then(|it| it.callee);
        let callee = callee.and_then(|it| slices.body_at(it));
        let Some(callee) = callee else { return };
        // What is there already was left by an error.
        let same = |it: &Under| (it.site, it.frame) == (site, frame);
        let mut course = lock(&self.course);
        if let Some(at) = course.origins.calls.iter().position(same) {
            course.origins.calls.truncate(at);
        }
        drop(course);
        self.push_site(site, frame, Some(slices::key(unit, callee)), None);
    }

    fn push_site(
        &self,
        site: i64,
        frame: i64,
        callee: Option<i64>,
        given: Option<Vec<(Slot, Vec<From>)>>,
    ) -> usize {
        let mut course = lock(&self.course);
        let depth = course.n_open();
        // Main has a frame of its own, but for branches, which see that of the run around.
        if frame == MAIN && self.branch.is_none() {
            course.origins.frames.entry(MAIN).or_default();
        }
        let nodes = Vec::new();
        let (entered, is_entered) = (None, false);
        let call = Under { site, frame, depth, callee, given, nodes, entered, is_entered };
        course.origins.calls.push(call);
        course.origins.calls.len() - 1
    }

    /// A function ended that was called by its name.
    pub(in crate::runtime) fn end_function(&self, site: i64, frame: i64) {
        let same = |it: &Under| (it.site, it.frame) == (site, frame);
        let at = lock(&self.course).origins.calls.iter().rposition(same);
        if let Some(at) = at {
            self.end_site(at, true);
        }
    }

    /// A site ended; with `gave`, it gave a value.
    pub(in crate::runtime) fn end_site(&self, at: usize, gave: bool) {
        let call = {
            let mut course = lock(&self.course);
            let calls = &mut course.origins.calls;
            calls.truncate(at + 1);
            calls.pop()
        };
        let Some(call) = call.filter(|_| gave) else { return };
        let (unit, index) = slices::split(call.site);
        let Some(slices) = self.script().slices(unit) else { return };
        let Some(site) = slices.sites.get(index as usize) else { return };
        let from = self.gave(&call);
        let mut course = lock(&self.course);
        let when = course.origins.tick();
        let turn = Turn { when, from };
        let mut frame = Some(call.frame);
        while let Some(number) = frame {
            let next = course.origins.tell(number, call.site, turn.clone(), site.is_kept);
            // Frames that are not here are told where the branch joins.
            frame = next;
        }
    }

    /// What the value of a call came from: the nodes that it opened, else what the function that
    /// it called returned, else what it was given.
    fn gave(&self, call: &Under) -> Vec<From> {
        let mut from: Vec<From> = Vec::new();
        if !call.nodes.is_empty() {
            let course = lock(&self.course);
            for node in &call.nodes {
                let fields = course.output_names(*node);
                from.push(From { node: *node, output: None, fields });
            }
        }
        if let Some(number) = call.entered {
            let body = self.with_frame(number, |it| it.body);
            let (unit, index) = slices::split(body.unwrap_or_default());
            if let Some(slices) = self.script().slices(unit) {
                for source in &slices.bodies[index as usize].returns {
                    from.extend(self.resolve(unit, number, source));
                }
            }
        } else if from.is_empty() {
            let given = match &call.given {
                Some(given) => given.clone(),
                None => self.given(call.site, call.frame),
            };
            from.extend(given.into_iter().flat_map(|it| it.1));
        }
        unique(from)
    }

    /// What flows into a site.
    fn given(&self, site: i64, frame: i64) -> Vec<(Slot, Vec<From>)> {
        let (unit, index) = slices::split(site);
        let Some(slices) = self.script().slices(unit) else { return Vec::new() };
        let Some(site) = slices.sites.get(index as usize) else { return Vec::new() };
        let flow = |(slot, sources): &(Slot, Vec<Source>)| {
            let all = sources.iter().flat_map(|it| self.resolve(unit, frame, it)).collect();
            (slot.clone(), unique(all))
        };
        site.flows.iter().map(flow).collect()
    }

    /// The nodes that a source means, in their order.
    fn resolve(&self, unit: SourceId, frame: i64, source: &Source) -> Vec<From> {
        let body = slices::key(unit, source.body);
        let Some(frame) = self.frame_of(frame, body, source.body == 0) else {
            return Vec::new();
        };
        let from = match source.origin {
            Origin::Param(at) => self
                .with_frame(frame, |it| it.params.get(at as usize).cloned())
                .flatten()
                .unwrap_or_default(),
            Origin::Site(site) => {
                let within = slices::key(unit, source.within);
                let since = self.with_frame(frame, |it| {
                    let round = it.rounds.iter().find(|it| it.0 == within);
                    round.filter(|_| source.within != 0).map_or(it.start, |it| it.1)
                });
                let of = (frame, slices::key(unit, site));
                let most = match source.turn {
                    ALL => FEW + lock(&self.course).origins.room,
                    nth => usize::from(nth) + 1,
                };
                let turns = self.turns(of, since.unwrap_or(0), u64::MAX, most).into_iter();
                let mut turns: Vec<Turn> = match source.turn {
                    ALL => turns.take(most).collect(),
                    nth => turns.skip(nth.into()).take(1).collect(),
                };
                turns.reverse();
                turns.into_iter().flat_map(|it| it.from).collect()
            }
        };
        from.into_iter().map(|it| it.at(&source.path)).collect()
    }

    /// The frame of a body, from the frame of a closure in it on.
    fn frame_of(&self, frame: i64, body: i64, is_main: bool) -> Option<i64> {
        let mut at = frame;
        loop {
            if at == MAIN {
                return is_main.then_some(MAIN);
            }
            let (found, outer) = self.with_frame(at, |it| (it.body, it.outer))?;
            if found == body {
                return Some(at);
            }
            at = outer?;
        }
    }

    /// Looks at a frame of this run, or of one around it.
    fn with_frame<T>(&self, number: i64, look: impl FnOnce(&Frame) -> T) -> Option<T> {
        let course = lock(&self.course);
        if let Some(frame) = course.origins.frames.get(&number) {
            return Some(look(frame));
        }
        drop(course);
        self.branch.as_ref()?.outer().with_frame(number, look)
    }

    /// What a site gave after `since`, the latest first; a branch sees nothing of what the
    /// others did since it began.
    fn turns(&self, of: (i64, i64), since: u64, until: u64, most: usize) -> Vec<Turn> {
        let course = lock(&self.course);
        let origins = &course.origins;
        let is_meant = |it: &&Turn| it.when > since && it.when <= until;
        let told = origins.told.iter().rev().filter(|it| (it.0, it.1) == of).map(|it| &it.2);
        let mut found: Vec<Turn> = told.filter(is_meant).take(most).cloned().collect();
        if let Some(frame) = origins.frames.get(&of.0) {
            let turns = frame.sites.iter().filter(|it| it.0 == of.1).flat_map(|it| &it.1);
            found.extend(turns.rev().filter(is_meant).take(most).cloned());
        } else if let Some(branch) = &self.branch {
            let until = until.min(origins.since);
            drop(course);
            found.extend(branch.outer().turns(of, since, until, most));
        }
        found
    }

    /// The edges of what flows into a node by the text of the program. `names` are those of its
    /// inputs, in their order.
    pub(in crate::runtime) fn static_edges(&self, to: NodeId, names: &[&str]) -> Vec<Edge> {
        let mut course = lock(&self.course);
        let flows = course.origins.into_node(to).unwrap_or_default();
        let edges = edges(flows, to, |nth| names.get(nth).copied());
        let room = &mut course.origins.room;
        *room = room.saturating_sub(edges.len().saturating_sub(FEW));
        edges
    }

    /// As [`Run::static_edges`], of a condition: what it reads, by its site.
    pub(in crate::runtime) fn condition_edges(&self, to: NodeId, at: (i64, i64)) -> Vec<Edge> {
        edges(&self.given(at.0, at.1), to, |_| None)
    }
}

fn edges<'n>(
    flows: &[(Slot, Vec<From>)],
    to: NodeId,
    name: impl Fn(usize) -> Option<&'n str>,
) -> Vec<Edge> {
    let mut found: Vec<Edge> = Vec::new();
    for (slot, from) in flows {
        let input = match slot {
            Slot::Nth(nth) => name(*nth as usize).map(str::to_owned),
            Slot::Named(name) => Some(name.to_string()),
            Slot::Some => None,
        };
        for from in from {
            let output = from.output.as_deref().map(str::to_owned);
            let (from, via) = (from.node, Via::Static);
            let edge = Edge { from, output, to, input: input.clone(), via };
            if from != to && !found.contains(&edge) {
                found.push(edge);
            }
        }
    }
    found
}

fn unique(all: Vec<From>) -> Vec<From> {
    let mut seen = std::collections::BTreeSet::new();
    all.into_iter().filter(|it| seen.insert((it.node, it.output.clone()))).collect()
}

impl From {
    /// A member of it: the first of a path that is an output.
    fn at(self, path: &[Arc<str>]) -> Self {
        if self.output.is_some() {
            return self;
        }
        let output = path.iter().find(|it| self.fields.contains(it)).cloned();
        Self { output, ..self }
    }

    fn moved(self, base: usize, end: usize) -> Self {
        Self { node: moved(self.node, base, end), ..self }
    }
}

impl Course {
    /// A frame of this course.
    fn frame(&mut self, number: i64) -> Option<&mut Frame> {
        if number == MAIN {
            return Some(self.origins.frames.entry(MAIN).or_default());
        }
        self.origins.frames.get_mut(&number)
    }

    /// Takes over what a branch had to tell frames of this course, or of one around it.
    pub(in crate::runtime) fn take_over_origins(
        &mut self,
        theirs: Origins,
        slices: impl Fn(SourceId) -> Option<Arc<Slices>>,
        base: usize,
        end: usize,
    ) {
        for (frame, site, turn) in theirs.told {
            let when = self.origins.tick();
            let from = turn.from.into_iter().map(|it| it.moved(base, end)).collect();
            let turn = Turn { when, from };
            let (unit, index) = slices::split(site);
            let is_kept = slices(unit).is_some_and(|it| it.sites[index as usize].is_kept);
            let mut next = Some(frame);
            while let Some(number) = next {
                next = self.origins.tell(number, site, turn.clone(), is_kept);
            }
        }
    }
}
