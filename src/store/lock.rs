//! The lock that writers of one store hold, across threads and processes.

use crate::util::lock;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// A lock file. It is apart from the files with replies because some systems do not let
/// others read what one has locked.
#[derive(Debug, Default)]
pub(super) struct WriteLock {
    path: Option<PathBuf>,
    /// A process holds the file's lock as a whole, so its threads take turns here.
    file: Mutex<Option<File>>,
}

/// The lock, held until this is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    file: MutexGuard<'a, Option<File>>,
}

impl WriteLock {
    pub(super) fn on(path: PathBuf) -> Self {
        Self { path: Some(path), file: Mutex::new(None) }
    }

    /// Waits for the lock.
    pub(super) fn hold(&self) -> io::Result<Held<'_>> {
        let mut file = lock(&self.file);
        if file.is_none() {
            *file = self.path.as_ref().map(|path| options().open(path)).transpose()?;
        }
        if let Some(file) = file.as_ref() {
            // A signal, such as that of a resized terminal, ends no waiting.
            while let Err(e) = file.lock() {
                if e.kind() != io::ErrorKind::Interrupted {
                    return Err(e);
                }
            }
        }
        Ok(Held { file })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file.as_ref() {
            // The lock also ends with the process; nothing can be done about an error here.
            let _ = file.unlock();
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
