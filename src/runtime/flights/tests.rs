//! Who asks, who waits, and what they hear.

use super::{Flights, Landed, Lead, Part, wait};
use crate::lm::{Cancel, Completion, Error, ErrorKind};
use crate::store::Key;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn key(text: &str) -> Key {
    Key::of([text.as_bytes()])
}

fn lead(flights: &Flights, text: &str) -> Lead {
    match flights.join(&key(text)) {
        Part::Lead(lead) => lead,
        Part::Wait(_) => panic!("somebody asks already"),
    }
}

/// What one that waits hears.
fn hears(flights: &Flights, text: &str) -> Option<Landed> {
    match flights.join(&key(text)) {
        Part::Wait(flight) => wait(flight, &Cancel::default(), Some(Duration::from_secs(5))),
        Part::Lead(_) => panic!("nobody asks"),
    }
}

#[test]
fn what_the_first_came_to_is_heard_by_all() {
    let flights = Flights::default();
    let first = lead(&flights, "a");
    let other = lead(&flights, "b");
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| hears(&flights, "a"))).collect();
        std::thread::park_timeout(Duration::from_millis(50));
        first.landed(Ok(Arc::new(Completion { text: "yes".to_owned(), ..Default::default() })));
        for one in all {
            let came = one.join().unwrap().unwrap().unwrap().unwrap();
            assert_eq!(came.text, "yes");
        }
    });
    other.landed(Err(Error::new(ErrorKind::Server, "m", "down")));
    // It has landed: the next one asks.
    drop(lead(&flights, "a"));
    drop(lead(&flights, "b"));
}

#[test]
fn one_after_the_other_takes_over_from_those_that_leave() {
    let flights = Flights::default();
    let (asked, most, now) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    match flights.join(&key("a")) {
                        Part::Lead(lead) => {
                            most.fetch_max(
                                now.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
                            std::thread::park_timeout(Duration::from_millis(5));
                            now.fetch_sub(1, Ordering::SeqCst);
                            let number = asked.fetch_add(1, Ordering::SeqCst);
                            // The first five are cancelled.
                            if number < 5 {
                                drop(lead);
                                return;
                            }
                            lead.landed(Ok(Arc::default()));
                            return;
                        }
                        Part::Wait(flight) => {
                            let came = wait(flight, &Cancel::default(), None);
                            if came.expect("it is not over").is_some() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    // Who came too late to wait asks anew, but never two at one time.
    assert!(asked.load(Ordering::SeqCst) >= 6);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[test]
fn a_wait_ends_with_the_run_and_with_its_time() {
    let flights = Flights::default();
    let first = lead(&flights, "a");
    let Part::Wait(flight) = flights.join(&key("a")) else { panic!("somebody asks") };
    let time = Some(Duration::from_millis(20));
    assert!(wait(flight.clone(), &Cancel::default(), time).is_none());
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(wait(flight.clone(), &cancel, None).is_none());
    drop(first);
    assert!(matches!(wait(flight, &Cancel::default(), None), Some(None)));
}
