//! `dsp state`

use super::args::{State, StateAction};
use super::shell::{Failure, Shell};
use crate::program;
use crate::render::plain;
use crate::source::Sources;

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
