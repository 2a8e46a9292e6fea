//! More rows for the states that the rows to choose by cannot tell apart.
//!
//! Some policies only take demos of the rows to learn from, or nothing at all. The rows that none of
//! the finalists shows are then as good to choose by as any.

use crate::eval::Stop;
use crate::optimize::confirm::{FINALISTS, finalists, runoff};
use crate::optimize::{Example, Phase, Search, Sizes, Who, confirm};
use std::collections::BTreeSet;

/// Finalists are scored on so many rows, as far as there are.
const ENOUGH: usize = 200;

/// How many rows are added.
fn rows(train: usize, val: usize) -> usize {
    train.min(ENOUGH.saturating_sub(val))
}

/// What it takes at most.
pub(super) fn phase(sizes: &Sizes) -> Phase {
    let rows = rows(sizes.train, sizes.val);
    Phase::new("finalists on more rows", Who::Student, rows, FINALISTS)
}

/// Chooses between the best and those that the paired test does not tell from it.
pub(super) fn decide(search: &mut Search<'_>) -> Result<(), Stop> {
    let Some(best) = search.best() else { return Ok(()) };
    let finalists = finalists(search, best);
    let shown: BTreeSet<String> = finalists
        .iter()
        .flat_map(|at| search.candidates()[*at].state.predictors.values())
        .flat_map(|it| &it.demos)
        .filter_map(|it| Some(it.origin.as_ref()?.row_hash.clone()))
        .collect();
    let fresh: Vec<&Example> =
        search.train().iter().filter(|it| !shown.contains(&it.hash)).collect();
    let most = rows(fresh.len(), search.val().len());
    if finalists.len() < 2 || most == 0 {
        return Ok(());
    }
    let drawn = search.random("more rows").sample(fresh.len(), most);
    let drawn: Vec<Example> = drawn.into_iter().map(|at| fresh[at].clone()).collect();
    let states: Vec<_> =
        finalists.iter().map(|at| search.candidates()[*at].state.clone()).collect();
    let asks: Vec<_> = states.iter().flat_map(|it| confirm::asks(it, &drawn)).collect();
    let scores = confirm::scored(search, "finalists", &asks)?;
    let means = runoff(search, &finalists, &scores);
    let told: Vec<String> =
        means.iter().map(|(label, mean)| format!("{label} {mean:.3}")).collect();
    search.remark(format!(
        "{most} rows to learn from that no finalist shows were added: {}",
        told.join(", ")
    ));
    Ok(())
}
