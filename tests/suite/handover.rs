//! Identical calls at one time whose first is given up: one of those that wait asks, no more.

use crate::http::server::{Play, Seen, Server};
use dsp_lang::Engine;
use dsp_lang::config::{Config, Endpoint};
use dsp_lang::host::MemoryHost;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Events of a reply that takes long: a piece every 400 ms.
fn slowly() -> Play {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned();
    let piece = |text: &str| {
        let event = json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
        (format!("data: {event}\n\n"), Duration::from_millis(400))
    };
    let pieces = ["[[ ## a ## ]]\n", "one", " two", " three"].map(piece);
    Play::Pieces([(head, Duration::ZERO)].into_iter().chain(pieces).collect())
}

fn asked(seen: &Seen) -> String {
    seen.json()["messages"][1]["content"].as_str().unwrap().to_owned()
}

/// A server that streams slowly, fails at what is to fail, and answers anything else.
fn server() -> Server {
    Server::answering(|seen| {
        let pause = Duration::from_millis(150);
        match asked(seen) {
            _ if seen.json()["stream"] == true => slowly(),
            text if text.contains("fails") => Play::status(400, "{}").after(pause),
            _ => Play::text("[[ ## a ## ]]\nyes").after(pause),
        }
    })
}

fn run(server: &Server, text: &str) -> String {
    let endpoint = Endpoint { base_url: server.base(), key_env: None };
    let endpoints = std::iter::once(("mock".to_owned(), endpoint)).collect();
    let host = Arc::new(MemoryHost::default());
    let builder = Engine::builder().host(host.clone());
    let engine =
        builder.over_scripts(Config { endpoints, ..Config::default() }).build().unwrap();
    let finished = engine.load_text("main.dsp", text).unwrap_or_else(|it| panic!("{it}")).run();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    host.printed()
}

/// The program: one begins to read a reply and leaves; others, which have asked something else
/// before, want the same reply meanwhile.
fn program(leaves: &str) -> String {
    let waits = "|| { p(q: \"before\"); p(q: \"the same\").a }";
    let others = [waits; 8].join(",\n");
    format!(
        "let p = predict(\"q -> a\", lm: \"mock/m\");\n\
         print(parallel([\n{leaves},\n{others}], threads: 9));\nprint(cost().cached);\n"
    )
}

#[test]
fn one_of_those_that_wait_asks_when_the_first_leaves() {
    let server = server();
    let leaves = "|| { for part in p.stream(q: \"the same\") { break; } \"left\" }";
    let printed = run(&server, &program(leaves));
    let yes = ["\"yes\""; 8].join(", ");
    // Seven of each of the two questions were answered by the call of another.
    assert_eq!(printed, format!("[\"left\", {yes}]\n14\n"));
    let same = server.seen().iter().filter(|it| asked(it).contains("the same")).count();
    assert_eq!((same, server.seen().len()), (2, 3));
    assert!(server.sees_one_leave());
}
