//! `dsp parse`: replies on standard input and in files, one or many.

use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

fn dsp(args: &[&str], dir: &std::path::Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.arg("parse").args(args).current_dir(dir).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The exit code, and what is written to both streams.
fn ended(args: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let script = "signature Sum { in a: int  out sum: int(0..=9) }\n";
    std::fs::write(dir.path().join("a.dsp"), script).unwrap();
    std::fs::write(dir.path().join("reply.txt"), "[[ ## sum ## ]]\n4").unwrap();
    let mut child = dsp(args, dir.path());
    // Where it ends early it reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

#[test]
fn values_and_liberties_are_shown() {
    let sum = ["--signature", "a: int -> sum: int, note: str?"];
    let (code, out, err) = ended(&sum, b"**Sum:** five apples");
    let shown = "sum = 5\nnote = null\n\nliberties:\n  marker    sum: a heading for the marker\n  \
                 spelling  sum: another spelling of a number\n  missing   note: `note` is left \
                 out: nothing\n";
    assert_eq!((code, &*out, &*err), (Some(0), shown, ""));
    let (code, out, _) = ended(&[&sum[..], &["--json"]].concat(), b"[[ ## sum ## ]]\n5");
    assert_eq!(code, Some(0));
    assert_eq!(json(&out)["values"], json!({ "sum": 5, "note": null }));
    let liberty =
        json!({ "field": "note", "kind": "missing", "note": "`note` is left out: nothing" });
    assert_eq!(json(&out)["liberties"], json!([liberty]));
}

#[test]
fn a_reply_that_cannot_be_read_fails() {
    let sum = ["--signature", "a: int -> sum: int, also: int"];
    let (code, out, err) = ended(&sum, b"[[ ## sum ## ]]\n4 or 5\n[[ ## also ## ]]\n6");
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.contains("E0504") && err.contains("sum: expected int"), "{err}");
    let args = [&sum[..], &["--json"]].concat();
    let (code, out, err) = ended(&args, b"[[ ## sum ## ]]\n4 or 5\n[[ ## also ## ]]\n6");
    assert_eq!((code, &*err), (Some(1), ""));
    assert_eq!(json(&out)["values"], json!({ "also": 6 }));
}

#[test]
fn a_signature_may_stand_in_a_script_and_a_reply_in_a_file() {
    let (code, out, err) = ended(&["--signature", "a.dsp::Sum", "reply.txt"], b"");
    assert_eq!((code, &*out, &*err), (Some(0), "sum = 4\n", ""));
    let (code, _, err) = ended(&["--signature", "a.dsp::Summ"], b"");
    assert_eq!(code, Some(2));
    assert!(err.contains("no signature `Summ`") && err.contains("it has `Sum`"), "{err}");
}

#[test]
fn the_beginning_of_a_reply_is_shown() {
    let args = ["--partial", "--signature", "book -> title: str, year: int"];
    let (_, out, _) = ended(&args, b"{\"title\": \"On ti\", \"year\": 18");
    assert_eq!(out, "title = \"On ti\"\n");
    let (_, out, _) = ended(&args, b"[[ ## title ## ]]\nOn ti");
    assert_eq!(out, "title = \"On ti\" …\n");
    let args = [&args[..], &["--json"]].concat();
    let (_, out, _) = ended(&args, b"[[ ## title ## ]]\nOn time\n\n[[ ## year ## ]]\n18");
    assert_eq!(json(&out), json!({ "values": { "title": "On time" }, "complete": ["title"] }));
}

#[test]
fn lines_are_answered_in_their_order() {
    let row = |id: Json, signature: &str, completion: &str| {
        json!({ "id": id, "signature": signature, "completion": completion }).to_string()
    };
    let person = "t -> who: { name: str, age: int(0..=150) }?, tags: dict[str, list[int]]";
    let rows = [
        row(json!(1), person, r#"{"who": {"name": "Ida", "age": "forty"}, "tags": {"a": [1]}}"#),
        row(json!("b"), person, "[[ ## who ## ]]\nnull\n\n[[ ## tags ## ]]\n{}"),
        row(json!("c"), "t -> label: 'x' | 'y'", "neither"),
        "nonsense".to_owned(),
        "[1]".to_owned(),
        String::new(),
        row(json!({ "n": 2 }), "t -> ", "x"),
        json!({ "id": 8 }).to_string(),
        json!({ "id": 9, "signature": 3 }).to_string(),
        json!({ "id": 10, "signature": "t -> n: int", "adapter": "no", "completion": "1" }).to_string(),
        json!({ "id": 11, "signature": "t -> n: int", "adapter": "complete", "completion": " 1" })
            .to_string(),
        json!({ "id": 12, "signature": "t -> n: str", "completion": "[[ ## n ## ]]\nab", "partial": true })
            .to_string(),
        row(json!(13), "t -> n: str", "a\u{2028}b"),
    ];
    let mut bytes = rows.join("\n").into_bytes();
    bytes.extend(b"\n{\"id\": \"\xff\"}\n");
    let (code, out, err) = ended(&["--jsonl"], &bytes);
    assert_eq!((code, &*err), (Some(0), ""));
    let answers = out.trim_end().split('\n').map(json).collect::<Vec<_>>();
    let ids = answers.iter().map(|it| it["id"].to_string()).collect::<Vec<_>>();
    let order = [
        "1",
        "\"b\"",
        "\"c\"",
        "null",
        "null",
        "{\"n\":2}",
        "8",
        "9",
        "10",
        "11",
        "12",
        "13",
        "null",
    ];
    assert_eq!(ids, order);
    assert_eq!(answers[0]["values"]["who"], json!({ "name": "Ida", "age": 40 }));
    assert_eq!(answers[1]["values"], json!({ "who": null, "tags": {} }));
    assert_eq!(answers[1]["liberties"], json!([]));
    let failed = answers.iter().map(|it| it.get("error").is_some()).collect::<Vec<_>>();
    let expected =
        [false, false, true, true, true, true, true, true, true, false, false, false, true];
    assert_eq!(failed, expected, "{out}");
    assert_eq!(answers[9]["values"], json!({ "n": 1 }));
    assert_eq!(answers[10], json!({ "id": 12, "values": { "n": "ab" }, "complete": [] }));
    assert_eq!(answers[11]["values"], json!({ "n": "a\u{2028}b" }));
}

#[test]
fn a_line_is_answered_before_the_next_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = dsp(&["--jsonl", "--signature", "t -> n: int"], dir.path());
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for id in 0..3 {
        writeln!(stdin, "{}", json!({ "id": id, "completion": id.to_string() })).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(json(&answer)["values"], json!({ "n": id }));
    }
    drop(stdin);
    let mut rest = String::new();
    answers.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), &*rest), (Some(0), ""));
}
