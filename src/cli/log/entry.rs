//! Entries of the log, and the file that they stand in.

use crate::cli::shell::{Failure, Shell, UNUSABLE};
use crate::diag::Diagnostic;
use crate::eval::Account;
use crate::host::Place;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;

/// The version of the format.
pub(super) const VERSION: u32 = 1;
/// The name of the file.
pub(super) const FILE: &str = "log.jsonl";

/// An entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The version of the format.
    pub(super) dsp_log: u32,
    /// What it is called.
    pub(super) id: String,
    /// Seconds since 1970 when it ended.
    pub(super) time: u64,
    /// The command: `eval`, `compile`, `run`.
    pub(super) command: String,
    /// The folder of the project.
    pub(super) project: String,
    /// The script.
    pub(super) script: String,
    /// The hash of the script and of what it imports.
    pub(super) script_hash: String,
    /// The file of the state, as far as the command line said it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) state_file: Option<String>,
    /// The file of its trace, where one was written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) trace_file: Option<String>,
    /// What it came to.
    #[serde(flatten)]
    pub(super) account: Account,
}

impl Entry {
    /// Its line in the file.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("entries have string keys and finite numbers") + "\n"
    }

    /// The script as seen from the project.
    pub(super) fn script_name(&self) -> &str {
        let below = self.script.strip_prefix(&*self.project);
        below.map_or(&self.script, |it| it.trim_start_matches(['/', '\\']))
    }

    /// What was done, in a word.
    pub(super) fn what(&self) -> &str {
        match &*self.account.optimizer {
            "" => &self.account.kind,
            optimizer => optimizer,
        }
    }

    /// The score with its interval.
    pub(super) fn score(&self) -> String {
        match (self.account.score, self.account.interval) {
            (Some(score), Some((low, high))) => format!("{score:.3} ({low:.3} to {high:.3})"),
            (Some(score), None) => format!("{score:.3}"),
            (None, _) => "-".to_owned(),
        }
    }

    /// Its rows.
    pub(super) fn rows(&self) -> usize {
        self.account.data.iter().map(|it| it.rows).sum()
    }

    /// When it ended: `2026-11-23 05:45` in universal time.
    pub(super) fn when(&self) -> String {
        // The ids of runs hold the same, but an id is only a name.
        let (year, month, day) = crate::eval::journal::date(self.time / 86_400);
        let (hour, minute) = (self.time / 3600 % 24, self.time / 60 % 60);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

/// All entries, the oldest first; none where nothing was ever logged.
///
/// # Errors
/// The file cannot be read.
pub(super) fn read(shell: &Shell) -> Result<Vec<Entry>, Failure> {
    let Some(folder) = shell.host.place(Place::Log) else {
        return Err(Failure::usage("this machine has no place for a log"));
    };
    let at = folder.join(FILE);
    let bytes = match shell.host.read(&at) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            let message = format!("the log `{}` cannot be read: {error}", at.display());
            return Err(Failure::io(Diagnostic::bare(UNUSABLE, message)));
        }
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(line).ok());
    Ok(entries.filter(|it| it.dsp_log == VERSION).collect())
}
