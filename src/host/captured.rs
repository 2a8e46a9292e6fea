//! A machine whose streams are kept, for runs side by side.

use crate::host::{Entry, Host, Place, SharedHost};
use crate::util::lock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Another machine, but for what is written to its streams: that is kept, both in one text.
#[derive(Debug)]
pub struct Captured {
    machine: SharedHost,
    written: Mutex<String>,
}

impl Captured {
    /// Returns this machine with streams that are kept.
    pub fn new(machine: SharedHost) -> Self {
        Self { machine, written: Mutex::default() }
    }

    /// What was written so far.
    pub fn written(&self) -> String {
        lock(&self.written).clone()
    }
}

impl Host for Captured {
    fn behind(&self) -> Option<&dyn Host> {
        Some(&*self.machine)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.machine.read(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.machine.write(path, bytes)
    }

    fn exists(&self, path: &Path) -> bool {
        self.machine.exists(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.machine.list(folder)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.machine.env(name)
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }

    fn since_epoch(&self) -> Duration {
        self.machine.since_epoch()
    }

    fn cpu_time(&self) -> Option<Duration> {
        self.machine.cpu_time()
    }

    fn print(&self, text: &str) {
        lock(&self.written).push_str(text);
    }

    fn eprint(&self, text: &str) {
        lock(&self.written).push_str(text);
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn prints_to_terminal(&self) -> bool {
        false
    }

    /// Nobody sees them, so they are no text that was written.
    fn status(&self, _: &str) {}

    fn width(&self) -> Option<usize> {
        None
    }

    fn confirm(&self, _: &str) -> Option<bool> {
        None
    }

    fn place(&self, kind: Place) -> Option<PathBuf> {
        self.machine.place(kind)
    }
}
