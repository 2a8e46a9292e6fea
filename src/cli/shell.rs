//! What commands share: streams, files, and how they end.

use crate::diag::{Code, Diagnostic};
use crate::engine;
use crate::host::SharedHost;
use crate::render;
use crate::source::{SourceId, Sources};
use std::path::Path;

/// The command line, or something that it asks for, is wrong.
const USAGE: Code = Code("E0005");
/// A file that cannot be written.
const CANNOT_WRITE: Code = Code("E0006");
/// A file, or a place of the user's, that is of no use.
pub(super) const UNUSABLE: Code = Code("E0007");
/// So many diagnostics are shown; nobody reads more, and drawing each takes time.
pub(super) const MOST_TOLD: usize = 100;
/// The codes of the command line and their titles.
pub const CODES: &[(Code, &str)] = &[
    (USAGE, "a command that cannot be carried out"),
    (CANNOT_WRITE, "a file that cannot be written"),
    (UNUSABLE, "a file or place that is of no use"),
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

    /// A model that cannot be had.
    #[cfg(feature = "local")]
    pub(super) fn model(error: &crate::lm::Error) -> Self {
        let diag = Diagnostic::bare(UNUSABLE, error.to_string());
        Self::io(diag.hint(error.hint_text().unwrap_or_default()))
    }

    /// Adds what the user can do.
    pub(super) fn hint(&mut self, hint: String) {
        if let Some(diag) = self.diags.pop() {
            self.diags.push(diag.hint(hint));
        }
    }
}

/// A program that is wrong, or a file that is: one without a place in a text.
impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let files = |diag: &Diagnostic| diag.primary.is_none() && diag.code.0 < "E0100";
        let exit =
            if error.diagnostics().iter().all(files) { Self::USAGE } else { Self::PROGRAM };
        Self { exit, sources: error.sources().clone(), diags: error.diagnostics().to_vec() }
    }
}

/// The machine as commands use it.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    /// The machine.
    pub(super) host: SharedHost,
    /// Whether only errors are told.
    quiet: bool,
}

impl Shell {
    pub(super) fn new(host: SharedHost) -> Self {
        Self { host, quiet: false }
    }

    /// Tells only errors.
    pub(super) fn quiet(&self) -> Self {
        Self { quiet: true, ..self.clone() }
    }

    /// The same on another machine.
    pub(super) fn on(&self, host: SharedHost) -> Self {
        Self { host, ..self.clone() }
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

    /// Whether standard output shows colours.
    pub(super) fn prints_colors(&self) -> bool {
        self.host.prints_to_terminal() && self.host.env("NO_COLOR").is_none()
    }

    /// Writes diagnostics; of a quiet command only errors.
    pub(super) fn diagnose(&self, sources: &Sources, diags: &[Diagnostic]) {
        let told = diags.iter().filter(|diag| diag.is_error() || !self.quiet);
        let all = told.clone().count();
        let told: Vec<Diagnostic> = told.take(MOST_TOLD).cloned().collect();
        self.eprint(&render::text(sources, &told, self.colors()));
        self.more(all);
    }

    /// Says how many of so many diagnostics are not told.
    pub(super) fn more(&self, all: usize) {
        if all > MOST_TOLD {
            self.eprint(&format!("and {} more\n", all - MOST_TOLD));
        }
    }

    /// Writes warnings that are about no text.
    pub(super) fn warn(&self, warnings: &[String]) {
        for warning in warnings.iter().filter(|_| !self.quiet) {
            self.eprint(&format!("warning: {}\n", render::plain(warning)));
        }
    }

    /// Says why a command failed.
    pub(super) fn report(&self, failure: &Failure) {
        self.diagnose(&failure.sources, &failure.diags);
    }

    /// Says once, on terminals, where more is said about what was told.
    pub(super) fn explain(&self, diags: &[Diagnostic]) {
        if self.host.is_terminal() && !self.quiet {
            self.eprint(&more_about(diags));
        }
    }

    /// Reads a text file and adds it to the sources.
    ///
    /// # Errors
    /// A file that cannot be read, or is not UTF-8.
    pub(super) fn read(&self, path: &Path, sources: &mut Sources) -> Result<SourceId, Failure> {
        let text = engine::read_file(&*self.host, path)?;
        Ok(sources.add(path.display().to_string(), text))
    }

    /// Writes a text file.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        self.host.write(path, text.as_bytes()).map_err(|error| unwritten(path, &error))
    }

    /// Adds to a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn append(&self, path: &Path, text: &str) -> Result<(), Failure> {
        self.host.append(path, text.as_bytes()).map_err(|error| unwritten(path, &error))
    }

    /// A path of the command line as scripts can name it, wherever they stand.
    ///
    /// # Errors
    /// There is no working directory, or the path is not Unicode.
    pub(super) fn absolute(&self, path: &Path) -> Result<String, Failure> {
        let absolute = std::path::absolute(path).ok();
        let text = absolute.and_then(|path| path.into_os_string().into_string().ok());
        text.ok_or_else(|| Failure::usage(format!("`{}` is no usable path", path.display())))
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write `{}`: {error}", path.display());
    Failure::io(Diagnostic::bare(CANNOT_WRITE, message))
}

/// Where more is said about the first error, else about the first warning.
fn more_about(diags: &[Diagnostic]) -> String {
    let first = diags.iter().find(|it| it.is_error()).or_else(|| diags.first());
    first.map_or(String::new(), |it| format!("`dsp explain {}` says more\n", it.code.0))
}

#[cfg(test)]
mod tests;
