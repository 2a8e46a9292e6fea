//! `dsp test`

pub(super) mod replies;
mod watch;

use super::args::Test;
use super::interrupt::Interrupt;
use super::scripts;
use super::session;
use super::shell::{Failure, Shell};
use crate::check::TestInfo;
use crate::diag::did_you_mean;
use crate::engine::{Engine, Error, Program, TestOptions};
use crate::lm::LmOptions;
use crate::test_run::junit::{self, Suite};
use crate::test_run::recording::Recording;
use crate::test_run::tape::{Record, Replay, stand_in};
use crate::test_run::{self, Ended, Tally, json, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest that a test takes where no settings say anything else.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same, where models are asked.
const LIVE_PATIENCE: Duration = Duration::from_secs(600);

/// Where replies come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// From the recording; nothing is sent.
    Replay,
    /// From models; they are recorded.
    Record,
    /// From models.
    Live,
    /// From models, as so many fresh samples.
    Repeat(u64),
}

impl Mode {
    fn of(args: &Test) -> Self {
        match args.repeat {
            Some(times) => Self::Repeat(times),
            None if args.record => Self::Record,
            None if args.live => Self::Live,
            None => Self::Replay,
        }
    }
}

/// Runs the tests of scripts.
pub(super) fn run(shell: &Shell, args: &Test) -> Result<(), Failure> {
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here } else { &args.paths[..] };
    if args.watch {
        return watch::run(shell, args, paths);
    }
    let files = scripts::find(shell, paths)?;
    let interrupt = Interrupt::on(shell, || Some("finishing the tests under way"));
    let mut report = Report::new(shell, args).ended_by(interrupt);
    for file in &files {
        if !report.interrupt.came() {
            report.file(file, files.len() > 1)?;
        }
    }
    report.end()
}

/// What is told of tests, as they end.
struct Report<'a> {
    shell: Shell,
    args: &'a Test,
    mode: Mode,
    began: Duration,
    style: text::Style,
    tally: Tally,
    suites: Vec<Suite>,
    /// The titles of all tests, also of those left out.
    titles: Vec<Arc<str>>,
    interrupt: Interrupt,
}

impl<'a> Report<'a> {
    fn new(shell: &Shell, args: &'a Test) -> Self {
        Self {
            shell: shell.clone(),
            args,
            mode: Mode::of(args),
            began: shell.host.elapsed(),
            style: text::Style { color: shell.prints_colors(), full: args.full },
            tally: Tally::default(),
            suites: Vec::new(),
            titles: Vec::new(),
            interrupt: Interrupt::default(),
        }
    }

    /// The same, which the user can end.
    fn ended_by(self, interrupt: Interrupt) -> Self {
        Self { interrupt, ..self }
    }

    /// The same on another machine.
    fn on(&mut self, shell: Shell) -> &mut Self {
        self.shell = shell;
        self
    }

    /// Runs the tests of a file. One that holds no correct program counts as a failure where
    /// others go on.
    fn file(&mut self, path: &Path, among_others: bool) -> Result<(), Failure> {
        let recording = replies::read(&self.shell, path)?;
        let engine = self.engine(path, &recording)?;
        let program = match engine.load(path) {
            Ok(program) => program,
            Err(error) if among_others || self.args.json || self.args.junit.is_some() => {
                self.broken(path, &error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.shell.diagnose(program.sources(), program.warnings());
        let tests = test_run::chosen(&program, self.args.filter.as_deref());
        self.titles.extend(program.tests().iter().map(|it| it.title.clone()));
        self.tally.left_out += program.tests().len() - tests.len();
        if !tests.is_empty() {
            if among_others && !self.args.json {
                let name = path.display().to_string();
                self.shell.print(&format!("{}\n", crate::render::plain(&name)));
            }
            self.tests(path, &program, &tests, &recording)?;
        }
        self.shell.warn(&engine.store_warnings());
        Ok(())
    }

    /// An engine that asks models, or one that asks none.
    fn engine(&self, path: &Path, recording: &Arc<Recording>) -> Result<Engine, Failure> {
        if self.mode != Mode::Replay {
            let builder = session::builder(&self.shell, path, &self.args.lm)?;
            return Ok(self.interrupt.heeded(builder).build()?);
        }
        let recording = recording.clone();
        let stand_in = move |name: &str, _: &LmOptions| -> Result<crate::lm::SharedLm, _> {
            Ok(Arc::new(stand_in(&recording, name)))
        };
        let builder = session::offline(&self.shell, path, &self.args.lm)?;
        Ok(self.interrupt.heeded(builder).stand_in(Arc::new(stand_in)).build()?)
    }

    fn tests(
        &mut self,
        path: &Path,
        program: &Program,
        tests: &[TestInfo],
        recording: &Arc<Recording>,
    ) -> Result<(), Failure> {
        let mut suite = Suite::new(path.display().to_string());
        match self.mode {
            Mode::Replay => self.replay(path, program, tests, recording, &mut suite),
            Mode::Record => self.record(path, program, tests, recording, &mut suite)?,
            Mode::Live => {
                let live = self.options();
                self.run(path, program, tests, |_| live.clone(), &mut suite);
            }
            Mode::Repeat(times) => self.repeat(path, program, tests, times, &mut suite),
        }
        self.suites.push(suite);
        Ok(())
    }

    /// How tests are run that ask models.
    fn options(&self) -> TestOptions {
        let max_time = Some(LIVE_PATIENCE);
        TestOptions { shares_replies: true, max_time, ..TestOptions::default() }
    }

    fn run(
        &mut self,
        path: &Path,
        program: &Program,
        tests: &[TestInfo],
        options: impl Fn(&TestInfo) -> TestOptions + Sync,
        suite: &mut Suite,
    ) -> Vec<Ended> {
        let file = path.display().to_string();
        let threads = self.threads();
        test_run::run(program, tests, threads, options, |ended| {
            self.tally.count(ended);
            suite.add(ended);
            if self.args.json {
                self.shell.print(&format!("{}\n", json::test(&file, ended)));
            } else {
                self.shell.print(&text::test(ended, self.style));
            }
        })
    }

    fn replay(
        &mut self,
        path: &Path,
        program: &Program,
        tests: &[TestInfo],
        recording: &Arc<Recording>,
        suite: &mut Suite,
    ) {
        let command = format!("dsp test {} --record", path.display());
        let tape = |test: &TestInfo| {
            Arc::new(Replay::new(recording.clone(), &test_run::key(program, test), &command))
        };
        let tapes: BTreeMap<String, Arc<Replay>> =
            tests.iter().map(|test| (test.lowered.clone(), tape(test))).collect();
        let options = |test: &TestInfo| TestOptions {
            max_time: Some(PATIENCE),
            tape: Some(tapes[&test.lowered].clone()),
            ..TestOptions::default()
        };
        let ended = self.run(path, program, tests, options, suite);
        // What a test that failed has not asked for, it may ask for when it is mended.
        let passed = ended.iter().filter(|it| it.outcome == test_run::Outcome::Passed);
        let unused: usize = passed.map(|it| tapes[&it.lowered].unused()).sum();
        let keys: Vec<String> =
            program.tests().iter().map(|it| test_run::key(program, it)).collect();
        let of_none = recording.places().filter(|(place, _)| !keys.contains(&place.test));
        let stale = unused + of_none.map(|(_, calls)| calls.len()).sum::<usize>();
        if stale > 0 {
            let file = replies::beside(path);
            let (file, stale) = (file.display(), replies::replies(stale));
            self.shell.warn(&[format!(
                "{file} holds {stale} that no test asks for; `{command}` drops what is not asked for"
            )]);
        }
    }

    fn record(
        &mut self,
        path: &Path,
        program: &Program,
        tests: &[TestInfo],
        recording: &Arc<Recording>,
        suite: &mut Suite,
    ) -> Result<(), Failure> {
        let reuse = !self.args.lm.no_cache;
        let tape = |test: &TestInfo| {
            Arc::new(Record::new(recording.clone(), &test_run::key(program, test), reuse))
        };
        let tapes: BTreeMap<String, Arc<Record>> =
            tests.iter().map(|test| (test.lowered.clone(), tape(test))).collect();
        let live = self.options();
        let options = |test: &TestInfo| {
            let tape = tapes[&test.lowered].clone();
            TestOptions { tape: Some(tape), ..live.clone() }
        };
        let ended = self.run(path, program, tests, options, suite);
        let taken: Vec<replies::Taken<'_>> = tests
            .iter()
            .zip(&ended)
            .map(|(test, ended)| {
                let key = test_run::key(program, test);
                replies::Taken::new(&key, &tapes[&test.lowered], ended)
            })
            .collect();
        let all: Vec<String> =
            program.tests().iter().map(|it| test_run::key(program, it)).collect();
        let merged = replies::merged(recording, &all, &taken);
        replies::write(&self.shell, path, recording, &merged)
    }

    fn repeat(
        &mut self,
        path: &Path,
        program: &Program,
        tests: &[TestInfo],
        times: u64,
        suite: &mut Suite,
    ) {
        let file = path.display().to_string();
        for test in tests {
            let all = test_run::repeat(program, test, times, self.threads(), &self.options());
            self.tally.count_repeated(&all);
            suite.add_repeated(&all);
            if self.args.json {
                self.shell.print(&format!("{}\n", json::repeated(&file, &all)));
            } else {
                self.shell.print(&text::repeated(&all, self.style));
            }
        }
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.args.lm.threads.unwrap_or_else(cores)
    }

    /// Tells of a file that holds no correct program.
    fn broken(&mut self, path: &Path, error: &Error) {
        self.tally.broken += 1;
        let file = path.display().to_string();
        let (sources, diags) = (error.sources(), error.diagnostics());
        if self.args.json {
            self.shell.print(&format!("{}\n", json::broken_file(&file, sources, diags)));
        } else {
            self.shell.diagnose(sources, diags);
        }
        let mut suite = Suite::new(file);
        suite.add_broken_file(sources, diags);
        self.suites.push(suite);
    }

    /// Tells of all tests together.
    fn end(&self) -> Result<(), Failure> {
        let took = self.shell.host.elapsed().saturating_sub(self.began);
        if self.tally.run() == 0 {
            return Err(self.nothing());
        }
        if let Some(path) = &self.args.junit {
            self.shell.write(path, &junit::report(&self.suites))?;
        }
        if self.args.json {
            self.shell.print(&format!("{}\n", json::summary(self.tally, took)));
        } else {
            let asked = text::asked(self.tally.totals, self.mode == Mode::Replay);
            let (counts, seconds) = (text::tally(self.tally, self.style), took.as_secs_f64());
            self.shell.print(&format!("\n{counts}{asked} ({seconds:.2} s)\n"));
        }
        if self.interrupt.came() {
            self.shell.eprint("ended by Ctrl-C: not all tests were run\n");
            return Err(Failure::told());
        }
        if self.tally.is_good() { Ok(()) } else { Err(Failure::told()) }
    }

    /// Nothing was run, and who asked for tests should know.
    fn nothing(&self) -> Failure {
        let Some(filter) = self.args.filter.as_ref().filter(|_| !self.titles.is_empty()) else {
            let mut failure = Failure::usage("there are no tests");
            failure.hint("a script has tests as `test \"title\" { … }`".to_owned());
            return failure;
        };
        let mut failure = Failure::usage(format!("no title of a test holds `{filter}`"));
        failure.hint(did_you_mean(filter, self.titles.iter().map(|it| &**it)));
        failure
    }
}
