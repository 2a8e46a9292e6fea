//! What a search did, for people.

use crate::diag::Diagnostic;
use crate::eval::stats::{Interval, Verdict, mean, mean_interval};
use crate::eval::{
    Comparison, FailureKind, Outcome, Scored, Stop, Used, compare_scores, usage_text,
};
use crate::lm::{Cost, Details};
use crate::optimize::{Confirmation, End, Plan};
use crate::program::{GainRecord, ScoreRecord, State};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// A state that was proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What the policy calls it.
    pub label: String,
    /// The state.
    pub state: Arc<State>,
    /// Scores by row to choose by; `None` where a machine failed or the search was stopped.
    pub values: Vec<Option<f64>>,
    /// The mean of a candidate that was scored to its end.
    pub score: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
    /// Assertions that stayed false in its runs.
    pub asserts_failed: u64,
    /// Runs that failed by the program's own fault: they count as 0.
    pub failed: usize,
    /// Rows left out because a machine failed.
    pub left_out: usize,
    /// What the first run that failed said.
    pub failure: Option<String>,
    /// Calls that its scoring took; runs that were remembered took none.
    pub calls: u64,
    /// Whether scoring it was begun.
    pub(crate) tried: bool,
    /// Its place among all that are proposed.
    pub(crate) serial: usize,
}

impl Candidate {
    pub(crate) fn new(serial: usize, label: &str, state: State) -> Self {
        Self {
            serial,
            label: label.to_owned(),
            state: Arc::new(state),
            values: Vec::new(),
            score: None,
            interval: None,
            asserts_failed: 0,
            failed: 0,
            left_out: 0,
            failure: None,
            calls: 0,
            tried: false,
        }
    }

    /// Takes down the outcomes; only a `whole` row of the matrix gives a score.
    pub(crate) fn take(&mut self, outcomes: &[Option<Arc<Outcome>>], whole: bool, seed: u64) {
        self.tried = true;
        self.values = outcomes.iter().map(|it| it.as_ref()?.value()).collect();
        let failed = |it: &Arc<Outcome>| u64::from(it.asserts_failed);
        self.asserts_failed = outcomes.iter().flatten().map(failed).sum();
        let by = |kind| outcomes.iter().flatten().filter(|it| it.failed_by(kind)).count();
        (self.failed, self.left_out) =
            (by(FailureKind::Program), by(FailureKind::Infrastructure));
        let first = outcomes.iter().flatten().find_map(|it| it.failure.as_ref());
        self.failure = first.map(|it| it.message.clone());
        if whole {
            self.close(seed);
        }
    }

    /// Gives it the score of the rows so far.
    pub(crate) fn close(&mut self, seed: u64) {
        let scored: Vec<f64> = self.values.iter().copied().flatten().collect();
        if !scored.is_empty() {
            self.score = Some(mean(&scored));
            self.interval = mean_interval(&scored, seed);
        }
    }

    /// The mean of the rows so far.
    pub(crate) fn mean_so_far(&self) -> Option<f64> {
        let scored: Vec<f64> = self.values.iter().copied().flatten().collect();
        (!scored.is_empty()).then(|| mean(&scored))
    }

    /// Whether it is to be chosen before one that was proposed earlier.
    pub(crate) fn beats(&self, earlier: &Self) -> bool {
        let (Some(score), Some(other)) = (self.score, earlier.score) else {
            return self.score.is_some();
        };
        let cost = |it: &Self| (it.asserts_failed, it.state.demo_count());
        score > other || (score == other && cost(self) < cost(earlier))
    }

    /// What became of the runs that did not end well, in a line.
    fn failures(&self) -> Option<String> {
        let (failed, left_out) = (self.failed, self.left_out);
        let runs = self.values.len();
        let counted =
            (failed > 0).then(|| format!("{failed} of {runs} runs failed, counted as 0"));
        let lost =
            (left_out > 0).then(|| format!("{left_out} of {runs} left out, a machine failed"));
        let parts: Vec<String> = [counted, lost].into_iter().flatten().collect();
        let why = self.failure.as_deref().unwrap_or_default();
        (!parts.is_empty()).then(|| format!("{}; the first: {why}", parts.join(", ")))
    }

    /// It as those are told who watch.
    pub(crate) fn scored(&self) -> Scored {
        Scored {
            serial: self.serial,
            label: self.label.clone(),
            state: self.state.hash(),
            score: self.score,
            interval: self.interval,
            calls: self.calls,
        }
    }

    /// Its score for the state's file.
    pub(crate) fn record(&self) -> Option<ScoreRecord> {
        let interval = self.interval?;
        Some(ScoreRecord {
            role: "valset".to_owned(),
            score: self.score?,
            interval: (interval.low, interval.high),
            rows: self.values.iter().flatten().count(),
        })
    }
}

/// The longest chain of runs that had to wait for one another. No number of threads makes a
/// search shorter than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Path {
    /// How many batches of runs waited for the one before.
    pub steps: u64,
    /// The most calls of a run, summed over the batches.
    pub calls: u64,
    /// The longest run, summed over the batches; replies from a store take no time.
    pub time: Duration,
}

impl Path {
    /// Goes through a batch.
    pub(crate) fn pass<'a>(&mut self, batch: impl Iterator<Item = &'a Outcome> + Clone) {
        let Some(calls) = batch.clone().map(|it| u64::from(it.calls)).max() else { return };
        self.steps += 1;
        self.calls += calls;
        self.time += batch.map(|it| it.latency + it.judge.latency).max().unwrap_or_default();
    }

    /// The chain beside the time that the search took.
    pub fn render(&self, wall: Duration) -> String {
        let (path, wall) = (self.time.as_secs_f64(), wall.as_secs_f64());
        let times =
            if path > 0.0 { format!(", {:.1} times that", wall / path) } else { String::new() };
        format!(
            "chain    {} steps one after another, of {} calls, {path:.2} s; the search took {wall:.2} s{times}\n",
            self.steps, self.calls
        )
    }
}

/// What a search did.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The optimizer.
    pub optimizer: String,
    /// What it could have taken at most.
    pub plan: Plan,
    /// Rows to learn from and to choose by.
    pub rows: (usize, usize),
    /// All candidates in the order in which they were proposed.
    pub candidates: Vec<Candidate>,
    /// The chosen one; `None` when the state is as it was.
    pub best: Option<usize>,
    /// Calls to models, cached ones included.
    pub calls: u64,
    /// Calls that a store answered.
    pub cached_calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What is known of the tokens besides.
    pub details: Details,
    /// What the calls cost.
    pub cost: Cost,
    /// What each predictor took from each model.
    pub used: Vec<Used>,
    /// What ended the search before its end.
    pub stop: Option<Stop>,
    /// What it is worth, on rows that nothing was chosen on; `None` where nobody asked.
    pub confirmation: Option<Confirmation>,
    /// The longest chain of runs.
    pub path: Path,
    /// What the user should know.
    pub notices: Vec<Diagnostic>,
    /// How the search went, in the policy's own words.
    pub remarks: Vec<String>,
    /// The seed of the search.
    pub seed: u64,
}

impl Report {
    /// The chosen candidate.
    pub fn best_candidate(&self) -> Option<&Candidate> {
        self.candidates.get(self.best?)
    }

    /// The chosen candidate against the first one, row by row. The rows are those that it was
    /// chosen on, which flatters it.
    pub fn gain(&self) -> Option<Comparison> {
        let (first, best) = (self.candidates.first()?, self.best_candidate()?);
        if best.score.is_none() || first.score.is_none() || self.best == Some(0) {
            return None;
        }
        let both = first.values.iter().zip(&best.values);
        let pairs: Vec<(f64, f64)> = both.filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
        Some(compare_scores(&pairs, first.values.len() - pairs.len(), self.seed))
    }

    /// The report in lines that depend on the replies alone.
    pub fn render(&self) -> String {
        let (train, val) = self.rows;
        let mut text = format!("{} on {train} rows, chosen on {val}\n\n", self.optimizer);
        text += &self.table();
        text += &self.failures();
        for remark in &self.remarks {
            let _ = writeln!(text, "\n{remark}");
        }
        let _ = writeln!(
            text,
            "\ncalls    {}, {}{}",
            self.calls,
            self.details.told(self.calls, self.prompt_tokens, self.completion_tokens),
            self.cost.told().map(|it| format!(", {it}")).unwrap_or_default()
        );
        text += &usage_text(&self.used);
        if let Some(stop) = &self.stop {
            let _ = writeln!(text, "stopped  {stop}: this is the best so far");
        }
        text += &self.worth();
        for notice in &self.notices {
            let _ = writeln!(text, "{}: {}", notice.severity.as_str(), notice.message);
            notice.notes.iter().chain(&notice.hints).for_each(|more| {
                let _ = writeln!(text, "  {more}");
            });
        }
        text
    }

    /// What the result is worth.
    fn worth(&self) -> String {
        match &self.confirmation {
            Some(it) => it.render(),
            None => self.gain().map_or(String::new(), |gain| {
                format!(
                    "\nthe chosen state against the first, on the rows it was chosen on\n{}\
                     measure it on rows that the search did not see: `compare(before, after, test)`\n",
                    gain.render()
                )
            }),
        }
    }

    /// What the chosen state scored, by what the rows were for.
    pub(crate) fn scores(&self) -> Vec<ScoreRecord> {
        let chosen = self.best_candidate().and_then(Candidate::record);
        let confirmed = self.confirmation.iter().flat_map(Confirmation::records);
        chosen.into_iter().chain(confirmed).collect()
    }

    /// What the last comparison said, for the state's file.
    pub(crate) fn gain_record(&self) -> Option<GainRecord> {
        self.confirmation.as_ref()?.gain()
    }

    /// How the program as it was failed, and the chosen one.
    fn failures(&self) -> String {
        let chosen = self.best.filter(|&at| at > 0);
        let mut text = String::new();
        for it in
            [Some(0), chosen].into_iter().flatten().filter_map(|at| self.candidates.get(at))
        {
            if let Some(told) = it.failures() {
                let _ = writeln!(text, "\nfailed   {}: {told}", it.label);
            }
        }
        text
    }

    fn table(&self) -> String {
        let longest = self.candidates.iter().map(|it| it.label.chars().count() + 1).max();
        let width = longest.unwrap_or(0).max(24);
        let mut text = format!(
            "  {:<width$}{:>7}  {:<18}{:>6}{:>8}\n",
            "state", "score", "95 % interval", "demos", "calls"
        );
        for (at, it) in self.candidates.iter().enumerate() {
            let mark = if self.best == Some(at) { '*' } else { ' ' };
            let score = it.score.map_or("-".to_owned(), |score| format!("{score:.3}"));
            let interval = |it: Interval| format!("{:.3} to {:.3}", it.low, it.high);
            let seen = it.values.iter().flatten().count();
            let dropped = if seen > 0 { format!("- ({seen} rows)") } else { "-".to_owned() };
            let interval = it.interval.map_or(dropped, interval);
            let demos = it.state.demo_count();
            let _ = writeln!(
                text,
                "{mark} {:<width$}{score:>7}  {interval:<18}{demos:>6}{:>8}",
                it.label, it.calls
            );
        }
        text
    }
}

impl Confirmation {
    /// Whether the chosen state is better than the program as it was, beyond chance.
    pub fn is_reliable(&self) -> bool {
        self.gain().is_some_and(|it| it.verdict == Verdict::Gain.as_str())
    }

    /// What came of it, in lines.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if !self.finalists.is_empty() {
            let each = self.finalists.iter().map(|(label, mean)| format!("{label} {mean:.3}"));
            let each = each.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "\nfinalists on {} more rows: {each}", self.runoff);
        }
        match &self.end {
            End::Compared(it) => {
                let what = "the chosen state against the program as it was, on rows that nothing was chosen on";
                let _ = write!(text, "\n{what} ({})\n{}", self.role, it.render());
            }
            End::Unchanged => {
                text += "\nno gain  nothing was better than the program as it was\n";
            }
            End::NotConfirmed(why) => {
                let _ = writeln!(text, "\nnot confirmed: {why}");
            }
        }
        text
    }

    /// The scores of both programs of the comparison.
    fn records(&self) -> Vec<ScoreRecord> {
        let End::Compared(it) = &self.end else { return Vec::new() };
        let record = |role: String, score: Option<f64>, interval: Option<Interval>| {
            let interval = interval?;
            let interval = (interval.low, interval.high);
            Some(ScoreRecord { role, score: score?, interval, rows: it.rows })
        };
        let before = record(format!("{} before", self.role), it.before, it.before_interval);
        let after = record(self.role.clone(), it.after, it.after_interval);
        before.into_iter().chain(after).collect()
    }

    fn gain(&self) -> Option<GainRecord> {
        let End::Compared(it) = &self.end else { return None };
        let paired = it.paired.as_ref()?;
        Some(GainRecord {
            role: self.role.clone(),
            verdict: paired.verdict.as_str().to_owned(),
            gain: paired.gain,
            interval: (paired.interval.low, paired.interval.high),
            p: paired.p,
            rows: it.rows,
        })
    }
}
