//! Runs that are made elsewhere: what stands between a search and the workers.
//!
//! What a run may cost is charged here, where it is lent out, and given back when its outcome
//! has come. What a worker took with it when it was lost stays charged, for it may have been paid.

use crate::eval::{Evaluator, Failure, FailureKind, Job, Layout, Outcome, ProgramEvaluator};
use crate::lm::{Cost, Money};
use crate::runtime::{Amount, Limits, Session};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often a run is begun that takes its worker with it.
const ATTEMPTS: usize = 3;

/// Makes runs elsewhere.
pub trait Remote: Send + Sync + fmt::Debug {
    /// Makes a run of at most so many calls. Who waits asks `over` now and then: a text says why
    /// it need not wait any more.
    fn run(&self, job: &Job, over: &dyn Fn() -> Option<String>) -> Ran;
}

/// What became of a run that was made elsewhere.
#[derive(Debug)]
pub enum Ran {
    /// It was made; with the lines of its trace, where traces are kept.
    Done(Box<Outcome>, Option<String>),
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

    /// Makes a run once, with what may be lent to it: so much of what no bound is known of as
    /// `needed` says.
    fn attempt(&self, job: &Job, needed: Amount) -> Ran {
        let limits = self.session.limits();
        if limits == Limits::default() {
            return self.remote.run(job, &|| self.over());
        }
        let at_least = |part: Option<u64>, needed: u64| part.or((needed > 0).then_some(needed));
        let money = (needed.money > Money::ZERO).then_some(needed.money);
        let wanted = Limits {
            calls: job.max_calls.or(self.local.max_calls_per_run()),
            tokens: at_least(job.max_tokens, needed.tokens),
            money: job.max_cost.or(money),
        };
        let lent = match self.session.lend(&wanted) {
            Ok(lent) => lent,
            Err(error) => return Ran::Over(self.over().unwrap_or_else(|| error.to_string())),
        };
        let shared = Job {
            max_calls: limits.calls.map_or(job.max_calls, |_| Some(lent.calls)),
            max_tokens: limits.tokens.map_or(job.max_tokens, |_| Some(lent.tokens)),
            max_cost: limits.money.map_or(job.max_cost, |_| Some(lent.money)),
            ..job.clone()
        };
        let ran = self.remote.run(&shared, &|| self.over());
        let took = match &ran {
            Ran::Done(it, _) => paid(it),
            Ran::Over(_) | Ran::Lost(_) => lent,
            Ran::Nobody(_) => Amount::default(),
        };
        self.session.take_back(lent, took);
        match ran {
            // Its calls are kept by now, so that it goes on from where a share ended it.
            Ran::Done(it, _)
                if needed == Amount::default() && was_too_small(job, &shared, &it) =>
            {
                self.attempt(job, it.needed)
            }
            ran => ran,
        }
    }
}

/// Whether a share of tokens or dollars ended a run that had no such limit by itself.
fn was_too_small(job: &Job, shared: &Job, outcome: &Outcome) -> bool {
    let share = Limits {
        calls: None,
        tokens: shared.max_tokens.filter(|_| job.max_tokens.is_none()),
        money: shared.max_cost.filter(|_| job.max_cost.is_none()),
    };
    outcome.failed_by(FailureKind::Stopped) && share.passed_by(outcome.needed).is_some()
}

/// What a run took now: replies that were kept cost nothing again.
fn paid(outcome: &Outcome) -> Amount {
    let all = outcome.amount();
    let calls = u64::from(outcome.calls.saturating_sub(outcome.cached_calls));
    let money = outcome.cost.paid.plus(outcome.cost.untold);
    Amount { calls, tokens: if calls == 0 { 0 } else { all.tokens }, money }
}

impl Evaluator for RemoteEvaluator<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let failed = |kind, message: String| Outcome::failed(Failure::new(kind, message));
        let mut lost = String::new();
        for _ in 0..ATTEMPTS {
            lost = match self.attempt(job, Amount::default()) {
                Ran::Done(outcome, trace) => {
                    if let Some(lines) = trace {
                        self.local.keep_told(job, &lines);
                    }
                    return *outcome;
                }
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

    fn layout(&self, path: &str) -> Layout {
        self.local.layout(path)
    }
}

/// The outcome of a run that may have taken all that it was lent.
fn with_all_spent(outcome: Outcome, job: &Job) -> Outcome {
    let calls = job.max_calls.map_or(0, |it| u32::try_from(it).unwrap_or(u32::MAX));
    let cost = Cost {
        untold_tokens: job.max_tokens.unwrap_or_default(),
        untold: job.max_cost.unwrap_or_default(),
        ..Cost::default()
    };
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
