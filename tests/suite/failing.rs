//! Calls that cannot be answered, through the command line: one clear error each, which names the
//! provider's model, the attempt and what to do, and no more requests than can help.

use crate::http::server::{Play, Server};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const SCRIPT: &str = "signature QA { in q: str  out a: str }\n\
    const ask = predict(QA);\n\
    fn same(row, reply) { row.a == reply.a }\n\
    print(ask(q: \"number 0\").a);\n";

/// What came of a command.
struct Ended {
    code: Option<i32>,
    told: String,
    printed: String,
}

/// Runs the command line in a directory where `openai` is a server at `base`.
fn dsp(dir: &Path, base: &str, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    command.env("OPENAI_API_KEY", "sk-planted-9a11").env("OPENAI_BASE_URL", base);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        told: text(output.stderr),
        printed: text(output.stdout),
    }
}

fn folder(rows: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.dsp"), SCRIPT).unwrap();
    let row = |n| json!({ "q": format!("number {n}"), "a": "yes" }).to_string() + "\n";
    let rows: String = (0..rows).map(row).collect();
    std::fs::write(dir.path().join("rows.jsonl"), rows).unwrap();
    dir
}

/// An answer with an error of this code.
fn error(status: u16, message: &str, code: &str) -> Play {
    let body = json!({ "error": { "message": message, "code": code } });
    Play::status(status, body.to_string())
}

const RUN: &[&str] = &["run", "main.dsp", "--lm", "openai/m"];
const EVAL: &[&str] = &[
    "eval",
    "main.dsp",
    "--program",
    "ask",
    "--metric",
    "same",
    "--data",
    "rows.jsonl",
    "--lm",
    "openai/m",
];
const COMPILE: &[&str] = &[
    "compile",
    "main.dsp",
    "--program",
    "ask",
    "--metric",
    "same",
    "--trainset",
    "rows.jsonl",
    "--with",
    "bootstrap_few_shot",
    "--max-calls",
    "9999",
    "-o",
    "s.json",
    "--lm",
    "openai/m",
];

/// Checks that a command ended with one error that says all of this.
fn check(name: &str, ended: &Ended, says: &[&str]) {
    let Ended { code, told, printed } = ended;
    let errors = told.lines().filter(|it| it.starts_with("error")).count();
    assert_eq!((*code, errors, printed.as_str()), (Some(1), 1, ""), "{name}: {told}");
    for part in says {
        assert!(told.contains(part), "{name}: {part} in {told}");
    }
    assert!(!told.contains("sk-planted"), "{name}: {told}");
}

#[test]
fn what_no_request_can_mend_is_one_error_and_not_asked_for_all_rows() {
    let key = error(401, "Incorrect API key sk-planted-9a11", "invalid_api_key");
    let model = error(404, "The model `m` does not exist", "model_not_found");
    let credit = error(429, "You exceeded your quota", "insufficient_quota");
    let cases = [
        ("wrong key", key, "is the key in `OPENAI_API_KEY` right?"),
        ("unknown model", model, "is `m` a model of this server"),
        ("no credit", credit, "see its billing page"),
    ];
    for (name, play, todo) in cases {
        for args in [RUN, EVAL, COMPILE] {
            let play = play.clone();
            let server = Server::answering(move |_| play.clone());
            let dir = folder(1000);
            let ended = dsp(dir.path(), &server.base(), args);
            let n = server.seen().len();
            check(name, &ended, &["`openai/m`: http://127.0.0.1", "(attempt 1)", todo]);
            assert!(n < if args == RUN { 2 } else { 500 }, "{name} {args:?}: {n} requests");
            assert!(!dir.path().join("s.json").exists());
        }
    }
}

#[test]
fn a_server_that_is_not_there_is_one_error() {
    for args in [RUN, EVAL] {
        let dir = folder(1000);
        let ended = dsp(dir.path(), "http://127.0.0.1:1/v1", args);
        let says =
            ["`openai/m`: http://127.0.0.1:1 could not be reached", "(after 3 attempts)"];
        check("dead server", &ended, &says);
        assert!(ended.told.contains("is the server running"), "{}", ended.told);
    }
}

#[test]
fn what_is_about_one_question_is_told_once_and_asked_once() {
    let refused = json!({ "choices": [
        { "message": { "refusal": "I cannot help with that." }, "finish_reason": "stop" },
    ]});
    let filtered = json!({ "choices": [
        { "message": { "content": "" }, "finish_reason": "content_filter" },
    ]});
    let prompt = error(400, "triggering the content management policy", "content_filter");
    let long = error(400, "maximum context length is 8192", "context_length_exceeded");
    let other = error(400, "`frequency` is no parameter", "");
    let cases = [
        ("refused", Play::ok(refused.to_string()), "I cannot help", "ask another model"),
        ("filtered", Play::ok(filtered.to_string()), "filtered by its provider", "other words"),
        ("filtered prompt", prompt, "answered 400", "the provider filters this prompt"),
        ("too long", long, "maximum context length", "shorten the inputs"),
        ("not taken", other, "is no parameter", "`dsp prompt` shows what is sent"),
    ];
    for (name, play, what, todo) in cases {
        for (args, n) in [(RUN, 1), (EVAL, 9)] {
            let play = play.clone();
            let server = Server::answering(move |_| play.clone());
            let dir = folder(9);
            let ended = dsp(dir.path(), &server.base(), args);
            check(name, &ended, &["`openai/m`: ", "(attempt 1)", what, todo]);
            assert_eq!(server.seen().len(), n, "{name} {args:?}");
        }
    }
}

/// A key that is withdrawn, and given again: what was paid for is not asked again.
#[test]
fn an_evaluation_that_ends_early_is_gone_on_with() {
    let seen = AtomicUsize::new(0);
    let server = Server::answering(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
        20.. => error(401, "revoked", "invalid_api_key"),
        _ => Play::text("[[ ## a ## ]]\nyes"),
    });
    let dir = folder(300);
    let threads = [EVAL, &["--threads", "4"]].concat();
    let ended = dsp(dir.path(), &server.base(), &threads);
    let told = format!("{}{}", ended.told, ended.printed);
    assert!(told.contains("stopped") && told.contains("answered 401: revoked"), "{told}");
    assert!(told.contains("20 scored") && server.seen().len() < 200, "{told}");
    let sound = Server::answering(|_| Play::text("[[ ## a ## ]]\nyes"));
    let ended = dsp(dir.path(), &sound.base(), &["eval", "--resume"]);
    assert_eq!(ended.code, Some(0), "{}", ended.told);
    assert!(ended.printed.contains("300 scored"), "{}", ended.printed);
    assert_eq!(sound.seen().len(), 280);
}
