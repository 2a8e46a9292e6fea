//! What a search did, for people.

use crate::diag::Diagnostic;
use crate::eval::stats::{Interval, mean, mean_interval};
use crate::eval::{Comparison, Outcome, Stop, compare_scores};
use crate::lm::Cost;
use crate::optimize::Plan;
use crate::program::{ScoreRecord, State};
use std::fmt::Write;
use std::sync::Arc;

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
        let scored: Vec<f64> = self.values.iter().copied().flatten().collect();
        if whole && !scored.is_empty() {
            self.score = Some(mean(&scored));
            self.interval = mean_interval(&scored, seed);
        }
    }

    /// Whether it is to be chosen before one that was proposed earlier.
    pub(crate) fn beats(&self, earlier: &Self) -> bool {
        let (Some(score), Some(other)) = (self.score, earlier.score) else {
            return self.score.is_some();
        };
        let cost = |it: &Self| (it.asserts_failed, it.state.demo_count());
        score > other || (score == other && cost(self) < cost(earlier))
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
    /// What the calls cost.
    pub cost: Cost,
    /// What ended the search before its end.
    pub stop: Option<Stop>,
    /// What the user should know.
    pub notices: Vec<Diagnostic>,
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
        let _ = writeln!(
            text,
            "\ncalls    {}, {} tokens in, {} out{}",
            self.calls,
            self.prompt_tokens,
            self.completion_tokens,
            self.cost.told().map(|it| format!(", {it}")).unwrap_or_default()
        );
        if let Some(stop) = &self.stop {
            let _ = writeln!(text, "stopped  {stop}: this is the best so far");
        }
        if let Some(gain) = self.gain() {
            text += "\nthe chosen state against the first, on the rows it was chosen on\n";
            text += &gain.render();
            text += "measure it on rows that the search did not see: `compare(before, after, test)`\n";
        }
        for notice in &self.notices {
            let _ = writeln!(text, "{}: {}", notice.severity.as_str(), notice.message);
            notice.notes.iter().chain(&notice.hints).for_each(|more| {
                let _ = writeln!(text, "  {more}");
            });
        }
        text
    }

    fn table(&self) -> String {
        let mut text = format!(
            "  {:<24}{:>7}  {:<18}{:>6}{:>8}\n",
            "state", "score", "95 % interval", "demos", "calls"
        );
        for (at, it) in self.candidates.iter().enumerate() {
            let mark = if self.best == Some(at) { '*' } else { ' ' };
            let score = it.score.map_or("-".to_owned(), |score| format!("{score:.3}"));
            let interval = |it: Interval| format!("{:.3} to {:.3}", it.low, it.high);
            let interval = it.interval.map_or("-".to_owned(), interval);
            let demos = it.state.demo_count();
            let _ = writeln!(
                text,
                "{mark} {:<24}{score:>7}  {interval:<18}{demos:>6}{:>8}",
                it.label, it.calls
            );
        }
        text
    }
}
