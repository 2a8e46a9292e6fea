//! A smaller state: without the parts that carry nothing, measured again on rows held back.
//!
//! Parts whose absence did not lower the mean are left out one after another, that which hurts
//! most first, and each only where the mean of what is left does not fall: parts stand in for each
//! other. What is left then meets the whole state on rows that none of this has seen.

use crate::eval::stats::{self, mean};
use crate::eval::{Comparison, Stop, compare_scores};
use crate::optimize::ablate::parts::Parts;
use crate::optimize::ablate::{Part, Worth, values};
use crate::optimize::confirm::{asks, scored};
use crate::optimize::{Example, Search};
use crate::program::State;
use std::sync::Arc;

/// A smaller state.
#[derive(Debug, Clone, PartialEq)]
pub struct Smaller {
    /// The labels of what was left out.
    pub dropped: Vec<String>,
    /// The state.
    pub state: Option<State>,
    /// The whole state against it on rows held back.
    pub comparison: Option<Comparison>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of looking for a smaller state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is not reliably worse.
    Kept,
    /// It is reliably worse on rows held back.
    Worse,
    /// There is none, and why.
    None(String),
}

impl Smaller {
    /// There is none.
    pub(super) fn none(why: &str) -> Self {
        let verdict = Verdict::None(why.to_owned());
        Self { dropped: Vec::new(), state: None, comparison: None, verdict }
    }
}

/// Looks for a smaller state.
pub(super) fn drop(
    search: &mut Search<'_>,
    parts: &Parts,
    worths: &[Worth],
    held: &[Example],
) -> Result<Smaller, Stop> {
    let start = search.start().clone();
    let mut order: Vec<&Worth> = worths.iter().filter(|it| !it.part.is_group()).collect();
    order.retain(|it| it.carries().is_some_and(|it| it <= 0.0));
    order.sort_by(|a, b| {
        let of = |it: &Worth| it.carries().unwrap_or_default();
        of(a).total_cmp(&of(b))
    });
    let rows: Vec<usize> = (0..search.val().len()).collect();
    let mut dropped: Vec<&Part> = Vec::new();
    let mut best = values(search, 0);
    for (nth, worth) in order.into_iter().enumerate() {
        dropped.push(&worth.part);
        let state = parts.without(&start, &dropped);
        let serial = parts.len() + 1 + nth;
        search.open(vec![(serial, format!("without {}", dropped.len()), state)]);
        search.score_on("a smaller state", &[serial], &rows)?;
        let now = values(search, serial);
        if falls(&best, &now) {
            dropped.pop();
        } else {
            best = now;
        }
    }
    if dropped.is_empty() {
        return Ok(Smaller::none("every part is missed where it is left out"));
    }
    confirm(search, &start, parts.without(&start, &dropped), &dropped, held)
}

/// Whether the mean falls, on rows that both were scored on.
fn falls(before: &[Option<f64>], after: &[Option<f64>]) -> bool {
    let pairs = before.iter().zip(after).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    let (before, after): (Vec<f64>, Vec<f64>) = pairs.unzip();
    // Sums of the same scores in another order differ in their last bits.
    mean(&after) < mean(&before) - 1e-12
}

fn confirm(
    search: &mut Search<'_>,
    start: &State,
    state: State,
    dropped: &[&Part],
    held: &[Example],
) -> Result<Smaller, Stop> {
    let (whole, smaller) = (Arc::new(start.clone()), Arc::new(state));
    let mut both = asks(&whole, held);
    both.extend(asks(&smaller, held));
    let scores = scored(search, "confirm", &both)?;
    let (before, after) = scores.split_at(held.len());
    let pairs = before.iter().zip(after);
    let pairs: Vec<(f64, f64)> = pairs.filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    let comparison = compare_scores(&pairs, held.len() - pairs.len(), search.seed());
    let verdict = match &comparison.paired {
        None => Verdict::None("no row that was held back was scored by both".to_owned()),
        Some(it) if it.verdict == stats::Verdict::Loss => Verdict::Worse,
        Some(_) => Verdict::Kept,
    };
    Ok(Smaller {
        dropped: dropped.iter().map(|it| it.label()).collect(),
        state: Some(Arc::unwrap_or_clone(smaller)),
        comparison: Some(comparison),
        verdict,
    })
}
