//! `dsp eval`

use super::args::Eval;
use super::expression::{loaded, text};
use super::session;
use super::shell::{Failure, Shell};

/// Scores a program on data.
pub(super) fn run(shell: &Shell, args: &Eval) -> Result<(), Failure> {
    let engine = session::builder(shell, &args.file, &args.lm)?.progress().build()?;
    let program = session::load(shell, &engine, &args.file)?;
    let finished = program.eval(&expression(shell, args)?)?;
    shell.diagnose(program.sources(), &finished.warnings);
    shell.warn(&engine.store_warnings());
    let value = finished.result?;
    if args.json {
        let value = value.to_value().map_err(|error| Failure::usage(error.to_string()))?;
        shell.print(&format!("{}\n", value.to_json()));
    } else {
        shell.print(&format!("{}\n", value.show().trim_end()));
    }
    Ok(())
}

/// The evaluation as an expression over the items of the script.
fn expression(shell: &Shell, args: &Eval) -> Result<String, Failure> {
    let mut program = format!("({})", args.program);
    if let Some(state) = &args.state {
        program = format!("{program}.with_state({})", text(&shell.absolute(state)?));
    }
    let data = loaded(shell, &args.data)?;
    let call = format!("evaluate({program}, {data}, metric: ({}))", args.metric);
    if !args.json {
        return Ok(format!("{call}.report()"));
    }
    let fields = ["score", "interval", "failures", "cost", "rows"];
    let fields = fields.map(|name| format!("{name}: result.{name}")).join(", ");
    Ok(format!("let result = {call};\n#{{ {fields} }}"))
}
