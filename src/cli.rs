//! The command line: one file for each command, flags in `args`.
//!
//! A command writes results to standard output, and everything else to standard error. It
//! ends with 0 when all went well, 1 when a program or a check failed, 2 when the command line
//! was wrong or a file could not be read or written. A reader that goes away
//! (`dsp … | head`) is no failure.

mod args;
mod check;
mod completions;
mod settings;
mod shell;

use crate::host::OsHost;
use args::{Arguments, Command};
use clap::Parser;
use clap::error::ErrorKind;
use shell::{Failure, Shell};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

pub use shell::CODES;

/// Runs a command line, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let shell = Shell::new(Arc::new(OsHost::new()));
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&shell, &error),
    };
    match run(&shell, arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            shell.report(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

/// Help and version go to standard output and are no failure; a wrong command line is.
fn usage(shell: &Shell, error: &clap::Error) -> ExitCode {
    let text =
        if shell.colors() { error.render().ansi().to_string() } else { error.to_string() };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            shell.print(&error.to_string());
            ExitCode::SUCCESS
        }
        _ => {
            shell.eprint(&text);
            ExitCode::from(Failure::USAGE)
        }
    }
}

fn run(shell: &Shell, command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(args) => check::run(shell, &args),
        Command::Completions(args) => completions::run(shell, &args),
        Command::Run(_)
        | Command::Repl(_)
        | Command::Prompt(_)
        | Command::Eval(_)
        | Command::Compile(_)
        | Command::Trace(_)
        | Command::State(_)
        | Command::Models(_) => Err(Failure::usage("this command is not built yet")),
    }
}
