//! How far long work is, as one line: on terminals it is written anew several times a second,
//! elsewhere it is a line now and then.

use crate::eval::observe::{Event, observer};
use crate::eval::stats::clopper_pearson;
use crate::eval::{Observer, Progress};
use crate::runtime::Cx;
use std::collections::VecDeque;
use std::time::Duration;

/// How often a terminal's line is written anew.
const FRAME: Duration = Duration::from_millis(100);
/// After this time a line is due where there is no terminal, however little was done.
const PAUSE: Duration = Duration::from_secs(10);
/// Before this time no line is written there, however much was done.
const LEAST: Duration = Duration::from_secs(1);
/// No time is estimated before so much of the work was done, and for so long.
const SURE_SHARE: f64 = 0.05;
const SURE_RUNS: usize = 5;
const SURE_TIME: Duration = Duration::from_secs(2);
/// Speed is measured over the last this many seconds.
const WINDOW: Duration = Duration::from_secs(30);

/// The scores of runs as they come.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Running {
    count: usize,
    sum: f64,
    squares: f64,
}

impl Running {
    /// Counts a score, where there is one.
    pub fn add(&mut self, score: Option<f64>) {
        if let Some(score) = score {
            self.count += 1;
            self.sum += score;
            self.squares += score * score;
        }
    }

    /// The mean and its interval so far: exact for scores of 0 and 1, else by the normal curve,
    /// which is near enough for something that is rewritten in a moment.
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of ones is a count"
    )]
    pub fn mean(&self) -> Option<(f64, (f64, f64))> {
        let n = self.count as f64;
        if self.count == 0 {
            return None;
        }
        let mean = self.sum / n;
        if (self.sum - self.squares).abs() < 1e-9 {
            return Some((mean, clopper_pearson(self.sum.round() as usize, self.count)));
        }
        let variance = (self.squares / n - mean * mean).max(0.0);
        let reach = 1.96 * (variance / n).sqrt();
        Some((mean, ((mean - reach).max(0.0), (mean + reach).min(1.0))))
    }
}

/// How long the rest of a phase takes, judged from the last while.
#[derive(Debug, Default)]
struct Pace {
    /// When the phase began.
    began: Duration,
    phase: Option<String>,
    /// When how many runs were done.
    seen: VecDeque<(Duration, usize)>,
}

impl Pace {
    /// Takes down how far it is; returns the time that is left once enough is known.
    fn left(&mut self, now: Duration, progress: &Progress) -> Option<Duration> {
        let earlier = self.seen.back().map_or(0, |it| it.1);
        if self.phase.as_ref() != Some(&progress.phase) || progress.done < earlier {
            let phase = Some(progress.phase.clone());
            *self = Self { began: now, phase, seen: VecDeque::from([(now, 0)]) };
        }
        if self.seen.back().is_none_or(|it| now.saturating_sub(it.0) >= FRAME) {
            self.seen.push_back((now, progress.done));
        }
        let old = |it: &(Duration, usize)| now.saturating_sub(it.0) > WINDOW;
        while self.seen.len() > 2 && self.seen.get(1).is_some_and(old) {
            self.seen.pop_front();
        }
        self.estimate(now, progress)
    }

    #[expect(clippy::cast_precision_loss, reason = "runs are far fewer than 2^52")]
    fn estimate(&self, now: Duration, progress: &Progress) -> Option<Duration> {
        let (since, before) = self.seen.front()?;
        let (took, done) = (now.saturating_sub(*since), progress.done.saturating_sub(*before));
        let share = progress.done as f64 / progress.total.max(1) as f64;
        let long = now.saturating_sub(self.began) >= SURE_TIME;
        if !long || done < SURE_RUNS || share < SURE_SHARE || progress.done >= progress.total {
            return None;
        }
        let rest = (progress.total - progress.done) as f64;
        Duration::try_from_secs_f64(took.as_secs_f64() / done as f64 * rest).ok()
    }
}

/// Tells how far long work is: on standard error, and to who watches.
#[derive(Debug)]
pub struct Reporter<'a> {
    cx: &'a Cx<'a>,
    observer: Option<&'a dyn Observer>,
    /// What is done: `evaluate`, the name of an optimizer.
    what: String,
    pace: Pace,
    told: Option<(Duration, usize)>,
    latest: Option<Progress>,
}

impl<'a> Reporter<'a> {
    /// Returns a reporter for work that begins now.
    pub fn new(cx: &'a Cx<'a>, what: &str) -> Self {
        let observer = observer(cx);
        if let Some(observer) = observer {
            observer.see(&Event::Began(what));
        }
        let (told, latest) = (None, None);
        Self { cx, observer, what: what.to_owned(), pace: Pace::default(), told, latest }
    }

    /// Tells, unless it did a moment ago.
    pub fn tell(&mut self, progress: &Progress) {
        let shows = self.cx.run().session().settings.progress;
        if !shows && self.observer.is_none() {
            return;
        }
        let now = self.cx.run().env().host.elapsed();
        let left = self.pace.left(now, progress);
        if let Some(observer) = self.observer {
            observer.see(&Event::Progress(progress, left.map(|it| it.as_secs_f64())));
        }
        // A state that was scored is nothing new for the line, which is about runs.
        if shows && progress.scored.is_none() {
            self.latest = Some(progress.clone());
            self.show(now, progress, left);
        }
    }

    fn show(&mut self, now: Duration, progress: &Progress, left: Option<Duration>) {
        let host = &self.cx.run().env().host;
        let terminal = host.is_terminal();
        let tenth = |done: usize| done * 10 / progress.total.max(1);
        let due = self.told.is_none_or(|(told, done)| {
            let since = now.saturating_sub(told);
            let further = tenth(progress.done) != tenth(done) || progress.done < done;
            let pause = if terminal { FRAME } else { PAUSE };
            since >= pause || (!terminal && further && since >= LEAST)
        });
        if !due {
            return;
        }
        // The first line without a terminal waits for its time, too: most work is done before.
        let first = self.told.is_none();
        self.told = Some((now, progress.done));
        let line = line(&self.what, progress, left);
        if terminal {
            host.status(&line);
        } else if !first {
            host.eprint(&format!("{line}\n"));
        }
    }
}

/// Work that has ended leaves its last line.
impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.latest.take() {
            let line = line(&self.what, &progress, None);
            self.cx.run().env().host.eprint(&format!("{line}\n"));
        }
        if let Some(observer) = self.observer {
            observer.see(&Event::Ended(&self.what));
        }
    }
}

/// All in one line: phase, runs, time left, candidates, score, spend.
fn line(what: &str, progress: &Progress, left: Option<Duration>) -> String {
    let mut parts = vec![format!("{}/{} runs", progress.done, progress.total)];
    // Near the beginning, for narrow terminals cut the end.
    parts.extend(left.map(|it| format!("{} left", rounded(it))));
    match progress.candidates {
        0 => {}
        1 => parts.push("1 candidate".to_owned()),
        more => parts.push(format!("{more} candidates")),
    }
    let best = progress.best.zip(progress.interval.map(|it| (it.low, it.high)));
    let scores = [("score", progress.running.mean()), ("best", best)];
    for (name, score) in scores {
        if let Some((score, (low, high))) = score {
            parts.push(format!("{name} {score:.3} ({low:.2} to {high:.2})"));
        }
    }
    let cap = progress.max_calls.map(|it| format!(" of {it}")).unwrap_or_default();
    parts.push(format!("{}{cap} calls", progress.calls));
    if progress.tokens > 0 {
        parts.push(format!("{} tokens", brief(progress.tokens)));
    }
    parts.extend(progress.usd.filter(|it| *it > 0.0).map(|it| format!("${it:.2}")));
    let same = progress.phase.is_empty() || progress.phase == what;
    let phase = if same { String::new() } else { format!(" {}", progress.phase) };
    format!("{what}{phase}: {}", parts.join(", "))
}

/// A count as people say it: `950`, `12.3k`, `1.2M`.
#[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
fn brief(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{:.1}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

/// A time as people say it: `40 s`, `12 min`, `3.5 h`.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..90 => format!("{} s", seconds + 1),
        seconds @ 90..5400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", time.as_secs_f64() / 3600.0),
    }
}

#[cfg(test)]
mod tests;
