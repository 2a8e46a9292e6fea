//! Evaluations and comparisons as values, for `--json` and for scripts.

use crate::eval::stats::{Interval, Paired};
use crate::eval::{Comparison, Evaluation, FailureKind, Outcome, RowResult, Stop, Used};
use crate::lm::Money;
use crate::schema::{Record, Value};
use std::fmt::Write;
use std::sync::Arc;

/// The version of the format.
const VERSION: i64 = 1;
/// What rows stand under: behind all else.
const ROWS: &str = "rows";

impl Evaluation {
    /// The evaluation as a value, its rows included. Times and cache hits stand under `time`, of
    /// the whole and of rows, which is all that differs between two evaluations of the same
    /// replies.
    pub fn to_value(&self) -> Value {
        let Value::Map(summary) = self.summary() else { return Value::Null };
        let mut all = Record::clone(&summary);
        all.insert(ROWS.into(), Value::list(self.rows.iter().map(|it| self.row_value(it))));
        Value::map(all)
    }

    /// The same as compact JSON, a row after the other: many rows as values are many times as
    /// large.
    pub fn to_json(&self) -> String {
        let mut json = self.summary().to_json();
        json.pop();
        let _ = write!(json, ",\"{ROWS}\":[");
        for (at, row) in self.rows.iter().enumerate() {
            json.push_str(if at == 0 { "" } else { "," });
            json.push_str(&self.row_value(row).to_json());
        }
        json + "]}"
    }

    /// What it came to, without its rows.
    pub(crate) fn summary(&self) -> Value {
        let time = object([
            ("seconds", Value::Float(self.elapsed.as_secs_f64())),
            ("p50", Value::Float(self.latency.p50.as_secs_f64())),
            ("p90", Value::Float(self.latency.p90.as_secs_f64())),
            ("max", Value::Float(self.latency.max.as_secs_f64())),
            ("cached_calls", count(self.cached_calls)),
            ("paid_usd", number(self.paid().map(Money::dollars))),
            ("judge_seconds", Value::Float(self.judge.time.as_secs_f64())),
            ("judge_cached_calls", count(self.judge.cached_calls)),
        ]);
        let named = self.scores.iter().map(|(name, it)| {
            let value = object([
                ("score", Value::Float(it.score)),
                ("interval", interval_value(it.interval)),
            ]);
            (Arc::from(&**name), value)
        });
        let advice = self.advice().map_or(Value::Null, Value::from);
        let models = |names: &[String]| Value::list(names.iter().map(|it| Value::from(&**it)));
        object([
            ("dsp_evaluation", Value::Int(VERSION)),
            ("score", number(self.score)),
            ("interval", interval_value(self.interval)),
            ("scores", Value::map(named.collect())),
            ("advice", advice),
            ("models", models(&self.subject.models)),
            ("state", self.subject.state.as_str().into()),
            ("data", self.data.as_str().into()),
            ("scored", count(self.scored as u64)),
            ("failed", count(self.failed as u64)),
            ("left_out", count(self.left_out as u64)),
            ("not_run", count(self.not_run as u64)),
            ("stopped", self.stop.as_ref().map_or(Value::Null, stop_value)),
            ("calls", count(self.calls)),
            ("prompt_tokens", count(self.prompt_tokens)),
            ("completion_tokens", count(self.completion_tokens)),
            ("cached_tokens", told(self.details.cached)),
            ("cache_write_tokens", told(self.details.cache_write)),
            ("reasoning_tokens", told(self.details.reasoning)),
            ("untold", count(self.details.untold)),
            ("usd", number(self.cost.dollars())),
            ("judge_usd", number(self.judge.cost.dollars())),
            ("judge_calls", count(self.judge.calls)),
            ("judge_prompt_tokens", count(self.judge.prompt_tokens)),
            ("judge_completion_tokens", count(self.judge.completion_tokens)),
            ("judge_models", models(&self.subject.judges)),
            ("usage", usage_value(&self.used)),
            ("asserts_failed", count(self.asserts_failed)),
            ("repairs", count(self.repairs)),
            ("time", time),
        ])
    }
}

impl Evaluation {
    /// A row of it as a value.
    pub(crate) fn row_value(&self, it: &RowResult) -> Value {
        let outcome = it.outcome.as_ref();
        let failure = outcome.and_then(|it| it.failure.as_ref());
        let feedback = outcome.and_then(|it| it.feedback.as_deref());
        let (inputs, labels) = self.columns_of(it);
        let named = self.scores.keys().map(|name| (Arc::from(&**name), number(it.named(name))));
        let by = outcome.into_iter().flat_map(|it| it.feedback_by.iter());
        let by = by.map(|(path, said)| (Arc::from(&**path), said.as_str().into()));
        let seconds = outcome.map(|it| it.latency.as_secs_f64());
        let time = object([
            ("seconds", number(seconds)),
            ("cached_calls", count(outcome.map_or(0, |it| it.cached_calls.into()))),
        ]);
        object([
            ("index", count(it.index as u64)),
            ("origin", it.origin.as_str().into()),
            ("inputs", Value::map(inputs)),
            ("labels", Value::map(labels)),
            ("score", number(it.value())),
            ("scores", Value::map(named.collect())),
            ("reply", outcome.map_or(Value::Null, |it| reply_value(it))),
            ("failure", failure.map_or(Value::Null, |it| it.message.as_str().into())),
            ("failure_kind", failure.map_or(Value::Null, |it| kind_text(it.kind).into())),
            ("feedback", feedback.map_or(Value::Null, Value::from)),
            ("feedback_by", Value::map(by.collect())),
            ("calls", count(outcome.map_or(0, |it| it.calls.into()))),
            ("repairs", count(outcome.map_or(0, |it| it.repairs.into()))),
            ("prompt_tokens", count(outcome.map_or(0, |it| it.prompt_tokens))),
            ("completion_tokens", count(outcome.map_or(0, |it| it.completion_tokens))),
            ("usd", number(outcome.and_then(|it| it.cost.dollars()))),
            ("time", time),
        ])
    }
}

impl Comparison {
    /// The comparison as a value.
    pub fn to_value(&self) -> Value {
        object([
            ("before", number(self.before)),
            ("before_interval", interval_value(self.before_interval)),
            ("after", number(self.after)),
            ("after_interval", interval_value(self.after_interval)),
            ("rows", count(self.rows as u64)),
            ("left_out", count(self.left_out as u64)),
            ("verdict", self.verdict().into()),
            ("paired", self.paired.as_ref().map_or(Value::Null, paired_value)),
        ])
    }
}

fn paired_value(it: &Paired) -> Value {
    object([
        ("gain", Value::Float(it.gain)),
        ("interval", interval_value(Some(it.interval))),
        ("wins", count(it.wins as u64)),
        ("losses", count(it.losses as u64)),
        ("ties", count(it.ties as u64)),
        ("p", Value::Float(it.p)),
        ("test", it.test.as_str().into()),
        ("verdict", it.verdict.as_str().into()),
        ("rows_needed", it.rows_needed.map_or(Value::Null, |rows| count(rows as u64))),
    ])
}

fn reply_value(outcome: &Outcome) -> Value {
    Value::map(outcome.reply.clone())
}

fn kind_text(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Program => "program",
        FailureKind::Infrastructure => "infrastructure",
        FailureKind::Metric => "metric",
        FailureKind::Stopped => "stopped",
    }
}

fn stop_value(stop: &Stop) -> Value {
    stop.to_string().into()
}

fn interval_value(interval: Option<Interval>) -> Value {
    interval.map_or(Value::Null, |it| {
        object([
            ("low", Value::Float(it.low)),
            ("high", Value::Float(it.high)),
            ("method", it.method.as_str().into()),
        ])
    })
}

fn object<const N: usize>(parts: [(&str, Value); N]) -> Value {
    let record: Record =
        parts.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    Value::map(record)
}

fn number(it: Option<f64>) -> Value {
    it.map_or(Value::Null, Value::Float)
}

fn count(it: u64) -> Value {
    Value::Int(i64::try_from(it).unwrap_or(i64::MAX))
}

/// A count that nobody told is `null`.
fn told(it: Option<u64>) -> Value {
    it.map_or(Value::Null, count)
}

/// What each predictor took from each model.
pub(crate) fn usage_value(all: &[Used]) -> Value {
    let one = |it: &Used| {
        object([
            ("predictor", it.predictor.as_str().into()),
            ("model", it.model.as_str().into()),
            ("calls", count(it.calls.into())),
            ("prompt_tokens", count(it.prompt_tokens)),
            ("completion_tokens", count(it.completion_tokens)),
            ("cached_tokens", told(it.details.cached)),
            ("cache_write_tokens", told(it.details.cache_write)),
            ("reasoning_tokens", told(it.details.reasoning)),
            ("untold", count(it.details.untold)),
            ("usd", number(it.cost.dollars())),
        ])
    };
    Value::list(all.iter().map(one))
}
