//! For each input the training rows nearest to it as demos.
//!
//! Khandelwal et al., "Generalization through Memorization: Nearest Neighbor Language Models" (2020),
//! for the idea; Liu et al., "What Makes Good In-Context Examples for GPT-3?" (2022), for demos.
//! `KNNFewShot` in DSPy. In plain words:
//!
//! 1. Every training row that a predictor can be shown as it is makes a demo (see `demo`).
//! 2. The program with those, of which each prompt shows the `k` nearest, runs on the training rows,
//!    never with a demo of the row at hand; a teacher does, where one is given.
//! 3. Where a run scores at least the threshold, what each predictor read and wrote in it takes the
//!    place of the row's own demo: it has the reasoning, and the inputs of inner predictors.
//! 4. The state keeps all of them. A prompt shows the `k` whose inputs share the most telling words
//!    with its own, the nearest last.
//!
//! Differs from DSPy: runs are made when the program is compiled and not at each call, so that a
//! compiled program costs what any other does; every predictor picks by its own inputs, and not by
//! those of the whole program; nearness goes by words and asks no model.

use crate::diag::Diagnostic;
use crate::eval::Stop;
use crate::optimize::demo::{Labels, with_demos};
use crate::optimize::policies::bootstrap_few_shot::{Bootstrap, Courses, Wanted};
use crate::optimize::policies::count;
use crate::optimize::{BootstrapFewShot, FEW_DEMOS, Phase, Policy, Search, Sizes, Who};
use crate::program::{Nearest, State};
use crate::schema::Value;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// Demos that are picked for each input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnnFewShot {
    /// How many demos a prompt shows.
    pub k: usize,
    /// Whether the training rows are run.
    pub bootstrap: bool,
    /// How many samples of a row are tried.
    pub max_rounds: usize,
    /// The least score of a run that becomes demos; any score above 0 when `None`.
    pub threshold: Option<f64>,
}

impl Default for KnnFewShot {
    fn default() -> Self {
        Self { k: 3, bootstrap: true, max_rounds: 1, threshold: None }
    }
}

impl Policy for KnnFewShot {
    fn name(&self) -> &'static str {
        "knn_few_shot"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::from([
            ("k".to_owned(), count(self.k)),
            ("bootstrap".to_owned(), Value::Bool(self.bootstrap)),
            ("max_rounds".to_owned(), count(self.max_rounds)),
            ("threshold".to_owned(), self.threshold.map_or(Value::Null, Value::Float)),
        ])
    }

    fn needs_valset(&self) -> bool {
        false
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        match self.rounds() {
            0 => Vec::new(),
            rounds => vec![Phase::new("bootstrap", Who::Teacher, sizes.train, rounds)],
        }
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let rows = search.train().len();
        let labeled = self.picking(search, labeled(search));
        if self.rounds() == 0 {
            search.propose("labeled", labeled);
            return Ok(());
        }
        let options = BootstrapFewShot {
            max_bootstrapped: rows,
            max_labeled: usize::MAX,
            max_rounds: self.max_rounds,
            threshold: self.threshold,
        };
        let teacher = search.teacher().cloned().unwrap_or(labeled);
        let bootstrap = Bootstrap::taught(options, search, teacher);
        let label = "neighbours".to_owned();
        let wanted = Wanted { label, order: (0..rows).collect(), size: rows };
        let mut courses = Courses::new(&bootstrap, search, vec![wanted]);
        let mut stop = None;
        while stop.is_none() && !courses.are_done() {
            let asks = courses.asks();
            let runs = search.run("bootstrap", &asks);
            courses.take(search, &asks, &runs.outcomes);
            stop = runs.stop;
        }
        // What was found before the end is worth keeping; other rows stand as they are.
        let made = courses.made(search, 0);
        let state = self.picking(search, made.state);
        if stop.is_none() && state.demo_count() == 0 {
            let notice = Diagnostic::bare(FEW_DEMOS, "no row made a demo");
            let hint = "lower `threshold:`, raise `max_rounds:`, or give a stronger `teacher:`";
            search.notice(notice.hint(hint));
        }
        search.propose("neighbours", state);
        stop.map_or(Ok(()), Err)
    }
}

impl KnnFewShot {
    fn rounds(&self) -> usize {
        if self.bootstrap { self.max_rounds } else { 0 }
    }

    /// The state with its demos in the order of their rows, of which each prompt shows some.
    fn picking(&self, search: &Search<'_>, mut state: State) -> State {
        for path in search.predictors().keys() {
            let own = state.entry(path);
            own.demos.sort_by_key(|it| it.origin.as_ref().map(|it| it.row));
            own.nearest = Some(Nearest { k: self.k }).filter(|_| !own.demos.is_empty());
        }
        state
    }
}

/// All rows that can be shown as they are.
fn labeled(search: &Search<'_>) -> State {
    let predictors = search.predictors();
    let labels = Labels::new(&predictors, search.train());
    let random = |path: &str| search.random(&format!("labeled/{path}"));
    let demos = labels.draw(search.train(), &BTreeSet::new(), |_| usize::MAX, random);
    with_demos(search.start(), &predictors, &demos)
}
