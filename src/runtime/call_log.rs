//! What is told of calls while they are made, so that a kill loses none that was answered.

use crate::lm::Completion;
use crate::store::Key;
use std::fmt;
use std::sync::Arc;

/// Takes down the calls of one run of an evaluation or a search.
pub trait CallLog: Send + Sync + fmt::Debug {
    /// The reply that came to this request before the process was stopped, where no store keeps
    /// it. Each is given once.
    fn find(&self, key: &Key) -> Option<Completion>;

    /// Notes that a request is about to be sent; returns the number of the call.
    fn sent(&self, key: &Key) -> u64;

    /// Notes that this call of that request has ended, with its reply where no store keeps
    /// that.
    fn ended(&self, call: u64, key: &Key, reply: Option<&Completion>);
}

/// A log that several runs at once may hold.
pub type SharedCallLog = Arc<dyn CallLog>;
