//! `dsp compile`

use super::args::Compile;
use super::expression::{loaded, optimizer, text};
use super::interrupt::Interrupt;
use super::log::Begun;
use super::session;
use super::shell::{Failure, Shell};
use super::via;
use super::watch::Watcher;
use crate::catalog;
use crate::diag::did_you_mean;
use std::path::Path;

/// Improves a program and saves what was found.
pub(super) fn run(shell: &Shell, args: &Compile) -> Result<(), Failure> {
    known(&args.optimizer)?;
    if args.json && args.watch.events.as_deref() == Some(Path::new("-")) {
        let mut failure = Failure::usage("`--json` and `--events -` both want standard output");
        failure.hint("name a file for events: `--events events.jsonl`".to_owned());
        return Err(failure);
    }
    via::check(&args.via, &args.file)?;
    if args.via.via.is_some() && args.optimizer.contains("metric:") {
        let message = "workers take the metric from `--metric`, not from `--with`";
        return Err(Failure::usage(message));
    }
    let watcher = Watcher::new(shell, "compile", &args.file, &args.watch)?;
    watcher.end(watched(shell, args, &watcher))
}

fn watched(shell: &Shell, args: &Compile, watcher: &Watcher) -> Result<(), Failure> {
    let interrupt = Interrupt::on(shell, || Some("finishing the runs under way"));
    let builder = session::builder(shell, &args.file, &args.lm)?.progress();
    let engine = interrupt.heeded(watcher.watched(builder)).build()?;
    let program = session::load(shell, &engine, &args.file)?;
    watcher.begun(Begun {
        hash: program.hash(),
        program: Some(args.program.clone()),
        metric: Some(args.metric.clone()),
        state_file: Some(shell.absolute(&args.output)?),
    });
    let expression = format!("[({}), ({})]", args.program, args.metric);
    let ask = via::Ask { script: &args.file, program: &program, expression, lm: &args.lm };
    watcher.lend(via::start(shell, &args.via, &ask, &interrupt)?);
    let finished = program.eval(&statements(shell, args)?)?;
    shell.diagnose(program.sources(), &finished.warnings);
    watcher.warnings(&finished.warnings);
    shell.warn(&engine.store_warnings());
    finished.result?;
    shell.eprint(&format!("saved as {}\n", args.output.display()));
    if let Some(report) = watcher.report("compile").filter(|_| args.json) {
        shell.print(&format!("{}\n", report.to_json()));
    }
    // What the user ended is no success, though the best so far is there.
    if interrupt.came() { Err(Failure::told()) } else { Ok(()) }
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
fn statements(shell: &Shell, args: &Compile) -> Result<String, Failure> {
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
    let trainset = loaded(shell, &args.trainset)?;
    let valset = match &args.valset {
        Some(path) => format!(", valset: {}", loaded(shell, path)?),
        None => String::new(),
    };
    let output = text(&shell.absolute(&args.output)?);
    Ok(format!("{optimizer}.compile({program}, trainset: {trainset}{valset}).save({output});"))
}
