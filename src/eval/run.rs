//! Many runs of programs under a cap: waves, retries, panics and the reasons to stop.

use crate::eval::{
    CallBudget, Cancel, Evaluator, Failure, FailureKind, Job, Outcome, ordered_map,
};
use std::fmt;

/// How runs are made. None of this changes a result, but for `width` where a program has no
/// bound on its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOptions {
    /// How many runs are made at once.
    pub threads: usize,
    /// How often a run is made again when a machine failed.
    pub retries: u32,
    /// How many runs share what is left of a cap, for programs without a bound on calls.
    pub width: usize,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { threads: 8, retries: 2, width: 8 }
    }
}

/// Why work ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The cap on calls leaves no room for another run.
    MaxCalls(u64),
    /// The user ended it.
    Cancelled,
    /// A run was refused: what it said.
    Refused(String),
    /// The metric gave something that is no score: what it was.
    Metric(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxCalls(cap) => write!(f, "the cap of {cap} calls leaves no room"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Refused(message) | Self::Metric(message) => f.write_str(message),
        }
    }
}

/// What runs gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// By job; `None` for those that were not run to their end.
    pub outcomes: Vec<Option<Outcome>>,
    /// Why some were not run.
    pub stop: Option<Stop>,
}

/// Makes runs, as many as the budget admits, and calls `done` after each in the order of the
/// jobs. A run that panics is a failed run.
pub fn run_jobs(
    evaluator: &dyn Evaluator,
    jobs: &[Job],
    options: RunOptions,
    budget: &mut CallBudget,
    cancel: &Cancel,
    done: &mut dyn FnMut(&Outcome),
) -> Batch {
    let mut runner = Runner { evaluator, options, budget, cancel };
    let mut batch = Batch { outcomes: vec![None; jobs.len()], stop: None };
    let mut todo: Vec<usize> = (0..jobs.len()).collect();
    for _ in 0..=options.retries {
        runner.round(jobs, &todo, &mut batch, done);
        todo.retain(|at| failed_by_machine(batch.outcomes[*at].as_ref()));
        if todo.is_empty() || batch.stop.is_some() {
            break;
        }
    }
    batch
}

fn failed_by_machine(outcome: Option<&Outcome>) -> bool {
    outcome.is_some_and(|it| it.failed_by(FailureKind::Infrastructure))
}

struct Runner<'a> {
    evaluator: &'a dyn Evaluator,
    options: RunOptions,
    budget: &'a mut CallBudget,
    cancel: &'a Cancel,
}

impl Runner<'_> {
    /// Runs the jobs at `todo` in waves until all are run or something stops them.
    fn round(
        &mut self,
        jobs: &[Job],
        todo: &[usize],
        batch: &mut Batch,
        done: &mut dyn FnMut(&Outcome),
    ) {
        let mut rest = todo;
        while !rest.is_empty() && batch.stop.is_none() {
            let per_run = self.evaluator.max_calls_per_run();
            let admitted = self.budget.admit(rest.len(), per_run, self.options.width);
            if admitted.runs == 0 {
                batch.stop = Some(Stop::MaxCalls(self.budget.cap().unwrap_or_default()));
                return;
            }
            let (wave, later) = rest.split_at(admitted.runs);
            let lent = |at: &usize| Job { max_calls: admitted.max_calls, ..jobs[*at].clone() };
            let outcomes = self.wave(&wave.iter().map(lent).collect::<Vec<_>>(), done);
            for (at, outcome) in wave.iter().zip(outcomes) {
                self.keep(*at, outcome, batch);
            }
            rest = later;
        }
    }

    fn wave(&self, jobs: &[Job], done: &mut dyn FnMut(&Outcome)) -> Vec<Option<Outcome>> {
        // Rows that are under way when the metric turns out to be broken are finished, so that
        // the first of them is the same whatever the number of threads.
        let halt = self.cancel.part();
        let run = |job: &Job| {
            let outcome = self.evaluator.run(job);
            if outcome.failed_by(FailureKind::Metric) {
                halt.cancel();
            }
            outcome
        };
        let seen = |_, outcome: &Result<Outcome, String>| match outcome {
            Ok(outcome) => done(outcome),
            Err(message) => done(&panicked(message.clone())),
        };
        ordered_map(jobs, self.options.threads, &halt, run, seen)
            .into_iter()
            .map(|result| result.map(|outcome| outcome.unwrap_or_else(panicked)))
            .collect()
    }

    /// Takes down an outcome; what earlier attempts took is added to it.
    fn keep(&mut self, at: usize, outcome: Option<Outcome>, batch: &mut Batch) {
        let Some(mut outcome) = outcome else {
            batch.stop.get_or_insert(Stop::Cancelled);
            return;
        };
        self.budget.settle(u64::from(outcome.calls));
        if outcome.failed_by(FailureKind::Stopped) {
            let message = outcome.failure.map(|it| it.message).unwrap_or_default();
            batch.stop.get_or_insert(Stop::Refused(message));
            return;
        }
        if outcome.failed_by(FailureKind::Metric) {
            let message = outcome.failure.as_ref().map(|it| it.message.clone());
            batch.stop.get_or_insert(Stop::Metric(message.unwrap_or_default()));
        }
        if let Some(earlier) = batch.outcomes[at].take() {
            outcome.calls += earlier.calls;
            outcome.cached_calls += earlier.cached_calls;
            outcome.prompt_tokens += earlier.prompt_tokens;
            outcome.completion_tokens += earlier.completion_tokens;
        }
        batch.outcomes[at] = Some(outcome);
    }
}

fn panicked(message: String) -> Outcome {
    Outcome::failed(Failure::new(FailureKind::Program, format!("panicked: {message}")))
}
