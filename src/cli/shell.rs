//! What commands share: streams, files, and how they end.

use crate::diag::{Code, Diagnostic};
use crate::host::SharedHost;
use crate::render;
use crate::source::{SourceId, Sources};
use std::io;
use std::path::Path;

/// The command line itself, or something that it asks for, is wrong.
const USAGE: Code = Code("E0001");
/// A file cannot be read.
const CANNOT_READ: Code = Code("E0002");
/// A file is not text.
const NOT_TEXT: Code = Code("E0003");
/// The codes of the command line and their titles.
pub const CODES: &[(Code, &str)] = &[
    (USAGE, "a command that cannot be carried out"),
    (CANNOT_READ, "a file that cannot be read"),
    (NOT_TEXT, "a file that is not UTF-8 text"),
];

/// How a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) exit: u8,
    /// What the diagnostics are about.
    pub(super) sources: Sources,
    /// Why.
    pub(super) diags: Vec<Diagnostic>,
}

impl Failure {
    /// A program or a check failed.
    pub(super) const PROGRAM: u8 = 1;
    /// The command line was wrong, or a file could not be read or written.
    pub(super) const USAGE: u8 = 2;

    /// A command that cannot be carried out.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::io(Diagnostic::bare(USAGE, message))
    }

    /// Something outside the program is wrong.
    pub(super) fn io(diag: Diagnostic) -> Self {
        Self { exit: Self::USAGE, sources: Sources::default(), diags: vec![diag] }
    }

    /// A program is wrong; what there is to say was said already.
    pub(super) fn told() -> Self {
        Self { exit: Self::PROGRAM, sources: Sources::default(), diags: Vec::new() }
    }
}

/// The machine as commands use it.
#[derive(Debug)]
pub(super) struct Shell {
    /// The machine.
    pub(super) host: SharedHost,
}

impl Shell {
    pub(super) fn new(host: SharedHost) -> Self {
        Self { host }
    }

    /// Writes a result.
    pub(super) fn print(&self, text: &str) {
        self.host.print(text);
    }

    /// Writes what is no result.
    pub(super) fn eprint(&self, text: &str) {
        self.host.eprint(text);
    }

    /// Whether standard error shows colours.
    pub(super) fn colors(&self) -> bool {
        self.host.is_terminal() && self.host.env("NO_COLOR").is_none()
    }

    /// Writes diagnostics.
    pub(super) fn diagnose(&self, sources: &Sources, diags: &[Diagnostic]) {
        self.eprint(&render::text(sources, diags, self.colors()));
    }

    /// Says why a command failed.
    pub(super) fn report(&self, failure: &Failure) {
        self.diagnose(&failure.sources, &failure.diags);
    }

    /// Reads a text file and adds it to the sources.
    ///
    /// # Errors
    /// A file that cannot be read, or is not UTF-8.
    pub(super) fn read(&self, path: &Path, sources: &mut Sources) -> Result<SourceId, Failure> {
        let name = path.display().to_string();
        let bytes = self.host.read(path).map_err(|error| unreadable(&name, &error))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(sources.add(name, text)),
            Err(error) => Err(not_text(&name, &error)),
        }
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    Failure::io(Diagnostic::bare(CANNOT_READ, format!("cannot read `{name}`: {why}")))
}

fn not_text(name: &str, error: &std::string::FromUtf8Error) -> Failure {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
    let message = format!("`{name}` is not UTF-8 text: line {line} has a byte that is none");
    Failure::io(Diagnostic::bare(NOT_TEXT, message))
}
