//! Caps on calls, tokens and dollars that cannot be passed, and decide the same with any number
//! of threads.
//!
//! Runs are admitted in waves: as many as fit when each takes its worst case. What they did
//! not take is free again for the next wave. So the decision about a run depends on runs
//! before it in logical order only, never on which of them came back first.
//!
//! Where the worst case of a run is not known, the runs of a wave share evenly what is left, and
//! the run holds its share itself: as many are admitted as leave each of them more than any run
//! before needed. One whose share was too small is made again with a larger one.

use crate::eval::{FailureKind, Outcome};
use crate::lm::Money;
use crate::runtime::{Amount, Limits, Passed};
use std::time::Duration;

/// What work may take; `None` is no cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// Calls to models, cached ones included.
    pub max_calls: Option<u64>,
    /// Tokens, read and written, those of cached replies included.
    pub max_tokens: Option<u64>,
    /// Dollars at list prices, cached replies included.
    pub max_cost: Option<Money>,
    /// Time.
    pub max_time: Option<Duration>,
}

impl Caps {
    /// A cap on calls and no other.
    pub fn calls(max_calls: Option<u64>) -> Self {
        Self { max_calls, ..Self::default() }
    }

    /// Whether nothing is capped.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn limits(&self) -> Limits {
        Limits { calls: self.max_calls, tokens: self.max_tokens, money: self.max_cost }
    }
}

/// Caps, and what was taken. Calls that a store answers count as well, so that a search made
/// again with a full store decides as it did the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    limits: Limits,
    spent: Amount,
    /// The most that a run needed so far.
    needed: Amount,
    /// Whether there was a run.
    has_seen: bool,
}

/// Runs that may start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// How many.
    pub runs: usize,
    /// The most that each may take.
    pub share: Limits,
}

impl Budget {
    /// Returns a budget with these caps; time is not its matter.
    pub fn new(caps: &Caps) -> Self {
        Self { limits: caps.limits(), ..Self::default() }
    }

    /// The cap on calls.
    pub fn cap(&self) -> Option<u64> {
        self.limits.calls
    }

    /// All caps.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Calls made so far.
    pub fn spent(&self) -> u64 {
        self.spent.calls
    }

    /// What was taken so far.
    pub fn taken(&self) -> Amount {
        self.spent
    }

    /// What is left.
    pub fn left(&self) -> Limits {
        let Limits { calls, tokens, money } = self.limits;
        Limits {
            calls: calls.map(|cap| cap.saturating_sub(self.spent.calls)),
            tokens: tokens.map(|cap| cap.saturating_sub(self.spent.tokens)),
            money: money.map(|cap| cap.minus(self.spent.money)),
        }
    }

    /// How many runs are admitted in any case, whatever those before them take; 0 where that
    /// depends on what they take.
    pub fn room(&self, per_run: Option<u64>) -> usize {
        let left = self.left();
        match (left.calls, per_run) {
            _ if left.tokens.is_some() || left.money.is_some() => 0,
            (None, _) => usize::MAX,
            (Some(_), None) => 0,
            (Some(calls), Some(most)) => calls.checked_div(most).map_or(usize::MAX, size),
        }
    }

    /// Admits up to `wanted` runs that take at most `per_run` calls each. What has no such bound
    /// is shared by `width` runs at a time, or by as many as runs before showed to fit.
    pub fn admit(&self, wanted: usize, per_run: Option<u64>, width: usize) -> Admission {
        let (left, width) = (self.left(), width.max(1));
        // Nothing has to hold where there is no cap, so nothing is held against a run: a metric
        // that asks more than was foreseen is no failure.
        let mut runs = wanted;
        if let Some(calls) = left.calls {
            runs = runs.min(match per_run {
                Some(most) => calls.checked_div(most).map_or(usize::MAX, size),
                None => size(calls).min(width),
            });
        }
        if let Some(tokens) = left.tokens {
            let fitting = tokens.checked_div(self.needed.tokens.saturating_mul(2));
            runs = runs.min(self.fitting(tokens == 0, fitting, width));
        }
        if let Some(money) = left.money {
            let fitting = money.holds(self.needed.money.times(2));
            runs = runs.min(self.fitting(money == Money::ZERO, fitting, width));
        }
        let share = |left: u64| left / (runs.max(1) as u64);
        let calls = left.calls.map(|calls| per_run.unwrap_or_else(|| share(calls)));
        let money = left.money.map(|left| left.shared(runs as u64));
        Admission { runs, share: Limits { calls, tokens: left.tokens.map(share), money } }
    }

    /// How many runs may share what is left, of which twice what a run needed goes so often into
    /// it; `None` where no run needed any.
    fn fitting(&self, is_used_up: bool, often: Option<u64>, width: usize) -> usize {
        match often {
            _ if !self.has_seen => width,
            None => usize::MAX,
            Some(_) if is_used_up => 0,
            Some(often) => size(often).max(1),
        }
    }

    /// Takes down what a run really took; tells whether a share of the caps that was too small
    /// ended it, where a larger one can be had.
    pub fn settle(&mut self, admitted: &Admission, outcome: &Outcome) -> bool {
        let took = outcome.amount();
        self.has_seen = true;
        self.spent = self.spent.plus(took);
        self.needed = self.needed.max(took).max(outcome.needed);
        self.refuses(admitted, outcome).is_some() && admitted.runs > 1
    }

    /// The cap that ended a run, where its share did.
    pub fn refuses(&self, admitted: &Admission, outcome: &Outcome) -> Option<Passed> {
        let share = Limits { calls: None, ..admitted.share };
        let passed = share.passed_by(outcome.needed)?;
        outcome.failed_by(FailureKind::Stopped).then_some(match passed {
            Passed::Tokens(share) => Passed::Tokens(self.limits.tokens.unwrap_or(share)),
            Passed::Money(share) => Passed::Money(self.limits.money.unwrap_or(share)),
            calls @ Passed::Calls(_) => calls,
        })
    }

    /// The cap that admits no run.
    pub fn used_up(&self, per_run: Option<u64>) -> Passed {
        let (left, limits) = (self.left(), self.limits);
        let few = |left: u64| left < per_run.unwrap_or(1).max(1);
        match (limits.calls, limits.tokens, limits.money) {
            (Some(cap), _, _) if left.calls.is_some_and(few) => Passed::Calls(cap),
            (_, Some(cap), _) if left.tokens == Some(0) => Passed::Tokens(cap),
            (_, _, Some(cap)) => Passed::Money(cap),
            (calls, tokens, None) => {
                tokens.map_or(Passed::Calls(calls.unwrap_or_default()), Passed::Tokens)
            }
        }
    }
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
