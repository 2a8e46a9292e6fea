//! What a search did, as a value for `--json` and events, and in short for the log.

use crate::eval::stats::Interval;
use crate::eval::{Account, UsedData};
use crate::optimize::{Candidate, Compiled, Problem, Report};
use crate::schema::{Record, Value};
use std::sync::Arc;

/// The version of the format.
const VERSION: i64 = 1;

impl Report {
    /// The report as a value: what depends on the replies alone.
    pub fn to_value(&self) -> Value {
        let notices = self.notices.iter().map(|it| Value::from(&*it.message));
        let best = self.best.map_or(Value::Null, |at| count(at as u64));
        let gain = self.gain().map_or(Value::Null, |it| it.to_value());
        let stopped = self.stop.as_ref().map(|it| Value::from(it.to_string()));
        object([
            ("dsp_compile", Value::Int(VERSION)),
            ("optimizer", self.optimizer.as_str().into()),
            ("seed", count(self.seed)),
            ("train_rows", count(self.rows.0 as u64)),
            ("val_rows", count(self.rows.1 as u64)),
            ("best", best),
            ("candidates", Value::list(self.candidates.iter().map(candidate))),
            ("gain", gain),
            ("calls", count(self.calls)),
            ("prompt_tokens", count(self.prompt_tokens)),
            ("completion_tokens", count(self.completion_tokens)),
            ("stopped", stopped.unwrap_or_default()),
            ("notices", Value::list(notices)),
            ("time", object([("cached_calls", count(self.cached_calls))])),
        ])
    }
}

impl Compiled {
    /// What it came to.
    pub(crate) fn account(&self, problem: &Problem<'_>) -> Account {
        let report = &self.report;
        let best = report.best_candidate();
        let origins = self.state.provenance.iter().flat_map(|it| &it.data);
        let file = |role: &str| match role {
            "trainset" => UsedData::of(role, &problem.trainset, String::new()).file,
            _ => problem
                .valset
                .as_ref()
                .and_then(|it| UsedData::of(role, it, String::new()).file),
        };
        let used = origins.map(|it| UsedData {
            role: it.role.clone(),
            hash: it.hash.clone(),
            rows: it.rows,
            file: file(&it.role),
        });
        Account {
            kind: "compile".to_owned(),
            optimizer: report.optimizer.clone(),
            state: self.state.hash(),
            before: problem.start.hash(),
            data: used.collect(),
            seed: report.seed,
            score: best.and_then(|it| it.score),
            interval: best.and_then(|it| it.interval).map(|it| (it.low, it.high)),
            calls: report.calls,
            prompt_tokens: report.prompt_tokens,
            completion_tokens: report.completion_tokens,
            stopped: report.stop.as_ref().map(ToString::to_string),
            ..Account::default()
        }
    }
}

fn candidate(it: &Candidate) -> Value {
    let interval = |it: Interval| {
        let method = it.method.as_str().into();
        object([("low", it.low.into()), ("high", it.high.into()), ("method", method)])
    };
    object([
        ("label", it.label.as_str().into()),
        ("state", it.state.hash().into()),
        ("score", it.score.map_or(Value::Null, Value::Float)),
        ("interval", it.interval.map_or(Value::Null, interval)),
        ("demos", count(it.state.demo_count() as u64)),
        ("asserts_failed", count(it.asserts_failed)),
        ("calls", count(it.calls)),
    ])
}

fn object<const N: usize>(parts: [(&str, Value); N]) -> Value {
    let record: Record =
        parts.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    Value::map(record)
}

fn count(it: u64) -> Value {
    Value::Int(i64::try_from(it).unwrap_or(i64::MAX))
}
