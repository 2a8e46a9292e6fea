//! A program scored on a data set.

use crate::data::Read;
use crate::eval::run::{Batch, RunOptions, Stop, run_flow};
use crate::eval::stats::{Interval, mean, mean_interval};
use crate::eval::worst::Worst;
use crate::eval::{
    Budget, Cancel, Caps, Dataset, Evaluator, Exchange, FailureKind, Job, Outcome, Progress,
    Spent, Used,
};
use crate::host::Host;
use crate::lm::{Cost, Details, Money};
use crate::program::State;
use crate::schema::{Row, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::sync::Arc;
use std::time::Duration;

/// How a program is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvalOptions {
    /// How runs are made.
    pub run: RunOptions,
    /// The seed of intervals and tests.
    pub seed: u64,
    /// The most calls to models; `None` is no cap.
    pub max_calls: Option<u64>,
    /// The most tokens; `None` is no cap.
    pub max_tokens: Option<u64>,
    /// The most dollars; `None` is no cap.
    pub max_cost: Option<Money>,
    /// The longest; `None` is no cap.
    pub max_time: Option<Duration>,
    /// Which sample of each row is scored: 0 is the first.
    pub rollout: u64,
    /// Whether the steps of each run are kept.
    pub keep_steps: bool,
}

impl EvalOptions {
    /// What it may take.
    pub fn caps(&self) -> Caps {
        let Self { max_calls, max_tokens, max_cost, max_time, .. } = *self;
        Caps { max_calls, max_tokens, max_cost, max_time }
    }
}

/// A row and what the program made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RowResult {
    /// The row.
    pub row: Arc<Row>,
    /// The row's index in the data set it was loaded into.
    pub index: usize,
    /// Where the row stands: `dev.jsonl:17`.
    pub origin: String,
    /// What the run gave; `None` when it was not run.
    pub outcome: Option<Box<Outcome>>,
}

impl RowResult {
    /// What the row counts in the mean.
    pub fn value(&self) -> Option<f64> {
        self.outcome.as_ref()?.value()
    }

    /// What the row counts in the mean of one of several scores.
    pub fn named(&self, name: &str) -> Option<f64> {
        let outcome = self.outcome.as_ref()?;
        let failed = outcome.failed_by(FailureKind::Program);
        if failed { Some(0.0) } else { outcome.scores.get(name).copied() }
    }

    /// Why it failed.
    pub fn failure(&self) -> Option<&str> {
        Some(self.outcome.as_ref()?.failure.as_ref()?.message.as_str())
    }

    /// What was sent to models and what came back, for the rows that scored lowest.
    pub fn exchanges(&self) -> &[Exchange] {
        self.outcome.as_ref().map_or(&[], |it| &it.exchanges)
    }

    fn failed_by(&self, kind: FailureKind) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.failed_by(kind))
    }
}

/// One of several scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NamedScore {
    /// The mean.
    pub score: f64,
    /// Its interval.
    pub interval: Option<Interval>,
}

/// What is known of what was scored, for reports.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subject {
    /// What was scored by what on what, where somebody named it.
    pub title: String,
    /// The columns that the program takes; the others are labels.
    pub inputs: Vec<Arc<str>>,
    /// Outputs that can only be one of some values, with these.
    pub classes: IndexMap<Arc<str>, Vec<Value>>,
    /// Outputs that one type is known of, with it and what its names mean.
    pub outputs: IndexMap<Arc<str>, (Ty, Arc<TypeTable>)>,
    /// The models that the program asks.
    pub models: Vec<String>,
    /// The models that the metric asks, as far as they are known.
    pub judges: Vec<String>,
    /// The hash of the program's state.
    pub state: String,
}

/// A program scored on a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean; `None` when no row was scored.
    pub score: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
    /// All scores where the metric gives several; the first is the one that counts.
    pub scores: IndexMap<String, NamedScore>,
    /// Every row, in the order of the data set.
    pub rows: Vec<RowResult>,
    /// Rows in the mean.
    pub scored: usize,
    /// Of those, the rows where the program failed: they count as 0.
    pub failed: usize,
    /// Rows left out because a machine failed.
    pub left_out: usize,
    /// Rows that were not run.
    pub not_run: usize,
    /// Why.
    pub stop: Option<Stop>,
    /// Calls to models by the program, cached ones included.
    pub calls: u64,
    /// Of those, the ones that a store answered.
    pub cached_calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What is known of the tokens besides.
    pub details: Details,
    /// What the program's calls cost.
    pub cost: Cost,
    /// What each predictor took from each model, the metric's calls included.
    pub used: Vec<Used>,
    /// What the metric took, where it asks models itself.
    pub judge: JudgeCost,
    /// Assertions that stayed false.
    pub asserts_failed: u64,
    /// Replies that were asked for again with the reason: they could not be read, or broke a
    /// condition.
    pub repairs: u64,
    /// How long a row took.
    pub latency: Latency,
    /// How long all took.
    pub elapsed: Duration,
    /// The hash of the data.
    pub data: String,
    /// What was scored.
    pub subject: Subject,
}

/// What judging took, all rows together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JudgeCost {
    /// Calls to models, cached ones included.
    pub calls: u64,
    /// Of those, the ones that a store answered.
    pub cached_calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What is known of the tokens besides.
    pub details: Details,
    /// What they cost.
    pub cost: Cost,
    /// How long judging took, summed over rows.
    pub time: Duration,
}

impl JudgeCost {
    fn plus(self, it: Spent) -> Self {
        Self {
            calls: self.calls + u64::from(it.calls),
            cached_calls: self.cached_calls + u64::from(it.cached_calls),
            prompt_tokens: self.prompt_tokens + it.prompt_tokens,
            completion_tokens: self.completion_tokens + it.completion_tokens,
            details: self.details.plus(it.details),
            cost: self.cost.plus(it.cost),
            time: self.time + it.latency,
        }
    }
}

/// Percentiles of how long rows took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// Half of the rows took at most this.
    pub p50: Duration,
    /// Nine of ten.
    pub p90: Duration,
    /// All.
    pub max: Duration,
}

/// Scores a program in `state` on all rows of `data`.
///
/// # Errors
/// Rows of a file that cannot be read again.
pub fn evaluate(
    evaluator: &dyn Evaluator,
    state: &Arc<State>,
    data: &Dataset,
    options: EvalOptions,
    host: &dyn Host,
    cancel: &Cancel,
    progress: &mut dyn FnMut(&Progress),
) -> Read<Evaluation> {
    let started = host.elapsed();
    let job = |row| Job {
        state: Arc::clone(state),
        row,
        rollout: options.rollout,
        keep_steps: options.keep_steps,
        keep_exchanges: true,
        max_calls: None,
        max_tokens: None,
        max_cost: None,
    };
    let rows = data.rows()?;
    let jobs: Vec<Job> = rows.iter().cloned().map(job).collect();
    let mut seen = Progress {
        phase: "evaluate".to_owned(),
        total: jobs.len(),
        max_calls: options.max_calls,
        ..Progress::default()
    };
    let mut cost = Cost::default();
    let mut done = |outcome: &Outcome| {
        // A run that is made again is done once.
        seen.done = (seen.done + 1).min(seen.total);
        seen.calls += u64::from(outcome.calls);
        seen.tokens += outcome.prompt_tokens + outcome.completion_tokens;
        cost = cost.plus(outcome.cost);
        seen.usd = cost.worth_telling();
        seen.running.add(outcome.value());
        progress(&seen);
        Vec::new()
    };
    let mut budget = Budget::new(&options.caps());
    let worst = Worst::of(evaluator);
    let mut batch = run_flow(&worst, jobs, options.run, &mut budget, cancel, &mut done);
    worst.give_back(&rows, &mut batch.outcomes);
    let elapsed = host.elapsed().saturating_sub(started);
    let evaluation = Evaluation::of(data, &rows, batch, options.seed, elapsed);
    Ok(Evaluation { data: data.hash()?, ..evaluation })
}

impl Evaluation {
    fn of(
        data: &Dataset,
        rows: &[Arc<Row>],
        batch: Batch,
        seed: u64,
        elapsed: Duration,
    ) -> Self {
        let result =
            |(at, (row, outcome)): (usize, (&Arc<Row>, Option<Box<Outcome>>))| RowResult {
                row: row.clone(),
                index: row.index,
                origin: data.origin(at).unwrap_or_default(),
                outcome,
            };
        let rows = rows.iter().zip(batch.outcomes).enumerate();
        let rows: Vec<RowResult> = rows.map(result).collect();
        let values: Vec<f64> = rows.iter().filter_map(RowResult::value).collect();
        let count =
            |test: &dyn Fn(&RowResult) -> bool| rows.iter().filter(|it| test(it)).count();
        let outcomes = || rows.iter().filter_map(|it| it.outcome.as_deref());
        let sum = |part: fn(&Outcome) -> u64| outcomes().map(part).sum::<u64>();
        let cost = outcomes().fold(Cost::default(), |sum, it| sum.plus(it.cost));
        let judge = outcomes().fold(JudgeCost::default(), |sum, it| sum.plus(*it.judge));
        let details = outcomes().fold(Details::default(), |sum, it| sum.plus(it.details));
        let mut used = Vec::new();
        outcomes().flat_map(|it| &it.used).for_each(|it| it.add_to(&mut used));
        Self {
            score: (!values.is_empty()).then(|| mean(&values)),
            interval: mean_interval(&values, seed),
            scores: named_scores(&rows, seed),
            scored: values.len(),
            failed: count(&|row| row.failed_by(FailureKind::Program)),
            left_out: count(&|row| row.failed_by(FailureKind::Infrastructure)),
            not_run: count(&|row| row.outcome.is_none()),
            stop: batch.stop,
            calls: sum(|it| u64::from(it.calls)) - judge.calls,
            cached_calls: sum(|it| u64::from(it.cached_calls)) - judge.cached_calls,
            prompt_tokens: sum(|it| it.prompt_tokens) - judge.prompt_tokens,
            completion_tokens: sum(|it| it.completion_tokens) - judge.completion_tokens,
            asserts_failed: sum(|it| u64::from(it.asserts_failed)),
            repairs: sum(|it| u64::from(it.repairs)),
            details: details.minus(judge.details),
            cost: cost.minus(judge.cost),
            used,
            judge,
            latency: Latency::of(&rows),
            elapsed,
            data: String::new(),
            subject: Subject::default(),
            rows,
        }
    }

    /// What was paid now, the judge's calls included; `None` where not all prices are known.
    pub fn paid(&self) -> Option<Money> {
        let all = self.cost.plus(self.judge.cost);
        (all.unknown == 0).then_some(all.paid)
    }

    /// The rows that scored lowest, the lowest first; those of full score are not among them.
    pub fn worst(&self, count: usize) -> Vec<&RowResult> {
        let low = |row: &&RowResult| {
            row.outcome.is_some() && row.value().is_none_or(|value| value < 1.0)
        };
        let mut rows: Vec<&RowResult> = self.rows.iter().filter(low).collect();
        // Failures of machines say nothing about the program, so they come last.
        let rank = |row: &RowResult| row.value().unwrap_or(2.0);
        rows.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        rows.truncate(count);
        rows
    }
}

/// The means of all scores, in the order of the first row that has them.
fn named_scores(rows: &[RowResult], seed: u64) -> IndexMap<String, NamedScore> {
    let outcomes = rows.iter().filter_map(|it| it.outcome.as_ref());
    let mut names: Vec<&String> = Vec::new();
    for name in outcomes.flat_map(|it| it.scores.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let named = |name: &String| {
        let values: Vec<f64> = rows.iter().filter_map(|it| it.named(name)).collect();
        let (score, interval) = (mean(&values), mean_interval(&values, seed));
        (name.clone(), NamedScore { score, interval })
    };
    names.into_iter().map(named).collect()
}

impl Latency {
    fn of(rows: &[RowResult]) -> Self {
        let mut times: Vec<Duration> =
            rows.iter().filter_map(|row| Some(row.outcome.as_ref()?.latency)).collect();
        times.sort_unstable();
        // The nearest rank: the smallest time that this part of the rows does not exceed.
        let rank = |part: usize| {
            let at = (times.len() * part).div_ceil(100).max(1) - 1;
            times.get(at).copied().unwrap_or_default()
        };
        Self { p50: rank(50), p90: rank(90), max: rank(100) }
    }
}
