//! Steps of a search that overlap: one begins as soon as the runs that it follows from came.
//!
//! What comes of it is what [`Search::step`] after [`Search::step`] gives. Where a cap may leave
//! no room for all runs, where a machine failed, and where runs are made in two places, a
//! step waits for the end of the one before.

use crate::eval::{Batch, Failure, FailureKind, Job, Outcome, Progress, Stop, run_flow};
use crate::optimize::search::{Failures, Key, evaluator, hopeless, job, keys, unscored};
use crate::optimize::{Ask, Candidate, Search, Who};
use crate::program::State;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// What a search does next.
#[derive(Debug, Default)]
pub struct Step {
    /// States to score, each with its place among all that will be proposed.
    pub states: Vec<(usize, String, State)>,
    /// Runs beside that, which the next step follows from.
    pub others: Vec<Ask>,
}

/// Tells the next step from the outcomes of the runs that the last one made beside its scores.
pub type Next<'n> = dyn FnMut(&Search<'_>, &[Option<Arc<Outcome>>]) -> Step + 'n;

impl Step {
    /// Whether there is nothing to do.
    fn is_empty(&self) -> bool {
        self.states.is_empty() && self.others.is_empty()
    }
}

/// A step under way.
struct Begun {
    proposed: Vec<Candidate>,
    /// The scores of the first candidate, so that one that ends early has something to choose,
    /// the other runs, on which the next step waits, and the scores of further candidates.
    asks: Vec<Ask>,
    keys: Vec<Key>,
    /// The places of the other runs.
    others: Range<usize>,
    /// Which of the asks are made now.
    fresh: Vec<usize>,
    /// Their places among all runs that are made.
    runs: Range<usize>,
    failures: Failures,
}

impl Begun {
    /// The place behind the last run that the next step follows from.
    fn others_end(&self) -> usize {
        self.runs.start + self.fresh.partition_point(|at| *at < self.others.end)
    }

    /// Where the scores of a candidate stand.
    fn scores(&self, nth: usize, rows: usize) -> Range<usize> {
        let first = nth * rows + if nth == 0 { 0 } else { self.others.len() };
        first..first + rows
    }
}

/// Steps that overlap.
#[derive(Default)]
struct Flow {
    /// Those that are not closed yet.
    steps: VecDeque<Begun>,
    /// Keys of the runs, and whether their steps are kept.
    under_way: BTreeMap<Key, bool>,
    /// How many runs there are.
    runs: usize,
    /// Whether a run failed in a way that says nothing about its state: it may be made again, or
    /// the search ends, so nothing more is decided before all runs have ended.
    is_unclear: bool,
    /// The step that has to wait.
    waiting: Option<Step>,
    stop: Option<Stop>,
}

impl Search<'_> {
    /// Goes through steps until one is empty. A step begins as soon as the other runs of the one
    /// before came; its scores are not waited for.
    ///
    /// # Errors
    /// Why not all was done. States that were scored on all rows can be chosen.
    pub fn flow(&mut self, phase: &str, next: &mut Next<'_>) -> Result<(), Stop> {
        let mut step = next(self, &[]);
        while !step.is_empty() {
            let size = step.others.len() + step.states.len() * self.val.len();
            step = if size > self.room() {
                let outcomes = self.step(phase, step.states, &step.others)?;
                next(self, &outcomes)
            } else {
                self.overlap(phase, step, next)?
            };
        }
        Ok(())
    }

    /// How many runs the caps leave room for in any case; 0 where runs are made in two places.
    pub(in crate::optimize) fn room(&self) -> usize {
        let apart = self.problem.teacher.as_ref().is_some_and(|it| it.evaluator.is_some());
        let per_run = self.problem.evaluator.max_calls_per_run();
        if apart { 0 } else { self.budget.room(per_run) }
    }

    /// Makes a step and those that follow, as far as they can overlap; the first that cannot.
    fn overlap(&mut self, phase: &str, first: Step, next: &mut Next<'_>) -> Result<Step, Stop> {
        let (room, mut flow) = (self.room(), Flow::default());
        let jobs = self.begin(&mut flow, first);
        let mut seen = self.progress_of(phase, jobs.len());
        let (part, mut budget, mut cost) = (self.cancel.part(), self.budget, self.cost);
        let (evaluator, options) = (evaluator(self.problem, Who::Student), self.settings.run);
        let mut done = |outcome: &Outcome| {
            // A run that is made again is done once; nothing follows from it before the end.
            let is_again = seen.done == seen.total;
            seen.calls += u64::from(outcome.calls);
            seen.tokens += outcome.prompt_tokens + outcome.completion_tokens;
            cost = cost.plus(outcome.cost);
            seen.usd = cost.worth_telling();
            if is_again {
                (self.progress)(&seen);
                return Vec::new();
            }
            let at = seen.done;
            seen.done += 1;
            if self.note(&mut flow, at, outcome) {
                part.cancel();
            }
            let jobs = self.follow(&mut flow, seen.done, room, next);
            seen.total += jobs.len();
            (self.progress)(&seen);
            if self.close_ended(&mut flow, &seen) {
                let Progress { best, interval, candidates, .. } = self.progress_of("", 0);
                seen = Progress { best, interval, candidates, ..seen.clone() };
            }
            if flow.stop.is_some() {
                part.cancel();
            }
            jobs
        };
        let batch = run_flow(evaluator, jobs, options, &mut budget, &part, &mut done);
        self.budget = budget;
        self.end(flow, batch, next)
    }

    /// Begins a step: the runs that it needs and that are not made yet.
    fn begin(&self, flow: &mut Flow, step: Step) -> Vec<Job> {
        let new = |(serial, label, state): (usize, String, State)| {
            Candidate::new(serial, &label, state)
        };
        let proposed: Vec<Candidate> = step.states.into_iter().map(new).collect();
        let mut asks: Vec<Ask> = proposed.iter().take(1).flat_map(|it| self.asks(it)).collect();
        let others = asks.len()..asks.len() + step.others.len();
        asks.extend(step.others);
        asks.extend(proposed.iter().skip(1).flat_map(|it| self.asks(it)));
        let keys = keys(&asks);
        let mut fresh = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let steps = asks[at].keep_steps;
            let is_known = flow.under_way.get(key).is_some_and(|kept| *kept || !steps);
            if !is_known && !self.remembers(key, &asks[at]) {
                flow.under_way.insert(key.clone(), steps);
                fresh.push(at);
            }
        }
        let jobs: Vec<Job> = fresh.iter().map(|at| job(&asks[*at])).collect();
        let runs = flow.runs..flow.runs + jobs.len();
        flow.runs = runs.end;
        let failures = Failures::default();
        flow.steps.push_back(Begun { proposed, asks, keys, others, fresh, runs, failures });
        jobs
    }

    /// Takes down what a run gave; whether the rest need not be tried.
    fn note(&mut self, flow: &mut Flow, at: usize, outcome: &Outcome) -> bool {
        let own = |it: &&mut Begun| it.runs.contains(&at);
        let Some(step) = flow.steps.iter_mut().find(own) else { return false };
        let program = |it: &Failure| it.kind == FailureKind::Program;
        if outcome.failure.as_ref().is_none_or(program) {
            let ask = step.fresh[at - step.runs.start];
            self.keep(&step.keys[ask], Box::new(outcome.clone()), step.asks[ask].keep_steps);
        } else {
            flow.is_unclear = true;
        }
        step.failures.are_hopeless_with(outcome)
    }

    /// Begins the steps that follow now that so many runs were made.
    fn follow(
        &self,
        flow: &mut Flow,
        made: usize,
        room: usize,
        next: &mut Next<'_>,
    ) -> Vec<Job> {
        let mut jobs = Vec::new();
        while let (Some(last), None, false) =
            (flow.steps.back(), &flow.waiting, flow.is_unclear)
        {
            if last.others.is_empty() || made < last.others_end() {
                break;
            }
            let step = next(self, &self.known(&last.keys[last.others.clone()]));
            let size = step.others.len() + step.states.len() * self.val.len();
            if step.is_empty() || size > room - flow.runs {
                flow.waiting = Some(step);
            } else {
                jobs.extend(self.begin(flow, step));
            }
        }
        jobs
    }

    /// Closes the steps whose runs were all made; whether there were any.
    fn close_ended(&mut self, flow: &mut Flow, seen: &Progress) -> bool {
        let mut any = false;
        // The last one is left: what comes next may have to be asked of it.
        while flow.steps.len() > 1 && !flow.is_unclear && flow.stop.is_none() {
            let Some(step) = flow.steps.pop_front_if(|it| it.runs.end <= seen.done) else {
                break;
            };
            flow.stop = self.close(&step, seen.calls);
            any = true;
        }
        any
    }

    /// Takes the scores of a step; why one has none.
    fn close(&mut self, step: &Begun, calls: u64) -> Option<Stop> {
        let outcomes = self.known(&step.keys);
        let made = |at: &usize| outcomes[*at].as_deref();
        self.path.pass(step.fresh.iter().filter_map(made));
        let (mut stop, rows) = (None, self.val.len());
        for (nth, candidate) in step.proposed.iter().enumerate() {
            let own = step.scores(nth, rows);
            let fresh = step.fresh.iter().filter(|at| own.contains(*at));
            let mut candidate = candidate.clone();
            candidate.calls = fresh.filter_map(made).map(|it| u64::from(it.calls)).sum();
            let outcomes = &outcomes[own];
            let whole = outcomes.iter().all(Option::is_some);
            candidate.take(outcomes, whole, self.settings.seed);
            if candidate.score.is_none() {
                stop.get_or_insert_with(|| Stop::Refused(unscored(outcomes)));
            }
            self.adopt_after(candidate, calls);
        }
        stop
    }

    /// Closes the steps that are left; what comes next.
    fn end(&mut self, flow: Flow, batch: Batch, next: &mut Next<'_>) -> Result<Step, Stop> {
        if let Some(stop) = flow.stop {
            return Err(stop);
        }
        let mut others = Vec::new();
        for step in flow.steps {
            let outcomes = &batch.outcomes[step.runs.clone()];
            for (at, outcome) in step.fresh.iter().zip(outcomes) {
                let (key, ask) = (&step.keys[*at], &step.asks[*at]);
                if let Some(outcome) = outcome.as_ref().filter(|_| !self.remembers(key, ask)) {
                    self.keep(key, outcome.clone(), ask.keep_steps);
                }
            }
            let unscored = self.close(&step, self.budget.spent());
            let ended = self.ended(hopeless(outcomes).or(batch.stop.clone()));
            if let Some(stop) = ended.or(unscored) {
                return Err(stop);
            }
            others = self.known(&step.keys[step.others.clone()]);
        }
        Ok(flow.waiting.unwrap_or_else(|| next(self, &others)))
    }

    /// What is known of these.
    fn known(&self, keys: &[Key]) -> Vec<Option<Arc<Outcome>>> {
        keys.iter().map(|key| Some(Arc::clone(&self.memo.get(key)?.outcome))).collect()
    }
}
