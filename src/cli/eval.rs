//! `dsp eval`

use super::args::Eval;
use super::expression::text;
use super::resume::{self, For};
use super::session;
use super::shell::{Failure, Shell};
use crate::engine::Ask;
use crate::eval::journal::{self, Keep};
use crate::eval::{Evaluation, EvaluationValue, Stop};
use crate::host::Place;
use crate::lm::{self, Cancel};
use crate::runtime::Val;
use crate::util::sha256_hex;
use std::path::Path;

mod asked;

use asked::Asked;

/// The width of tables where standard output is no terminal.
const WIDTH: usize = 100;

/// Scores a program on data.
pub(super) fn run(shell: &Shell, args: &Eval) -> Result<(), Failure> {
    let folder = shell.host.place(Place::Runs);
    let resumed = match &args.resume {
        Some(id) => Some(resumed(shell, folder.as_deref(), id)?),
        None => None,
    };
    let asked = match &resumed {
        Some((_, asked)) => asked.with_caps(&args.lm),
        None => Asked::of(shell, args)?,
    };
    let (cancel, interrupted) = flags(shell);
    let builder = session::builder(shell, &asked.file, &asked.lm)?.progress();
    let engine = builder.cancel(cancel).pause(interrupted.clone()).build()?;
    let program = session::load(shell, &engine, &asked.file)?;
    let keep = folder.filter(|_| !asked.is_from_stdin()).map(|folder| Keep {
        folder,
        id: match &resumed {
            Some((id, _)) => id.clone(),
            None => journal::new_id(&*shell.host, &program.hash()),
        },
        resume: resumed.is_some(),
        program: program.hash(),
        metric: sha256_hex(asked.metric.as_bytes())[..16].to_owned(),
        command: asked.record(),
    });
    let (scored, data) = (asked.program(), format!("load({})", text(&asked.data)));
    let metric = format!("({})", asked.metric);
    let ask = Ask { program: &scored, data: &data, metric: &metric, keep: keep.as_ref() };
    let finished = program.evaluate(&ask)?;
    shell.diagnose(program.sources(), &finished.warnings);
    shell.warn(&engine.store_warnings());
    let value = finished.result?;
    let evaluation = titled(evaluated(&value)?, &asked);
    report(shell, args, &evaluation)?;
    left(shell, &evaluation, keep.as_ref(), interrupted.is_cancelled())
}

fn evaluated(value: &Val) -> Result<&Evaluation, Failure> {
    let evaluation = value.downcast::<EvaluationValue>();
    evaluation.map(|it| &*it.0).ok_or_else(|| Failure::usage("nothing was evaluated"))
}

fn titled(evaluation: &Evaluation, asked: &Asked) -> Evaluation {
    let data = Path::new(&asked.data).file_name().unwrap_or_default().to_string_lossy();
    let mut evaluation = evaluation.clone();
    evaluation.subject.title = format!("{} by {} on {data}", asked.expression, asked.metric);
    evaluation
}

/// Writes what the flags want, and to standard output what a person or a program reads.
fn report(shell: &Shell, args: &Eval, evaluation: &Evaluation) -> Result<(), Failure> {
    if let Some(path) = &args.csv {
        shell.write(path, &evaluation.to_csv())?;
    }
    if let Some(path) = &args.html {
        shell.write(path, &evaluation.to_html())?;
    }
    match args.json.as_deref() {
        Some(path) if path != Path::new("-") => {
            shell.write(path, &format!("{}\n", evaluation.to_value().to_json()))?;
        }
        Some(_) => {
            shell.print(&format!("{}\n", evaluation.to_value().to_json()));
            return Ok(());
        }
        None => {}
    }
    shell.print(&evaluation.report_within(shell.host.width().unwrap_or(WIDTH)));
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
        let cap = match &evaluation.stop {
            Some(Stop::Cancelled) | None => "",
            Some(_) => " --max-calls N",
        };
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
    let what =
        format!("{} by {}, {kept} of {all} rows are there", asked.expression, asked.metric);
    resume::tell(shell, &id, &what, &saved);
    Ok((id, asked))
}

/// What ends all at once, and what ends it after the rows under way: Ctrl-C does the second,
/// and again the first.
fn flags(shell: &Shell) -> (Cancel, Cancel) {
    let cancel = Cancel::default();
    let pause = cancel.part();
    let (shell, at_once, after_rows) = (shell.clone(), cancel.clone(), pause.clone());
    lm::runtime().spawn(async move {
        // Where the system gives no signals, Ctrl-C ends the process, as it does elsewhere.
        while tokio::signal::ctrl_c().await.is_ok() {
            if after_rows.is_cancelled() {
                at_once.cancel();
            } else {
                shell.eprint("\nfinishing the rows under way; Ctrl-C again stops at once\n");
                after_rows.cancel();
            }
        }
    });
    (cancel, pause)
}
