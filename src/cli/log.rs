//! `dsp log`: what evaluations and searches came to, kept in the user's own folder.
//!
//! One file for all projects, a line of JSON each, which is only added to. An entry says what was
//! run by hashes and names; rows, prompts and replies are not in it, and a secret never gets as
//! far. A line that was cut off is passed over.

mod diff;
mod entry;
mod find;
mod list;

use super::args::{Log as Arguments, LogAction, LogFilter};
use super::settings::project_folder;
use super::shell::{Failure, Shell};
use crate::eval::{Account, journal};
use crate::host::Place;
use crate::util::lock;
use entry::{Entry, FILE, VERSION};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What the command line says of what is evaluated; values do not know it.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun {
    /// The hash of the script and of what it imports.
    pub(super) hash: String,
    /// The program, as it was asked for.
    pub(super) program: Option<String>,
    /// The metric, likewise.
    pub(super) metric: Option<String>,
    /// The file of the state that was scored, or of the one that is written.
    pub(super) state_file: Option<String>,
    /// The file of its trace.
    pub(super) trace_file: Option<String>,
}

/// The log, to be added to by one command.
#[derive(Debug)]
pub(super) struct Log {
    shell: Shell,
    command: &'static str,
    script: String,
    project: String,
    begun: Mutex<Begun>,
}

impl Log {
    pub(super) fn new(shell: &Shell, command: &'static str, script: &Path) -> Self {
        let is_file = script != Path::new("-");
        let place = if is_file { script } else { Path::new("<stdin>") };
        let whole = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Self {
            shell: shell.clone(),
            command,
            script: if is_file { text(&whole) } else { "<stdin>".to_owned() },
            project: text(&project_folder(shell, &whole)),
            begun: Mutex::default(),
        }
    }

    pub(super) fn set(&self, begun: Begun) {
        *lock(&self.begun) = begun;
    }

    /// An account as the command line would say it.
    pub(super) fn told(&self, account: &Account) -> Account {
        let begun = self.begun(account);
        Account {
            program: begun.program.unwrap_or_else(|| account.program.clone()),
            metric: begun.metric.unwrap_or_else(|| account.metric.clone()),
            ..account.clone()
        }
    }

    /// What was said of this account.
    fn begun(&self, account: &Account) -> Begun {
        let begun = lock(&self.begun).clone();
        // What a script evaluates by itself beside that is its own.
        let asked = matches!(
            (self.command, &*account.kind),
            ("eval", "evaluate") | ("compile", "compile")
        );
        if asked {
            return begun;
        }
        Begun { hash: begun.hash, trace_file: begun.trace_file, ..Begun::default() }
    }

    /// Adds an entry; returns its id. Where it cannot be written a warning says so.
    pub(super) fn add(&self, account: Account) -> Option<String> {
        let folder = self.shell.host.place(Place::Log)?;
        let begun = self.begun(&account);
        let id = match &account.run {
            Some(run) => run.clone(),
            None => journal::new_id(&*self.shell.host, &format!("{account:?}")),
        };
        let entry = Entry {
            dsp_log: VERSION,
            id: id.clone(),
            time: self.shell.host.since_epoch().as_secs(),
            command: self.command.to_owned(),
            project: self.project.clone(),
            script: self.script.clone(),
            script_hash: begun.hash,
            state_file: begun.state_file,
            trace_file: begun.trace_file,
            account,
        };
        match self.shell.host.append(&folder.join(FILE), entry.to_line().as_bytes()) {
            Ok(()) => Some(id),
            Err(error) => {
                let place = folder.join(FILE);
                let place = place.display();
                self.shell
                    .warn(&[format!("`dsp log` will not know of this: `{place}`: {error}")]);
                None
            }
        }
    }
}

/// Looks at the log.
pub(super) fn run(shell: &Shell, args: &Arguments) -> Result<(), Failure> {
    match &args.action {
        None => list::run(shell, &args.filter, args.limit, args.json),
        Some(LogAction::Show { id, json }) => list::show(shell, id, *json),
        Some(LogAction::Diff { a, b, json }) => diff::run(shell, a, b, *json),
        Some(LogAction::Find { score, state, filter, json }) => {
            find::run(shell, score.as_deref(), state.as_deref(), filter, *json)
        }
    }
}

/// The entries that the filter leaves, the oldest first. Of several of one id, which a stop and
/// its resumption leave, it is the newest.
fn entries(shell: &Shell, filter: &LogFilter) -> Result<Vec<Entry>, Failure> {
    let here = std::path::absolute(".").unwrap_or_default();
    let project = project_folder(shell, &here.join("<here>"));
    let mut all = entry::read(shell)?;
    all.retain(|it| filter.all || Path::new(&it.project).starts_with(&project));
    if let Some(wanted) = &filter.script {
        all.retain(|it| is_script(&it.script, wanted));
    }
    let mut kept: Vec<Entry> = Vec::new();
    for entry in all {
        kept.retain(|it| it.id != entry.id);
        kept.push(entry);
    }
    Ok(kept)
}

/// Whether a script is meant by a path, or by the end of one.
fn is_script(script: &str, wanted: &Path) -> bool {
    let whole: PathBuf = std::path::absolute(wanted).unwrap_or_default();
    let script = Path::new(script);
    script == whole
        || script.ends_with(wanted)
        || script.file_stem() == Some(wanted.as_os_str())
}

/// The file of the trace of an entry, where it has one.
pub(super) fn trace_file(shell: &Shell, id: &str) -> Option<PathBuf> {
    of_id(shell, id).ok()?.trace_file.map(PathBuf::from)
}

/// The entry of an id, or of the beginning or end of one.
fn of_id(shell: &Shell, id: &str) -> Result<Entry, Failure> {
    let everywhere = LogFilter { script: None, all: true };
    let all = entries(shell, &everywhere)?;
    if let Some(entry) = all.iter().find(|it| it.id == id) {
        return Ok(entry.clone());
    }
    let is_near = |it: &&Entry| it.id.starts_with(id) || it.id.ends_with(id);
    let near: Vec<&Entry> = all.iter().filter(is_near).collect();
    match near[..] {
        [one] => Ok(one.clone()),
        [] => {
            let mut failure = Failure::usage(format!("the log has no entry `{id}`"));
            if let Some(newest) = all.last() {
                failure.hint(format!("the newest is {}", newest.id));
            }
            Err(failure)
        }
        _ => {
            let ids: Vec<&str> = near.iter().rev().take(5).map(|it| &*it.id).collect();
            let mut failure = Failure::usage(format!("`{id}` may mean {} entries", near.len()));
            failure.hint(format!("such as {}", ids.join(", ")));
            Err(failure)
        }
    }
}
