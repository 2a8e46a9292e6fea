//! The machine as the engine sees it: files, environment, clock, randomness and streams.
//!
//! Everything above asks [`Host`] and never the machine, so that a run can be replayed, a test
//! can look at all that a program did, and an embedder can say no. The two implementations
//! are [`OsHost`], the machine, and [`MemoryHost`], its twin in memory; [`Captured`] is a machine
//! whose streams are kept.

mod blob;
mod captured;
mod copied;
mod memory;
mod os;
mod process;
mod watched;

pub use blob::{Blob, Scratch, reader};
pub use captured::Captured;
pub use copied::Copied;
pub use memory::MemoryHost;
pub use os::OsHost;
pub use process::{Process, Started};
pub use watched::Watched;

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The machine. Calls may block; none of them is cached here.
pub trait Host: Send + Sync + fmt::Debug {
    /// The machine behind this one. Where there is one, it answers whatever this one leaves to
    /// the defaults below; by default there is none.
    fn behind(&self) -> Option<&dyn Host> {
        None
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// Those of the file system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Opens a file to read parts of it, now and later; by default it is read whole.
    ///
    /// # Errors
    /// Those of the file system.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Blob>> {
        match self.behind() {
            Some(machine) => machine.open(path),
            None => Ok(Arc::new(self.read(path)?)),
        }
    }

    /// Begins a nameless file that goes when nobody holds it; by default it is in memory.
    ///
    /// # Errors
    /// Those of the file system.
    fn scratch(&self) -> io::Result<Box<dyn Scratch>> {
        match self.behind() {
            Some(machine) => machine.scratch(),
            None => Ok(Box::new(Vec::new())),
        }
    }

    /// Writes a whole file, so that a reader sees the old or the new one and nothing between;
    /// folders that are not there are made.
    ///
    /// # Errors
    /// Those of the file system, and `PermissionDenied` where the host does not allow it.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Adds bytes to the end of a file. One that is not there is made for its owner only, with
    /// its folders; by default nothing can be added.
    ///
    /// # Errors
    /// Those of the file system. Some of the bytes may have been written.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self.behind() {
            Some(machine) => machine.append(path, bytes),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Deletes a file; by default nothing can be deleted.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, path: &Path) -> io::Result<()> {
        match self.behind() {
            Some(machine) => machine.remove(path),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether something is there.
    fn exists(&self, path: &Path) -> bool;

    /// Whether something is there that can be read whole: no folder, no pipe.
    fn is_file(&self, path: &Path) -> bool {
        match self.behind() {
            Some(machine) => machine.is_file(path),
            None => self.exists(path),
        }
    }

    /// The path of something that is there, whatever links lead to it: two paths of one file
    /// are equal then. Without links it is the path without its dots.
    ///
    /// # Errors
    /// Those of the file system.
    fn real_path(&self, path: &Path) -> io::Result<PathBuf> {
        if let Some(machine) = self.behind() {
            return machine.real_path(path);
        }
        let path = without_dots(path);
        let is_folder = path.as_os_str().is_empty();
        if is_folder || self.exists(&path) {
            Ok(path)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// When a file was last written, since 1970; `None` where there is none, or the machine
    /// does not tell.
    fn modified(&self, path: &Path) -> Option<Duration> {
        self.behind()?.modified(path)
    }

    /// What stands in a folder, sorted by name.
    ///
    /// # Errors
    /// Those of the file system, one that there is no such folder among them.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Starts another program with pipes in place of its streams; by default none can be.
    ///
    /// # Errors
    /// Those of the system, and `Unsupported` where the host starts none.
    fn start(&self, command: &[String]) -> io::Result<Started> {
        match self.behind() {
            Some(machine) => machine.start(command),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// A variable of the environment; none that is empty.
    fn env(&self, name: &str) -> Option<String>;

    /// Time since an arbitrary start, never falling.
    fn elapsed(&self) -> Duration;

    /// Time since 1970.
    fn since_epoch(&self) -> Duration;

    /// Processor time that this process has used, if the machine tells.
    fn cpu_time(&self) -> Option<Duration>;

    /// Writes text to standard output, as it is.
    fn print(&self, text: &str);

    /// Writes text to standard error, as it is.
    fn eprint(&self, text: &str);

    /// Shows a line on the terminal that standard error is, in place of the one before, until
    /// something else is written; an empty one wipes it. It is cut to the terminal's width. Where
    /// there is no terminal nothing is shown.
    fn status(&self, line: &str) {
        if let Some(machine) = self.behind() {
            machine.status(line);
        }
    }

    /// Whether standard error is a terminal.
    fn is_terminal(&self) -> bool;

    /// Whether standard output is a terminal.
    fn prints_to_terminal(&self) -> bool;

    /// How many columns the terminal has that standard output is; `None` where it is none.
    fn width(&self) -> Option<usize> {
        self.behind()?.width()
    }

    /// Asks the person at the terminal, who says yes or no; `None` where nobody sits there.
    fn confirm(&self, question: &str) -> Option<bool> {
        self.behind()?.confirm(question)
    }

    /// Where the user's files of `kind` are kept; `None` when there is no such place.
    fn place(&self, kind: Place) -> Option<PathBuf>;
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path: that of the folder, and its name.
    pub path: PathBuf,
    /// Whether it is a folder. A link is none, wherever it leads.
    pub is_folder: bool,
}

/// Places for the user's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Stored replies: may be deleted at any time.
    Cache,
    /// Weights of models.
    Models,
    /// The user's settings.
    Config,
    /// What evaluations have finished, row by row.
    Runs,
    /// What evaluations and searches came to.
    Log,
}

/// A shared host.
pub type SharedHost = Arc<dyn Host>;

/// A path without `.`, and without `..` where a part stands before it.
pub fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            part => out.push(part),
        }
    }
    out
}

/// Reads a text file.
///
/// # Errors
/// Those of the file system, and `InvalidData` with the place of the first byte that is not
/// UTF-8.
pub fn read_text(host: &dyn Host, path: &Path) -> io::Result<String> {
    String::from_utf8(host.read(path)?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8 text (byte {at})"))
    })
}
