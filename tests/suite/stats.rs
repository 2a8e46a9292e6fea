//! Intervals and tests against known values.

use dsp_lang::eval::Random;
use dsp_lang::eval::stats::{
    Method, Test, Verdict, clopper_pearson, mean_interval, paired, paired_interval, rows_for,
    rows_for_margin, sign_flip_test, sign_test,
};
use proptest::prelude::*;

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

#[test]
fn clopper_and_pearson() {
    // By sums of binomials in 60 digits.
    let table = [
        (0, 10, 0.0, 0.308_497_103),
        (5, 10, 0.187_086_028, 0.812_913_972),
        (8, 10, 0.443_904_538, 0.974_789_276),
        (81, 263, 0.252_736_746, 0.367_621_923),
        (1, 1, 0.025, 1.0),
        (500, 1000, 0.468_549_173, 0.531_450_827),
    ];
    for (ones, n, low, high) in table {
        let (l, h) = clopper_pearson(ones, n);
        close(l, low);
        close(h, high);
    }
}

#[test]
fn sign_tests() {
    close(sign_test(8, 2), 0.109_375);
    close(sign_test(0, 10), 2.0 / 1024.0);
    close(sign_test(30, 70), 7.850_139_6e-5);
    close(sign_test(5, 5), 1.0);
    close(sign_test(0, 0), 1.0);
}

#[test]
fn sign_flips() {
    close(sign_flip_test(&[1.0, 2.0, 3.0], 1), 0.25);
    close(sign_flip_test(&[0.1, 0.2, -0.3], 1), 1.0);
    close(sign_flip_test(&[0.0, 0.0], 1), 1.0);
    // All of one sign: 2 of 2^10.
    close(sign_flip_test(&[0.5; 10], 1), 2.0 / 1024.0);
    let many: Vec<f64> = (0..40).map(|at| if at % 4 == 0 { -0.1 } else { 0.1 }).collect();
    let drawn = sign_flip_test(&many, 1);
    assert!((drawn - sign_test(30, 10)).abs() < 0.002, "{drawn}");
    close(drawn, sign_flip_test(&many, 1));
}

#[test]
fn bootstrap_is_near_the_normal_interval() {
    let scores: Vec<f64> = (0..400).map(|at| f64::from(at % 5) / 4.0).collect();
    let interval = mean_interval(&scores, 7).unwrap();
    assert_eq!(interval.method, Method::Bootstrap);
    // Mean 0.5, deviation 0.3540, standard error 0.0177.
    assert!((interval.low - (0.5 - 1.96 * 0.0177)).abs() < 0.003, "{interval:?}");
    assert!((interval.high - (0.5 + 1.96 * 0.0177)).abs() < 0.003, "{interval:?}");
    assert_eq!(mean_interval(&scores, 7), mean_interval(&scores, 7));
    assert_eq!(mean_interval(&[1.0, 0.0], 7).unwrap().method, Method::Exact);
    assert_eq!(mean_interval(&[], 7), None);
}

#[test]
fn bootstrap_stream_never_changes() {
    let interval = mean_interval(&[0.0, 0.25, 0.5, 1.0, 0.75, 0.5], 3).unwrap();
    close(interval.low, 0.25);
    close(interval.high, 0.75);
    let mut random = Random::new(3, "shuffle");
    assert_eq!(random.sample(10, 5), [8, 5, 2, 7, 0]);
}

fn pairs(wins: usize, losses: usize, ties: usize) -> Vec<(f64, f64)> {
    let all = [((0.0, 1.0), wins), ((1.0, 0.0), losses), ((1.0, 1.0), ties)];
    all.into_iter().flat_map(|(pair, count)| vec![pair; count]).collect()
}

#[test]
fn verdicts() {
    let gain = paired(&pairs(40, 10, 50), 1).unwrap();
    assert_eq!((gain.verdict, gain.test), (Verdict::Gain, Test::Sign));
    assert_eq!((gain.wins, gain.losses, gain.ties), (40, 10, 50));
    close(gain.gain, 0.3);
    assert_eq!(paired(&pairs(10, 40, 50), 1).unwrap().verdict, Verdict::Loss);
    let noise = paired(&pairs(12, 9, 79), 1).unwrap();
    assert_eq!(noise.verdict, Verdict::NoReliableGain);
    assert!(noise.rows_needed.unwrap() > 1000, "{noise:?}");
    // Three wins of three: the bootstrap alone would be sure.
    let few = paired(&pairs(3, 0, 0), 1).unwrap();
    assert_eq!(few.verdict, Verdict::NoReliableGain);
    assert_eq!(paired(&[], 1), None);
    let graded = paired(&[(0.2, 0.4), (0.1, 0.5)], 1).unwrap();
    assert_eq!(graded.test, Test::SignFlip);
}

#[test]
fn sample_sizes() {
    // Half of the rows right: ±0.05 needs 385 rows, the textbook number.
    let half: Vec<f64> = (0..1000).map(|at| f64::from(at % 2)).collect();
    assert_eq!(rows_for_margin(&half, 0.05), Some(385));
    assert_eq!(rows_for_margin(&[1.0, 1.0], 0.05), None);
    assert_eq!(rows_for(0.1, 0.5), 197);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn intervals_hold_the_mean(ones in 0usize..200, more in 0usize..200) {
        let n = ones + more;
        prop_assume!(n > 0);
        let (low, high) = clopper_pearson(ones, n);
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let share = ones as f64 / n as f64;
        prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0);
        let p = sign_test(ones, more);
        prop_assert!(p > 0.0 && p <= 1.0);
        prop_assert!((p - sign_test(more, ones)).abs() < 1e-12);
    }

    #[test]
    fn draws_are_below(n in 1usize..1000, seed in any::<u64>()) {
        let mut random = Random::new(seed, "x");
        prop_assert!(random.below(n) < n);
        let sample = random.sample(n, 10);
        let mut sorted = sample.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(sorted.len(), sample.len());
    }
}

#[test]
fn the_interval_of_a_paired_difference_agrees_with_the_test() {
    for (wins, losses, ties) in all_counts(14) {
        let (low, high) = paired_interval(wins, losses, ties);
        let excludes = low > 1e-9 || high < -1e-9;
        let p = sign_test(wins, losses);
        assert_eq!(excludes, p < 0.05, "{wins} {losses} {ties}: {low} to {high}, p {p}");
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let gain = (wins as f64 - losses as f64) / (wins + losses + ties) as f64;
        assert!(low <= gain + 1e-9 && gain <= high + 1e-9, "{low} {gain} {high}");
        let (other_low, other_high) = paired_interval(losses, wins, ties);
        close(low, -other_high);
        close(high, -other_low);
    }
    assert_eq!(paired_interval(0, 0, 0), (-1.0, 1.0));
}

/// All counts of better, worse and same rows that sum to `n`.
fn all_counts(n: usize) -> Vec<(usize, usize, usize)> {
    let losses =
        |wins: usize| (0..=n - wins).map(move |losses| (wins, losses, n - wins - losses));
    (0..=n).flat_map(losses).collect()
}

/// How often the interval holds the truth, summed over all that can happen.
#[test]
fn the_interval_of_a_paired_difference_holds_the_truth() {
    for n in [10, 25, 50] {
        let counts = all_counts(n);
        let intervals: Vec<(f64, f64)> =
            counts.iter().map(|(w, l, t)| paired_interval(*w, *l, *t)).collect();
        for (better, worse) in [
            (0.02, 0.02),
            (0.1, 0.1),
            (0.3, 0.3),
            (0.2, 0.05),
            (0.4, 0.1),
            (0.05, 0.0),
            (0.5, 0.0),
            (0.9, 0.05),
            (0.15, 0.25),
            (0.3, 0.15),
            (0.1, 0.02),
        ] {
            let inside = counts.iter().zip(&intervals).filter(|(_, (low, high))| {
                *low <= better - worse + 1e-12 && better - worse <= *high + 1e-12
            });
            let held: f64 = inside.map(|(counts, _)| chance(*counts, better, worse)).sum();
            assert!(held > 0.96, "n {n}, better {better}, worse {worse}: {held}");
        }
    }
}

/// How likely these counts are when rows are better and worse with these chances.
fn chance((wins, losses, ties): (usize, usize, usize), better: f64, worse: f64) -> f64 {
    let choose = |n: usize, k: usize| {
        (0..k).fold(1.0, |all, at| all * (n - at) as f64 / (at + 1) as f64)
    };
    let ways = choose(wins + losses + ties, wins) * choose(losses + ties, losses);
    ways * better.powi(wins as i32)
        * worse.powi(losses as i32)
        * (1.0 - better - worse).powi(ties as i32)
}
