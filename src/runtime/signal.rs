//! Waits for what others do, in threads and in fibers.

use crate::lm::block_on;
use crate::util::{fiber, lock};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Tells those who wait that something under a mutex has changed. A fiber that waits gives its
/// thread to others.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Signal {
    threads: Condvar,
    fibers: Notify,
}

impl Signal {
    /// All who wait look again.
    pub(in crate::runtime) fn ring(&self) {
        self.threads.notify_all();
        self.fibers.notify_waiters();
    }

    /// Waits for the next ring, no longer than `at_most`. It may end early.
    pub(in crate::runtime) fn wait<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        held: MutexGuard<'a, T>,
        at_most: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        if fiber::is_current() {
            // It hears of rings from here on: none is lost between this and the wait.
            let rung = self.fibers.notified();
            drop(held);
            block_on(async {
                match at_most {
                    Some(time) => drop(tokio::time::timeout(time, rung).await),
                    None => rung.await,
                }
            });
            return lock(mutex);
        }
        match at_most {
            Some(time) => {
                self.threads.wait_timeout(held, time).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.threads.wait(held).unwrap_or_else(PoisonError::into_inner),
        }
    }
}
