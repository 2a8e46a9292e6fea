//! Which run of this folder a command goes on with.

use super::shell::{Failure, Shell};
use crate::eval::Stop;
use crate::eval::journal::{self, Saved};
use crate::schema::Record;
use std::path::Path;

/// What runs are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Evaluate,
    Compile,
}

impl For {
    /// As files say it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluate",
            Self::Compile => "compile",
        }
    }

    fn of(kind: &str) -> Option<Self> {
        [Self::Evaluate, Self::Compile].into_iter().find(|it| it.kind() == kind)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluation",
            Self::Compile => "search",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Evaluate => "dsp eval",
            Self::Compile => "dsp compile",
        }
    }
}

/// The working directory.
///
/// # Errors
/// There is none, or it is not Unicode.
pub(super) fn here(shell: &Shell) -> Result<String, Failure> {
    shell.absolute(Path::new("."))
}

/// Where the run of a record was begun.
pub(super) fn begun_in(command: &Record) -> Option<&str> {
    command.get("from")?.as_str()
}

/// The run to go on with: the one of this id, else of those that were begun in this folder the
/// newest that has something left to do, else the newest.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn find(
    shell: &Shell,
    folder: Option<&Path>,
    id: &str,
    wanted: For,
) -> Result<(String, Saved), Failure> {
    let folder = folder.ok_or_else(|| Failure::usage("this machine has no place for runs"))?;
    if id.is_empty() {
        return newest(shell, folder, wanted);
    }
    let saved = named(shell, folder, id)?;
    match For::of(&saved.header.kind) {
        Some(kind) if kind != wanted => {
            let mut failure = Failure::usage(format!("the run `{id}` is no {}", wanted.name()));
            failure.hint(format!("`{} --resume {id}` goes on with it", kind.command()));
            Err(failure)
        }
        _ => Ok((id.to_owned(), saved)),
    }
}

/// The run of this id.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn named(shell: &Shell, folder: &Path, id: &str) -> Result<Saved, Failure> {
    journal::read(&*shell.host, folder, id).map_err(|why| {
        let mut failure = Failure::usage(why);
        let known = journal::ids(&*shell.host, folder).unwrap_or_default();
        let newest: Vec<String> = known.into_iter().take(3).collect();
        if !newest.is_empty() {
            failure.hint(format!("the newest are {}", newest.join(", ")));
        }
        failure
    })
}

fn newest(shell: &Shell, folder: &Path, wanted: For) -> Result<(String, Saved), Failure> {
    let here = here(shell)?;
    let ids = journal::ids(&*shell.host, folder).unwrap_or_default();
    let mut found = None;
    for id in ids {
        let Ok(saved) = journal::read(&*shell.host, folder, &id) else { continue };
        let is_meant = saved.header.kind == wanted.kind();
        let ours = is_meant && begun_in(&saved.header.command) == Some(&here);
        if ours && saved.end.is_none() {
            return Ok((id, saved));
        }
        // Of one that is complete the report may be what is missing.
        if ours && found.is_none() {
            found = Some((id, saved));
        }
    }
    found
        .ok_or_else(|| Failure::usage(format!("no {} was begun in this folder", wanted.name())))
}

/// Says that a run goes on, and what may be paid for twice.
pub(super) fn tell(shell: &Shell, id: &str, what: &str, saved: &Saved) {
    shell.eprint(&format!("going on with {id}: {what}\n"));
    let in_flight = saved.in_flight();
    if in_flight.calls > 0 {
        shell.eprint(&format!("{in_flight}\n"));
    }
}

/// The flag that lets work go on which was stopped so.
pub(super) fn raised(stop: &Stop) -> &'static str {
    match stop {
        Stop::MaxCalls(_) | Stop::Refused(_) => " --max-calls N",
        Stop::MaxTokens(_) => " --max-tokens N",
        Stop::MaxCost(_) => " --max-usd USD",
        Stop::MaxTime(_) => " --max-seconds S",
        Stop::Cancelled | Stop::Metric(_) | Stop::Unserved(_) => "",
    }
}
