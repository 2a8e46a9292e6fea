//! A flag that ends a run: cheap to ask, and awaitable.

use std::sync::Arc;
use tokio::sync::watch;

/// A cancellation flag; clones share it. Once set it stays set.
#[derive(Debug, Clone)]
pub struct Cancel {
    flag: Arc<watch::Sender<bool>>,
    /// The flag of the whole that this is a part of.
    above: Option<Arc<Self>>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self { flag: Arc::new(watch::Sender::new(false)), above: None }
    }
}

impl Cancel {
    /// Returns the flag of a part: it is set with this one, or alone.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { above: Some(Arc::new(self.clone())), ..Self::default() }
    }

    /// Ends the run.
    pub fn cancel(&self) {
        self.flag.send_replace(true);
    }

    /// Whether the run was ended.
    pub fn is_cancelled(&self) -> bool {
        *self.flag.borrow() || self.above.as_ref().is_some_and(|it| it.is_cancelled())
    }

    /// Waits until the run is ended.
    pub async fn cancelled(&self) {
        let mut seen = self.flag.subscribe();
        let above = async {
            match &self.above {
                Some(above) => Box::pin(above.cancelled()).await,
                None => std::future::pending().await,
            }
        };
        // The sender lives in `self`, so waiting cannot fail.
        tokio::select! {
            _ = seen.wait_for(|ended| *ended) => {}
            () = above => {}
        }
    }
}
