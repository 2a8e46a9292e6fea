//! A machine that remembers which files were asked for.

use crate::host::{Blob, Entry, Host, Place, SharedHost};
use crate::util::lock;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Another machine, and the files that it was asked for.
#[derive(Debug)]
pub struct Watched {
    machine: SharedHost,
    read: Mutex<BTreeSet<PathBuf>>,
}

impl Watched {
    /// Returns this machine, of which nothing was asked yet.
    pub fn new(machine: SharedHost) -> Self {
        Self { machine, read: Mutex::default() }
    }

    /// The files that were read, or looked for.
    pub fn read_files(&self) -> BTreeSet<PathBuf> {
        lock(&self.read).clone()
    }

    fn note(&self, path: &Path) {
        lock(&self.read).insert(path.to_owned());
    }
}

impl Host for Watched {
    fn behind(&self) -> Option<&dyn Host> {
        Some(&*self.machine)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note(path);
        self.machine.read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        self.note(path);
        self.machine.open(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.machine.write(path, bytes)
    }

    fn exists(&self, path: &Path) -> bool {
        self.note(path);
        self.machine.exists(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        self.note(path);
        self.machine.is_file(path)
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
        self.machine.print(text);
    }

    fn eprint(&self, text: &str) {
        self.machine.eprint(text);
    }

    fn is_terminal(&self) -> bool {
        self.machine.is_terminal()
    }

    fn prints_to_terminal(&self) -> bool {
        self.machine.prints_to_terminal()
    }

    fn place(&self, kind: Place) -> Option<PathBuf> {
        self.machine.place(kind)
    }
}
