//! The engine as an embedder sees it: load a program, call its modules, look at what happened.
//!
//! This is the only floor that wires the others together: it binds the natives, opens the
//! store and the models, and lays the settings over one another.
//!
//! # Example
//! ```
//! use dsp_lang::Engine;
//! use dsp_lang::lm::Scripted;
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder()
//!     .model(Arc::new(Scripted::new([r#"{"topic": "billing"}"#])))
//!     .build()?;
//! let program = engine.load_text(
//!     "triage.dsp",
//!     r#"signature Triage { in message: str  out topic: "billing" | "other" }
//!        module Router() {
//!            let sort = predict(Triage);
//!            fn forward(message) { sort(message) }
//!        }"#,
//! )?;
//! #[derive(serde::Deserialize)]
//! struct Sorted { topic: String }
//! let router = program.module("Router")?;
//! let sorted: Sorted = router.call(&serde_json::json!({ "message": "I was charged twice" }))?;
//! assert_eq!(sorted.topic, "billing");
//! # Ok(()) }
//! ```

mod ablate;
mod builder;
mod callable;
mod compile;
mod dspy;
mod error;
mod evaluate;
mod models;
mod program;
mod replay;
mod session;
mod units;
mod wiring;

pub use crate::runtime::prompt_text;
pub use ablate::{Taken, Whole};
pub use builder::{Budget, Builder};
pub use callable::{Callable, Reply};
pub use compile::{Searched, Wanted};
pub use dspy::Imported;
pub use error::Error;
pub use evaluate::Ask;
#[cfg(all(feature = "cli", feature = "local"))]
pub(crate) use models::announce;
pub use program::{Finished, Program, TestEnd, TestOptions};
pub use replay::Taped;
pub use session::{Entered, Interrupt, Session};

use crate::check::Checked;
use crate::config::Config;
use crate::diag::{Code, Diagnostic};
use crate::host::{Host, read_text};
use crate::lm::Cancel;
use crate::runtime::{Env, Settings};
use crate::source::{SourceId, Sources};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that cannot be read.
const UNREADABLE: Code = Code("E0001");

/// The engine: cheap to clone, shared by all its programs.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    env: Arc<Env>,
    /// What was said more strongly than a script says it.
    strong: Config,
    /// What holds where a script says nothing.
    weak: Config,
    /// What no settings file can say.
    base: Settings,
    cancel: Cancel,
}

/// A text that was checked.
#[derive(Debug, Clone)]
pub struct Check {
    /// The texts.
    pub sources: Sources,
    /// What is wrong: with what it imports, then with itself, in the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// What was made out.
    pub checked: Arc<Checked>,
    /// What it imports.
    units: Vec<units::Unit>,
}

impl Check {
    /// Whether something stops the program.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

impl Engine {
    /// Begins to set up an engine.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Checks a text; what it imports starts from the working directory. Nothing is run,
    /// downloaded or asked.
    pub fn check_text(&self, name: &str, text: &str) -> Check {
        let host = &*self.shared.env.host;
        check_whole(Some(host), name, text, None)
    }

    /// Loads a program from a file.
    ///
    /// # Errors
    /// The file cannot be read, or is no correct program.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Program, Error> {
        let path = path.as_ref();
        Program::new(self, check_file(&*self.shared.env.host, path)?, folder(path))
    }

    /// Loads a program from a text; its paths start from the working directory.
    ///
    /// # Errors
    /// It is no correct program.
    pub fn load_text(&self, name: &str, text: &str) -> Result<Program, Error> {
        Program::new(self, self.check_text(name, text), PathBuf::new())
    }

    /// Loads a program that was checked already; its paths start from `base`.
    ///
    /// # Errors
    /// It is no correct program.
    pub fn load_checked(&self, check: Check, base: PathBuf) -> Result<Program, Error> {
        Program::new(self, check, base)
    }

    /// Begins an interactive session.
    pub fn session(&self) -> Session {
        Session::new(self)
    }

    /// Ends all that runs on this engine, now and later.
    pub fn cancel(&self) {
        self.shared.cancel.cancel();
    }

    /// What ends evaluations and rows of tests after what is under way.
    pub(crate) fn pause(&self) -> Cancel {
        let shared = &self.shared;
        shared.base.pause.clone().unwrap_or_else(|| shared.cancel.clone())
    }

    /// What the store wants the user to know; each thing is told once.
    pub fn store_warnings(&self) -> Vec<String> {
        self.shared.env.store.warnings()
    }

    /// The machine.
    pub fn host(&self) -> &crate::host::SharedHost {
        &self.shared.env.host
    }
}

/// Reads a text file.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub fn read_file(host: &dyn Host, path: &Path) -> Result<String, Error> {
    read_text(host, path).map_err(|error| unreadable(path, &error))
}

/// What is wrong with a text that is among others and bears the name of its file, and with
/// what it imports.
pub fn check_source(
    host: &dyn Host,
    sources: &mut Sources,
    source: SourceId,
) -> Vec<Diagnostic> {
    let name = sources.get(source).name.clone();
    let path = Path::new(&*name);
    units::load(Some(host), sources, main(source, Some(path), &folder(path))).diagnostics
}

/// Says why a file cannot be read.
fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file `{shown}`"),
        std::io::ErrorKind::IsADirectory => format!("`{shown}` is a directory"),
        _ => format!("cannot read `{shown}`: {error}"),
    };
    Error::bare(Diagnostic::bare(UNREADABLE, message))
}

/// Checks a text that imports no files. Nothing is run, downloaded or asked.
pub fn check_text(name: &str, text: &str) -> Check {
    check_whole(None, name, text, None)
}

/// Checks a file with what it imports. Nothing is run, downloaded or asked.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn check_file(host: &dyn Host, path: &Path) -> Result<Check, Error> {
    let text = read_file(host, path)?;
    Ok(check_whole(Some(host), &path.display().to_string(), &text, Some(path)))
}

fn check_whole(host: Option<&dyn Host>, name: &str, text: &str, path: Option<&Path>) -> Check {
    let mut sources = Sources::default();
    let source = sources.add(name, text);
    let base = path.map(folder).unwrap_or_default();
    let loaded = units::load(host, &mut sources, main(source, path, &base));
    let (diagnostics, units) = (loaded.diagnostics, loaded.units);
    Check { sources, diagnostics, checked: Arc::new(loaded.checked), units }
}

/// A text that sees nothing of others.
fn main<'a>(source: SourceId, path: Option<&'a Path>, base: &'a Path) -> units::Main<'a> {
    units::Main { source, path, base, prior: &[], known: &[], locals: &[], open: false }
}

/// The folder of a file.
fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}
