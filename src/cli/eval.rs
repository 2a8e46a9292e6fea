//! `dsp eval`

use super::args::Eval;
use super::expression::{loaded, text};
use super::session;
use super::shell::{Failure, Shell};
use crate::eval::{Evaluation, EvaluationValue};
use crate::runtime::Val;

/// Scores a program on data.
pub(super) fn run(shell: &Shell, args: &Eval) -> Result<(), Failure> {
    let engine = session::builder(shell, &args.file, &args.lm)?.progress().build()?;
    let program = session::load(shell, &engine, &args.file)?;
    let finished = program.eval(&expression(shell, args)?)?;
    shell.diagnose(program.sources(), &finished.warnings);
    shell.warn(&engine.store_warnings());
    let value = finished.result?;
    let evaluation = evaluated(&value)?;
    if args.json {
        shell.print(&format!("{}\n", evaluation.to_value().to_json()));
    } else {
        shell.print(&evaluation.report());
    }
    Ok(())
}

fn evaluated(value: &Val) -> Result<&Evaluation, Failure> {
    let evaluation = value.downcast::<EvaluationValue>();
    evaluation.map(|it| &*it.0).ok_or_else(|| Failure::usage("nothing was evaluated"))
}

/// The evaluation as an expression over the items of the script.
fn expression(shell: &Shell, args: &Eval) -> Result<String, Failure> {
    let mut program = format!("({})", args.program);
    if let Some(state) = &args.state {
        program = format!("{program}.with_state({})", text(&shell.absolute(state)?));
    }
    let data = loaded(shell, &args.data)?;
    Ok(format!("evaluate({program}, {data}, metric: ({}))", args.metric))
}
