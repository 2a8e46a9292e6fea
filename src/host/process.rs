//! Other programs, started with pipes in place of their streams.

use std::fmt;
use std::io::{Read, Write};

/// A program that was started.
pub struct Started {
    /// The process.
    pub process: Box<dyn Process>,
    /// Its standard input.
    pub input: Box<dyn Write + Send>,
    /// Its standard output.
    pub output: Box<dyn Read + Send>,
    /// Its standard error.
    pub errors: Box<dyn Read + Send>,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// A process.
pub trait Process: Send {
    /// Ends it, if it has not ended yet.
    fn kill(&mut self);
}

impl Process for std::process::Child {
    fn kill(&mut self) {
        // One that has ended cannot be killed, but it has to be waited for.
        let _ = Self::kill(self);
        let _ = self.wait();
    }
}
