//! `dsp compile`

use super::args::{Compile, Lm};
use super::interrupt::Interrupt;
use super::log::Begun;
use super::resume::{self, For};
use super::session;
use super::shell::{Failure, Shell};
use super::tracing::{Tracer, made};
use super::via;
use super::watch::{self, Watcher};
use crate::catalog;
use crate::diag::did_you_mean;
use crate::engine::{Program, Searched, Wanted};
use crate::eval::journal::Keep;
use crate::host::Place;
use crate::optimize::Report;
use std::path::{Path, PathBuf};

mod asked;

use asked::Asked;

/// So many runs are made to say what a search is likely to take.
const MEASURED: usize = 16;

/// So many seconds runs under way have left when the time is over.
const GRACE: f64 = 10.0;

/// Improves a program and saves what was found.
pub(super) fn run(shell: &Shell, args: &Compile) -> Result<(), Failure> {
    watch::one_output(args.json, &args.watch, "a file for events: `--events events.jsonl`")?;
    let folder = shell.host.place(Place::Runs);
    let resumed = match &args.resume {
        Some(id) => Some(resumed(shell, folder.as_deref(), id)?),
        None => None,
    };
    let asked = match &resumed {
        Some((_, asked)) => asked.with_caps(&args.lm),
        None => Asked::of(shell, args)?,
    };
    known(&asked.optimizer)?;
    via::check(&args.via, &asked.task.file)?;
    if args.via.via.is_some() && asked.optimizer.contains("metric:") {
        let message = "workers take the metric from `--metric`, not from `--with`";
        return Err(Failure::usage(message));
    }
    let watcher = Watcher::new(shell, "compile", &asked.task.file, &args.watch)?;
    let resumed = resumed.map(|it| it.0);
    let watched = Watched { shell, args, folder, resumed, asked, watcher };
    watched.watcher.end(watched.run())
}

/// A search that is watched.
struct Watched<'a> {
    shell: &'a Shell,
    args: &'a Compile,
    /// Where finished runs are kept.
    folder: Option<PathBuf>,
    /// The id of the run that is gone on with.
    resumed: Option<String>,
    asked: Asked,
    watcher: Watcher,
}

impl Watched<'_> {
    fn run(&self) -> Result<(), Failure> {
        let Self { shell, args, asked, watcher, .. } = self;
        let interrupt = Interrupt::on(shell, || Some("finishing the runs under way"));
        // Runs that are under way when the time is over are finished, and the state is saved.
        let max_seconds = asked.task.lm.max_seconds.map(|it| it + GRACE);
        let granted = Lm { max_seconds, ..asked.task.lm.clone() };
        let builder = session::builder(shell, &asked.task.file, &granted)?.progress();
        let tracer = Tracer::new(shell, &args.tracing, &asked.task.file)?;
        let builder = tracer.traced(builder);
        let engine = interrupt.heeded(watcher.watched(builder)).build()?;
        let program = session::load(shell, &engine, &asked.task.file)?;
        if args.plan {
            return plan(shell, &program, asked);
        }
        let begun = asked.task.begun(&program, Some(asked.output.clone()));
        watcher.begun(Begun { trace_file: tracer.file(), ..begun });
        let (expression, lm) = (asked.for_workers(), &asked.task.lm);
        let ask = via::Ask {
            script: &asked.task.file,
            program: &program,
            expression,
            lm,
            tracer: &tracer,
        };
        watcher.lend(via::start(shell, &args.via, &ask, &interrupt)?);
        let (folder, resumed) = (self.folder.as_deref(), self.resumed.as_ref());
        let keep = asked.task.keep(shell, folder, resumed, &program, asked.record());
        let (valset, testset) = (asked.valset(), asked.testset());
        let output = Path::new(&asked.output);
        let wanted = Wanted {
            optimizer: &asked.with(),
            program: &asked.task.program(),
            trainset: &asked.trainset(),
            valset: valset.as_deref(),
            testset: testset.as_deref(),
            keep: keep.as_ref(),
            output,
        };
        let Searched { finished, report } = program.compile(&wanted)?;
        shell.diagnose(program.sources(), &finished.warnings);
        watcher.warnings(&finished.warnings);
        shell.warn(&engine.store_warnings());
        let of = (&*asked.task.file, &asked.task.lm);
        tracer.write(&finished, made(shell, "compile", &program, of))?;
        finished.result?;
        shell.eprint(&format!("saved as {}\n", shown(shell, output)));
        if let Some(report) = &report {
            if args.json {
                shell.print(&format!("{}\n", report.to_value().to_json()));
            }
            if let Some(keep) = &keep {
                left(shell, keep, report, interrupt.came());
            }
        }
        // What the user ended is no success, though the best so far is there.
        let ended = report.is_some_and(|it| it.stop.is_some());
        if interrupt.came() && ended { Err(Failure::told()) } else { Ok(()) }
    }
}

/// Says what the search takes, without searching.
fn plan(shell: &Shell, program: &Program, asked: &Asked) -> Result<(), Failure> {
    let measure = if asked.task.lm.max_calls == Some(0) { 0 } else { MEASURED };
    let finished = program.eval(&asked.plan(measure))?;
    shell.diagnose(program.sources(), &finished.warnings);
    let value = finished.result?;
    shell.print(&format!("{}\n", value.as_str().unwrap_or_default()));
    Ok(())
}

/// A path as the user would write it here.
fn shown(shell: &Shell, path: &Path) -> String {
    let here = resume::here(shell).ok();
    let below = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    below.unwrap_or(path).display().to_string()
}

/// Says how a search that did not come to its end can go on.
fn left(shell: &Shell, keep: &Keep, report: &Report, interrupted: bool) {
    let Some(stop) = &report.stop else { return };
    let cap = if interrupted { "" } else { resume::raised(stop) };
    let id = &keep.id;
    shell.eprint(&format!("`dsp compile --resume {id}{cap}` goes on from here\n"));
}

/// The search to go on with.
fn resumed(shell: &Shell, folder: Option<&Path>, id: &str) -> Result<(String, Asked), Failure> {
    let (id, saved) = resume::find(shell, folder, id, For::Compile)?;
    let asked = Asked::read(&saved.header.command).ok_or_else(|| {
        Failure::usage(format!("the run `{id}` does not say how it was begun"))
    })?;
    let what = format!(
        "{} with {}, {} runs are there",
        asked.task.expression,
        asked.optimizer,
        saved.len()
    );
    resume::tell(shell, &id, &what, &saved);
    Ok((id, asked))
}

/// A bare name must be that of an optimizer; an expression may be anything.
fn known(said: &str) -> Result<(), Failure> {
    let is_name = said.chars().all(|ch| ch.is_alphanumeric() || ch == '_');
    let is_optimizer = |it: &&catalog::Native| it.result == "optimizer";
    let mut names = catalog::NATIVES.iter().filter(is_optimizer).map(|it| it.name);
    if !is_name || names.clone().any(|name| name == said) {
        return Ok(());
    }
    let mut failure = Failure::usage(format!("there is no optimizer `{said}`"));
    failure.hint(did_you_mean(said, names.by_ref()));
    Err(failure)
}
