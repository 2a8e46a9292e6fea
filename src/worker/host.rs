//! The machine of a worker: files are the coordinator's, and can only be read, but for the
//! weights of models.

use crate::host::{Entry, Host, Place, SharedHost};
use crate::via::{Answer, Need};
use crate::worker::Desk;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// This machine, with the files of the coordinator's project. Keys and the user's own places are
/// this machine's.
pub(super) struct ProjectHost {
    machine: SharedHost,
    desk: Arc<Desk>,
}

impl ProjectHost {
    pub(super) fn new(machine: SharedHost, desk: Arc<Desk>) -> Self {
        Self { machine, desk }
    }

    fn ask(&self, path: &Path, need: fn(String) -> Need) -> io::Result<Answer> {
        let text = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.desk.ask(&need(text.to_owned())))
    }

    /// Whether a path leads to the weights of this machine's models.
    fn is_own(&self, path: &Path) -> bool {
        let up = path.components().any(|it| it == Component::ParentDir);
        let models = self.machine.place(Place::Models);
        !up && models.is_some_and(|models| path.starts_with(models))
    }

    fn is(&self, path: &Path, need: fn(String) -> Need) -> bool {
        matches!(self.ask(path, need), Ok(Answer::Is(true)))
    }
}

impl fmt::Debug for ProjectHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectHost").field("machine", &self.machine).finish_non_exhaustive()
    }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "a worker writes no files")
}

impl Host for ProjectHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.is_own(path) {
            return self.machine.read(path);
        }
        self.ask(path, |path| Need::Read { path })?.into_bytes()
    }

    fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(refused())
    }

    fn append(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(refused())
    }

    fn exists(&self, path: &Path) -> bool {
        if self.is_own(path) {
            return self.machine.exists(path);
        }
        self.is(path, |path| Need::Exists { path })
    }

    fn is_file(&self, path: &Path) -> bool {
        if self.is_own(path) {
            return self.machine.is_file(path);
        }
        self.is(path, |path| Need::IsFile { path })
    }

    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        match self.ask(path, |path| Need::RealPath { path })? {
            Answer::Path(real) => Ok(real.into()),
            other => Err(other.to_error()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        match self.ask(folder, |path| Need::List { path })? {
            Answer::List(all) => {
                let entry = |it: crate::via::Listed| Entry {
                    path: folder.join(it.name),
                    is_folder: it.is_folder,
                };
                Ok(all.into_iter().map(entry).collect())
            }
            other => Err(other.to_error()),
        }
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

    /// Standard output holds frames, so what a script prints is told where logs are.
    fn print(&self, text: &str) {
        self.machine.eprint(text);
    }

    fn eprint(&self, text: &str) {
        self.machine.eprint(text);
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
