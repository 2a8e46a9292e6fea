//! A cap on calls to models that cannot be passed, and decides the same with any number of
//! threads.
//!
//! Runs are admitted in waves: as many as fit when each takes its worst case. What they did
//! not take is free again for the next wave. So the decision about a run depends on runs
//! before it in logical order only, never on which of them came back first.

/// A cap on calls. Calls that a store answers count as well, so that a search made again with
/// a full store decides as it did the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallBudget {
    cap: Option<u64>,
    spent: u64,
}

/// Runs that may start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// How many.
    pub runs: usize,
    /// The most calls that each may make.
    pub max_calls: Option<u64>,
}

impl CallBudget {
    /// Returns a budget with this cap; `None` is no cap.
    pub fn new(cap: Option<u64>) -> Self {
        Self { cap, spent: 0 }
    }

    /// The cap.
    pub fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// Calls made so far.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Calls that are left; `None` without a cap.
    pub fn left(&self) -> Option<u64> {
        self.cap.map(|cap| cap.saturating_sub(self.spent))
    }

    /// Admits up to `wanted` runs that take at most `per_run` calls each. A program without
    /// such a bound gets `width` runs at a time, which share evenly what is left.
    pub fn admit(&self, wanted: usize, per_run: Option<u64>, width: usize) -> Admission {
        let Some(left) = self.left() else {
            // Nothing has to hold, so nothing is held against a run: a metric that asks more
            // than was foreseen is no failure.
            return Admission { runs: wanted, max_calls: None };
        };
        let fit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(wanted);
        match per_run {
            Some(0) => Admission { runs: wanted, max_calls: Some(0) },
            Some(calls) => Admission { runs: fit(left / calls), max_calls: Some(calls) },
            None => {
                let runs = fit(left).min(width.max(1));
                let share = left.checked_div(runs as u64).unwrap_or(0);
                Admission { runs, max_calls: Some(share) }
            }
        }
    }

    /// Takes down what runs really took.
    pub fn settle(&mut self, calls: u64) {
        self.spent = self.spent.saturating_add(calls);
    }
}
