//! A machine of whose standard output a copy is kept, and of whose files what they held.

use crate::host::{Blob, Entry, Host, Place, SharedHost, reader};
use crate::util::{lock, sha256_hex, sha256_of};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most bytes of a copy: of more there is none.
const MOST: usize = 4_000_000;

/// Another machine; what is printed is kept besides, and the hashes of the files that are read.
#[derive(Debug)]
pub struct Copied {
    machine: SharedHost,
    /// What stood in files when they were first read; nothing for those that were written before.
    files: Mutex<BTreeMap<PathBuf, Option<String>>>,
    /// `None` once there was too much.
    printed: Mutex<Option<String>>,
}

impl Copied {
    /// Returns this machine.
    pub fn new(machine: SharedHost) -> Self {
        Self { machine, files: Mutex::default(), printed: Mutex::new(Some(String::new())) }
    }

    /// Begins to look at files: those that were read so far are no matter.
    pub fn begin(&self) {
        lock(&self.files).clear();
    }

    /// The files that were read, but for those that were written here before, and the hashes of
    /// what stood in them.
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        let files = lock(&self.files);
        files.iter().filter_map(|(path, hash)| Some((path.clone(), hash.clone()?))).collect()
    }

    /// Whether a file is read for the first time.
    fn is_new(&self, path: &Path) -> bool {
        !lock(&self.files).contains_key(path)
    }

    fn note(&self, path: &Path, hash: Option<String>) {
        lock(&self.files).entry(path.to_owned()).or_insert(hash);
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
        let bytes = self.machine.read(path)?;
        if self.is_new(path) {
            self.note(path, Some(sha256_hex(&bytes)));
        }
        Ok(bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        let blob = self.machine.open(path)?;
        if self.is_new(path) {
            self.note(path, Some(sha256_of(reader(&blob, 0))?));
        }
        Ok(blob)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.note(path, None);
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
