//! A key planted in the environment of commands is found in nothing that they leave: traces,
//! events, the store, states, reports, journals, logs, what is printed and what is asked, but for
//! the one header of each request.

use crate::http::server::{Play, Seen, Server};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const KEY: &str = "sk-planted-5f3e9a71c2d04b68";

const SCRIPT: &str = r#"signature QA { in q: str  out a: str }
module Two() {
    let first = predict(QA);
    let second = chain_of_thought(QA);
    fn forward(q: str) { second(q: first(q: q).a) }
}
const ask = predict(QA);
const two = Two();
fn graded(row, reply) { #{ score: if reply.a.len() % 2 == 0 { 1.0 } else { 0.5 }, feedback: reply.a } }
test "one" { assert ask(q: "in a test").a == "no"; }
"#;

const MAIN: &str = r#"
print(ask(q: "x"), two(q: "y"));
for part in ask.stream(q: "streamed") { print(part.a); }
try { ask(q: "fails"); } catch (e) { print(e, e.message, e.hints, e.notes); }
print(lm("openai/m")("said plainly"));
print(trace().show(), trace().to_json());
ask(q: "fails at the end");
"#;

/// A server that says the key wherever it can: in replies, reasons, names and errors.
fn telling() -> Server {
    Server::answering(|seen: &Seen| {
        let key = seen.header("authorization").unwrap_or_default().to_owned();
        let (body, said) = (seen.json(), format!("your key is {key}"));
        if seen.body.contains("fails") {
            let error = json!({ "error": { "message": format!("wrong {key}"), "code": key } });
            return Play::status(400, error.to_string()).header("x-key", &key);
        }
        let text = format!("[[ ## reasoning ## ]]\n{said}\n\n[[ ## a ## ]]\n{said}");
        if body["stream"] == true {
            let event = |text: &str| {
                let delta = json!({ "content": text, "reasoning_content": said });
                format!(
                    "data: {}\n\n",
                    json!({ "model": key, "choices": [{ "delta": delta }] })
                )
            };
            // In pieces, so that no piece holds the whole of it.
            let middle = text.len() / 2;
            let end = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
            let all = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
                 {}{}data: {end}\n\ndata: [DONE]\n\n",
                event(&text[..middle]),
                event(&text[middle..])
            );
            return Play::Raw(all.into_bytes());
        }
        let message = json!({ "content": text, "reasoning_content": said });
        Play::ok(
            json!({
                "id": key, "model": key, "system_fingerprint": key,
                "choices": [{ "message": message, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 11, "completion_tokens": 3 },
            })
            .to_string(),
        )
        .header("x-request-id", &key)
    })
}

/// All files below a folder.
fn files(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, all),
            false => drop(all.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
}

/// Runs a command; what it wrote to its streams.
fn dsp(dir: &Path, base: &str, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    command.env("RUST_BACKTRACE", "full").env("RUST_LOG", "trace");
    command.env("OPENAI_API_KEY", KEY).env("OPENAI_BASE_URL", base);
    let output = command.output().unwrap();
    [output.stdout, output.stderr].concat()
}

#[test]
fn no_command_leaves_the_key_anywhere() {
    let server = telling();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    file("main.dsp", &format!("{SCRIPT}{MAIN}"));
    file("items.dsp", SCRIPT);
    file("dsp.toml", "lm = \"openai/m\"\n");
    let row = |n| json!({ "q": format!("row {n}"), "a": "yes" }).to_string() + "\n";
    let mut rows: String = (0..12).map(row).collect();
    rows += "{\"q\": \"this one fails\", \"a\": \"no\"}\n";
    file("rows.jsonl", &rows);
    let commands = [
        "run main.dsp --trace run.jsonl --events run.events",
        "eval items.dsp --program ask --metric graded --data rows.jsonl --json=e.json \
         --html e.html --csv e.csv --events e.events",
        "eval items.dsp --program two --metric graded --data rows.jsonl --no-cache --json \
         --via workers --trace via.jsonl",
        "compile items.dsp --program two --metric graded --trainset rows.jsonl \
         --with bootstrap_few_shot --max-calls 999 -o s.json --events c.events",
        "compile items.dsp --program ask --metric graded --trainset rows.jsonl \
         --with random_search(candidates:2) --max-calls 999 -o t.json --json",
        "test items.dsp --record",
        "test items.dsp --full",
        "test items.dsp --live --json",
        "prompt items.dsp --predictor two.second --input {\"q\":\"x\"} --state s.json",
        "trace show run.jsonl --full",
        "trace show via.jsonl --full",
        "trace export via.jsonl --format jsonl -o via-own.jsonl",
        "trace html via.jsonl -o via.html",
        "state show s.json",
        "log",
        "runs list",
        "cache show",
        "cache verify",
        "models list",
        "run main.dsp --usage",
    ];
    let mut told = BTreeMap::new();
    for command in commands {
        let via = format!("{} worker", env!("CARGO_BIN_EXE_dsp"));
        let args: Vec<&str> = command
            .split(' ')
            .map(|it| if it == "workers" { via.as_str() } else { it })
            .collect();
        told.insert(command, dsp(dir.path(), &server.base(), &args));
    }
    let mut left = BTreeMap::new();
    files(dir.path(), &mut left);
    // All of this is there, and holds what the server said, but for the key.
    let by_name =
        |end: &'static str| left.iter().filter(move |it| it.0.to_string_lossy().ends_with(end));
    for end in [
        "run.jsonl",
        "e.json",
        "e.html",
        "e.csv",
        "e.events",
        "s.json",
        "t.json",
        "c.events",
        "run.events",
        "via-own.jsonl",
        "via.html",
        "items.replies.jsonl",
    ] {
        assert_eq!(by_name(end).count(), 1, "{end}");
    }
    assert!(by_name(".log").any(|it| holds(it.1, "your key is")), "the store is not read so");
    assert!(holds(&told["run main.dsp --usage"], "your key is Bearer …"));
    let left = left.iter().map(|(path, bytes)| (path.display().to_string(), bytes));
    let told = told.iter().map(|(command, bytes)| (command.to_string(), bytes));
    for (name, bytes) in left.chain(told) {
        assert!(!holds(bytes, &KEY[3..]), "{name}: {}", String::from_utf8_lossy(bytes));
        let wrong = holds(bytes, "unexpected argument") || holds(bytes, "unrecognized");
        assert!(!wrong && !holds(bytes, "panicked"), "{name}");
    }
    let seen = server.seen();
    assert!(seen.len() > 60, "{} requests", seen.len());
    for Seen { line, headers, body } in seen {
        let with: Vec<_> = headers.iter().filter(|it| it.1.contains(KEY)).collect();
        assert_eq!((with.len(), with[0].0.as_str()), (1, "authorization"));
        assert!(!line.contains(&KEY[3..]) && !body.contains(&KEY[3..]), "{line} {body}");
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}
