//! The estimator of `sampling` against Optuna's on the same problems.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::sampling::{Dimension, Setting, Tpe};
use std::f64::consts::PI;

/// What Optuna found; how it was run stands in its head.
const OPTUNA: &str = include_str!("../data/optuna.tsv");
const SEEDS: u64 = 30;
const TRIALS: usize = 60;

/// A problem: what may be chosen, what is to be as high as possible, and what a search sees of
/// that with this seed in this trial.
struct Problem {
    name: &'static str,
    dimensions: Vec<Dimension>,
    truth: fn(&[Setting]) -> f64,
    seen: fn(f64, u64, usize) -> f64,
}

fn float(low: f64, high: f64) -> Dimension {
    Dimension::Float { low, high, log: false }
}

fn number(setting: Setting) -> f64 {
    match setting {
        Setting::Choice(at) => at as f64,
        Setting::Int(it) => it as f64,
        Setting::Float(it) => it,
    }
}

/// A number that looks random and is the same in the program that ran Optuna.
fn unit(parts: &[u64]) -> f64 {
    let mix = |hash: u64, part: &u64| {
        let mut z = (hash ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (parts.iter().fold(0, mix) >> 11) as f64 / (1_u64 << 53) as f64
}

fn branin(at: &[Setting]) -> f64 {
    let (x, y) = (number(at[0]), number(at[1]));
    let bow = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    -(bow * bow + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0)
}

fn hartmann6(at: &[Setting]) -> f64 {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const WIDTHS: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const PLACES: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    let hill = |hill: usize| {
        let far = |j: usize| WIDTHS[hill][j] * (number(at[j]) - PLACES[hill][j] * 1e-4).powi(2);
        HEIGHTS[hill] * (-(0..6).map(far).sum::<f64>()).exp()
    };
    (0..4).map(hill).sum()
}

/// Two predictors, each with an instruction and a set of demos of six, which go together.
fn prompts(at: &[Setting]) -> f64 {
    let mut score = 0.35;
    for predictor in 0..2 {
        let instruction = at[2 * predictor].choice() as u64;
        let demos = at[2 * predictor + 1].choice() as u64;
        let predictor = predictor as u64;
        score += 0.12 * unit(&[1, predictor, instruction]);
        score += 0.16 * unit(&[2, predictor, demos]);
        score += 0.10 * unit(&[3, predictor, instruction, demos]);
    }
    f64::min(score, 0.99)
}

fn choices12(at: &[Setting]) -> f64 {
    let each = (0..3).map(|it: usize| unit(&[5, it as u64, at[it].choice() as u64]));
    let pair = unit(&[6, at[0].choice() as u64, at[1].choice() as u64]);
    each.sum::<f64>() / 3.0 + 0.25 * pair
}

fn mixed(at: &[Setting]) -> f64 {
    let (kind, n, rate, share) = (at[0].choice(), number(at[1]), number(at[2]), number(at[3]));
    let top = [0.8, 1.0, 0.6, 0.9][kind] - ((n - [8.0, 20.0, 3.0, 28.0][kind]) / 32.0).powi(2);
    let off = rate.log10() + [2.0, 3.0, 1.0, 4.0][kind];
    top - 0.15 * off * off / 4.0 - 0.5 * (share - 0.3) * (share - 0.3)
}

fn as_it_is(truth: f64, _: u64, _: usize) -> f64 {
    truth
}

/// The mean of 35 rows that are right or wrong.
fn of_rows(truth: f64, seed: u64, trial: usize) -> f64 {
    let right = |row: &u64| unit(&[99, seed, trial as u64, *row]) < truth;
    (0..35).filter(right).count() as f64 / 35.0
}

/// What is best of the trials of a search, by what it saw.
fn search(problem: &Problem, seed: u64) -> f64 {
    let mut tpe = Tpe::new(problem.dimensions.clone(), seed).unwrap();
    let mut best = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for trial in 0..TRIALS {
        let (serial, point) = tpe.ask();
        let truth = (problem.truth)(&point);
        let seen = (problem.seen)(truth, seed, trial);
        tpe.tell(serial, Some(seen));
        if seen > best.0 {
            best = (seen, truth);
        }
    }
    best.1
}

/// The mean of a sample, and the standard error of that.
fn mean_and_error(all: &[f64]) -> (f64, f64) {
    let n = all.len() as f64;
    let mean = all.iter().sum::<f64>() / n;
    let variance = all.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// The figures of one of Optuna's samplers: the mean of what it found, and its standard error.
fn optuna(problem: &str, sampler: &str) -> (f64, f64) {
    let line = OPTUNA.lines().find(|it| it.starts_with(&format!("{problem}\t{sampler}\t")));
    let fields: Vec<&str> = line.unwrap().split('\t').collect();
    let number = |at: usize| fields[at].parse::<f64>().unwrap();
    (number(2), number(3) / (SEEDS as f64).sqrt())
}

/// Ours is as good as Optuna's estimator of the same kind within noise, and better than chance.
fn holds_against_optuna(problem: &Problem) {
    let found: Vec<f64> = (0..SEEDS).map(|seed| search(problem, seed)).collect();
    let (ours, error) = mean_and_error(&found);
    for sampler in ["multivariate", "random"] {
        let (theirs, their_error) = optuna(problem.name, sampler);
        let noise = (error * error + their_error * their_error).sqrt();
        let told =
            format!("{}: ours {ours:.4} ± {error:.4}, {sampler} {theirs:.4}", problem.name);
        match sampler {
            "random" => assert!(ours > theirs, "{told}"),
            _ => assert!(ours > theirs - 2.0 * noise, "{told}"),
        }
    }
}

#[test]
fn tpe_on_branin() {
    let dimensions = vec![float(-5.0, 10.0), float(0.0, 15.0)];
    let problem = Problem { name: "branin", dimensions, truth: branin, seen: as_it_is };
    holds_against_optuna(&problem);
}

#[test]
fn tpe_on_hartmann6() {
    let dimensions = vec![float(0.0, 1.0); 6];
    let problem = Problem { name: "hartmann6", dimensions, truth: hartmann6, seen: as_it_is };
    holds_against_optuna(&problem);
}

#[test]
fn tpe_on_prompts() {
    let dimensions = vec![Dimension::Choice(6); 4];
    let problem = Problem {
        name: "mipro",
        dimensions: dimensions.clone(),
        truth: prompts,
        seen: as_it_is,
    };
    holds_against_optuna(&problem);
    let noisy = Problem { name: "mipro_noisy", dimensions, truth: prompts, seen: of_rows };
    holds_against_optuna(&noisy);
}

#[test]
fn tpe_on_choices() {
    let dimensions = vec![Dimension::Choice(12); 3];
    let problem = Problem { name: "choices12", dimensions, truth: choices12, seen: as_it_is };
    holds_against_optuna(&problem);
}

#[test]
fn tpe_on_a_mixed_space() {
    let dimensions = vec![
        Dimension::Choice(4),
        Dimension::Int { low: 1, high: 32 },
        Dimension::Float { low: 1e-5, high: 1.0, log: true },
        float(0.0, 1.0),
    ];
    let problem = Problem { name: "mixed", dimensions, truth: mixed, seen: as_it_is };
    holds_against_optuna(&problem);
}
