//! `tune` in worlds made for it: where only demos help, only words, only the adapter, where a
//! cheaper model is as good, where nothing helps; and what holds of it in any case.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::{
    Cancel, Dataset, Evaluator, Failure, FailureKind, Job, Outcome, Random, RunOptions, Step,
};
use dsp_lang::optimize::{
    Care, Compiled, Policy, Problem, Proposer, Question, RandomSearch, Settings, Tune, compile,
    plan,
};
use dsp_lang::program::State;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What helps in a world, by how many points.
#[derive(Debug, Clone, Copy, Default)]
struct Helps {
    /// Each demo up to eight.
    demos: f64,
    /// The word "well" in the instructions of each predictor.
    words: f64,
    /// The adapter `json`.
    adapter: f64,
    /// The model `small`; it costs a tenth.
    small: f64,
}

/// A program whose runs are right with a chance that follows from its state.
struct World {
    helps: Helps,
    paths: Vec<&'static str>,
    seed: u64,
    /// Calls of a run.
    calls: u64,
    spent: AtomicU64,
    /// How often the model proposes something that helps: 1 in so many.
    wise: u64,
}

impl World {
    fn new(helps: Helps, seed: u64) -> Self {
        let spent = AtomicU64::new(0);
        Self { helps, paths: vec!["self"], seed, calls: 1, spent, wise: 3 }
    }

    fn signatures(&self) -> IndexMap<String, Signature> {
        let field = |name: &str| vec![Field::new(name, Ty::Str)];
        let signature = |path: &&str| {
            let signature = Signature {
                name: "S".into(),
                instructions: "Answer.".into(),
                inputs: field("question"),
                outputs: field("answer"),
                types: Arc::new(TypeTable::new()),
                contracts: 0,
            };
            ((*path).to_owned(), signature)
        };
        self.paths.iter().map(signature).collect()
    }

    /// How likely the program is right, over all rows.
    fn chance(&self, state: &State) -> f64 {
        let parts = self.paths.len() as f64;
        let mut chance = 0.4;
        for path in &self.paths {
            let Some(own) = state.get(path) else { continue };
            let words = own.instructions.as_deref().unwrap_or_default();
            chance += self.helps.demos * own.demos.len().min(8) as f64 / 8.0 / parts;
            chance += if words.contains("well") { self.helps.words / parts } else { 0.0 };
            chance += if own.adapter.as_deref() == Some("json") {
                self.helps.adapter / parts
            } else {
                0.0
            };
            chance +=
                if own.lm.as_deref() == Some("small") { self.helps.small / parts } else { 0.0 };
        }
        chance
    }

    fn is_right(&self, job: &Job) -> bool {
        let question = job.row.values["question"].to_string();
        // A hard row is hard for all states; which states fail on it is half chance.
        let hard = Random::new(self.seed, &question).unit();
        let own = Random::new(self.seed, &format!("{question} {}", job.state.hash())).unit();
        let mixed = if own < 0.3 {
            Random::new(self.seed, &format!("{question} {own}")).unit()
        } else {
            hard
        };
        mixed < self.chance(&job.state)
    }

    fn claim(&self, job: &Job, calls: u64) -> Option<Outcome> {
        if job.max_calls.is_some_and(|most| most < calls) {
            let failure = Failure::new(FailureKind::Stopped, "its share of calls is used up");
            return Some(Outcome::failed(failure));
        }
        self.spent.fetch_add(calls, Ordering::SeqCst);
        None
    }
}

impl Evaluator for World {
    fn run(&self, job: &Job) -> Outcome {
        if let Some(stopped) = self.claim(job, self.calls) {
            return stopped;
        }
        let values = |name: &str| job.row.values[name].clone();
        let step = |path: &&str| Step {
            path: (*path).to_owned(),
            inputs: Record::from_iter([("question".into(), values("question"))]),
            outputs: Record::from_iter([("answer".into(), values("answer"))]),
            ..Step::default()
        };
        let is_small =
            job.state.predictors.values().any(|it| it.lm.as_deref() == Some("small"));
        let tokens = 100 + 50 * job.state.demo_count() as u64;
        Outcome {
            score: Some(if self.is_right(job) { 1.0 } else { 0.0 }),
            steps: if job.keep_steps {
                self.paths.iter().map(step).collect()
            } else {
                Vec::new()
            },
            calls: self.calls as u32,
            prompt_tokens: if is_small { tokens / 10 } else { tokens },
            completion_tokens: 1,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(self.calls + 1)
    }
}

/// Who proposes: now and then a text that helps.
struct Asks<'w>(&'w World);

impl Evaluator for Asks<'_> {
    fn run(&self, job: &Job) -> Outcome {
        if let Some(stopped) = self.0.claim(job, 1) {
            return stopped;
        }
        let asked = format!("{:?} {}", job.row.values, job.rollout);
        let number = Random::new(self.0.seed, &asked).below(1_000_000) as u64;
        let word =
            if self.0.wise > 0 && number.is_multiple_of(self.0.wise) { "well" } else { "so" };
        let text = format!("Answer {word}, {number}.");
        let item = Record::from_iter([
            ("field".into(), Value::from("answer")),
            ("description".into(), Value::from(text.as_str())),
        ]);
        let mut reply = Record::new();
        for name in
            ["notes", "summary", "description", "proposed_instruction", "new_instruction"]
        {
            reply.insert(name.into(), Value::from(text.as_str()));
        }
        reply.insert("descriptions".into(), Value::list([Value::map(item)]));
        let step = Step { path: "self".to_owned(), outputs: reply.clone(), ..Step::default() };
        Outcome { reply, steps: vec![step], calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

impl Proposer for Asks<'_> {
    fn evaluator(&self, _: Question) -> &dyn Evaluator {
        self
    }
}

fn rows(from: usize, n: usize) -> Dataset {
    Dataset::from_records((from..from + n).map(|at| {
        [("question", format!("q{at}")), ("answer", format!("a{at}"))]
            .into_iter()
            .map(|(name, it)| (name.into(), Value::from(it.as_str())))
            .collect()
    }))
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 1, width: 5 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

fn found(
    world: &World,
    policy: &dyn Policy,
    settings: &Settings,
    sizes: (usize, usize),
) -> Compiled {
    let (signatures, asks) = (world.signatures(), Asks(world));
    let problem = Problem {
        source: String::new(),
        proposer: Some(&asks),
        evaluator: world,
        signatures: &signatures,
        start: State::default(),
        teacher: None,
        trainset: rows(0, sizes.0),
        valset: Some(rows(1000, sizes.1)),
        testset: None,
        care: Care::default(),
        lm: None,
    };
    let most = plan(policy, &problem, settings).unwrap();
    let compiled =
        compile(policy, &problem, settings, &Cancel::default(), &mut |_| ()).unwrap();
    let report = &compiled.report;
    assert!(most.worst_case().is_none_or(|it| report.calls <= it), "more than was planned");
    assert!(settings.max_calls.is_none_or(|it| report.calls <= it), "the cap was passed");
    assert_eq!(report.calls, world.spent.load(Ordering::SeqCst), "calls are missing");
    compiled
}

/// The mean chance of what is found, over seeds.
fn reached(
    helps: Helps,
    policy: &dyn Policy,
    calls: u64,
    seeds: u64,
    change: &dyn Fn(&mut World),
) -> f64 {
    let one = |seed: u64| {
        let mut world = World::new(helps, seed);
        change(&mut world);
        let compiled = found(&world, policy, &settings(seed, 1, Some(calls)), (40, 100));
        world.chance(&compiled.state)
    };
    (0..seeds).map(one).sum::<f64>() / seeds as f64
}

const NONE: Helps = Helps { demos: 0.0, words: 0.0, adapter: 0.0, small: 0.0 };

fn same(_: &mut World) {}

fn two(world: &mut World) {
    world.paths = vec!["first", "second"];
}

#[test]
fn demos_are_found_with_a_small_budget_and_no_worse_than_by_random_search() {
    let helps = Helps { demos: 0.3, ..NONE };
    let random = RandomSearch::default();
    for calls in [100, 300] {
        let own = reached(helps, &Tune::default(), calls, 10, &same);
        let other = reached(helps, &random, calls, 10, &same);
        assert!(own > 0.62 && own >= other - 0.001, "{calls} calls: {own}, random {other}");
    }
    assert!(reached(helps, &Tune::default(), 300, 6, &two) > 0.65);
}

#[test]
fn what_helps_alone_is_found() {
    let adapter = Helps { adapter: 0.3, ..NONE };
    assert!(reached(adapter, &Tune::default(), 300, 6, &same) > 0.65);
    let words = Helps { words: 0.3, ..NONE };
    assert!(reached(words, &Tune::default(), 2000, 6, &same) > 0.6);
}

#[test]
fn the_same_comes_out_with_any_number_of_threads() {
    let helps = Helps { demos: 0.2, words: 0.1, adapter: 0.1, ..NONE };
    for calls in [60, 700] {
        let one = |threads: usize| {
            let mut world = World::new(helps, 7);
            two(&mut world);
            let it =
                found(&world, &Tune::default(), &settings(7, threads, Some(calls)), (30, 60));
            (it.state.hash(), it.report.render())
        };
        assert_eq!(one(1), one(64));
    }
}
