//! A run that is made again: its trace answers in place of the models.

use crate::lm::{
    Address, CallContext, CallFuture, Capabilities, Completion, Error, ErrorKind, Lm, Request,
};
use crate::runtime::tape::{Asked, Change, Recorded, Tape, Unrecorded};
use crate::trace::{Abilities, Exchanges, Kind, NodeId, Trace, question, request_difference};
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
    fork: Option<Fork>,
    /// How often the changed call had begun before, in attempts that were made again.
    before_fork: usize,
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
    /// How often the changed call began.
    began: usize,
    /// Whether its reply was changed.
    has_changed: bool,
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

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("fork", &self.fork).finish_non_exhaustive()
    }
}

impl Replay {
    /// Answers from a trace and in no other way.
    pub fn strict(trace: Arc<Trace>) -> Self {
        Self::new(trace, None, None)
    }

    /// Answers from a trace, wherever in it the same is asked, and in no other way.
    pub fn wherever(trace: Arc<Trace>) -> Self {
        Self { wherever: true, ..Self::new(trace, None, None) }
    }

    /// Answers from a trace what is asked word by word as there, and lets models answer the rest;
    /// `tell` hears of the first such request.
    pub fn live(trace: Arc<Trace>, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::new(trace, Some(Box::new(tell)), None)
    }

    /// As [`Replay::live`], with a call that is made otherwise.
    pub fn forked(
        trace: Arc<Trace>,
        fork: Fork,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self::new(trace, Some(Box::new(tell)), Some(fork))
    }

    fn new(trace: Arc<Trace>, live: Option<Tell>, fork: Option<Fork>) -> Self {
        let before_fork = fork.as_ref().map_or(0, |fork| {
            let address = &trace.node(fork.at).address;
            let before = trace.nodes[..fork.at.0].iter();
            before.filter(|it| it.kind == Kind::Lm && it.address == *address).count()
        });
        let exchanges = Exchanges::of(trace);
        let used = vec![false; exchanges.all().len()];
        let state = Mutex::new(Progress { used, ..Progress::default() });
        Self { exchanges, wherever: live.is_some(), live, fork, before_fork, state }
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

    /// Whether a request is the first one of the call whose reply is changed.
    fn is_changed(
        &self,
        state: &Progress,
        asked: Asked<'_>,
        question: &str,
    ) -> Option<(usize, &str)> {
        let fork = self.fork.as_ref()?;
        let reply = fork.reply.as_deref().filter(|_| !state.has_changed)?;
        let all = self.exchanges.all();
        let here = self.exchanges.at(asked.place).iter().copied();
        // Another evaluation may have asked the same before, at the same place.
        let same = |it: &usize| all[*it].question == question || self.is_asked_otherwise();
        let first = Self::pick(state, here.filter(same), false)?;
        let is_begun = !self.is_asked_otherwise() || state.began > self.before_fork;
        (is_begun && all[first].node == fork.at).then_some((first, reply))
    }

    /// Whether the changed call is asked something else.
    fn is_asked_otherwise(&self) -> bool {
        self.fork.as_ref().is_some_and(|it| {
            let Change { lm, instructions, prompt } = &it.change;
            lm.is_some() || instructions.is_some() || prompt.is_some()
        })
    }

    fn answer(&self, number: usize) -> Recorded {
        let attempt = self.exchanges.attempt(number);
        match &attempt.completion {
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
        if let Some((number, reply)) = self.is_changed(&state, asked, &question) {
            let text = reply.to_owned();
            state.has_changed = true;
            state.used[number] = true;
            let reply = Completion { text, attempts: 1, ..Completion::default() };
            return Ok(Some(Recorded::Reply(Arc::new(reply))));
        }
        if let Some(meant) = self.meant(&state, asked, &question) {
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
        let fork = self.fork.as_ref()?;
        let trace = self.exchanges.trace();
        if trace.node(fork.at).address != *address {
            return None;
        }
        let mut state = lock(&self.state);
        state.began += 1;
        (state.began > self.before_fork).then(|| fork.change.clone())
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
