//! Runs that are made elsewhere: what stands between a search and the workers.
//!
//! What a run may cost is charged here, where it is lent out, and given back when its outcome
//! has come. What a worker took with it when it was lost stays charged, for it may have been paid.

use crate::eval::{Evaluator, Failure, FailureKind, Job, Outcome, ProgramEvaluator};
use crate::runtime::Session;
use crate::util::lock;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often a run is begun that takes its worker with it.
const ATTEMPTS: usize = 3;
/// How many runs share what is left of a cap, where a run has no bound of its own.
const WIDTH: u64 = 8;
/// How often somebody who waits looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// Makes runs elsewhere.
pub trait Remote: Send + Sync + fmt::Debug {
    /// Makes a run of at most so many calls. Who waits asks `over` now and then: a text says why
    /// it need not wait any more.
    fn run(&self, job: &Job, over: &dyn Fn() -> Option<String>) -> Ran;
}

/// What became of a run that was made elsewhere.
#[derive(Debug)]
pub enum Ran {
    /// It was made.
    Done(Box<Outcome>),
    /// Nobody waited for it: why.
    Over(String),
    /// Who made it was lost: how.
    Lost(String),
    /// There is nobody left to make it: why.
    Nobody(String),
}

/// A program whose runs are made elsewhere.
pub(crate) struct RemoteEvaluator<'a> {
    /// The same program here, which knows its bounds.
    pub(crate) local: &'a ProgramEvaluator,
    pub(crate) remote: &'a dyn Remote,
    pub(crate) session: &'a Session,
    /// Calls that are lent out.
    pub(crate) leases: Leases,
}

/// Calls that are lent out to runs under way.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    lent: Mutex<u64>,
    returned: Condvar,
}

impl Leases {
    /// Lends up to `wanted` calls of those that are left of a cap; 0 when none are. `left` tells
    /// how many of the cap are not spent.
    fn take(&self, wanted: u64, left: &dyn Fn() -> u64, over: &dyn Fn() -> bool) -> u64 {
        let mut lent = lock(&self.lent);
        loop {
            let free = left().saturating_sub(*lent);
            let granted = wanted.min(free);
            // What is under way may give back some of what it was lent.
            if granted > 0 || *lent == 0 || over() {
                *lent += granted;
                return granted;
            }
            let waited = self.returned.wait_timeout(lent, LOOK);
            lent = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes back what was lent; `charge` takes down what of it was spent.
    fn give_back(&self, granted: u64, charge: impl FnOnce()) {
        let mut lent = lock(&self.lent);
        charge();
        *lent -= granted;
        self.returned.notify_all();
    }
}

impl RemoteEvaluator<'_> {
    /// Why nobody need wait any more.
    fn over(&self) -> Option<String> {
        if self.session.cancel.is_cancelled() {
            return Some("the run was cancelled".to_owned());
        }
        let is_late = self.session.time_left() == Some(Duration::ZERO);
        is_late.then(|| "the time for this run is over (`max_seconds`)".to_owned())
    }

    /// Makes a run once, with what may be lent to it.
    fn attempt(&self, job: &Job) -> Ran {
        let Some(cap) = self.session.settings.max_calls else {
            return self.remote.run(job, &|| self.over());
        };
        let left = || cap.saturating_sub(self.session.calls());
        let bound = job.max_calls.or(self.local.max_calls_per_run());
        let wanted = bound.unwrap_or_else(|| left().div_ceil(WIDTH)).max(1);
        let granted = self.leases.take(wanted, &left, &|| self.over().is_some());
        if granted == 0 {
            return Ran::Over(match self.over() {
                Some(why) => why,
                None => format!("the cap of {cap} calls is used up"),
            });
        }
        let lent = Job { max_calls: Some(granted), ..job.clone() };
        let ran = self.remote.run(&lent, &|| self.over());
        let spent = match &ran {
            Ran::Done(it) => u64::from(it.calls.saturating_sub(it.cached_calls)).min(granted),
            Ran::Over(_) | Ran::Lost(_) => granted,
            Ran::Nobody(_) => 0,
        };
        self.leases.give_back(granted, || self.session.charge_calls(spent));
        ran
    }
}

impl Evaluator for RemoteEvaluator<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let failed = |kind, message: String| Outcome::failed(Failure::new(kind, message));
        let mut lost = String::new();
        for _ in 0..ATTEMPTS {
            lost = match self.attempt(job) {
                Ran::Done(outcome) => return *outcome,
                Ran::Over(why) => return failed(FailureKind::Stopped, why),
                Ran::Nobody(why) => return failed(FailureKind::Infrastructure, why),
                Ran::Lost(how) => how,
            };
            // Where a search has lent calls it is asked for more: what was lost counts as spent.
            if let Some(calls) = job.max_calls {
                let calls = u32::try_from(calls).unwrap_or(u32::MAX);
                let outcome = failed(FailureKind::Infrastructure, lost);
                return Outcome { calls, ..outcome };
            }
        }
        failed(
            FailureKind::Infrastructure,
            format!("{ATTEMPTS} workers were lost on it: {lost}"),
        )
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.local.max_calls_per_run()
    }
}

/// Who makes the runs of a program: a worker where there are some, else this process.
pub(crate) fn evaluator<'a>(
    local: &'a ProgramEvaluator,
    remote: Option<&'a Arc<dyn Remote>>,
    session: &'a Session,
) -> Option<RemoteEvaluator<'a>> {
    let remote = &**remote?;
    Some(RemoteEvaluator { local, remote, session, leases: Leases::default() })
}
