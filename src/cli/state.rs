//! `dsp state`: what was found by an optimizer, shown, compared and taken apart.

mod ablate;
mod diff;
mod dspy;
mod why;

use super::args::{State as Arguments, StateAction};
use super::shell::{Failure, Shell};
use crate::program::{self, State};
use crate::render::plain;
use crate::source::Sources;
use std::path::Path;

/// Looks at saved states.
pub(super) fn run(shell: &Shell, args: &Arguments) -> Result<(), Failure> {
    match &args.action {
        StateAction::Show { file } => {
            shell.print(&plain(&program::show(&read(shell, file)?)));
            Ok(())
        }
        StateAction::Diff { a, b, json } => diff::run(shell, a, b.as_deref(), *json),
        StateAction::Why { file, path, json } => why::run(shell, file, path.as_deref(), *json),
        StateAction::Ablate(args) => ablate::run(shell, args),
        StateAction::Import(args) => dspy::import(shell, args),
        StateAction::Export(args) => dspy::export(shell, args),
    }
}

/// Reads a state.
fn read(shell: &Shell, path: &Path) -> Result<State, Failure> {
    let mut sources = Sources::default();
    let id = shell.read(path, &mut sources)?;
    let name = path.display().to_string();
    State::from_text(&sources.get(id).text, &name).map_err(|diag| Failure::io(*diag))
}
