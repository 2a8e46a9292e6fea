//! Several models named with commas: in scripts, settings, flags, states and sessions.

use crate::http::server::{Play, Seen, Server};
use std::path::Path;
use std::process::{Command, Stdio};

const SCRIPT: &str = "signature QA { in q: str  out a: str }\n\
    const ask = predict(QA);\n\
    fn same(row, reply) { row.a == reply.a }\n";

/// A server of which one model has no key that is right, and the other answers with its name.
fn server() -> Server {
    Server::answering(|seen: &Seen| {
        let model = seen.json()["model"].as_str().unwrap().to_owned();
        match model.as_str() {
            "broken" => Play::status(401, r#"{"error": {"message": "no"}}"#),
            _ => Play::text(&format!("[[ ## a ## ]]\n{model}")),
        }
    })
}

fn dsp(dir: &Path, base: &str, args: &[&str], stdin: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    command
        .env("VLLM_BASE_URL", base)
        .env("OPENAI_BASE_URL", base)
        .env("OPENAI_API_KEY", "k-1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + text(&output.stderr).as_str())
}

fn folder(main: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    file("main.dsp", &format!("{SCRIPT}{main}"));
    file("rows.jsonl", "{\"q\": \"1\", \"a\": \"sound\"}\n{\"q\": \"2\", \"a\": \"sound\"}\n");
    dir
}

/// The names, and where they stand.
const BOTH: &str = "openai/broken, vllm/sound";

#[test]
fn wherever_models_are_named_commas_stand_between_them() {
    let plain = "print(ask(q: \"x\").a);\n";
    let settings = format!("settings {{ lm: \"{BOTH}\" }}\n{plain}");
    let option = format!("print(predict(QA, lm: \"{BOTH}\")(q: \"x\").a);\n");
    let with = format!("print(ask.with(lm: \"{BOTH}\")(q: \"x\").a);\n");
    let called = format!("print(lm(\"{BOTH}\")(\"x\").split(\"\\n\")[1]);\n");
    let made = format!(
        "let both = lm(\"{BOTH}\");\nprint(both.name == \"{BOTH}\");\n\
        print(predict(QA, lm: lm(both.name))(q: \"x\").a);\n"
    );
    let cases: [(&str, &str, &[&str]); 7] = [
        ("flag", plain, &["--lm", BOTH]),
        ("settings", &settings, &[]),
        ("option", &option, &[]),
        ("with", &with, &[]),
        ("called", &called, &[]),
        ("named", &made, &[]),
        ("stray comma", plain, &["--lm", "openai/broken, vllm/sound, "]),
    ];
    for (name, main, args) in cases {
        let server = server();
        let dir = folder(main);
        let args = [&["run", "main.dsp"], args].concat();
        let (ok, told) = dsp(dir.path(), &server.base(), &args, "");
        assert!(ok && told.ends_with("sound\n"), "{name}: {told}");
        let models: Vec<_> =
            server.seen().iter().map(|it| it.json()["model"].clone()).collect();
        assert_eq!(models, ["broken", "sound"], "{name}");
    }
}

#[test]
fn files_name_several_models_too() {
    let server = server();
    let dir = folder("print(ask(q: \"x\").a);\n");
    std::fs::write(dir.path().join("dsp.toml"), format!("lm = \"{BOTH}\"\n")).unwrap();
    let (ok, told) = dsp(dir.path(), &server.base(), &["run", "main.dsp"], "");
    assert!(ok && told == "sound\n", "{told}");
    // Names of the project stand in lists as well.
    let project = "lm = \"one,two\"\n[models.one]\nmodel = \"openai/broken\"\n\
        [models.two]\nmodel = \"vllm/sound\"\n";
    std::fs::write(dir.path().join("dsp.toml"), project).unwrap();
    let (ok, told) = dsp(dir.path(), &server.base(), &["run", "main.dsp"], "");
    assert!(ok && told == "sound\n", "{told}");
    let eval =
        ["eval", "main.dsp", "--program", "ask", "--metric", "same", "--data", "rows.jsonl"];
    let (ok, told) = dsp(dir.path(), &server.base(), &eval, "");
    assert!(ok && told.contains("score    1.000"), "{told}");
    let (ok, told) = dsp(
        dir.path(),
        &server.base(),
        &["prompt", "main.dsp", "--predictor", "ask", "--input", "{\"q\": \"x\"}"],
        "",
    );
    assert!(ok && told.contains("[[ ## q ## ]]"), "{told}");
}

#[test]
fn a_session_asks_several_models() {
    let server = server();
    let dir = folder("");
    let lines =
        format!(":lm {BOTH}\nask(q: \"x\").a\n:lm nobody/a, nobody/b\nask(q: \"x\").a\n");
    let (_, told) = dsp(dir.path(), &server.base(), &["repl", "main.dsp"], &lines);
    assert_eq!(told.matches("sound").count(), 2, "{told}");
    assert!(told.contains("there is no provider `nobody`"), "{told}");
}

#[test]
fn a_state_keeps_several_models() {
    let server = server();
    let dir = folder(
        "let tuned = labeled_few_shot(k: 1).compile(ask, trainset: load(\"rows.jsonl\"));\n\
         tuned.save(\"s.json\");\n",
    );
    let run = ["run", "main.dsp", "--lm", "vllm/sound"];
    assert!(dsp(dir.path(), &server.base(), &run, "").0);
    let text = std::fs::read_to_string(dir.path().join("s.json")).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
    state["predictors"]["self"]["lm"] = BOTH.into();
    std::fs::write(dir.path().join("s.json"), state.to_string()).unwrap();
    let main = format!(
        "{SCRIPT}let tuned = ask.with_state(\"s.json\");\nprint(tuned(q: \"x\").a);\n\
         tuned.save(\"t.json\");\n"
    );
    std::fs::write(dir.path().join("main.dsp"), main).unwrap();
    let (ok, told) = dsp(dir.path(), &server.base(), &["run", "main.dsp"], "");
    assert!(ok && told.contains("sound"), "{told}");
    let text = std::fs::read_to_string(dir.path().join("t.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(saved["predictors"]["self"]["lm"], BOTH);
    let (ok, told) = dsp(dir.path(), &server.base(), &["state", "show", "t.json"], "");
    assert!(ok && told.contains(BOTH), "{told}");
}

#[test]
fn a_list_of_which_no_name_means_anything_is_refused() {
    let server = server();
    let dir = folder("print(ask(q: \"x\").a);\n");
    for names in ["nobody/a, nowhere/b", "nobody/a,", ",", " "] {
        let (ok, told) =
            dsp(dir.path(), &server.base(), &["run", "main.dsp", "--lm", names], "");
        assert!(!ok && told.matches("error").count() == 1, "{names}: {told}");
    }
    assert!(server.seen().is_empty());
    // Where only one is wrong, it is said when it would have been asked.
    let names = "nobody/a, openai/broken";
    let (ok, told) = dsp(dir.path(), &server.base(), &["run", "main.dsp", "--lm", names], "");
    assert!(!ok && told.contains("`openai/broken`") && told.contains("`nobody/a`"), "{told}");
}
