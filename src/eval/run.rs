//! Many runs of programs under a cap: waves, retries, panics and the reasons to stop.

use crate::eval::budget::{Admission, Budget};
use crate::eval::{
    Cancel, Evaluator, Failure, FailureKind, Job, Outcome, Workers, ordered_flow,
};
use crate::lm::Money;
use crate::runtime::Passed;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    /// The cap on tokens leaves none.
    MaxTokens(u64),
    /// The cap on dollars leaves none.
    MaxCost(Money),
    /// The time is over.
    MaxTime(Duration),
    /// The user ended it.
    Cancelled,
    /// A run was refused: what it said.
    Refused(String),
    /// Models could not be asked, in one run after another: what the first of them said.
    Unserved(String),
    /// The metric gave something that is no score: what it was.
    Metric(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxCalls(cap) => write!(f, "the cap of {cap} calls leaves no room"),
            Self::MaxTokens(cap) => write!(f, "the cap of {cap} tokens leaves no room"),
            Self::MaxCost(cap) => write!(f, "the cap of {cap} leaves no room"),
            Self::MaxTime(time) => write!(f, "the {} s are over", time.as_secs_f64()),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Refused(message) | Self::Unserved(message) | Self::Metric(message) => {
                f.write_str(message)
            }
        }
    }
}

impl From<Passed> for Stop {
    fn from(cap: Passed) -> Self {
        match cap {
            Passed::Calls(cap) => Self::MaxCalls(cap),
            Passed::Tokens(cap) => Self::MaxTokens(cap),
            Passed::Money(cap) => Self::MaxCost(cap),
        }
    }
}

/// What runs gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// By job; `None` for those that were not run to their end.
    pub outcomes: Vec<Option<Box<Outcome>>>,
    /// Why some were not run.
    pub stop: Option<Stop>,
}

/// Makes runs, as many as the budget admits, and calls `done` after each in the order of the
/// jobs. A run that panics is a failed run.
pub fn run_jobs(
    evaluator: &dyn Evaluator,
    jobs: &[Job],
    options: RunOptions,
    budget: &mut Budget,
    cancel: &Cancel,
    done: &mut dyn FnMut(&Outcome),
) -> Batch {
    let mut done = |outcome: &Outcome| {
        done(outcome);
        Vec::new()
    };
    run_flow(evaluator, jobs.to_vec(), options, budget, cancel, &mut done)
}

/// As [`run_jobs`], where further jobs follow from outcomes: `done` gives them, and they stand
/// behind all others. It may do so only as long as there are no more jobs than
/// [`Budget::room`] says.
pub fn run_flow(
    evaluator: &dyn Evaluator,
    jobs: Vec<Job>,
    options: RunOptions,
    budget: &mut Budget,
    cancel: &Cancel,
    done: &mut dyn FnMut(&Outcome) -> Vec<Job>,
) -> Batch {
    // They go through several hands, and of many the hands are full.
    let mut jobs: Vec<Arc<Job>> = jobs.into_iter().map(Arc::new).collect();
    let unserved = RefCell::default();
    let mut runner = Runner { evaluator, options, budget, cancel, unserved };
    let mut batch = Batch { outcomes: vec![None; jobs.len()], stop: None };
    let mut todo: Vec<usize> = (0..jobs.len()).collect();
    for attempt in 0..=options.retries {
        runner.round(&mut jobs, &todo, &mut batch, done);
        if attempt == 0 {
            todo = (0..jobs.len()).collect();
        }
        todo.retain(|at| failed_by_machine(batch.outcomes[*at].as_deref()));
        if todo.is_empty() || batch.stop.is_some() {
            break;
        }
    }
    for outcome in &mut batch.outcomes {
        // One whose share was too small, and that was not made again.
        if outcome.as_ref().is_some_and(|it| it.failed_by(FailureKind::Stopped)) {
            *outcome = None;
        }
    }
    batch
}

/// Whether the run may come to something when it is made again.
fn failed_by_machine(outcome: Option<&Outcome>) -> bool {
    let is_standing = |it: &Outcome| it.failure.as_ref().is_some_and(|it| it.standing);
    outcome.is_some_and(|it| it.failed_by(FailureKind::Infrastructure) && !is_standing(it))
}

/// Runs in a row, in the order of the jobs, that no model could be asked for. It tells whether
/// more of them are worth a try.
#[derive(Default)]
struct Unserved {
    /// A run has come to something.
    any_came: bool,
    standing: usize,
    failed: usize,
    /// What the first of them said.
    message: Option<String>,
}

impl Unserved {
    /// A wrong key or an unknown model in so many runs in a row is no matter of single rows.
    const STANDING: usize = 3;
    /// Nor is any failure of machines, where nothing else has come yet.
    const FAILED: usize = 16;

    /// Takes in the next outcome; tells whether that is enough.
    fn is_hopeless_after(&mut self, outcome: &Outcome) -> bool {
        if self.is_hopeless() {
            return true;
        }
        let failure = outcome.failure.as_ref();
        let Some(failure) = failure.filter(|it| it.kind == FailureKind::Infrastructure) else {
            *self = Self { any_came: true, ..Self::default() };
            return false;
        };
        if !failure.standing {
            self.standing = 0;
        }
        if failure.standing && self.standing == 0 || self.message.is_none() {
            self.message = Some(failure.message.clone());
        }
        self.standing += usize::from(failure.standing);
        self.failed += 1;
        self.is_hopeless()
    }

    fn is_hopeless(&self) -> bool {
        self.standing >= Self::STANDING || !self.any_came && self.failed >= Self::FAILED
    }

    fn stop(&self) -> Option<Stop> {
        self.is_hopeless().then(|| Stop::Unserved(self.message.clone().unwrap_or_default()))
    }
}

struct Runner<'a> {
    evaluator: &'a dyn Evaluator,
    options: RunOptions,
    budget: &'a mut Budget,
    cancel: &'a Cancel,
    unserved: RefCell<Unserved>,
}

impl Runner<'_> {
    /// Runs the jobs at `todo` in waves until all are run or something stops them.
    fn round(
        &mut self,
        jobs: &mut Vec<Arc<Job>>,
        todo: &[usize],
        batch: &mut Batch,
        done: &mut dyn FnMut(&Outcome) -> Vec<Job>,
    ) {
        let mut rest: VecDeque<usize> = todo.iter().copied().collect();
        while !rest.is_empty() && batch.stop.is_none() {
            let per_run = self.evaluator.max_calls_per_run();
            let admitted = self.budget.admit(rest.len(), per_run, self.options.width);
            if admitted.runs == 0 {
                batch.stop = Some(self.budget.used_up(per_run).into());
                return;
            }
            let mut wave: Vec<usize> = rest.drain(..admitted.runs).collect();
            let first = wave.iter().map(|at| jobs[*at].clone()).collect();
            let before = jobs.len();
            let outcomes = self.wave(first, &admitted, &mut |outcome| {
                let more: Vec<Arc<Job>> = done(outcome).into_iter().map(Arc::new).collect();
                jobs.extend(more.iter().cloned());
                more
            });
            wave.extend(before..jobs.len());
            batch.outcomes.resize(jobs.len(), None);
            batch.stop = batch.stop.take().or_else(|| self.unserved.borrow().stop());
            let kept = wave.into_iter().zip(outcomes);
            let again: Vec<usize> = kept
                .filter_map(|(at, it)| self.keep(at, it, &admitted, batch).then_some(at))
                .collect();
            again.into_iter().rev().for_each(|at| rest.push_front(at));
        }
    }

    fn wave(
        &self,
        jobs: Vec<Arc<Job>>,
        admitted: &Admission,
        done: &mut dyn FnMut(&Outcome) -> Vec<Arc<Job>>,
    ) -> Vec<Option<Box<Outcome>>> {
        // Rows that are under way when the metric turns out to be broken are finished, so that
        // the first of them is the same whatever the number of threads.
        let halt = self.cancel.part();
        let run = |job: Arc<Job>| {
            let job = Job {
                max_calls: admitted.share.calls,
                max_tokens: admitted.share.tokens,
                max_cost: admitted.share.money,
                ..Job::clone(&job)
            };
            // Outcomes are large, and change hands.
            let outcome = Box::new(self.evaluator.run(&job));
            if outcome.failed_by(FailureKind::Metric) {
                halt.cancel();
            }
            outcome
        };
        let seen = |_, outcome: &Result<Box<Outcome>, String>| match outcome {
            Ok(outcome) => {
                if !outcome.printed.is_empty() {
                    self.evaluator.print(&outcome.printed);
                }
                if self.unserved.borrow_mut().is_hopeless_after(outcome) {
                    halt.cancel();
                }
                done(outcome)
            }
            Err(message) => done(&panicked(message.clone())),
        };
        let threads = self.options.threads;
        let workers = match self.evaluator.only_waits() {
            true => Workers::Fibers(threads),
            false => Workers::Threads(threads),
        };
        ordered_flow(jobs, workers, &halt, run, seen)
            .into_iter()
            .map(|result| {
                result.map(|it| it.unwrap_or_else(|message| Box::new(panicked(message))))
            })
            .collect()
    }

    /// Takes down an outcome; what earlier attempts took is added to it. Tells whether the run
    /// is to be made again with a larger share of the caps.
    fn keep(
        &mut self,
        at: usize,
        outcome: Option<Box<Outcome>>,
        admitted: &Admission,
        batch: &mut Batch,
    ) -> bool {
        let Some(mut outcome) = outcome else {
            batch.stop.get_or_insert(Stop::Cancelled);
            return false;
        };
        let again = self.budget.settle(admitted, &outcome);
        if outcome.failed_by(FailureKind::Stopped) && !again {
            let cap = self.budget.refuses(admitted, &outcome);
            let message = outcome.failure.map(|it| it.message).unwrap_or_default();
            batch.stop.get_or_insert(cap.map_or(Stop::Refused(message), Stop::from));
            return false;
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
            outcome.details = outcome.details.plus(earlier.details);
            outcome.cost = outcome.cost.plus(earlier.cost);
            earlier.used.iter().for_each(|it| it.add_to(&mut outcome.used));
        }
        batch.outcomes[at] = Some(outcome);
        again
    }
}

fn panicked(message: String) -> Outcome {
    Outcome::failed(Failure::new(FailureKind::Program, format!("panicked: {message}")))
}
