//! Even pace, for servers that tell nothing of their limits before they refuse.
//!
//! What a server took until it first refused is taken for what it takes in a minute: right for
//! windows of a minute and for buckets that hold a minute's worth, and slow for others, which are
//! tried faster after many requests went well. A refusal among requests that are taken is a hiccup,
//! which says nothing about pace.

use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// So many requests go well before the pace is tried faster.
const PROVEN: u32 = 240;
/// Of a pace, how much more time is left: what is sent evenly does not arrive evenly.
const CARE: f64 = 1.02;

/// Refusals in a row that are no hiccup, where the server tells nothing else.
const EARNEST: u32 = 3;
/// So many requests that were sent after a refused one and taken show that it was a hiccup.
const SHOWN: u32 = 4;

/// How long is waited for the answer to one that is to show something.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than this share of refusals is no mood.
const MANY: f64 = 0.5;

/// When requests are sent, where a pace is known.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The time between requests that the user's rate leaves.
    stated: Option<Duration>,
    /// Requests of the last minute that were not refused, until the first is.
    early: BTreeMap<u64, Duration>,
    learned: Option<Learned>,
    last_sent: Option<Duration>,
    /// The server refuses now and then, whatever the pace.
    is_moody: bool,
    /// The share of refusals among the last answers.
    refusals: f64,
    /// A refusal was taken for a hiccup.
    was_in_doubt: bool,
    /// How many requests are sent at once after that.
    ramp: Option<Ramp>,
}

/// The way back after a refusal that seems to be a hiccup: were it none, whatever is sent at once
/// would be refused at once.
#[derive(Debug, Default)]
struct Ramp {
    /// Requests whose answer may still be a refusal, and when they were sent.
    open: BTreeMap<u64, Duration>,
    /// How many were taken.
    good: usize,
}

impl Ramp {
    /// How many requests may be open: one more for each that was taken, then for every eighth.
    fn slots(&self) -> usize {
        if self.good < 6 { 2 + self.good } else { 7 + self.good / 8 }
    }

    /// Passes over those that are long in coming: servers refuse quickly.
    fn turn(&mut self, now: Duration) {
        let before = self.open.len();
        self.open.retain(|_, sent| *sent + PATIENCE > now);
        self.good += before - self.open.len();
    }
}

#[derive(Debug)]
struct Learned {
    /// The last of those that were sent before it was known.
    last_early: u64,
    /// What is sent from then on comes after the one that was refused, by any way.
    after: Duration,
    /// How many of those were taken, and refused.
    taken: u32,
    refused: u32,
    asked: Option<Duration>,
    /// What is waited where the server does not say.
    backoff: Duration,
    /// How much slower than it seems, or faster.
    factor: f64,
    /// Requests that went well since it was changed.
    good: u32,
    /// How many must, before it is tried faster.
    proven: u32,
    /// Refusals in a row.
    row: u32,
    /// There were so many that it is no hiccup.
    is_earnest: bool,
    /// The request that is to show whether they are taken again, and when it was sent.
    scout: Option<(u64, Duration)>,
    not_before: Duration,
}

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) number: u64,
    pub(super) sent: Duration,
    pub(super) now: Duration,
}

impl Pace {
    /// The user's rate, in requests a minute.
    pub(super) fn state(&mut self, rate: f64) {
        let apart = Duration::from_secs_f64((60.0 / rate * 1.01).clamp(0.0, 1e6));
        self.stated = Some(self.stated.map_or(apart, |it| it.max(apart)));
    }

    /// When the next request may go.
    pub(super) fn next_at(&self) -> Duration {
        let last = self.last_sent;
        let stated = last.zip(self.stated).map(|(last, apart)| last + apart);
        let learned = self.learned.as_ref().map(|it| {
            let by_pace = last.map(|last| last + it.apart(self.early.len()));
            let window = self.early.values().next().map(|it| *it + MINUTE + MINUTE / 100);
            let is_whole = it.asked.is_none() && it.is_earnest && self.early.len() >= 2;
            let opens = window.filter(|_| is_whole).unwrap_or_default();
            by_pace.unwrap_or_default().max(it.not_before).max(opens)
        });
        stated.max(learned).unwrap_or_default()
    }

    /// Until when nothing else is sent because one request is to show whether they are taken
    /// again: until it is answered, or its answer is long in coming.
    pub(super) fn is_in_doubt(&mut self, now: Duration) -> Option<Duration> {
        if let Some(ramp) = &mut self.ramp {
            ramp.turn(now);
            if ramp.good >= PROVEN as usize {
                self.ramp = None;
            } else if ramp.open.len() >= ramp.slots() {
                return ramp.open.values().next().map(|it| *it + PATIENCE);
            }
        }
        let (_, sent) = self.learned.as_ref().filter(|it| it.is_doubt())?.scout?;
        Some(sent + PATIENCE).filter(|it| *it > now)
    }

    /// A request ended without an answer.
    pub(super) fn gone(&mut self, number: u64) {
        if let Some(ramp) = &mut self.ramp {
            ramp.open.remove(&number);
        }
        if let Some(learned) = &mut self.learned {
            learned.scout = learned.scout.filter(|it| it.0 != number);
        }
    }

    pub(super) fn sent(&mut self, now: Duration, number: u64) {
        self.last_sent = Some(now);
        if let Some(ramp) = &mut self.ramp {
            ramp.open.insert(number, now);
        }
        if let Some(learned) = self.learned.as_mut().filter(|it| it.is_doubt()) {
            learned.scout = Some((number, now));
        }
        if self.learned.is_none() {
            self.early.insert(number, now);
            while self.early.first_key_value().is_some_and(|it| *it.1 + MINUTE < now) {
                self.early.pop_first();
            }
        }
    }

    /// A request was answered as it should; tells whether refusals before were a hiccup.
    pub(super) fn taken(&mut self, it: Answered) -> bool {
        self.refusals *= 15.0 / 16.0;
        if let Some(ramp) = &mut self.ramp
            && ramp.open.contains_key(&it.number)
        {
            ramp.good += 1;
        }
        self.gone(it.number);
        let Some(learned) = &mut self.learned else { return false };
        if it.number <= learned.last_early {
            learned.taken += u32::from(it.sent > learned.after);
            let is_hiccup = learned.taken >= SHOWN && learned.taken > learned.refused;
            self.is_moody |= is_hiccup;
            return is_hiccup && self.learned.take().is_some();
        }
        if learned.is_doubt() {
            self.was_in_doubt = true;
            self.ramp = Some(Ramp::default());
            return self.learned.take().is_some();
        }
        learned.row = 0;
        learned.good += 1;
        if learned.good >= learned.proven {
            learned.good = 0;
            learned.factor *= 0.9;
        }
        false
    }

    /// A request was refused; tells whether others have to wait, too.
    pub(super) fn refused(
        &mut self,
        it: Answered,
        asked: Option<Duration>,
        backoff: Duration,
    ) -> bool {
        self.early.remove(&it.number);
        self.gone(it.number);
        self.refusals = self.refusals * 15.0 / 16.0 + 1.0 / 16.0;
        if self.is_moody && self.learned.is_none() && self.refusals < MANY {
            return false;
        }
        self.ramp = None;
        let last_early = self.early.last_key_value().map_or(it.number, |it| *it.0);
        let learned = self.learned.get_or_insert_with(|| Learned {
            last_early: last_early.max(it.number),
            after: it.sent + (it.now - it.sent) / 4,
            taken: 0,
            refused: 0,
            asked,
            backoff,
            factor: 1.0,
            good: 0,
            proven: PROVEN,
            row: 0,
            is_earnest: false,
            scout: None,
            not_before: it.now,
        });
        learned.is_earnest |= self.was_in_doubt && self.refusals > MANY;
        learned.asked = learned.asked.max(asked);
        learned.backoff = learned.backoff.max(backoff);
        let wait = asked.unwrap_or_else(|| backoff.saturating_mul(1 << learned.row.min(6)));
        learned.not_before = learned.not_before.max(it.now + wait);
        if it.number > learned.last_early {
            learned.factor *= if learned.is_doubt() { 1.0 } else { 1.15 };
            learned.good = 0;
            learned.proven = learned.proven.saturating_mul(2);
            learned.row += 1;
            learned.is_earnest |= learned.row >= EARNEST;
        } else {
            learned.refused += u32::from(it.sent > learned.after);
        }
        true
    }
}

impl Learned {
    /// Whether it may be a hiccup.
    fn is_doubt(&self) -> bool {
        self.asked.is_none() && !self.is_earnest
    }

    /// The time between requests, where so many were taken in a minute.
    fn apart(&self, taken: usize) -> Duration {
        if self.is_doubt() {
            return Duration::ZERO;
        }
        let apart = match (taken, self.asked) {
            (0 | 1, Some(asked)) => asked,
            (0 | 1, None) => 2 * self.backoff,
            (taken, _) => MINUTE.div_f64(taken as f64),
        };
        apart.mul_f64(CARE * self.factor).min(10 * MINUTE)
    }
}
