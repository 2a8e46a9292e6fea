//! The tests of a program: run side by side, told in the order of the text.
//!
//! Each test is a run of its own, with its own consts, budget, time, output and trace; what
//! goes wrong in one, a panic included, is the failure of that one. [`blame`] finds the calls
//! to models that a failure came from. How all this is told is in `text`, `json` and `junit`:
//! pure functions to a string.

mod blame;
pub mod json;
pub mod junit;
pub mod text;

pub use blame::{Exchange, blame};

use crate::check::TestInfo;
use crate::diag::{Diagnostic, Label};
use crate::engine::{Error, Program, TestEnd, TestOptions};
use crate::eval::{Cancel, ordered_map};
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
}

impl Tally {
    /// Counts a test.
    pub fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Broken => self.broken += 1,
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

/// Runs tests with up to `threads` threads and tells each as soon as those before it are told.
pub fn run(
    program: &Program,
    tests: &[TestInfo],
    threads: usize,
    options: &TestOptions,
    mut tell: impl FnMut(&Ended),
) -> Tally {
    let mut tally = Tally::default();
    let run = |test: &TestInfo| ended(program, test, program.run_test(test, options));
    ordered_map(tests, threads, &Cancel::default(), run, |index, result| {
        let lost;
        let ended = match result {
            Ok(ended) => ended,
            Err(panic) => {
                lost = panicked(program, &tests[index], panic);
                &lost
            }
        };
        tally.count(ended.outcome);
        tell(ended);
    });
    tally
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
