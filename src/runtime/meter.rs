//! Caps that cannot be passed: what a call takes at most is reserved before it is sent, and
//! settled when it is known.

use crate::lm::Money;
use crate::runtime::signal::Signal;
use crate::util::lock;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::Duration;

/// What calls take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Amount {
    /// Requests.
    pub calls: u64,
    /// Tokens, read and written.
    pub tokens: u64,
    /// Dollars.
    pub money: Money,
}

impl Amount {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            money: self.money.plus(other.money),
        }
    }

    /// The difference, nothing where it would be negative.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            money: self.money.minus(other.money),
        }
    }

    /// The least that is something.
    pub(in crate::runtime) fn smallest() -> Self {
        Self { calls: 1, tokens: 1, money: Money::SMALLEST }
    }

    /// The larger of each part.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            calls: self.calls.max(other.calls),
            tokens: self.tokens.max(other.tokens),
            money: self.money.max(other.money),
        }
    }
}

/// The most that calls may take; `None` is no cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests.
    pub calls: Option<u64>,
    /// Tokens, read and written.
    pub tokens: Option<u64>,
    /// Dollars.
    pub money: Option<Money>,
}

impl Limits {
    /// Whether the tokens of a call matter.
    pub fn bounds_tokens(&self) -> bool {
        self.tokens.is_some() || self.money.is_some()
    }

    /// What may be lent to one of several who share what is left; `None` where nothing is.
    pub(in crate::runtime) fn lent(&self, wanted: &Self, spent: Amount) -> Option<Amount> {
        let part = |cap: u64, spent: u64, wanted: Option<u64>| {
            let left = cap.saturating_sub(spent);
            let lent = wanted.unwrap_or_else(|| left.div_ceil(SHARES)).clamp(1, left.max(1));
            (left > 0).then_some(lent)
        };
        let calls = self.calls.map(|cap| part(cap, spent.calls, wanted.calls));
        let tokens = self.tokens.map(|cap| part(cap, spent.tokens, wanted.tokens));
        let money = self.money.map(|cap| {
            let left = cap.minus(spent.money);
            let lent = wanted.money.unwrap_or_else(|| left.shared(SHARES)).min(left);
            (lent > Money::ZERO).then_some(lent)
        });
        Some(Amount {
            calls: calls.map_or(Some(0), |it| it)?,
            tokens: tokens.map_or(Some(0), |it| it)?,
            money: money.map_or(Some(Money::ZERO), |it| it)?,
        })
    }

    /// The cap that so much passes.
    pub fn passed_by(&self, amount: Amount) -> Option<Passed> {
        let (calls, tokens, money) = (self.calls, self.tokens, self.money);
        if let Some(cap) = calls.filter(|cap| amount.calls > *cap) {
            return Some(Passed::Calls(cap));
        }
        if let Some(cap) = tokens.filter(|cap| amount.tokens > *cap) {
            return Some(Passed::Tokens(cap));
        }
        money.filter(|cap| amount.money > *cap).map(Passed::Money)
    }
}

/// A cap that leaves no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// That on calls.
    Calls(u64),
    /// That on tokens.
    Tokens(u64),
    /// That on dollars.
    Money(Money),
}

/// What was taken, and what may still be.
#[derive(Debug, Default)]
pub struct Meter {
    state: Mutex<State>,
    /// Something that was reserved was settled.
    settled: Signal,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    spent: Amount,
    /// What calls under way take at most.
    reserved: Amount,
    /// Calls under way.
    open: u64,
    /// The most by which a reservation was larger than what was taken.
    slack: Amount,
    /// The largest sum that was refused.
    refused: Amount,
}

/// How many share what is left of a cap, where nobody says how much each takes.
const SHARES: u64 = 8;

/// How long a call waits for others before it looks again whether its run is over.
const PAUSE: Duration = Duration::from_millis(20);

impl Meter {
    /// Reserves what a call takes at most. Where it has no room now and might have when calls
    /// under way are settled, it waits, as long as `goes_on` says.
    ///
    /// # Errors
    /// The cap that leaves no room.
    pub fn reserve(
        &self,
        limits: &Limits,
        most: Amount,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), Passed> {
        let mut state = lock(&self.state);
        loop {
            let Err(passed) = state.take(limits, most) else { return Ok(()) };
            let is_hopeless = limits.passed_by(state.spent.plus(most)).is_some();
            if state.open == 0 || is_hopeless || !goes_on() {
                state.refused = state.refused.max(state.spent.plus(most));
                return Err(passed);
            }
            state = self.settled.wait(&self.state, state, Some(PAUSE));
        }
    }

    /// Reserves one more request of a call that is under way, if there is room now.
    pub fn reserve_more(&self, limits: &Limits, most: Amount) -> bool {
        lock(&self.state).take(limits, most).is_ok()
    }

    /// Puts what `requests` took in the place of what was reserved for each of them.
    pub fn settle(&self, most: Amount, requests: u64, took: Amount) {
        let mut state = lock(&self.state);
        for _ in 0..requests {
            state.reserved = state.reserved.minus(most);
        }
        state.open = state.open.saturating_sub(requests);
        state.spent = state.spent.plus(took);
        state.slack = state.slack.max(most.minus(took));
        drop(state);
        self.settled.ring();
    }

    /// What was taken so far.
    pub fn spent(&self) -> Amount {
        lock(&self.state).spent
    }

    /// A cap under which nothing would have been refused, in whatever order calls came.
    pub fn needed(&self) -> Amount {
        let State { spent, slack, refused, .. } = *lock(&self.state);
        spent.plus(slack).max(refused)
    }
}

impl State {
    fn take(&mut self, limits: &Limits, most: Amount) -> Result<(), Passed> {
        let wanted = self.spent.plus(self.reserved).plus(most);
        match limits.passed_by(wanted) {
            Some(passed) => Err(passed),
            None => {
                self.reserved = self.reserved.plus(most);
                self.open += 1;
                Ok(())
            }
        }
    }
}
