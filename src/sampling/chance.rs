//! Draws among things with scores.

use crate::sampling::{ceil, float};
use crate::util::Random;

/// The largest mean that [`poisson`] tells from larger ones.
const MOST: f64 = 64.0;

/// The place of one of these scores, each as likely as the exponential of its score by the
/// temperature says: the lower that is, the more the best one leads.
pub fn softmax(random: &mut Random, scores: &[f64], temperature: f64) -> usize {
    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|it| ((it - best) / temperature).exp()).collect();
    let mut left = random.unit() * weights.iter().sum::<f64>();
    for (at, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return at;
        }
    }
    weights.len().saturating_sub(1)
}

/// A count with this mean (Knuth 1969, 3.4.1).
pub fn poisson(random: &mut Random, mean: f64) -> usize {
    let least = (-mean.clamp(0.0, MOST)).exp();
    let (mut product, mut count) = (random.unit(), 0);
    while product > least {
        product *= random.unit();
        count += 1;
    }
    count
}

/// The value below which this part of the values lies, between neighbours in proportion; 0 of
/// none.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = part.clamp(0.0, 1.0) * float(last);
    let (below, above) = (sorted[ceil(at.floor())], sorted[ceil(at)]);
    below + (above - below) * (at - at.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_leads_by_the_ratio_of_exponentials() {
        let mut random = Random::new(1, "test");
        let mut counts = [0_u32; 3];
        for _ in 0..20_000 {
            counts[softmax(&mut random, &[0.5, 0.9, 0.5], 0.2)] += 1;
        }
        // exp(0.4 / 0.2) is 7.39: shares of 1, 7.39 and 1.
        let share = |at: usize| f64::from(counts[at]) / 20_000.0;
        assert!((share(0) - 0.1065).abs() < 0.01, "{counts:?}");
        assert!((share(1) - 0.787).abs() < 0.01, "{counts:?}");
        assert_eq!(softmax(&mut random, &[3.0], 0.2), 0);
        assert_eq!(softmax(&mut random, &[-1e9, 5.0], 0.2), 1);
    }

    #[test]
    fn counts_have_their_mean_and_variance() {
        let mut random = Random::new(1, "test");
        for mean in [0.0, 0.25, 1.0, 4.0] {
            let drawn: Vec<f64> = (0..20_000)
                .map(|_| f64::from(u32::try_from(poisson(&mut random, mean)).unwrap()))
                .collect();
            let is = drawn.iter().sum::<f64>() / 20_000.0;
            let spread = drawn.iter().map(|it| (it - is).powi(2)).sum::<f64>() / 20_000.0;
            assert!((is - mean).abs() < 0.06, "{is} for {mean}");
            assert!((spread - mean).abs() < 0.2, "{spread} for {mean}");
        }
        assert!(poisson(&mut random, f64::INFINITY) < 200);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let ten: Vec<f64> = (0..11).rev().map(f64::from).collect();
        assert!((quantile(&ten, 0.1) - 1.0).abs() < 1e-12);
        assert!((quantile(&[0.0, 1.0], 0.9) - 0.9).abs() < 1e-12);
        assert!(quantile(&[], 0.9).abs() < 1e-12);
        assert!((quantile(&[7.0], 0.1) - 7.0).abs() < 1e-12);
    }
}
