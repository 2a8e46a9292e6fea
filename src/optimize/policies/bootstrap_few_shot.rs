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
use crate::optimize::policies::count;
use crate::optimize::{Ask, Example, FEW_DEMOS, Phase, Policy, Search, Sizes, Who};
use crate::program::State;
use crate::schema::{Signature, Value};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
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
        let label = "bootstrap".to_owned();
        let wanted = Wanted { label, order, size: self.max_bootstrapped };
        let mut courses = Courses::new(&bootstrap, search, vec![wanted]);
        let mut stop = None;
        while stop.is_none() && !courses.are_done() {
            let asks = courses.asks();
            let runs = search.run("bootstrap", &asks);
            courses.take(search, &asks, &runs.outcomes);
            stop = runs.stop;
        }
        // What was found before the end is worth keeping.
        let made = courses.made(search, 0);
        if stop.is_none() {
            made.tell(search);
        }
        search.propose("bootstrap", made.state);
        stop.map_or(Ok(()), Err)
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

/// A bootstrap that is wanted.
pub(crate) struct Wanted {
    pub(crate) label: String,
    /// The rows to try, in this order.
    pub(crate) order: Vec<usize>,
    /// How many of them are to give demos, at most.
    pub(crate) size: usize,
}

/// A bootstrapped state.
pub(crate) struct Made {
    pub(crate) label: String,
    pub(crate) state: State,
    /// How many rows gave demos.
    rows: usize,
    /// How many were to.
    wanted: usize,
}

impl Made {
    /// Tells the user when fewer rows than wanted gave demos.
    pub(crate) fn tell(&self, search: &mut Search<'_>) {
        if self.rows < self.wanted {
            let wanted = self.wanted;
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

/// Bootstraps under way, side by side: each has a width of rows tried at a time, a row that
/// several want is run once, and each gets what it would get alone.
pub(crate) struct Courses<'a> {
    bootstrap: &'a Bootstrap,
    width: usize,
    courses: Vec<Course>,
    /// What was tried, by the content of the row.
    tried: BTreeMap<String, Trial>,
}

struct Course {
    label: String,
    rows: Vec<Example>,
    /// How many of them were tried.
    at: usize,
    size: usize,
    found: Found,
}

/// Demos found so far, and the rows (by content) that gave them.
#[derive(Default)]
struct Found {
    rows: BTreeSet<String>,
    demos: Demos,
}

/// What came of a row.
#[derive(Default)]
struct Trial {
    /// How many samples of it were tried.
    rounds: u64,
    /// The first one that is good enough.
    good: Option<Arc<Outcome>>,
}

impl<'a> Courses<'a> {
    pub(crate) fn new(
        bootstrap: &'a Bootstrap,
        search: &Search<'_>,
        wanted: Vec<Wanted>,
    ) -> Self {
        let course = |wanted: Wanted| {
            let rows = wanted.order.iter().map(|at| search.train()[*at].clone());
            let (label, size, found) = (wanted.label, wanted.size, Found::default());
            Course { label, rows: unique(rows), at: 0, size, found }
        };
        let courses = wanted.into_iter().map(course).collect();
        Self { bootstrap, width: search.width(), courses, tried: BTreeMap::new() }
    }

    /// Whether this one has all it wanted, or no rows are left.
    pub(crate) fn is_done(&self, at: usize) -> bool {
        let course = &self.courses[at];
        course.at >= course.rows.len() || course.found.rows.len() >= course.size
    }

    pub(crate) fn are_done(&self) -> bool {
        (0..self.courses.len()).all(|at| self.is_done(at))
    }

    /// The runs that are wanted next, each once.
    pub(crate) fn asks(&self) -> Vec<Ask> {
        let open = (0..self.courses.len()).filter(|at| !self.is_done(*at));
        let rows = unique(open.flat_map(|at| self.next(at).iter().cloned()));
        let undecided = rows.iter().filter(|it| !self.is_decided(it));
        undecided.map(|it| self.bootstrap.ask(it, self.rounds(it))).collect()
    }

    /// Takes what the runs gave, and the demos out of it.
    pub(crate) fn take(
        &mut self,
        search: &Search<'_>,
        asks: &[Ask],
        outcomes: &[Option<Arc<Outcome>>],
    ) {
        for (ask, outcome) in asks.iter().zip(outcomes) {
            let Some(outcome) = outcome else { continue };
            let good = self.bootstrap.good(outcome).then(|| Arc::clone(outcome));
            let trial = Trial { rounds: ask.rollout + 1, good };
            self.tried.insert(ask.example.hash.clone(), trial);
        }
        for at in 0..self.courses.len() {
            while !self.is_done(at) && self.next(at).iter().all(|it| self.is_decided(it)) {
                self.advance(search, at);
            }
        }
    }

    /// The state of this one with what it has found, filled up with labeled demos.
    pub(crate) fn made(&self, search: &Search<'_>, at: usize) -> Made {
        let Course { label, size, found, .. } = &self.courses[at];
        let state = self.bootstrap.filled(search, label, found);
        Made { label: label.clone(), state, rows: found.rows.len(), wanted: *size }
    }

    /// The rows that this one tries next.
    fn next(&self, at: usize) -> &[Example] {
        let course = &self.courses[at];
        &course.rows[course.at..(course.at + self.width).min(course.rows.len())]
    }

    fn rounds(&self, example: &Example) -> u64 {
        self.tried.get(&example.hash).map_or(0, |it| it.rounds)
    }

    /// Whether a row gave a good sample, or all that may be tried.
    fn is_decided(&self, example: &Example) -> bool {
        let most = self.bootstrap.options.max_rounds as u64;
        let good = |it: &Trial| it.good.is_some();
        self.rounds(example) >= most || self.tried.get(&example.hash).is_some_and(good)
    }

    /// Takes the demos that the next rows of this one gave, as many as it still wants.
    fn advance(&mut self, search: &Search<'_>, at: usize) {
        let rows = self.next(at).to_vec();
        let course = &mut self.courses[at];
        course.at += rows.len();
        for example in &rows {
            let trial = self.tried.get(&example.hash);
            let good = trial.and_then(|it| Some((it.good.as_ref()?, it.rounds - 1)));
            if let Some((outcome, round)) =
                good.filter(|_| course.found.rows.len() < course.size)
            {
                self.bootstrap.keep(search, &mut course.found, example, outcome, round);
            }
        }
    }
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

    /// One whose runs are made in this state.
    pub(crate) fn taught(
        options: BootstrapFewShot,
        search: &Search<'_>,
        teacher: State,
    ) -> Self {
        let predictors = search.predictors();
        let labels = Labels::new(&predictors, search.train());
        Self { options, predictors, labels, teacher }
    }

    /// The state with these demos, filled up with labeled ones.
    fn filled(&self, search: &Search<'_>, label: &str, found: &Found) -> State {
        let mut demos = found.demos.clone();
        let given = |path: &str| found.demos.get(path).map_or(0, Vec::len);
        let room = |path: &str| self.options.max_labeled.saturating_sub(given(path));
        let random = |path: &str| search.random(&format!("{label}/labeled/{path}"));
        for (path, more) in self.labels.draw(search.train(), &found.rows, room, random) {
            demos.entry(path).or_default().extend(more);
        }
        with_demos(search.start(), &self.predictors, &demos)
    }

    fn ask(&self, example: &Example, round: u64) -> Ask {
        let mut state = without_row(&self.teacher, example);
        if round > 0 {
            hotter(&mut state, self.predictors.keys());
        }
        Ask {
            who: Who::Teacher,
            state: Arc::new(state),
            example: example.clone(),
            rollout: round,
            keep_steps: true,
        }
    }

    /// Whether a run may be shown as a demo; without a metric every run may that did not fail.
    fn good(&self, outcome: &Outcome) -> bool {
        is_good(outcome, self.options.threshold)
    }

    fn keep(
        &self,
        search: &Search<'_>,
        found: &mut Found,
        example: &Example,
        outcome: &Outcome,
        round: u64,
    ) {
        let label = |path: &str| format!("step/{}/{round}/{path}", example.hash);
        let random = |path: &str| search.random(&label(path));
        let demos = from_run(outcome, example, round, &self.predictors, random);
        if demos.is_empty() {
            return;
        }
        found.rows.insert(example.hash.clone());
        for (path, demo) in demos {
            found.demos.entry(path).or_default().push(demo);
        }
    }
}

/// Whether a run scored at least so much, with nothing that failed.
pub(super) fn is_good(outcome: &Outcome, threshold: Option<f64>) -> bool {
    let scored = match (outcome.score, threshold) {
        (None, _) => true,
        (Some(score), None) => score > 0.0,
        (Some(score), Some(least)) => score >= least,
    };
    outcome.failure.is_none() && outcome.asserts_failed == 0 && scored
}

/// Has predictors give further samples.
pub(super) fn hotter<'a>(state: &mut State, paths: impl Iterator<Item = &'a String>) {
    for path in paths {
        state.entry(path).options.temperature = Some(FURTHER_TEMPERATURE);
    }
}

/// The first of each group of equal rows.
pub(super) fn unique(rows: impl Iterator<Item = Example>) -> Vec<Example> {
    let mut seen = BTreeSet::new();
    rows.filter(|it| seen.insert(it.hash.clone())).collect()
}
