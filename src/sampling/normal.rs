//! The normal distribution, and draws from it and from the gamma and beta distributions.

use crate::util::Random;

/// The share of the standard normal distribution below `x`: Marsaglia (2004), "Evaluating the
/// Normal Distribution", whose series is exact to the last digits where it is used.
pub(super) fn below(x: f64) -> f64 {
    const FAR: f64 = 8.0;
    if x.abs() > FAR {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * density(x)
}

/// The density of the standard normal distribution.
pub(super) fn density(x: f64) -> f64 {
    log_density(x).exp()
}

/// Its logarithm.
pub(super) fn log_density(x: f64) -> f64 {
    -0.5 * x * x - 0.5 * std::f64::consts::TAU.ln()
}

/// A draw from the standard normal distribution: Box and Muller (1958).
pub(super) fn draw(random: &mut Random) -> f64 {
    // The logarithm of what is drawn from [0, 1) is taken of its distance to 1.
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

/// A draw from a normal distribution within bounds that hold its mean.
pub(super) fn draw_within(random: &mut Random, mean: f64, sd: f64, low: f64, high: f64) -> f64 {
    // The mean lies within, and no kernel is wider than the bounds: few draws fall outside.
    const MOST: usize = 1000;
    for _ in 0..MOST {
        let x = mean + sd * draw(random);
        if (low..=high).contains(&x) {
            return x;
        }
    }
    mean.clamp(low, high)
}

/// A draw from the beta distribution: the share of one gamma draw of two.
pub(super) fn draw_beta(random: &mut Random, a: f64, b: f64) -> f64 {
    let (x, y) = (draw_gamma(random, a), draw_gamma(random, b));
    if x + y > 0.0 { x / (x + y) } else { 0.5 }
}

/// A draw from the gamma distribution of this shape, at least 1: Marsaglia and Tsang (2000).
fn draw_gamma(random: &mut Random, shape: f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = draw(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.unit()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_tables() {
        for (x, share) in
            [(0.0, 0.5), (1.0, 0.841_344_746_068_543), (-1.96, 0.024_997_895_148_220)]
        {
            assert!((below(x) - share).abs() < 1e-14, "{x}: {}", below(x));
        }
        assert!(below(-9.0) == 0.0 && below(9.0) == 1.0);
    }

    #[test]
    fn draws_have_their_means_and_spreads() {
        let mut random = Random::new(1, "normal");
        let n = 20_000;
        let mut moments = |draw: &mut dyn FnMut(&mut Random) -> f64| {
            let all: Vec<f64> = (0..n).map(|_| draw(&mut random)).collect();
            let mean = all.iter().sum::<f64>() / f64::from(n);
            (mean, all.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / f64::from(n))
        };
        let (mean, variance) = moments(&mut draw);
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let (mean, variance) = moments(&mut |random| draw_beta(random, 3.0, 2.0));
        assert!((mean - 0.6).abs() < 0.01 && (variance - 0.04).abs() < 0.003, "{variance}");
        let (mean, _) = moments(&mut |random| draw_within(random, 0.0, 1.0, 0.0, 1.0));
        assert!((mean - 0.4598).abs() < 0.01, "{mean}");
    }
}
