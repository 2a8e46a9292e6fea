//! `dsp trace`: what was recorded, shown, compared and written for other programs.

mod again;
pub(super) mod args;
mod diff;
mod export;
mod fork;
mod html;
mod replay;
mod show;
mod test;

use super::args::{Trace as Arguments, TraceAction};
use super::log;
use super::session::Kept;
use super::shell::{Failure, Shell, UNUSABLE};
use crate::diag::Diagnostic;
use crate::source::Sources;
use crate::trace::{About, Content, Trace, parse};
use std::cell::Cell;
use std::path::Path;

/// Looks at recorded traces.
pub(super) fn run(shell: &Shell, args: &Arguments) -> Result<(), Failure> {
    match &args.action {
        TraceAction::Show(args) => show::run(shell, args),
        TraceAction::Html(args) => html::run(shell, args),
        TraceAction::Export(args) => export::run(shell, args),
        TraceAction::Diff(args) => diff::run(shell, args),
        TraceAction::Replay(args) => replay::run(shell, args),
        TraceAction::Fork(args) => fork::run(shell, args),
        TraceAction::Test(args) => test::run(shell, args),
    }
}

/// A trace of a file.
struct Recorded {
    trace: Trace,
    about: About,
    /// What the file is called.
    name: String,
    /// How many of its prompts and replies are not at hand.
    missing: usize,
}

/// Reads a trace; its prompts and replies are in the file or in the store. What is no file may be
/// the id of an entry of the log.
fn read(shell: &Shell, path: &Path) -> Result<Recorded, Failure> {
    let is_file = shell.host.exists(path);
    let logged = path.to_str().filter(|_| !is_file).and_then(|it| log::trace_file(shell, it));
    let path = logged.as_deref().unwrap_or(path);
    let mut sources = Sources::default();
    let id = shell.read(path, &mut sources)?;
    let content = Counted { kept: Kept::of(shell)?, missing: Cell::default() };
    let (trace, about) = parse(&sources.get(id).text, &content).map_err(|error| {
        let message = format!("`{}` is no trace: {error}", path.display());
        Failure::io(Diagnostic::bare(UNUSABLE, message))
    })?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Recorded { trace, about, name, missing: content.missing.get() })
}

/// Content, and how much of it is not at hand.
#[derive(Debug)]
struct Counted {
    kept: Kept,
    missing: Cell<usize>,
}

impl Content for Counted {
    fn keep(&self, hash: &str, bytes: &[u8]) {
        self.kept.keep(hash, bytes);
    }

    fn find(&self, hash: &str) -> Option<Vec<u8>> {
        let found = self.kept.find(hash);
        self.missing.set(self.missing.get() + usize::from(found.is_none()));
        found
    }
}

/// The trace without what was said, where that is wanted.
fn told(recorded: Recorded, no_content: bool) -> Recorded {
    match no_content {
        false => recorded,
        true => Recorded {
            trace: recorded.trace.without_content(),
            about: recorded.about.without_content(),
            ..recorded
        },
    }
}
