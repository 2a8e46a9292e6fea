//! Successive halving: all candidates on few rows, the better half on twice as many, and so on.
//!
//! Karnin, Koren and Somekh, "Almost Optimal Exploration in Multi-Armed Bandits" (2013), and
//! Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
//! Optimization" (2016). Candidates of a rung are compared on the same rows, so that hard rows
//! hurt all alike; rows that were paid for stay in every later comparison.

use crate::sampling::{ceil, float};

/// How many of the candidates go on.
const ETA: f64 = 2.0;

/// A part of a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// How many candidates take part.
    pub candidates: usize,
    /// On how many rows each is scored at its end, those of earlier rungs included.
    pub rows: usize,
}

/// The rungs of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halving {
    rungs: Vec<Rung>,
}

impl Halving {
    /// Plans a race of so many candidates on so many rows, of which the first rung takes at
    /// least `least`. Those that reach the last rung are scored on all rows.
    pub fn new(candidates: usize, rows: usize, least: usize) -> Self {
        let least = least.clamp(1, rows.max(1));
        // No more rungs than leave two candidates to choose from at the end.
        let by_rows = (float(rows.max(1)) / float(least)).log2().floor();
        let by_candidates = (float(candidates.max(2)) / 2.0).log2().ceil();
        let last = ceil(by_rows.min(by_candidates));
        let rung = |at: usize| {
            let (before, after) = (ETA.powi(small(at)), ETA.powi(small(last - at)));
            Rung {
                candidates: ceil(float(candidates) / before),
                rows: ceil(float(rows) / after),
            }
        };
        Self { rungs: (0..=last).map(rung).collect() }
    }

    /// The rungs, in order.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// How many scores the race takes: a candidate on a row counts once.
    pub fn cost(&self) -> usize {
        let mut before = 0;
        let rung = |it: &Rung| {
            let new = it.rows - before;
            before = it.rows;
            it.candidates * new
        };
        self.rungs.iter().map(rung).sum()
    }
}

/// A power; races have a few rungs.
fn small(power: usize) -> i32 {
    i32::try_from(power).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_halve_candidates_and_double_rows() {
        let race = Halving::new(16, 100, 10);
        let rungs: Vec<(usize, usize)> =
            race.rungs().iter().map(|it| (it.candidates, it.rows)).collect();
        assert_eq!(rungs, [(16, 13), (8, 25), (4, 50), (2, 100)]);
        assert_eq!(race.cost(), 16 * 13 + 8 * 12 + 4 * 25 + 2 * 50);
    }

    #[test]
    fn small_races_are_whole() {
        for (candidates, rows) in [(1, 50), (2, 50), (9, 3), (0, 0), (5, 1), (1, 0)] {
            let race = Halving::new(candidates, rows, 8);
            let last = race.rungs().last().copied();
            assert_eq!(last.map(|it| it.rows), Some(rows), "{candidates} on {rows}");
            assert!(race.cost() <= candidates * rows);
        }
    }
}
