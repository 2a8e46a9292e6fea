//! The decisions of a race against a model of their own, told without means and errors.

use super::*;
use proptest::prelude::*;

/// Whether the sum lies no more than half a standard error of the sum below nothing, a whole one
/// where it is cheaper: both sides are squared, so that no root is drawn.
fn is_near(by: &[f64], is_cheaper: bool) -> bool {
    let parts = if is_cheaper { 1.0 } else { 4.0 };
    let (n, sum) = (by.len() as f64, by.iter().sum::<f64>());
    let squares: f64 = by.iter().map(|it| it * it).sum();
    if sum >= 0.0 {
        return n > 0.0;
    }
    // Of n values the variance of the sum is n s²; s² is (Σx² - (Σx)²/n) / (n - 1).
    n > 1.0 && parts * sum * sum <= n * (squares - sum * sum / n) / (n - 1.0) + 1e-9
}

proptest! {
    #[test]
    fn the_better_half_of_those_that_do_not_fall_behind_goes_on(
        scores in prop::collection::vec(prop::collection::vec(-1..=1_i8, 0..20), 0..12),
        cheaper in prop::collection::vec(any::<bool>(), 12),
    ) {
        let scores: Vec<Vec<f64>> =
            scores.iter().map(|by| by.iter().map(|it| f64::from(*it)).collect()).collect();
        let all = scores.iter().cloned().enumerate();
        let found = kept(all.map(|(at, by)| (at, by, cheaper[at])).collect());
        // One after the other the best of those that are left is taken.
        let mut open: Vec<usize> = (0..scores.len()).filter(|at| is_near(&scores[*at], cheaper[*at])).collect();
        let mut expected = Vec::new();
        let (mut places, most) = (0, scores.len() - scores.len() / 2);
        while !open.is_empty() {
            let of = |at: usize| scores[at].iter().sum::<f64>() / scores[at].len() as f64;
            let mut best = 0;
            for (place, at) in open.iter().enumerate() {
                if of(*at) > of(open[best]) + 1e-12 {
                    best = place;
                }
            }
            let taken = open.remove(best);
            if places < most || cheaper[taken] {
                expected.push(taken);
            }
            places += 1;
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn rungs_grow_and_end_with_all_rows(first in 1_usize..40, rows in 0_usize..300) {
        let all = rungs(first, rows);
        prop_assert_eq!(all.last().copied().unwrap_or(0), rows);
        prop_assert!(all.is_sorted_by(|a, b| a < b));
        prop_assert!(all.iter().all(|it| *it >= first.min(rows)));
        // All rungs before the last are twice the one before.
        let whole = &all[..all.len().saturating_sub(1)];
        prop_assert!(whole.windows(2).all(|it| it[1] == 2 * it[0]));
    }
}
