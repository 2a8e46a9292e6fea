//! `dsp runs`

use super::args::{Runs, RunsAction};
use super::record;
use super::resume;
use super::shell::{Failure, Shell};
use crate::eval::journal::{self, Saved};
use crate::host::Place;
use crate::render::{Align, Table, plain};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Looks at runs, or deletes them.
pub(super) fn run(shell: &Shell, args: &Runs) -> Result<(), Failure> {
    let folder = shell.host.place(Place::Runs);
    let folder = folder.ok_or_else(|| Failure::usage("this machine has no place for runs"))?;
    match &args.action {
        RunsAction::List { all, json } => list(shell, &folder, *all, *json),
        RunsAction::Show { id, json } => show(shell, &folder, id, *json),
        RunsAction::Rm { ids, finished, older_than } => {
            let age = older_than.map(|it| shell.host.since_epoch().saturating_sub(it));
            remove(shell, &folder, ids, *finished, age)
        }
    }
}

/// A run that can be read.
struct Known {
    id: String,
    saved: Saved,
}

/// All runs, the newest first.
fn known(shell: &Shell, folder: &Path) -> Vec<Known> {
    let ids = journal::ids(&*shell.host, folder).unwrap_or_default();
    let read = |id: String| {
        let saved = journal::read(&*shell.host, folder, &id).ok()?;
        Some(Known { id, saved })
    };
    ids.into_iter().filter_map(read).collect()
}

impl Known {
    fn said(&self, name: &str) -> String {
        record::text(&self.saved.header.command, name).unwrap_or_default()
    }

    /// What was run: `Rag(k: 5) by right`, `rag with random_search`.
    fn what(&self) -> String {
        let program = self.said("program");
        match self.saved.header.kind.as_str() {
            "compile" => format!("{program} with {}", self.said("with")),
            _ => format!("{program} by {}", self.said("metric")),
        }
    }

    fn how_far(&self) -> String {
        let (kept, all) = (self.saved.len(), self.saved.header.rows);
        match (&self.saved.end, self.saved.header.kind.as_str()) {
            (Some(_), _) => "finished".to_owned(),
            (None, "compile") => format!("{kept} runs"),
            (None, _) => format!("{kept} of {all} rows"),
        }
    }

    fn score(&self) -> Option<f64> {
        self.saved.end?.score
    }

    fn json(&self) -> serde_json::Value {
        let (header, in_flight) = (&self.saved.header, self.saved.in_flight());
        json!({
            "id": self.id,
            "kind": header.kind,
            "program": self.said("program"),
            "metric": self.said("metric"),
            "with": self.said("with"),
            "folder": self.said("from"),
            "began": header.began,
            "finished": self.saved.end.is_some(),
            "score": self.score(),
            "runs": self.saved.len(),
            "rows": header.rows,
            "calls": self.saved.n_calls(),
            "in_flight": in_flight.calls,
        })
    }
}

fn list(shell: &Shell, folder: &Path, all: bool, json: bool) -> Result<(), Failure> {
    let here = resume::here(shell)?;
    let begun_here = |it: &Known| resume::begun_in(&it.saved.header.command) == Some(&here);
    let runs = known(shell, folder).into_iter().filter(|it| all || begun_here(it));
    if json {
        runs.for_each(|it| shell.print(&format!("{}\n", it.json())));
        return Ok(());
    }
    let mut table = Table::new([
        ("run", Align::Left),
        ("kind", Align::Left),
        ("what", Align::Left),
        ("how far", Align::Left),
        ("score", Align::Right),
        ("calls", Align::Right),
        ("when", Align::Left),
    ]);
    let mut n_runs = 0;
    for it in runs {
        n_runs += 1;
        let score = it.score().map_or("-".to_owned(), |score| format!("{score:.3}"));
        let (calls, when) = (it.saved.n_calls().to_string(), journal::when(&it.saved.header));
        let kind = &it.saved.header.kind;
        table.row([&*it.id, kind, &it.what(), &it.how_far(), &score, &calls, &when]);
    }
    if n_runs > 0 {
        shell.print(&plain(&table.render()));
    } else if all {
        shell.eprint("nothing was begun\n");
    } else {
        shell.eprint("nothing was begun in this folder; `dsp runs list --all` looks further\n");
    }
    Ok(())
}

fn show(shell: &Shell, folder: &Path, id: &str, json: bool) -> Result<(), Failure> {
    let known = Known { id: id.to_owned(), saved: resume::named(shell, folder, id)? };
    if json {
        shell.print(&format!("{}\n", known.json()));
        return Ok(());
    }
    let header = &known.saved.header;
    let command = if header.kind == "compile" { "dsp compile" } else { "dsp eval" };
    let mut lines = vec![
        ("run", format!("{id} ({})", header.kind)),
        ("what", known.what()),
        ("begun", format!("{} in {}", journal::when(header), known.said("from"))),
        ("script", format!("{} ({})", known.said("file"), header.program)),
        ("state", header.state.clone()),
        ("data", header.data.clone()),
        ("valset", header.valset.clone()),
        ("models", header.models.join(", ")),
        ("optimizer", header.optimizer.clone()),
        ("seed", header.seed.to_string()),
        ("how far", known.how_far()),
        ("calls", known.saved.n_calls().to_string()),
        ("score", known.score().map_or(String::new(), |it| format!("{it:.3}"))),
    ];
    let in_flight = known.saved.in_flight();
    if known.saved.end.is_none() {
        lines.push(("goes on", format!("`{command} --resume {id}`")));
        if in_flight.calls > 0 {
            lines.push(("", in_flight.to_string()));
        }
    }
    for (name, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        shell.print(&plain(&format!("{name:<10}{text}\n")));
    }
    Ok(())
}

/// Deletes the runs of these ids, and those that the flags mean: both must hold where both are
/// given.
fn remove(
    shell: &Shell,
    folder: &Path,
    ids: &[String],
    finished: bool,
    before: Option<Duration>,
) -> Result<(), Failure> {
    for id in ids {
        resume::named(shell, folder, id)?;
    }
    let mut meant: Vec<String> = ids.to_vec();
    if finished || before.is_some() {
        let is_meant = |it: &Known| {
            let began = Duration::from_secs(it.saved.header.began);
            (!finished || it.saved.end.is_some()) && before.is_none_or(|it| began < it)
        };
        let found = known(shell, folder).into_iter().filter(is_meant).map(|it| it.id);
        meant.extend(found.filter(|it| !ids.contains(it)));
    }
    for id in &meant {
        let path: PathBuf = journal::path(folder, id);
        shell.host.remove(&path).map_err(|error| {
            Failure::usage(format!("`{}` cannot be deleted: {error}", path.display()))
        })?;
    }
    let s = if meant.len() == 1 { "" } else { "s" };
    shell.eprint(&format!("{} run{s} deleted\n", meant.len()));
    Ok(())
}
