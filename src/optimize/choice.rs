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
    mean(&behind) <= most
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
