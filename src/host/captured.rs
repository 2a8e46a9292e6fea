//! A machine whose streams are kept, for runs side by side.

use crate::host::{Blob, Entry, Host, Place, Scratch, SharedHost, Started};
use crate::util::lock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
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
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.machine.read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        self.machine.open(path)
    }

    fn scratch(&self) -> io::Result<Box<dyn Scratch>> {
        self.machine.scratch()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.machine.write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.machine.append(path, bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.machine.remove(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.machine.exists(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        self.machine.is_file(path)
    }

    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        self.machine.real_path(path)
    }

    fn modified(&self, path: &Path) -> Option<Duration> {
        self.machine.modified(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.machine.list(folder)
    }

    fn start(&self, command: &[String]) -> io::Result<Started> {
        self.machine.start(command)
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

    fn place(&self, kind: Place) -> Option<PathBuf> {
        self.machine.place(kind)
    }
}
