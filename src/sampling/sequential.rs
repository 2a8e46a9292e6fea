//! A paired test that may be looked at after every row.
//!
//! Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (2023).
//! Who doubts that one program is better bets on it: for each row, a share `λ` of the capital on
//! the difference of the two scores. As long as the mean difference is 0 or less, no bet makes
//! the capital grow on average, so that it ever reaches `1 / level` with a chance of `level` at
//! most (Ville, 1939): whenever one stops, the error holds. Several shares are played side by
//! side and their capital is added up, which knows no order of rows.

use crate::sampling::float;
use std::cmp::Ordering;

/// How many shares of the capital are played side by side.
const BETS: usize = 16;

/// Paired scores of two programs, as they come.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    rows: usize,
    /// Logarithms of the capital of those who bet on the second program, by their shares.
    up: [f64; BETS],
    /// Of those who bet on the first.
    down: [f64; BETS],
}

impl Default for Paired {
    fn default() -> Self {
        Self { rows: 0, up: [0.0; BETS], down: [0.0; BETS] }
    }
}

impl Paired {
    /// Takes the scores of a row, each from 0 to 1.
    pub fn push(&mut self, before: f64, after: f64) {
        let difference = (after - before).clamp(-1.0, 1.0);
        self.rows += 1;
        for at in 0..BETS {
            // Shares below 1: one bet that is lost must not end the game.
            let share = (float(at) + 0.5) / float(BETS);
            self.up[at] += (share * difference).ln_1p();
            self.down[at] += (-share * difference).ln_1p();
        }
    }

    /// How many rows it has seen.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What there is against "the second is no better", as a factor of capital.
    pub fn for_better(&self) -> f64 {
        capital(&self.up)
    }

    /// What there is against "the second is no worse".
    pub fn for_worse(&self) -> f64 {
        capital(&self.down)
    }

    /// Whether the second is better (`Greater`), worse, or neither so far, at this level of
    /// error for both sides and all times together.
    pub fn verdict(&self, level: f64) -> Ordering {
        let enough = 2.0 / level;
        match (self.for_better() >= enough, self.for_worse() >= enough) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (true, true) | (false, false) => Ordering::Equal,
        }
    }
}

/// The mean capital of all bets.
fn capital(logs: &[f64; BETS]) -> f64 {
    logs.iter().map(|it| it.exp()).sum::<f64>() / float(BETS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::Random;

    /// How often the test decides within `rows`, when looked at after each row, and how many
    /// rows it takes then.
    fn decided(better: f64, worse: f64, rows: usize, runs: usize) -> (f64, f64, f64) {
        let (mut up, mut down, mut taken) = (0_usize, 0_usize, 0_usize);
        for run in 0..runs {
            let mut random = Random::new(run as u64, "paired");
            let mut paired = Paired::default();
            for row in 1..=rows {
                let u = random.unit();
                let (before, after) = match () {
                    () if u < better => (0.0, 1.0),
                    () if u < better + worse => (1.0, 0.0),
                    () => (1.0, 1.0),
                };
                paired.push(before, after);
                let verdict = paired.verdict(0.05);
                if verdict != Ordering::Equal {
                    up += usize::from(verdict == Ordering::Greater);
                    down += usize::from(verdict == Ordering::Less);
                    taken += row;
                    break;
                }
            }
        }
        let decided = (up + down).max(1);
        (float(up) / float(runs), float(down) / float(runs), float(taken) / float(decided))
    }

    #[test]
    fn peeking_after_every_row_keeps_the_error() {
        for rate in [0.05, 0.15, 0.3, 0.5] {
            let (up, down, _) = decided(rate, rate, 300, 800);
            assert!(up + down <= 0.05, "{rate}: {up} {down}");
        }
        // Only the wrong way: a program that is worse must never look better.
        let (up, _, _) = decided(0.10, 0.15, 300, 800);
        assert!(up <= 0.025, "{up}");
    }

    #[test]
    fn clear_differences_are_seen_early() {
        let (up, down, rows) = decided(0.30, 0.05, 300, 300);
        assert!(up > 0.99 && down == 0.0, "{up} {down}");
        assert!(rows < 70.0, "{rows} rows on average");
        let (_, down, _) = decided(0.05, 0.20, 300, 300);
        assert!(down > 0.9, "{down}");
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let pairs = [(0.0, 1.0), (0.25, 0.5), (1.0, 0.0), (0.5, 0.5), (0.0, 0.75)];
        let (mut one, mut other) = (Paired::default(), Paired::default());
        pairs.iter().for_each(|(a, b)| one.push(*a, *b));
        pairs.iter().rev().for_each(|(a, b)| other.push(*a, *b));
        assert!((one.for_better() - other.for_better()).abs() < 1e-12);
        assert!((one.for_worse() - other.for_worse()).abs() < 1e-12);
        assert_eq!(one.rows(), 5);
    }
}
