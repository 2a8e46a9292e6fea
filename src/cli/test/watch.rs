//! `dsp test --watch`: tests run again when a file changes that they read.

use super::Report;
use crate::cli::args::Test;
use crate::cli::scripts;
use crate::cli::shell::{Failure, Shell};
use crate::host::{SharedHost, Watched};
use crate::render::plain;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(250);

/// When files were last changed; one that is not there has no time.
type Times = BTreeMap<PathBuf, Option<Duration>>;

/// A script, and the files that its tests read.
#[derive(Debug)]
struct Seen {
    script: PathBuf,
    times: Times,
}

/// Runs tests until the process is ended.
///
/// # Errors
/// Folders that cannot be read at the beginning.
pub(super) fn run(shell: &Shell, args: &Test, paths: &[PathBuf]) -> Result<(), Failure> {
    let mut seen: Vec<Seen> = Vec::new();
    let mut scripts = scripts::find(shell, paths)?;
    loop {
        let changed = stale(shell, &seen, &scripts);
        seen.retain(|it| scripts.contains(&it.script) && !changed.contains(&it.script));
        if !changed.is_empty() {
            round(shell, args, &changed, &mut seen);
            shell.eprint("waiting for changes; Ctrl-C ends\n");
        }
        let told = wait(shell, &seen, &mut scripts, paths);
        shell.eprint(&format!("changed: {}\n", plain(&told)));
    }
}

/// The scripts that have not run, or that read something that has changed.
fn stale(shell: &Shell, seen: &[Seen], scripts: &[PathBuf]) -> Vec<PathBuf> {
    let fresh = |it: &Seen| it.times == times(shell, it.times.keys());
    let is_fresh = |path: &PathBuf| seen.iter().any(|it| it.script == *path && fresh(it));
    scripts.iter().filter(|path| !is_fresh(path)).cloned().collect()
}

/// Runs the tests of scripts, and notes what they read.
fn round(shell: &Shell, args: &Test, scripts: &[PathBuf], seen: &mut Vec<Seen>) {
    let mut report = Report::new(shell, args);
    for script in scripts {
        let host = Arc::new(Watched::new(shell.host.clone()));
        let shared: SharedHost = host.clone();
        // What changes while the tests run is a change after it.
        let before = shell.host.since_epoch();
        if let Err(failure) = report.on(shell.on(shared)).file(script, true) {
            shell.report(&failure);
        }
        let mut read: BTreeSet<PathBuf> = host.read_files();
        read.insert(script.clone());
        let mut times = times(shell, read.iter());
        times
            .values_mut()
            .filter(|it| it.is_some_and(|it| it > before))
            .for_each(|it| *it = None);
        seen.push(Seen { script: script.clone(), times });
    }
    if let Err(failure) = report.end() {
        shell.report(&failure);
    }
}

fn times<'a>(shell: &Shell, paths: impl Iterator<Item = &'a PathBuf>) -> Times {
    paths.map(|path| (path.clone(), shell.host.modified(path))).collect()
}

/// Waits until a file has changed, or scripts have come or gone; says which.
fn wait(shell: &Shell, seen: &[Seen], scripts: &mut Vec<PathBuf>, paths: &[PathBuf]) -> String {
    loop {
        crate::lm::block_on(async { tokio::time::sleep(PAUSE).await });
        // A folder that cannot be read for a moment is as it was.
        let now = scripts::find(shell, paths).unwrap_or_else(|_| scripts.clone());
        let files = seen.iter().flat_map(|it| &it.times);
        let changed = files.filter(|(path, time)| shell.host.modified(path) != **time);
        let mut changed: BTreeSet<&Path> = changed.map(|(path, _)| path.as_path()).collect();
        changed.extend(now.iter().filter(|it| !scripts.contains(it)).map(PathBuf::as_path));
        changed.extend(scripts.iter().filter(|it| !now.contains(it)).map(PathBuf::as_path));
        if !changed.is_empty() {
            let names: Vec<String> =
                changed.iter().map(|it| it.display().to_string()).collect();
            *scripts = now.clone();
            return names.join(", ");
        }
    }
}
