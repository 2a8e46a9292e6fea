//! Runs that are made elsewhere: what stands between a search and the workers.
//!
//! What a run may cost is charged here, where it is lent out, and given back when its outcome
//! has come. What a worker took with it when it was lost stays charged, for it may have been paid.

use crate::eval::{Evaluator, Failure, FailureKind, Job, Outcome, ProgramEvaluator};
use crate::lm::Cost;
use crate::runtime::{Amount, Limits, Passed, Session};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often a run is begun that takes its worker with it.
const ATTEMPTS: usize = 3;
/// How many runs share what is left of a cap, where a run has no bound of its own; a power of 2.
const WIDTH: u64 = 8;

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
    local: &'a ProgramEvaluator,
    remote: &'a dyn Remote,
    session: &'a Session,
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

    /// What is left of the session's caps, in so many shares; of calls no more than a run can
    /// make.
    fn share(&self, width: u64) -> Limits {
        let (limits, taken) = (self.session.limits(), self.session.taken());
        let bound = self.local.max_calls_per_run();
        Limits {
            calls: limits.calls.map(|cap| {
                let left = cap.saturating_sub(taken.calls);
                bound.unwrap_or_else(|| left.div_ceil(width)).min(left).max(1)
            }),
            tokens: limits.tokens.map(|cap| cap.saturating_sub(taken.tokens) / width),
            money: limits.money.map(|cap| cap.minus(taken.money).shared(width)),
        }
    }

    /// Lends a share of what is left, smaller than wanted where others took some meanwhile.
    fn lend(&self, width: u64) -> Result<Limits, String> {
        let mut share = self.share(width);
        loop {
            let Err(passed) = self.session.lend(amount(share), &|| self.over().is_none())
            else {
                return Ok(share);
            };
            let now = self.share(width);
            match self.over() {
                Some(why) => return Err(why),
                None if now == share => return Err(used_up(passed)),
                None => share = now,
            }
        }
    }

    /// Makes a run once, with what may be lent to it.
    fn attempt(&self, job: &Job) -> Ran {
        if self.session.limits() == Limits::default() {
            return self.remote.run(job, &|| self.over());
        }
        let mut width = WIDTH;
        loop {
            let share = match self.lend(width) {
                Ok(share) => share,
                Err(why) => return Ran::Over(why),
            };
            let ran = self.remote.run(&lent(job, share), &|| self.over());
            let took = match &ran {
                Ran::Done(it) => paid(it),
                Ran::Over(_) | Ran::Lost(_) => amount(share),
                Ran::Nobody(_) => Amount::default(),
            };
            self.session.take_back(amount(share), took);
            let was_stopped =
                matches!(&ran, Ran::Done(it) if it.failed_by(FailureKind::Stopped));
            if !was_stopped || width == 1 || self.over().is_some() {
                return ran;
            }
            // The share was too small: once more, with a larger one.
            width /= 2;
        }
    }
}

/// A run that may take no more than it was lent, by the session and by who asked for it.
fn lent(job: &Job, share: Limits) -> Job {
    fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
    Job {
        max_calls: least(job.max_calls, share.calls),
        max_tokens: least(job.max_tokens, share.tokens),
        max_cost: least(job.max_cost, share.money),
        ..job.clone()
    }
}

fn amount(share: Limits) -> Amount {
    Amount {
        calls: share.calls.unwrap_or_default(),
        tokens: share.tokens.unwrap_or_default(),
        money: share.money.unwrap_or_default(),
    }
}

/// What a run took of the session's caps: what a store answered costs nothing. Whose the tokens
/// were is not told, so where one call was sent all count.
fn paid(outcome: &Outcome) -> Amount {
    let all = outcome.amount();
    let calls = outcome.calls.saturating_sub(outcome.cached_calls);
    Amount {
        calls: calls.into(),
        tokens: if calls == 0 { 0 } else { all.tokens },
        money: outcome.cost.paid.plus(outcome.cost.untold),
    }
}

fn used_up(passed: Passed) -> String {
    match passed {
        Passed::Calls(cap) => format!("the cap of {cap} calls is used up"),
        Passed::Tokens(cap) => format!("the cap of {cap} tokens is used up"),
        Passed::Money(cap) => format!("the cap of {cap} is used up"),
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
            // Who has lent something is asked for more: what was lost counts as spent.
            if job.limits() != Limits::default() {
                let outcome = failed(FailureKind::Infrastructure, lost);
                return with_all_spent(outcome, job);
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

/// The outcome of a run that may have taken all that it was lent.
fn with_all_spent(outcome: Outcome, job: &Job) -> Outcome {
    let lent = amount(job.limits());
    let calls = u32::try_from(lent.calls).unwrap_or(u32::MAX);
    let (untold_tokens, untold) = (lent.tokens, lent.money);
    let cost = Cost { untold_tokens, untold, lost: calls, ..Cost::default() };
    Outcome { calls, cost, ..outcome }
}

/// Who makes the runs of a program: a worker where there are some, else this process.
pub(crate) fn evaluator<'a>(
    local: &'a ProgramEvaluator,
    remote: Option<&'a Arc<dyn Remote>>,
    session: &'a Session,
) -> Option<RemoteEvaluator<'a>> {
    let remote = &**remote?;
    Some(RemoteEvaluator { local, remote, session })
}
