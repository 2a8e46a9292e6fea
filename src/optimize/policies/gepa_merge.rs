//! Combinations of `gepa`: two of the pool that changed different parts of a common ancestor.
//!
//! Of two candidates on the front, none of which descends from the other, and an ancestor of
//! both that is better than neither, each part comes from the one that changed it; where both
//! did, from the one with the higher mean. The combination is tried on few rows to choose by,
//! of which each parent leads on some.

use crate::eval::Outcome;
use crate::optimize::policies::gepa::scoring;
use crate::optimize::policies::gepa_parts::Part;
use crate::optimize::policies::gepa_pool::Pool;
use crate::optimize::{Ask, Example, Search};
use crate::program::State;
use crate::util::Random;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many rows to choose by a combination is tried on.
pub(super) const ROWS: usize = 5;
/// How many pairs are looked at.
const PAIRS: usize = 10;

/// A combination that is worth a try.
pub(super) struct Merge {
    pub(super) state: Arc<State>,
    pub(super) parents: (usize, usize),
    /// The part whose turn is next.
    pub(super) turn: usize,
    /// Rows to choose by, as places.
    rows: Vec<usize>,
    /// What it must reach on them.
    least: f64,
}

impl Merge {
    /// The runs that it is tried in. They are among those that would score it.
    pub(super) fn asks(&self, search: &Search<'_>) -> Vec<Ask> {
        let rows: Vec<Example> = self.rows.iter().map(|at| search.val()[*at].clone()).collect();
        scoring(&self.state, &rows)
    }

    /// How much it leads its better parent by; `None` where it is behind.
    pub(super) fn gain(&self, outcomes: &[Option<Arc<Outcome>>]) -> Option<f64> {
        let value = |it: &Option<Arc<Outcome>>| it.as_ref().and_then(|it| it.value());
        let sum: f64 = outcomes.iter().filter_map(value).sum();
        (sum >= self.least).then_some(sum - self.least)
    }
}

/// Finds a combination that was not tried before.
pub(super) fn find(
    search: &Search<'_>,
    pool: &Pool,
    parts: &[Part],
    combined: &mut BTreeSet<(usize, usize, usize)>,
    mut random: Random,
) -> Option<Merge> {
    let front = pool.front(search).members();
    for _ in 0..PAIRS {
        let drawn = random.sample(front.len(), 2);
        let [one, other] = drawn.as_slice() else { return None };
        let (one, other) = (front[*one].min(front[*other]), front[*one].max(front[*other]));
        let Some(ancestor) = ancestor(search, pool, parts, combined, (one, other), &mut random)
        else {
            continue;
        };
        combined.insert((one, other, ancestor));
        let state = combine(search, pool, parts, (one, other, ancestor), &mut random);
        let hash = state.hash();
        let is_known = pool.members.iter().any(|it| it.hash == hash);
        let Some(rows) = trial_rows(search, (one, other), &mut random).filter(|_| !is_known)
        else {
            continue;
        };
        let sum = |at: usize| -> f64 {
            let values = &search.candidates()[at].values;
            rows.iter().filter_map(|row| values[*row]).sum()
        };
        let least = sum(one).max(sum(other));
        let turn = pool.members[one].turn.max(pool.members[other].turn);
        let state = Arc::new(state);
        return Some(Merge { state, parents: (one, other), turn, rows, least });
    }
    None
}

fn score(search: &Search<'_>, at: usize) -> f64 {
    search.candidates().get(at).and_then(|it| it.score).unwrap_or_default()
}

/// An ancestor that two can be combined over, drawn by its score.
fn ancestor(
    search: &Search<'_>,
    pool: &Pool,
    parts: &[Part],
    combined: &BTreeSet<(usize, usize, usize)>,
    (one, other): (usize, usize),
    random: &mut Random,
) -> Option<usize> {
    let (of_one, of_other) = (pool.ancestors(one), pool.ancestors(other));
    if of_one.contains(&other) || of_other.contains(&one) {
        return None;
    }
    let fits = |at: &usize| {
        let state = |at: usize| &pool.members[at].state;
        let is_changed_once = |part: &Part| {
            let same = |a: usize, b: usize| part.is_same(state(a), state(b));
            !same(one, other) && (same(*at, one) || same(*at, other))
        };
        !combined.contains(&(one, other, *at))
            && score(search, *at) <= score(search, one).min(score(search, other))
            && parts.iter().any(is_changed_once)
    };
    let all: Vec<usize> = of_one.intersection(&of_other).copied().filter(fits).collect();
    let sum: f64 = all.iter().map(|at| score(search, *at).max(0.0)).sum();
    if sum <= 0.0 {
        return all.get(random.below(all.len())).copied();
    }
    let mut left = random.unit() * sum;
    let hit = all.iter().find(|at| {
        left -= score(search, **at).max(0.0);
        left < 0.0
    });
    hit.or(all.last()).copied()
}

/// Takes each part from the one that changed it.
fn combine(
    search: &Search<'_>,
    pool: &Pool,
    parts: &[Part],
    (one, other, ancestor): (usize, usize, usize),
    random: &mut Random,
) -> State {
    let state = |at: usize| &*pool.members[at].state;
    let mut made = state(one).clone();
    for part in parts {
        let same = |a: usize, b: usize| part.is_same(state(a), state(b));
        let is_others = if same(one, other) || same(ancestor, other) {
            false
        } else if same(ancestor, one) {
            true
        } else {
            let (a, b) = (score(search, one), score(search, other));
            if a == b { random.coin() } else { b > a }
        };
        if is_others {
            part.copy(state(other), &mut made);
        }
    }
    made
}

/// Rows that both have scores on: some where the first leads, some where the other does, some
/// where none does, filled up with others. `None` where there are too few.
fn trial_rows(
    search: &Search<'_>,
    (one, other): (usize, usize),
    random: &mut Random,
) -> Option<Vec<usize>> {
    let values = |at: usize| &search.candidates()[at].values;
    let pairs = values(one).iter().zip(values(other)).enumerate();
    let mut groups: [Vec<usize>; 3] = Default::default();
    for (row, (a, b)) in pairs {
        let (Some(a), Some(b)) = (*a, *b) else { continue };
        let group = if a > b {
            0
        } else if b > a {
            1
        } else {
            2
        };
        groups[group].push(row);
    }
    let mut rows = Vec::new();
    let each = ROWS.div_ceil(groups.len());
    for group in &mut groups {
        random.shuffle(group);
        let wanted = each.min(ROWS - rows.len()).min(group.len());
        rows.extend(group.drain(..wanted));
    }
    let mut rest = groups.concat();
    rest.sort_unstable();
    random.shuffle(&mut rest);
    rows.extend(rest.into_iter().take(ROWS - rows.len()));
    (rows.len() == ROWS).then_some(rows)
}
