//! The instance Pareto front: candidates that are best on some row.
//!
//! Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning"
//! (2025), algorithm 2: of each row the candidates that score highest on it; candidates are
//! dropped whose every row another one has too, the worst first; the rest are drawn by how many
//! rows they win. Several objectives instead of rows are sorted into fronts by Deb et al.,
//! "A fast and elitist multiobjective genetic algorithm: NSGA-II" (2002).

use crate::util::Random;
use std::collections::BTreeSet;

/// The front of a score matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pareto {
    /// Of each row the candidates that are best on it and stayed.
    winners: Vec<Vec<usize>>,
    /// How many rows each candidate wins; 0 for those that are not on the front.
    weights: Vec<usize>,
}

impl Pareto {
    /// Returns the front of a matrix: a line for each candidate, a column for each row, `None`
    /// where it was not scored. A row that nobody was scored on is won by nobody.
    pub fn new(scores: &[Vec<Option<f64>>]) -> Self {
        let rows = scores.iter().map(Vec::len).max().unwrap_or(0);
        let mut winners: Vec<BTreeSet<usize>> =
            (0..rows).map(|row| best_on(scores, row)).collect();
        for candidate in by_mean(scores) {
            if is_covered(&winners, candidate) {
                for row in &mut winners {
                    row.remove(&candidate);
                }
            }
        }
        let mut weights = vec![0; scores.len()];
        winners.iter().flatten().for_each(|candidate| weights[*candidate] += 1);
        Self {
            winners: winners.into_iter().map(|it| it.into_iter().collect()).collect(),
            weights,
        }
    }

    /// Of each row the candidates that win it.
    pub fn winners(&self) -> &[Vec<usize>] {
        &self.winners
    }

    /// How many rows each candidate wins.
    pub fn weights(&self) -> &[usize] {
        &self.weights
    }

    /// The candidates on the front.
    pub fn members(&self) -> Vec<usize> {
        (0..self.weights.len()).filter(|at| self.weights[*at] > 0).collect()
    }

    /// Draws a candidate, each as likely as the rows it wins are many; `None` where nobody won.
    pub fn draw(&self, random: &mut Random) -> Option<usize> {
        let mut at = random.below(self.weights.iter().sum());
        self.weights.iter().position(|weight| {
            let hit = at < *weight;
            at = at.saturating_sub(*weight);
            hit
        })
    }
}

fn best_on(scores: &[Vec<Option<f64>>], row: usize) -> BTreeSet<usize> {
    let score = |candidate: &Vec<Option<f64>>| candidate.get(row).copied().flatten();
    let best = scores.iter().filter_map(score).max_by(f64::total_cmp);
    (0..scores.len()).filter(|at| best.is_some() && score(&scores[*at]) == best).collect()
}

/// Whether others have each row that this candidate wins.
fn is_covered(winners: &[BTreeSet<usize>], candidate: usize) -> bool {
    winners.iter().filter(|row| row.contains(&candidate)).all(|row| row.len() > 1)
}

/// The candidates, the lowest mean first; of equal ones the latest.
fn by_mean(scores: &[Vec<Option<f64>>]) -> Vec<usize> {
    let mean = |at: usize| {
        let known: Vec<f64> = scores[at].iter().copied().flatten().collect();
        known.iter().sum::<f64>() / crate::sampling::float(known.len().max(1))
    };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| mean(*a).total_cmp(&mean(*b)).then(b.cmp(a)));
    order
}

/// Sorts points of several objectives, more being better, into fronts: on the first are those
/// that no other point is as good as in all and better than in one; on the second those that
/// only points of the first beat so, and so on. A point without a number is beaten by all that
/// have one.
pub fn fronts(points: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let beats = |a: &[f64], b: &[f64]| {
        let pairs = || a.iter().zip(b).map(|(a, b)| (known(*a), known(*b)));
        pairs().all(|(a, b)| a >= b) && pairs().any(|(a, b)| a > b)
    };
    let mut left: Vec<usize> = (0..points.len()).collect();
    let mut fronts = Vec::new();
    while !left.is_empty() {
        let beaten = |at: &usize| left.iter().any(|it| beats(&points[*it], &points[*at]));
        let (later, front): (Vec<_>, Vec<_>) = left.iter().copied().partition(beaten);
        fronts.push(front);
        left = later;
    }
    fronts
}

fn known(number: f64) -> f64 {
    if number.is_nan() { f64::NEG_INFINITY } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(lines: &[&[f64]]) -> Vec<Vec<Option<f64>>> {
        lines.iter().map(|line| line.iter().map(|it| Some(*it)).collect()).collect()
    }

    #[test]
    fn winners_of_a_row_stay_and_the_rest_go() {
        let scores = matrix(&[
            &[1.0, 0.0, 0.0, 0.5],
            &[0.0, 1.0, 1.0, 0.5],
            &[0.5, 0.5, 0.5, 0.4],
            &[0.0, 1.0, 0.0, 0.0],
        ]);
        let front = Pareto::new(&scores);
        assert_eq!(front.members(), [0, 1]);
        assert_eq!(front.weights(), [2, 3, 0, 0]);
        assert_eq!(front.winners()[1], [1], "the last has no row of its own");
    }

    #[test]
    fn holes_win_nothing_and_equal_candidates_stand_for_each_other() {
        let mut scores = matrix(&[&[1.0, 1.0], &[1.0, 1.0]]);
        assert_eq!(Pareto::new(&scores).members(), [0]);
        scores[0][1] = None;
        assert_eq!(Pareto::new(&scores).members(), [1]);
        scores[1] = vec![None, Some(0.2)];
        assert_eq!(Pareto::new(&scores).weights(), [1, 1]);
        assert!(Pareto::new(&[vec![None, None]]).members().is_empty());
        assert_eq!(Pareto::new(&[]).draw(&mut Random::new(1, "")), None);
    }

    #[test]
    fn each_row_keeps_a_winner_whatever_the_scores() {
        for seed in 0..200 {
            let mut random = Random::new(seed, "matrix");
            let scores: Vec<Vec<Option<f64>>> = (0..6)
                .map(|_| (0..8).map(|_| Some(random.below(3) as f64)).collect())
                .collect();
            let front = Pareto::new(&scores);
            assert!(front.winners().iter().all(|row| !row.is_empty()), "{scores:?}");
            for member in front.members() {
                let own = |row: &Vec<usize>| row.as_slice() == [member];
                assert!(front.winners().iter().any(own), "{member} is covered: {scores:?}");
            }
        }
    }

    #[test]
    fn draws_follow_the_rows_won() {
        let front = Pareto::new(&matrix(&[&[1.0, 0.0, 0.0, 0.0], &[0.0, 1.0, 1.0, 1.0]]));
        let mut random = Random::new(5, "draw");
        let first = (0..4000).filter(|_| front.draw(&mut random) == Some(0)).count();
        assert!((900..1100).contains(&first), "{first}");
    }

    #[test]
    fn fronts_of_several_objectives() {
        let points = [
            vec![1.0, 0.2],
            vec![0.5, 0.5],
            vec![0.4, 0.4],
            vec![f64::NAN, 0.1],
            vec![0.2, 1.0],
            vec![0.5, 0.5],
        ];
        assert_eq!(fronts(&points), [vec![0, 1, 4, 5], vec![2], vec![3]]);
        assert!(fronts(&[]).is_empty());
    }
}
