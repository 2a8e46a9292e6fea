//! The tests of a program: run side by side, told in the order of the text.
//!
//! Each test is a run of its own, with its own consts, budget, time, output and trace; what
//! goes wrong in one, a panic included, is the failure of that one. `blame` finds the calls
//! to models that a failure came from. How all this is told is in `text`, `json` and `junit`:
//! pure functions to a string.

mod blame;
pub mod from_trace;
pub mod json;
pub mod junit;
pub mod recording;
pub mod tape;
pub mod text;

pub use blame::{Exchange, blame};

use crate::check::TestInfo;
use crate::diag::{Diagnostic, Label};
use crate::engine::{Error, Program, TestEnd, TestOptions};
use crate::eval::{Workers, ordered_map, stats};
use crate::runtime::codes;
use crate::source::Sources;
use crate::trace::Totals;
use std::sync::Arc;
use std::time::Duration;

/// How a test came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to its end.
    Passed,
    /// An `assert` in it was false.
    Failed,
    /// Something else stopped it.
    Broken,
}

impl Outcome {
    /// Its name, as programs read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Broken => "error",
        }
    }
}

/// A test that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its title.
    pub title: Arc<str>,
    /// The function that runs it, in the generated text.
    pub lowered: String,
    /// The line of its title, from 1.
    pub line: usize,
    /// How it came out.
    pub outcome: Outcome,
    /// What stopped it, then what went wrong and did not.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics speak of.
    pub sources: Sources,
    /// The calls that the failure came from.
    pub blamed: Vec<Exchange>,
    /// What it wrote to its streams.
    pub written: String,
    /// Calls and tokens.
    pub totals: Totals,
    /// How long it took.
    pub took: Duration,
}

/// How often a test failed that was run several times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flakes {
    /// The runs that failed.
    pub failed: usize,
    /// All runs.
    pub runs: usize,
    /// The exact 95 % interval (Clopper and Pearson) of the share that fails.
    pub interval: (f64, f64),
}

impl Flakes {
    /// Counts the runs of a test.
    pub fn of(all: &[Ended]) -> Self {
        let failed = all.iter().filter(|it| it.outcome != Outcome::Passed).count();
        Self { failed, runs: all.len(), interval: stats::clopper_pearson(failed, all.len()) }
    }

    /// The share that failed.
    #[expect(clippy::cast_precision_loss, reason = "a small number of runs")]
    pub fn rate(&self) -> f64 {
        self.failed as f64 / self.runs.max(1) as f64
    }
}

/// How many tests came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that passed.
    pub passed: usize,
    /// Those with a false `assert`.
    pub failed: usize,
    /// Those that something else stopped, and files that hold no correct program.
    pub broken: usize,
    /// Those that a filter left out.
    pub left_out: usize,
    /// What they took.
    pub totals: Totals,
}

impl Tally {
    /// Counts a test.
    pub fn count(&mut self, ended: &Ended) {
        self.totals = self.totals.plus(ended.totals);
        match ended.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Broken => self.broken += 1,
        }
    }

    /// Counts a test that was run several times: it passed when it passed each time.
    pub fn count_repeated(&mut self, all: &[Ended]) {
        self.totals = all.iter().fold(self.totals, |sum, it| sum.plus(it.totals));
        match all.iter().all(|it| it.outcome == Outcome::Passed) {
            true => self.passed += 1,
            false => self.failed += 1,
        }
    }

    /// How many were run.
    pub fn run(self) -> usize {
        self.passed + self.failed + self.broken
    }

    /// Whether all that were run passed.
    pub fn is_good(self) -> bool {
        self.failed + self.broken == 0
    }
}

/// The tests whose titles hold `filter`.
pub fn chosen(program: &Program, filter: Option<&str>) -> Vec<TestInfo> {
    let wanted = |it: &&TestInfo| filter.is_none_or(|text| it.title.contains(text));
    program.tests().iter().filter(wanted).cloned().collect()
}

/// The name under which the replies to a test are recorded: its title, and which test of that
/// title it is where there are several.
pub fn key(program: &Program, test: &TestInfo) -> String {
    let same = program.tests().iter().filter(|it| it.title == test.title);
    match same.take_while(|it| it.lowered != test.lowered).count() {
        0 => test.title.to_string(),
        before => format!("{} ({})", test.title, before + 1),
    }
}

/// Runs tests with up to `threads` threads and tells each as soon as those before it are told.
/// Where the engine is paused, no more are begun.
pub fn run(
    program: &Program,
    tests: &[TestInfo],
    threads: usize,
    options: impl Fn(&TestInfo) -> TestOptions + Sync,
    mut tell: impl FnMut(&Ended),
) -> Vec<Ended> {
    let run = |test: &TestInfo| ended(program, test, program.run_test(test, &options(test)));
    let done = |test: &TestInfo, result: Result<Ended, String>| {
        result.unwrap_or_else(|panic| panicked(program, test, &panic))
    };
    let pause = program.engine().pause();
    let workers = Workers::Threads(threads);
    let results = ordered_map(tests, workers, &pause, run, |index, result| match result {
        Ok(ended) => tell(ended),
        Err(panic) => tell(&panicked(program, &tests[index], panic)),
    });
    let results = tests.iter().zip(results);
    results.filter_map(|(test, result)| Some(done(test, result?))).collect()
}

/// Runs a test as several fresh samples, numbered from 1.
pub fn repeat(
    program: &Program,
    test: &TestInfo,
    times: u64,
    threads: usize,
    options: &TestOptions,
) -> Vec<Ended> {
    let rollouts: Vec<u64> = (1..=times).collect();
    let run = |rollout: &u64| {
        let options = TestOptions { rollout: *rollout, ..options.clone() };
        ended(program, test, program.run_test(test, &options))
    };
    let pause = program.engine().pause();
    let workers = Workers::Threads(threads);
    let results = ordered_map(&rollouts, workers, &pause, run, |_, _| {});
    let done = |it: Result<Ended, String>| it.unwrap_or_else(|it| panicked(program, test, &it));
    results.into_iter().flatten().map(done).collect()
}

fn ended(program: &Program, test: &TestInfo, end: TestEnd) -> Ended {
    let TestEnd { finished, written, took } = end;
    let error = finished.result.as_ref().err();
    let mut stopped: Vec<Diagnostic> =
        error.map(|it| it.diagnostics().to_vec()).unwrap_or_default();
    for diag in stopped.iter_mut().filter(|it| it.primary.is_none()) {
        // What ends a whole run has no place in it, but the test has.
        diag.primary = Some(Label { span: test.span, text: String::new() });
    }
    let blamed = stopped.first().map(|it| blame(&finished.trace, it)).unwrap_or_default();
    let outcome = outcome(error);
    let diagnostics = stopped.into_iter().chain(finished.warnings).collect();
    let totals = finished.trace.totals();
    Ended { outcome, diagnostics, blamed, written, totals, took, ..named(program, test) }
}

fn outcome(error: Option<&Error>) -> Outcome {
    match error.map(|it| it.diagnostics().first().map(|it| it.code)) {
        None => Outcome::Passed,
        Some(Some(codes::ASSERT)) => Outcome::Failed,
        Some(_) => Outcome::Broken,
    }
}

/// A test that a defect of ours ended.
fn panicked(program: &Program, test: &TestInfo, panic: &str) -> Ended {
    let message = format!("an internal error ended the test: {panic}");
    let diagnostics = vec![Diagnostic::new(codes::RUNTIME, test.span, message)];
    Ended { outcome: Outcome::Broken, diagnostics, ..named(program, test) }
}

/// A test of which nothing is known but its name.
fn named(program: &Program, test: &TestInfo) -> Ended {
    let sources = program.sources().clone();
    let (line, _) = sources.position(test.span.source, test.span.range().start);
    Ended {
        title: test.title.clone(),
        lowered: test.lowered.clone(),
        line,
        outcome: Outcome::Passed,
        diagnostics: Vec::new(),
        sources,
        blamed: Vec::new(),
        written: String::new(),
        totals: Totals::default(),
        took: Duration::ZERO,
    }
}
