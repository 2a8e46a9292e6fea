//! `dsp run`

use super::args::Run;
use super::interrupt::Interrupt;
use super::log::Begun;
use super::session;
use super::shell::{Failure, Shell};
use super::tracing::{Tracer, failed, files, made};
use super::usage;
use super::watch::Watcher;
use crate::host::Copied;
use crate::trace::Made;
use std::path::Path;
use std::sync::Arc;

/// Runs a script.
pub(super) fn run(shell: &Shell, args: &Run) -> Result<(), Failure> {
    let shell = &if args.quiet { shell.quiet() } else { shell.clone() };
    if args.watch.events.as_deref() == Some(Path::new("-")) {
        let mut failure = Failure::usage("standard output is the script's own");
        failure.hint("name a file: `--events events.jsonl`".to_owned());
        return Err(failure);
    }
    let watcher = Watcher::new(shell, "run", &args.file, &args.watch)?;
    watcher.end(watched(shell, args, &watcher))
}

fn watched(shell: &Shell, args: &Run, watcher: &Watcher) -> Result<(), Failure> {
    // What is no evaluation and no search has nothing to show for itself: it ends at once.
    let watching = watcher.clone();
    let first = move || watching.is_busy().then_some("finishing the rows under way");
    let interrupt = Interrupt::on(shell, first);
    let builder = session::builder(shell, &args.file, &args.lm)?;
    let builder = if args.quiet { builder } else { builder.progress() };
    let tracer = Tracer::new(shell, &args.tracing, &args.file)?;
    let builder = watcher.watched(tracer.traced(builder));
    let copied = tracer.writes().then(|| Arc::new(Copied::new(shell.host.clone())));
    let builder = match &copied {
        Some(host) => builder.host(host.clone()),
        None => builder,
    };
    let engine = interrupt.heeded(builder).build()?;
    let program = session::load(shell, &engine, &args.file)?;
    copied.iter().for_each(|it| it.begin());
    let (hash, trace_file) = (program.hash(), tracer.file());
    watcher.begun(Begun { hash, trace_file, ..Begun::default() });
    let finished = program.run();
    shell.diagnose(program.sources(), &finished.warnings);
    watcher.warnings(&finished.warnings);
    shell.warn(&engine.store_warnings());
    if args.usage {
        shell.eprint(&usage::text(&program.spent(), &program.shares()));
    }
    let read = copied.as_ref().map(|it| files(shell, &args.file, it));
    let made = Made {
        printed: copied.and_then(|it| it.printed()),
        files: read.unwrap_or_default(),
        failed: failed(&finished),
        ..made(shell, "run", &program, (&args.file, &args.lm))
    };
    tracer.write(&finished, made)?;
    finished.result?;
    if interrupt.came() { Err(Failure::told()) } else { Ok(()) }
}
