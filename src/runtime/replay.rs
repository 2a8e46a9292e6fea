//! A run that is made again: its trace answers in place of the models.

use crate::lm::{
    Address, CallContext, CallFuture, Capabilities, Completion, Error, ErrorKind, Lm, Request,
};
use crate::runtime::tape::{Asked, Change, Recorded, Tape, Took, Unrecorded};
use crate::trace::{
    Abilities, Attempt, Exchanges, Kind, NodeId, Trace, question, request_difference,
};
use crate::util::lock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// What is told of the first request that a trace cannot answer.
type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// Answers a run from the trace of another one.
pub struct Replay {
    exchanges: Exchanges,
    /// What is done with a request that the trace cannot answer: an error where nobody is told.
    live: Option<Tell>,
    /// Whether the same request may stand elsewhere in the trace.
    wherever: bool,
    forks: Vec<Forked>,
    state: Mutex<Progress>,
}

/// How far the run is.
#[derive(Debug, Default)]
struct Progress {
    /// Which exchanges were asked for.
    used: Vec<bool>,
    /// Requests that were answered.
    answered: u64,
    /// Requests that were not, by the nodes of the trace that they stand at.
    missed: BTreeMap<(usize, Address), Unrecorded>,
    /// Whether there was one.
    has_missed: bool,
    /// How often each of the changed calls began.
    began: Vec<usize>,
    /// Whether its reply was changed.
    has_changed: Vec<bool>,
}

/// A call that is made otherwise.
#[derive(Debug)]
struct Forked {
    fork: Fork,
    /// How often the call had begun before, in attempts that were made again.
    before: usize,
    /// Whether the trace is not of a run that was forked so.
    is_new: bool,
}

/// Which exchange answers a request.
enum Meant {
    /// One of the same call.
    Here(usize),
    /// One of another call.
    Elsewhere(usize),
}

/// A call that is made otherwise.
#[derive(Debug, Clone)]
pub struct Fork {
    /// The node of the call in the trace.
    pub at: NodeId,
    /// What it is asked, and by whom it is answered.
    pub change: Change,
    /// What it is answered, whatever the model would say.
    pub reply: Option<String>,
}

impl Fork {
    /// A call of a trace that is made otherwise.
    ///
    /// # Errors
    /// Why this node cannot be.
    pub fn of(
        trace: &Trace,
        at: NodeId,
        change: Change,
        reply: Option<String>,
    ) -> Result<Self, Unforkable> {
        let refused = |message: String, way| Err(Unforkable { message, way });
        let Some(node) = trace.nodes.get(at.0) else {
            let n = trace.nodes.len();
            return refused(format!("there is no node #{}: there are {n}", at.0), Way::None);
        };
        let Some(call) = node.call.as_ref().filter(|_| node.kind == Kind::Lm) else {
            return refused(format!("#{} is no call of a model", at.0), Way::None);
        };
        if call.attempts.iter().all(|it| it.replayed)
            && let Some(earlier) = node.retry_of
        {
            let message = format!("the reply of #{} is that of #{}", at.0, earlier.0);
            return refused(message, Way::Earlier(earlier));
        }
        if call.adapter == "none" && !change.is_nothing() {
            return refused(format!("#{} is no call of a predictor", at.0), Way::Reply);
        }
        Ok(Self { at, change, reply })
    }

    /// The change as one that later runs have, too: a changed reply is in the trace itself.
    pub fn standing(&self, trace: &Trace) -> Option<Standing> {
        let address = trace.node(self.at).address.clone();
        let nth = begun_before(trace, self.at);
        let change = self.change.clone();
        (!change.is_nothing()).then_some(Standing { address, nth, change })
    }
}

/// Why a node cannot be made otherwise.
#[derive(Debug, Clone)]
pub struct Unforkable {
    /// One line.
    pub message: String,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    None,
    Earlier(NodeId),
    Reply,
}

impl Unforkable {
    /// What can be done, with the words that name a node and a changed reply where it is told.
    pub fn hint(&self, at: &str, reply: &str) -> String {
        match self.way {
            Way::None => String::new(),
            Way::Earlier(earlier) => format!("change that one: `{at}{}`", earlier.0),
            Way::Reply => {
                format!("of a bare call of a model only the reply is changed: `{reply}`")
            }
        }
    }
}

/// A change that an earlier fork made, and that holds on.
#[derive(Debug, Clone)]
pub struct Standing {
    address: Address,
    nth: usize,
    change: Change,
}

impl Standing {
    /// The change in another trace, where the call stands in that.
    pub fn in_trace(&self, trace: &Trace) -> Option<Fork> {
        let here = trace.iter().filter(|(_, it)| it.kind == Kind::Lm);
        let mut here = here.filter(|(_, it)| it.address == self.address);
        let at = here.nth(self.nth)?.0;
        Some(Fork { at, change: self.change.clone(), reply: None })
    }
}

/// How many calls at the place of a node come before it.
fn begun_before(trace: &Trace, at: NodeId) -> usize {
    let address = &trace.node(at).address;
    let before = trace.nodes[..at.0].iter();
    before.filter(|it| it.kind == Kind::Lm && it.address == *address).count()
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("forks", &self.forks).finish_non_exhaustive()
    }
}

impl Replay {
    /// Answers from a trace and in no other way.
    pub fn strict(trace: Arc<Trace>) -> Self {
        Self::new(trace, None)
    }

    /// Answers from a trace, wherever in it the same is asked, and in no other way.
    pub fn wherever(trace: Arc<Trace>) -> Self {
        Self { wherever: true, ..Self::new(trace, None) }
    }

    /// Answers from a trace what is asked word by word as there, and lets models answer the rest;
    /// `tell` hears of the first such request.
    pub fn live(trace: Arc<Trace>, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::new(trace, Some(Box::new(tell)))
    }

    /// As [`Replay::live`], with a call that is made otherwise.
    pub fn forked(
        trace: Arc<Trace>,
        fork: Fork,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self::new(trace, Some(Box::new(tell))).and(vec![fork], true)
    }

    fn new(trace: Arc<Trace>, live: Option<Tell>) -> Self {
        let exchanges = Exchanges::of(trace);
        let used = vec![false; exchanges.all().len()];
        let state = Mutex::new(Progress { used, ..Progress::default() });
        Self { exchanges, wherever: live.is_some(), live, forks: Vec::new(), state }
    }

    /// The same with more calls that are made otherwise, as they were in the run of the trace.
    #[must_use]
    pub fn with(self, forks: Vec<Fork>) -> Self {
        self.and(forks, false)
    }

    fn and(mut self, forks: Vec<Fork>, is_new: bool) -> Self {
        let trace = self.exchanges.trace().clone();
        for fork in forks {
            let before = begun_before(&trace, fork.at);
            self.forks.push(Forked { fork, before, is_new });
        }
        let mut state = lock(&self.state);
        state.began.resize(self.forks.len(), 0);
        state.has_changed.resize(self.forks.len(), false);
        drop(state);
        self
    }

    /// How many requests were answered from the trace.
    pub fn answered(&self) -> u64 {
        lock(&self.state).answered
    }

    /// The nodes of the calls that were not made again, each once.
    pub fn left_over(&self) -> Vec<NodeId> {
        let state = lock(&self.state);
        let all = self.exchanges.all().iter().zip(&state.used);
        let mut nodes: Vec<NodeId> =
            all.filter(|(_, used)| !**used).map(|(it, _)| it.node).collect();
        nodes.dedup();
        nodes
    }

    /// The first of these that nobody asked for yet, else with `again` the last of them.
    fn pick(
        state: &Progress,
        numbers: impl Iterator<Item = usize>,
        again: bool,
    ) -> Option<usize> {
        let mut last = None;
        for number in numbers {
            if !state.used[number] {
                return Some(number);
            }
            last = Some(number);
        }
        last.filter(|_| again)
    }

    /// The exchange of the call that answers a request, and else the first that asks the same.
    fn meant(&self, state: &Progress, asked: Asked<'_>, question: &str) -> Option<Meant> {
        let all = self.exchanges.all();
        let here = self.exchanges.at(asked.place).iter().copied();
        let here = here.filter(|it| all[*it].question == question);
        let here = Self::pick(state, here, self.wherever).map(Meant::Here);
        let elsewhere = || self.exchanges.asking(question).first().copied();
        here.or_else(|| elsewhere().filter(|_| self.wherever).map(Meant::Elsewhere))
    }

    /// Why the trace has no answer, and at which node of it.
    fn difference(&self, state: &Progress, asked: Asked<'_>) -> (usize, Unrecorded) {
        let hint = "`--live` asks the model from here on".to_owned();
        let call = shown(asked.place);
        let here = self.exchanges.at(asked.place).iter().copied();
        let Some(number) = Self::pick(state, here, false) else {
            let message = format!("the trace has no call `{call}` to `{}`", asked.model);
            let message = match self.exchanges.at(asked.place).len() {
                0 => message,
                n => {
                    format!("`{call}` is asked once more than in the trace: {n} requests there")
                }
            };
            let notes = vec![self.others(asked)];
            return (usize::MAX, Unrecorded { message, notes, hint });
        };
        let node = self.exchanges.all()[number].node;
        let message =
            format!("`{call}` is asked something else than in the trace (#{})", node.0);
        let (then, now) = (self.exchanges.model(number), asked.model);
        let notes = match then == now {
            false => vec![format!("model: [-{then}-] {{+{now}+}}")],
            true => {
                let then = &self.exchanges.attempt(number).request;
                let told = request_difference(then, asked.request);
                let bare = |line: &str| line.strip_prefix("    ").unwrap_or(line).to_owned();
                told.lines().map(bare).collect()
            }
        };
        (node.0, Unrecorded { message, notes, hint })
    }

    /// What else the trace has of a predictor.
    fn others(&self, asked: Asked<'_>) -> String {
        let trace = self.exchanges.trace();
        let same = trace
            .iter()
            .filter(|(_, it)| it.kind == Kind::Lm && it.address.path == asked.place.path);
        match same.count() {
            0 => format!("it has no call of `{}`", asked.place.path),
            1 => format!("it has one call of `{}`", asked.place.path),
            n => format!("it has {n} calls of `{}`", asked.place.path),
        }
    }

    /// The fork whose reply a request gets, and the exchange in place of which it does.
    fn changed_reply(
        &self,
        state: &Progress,
        asked: Asked<'_>,
        question: &str,
    ) -> Option<(usize, usize, &str)> {
        let all = self.exchanges.all();
        let forks = self.forks.iter().enumerate().filter(|(it, _)| !state.has_changed[*it]);
        for (at, Forked { fork, before, .. }) in forks {
            let Some(reply) = fork.reply.as_deref() else { continue };
            let is_other = !fork.change.is_nothing();
            // Another evaluation may have asked the same before, at the same place.
            let here = self.exchanges.at(asked.place).iter().copied();
            let here = here.filter(|it| all[*it].question == question || is_other);
            let Some(first) = Self::pick(state, here, false) else { continue };
            let has_begun = !is_other || state.began[at] > *before;
            if has_begun && all[first].node == fork.at {
                return Some((at, first, reply));
            }
        }
        None
    }

    /// Whether a request is one to another model than the trace has replies of, which may have the
    /// same name.
    fn asks_another(&self, state: &Progress, asked: Asked<'_>) -> bool {
        let trace = self.exchanges.trace();
        self.forks.iter().enumerate().any(|(at, it)| {
            let Forked { fork, before, is_new } = it;
            let is_other = *is_new && fork.change.lm.is_some();
            is_other && state.began[at] > *before && trace.node(fork.at).address == *asked.place
        })
    }

    fn answer(&self, number: usize) -> Recorded {
        let attempt = self.exchanges.attempt(number);
        match &attempt.completion {
            // A run that is made again as it was tells what it took then.
            Some(completion) if self.live.is_none() && !self.wherever => {
                let Attempt { cached, sent, cost, .. } = *attempt;
                Recorded::Again(completion.clone(), Took { cached, sent, cost })
            }
            Some(completion) => Recorded::Reply(completion.clone()),
            None => {
                let message = attempt.error.clone().unwrap_or_default();
                Recorded::Failure(attempt.fault, message)
            }
        }
    }
}

impl Tape for Replay {
    fn find(&self, asked: Asked<'_>) -> Result<Option<Recorded>, Unrecorded> {
        if asks_vectors(asked) {
            return self.vectors(asked);
        }
        let question = question(asked.model, asked.request);
        let mut state = lock(&self.state);
        if let Some((fork, number, reply)) = self.changed_reply(&state, asked, &question) {
            let text = reply.to_owned();
            state.has_changed[fork] = true;
            state.used[number] = true;
            let reply = Completion { text, attempts: 1, ..Completion::default() };
            return Ok(Some(Recorded::Reply(Arc::new(reply))));
        }
        let meant = self.meant(&state, asked, &question);
        if let Some(meant) = meant.filter(|_| !self.asks_another(&state, asked)) {
            let number = match meant {
                Meant::Here(number) => {
                    state.used[number] = true;
                    number
                }
                // Another call's answer stays that call's: which of the two comes first is chance.
                Meant::Elsewhere(number) => number,
            };
            state.answered += 1;
            return Ok(Some(self.answer(number)));
        }
        let is_first = !std::mem::replace(&mut state.has_missed, true);
        let Some(tell) = &self.live else {
            let (at, why) = self.difference(&state, asked);
            state.missed.entry((at, asked.place.clone())).or_insert_with(|| why.clone());
            return Err(why);
        };
        if is_first {
            let (_, why) = self.difference(&state, asked);
            drop(state);
            tell(&why.message);
        }
        Ok(None)
    }

    fn note(&self, _: Asked<'_>, _: &Completion) {}

    fn missed(&self) -> Option<Unrecorded> {
        let state = lock(&self.state);
        state.missed.values().next().filter(|_| self.live.is_none()).cloned()
    }

    fn heeds_scripts(&self) -> bool {
        true
    }

    fn leaves_vectors(&self) -> bool {
        true
    }

    fn change(&self, address: &Address) -> Option<Change> {
        let trace = self.exchanges.trace();
        let mut state = lock(&self.state);
        let mut change: Option<Change> = None;
        for (at, Forked { fork, before, .. }) in self.forks.iter().enumerate() {
            if trace.node(fork.at).address == *address {
                state.began[at] += 1;
                if state.began[at] > *before {
                    // The first is the newest.
                    let own = fork.change.clone();
                    change = Some(change.unwrap_or_default().over(Some(own)));
                }
            }
        }
        change
    }
}

impl Replay {
    /// Vectors are in no trace: those that are made here are made again.
    fn vectors(&self, asked: Asked<'_>) -> Result<Option<Recorded>, Unrecorded> {
        if self.live.is_some() || asked.capabilities.in_process {
            return Ok(None);
        }
        let why = Unrecorded {
            message: format!("the vectors of `{}` are not in the store", asked.model),
            notes: vec!["traces hold no vectors".to_owned()],
            hint: "`--live` asks the model for them".to_owned(),
        };
        let mut state = lock(&self.state);
        let place = (usize::MAX, asked.place.clone());
        state.missed.entry(place).or_insert_with(|| why.clone());
        Err(why)
    }
}

/// Whether vectors are asked for, and no text.
fn asks_vectors(asked: Asked<'_>) -> bool {
    !asked.capabilities.chat && asked.request.sampling.max_tokens == Some(0)
}

/// A call as people read it: `answer#0`.
fn shown(address: &Address) -> String {
    let example = address.example.map_or(String::new(), |it| format!("@{it}"));
    format!("{}{example}#{}", address.place(), address.ordinal)
}

/// A model that is not opened, because its replies are at hand.
#[derive(Debug)]
pub struct Absent {
    name: String,
    capabilities: Capabilities,
}

impl Absent {
    /// What stands for the model of this name.
    pub fn new(name: &str, known: Option<Abilities>) -> Self {
        Self::able(name, known.map_or(Capabilities::PLAIN, Abilities::capabilities))
    }

    /// What stands for a model of this name that can do this.
    pub fn able(name: &str, capabilities: Capabilities) -> Self {
        Self { name: name.to_owned(), capabilities }
    }
}

impl Lm for Absent {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("recorded {}", self.name)
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn complete<'a>(&'a self, _: &'a Request, _: &'a CallContext) -> CallFuture<'a> {
        Box::pin(async {
            Err(Error::new(ErrorKind::Scripted, &self.name, "it stands for recorded replies"))
        })
    }
}
