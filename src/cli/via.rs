//! `--via`: the workers that a command is to use.

use super::args::{Lm, Via};
use super::interrupt::Interrupt;
use super::settings::{project_file, project_folder};
use super::shell::{Failure, Shell};
use super::tracing::Tracer;
use crate::engine::Program;
use crate::eval::Remote;
use crate::host::read_text;
use crate::via::frame::{Bundle, VERSION};
use crate::via::{Files, Pool, PoolOptions, words};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Refuses what workers cannot be given, before anything is loaded.
///
/// # Errors
/// Why workers cannot be used.
pub(super) fn check(args: &Via, script: &Path) -> Result<(), Failure> {
    let Some(command) = &args.via else { return Ok(()) };
    words(command).map_err(|why| Failure::usage(format!("`--via`: {why}")))?;
    if script == Path::new("-") {
        let message = "a script on standard input cannot be sent to workers";
        let mut failure = Failure::usage(message);
        failure.hint("write it to a file".to_owned());
        return Err(failure);
    }
    Ok(())
}

/// What workers are to run.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) script: &'a Path,
    pub(super) program: &'a Program,
    /// The program first, the metric last, as texts that the script's items are visible in.
    pub(super) expression: String,
    pub(super) lm: &'a Lm,
    /// What is kept of what happens.
    pub(super) tracer: &'a Tracer<'a>,
}

/// Starts workers, where some are wanted.
///
/// # Errors
/// There are none to be had.
pub(super) fn start(
    shell: &Shell,
    args: &Via,
    ask: &Ask<'_>,
    interrupt: &Interrupt,
) -> Result<Option<Arc<dyn Remote>>, Failure> {
    let Some(command) = &args.via else { return Ok(None) };
    let command = words(command).map_err(|why| Failure::usage(format!("`--via`: {why}")))?;
    let root = project_folder(shell, ask.script);
    let files = Files::new(shell.host.clone(), root);
    let over = || interrupt.came().then(|| "ended by Ctrl-C".to_owned());
    let options = PoolOptions::new(command, args.workers);
    let pool = Pool::start(shell.host.clone(), options, bundle(shell, ask), files, &over);
    let pool = pool.map_err(|why| {
        let mut failure = Failure::usage(format!("no worker can be used: {why}"));
        // One that cannot load the program is a worker.
        if !why.contains("cannot load the program") {
            let hint = "`--via` wants a command such as `dsp worker`: `dsp doc workers`";
            failure.hint(hint.to_owned());
        }
        failure
    })?;
    tell_other_models(shell, ask.program, &pool);
    Ok(Some(Arc::new(pool)))
}

fn bundle(shell: &Shell, ask: &Ask<'_>) -> Bundle {
    let program = ask.program;
    let mut files = BTreeMap::new();
    for (_, source) in program.sources().iter() {
        // What is no file, such as the standard library, workers have themselves.
        let there = read_text(&*shell.host, Path::new(&*source.name));
        if there.is_ok_and(|text| *text == *source.text) {
            files.insert(source.name.to_string(), source.text.to_string());
        }
    }
    let project = project_file(shell, ask.script);
    Bundle {
        v: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hash: program.hash(),
        main: ask.script.display().to_string(),
        expression: ask.expression.clone(),
        files,
        project: project.and_then(|path| read_text(&*shell.host, &path).ok()),
        lm: program.lm(),
        seed: Some(program.seed()),
        no_cache: ask.lm.no_cache,
        keep_traces: ask.tracer.writes(),
        note_origins: ask.tracer.tells_content(),
    }
}

/// A name may mean another model where a worker runs: then scores are not comparable.
fn tell_other_models(shell: &Shell, program: &Program, pool: &Pool) {
    let Some(ready) = pool.ready() else { return };
    let here = program.model_hashes(ready.models.keys().map(String::as_str));
    for (name, hash) in &ready.models {
        if here.get(name).is_some_and(|ours| ours != hash) {
            shell.warn(&[format!("`{name}` is another model where the workers run")]);
        }
    }
}
