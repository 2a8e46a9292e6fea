//! Two programs compared row by row.

use crate::eval::evaluation::{Evaluation, RowResult};
use crate::eval::stats::{self, Interval, Paired, mean, mean_interval};
use indexmap::IndexMap;

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
    /// The paired differences of all scores, where the metric gives several.
    pub scores: IndexMap<String, Paired>,
}

/// Compares two evaluations of the same data set row by row.
pub fn compare(before: &Evaluation, after: &Evaluation, seed: u64) -> Comparison {
    let longest = before.rows.len().max(after.rows.len());
    let pairs = pairs(before, after, RowResult::value);
    let named = |name: &String| {
        let pairs = self::pairs(before, after, |row| row.named(name));
        Some((name.clone(), stats::paired(&pairs, seed)?))
    };
    let scores = before.scores.keys().filter(|name| after.scores.contains_key(*name));
    let scores = scores.filter_map(named).collect();
    Comparison { scores, ..compare_scores(&pairs, longest - pairs.len(), seed) }
}

/// What both scored, row by row.
fn pairs(
    before: &Evaluation,
    after: &Evaluation,
    value: impl Fn(&RowResult) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let pair = |(a, b): (&RowResult, &RowResult)| {
        (a.index == b.index).then_some((value(a)?, value(b)?))
    };
    before.rows.iter().zip(&after.rows).filter_map(pair).collect()
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
        scores: IndexMap::new(),
    }
}

impl Comparison {
    /// What it comes to, in words.
    pub fn verdict(&self) -> &'static str {
        self.paired.as_ref().map_or("no row was scored by both", |it| it.verdict.as_str())
    }
}
