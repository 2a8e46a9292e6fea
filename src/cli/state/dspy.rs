//! `dsp state import` and `dsp state export`: to and from files of DSPy's.

use crate::cli::args::{Lm, StateExport, StateImport};
use crate::cli::session;
use crate::cli::shell::{Failure, Shell};
use crate::diag::Diagnostic;
use crate::engine::{Imported, Program};
use crate::program::State;
use crate::render::plain;
use std::path::Path;

/// Reads a state that DSPy saved.
pub(super) fn import(shell: &Shell, args: &StateImport) -> Result<(), Failure> {
    let program = load(shell, &args.file)?;
    let Imported { state, warnings, untold } =
        program.import_dspy(&args.program, &args.state)?;
    losses(shell, &warnings);
    let text = state.to_text().map_err(|diag| Failure::io(*diag))?;
    written(shell, args.output.as_deref(), &text)?;
    let untold: Vec<String> = untold.iter().map(|it| format!("`{it}`")).collect();
    let silent = match untold.as_slice() {
        [] => String::new(),
        names => format!("; the file says nothing of {}", names.join(", ")),
    };
    told(shell, args.output.as_deref(), &format!("{}{silent}", counts(&state)));
    Ok(())
}

/// Writes a state for DSPy.
pub(super) fn export(shell: &Shell, args: &StateExport) -> Result<(), Failure> {
    let program = load(shell, &args.file)?;
    let exported = program.export_dspy(&args.program, &args.state, args.like.as_deref())?;
    losses(shell, &exported.warnings);
    written(shell, args.output.as_deref(), &exported.text)?;
    told(shell, args.output.as_deref(), "for `program.load` of DSPy 2.6 and later");
    Ok(())
}

/// Loads a script that asks no model.
fn load(shell: &Shell, file: &Path) -> Result<Program, Failure> {
    let engine = session::offline(shell, file, &Lm::default())?.build()?;
    session::load(shell, &engine, file)
}

/// Says what was lost and what was read with liberties: all of it, a line each.
fn losses(shell: &Shell, warnings: &[Diagnostic]) {
    for Diagnostic { code, message, notes, .. } in warnings {
        let notes =
            if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
        shell.eprint(&format!(
            "warning[{}]: {}\n",
            code.0,
            plain(&format!("{message}{notes}"))
        ));
    }
}

fn written(shell: &Shell, output: Option<&Path>, text: &str) -> Result<(), Failure> {
    match output {
        Some(path) => shell.write(path, text),
        None => {
            shell.print(text);
            Ok(())
        }
    }
}

/// Says what was written, where it went into a file.
fn told(shell: &Shell, output: Option<&Path>, what: &str) {
    if let Some(path) = output {
        shell.eprint(&format!(
            "saved as {}: {}\n",
            plain(&path.display().to_string()),
            plain(what)
        ));
    }
}

fn counts(state: &State) -> String {
    let counted = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let predictors = counted(state.predictors.len(), "predictor");
    format!("{predictors}, {}", counted(state.demo_count(), "demo"))
}
