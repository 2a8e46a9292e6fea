//! What was said to models in the rows that scored lowest.
//!
//! Prompts are long and rows are many, so exchanges of only so many rows are held in memory.
//! Which rows those are depends on scores and places alone, not on which run came back first.

use crate::eval::{Evaluator, Exchange, Job, Outcome};
use crate::schema::Row;
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Rows whose exchanges are held.
const HELD: usize = 50;

/// An evaluator that takes the exchanges out of outcomes.
pub(crate) struct Worst<'a> {
    inner: &'a dyn Evaluator,
    /// By score and index, the lowest first.
    held: Mutex<BTreeMap<(u64, usize), Vec<Exchange>>>,
}

impl<'a> Worst<'a> {
    pub(crate) fn of(inner: &'a dyn Evaluator) -> Self {
        Self { inner, held: Mutex::default() }
    }

    /// Puts what is held back where it came from.
    pub(crate) fn give_back(self, rows: &[Arc<Row>], outcomes: &mut [Option<Box<Outcome>>]) {
        let mut held = lock(&self.held);
        for (row, outcome) in rows.iter().zip(outcomes) {
            if let Some(outcome) = outcome {
                outcome.exchanges = held.remove(&key(row, outcome)).unwrap_or_default();
            }
        }
    }
}

/// Scores are never negative, so their bits are in their order.
fn key(row: &Row, outcome: &Outcome) -> (u64, usize) {
    (outcome.value().map_or(u64::MAX, f64::to_bits), row.index)
}

impl Evaluator for Worst<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let mut outcome = self.inner.run(job);
        let exchanges = std::mem::take(&mut outcome.exchanges);
        if !exchanges.is_empty() {
            let mut held = lock(&self.held);
            held.insert(key(&job.row, &outcome), exchanges);
            if held.len() > HELD {
                held.pop_last();
            }
        }
        outcome
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.inner.max_calls_per_run()
    }

    fn print(&self, text: &str) {
        self.inner.print(text);
    }

    fn only_waits(&self) -> bool {
        self.inner.only_waits()
    }
}
