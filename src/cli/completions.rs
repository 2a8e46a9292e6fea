//! `dsp completions`

use super::args::{Arguments, Completions};
use super::shell::{Failure, Shell};
use clap::CommandFactory;

/// Writes the completion script of a shell.
pub(super) fn run(shell: &Shell, args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "dsp", &mut script);
    shell.print(&String::from_utf8_lossy(&script));
    Ok(())
}
