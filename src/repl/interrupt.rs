//! Ctrl-C while an entry runs.

use crate::engine::Interrupt;
use crate::lm;

/// From now on Ctrl-C ends the entry under way and not the process. While a line is read the
/// terminal gives it to the line editor instead.
pub(super) fn on_ctrl_c(interrupt: Interrupt) {
    lm::runtime().spawn(async move {
        // Where the system gives no signals, Ctrl-C ends the process, as it does elsewhere.
        while tokio::signal::ctrl_c().await.is_ok() {
            interrupt.interrupt();
        }
    });
}
