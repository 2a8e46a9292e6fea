//! The figures.

use crate::bare::{Bare, CAPABILITIES};
use crate::clock::{Took, cpu_of_children, figure, mebibytes, median, time};
use crate::mock::Mock;
use crate::programs::{self, engine, evaluation, inputs, many, rows, run, sequence, signature};
use dsp_lang::adapt::{Adapter, Ask};
use dsp_lang::engine::{Engine, Program};
use dsp_lang::lm::Scripted;
use dsp_lang::schema::{Demo, Record, Value};
use dsp_lang::store::{Key, Store};
use serde_json::json;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a measurement is made; its median counts.
const ROUNDS: usize = 7;
const CALLS: usize = 1000;

/// One of the figures.
type Figure = fn(&Mock);

/// The figures, by the names that the command line takes.
pub(crate) const ALL: [(&str, Figure); 10] = [
    ("first", first),
    ("call", call),
    ("cached", cached),
    ("engine", engine_alone),
    ("adapter", adapter),
    ("eval", eval),
    ("search", search),
    ("memory", memory),
    ("traces", crate::traces::traces),
    ("faults", crate::faults::faults),
];

/// What this program does as a child of itself.
pub(crate) fn work(name: &str, base: &str) {
    match name {
        // For a profiler: `perf record … --work profile`.
        "profile" => {
            let engine = engine(base).no_cache().build().unwrap();
            let threads = std::env::var("THREADS").map_or(64, |it| it.parse().unwrap());
            let n = std::env::var("ROWS").map_or(10_000, |it| it.parse().unwrap());
            let module = std::env::var("MODULE").unwrap_or_else(|_| "Reason".to_owned());
            let program = evaluation(&engine, &module, threads, &rows(n));
            eprintln!("{:?}", time(|| drop(run(&program))));
        }
        "eval" => {
            let engine = engine(base).no_cache().build().unwrap();
            let program = evaluation(&engine, "Reason", 64, &rows(1024));
            run(&program);
            println!("{}", mebibytes("VmHWM:"));
        }
        calls if calls.starts_with("calls-") => {
            let calls: usize = calls[6..].parse().unwrap();
            let engine = engine(base).no_cache().no_trace().build().unwrap();
            let program = many(&engine, "Reason", calls);
            let before = mebibytes("VmRSS:");
            let finished = program.run();
            println!("{}", mebibytes("VmHWM:") - before);
            drop(finished);
        }
        other => panic!("no work is called {other}"),
    }
}

fn child(work: &str, mock: &Mock) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--work", work, &mock.base()]).stderr(Stdio::inherit());
    let output = command.output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// From the start of the command to its end, with one prediction in between and without any.
fn first(mock: &Mock) {
    const STARTS: usize = 25;
    let home = scratch("home");
    std::fs::create_dir_all(&home).unwrap();
    let script = home.join("first.dsp");
    std::fs::write(&script, first_script(&mock.base())).unwrap();
    for (bench, command) in [("check", "check"), ("first-prediction", "run")] {
        let start = || {
            let mut dsp = Command::new(env!("CARGO_BIN_EXE_dsp"));
            dsp.arg(command).arg(&script).env("DSP_HOME", &home).stdout(Stdio::null());
            assert!(dsp.status().unwrap().success());
            // A prediction from the store would be no first one.
            let _ = std::fs::remove_dir_all(home.join("cache"));
        };
        start();
        let cpu = cpu_of_children();
        let all: Vec<Took> = (0..STARTS).map(|_| time(start)).collect();
        let cpu = (cpu_of_children() - cpu) / STARTS as f64;
        let wall = median(&all, |it| it.wall);
        figure("dsp", bench, json!({}), json!({ "wall_s": wall, "cpu_s": cpu }));
        eprintln!("{bench}: {:.1} ms, {:.1} ms CPU", wall * 1e3, cpu * 1e3);
    }
    std::fs::remove_dir_all(&home).unwrap();
}

fn first_script(base: &str) -> String {
    format!(
        "let model = lm(\"openai/mock\", api_base: \"{base}\");\n\
         let solve = predict(\"question -> answer: int\", lm: model);\n\
         print(solve(question: \"what is 2 + 3 * 4?\").answer);\n"
    )
}

/// A place for files of this process.
pub(crate) fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("dsp-bench-{}-{name}", std::process::id()))
}

/// Runs ours and the other turn about.
fn in_turn(ours: impl Fn(), bare: impl Fn()) -> (Vec<Took>, Vec<Took>) {
    ours();
    bare();
    (0..ROUNDS).map(|_| (time(&ours), time(&bare))).unzip()
}

/// Sums, because processor time is counted in coarse steps.
fn mean_cpu(all: &[Took]) -> f64 {
    all.iter().map(|it| it.cpu).sum::<f64>() / all.len() as f64
}

fn per_call(all: &[Took], calls: usize) -> serde_json::Value {
    let each = |seconds: f64| seconds / calls as f64 * 1e3;
    json!({
        "ms_per_call": each(median(all, |it| it.wall)),
        "cpu_ms_per_call": each(mean_cpu(all)),
    })
}

/// Calls one after another, in one script.
fn call(mock: &Mock) {
    let rows = rows(CALLS);
    let bare = Bare::new(&mock.base(), &signature(), &inputs(&rows));
    let engine = engine(&mock.base()).no_cache().build().unwrap();
    for (kind, module) in [("predict", "Answer"), ("cot", "Reason")] {
        let program = sequence(&engine, module, &rows);
        let (ours, bare) = in_turn(|| drop(run(&program)), || bare.sequence(CALLS));
        figure("dsp", "call", json!({ "kind": kind }), per_call(&ours, CALLS));
        figure("bare", "call", json!({ "kind": kind }), per_call(&bare, CALLS));
        let (mine, theirs) = (mean_cpu(&ours), mean_cpu(&bare));
        eprintln!(
            "call {kind}: {:.0} µs CPU, bare {:.0} µs: {:.2} times",
            mine * 1e3,
            theirs * 1e3,
            mine / theirs
        );
    }
}

/// Calls whose replies are stored.
fn cached(mock: &Mock) {
    let rows = rows(CALLS);
    let dir = scratch("store");
    for place in ["memory", "disk"] {
        let builder = engine(&mock.base());
        let builder = if place == "disk" { builder.store_dir(&dir) } else { builder };
        let program = sequence(&builder.build().unwrap(), "Answer", &rows);
        let cold = time(|| drop(run(&program)));
        let hits = stored(&program);
        figure("dsp", "cached", json!({ "where": place }), hits.clone());
        eprintln!("cached {place}: {hits}, first time {:.0} µs CPU", cold.cpu * 1e3);
    }
    // An engine that has read nothing yet: each hit is a read of the disk.
    let unread =
        || sequence(&engine(&mock.base()).store_dir(&dir).build().unwrap(), "Answer", &rows);
    let programs: Vec<Program> = (0..ROUNDS).map(|_| unread()).collect();
    let all: Vec<Took> = programs.iter().map(|it| time(|| drop(run(it)))).collect();
    let hits = json!({
        "us_per_call": median(&all, |it| it.wall) / CALLS as f64 * 1e6,
        "cpu_us_per_call": mean_cpu(&all) / CALLS as f64 * 1e6,
    });
    figure("dsp", "cached", json!({ "where": "disk, unread" }), hits.clone());
    eprintln!("cached disk, unread: {hits}");
    std::fs::remove_dir_all(&dir).unwrap();
    store_alone();
}

/// The store's own part of a hit, of replies of 500 bytes.
fn store_alone() {
    let dir = scratch("store-alone");
    let keys: Vec<Key> = (0..CALLS).map(|it| Key::of([it.to_string()])).collect();
    let each = |store: &Store| {
        let took = time(|| {
            for key in &keys {
                assert!(black_box(store.get(key)).is_some());
            }
        });
        took.wall / CALLS as f64 * 1e6
    };
    let store = Store::open(&dir).unwrap();
    let put = time(|| {
        for key in &keys {
            assert!(store.put_if_absent(key, &[b'x'; 500]).unwrap());
        }
    });
    let disk: Vec<f64> = (0..ROUNDS).map(|_| each(&Store::open(&dir).unwrap())).collect();
    let memory: Vec<f64> = (0..ROUNDS).map(|_| each(&store)).collect();
    let metrics = json!({
        "put_us": put.wall / CALLS as f64 * 1e6,
        "disk_us": median(&disk, |it| *it),
        "memory_us": median(&memory, |it| *it),
    });
    figure("dsp", "store", json!({ "bytes": 500 }), metrics.clone());
    eprintln!("store alone: {metrics}");
    std::fs::remove_dir_all(&dir).unwrap();
}

fn stored(program: &Program) -> serde_json::Value {
    let all: Vec<Took> = (0..ROUNDS).map(|_| time(|| drop(run(program)))).collect();
    json!({
        "us_per_call": median(&all, |it| it.wall) / CALLS as f64 * 1e6,
        "cpu_us_per_call": mean_cpu(&all) / CALLS as f64 * 1e6,
    })
}

/// Calls of a model that costs nothing: what is left is ours.
fn engine_alone(_: &Mock) {
    let lm = Arc::new(Scripted::by(|_, _| r#"{"answer": 5}"#.to_owned()));
    let engine = Engine::builder().model(lm).no_cache().build().unwrap();
    let rows = rows(CALLS);
    let calls = stored(&sequence(&engine, "Answer", &rows));
    figure("dsp", "engine", json!({ "calls": "sequence" }), calls.clone());
    eprintln!("engine, calls: {calls}");
    for threads in [1, 8, 64] {
        let runs = stored(&evaluation(&engine, "Answer", threads, &rows));
        figure("dsp", "engine", json!({ "threads": threads }), runs.clone());
        eprintln!("engine, evaluation with {threads} threads: {runs}");
    }
}

/// Writing a prompt and reading a reply, without a call.
fn adapter(_: &Mock) {
    let text = "question -> reasoning: str, answer: int, tags: list[str]";
    let signature = adapter_signature();
    let adapter = Adapter::Chat;
    let outputs = record(&[
        ("reasoning", Value::from("Step by step.")),
        ("answer", Value::from(5)),
        ("tags", Value::list(vec![Value::from("a"), Value::from("b")])),
    ]);
    let reply = adapter.reply(&signature, &outputs);
    for n_demos in [0, 4, 16] {
        let demo = |at: usize| Demo { inputs: question(at), outputs: outputs.clone() };
        let demos: Vec<Demo> = (0..n_demos).map(demo).collect();
        let write = |at: usize| {
            let (inputs, instructions) = (question(at), &signature.instructions);
            let ask =
                Ask { signature: &signature, instructions, demos: &demos, inputs: &inputs };
            black_box(adapter.prompt(&ask, &CAPABILITIES));
        };
        let took = |work: &dyn Fn(usize)| {
            let all: Vec<Took> =
                (0..ROUNDS).map(|_| time(|| (0..CALLS).for_each(work))).collect();
            median(&all, |it| it.wall) / CALLS as f64 * 1e6
        };
        let format = took(&write);
        let parse = took(&|_| drop(black_box(adapter.parse(&signature, &reply).unwrap())));
        let metrics = json!({ "format_us": format, "parse_us": parse });
        figure("dsp", "adapter", json!({ "demos": n_demos }), metrics);
        eprintln!("adapter, {n_demos} demos ({text}): {format:.1} µs out, {parse:.1} µs in");
    }
}

fn adapter_signature() -> dsp_lang::schema::Signature {
    let text = "signature Full { in question: str out reasoning: str out answer: int \
                out tags: list[str] }";
    let checked = dsp_lang::engine::check_text("full", text).checked;
    checked.signatures["Full"].clone()
}

fn question(at: usize) -> Record {
    record(&[("question", Value::from(format!("what is {at} + 1?")))])
}

fn record(fields: &[(&str, Value)]) -> Record {
    fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

/// Evaluations, beside a client that keeps as many requests under way.
fn eval(mock: &Mock) {
    for (latency, threads) in [(0, 1), (0, 8), (0, 64), (0, 256), (20, 64), (20, 256)] {
        mock.reset(latency);
        for n in if latency == 0 { vec![1000] } else { vec![1000, 1024] } {
            eval_one(mock, latency, threads, n);
        }
    }
}

fn eval_one(mock: &Mock, latency: u64, threads: usize, n: usize) {
    let rows = rows(n);
    let signature = signature();
    let bare = Bare::new(&mock.base(), &signature, &inputs(&rows));
    let engine = engine(&mock.base()).no_cache().build().unwrap();
    let program = evaluation(&engine, "Reason", threads, &rows);
    let (ours, bare) = in_turn(|| drop(run(&program)), || bare.concurrent(n, threads));
    let params = json!({ "latency_ms": latency, "threads": threads, "n": n });
    let rate = |it: &[Took]| n as f64 / median(it, |it| it.wall);
    for (who, all) in [("dsp", &ours), ("bare", &bare)] {
        let metrics = json!({
            "eval_s": median(all, |it| it.wall),
            "eval_cpu_s": mean_cpu(all),
            "rps": rate(all),
        });
        figure(who, "eval", params.clone(), metrics);
    }
    let ratios: Vec<f64> = ours.iter().zip(&bare).map(|(a, b)| b.wall / a.wall).collect();
    eprintln!(
        "eval {latency} ms, {threads} threads, {n}: {:.0}/s, bare {:.0}/s: {:.2} of it \
         (CPU {:.0} µs a call, bare {:.0} µs)",
        rate(&ours),
        rate(&bare),
        median(&ratios, |it| *it),
        mean_cpu(&ours) / n as f64 * 1e6,
        mean_cpu(&bare) / n as f64 * 1e6,
    );
}

/// A search over 16 bootstraps, each scored on 100 rows. How busy the threads were is the time
/// that so many calls take one after another, shared among them, as a share of the time the
/// search took.
fn search(mock: &Mock) {
    const LATENCY: u64 = 20;
    let mut alone = None;
    for threads in [1_usize, 4, 64] {
        mock.reset(LATENCY);
        let engine = engine(&mock.base()).no_cache().build().unwrap();
        let mut said = String::new();
        let took = time(|| said = run(&programs::search(&engine, threads)));
        let numbers: Vec<f64> = said.split(' ').map(|it| it.parse().unwrap()).collect();
        let [before, after, calls, seconds] = numbers[..] else { panic!("{said}") };
        let call = *alone.get_or_insert(seconds / calls);
        let busy = calls * call / threads as f64 / seconds;
        let params =
            json!({ "name": "random-search", "latency_ms": LATENCY, "threads": threads });
        let metrics = json!({
            "opt_s": seconds, "lm_calls": calls, "score_before": before, "score": after,
            "busy": busy, "all_cpu_s": took.cpu,
        });
        figure("dsp", "opt", params, metrics);
        eprintln!(
            "random_search, {threads} threads: {before:.3} to {after:.3}, {calls} calls, \
             {seconds:.2} s, threads {:.1} % busy",
            busy * 100.0
        );
    }
}

/// How busy a search keeps its threads with a model that takes 20 ms and no processor: 16
/// candidates and 100 rows, with rows held back and without.
pub(crate) fn busy() {
    const LATENCY: Duration = Duration::from_millis(20);
    for (threads, confirm) in [(64_usize, "0"), (64, "0.33"), (16, "0.33")] {
        let asleep = Arc::new(AtomicU64::new(0));
        let slept = Arc::clone(&asleep);
        let model = Scripted::by(move |_, _| {
            let start = Instant::now();
            std::thread::sleep(LATENCY);
            let took = u64::try_from(start.elapsed().as_micros()).unwrap();
            slept.fetch_add(took, Ordering::Relaxed);
            r#"{"reasoning": "so", "answer": 42}"#.to_owned()
        });
        let engine = Engine::builder().model(Arc::new(model)).no_cache().build().unwrap();
        let said = run(&programs::search_alone(&engine, threads, confirm));
        let numbers: Vec<f64> = said.split(' ').map(|it| it.parse().unwrap()).collect();
        let [calls, seconds] = numbers[..] else { panic!("{said}") };
        let busy = asleep.load(Ordering::Relaxed) as f64 / 1e6 / threads as f64 / seconds;
        let params = json!({ "name": "random-search", "latency_ms": 20, "threads": threads,
            "confirm": confirm });
        let metrics = json!({ "opt_s": seconds, "lm_calls": calls, "busy": busy });
        figure("dsp", "busy", params, metrics);
        eprintln!(
            "random_search, {threads} threads, confirm {confirm}: {calls} calls in {seconds:.2} s, \
             threads {:.1} % busy",
            busy * 100.0
        );
    }
}

/// What a call costs besides its model, with all that `--trace` keeps of it, with the trace of any
/// run, with one that nobody looks at, without data flows, and with no trace at all. Each question
/// has the reply before it, or a text of the same length that is no reply.
pub(crate) fn traced() {
    let model =
        Scripted::by(|_, _| r#"{"answer": "a reply of more than thirty letters"}"#.to_owned());
    let model = Arc::new(model);
    let of = || Engine::builder().model(model.clone()).no_cache();
    let told = of().note_origins().build().unwrap();
    let kept = of().build().unwrap();
    let lost = of().no_trace().build().unwrap();
    let off = of().unrecorded().build().unwrap();
    let text = |value: &str| {
        format!(
            "let ask = predict(\"question -> answer\");\n\
             let other = \"some text of more than thirty letters\";\nlet last = other;\n\
             for i in 0..{CALLS} {{ last = ask(question: `and then? ${{{value}}}`).answer; }}"
        )
    };
    let load = |engine: &Engine, value| engine.load_text("main.dsp", &text(value)).unwrap();
    let programs = [
        ("flows, kept, with origins", load(&told, "last")),
        ("flows, kept", load(&kept, "last")),
        ("flows", load(&lost, "last")),
        ("no flows", load(&lost, "other")),
        ("off", load(&off, "other")),
    ];
    let mut all = [const { Vec::new() }; 5];
    for _ in 0..=3 * ROUNDS {
        for ((_, program), took) in programs.iter().zip(&mut all) {
            took.push(time(|| drop(run(program))));
        }
    }
    // The first ones warm up.
    let us = all.map(|took| median(&took[1..], |it| it.wall) / CALLS as f64 * 1e6);
    for ((name, _), us) in programs.iter().zip(us) {
        figure("dsp", "trace", json!({ "program": name }), json!({ "us_per_call": us }));
        eprintln!("trace, {name}: {us:.1} µs a call");
    }
    let [told, kept, .., off] = us;
    let costs = json!({ "us_per_call": kept - off, "with_origins_us_per_call": told - off });
    figure("dsp", "tracing-costs", json!({}), costs);
    eprintln!(
        "tracing costs {:.1} µs a call, with the origins of prompts {:.1}",
        kept - off,
        told - off
    );
}

/// The most memory of an evaluation, and what calls of one script add to it.
fn memory(mock: &Mock) {
    let peak: f64 = child("eval", mock).parse().unwrap();
    let params = json!({ "latency_ms": 0, "threads": 64, "n": 1024 });
    figure("dsp", "eval-memory", params, json!({ "rss_mb": peak }));
    eprintln!("memory: {peak:.1} MiB for an evaluation");
    for calls in [1_000, 10_000, 50_000, 100_000] {
        let grown: f64 = child(&format!("calls-{calls}"), mock).parse().unwrap();
        let metrics =
            json!({ "grown_mb": grown, "kb_per_call": grown * 1024.0 / calls as f64 });
        figure("dsp", "memory", json!({ "n": calls }), metrics);
        eprintln!("memory: {calls} calls of one script add {grown:.1} MiB at most");
    }
}
