//! The file of a shard: how it is opened, read at places and written at its end.

use super::{Access, Common};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::PathBuf;

/// The file of a shard.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) path: PathBuf,
    state: State,
    /// It is of an earlier layout: nothing is added to it.
    is_old: bool,
    /// Up to where the file is indexed.
    pub(super) indexed: u64,
    /// How long it was when it was last looked at.
    pub(super) seen: u64,
}

#[derive(Debug)]
enum State {
    /// Not looked at yet, or not there yet.
    Closed,
    Writable(File),
    ReadOnly(File),
    /// It cannot even be read.
    Lost,
}

impl Disk {
    pub(super) fn new(path: PathBuf, is_old: bool) -> Self {
        Self { path, state: State::Closed, is_old, indexed: 0, seen: 0 }
    }

    pub(super) fn file(&self) -> Option<&File> {
        match &self.state {
            State::Writable(file) | State::ReadOnly(file) => Some(file),
            State::Closed | State::Lost => None,
        }
    }

    /// The file, where it may be written.
    pub(super) fn writable(&self) -> io::Result<&File> {
        match &self.state {
            State::Writable(file) if !self.is_old => Ok(file),
            _ => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// How long the file is. Another process may have put another file in its place, or none:
    /// then what is known of it holds no more, and there is no answer.
    pub(super) fn length(&self) -> io::Result<Length> {
        let Some(file) = self.file() else { return Ok(Length::NoFile) };
        match std::fs::metadata(&self.path) {
            Ok(there) if is_same(file, &there)? => Ok(Length::Of(there.len())),
            Ok(_) => Ok(Length::Replaced),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Length::Replaced),
            Err(e) => Err(e),
        }
    }

    /// Whether a read failed, and the file was not opened since.
    pub(super) fn is_lost_sight_of(&self) -> bool {
        matches!(self.state, State::Closed) && self.path.exists()
    }

    /// Closes the file, which is opened anew when it is needed.
    pub(super) fn close(&mut self) {
        (self.state, self.indexed, self.seen) = (State::Closed, 0, 0);
    }

    /// Opens the file if it is there; a store that is only read leaves no empty files.
    pub(super) fn open_for_reading(&mut self, common: &Common) {
        if !matches!(self.state, State::Closed) {
            return;
        }
        let opened = common.may(Access::Open).and_then(|()| match self.is_old {
            true => File::open(&self.path).map(State::ReadOnly),
            false => match options().open(&self.path) {
                Err(e) if is_forbidden(&e) => File::open(&self.path).map(State::ReadOnly),
                other => other.map(State::Writable),
            },
        });
        self.state = match opened {
            Ok(state) => state,
            Err(e) if e.kind() == io::ErrorKind::NotFound => State::Closed,
            Err(e) => {
                common.notices.unwritable(&self.path, &e);
                State::Lost
            }
        };
    }

    /// Makes the file where there is none; under the lock there is one if it can be read.
    pub(super) fn open_for_writing(&mut self) -> io::Result<()> {
        if matches!(self.state, State::Closed) && !self.is_old {
            self.state = State::Writable(options().create_new(true).open(&self.path)?);
        }
        Ok(())
    }

    /// After a failed write no more is tried; what is there can still be read.
    pub(super) fn stop_writing(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Lost) {
            State::Writable(file) => State::ReadOnly(file),
            State::Closed => State::Lost,
            other => other,
        };
    }
}

/// What a look at the file told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    NoFile,
    Of(u64),
    /// The path leads to another file, or to none.
    Replaced,
}

/// Whether the path still leads to the open file.
#[cfg(unix)]
fn is_same(file: &File, there: &Metadata) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
}

/// Whether the path still leads to the open file. What takes its place is another file of
/// another length, and who adds to it makes no difference between the two lengths of one file.
#[cfg(not(unix))]
fn is_same(file: &File, there: &Metadata) -> io::Result<bool> {
    let open = file.metadata()?;
    Ok(open.len() == there.len() && open.created().ok() == there.created().ok())
}

fn is_forbidden(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// For reading and writing, and for its owner only where it is made.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn read_exact_at(
    file: &File,
    mut bytes: &mut [u8],
    mut offset: u64,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}
