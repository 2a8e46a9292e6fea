//! The gate before servers that limit in several ways, on time that passes only when all wait.

use super::{Gate, Told, told};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const CALLS: usize = 200;
const THREADS: usize = 64;
const LONGEST: Duration = Duration::from_secs(90);

/// How a server limits; times are seconds since its start.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// So many between two ends of its minute, which lie off ours.
    Window { limit: usize, period: f64, offset: f64 },
    /// So many at once, and so many a second.
    Bucket { burst: f64, rate: f64 },
    /// So many in any span of this length.
    Sliding { limit: usize, period: f64 },
    /// It refuses one of so many, and is ready the next second.
    Moody { share: usize },
}

/// What a server tells.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Tells {
    Headers,
    RetryAfter,
    Nothing,
}

struct Server {
    kind: Kind,
    tells: Tells,
    /// When requests were taken.
    taken: VecDeque<f64>,
    level: f64,
    as_of: f64,
}

impl Server {
    fn new(kind: Kind, tells: Tells) -> Self {
        let level = if let Kind::Bucket { burst, .. } = kind { burst } else { 0.0 };
        Self { kind, tells, taken: VecDeque::new(), level, as_of: 0.0 }
    }

    /// Takes a request or not; then limit, what is left, the reset, and when one is taken again.
    fn ask(&mut self, now: f64) -> (bool, f64, f64, f64, f64) {
        match self.kind {
            Kind::Window { limit, period, offset } => {
                let begin = ((now + offset) / period).floor() * period - offset;
                self.taken.retain(|it| *it >= begin);
                let ok = self.taken.len() < limit;
                if ok {
                    self.taken.push_back(now);
                }
                let left = (limit - self.taken.len()) as f64;
                (ok, limit as f64, left, begin + period - now, begin + period - now)
            }
            Kind::Bucket { burst, rate } => {
                self.level = (self.level + (now - self.as_of) * rate).min(burst);
                self.as_of = now;
                let ok = self.level >= 1.0 - 1e-9;
                if ok {
                    self.level -= 1.0;
                }
                let next = ((1.0 - self.level) / rate).max(0.0);
                (ok, burst, self.level.floor().max(0.0), (burst - self.level) / rate, next)
            }
            Kind::Sliding { limit, period } => {
                self.taken.retain(|it| *it > now - period);
                let ok = self.taken.len() < limit;
                if ok {
                    self.taken.push_back(now);
                }
                let oldest = self.taken.front().map_or(0.0, |it| it + period - now);
                let left = (limit - self.taken.len()) as f64;
                (ok, limit as f64, left, oldest, oldest)
            }
            Kind::Moody { share } => {
                self.level += 1.0;
                ((self.level as usize * 7) % share != 3, 1e6, 1e6, 1.0, 1.0)
            }
        }
    }

    fn answer(&mut self, now: f64) -> Told {
        let (ok, limit, left, reset, next) = self.ask(now);
        let mut headers = Vec::new();
        if self.tells == Tells::Headers {
            headers.extend([
                ("x-ratelimit-limit-requests", limit.to_string()),
                ("x-ratelimit-remaining-requests", left.to_string()),
                ("x-ratelimit-reset-requests", format!("{reset:.3}s")),
            ]);
        }
        if !ok && self.tells != Tells::Nothing {
            headers.push(("retry-after", next.ceil().to_string()));
        }
        let find = |name: &str| headers.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
        told(if ok { 200 } else { 429 }, &find, b"")
    }
}

/// What came of all calls.
#[derive(Debug, Default)]
struct Outcome {
    /// When the last call was taken, in seconds.
    ended: f64,
    refused: usize,
    /// Of the refused, those that were sent when one refusal had come back.
    refused_later: usize,
    /// In which order the calls were taken.
    order: Vec<usize>,
}

/// The time on the way there, or back: between 80 and 90 ms, the same in each run. Where it varies
/// more, no pace is right for a server that wants a whole second between any two requests.
fn way(seed: usize) -> Duration {
    let drawn = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    Duration::from_millis(80 + drawn % 10)
}

/// Makes 200 calls of 64 threads.
fn calls(kind: Kind, tells: Tells, rate: Option<f64>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async move {
        let gate = Arc::new(Gate::default());
        if let Some(rate) = rate {
            gate.state_rate(rate);
        }
        let began = Instant::now();
        let server = Arc::new(Mutex::new(Server::new(kind, tells)));
        let next = Arc::new(Mutex::new(0));
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (gate, server) = (gate.clone(), server.clone());
                let (next, outcome) = (next.clone(), outcome.clone());
                tokio::spawn(async move {
                    loop {
                        let call = {
                            let mut next = next.lock().unwrap();
                            *next += 1;
                            *next - 1
                        };
                        if call >= CALLS {
                            return;
                        }
                        one(&gate, &server, &outcome, call, began).await;
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.await.unwrap();
        }
        std::mem::take(&mut *outcome.lock().unwrap())
    })
}

/// One call, asked until it is taken.
async fn one(
    gate: &Gate,
    server: &Mutex<Server>,
    outcome: &Mutex<Outcome>,
    call: usize,
    began: Instant,
) {
    let ticket = gate.ticket();
    for attempt in 0.. {
        assert!(attempt < 8, "a call was refused {attempt} times");
        let pass = gate.pass(ticket, 10.0, LONGEST).await.unwrap();
        let is_later = outcome.lock().unwrap().refused > 0;
        sleep(way(call * 7 + attempt)).await;
        let now = began.elapsed().as_secs_f64();
        let told = server.lock().unwrap().answer(now);
        sleep(way(call * 13 + attempt + 5)).await;
        pass.answered(&told);
        let mut outcome = outcome.lock().unwrap();
        if told.refused {
            outcome.refused += 1;
            outcome.refused_later += usize::from(is_later);
        } else {
            outcome.ended = outcome.ended.max(now);
            outcome.order.push(call);
            return;
        }
    }
}

/// When a client that knows everything would have had the last call taken.
fn perfect(kind: Kind) -> f64 {
    let mut server = Server::new(kind, Tells::Nothing);
    let mut now = 0.0;
    for _ in 0..CALLS {
        while !server.ask(now).0 {
            now += 0.05;
        }
    }
    now
}

const KINDS: [Kind; 6] = [
    Kind::Window { limit: 60, period: 60.0, offset: 0.0 },
    Kind::Window { limit: 60, period: 60.0, offset: 23.0 },
    Kind::Window { limit: 60, period: 60.0, offset: 58.5 },
    Kind::Bucket { burst: 60.0, rate: 1.0 },
    Kind::Bucket { burst: 1.0, rate: 1.0 },
    Kind::Sliding { limit: 60, period: 60.0 },
];

#[test]
fn what_servers_tell_is_used_up_and_not_overdrawn() {
    for kind in KINDS {
        let outcome = calls(kind, Tells::Headers, None);
        let used = perfect(kind) / outcome.ended;
        assert_eq!(outcome.refused_later, 0, "{kind:?} {used}");
        assert!(used >= 0.95, "{kind:?} {used}");
    }
}

#[test]
fn one_refusal_tells_how_fast_a_server_is() {
    for kind in KINDS {
        let outcome = calls(kind, Tells::RetryAfter, None);
        let used = CALLS as f64 / outcome.ended;
        assert_eq!(outcome.refused_later, 0, "{kind:?} {used}");
        assert!(used >= 0.95, "{kind:?} {used}");
    }
}

#[test]
fn a_stated_rate_is_kept_from_the_first_call_on() {
    for kind in KINDS {
        for tells in [Tells::Nothing, Tells::RetryAfter, Tells::Headers] {
            let outcome = calls(kind, tells, Some(60.0));
            let used = (CALLS - 1) as f64 / outcome.ended;
            assert_eq!(outcome.refused, 0, "{kind:?} {tells:?}");
            assert!(used >= 0.95, "{kind:?} {tells:?} {used}");
            assert!(outcome.order.is_sorted(), "{:?}", outcome.order);
        }
    }
}

#[test]
fn a_server_with_moods_holds_nobody_up() {
    for tells in [Tells::Nothing, Tells::RetryAfter] {
        let outcome = calls(Kind::Moody { share: 20 }, tells, None);
        assert!(outcome.ended < 10.0, "{tells:?} {}", outcome.ended);
    }
}

#[test]
fn a_server_that_tells_nothing_is_not_hammered() {
    for kind in KINDS {
        let outcome = calls(kind, Tells::Nothing, None);
        let used = CALLS as f64 / outcome.ended;
        // A limit looks like a mood at first: then few are sent at once. Where a window begins just
        // after the refusal it looks so until its end.
        let window = matches!(kind, Kind::Window { offset: 58.5, .. });
        let most = if window { 24 } else { 4 };
        assert!(outcome.refused_later <= most, "{kind:?} {}", outcome.refused_later);
        assert!(used >= 0.9, "{kind:?} {used}");
    }
}

#[test]
fn who_is_refused_keeps_the_place_and_who_leaves_lets_others_go() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let gate = Gate::default();
        gate.state_rate(60.0);
        let [first, second, third] = [gate.ticket(), gate.ticket(), gate.ticket()];
        let pass = gate.pass(first, 1.0, LONGEST).await.unwrap();
        // The second one waits for its turn and leaves.
        let gone = tokio::time::timeout(Duration::from_millis(100), async {
            let _ = gate.pass(second, 1.0, LONGEST).await;
        });
        assert!(gone.await.is_err());
        let refused = Told { answered: true, refused: true, ..Told::default() };
        pass.answered(&refused);
        let order = Mutex::new(Vec::new());
        tokio::join!(
            async {
                drop(gate.pass(third, 1.0, LONGEST).await.unwrap());
                order.lock().unwrap().push("third");
            },
            async {
                drop(gate.pass(first, 1.0, LONGEST).await.unwrap());
                order.lock().unwrap().push("first");
            },
        );
        assert_eq!(*order.lock().unwrap(), ["first", "third"]);
        // A wait that nobody would make is told at once.
        let pass = gate.pass(gate.ticket(), 1.0, LONGEST).await.unwrap();
        pass.answered(&Told { asked: Some(Duration::from_secs(3600)), ..refused });
        let wait = gate.pass(gate.ticket(), 1.0, LONGEST).await.unwrap_err();
        assert!(wait > Duration::from_secs(3599));
    });
}
