//! Rows with their runs, and which of them tell something.

use crate::eval::Outcome;
use crate::optimize::Example;
use crate::sampling::quantile;
use std::cmp::Ordering;
use std::sync::Arc;

/// A run that was made of a row, and its score.
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) outcome: Arc<Outcome>,
    pub(crate) score: f64,
}

/// A row and its runs, the best first.
pub(crate) struct Bucket {
    pub(crate) example: Example,
    pub(crate) runs: Vec<Run>,
}

impl Bucket {
    pub(crate) fn best(&self) -> &Run {
        &self.runs[0]
    }

    pub(crate) fn worst(&self) -> &Run {
        &self.runs[self.runs.len() - 1]
    }

    /// How much its runs differ, then its best run, then how far that is from the mean.
    fn rank(&self) -> [f64; 3] {
        let (best, worst) = (self.best().score, self.worst().score);
        let scores: Vec<f64> = self.runs.iter().map(|it| it.score).collect();
        [best - worst, best, best - mean(&scores).unwrap_or_default()]
    }
}

/// What all scores of a minibatch say of one.
pub(crate) struct Bounds {
    low: f64,
    high: f64,
    least: f64,
}

impl Bounds {
    pub(crate) fn of(buckets: &[Bucket]) -> Self {
        let all: Vec<f64> =
            buckets.iter().flat_map(|it| it.runs.iter().map(|it| it.score)).collect();
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        Self { low: quantile(&all, 0.1), high: quantile(&all, 0.9), least }
    }

    /// Whether the best run of a row is worth showing.
    pub(crate) fn shows(&self, bucket: &Bucket) -> bool {
        let best = bucket.best();
        let is_clean = best.outcome.failure.is_none() && best.outcome.asserts_failed == 0;
        is_clean && best.score >= self.low && best.score > self.least
    }

    /// Whether the best and the worst run of a row tell something beside each other.
    pub(crate) fn teaches(&self, bucket: &Bucket) -> bool {
        let (best, worst) = (bucket.best().score, bucket.worst().score);
        best > worst && best >= self.low && worst <= self.high
    }
}

/// Rows that have runs, those first that tell the most.
pub(crate) fn in_order(mut buckets: Vec<Bucket>) -> Vec<Bucket> {
    buckets.retain(|it| !it.runs.is_empty());
    for bucket in &mut buckets {
        let failed = |it: &Run| it.outcome.asserts_failed;
        bucket.runs.sort_by(|a, b| b.score.total_cmp(&a.score).then(failed(a).cmp(&failed(b))));
    }
    buckets.sort_by(|a, b| b.rank().partial_cmp(&a.rank()).unwrap_or(Ordering::Equal));
    buckets
}

pub(crate) fn mean(scores: &[f64]) -> Option<f64> {
    (!scores.is_empty()).then(|| crate::eval::stats::mean(scores))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Record, Row};

    fn bucket(scores: &[f64]) -> Bucket {
        let row = Arc::new(Row { values: Record::default(), index: 0, folder: None });
        let run = |(at, score): (usize, &f64)| Run {
            number: at as u64,
            outcome: Arc::new(Outcome::default()),
            score: *score,
        };
        let runs = scores.iter().enumerate().map(run).collect();
        Bucket { example: Example { row, hash: String::new() }, runs }
    }

    /// Whether each row is worth showing, and whether its runs teach.
    fn told(rows: &[&[f64]]) -> Vec<(bool, bool)> {
        let buckets: Vec<Bucket> = rows.iter().map(|it| bucket(it)).collect();
        let bounds = Bounds::of(&buckets);
        buckets.iter().map(|it| (bounds.shows(it), bounds.teaches(it))).collect()
    }

    #[test]
    fn where_nearly_all_is_right_or_wrong_rows_still_teach() {
        let (right, wrong) = (&[1.0; 5], &[0.0; 5]);
        let right = told(&[right, right, right, &[1.0, 1.0, 1.0, 1.0, 0.0]]);
        assert_eq!(right, [(true, false), (true, false), (true, false), (true, true)]);
        let wrong = told(&[wrong, wrong, wrong, &[1.0, 0.0, 0.0, 0.0, 0.0]]);
        assert_eq!(wrong, [(false, false), (false, false), (false, false), (true, true)]);
    }

    #[test]
    fn rows_out_of_the_ordinary_do_not_teach() {
        let usual: &[f64] = &[0.6, 0.5, 0.4, 0.5, 0.5];
        let rows = [usual, usual, usual, usual, &[0.2, 0.1], &[0.9, 0.8]];
        let told = told(&rows);
        assert_eq!(told[0], (true, true));
        assert_eq!(told[4], (false, false), "its best run is among the worst of all");
        assert_eq!(told[5], (true, false), "its worst run is among the best of all");
    }

    #[test]
    fn what_differs_most_comes_first() {
        let rows: [&[f64]; 4] = [&[0.5, 0.5], &[0.5, 0.9], &[1.0, 0.6], &[0.0, 1.0]];
        let order = in_order(rows.iter().map(|it| bucket(it)).collect());
        let best: Vec<(f64, f64)> =
            order.iter().map(|it| (it.best().score, it.worst().score)).collect();
        assert_eq!(best, [(1.0, 0.0), (1.0, 0.6), (0.9, 0.5), (0.5, 0.5)]);
        assert!(in_order(vec![bucket(&[])]).is_empty());
    }
}
