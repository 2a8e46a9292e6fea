//! The recordings beside scripts.

use crate::cli::shell::{Failure, Shell, UNUSABLE};
use crate::diag::Diagnostic;
use crate::source::{Sources, Span};
use crate::test_run::recording::{ReadError, Recording};
use crate::test_run::tape::Record;
use crate::test_run::{Ended, Outcome};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is put in place of a script's ending.
const ENDING: &str = "replies.jsonl";

/// Where the replies to the tests of a script are recorded.
pub(in crate::cli) fn beside(script: &Path) -> PathBuf {
    script.with_extension(ENDING)
}

/// Reads the recording of a script; where there is none, nothing is recorded.
///
/// # Errors
/// A file that cannot be read, or is no recording.
pub(super) fn read(shell: &Shell, script: &Path) -> Result<Arc<Recording>, Failure> {
    let path = beside(script);
    if !shell.host.exists(&path) {
        return Ok(Arc::default());
    }
    let mut sources = Sources::default();
    let id = shell.read(&path, &mut sources)?;
    let text = sources.get(id).text.clone();
    Recording::parse(&text).map(Arc::new).map_err(|ReadError { line, message }| {
        let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let span = Span::new(id, start, start + 1);
        let diag = Diagnostic::new(UNUSABLE, span, message)
            .hint("mend it, or remove the file and record anew: `dsp test --record`");
        Failure { exit: Failure::USAGE, sources, diags: vec![diag] }
    })
}

/// A test that was run while its replies were recorded.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    /// The name it is recorded under.
    pub(super) key: String,
    /// What was written down.
    pub(super) tape: &'a Record,
    /// How it ended.
    pub(super) outcome: Outcome,
}

impl<'a> Taken<'a> {
    pub(super) fn new(key: &str, tape: &'a Record, ended: &Ended) -> Self {
        Self { key: key.to_owned(), tape, outcome: ended.outcome }
    }
}

/// What a recording becomes: the replies to the tests that were run are those taken down now,
/// those to others stay. `all` are the names of all tests: what was recorded for others is
/// dropped. A test that an error stopped may have asked for less than it needs, so what it has
/// stays too.
pub(super) fn merged(old: &Recording, all: &[String], taken: &[Taken<'_>]) -> Recording {
    let mut new = Recording::default();
    for it in taken {
        new.take_calls(&it.tape.taken(), |_, _| true);
    }
    let made = new.clone();
    new.take_calls(old, |place, call| {
        let run = taken.iter().find(|it| it.key == place.test);
        match run {
            Some(it) if it.outcome != Outcome::Broken => false,
            Some(_) => !made.calls(place).iter().any(|it| it.request == call.request),
            None => all.contains(&place.test),
        }
    });
    new.tidy();
    new
}

/// Writes a recording where it changed, and says so.
///
/// # Errors
/// The file cannot be written.
pub(in crate::cli) fn write(
    shell: &Shell,
    script: &Path,
    old: &Recording,
    new: &Recording,
) -> Result<(), Failure> {
    let path = beside(script);
    let absent = new.is_empty() && !shell.host.exists(&path);
    let (before, after) = (old.n_calls(), new.n_calls());
    let shown = path.display();
    if !absent && (old.text() != new.text() || !shell.host.exists(&path)) {
        shell.write(&path, &new.text())?;
        shell.eprint(&format!("{shown}: {} now, {before} before\n", replies(after)));
    } else if !absent {
        shell.eprint(&format!("{shown}: {}, as before\n", replies(after)));
    }
    Ok(())
}

/// A number of replies.
pub(super) fn replies(n: usize) -> String {
    format!("{n} {}", if n == 1 { "reply" } else { "replies" })
}
