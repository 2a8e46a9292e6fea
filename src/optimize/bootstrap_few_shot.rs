//! Demos from the program's own runs that scored well.
//!
//! Khattab et al., "DSPy: Compiling Declarative Language Model Calls into Self-Improving
//! Pipelines" (2023), section 4 and appendix E.2. In plain words:
//!
//! 1. The teacher is the program with some labeled rows as demos, unless one is given.
//! 2. Take the rows in order. Show the teacher a row, without demos made from it.
//! 3. Where the run scores at least the threshold, what each predictor read and wrote in it
//!    becomes a demo. Where not, up to `max_rounds - 1` fresh samples are tried at
//!    temperature 1.
//! 4. Stop after `max_bootstrapped` rows that gave demos.
//! 5. Fill up to `max_labeled` demos with rows that were not used in 3.
//!
//! Differs from DSPy: rows are tried several at once (the width of the search) and consumed in
//! order, which gives the demos that trying one after the other would; equal rows are tried
//! once; runs with failed assertions give no demos; labeled demos are rows that a predictor
//! can be shown (see `demo`).

use crate::diag::Diagnostic;
use crate::eval::{Outcome, Stop};
use crate::optimize::demo::{Demos, Labels, from_run, with_demos, without_row};
use crate::optimize::labeled_few_shot::count;
use crate::optimize::{Ask, Example, FEW_DEMOS, Phase, Policy, Search, Sizes, Who};
use crate::program::State;
use crate::schema::{Signature, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The temperature of further samples of a row.
const FURTHER_TEMPERATURE: f64 = 1.0;

/// Demos from runs that scored well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapFewShot {
    /// The most rows whose runs become demos.
    pub max_bootstrapped: usize,
    /// The most demos of a predictor, those from runs included.
    pub max_labeled: usize,
    /// How many samples of a row are tried.
    pub max_rounds: usize,
    /// The least score of a run that becomes demos; any score above 0 when `None`.
    pub threshold: Option<f64>,
}

impl Default for BootstrapFewShot {
    fn default() -> Self {
        Self { max_bootstrapped: 4, max_labeled: 16, max_rounds: 1, threshold: None }
    }
}

impl Policy for BootstrapFewShot {
    fn name(&self) -> &'static str {
        "bootstrap_few_shot"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::from([
            ("max_bootstrapped".to_owned(), count(self.max_bootstrapped)),
            ("max_labeled".to_owned(), count(self.max_labeled)),
            ("max_rounds".to_owned(), count(self.max_rounds)),
            ("threshold".to_owned(), self.threshold.map_or(Value::Null, Value::Float)),
        ])
    }

    fn needs_valset(&self) -> bool {
        false
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let rounds = if self.max_bootstrapped == 0 { 0 } else { self.max_rounds };
        vec![Phase::new("bootstrap", Who::Teacher, sizes.train, rounds)]
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let bootstrap = Bootstrap::new(*self, search);
        let order: Vec<usize> = (0..search.train().len()).collect();
        let made = bootstrap.state(search, "bootstrap", &order, self.max_bootstrapped);
        made.tell(search, self.max_bootstrapped);
        search.propose("bootstrap", made.state);
        made.stop.map_or(Ok(()), Err)
    }
}

/// What all bootstraps of one search share: the teacher, so that its runs are remembered
/// between them, and the rows that can be shown as they are.
pub(crate) struct Bootstrap {
    options: BootstrapFewShot,
    predictors: IndexMap<String, Signature>,
    labels: Labels,
    teacher: State,
}

/// A bootstrapped state.
pub(crate) struct Made {
    pub(crate) state: State,
    /// How many rows gave demos.
    pub(crate) rows: usize,
    /// What ended it early.
    pub(crate) stop: Option<Stop>,
}

impl Made {
    /// Tells the user when fewer rows than wanted gave demos.
    pub(crate) fn tell(&self, search: &mut Search<'_>, wanted: usize) {
        if self.rows < wanted && self.stop.is_none() {
            let message = match self.rows {
                0 => format!("no row gave demos, {wanted} were wanted"),
                1 => format!("1 row gave demos, {wanted} were wanted"),
                rows => format!("{rows} rows gave demos, {wanted} were wanted"),
            };
            let hint = "lower `threshold:`, raise `max_rounds:`, or give a stronger `teacher:`";
            search.notice(Diagnostic::bare(FEW_DEMOS, message).hint(hint));
        }
    }
}

/// Demos found so far, and the rows (by content) that gave them.
struct Found<'a> {
    rows: BTreeSet<&'a str>,
    demos: Demos,
}

impl Bootstrap {
    pub(crate) fn new(options: BootstrapFewShot, search: &Search<'_>) -> Self {
        let predictors = search.predictors();
        let labels = Labels::new(&predictors, search.train());
        let teacher = match search.teacher() {
            Some(state) => state.clone(),
            None if search.start().demo_count() > 0 => search.start().clone(),
            None => {
                let random = |path: &str| search.random(&format!("teacher/{path}"));
                let most = |_: &str| options.max_labeled;
                let demos = labels.draw(search.train(), &BTreeSet::new(), most, random);
                with_demos(search.start(), &predictors, &demos)
            }
        };
        Self { options, predictors, labels, teacher }
    }

    /// The state with demos from runs on the rows in this `order`, from at most `size` of
    /// them, and labeled ones.
    pub(crate) fn state(
        &self,
        search: &mut Search<'_>,
        label: &str,
        order: &[usize],
        size: usize,
    ) -> Made {
        let train = search.train().to_vec();
        let rows: Vec<&Example> = order.iter().map(|at| &train[*at]).collect();
        let (mut found, stop) = self.collect(search, label, &unique(&rows), size);
        let given = |path: &str| found.demos.get(path).map_or(0, Vec::len);
        let room = |path: &str| self.options.max_labeled.saturating_sub(given(path));
        let random = |path: &str| search.random(&format!("{label}/labeled/{path}"));
        let labeled = self.labels.draw(&train, &found.rows, room, random);
        for (path, demos) in labeled {
            found.demos.entry(path).or_default().extend(demos);
        }
        let state = with_demos(search.start(), &self.predictors, &found.demos);
        Made { state, rows: found.rows.len(), stop }
    }

    /// Tries rows, a width at a time, until `size` of them gave demos.
    fn collect<'a>(
        &self,
        search: &mut Search<'_>,
        label: &str,
        rows: &[&'a Example],
        size: usize,
    ) -> (Found<'a>, Option<Stop>) {
        let mut found = Found { rows: BTreeSet::new(), demos: Demos::new() };
        for chunk in rows.chunks(search.width()) {
            if found.rows.len() >= size {
                break;
            }
            let (tried, stop) = self.try_rows(search, label, chunk);
            for (example, good) in chunk.iter().zip(tried) {
                if let Some((outcome, round)) = good.filter(|_| found.rows.len() < size) {
                    self.keep(search, &mut found, example, &outcome, round);
                }
            }
            if stop.is_some() {
                return (found, stop);
            }
        }
        (found, None)
    }

    /// For each row the first sample that is good enough, with its number.
    #[expect(clippy::type_complexity, reason = "a pair by row, used in one place")]
    fn try_rows(
        &self,
        search: &mut Search<'_>,
        label: &str,
        rows: &[&Example],
    ) -> (Vec<Option<(Arc<Outcome>, u64)>>, Option<Stop>) {
        let mut good: Vec<Option<(Arc<Outcome>, u64)>> = vec![None; rows.len()];
        for round in 0..self.options.max_rounds as u64 {
            let open: Vec<usize> = (0..rows.len()).filter(|at| good[*at].is_none()).collect();
            let asks: Vec<Ask> = open.iter().map(|at| self.ask(rows[*at], round)).collect();
            let runs = search.run(label, Who::Teacher, &asks);
            for (at, outcome) in open.into_iter().zip(runs.outcomes) {
                good[at] = outcome.filter(|it| self.good(it)).map(|it| (it, round));
            }
            if runs.stop.is_some() {
                return (good, runs.stop);
            }
        }
        (good, None)
    }

    fn ask(&self, example: &Example, round: u64) -> Ask {
        let mut state = without_row(&self.teacher, example);
        if round > 0 {
            for path in self.predictors.keys() {
                state.entry(path).options.temperature = Some(FURTHER_TEMPERATURE);
            }
        }
        Ask {
            state: Arc::new(state),
            example: example.clone(),
            rollout: round,
            keep_steps: true,
        }
    }

    /// Whether a run may be shown as a demo; without a metric every run may that did not fail.
    fn good(&self, outcome: &Outcome) -> bool {
        let scored = match (outcome.score, self.options.threshold) {
            (None, _) => true,
            (Some(score), None) => score > 0.0,
            (Some(score), Some(least)) => score >= least,
        };
        outcome.failure.is_none() && outcome.asserts_failed == 0 && scored
    }

    fn keep<'a>(
        &self,
        search: &Search<'_>,
        found: &mut Found<'a>,
        example: &'a Example,
        outcome: &Outcome,
        round: u64,
    ) {
        let label = |path: &str| format!("step/{}/{round}/{path}", example.hash);
        let random = |path: &str| search.random(&label(path));
        let demos = from_run(outcome, example, round, &self.predictors, random);
        if demos.is_empty() {
            return;
        }
        found.rows.insert(&example.hash);
        for (path, demo) in demos {
            found.demos.entry(path).or_default().push(demo);
        }
    }
}

/// The first of each group of equal rows.
fn unique<'a>(rows: &[&'a Example]) -> Vec<&'a Example> {
    let mut seen = BTreeSet::new();
    rows.iter().copied().filter(|it| seen.insert(it.hash.as_str())).collect()
}
