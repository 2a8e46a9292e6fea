//! `dsp trace` and `dsp state`

use super::args::{State, StateAction, Trace, TraceAction};
use super::session::Kept;
use super::shell::{Failure, Shell, UNUSABLE};
use crate::diag::Diagnostic;
use crate::program;
use crate::render::plain;
use crate::source::Sources;
use crate::trace::{parse_jsonl, tree};
use std::path::Path;

/// Looks at a recorded trace.
pub(super) fn trace(shell: &Shell, args: &Trace) -> Result<(), Failure> {
    match &args.action {
        TraceAction::Show { file, full } => show_trace(shell, file, *full),
    }
}

fn show_trace(shell: &Shell, path: &Path, full: bool) -> Result<(), Failure> {
    let mut sources = Sources::default();
    let id = shell.read(path, &mut sources)?;
    let content = Kept::of(shell)?;
    let trace = parse_jsonl(&sources.get(id).text, &content).map_err(|error| {
        let message = format!("`{}` is no trace: {error}", path.display());
        Failure::io(Diagnostic::bare(UNUSABLE, message))
    })?;
    shell.print(&plain(&tree(&trace, full)));
    Ok(())
}

/// Looks at a saved state.
pub(super) fn state(shell: &Shell, args: &State) -> Result<(), Failure> {
    match &args.action {
        StateAction::Show { file } => {
            let mut sources = Sources::default();
            let id = shell.read(file, &mut sources)?;
            let name = file.display().to_string();
            let state = program::State::from_text(&sources.get(id).text, &name)
                .map_err(|diag| Failure::io(*diag))?;
            shell.print(&plain(&program::show(&state)));
            Ok(())
        }
    }
}
