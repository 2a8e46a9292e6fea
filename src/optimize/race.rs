//! Candidates that race: all are scored on a few rows, and only those that may still win on
//! more. A rung is one batch of runs, so that threads have enough to do and decide nothing.

use crate::eval::Stop;
use crate::eval::stats::mean;
use crate::optimize::{Candidate, Matrix, Search};
use crate::program::State;
use crate::sampling::{Halving, Paired};
use std::collections::BTreeMap;

/// Rows of the first rung: fewer say nothing about a candidate.
const LEAST: usize = 10;
/// How many rungs a race of tests has.
const STEPS: usize = 10;
/// The chance that a race of tests drops the best candidate.
const LEVEL: f64 = 0.05;

/// How candidates are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Race {
    /// The worse half after each rung: see [`crate::sampling::Halving`].
    Halving,
    /// Those that a paired test shows to be worse than the leader: see
    /// [`crate::sampling::Paired`].
    Test,
}

impl Race {
    /// The names that scripts use.
    pub const NAMES: [&'static str; 2] = ["halving", "test"];

    /// The race of this name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "halving" => Some(Self::Halving),
            "test" => Some(Self::Test),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Halving => Self::NAMES[0],
            Self::Test => Self::NAMES[1],
        }
    }

    /// The most runs of a race of so many candidates on so many rows.
    pub fn most_runs(self, candidates: usize, rows: usize) -> usize {
        match self {
            Self::Halving => Halving::new(candidates, rows, LEAST).cost(),
            Self::Test => candidates * rows,
        }
    }
}

impl Search<'_> {
    /// Proposes states that are not scored yet, each with its place among all.
    pub fn open(&mut self, states: Vec<(usize, String, State)>) {
        for (serial, label, state) in states {
            self.admit(serial, &label, state);
        }
    }

    /// Scores of all candidates on the rows to choose by.
    pub fn matrix(&self) -> Matrix {
        let rows = self.val().len();
        let line = |values: &Vec<Option<f64>>| {
            if values.is_empty() { vec![None; rows] } else { values.clone() }
        };
        Matrix::new(self.candidates().iter().map(|it| line(&it.values)).collect())
    }

    /// Scores open candidates, by their places among all, on all rows to choose by; those that
    /// cannot win are dropped on the way and have no score in the end.
    ///
    /// # Errors
    /// Why the race did not come to its end; the leader then has the score of the rows so far.
    pub fn race(&mut self, phase: &str, serials: &[usize], how: Race) -> Result<(), Stop> {
        let mut order: Vec<usize> = (0..self.val().len()).collect();
        self.random("race").shuffle(&mut order);
        let mut alive = serials.to_vec();
        let ended = match how {
            Race::Halving => self.halve(phase, &mut alive, &order),
            Race::Test => self.test(phase, &mut alive, &order),
        };
        if ended.is_err() {
            self.rank(&mut alive);
            if let Some(leader) = alive.first() {
                self.close_early(*leader);
            }
        }
        ended
    }

    fn halve(
        &mut self,
        phase: &str,
        alive: &mut Vec<usize>,
        order: &[usize],
    ) -> Result<(), Stop> {
        let plan = Halving::new(alive.len(), order.len(), LEAST);
        let mut before = 0;
        for rung in plan.rungs() {
            self.rank(alive);
            alive.truncate(rung.candidates);
            // The rows of one state stand together, in the order of their places.
            alive.sort_unstable();
            self.score_on(phase, alive, &order[before..rung.rows])?;
            before = rung.rows;
        }
        Ok(())
    }

    fn test(
        &mut self,
        phase: &str,
        alive: &mut Vec<usize>,
        order: &[usize],
    ) -> Result<(), Stop> {
        let others = crate::sampling::float(alive.len().max(2) - 1);
        for rows in order.chunks(order.len().div_ceil(STEPS).max(LEAST)) {
            self.score_on(phase, alive, rows)?;
            self.rank(alive);
            let (Some(leader), matrix) = (alive.first().copied(), self.matrix()) else { break };
            let place = |serial: usize| self.place_of(serial).unwrap_or_default();
            alive.retain(|serial| {
                let mut paired = Paired::default();
                for (a, b) in matrix.pairs(place(leader), place(*serial)) {
                    paired.push(a, b);
                }
                // Only one side is asked: whether it is worse than the leader.
                paired.for_worse() < others / LEVEL
            });
            alive.sort_unstable();
        }
        Ok(())
    }

    /// Puts candidates in the order in which they lead: by the mean on the rows that all of them
    /// have scores for, or on their own rows where there are none such.
    fn rank(&self, serials: &mut [usize]) {
        let candidates: Vec<&Candidate> = serials
            .iter()
            .filter_map(|it| self.place_of(*it))
            .map(|at| &self.candidates()[at])
            .collect();
        let score = |it: &Candidate, row: usize| it.values.get(row).copied().flatten();
        let common: Vec<usize> = (0..self.val().len())
            .filter(|row| candidates.iter().all(|it| score(it, *row).is_some()))
            .collect();
        let key = |it: &Candidate| {
            let rows: Vec<f64> = common.iter().filter_map(|row| score(it, *row)).collect();
            let own = it.mean_so_far().unwrap_or(-1.0);
            let led = if rows.is_empty() { own } else { mean(&rows) };
            (led, (it.asserts_failed, it.state.demo_count()))
        };
        let keys: BTreeMap<usize, _> =
            candidates.iter().map(|it| (it.serial, key(it))).collect();
        serials.sort_by(|a, b| match (keys.get(a), keys.get(b)) {
            (Some((led, cost)), Some((other, other_cost))) => {
                other.total_cmp(led).then(cost.cmp(other_cost)).then(a.cmp(b))
            }
            _ => a.cmp(b),
        });
    }
}
