//! The cheapest program within noise of the best.
//!
//! Of many scores the highest is partly luck. So a program that costs less is taken instead where
//! the rows do not speak against it. How loudly they may speak follows from what is saved: a
//! program at nearly no cost may lie half a standard error of the paired difference behind, one that
//! saves a third a third of that, one that saves nothing must be as good.

use crate::eval::stats::{LEVEL, mean};
use crate::optimize::confirm::chance;
use crate::optimize::search::{Price, Taste};
use crate::sampling::float;

/// How many standard errors a program may lie behind that costs nothing.
const MOST_BEHIND: f64 = 0.5;
/// Sums of the same scores in another order differ by no more.
pub(crate) const ROUNDING: f64 = 1e-12;
/// Fewer rows cannot show that two programs are alike.
const ENOUGH: usize = 10;

/// A program to choose from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Contender {
    /// Its scores by row.
    pub(crate) scores: Vec<Option<f64>>,
    pub(crate) price: Price,
    /// Demos and characters of its prompt.
    pub(crate) size: (usize, usize),
}

impl Contender {
    fn mean(&self) -> Option<f64> {
        let scores: Vec<f64> = self.scores.iter().copied().flatten().collect();
        (!scores.is_empty()).then(|| mean(&scores))
    }

    /// What it costs: dollars where they are known of all, else tokens.
    fn cost(&self, in_dollars: bool) -> f64 {
        if in_dollars { self.price.dollars.unwrap_or(0.0) } else { self.price.tokens }
    }
}

/// The place of the program to choose, and that of the best.
pub(crate) fn choose(all: &[Contender], taste: Taste, seed: u64) -> Option<(usize, usize)> {
    let scored = || all.iter().enumerate().filter_map(|(at, it)| Some((at, it, it.mean()?)));
    let dollars = |it: &Contender| it.price.dollars;
    let in_dollars = all.iter().all(|it| dollars(it).is_some())
        && all.iter().any(|it| dollars(it).unwrap_or(0.0) > 0.0);
    let cheaper = |a: &Contender, b: &Contender| {
        let cost = a.cost(in_dollars).total_cmp(&b.cost(in_dollars));
        cost.then(a.size.cmp(&b.size))
    };
    let (best, _, _) = scored()
        .min_by(|(_, a, one), (_, b, other)| other.total_cmp(one).then(cheaper(a, b)))?;
    let is_near = |it: &Contender| within(it, &all[best], in_dollars, taste, seed);
    let near = scored().filter(|(at, it, _)| *at == best || is_near(it));
    let chosen =
        near.min_by(|(_, a, one), (_, b, other)| cheaper(a, b).then(other.total_cmp(one)))?;
    Some((chosen.0, best))
}

/// Whether a program may be taken instead of the best.
fn within(it: &Contender, best: &Contender, in_dollars: bool, taste: Taste, seed: u64) -> bool {
    let pairs: Vec<(f64, f64)> =
        it.scores.iter().zip(&best.scores).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    if pairs.len() < ENOUGH.min(best.scores.iter().flatten().count()) || pairs.is_empty() {
        return false;
    }
    let behind: Vec<f64> = pairs.iter().map(|(it, best)| best - it).collect();
    let most = match taste {
        Taste::Best => 0.0,
        Taste::Balanced => {
            let (own, other) = (it.cost(in_dollars), best.cost(in_dollars));
            let saved = if other > 0.0 { (1.0 - own / other).clamp(0.0, 1.0) } else { 0.0 };
            MOST_BEHIND * saved * error(&behind)
        }
        Taste::Cheapest => return chance(&pairs, seed) >= LEVEL,
    };
    mean(&behind) <= most + ROUNDING
}

/// The standard error of a mean.
pub(crate) fn error(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 2 {
        return 0.0;
    }
    let middle = mean(values);
    let squares: f64 = values.iter().map(|it| (it - middle).powi(2)).sum();
    (squares / float(n - 1) / float(n)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::stats::sign_test;
    use proptest::prelude::*;

    fn contender(scores: &[u8], tokens: f64) -> Contender {
        let scores = scores.iter().map(|it| Some(f64::from(*it))).collect();
        Contender { scores, price: Price { dollars: None, tokens }, size: (0, 0) }
    }

    /// The rule for scores of 0 and 1, told in counts: by how many rows the best is ahead, and how
    /// many differ.
    fn is_taken(taste: Taste, it: &[u8], best: &[u8], cost: f64, other: f64) -> bool {
        let count = |a: u8, b: u8| it.iter().zip(best).filter(|p| *p == (&a, &b)).count();
        let (wins, losses, n) = (count(1, 0), count(0, 1), it.len());
        if n < 10 {
            return false;
        }
        let behind = losses as f64 - wins as f64;
        match taste {
            Taste::Best => behind <= 0.0,
            Taste::Balanced => {
                let n = n as f64;
                let variance = ((wins + losses) as f64 - behind * behind / n) / (n - 1.0);
                behind <= 0.5 * (1.0 - cost / other).max(0.0) * (n * variance).sqrt() + 1e-9
            }
            Taste::Cheapest => sign_test(wins, losses) >= 0.05,
        }
    }

    proptest! {
        #[test]
        fn the_cheapest_near_the_best_is_chosen(
            scores in prop::collection::vec(prop::collection::vec(0..=1_u8, 24), 1..8),
            costs in prop::collection::vec(1_u32..50, 8),
            rows in 1_usize..24,
        ) {
            let scores: Vec<&[u8]> = scores.iter().map(|it| &it[..rows]).collect();
            let cost = |at: usize| f64::from(costs[at]);
            let all: Vec<Contender> =
                scores.iter().enumerate().map(|(at, it)| contender(it, cost(at))).collect();
            let sum = |at: usize| scores[at].iter().map(|it| u32::from(*it)).sum::<u32>();
            let order = 0..scores.len();
            let best = order.clone().max_by_key(|at| (sum(*at), std::cmp::Reverse((costs[*at], *at))));
            let best = best.unwrap_or(0);
            for taste in [Taste::Best, Taste::Balanced, Taste::Cheapest] {
                let near = order.clone().filter(|at| {
                    *at == best
                        || is_taken(taste, scores[*at], scores[best], cost(*at), cost(best))
                });
                let expected =
                    near.min_by_key(|at| (costs[*at], std::cmp::Reverse(sum(*at)), *at));
                let found = choose(&all, taste, 1);
                if rows >= 10 {
                    prop_assert_eq!(found, expected.map(|it| (it, best)), "{:?}", taste);
                }
            }
        }
    }

    #[test]
    fn dollars_count_where_all_are_known() {
        let scores = [1_u8; 12];
        let priced = |dollars: Option<f64>, tokens: f64| Contender {
            price: Price { dollars, tokens },
            ..contender(&scores, tokens)
        };
        let of =
            |a: Contender, b: Contender| choose(&[a, b], Taste::Balanced, 1).map(|it| it.0);
        assert_eq!(of(priced(Some(0.1), 1.0), priced(Some(0.01), 100.0)), Some(1));
        assert_eq!(of(priced(None, 1.0), priced(Some(0.01), 100.0)), Some(0));
        assert_eq!(of(priced(Some(0.0), 1.0), priced(Some(0.0), 100.0)), Some(0));
        assert_eq!(choose(&[], Taste::Best, 1), None);
    }
}
