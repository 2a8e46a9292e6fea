//! Programs of all shapes under all optimizers, by a scripted model: each ends, changes what it may
//! and nothing else, says where every word and demo came from, and leaves one trace whatever the
//! number of threads.

use crate::answering;
use dsp_lang::Engine;
use dsp_lang::host::{Host, MemoryHost};
use dsp_lang::lm::Scripted;
use dsp_lang::program::State;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A shape of program, and its predictors; the last may change where only one may.
struct Shape {
    text: &'static str,
    program: &'static str,
    paths: &'static [&'static str],
}

const SHAPES: [Shape; 4] = [
    Shape { text: "", program: r#"predict("question -> answer: int")"#, paths: &["self"] },
    Shape {
        text: r#"
            module Qa() {
                let plan = predict("question -> topic");
                let solve = predict("question, topic -> answer: int");
                fn forward(question) { solve(question, topic: plan(question).topic) }
            }"#,
        program: "Qa()",
        paths: &["plan", "solve"],
    },
    Shape {
        text: r#"
            module Steps() {
                let steps = [predict("question -> topic"), predict("question, topic -> hint")];
                fn forward(question) { steps[1](question, topic: steps[0](question).topic) }
            }
            module Outer() {
                let last = predict("question, hint -> answer: int");
                let inner = Steps();
                fn forward(question) { last(question, hint: inner(question).hint) }
            }"#,
        program: "Outer()",
        paths: &["last", "inner.steps[0]", "inner.steps[1]"],
    },
    Shape {
        text: r#"
            module Loop() {
                let judge = predict("question -> sure: int");
                let ask = predict("question -> answer: int");
                fn forward(question) {
                    let reply = ask(question);
                    for turn in 0..3 {
                        if judge(question: `${question} ${turn}`).sure == 1 { break; }
                        reply = ask(question: `${question} ${turn}`);
                    }
                    reply
                }
            }"#,
        program: "Loop()",
        paths: &["judge", "ask"],
    },
];

/// All optimizers, small; `METRIC` stands for what they all are given.
const OPTIMIZERS: [&str; 11] = [
    "labeled_few_shot(k: 2)",
    "bootstrap_few_shot(METRIC)",
    "random_search(METRIC, candidates: 2, max_labeled: 2)",
    "copro(METRIC, breadth: 3, depth: 2)",
    "mipro_v2(METRIC, candidates: 3, trials: 6)",
    "gepa(METRIC, rounds: 5)",
    "gepa(METRIC, rounds: 4, select: \"all\", components: [\"instructions\", \"descriptions\", \"demos\"])",
    "simba(METRIC, minibatch: 4, candidates: 3, steps: 2)",
    "infer_rules(METRIC, candidates: 2, rules: 2)",
    "tune(METRIC, max_demos: 2, patience: 2)",
    "better_together(\"demos -> words -> reflect -> few -> trials -> advice\", METRIC, steps: #{ \
     demos: random_search(METRIC, candidates: 1), \
     words: copro(METRIC, breadth: 2, depth: 1), \
     reflect: gepa(METRIC, rounds: 2), \
     few: labeled_few_shot(k: 1), \
     trials: mipro_v2(METRIC, candidates: 2, trials: 3), \
     advice: simba(METRIC, minibatch: 3, candidates: 2, steps: 1) })",
];

fn hash(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// Answers by what it is asked, after a while that has nothing to do with that.
fn model(paths: &'static [&'static str]) -> Scripted {
    let turns = AtomicU64::new(0);
    Scripted::by(move |request, _| {
        let turn = turns.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(turn * 7919 % 7 * 30));
        answering::reply(request, hash(&format!("{:?}", request.prompt)) % 9, paths)
    })
}

/// The trace, the state's file and what was printed.
fn course(shape: &Shape, optimizer: &str, only: &str, threads: usize) -> [String; 3] {
    let metric = format!("metric: |e, r| e.answer == r.answer, max_calls: 600{only}");
    let text = format!(
        "{}\nfn rows(name, n) {{\n    let rows = [];\n    for i in 0..n {{ \
         rows.push(#{{ question: `${{name}} ${{i}}`, answer: i % 2 }}); }}\n    dataset(rows)\n}}\n\
         let tuned = {}.compile({}, trainset: rows(\"train\", 8), valset: rows(\"dev\", 6), confirm: 0.0);\n\
         tuned.save(\"s.state.json\");\nprint(tuned(question: \"last\").answer);",
        shape.text,
        optimizer.replace("METRIC", &metric),
        shape.program,
    );
    let host = Arc::new(MemoryHost::default());
    let engine = Engine::builder().host(host.clone()).model(Arc::new(model(shape.paths)));
    let engine = engine.threads(threads).no_cache().build().unwrap();
    let finished = engine.load_text("main.dsp", &text).unwrap().run();
    if let Err(error) = &finished.result {
        panic!("{optimizer} on {}: {error}", shape.program);
    }
    let state = host.read(Path::new("s.state.json")).unwrap();
    [finished.trace.canonical(), String::from_utf8(state).unwrap(), host.printed()]
}

/// The predictors that a state changes; each change says where it came from.
fn changed(text: &str) -> BTreeSet<String> {
    let state = State::from_text(text, "s").unwrap();
    let mut changed = BTreeSet::new();
    for (path, it) in &state.predictors {
        assert_eq!(it.instructions.is_some(), it.instructions_origin.is_some(), "{path}");
        assert!(it.demos.iter().all(|demo| demo.origin.is_some()), "{path}");
        let has_own = it.instructions.is_some() || !it.descriptions.is_empty();
        if has_own || !it.demos.is_empty() {
            changed.insert(path.clone());
        }
    }
    changed
}

#[test]
fn every_optimizer_ends_on_every_shape_of_program() {
    let mut ever = BTreeSet::new();
    for shape in &SHAPES {
        for optimizer in OPTIMIZERS {
            let one = course(shape, optimizer, "", 1);
            let many = course(shape, optimizer, "", 64);
            assert_eq!(one[1], many[1], "{optimizer} on {}", shape.program);
            assert_eq!(one[2], many[2], "{optimizer} on {}", shape.program);
            assert!(one[0] == many[0], "{optimizer} on {}: the traces differ", shape.program);
            let changed = changed(&one[1]);
            let unknown = changed.iter().find(|it| !shape.paths.contains(&it.as_str()));
            assert_eq!(unknown, None, "{optimizer}");
            ever.extend(changed.into_iter().map(|path| format!("{} {path}", shape.program)));
        }
    }
    // Taken together they change every predictor of every program.
    for shape in &SHAPES {
        for path in shape.paths {
            let name = format!("{} {path}", shape.program);
            assert!(ever.contains(&name), "nothing changed {name}");
        }
    }
}

#[test]
fn what_is_frozen_stays_as_it_was() {
    for shape in SHAPES.iter().filter(|it| it.paths.len() > 1) {
        let last = shape.paths[shape.paths.len() - 1];
        for optimizer in OPTIMIZERS.iter().filter(|it| it.contains("METRIC")) {
            let found = course(shape, optimizer, &format!(", only: \"{last}\""), 8);
            let others: Vec<String> =
                changed(&found[1]).into_iter().filter(|it| it != last).collect();
            assert!(others.is_empty(), "{optimizer} changed {others:?}");
        }
    }
}
