//! `dsp compile`

use super::args::Compile;
use super::expression::{loaded, optimizer, text};
use super::session;
use super::shell::{Failure, Shell};
use crate::catalog;
use crate::diag::did_you_mean;

/// Improves a program and saves what was found.
pub(super) fn run(shell: &Shell, args: &Compile) -> Result<(), Failure> {
    known(&args.optimizer)?;
    let engine = session::builder(shell, &args.file, &args.lm)?.progress().build()?;
    let program = session::load(shell, &engine, &args.file)?;
    let finished = program.eval(&expression(shell, args)?)?;
    shell.diagnose(program.sources(), &finished.warnings);
    shell.warn(&engine.store_warnings());
    finished.result?;
    shell.eprint(&format!("saved as {}\n", args.output.display()));
    Ok(())
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

/// The compilation as statements over the items of the script.
fn expression(shell: &Shell, args: &Compile) -> Result<String, Failure> {
    let mut program = format!("({})", args.program);
    if let Some(state) = &args.state {
        program = format!("{program}.with_state({})", text(&shell.absolute(state)?));
    }
    let mut options = vec![("metric", format!("({})", args.metric))];
    let number = |name, value: Option<u64>| value.map(|it| (name, it.to_string()));
    options.extend(number("max_calls", args.lm.max_calls));
    options.extend(number("max_tokens", args.lm.max_tokens));
    options.extend(number("seed", args.lm.seed));
    let optimizer = optimizer(&args.optimizer, &options);
    let mut sets = format!("trainset: {}", loaded(shell, &args.trainset)?);
    for (name, path) in [("valset", &args.valset), ("testset", &args.testset)] {
        if let Some(path) = path {
            sets += &format!(", {name}: {}", loaded(shell, path)?);
        }
    }
    let output = text(&shell.absolute(&args.output)?);
    Ok(format!("{optimizer}.compile({program}, {sets}).save({output});"))
}
