//! What parts of states are worth: findings that chance does not make, and caps.

use dsp_lang::Engine;
use dsp_lang::engine::{Taken, Whole};
use dsp_lang::eval::stats::holm;
use dsp_lang::eval::{Cancel, Caps, Dataset, Evaluator, Job, Outcome, RunOptions, Stop};
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{
    CallContext, CallFuture, Capabilities, Completion, Lm, Prompt, Request, Usage,
};
use dsp_lang::optimize::{
    Ablated, Ablation, Care, Finding, Part, Problem, Settings, Wish, ablate, plan_ablation,
};
use dsp_lang::program::{State, StateDemo};
use dsp_lang::schema::{Demo, Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const DEMOS: usize = 10;

/// A number from [0, 1) that looks random.
fn unit(parts: [u64; 3]) -> f64 {
    let mix = |hash: u64, part: u64| {
        let mut z = (hash ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (parts.into_iter().fold(0, mix) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A world in which what is left out changes some rows by chance, and one demo carries.
struct World {
    seed: u64,
    /// The share of rows that any change of the prompt flips.
    noise: f64,
    /// The share of rows that the first demo makes right.
    carried: f64,
    /// The first demo is said in a prompt of so many calls.
    calls: u32,
}

impl Evaluator for World {
    fn run(&self, job: &Job) -> Outcome {
        let Value::Int(row) = job.row.values["n"] else { panic!("{:?}", job.row) };
        let (row, own) = (row as u64, job.state.get("self"));
        let demos: Vec<i64> = own.map_or(Vec::new(), |it| {
            let number = |it: &StateDemo| match it.demo.inputs["n"] {
                Value::Int(n) => n,
                _ => panic!("{it:?}"),
            };
            it.demos.iter().map(number).collect()
        });
        let changed = demos.iter().fold(1, |sum: u64, it| sum * 31 + *it as u64);
        let mut right = unit([self.seed, 0, row]) < 0.5;
        if demos.len() < DEMOS {
            right ^= unit([self.seed, changed, row]) < self.noise;
        }
        if !demos.contains(&0) && unit([self.seed, 1, row]) < self.carried {
            right = false;
        }
        Outcome { score: Some(f64::from(right)), calls: self.calls, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(2)
    }
}

fn signatures() -> IndexMap<String, Signature> {
    let signature = Signature {
        name: "S".into(),
        instructions: "".into(),
        inputs: vec![Field::new("n", Ty::Int)],
        outputs: vec![Field::new("answer", Ty::Str)],
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    };
    IndexMap::from([("self".to_owned(), signature)])
}

fn state() -> State {
    let mut state = State::default();
    let demo = |n: usize| Demo {
        inputs: Record::from_iter([("n".into(), Value::Int(n as i64))]),
        outputs: Record::from_iter([("answer".into(), Value::from("x"))]),
    };
    let demos = (0..DEMOS).map(|n| StateDemo { demo: demo(n), origin: None });
    state.entry("self").demos = demos.collect();
    state
}

fn rows(n: usize) -> Dataset {
    let row = |at: usize| Record::from_iter([("n".into(), Value::Int(100 + at as i64))]);
    Dataset::from_records((0..n).map(row))
}

fn taken_apart(world: &World, n: usize, settings: &Settings, drops: bool) -> Ablation {
    let signatures = signatures();
    let problem = Problem {
        source: String::new(),
        proposer: None,
        evaluator: world,
        signatures: &signatures,
        start: state(),
        teacher: None,
        trainset: rows(n),
        valset: None,
        testset: None,
        care: Care::default(),
        lm: None,
    };
    let (plan, parts) = plan_ablation(&problem, settings, drops).unwrap();
    let found = ablate(&problem, settings, drops, &Cancel::default(), &mut |_| ()).unwrap();
    assert_eq!(found.plan, plan);
    assert_eq!(found.parts.iter().map(|it| it.part.clone()).collect::<Vec<_>>(), parts);
    found
}

fn finding(of: &Ablation, index: usize) -> Finding {
    let own = |it: &Part| matches!(it, Part::Demo { index: at, .. } if *at == index);
    of.parts.iter().find(|it| own(&it.part)).unwrap().finding
}

#[test]
fn chance_finds_no_part_in_more_than_one_of_twenty_states() {
    let (mut false_finds, worlds) = (0, 300);
    for seed in 0..worlds {
        let world = World { seed, noise: 0.3, carried: 0.0, calls: 1 };
        let found = taken_apart(&world, 60, &Settings::default(), false);
        let of = |it: Finding| matches!(it, Finding::Carries | Finding::Hurts);
        false_finds += u64::from(found.parts.iter().any(|it| of(it.finding)));
    }
    assert!(false_finds * 20 <= worlds, "{false_finds} of {worlds}");
}

#[test]
fn a_demo_that_carries_is_found_and_is_not_dropped() {
    let (mut found_it, mut kept, mut others, worlds) = (0, 0, 0, 60);
    for seed in 0..worlds {
        let world = World { seed, noise: 0.02, carried: 0.6, calls: 1 };
        let found = taken_apart(&world, 90, &Settings::default(), false);
        found_it += u64::from(finding(&found, 0) == Finding::Carries);
        others += (1..DEMOS).filter(|at| finding(&found, *at) == Finding::Carries).count();
        let dropped = taken_apart(&world, 90, &Settings::default(), true).smaller.unwrap();
        let labels = dropped.dropped.join(", ");
        kept += u64::from(!labels.contains("demo 1,") && !labels.ends_with("demo 1"));
    }
    assert!(found_it >= worlds * 19 / 20, "{found_it} of {worlds}");
    assert_eq!((kept, others), (worlds, 0));
}

#[test]
fn caps_hold_are_spread_evenly_and_do_not_depend_on_threads() {
    let lines = DEMOS as u64 + 2;
    for cap in [5, 40, 200, 333, 700, 1500] {
        let world = World { seed: 7, noise: 0.1, carried: 0.4, calls: 1 };
        let of = |threads| {
            let run = RunOptions { threads, ..RunOptions::default() };
            let settings = Settings { max_calls: Some(cap), run, ..Settings::default() };
            taken_apart(&world, 60, &settings, false)
        };
        let found = of(1);
        assert!(found.calls <= cap, "{} of {cap}", found.calls);
        assert_eq!(found, of(4));
        assert_eq!(found, of(64));
        let whole = cap >= lines * 60;
        assert_eq!(found.stop.is_none(), whole, "{:?}", found.stop);
        if !whole {
            assert_eq!(found.stop, Some(Stop::MaxCalls(cap)));
        }
        let pairs = |it: &dsp_lang::optimize::Worth| {
            it.paired.map_or(0, |it| it.wins + it.losses + it.ties)
        };
        let (least, most) = (
            found.parts.iter().map(pairs).min().unwrap(),
            found.parts.iter().map(pairs).max().unwrap(),
        );
        // Runs take one call, where they may take two: more than half of the cap is used.
        assert!(most - least <= 10, "{least} to {most} rows under {cap}");
        assert!(found.calls * 2 + 2 * lines >= cap.min(lines * 60), "{} of {cap}", found.calls);
    }
}

#[test]
fn p_is_corrected_for_the_number_of_tests() {
    let close = |a: &[f64], b: &[f64]| {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
    };
    close(&holm(&[]), &[]);
    close(&holm(&[0.04]), &[0.04]);
    // 3 × 0.01, then 2 × 0.02; the last is not found before the one before it.
    close(&holm(&[0.03, 0.01, 0.02]), &[0.04, 0.03, 0.04]);
    close(&holm(&[0.9, 0.8]), &[1.0, 1.0]);
}

/// A model that knows what to say where a demo of it is in the prompt.
#[derive(Debug, Default)]
struct Taught {
    calls: AtomicU64,
}

impl Lm for Taught {
    fn name(&self) -> &str {
        "openai/gpt-4o-mini"
    }

    fn identity(&self) -> String {
        "taught".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { parallel: 64, in_process: false, ..Capabilities::PLAIN }
    }

    fn complete<'a>(&'a self, request: &'a Request, _: &'a CallContext) -> CallFuture<'a> {
        Box::pin(async move {
            let serial = self.calls.fetch_add(1, Ordering::SeqCst);
            if serial.is_multiple_of(5) {
                std::thread::sleep(Duration::from_micros(serial % 7 * 20));
            }
            let Prompt::Chat(messages) = &request.prompt else { panic!("a conversation") };
            let knows = messages.iter().any(|it| it.text.contains("two and two"));
            let question = &messages.last().unwrap().text;
            let answer = if knows && question.contains("and") { 4 } else { 0 };
            Ok(Completion {
                text: format!("[[ ## a ## ]]\n{answer}"),
                usage: Usage {
                    prompt_tokens: Some(9),
                    completion_tokens: Some(1),
                    ..Usage::default()
                },
                attempts: 1,
                ..Completion::default()
            })
        })
    }
}

const SCRIPT: &str = "/// Add. Be exact.\n\
    signature Add { in q: str  out a: int }\n\
    const add = predict(Add, adapter: \"chat\");\n\
    fn right(e, r) { e.a == r.a }\n\
    fn many() { let rows = []; for n in 0..30 { rows.push(#{ q: `${n} and more`, a: 4 }); } dataset(rows) }\n";
const STATE: &str = r#"{"format": "dsp-lang state", "version": 1, "predictors": {"self": {"demos": [
    {"inputs": {"q": "one plus one"}, "outputs": {"a": 2}},
    {"inputs": {"q": "two and two"}, "outputs": {"a": 4}}]}}}"#;

/// Takes the state apart, and tells what came of it, what was asked, and what was told.
fn with_model(
    host: MemoryHost,
    caps: Caps,
    threads: usize,
) -> (Result<Ablation, String>, u64, String) {
    let (lm, host) = (Arc::new(Taught::default()), Arc::new(host.with_file("s.json", STATE)));
    let builder = Engine::builder().model(lm.clone()).host(host.clone()).threads(threads);
    let program = builder.progress().build().unwrap().load_text("main.dsp", SCRIPT).unwrap();
    let whole = Whole {
        program: "add.with_state(\"s.json\")",
        data: "many()",
        metric: "right",
        wish: Wish { caps, plan: false, drop: None },
    };
    let Taken { finished, ablated } = program.ablate(&whole).unwrap();
    let ablation = match (finished.result, ablated) {
        (Ok(_), Some(Ablated::Measured(it))) => Ok(*it),
        (Err(error), _) => Err(error.diagnostics()[0].message.clone()),
        other => panic!("{other:?}"),
    };
    (ablation, lm.calls.load(Ordering::SeqCst), host.eprinted())
}

#[test]
fn the_one_demo_that_carries_the_score_is_found_with_any_number_of_threads() {
    let caps = Caps { max_calls: Some(2000), ..Caps::default() };
    let of = |threads| {
        let (found, calls, told) = with_model(MemoryHost::default(), caps, threads);
        assert!(told.starts_with("ablate: before it starts\neach part left out"), "{told}");
        // Two demos, two sentences, both demos, which are all of the state, and the whole.
        assert_eq!(calls, 6 * 30, "{threads}");
        found.unwrap()
    };
    let found = of(1);
    assert_eq!(found, of(4));
    assert_eq!(found, of(64));
    assert_eq!(found.score, Some(1.0));
    let by_label = |label: &str| {
        let part = found.parts.iter().find(|it| it.part.label() == label).unwrap();
        (part.without, part.finding)
    };
    assert_eq!(by_label("demo 2"), (Some(0.0), Finding::Carries));
    assert_eq!(by_label("all 2 demos"), (Some(0.0), Finding::Carries));
    for other in ["demo 1", "sentence 1", "sentence 2"] {
        assert_eq!(by_label(other), (Some(1.0), Finding::Same), "{other}");
    }
}

#[test]
fn without_a_cap_it_asks_or_refuses() {
    let (told, calls, _) = with_model(MemoryHost::default(), Caps::default(), 4);
    let expected = "this ablation has no cap and may make 900 calls";
    assert_eq!((told.unwrap_err().as_str(), calls), (expected, 0));
    let host = MemoryHost::default().with_answer(true);
    let (found, _, asked) = with_model(host, Caps::default(), 4);
    assert!(found.is_ok() && asked.contains(&format!("{expected}; go on?")), "{asked}");
    let host = MemoryHost::default().with_answer(false);
    let (told, calls, _) = with_model(host, Caps::default(), 4);
    assert_eq!((told.unwrap_err().as_str(), calls), ("the ablation was not begun", 0));
}
