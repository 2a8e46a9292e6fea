//! What a search is likely to take, from a few runs.
//!
//! The first runs that the search asks for are made: a few of each kind. Then the search itself is
//! played through, several times, with an evaluator that asks nobody. It gives what a measured run
//! gave, chosen at random, and scales the tokens read by the length of the prompt that the state
//! at hand would make. So the forecast knows how early a bootstrap has enough demos, how prompts
//! grow with them, and how many candidates are dropped, for it is the policy's own code that
//! decides.

use crate::diag::Diagnostic;
use crate::eval::{
    Budget, Cancel, Evaluator, FailureKind, Job, Outcome, Random, RunOptions, Spent, Stop,
    run_jobs,
};
use crate::lm::{Cost, Money};
use crate::optimize::data::Data;
use crate::optimize::guess::Guess;
use crate::optimize::search::evaluator;
use crate::optimize::{Example, Policy, Problem, Proposer, Settings, Teacher, Who, compile};
use crate::program::{State, row_hash};
use crate::schema::Record;
use crate::util::lock;
use indexmap::IndexMap;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// How often a search is played through.
const PLAYS: u64 = 6;

/// Tells how long prompts are, without sending them.
pub trait Prompts: Sync {
    /// The bytes of what the predictor at `path` would send for these inputs.
    fn bytes(&self, who: Who, state: &State, path: &str, inputs: &Record) -> Option<u64>;
}

/// What a part of a search takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Calls, cached ones included.
    pub calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What that costs.
    pub cost: Cost,
}

impl Share {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            completion_tokens: self.completion_tokens + other.completion_tokens,
            cost: self.cost.plus(other.cost),
        }
    }

    fn of_each(self, plays: u64) -> Self {
        Self {
            calls: (self.calls + plays / 2) / plays,
            prompt_tokens: self.prompt_tokens / plays,
            completion_tokens: self.completion_tokens / plays,
            cost: Cost {
                listed: self.cost.listed.shared(plays),
                paid: self.cost.paid.shared(plays),
                ..self.cost
            },
        }
    }

    /// Tokens read and written.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }
}

/// What a search is likely to take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forecast {
    /// Runs that were made to know it.
    pub measured: usize,
    /// What they took.
    pub took: Share,
    /// By phase and predictor.
    pub shares: IndexMap<(String, String), Share>,
    /// The least and the most calls of all plays.
    pub range: (u64, u64),
    /// What ended most plays before their end.
    pub stop: Option<Stop>,
}

impl Forecast {
    /// All phases and predictors together.
    pub fn total(&self) -> Share {
        self.shares.values().fold(Share::default(), |sum, it| sum.plus(*it))
    }

    /// The forecast in lines.
    pub fn render(&self) -> String {
        let mut text = String::from("expected\n");
        let name = |(phase, path): &(String, String)| format!("  {phase}, {path}");
        let widths = self.shares.keys().map(|it| name(it).chars().count() + 2);
        let width = widths.max().unwrap_or(0).max(28);
        for (key, share) in &self.shares {
            let _ = writeln!(text, "{:<width$}{}", name(key), told(share));
        }
        let (least, most) = self.range;
        let range = if least == most { String::new() } else { format!(" ({least} to {most})") };
        let _ = writeln!(text, "{:<width$}{}{range}", "in all", told(&self.total()));
        if let Some(stop) = &self.stop {
            let _ = writeln!(text, "{:<width$}{stop}", "stopped");
        }
        let s = if self.measured == 1 { "" } else { "s" };
        let measured = format!("{} run{s}, {}", self.measured, told(&self.took));
        let _ = writeln!(text, "{:<width$}{measured}; the replies are kept", "measured");
        text
    }
}

fn told(it: &Share) -> String {
    let cost = it.cost.told().map(|it| format!(", {it}")).unwrap_or_default();
    let Share { calls, prompt_tokens, completion_tokens, .. } = it;
    format!("{calls} calls, {prompt_tokens} tokens in, {completion_tokens} out{cost}")
}

/// Makes up to `most` of the first runs of a search, and says what all of it is likely to take.
///
/// # Errors
/// Options or data that cannot be used, and runs of which none came back.
pub fn forecast(
    policy: &dyn Policy,
    problem: &Problem<'_>,
    settings: &Settings,
    most: usize,
    prompts: &dyn Prompts,
    cancel: &Cancel,
) -> Result<Forecast, Box<Diagnostic>> {
    let alone = Settings {
        run: RunOptions { threads: 1, ..settings.run },
        max_time: None,
        ..settings.clone()
    };
    let mut budget = Budget::new(&settings.caps());
    let mut samples = Vec::new();
    while samples.len() < most {
        // What was measured may show what the search asks for next.
        let next = scouted(policy, problem, &alone, &samples)?;
        let wanted = chosen(next, most - samples.len());
        let new = measured(problem, settings, &wanted, &mut budget, cancel)?;
        if new.is_empty() {
            break;
        }
        samples.extend(new);
    }
    let took = samples.iter().fold(Share::default(), |sum, it| sum.plus(share(&it.outcome)));
    let mut forecast = Forecast { measured: samples.len(), took, ..Forecast::default() };
    if samples.is_empty() {
        return Ok(forecast);
    }
    let phases = Phases::of(policy, problem, &alone)?;
    let lengths = Lengths::new(&samples, prompts);
    let (mut calls, mut stops) = (Vec::new(), Vec::new());
    for play in 0..PLAYS {
        let ledger = Mutex::default();
        let dream = |of| Dream {
            of,
            samples: &samples,
            phases: &phases,
            lengths: &lengths,
            ledger: &ledger,
            inner: evaluator(problem, of),
            play,
            latest: Mutex::default(),
        };
        let (student, teacher) = (dream(Who::Student), dream(Who::Teacher));
        let guess = Guess::new(&policy.questions(), &ledger);
        let played = with_evaluators(problem, &student, &teacher, &guess);
        let compiled = compile(policy, &played, &alone, &Cancel::default(), &mut |_| ())?;
        calls.push(compiled.report.calls);
        stops.push(compiled.report.stop);
        for (at, it) in std::mem::take(&mut *lock(&ledger)) {
            let share = forecast.shares.entry(at).or_default();
            *share = share.plus(it);
        }
    }
    forecast.shares.values_mut().for_each(|it| *it = it.of_each(PLAYS));
    forecast.shares.sort_keys();
    let (least, most) = (calls.iter().min(), calls.iter().max());
    forecast.range = (least.copied().unwrap_or(0), most.copied().unwrap_or(0));
    stops.sort_by_key(Option::is_none);
    forecast.stop = stops.swap_remove(stops.len() / 2);
    Ok(forecast)
}

/// A run that is wanted first.
#[derive(Clone)]
struct Asked {
    who: Who,
    job: Job,
}

/// A run that was made.
struct Sample {
    who: Who,
    state: Arc<State>,
    /// The state, by its hash.
    hash: String,
    demos: usize,
    row: String,
    rollout: u64,
    outcome: Outcome,
}

impl Sample {
    fn is(&self, who: Who, row: &str, rollout: u64, hash: &str) -> bool {
        self.who == who && self.row == row && self.rollout == rollout && self.hash == hash
    }
}

fn share(outcome: &Outcome) -> Share {
    Share {
        calls: outcome.calls.into(),
        prompt_tokens: outcome.prompt_tokens,
        completion_tokens: outcome.completion_tokens,
        cost: outcome.cost,
    }
}

/// The same problem with other evaluators.
fn with_evaluators<'a>(
    problem: &'a Problem<'_>,
    student: &'a dyn Evaluator,
    teacher: &'a dyn Evaluator,
    proposer: &'a dyn Proposer,
) -> Problem<'a> {
    let teacher = problem.teacher.as_ref().map(|it| Teacher {
        evaluator: it.evaluator.map(|_| teacher),
        state: it.state.clone(),
    });
    Problem { evaluator: student, teacher, proposer: Some(proposer), ..problem.clone() }
}

/// Takes down what is asked for first, and lets the search go on with anything.
struct Scout<'a> {
    of: Who,
    samples: &'a [Sample],
    asked: Mutex<Vec<Asked>>,
    is_later: AtomicBool,
}

impl Evaluator for Scout<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let who = if job.keep_steps { Who::Teacher } else { self.of };
        let (row, hash) = (row_hash(&job.row), job.state.hash());
        let known = |it: &&Sample| it.is(who, &row, job.rollout, &hash);
        if let Some(known) = self.samples.iter().find(known) {
            return known.outcome.clone();
        }
        if !self.is_later.load(Ordering::SeqCst) {
            lock(&self.asked).push(Asked { who, job: job.clone() });
        }
        Outcome { score: Some(1.0), ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        // It is asked before each wave of runs: what comes after the first is guesswork.
        if !lock(&self.asked).is_empty() {
            self.is_later.store(true, Ordering::SeqCst);
        }
        None
    }
}

/// The runs that the search asks for next when it knows these.
fn scouted(
    policy: &dyn Policy,
    problem: &Problem<'_>,
    settings: &Settings,
    samples: &[Sample],
) -> Result<Vec<Asked>, Box<Diagnostic>> {
    let (asked, is_later) = (Mutex::default, || AtomicBool::new(false));
    let scout = |of| Scout { of, samples, asked: asked(), is_later: is_later() };
    let (student, teacher) = (scout(Who::Student), scout(Who::Teacher));
    let uncapped =
        Settings { max_calls: None, max_tokens: None, max_cost: None, ..settings.clone() };
    let ledger = Mutex::default();
    let guess = Guess::new(&policy.questions(), &ledger);
    let seen = with_evaluators(problem, &student, &teacher, &guess);
    compile(policy, &seen, &uncapped, &Cancel::default(), &mut |_| ())?;
    let of = |it: &Scout<'_>| std::mem::take(&mut *lock(&it.asked));
    Ok([of(&student), of(&teacher)].concat())
}

/// Some of each kind: by who makes them and how many demos they show, in turn. Every other one is
/// the teacher's, for demos are made from those.
fn chosen(asked: Vec<Asked>, most: usize) -> Vec<Asked> {
    let mut kinds: BTreeMap<(Who, usize), VecDeque<Asked>> = BTreeMap::new();
    for it in asked {
        // Demos of the row itself are left out, which makes no other kind.
        let demos = it.job.state.demo_count().div_ceil(4);
        kinds.entry((it.who, demos)).or_default().push_back(it);
    }
    let (teacher, student): (Vec<_>, Vec<_>) =
        kinds.into_iter().partition(|((who, _), _)| *who == Who::Teacher);
    let queues = |kinds: Vec<(_, VecDeque<Asked>)>| kinds.into_iter().map(|it| it.1).collect();
    let mut both = [in_turn(queues(teacher)), in_turn(queues(student))];
    in_turn(std::mem::take(&mut both).into()).into_iter().take(most).collect()
}

/// The first of each queue, then the second of each.
fn in_turn(mut queues: Vec<VecDeque<Asked>>) -> VecDeque<Asked> {
    let mut all = VecDeque::new();
    while queues.iter().any(|it| !it.is_empty()) {
        all.extend(queues.iter_mut().filter_map(VecDeque::pop_front));
    }
    all
}

/// Makes the runs, under the caps of the search.
fn measured(
    problem: &Problem<'_>,
    settings: &Settings,
    wanted: &[Asked],
    budget: &mut Budget,
    cancel: &Cancel,
) -> Result<Vec<Sample>, Box<Diagnostic>> {
    let (mut samples, mut failure) = (Vec::new(), None);
    for who in [Who::Student, Who::Teacher] {
        let of: Vec<&Asked> = wanted.iter().filter(|it| it.who == who).collect();
        let jobs: Vec<Job> =
            of.iter().map(|it| Job { keep_steps: true, ..it.job.clone() }).collect();
        let batch =
            run_jobs(evaluator(problem, who), &jobs, settings.run, budget, cancel, &mut |_| ());
        if let Some(Stop::Metric(message) | Stop::Refused(message) | Stop::Unserved(message)) =
            batch.stop
        {
            failure.get_or_insert(message);
        }
        for (job, outcome) in jobs.into_iter().zip(batch.outcomes) {
            match outcome {
                Some(outcome) if outcome.failed_by(FailureKind::Infrastructure) => {
                    failure = failure.or(outcome.failure.map(|it| it.message));
                }
                Some(outcome) => {
                    let (row, rollout) = (row_hash(&job.row), job.rollout);
                    let (hash, demos) = (job.state.hash(), job.state.demo_count());
                    let state = job.state;
                    let outcome = *outcome;
                    samples.push(Sample { who, state, hash, demos, row, rollout, outcome });
                }
                None => {}
            }
        }
    }
    match failure.filter(|_| samples.is_empty()) {
        Some(message) => Err(super::refused(format!("nothing could be measured: {message}"))),
        None => Ok(samples),
    }
}

/// What runs are counted under.
struct Phases {
    /// Of the student and of the teacher.
    names: BTreeMap<Who, String>,
    /// Of rows that are kept from the search.
    held: BTreeMap<String, &'static str>,
}

impl Phases {
    fn of(
        policy: &dyn Policy,
        problem: &Problem<'_>,
        settings: &Settings,
    ) -> Result<Self, Box<Diagnostic>> {
        let data = Data::prepare(policy, problem, settings)?;
        let plan = data.plan(policy, problem, settings);
        let mut names = BTreeMap::new();
        for phase in plan.phases {
            names.entry(phase.who).or_insert(phase.name);
        }
        let held = data.held()?;
        let rows = |rows: Vec<Example>, name| {
            rows.into_iter().map(move |it| (it.hash, name)).collect::<Vec<_>>()
        };
        let held = [rows(held.runoff, "finalists"), rows(held.last, "confirm")].concat();
        Ok(Self { names, held: held.into_iter().collect() })
    }

    fn name(&self, who: Who, row: &str) -> String {
        let of = |who| self.names.get(&who).cloned().unwrap_or_else(|| "runs".to_owned());
        self.held.get(row).map_or_else(|| of(who), |it| (*it).to_owned())
    }
}

pub(crate) type Ledger = BTreeMap<(String, String), Share>;

/// How long prompts are.
struct Lengths<'a> {
    samples: &'a [Sample],
    prompts: &'a dyn Prompts,
    /// Of a sample's own prompts, by predictor.
    own: Vec<BTreeMap<String, f64>>,
    /// Of the prompt that a predictor makes in a state for the inputs of the first sample.
    of_state: Mutex<BTreeMap<(Who, String, String), Option<f64>>>,
}

impl<'a> Lengths<'a> {
    fn new(samples: &'a [Sample], prompts: &'a dyn Prompts) -> Self {
        let own = |it: &Sample| {
            let mut own: BTreeMap<String, (f64, f64)> = BTreeMap::new();
            for step in &it.outcome.steps {
                if let Some(n) = prompts.bytes(it.who, &it.state, &step.path, &step.inputs) {
                    let entry = own.entry(step.path.clone()).or_default();
                    *entry = (entry.0 + float(n), entry.1 + 1.0);
                }
            }
            own.into_iter().map(|(path, (sum, n))| (path, sum / n)).collect()
        };
        let own = samples.iter().map(own).collect();
        Self { samples, prompts, own, of_state: Mutex::default() }
    }

    fn of_state(&self, who: Who, state: &State, hash: &str, path: &str) -> Option<f64> {
        let key = (who, hash.to_owned(), path.to_owned());
        if let Some(known) = lock(&self.of_state).get(&key) {
            return *known;
        }
        let steps = self.samples.iter().flat_map(|it| &it.outcome.steps);
        let step = steps.into_iter().find(|it| it.path == path);
        let bytes = step.and_then(|it| self.prompts.bytes(who, state, path, &it.inputs));
        let bytes = bytes.map(float);
        lock(&self.of_state).insert(key, bytes);
        bytes
    }

    /// How much longer the prompts of a predictor are in another state than a sample's were.
    fn growth(&self, who: Who, state: &State, hash: &str, at: usize, path: &str) -> f64 {
        let sample = &self.samples[at];
        let then = self.of_state(sample.who, &sample.state, &sample.hash, path);
        let now = self.of_state(who, state, hash, path);
        match (self.own[at].get(path), then, now) {
            (Some(own), Some(then), Some(now)) if *own > 0.0 => {
                (1.0 + (now - then) / own).max(0.01)
            }
            _ => 1.0,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "prompts are shorter")]
fn float(n: u64) -> f64 {
    n as f64
}

/// Gives what measured runs gave.
struct Dream<'a> {
    of: Who,
    samples: &'a [Sample],
    phases: &'a Phases,
    lengths: &'a Lengths<'a>,
    ledger: &'a Mutex<Ledger>,
    inner: &'a dyn Evaluator,
    play: u64,
    /// The state that was hashed last, and how many demos it has.
    latest: Mutex<Option<(Arc<State>, String, usize)>>,
}

impl Dream<'_> {
    fn hashed(&self, state: &Arc<State>) -> (String, usize) {
        let mut latest = lock(&self.latest);
        match &*latest {
            Some((known, hash, demos)) if Arc::ptr_eq(known, state) => (hash.clone(), *demos),
            _ => {
                let (hash, demos) = (state.hash(), state.demo_count());
                *latest = Some((state.clone(), hash.clone(), demos));
                (hash, demos)
            }
        }
    }

    /// The sample for a run: the run itself where it was made, else one of the same kind. Of a few
    /// runs that all failed, or all passed, one does not believe that others do the same: two of
    /// them count as one more that passed and one that failed.
    fn sample(&self, run: &Run<'_>) -> (usize, Option<f64>) {
        let Run { who, row, rollout, hash, .. } = run;
        let itself = self.samples.iter().position(|it| it.is(*who, row, *rollout, hash));
        if let Some(at) = itself {
            return (at, self.samples[at].outcome.score);
        }
        let alike = self.alike(*who, run.demos > 0);
        let mut random = Random::new(self.play, &format!("{row} {rollout} {hash}"));
        let drawn = random.below(alike.len() + 2);
        match alike.get(drawn) {
            Some(at) => (*at, self.samples[*at].outcome.score),
            None => {
                let at = alike[random.below(alike.len())];
                let score = if drawn == alike.len() { 0.0 } else { 1.0 };
                (at, self.samples[at].outcome.score.map(|_| score))
            }
        }
    }

    /// Runs of the same program with demos, or without; else of the same program, else any.
    fn alike(&self, who: Who, with_demos: bool) -> Vec<usize> {
        let of = |fits: &dyn Fn(&Sample) -> bool| -> Vec<usize> {
            let all = self.samples.iter().enumerate();
            all.filter(|(_, it)| fits(it)).map(|(at, _)| at).collect()
        };
        let same = |it: &Sample| (it.demos > 0) == with_demos;
        let choices =
            [of(&|it| it.who == who && same(it)), of(&|it| same(it)), of(&|it| it.who == who)];
        let found = choices.into_iter().find(|it| !it.is_empty());
        found.unwrap_or_else(|| of(&|_| true))
    }
}

/// A run that is played.
struct Run<'a> {
    who: Who,
    row: &'a str,
    rollout: u64,
    hash: &'a str,
    demos: usize,
}

impl Evaluator for Dream<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let who = if job.keep_steps { Who::Teacher } else { self.of };
        let (row, (hash, demos)) = (row_hash(&job.row), self.hashed(&job.state));
        let run = Run { who, row: &row, rollout: job.rollout, hash: &hash, demos };
        let (at, score) = self.sample(&run);
        let sample = &self.samples[at];
        let mut outcome = Outcome { score, ..sample.outcome.clone() };
        let phase = self.phases.name(who, &row);
        (outcome.prompt_tokens, outcome.completion_tokens) = (0, 0);
        outcome.cost = Cost::default();
        for (path, spent) in &sample.outcome.by_path {
            let growth = if sample.hash == hash {
                1.0
            } else {
                self.lengths.growth(who, &job.state, &hash, at, path)
            };
            let share = grown(spent, growth);
            outcome.prompt_tokens += share.prompt_tokens;
            outcome.completion_tokens += share.completion_tokens;
            outcome.cost = outcome.cost.plus(share.cost);
            let mut ledger = lock(self.ledger);
            let entry = ledger.entry((phase.clone(), path.clone())).or_default();
            *entry = entry.plus(share);
        }
        outcome
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.inner.max_calls_per_run()
    }
}

/// What calls take whose prompts are so much longer.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a forecast is no sum"
)]
fn grown(it: &Spent, growth: f64) -> Share {
    let prompt_tokens = (it.prompt_tokens as f64 * growth).round() as u64;
    let all = |read: u64| (read + it.completion_tokens).max(1) as f64;
    // What is written costs more than what is read, but nobody knows here how much.
    let dearer = all(prompt_tokens) / all(it.prompt_tokens);
    let money = |it: Money| Money::usd(it.dollars() * dearer);
    Share {
        calls: it.calls.into(),
        prompt_tokens,
        completion_tokens: it.completion_tokens,
        cost: Cost { listed: money(it.cost.listed), paid: money(it.cost.paid), ..it.cost },
    }
}
