//! When a request is sent again, and after how long: pure arithmetic, no clock.
//!
//! Waits double from [`Retry::base`] to [`Retry::cap`], each drawn from the upper half of its
//! step, so that calls which failed together do not come back together, and no wait is
//! shorter than the one before it. The draw depends on a seed alone: a run can be repeated.

use std::time::Duration;

/// A schedule of retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How many requests may follow the first one.
    pub retries: u32,
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait of all, also where the server asks for more.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { retries: 5, base: Duration::from_millis(500), cap: Duration::from_secs(60) }
    }
}

impl Retry {
    /// Returns the default schedule with another number of retries.
    pub fn times(retries: u32) -> Self {
        Self { retries, ..Self::default() }
    }

    /// Whether one more request may follow `failed` failures, which were as dear together. Of
    /// those that cost a long wait two may be made good, of those that cost money three, however
    /// many retries there are.
    pub fn allows(&self, failed: u32, dear: u32) -> bool {
        failed <= self.retries && dear <= 6
    }

    /// How dear a failure is that costs a long wait: the server is not there, or silent.
    pub const SILENCE: u32 = 3;
    /// How dear one is that costs money: a reply was written and lost.
    pub const LOSS: u32 = 2;

    /// The wait before retry number `retry`, which counts from 0.
    pub fn wait(&self, retry: u32, seed: u64) -> Duration {
        let draw = |retry: u32| {
            let half = self.step(retry) / 2;
            half + half.mul_f64(unit(seed ^ u64::from(retry)))
        };
        // Near the cap steps no longer double, so a draw may fall below the one before it.
        (0..=retry.min(63)).map(draw).max().unwrap_or_default()
    }

    /// The wait before retry number `retry`, given what the server asked for; `None` when it
    /// asked for more than anybody would wait.
    pub fn wait_asked(
        &self,
        retry: u32,
        seed: u64,
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let wait = self.wait(retry, seed);
        match asked {
            Some(asked) if asked > self.cap => None,
            Some(asked) => Some(wait.max(asked)),
            None => Some(wait),
        }
    }

    fn step(&self, retry: u32) -> Duration {
        let factor = 1_u32.checked_shl(retry).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

/// A number in `0..1` from a seed (the finalizer of `SplitMix64`).
fn unit(seed: u64) -> f64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 53) as f64
}

/// Reads a `Retry-After` header: seconds, or a date, which counts from the `Date` header of
/// the same response so that no clock of ours is asked.
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        // Over-long values are kept in range; the caller compares them with its cap.
        return (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e9)));
    }
    let (until, now) = (http_date(value)?, http_date(date?)?);
    Some(Duration::from_secs(until.saturating_sub(now)))
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7); the
/// two obsolete forms are not read.
pub(in crate::lm) fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let fields: Vec<&str> = text.split_once(", ")?.1.split_whitespace().collect();
    let [day, month, year, time, "GMT"] = fields.as_slice() else { return None };
    let month = MONTHS.iter().position(|it| it == month)? as u64;
    let (day, year) = (day.parse::<u64>().ok()?, year.parse::<u64>().ok()?);
    let clock: Vec<u64> = time.split(':').map_while(|it| it.parse().ok()).collect();
    let [hours, minutes, seconds] = clock.as_slice() else { return None };
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    Some(((days(year, month, day) * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `month` counts from 0.
fn days(year: u64, month: u64, day: u64) -> u64 {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    // The leap day of this year counts from March on.
    let whole = if month >= 2 { year } else { year - 1 };
    (year - 1970) * 365 + leaps(whole) - leaps(1969) + BEFORE[month as usize] + day - 1
}

#[cfg(test)]
mod tests;
