//! What workers read of the project: they ask, and get what is in it and nothing else.

use crate::host::{Entry, SharedHost};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Component, Path, PathBuf};

/// The largest file that is sent, in bytes; bytes that are no text take twice their room.
const LARGEST: usize = 24 << 20;

/// What a worker wants to know of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Need {
    /// Its content.
    Read {
        /// Its path, as the program says it.
        path: String,
    },
    /// Whether it is there.
    Exists {
        /// Its path.
        path: String,
    },
    /// Whether it is there and can be read whole.
    IsFile {
        /// Its path.
        path: String,
    },
    /// Its path without links.
    RealPath {
        /// Its path.
        path: String,
    },
    /// What stands in a folder.
    List {
        /// Its path.
        path: String,
    },
}

/// What a worker is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A text.
    Text(String),
    /// Bytes that are no text, two digits each.
    Hex(String),
    /// Yes or no.
    Is(bool),
    /// A path.
    Path(String),
    /// What stands in a folder.
    List(Vec<Listed>),
    /// There is none.
    Missing,
    /// It cannot be had: why.
    Refused(String),
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// The files that workers may ask for: those of a project, but for hidden ones, in which people
/// keep what is nobody's business.
#[derive(Debug)]
pub struct Files {
    host: SharedHost,
    root: PathBuf,
}

impl Files {
    /// Returns the files below `root`, whose links are resolved.
    pub fn new(host: SharedHost, root: PathBuf) -> Self {
        Self { host, root }
    }

    /// Answers a worker.
    pub fn answer(&self, need: &Need) -> Answer {
        match need {
            Need::Exists { path } => Answer::Is(self.is_ours(path)),
            Need::IsFile { path } => {
                Answer::Is(self.is_ours(path) && self.host.is_file(Path::new(path)))
            }
            Need::RealPath { path } => match self.real(path) {
                Ok(real) => Answer::Path(real.to_string_lossy().into_owned()),
                Err(answer) => answer,
            },
            Need::Read { path } => match self.real(path) {
                Ok(_) => self.content(Path::new(path)),
                Err(answer) => answer,
            },
            Need::List { path } => match self.real(path) {
                Ok(_) => self.list(Path::new(path)),
                Err(answer) => answer,
            },
        }
    }

    fn is_ours(&self, path: &str) -> bool {
        self.real(path).is_ok()
    }

    /// Where a path leads, if that is in the project.
    fn real(&self, path: &str) -> Result<PathBuf, Answer> {
        let real = self.host.real_path(Path::new(path)).map_err(|it| refused(&it))?;
        let below = real.strip_prefix(&self.root).ok();
        let hidden = |it: Component<'_>| it.as_os_str().to_string_lossy().starts_with('.');
        match below {
            Some(below) if !below.components().any(hidden) => Ok(real),
            Some(_) => Err(Answer::Refused("workers are given no hidden files".to_owned())),
            None => {
                let message = "workers are given files of the project only".to_owned();
                Err(Answer::Refused(message))
            }
        }
    }

    fn content(&self, path: &Path) -> Answer {
        match self.host.read(path) {
            Ok(bytes) if bytes.len() > LARGEST => {
                let mib = bytes.len() >> 20;
                Answer::Refused(format!(
                    "a file of {mib} MiB is too large to be sent to workers"
                ))
            }
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Answer::Text(text),
                Err(error) => Answer::Hex(crate::util::hex(error.as_bytes())),
            },
            Err(error) => refused(&error),
        }
    }

    fn list(&self, folder: &Path) -> Answer {
        let listed = |it: Entry| {
            let name = it.path.file_name()?.to_str()?.to_owned();
            (!name.starts_with('.')).then_some(Listed { name, is_folder: it.is_folder })
        };
        match self.host.list(folder) {
            Ok(all) => Answer::List(all.into_iter().filter_map(listed).collect()),
            Err(error) => refused(&error),
        }
    }
}

fn refused(error: &io::Error) -> Answer {
    match error.kind() {
        io::ErrorKind::NotFound => Answer::Missing,
        _ => Answer::Refused(error.to_string()),
    }
}

impl Answer {
    /// The answer as an error, where it is one; what does not answer the question is one, too.
    pub fn to_error(&self) -> io::Error {
        match self {
            Self::Missing => io::ErrorKind::NotFound.into(),
            Self::Refused(why) => io::Error::new(io::ErrorKind::PermissionDenied, why.clone()),
            Self::Text(_) | Self::Hex(_) | Self::Is(_) | Self::Path(_) | Self::List(_) => {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the coordinator answered something else",
                )
            }
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// It is no file.
    pub fn into_bytes(self) -> io::Result<Vec<u8>> {
        let error = self.to_error();
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Hex(digits) => from_hex(&digits).ok_or(error),
            _ => Err(error),
        }
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}
