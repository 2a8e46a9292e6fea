//! Identical calls at one time: the first asks the model, the others wait for its reply.

use crate::lm::{self, Cancel, Completion};
use crate::store::Key;
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What the first call came to, for those that wait; nothing where they must ask themselves.
type Landed = Option<Result<Arc<Completion>, lm::Error>>;

/// Calls under way whose replies the store will have.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Flights(Arc<Mutex<BTreeMap<Key, watch::Receiver<Landed>>>>);

/// A call's part in it.
pub(in crate::runtime) enum Part {
    /// It asks the model.
    Lead(Lead),
    /// Another one asks.
    Wait(watch::Receiver<Landed>),
}

/// The first of identical calls. Dropped without a word, it lets another one ask.
pub(in crate::runtime) struct Lead {
    key: Key,
    flights: Arc<Mutex<BTreeMap<Key, watch::Receiver<Landed>>>>,
    tell: watch::Sender<Landed>,
}

impl Flights {
    /// Joins the calls of this key.
    pub(in crate::runtime) fn join(&self, key: &Key) -> Part {
        let mut flights = lock(&self.0);
        if let Some(flight) = flights.get(key) {
            return Part::Wait(flight.clone());
        }
        let (tell, hear) = watch::channel(None);
        flights.insert(*key, hear);
        Part::Lead(Lead { key: *key, flights: self.0.clone(), tell })
    }
}

impl Lead {
    /// Tells those that wait what it came to.
    pub(in crate::runtime) fn landed(self, result: Result<Arc<Completion>, lm::Error>) {
        self.tell.send_replace(Some(result));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}

/// Waits for the first of identical calls. The outer `None` means that the run is over, the
/// inner one that the other call came to nothing that others could use.
pub(in crate::runtime) fn wait(
    mut flight: watch::Receiver<Landed>,
    cancel: &Cancel,
    time: Option<Duration>,
) -> Option<Landed> {
    lm::block_on(async {
        let landed = flight.wait_for(Option::is_some);
        tokio::select! {
            biased;
            landed = landed => Some(landed.ok().and_then(|it| it.clone())),
            () = cancel.cancelled() => None,
            () = super::exchange::pause(time) => None,
        }
    })
}

#[cfg(test)]
mod tests;
