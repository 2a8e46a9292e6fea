//! A flag that ends a run: cheap to ask, and awaitable.

use std::sync::Arc;
use tokio::sync::watch;

/// A cancellation flag; clones share it. Once set it stays set.
#[derive(Debug, Clone)]
pub struct Cancel {
    flag: Arc<watch::Sender<bool>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self { flag: Arc::new(watch::Sender::new(false)) }
    }
}

impl Cancel {
    /// Ends the run.
    pub fn cancel(&self) {
        self.flag.send_replace(true);
    }

    /// Whether the run was ended.
    pub fn is_cancelled(&self) -> bool {
        *self.flag.borrow()
    }

    /// Waits until the run is ended.
    pub async fn cancelled(&self) {
        let mut seen = self.flag.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = seen.wait_for(|ended| *ended).await;
    }
}
