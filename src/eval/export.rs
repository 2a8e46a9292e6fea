//! Evaluations and comparisons as values, for `--json` and for scripts.

use crate::eval::stats::{Interval, Paired};
use crate::eval::{Comparison, Evaluation, FailureKind, Outcome, RowResult, Stop};
use crate::schema::{Record, Value};
use std::sync::Arc;

impl Evaluation {
    /// The evaluation as a value, its rows included. Times and cache hits stand under `time`,
    /// which is all that differs between two evaluations of the same replies.
    pub fn to_value(&self) -> Value {
        let time = object([
            ("seconds", Value::Float(self.elapsed.as_secs_f64())),
            ("p50", Value::Float(self.latency.p50.as_secs_f64())),
            ("p90", Value::Float(self.latency.p90.as_secs_f64())),
            ("max", Value::Float(self.latency.max.as_secs_f64())),
            ("cached_calls", count(self.cached_calls)),
        ]);
        object([
            ("score", number(self.score)),
            ("interval", interval_value(self.interval)),
            ("scored", count(self.scored as u64)),
            ("failed", count(self.failed as u64)),
            ("left_out", count(self.left_out as u64)),
            ("not_run", count(self.not_run as u64)),
            ("stopped", self.stop.as_ref().map_or(Value::Null, stop_value)),
            ("calls", count(self.calls)),
            ("prompt_tokens", count(self.prompt_tokens)),
            ("completion_tokens", count(self.completion_tokens)),
            ("asserts_failed", count(self.asserts_failed)),
            ("time", time),
            ("rows", Value::list(self.rows.iter().map(row_value))),
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

fn row_value(it: &RowResult) -> Value {
    let outcome = it.outcome.as_ref();
    let failure = outcome.and_then(|it| it.failure.as_ref());
    let feedback = outcome.and_then(|it| it.feedback.as_deref());
    object([
        ("index", count(it.index as u64)),
        ("origin", it.origin.as_str().into()),
        ("score", number(it.value())),
        ("reply", outcome.map_or(Value::Null, reply_value)),
        ("failure", failure.map_or(Value::Null, |it| it.message.as_str().into())),
        ("failure_kind", failure.map_or(Value::Null, |it| kind_text(it.kind).into())),
        ("feedback", feedback.map_or(Value::Null, Value::from)),
    ])
}

fn reply_value(outcome: &Outcome) -> Value {
    Value::map(outcome.reply.clone())
}

fn kind_text(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Program => "program",
        FailureKind::Infrastructure => "infrastructure",
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
