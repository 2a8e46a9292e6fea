//! The engine under all optimizers.
//!
//! It makes runs in batches, one state on many rows, and remembers each by state, row and
//! sample, so that nothing is run twice. Scores are rows of a matrix: one for each candidate,
//! a column for each row to choose by. Everything is consumed in the order in which it was
//! asked for; the cap on calls is admitted in that order too (see [`crate::eval::budget`]).
//! Steps of which one follows from some runs of another may overlap (see [`Search::flow`]).

mod flow;
mod means;
mod mixed;
mod stage;

pub use flow::{Next, Step};
use means::Means;
pub use means::{Price, Taste};

use crate::data::Read;
use crate::diag::Diagnostic;
use crate::eval::{
    Budget, Cancel, Dataset, Evaluator, FailureKind, Job, Outcome, Progress, Random, Stop,
    Used, run_jobs,
};
use crate::lm::{Cost, Details};
use crate::optimize::data::Data;
use crate::optimize::search::mixed::Mixed;
use crate::optimize::{Candidate, Path, Plan, Problem, Question, Report, Settings};
use crate::program::{State, row_hash};
use crate::schema::{Row, Signature};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// When all of at least this many runs fail by machines, the search ends: spending more would
/// show nothing.
const HOPELESS: usize = 4;

/// When the first runs of a batch fail by machines, this many, the rest is not tried.
const HOPELESS_BATCH: usize = 16;

/// Who makes a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The program that is optimized.
    Student,
    /// The program that demos are taken from.
    Teacher,
    /// The model that proposes, asked this.
    Proposer(Question),
}

/// A row of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The row.
    pub row: Arc<Row>,
    /// Its content, as a hash.
    pub hash: String,
}

/// A run that a policy asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Who makes it.
    pub who: Who,
    /// The state.
    pub state: Arc<State>,
    /// The row.
    pub example: Example,
    /// Which sample of the row: 0 is the first.
    pub rollout: u64,
    /// Whether the steps of the run are wanted.
    pub keep_steps: bool,
}

/// What the runs gave.
#[derive(Debug, Clone)]
pub struct Runs {
    /// In the order in which they were asked for; `None` for those that were not made.
    pub outcomes: Vec<Option<Arc<Outcome>>>,
    /// Whether each was made now, not remembered.
    pub made: Vec<bool>,
    /// Why some were not made.
    pub stop: Option<Stop>,
}

impl Runs {
    /// The calls of those in a range that were made now.
    fn calls(&self, range: Range<usize>) -> u64 {
        let made = range.filter(|at| self.made[*at]);
        made.filter_map(|at| Some(u64::from(self.outcomes[at].as_ref()?.calls))).sum()
    }
}

/// What a run is remembered by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    who: Who,
    state: String,
    row: usize,
    row_hash: String,
    rollout: u64,
}

/// A run that was made.
struct Known {
    outcome: Arc<Outcome>,
    /// Whether its steps were kept.
    with_steps: bool,
}

/// A search under way, as a policy sees it.
pub struct Search<'a> {
    problem: &'a Problem<'a>,
    settings: &'a Settings,
    cancel: &'a Cancel,
    progress: &'a mut dyn FnMut(&Progress),
    train: Vec<Example>,
    val: Vec<Example>,
    budget: Budget,
    memo: BTreeMap<Key, Known>,
    candidates: Vec<Candidate>,
    /// The candidate that was chosen otherwise than by its score.
    preferred: Option<usize>,
    /// What the policy that searches now begins with.
    from: Arc<State>,
    /// How many policies inside of others have begun.
    stages: usize,
    tokens: (u64, u64),
    cached_calls: u64,
    details: Details,
    cost: Cost,
    used: Vec<Used>,
    path: Path,
    notices: Vec<Diagnostic>,
    remarks: Vec<String>,
    /// What runs take, and what is kept for the end.
    means: Means<'a>,
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("candidates", &self.candidates.len())
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

pub(super) fn examples(data: &Dataset) -> Read<Vec<Example>> {
    let example = |row: Arc<Row>| Example { hash: row_hash(&row), row };
    data.iter().map(|row| row.map(example)).collect()
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        problem: &'a Problem<'a>,
        settings: &'a Settings,
        data: &Data,
        cancel: &'a Cancel,
        progress: &'a mut dyn FnMut(&Progress),
    ) -> Read<Self> {
        Ok(Self {
            problem,
            settings,
            cancel,
            progress,
            train: examples(&data.trainset)?,
            val: examples(&data.valset)?,
            budget: Budget::new(&settings.caps()),
            memo: BTreeMap::new(),
            candidates: Vec::new(),
            preferred: None,
            from: Arc::new(problem.start.clone()),
            stages: 0,
            tokens: (0, 0),
            cached_calls: 0,
            details: Details::default(),
            cost: Cost::default(),
            used: Vec::new(),
            path: Path::default(),
            notices: Vec::new(),
            remarks: Vec::new(),
            means: Means::new(data.held_sizes()),
        })
    }

    /// The predictors that may be changed, with the signatures the program declares.
    pub fn predictors(&self) -> IndexMap<String, Signature> {
        let all = predictors(self.problem, self.settings);
        all.map(|(path, signature)| (path.clone(), signature.clone())).collect()
    }

    /// The state that the program had before all work.
    pub(super) fn as_it_was(&self) -> &State {
        &self.problem.start
    }

    /// The state that the search begins with.
    pub fn start(&self) -> &State {
        &self.from
    }

    /// The teacher's state, if there is a teacher.
    pub fn teacher(&self) -> Option<&'a State> {
        self.problem.teacher.as_ref().map(|teacher| &teacher.state)
    }

    /// The text of the program, where it has one.
    pub fn source(&self) -> &'a str {
        &self.problem.source
    }

    /// Rows to learn from.
    pub fn train(&self) -> &[Example] {
        &self.train
    }

    /// Rows to choose by.
    pub fn val(&self) -> &[Example] {
        &self.val
    }

    /// How many runs may be started before it is known whether they are needed.
    pub fn width(&self) -> usize {
        self.settings.run.width.max(1)
    }

    /// The stream of random numbers of this label; decisions with labels of their own do not
    /// move each other.
    pub fn random(&self, label: &str) -> Random {
        match self.stages {
            0 => Random::new(self.settings.seed, label),
            stage => Random::new(self.settings.seed, &format!("{stage}/{label}")),
        }
    }

    /// Tells the user something at the end.
    pub fn notice(&mut self, notice: Diagnostic) {
        self.notices.push(notice);
    }

    /// Says how the search went, for the report.
    pub fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }

    /// Makes runs, or remembers them.
    pub fn run(&mut self, phase: &str, asks: &[Ask]) -> Runs {
        let keys = keys(asks);
        let mut fresh: BTreeMap<&Key, usize> = BTreeMap::new();
        for (at, key) in keys.iter().enumerate() {
            if !self.remembers(key, &asks[at]) {
                fresh.entry(key).or_insert(at);
            }
        }
        let mut asked: Vec<usize> = fresh.into_values().collect();
        asked.sort_unstable();
        let mut stop = None;
        for group in self.groups(asks, &asked) {
            stop = stop.or_else(|| self.make(phase, asks, &keys, &group));
        }
        let outcomes =
            keys.iter().map(|key| Some(Arc::clone(&self.memo.get(key)?.outcome))).collect();
        let mut made = vec![false; asks.len()];
        asked.iter().for_each(|at| made[*at] = true);
        Runs { outcomes, made, stop }
    }

    /// Whether a run was made, with its steps if those are wanted.
    fn remembers(&self, key: &Key, ask: &Ask) -> bool {
        self.memo.get(key).is_some_and(|known| known.with_steps || !ask.keep_steps)
    }

    /// How many of these need not be made.
    pub(super) fn remembered(&self, asks: &[Ask]) -> usize {
        let keys = keys(asks);
        asks.iter().zip(&keys).filter(|(ask, key)| self.remembers(key, ask)).count()
    }

    /// The runs at `asked`: all together where they can be told apart and each has a bound, else
    /// those of one evaluator together.
    fn groups(&self, asks: &[Ask], asked: &[usize]) -> Vec<Vec<usize>> {
        let apart = self.problem.teacher.as_ref().is_some_and(|it| it.evaluator.is_some());
        let mut groups: BTreeMap<Who, Vec<usize>> = BTreeMap::new();
        for at in asked {
            let who = match asks[*at].who {
                Who::Teacher if !apart => Who::Student,
                who => who,
            };
            groups.entry(who).or_default().push(*at);
        }
        let together = || Mixed::new(self.problem, asks, asked)?.max_calls_per_run();
        if groups.len() > 1 && together().is_some() {
            return vec![asked.to_vec()];
        }
        groups.into_values().collect()
    }

    /// Makes the runs at `asked` and remembers them.
    fn make(
        &mut self,
        phase: &str,
        asks: &[Ask],
        keys: &[Key],
        asked: &[usize],
    ) -> Option<Stop> {
        let jobs: Vec<Job> = asked.iter().map(|at| job(&asks[*at])).collect();
        let mut seen = self.progress_of(phase, jobs.len());
        let (progress, mut cost) = (&mut self.progress, self.cost);
        let (part, mut failures) = (self.cancel.part(), Failures::default());
        let mut done = |outcome: &Outcome| {
            if failures.are_hopeless_with(outcome) {
                part.cancel();
            }
            // A run that is made again is done once.
            seen.done = (seen.done + 1).min(seen.total);
            seen.calls += u64::from(outcome.calls);
            seen.tokens += outcome.prompt_tokens + outcome.completion_tokens;
            cost = cost.plus(outcome.cost);
            seen.usd = cost.worth_telling();
            progress(&seen);
        };
        let first = asked.first()?;
        let alike = asked.iter().all(|at| asks[*at].who == asks[*first].who);
        let mixed = if alike { None } else { Mixed::new(self.problem, asks, asked) };
        let evaluator = match &mixed {
            Some(mixed) => mixed,
            None => evaluator(self.problem, asks[*first].who),
        };
        let (run, budget) = (self.settings.run, &mut self.budget);
        let batch = run_jobs(evaluator, &jobs, run, budget, &part, &mut done);
        let hopeless = hopeless(&batch.outcomes);
        self.path.pass(batch.outcomes.iter().filter_map(Option::as_deref));
        for (at, outcome) in asked.iter().zip(batch.outcomes) {
            if let Some(outcome) = outcome {
                self.keep(&keys[*at], outcome, asks[*at].keep_steps);
            }
        }
        self.ended(hopeless.or(batch.stop))
    }

    /// Why work ended: where models could be asked before, what was found then is worth keeping.
    fn ended(&self, stop: Option<Stop>) -> Option<Stop> {
        let came = |it: &Known| !it.outcome.failed_by(FailureKind::Infrastructure);
        match stop {
            Some(Stop::Unserved(why)) if self.memo.values().any(came) => {
                Some(Stop::Refused(why))
            }
            stop => stop,
        }
    }

    fn keep(&mut self, key: &Key, outcome: Box<Outcome>, with_steps: bool) {
        self.tokens.0 += outcome.prompt_tokens;
        self.tokens.1 += outcome.completion_tokens;
        self.cached_calls += u64::from(outcome.cached_calls);
        self.details = self.details.plus(outcome.details);
        self.cost = self.cost.plus(outcome.cost);
        outcome.used.iter().for_each(|it| it.add_to(&mut self.used));
        self.means.note(key, &outcome);
        self.memo.insert(key.clone(), Known { outcome: Arc::from(outcome), with_steps });
    }

    fn progress_of(&self, phase: &str, total: usize) -> Progress {
        let best = self.best().map(|at| &self.candidates[at]);
        Progress {
            phase: phase.to_owned(),
            total,
            best: best.and_then(|it| it.score),
            interval: best.and_then(|it| it.interval),
            candidates: self.candidates.iter().filter(|it| it.score.is_some()).count(),
            calls: self.budget.spent(),
            tokens: self.tokens.0 + self.tokens.1,
            usd: self.cost.worth_telling(),
            max_calls: self.budget.cap(),
            ..Progress::default()
        }
    }

    /// Proposes a state that is not scored.
    pub fn propose(&mut self, label: &str, state: State) {
        let serial = self.candidates.len();
        self.candidates.push(Candidate::new(serial, label, state));
    }

    /// Proposes a state and scores it on the rows to choose by.
    ///
    /// # Errors
    /// Why not all rows were scored; the state can then not be chosen.
    pub fn score(&mut self, label: &str, state: State) -> Result<f64, Stop> {
        let serial = self.candidates.len();
        self.step(label, vec![(serial, label.to_owned(), state)], &[])?;
        Ok(self.candidates[serial].score.unwrap_or_default())
    }

    /// Proposes states, each with its place among all that will be proposed, and scores them on
    /// the rows to choose by; makes other runs beside that. Nothing waits for another, so that
    /// many runs are under way. The rows of one state stand together, for models that remember
    /// the beginnings of prompts.
    ///
    /// # Errors
    /// Why not all was done. States that were scored on all rows can be chosen.
    pub fn step(
        &mut self,
        phase: &str,
        states: Vec<(usize, String, State)>,
        others: &[Ask],
    ) -> Result<Vec<Option<Arc<Outcome>>>, Stop> {
        let new = |(serial, label, state): (usize, String, State)| {
            Candidate::new(serial, &label, state)
        };
        let proposed: Vec<Candidate> = states.into_iter().map(new).collect();
        let mut asks: Vec<Ask> = proposed.iter().flat_map(|it| self.asks(it)).collect();
        let n_scores = asks.len();
        asks.extend_from_slice(others);
        let mut runs = self.run(phase, &asks);
        let mut stop = runs.stop.clone();
        for (at, mut candidate) in proposed.into_iter().enumerate() {
            let rows = at * self.val.len()..(at + 1) * self.val.len();
            candidate.calls = runs.calls(rows.clone());
            let outcomes = &runs.outcomes[rows];
            let whole = outcomes.iter().all(Option::is_some);
            candidate.take(outcomes, whole, self.settings.seed);
            if candidate.score.is_none() {
                stop.get_or_insert_with(|| Stop::Refused(unscored(outcomes)));
            }
            self.adopt(candidate);
        }
        let others = runs.outcomes.split_off(n_scores);
        stop.map_or(Ok(others), Err)
    }

    /// Scores candidates, by their places among all, on some of the rows to choose by. A
    /// candidate that has been asked for all rows has a score.
    ///
    /// # Errors
    /// Why not all rows were scored.
    pub fn score_on(
        &mut self,
        phase: &str,
        serials: &[usize],
        rows: &[usize],
    ) -> Result<(), Stop> {
        let parts: Vec<(usize, Vec<usize>)> =
            serials.iter().map(|it| (*it, rows.to_vec())).collect();
        self.score_parts(phase, &parts, &[]).map(drop)
    }

    /// Scores candidates, by their places among all, each on rows of its own, and makes other
    /// runs beside that. A candidate that has been asked for all rows has a score.
    ///
    /// # Errors
    /// Why not all was done.
    pub fn score_parts(
        &mut self,
        phase: &str,
        parts: &[(usize, Vec<usize>)],
        others: &[Ask],
    ) -> Result<Vec<Option<Arc<Outcome>>>, Stop> {
        let (mut asks, mut places) = (Vec::new(), Vec::new());
        for (serial, rows) in parts {
            let Some(at) = self.place_of(*serial) else { continue };
            let (all, first) = (self.asks(&self.candidates[at]), asks.len());
            asks.extend(rows.iter().filter_map(|row| all.get(*row).cloned()));
            places.push((at, first..asks.len()));
        }
        let n_scores = asks.len();
        asks.extend_from_slice(others);
        let mut runs = self.run(phase, &asks);
        let mut stop = runs.stop.clone();
        for (at, own) in places {
            self.candidates[at].calls += runs.calls(own);
            stop = stop.or(self.take_down(at));
        }
        let others = runs.outcomes.split_off(n_scores);
        stop.map_or(Ok(others), Err)
    }

    /// Takes down what is known of a candidate; why it can have no score.
    fn take_down(&mut self, at: usize) -> Option<Stop> {
        let keys = keys(&self.asks(&self.candidates[at]));
        let known = |key| Some(Arc::clone(&self.memo.get(key)?.outcome));
        let outcomes: Vec<Option<Arc<Outcome>>> = keys.iter().map(known).collect();
        let whole = outcomes.iter().all(Option::is_some);
        let candidate = &mut self.candidates[at];
        candidate.take(&outcomes, whole, self.settings.seed);
        let without = whole && candidate.score.is_none();
        without.then(|| Stop::Refused(unscored(&outcomes)))
    }

    /// Gives a candidate the score of the rows so far.
    pub(super) fn close_early(&mut self, serial: usize) {
        if let Some(at) = self.place_of(serial) {
            self.candidates[at].close(self.settings.seed);
        }
    }

    /// Puts a candidate that is not scored yet in its place.
    pub(super) fn admit(&mut self, serial: usize, label: &str, state: State) {
        let candidate = Candidate { tried: true, ..Candidate::new(serial, label, state) };
        self.adopt(candidate);
    }

    /// Where the candidate of this place among all stands now.
    pub(super) fn place_of(&self, serial: usize) -> Option<usize> {
        self.candidates.binary_search_by_key(&serial, |it| it.serial).ok()
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> u64 {
        self.budget.spent()
    }

    pub(super) fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// Chooses a candidate otherwise than by its score.
    pub(super) fn prefer(&mut self, at: usize) {
        self.preferred = Some(at);
    }

    /// The candidate that the search chooses; `None` for the program as it is. Without any
    /// score it is the last proposal, which is what the policy arrived at, unless the search was
    /// cut short while it scored.
    pub(super) fn chosen(&self) -> Option<usize> {
        let proposed = || self.candidates.iter().rposition(|it| !it.tried);
        self.preferred.or_else(|| self.best()).or_else(proposed)
    }

    /// Puts a candidate in its place.
    fn adopt(&mut self, candidate: Candidate) {
        self.adopt_after(candidate, self.budget.spent());
    }

    /// Puts a candidate in its place, after so many calls.
    fn adopt_after(&mut self, candidate: Candidate, calls: u64) {
        let at = self.candidates.partition_point(|it| it.serial < candidate.serial);
        let scored = candidate.scored();
        self.candidates.insert(at, candidate);
        let seen = self.progress_of("", 0);
        (self.progress)(&Progress { scored: Some(scored), calls, ..seen });
    }

    fn asks(&self, candidate: &Candidate) -> Vec<Ask> {
        let ask = |example: &Example| Ask {
            who: Who::Student,
            state: Arc::clone(&candidate.state),
            example: example.clone(),
            rollout: 0,
            keep_steps: false,
        };
        self.val.iter().map(ask).collect()
    }

    /// The best candidate: the highest score, then the fewest failed assertions, the fewest
    /// demos, and the one proposed first.
    pub fn best(&self) -> Option<usize> {
        best(&self.candidates)
    }

    /// The candidates so far.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    pub(crate) fn finish(
        self,
        optimizer: &str,
        plan: Plan,
        stop: Option<Stop>,
    ) -> (State, Report) {
        let chosen = self.chosen();
        let state = chosen.map_or(&self.problem.start, |at| &*self.candidates[at].state);
        let report = Report {
            optimizer: optimizer.to_owned(),
            plan,
            rows: (self.train.len(), self.val.len()),
            best: chosen,
            calls: self.budget.spent(),
            cached_calls: self.cached_calls,
            prompt_tokens: self.tokens.0,
            completion_tokens: self.tokens.1,
            details: self.details,
            cost: self.cost,
            used: self.used,
            stop,
            confirmation: None,
            path: self.path,
            notices: self.notices,
            remarks: self.remarks,
            seed: self.settings.seed,
            candidates: Vec::new(),
        };
        let state = State { predictors: state.predictors.clone(), provenance: None };
        (state, Report { candidates: self.candidates, ..report })
    }
}

fn best(candidates: &[Candidate]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (at, candidate) in candidates.iter().enumerate() {
        let better = |than: usize| candidate.beats(&candidates[than]);
        if candidate.score.is_some() && best.is_none_or(better) {
            best = Some(at);
        }
    }
    best
}

/// What runs are remembered by. A state that is asked for many rows is hashed once.
fn keys(asks: &[Ask]) -> Vec<Key> {
    let mut last: Option<(&Arc<State>, String)> = None;
    let mut hash = |state| match &last {
        Some((same, hash)) if Arc::ptr_eq(same, state) => hash.clone(),
        Some(_) | None => last.insert((state, state.hash())).1.clone(),
    };
    let key = |ask| {
        let Ask { who, state, example, rollout, .. }: &Ask = ask;
        Key {
            who: *who,
            state: hash(state),
            row: example.row.index,
            row_hash: example.hash.clone(),
            rollout: *rollout,
        }
    };
    asks.iter().map(key).collect()
}

fn job(ask: &Ask) -> Job {
    Job {
        state: Arc::clone(&ask.state),
        row: Arc::clone(&ask.example.row),
        rollout: ask.rollout,
        keep_steps: ask.keep_steps,
        keep_exchanges: false,
        max_calls: None,
        max_tokens: None,
        max_cost: None,
    }
}

/// The predictors that may be changed.
pub(super) fn predictors<'a>(
    problem: &Problem<'a>,
    settings: &Settings,
) -> impl Iterator<Item = (&'a String, &'a Signature)> {
    let only = settings.only.as_ref();
    let wanted = move |path: &String| only.is_none_or(|only| only.contains(path));
    problem.signatures.iter().filter(move |(path, _)| wanted(path))
}

/// Who makes runs of this kind.
pub(super) fn evaluator<'a>(problem: &Problem<'a>, who: Who) -> &'a dyn Evaluator {
    let teacher = problem.teacher.as_ref().and_then(|teacher| teacher.evaluator);
    match who {
        Who::Student => problem.evaluator,
        Who::Teacher => teacher.unwrap_or(problem.evaluator),
        Who::Proposer(question) => {
            let proposer =
                problem.proposer.expect("who runs a policy that asks gives a proposer");
            proposer.evaluator(question)
        }
    }
}

/// Failures of machines at the beginning of a batch.
#[derive(Default)]
struct Failures {
    count: usize,
    /// Whether a run came back.
    any_came: bool,
}

impl Failures {
    /// Whether, with this outcome, so many runs failed and none came back that the rest need
    /// not be tried.
    fn are_hopeless_with(&mut self, outcome: &Outcome) -> bool {
        self.any_came |= !outcome.failed_by(FailureKind::Infrastructure);
        self.count += 1;
        !self.any_came && self.count >= HOPELESS_BATCH
    }
}

/// The reason to give up when machines failed in every run.
fn hopeless(outcomes: &[Option<Box<Outcome>>]) -> Option<Stop> {
    let failed = |it: &Option<Box<Outcome>>| {
        it.as_ref().is_some_and(|it| it.failed_by(FailureKind::Infrastructure))
    };
    let made = || outcomes.iter().filter(|it| it.is_some());
    if made().count() < HOPELESS || !made().all(failed) {
        return None;
    }
    let first = made().next()?.as_ref()?.failure.as_ref()?;
    Some(Stop::Unserved(format!("every run failed: {}", first.message)))
}

/// Why no row has a score.
fn unscored(outcomes: &[Option<Arc<Outcome>>]) -> String {
    let failure = outcomes.iter().flatten().find_map(|it| it.failure.as_ref());
    match failure {
        Some(failure) => format!("no row could be scored: {}", failure.message),
        None => "no row was scored: a metric is needed".to_owned(),
    }
}
