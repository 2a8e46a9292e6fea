//! A machine of whose standard output a copy is kept.

use crate::host::{Entry, Host, Place, SharedHost};
use crate::util::lock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// The most bytes of a copy: of more there is none.
const MOST: usize = 4_000_000;

/// Another machine; what is printed is kept besides.
#[derive(Debug)]
pub struct Copied {
    machine: SharedHost,
    /// `None` once there was too much.
    printed: Mutex<Option<String>>,
}

impl Copied {
    /// Returns this machine.
    pub fn new(machine: SharedHost) -> Self {
        Self { machine, printed: Mutex::new(Some(String::new())) }
    }

    /// What was printed so far; `None` where it was too much to keep.
    pub fn printed(&self) -> Option<String> {
        lock(&self.printed).clone()
    }
}

impl Host for Copied {
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
        let mut printed = lock(&self.printed);
        if let Some(kept) = &mut *printed {
            kept.push_str(text);
        }
        if printed.as_ref().is_some_and(|it| it.len() > MOST) {
            *printed = None;
        }
        drop(printed);
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
