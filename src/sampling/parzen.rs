//! The density of points of several dimensions: one kernel for each known point and a broad one
//! over all of them. A kernel is a product over the dimensions, so that what goes well together
//! stays together (Falkner, Klein and Hutter, 2018).

use crate::sampling::tpe::{Dimension, Setting};
use crate::sampling::{float, normal};
use crate::util::Random;

/// How wide the kernels of one point would be, as a part of the range.
const WIDTH: f64 = 0.2;

/// The density.
#[derive(Debug)]
pub(super) struct Parzen<'a> {
    dimensions: &'a [Dimension],
    /// The weights of the kernels; their sum is 1. The last kernel is the broad one.
    weights: Vec<f64>,
    /// Their logarithms.
    log_weights: Vec<f64>,
    /// For each dimension its part of all kernels.
    parts: Vec<Part>,
}

/// One dimension of all kernels.
#[derive(Debug)]
enum Part {
    /// Of each kernel how likely the choices are, and the logarithms of that.
    Choices(Vec<Vec<f64>>, Vec<Vec<f64>>),
    /// Normal distributions within bounds.
    Numbers {
        kernels: Vec<Kernel>,
        low: f64,
        high: f64,
        /// Whether numbers stand for the whole numbers around them.
        whole: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Kernel {
    mean: f64,
    sd: f64,
    /// The logarithm of its share within the bounds.
    log_inside: f64,
    /// What every density of it has in common.
    log_scale: f64,
}

impl<'a> Parzen<'a> {
    /// Returns the density of these points, the oldest first.
    pub(super) fn new(dimensions: &'a [Dimension], points: &[&[Setting]]) -> Self {
        let mut weights = ages(points.len());
        weights.push(1.0);
        let all: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|it| *it /= all);
        let part = |(at, dimension): (usize, &Dimension)| {
            let values: Vec<Setting> = points.iter().map(|point| point[at]).collect();
            part(*dimension, dimensions.len(), &values)
        };
        let parts = dimensions.iter().enumerate().map(part).collect();
        let log_weights = weights.iter().map(|it| it.ln()).collect();
        Self { dimensions, weights, log_weights, parts }
    }

    /// Draws a point.
    pub(super) fn draw(&self, random: &mut Random) -> Vec<Setting> {
        let kernel = pick(&self.weights, random);
        let draw = |(part, dimension): (&Part, &Dimension)| match part {
            Part::Choices(likely, _) => Setting::Choice(pick(&likely[kernel], random)),
            Part::Numbers { kernels, low, high, .. } => {
                let Kernel { mean, sd, .. } = kernels[kernel];
                dimension.setting(normal::draw_within(random, mean, sd, *low, *high))
            }
        };
        self.parts.iter().zip(self.dimensions).map(draw).collect()
    }

    /// The logarithm of the density at a point.
    pub(super) fn log_density(&self, point: &[Setting]) -> f64 {
        let at = |kernel: usize| {
            let parts = self.parts.iter().zip(self.dimensions).zip(point);
            let each =
                parts.map(|((part, dimension), it)| part.log_density(kernel, *dimension, *it));
            self.log_weights[kernel] + each.sum::<f64>()
        };
        log_sum_exp(&(0..self.weights.len()).map(at).collect::<Vec<_>>())
    }
}

/// The weights of points by age: many old ones count less than the last 25 (Bergstra et al.,
/// 2013).
fn ages(points: usize) -> Vec<f64> {
    const FULL: usize = 25;
    let old = points.saturating_sub(FULL);
    let weight = |at: usize| match at {
        _ if at >= old => 1.0,
        _ if old == 1 => 1.0 / float(points),
        _ => {
            let least = 1.0 / float(points);
            least + (1.0 - least) * float(at) / float(old - 1)
        }
    };
    (0..points).map(weight).collect()
}

fn part(dimension: Dimension, dimensions: usize, values: &[Setting]) -> Part {
    match dimension {
        Dimension::Choice(choices) => {
            // The broad kernel's choices are all as likely; each other has a part of it.
            let prior = 1.0 / float(values.len() + 1);
            let all = 1.0 + prior * float(choices);
            let kernel = |value: &Setting| {
                let hit = |at: usize| *value == Setting::Choice(at);
                let weight = |at| if hit(at) { 1.0 + prior } else { prior };
                (0..choices).map(|at| weight(at) / all).collect()
            };
            let mut kernels: Vec<Vec<f64>> = values.iter().map(kernel).collect();
            kernels.push(vec![1.0 / float(choices); choices]);
            let logs = |it: &Vec<f64>| it.iter().map(|it| it.ln()).collect();
            let logs = kernels.iter().map(logs).collect();
            Part::Choices(kernels, logs)
        }
        Dimension::Int { .. } | Dimension::Float { .. } => {
            let (low, high) = dimension.bounds();
            let means: Vec<f64> = values.iter().map(|it| dimension.number(*it)).collect();
            let widths = widths(&means, dimensions, low, high);
            let kernel = |(mean, sd): (&f64, f64)| Kernel::new(*mean, sd, low, high);
            let mut kernels: Vec<Kernel> = means.iter().zip(widths).map(kernel).collect();
            kernels.push(Kernel::new(f64::midpoint(low, high), high - low, low, high));
            let whole = matches!(dimension, Dimension::Int { .. });
            Part::Numbers { kernels, low, high, whole }
        }
    }
}

/// How wide the kernel of each point is: as far as its farther neighbour (Bergstra et al.), but
/// never wider than so many points need (Scott, 1992), and never a needle.
fn widths(means: &[f64], dimensions: usize, low: f64, high: f64) -> Vec<f64> {
    let (range, n) = (high - low, float(means.len()));
    let widest = range * WIDTH * n.max(1.0).powf(-1.0 / (float(dimensions) + 4.0));
    let needle = range / (n + 2.0).min(100.0);
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by(|a, b| means[*a].total_cmp(&means[*b]));
    let mut widths = vec![0.0; means.len()];
    for (rank, at) in order.iter().enumerate() {
        let gap = |other: Option<usize>| {
            other.and_then(|it| order.get(it)).map(|it| (means[*it] - means[*at]).abs())
        };
        let far = match (gap(rank.checked_sub(1)), gap(Some(rank + 1))) {
            (None, None) => range,
            (before, after) => f64::max(before.unwrap_or(0.0), after.unwrap_or(0.0)),
        };
        widths[*at] = far.min(widest).clamp(needle.min(range), range);
    }
    widths
}

impl Kernel {
    fn new(mean: f64, sd: f64, low: f64, high: f64) -> Self {
        let sd = if sd > 0.0 { sd } else { 1.0 };
        let inside = normal::below((high - mean) / sd) - normal::below((low - mean) / sd);
        let log_inside = inside.max(f64::MIN_POSITIVE).ln();
        let log_scale = normal::log_density(0.0) - sd.ln() - log_inside;
        Self { mean, sd, log_inside, log_scale }
    }

    fn log_density(self, x: f64) -> f64 {
        let z = (x - self.mean) / self.sd;
        self.log_scale - 0.5 * z * z
    }

    /// The logarithm of the share between two numbers.
    fn log_between(self, low: f64, high: f64) -> f64 {
        let (a, b) = ((low - self.mean) / self.sd, (high - self.mean) / self.sd);
        // Above the mean shares are small differences of numbers near 1: look from the other side.
        let share = if a > 0.0 {
            normal::below(-a) - normal::below(-b)
        } else {
            normal::below(b) - normal::below(a)
        };
        if share < 1e-9 {
            return self.log_density(f64::midpoint(low, high)) + (high - low).ln();
        }
        share.ln() - self.log_inside
    }
}

impl Part {
    fn log_density(&self, kernel: usize, dimension: Dimension, value: Setting) -> f64 {
        match (self, value) {
            (Self::Choices(_, logs), Setting::Choice(at)) => {
                logs[kernel].get(at).copied().unwrap_or(f64::NEG_INFINITY)
            }
            (Self::Choices(..), Setting::Int(_) | Setting::Float(_)) => f64::NEG_INFINITY,
            (Self::Numbers { kernels, low, high, whole }, value) => {
                let (kernel, x) = (kernels[kernel], dimension.number(value));
                if *whole {
                    kernel.log_between((x - 0.5).max(*low), (x + 0.5).min(*high))
                } else {
                    kernel.log_density(x)
                }
            }
        }
    }
}

/// Draws an index by weights whose sum is 1.
fn pick(weights: &[f64], random: &mut Random) -> usize {
    let mut left = random.unit();
    for (at, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return at;
        }
    }
    weights.len() - 1
}

fn log_sum_exp(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + logs.iter().map(|it| (it - most).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_are_whole() {
        let float = Dimension::Float { low: -1.0, high: 3.0, log: false };
        let int = Dimension::Int { low: 0, high: 9 };
        let choice = Dimension::Choice(4);
        let points = [[Setting::Float(0.3)], [Setting::Float(2.9)], [Setting::Float(-1.0)]];
        let points: Vec<&[Setting]> = points.iter().map(|it| &it[..]).collect();
        let parzen = Parzen::new(std::slice::from_ref(&float), &points);
        let n = 4000;
        let at = |step: i32| -1.0 + 4.0 * (f64::from(step) + 0.5) / f64::from(n);
        let density = |step| parzen.log_density(&[Setting::Float(at(step))]).exp();
        let whole: f64 = (0..n).map(density).sum::<f64>() * 4.0 / f64::from(n);
        assert!((whole - 1.0).abs() < 1e-4, "{whole}");
        let points = [[Setting::Int(0)], [Setting::Int(7)]];
        let points: Vec<&[Setting]> = points.iter().map(|it| &it[..]).collect();
        let parzen = Parzen::new(std::slice::from_ref(&int), &points);
        let whole: f64 = (0..=9).map(|it| parzen.log_density(&[Setting::Int(it)]).exp()).sum();
        assert!((whole - 1.0).abs() < 1e-9, "{whole}");
        let points = [[Setting::Choice(3)], [Setting::Choice(3)]];
        let points: Vec<&[Setting]> = points.iter().map(|it| &it[..]).collect();
        let parzen = Parzen::new(std::slice::from_ref(&choice), &points);
        let likely = |it| parzen.log_density(&[Setting::Choice(it)]).exp();
        assert!((likely(0) + likely(1) + likely(2) + likely(3) - 1.0).abs() < 1e-12);
        assert!(likely(3) > 2.0 * likely(0));
    }

    #[test]
    fn draws_follow_the_density() {
        let dimensions = [Dimension::Choice(3), Dimension::Int { low: 1, high: 4 }];
        let points =
            [[Setting::Choice(2), Setting::Int(4)], [Setting::Choice(0), Setting::Int(1)]];
        let points: Vec<&[Setting]> = points.iter().map(|it| &it[..]).collect();
        let parzen = Parzen::new(&dimensions, &points);
        let mut random = Random::new(1, "draws");
        let draws: Vec<Vec<Setting>> = (0..8000).map(|_| parzen.draw(&mut random)).collect();
        for choice in 0..3 {
            for number in 1..=4 {
                let point = [Setting::Choice(choice), Setting::Int(number)];
                let seen = float(draws.iter().filter(|it| ***it == point).count()) / 8000.0;
                let likely = parzen.log_density(&point).exp();
                assert!((seen - likely).abs() < 0.02, "{point:?}: {seen}, {likely}");
            }
        }
    }
}
