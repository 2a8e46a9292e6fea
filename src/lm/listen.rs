//! Replies while they are written.

use std::fmt;
use std::sync::Arc;

/// What is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta<'a> {
    /// More of the reply's text.
    Text(&'a str),
    /// More of what the model thinks before it.
    Reasoning(&'a str),
    /// The reply was lost and begins anew: what was told of it is void.
    Again,
}

/// Whether more is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// More.
    Go,
    /// No more: the connection is closed, and the reply is what has come, with
    /// [`Finish::Halted`](super::Finish::Halted).
    Halt,
}

/// Who is told of a reply while it is written. It is called on the thread that reads the reply,
/// in order, and must not block it for long.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(Delta<'_>) -> Flow + Send + Sync>);

impl Listener {
    /// Tells this function.
    pub fn new(hear: impl Fn(Delta<'_>) -> Flow + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Tells what is new.
    pub fn hear(&self, delta: Delta<'_>) -> Flow {
        (self.0)(delta)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
