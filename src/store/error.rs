//! The errors of the store: few, for most trouble only makes it forget.

use super::Common;
use std::fmt;
use std::path::Path;

/// Why a store cannot do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
}

impl Error {
    /// Returns an error with this message, for stores of other kinds.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    pub(super) fn not_a_directory(path: &Path) -> Self {
        Self::new(format!("{} is a file: a store needs a directory", path.display()))
    }

    pub(super) fn failed(common: &Common, why: &std::io::Error) -> Self {
        let place = common.place.as_deref().unwrap_or(Path::new("memory"));
        Self::new(format!("the replies in {} cannot be gone through: {why}", place.display()))
    }

    pub(super) fn too_long(length: usize) -> Self {
        Self::new(format!("a reply of {length} bytes is too long to be kept"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
