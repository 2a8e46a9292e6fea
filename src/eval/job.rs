//! One run of a program on one row, and who makes it.

use crate::eval::progress::Running;
use crate::eval::rare::Rare;
use crate::eval::stats::Interval;
use crate::lm::{Cost, Details, Money};
use crate::program::State;
use crate::runtime::{Amount, Limits, SharedCallLog};
use crate::schema::{Record, Row};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One run of a program on one row, to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The program's state.
    pub state: Arc<State>,
    /// The row.
    pub row: Arc<Row>,
    /// Numbers fresh samples of one run: 0 is the first.
    pub rollout: u64,
    /// Whether [`Outcome::steps`] is wanted.
    pub keep_steps: bool,
    /// Whether [`Outcome::exchanges`] is wanted.
    pub keep_exchanges: bool,
    /// The most calls to models that the run may make, cached ones included; the evaluator
    /// ends a run that wants more with a failure of kind [`FailureKind::Stopped`].
    pub max_calls: Option<u64>,
    /// The most tokens that it may take, in the same way.
    pub max_tokens: Option<u64>,
    /// The most dollars that it may take, in the same way.
    pub max_cost: Option<Money>,
}

impl Job {
    /// What the run may take.
    pub fn limits(&self) -> Limits {
        Limits { calls: self.max_calls, tokens: self.max_tokens, money: self.max_cost }
    }
}

/// What the calls of a metric stand under where calls are told by predictor.
pub const METRIC: &str = "the metric";

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// The metric's score; `None` when there is no metric or the run failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// All scores, where the metric gives several; the one that counts is the first.
    #[serde(skip_serializing_if = "Rare::is_nothing")]
    pub scores: Rare<IndexMap<String, f64>>,
    /// What the metric said besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// What it said of single predictors, by their paths.
    #[serde(skip_serializing_if = "Rare::is_nothing")]
    pub feedback_by: Rare<IndexMap<String, String>>,
    /// Why there is no reply, or no score for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What each predictor read and wrote, in logical order. Of a call that was repaired only
    /// the last attempt stands here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What calls of each predictor took, the metric's under [`METRIC`]; kept with the steps.
    #[serde(skip_serializing_if = "Rare::is_nothing")]
    pub by_path: Rare<IndexMap<String, Spent>>,
    /// What was sent to models and what came back, the metric's included. Kept only where the
    /// score is less than 1, for that is where one looks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchange>,
    /// The program's reply.
    pub reply: Record,
    /// Assertions that were false and stayed so.
    pub asserts_failed: u32,
    /// Replies that were asked for again with the reason: they could not be read, or broke a
    /// condition.
    #[serde(skip_serializing_if = "is_zero")]
    pub repairs: u32,
    /// Calls to models, cached ones and the metric's included.
    pub calls: u32,
    /// Of those, the ones that a store answered.
    pub cached_calls: u32,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What is known of the tokens besides.
    #[serde(skip_serializing_if = "Details::is_nothing")]
    pub details: Details,
    /// What the calls cost.
    #[serde(skip_serializing_if = "Cost::is_nothing")]
    pub cost: Cost,
    /// What of all that each predictor took from each model, in the order of the first calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used: Vec<Used>,
    /// Caps under which none of its calls would have been refused, where that is more than
    /// what it took.
    #[serde(skip_serializing_if = "is_nothing")]
    pub needed: Amount,
    /// What of all that the metric took.
    #[serde(skip_serializing_if = "made_no_calls")]
    pub judge: Rare<Spent>,
    /// How long the program took, without the metric.
    #[serde(with = "micros")]
    pub latency: Duration,
    /// What it printed, to be written in the order of the runs.
    #[serde(skip)]
    pub printed: String,
}

/// What a metric took that asks models itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Calls, cached ones included.
    pub calls: u32,
    /// Of those, the ones that a store answered.
    pub cached_calls: u32,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What is known of the tokens besides.
    #[serde(skip_serializing_if = "Details::is_nothing", default)]
    pub details: Details,
    /// What that cost.
    #[serde(skip_serializing_if = "Cost::is_nothing", default)]
    pub cost: Cost,
    /// How long it took.
    #[serde(with = "micros")]
    pub latency: Duration,
}

/// What a predictor took from a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Used {
    /// The predictor; [`METRIC`] for those of the metric.
    pub predictor: String,
    /// The model.
    pub model: String,
    /// Calls, cached ones included.
    pub calls: u32,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What is known of the tokens besides.
    #[serde(skip_serializing_if = "Details::is_nothing")]
    pub details: Details,
    /// What that cost.
    #[serde(skip_serializing_if = "Cost::is_nothing")]
    pub cost: Cost,
}

impl Used {
    /// Adds what the same predictor took from the same model.
    pub(crate) fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.details = self.details.plus(other.details);
        self.cost = self.cost.plus(other.cost);
    }

    /// Whether it is of the same predictor and model.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.predictor == other.predictor && self.model == other.model
    }

    /// Adds to a list, where it has this pair, and to its end where not.
    pub(crate) fn add_to(&self, all: &mut Vec<Self>) {
        match all.iter_mut().find(|it| it.is_of(self)) {
            Some(known) => known.add(self),
            None => all.push(self.clone()),
        }
    }
}

fn is_zero(it: &u32) -> bool {
    *it == 0
}

fn made_no_calls(it: &Spent) -> bool {
    it.is_nothing()
}

fn is_nothing(it: &Amount) -> bool {
    *it == Amount::default()
}

impl Spent {
    /// Whether no model was asked.
    pub fn is_nothing(&self) -> bool {
        self.calls == 0
    }
}

/// One request to a model and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exchange {
    /// The predictor's path; the metric's own predictors have none of the program's.
    pub path: String,
    /// Whether the metric asked.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub by_metric: bool,
    /// What was sent, as text.
    pub prompt: String,
    /// What came back, as it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<String>,
    /// Why the reply could not be read, or none came.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// Durations as whole microseconds.
mod micros {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(it: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(it.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}

impl Outcome {
    /// Returns the outcome of a run that failed.
    pub fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    /// What the run counts in a mean: a program that fails scores 0; a machine that fails, a
    /// run that was stopped and a run without metric score nothing.
    pub fn value(&self) -> Option<f64> {
        match &self.failure {
            Some(failure) if failure.kind == FailureKind::Program => Some(0.0),
            Some(_) => None,
            None => self.score,
        }
    }

    /// What counts against caps: what the run took, as it was told, and the most where it was
    /// not.
    pub fn amount(&self) -> Amount {
        let told = self.prompt_tokens.saturating_add(self.completion_tokens);
        Amount {
            calls: self.calls.into(),
            tokens: told.saturating_add(self.cost.untold_tokens),
            money: self.cost.listed.plus(self.cost.untold),
        }
    }

    /// Whether the run failed with this kind.
    pub fn failed_by(&self, kind: FailureKind) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind == kind)
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened, in one line.
    pub message: String,
    /// Whose fault it is.
    pub kind: FailureKind,
    /// Where in the program it happened: `main.dsp:3:7`.
    pub place: Option<String>,
    /// It is about what a model wrote: with other replies the program might work.
    pub by_reply: bool,
    /// Every run that asks the same model fails so until somebody mends something.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub standing: bool,
}

impl Failure {
    /// Returns a failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), kind, place: None, by_reply: false, standing: false }
    }
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// The program's or the model's: it counts as a wrong answer.
    Program,
    /// A machine's or a network's: it says nothing about the program. The run is made again,
    /// then left out of the score and reported.
    Infrastructure,
    /// The metric gave something that is no score: nothing it says can be trusted, and the
    /// evaluation ends.
    Metric,
    /// A budget is used up or the command was cancelled: nothing more can be run.
    Stopped,
}

/// One call of a predictor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Step {
    /// The predictor's path in its program.
    pub path: String,
    /// What it read.
    pub inputs: Record,
    /// What it wrote.
    pub outputs: Record,
    /// The reply it was read from, as a hash.
    pub reply_hash: Option<String>,
    /// Whether an earlier reply did not fulfil what must hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repaired: bool,
    /// Whether the model did not come to the end of its reply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// How a predictor asks, and whether the program itself says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The adapter that its prompts are laid out by, where that is known.
    pub adapter: Option<String>,
    /// Whether the program says it: a state then changes nothing.
    pub keeps_adapter: bool,
    /// Whether the program says which model is asked.
    pub keeps_lm: bool,
}

/// Runs a program on rows. Shared by all threads of a search; the same job gives the same
/// outcome, but for latency, cached calls and failures of infrastructure.
pub trait Evaluator: Sync {
    /// Makes one run.
    fn run(&self, job: &Job) -> Outcome;

    /// Makes one run and tells `log` of its calls. By default the log learns nothing: what a
    /// kill leaves of the run is then paid for again where no store has it.
    fn run_noted(&self, job: &Job, log: Option<&SharedCallLog>) -> Outcome {
        let _ = log;
        self.run(job)
    }

    /// The most calls to models that one run can make, retries, repairs and metric included;
    /// `None` where the program has no such bound.
    fn max_calls_per_run(&self) -> Option<u64>;

    /// How the predictor at this path asks now, and what of that a state cannot change. By default
    /// a state can change all.
    fn layout(&self, path: &str) -> Layout {
        let _ = path;
        Layout::default()
    }

    /// Writes what a run printed, which has come to its turn. By default nobody reads it.
    fn print(&self, text: &str) {
        let _ = text;
    }

    /// Whether a run waits for models most of its time, in ways that leave its thread to others:
    /// many then share a few threads.
    fn only_waits(&self) -> bool {
        false
    }
}

/// A state that a search has scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Its place among all that are proposed, from 0.
    pub serial: usize,
    /// What the optimizer calls it.
    pub label: String,
    /// The hash of the state.
    pub state: String,
    /// The mean, where all its rows were run.
    pub score: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
    /// Calls that its scoring took.
    pub calls: u64,
}

/// How far long work is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// What is being done.
    pub phase: String,
    /// Runs done in this phase.
    pub done: usize,
    /// Runs of this phase.
    pub total: usize,
    /// The scores so far, where one state is scored.
    pub running: Running,
    /// The best score so far, where several are.
    pub best: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
    /// States that were scored so far.
    pub candidates: usize,
    /// The one of them that was scored just now.
    pub scored: Option<Scored>,
    /// Calls so far, cached ones included.
    pub calls: u64,
    /// Tokens read and written so far.
    pub tokens: u64,
    /// Dollars so far, where all prices are known.
    pub usd: Option<f64>,
    /// The most calls allowed.
    pub max_calls: Option<u64>,
}
