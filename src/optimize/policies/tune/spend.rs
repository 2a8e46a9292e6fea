//! How `tune` means to spend what it may take: a part for the end, how many rows leaders are
//! compared on, and what a budget of this size is enough for.

/// The most parts of the budget that the last comparison takes: two runs of each row.
const LAST: usize = 7;
/// The same of the rows that choose between finalists: three runs of each.
const RUNOFF: usize = 30;
/// Fewer rows cannot confirm anything.
const LEAST_LAST: usize = 8;
/// Fewer rows cannot choose between finalists.
const LEAST_RUNOFF: usize = 5;
/// As many candidates as this are to be comparable on all rows of a leader.
const LEADERS: usize = 6;
/// The least and the most rows that a new candidate is first tried on.
const FIRST: (usize, usize) = (8, 16);
/// The most rows that demos are made from.
const MOST_TRIES: usize = 64;

/// From so many runs for each predictor on instructions are proposed.
pub(super) const PROPOSING: usize = 150;
/// From so many on more of them are.
const MANY: usize = 600;
/// From so many runs on failures of the best are reflected on.
pub(super) const REFLECTING: usize = 250;
/// From so many runs on descriptions of fields are reworded.
pub(super) const DESCRIBING: usize = 500;
/// From so many runs on adapters are tried that nobody asked for.
pub(super) const ADAPTING: usize = 150;

/// Runs of a search that nothing caps, for each row to choose by, and the most.
const UNCAPPED: (usize, usize) = (20, 3_000);

/// Sizes that it depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) train: usize,
    pub(super) val: usize,
    pub(super) predictors: usize,
    /// Rows that choose between finalists, and rows for the last comparison.
    pub(super) held: (usize, usize),
}

/// What a budget is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spend {
    /// Runs of the search, without those at the end.
    pub(super) runs: usize,
    /// Rows that choose between finalists.
    pub(super) runoff: usize,
    /// Rows of the last comparison.
    pub(super) last: usize,
    /// Rows that leaders are compared on.
    pub(super) rows: usize,
    /// Rows that a new candidate is first tried on.
    pub(super) first: usize,
    /// Rows that demos are made from.
    pub(super) tries: usize,
    /// Instructions that are proposed for a predictor.
    pub(super) proposals: usize,
    /// Whether failures are reflected on.
    pub(super) reflects: bool,
    /// Whether descriptions of fields are reworded.
    pub(super) describes: bool,
    /// Whether adapters are tried that nobody asked for.
    pub(super) adapts: bool,
}

/// Runs of a search that nothing caps.
pub(super) fn uncapped(extent: &Extent) -> usize {
    (extent.val * UNCAPPED.0 + extent.train.min(MOST_TRIES)).min(UNCAPPED.1)
}

impl Spend {
    /// Divides so many runs.
    pub(super) fn new(runs: usize, extent: &Extent) -> Self {
        let (all_runoff, all_last) = extent.held;
        let some = |rows: usize, least: usize| if rows < least { 0 } else { rows };
        let last = some(all_last.min(runs / LAST), LEAST_LAST.min(all_last));
        let runoff = some(all_runoff.min(runs / RUNOFF), LEAST_RUNOFF);
        let runs = runs.saturating_sub(2 * last + 3 * runoff);
        let val = extent.val;
        let rows = (runs / LEADERS).clamp(FIRST.0.min(val), val.max(FIRST.0.min(val)));
        let first = (rows / 4).clamp(FIRST.0, FIRST.1).min(rows);
        let tries = (runs / 8).max(6).min(extent.train).min(MOST_TRIES);
        let each = runs / extent.predictors.max(1);
        let proposals = match each {
            _ if extent.predictors == 0 => 0,
            it if it >= MANY => 6,
            it if it >= PROPOSING => 3,
            _ => 0,
        };
        Self {
            runs,
            runoff,
            last,
            rows,
            first,
            tries,
            proposals,
            reflects: runs >= REFLECTING && extent.predictors > 0,
            describes: runs >= DESCRIBING && extent.predictors > 0,
            adapts: runs >= ADAPTING,
        }
    }
}
