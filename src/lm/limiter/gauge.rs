//! One limit of a server that tells how much of it is left.
//!
//! Servers mean two things by the time until a limit is *reset*: that of a window, at whose end
//! all of it is there again, or that until a bucket, which fills all the time, is full. Which it
//! is shows in two answers: the end of a window stands still, the time to fill a bucket grows with
//! what was taken. As long as it is not known, one request is sent at the end of the time that was
//! told, and its answer tells how much there is.

use super::told::Level;
use super::{Next, margin};
use std::time::Duration;

/// How a limit comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// All of it at once.
    Window {
        /// When it does, as far as the server has told.
        ends: Option<Duration>,
        /// What was taken of it.
        used: f64,
        /// A request was sent that is to tell how much there is.
        scouting: bool,
    },
    /// So much a second, up to the limit.
    Bucket { rate: f64, level: f64, as_of: Duration },
    /// One by one, with this time between them.
    Drip { interval: Duration },
}

/// What a request left.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// Which window it was sent in.
    window: u64,
    /// What all requests before it took, and it.
    total: f64,
    /// What was left behind it in a bucket.
    level: f64,
    /// It was sent when requests were let through one by one.
    is_drop: bool,
}

/// What was told at one time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    used: f64,
    reset: f64,
    end: f64,
}

/// A limit and what is left of it.
#[derive(Debug)]
pub(super) struct Gauge {
    limit: f64,
    kind: Kind,
    /// How many windows have begun.
    window: u64,
    /// A window that begins has been found to be whole.
    is_trusted: bool,
    /// That a window's end stands still was seen.
    is_window: bool,
    sample: Option<Sample>,
    /// What was taken in all.
    total: f64,
    last_sent: Duration,
}

/// Of a rate, how much is used: what is sent evenly does not arrive evenly.
const CARE: f64 = 0.985;

impl Gauge {
    /// Returns what an answer tells, while so much is under way; none where it tells nothing.
    pub(super) fn new(now: Duration, level: Level, under_way: f64) -> Option<Self> {
        let limit = level.limit.or(level.remaining)?;
        let remaining = level.remaining?;
        let used = (limit - remaining).max(under_way);
        let ends = level.reset.map(|it| now + it + margin(it));
        let mut gauge = Self {
            limit,
            kind: Kind::Window { ends, used, scouting: false },
            window: 0,
            is_trusted: false,
            is_window: false,
            sample: None,
            total: under_way,
            last_sent: now,
        };
        gauge.learn(now, limit - remaining, level.reset);
        if let (true, Some(reset)) = (limit < 2.0, level.reset) {
            gauge.kind = Kind::Drip { interval: reset + reset / 50 };
        }
        Some(gauge)
    }

    /// Whether `cost` of it may be taken.
    pub(super) fn next(&mut self, now: Duration, cost: f64, under_way: u64) -> Next {
        let cost = cost.min(self.limit);
        self.turn(now, under_way);
        match self.kind {
            Kind::Window { scouting: true, .. } => Next::Answer,
            Kind::Window { used, .. } if self.limit - used >= cost => Next::Go,
            Kind::Window { ends: Some(ends), .. } => Next::At(ends),
            Kind::Window { .. } if under_way > 0 => Next::Answer,
            Kind::Window { .. } => Next::Go,
            Kind::Bucket { level, .. } if level + 1e-6 >= cost => Next::Go,
            Kind::Bucket { rate, level, .. } => Next::At(now + seconds((cost - level) / rate)),
            Kind::Drip { interval } if self.last_sent + interval <= now => Next::Go,
            Kind::Drip { interval } => Next::At(self.last_sent + interval),
        }
    }

    /// Lets time pass: a window ends, a bucket fills.
    fn turn(&mut self, now: Duration, under_way: u64) {
        let limit = self.limit;
        match &mut self.kind {
            Kind::Window { ends, used, .. } if ends.is_some_and(|it| it <= now) => {
                self.window += 1;
                *ends = None;
                // Those that are on their way may arrive in the new one.
                *used = if self.is_trusted { under_way as f64 } else { limit };
                if !self.is_trusted {
                    *used = limit - 1.0;
                }
            }
            Kind::Bucket { rate, level, as_of } => {
                let passed = now.saturating_sub(*as_of).as_secs_f64();
                *level = (*level + passed * *rate).min(limit);
                *as_of = now.max(*as_of);
            }
            Kind::Window { .. } | Kind::Drip { .. } => {}
        }
    }

    /// Takes `cost` of it.
    pub(super) fn sent(&mut self, now: Duration, cost: f64) -> Mark {
        self.total += cost;
        self.last_sent = now;
        let is_trusted = self.is_trusted;
        let mut left = 0.0;
        match &mut self.kind {
            Kind::Window { used, ends, scouting } => {
                *scouting = ends.is_none() && !is_trusted && self.window > 0;
                *used += cost;
            }
            Kind::Bucket { level, .. } => {
                *level -= cost;
                left = *level;
            }
            Kind::Drip { .. } => {}
        }
        let is_drop = matches!(self.kind, Kind::Drip { .. });
        Mark { window: self.window, total: self.total, level: left, is_drop }
    }

    /// A request ended of which nothing was told: who waits for its answer need not.
    pub(super) fn untold(&mut self, mark: Mark) {
        if let Kind::Window { scouting, used, .. } = &mut self.kind
            && *scouting
            && mark.window == self.window
        {
            *scouting = false;
            *used = self.limit - 1.0;
        }
    }

    /// Takes in what an answer told.
    ///
    /// What requests take is counted, of tokens it is guessed: where none is under way (`is_still`),
    /// the server knows better.
    pub(super) fn told(&mut self, now: Duration, level: Level, mark: Mark, is_still: bool) {
        let Some(remaining) = level.remaining else { return self.untold(mark) };
        self.limit = level.limit.unwrap_or_else(|| self.limit.max(remaining));
        let taken = (self.limit - remaining).max(0.0);
        let since = self.total - mark.total;
        match &mut self.kind {
            // What it tells is of a window that is over.
            Kind::Window { .. } if mark.window != self.window => return,
            Kind::Window { ends, used, scouting } => {
                let was_scout = std::mem::take(scouting);
                let is_first = ends.is_none();
                let end = level.reset.map(|it| now + it + margin(it));
                // A later end is that of another window, which began before we knew.
                let jump = level.reset.map_or(Duration::MAX, |it| it / 20 + margin(it));
                let is_another = end.zip(*ends).is_some_and(|(end, ends)| end > ends + jump);
                if is_still || was_scout {
                    *used = taken;
                } else if is_another {
                    *used = used.min(taken + since).max(taken);
                } else {
                    *used = used.max(taken);
                }
                *ends = end.max(*ends);
                if is_first && self.window > 0 {
                    // Where the whole of it was there, it will be the next time.
                    self.is_trusted = taken <= 1.0 + self.limit * 0.1 + since;
                }
                if was_scout && remaining < 1.0 && self.limit >= 2.0 {
                    let reset = level.reset.unwrap_or(Duration::from_secs(1));
                    self.kind = Kind::Drip { interval: reset + reset / 50 };
                    return;
                }
            }
            Kind::Bucket { level: left, .. } => {
                // Others take of it, too.
                let missing = mark.level - since - remaining - 1.0;
                if missing > 0.0 {
                    *left -= missing;
                }
            }
            Kind::Drip { interval } => {
                let ends = level.reset.map(|it| now + it + margin(it));
                if self.limit < 2.0 {
                    // What a refusal tells is a part of it.
                    *interval =
                        (*interval).max(level.reset.map_or(Duration::ZERO, |it| it + it / 50));
                } else if remaining >= 1.0 {
                    self.kind = Kind::Window { ends, used: taken + since, scouting: false };
                } else if let Some(reset) = level.reset {
                    *interval = reset + reset / 50;
                }
                return;
            }
        }
        self.learn(now, taken, level.reset);
    }

    /// Finds out what is meant by a reset.
    fn learn(&mut self, now: Duration, used: f64, reset: Option<Duration>) {
        let Some(reset) = reset.filter(|it| !it.is_zero()) else { return };
        let (reset, end) = (reset.as_secs_f64(), (now + reset).as_secs_f64());
        let new = Sample { used, reset, end };
        if let Kind::Bucket { rate, .. } = &mut self.kind {
            // The longer the time that is told, the less its rounding matters.
            if used >= self.limit / 2.0 {
                *rate = used / reset * CARE;
            }
            return;
        }
        let Some(old) = self.sample else {
            self.sample = (used >= 1.0).then_some(new);
            return;
        };
        if self.is_window || used < old.used * 2.0 + 1.0 {
            return;
        }
        let (slow, fast) = (new.reset / new.used, old.reset / old.used);
        let fills = (slow - fast).abs() <= 0.25 * slow.max(fast);
        let stands = (new.end - old.end).abs() <= (0.05 * reset).max(0.02);
        match (fills, stands) {
            (true, false) => self.become_bucket(now, used / reset * CARE),
            (false, true) => self.is_window = true,
            (true, true) => {}
            (false, false) => self.sample = Some(new),
        }
    }

    fn become_bucket(&mut self, now: Duration, rate: f64) {
        if let Kind::Window { used, .. } = self.kind {
            self.kind = Kind::Bucket { rate, level: self.limit - used, as_of: now };
        }
    }

    /// After a refusal: whether this limit explains it.
    pub(super) fn is_exhausted(
        &mut self,
        now: Duration,
        asked: Option<Duration>,
        mark: Mark,
    ) -> bool {
        let wait = asked.unwrap_or(Duration::from_secs(1));
        match &mut self.kind {
            Kind::Window { ends, used, .. } => {
                self.is_trusted = false;
                let is_it = self.limit - *used < 1.0 && (ends.is_some() || asked.is_some());
                if is_it && ends.is_none_or(|it| it <= now) {
                    *ends = Some(now + wait + margin(wait));
                }
                is_it
            }
            Kind::Bucket { level, .. } => {
                *level = level.min(0.0);
                true
            }
            Kind::Drip { interval } => {
                let more = if mark.is_drop { *interval / 20 } else { Duration::ZERO };
                *interval = (*interval + more).max(wait);
                true
            }
        }
    }
}

fn seconds(number: f64) -> Duration {
    // A hair more: a level that falls short by rounding would cost another look.
    Duration::from_secs_f64(number.clamp(0.0, 1e9)) + Duration::from_micros(50)
}
