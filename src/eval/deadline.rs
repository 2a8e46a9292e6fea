//! The time that work may take: when it is over nothing more is begun, and what is under way is
//! finished.

use crate::eval::{Cancel, Stop};
use crate::lm;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Sets a flag when the time is over; dropped, it sets none.
pub struct Deadline {
    cancel: Cancel,
    time: Option<Duration>,
    began: tokio::time::Instant,
    is_over: Arc<AtomicBool>,
    end: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("time", &self.time).finish_non_exhaustive()
    }
}

impl Deadline {
    /// Begins to count; without a time it is never over.
    pub fn begin(above: &Cancel, time: Option<Duration>) -> Self {
        let (cancel, is_over) = (above.part(), Arc::new(AtomicBool::new(false)));
        let end = time.map(|time| {
            let (cancel, is_over) = (cancel.clone(), is_over.clone());
            let counting = lm::runtime().spawn(async move {
                tokio::time::sleep(time).await;
                is_over.store(true, Ordering::SeqCst);
                cancel.cancel();
            });
            Box::new(move || counting.abort()) as Box<dyn FnOnce() + Send>
        });
        Self { cancel, time, began: tokio::time::Instant::now(), is_over, end }
    }

    /// What is set when the time is over, or when what is above it is.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The part of the time that is over; none where there is no end.
    pub fn part(&self) -> Option<f64> {
        let time = self.time?.as_secs_f64();
        let over = self.began.elapsed().as_secs_f64();
        Some(if time > 0.0 { (over / time).min(1.0) } else { 1.0 })
    }

    /// Why work ended, when it was told that it was cancelled.
    pub fn stop(&self, stop: Option<Stop>) -> Option<Stop> {
        match (stop, self.time) {
            (Some(Stop::Cancelled), Some(time)) if self.is_over.load(Ordering::SeqCst) => {
                Some(Stop::MaxTime(time))
            }
            (other, _) => other,
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}
