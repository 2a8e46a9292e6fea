//! The search over instructions and demos: which combination is tried next, and on which rows.
//!
//! What resembles the good trials is tried (see [`Tpe`]). Several trials go on at once: one that
//! is under way counts as a poor one, so that its neighbours are not tried too. How many is an
//! option and not the number of processors, so it is the same search everywhere.

use crate::eval::Stop;
use crate::eval::stats::mean;
use crate::optimize::Search;
use crate::optimize::policies::grounds::Proposed;
use crate::optimize::policies::mipro_v2::Extent;
use crate::optimize::propose::with_instructions;
use crate::program::State;
use crate::sampling::{Dimension, Minibatches, Setting, Tpe};
use indexmap::IndexMap;

/// After so many combinations in a row that are known no other one is looked for.
const REDRAWS: usize = 20;

/// The most combinations that are drawn at random before what was good counts.
const MOST_FREE: usize = 10;

/// What is chosen from. The first of each is what the program has.
pub(super) struct Pool {
    /// Instructions by predictor, besides those that it has.
    pub(super) proposed: IndexMap<String, Vec<Proposed>>,
    /// Sets of demos; where there are none, demos stay as they are.
    pub(super) sets: Vec<(String, State)>,
    /// Who proposed.
    pub(super) optimizer: &'static str,
}

/// The place of the instructions and of the set of demos of each predictor.
type Combination = Vec<usize>;

/// A search over combinations.
pub(super) struct Trials {
    pool: Pool,
    extent: Extent,
    /// The rows that combinations are scored on.
    rows: Vec<usize>,
    batches: Minibatches,
    tpe: Tpe,
    /// Combinations by their places among all candidates.
    known: Vec<Combination>,
    /// Which of them were scored on all rows, or are being.
    full: Vec<bool>,
}

/// A trial that is made.
struct Trial {
    /// What the estimator calls it.
    asked: usize,
    serial: usize,
    rows: Vec<usize>,
}

impl Trials {
    /// Returns a search that has seen the program as it is.
    pub(super) fn new(
        pool: Pool,
        search: &Search<'_>,
        extent: Extent,
        rows: Vec<usize>,
    ) -> Self {
        let dimensions = pool.dimensions();
        let first = vec![0; dimensions.len()];
        let choices = dimensions.into_iter().map(Dimension::Choice).collect();
        let mut tpe = Tpe::new(choices, search.seed()).expect("each has something to choose");
        // Where there are few trials half of them are to be learnt from.
        tpe = tpe.learning_after(extent.trials.div_ceil(2).min(MOST_FREE));
        let score = search.candidates().first().and_then(|it| it.score);
        if let Some(score) = score {
            tpe.add(settings(&first), score).expect("it lies in the dimensions");
        }
        let size = extent.minibatch.unwrap_or(rows.len());
        let batches = Minibatches::new(rows.len(), size, search.seed());
        let (known, full) = (vec![first], vec![true]);
        Self { pool, extent, rows, batches, tpe, known, full }
    }

    /// Makes the trials.
    pub(super) fn run(
        mut self,
        search: &mut Search<'_>,
        full_every: usize,
        at_once: usize,
    ) -> Result<(), Stop> {
        let (mut made, mut fulls) = (0, 0);
        while made < self.extent.trials {
            let round = self.round(search, at_once, self.extent.trials - made);
            if round.is_empty() {
                break;
            }
            let due = (made / full_every.max(1)).min(self.extent.fulls) - fulls;
            let promoted = self.promoted(search, due);
            fulls += promoted.len();
            made += round.len();
            self.score(search, &round, &promoted)?;
        }
        let promoted = self.promoted(search, self.extent.fulls.saturating_sub(fulls));
        self.score(search, &[], &promoted)
    }

    /// The next trials: as many as may go on at once.
    fn round(&mut self, search: &mut Search<'_>, at_once: usize, most: usize) -> Vec<Trial> {
        let (mut round, mut misses, begun) = (Vec::new(), 0, self.known.len());
        while round.len() < most.min(at_once.max(1)) && misses < REDRAWS {
            let (asked, point) = self.tpe.ask();
            let combination: Combination = point.iter().map(|it| it.choice()).collect();
            let serial = self.place(combination);
            if self.full[serial] {
                // It shows nothing new: its score is told once more, and another is drawn.
                let at = search.place_of(serial);
                self.tpe.tell(asked, at.and_then(|at| search.candidates()[at].score));
                misses += 1;
                continue;
            }
            misses = 0;
            round.push(Trial { asked, serial, rows: self.rows_of_trial() });
            self.full[serial] = self.extent.minibatch.is_none();
        }
        let new = (begun..self.known.len()).map(|serial| {
            let combination = &self.known[serial];
            (serial, self.pool.label(combination), self.pool.state(search.start(), combination))
        });
        let new = new.collect();
        search.open(new);
        round
    }

    /// The place of a combination among all candidates.
    fn place(&mut self, combination: Combination) -> usize {
        let known = self.known.iter().position(|it| *it == combination);
        known.unwrap_or_else(|| {
            self.known.push(combination);
            self.full.push(false);
            self.known.len() - 1
        })
    }

    fn rows_of_trial(&mut self) -> Vec<usize> {
        match self.extent.minibatch {
            Some(_) => self.batches.next_batch().iter().map(|at| self.rows[*at]).collect(),
            None => self.rows.clone(),
        }
    }

    /// The combinations with the best means so far that were not scored on all rows.
    fn promoted(&mut self, search: &Search<'_>, count: usize) -> Vec<usize> {
        let open = search.candidates().iter().filter(|it| !self.full[it.serial]);
        let mut open: Vec<(f64, usize, usize)> = open
            .filter_map(|it| Some((it.mean_so_far()?, it.state.demo_count(), it.serial)))
            .collect();
        open.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let chosen: Vec<usize> = open.into_iter().take(count).map(|it| it.2).collect();
        chosen.iter().for_each(|it| self.full[*it] = true);
        chosen
    }

    /// Makes runs of trials, and beside that of combinations on all rows; tells the scores.
    fn score(
        &mut self,
        search: &mut Search<'_>,
        round: &[Trial],
        promoted: &[usize],
    ) -> Result<(), Stop> {
        let mut parts: Vec<(usize, Vec<usize>)> =
            round.iter().map(|it| (it.serial, it.rows.clone())).collect();
        parts.extend(promoted.iter().map(|it| (*it, self.rows.clone())));
        search.score_parts("trials", &parts, &[])?;
        let whole = round.iter().map(|it| it.serial).filter(|it| self.full[*it]);
        for serial in whole.chain(promoted.iter().copied()) {
            search.close_early(serial);
        }
        for trial in round {
            self.tpe.tell(trial.asked, reached(search, trial.serial, &trial.rows));
        }
        for serial in promoted {
            if let Some(score) = reached(search, *serial, &self.rows) {
                let point = settings(&self.known[*serial]);
                self.tpe.add(point, score).expect("it lies in the dimensions");
            }
        }
        Ok(())
    }
}

/// The mean of a candidate on these rows.
fn reached(search: &Search<'_>, serial: usize, rows: &[usize]) -> Option<f64> {
    let values = &search.candidates()[search.place_of(serial)?].values;
    let scores: Vec<f64> =
        rows.iter().filter_map(|row| values.get(*row).copied().flatten()).collect();
    (!scores.is_empty()).then(|| mean(&scores))
}

fn settings(combination: &[usize]) -> Vec<Setting> {
    combination.iter().map(|at| Setting::Choice(*at)).collect()
}

impl Pool {
    /// How many choices there are: for each predictor of instructions and, where demos are
    /// shown, of sets of demos.
    fn dimensions(&self) -> Vec<usize> {
        let each = self.proposed.values().map(|it| 1 + it.len());
        match self.sets.len() {
            0 => each.collect(),
            sets => each.flat_map(|instructions| [instructions, sets]).collect(),
        }
    }

    /// The choices of each predictor: of instructions and of the set of demos.
    fn choices<'a>(
        &'a self,
        combination: &'a [usize],
    ) -> impl Iterator<Item = (&'a String, usize, Option<usize>)> {
        let each = if self.sets.is_empty() { 1 } else { 2 };
        let chosen = self.proposed.keys().zip(combination.chunks(each));
        chosen.map(|(path, it)| (path, it[0], it.get(1).copied()))
    }

    /// What a report calls a combination.
    fn label(&self, combination: &[usize]) -> String {
        let several = self.proposed.len() > 1;
        let each = self.choices(combination).map(|(path, instructions, set)| {
            let set = set.map(|it| format!(", {}", self.sets[it].0)).unwrap_or_default();
            let path = if several { format!("{path}: ") } else { String::new() };
            format!("{path}text {instructions}{set}")
        });
        each.collect::<Vec<_>>().join("; ")
    }

    fn state(&self, start: &State, combination: &[usize]) -> State {
        let mut state = State { predictors: start.predictors.clone(), provenance: None };
        for (path, instructions, set) in self.choices(combination) {
            if let Some(set) = set {
                let set = self.sets[set].1.get(path).cloned().unwrap_or_default();
                let own = state.entry(path);
                (own.demos, own.nearest) = (set.demos, set.nearest);
            }
            if let Some(it) = instructions.checked_sub(1).map(|at| &self.proposed[path][at]) {
                state = with_instructions(&state, path, &it.proposal, self.optimizer, &it.note);
            }
        }
        state
    }
}
