//! `dsp trace test`

use super::again::Again;
use super::args::Test as Arguments;
use super::read;
use crate::check::TestInfo;
use crate::cli::args::Lm;
use crate::cli::session;
use crate::cli::shell::{Failure, Shell};
use crate::cli::test::replies;
use crate::engine::{Program, TestOptions};
use crate::fmt;
use crate::lm::{LmOptions, SharedLm};
use crate::runtime::{Opener, Tape};
use crate::source::Sources;
use crate::test_run;
use crate::test_run::from_trace::{self, FromTrace};
use crate::test_run::recording::Recording;
use crate::test_run::tape::{Replay, stand_in};
use crate::trace::Trace;
use std::path::Path;
use std::sync::Arc;

/// Makes a test of the run of a trace.
pub(super) fn run(shell: &Shell, args: &Arguments) -> Result<(), Failure> {
    let recorded = read(shell, &args.file)?;
    let name = recorded.name.clone();
    let again = Again::of(shell, &recorded, args.script.as_deref(), &Lm::default())?;
    if let Some(why) = &again.made().failed {
        let mut failure = Failure::usage(format!("the run of `{name}` failed: {why}"));
        failure.hint("a test is made of a run that went well".to_owned());
        return Err(failure);
    }
    let script = again.script();
    let beside = script.with_extension("test.dsp");
    let path = args.output.as_deref().unwrap_or(&beside);
    let taken = [path.to_owned(), replies::beside(path)].into_iter();
    if let Some(taken) = taken.into_iter().find(|it| shell.host.exists(it)) {
        let mut failure = Failure::usage(format!("`{}` is there already", taken.display()));
        failure.hint("name another file: `-o FILE`".to_owned());
        return Err(failure);
    }
    let mut sources = Sources::default();
    let id = shell.read(script, &mut sources)?;
    let said = program(shell, script, again.opener())?.lm();
    let lm = again.made().lm.as_deref().filter(|it| said.as_deref() != Some(*it));
    let trace = Arc::new(recorded.trace);
    let text = from_trace::text(&sources.get(id).text, &trace, &format!("as in {name}"), lm);
    let laid_out = fmt::format(Sources::default().add("test", &*text), &text, fmt::WIDTH);
    shell.write(path, &laid_out.unwrap_or(text))?;
    match recording(shell, path, &again, trace) {
        Ok(recording) => {
            replies::write(shell, path, &Recording::default(), &recording)?;
            shell.eprint(&format!("{}: a test of the run, which passes\n", path.display()));
            Ok(())
        }
        Err(failure) => {
            // A test that does not pass is of no use to anybody.
            let _ = shell.host.remove(path);
            Err(failure)
        }
    }
}

/// The replies that the test of a file gets, which passes with them.
fn recording(
    shell: &Shell,
    path: &Path,
    again: &Again<'_>,
    trace: Arc<Trace>,
) -> Result<Recording, Failure> {
    let made = program(shell, path, again.opener())?;
    let tape = Arc::new(FromTrace::new(trace, &key(&made)));
    goes_well(&made, tape.clone())?;
    let recording = tape.taken();
    is_green(shell, path, &recording)?;
    Ok(recording)
}

/// Opens models.
type Open = Arc<Opener>;

/// The script at a path.
fn program(shell: &Shell, path: &Path, open: Open) -> Result<Program, Failure> {
    let builder = session::offline(shell, path, &Lm::default())?;
    Ok(builder.stand_in_for_writers(open).build()?.load(path)?)
}

fn only(program: &Program) -> &TestInfo {
    &program.tests()[0]
}

fn key(program: &Program) -> String {
    test_run::key(program, only(program))
}

fn goes_well(program: &Program, tape: Arc<dyn Tape>) -> Result<(), Failure> {
    let options = TestOptions { tape: Some(tape), ..TestOptions::default() };
    program.run_test(only(program), &options).finished.result?;
    Ok(())
}

/// Runs the test as `dsp test` will.
fn is_green(shell: &Shell, path: &Path, recording: &Recording) -> Result<(), Failure> {
    let read = Recording::parse(&recording.text()).unwrap_or_default();
    let recording = Arc::new(read);
    let known = recording.clone();
    let open = move |name: &str, _: &LmOptions| -> Result<SharedLm, _> {
        Ok(Arc::new(stand_in(&known, name)))
    };
    let program = program(shell, path, Arc::new(open))?;
    let command = format!("dsp test {} --record", path.display());
    let tape = Replay::new(recording, &key(&program), &command);
    goes_well(&program, Arc::new(tape))
}
