//! Even pace, for servers that tell nothing of their limits before they refuse.
//!
//! What a server took until it first refused is taken for what it takes in a minute: right for
//! windows of a minute and for buckets that hold a minute's worth, and slow for others, which are
//! tried faster after many requests went well.

use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// So many requests go well before the pace is tried faster.
const PROVEN: u32 = 240;
/// Of a pace, how much more time is left: what is sent evenly does not arrive evenly.
const CARE: f64 = 1.02;

/// When requests are sent, where a pace is known.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The time between requests that the user's rate leaves.
    stated: Option<Duration>,
    /// Requests of the last minute that were not refused, until the first is.
    early: BTreeMap<u64, Duration>,
    learned: Option<Learned>,
    last_sent: Option<Duration>,
}

#[derive(Debug)]
struct Learned {
    /// The last of those that were sent before it was known.
    last_early: u64,
    asked: Option<Duration>,
    /// How much slower than it seems, or faster.
    factor: f64,
    /// Requests that went well since it was changed.
    good: u32,
    /// How many must, before it is tried faster.
    proven: u32,
    /// Refusals in a row.
    row: u32,
    not_before: Duration,
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
            let is_whole = it.asked.is_none() && self.early.len() >= 2;
            let opens = window.filter(|_| is_whole).unwrap_or_default();
            by_pace.unwrap_or_default().max(it.not_before).max(opens)
        });
        stated.max(learned).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, now: Duration, number: u64) {
        self.last_sent = Some(now);
        if self.learned.is_none() {
            self.early.insert(number, now);
            while self.early.first_key_value().is_some_and(|it| *it.1 + MINUTE < now) {
                self.early.pop_first();
            }
        }
    }

    /// A request was answered as it should.
    pub(super) fn taken(&mut self, number: u64) {
        let Some(learned) = &mut self.learned else { return };
        if number <= learned.last_early {
            return;
        }
        learned.row = 0;
        learned.good += 1;
        if learned.good >= learned.proven {
            learned.good = 0;
            learned.factor *= 0.9;
        }
    }

    /// A request was refused.
    pub(super) fn refused(&mut self, now: Duration, number: u64, asked: Option<Duration>) {
        self.early.remove(&number);
        let last_early = self.early.last_key_value().map_or(number, |it| *it.0).max(number);
        let learned = self.learned.get_or_insert(Learned {
            last_early,
            asked,
            factor: 1.0,
            good: 0,
            proven: PROVEN,
            row: 0,
            not_before: now,
        });
        learned.asked = learned.asked.max(asked);
        let wait = asked.unwrap_or_else(|| {
            Duration::from_millis(500).saturating_mul(1 << learned.row.min(6))
        });
        learned.not_before = learned.not_before.max(now + wait);
        if number > learned.last_early {
            learned.factor *= 1.15;
            learned.good = 0;
            learned.proven = learned.proven.saturating_mul(2);
            learned.row += 1;
        }
    }
}

impl Learned {
    /// The time between requests, where so many were taken in a minute.
    fn apart(&self, taken: usize) -> Duration {
        let apart = match (taken, self.asked) {
            (0 | 1, Some(asked)) => asked,
            (0 | 1, None) => Duration::from_secs(1),
            (taken, _) => MINUTE.div_f64(taken as f64),
        };
        apart.mul_f64(CARE * self.factor).min(10 * MINUTE)
    }
}
