//! Optimizers on a server with faults: each ends, no row is lost unsaid, and the report names what
//! failed and which proposals were not taken.

use crate::answering;
use crate::http::server::{Play, Seen, Server, completion};
use dsp_lang::Engine;
use dsp_lang::engine::{Searched, Wanted};
use dsp_lang::host::MemoryHost;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const OPTIMIZERS: [&str; 9] = [
    "bootstrap_few_shot(METRIC)",
    "random_search(METRIC, candidates: 3)",
    "copro(METRIC, breadth: 4, depth: 2)",
    "mipro_v2(METRIC, candidates: 4, trials: 6)",
    "gepa(METRIC, rounds: 8)",
    "simba(METRIC, minibatch: 6, candidates: 3, steps: 2)",
    "infer_rules(METRIC, candidates: 3, rules: 2)",
    "tune(METRIC, max_demos: 2, patience: 2)",
    "better_together(\"demos -> words\", METRIC, steps: #{ \
     demos: random_search(METRIC, candidates: 2), words: copro(METRIC, breadth: 3, depth: 1) })",
];

const PATHS: [&str; 2] = ["plan", "solve"];
const VAL: usize = 15;

fn hash(parts: &[&str]) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = parts.join("|").bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// Of a hundred requests ten fail, two are cut off, five give half of a body, five say nothing of
/// use, and one takes its time. A request that comes again fares otherwise.
fn answer(seen: &Seen, times: &Mutex<BTreeMap<u64, usize>>) -> Play {
    let json = seen.json();
    let said = |at: usize| json["messages"][at]["content"].as_str().unwrap().to_owned();
    let last = json["messages"].as_array().unwrap().len() - 1;
    let number = hash(&[&seen.body]);
    let time = {
        let mut times = times.lock().unwrap();
        let time = times.entry(number).or_default();
        *time += 1;
        *time
    };
    let text = answering::reply_to(&said(0), &said(last), number % 9, &PATHS);
    let body = completion(&text);
    match hash(&[&seen.body, &time.to_string(), "fault"]) % 100 {
        0..5 => Play::status(500, "{}").header("retry-after", "0"),
        5..10 => Play::status(429, "{}").header("retry-after", "0"),
        10..12 => Play::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"id\"".to_vec()),
        12..17 => Play::ok(&body[..body.len() / 2]),
        17..22 => Play::ok(completion("I would rather not say.")),
        22 => Play::ok(body).after(Duration::from_millis(300)),
        _ => Play::ok(body),
    }
}

fn searched(optimizer: &str) -> (Searched, usize) {
    let times = Mutex::default();
    let server = Server::answering(move |seen| answer(seen, &times));
    let script = format!(
        "module Qa() {{\n    \
             let plan = predict(\"question -> topic\", retries: 0);\n    \
             let solve = predict(\"question, topic -> answer: int\", retries: 0);\n    \
             fn forward(question) {{ solve(question, topic: plan(question).topic) }}\n}}\n\
         const model = lm(\"openai/m\", api_base: \"{}\", key_env: \"TEST_KEY\");\n\
         fn right(e, r) {{ e.answer == r.answer }}\n",
        server.base()
    );
    let rows = |from: usize, n: usize| -> String {
        let row = |at| format!("{{\"question\": \"number {at}\", \"answer\": {}}}\n", at % 2);
        (from..from + n).map(row).collect()
    };
    let host = MemoryHost::default()
        .with_env("TEST_KEY", "nobody's")
        .with_file("train.jsonl", rows(0, 12))
        .with_file("val.jsonl", rows(100, VAL));
    let engine = Engine::builder().host(Arc::new(host)).seed(5).threads(8).no_cache();
    let engine = engine.build().unwrap();
    let program = engine.load_text("main.dsp", &script).unwrap();
    let given = "metric: right, max_calls: 2000";
    let wanted = Wanted {
        optimizer: &optimizer.replace("METRIC", given),
        program: "Qa().with(lm: model)",
        trainset: "load(\"train.jsonl\")",
        valset: Some("load(\"val.jsonl\")"),
        testset: None,
        keep: None,
        output: Path::new("s.json"),
    };
    let searched = program.compile(&wanted).unwrap();
    (searched, server.seen().len())
}

/// What is open: under a cap on calls a reply that is lost on its way counts as one more call of
/// its run, and where the predictors have no retries to spare, that ends the whole search.
#[test]
#[ignore = "a lost reply ends a search under `max_calls` whose predictors have no retries"]
fn no_optimizer_is_stopped_by_faults_and_each_says_what_failed() {
    let (mut refused, mut failed) = (0, 0);
    for optimizer in OPTIMIZERS {
        let (Searched { finished, report }, requests) = searched(optimizer);
        assert!(finished.result.is_ok(), "{optimizer}: {:?}", finished.result);
        let report = report.unwrap();
        assert_eq!(report.stop, None, "{optimizer}");
        assert!(report.calls <= requests as u64, "{optimizer}");
        let told = report.render();
        for it in report.candidates.iter().filter(|it| it.score.is_some()) {
            // The rows to choose by are fewer where some are held back for the end.
            let missing = it.values.iter().filter(|it| it.is_none()).count();
            let partly = optimizer.starts_with("mipro") || optimizer.starts_with("tune");
            assert!(it.values.len() == report.rows.1, "{optimizer}: {}", it.label);
            assert!(
                partly || missing == it.left_out,
                "{optimizer}: {} lost {missing}",
                it.label
            );
            failed += it.failed;
        }
        let first = &report.candidates[0];
        if first.failed > 0 && first.score.is_some() {
            assert!(told.contains("runs failed, counted as 0"), "{told}");
        }
        for it in report.notices.iter().filter(|it| it.message.contains("not taken")) {
            assert!(!it.notes.is_empty(), "why is said");
            refused += 1;
        }
    }
    assert!(failed > 10, "{failed} runs failed");
    assert!(refused > 1, "of {refused} optimizers proposals were not taken");
}
