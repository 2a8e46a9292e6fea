//! What a mean and a difference of means are worth. Pure functions; what is drawn at random is
//! drawn from a seed.
//!
//! - Mean of 0/1 scores: the exact interval (Clopper and Pearson, 1934).
//! - Mean of other scores, and mean of their paired differences: the percentile bootstrap (Efron
//!   and Tibshirani, 1993, chapter 13) with 10,000 resamples.
//! - Mean paired difference of 0/1 scores: the exact intervals of how many rows are better and
//!   of how many are worse, put together ([`paired_interval`]).
//! - Paired difference of 0/1 scores: the exact sign test on the rows that differ, which is
//!   `McNemar`'s test in its exact form (1947).
//! - Paired difference of other scores: the sign-flip permutation test, over all flips up to
//!   16 rows that differ and over 10,000 drawn ones beyond.

use crate::eval::Random;

/// Resamples of a bootstrap, and flips of a permutation test that is not exhaustive.
pub const RESAMPLES: usize = 10_000;
/// Rows that differ up to which all sign flips are tried.
const EXHAUSTIVE: usize = 16;
/// The level of all tests; intervals have the rest.
pub const LEVEL: f64 = 0.05;
/// Below this many rows an interval says little, whatever its method.
pub const FEW: usize = 20;

/// An interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How it was found.
    pub method: Method,
}

/// How an interval was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Clopper and Pearson.
    Exact,
    /// The percentile bootstrap.
    Bootstrap,
    /// Two exact intervals put together.
    Combined,
}

impl Method {
    /// The method's name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bootstrap => "bootstrap",
            Self::Combined => "from exact intervals",
        }
    }
}

/// The mean; 0 for none.
#[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
pub fn mean(scores: &[f64]) -> f64 {
    if scores.is_empty() { 0.0 } else { scores.iter().sum::<f64>() / scores.len() as f64 }
}

/// The standard deviation of the population the scores were drawn from.
#[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
fn deviation(scores: &[f64]) -> f64 {
    if scores.len() < 2 {
        return 0.0;
    }
    let middle = mean(scores);
    let squares: f64 = scores.iter().map(|it| (it - middle).powi(2)).sum();
    (squares / (scores.len() - 1) as f64).sqrt()
}

/// Whether all scores are 0 or 1.
pub fn is_binary(scores: &[f64]) -> bool {
    scores.iter().all(|it| *it == 0.0 || *it == 1.0)
}

/// The interval of a mean; `None` without scores.
pub fn mean_interval(scores: &[f64], seed: u64) -> Option<Interval> {
    if scores.is_empty() {
        return None;
    }
    if is_binary(scores) {
        let ones = scores.iter().filter(|it| **it == 1.0).count();
        let (low, high) = clopper_pearson(ones, scores.len());
        return Some(Interval { low, high, method: Method::Exact });
    }
    let (low, high) = bootstrap(scores, seed);
    Some(Interval { low, high, method: Method::Bootstrap })
}

/// The percentile bootstrap interval of a mean.
fn bootstrap(scores: &[f64], seed: u64) -> (f64, f64) {
    let mut random = Random::new(seed, "bootstrap");
    let n = scores.len();
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
            let n_rows = n as f64;
            (0..n).map(|_| scores[random.below(n)]).sum::<f64>() / n_rows
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let tail = RESAMPLES / 40;
    (means[tail], means[RESAMPLES - 1 - tail])
}

/// The exact interval of a proportion: `ones` of `n`.
pub fn clopper_pearson(ones: usize, n: usize) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
    let (hits, misses) = (ones as f64, (n - ones) as f64);
    let tail = LEVEL / 2.0;
    let low = if ones == 0 { 0.0 } else { beta_quantile(tail, hits, misses + 1.0) };
    let high = if ones == n { 1.0 } else { beta_quantile(1.0 - tail, hits + 1.0, misses) };
    (low, high)
}

/// The interval of a mean paired difference of 0/1 scores, from the counts of rows that are
/// better, worse and the same.
///
/// The exact intervals of the two shares are put together as the interval of their difference
/// (Zou and Donner, 2008), with the correlation that counts of one draw have. It covers the
/// truth in more than 95 of 100 cases, by enumeration; and it excludes 0 exactly when the sign
/// test does, for it is held to the side of 0 on which that test puts the rows that differ.
pub fn paired_interval(wins: usize, losses: usize, ties: usize) -> (f64, f64) {
    let all = wins + losses + ties;
    if all == 0 {
        return (-1.0, 1.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
    let share = |part: usize| part as f64 / all as f64;
    let (better, worse) = (share(wins), share(losses));
    let (better_ends, worse_ends) = (clopper_pearson(wins, all), clopper_pearson(losses, all));
    let apart = (1.0 - better) * (1.0 - worse);
    let correlation = if apart > 0.0 { -(better * worse / apart).sqrt() } else { 0.0 };
    let reach = |a: f64, b: f64| (a * a - 2.0 * correlation * a * b + b * b).sqrt();
    let low = better - worse - reach(better - better_ends.0, worse_ends.1 - worse);
    let high = better - worse + reach(better_ends.1 - better, worse - worse_ends.0);
    let (least, most) = sides(wins, losses, all);
    (
        if least > 0.0 { low.max(least) } else { low.min(0.0) },
        if most < 0.0 { high.min(most) } else { high.max(0.0) },
    )
}

/// Bounds of the difference by how the rows that differ are split: positive, or negative, only
/// where the sign test says so.
fn sides(wins: usize, losses: usize, all: usize) -> (f64, f64) {
    let differ = wins + losses;
    if differ == 0 {
        return (0.0, 0.0);
    }
    let (fewest, _) = clopper_pearson(differ, all);
    let (low, high) = clopper_pearson(wins, differ);
    (fewest * (2.0 * low - 1.0), fewest * (2.0 * high - 1.0))
}

/// Where the beta distribution has this much below it: by false position in the Illinois form
/// (Dowell and Jarratt, 1971), and by bisection where that does not get on.
fn beta_quantile(below: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    let (mut under, mut over) = (-below, 1.0 - below);
    let mut last = 0;
    for step in 0..200 {
        let width = high - low;
        if width < 1e-15 {
            break;
        }
        let guess = (low * over - high * under) / (over - under);
        let inside = guess > low && guess < high && step % 4 != 3;
        let x = if inside { guess } else { f64::midpoint(low, high) };
        let off = beta_below(x, a, b) - below;
        if off == 0.0 {
            return x;
        }
        // An end that stays twice counts half, so that the next guess falls beyond the root.
        if off < 0.0 {
            (low, under) = (x, off);
            over /= if last < 0 { 2.0 } else { 1.0 };
            last = -1;
        } else {
            (high, over) = (x, off);
            under /= if last > 0 { 2.0 } else { 1.0 };
            last = 1;
        }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22),
/// evaluated with Lentz's method.
fn beta_below(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast only on this side of the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_below(1.0 - x, b, a);
    }
    let front = (a * x.ln() + b * (1.0 - x).ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b))
        .exp()
        / a;
    front / beta_fraction(x, a, b)
}

/// The denominator of the continued fraction.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let (mut value, mut c, mut d) = (1.0_f64, 1.0_f64, 0.0_f64);
    for step in 1..2000_u32 {
        let m = f64::from(step / 2);
        let term = if step % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        d = 1.0 + term * d;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = 1.0 + term / c;
        c = if c.abs() < TINY { TINY } else { c };
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function for positive `x`: Stirling's series (DLMF 5.11.1)
/// after shifting the argument beyond 10.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0)))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - shift
}

/// How likely a split as uneven as `wins` to `losses` is when each is as likely (two sides).
pub fn sign_test(wins: usize, losses: usize) -> f64 {
    /// Up to here all counts are whole numbers without rounding.
    const WHOLE: usize = 50;
    let n = wins + losses;
    if n <= WHOLE {
        let mut ways = 1_u64;
        let mut tail = 1_u64;
        for k in 1..=wins.min(losses) as u64 {
            ways = ways * (n as u64 + 1 - k) / k;
            tail += ways;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^50")]
        let p = 2.0 * tail as f64 / (1_u64 << n) as f64;
        return p.min(1.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
    let ln_factorial = |k: usize| ln_gamma(k as f64 + 1.0);
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
    let ln_all = n as f64 * std::f64::consts::LN_2;
    let tail: f64 = (0..=wins.min(losses))
        .map(|k| (ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k) - ln_all).exp())
        .sum();
    (2.0 * tail).min(1.0)
}

/// How likely a mean difference this far from 0 is when the sign of each is a coin (two sides).
pub fn sign_flip_test(differences: &[f64], seed: u64) -> f64 {
    let moved: Vec<f64> = differences.iter().copied().filter(|it| *it != 0.0).collect();
    if moved.is_empty() {
        return 1.0;
    }
    // Sums of the same numbers in another order differ in their last bits.
    let seen = moved.iter().sum::<f64>().abs() * (1.0 - 1e-12);
    let extreme = |flips: &mut dyn FnMut(usize) -> bool| {
        let sum: f64 =
            moved.iter().enumerate().map(|(at, it)| if flips(at) { -it } else { *it }).sum();
        sum.abs() >= seen
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 2^16 flips are counted")]
    let share = |hits: usize, all: usize| hits as f64 / all as f64;
    if moved.len() <= EXHAUSTIVE {
        let all = 1_usize << moved.len();
        let hits = (0..all).filter(|mask| extreme(&mut |at| mask >> at & 1 == 1)).count();
        return share(hits, all);
    }
    let mut random = Random::new(seed, "sign flips");
    let hits = (0..RESAMPLES).filter(|_| extreme(&mut |_| random.coin())).count();
    // The seen signs are one of the ways to flip.
    share(hits + 1, RESAMPLES + 1)
}

/// A paired comparison: the same rows before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// The mean difference, after less before.
    pub gain: f64,
    /// Its interval.
    pub interval: Interval,
    /// Rows that are better after.
    pub wins: usize,
    /// Rows that are worse after.
    pub losses: usize,
    /// Rows that are the same.
    pub ties: usize,
    /// How likely such a difference is by chance alone.
    pub p: f64,
    /// The test that says so.
    pub test: Test,
    /// What it comes to.
    pub verdict: Verdict,
    /// Rows that would show a gain of this size four times out of five; `None` without a gain.
    pub rows_needed: Option<usize>,
}

/// A test of a paired comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// The exact sign test (`McNemar`'s).
    Sign,
    /// The sign-flip permutation test.
    SignFlip,
}

impl Test {
    /// The test's name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "exact McNemar test",
            Self::SignFlip => "sign-flip test",
        }
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Better, beyond chance.
    Gain,
    /// Worse, beyond chance.
    Loss,
    /// Nothing that chance could not do.
    NoReliableGain,
}

impl Verdict {
    /// The verdict in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gain => "reliable gain",
            Self::Loss => "reliable loss",
            Self::NoReliableGain => "no reliable gain",
        }
    }
}

/// Compares pairs of scores (before, after); `None` without pairs.
///
/// A gain is reliable when its interval excludes 0 and the test agrees: on few rows the
/// bootstrap alone is too sure of itself.
pub fn paired(pairs: &[(f64, f64)], seed: u64) -> Option<Paired> {
    if pairs.is_empty() {
        return None;
    }
    let differences: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
    let count = |test: fn(&f64) -> bool| differences.iter().filter(|it| test(it)).count();
    let (wins, losses) = (count(|it| *it > 0.0), count(|it| *it < 0.0));
    let binary = pairs.iter().all(|(a, b)| is_binary(&[*a, *b]));
    let (test, p) = if binary {
        (Test::Sign, sign_test(wins, losses))
    } else {
        (Test::SignFlip, sign_flip_test(&differences, seed))
    };
    let ties = differences.len() - wins - losses;
    let ((low, high), method) = if binary {
        (paired_interval(wins, losses, ties), Method::Combined)
    } else {
        (bootstrap(&differences, seed), Method::Bootstrap)
    };
    let verdict = match () {
        () if p < LEVEL && low > 0.0 => Verdict::Gain,
        () if p < LEVEL && high < 0.0 => Verdict::Loss,
        () => Verdict::NoReliableGain,
    };
    let gain = mean(&differences);
    Some(Paired {
        gain,
        interval: Interval { low, high, method },
        wins,
        losses,
        ties,
        p,
        test,
        verdict,
        rows_needed: (gain > 0.0).then(|| rows_for(gain, deviation(&differences))),
    })
}

/// The p of several tests, corrected for their number so that the chance of any false finding
/// among them stays at the level: Holm, "A simple sequentially rejective multiple test procedure"
/// (1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 0.0_f64;
    for (rank, at) in order.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "tests are far fewer than 2^52")]
        let left = (p.len() - rank) as f64;
        // A test is never found before one that has a smaller p.
        least = least.max((p[at] * left).min(1.0));
        adjusted[at] = least;
    }
    adjusted
}

/// Rows that show a difference of this size at level 0.05 four times out of five, by the
/// normal approximation.
pub fn rows_for(difference: f64, deviation: f64) -> usize {
    const BOTH_QUANTILES: f64 = 1.96 + 0.8416;
    ceil((BOTH_QUANTILES * deviation / difference).powi(2))
}

/// Rows after which the interval of a mean reaches at most `margin` to each side, judged from
/// the scores so far; `None` where they say nothing about it.
pub fn rows_for_margin(scores: &[f64], margin: f64) -> Option<usize> {
    let spread = deviation(scores);
    (spread > 0.0).then(|| ceil((1.96 * spread / margin).powi(2)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, and what is cast is not negative"
)]
fn ceil(rows: f64) -> usize {
    rows.ceil() as usize
}
