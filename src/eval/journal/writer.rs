//! Lines on their way to a file: those of many threads are written together.

use crate::host::SharedHost;
use crate::util::lock;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

/// So much is held in memory while the disk takes nothing.
const HELD: usize = 16 << 20;

/// Adds lines to the end of a file.
#[derive(Debug)]
pub(super) struct Writer {
    host: SharedHost,
    path: PathBuf,
    /// Lines that nobody writes yet.
    pending: Mutex<String>,
    file: Mutex<File>,
}

#[derive(Debug, Default)]
struct File {
    /// Why it could not be written.
    broken: Option<io::Error>,
    /// What could not be written; it is tried again with what comes next.
    held: String,
    /// Whether lines were lost.
    lost: bool,
    /// So many writes wait until it is tried again.
    pause: usize,
    waited: usize,
}

impl File {
    /// Takes down that nothing, or not all, could be written.
    fn failed(&mut self, error: io::Error, text: String) {
        let for_good = matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::Unsupported
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotADirectory
        );
        self.broken.get_or_insert(error);
        self.pause = if for_good { usize::MAX } else { (2 * self.pause).clamp(1, 64) };
        self.waited = 0;
        // A part of it may stand there: the line feed ends that.
        self.held = if text.starts_with('\n') { text } else { format!("\n{text}") };
        self.forget();
    }

    /// Gives up what is held when nothing more can come of it.
    fn forget(&mut self) {
        if self.held.len() > HELD || self.pause == usize::MAX {
            (self.lost, self.held) = (true, "\n".to_owned());
        }
    }
}

impl Writer {
    pub(super) fn new(host: SharedHost, path: PathBuf) -> Self {
        Self { host, path, pending: Mutex::default(), file: Mutex::default() }
    }

    /// Leaves lines to be written with what comes next.
    pub(super) fn push(&self, lines: &str) {
        lock(&self.pending).push_str(lines);
    }

    /// Writes lines, and all that are pending; when it returns they are in the file, or it is
    /// broken.
    pub(super) fn write(&self, lines: &str) {
        self.push(lines);
        let mut file = lock(&self.file);
        // Whoever wrote meanwhile may have written ours as well.
        let new = std::mem::take(&mut *lock(&self.pending));
        if new.is_empty() {
            return;
        }
        file.held.push_str(&new);
        if file.waited < file.pause {
            file.waited = file.waited.saturating_add(1);
            file.forget();
            return;
        }
        let text = std::mem::take(&mut file.held);
        match self.host.append(&self.path, text.as_bytes()) {
            Ok(()) => {
                file.pause = 0;
                if !file.lost {
                    file.broken = None;
                }
            }
            Err(error) => file.failed(error, text),
        }
    }

    /// Why not all lines are in the file, when they are not.
    pub(super) fn broken(&self) -> Option<String> {
        let place = self.path.display();
        let file = lock(&self.file);
        file.broken.as_ref().map(|error| format!("cannot write `{place}`: {error}"))
    }
}
