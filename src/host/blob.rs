//! Files that are read in parts, and files without a name for what does not fit memory.

use crate::util::lock;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The bytes of a file. They never change: a file that changes while it is held fails to be
/// read.
pub trait Blob: Send + Sync + fmt::Debug {
    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Those of the file system, and bytes beyond the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

/// A file under writing that has no name.
pub trait Scratch: Send {
    /// Adds bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// How many bytes there are.
    ///
    /// # Errors
    /// Those of the file system.
    fn length(&mut self) -> io::Result<u64>;

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Those of the file system, and bytes beyond the end.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Ends writing.
    ///
    /// # Errors
    /// Those of the file system.
    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>>;
}

/// Reads a blob from `offset` to its end.
pub fn reader(blob: &Arc<dyn Blob>, offset: u64) -> impl Read + use<> {
    BlobReader { blob: Arc::clone(blob), at: offset }
}

struct BlobReader {
    blob: Arc<dyn Blob>,
    at: u64,
}

impl Read for BlobReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.size().saturating_sub(self.at);
        let count = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.blob.read_at(self.at, &mut into[..count])?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Blob for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = start.checked_add(into.len()).and_then(|end| self.get(start..end));
        into.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Scratch for Vec<u8> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn length(&mut self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        Blob::read_at(self, offset, into)
    }

    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>> {
        Ok(Arc::new(*self))
    }
}

/// A file of the machine, held open.
#[derive(Debug)]
pub(super) struct FileBlob {
    file: Mutex<File>,
    stamp: Stamp,
    /// The path of a file of ours, which goes with it.
    own: Option<PathBuf>,
}

/// What tells that a file is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self { size: about.len(), modified: about.modified().ok() })
    }
}

impl FileBlob {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let stamp = Stamp::of(&file)?;
        Ok(Self { file: Mutex::new(file), stamp, own: None })
    }
}

impl Blob for FileBlob {
    fn size(&self) -> u64 {
        self.stamp.size
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let mut file = lock(&self.file);
        if Stamp::of(&file)? != self.stamp {
            return Err(io::Error::other("the file has changed since it was opened"));
        }
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(into)
    }
}

impl Drop for FileBlob {
    fn drop(&mut self) {
        if let Some(path) = &self.own {
            // Where it cannot go, the system's own cleaning of its folder takes it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A file in the folder for temporary ones.
pub(super) struct FileScratch {
    file: io::BufWriter<File>,
    path: Option<PathBuf>,
}

impl FileScratch {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("dsp-{}-{serial}.rows", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        // Where the system allows it the name goes at once, and the bytes with the handle.
        let path = std::fs::remove_file(&path).is_err().then_some(path);
        Ok(Self { file: io::BufWriter::new(file), path })
    }
}

impl Scratch for FileScratch {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn length(&mut self) -> io::Result<u64> {
        self.file.seek(SeekFrom::End(0))
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        let read = self.file.get_mut().read_exact(into);
        // What is added goes to the end.
        self.file.seek(SeekFrom::End(0))?;
        read
    }

    fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut blob = FileBlob::new(file)?;
        blob.own = self.path;
        Ok(Arc::new(blob))
    }
}
