//! Evaluations and comparisons as lines for people.
//!
//! What is printed is split in two: lines that are the same whenever the same replies are
//! scored, and one line of times and cache hits that is not.

use crate::eval::stats::{self, Interval, Paired, rows_for_margin};
use crate::eval::tables::{WIDTH, tables};
use crate::eval::{Comparison, Evaluation, JudgeCost, Latency, RowResult, Used};
use crate::lm::{Cost, Money};
use indexmap::IndexMap;
use std::fmt::Write;
use std::time::Duration;

impl Evaluation {
    /// What it comes to, in lines that depend on the replies alone.
    pub fn render(&self) -> String {
        let mut text = line("score", &score_text(self.score, self.interval, self.scored));
        text += &self.other_scores();
        text += &line("rows", &self.rows_text());
        text += &self.failures_text();
        match self.asserts_failed {
            0 => {}
            1 => text += &line("asserts", "1 condition stayed false"),
            many => text += &line("asserts", &format!("{many} conditions stayed false")),
        }
        match self.repairs {
            0 => {}
            1 => text += &line("repairs", "1 reply was asked for again, with the reason"),
            many => {
                let told = format!("{many} replies were asked for again, with the reason");
                text += &line("repairs", &told);
            }
        }
        text += &line(
            "calls",
            &format!(
                "{}, {}{}",
                self.calls,
                self.details.told(self.calls, self.prompt_tokens, self.completion_tokens),
                told(&self.cost)
            ),
        );
        if self.judge.calls > 0 {
            let JudgeCost { calls, prompt_tokens, completion_tokens, details, .. } = self.judge;
            let models = self.subject.judges.join(", ");
            let by = if models.is_empty() { models } else { format!(" ({models})") };
            let tokens = details.told(calls, prompt_tokens, completion_tokens);
            let cost = format!("{calls} calls, {tokens}");
            let cost = format!("{cost}{}", told(&self.judge.cost));
            text += &line("judge", &format!("{cost}{by}"));
        }
        text += &usage_text(&self.used);
        if let Some(stop) = &self.stop {
            text += &line("stopped", &stop.to_string());
        }
        if let Some(advice) = self.advice() {
            text += &line("advice", &advice);
        }
        text
    }

    /// The scores beside the one that counts, and which that is where its name does not say so.
    fn other_scores(&self) -> String {
        let mut text = String::new();
        for (at, (name, it)) in self.scores.iter().enumerate() {
            text += &match (at, &**name, it.interval) {
                (0, "score", _) | (_, _, None) => continue,
                (0, name, _) => line("", &format!("this is `{name}`")),
                (_, name, Some(Interval { low, high, .. })) => {
                    let score = it.score;
                    let shown = format!("{score:.3}, 95 % interval {low:.3} to {high:.3}");
                    line("", &format!("`{name}` {shown}"))
                }
            };
        }
        text
    }

    /// Times and cache hits, which differ from run to run, in one line.
    pub fn render_times(&self) -> String {
        let Latency { p50, p90, max } = self.latency;
        let judge = match self.judge.calls {
            0 => String::new(),
            _ => format!("; judging {}", seconds(self.judge.time)),
        };
        let listed = self.cost.listed.plus(self.judge.cost.listed);
        let paid = match self.paid().filter(|_| listed > Money::ZERO) {
            Some(paid) => format!("; {paid} paid now"),
            None => String::new(),
        };
        line(
            "time",
            &format!(
                "{}, a row {} (p50), {} (p90), {} (max); {} of {} calls from the store{paid}{judge}",
                seconds(self.elapsed),
                seconds(p50),
                seconds(p90),
                seconds(max),
                self.cached_calls,
                self.calls
            ),
        )
    }

    /// All there is to read without a file: what it comes to, times, what was confused with
    /// what, and the rows that scored lowest.
    pub fn report(&self) -> String {
        self.report_within(WIDTH)
    }

    /// The same for a terminal of this many columns.
    pub fn report_within(&self, width: usize) -> String {
        format!("{}{}{}", self.render(), self.render_times(), tables(self, width))
    }

    fn rows_text(&self) -> String {
        let mut text = format!("{}, {} scored", self.rows.len(), self.scored);
        let parts = [
            (self.failed, "failed and count as 0"),
            (self.left_out, "left out: a machine failed"),
            (self.not_run, "not run"),
        ];
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(text, ", {count} {what}");
        }
        text
    }

    /// The first few messages of failures, each with its first row and how often it occurred.
    fn failures_text(&self) -> String {
        const SHOWN: usize = 5;
        let groups = self.failure_groups();
        let mut text = String::new();
        for (message, (origin, count)) in groups.iter().take(SHOWN) {
            text += &line("failure", &format!("{origin}: {message}{}", also(*count)));
        }
        if groups.len() > SHOWN {
            text += &line("failure", &format!("and {} other messages", groups.len() - SHOWN));
        }
        text
    }

    /// Each message of failures with its first row and how often it occurred.
    pub(crate) fn failure_groups(&self) -> IndexMap<&str, (&str, usize)> {
        let mut groups: IndexMap<&str, (&str, usize)> = IndexMap::new();
        for row in &self.rows {
            if let Some(message) = row.failure() {
                groups.entry(message).or_insert((&row.origin, 0)).1 += 1;
            }
        }
        groups
    }

    /// What would make the score worth more.
    pub(crate) fn advice(&self) -> Option<String> {
        const MARGIN: f64 = 0.05;
        let interval = self.interval?;
        let wide = interval.high - interval.low > 4.0 * MARGIN;
        if self.scored >= stats::FEW && !wide {
            return None;
        }
        let values: Vec<f64> = self.rows.iter().filter_map(RowResult::value).collect();
        match rows_for_margin(&values, MARGIN).filter(|_| self.scored >= stats::FEW) {
            Some(rows) => {
                Some(format!("about {rows} rows would give an interval of ±{MARGIN}"))
            }
            None => Some(format!("{} rows say little: score more of them", self.scored)),
        }
    }
}

impl Comparison {
    /// What it comes to, in lines.
    pub fn render(&self) -> String {
        let mut text =
            line("before", &score_text(self.before, self.before_interval, self.rows));
        text += &line("after", &score_text(self.after, self.after_interval, self.rows));
        if self.left_out > 0 {
            let all = self.rows + self.left_out;
            let what = "rows: one of the two did not score them";
            text += &line("left out", &format!("{} of {all} {what}", self.left_out));
        }
        let Some(paired) = &self.paired else {
            return text + line("verdict", self.verdict()).as_str();
        };
        let Interval { low, high, method } = paired.interval;
        text += &line(
            "gain",
            &format!(
                "{:+.3}, 95 % interval {low:+.3} to {high:+.3} ({}, {} pairs)",
                paired.gain,
                method.as_str(),
                self.rows
            ),
        );
        text += &line(
            "test",
            &format!(
                "p = {:.4} ({}; {} better, {} worse, {} the same)",
                paired.p,
                paired.test.as_str(),
                paired.wins,
                paired.losses,
                paired.ties
            ),
        );
        for (name, it) in self.scores.iter().skip(1) {
            let Interval { low, high, .. } = it.interval;
            let gain = format!("{:+.3}, 95 % interval {low:+.3} to {high:+.3}", it.gain);
            text += &line("", &format!("`{name}` {gain}, p = {:.4}", it.p));
        }
        text += &line("verdict", self.verdict());
        text + self.advice(paired).as_str()
    }

    fn advice(&self, paired: &Paired) -> String {
        if paired.verdict != stats::Verdict::NoReliableGain {
            return String::new();
        }
        match paired.rows_needed.filter(|rows| *rows > self.rows) {
            Some(rows) => {
                let advice = format!("a gain of this size would show on about {rows} rows");
                line("advice", &advice)
            }
            None => String::new(),
        }
    }
}

/// What each predictor took from each model, a line each, where there are several.
pub(crate) fn usage_text(used: &[Used]) -> String {
    if used.len() < 2 {
        return String::new();
    }
    let mut text = String::new();
    for (at, it) in used.iter().enumerate() {
        let tokens = it.details.told(it.calls.into(), it.prompt_tokens, it.completion_tokens);
        let name = if at == 0 { "usage" } else { "" };
        let calls = if it.calls == 1 { "call" } else { "calls" };
        let of = format!("`{}` by {}", it.predictor, it.model);
        text += &line(name, &format!("{of}: {} {calls}, {tokens}{}", it.calls, told(&it.cost)));
    }
    text
}

/// A line of a report: its name in a column of its own.
fn line(name: &str, text: &str) -> String {
    format!("{name:<9}{text}\n")
}

fn score_text(score: Option<f64>, interval: Option<Interval>, rows: usize) -> String {
    match (score, interval) {
        (Some(score), Some(Interval { low, high, method })) => format!(
            "{score:.3}, 95 % interval {low:.3} to {high:.3} ({}, {rows} rows)",
            method.as_str()
        ),
        (Some(_), None) | (None, _) => "none: no row was scored".to_owned(),
    }
}

/// What calls cost, behind what else is said of them.
pub(crate) fn told(cost: &Cost) -> String {
    cost.told().map(|it| format!(", {it}")).unwrap_or_default()
}

/// How many rows besides the one that is named.
fn also(count: usize) -> String {
    if count > 1 { format!(" ({count} rows)") } else { String::new() }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
