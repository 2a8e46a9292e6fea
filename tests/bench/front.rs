//! What the front end costs: each step for a program of 2,000 lines, and `dsp check` of a small
//! file from the start of its process.
//!
//! `cargo bench --bench front [-- step …]`, where a step is `lex`, `parse`, `check`, `lower`,
//! `lower-compile`, `fmt` or `start`. Each figure is the median of rounds that take turns, one JSON
//! line each.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program to be run and read by a person"
)]

use dsp_lang::check::{Checked, check};
use dsp_lang::engine::{Check, Engine, check_text};
use dsp_lang::fmt::{self, WIDTH};
use dsp_lang::lm::Scripted;
use dsp_lang::lower::{Linked, lower};
use dsp_lang::source::SourceId;
use dsp_lang::syntax::{Parse, lex, parse};
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 41;
const LINES: usize = 2_000;
const SOURCE: SourceId = SourceId(0);
/// A piece of a program; `@` is its number.
const PIECE: &str = include_str!("front/piece.dsp");

/// What the steps begin with.
struct Ready {
    text: String,
    parsed: Parse,
    checked: Checked,
    check: Check,
    engine: Engine,
    small: PathBuf,
}

/// A step, by the name that the command line takes.
type Step = (&'static str, fn(&Ready));

const STEPS: [Step; 7] = [
    ("lex", |it| drop(black_box(lex(&it.text)))),
    ("parse", |it| drop(black_box(parse(SOURCE, &it.text)))),
    ("check", |it| drop(black_box(check(&it.parsed, SOURCE, &it.text, &[], &[])))),
    ("lower", |it| {
        let mut linked = Linked::default();
        lower(&mut linked, &it.checked, &it.text).unwrap();
        black_box(linked);
    }),
    // Lowering and the host language's parser; the difference is that parser's.
    ("lower-compile", |it| {
        let program = it.engine.load_checked(it.check.clone(), PathBuf::new());
        drop(black_box(program.unwrap()));
    }),
    ("fmt", |it| drop(black_box(fmt::format(SOURCE, &it.text, WIDTH).unwrap()))),
    ("start", |it| {
        let mut dsp = Command::new(env!("CARGO_BIN_EXE_dsp"));
        let status = dsp.arg("check").arg(&it.small).env_clear().status().unwrap();
        assert!(status.success());
    }),
];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let ready = ready();
    let steps =
        STEPS.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|it| it == name));
    let steps: Vec<&Step> = steps.collect();
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); steps.len()];
    for _ in 0..ROUNDS {
        for (at, (_, step)) in steps.iter().enumerate() {
            let started = Instant::now();
            step(&ready);
            took[at].push(started.elapsed());
        }
    }
    for ((name, _), mut took) in steps.into_iter().zip(took) {
        took.sort();
        let ms = |it: Duration| (it.as_secs_f64() * 1e5).round() / 100.0;
        let (least, median) = (ms(took[0]), ms(took[ROUNDS / 2]));
        println!("{{\"step\": \"{name}\", \"median_ms\": {median}, \"least_ms\": {least}}}");
    }
}

fn ready() -> Ready {
    let pieces = (0..).map(|it: usize| PIECE.replace('@', &it.to_string()));
    let text: String = pieces.take(LINES.div_ceil(PIECE.lines().count())).collect();
    let parsed = parse(SOURCE, &text);
    let (checked, diags) = check(&parsed, SOURCE, &text, &[], &[]);
    assert!(parsed.diags.is_empty() && diags.is_empty(), "{diags:#?}");
    let small = std::env::temp_dir().join("dsp-bench-front.dsp");
    std::fs::write(&small, PIECE.replace('@', "0")).unwrap();
    let model = Arc::new(Scripted::new(Vec::<String>::new()));
    let engine = Engine::builder().model(model).build().unwrap();
    println!("{{\"lines\": {}, \"bytes\": {}}}", text.lines().count(), text.len());
    Ready { check: check_text("main.dsp", &text), text, parsed, checked, engine, small }
}
