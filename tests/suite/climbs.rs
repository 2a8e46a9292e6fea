//! Optimizers in a world where single sentences and demos pay: whether they find them, whatever the
//! sentences are.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dsp_lang::eval::{Cancel, Dataset, Evaluator, Job, Outcome, RunOptions, Step};
use dsp_lang::optimize::{
    Care, Copro, Gepa, MiproV2, Policy, Problem, Proposer, Question, RandomSearch, Settings,
    Simba, compile,
};
use dsp_lang::program::State;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What sentences are worth.
const SENTENCES: [(&str, f64); 10] = [
    ("Name the river first.", 0.13),
    ("Look twice at the map.", 0.09),
    ("Count the bridges.", 0.06),
    ("Write no more than a word.", 0.05),
    ("Sing while you work.", 0.0),
    ("Think of a colour.", 0.0),
    ("Be kind.", 0.0),
    ("Imagine a harbour.", 0.0),
    ("The first idea is the best.", -0.1),
    ("Do not look at the map.", -0.08),
];

fn hash(parts: &[&str]) -> u64 {
    let mixed = parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (mixed ^ (mixed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn unit(parts: &[&str]) -> f64 {
    f64::from(u32::try_from(hash(parts) % 1_000_000).unwrap()) / 1e6
}

/// How many rows a program solves.
fn skill(state: &State) -> f64 {
    let own = state.get("self");
    let text = own.and_then(|it| it.instructions.clone()).unwrap_or_default();
    let told: f64 = SENTENCES.iter().filter(|it| text.contains(it.0)).map(|it| it.1).sum();
    let demos = own.map_or(0, |it| it.demos.len()).min(4);
    let which: String = own
        .into_iter()
        .flat_map(|it| &it.demos)
        .map(|it| it.demo.inputs[0].to_string())
        .collect();
    let luck = if demos > 0 { 0.1 * unit(&[&which]) - 0.05 } else { 0.0 };
    0.4 + told + luck + 0.05 * f64::from(u32::try_from(demos).unwrap())
}

struct World {
    seed: String,
    calls: AtomicU64,
}

impl Evaluator for World {
    fn run(&self, job: &Job) -> Outcome {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let row = job.row.values["question"].to_string();
        let is_sample =
            job.state.predictors.values().any(|it| it.options.temperature == Some(1.0));
        let fixed = unit(&[&self.seed, &row]);
        let chance = match is_sample {
            true => 0.7 * fixed + 0.3 * unit(&[&self.seed, &row, &job.rollout.to_string()]),
            false => fixed,
        };
        let is_right = chance < skill(&job.state);
        let wrote =
            if is_right { job.row.values["answer"].to_string() } else { "?".to_owned() };
        let step = Step {
            path: "self".to_owned(),
            inputs: record(&[("question", row)]),
            outputs: record(&[("answer", wrote)]),
            ..Step::default()
        };
        Outcome {
            score: Some(f64::from(u8::from(is_right))),
            steps: if job.keep_steps { vec![step] } else { Vec::new() },
            calls: 1,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

impl Proposer for World {
    fn evaluator(&self, _: Question) -> &dyn Evaluator {
        &Writer
    }
}

/// Adds a sentence to what it is shown.
struct Writer;

impl Evaluator for Writer {
    fn run(&self, job: &Job) -> Outcome {
        let row = &job.row.values;
        let of = |name: &str| row.get(name).map(Value::to_string).unwrap_or_default();
        let current = of("current_instruction");
        let shown: String = row.values().map(Value::to_string).collect();
        let at = usize::try_from(hash(&[&shown]) + 3 * job.rollout).unwrap();
        let open: Vec<&str> =
            SENTENCES.iter().map(|it| it.0).filter(|it| !current.contains(it)).collect();
        let sentence = open[at % open.len()];
        let whole = format!("{current} {sentence}");
        let reply = record(&[
            ("proposed_instruction", whole.clone()),
            ("new_instruction", whole),
            ("module_advice", sentence.to_owned()),
            ("notes", "Questions.".to_owned()),
            ("summary", "Questions.".to_owned()),
            ("description", "It answers.".to_owned()),
        ]);
        let step = Step { reply_hash: Some("r".to_owned()), ..Step::default() };
        Outcome { reply, steps: vec![step], calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

fn record(fields: &[(&str, String)]) -> Record {
    fields.iter().map(|(name, it)| ((*name).into(), Value::from(it.as_str()))).collect()
}

fn rows(from: usize, n: usize) -> Dataset {
    Dataset::from_records(
        (from..from + n)
            .map(|at| record(&[("question", format!("q{at}")), ("answer", format!("a{at}"))])),
    )
}

/// What it finds is worth, and the calls that it takes, over some seeds of the world.
fn climbed(policy: &dyn Policy) -> (f64, f64) {
    let field = |name: &str| vec![Field::new(name, Ty::Str)];
    let signature = Signature {
        name: "S".into(),
        instructions: "Answer.".into(),
        inputs: field("question"),
        outputs: field("answer"),
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    };
    let signatures = IndexMap::from([("self".to_owned(), signature)]);
    let (mut worth, mut calls) = (0.0, 0.0);
    for seed in 0..8 {
        let world = World { seed: seed.to_string(), calls: AtomicU64::new(0) };
        let problem = Problem {
            source: String::new(),
            proposer: Some(&world),
            evaluator: &world,
            signatures: &signatures,
            start: State::default(),
            teacher: None,
            trainset: rows(0, 200),
            valset: Some(rows(1000, 100)),
            testset: None,
            care: Care::default(),
            lm: None,
        };
        let run = RunOptions { threads: 2, retries: 0, width: 8 };
        let settings = Settings { seed: 0, run, ..Settings::default() };
        let found =
            compile(policy, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap();
        worth += skill(&found.state) / 8.0;
        calls += f64::from(u32::try_from(found.report.calls).unwrap()) / 8.0;
    }
    (worth, calls)
}

/// The calls are the most that DSPy 3.4.1 takes with these sizes, as measured; see the page
/// `optimizing`. The worth is of the world: 0.4 without anything, 0.65 with good demos, 0.73 with all
/// good sentences.
#[test]
fn what_pays_is_found_whatever_it_says() {
    let policies: [(&dyn Policy, f64, f64); 5] = [
        (&RandomSearch::default(), 0.63, 1_969.0),
        (&MiproV2::default(), 0.66, 691.0),
        (&Copro::default(), 0.66, 6_029.0),
        (&Simba::default(), 0.72, 4_754.0),
        (&Gepa::default(), 0.68, 853.0),
    ];
    let found: Vec<(&str, f64, f64)> = policies
        .iter()
        .map(|(policy, ..)| {
            let (worth, calls) = climbed(*policy);
            (policy.name(), worth, calls)
        })
        .collect();
    for ((name, worth, calls), (_, least, most)) in found.iter().zip(policies) {
        assert!(*worth >= least && *calls <= most, "{name}: {found:?}");
    }
}
