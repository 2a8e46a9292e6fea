//! A program scored on a data set, and two such scores compared.
//!
//! What is printed is split in two: lines that are the same whenever the same replies are
//! scored, and one line of times and cache hits that is not.

use crate::data::Read;
use crate::eval::run::{Batch, RunOptions, Stop, run_jobs};
use crate::eval::stats::{self, Interval, Paired, mean, mean_interval, rows_for_margin};
use crate::eval::{
    CallBudget, Cancel, Dataset, Evaluator, FailureKind, Job, Outcome, Progress,
};
use crate::host::Host;
use crate::program::State;
use indexmap::IndexMap;
use std::fmt::Write;
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
    /// Which sample of each row is scored: 0 is the first.
    pub rollout: u64,
    /// Whether the steps of each run are kept.
    pub keep_steps: bool,
}

/// A row and what the program made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RowResult {
    /// The row's index in the data set it was loaded into.
    pub index: usize,
    /// Where the row stands: `dev.jsonl:17`.
    pub origin: String,
    /// What the run gave; `None` when it was not run.
    pub outcome: Option<Outcome>,
}

impl RowResult {
    /// What the row counts in the mean.
    pub fn value(&self) -> Option<f64> {
        self.outcome.as_ref()?.value()
    }

    fn failed_by(&self, kind: FailureKind) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.failed_by(kind))
    }
}

/// A program scored on a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The mean; `None` when no row was scored.
    pub score: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
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
    /// Calls to models, cached ones included.
    pub calls: u64,
    /// Calls that a store answered.
    pub cached_calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Assertions that stayed false.
    pub asserts_failed: u64,
    /// How long a row took.
    pub latency: Latency,
    /// How long all took.
    pub elapsed: Duration,
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
        max_calls: None,
    };
    let jobs: Vec<Job> = data.rows()?.into_iter().map(job).collect();
    let mut seen = Progress {
        phase: "evaluate".to_owned(),
        total: jobs.len(),
        max_calls: options.max_calls,
        ..Progress::default()
    };
    let mut done = |outcome: &Outcome| {
        // A run that is made again is done once.
        seen.done = (seen.done + 1).min(seen.total);
        seen.calls += u64::from(outcome.calls);
        progress(&seen);
    };
    let mut budget = CallBudget::new(options.max_calls);
    let batch = run_jobs(evaluator, &jobs, options.run, &mut budget, cancel, &mut done);
    let elapsed = host.elapsed().saturating_sub(started);
    Ok(Evaluation::of(data, batch, options.seed, elapsed))
}

impl Evaluation {
    fn of(data: &Dataset, batch: Batch, seed: u64, elapsed: Duration) -> Self {
        let result = |(at, outcome)| RowResult {
            index: data.index(at).unwrap_or(at),
            origin: data.origin(at).unwrap_or_default(),
            outcome,
        };
        let rows: Vec<RowResult> = batch.outcomes.into_iter().enumerate().map(result).collect();
        let values: Vec<f64> = rows.iter().filter_map(RowResult::value).collect();
        let count =
            |test: &dyn Fn(&RowResult) -> bool| rows.iter().filter(|it| test(it)).count();
        let sum = |part: fn(&Outcome) -> u64| {
            rows.iter().filter_map(|it| it.outcome.as_ref()).map(part).sum()
        };
        Self {
            score: (!values.is_empty()).then(|| mean(&values)),
            interval: mean_interval(&values, seed),
            scored: values.len(),
            failed: count(&|row| row.failed_by(FailureKind::Program)),
            left_out: count(&|row| row.failed_by(FailureKind::Infrastructure)),
            not_run: count(&|row| row.outcome.is_none()),
            stop: batch.stop,
            calls: sum(|it| u64::from(it.calls)),
            cached_calls: sum(|it| u64::from(it.cached_calls)),
            prompt_tokens: sum(|it| it.prompt_tokens),
            completion_tokens: sum(|it| it.completion_tokens),
            asserts_failed: sum(|it| u64::from(it.asserts_failed)),
            latency: Latency::of(&rows),
            elapsed,
            rows,
        }
    }

    /// What it comes to, in lines that depend on the replies alone.
    pub fn render(&self) -> String {
        let mut text = line("score", &score_text(self.score, self.interval, self.scored));
        text += &line("rows", &self.rows_text());
        text += &self.failures_text();
        text += &line(
            "calls",
            &format!(
                "{}, {} tokens in, {} out",
                self.calls, self.prompt_tokens, self.completion_tokens
            ),
        );
        if let Some(stop) = &self.stop {
            text += &line("stopped", &stop.to_string());
        }
        if let Some(advice) = self.advice() {
            text += &line("advice", &advice);
        }
        text
    }

    /// Times and cache hits, which differ from run to run, in one line.
    pub fn render_times(&self) -> String {
        let Latency { p50, p90, max } = self.latency;
        line(
            "time",
            &format!(
                "{}, a row {} (p50), {} (p90), {} (max); {} of {} calls from the store",
                seconds(self.elapsed),
                seconds(p50),
                seconds(p90),
                seconds(max),
                self.cached_calls,
                self.calls
            ),
        )
    }

    fn rows_text(&self) -> String {
        let mut text = format!("{}, {} scored", self.rows.len(), self.scored);
        let parts = [
            (self.failed, "failed and count as 0"),
            (self.left_out, "left out: a machine failed"),
            (self.not_run, "not run"),
        ];
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(text, ", {count} {what}");
        }
        text
    }

    /// The first few messages of failures, each with its first row and how often it occurred.
    fn failures_text(&self) -> String {
        const SHOWN: usize = 5;
        let mut groups: IndexMap<&str, (&str, usize)> = IndexMap::new();
        for row in &self.rows {
            let failure = row.outcome.as_ref().and_then(|outcome| outcome.failure.as_ref());
            if let Some(failure) = failure {
                groups.entry(&failure.message).or_insert((&row.origin, 0)).1 += 1;
            }
        }
        let mut text = String::new();
        for (message, (origin, count)) in groups.iter().take(SHOWN) {
            text += &line("failure", &format!("{origin}: {message}{}", also(*count)));
        }
        if groups.len() > SHOWN {
            text += &line("failure", &format!("and {} other messages", groups.len() - SHOWN));
        }
        text
    }

    /// What would make the score worth more.
    fn advice(&self) -> Option<String> {
        const MARGIN: f64 = 0.05;
        let interval = self.interval?;
        let wide = interval.high - interval.low > 4.0 * MARGIN;
        if self.scored >= stats::FEW && !wide {
            return None;
        }
        let values: Vec<f64> = self.rows.iter().filter_map(RowResult::value).collect();
        match rows_for_margin(&values, MARGIN).filter(|_| self.scored >= stats::FEW) {
            Some(rows) => {
                Some(format!("about {rows} rows would give an interval of ±{MARGIN}"))
            }
            None => Some(format!("{} rows say little: score more of them", self.scored)),
        }
    }
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

/// Two programs on the same rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The mean of the first on the rows that both scored.
    pub before: Option<f64>,
    /// Its interval.
    pub before_interval: Option<Interval>,
    /// The mean of the second on them.
    pub after: Option<f64>,
    /// Its interval.
    pub after_interval: Option<Interval>,
    /// Rows that both scored.
    pub rows: usize,
    /// Rows that one of them did not score.
    pub left_out: usize,
    /// The paired difference; `None` when no row was scored by both.
    pub paired: Option<Paired>,
}

/// Compares two evaluations of the same data set row by row.
pub fn compare(before: &Evaluation, after: &Evaluation, seed: u64) -> Comparison {
    let longest = before.rows.len().max(after.rows.len());
    let pair = |(a, b): (&RowResult, &RowResult)| {
        (a.index == b.index).then_some((a.value()?, b.value()?))
    };
    let pairs: Vec<(f64, f64)> = before.rows.iter().zip(&after.rows).filter_map(pair).collect();
    compare_scores(&pairs, longest - pairs.len(), seed)
}

/// Compares pairs of scores (before, after).
pub(crate) fn compare_scores(pairs: &[(f64, f64)], left_out: usize, seed: u64) -> Comparison {
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let some = !pairs.is_empty();
    Comparison {
        before: some.then(|| mean(&a)),
        before_interval: mean_interval(&a, seed),
        after: some.then(|| mean(&b)),
        after_interval: mean_interval(&b, seed),
        rows: pairs.len(),
        left_out,
        paired: stats::paired(pairs, seed),
    }
}

impl Comparison {
    /// What it comes to, in lines.
    pub fn render(&self) -> String {
        let mut text =
            line("before", &score_text(self.before, self.before_interval, self.rows));
        text += &line("after", &score_text(self.after, self.after_interval, self.rows));
        if self.left_out > 0 {
            let all = self.rows + self.left_out;
            let what = "rows: one of the two did not score them";
            text += &line("left out", &format!("{} of {all} {what}", self.left_out));
        }
        let Some(paired) = &self.paired else {
            return text + line("verdict", "no row was scored by both").as_str();
        };
        let Interval { low, high, method } = paired.interval;
        text += &line(
            "gain",
            &format!(
                "{:+.3}, 95 % interval {low:+.3} to {high:+.3} ({}, {} pairs)",
                paired.gain,
                method.as_str(),
                self.rows
            ),
        );
        text += &line(
            "test",
            &format!(
                "p = {:.4} ({}; {} better, {} worse, {} the same)",
                paired.p,
                paired.test.as_str(),
                paired.wins,
                paired.losses,
                paired.ties
            ),
        );
        text += &line("verdict", paired.verdict.as_str());
        text + self.advice(paired).as_str()
    }

    fn advice(&self, paired: &Paired) -> String {
        if paired.verdict != stats::Verdict::NoReliableGain {
            return String::new();
        }
        match paired.rows_needed.filter(|rows| *rows > self.rows) {
            Some(rows) => {
                let advice = format!("a gain of this size would show on about {rows} rows");
                line("advice", &advice)
            }
            None => String::new(),
        }
    }
}

/// A line of a report: its name in a column of its own.
fn line(name: &str, text: &str) -> String {
    format!("{name:<9}{text}\n")
}

fn score_text(score: Option<f64>, interval: Option<Interval>, rows: usize) -> String {
    match (score, interval) {
        (Some(score), Some(Interval { low, high, method })) => format!(
            "{score:.3}, 95 % interval {low:.3} to {high:.3} ({}, {rows} rows)",
            method.as_str()
        ),
        (Some(_), None) | (None, _) => "none: no row was scored".to_owned(),
    }
}

/// How many rows besides the one that is named.
fn also(count: usize) -> String {
    if count > 1 { format!(" ({count} rows)") } else { String::new() }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
