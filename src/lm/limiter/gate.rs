//! Where calls wait for their turn.
//!
//! There is one gate for a server, model and key in the process. Calls pass it in the order in
//! which they came; one that was refused keeps its place. Only the first of those that wait looks
//! at the clock, and is woken when something is learned.

use super::{Limiter, Next, Sent, Told};
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A gate before one server.
#[derive(Debug)]
pub struct Gate {
    began: Instant,
    tickets: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limiter: Limiter,
    /// Those that wait, by their tickets.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// A request that passed the gate. Dropped without a word, it is one that was not answered.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    sent: Option<Sent>,
}

/// The gate for a server, a model and a key, by a text that tells them apart.
pub fn gate(name: &str) -> Arc<Gate> {
    static GATES: Mutex<BTreeMap<String, Arc<Gate>>> = Mutex::new(BTreeMap::new());
    lock(&GATES).entry(name.to_owned()).or_default().clone()
}

impl Default for Gate {
    fn default() -> Self {
        let (tickets, state) = (AtomicU64::new(0), Mutex::default());
        Self { began: Instant::now(), tickets, state }
    }
}

impl Gate {
    /// A place in the order of calls.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Holds the user's rate, in requests a minute.
    pub fn state_rate(&self, rate: f64) {
        lock(&self.state).limiter.state_rate(rate);
    }

    /// Waits for the turn of a call whose request takes about so many tokens.
    ///
    /// # Errors
    /// The wait until its turn, where that is longer than `longest`.
    pub async fn pass(
        &self,
        ticket: u64,
        tokens: f64,
        longest: Duration,
    ) -> Result<Pass<'_>, Duration> {
        // Where nobody waits and the way is free, nothing else is looked at.
        if let Some((Next::Go, sent)) = self.look(ticket, tokens) {
            return Ok(Pass { gate: self, sent });
        }
        let place = Place::new(self, ticket);
        loop {
            match self.look(ticket, tokens) {
                Some((Next::Go, sent)) => return Ok(Pass { gate: self, sent }),
                Some((Next::At(then), _)) => {
                    let wait = then.saturating_sub(self.began.elapsed());
                    if wait > longest {
                        return Err(wait);
                    }
                    tokio::select! {
                        () = tokio::time::sleep_until(self.began + then) => {}
                        () = place.woken.notified() => {}
                    }
                }
                Some((Next::Answer, _)) | None => place.woken.notified().await,
            }
        }
    }

    /// Whether it is the turn of this ticket, and what is to be done then.
    fn look(&self, ticket: u64, tokens: f64) -> Option<(Next, Option<Sent>)> {
        let mut state = lock(&self.state);
        let now = self.began.elapsed();
        if state.waiting.first_key_value().is_some_and(|it| *it.0 < ticket) {
            return None;
        }
        let next = state.limiter.next(now, tokens);
        let sent = (next == Next::Go).then(|| state.limiter.sent(now, tokens));
        Some((next, sent))
    }

    fn answered(&self, sent: Sent, told: &Told) {
        let mut state = lock(&self.state);
        state.limiter.answered(self.began.elapsed(), sent, told);
        state.wake();
    }
}

impl State {
    /// Lets the first of those that wait look again.
    fn wake(&self) {
        if let Some((_, first)) = self.waiting.first_key_value() {
            first.notify_one();
        }
    }
}

impl Pass<'_> {
    /// Tells what came back.
    pub fn answered(mut self, told: &Told) {
        if let Some(sent) = self.sent.take() {
            self.gate.answered(sent, told);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.gate.answered(sent, &Told::default());
        }
    }
}

/// A place among those that wait; who leaves it lets the next one look.
struct Place<'a> {
    gate: &'a Gate,
    ticket: u64,
    woken: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn new(gate: &'a Gate, ticket: u64) -> Self {
        let woken = Arc::new(Notify::new());
        lock(&gate.state).waiting.insert(ticket, woken.clone());
        Self { gate, ticket, woken }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.gate.state);
        state.waiting.remove(&self.ticket);
        state.wake();
    }
}
