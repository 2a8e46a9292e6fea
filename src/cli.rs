//! The command line: one file for each command, flags in `args`.
//!
//! A command writes results to standard output, and everything else to standard error. It
//! ends with 0 when all went well, 1 when a program or a check failed, 2 when the command line
//! was wrong or a file could not be read or written. A reader that goes away
//! (`dsp … | head`) is no failure.

mod args;
mod cache;
mod check;
mod compile;
mod completions;
mod data;
mod doc;
mod eval;
mod events;
mod explain;
mod expression;
mod fix;
mod fmt;
mod interrupt;
mod log;
mod models;
mod new;
mod parse;
mod prompt;
mod record;
mod repl;
mod resume;
mod run;
mod runs;
mod scripts;
#[cfg(feature = "serve")]
mod serve;
mod session;
mod settings;
mod shell;
mod state;
mod task;
mod test;
mod trace;
mod tracing;
mod usage;
mod via;
mod watch;
mod worker;

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
    let command = match command(&arguments.into_iter().collect::<Vec<_>>()) {
        Ok(command) => command,
        Err(error) => return usage(&shell, &error),
    };
    match dispatch(&shell, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            shell.report(&failure);
            shell.explain(&failure.diags);
            ExitCode::from(failure.exit)
        }
    }
}

/// Reads a command line. To know all commands takes nearly as long as to check a short script, so
/// that the commonest are tried alone; what they do not take, help among it, the whole says.
fn command(arguments: &[OsString]) -> Result<Command, clap::Error> {
    match alone(arguments) {
        Some(command) => Ok(command),
        None => Arguments::try_parse_from(arguments).map(|it| it.command),
    }
}

fn alone(arguments: &[OsString]) -> Option<Command> {
    fn read<T: clap::Args>(arguments: &[OsString]) -> Option<T> {
        let command = T::augment_args(clap::Command::new("dsp"));
        T::from_arg_matches(&command.try_get_matches_from(arguments).ok()?).ok()
    }
    let arguments = arguments.get(1..)?;
    match arguments.first()?.to_str()? {
        "run" => read(arguments).map(Command::Run),
        "check" => read(arguments).map(Command::Check),
        "test" => read(arguments).map(Command::Test),
        "eval" => read(arguments).map(Command::Eval),
        _ => None,
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

fn dispatch(shell: &Shell, command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(shell, &args),
        Command::Check(args) => check::run(shell, &args),
        Command::Fmt(args) => fmt::run(shell, &args),
        Command::Test(args) => test::run(shell, &args),
        Command::Explain(args) => explain::run(shell, &args),
        Command::Prompt(args) => prompt::run(shell, &args),
        Command::Parse(args) => parse::run(shell, &args),
        Command::Data(args) => data::run(shell, &args),
        Command::Eval(args) => eval::run(shell, &args),
        Command::Compile(args) => compile::run(shell, &args),
        Command::Log(args) => log::run(shell, &args),
        Command::Worker => worker::run(shell),
        Command::Runs(args) => runs::run(shell, &args),
        Command::Repl(args) => repl::run(shell, &args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(shell, &args),
        Command::Trace(args) => trace::run(shell, &args),
        Command::State(args) => state::run(shell, &args),
        Command::Models(args) => models::run(shell, &args),
        Command::Cache(args) => cache::run(shell, &args),
        Command::New(args) => new::run(shell, &args),
        Command::Doc(args) => doc::run(shell, &args),
        Command::Completions(args) => completions::run(shell, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, alone};
    use clap::Parser;
    use std::ffi::OsString;

    /// What is read alone is what the whole reads.
    #[test]
    fn commands_are_the_same_alone() {
        let lines = [
            "dsp run a.dsp",
            "dsp run --quiet --seed 5 --max-usd 0.5 -- a.dsp",
            "dsp run -",
            "dsp check a.dsp b.dsp --json",
            "dsp test",
            "dsp test a --filter x --repeat 3 --junit=out.xml",
            "dsp eval a.dsp --program p --metric m --data d.jsonl --json --threads 2",
            "dsp eval --resume",
        ];
        for line in lines {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let whole = Arguments::try_parse_from(&arguments).unwrap();
            let told = format!("{:?}", alone(&arguments).unwrap());
            assert_eq!(told, format!("{:?}", whole.command), "{line}");
        }
        let others = [
            "dsp",
            "dsp run",
            "dsp run --help",
            "dsp run --colour a",
            "dsp fmt",
            "dsp --version",
        ];
        for line in others {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(alone(&arguments).is_none(), "{line}");
        }
    }
}
