//! `dsp eval`

use super::args::Eval;
use super::interrupt::Interrupt;
use super::log::Begun;
use super::resume::{self, For};
use super::session;
use super::shell::{Failure, Shell};
use super::tracing::{Tracer, failed, files, made};
use super::via;
use super::watch::{self, Watcher};
use crate::eval::journal::Keep;
use crate::eval::{Evaluation, EvaluationValue};
use crate::host::{Copied, Place};
use crate::runtime::Val;
use crate::trace::Made;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) mod asked;

use asked::Asked;

/// The width of tables where standard output is no terminal.
const WIDTH: usize = 100;

/// Scores a program on data.
pub(super) fn run(shell: &Shell, args: &Eval) -> Result<(), Failure> {
    let to_output = args.json.as_deref() == Some(Path::new("-"));
    watch::one_output(to_output, &args.watch, "a file for one of them: `--json=report.json`")?;
    let folder = shell.host.place(Place::Runs);
    let resumed = match &args.resume {
        Some(id) => Some(resumed(shell, folder.as_deref(), id)?),
        None => None,
    };
    let asked = match &resumed {
        Some((_, asked)) => asked.with_caps(&args.lm),
        None => Asked::of(shell, args)?,
    };
    via::check(&args.via, &asked.task.file)?;
    let watcher = Watcher::new(shell, "eval", &asked.task.file, &args.watch)?;
    let watched =
        Watched { shell, args, folder, resumed: resumed.map(|it| it.0), asked, watcher };
    watched.watcher.end(watched.run())
}

/// An evaluation that is watched.
struct Watched<'a> {
    shell: &'a Shell,
    args: &'a Eval,
    /// Where finished rows are kept.
    folder: Option<PathBuf>,
    /// The id of the run that is gone on with.
    resumed: Option<String>,
    asked: Asked,
    watcher: Watcher,
}

impl Watched<'_> {
    fn run(&self) -> Result<(), Failure> {
        let Self { shell, args, asked, watcher, .. } = self;
        let interrupt = Interrupt::on(shell, || Some("finishing the rows under way"));
        let builder = session::builder(shell, &asked.task.file, &asked.task.lm)?.progress();
        let tracer = Tracer::new(shell, &args.tracing, &asked.task.file)?;
        let copied = Arc::new(Copied::new(shell.host.clone()));
        let builder = match tracer.writes() {
            true => tracer.traced(builder).host(copied.clone()),
            false => tracer.traced(builder),
        };
        let engine = interrupt.heeded(watcher.watched(builder)).build()?;
        let program = session::load(shell, &engine, &asked.task.file)?;
        copied.begin();
        let begun = asked.task.begun(&program, asked.task.state.clone());
        watcher.begun(Begun { trace_file: tracer.file(), ..begun });
        let (folder, resumed) = (self.folder.as_deref(), self.resumed.as_ref());
        let keep = asked.task.keep(shell, folder, resumed, &program, asked.record());
        let expression = asked.for_workers();
        let lm = &asked.task.lm;
        let ask = via::Ask {
            script: &asked.task.file,
            program: &program,
            expression,
            lm,
            tracer: &tracer,
        };
        watcher.lend(via::start(shell, &args.via, &ask, &interrupt)?);
        let title = title(asked);
        let finished = asked.evaluated(&title, keep.as_ref(), |ask| program.evaluate(ask))?;
        shell.diagnose(program.sources(), &finished.warnings);
        watcher.warnings(&finished.warnings);
        shell.warn(&engine.store_warnings());
        let of = (&*asked.task.file, &asked.task.lm);
        let made = Made {
            asked: asked.record(),
            files: files(shell, &asked.task.file, &copied),
            printed: copied.printed(),
            failed: failed(&finished),
            ..made(shell, "eval", &program, of)
        };
        tracer.write(&finished, made)?;
        let value = finished.result?;
        let evaluation = evaluated(&value)?;
        report(shell, args, evaluation, watcher.takes_output())?;
        left(shell, evaluation, keep.as_ref(), interrupt.came())
    }
}

fn evaluated(value: &Val) -> Result<&Evaluation, Failure> {
    let evaluation = value.downcast::<EvaluationValue>();
    evaluation.map(|it| &*it.0).ok_or_else(|| Failure::usage("nothing was evaluated"))
}

fn title(asked: &Asked) -> String {
    let data = Path::new(&asked.data).file_name().unwrap_or_default().to_string_lossy();
    format!("{} by {} on {data}", asked.task.expression, asked.task.metric)
}

/// Writes what the flags want, and to standard output what a person or a program reads.
fn report(
    shell: &Shell,
    args: &Eval,
    evaluation: &Evaluation,
    output_is_taken: bool,
) -> Result<(), Failure> {
    if let Some(path) = &args.csv {
        shell.write(path, &evaluation.to_csv())?;
    }
    if let Some(path) = &args.html {
        shell.write(path, &evaluation.to_html())?;
    }
    match args.json.as_deref() {
        Some(path) if path != Path::new("-") => {
            shell.write(path, &format!("{}\n", evaluation.to_json()))?;
        }
        Some(_) => {
            shell.print(&format!("{}\n", evaluation.to_json()));
            return Ok(());
        }
        None => {}
    }
    if !output_is_taken {
        shell.print(&evaluation.report_within(shell.host.width().unwrap_or(WIDTH)));
    }
    Ok(())
}

/// Says how the rows that are left can be run. An evaluation that the user ended is no success.
fn left(
    shell: &Shell,
    evaluation: &Evaluation,
    keep: Option<&Keep>,
    interrupted: bool,
) -> Result<(), Failure> {
    if let Some(keep) = keep.filter(|_| evaluation.not_run > 0) {
        let (left, all) = (evaluation.not_run, evaluation.rows.len());
        let stop = evaluation.stop.as_ref().filter(|_| !interrupted);
        let cap = stop.map_or("", resume::raised);
        shell.eprint(&format!(
            "{left} of {all} rows are left; `dsp eval --resume {}{cap}` goes on from here\n",
            keep.id
        ));
    }
    if interrupted && evaluation.not_run > 0 { Err(Failure::told()) } else { Ok(()) }
}

/// The run to go on with.
fn resumed(shell: &Shell, folder: Option<&Path>, id: &str) -> Result<(String, Asked), Failure> {
    let (id, saved) = resume::find(shell, folder, id, For::Evaluate)?;
    let asked = Asked::read(&saved.header.command).ok_or_else(|| {
        Failure::usage(format!("the run `{id}` does not say how it was begun"))
    })?;
    let (kept, all) = (saved.len(), saved.header.rows);
    let what = format!(
        "{} by {}, {kept} of {all} rows are there",
        asked.task.expression, asked.task.metric
    );
    resume::tell(shell, &id, &what, &saved);
    Ok((id, asked))
}
