//! `bootstrap_finetune`: the files it writes, and what they say of themselves.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Output};

const SCRIPT: &str = r#"
signature Topic { in q  out topic }
signature Answer { in topic  out answer }
module Two {
    let find = predict(Topic, lm: scripted(#{ find: #{ topic: "towns" } }));
    let say = predict(Answer, lm: scripted(#{ say: #{ answer: "Paris" } }));
    fn forward(q) { self.say(topic: self.find(q).topic) }
}
fn right(e, r) { e.answer == r.answer }
"#;

const DATA: &str = r#"{"q": "a", "answer": "Paris"}
{"q": "b", "answer": "Rome"}
{"q": "c", "answer": "Paris"}
"#;

fn dsp(dir: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn the_manifest_says_where_each_line_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("a.dsp"), SCRIPT).unwrap();
    std::fs::write(path.join("data.jsonl"), DATA).unwrap();
    let mut first = None;
    for threads in ["1", "16"] {
        let with = "bootstrap_finetune(overwrite: true, max_calls: 300)";
        let (code, told) = dsp(
            path,
            &[
                "compile",
                "a.dsp",
                "--program",
                "Two()",
                "--with",
                with,
                "--trainset",
                "data.jsonl",
                "--metric",
                "right",
                "-o",
                "student.json",
                "--threads",
                threads,
            ],
        );
        assert_eq!(code, 0, "{told}");
        let all = ["finetune/all.jsonl", "finetune/manifest.json", "student.json"];
        let all = all.map(|it| read(path, it));
        assert_eq!(&all, first.get_or_insert(all.clone()), "{threads} threads");
    }
    let lines = read(path, "finetune/all.jsonl");
    let manifest: Json = serde_json::from_str(&read(path, "finetune/manifest.json")).unwrap();
    let file = &manifest["files"][0];
    let hash: String = Sha256::digest(&lines).iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!((&file["file"], &file["sha256"]), (&"all.jsonl".into(), &hash.into()));
    // Row 1 scored nothing. `say` is asked the same twice, and learns it once.
    let sources: Vec<(&str, u64)> = (file["sources"].as_array().unwrap().iter())
        .map(|it| (it["predictor"].as_str().unwrap(), it["row"].as_u64().unwrap()))
        .collect();
    assert_eq!(sources, [("find", 0), ("say", 0), ("find", 2)]);
    assert_eq!(lines.lines().count(), 3);
    assert_eq!((&manifest["rows_kept"], &file["conversations"]), (&2.into(), &3.into()));
    assert_eq!(manifest["predictors"]["say"]["fields"], "topic: str -> answer: str");
    for line in lines.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let messages = line["messages"].as_array().unwrap();
        let roles: Vec<&str> = messages.iter().map(|it| it["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant"]);
        assert!(messages.iter().all(|it| it.as_object().unwrap().len() == 2));
    }
    let student: Json = serde_json::from_str(&read(path, "student.json")).unwrap();
    assert_eq!(student["provenance"]["optimizer"], "bootstrap_finetune");
    assert!(student["predictors"]["say"]["demos"].is_null());
}

#[test]
fn nothing_is_replaced_and_nothing_paid_for_in_vain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    std::fs::write(path.join("a.dsp"), SCRIPT).unwrap();
    std::fs::write(path.join("data.jsonl"), DATA).unwrap();
    std::fs::create_dir(path.join("finetune")).unwrap();
    std::fs::write(path.join("finetune/manifest.json"), "mine").unwrap();
    let with = "bootstrap_finetune(max_calls: 300)";
    let command = [
        "compile",
        "a.dsp",
        "--program",
        "Two()",
        "--with",
        with,
        "--trainset",
        "data.jsonl",
        "--metric",
        "right",
        "-o",
        "student.json",
    ];
    let (code, told) = dsp(path, &command);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("manifest.json` is there already"), "{told}");
    assert!(told.contains("overwrite: true"), "{told}");
    assert!(!told.contains("collect: 3/3"), "{told}");
    assert_eq!(read(path, "finetune/manifest.json"), "mine");
    assert!(!path.join("finetune/all.jsonl").exists());
}
