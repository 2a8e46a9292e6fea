//! A machine in memory, for tests and for embedders that lend no files.

use crate::host::{Entry, Host, Place, without_dots};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Files, environment and streams as plain maps and texts. Its clock stands still.
#[derive(Debug, Default)]
pub struct MemoryHost {
    files: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
    env: BTreeMap<String, String>,
    printed: Mutex<String>,
    eprinted: Mutex<String>,
    /// What the person at its terminal says to all questions.
    answer: Option<bool>,
}

impl MemoryHost {
    /// Returns a machine that has this file too.
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        lock(&self.files).insert(path.into(), bytes.into());
        self
    }

    /// Returns a machine whose environment has this variable too.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Returns a machine at whose terminal somebody says yes, or no, to all questions.
    #[must_use]
    pub fn with_answer(self, yes: bool) -> Self {
        Self { answer: Some(yes), ..self }
    }

    /// The files as they are now.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        lock(&self.files).clone()
    }

    /// What was written to standard output so far.
    pub fn printed(&self) -> String {
        lock(&self.printed).clone()
    }

    /// What was written to standard error so far.
    pub fn eprinted(&self) -> String {
        lock(&self.eprinted).clone()
    }
}

impl Host for MemoryHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        lock(&self.files).get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        lock(&self.files).insert(path.to_owned(), bytes.to_owned());
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        lock(&self.files).entry(path.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        lock(&self.files).remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        lock(&self.files).contains_key(path)
    }

    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        let path = without_dots(path);
        let is_there = lock(&self.files).keys().any(|it| it.starts_with(&path));
        if is_there { Ok(path) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let files = lock(&self.files);
        let mut found: Vec<Entry> = Vec::new();
        for path in files.keys() {
            let Ok(below) = path.strip_prefix(folder) else { continue };
            let mut parts = below.components();
            let Some(name) = parts.next() else { continue };
            let entry = Entry { path: folder.join(name), is_folder: parts.next().is_some() };
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
        found.sort();
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn since_epoch(&self) -> Duration {
        Duration::ZERO
    }

    fn cpu_time(&self) -> Option<Duration> {
        None
    }

    fn print(&self, text: &str) {
        lock(&self.printed).push_str(text);
    }

    fn eprint(&self, text: &str) {
        lock(&self.eprinted).push_str(text);
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn prints_to_terminal(&self) -> bool {
        false
    }

    fn confirm(&self, question: &str) -> Option<bool> {
        self.answer.inspect(|_| self.eprint(&format!("{question}\n")))
    }

    fn place(&self, _: Place) -> Option<PathBuf> {
        None
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    crate::util::lock(mutex)
}
