//! A Rust program that sorts support messages with a `.dsp` program: data in, data out.
//!
//!     cargo run --example embed
//!
//! The model is scripted, so it runs without a key; `.lm("openai/gpt-4o-mini")` in place of
//! `.model(…)` asks a real one.
#![expect(clippy::print_stdout, reason = "the host is a program of its own")]

use dsp_lang::Engine;
use dsp_lang::engine::{Budget, Callable, prompt_text};
use dsp_lang::lm::Scripted;
use dsp_lang::trace;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What goes in: the parameters of `forward`, by name.
#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

/// What comes out: the fields of the reply.
#[derive(Debug, Deserialize)]
struct Ticket {
    topic: String,
    urgent: bool,
    line: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::builder()
        .model(Arc::new(scripted()))
        .budget(Budget::calls(6).and(Budget::seconds(60.0)))
        .build()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/embed");
    let triage = with_best_state(engine.load(folder.join("triage.dsp"))?.module("Triage")?)?;

    println!("# from a plain thread");
    let reply = triage.call_reply(&Message { message: "My parcel is late!" })?;
    show(&reply.get()?);
    println!("{}", trace::tree(reply.trace(), false));
    println!("{}", reply.trace().to_mermaid());

    println!("# from async code, two at once");
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (first, second) = runtime.block_on(async {
        tokio::join!(
            triage.call_async::<Ticket>(&Message { message: "I was charged twice." }),
            triage.call_async::<Ticket>(&Message { message: "Still no parcel, how late!" }),
        )
    });
    show(&first?);
    show(&second?);

    println!("\n# when the budget is used up");
    let refused = triage.call::<Ticket>(&Message { message: "And another thing." });
    if let Err(error) = refused {
        println!("{error}");
    }
    Ok(())
}

/// What an optimizer found, where `dsp compile` has left it here.
fn with_best_state(triage: Callable) -> Result<Callable, dsp_lang::engine::Error> {
    let state = "triage.state.json";
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/embed").join(state);
    if here.exists() { triage.with_state(state) } else { Ok(triage) }
}

fn show(ticket: &Ticket) {
    let mark = if ticket.urgent { "!" } else { " " };
    println!("{mark} {:<10} {}", ticket.topic, ticket.line);
}

/// Stands for a model: it knows two kinds of messages.
fn scripted() -> Scripted {
    Scripted::by(|request, call| {
        let late = prompt_text(&request.prompt).contains("late");
        let reply = match (call.address.path.as_str(), late) {
            ("sort", true) => r#"{"topic": "shipping", "urgent": true}"#,
            ("sort", false) => r#"{"topic": "billing", "urgent": false}"#,
            (_, true) => r#"{"line": "Sorry that it takes so long."}"#,
            (_, false) => r#"{"line": "Thank you for telling us."}"#,
        };
        reply.to_owned()
    })
}
