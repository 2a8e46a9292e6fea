//! A model that could not be opened, among others that can.

use super::{CallContext, CallFuture, Capabilities, Error, Lm, Request};

/// A model that answers why it cannot be asked.
#[derive(Debug)]
pub struct Unopened {
    name: String,
    error: Error,
}

impl Unopened {
    /// Returns the model of this name.
    pub fn new(name: &str, error: Error) -> Self {
        Self { name: name.to_owned(), error }
    }
}

impl Lm for Unopened {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        format!("unopened {}", self.name)
    }

    fn capabilities(&self) -> Capabilities {
        // Asking it costs nothing.
        Capabilities { in_process: true, parallel: 64, ..Capabilities::PLAIN }
    }

    fn complete<'a>(&'a self, _: &'a Request, _: &'a CallContext) -> CallFuture<'a> {
        Box::pin(async { Err(self.error.clone()) })
    }
}
