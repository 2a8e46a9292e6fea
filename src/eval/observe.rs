//! What a command lends to evaluations and searches: who watches them, and who makes their runs.

use crate::data::Dataset;
use crate::eval::stats::Interval;
use crate::eval::{ComparisonValue, Evaluation, Progress, Remote};
use crate::runtime::{Cx, Val};
use crate::schema::Value;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What a command lends; it goes with the settings of its runs.
#[derive(Debug, Default)]
pub struct Attached {
    /// Who watches.
    pub observer: Option<Arc<dyn Observer>>,
    /// Who makes the runs that the command line asks for, once that is known.
    pub remote: OnceLock<Arc<dyn Remote>>,
}

/// Watches evaluations and searches. It is called by whoever consumes results, so it should be
/// quick.
pub trait Observer: Send + Sync + fmt::Debug {
    /// Something has happened.
    fn see(&self, event: &Event<'_>);
}

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// Long work begins: `evaluate`, the name of an optimizer.
    Began(&'a str),
    /// It is so far; with an estimate of the seconds that are left of its phase.
    Progress(&'a Progress, Option<f64>),
    /// It has ended, or failed.
    Ended(&'a str),
    /// Something came of it, which is worth keeping; with all that is known, as a value.
    Came(&'a Account, &'a Value),
}

/// What an evaluation, a search or a comparison came to: no content of rows, prompts or replies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// `evaluate`, `compile` or `compare`.
    pub kind: String,
    /// The program: as it was asked for, else as the language shows it.
    pub program: String,
    /// The metric, likewise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metric: String,
    /// The optimizer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub optimizer: String,
    /// The models that were asked.
    pub models: Vec<String>,
    /// The hash of the state: the one that was scored, the one that was found.
    pub state: String,
    /// Of a search the hash of the state that it began with, of a comparison that of the first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// The rows.
    pub data: Vec<UsedData>,
    /// The seed.
    pub seed: u64,
    /// The mean; of a search that of what it found, on the rows that it chose on.
    pub score: Option<f64>,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
    /// Of a comparison the paired difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// Its interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain_interval: Option<(f64, f64)>,
    /// What it is worth: `reliable gain`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub verdict: String,
    /// Calls to models, cached ones included.
    pub calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Dollars, where all prices are known.
    pub usd: Option<f64>,
    /// Seconds.
    pub seconds: f64,
    /// Why it ended before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The file of finished rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// Rows that were used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UsedData {
    /// What for: `data`, `trainset`, `valset`.
    pub role: String,
    /// The hash of their content.
    pub hash: String,
    /// How many.
    pub rows: usize,
    /// The file that the first of them stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl UsedData {
    /// Returns what is kept of a data set.
    pub fn of(role: &str, data: &Dataset, hash: String) -> Self {
        let origin = data.origin(0).unwrap_or_default();
        let file = origin.rsplit_once(':').map(|(file, _)| file.to_owned());
        Self { role: role.to_owned(), hash, rows: data.len(), file }
    }
}

/// What a program or a metric is called: a function by its name, others as the language shows
/// them.
pub fn called(value: &Val) -> String {
    let shown = value.show();
    let name = shown.strip_prefix("Fn(").and_then(|it| it.strip_suffix(')'));
    name.map_or(shown.clone(), ToOwned::to_owned)
}

/// The ends of an interval.
pub(crate) fn ends(interval: Option<Interval>) -> Option<(f64, f64)> {
    interval.map(|it| (it.low, it.high))
}

impl Account {
    /// What an evaluation came to.
    pub(crate) fn of(it: &Evaluation, data: &Dataset, seed: u64) -> Self {
        Self {
            kind: "evaluate".to_owned(),
            models: it.subject.models.clone(),
            state: it.subject.state.clone(),
            data: vec![UsedData::of("data", data, it.data.clone())],
            seed,
            score: it.score,
            interval: ends(it.interval),
            calls: it.calls + it.judge.calls,
            prompt_tokens: it.prompt_tokens + it.judge.prompt_tokens,
            completion_tokens: it.completion_tokens + it.judge.completion_tokens,
            usd: it.cost.plus(it.judge.cost).dollars(),
            seconds: it.elapsed.as_secs_f64(),
            stopped: it.stop.as_ref().map(ToString::to_string),
            ..Self::default()
        }
    }
}

impl Account {
    /// What a comparison came to; what it took is told of the two evaluations.
    pub(crate) fn compared(it: &ComparisonValue, data: &Dataset, seed: u64) -> Self {
        let paired = it.comparison.paired.as_ref();
        let seconds = it.before.elapsed + it.after.elapsed;
        Self {
            kind: "compare".to_owned(),
            models: it.after.subject.models.clone(),
            state: it.after.subject.state.clone(),
            before: it.before.subject.state.clone(),
            data: vec![UsedData::of("data", data, it.after.data.clone())],
            seed,
            score: it.comparison.after,
            interval: ends(it.comparison.after_interval),
            gain: paired.map(|it| it.gain),
            gain_interval: ends(paired.map(|it| it.interval)),
            verdict: it.comparison.verdict().to_owned(),
            seconds: seconds.as_secs_f64(),
            ..Self::default()
        }
    }
}

/// What the command lends to evaluations and searches.
pub fn attached<'a>(cx: &'a Cx<'_>) -> Option<&'a Attached> {
    cx.run().session().settings.attached.as_deref()?.downcast_ref()
}

/// Who watches.
pub(crate) fn observer<'a>(cx: &'a Cx<'_>) -> Option<&'a dyn Observer> {
    attached(cx)?.observer.as_deref()
}
