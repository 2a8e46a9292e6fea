//! Vectors of texts where models are not asked: in recorded tests, and in plans of searches.

use crate::http::server::{Play, Seen, Server, completion};
use crate::testing::{Ended, Project};
use serde_json::{Value, json};

const SCRIPT: &str = r#"settings { lm: "main" }
const facts = index(["Paris is in France.", "Rome is in Italy.", "Bonn is on the Rhine."],
    by: "embedding", lm: "vectors");
signature Answer { in question: str  in context: list[str]  out answer: str }
module Ask() {
    let answer = predict(Answer);
    let find = retrieve(k: 1, from: facts);
    fn forward(question: str) {
        let found = find(question);
        answer(question: question, context: found.passages)
    }
}
fn right(e, r) { e.answer == r.answer }
test "rome" { assert Ask()(question: "Rome is where?").answer == "Italy"; }
test "near" { assert embed("vectors", "Rome").len() == 3; }
"#;

/// A text's vector: how often it has some letters.
fn vector(text: &Value) -> Value {
    let text = text.as_str().unwrap().to_lowercase();
    json!(['a', 'm', 'n'].map(|letter| text.matches(letter).count()))
}

fn answer(seen: &Seen) -> Play {
    let body = seen.json();
    if seen.line.contains("/embeddings") {
        let rows = body["input"].as_array().unwrap().iter().enumerate();
        let rows = rows.map(|(at, it)| json!({ "index": at, "embedding": vector(it) }));
        let data: Vec<Value> = rows.collect();
        return Play::ok(json!({ "data": data, "usage": { "prompt_tokens": 7 } }).to_string());
    }
    Play::ok(completion("[[ ## answer ## ]]\nItaly\n\n[[ ## completed ## ]]"))
}

fn settings(base: &str) -> String {
    let model = |name: &str, model: &str| {
        format!("[models.{name}]\nmodel = \"{model}\"\napi_base = \"{base}\"\nretries = 0\n")
    };
    [model("main", "openai/small"), model("vectors", "openai/text-embedding-3-small")].concat()
}

fn rows() -> String {
    let row = |n: usize| format!("{{\"question\": \"Rome {n}?\", \"answer\": \"Italy\"}}\n");
    (0..12).map(row).collect()
}

fn project(base: &str) -> Project {
    let settings = settings(base);
    Project::new(&[("a.dsp", SCRIPT), ("dsp.toml", &settings), ("rows.jsonl", &rows())])
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

/// How many requests a server has seen for vectors, and for replies.
fn asked(server: &Server) -> (usize, usize) {
    let seen = server.seen();
    let vectors = seen.iter().filter(|it| it.line.contains("/embeddings")).count();
    (vectors, seen.len() - vectors)
}

#[test]
fn recorded_tests_have_their_vectors() {
    let server = Server::answering(answer);
    let first = project(&server.base());
    let ended = first.dsp(&["test", "a.dsp", "--record", "--threads", "1"]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    let (vectors, replies) = asked(&server);
    assert_eq!(replies, 1);
    assert!(vectors >= 2, "{vectors}");
    let recording = first.read("a.replies.jsonl");
    assert!(!recording.contains("127.0.0.1"), "{recording}");
    let nowhere = settings("http://127.0.0.1:9/v1");
    let files = [("a.dsp", SCRIPT), ("a.replies.jsonl", &recording), ("dsp.toml", &nowhere)];
    let ended = Project::new(&files).dsp(&["test"]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    assert!(ended.stdout.contains("2 passed"), "{}", said(&ended));
    // Texts that nothing was recorded for are asked of nobody.
    let changed = SCRIPT.replace("Bonn is on the Rhine.", "Bonn lies on the Rhine.");
    let files = [("a.dsp", &*changed), ("a.replies.jsonl", &recording), ("dsp.toml", &nowhere)];
    let ended = Project::new(&files).dsp(&["test"]);
    assert_eq!(ended.code, Some(1), "{}", said(&ended));
    assert!(ended.stdout.contains("E0510"), "{}", said(&ended));
    assert!(!ended.stdout.contains("127.0.0.1:9"), "{}", said(&ended));
}

#[test]
fn a_plan_without_calls_asks_for_no_vectors() {
    let server = Server::answering(answer);
    let plan = |more: &[&str]| {
        let args = [
            "compile",
            "a.dsp",
            "--program",
            "Ask()",
            "--metric",
            "right",
            "--with",
            "random_search(metric: right, candidates: 2)",
            "--trainset",
            "rows.jsonl",
            "-o",
            "out.json",
            "--plan",
        ];
        project(&server.base()).dsp(&[&args[..], more].concat())
    };
    let ended = plan(&["--max-calls", "0"]);
    assert_eq!(ended.code, Some(1), "{}", said(&ended));
    assert!(ended.stderr.contains("the cap of 0 calls is used up"), "{}", said(&ended));
    assert_eq!(asked(&server), (0, 0), "{}", said(&ended));
    let ended = plan(&[]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    let (vectors, replies) = asked(&server);
    assert!(vectors > 0 && replies > 0, "{vectors} {replies}: {}", said(&ended));
    // Vectors are expected and counted as other calls are.
    assert!(ended.stdout.contains("score candidates, retrieve  30 calls"), "{}", said(&ended));
}
