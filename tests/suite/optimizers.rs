//! What holds of every optimizer, whatever its idea is: the best never falls, no cap is passed, the
//! number of threads changes nothing, and what is left alone stays as it was. One table; a new
//! optimizer is a line of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::{
    Cancel, Dataset, Evaluator, Failure, FailureKind, Job, Outcome, Progress, RunOptions, Step,
    Stop,
};
use dsp_lang::optimize::{
    BetterTogether, BootstrapFewShot, Care, Compiled, Copro, Effort, Gepa, InferRules,
    LabeledFewShot, MiproV2, PartKind, Policy, Problem, Proposer, Question, Race, RandomSearch,
    Settings, Simba, Teacher, Tune, compile, plan,
};
use dsp_lang::program::State;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

type Shared = Arc<dyn Policy + Send + Sync>;

/// All optimizers, small, and with the options that change how they go about it.
fn table() -> Vec<(&'static str, Shared)> {
    let bootstrap =
        BootstrapFewShot { max_bootstrapped: 2, max_labeled: 3, ..Default::default() };
    let zero_shot = BootstrapFewShot { max_bootstrapped: 0, max_labeled: 0, ..bootstrap };
    let random = RandomSearch { bootstrap, candidates: 2, stop_at: None, race: None };
    let copro = Copro { breadth: 3, depth: 2, ..Copro::default() };
    let mipro = MiproV2 {
        candidates: Some(3),
        trials: Some(8),
        bootstrap,
        minibatch: 4,
        full_every: 3,
        ..MiproV2::default()
    };
    let gepa = Gepa { effort: Effort::Rounds(6), ..Gepa::default() };
    let simba =
        Simba { minibatch: 5, candidates: 3, steps: 2, max_demos: 2, ..Simba::default() };
    let rules = InferRules { bootstrap, candidates: 3, rules: 3, ..InferRules::default() };
    let every = PartKind::NAMES.map(|it| PartKind::of(it).unwrap()).to_vec();
    let more = BootstrapFewShot { max_rounds: 2, threshold: Some(0.6), ..bootstrap };
    let of = |name: &str, it: Shared| (name.to_owned(), it);
    let together = BetterTogether {
        steps: vec![
            of("demos", Arc::new(random)),
            of("instructions", Arc::new(copro)),
            of("reflection", Arc::new(Gepa { effort: Effort::Rounds(3), ..gepa.clone() })),
            of("few", Arc::new(LabeledFewShot { k: 2 })),
            of("trials", Arc::new(mipro)),
            of("advice", Arc::new(Simba { steps: 1, ..simba })),
            of("rules", Arc::new(rules)),
        ],
    };
    vec![
        ("labeled_few_shot", Arc::new(LabeledFewShot { k: 3 })),
        ("bootstrap_few_shot", Arc::new(more)),
        ("random_search", Arc::new(random)),
        ("random_search, raced", {
            Arc::new(RandomSearch { race: Race::of(Race::NAMES[0]), candidates: 4, ..random })
        }),
        ("random_search, halved", {
            let race = Race::of(Race::NAMES[Race::NAMES.len() - 1]);
            Arc::new(RandomSearch { race, candidates: 4, ..random })
        }),
        ("random_search, stopped", Arc::new(RandomSearch { stop_at: Some(0.4), ..random })),
        ("copro", Arc::new(copro)),
        ("mipro_v2", Arc::new(mipro)),
        ("mipro_v2, one by one", {
            Arc::new(MiproV2 { minibatch: 0, at_once: 1, bootstrap: zero_shot, ..mipro })
        }),
        ("gepa", Arc::new(gepa.clone())),
        ("gepa, all parts", {
            Arc::new(Gepa { components: every, all_parts: true, at_once: 2, ..gepa })
        }),
        ("simba", Arc::new(simba)),
        ("infer_rules", Arc::new(rules)),
        ("tune", Arc::new(Tune { max_demos: 3, patience: 2, ..Tune::default() })),
        ("better_together", Arc::new(together)),
    ]
}

/// A number that looks random and depends on the parts only.
fn hash(parts: &[&str]) -> u64 {
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ (hash >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn record(fields: &[(&str, String)]) -> Record {
    fields.iter().map(|(name, it)| ((*name).into(), Value::from(it.as_str()))).collect()
}

/// A world that looks random: programs, rows, scores, machines that fail, models that answer
/// badly.
#[derive(Debug, Clone, Copy)]
struct Kind {
    seed: u64,
    /// How many predictors there are; the last stands in a list of a nested module.
    predictors: usize,
    train: usize,
    val: usize,
    /// Some runs fail by machines, some by the program, and some proposals are of no use.
    has_faults: bool,
    /// How many calls a run takes is not known before.
    is_unbounded: bool,
    /// Runs for demos are made by another program.
    has_teacher: bool,
}

const PATHS: [&str; 3] = ["plan", "solve", "inner.steps[0]"];

impl Kind {
    fn paths(&self) -> &'static [&'static str] {
        &PATHS[PATHS.len() - self.predictors..]
    }

    fn signatures(&self) -> IndexMap<String, Signature> {
        let fields = |names: &[&str]| {
            names.iter().map(|name| Field::new(*name, Ty::Str)).collect::<Vec<_>>()
        };
        let of = |path: &&str| {
            let signature = Signature {
                name: "S".into(),
                instructions: "Do it.".into(),
                inputs: fields(&["question"]),
                outputs: fields(&["answer"]),
                types: Arc::new(TypeTable::new()),
                contracts: 0,
            };
            ((*path).to_owned(), signature)
        };
        self.paths().iter().map(of).collect()
    }

    fn hash(&self, parts: &[&str]) -> u64 {
        hash(&[parts, &[&self.seed.to_string()]].concat())
    }

    fn fails(&self, parts: &[&str], once_in: u64) -> bool {
        self.has_faults && self.hash(parts).is_multiple_of(once_in)
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    let sizes = (1usize..4, 3usize..16, 2usize..12);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (any::<u64>(), sizes, flags).prop_map(
        |(seed, (predictors, train, val), (has_faults, is_unbounded, has_teacher))| Kind {
            seed,
            predictors,
            train,
            val,
            has_faults,
            is_unbounded,
            has_teacher,
        },
    )
}

/// A program, or the model that proposes, or a teacher.
struct World {
    kind: Kind,
    /// Calls that were made.
    calls: AtomicU64,
    /// How often each run was made.
    seen: Mutex<BTreeMap<String, usize>>,
    /// Who stops the search, and after how many runs.
    cancel: (Cancel, usize),
    runs: AtomicUsize,
}

impl World {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            calls: AtomicU64::new(0),
            seen: Mutex::default(),
            cancel: (Cancel::default(), usize::MAX),
            runs: AtomicUsize::new(0),
        }
    }

    /// Takes down a run.
    fn see(&self, key: String) {
        *self.seen.lock().unwrap().entry(key).or_default() += 1;
        if self.runs.fetch_add(1, Ordering::SeqCst) + 1 == self.cancel.1 {
            self.cancel.0.cancel();
        }
    }

    /// Takes calls; what comes of the run where so many are not left.
    fn claim(&self, job: &Job, calls: u64) -> Option<Outcome> {
        if job.max_calls.is_some_and(|most| most < calls) {
            let failure = Failure::new(FailureKind::Stopped, "its share of calls is used up");
            return Some(Outcome::failed(failure));
        }
        self.calls.fetch_add(calls, Ordering::SeqCst);
        None
    }

    fn made(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

/// The most calls of a run.
const MOST: u64 = 4;

struct Student<'w>(&'w World, &'static str);

impl Evaluator for Student<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let (Self(world, who), kind) = (self, &self.0.kind);
        let question = job.row.values["question"].to_string();
        let key = format!("{who} {} {question} {}", job.state.hash(), job.rollout);
        world.see(key.clone());
        let calls = 1 + kind.hash(&[&key, "calls"]) % MOST;
        if let Some(stopped) = world.claim(job, calls) {
            return stopped;
        }
        let failed = |it| {
            let failure = Failure::new(it, "a fault");
            Outcome { calls: calls as u32, ..Outcome::failed(failure) }
        };
        if kind.fails(&[&key, "machine"], 17) {
            return failed(FailureKind::Infrastructure);
        }
        if kind.fails(&[&key, "program"], 13) {
            return failed(FailureKind::Program);
        }
        let turns = |path: &&&str| 1 + hash(&[&key, path, "turns"]) as usize % 2;
        let steps = kind.paths().iter().flat_map(|path| {
            (0..turns(&path)).map(|turn| Step {
                path: (*path).to_owned(),
                inputs: record(&[("question", question.clone())]),
                outputs: record(&[("answer", format!("{turn} of {question}"))]),
                reply_hash: Some(format!("{:x}", hash(&[&key, path]))),
                ..Step::default()
            })
        });
        let level = kind.hash(&[&key, "score"]) % 5;
        Outcome {
            score: Some(level as f64 / 4.0),
            steps: if job.keep_steps { steps.collect() } else { Vec::new() },
            feedback: Some(format!("it is {level}")),
            asserts_failed: u32::from(kind.hash(&[&key, "assert"]).is_multiple_of(11)),
            repairs: u32::from(kind.hash(&[&key, "repair"]).is_multiple_of(7)),
            calls: calls as u32,
            prompt_tokens: 10 * calls,
            completion_tokens: calls,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        (!self.0.kind.is_unbounded).then_some(MOST)
    }
}

/// Answers any question: texts of all kinds of worth.
struct Asked<'w>(&'w World, Question);

impl Asked<'_> {
    fn value(&self, name: &str, ty: &Ty, number: u64) -> Value {
        let paths = self.0.kind.paths();
        match ty {
            Ty::Str if name == "step" => paths[number as usize % paths.len()].into(),
            Ty::Str if name == "field" => "answer".into(),
            Ty::Str => self.text(number).as_str().into(),
            Ty::List(each) => {
                Value::list((0..3).map(|at| self.value(name, each, number / 3 + at)))
            }
            Ty::Dict(each) => {
                let value = |path: &&str| ((*path).into(), self.value(name, each, number));
                Value::map(paths.iter().map(value).collect::<Record>())
            }
            Ty::Record(fields) => {
                let value =
                    |it: &Field| (it.name.clone(), self.value(&it.name, &it.ty, number));
                Value::map(fields.iter().map(value).collect::<Record>())
            }
            _ => Value::Null,
        }
    }

    fn text(&self, number: u64) -> String {
        let has_faults = self.0.kind.has_faults;
        match number % 16 {
            0 if has_faults => String::new(),
            1 if has_faults => "word ".repeat(3000),
            it => format!("Do it in way {}.", it + 16 * (number % 5)),
        }
    }
}

impl Evaluator for Asked<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let Self(world, question) = self;
        if let Some(stopped) = world.claim(job, 1) {
            return stopped;
        }
        let asked = Value::map(job.row.values.clone()).to_string();
        let key = format!("{question:?} {asked} {}", job.rollout);
        world.see(format!("asked {key}"));
        let kind = &world.kind;
        for (what, once_in) in [(FailureKind::Infrastructure, 19), (FailureKind::Program, 11)] {
            if kind.fails(&[&key, &format!("{what:?}")], once_in) {
                let failure = Failure::new(what, "a fault");
                return Outcome { calls: 1, ..Outcome::failed(failure) };
            }
        }
        let outputs = &self.1.signature().outputs;
        let reply = outputs.iter().map(|it| {
            let number = kind.hash(&[&key, &it.name]);
            (it.name.clone(), self.value(&it.name, &it.ty, number))
        });
        let cut = kind.fails(&[&key, "cut"], 7);
        let step = Step { cut, reply_hash: Some("r".into()), ..Step::default() };
        Outcome {
            reply: reply.collect(),
            steps: vec![step],
            calls: 1,
            prompt_tokens: 100,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

struct Answers<'w>(Vec<Asked<'w>>);

impl Proposer for Answers<'_> {
    fn evaluator(&self, question: Question) -> &dyn Evaluator {
        self.0.iter().find(|it| it.1 == question).expect("a question that was announced")
    }
}

fn rows(from: usize, n: usize) -> Dataset {
    let row = |at| record(&[("question", format!("q{at}")), ("answer", format!("a{at}"))]);
    Dataset::from_records((from..from + n).map(row))
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 1, width: 5 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

/// What a search gave, with the calls that were really made and how often each run was.
struct Found {
    compiled: Compiled,
    made: u64,
    seen: BTreeMap<String, usize>,
}

/// Searches in a world of its own; while it goes on, the best never falls and no cap is passed.
fn search(policy: &dyn Policy, kind: Kind, care: &Care, settings: &Settings) -> Found {
    search_in(World::new(kind), policy, care, settings)
}

fn search_in(world: World, policy: &dyn Policy, care: &Care, settings: &Settings) -> Found {
    let (kind, signatures) = (world.kind, world.kind.signatures());
    let (student, teacher) = (Student(&world, "student"), Student(&world, "teacher"));
    let answers = policy.questions().into_iter().map(|it| Asked(&world, it));
    let answers = Answers(answers.collect());
    let teacher = Teacher { evaluator: Some(&teacher), state: State::default() };
    let problem = Problem {
        source: String::new(),
        proposer: Some(&answers),
        evaluator: &student,
        signatures: &signatures,
        start: State::default(),
        teacher: kind.has_teacher.then_some(teacher),
        trainset: rows(0, kind.train),
        valset: Some(rows(1000, kind.val)),
        testset: None,
        care: care.clone(),
        lm: None,
    };
    let mut best: Option<f64> = None;
    let mut watch = |it: &Progress| {
        assert!(it.best >= best, "{}: {:?} after {best:?}", policy.name(), it.best);
        best = it.best;
        assert!(settings.max_calls.is_none_or(|cap| it.calls <= cap));
    };
    let planned = plan(policy, &problem, settings).unwrap().worst_case();
    let cancel = &world.cancel.0;
    let compiled = compile(policy, &problem, settings, cancel, &mut watch).unwrap();
    // Runs that machines failed are made once more.
    let times = if kind.has_faults { 2 } else { 1 };
    let within = planned.is_none_or(|it| compiled.report.calls <= times * it);
    assert!(within, "{} of {planned:?} planned", compiled.report.calls);
    let seen = world.seen.lock().unwrap().clone();
    Found { made: world.made(), compiled, seen }
}

/// No rows are held back for a last comparison, so that what is chosen is what the policy chose.
fn no_confirmation() -> Care {
    Care { confirm: 0.0, ..Care::default() }
}

fn same(one: &Found, many: &Found) {
    assert_eq!(one.compiled.state.to_text().unwrap(), many.compiled.state.to_text().unwrap());
    assert_eq!(one.compiled.report.render(), many.compiled.report.render());
    assert_eq!(one.compiled.report.to_value(), many.compiled.report.to_value());
    assert_eq!(one.compiled, many.compiled);
}

/// How often a run may be made. One that a machine failed is not remembered: it is made once more
/// at each of the places that want it, of which steps of `better_together` are some.
fn most_often(kind: Kind, key: &str) -> usize {
    let may_fail = if key.starts_with("asked ") {
        kind.has_faults
    } else {
        kind.fails(&[key, "machine"], 17)
    };
    match (may_fail, kind.has_faults) {
        (true, _) => 6,
        // A batch that a machine cut short is begun again, once in each step.
        (false, true) => 6,
        // What was scored may be wanted with its steps later.
        (false, false) => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    })]

    #[test]
    fn threads_change_nothing_and_runs_are_remembered(
        kind in kinds(),
        seed in any::<u64>(),
        confirm in prop_oneof![Just(0.0), Just(0.4)],
    ) {
        for (name, policy) in table() {
            let care = Care { confirm, ..Care::default() };
            let run = |threads| search(&*policy, kind, &care, &settings(seed, threads, None));
            let one = run(1);
            same(&one, &run(64));
            prop_assert_eq!(one.compiled.report.calls, one.made, "{}", name);
            let often = one.seen.iter().find(|(key, times)| **times > most_often(kind, key));
            prop_assert!(often.is_none(), "{} ran {:?}", name, often);
        }
    }

    #[test]
    fn caps_hold_wherever_they_fall(
        kind in kinds(),
        seed in any::<u64>(),
        cap in 0u64..400,
    ) {
        for (name, policy) in table() {
            let care = no_confirmation();
            let run = |threads| {
                search(&*policy, kind, &care, &settings(seed, threads, Some(cap)))
            };
            let one = run(1);
            prop_assert!(one.made <= cap, "{} made {} of {}", name, one.made, cap);
            prop_assert_eq!(one.compiled.report.calls, one.made, "{}", name);
            same(&one, &run(64));
            check_choice(name, &one.compiled);
        }
    }

    #[test]
    fn stopped_anywhere_it_keeps_the_best_so_far(
        kind in kinds(),
        seed in any::<u64>(),
        after in 1usize..120,
    ) {
        for (name, policy) in table() {
            let mut world = World::new(kind);
            world.cancel.1 = after;
            let settings = settings(seed, 1, None);
            let found = search_in(world, &*policy, &no_confirmation(), &settings);
            let runs: usize = found.seen.values().sum();
            prop_assert!(runs <= after, "{} made {} runs after {}", name, runs, after);
            if runs == after {
                let stop = &found.compiled.report.stop;
                prop_assert!(stop.is_none() || *stop == Some(Stop::Cancelled), "{:?}", stop);
            }
            check_choice(name, &found.compiled);
        }
    }

    #[test]
    fn what_may_not_change_stays_as_it_was(kind in kinds(), seed in any::<u64>()) {
        let only = PATHS[PATHS.len() - 1];
        for (name, policy) in table() {
            let settings =
                Settings { only: Some(vec![only.to_owned()]), ..settings(seed, 3, None) };
            let found = search(&*policy, kind, &no_confirmation(), &settings);
            for it in &found.compiled.report.candidates {
                let others = it.state.predictors.iter().filter(|it| it.0 != only);
                let as_they_were = others.clone().all(|(_, it)| {
                    it.instructions.is_none() && it.demos.is_empty() && it.descriptions.is_empty()
                });
                prop_assert!(as_they_were, "{} changed {:?}", name, others.collect::<Vec<_>>());
            }
        }
    }
}

/// What was chosen is the state of a candidate that no other one beats, or the program as it was.
fn check_choice(name: &str, found: &Compiled) {
    let report = &found.report;
    let Some(best) = report.best_candidate() else {
        assert_eq!(found.state.hash(), State::default().hash(), "{name}");
        return;
    };
    assert_eq!(found.state.hash(), best.state.hash(), "{name}");
    // It takes a cheaper program within the noise of the best.
    let takes_cheaper = name == "tune";
    for other in report.candidates.iter().filter(|_| !takes_cheaper) {
        assert!(best.score >= other.score, "{name}: {} after {}", other.label, best.label);
    }
}

#[test]
fn when_every_machine_fails_each_says_so() {
    for (name, policy) in table() {
        let kind = Kind {
            seed: 1,
            predictors: 2,
            train: 12,
            val: 8,
            has_faults: false,
            is_unbounded: false,
            has_teacher: false,
        };
        let (signatures, down) = (kind.signatures(), Down);
        let problem = Problem {
            source: String::new(),
            proposer: Some(&down),
            evaluator: &down,
            signatures: &signatures,
            start: State::default(),
            teacher: None,
            trainset: rows(0, kind.train),
            valset: Some(rows(1000, kind.val)),
            testset: None,
            care: no_confirmation(),
            lm: None,
        };
        let settings = settings(1, 4, None);
        let found =
            compile(&*policy, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
        if name == "labeled_few_shot" {
            assert_eq!(found.report.stop, None);
            continue;
        }
        assert!(matches!(found.report.stop, Some(Stop::Unserved(_))), "{name}");
        if policy.needs_valset() {
            assert_eq!(found.state.hash(), State::default().hash(), "{name}");
        }
    }
}

/// A model that is not there.
struct Down;

impl Evaluator for Down {
    fn run(&self, _: &Job) -> Outcome {
        Outcome {
            calls: 1,
            ..Outcome::failed(Failure::new(FailureKind::Infrastructure, "503"))
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

impl Proposer for Down {
    fn evaluator(&self, _: Question) -> &dyn Evaluator {
        self
    }
}
