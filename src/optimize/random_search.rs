//! Many bootstraps with random rows and sizes; the best on held-out rows wins.
//!
//! Khattab et al., "DSPy: Compiling Declarative Language Model Calls into Self-Improving
//! Pipelines" (2023), section 4 and appendix E.3 (`BootstrapFewShotWithRandomSearch`).
//! Candidates, in this order: the program as it is (if it has demos), without demos, with
//! labeled rows, bootstrapped from the rows in order, then `candidates` times bootstrapped
//! from shuffled rows with a random number of them.
//!
//! Differs from DSPy: all bootstraps share one teacher, so a row is run once for all of them;
//! ties go to fewer demos and then to the earlier candidate; without rows to choose by, half
//! of the training rows are kept for it instead of choosing on what was learnt from.

use crate::eval::Stop;
use crate::optimize::bootstrap_few_shot::Bootstrap;
use crate::optimize::demo::{Demos, Labels, with_demos};
use crate::optimize::labeled_few_shot::count;
use crate::optimize::{BootstrapFewShot, Phase, Policy, Search, Sizes, Who};
use crate::program::State;
use crate::schema::Value;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// Many bootstraps, of which the best is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomSearch {
    /// How each bootstrap is made.
    pub bootstrap: BootstrapFewShot,
    /// How many are made from shuffled rows.
    pub candidates: usize,
    /// The score at which the search ends.
    pub stop_at: Option<f64>,
}

impl Default for RandomSearch {
    fn default() -> Self {
        Self { bootstrap: BootstrapFewShot::default(), candidates: 16, stop_at: None }
    }
}

impl Policy for RandomSearch {
    fn name(&self) -> &'static str {
        "random_search"
    }

    fn options(&self) -> IndexMap<String, Value> {
        let mut options = self.bootstrap.options();
        options.insert("candidates".to_owned(), count(self.candidates));
        options.insert("stop_at".to_owned(), self.stop_at.map_or(Value::Null, Value::Float));
        options
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let states = 3 + self.candidates + usize::from(sizes.start_has_demos);
        let mut phases = self.bootstrap.phases(sizes);
        phases.push(Phase::new("score candidates", Who::Student, sizes.val, states));
        phases
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let bootstrap = Bootstrap::new(self.bootstrap, search);
        for candidate in self.candidates(search) {
            let (label, state) = match candidate {
                Proposal::Ready(label, state) => (label, *state),
                Proposal::Bootstrap { label, order, size } => {
                    let made = bootstrap.state(search, &label, &order, size);
                    if label == PLAIN {
                        made.tell(search, size);
                    }
                    made.stop.map_or(Ok(()), Err)?;
                    (label, made.state)
                }
            };
            let score = search.score(&label, state)?;
            if self.stop_at.is_some_and(|enough| score >= enough) {
                break;
            }
        }
        Ok(())
    }
}

/// The bootstrap from the rows in order.
const PLAIN: &str = "bootstrap";

/// A state, or how to make it.
enum Proposal {
    Ready(String, Box<State>),
    Bootstrap { label: String, order: Vec<usize>, size: usize },
}

impl RandomSearch {
    /// All proposals in order; none of them depends on a score.
    fn candidates(&self, search: &Search<'_>) -> Vec<Proposal> {
        let rows: Vec<usize> = (0..search.train().len()).collect();
        let mut all = Vec::new();
        let mut ready = |label: &str, state| {
            all.push(Proposal::Ready(label.to_owned(), Box::new(state)));
        };
        if search.start().demo_count() > 0 {
            ready("as it is", search.start().clone());
        }
        ready("no demos", with_demos(search.start(), &search.predictors(), &Demos::new()));
        ready("labeled", self.labeled(search));
        let most = self.bootstrap.max_bootstrapped;
        let label = PLAIN.to_owned();
        all.push(Proposal::Bootstrap { label, order: rows.clone(), size: most });
        for serial in 1..=self.candidates {
            let label = format!("{PLAIN} {serial}");
            let mut random = search.random(&label);
            let mut order = rows.clone();
            random.shuffle(&mut order);
            let size = if most == 0 { 0 } else { 1 + random.below(most) };
            all.push(Proposal::Bootstrap { label, order, size });
        }
        all
    }

    fn labeled(&self, search: &Search<'_>) -> State {
        let predictors = search.predictors();
        let labels = Labels::new(&predictors, search.train());
        let random = |path: &str| search.random(&format!("labeled/{path}"));
        let most = |_: &str| self.bootstrap.max_labeled;
        let demos = labels.draw(search.train(), &BTreeSet::new(), most, random);
        with_demos(search.start(), &predictors, &demos)
    }
}
