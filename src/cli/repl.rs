//! `dsp repl`

use super::args::Repl;
use super::session;
use super::shell::{Failure, Shell};
use crate::repl;
use std::path::Path;

/// Tries things out, line by line.
pub(super) fn run(shell: &Shell, args: &Repl) -> Result<(), Failure> {
    let script = args.file.as_deref().unwrap_or(Path::new(""));
    let engine = session::builder(shell, script, &args.lm)?.progress().build()?;
    let mut session = engine.session();
    if let Some(path) = &args.file {
        session.load(&path.display().to_string())?;
    }
    repl::run(session, shell.host.clone(), shell.colors());
    Ok(())
}
