use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn waits_never_fall_and_stay_in_bounds(
        base in 0_u64..5_000,
        cap in 0_u64..100_000,
        seed in any::<u64>(),
        retries in 0_u32..80,
    ) {
        let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
        let schedule = Retry { retries, base, cap };
        let waits: Vec<Duration> = (0..retries).map(|it| schedule.wait(it, seed)).collect();
        prop_assert!(waits.is_sorted(), "{waits:?}");
        prop_assert!(waits.iter().all(|wait| *wait <= cap));
        prop_assert!(waits.iter().zip(0..).all(|(wait, it)| *wait >= schedule.step(it) / 2));
    }

    #[test]
    fn what_the_server_asks_is_kept_or_refused(asked in 0_u64..200, seed in any::<u64>()) {
        let schedule = Retry::default();
        let asked = Duration::from_secs(asked);
        match schedule.wait_asked(1, seed, Some(asked)) {
            Some(wait) => prop_assert!(wait >= asked && wait <= schedule.cap),
            None => prop_assert!(asked > schedule.cap),
        }
    }

    #[test]
    fn headers_never_panic(value in ".{0,40}", date in ".{0,40}") {
        retry_after(&value, Some(&date));
    }
}

#[test]
fn calls_that_fail_together_come_back_apart() {
    let schedule = Retry::default();
    let waits: std::collections::BTreeSet<_> =
        (0..100).map(|it| schedule.wait(0, it)).collect();
    assert_eq!(waits.len(), 100);
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    let seconds = |value, date| retry_after(value, date).map(|wait| wait.as_secs_f64());
    assert_eq!(seconds("3", None), Some(3.0));
    assert_eq!(seconds(" 0.25 ", None), Some(0.25));
    assert_eq!(seconds("-1", None), None);
    assert_eq!(seconds("soon", date), None);
    assert_eq!(seconds("Sun, 06 Nov 1994 08:50:00 GMT", date), Some(23.0));
    assert_eq!(seconds("Sun, 06 Nov 1994 08:40:00 GMT", date), Some(0.0));
    assert_eq!(seconds("Sun, 06 Nov 1994 08:50:00 GMT", None), None);
}

#[test]
fn dates_count_from_1970() {
    assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(http_date("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
    assert_eq!(http_date("Fri, 01 Mar 2024 00:00:00 GMT"), Some(1_709_251_200));
}
