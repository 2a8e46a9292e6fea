//! `mipro_v2`: what it asks, what it tries, and on which rows, against a small model.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::Engine;
use dsp_lang::eval::{
    Cancel, Dataset, Evaluator, Job, Outcome, Progress, RunOptions, Step, Stop,
};
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{CallContext, CallFuture, Capabilities, Completion, Lm, Prompt, Request};
use dsp_lang::optimize::{
    BootstrapFewShot, Care, Compiled, MiproV2, Problem, Proposer, Question, Settings, Size,
    compile, plan,
};
use dsp_lang::program::State;
use dsp_lang::sampling::{Dimension, Minibatches, Setting, Tpe};
use dsp_lang::schema::{Field, Record, Row, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

fn signature(inputs: &[&str], outputs: &[&str]) -> Signature {
    let fields = |names: &[&str]| names.iter().map(|name| Field::new(*name, Ty::Str)).collect();
    Signature {
        name: "S".into(),
        instructions: "Do it.".into(),
        inputs: fields(inputs),
        outputs: fields(outputs),
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    }
}

fn program(predictors: usize) -> IndexMap<String, Signature> {
    let named = |at| (format!("step{at}"), signature(&["question"], &["answer"]));
    (0..predictors).map(named).collect()
}

fn record(fields: &[(&str, &str)]) -> Record {
    fields.iter().map(|(name, it)| ((*name).into(), Value::from(*it))).collect()
}

fn rows(from: usize, n: usize) -> Dataset {
    let row = |at| record(&[("question", &format!("q{at}")), ("answer", &format!("a{at}"))]);
    Dataset::from_records((from..from + n).map(row))
}

/// A number from 0 to 1 that looks random and depends on the parts only.
fn unit(parts: &[&str]) -> f64 {
    let hash = parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) ^ (hash >> 29)
    });
    (hash % 10_007) as f64 / 10_007.0
}

/// How good a program is on a row: each step has its own instructions and demos.
fn score(state: &State, row: &Row) -> f64 {
    let told = |(path, it): (&String, &dsp_lang::program::PredictorState)| {
        let text = it.instructions.clone().unwrap_or_default();
        let demos = it.demos.iter().map(|it| it.demo.inputs["question"].to_string());
        let demos = demos.collect::<Vec<_>>().join(" ");
        unit(&[path, &text]) + unit(&[path, &demos, "demos"])
    };
    let good: f64 = state.predictors.iter().map(told).sum::<f64>()
        / (2 * state.predictors.len().max(1)) as f64;
    let easy = unit(&[&row.values["question"].to_string(), "row"]);
    if easy < good { 1.0 } else { 0.0 }
}

/// What was done, in the order in which it was done.
#[derive(Default)]
struct Log {
    calls: AtomicU64,
    asked: Mutex<Vec<(Question, Record)>>,
}

/// A program.
struct Student {
    paths: Vec<String>,
    log: Arc<Log>,
}

impl Evaluator for Student {
    fn run(&self, job: &Job) -> Outcome {
        self.log.calls.fetch_add(self.paths.len() as u64, Ordering::SeqCst);
        let step = |path: &String| Step {
            path: path.clone(),
            inputs: record(&[("question", &job.row.values["question"].to_string())]),
            outputs: record(&[("answer", "said")]),
            ..Step::default()
        };
        let steps = self.paths.iter().filter(|_| job.keep_steps).map(step).collect();
        Outcome {
            score: Some(score(&job.state, &job.row)),
            steps,
            calls: self.paths.len() as u32,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(self.paths.len() as u64)
    }
}

/// Who answers one question.
struct Asker {
    question: Question,
    /// Whether nothing that is proposed can be taken.
    empty: bool,
    log: Arc<Log>,
}

impl Evaluator for Asker {
    fn run(&self, job: &Job) -> Outcome {
        self.log.calls.fetch_add(1, Ordering::SeqCst);
        self.log.asked.lock().unwrap().push((self.question, job.row.values.clone()));
        let asked = Value::map(job.row.values.clone()).to_string();
        let text = format!("Do {} of {}.", job.rollout, unit(&[&asked]));
        let text = if self.empty { "" } else { text.as_str() };
        let outputs = self.question.signature().outputs.iter();
        let reply = outputs.map(|it| (it.name.clone(), Value::from(text))).collect();
        Outcome { reply, calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

struct Askers(Vec<Asker>);

impl Proposer for Askers {
    fn evaluator(&self, question: Question) -> &dyn Evaluator {
        self.0.iter().find(|it| it.question == question).unwrap()
    }
}

/// A search over a program of so many steps.
struct World {
    signatures: IndexMap<String, Signature>,
    student: Student,
    askers: Askers,
    log: Arc<Log>,
    train: usize,
    val: usize,
}

const QUESTIONS: [Question; 4] = [
    Question::DataNotes,
    Question::DataSummary,
    Question::ProgramDescription,
    Question::GroundedInstructions,
];

impl World {
    fn new(predictors: usize, train: usize, val: usize, empty: bool) -> Self {
        let (signatures, log) = (program(predictors), Arc::new(Log::default()));
        let paths = signatures.keys().cloned().collect();
        let student = Student { paths, log: Arc::clone(&log) };
        let asker = |question| Asker { question, empty, log: Arc::clone(&log) };
        let askers = Askers(QUESTIONS.into_iter().map(asker).collect());
        Self { signatures, student, askers, log, train, val }
    }

    fn problem(&self) -> Problem<'_> {
        Problem {
            proposer: Some(&self.askers),
            source: "module M() {}".into(),
            evaluator: &self.student,
            signatures: &self.signatures,
            start: State::default(),
            teacher: None,
            trainset: rows(0, self.train),
            valset: Some(rows(1000, self.val)),
            testset: None,
            care: Care { confirm: 0.0, ..Care::default() },
            lm: None,
        }
    }

    fn search(&self, policy: &MiproV2, settings: &Settings) -> Compiled {
        let mut best: Option<f64> = None;
        let mut watch = |it: &Progress| {
            assert!(it.best >= best, "{:?} after {best:?}", it.best);
            best = it.best;
        };
        let cancel = Cancel::default();
        compile(policy, &self.problem(), settings, &cancel, &mut watch).unwrap()
    }

    fn count(&self, question: Question) -> usize {
        self.log.asked.lock().unwrap().iter().filter(|it| it.0 == question).count()
    }
}

fn settings(seed: u64, threads: usize, max_calls: Option<u64>) -> Settings {
    let run = RunOptions { threads, retries: 1, width: 5 };
    Settings { seed, run, max_calls, ..Settings::default() }
}

fn zero_shot() -> BootstrapFewShot {
    BootstrapFewShot { max_bootstrapped: 0, max_labeled: 0, ..BootstrapFewShot::default() }
}

/// What is tried, told again from the paper: combinations in the order in which they are first
/// tried, each with the rows that it was scored on.
struct Model {
    seed: u64,
    trials: usize,
    at_once: usize,
    minibatch: Option<usize>,
    full_every: usize,
    rows: usize,
}

type Scored = Vec<(Vec<usize>, BTreeSet<usize>)>;

impl Model {
    fn play(&self, sizes: &[usize], score: &dyn Fn(&[usize], usize, usize) -> f64) -> Scored {
        let all: BTreeSet<usize> = (0..self.rows).collect();
        let mut table: Scored = vec![(vec![0; sizes.len()], all.clone())];
        let mut whole = vec![true];
        let mean = |table: &Scored, at: usize, rows: &BTreeSet<usize>| {
            let sum: f64 = rows.iter().map(|row| score(&table[at].0, at, *row)).sum();
            sum / rows.len() as f64
        };
        let point = |it: &[usize]| it.iter().map(|it| Setting::Choice(*it)).collect::<Vec<_>>();
        let choices = sizes.iter().map(|it| Dimension::Choice(*it)).collect();
        // Half of the trials, ten at most, are drawn at random.
        let free = self.trials.div_ceil(2).min(10);
        let mut tpe = Tpe::new(choices, self.seed).unwrap().learning_after(free);
        tpe.add(point(&table[0].0), mean(&table, 0, &all)).unwrap();
        let mut batches = Minibatches::new(self.rows, self.minibatch.unwrap_or(1), self.seed);
        let (mut made, mut fulls) = (0, 0);
        loop {
            // As many as go on at once.
            let mut round: Vec<(usize, usize, BTreeSet<usize>)> = Vec::new();
            let mut misses = 0;
            while made + round.len() < self.trials && round.len() < self.at_once && misses < 20
            {
                let (number, it) = tpe.ask();
                let it: Vec<usize> = it.iter().map(|it| it.choice()).collect();
                let at = table.iter().position(|(known, _)| *known == it);
                if let Some(at) = at.filter(|at| whole[*at]) {
                    let under_way = round.iter().any(|it| it.1 == at);
                    let known = (!under_way).then(|| mean(&table, at, &all));
                    tpe.tell(number, known);
                    misses += 1;
                    continue;
                }
                misses = 0;
                let at = at.unwrap_or(table.len());
                if at == table.len() {
                    table.push((it, BTreeSet::new()));
                    whole.push(false);
                }
                let rows = match self.minibatch {
                    Some(_) => batches.next_batch().into_iter().collect(),
                    None => all.clone(),
                };
                whole[at] |= self.minibatch.is_none();
                round.push((number, at, rows));
            }
            let is_last = round.is_empty();
            // One combination for each so many trials, and at the end the rest.
            let most = self.minibatch.map_or(0, |_| self.trials.div_ceil(self.full_every));
            let due = if is_last { most } else { (made / self.full_every).min(most) };
            let mut open: Vec<usize> =
                (0..table.len()).filter(|at| !whole[*at] && !table[*at].1.is_empty()).collect();
            open.sort_by(|a, b| {
                let of = |at: usize| mean(&table, at, &table[at].1);
                of(*b).total_cmp(&of(*a))
            });
            open.truncate(due - fulls);
            fulls += open.len();
            made += round.len();
            for (_, at, rows) in &round {
                table[*at].1.extend(rows);
            }
            for at in &open {
                table[*at].1.extend(&all);
                whole[*at] = true;
            }
            for (number, at, rows) in &round {
                tpe.tell(*number, Some(mean(&table, *at, rows)));
            }
            for at in &open {
                tpe.add(point(&table[*at].0), mean(&table, *at, &all)).unwrap();
            }
            if is_last {
                return table;
            }
        }
    }
}

/// What a report calls a combination.
fn label(combination: &[usize], sets: &[&str], predictors: usize) -> String {
    if combination.iter().all(|it| *it == 0) {
        return "as it is".to_owned();
    }
    let each = combination.len() / predictors;
    let chosen = combination.chunks(each).enumerate().map(|(at, it)| {
        let set = it.get(1).map(|it| format!(", {}", sets[*it])).unwrap_or_default();
        let path = if predictors > 1 { format!("step{at}: ") } else { String::new() };
        format!("{path}text {}{set}", it[0])
    });
    chosen.collect::<Vec<_>>().join("; ")
}

const SETS: [&str; 6] =
    ["none", "labeled", "bootstrap", "bootstrap 1", "bootstrap 2", "bootstrap 3"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn it_tries_what_the_paper_tries(
        seed in any::<u64>(),
        predictors in 1usize..3,
        trials in 1usize..30,
        at_once in 1usize..6,
        full_every in 1usize..7,
        few in any::<bool>(),
        shows_demos in any::<bool>(),
    ) {
        let val = if few { 20 } else { 60 };
        let world = World::new(predictors, 25, val, false);
        let bootstrap =
            if shows_demos { MiproV2::default().bootstrap } else { zero_shot() };
        let trials_wanted = Some(trials);
        let policy = MiproV2 {
            trials: trials_wanted, at_once, full_every, bootstrap, ..MiproV2::default()
        };
        let found = world.search(&policy, &settings(seed, 3, None));
        let proposals = if shows_demos { 3 } else { 6 };
        prop_assert_eq!(world.count(Question::GroundedInstructions), predictors * proposals);
        let one = if shows_demos { vec![1 + proposals, 6] } else { vec![1 + proposals] };
        let minibatch = (!few).then_some(35);
        let model = Model { seed, trials, at_once, minibatch, full_every, rows: val };
        let report = &found.report;
        let data = rows(1000, val).rows().unwrap();
        let tried = model.play(&one.repeat(predictors), &|_, at, row| {
            report.candidates.get(at).map_or(0.0, |it| score(&it.state, &data[row]))
        });
        prop_assert_eq!(tried.len(), report.candidates.len());
        for ((combination, rows), it) in tried.iter().zip(&report.candidates) {
            prop_assert_eq!(&it.label, &label(combination, &SETS, predictors));
            let scored: BTreeSet<usize> =
                (0..val).filter(|row| it.values[*row].is_some()).collect();
            prop_assert_eq!(rows, &scored, "{}", it.label);
            prop_assert_eq!(it.score.is_some(), rows.len() == val);
        }
        // The best is the best of those that were scored on all rows.
        let best = report.best_candidate().unwrap().score.unwrap();
        prop_assert!(report.candidates.iter().all(|it| it.score.is_none_or(|it| it <= best)));
        prop_assert_eq!(found.report.calls, world.log.calls.load(Ordering::SeqCst));
        let worst = plan(&policy, &world.problem(), &settings(seed, 3, None)).unwrap();
        prop_assert!(found.report.calls <= worst.worst_case().unwrap());
    }

    #[test]
    fn caps_hold_and_threads_change_nothing(seed in any::<u64>(), cap in 0u64..900) {
        let run = |threads| {
            let world = World::new(2, 25, 60, false);
            let found = world.search(&MiproV2::default(), &settings(seed, threads, Some(cap)));
            assert!(world.log.calls.load(Ordering::SeqCst) <= cap);
            assert_eq!(found.report.calls, world.log.calls.load(Ordering::SeqCst));
            found
        };
        let found = run(1);
        prop_assert_eq!(&run(64), &found);
        if let Some(best) = found.report.best_candidate() {
            prop_assert!(best.score >= found.report.candidates[0].score);
        } else {
            prop_assert_eq!(found.state.hash(), State::default().hash());
        }
    }
}

#[test]
fn sizes_are_those_of_the_table() {
    let trials = |predictors: usize, auto, bootstrap| {
        let world = World::new(predictors, 20, 10, false);
        let policy = MiproV2 { auto, bootstrap, ..MiproV2::default() };
        let plan = plan(&policy, &world.problem(), &settings(1, 1, None)).unwrap();
        plan.phases.last().unwrap().runs / 10 - 1
    };
    let sizes = [Size::Light, Size::Medium, Size::Heavy];
    for (predictors, few_shot, without) in [
        (1, [10, 18, 27], [9, 18, 27]),
        (2, [20, 28, 33], [10, 18, 27]),
        (3, [31, 43, 50], [15, 21, 27]),
        (4, [41, 57, 66], [20, 28, 33]),
    ] {
        let usual = MiproV2::default().bootstrap;
        assert_eq!(sizes.map(|it| trials(predictors, it, usual)), few_shot);
        assert_eq!(sizes.map(|it| trials(predictors, it, zero_shot())), without);
    }
}

#[test]
fn what_is_told_to_who_proposes() {
    let world = World::new(2, 25, 20, false);
    let found = world.search(&MiproV2::default(), &settings(3, 1, None));
    assert_eq!(world.count(Question::DataNotes), 3);
    assert_eq!(world.count(Question::DataSummary), 1);
    assert_eq!(world.count(Question::ProgramDescription), 1);
    let asked = world.log.asked.lock().unwrap();
    let of = |question| asked.iter().filter(move |it| it.0 == question).map(|it| &it.1);
    let described = of(Question::ProgramDescription).next().unwrap();
    assert_eq!(described["source"].to_string(), "module M() {}");
    assert!(described["steps"].to_string().contains("step step1\nDo it.\ngiven question: str"));
    let proposals: Vec<&Record> = of(Question::GroundedInstructions).collect();
    for (at, it) in proposals.iter().enumerate() {
        assert_eq!(it["step"].to_string(), format!("step{}", at / 3));
        assert_eq!(it["current_instruction"].to_string(), "Do it.");
        assert!(it["data"].to_string().starts_with("Do 0 of"));
        // The first proposal of a step is shown no demos.
        assert_eq!(it.contains_key("examples"), at % 3 > 0);
    }
    let paths = world.signatures.keys();
    for it in &found.report.candidates {
        for path in paths.clone() {
            let Some(own) = it.state.get(path) else { continue };
            assert_eq!(own.instructions.is_some(), own.instructions_origin.is_some());
            let note = own.instructions_origin.as_ref().map(|it| it.note.as_str());
            assert!(note.is_none_or(|it| it.starts_with("proposal ") && it.contains("tip: ")));
        }
    }
}

#[test]
fn without_demos_in_the_prompt_they_only_inform() {
    let world = World::new(1, 25, 20, false);
    let policy = MiproV2 { bootstrap: zero_shot(), ..MiproV2::default() };
    let found = world.search(&policy, &settings(3, 1, None));
    assert!(found.report.candidates.len() > 3);
    assert!(found.report.candidates.iter().all(|it| it.state.demo_count() == 0));
    let asked = world.log.asked.lock().unwrap();
    assert!(asked.iter().any(|it| it.1.contains_key("examples")));
}

#[test]
fn proposals_that_cannot_be_taken_leave_the_demos() {
    let world = World::new(1, 25, 20, true);
    let found = world.search(&MiproV2::default(), &settings(3, 1, None));
    // No summary of notes that are empty; the three sets of notes and the description count too.
    assert_eq!(world.count(Question::DataSummary), 0);
    assert_eq!(found.report.notices[0].message, "3 proposals were not taken");
    assert!(found.report.candidates.iter().skip(1).all(|it| it.label.starts_with("text 0, ")));
    assert_eq!(found.report.candidates.len(), 6, "each set of demos is tried");
    assert_eq!(found.report.stop, None::<Stop>);
}

#[test]
fn only_some_predictors_may_change() {
    let world = World::new(3, 25, 20, false);
    let settings = Settings { only: Some(vec!["step1".into()]), ..settings(5, 2, None) };
    let found = world.search(&MiproV2::default(), &settings);
    assert_eq!(world.count(Question::GroundedInstructions), 3);
    let untouched = |it: &State, path: &str| {
        it.get(path).is_none_or(|it| it.instructions.is_none() && it.demos.is_empty())
    };
    for it in &found.report.candidates {
        assert!(untouched(&it.state, "step0") && untouched(&it.state, "step2"));
    }
}

#[test]
fn demos_of_the_program_are_one_more_set() {
    let world = World::new(1, 25, 20, false);
    let labeled = dsp_lang::optimize::LabeledFewShot { k: 2 };
    let mut problem = world.problem();
    let (settings, cancel) = (settings(5, 2, None), Cancel::default());
    problem.start = compile(&labeled, &problem, &settings, &cancel, &mut |_| ()).unwrap().state;
    problem.start.provenance = None;
    let policy = MiproV2 { trials: Some(60), ..MiproV2::default() };
    let found = compile(&policy, &problem, &settings, &cancel, &mut |_| ()).unwrap();
    let all = &found.report.candidates;
    assert_eq!(all[0].state.hash(), problem.start.hash());
    let demos = |label: &str| {
        let it = all.iter().find(|it| it.label.ends_with(label)).unwrap();
        it.state.get("step0").unwrap().demos.clone()
    };
    assert_eq!(demos(", its own"), problem.start.get("step0").unwrap().demos);
    assert!(demos(", none").is_empty());
    // All of seven sets and four texts, none of them twice.
    let labels: BTreeSet<&str> = all.iter().map(|it| it.label.as_str()).collect();
    assert_eq!(labels.len(), all.len());
    assert!(all.len() <= 28);
}

/// A model that says one word, and keeps what it was asked to describe.
#[derive(Debug, Default)]
struct Reader(Mutex<Vec<String>>);

impl Lm for Reader {
    fn name(&self) -> &str {
        "openai/gpt-test"
    }

    fn identity(&self) -> String {
        "reader".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { in_process: false, ..Capabilities::PLAIN }
    }

    fn complete<'a>(&'a self, request: &'a Request, _: &'a CallContext) -> CallFuture<'a> {
        Box::pin(async move {
            let Prompt::Chat(messages) = &request.prompt else { panic!("a conversation") };
            let last = &messages.last().unwrap().text;
            if last.contains("[[ ## steps ## ]]") {
                self.0.lock().unwrap().push(last.clone());
            }
            let fields = ["notes", "summary", "description", "proposed_instruction", "b", "c"];
            let wanted = |it: &&&str| last.contains(&format!("Write [[ ## {it} ## ]]"));
            let text = match fields.iter().find(wanted) {
                Some(field) => format!("[[ ## {field} ## ]]\nword"),
                None => String::new(),
            };
            Ok(Completion { text, attempts: 1, ..Completion::default() })
        })
    }
}

/// The text of this program, as a model is asked to describe it.
fn source(text: &str, program: &str) -> String {
    let reader = Arc::new(Reader::default());
    let host = Arc::new(MemoryHost::default().with_file("lib.dsp", LIBRARY));
    let engine = Engine::builder().model(reader.clone()).host(host).build().unwrap();
    let text = format!(
        "{text}\nlet rows = [#{{ a: \"1\", b: \"2\", c: \"3\" }}, #{{ a: \"4\", b: \"2\", c: \"3\" }}];\n\
         let data = dataset(rows);\n\
         mipro_v2(metric: |e, r| true, candidates: 1, trials: 0, max_calls: 99)\n\
             .compile({program}, trainset: data.take(1), valset: data.slice(1));"
    );
    engine.load_text("main.dsp", &text).unwrap().run().result.unwrap();
    let asked = reader.0.lock().unwrap();
    let told = asked[0].split("[[ ## steps ## ]]").next().unwrap();
    told.replace("[[ ## source ## ]]", "").trim().to_owned()
}

const LIBRARY: &str = "/// Be kind.\n\
    signature Kind { in b: str  out c: str }\n\
    module Inner() { let one = predict(Kind); fn forward(b) { one(b) } }\n";

#[test]
fn the_text_of_a_program_is_that_of_its_parts() {
    let signature = "signature First { in a: str  out b: str }";
    let module = "module M() {\n    let steps = [predict(First), predict(First)];\n    \
                  let inner = lib::Inner();\n    fn forward(a) { inner(steps[0](a).b) }\n}";
    let text = format!("import \"lib\" as lib;\n{signature}\n{module}");
    let inner = "module Inner() { let one = predict(Kind); fn forward(b) { one(b) } }";
    let kind = LIBRARY.split("\nmodule").next().unwrap();
    assert_eq!(source(&text, "M()"), [module, signature, inner, kind].join("\n\n"));
    assert_eq!(source(signature, "predict(First)"), signature);
    // One without a name is told by its step.
    // One without a name has no text; what it is stands with its step.
    assert_eq!(source("", "predict(\"a -> b\")"), "null");
}
