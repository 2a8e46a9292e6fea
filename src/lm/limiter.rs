//! How many requests a server takes, learned from what it says: pure, on a clock that the caller
//! reads.
//!
//! Before anything is known no request is held back. What servers tell of their limits in headers
//! is a [`Gauge`] each, for requests and for tokens. A server that tells nothing is known by its
//! first refusal: what it took before that is taken for what it takes in a minute. A rate that the
//! user states holds from the first request on. `gate` lets calls wait for their turn; `told`
//! reads headers.

mod gate;
mod gauge;
mod pace;
mod told;

pub use gate::{Gate, Pass, gate};
pub use told::{Level, Told, asked, is_of_limits, told};

use gauge::Gauge;
use pace::{Answered, Pace};
use std::time::Duration;

/// Whether the next request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Now.
    Go,
    /// Then, if nothing is learned before.
    At(Duration),
    /// When one that is under way has been answered.
    Answer,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Which one, counted from 1.
    number: u64,
    at: Duration,
    tokens: f64,
    requests_left: gauge::Mark,
    tokens_left: gauge::Mark,
}

/// What is known of one server's limits for one model and key.
#[derive(Debug, Default)]
pub struct Limiter {
    requests: Option<Gauge>,
    tokens: Option<Gauge>,
    pace: Pace,
    /// Nothing is sent before.
    closed_until: Duration,
    /// Requests that were sent.
    count: u64,
    /// Of them, those that are not answered; and what they may take.
    under_way: u64,
    tokens_under_way: f64,
}

impl Limiter {
    /// Whether one more request may go, which takes about so many tokens.
    pub fn next(&mut self, now: Duration, tokens: f64) -> Next {
        let paced = self.pace.next_at().max(self.closed_until);
        if paced > now {
            return Next::At(paced);
        }
        if let Some(then) = self.pace.is_in_doubt(now) {
            return Next::At(then);
        }
        let requests =
            self.requests.as_mut().map_or(Next::Go, |it| it.next(now, 1.0, self.under_way));
        if requests != Next::Go {
            return requests;
        }
        self.tokens.as_mut().map_or(Next::Go, |it| it.next(now, tokens, self.under_way))
    }

    /// Notes that a request was sent.
    pub fn sent(&mut self, now: Duration, tokens: f64) -> Sent {
        self.count += 1;
        self.under_way += 1;
        self.tokens_under_way += tokens;
        self.pace.sent(now, self.count);
        let mark = |gauge: &mut Option<Gauge>, cost: f64| {
            gauge.as_mut().map(|it| it.sent(now, cost)).unwrap_or_default()
        };
        Sent {
            number: self.count,
            at: now,
            tokens,
            requests_left: mark(&mut self.requests, 1.0),
            tokens_left: mark(&mut self.tokens, tokens),
        }
    }

    /// Notes what came back: `told` is empty where no answer did.
    pub fn answered(&mut self, now: Duration, sent: Sent, told: &Told) {
        self.under_way -= 1;
        self.tokens_under_way = (self.tokens_under_way - sent.tokens).max(0.0);
        let is_still = self.under_way == 0 && sent.number == self.count;
        let before = self.under_way as f64 + 1.0;
        match (&mut self.requests, told.requests) {
            (Some(gauge), Some(level)) => gauge.told(now, level, sent.requests_left, false),
            (Some(gauge), None) => gauge.untold(sent.requests_left),
            (gauge, Some(level)) => *gauge = Gauge::new(now, level, before),
            (None, None) => {}
        }
        let tokens = self.tokens_under_way + sent.tokens;
        match (&mut self.tokens, told.tokens) {
            (Some(gauge), Some(level)) => gauge.told(now, level, sent.tokens_left, is_still),
            (Some(gauge), None) => gauge.untold(sent.tokens_left),
            (gauge, Some(level)) => *gauge = Gauge::new(now, level, tokens),
            (None, None) => {}
        }
        let answered = Answered { number: sent.number, sent: sent.at, now };
        if told.refused {
            self.refused(answered, sent, told);
        } else if !told.answered {
            self.pace.gone(sent.number);
        } else if self.pace.taken(answered) {
            self.closed_until = now;
        }
    }

    /// The server asks us to slow down.
    fn refused(&mut self, answered: Answered, sent: Sent, told: &Told) {
        let now = answered.now;
        let both =
            [(&mut self.requests, sent.requests_left), (&mut self.tokens, sent.tokens_left)];
        let mut is_known = false;
        for (gauge, mark) in both {
            is_known |= gauge.as_mut().is_some_and(|it| it.is_exhausted(now, told.asked, mark));
        }
        let is_earnest = is_known || self.pace.refused(answered, told.asked, told.backoff);
        if let (true, Some(asked)) = (is_earnest, told.asked) {
            self.closed_until = self.closed_until.max(now + asked + margin(asked));
        }
    }

    /// The user's rate, in requests a minute.
    pub fn state_rate(&mut self, rate: f64) {
        self.pace.state(rate);
    }
}

/// How much longer than a server says we wait: its clock and the way to it are not ours.
fn margin(wait: Duration) -> Duration {
    (wait / 100).clamp(Duration::from_millis(5), Duration::from_millis(500))
}

#[cfg(test)]
mod tests;
