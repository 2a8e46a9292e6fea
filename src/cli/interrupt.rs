//! Ctrl-C: once ends what is under way cleanly, twice stops at once.

use super::shell::Shell;
use crate::engine::Builder;
use crate::lm::{self, Cancel};

/// What Ctrl-C sets.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt {
    /// Ends all at once.
    at_once: Cancel,
    /// Ends long work after what is under way; it is set with the other, or alone.
    pause: Cancel,
}

impl Interrupt {
    /// From now on Ctrl-C asks `first` what it is to end: the answer is told, and what is under
    /// way is finished; without one, and the second time, all ends at once.
    pub(super) fn on(
        shell: &Shell,
        first: impl Fn() -> Option<&'static str> + Send + 'static,
    ) -> Self {
        let at_once = Cancel::default();
        let pause = at_once.part();
        let flags = Self { at_once, pause };
        let (shell, set) = (shell.clone(), flags.clone());
        lm::runtime().spawn(async move {
            // Where the system gives no signals, Ctrl-C ends the process, as it does elsewhere.
            while tokio::signal::ctrl_c().await.is_ok() {
                match first().filter(|_| !set.pause.is_cancelled()) {
                    Some(what) => {
                        shell.eprint(&format!("\n{what}; Ctrl-C again stops at once\n"));
                        set.pause.cancel();
                    }
                    None => set.at_once.cancel(),
                }
            }
        });
        flags
    }

    /// An engine that heeds it.
    pub(super) fn heeded(&self, builder: Builder) -> Builder {
        builder.cancel(self.at_once.clone()).pause(self.pause.clone())
    }

    /// Whether the user ended something.
    pub(super) fn came(&self) -> bool {
        self.pause.is_cancelled()
    }
}
