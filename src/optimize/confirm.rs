//! Whether a search gained anything: what it chose against the program as it was, on rows that
//! nothing was chosen on.
//!
//! The best of many scores flatters itself. So rows are kept from the search. Some of them
//! decide between finalists, those that the paired test cannot tell from the best; the rest is
//! seen once, by the chosen state and the program as it was, and only what the exact paired test
//! says of those is called a gain.

use crate::eval::stats::{LEVEL, is_binary, mean, sign_flip_test, sign_test};
use crate::eval::{Comparison, Stop, compare_scores};
use crate::optimize::choice::{Contender, choose};
use crate::optimize::{Ask, Example, Search, Who};
use crate::program::State;
use std::sync::Arc;

/// The most finalists.
pub(super) const FINALISTS: usize = 3;

/// Rows that a search does not see.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// To choose between finalists.
    pub(crate) runoff: Vec<Example>,
    /// For the last comparison.
    pub(crate) last: Vec<Example>,
    /// What the latter are called.
    pub(crate) role: &'static str,
    /// Why there are none.
    pub(crate) lacking: Option<String>,
}

/// How a search was confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirmation {
    /// What the rows of the last comparison are: `testset` or `confirm`.
    pub role: String,
    /// The finalists with their means over all rows that decided, in the order of their ranks.
    pub finalists: Vec<(String, f64)>,
    /// How many rows chose between finalists.
    pub runoff: usize,
    /// Calls that it took.
    pub calls: u64,
    /// What came of it.
    pub end: End,
}

/// What came of a confirmation.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The program as it was against the chosen state.
    Compared(Box<Comparison>),
    /// The program as it was is the best: there is nothing to compare.
    Unchanged,
    /// Why nothing can be said.
    NotConfirmed(String),
}

/// Chooses between finalists, and compares what was chosen with the program as it was.
pub(super) fn confirm(
    search: &mut Search<'_>,
    held: &Held,
    stop: Option<&Stop>,
) -> Option<Confirmation> {
    let before = search.calls();
    let mut confirmation = Confirmation {
        role: held.role.to_owned(),
        finalists: Vec::new(),
        runoff: 0,
        calls: 0,
        end: End::Unchanged,
    };
    let held = &used(search, held);
    confirmation.end = match (&held.lacking, stop) {
        (
            _,
            Some(
                Stop::Cancelled
                | Stop::Refused(_)
                | Stop::Unserved(_)
                | Stop::Metric(_)
                | Stop::MaxTime(_),
            ),
        ) => End::NotConfirmed("the search was cut short".to_owned()),
        (Some(lacking), _) => End::NotConfirmed(lacking.clone()),
        (None, _) if held.last.is_empty() => return None,
        (None, None | Some(Stop::MaxCalls(_) | Stop::MaxTokens(_) | Stop::MaxCost(_))) => {
            decide(search, held, &mut confirmation)
                .unwrap_or_else(|stop| End::NotConfirmed(stop.to_string()))
        }
    };
    confirmation.calls = search.calls() - before;
    Some(confirmation)
}

/// The rows that there is a budget for.
fn used(search: &Search<'_>, held: &Held) -> Held {
    let (runoff, last) = search.held();
    let some = |rows: &[Example], most: usize, what: &str| -> Vec<Example> {
        let mut chosen = search.random(what).sample(rows.len(), most);
        chosen.sort_unstable();
        chosen.into_iter().map(|at| rows[at].clone()).collect()
    };
    let lacking = (last == 0 && !held.last.is_empty())
        .then(|| "the caps leave too little for the last comparison".to_owned());
    Held {
        runoff: some(&held.runoff, runoff, "finalists"),
        last: some(&held.last, last, "confirm"),
        role: held.role,
        lacking: held.lacking.clone().or(lacking),
    }
}

fn decide(
    search: &mut Search<'_>,
    held: &Held,
    confirmation: &mut Confirmation,
) -> Result<End, Stop> {
    let Some(best) = search.chosen() else {
        return Ok(End::NotConfirmed("no state was scored to its end".to_owned()));
    };
    let start = Arc::new(search.as_it_was().clone());
    let finalists = if held.runoff.is_empty() { vec![best] } else { finalists(search, best) };
    let of = |at: usize| Arc::clone(&search.candidates()[at].state);
    let states: Vec<Arc<State>> = finalists.iter().map(|at| of(*at)).collect();
    if states.iter().all(|it| it.hash() == start.hash()) {
        return Ok(End::Unchanged);
    }
    let chosen = if finalists.len() > 1 {
        let mut all: Vec<Ask> =
            states.iter().flat_map(|state| asks(state, &held.runoff)).collect();
        let runs = all.len();
        // The program as it was waits for no decision, unless it is a finalist itself.
        if states.iter().all(|it| it.hash() != start.hash()) {
            all.extend(asks(&start, &held.last));
        }
        let scores = scored(search, "finalists", &all)?;
        confirmation.runoff = held.runoff.len();
        runoff(search, &finalists, &scores[..runs], confirmation)
    } else {
        best
    };
    let state = Arc::clone(&search.candidates()[chosen].state);
    if state.hash() == start.hash() {
        return Ok(End::Unchanged);
    }
    let mut both = asks(&start, &held.last);
    both.extend(asks(&state, &held.last));
    let scores = scored(search, "confirm", &both)?;
    let (before, after) = scores.split_at(held.last.len());
    let pairs = before.iter().zip(after);
    let pairs: Vec<(f64, f64)> = pairs.filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    if pairs.is_empty() {
        return Ok(End::NotConfirmed("no row was scored by both".to_owned()));
    }
    let left_out = held.last.len() - pairs.len();
    Ok(End::Compared(Box::new(compare_scores(&pairs, left_out, search.seed()))))
}

/// The best candidate and those that come next and are not reliably worse, by rank.
fn finalists(search: &Search<'_>, best: usize) -> Vec<usize> {
    let all = search.candidates();
    let mut ranked: Vec<usize> =
        (0..all.len()).filter(|at| *at != best && all[*at].score.is_some()).collect();
    let rank = |at: usize| (all[at].asserts_failed, all[at].state.demo_count());
    ranked.sort_by(|a, b| {
        let (a_score, b_score) = (all[*a].score, all[*b].score);
        let by_score = b_score.unwrap_or(0.0).total_cmp(&a_score.unwrap_or(0.0));
        by_score.then(rank(*a).cmp(&rank(*b)))
    });
    let matrix = search.matrix();
    let close = |at: &usize| chance(&matrix.pairs(*at, best), search.seed()) >= LEVEL;
    let others = ranked.into_iter().take(FINALISTS - 1).take_while(close);
    std::iter::once(best).chain(others).collect()
}

/// How likely such differences are by chance.
pub(super) fn chance(pairs: &[(f64, f64)], seed: u64) -> f64 {
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    if pairs.iter().all(|(a, b)| is_binary(&[*a, *b])) {
        let count = |sign: f64| differences.iter().filter(|it| **it == sign).count();
        return sign_test(count(1.0), count(-1.0));
    }
    sign_flip_test(&differences, seed)
}

/// Chooses the finalist with the highest mean over the rows to choose by and those of the
/// runoff; of equal ones the one that led before.
fn runoff(
    search: &mut Search<'_>,
    finalists: &[usize],
    scores: &[Option<f64>],
    confirmation: &mut Confirmation,
) -> usize {
    let rows = scores.len() / finalists.len();
    let mut best: Option<(usize, f64)> = None;
    for (at, scores) in finalists.iter().zip(scores.chunks(rows.max(1))) {
        let candidate = &search.candidates()[*at];
        let all: Vec<f64> = candidate.values.iter().chain(scores).copied().flatten().collect();
        let reached = mean(&all);
        confirmation.finalists.push((candidate.label.clone(), reached));
        if best.is_none_or(|(_, most)| reached > most) {
            best = Some((*at, reached));
        }
    }
    let of_taste = search.taste().and_then(|taste| {
        let all: Vec<Contender> = finalists
            .iter()
            .zip(scores.chunks(rows.max(1)))
            .map(|(at, more)| search.contender(*at, more))
            .collect();
        Some(finalists[choose(&all, taste, search.seed())?.0])
    });
    let chosen = of_taste.or(best.map(|it| it.0)).unwrap_or(finalists[0]);
    search.prefer(chosen);
    chosen
}

pub(super) fn asks(state: &Arc<State>, rows: &[Example]) -> Vec<Ask> {
    let ask = |example: &Example| Ask {
        who: Who::Student,
        state: Arc::clone(state),
        example: example.clone(),
        rollout: 0,
        keep_steps: false,
    };
    rows.iter().map(ask).collect()
}

pub(super) fn scored(
    search: &mut Search<'_>,
    phase: &str,
    asks: &[Ask],
) -> Result<Vec<Option<f64>>, Stop> {
    let runs = search.run(phase, asks);
    match runs.stop {
        Some(stop) => Err(stop),
        None => Ok(runs.outcomes.iter().map(|it| it.as_ref()?.value()).collect()),
    }
}
