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
//! of the training rows are kept for it instead of choosing on what was learnt from; rows that no
//! finalist shows decide between finalists (see `further`); where that
//! is asked for, candidates race (see [`Race`]) instead of being scored on all rows.

use crate::eval::Stop;
use crate::optimize::demo::{Demos, Labels, with_demos};
use crate::optimize::policies::bootstrap_few_shot::{Bootstrap, Courses, Wanted};
use crate::optimize::policies::{count, further};
use crate::optimize::{BootstrapFewShot, Phase, Policy, Race, Search, Sizes, Step, Who};
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
    /// How candidates are dropped early; none is when `None`.
    pub race: Option<Race>,
}

impl Default for RandomSearch {
    fn default() -> Self {
        Self {
            bootstrap: BootstrapFewShot::default(),
            candidates: 16,
            stop_at: None,
            race: None,
        }
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
        if let Some(race) = self.race {
            options.insert("race".to_owned(), Value::from(race.name()));
        }
        options
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let states = 3 + self.candidates + usize::from(sizes.start_has_demos);
        let mut phases = self.bootstrap.phases(sizes);
        let scores = Phase::new("score candidates", Who::Student, sizes.val, states);
        phases.push(match self.race {
            Some(race) => Phase { runs: race.most_runs(states, sizes.val) as u64, ..scores },
            None => scores,
        });
        if self.race.is_none() && self.stop_at.is_none() {
            phases.push(further::phase(sizes));
        }
        phases
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let bootstrap = Bootstrap::new(self.bootstrap, search);
        match (self.race, self.stop_at) {
            (Some(race), _) => self.race(race, &bootstrap, search),
            (None, Some(enough)) => self.until(enough, &bootstrap, search),
            (None, None) => {
                self.all(&bootstrap, search)?;
                further::decide(search)
            }
        }
    }
}

/// The bootstrap from the rows in order.
const PLAIN: &str = "bootstrap";

impl RandomSearch {
    /// Scores all candidates. No score decides what is proposed next, so each is scored as
    /// soon as it is made, beside the bootstraps that are still under way.
    fn all(&self, bootstrap: &Bootstrap, search: &mut Search<'_>) -> Result<(), Stop> {
        let ready = self.ready(search).into_iter().enumerate();
        let mut ready: Vec<_> =
            ready.map(|(serial, (label, state))| (serial, label, state)).collect();
        let first = ready.len();
        let wanted = self.wanted(search);
        let mut waiting: Vec<usize> = (0..wanted.len()).collect();
        let mut courses = Courses::new(bootstrap, search, wanted);
        let (mut asks, mut plain) = (Vec::new(), None);
        let ended = search.flow("candidates", &mut |search, outcomes| {
            courses.take(search, &asks, outcomes);
            let (done, open) = waiting.iter().partition(|at| courses.is_done(**at));
            waiting = open;
            let done: Vec<usize> = done;
            for at in done {
                let made = courses.made(search, at);
                ready.push((first + at, made.label.clone(), made.state.clone()));
                if at == 0 {
                    plain = Some(made);
                }
            }
            asks = courses.asks();
            Step { states: std::mem::take(&mut ready), others: asks.clone() }
        });
        if let Some(made) = plain {
            made.tell(search);
        }
        ended
    }

    /// Makes all candidates, then has them race.
    fn race(
        &self,
        race: Race,
        bootstrap: &Bootstrap,
        search: &mut Search<'_>,
    ) -> Result<(), Stop> {
        let mut states = self.ready(search);
        let wanted = self.wanted(search);
        let made = 0..wanted.len();
        let mut courses = Courses::new(bootstrap, search, wanted);
        while !courses.are_done() {
            let asks = courses.asks();
            let outcomes = search.step("bootstrap", Vec::new(), &asks)?;
            courses.take(search, &asks, &outcomes);
        }
        for at in made {
            let made = courses.made(search, at);
            if at == 0 {
                made.tell(search);
            }
            states.push((made.label, made.state));
        }
        let serials: Vec<usize> = (0..states.len()).collect();
        let places = serials.iter().copied().zip(states);
        search.open(places.map(|(serial, (label, state))| (serial, label, state)).collect());
        search.race("race", &serials, race)
    }

    /// Scores one candidate after another until a score is high enough.
    fn until(
        &self,
        enough: f64,
        bootstrap: &Bootstrap,
        search: &mut Search<'_>,
    ) -> Result<(), Stop> {
        for (label, state) in self.ready(search) {
            if search.score(&label, state)? >= enough {
                return Ok(());
            }
        }
        for (at, wanted) in self.wanted(search).into_iter().enumerate() {
            let mut courses = Courses::new(bootstrap, search, vec![wanted]);
            while !courses.are_done() {
                let asks = courses.asks();
                let outcomes = search.step("bootstrap", Vec::new(), &asks)?;
                courses.take(search, &asks, &outcomes);
            }
            let made = courses.made(search, 0);
            if at == 0 {
                made.tell(search);
            }
            if search.score(&made.label, made.state)? >= enough {
                return Ok(());
            }
        }
        Ok(())
    }

    /// States that need no run.
    fn ready(&self, search: &Search<'_>) -> Vec<(String, State)> {
        let mut all = Vec::new();
        if search.start().demo_count() > 0 {
            all.push(("as it is".to_owned(), search.start().clone()));
        }
        let bare = with_demos(search.start(), &search.predictors(), &Demos::new());
        all.push(("no demos".to_owned(), bare));
        all.push(("labeled".to_owned(), self.labeled(search)));
        all
    }

    /// The bootstraps, in order.
    pub(super) fn wanted(&self, search: &Search<'_>) -> Vec<Wanted> {
        let rows: Vec<usize> = (0..search.train().len()).collect();
        let most = self.bootstrap.max_bootstrapped;
        let mut all = vec![Wanted { label: PLAIN.to_owned(), order: rows.clone(), size: most }];
        for serial in 1..=self.candidates {
            let label = format!("{PLAIN} {serial}");
            let mut random = search.random(&label);
            let mut order = rows.clone();
            random.shuffle(&mut order);
            let size = if most == 0 { 0 } else { 1 + random.below(most) };
            all.push(Wanted { label, order, size });
        }
        all
    }

    pub(super) fn labeled(&self, search: &Search<'_>) -> State {
        let predictors = search.predictors();
        let labels = Labels::new(&predictors, search.train());
        let random = |path: &str| search.random(&format!("labeled/{path}"));
        let most = |_: &str| self.bootstrap.max_labeled;
        let demos = labels.draw(search.train(), &BTreeSet::new(), most, random);
        with_demos(search.start(), &predictors, &demos)
    }
}
