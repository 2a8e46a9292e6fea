//! The line, and what it is made of.

use super::*;
use crate::eval::stats::{Interval, Method};

fn at(done: usize, total: usize) -> Progress {
    Progress { phase: "candidates".to_owned(), done, total, ..Progress::default() }
}

#[test]
fn a_line_tells_what_is_known() {
    let plain = Progress { calls: 7, ..at(3, 60) };
    assert_eq!(line("evaluate", &plain, None), "evaluate candidates: 3/60 runs, 7 calls");
    let interval = Interval { low: 0.612, high: 0.801, method: Method::Exact };
    let full = Progress {
        best: Some(0.7123),
        interval: Some(interval),
        candidates: 5,
        calls: 340,
        max_calls: Some(1000),
        tokens: 1_234_567,
        usd: Some(0.119),
        ..at(120, 2000)
    };
    assert_eq!(
        line("random_search", &full, Some(Duration::from_millis(39_500))),
        "random_search candidates: 120/2000 runs, 40 s left, 5 candidates, \
         best 0.712 (0.61 to 0.80), 340 of 1000 calls, 1.2M tokens, $0.12"
    );
}

#[test]
fn no_time_is_told_before_enough_is_known() {
    let mut pace = Pace::default();
    let seconds = |it: f64| Duration::from_secs_f64(it);
    assert_eq!(pace.left(seconds(0.0), &at(0, 100)), None);
    // Six runs of a hundred, but in a moment.
    assert_eq!(pace.left(seconds(1.0), &at(6, 100)), None);
    assert_eq!(pace.left(seconds(3.0), &at(6, 100)), Some(seconds(47.0)));
    // Little of the whole, however long.
    assert_eq!(pace.left(seconds(4.0), &at(7, 1000)), None);
    // Another phase begins anew, and the end has nothing left.
    let other = Progress { phase: "more".to_owned(), ..at(50, 100) };
    assert_eq!(pace.left(seconds(5.0), &other), None);
    let mut pace = Pace::default();
    pace.left(seconds(0.0), &at(0, 10));
    assert_eq!(pace.left(seconds(9.0), &at(10, 10)), None);
}

#[test]
fn speed_is_that_of_the_last_while() {
    // What was kept is there at once; then a run takes a second.
    let mut pace = Pace::default();
    pace.left(Duration::ZERO, &at(500, 1000));
    let mut left = None;
    for second in 1..=60_u32 {
        left = pace.left(Duration::from_secs(second.into()), &at(500 + second as usize, 1000));
    }
    let left = left.unwrap().as_secs();
    assert!((420..=460).contains(&left), "{left} s for 440 runs of a second");
}

#[test]
fn running_scores_have_intervals() {
    let mut scores = Running::default();
    assert_eq!(scores.mean(), None);
    for score in [1.0, 0.0, 1.0, 1.0] {
        scores.add(Some(score));
    }
    scores.add(None);
    let (mean, (low, high)) = scores.mean().unwrap();
    assert_eq!((mean, (low, high)), (0.75, clopper_pearson(3, 4)));
    scores.add(Some(0.5));
    let (mean, (low, high)) = scores.mean().unwrap();
    assert!((mean - 0.7).abs() < 1e-12 && low < 0.5 && low > 0.3 && high == 1.0);
}
