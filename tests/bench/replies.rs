//! What laying out prompts and reading replies costs.
//!
//! `cargo bench --bench replies [-- NAME …]`; one JSON line for each step: the median of rounds in
//! microseconds. The steps `hostile …` read 10 kB of brackets and quotes that nothing closes.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program to be run and read by a person"
)]

use dsp_lang::adapt::{Adapter, Ask};
use dsp_lang::check::signature_from_str;
use dsp_lang::lm::Capabilities;
use dsp_lang::schema::{Demo, Record, Signature, Value};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 101;
const HOSTILE: usize = 10_000;
const SHAPES: [&str; 14] = [
    "[",
    "{",
    "{\"a\":",
    "\"",
    "\"a\" ",
    "[\"a,",
    "{\"a\": \"b,",
    "{\"a\": \"b\" c ",
    "{\"a\": \"b, c: \"d",
    "{\"a\": [\"b, {\"c\": \"d, ",
    "[{\"a\": \"",
    "f(",
    "(\"",
    "[[ ## answer ## ]]\n",
];
const LOCAL: Capabilities = Capabilities {
    chat: true,
    template: true,
    in_process: true,
    nonblocking: false,
    parallel: 1,
    cacheable: true,
    ..Capabilities::PLAIN
};

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let step = |name: &str, work: &dyn Fn()| {
        if !asked.is_empty() && !asked.iter().any(|it| name.contains(it)) {
            return;
        }
        // Short steps are counted in hundreds, for a clock is too coarse for one.
        let repeats = if name.starts_with("hostile") { 1 } else { 100 };
        let round = |_| {
            let started = Instant::now();
            (0..repeats).for_each(|_| work());
            started.elapsed().as_secs_f64() * 1e6 / f64::from(repeats)
        };
        let mut took: Vec<f64> = (0..ROUNDS).map(round).collect();
        took.sort_by(f64::total_cmp);
        println!("{}", json!({ "step": name, "us": took[ROUNDS / 2], "least": took[0] }));
    };
    short(&step);
    for shape in SHAPES {
        let text = shape.repeat(HOSTILE / shape.len());
        for said in ["q -> answer: any", "q -> answer: list[str]", "q -> answer: str, n: int"] {
            let signature = signature(said);
            for adapter in Adapter::ALL {
                let name = format!("hostile {shape:?} {said:?} {}", adapter.name());
                step(&name, &|| drop(black_box(adapter.parse(&signature, &text))));
                step(&format!("{name} partial"), &|| {
                    drop(black_box(adapter.parse_partial(&signature, &text)));
                });
            }
        }
    }
}

fn signature(text: &str) -> Signature {
    signature_from_str(text, &Arc::default(), &|_| false).unwrap()
}

/// A short question with 16 demos, and its reply.
fn short(step: &dyn Fn(&str, &dyn Fn())) {
    let text =
        "I was charged twice for one order, and the second charge is not mine. Please help.";
    let record = |pairs: &[(&str, Value)]| -> Record {
        pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
    };
    let inputs = record(&[("message", text.into())]);
    let outputs = record(&[("topic", "billing".into()), ("urgent", true.into())]);
    let demo = Demo { inputs: inputs.clone(), outputs: outputs.clone() };
    let demos = vec![demo; 16];
    let signature =
        signature("message -> topic: 'billing' | 'shipping' | 'other', urgent: bool");
    let ask = Ask {
        signature: &signature,
        instructions: "Sort a support message.",
        demos: &demos,
        inputs: &inputs,
    };
    for adapter in Adapter::ALL {
        let reply = adapter.reply(&signature, &outputs);
        let name = adapter.name();
        step(&format!("prompt {name}"), &|| drop(black_box(adapter.prompt(&ask, &LOCAL))));
        step(&format!("short {name}"), &|| drop(black_box(adapter.parse(&signature, &reply))));
        step(&format!("short {name} partial"), &|| {
            drop(black_box(adapter.parse_partial(&signature, &reply)));
        });
    }
}
