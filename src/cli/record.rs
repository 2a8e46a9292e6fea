//! Models and caps of a command, as the file of a run keeps them.

use super::args::Lm;
use crate::schema::{Record, Value};
use std::sync::Arc;

/// A part of a record; what was not said is none.
pub(super) type Part = (&'static str, Option<Value>);

/// The record of these parts.
pub(super) fn record(parts: impl IntoIterator<Item = Part>) -> Record {
    let said = parts.into_iter().filter_map(|(name, it)| Some((Arc::from(name), it?)));
    said.collect()
}

/// The text under a name.
pub(super) fn text(record: &Record, name: &str) -> Option<String> {
    Some(record.get(name)?.as_str()?.to_owned())
}

impl Lm {
    /// As a record keeps it.
    pub(super) fn parts(&self) -> [Part; 8] {
        let count = |it: Option<u64>| it.and_then(|it| i64::try_from(it).ok()).map(Value::Int);
        [
            ("lm", self.lm.as_deref().map(Value::from)),
            ("no_cache", self.no_cache.then_some(Value::Bool(true))),
            ("max_calls", count(self.max_calls)),
            ("max_tokens", count(self.max_tokens)),
            ("max_usd", self.max_usd.map(Value::Float)),
            ("max_seconds", self.max_seconds.map(Value::Float)),
            ("seed", count(self.seed)),
            ("threads", count(self.threads.map(|it| it as u64))),
        ]
    }

    /// What a record says.
    pub(super) fn of(record: &Record) -> Self {
        let count = |name: &str| match record.get(name) {
            Some(Value::Int(it)) => u64::try_from(*it).ok(),
            _ => None,
        };
        let number = |name: &str| match record.get(name) {
            Some(Value::Float(it)) => Some(*it),
            _ => None,
        };
        Self {
            lm: text(record, "lm"),
            no_cache: record.contains_key("no_cache"),
            max_calls: count("max_calls"),
            max_tokens: count("max_tokens"),
            max_usd: number("max_usd"),
            max_seconds: number("max_seconds"),
            seed: count("seed"),
            threads: count("threads").and_then(|it| usize::try_from(it).ok()),
        }
    }

    /// The same with what flags say anew.
    pub(super) fn with(&self, now: &Self) -> Self {
        Self {
            lm: now.lm.clone().or_else(|| self.lm.clone()),
            no_cache: now.no_cache || self.no_cache,
            max_calls: now.max_calls.or(self.max_calls),
            max_tokens: now.max_tokens.or(self.max_tokens),
            max_usd: now.max_usd.or(self.max_usd),
            max_seconds: now.max_seconds.or(self.max_seconds),
            seed: now.seed.or(self.seed),
            threads: now.threads.or(self.threads),
        }
    }
}
