//! What a search did, as a value for `--json` and events, and in short for the log.

use crate::eval::stats::Interval;
use crate::eval::{Account, UsedData, usage_value};
use crate::optimize::{Candidate, Compiled, Confirmation, End, Problem, Report};
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
            ("confirmation", self.confirmation.as_ref().map_or(Value::Null, confirmation)),
            ("calls", count(self.calls)),
            ("prompt_tokens", count(self.prompt_tokens)),
            ("completion_tokens", count(self.completion_tokens)),
            ("untold", count(self.details.untold)),
            ("usage", usage_value(&self.used)),
            ("usd", self.cost.dollars().map_or(Value::Null, Value::Float)),
            ("stopped", stopped.unwrap_or_default()),
            ("notices", Value::list(notices)),
            ("remarks", Value::list(self.remarks.iter().map(|it| Value::from(it.as_str())))),
            ("time", object([("cached_calls", count(self.cached_calls))])),
        ])
    }
}

impl Compiled {
    /// What it came to.
    pub(crate) fn account(&self, problem: &Problem<'_>) -> Account {
        let report = &self.report;
        let best = report.best_candidate();
        let confirmed = match report.confirmation.as_ref().map(|it| &it.end) {
            Some(End::Compared(comparison)) => comparison.paired.as_ref(),
            Some(End::Unchanged | End::NotConfirmed(_)) | None => None,
        };
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
            gain: confirmed.map(|it| it.gain),
            gain_interval: confirmed.map(|it| (it.interval.low, it.interval.high)),
            verdict: confirmed.map(|it| it.verdict.as_str().to_owned()).unwrap_or_default(),
            calls: report.calls,
            prompt_tokens: report.prompt_tokens,
            completion_tokens: report.completion_tokens,
            usd: report.cost.dollars(),
            stopped: report.stop.as_ref().map(ToString::to_string),
            ..Account::default()
        }
    }
}

/// What a search is worth on rows that nothing was chosen on.
fn confirmation(it: &Confirmation) -> Value {
    let finalists = it.finalists.iter().map(|(label, score)| {
        object([("label", label.as_str().into()), ("score", Value::Float(*score))])
    });
    let (comparison, why) = match &it.end {
        End::Compared(comparison) => (comparison.to_value(), Value::Null),
        End::Unchanged => (Value::Null, "the program as it was is the best".into()),
        End::NotConfirmed(why) => (Value::Null, why.as_str().into()),
    };
    object([
        ("role", it.role.as_str().into()),
        ("finalists", Value::list(finalists)),
        ("runoff_rows", count(it.runoff as u64)),
        ("calls", count(it.calls)),
        ("comparison", comparison),
        ("not_compared", why),
    ])
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
        ("failed", count(it.failed as u64)),
        ("left_out", count(it.left_out as u64)),
        ("failure", it.failure.as_deref().map_or(Value::Null, Into::into)),
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
