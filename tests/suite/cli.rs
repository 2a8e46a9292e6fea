//! The command line: exit codes and streams. What programs mean is the specs' business.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// A command line in a directory of its own.
struct Dsp {
    dir: tempfile::TempDir,
    command: Command,
}

/// What came of it.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Dsp {
    fn new(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.args(args).current_dir(dir.path()).env_clear();
        command.env("DSP_HOME", dir.path().join("home"));
        Self { dir, command }
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    fn end(mut self) -> Ended {
        let Output { status, stdout, stderr } = self.command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let help = Dsp::new(&["--help"]).end();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("Usage: dsp <COMMAND>"), "{}", help.stdout);
    let version = Dsp::new(&["--version"]).end();
    assert_eq!(version.stdout, format!("dsp {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [&["walk"][..], &["check"], &["check", "--nope", "a.dsp"], &[]] {
        let ended = Dsp::new(args).end();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(!ended.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_script_without_faults_checks_in_silence() {
    let ended = Dsp::new(&["check", "a.dsp"]).file("a.dsp", "let a = 1;\n").end();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_code_is_explained() {
    let page = Dsp::new(&["explain", "e0203"]).end();
    assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""));
    assert!(page.stdout.starts_with("# E0203: unknown output of a reply\n"), "{}", page.stdout);
    let list = Dsp::new(&["explain"]).end();
    assert!(list.stdout.contains("E0203  unknown output of a reply\n"), "{}", list.stdout);
    let unknown = Dsp::new(&["explain", "E0293"]).end();
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""));
    assert!(unknown.stderr.contains("did you mean `E0203`?"), "{}", unknown.stderr);
}

#[test]
fn completions_are_written_for_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Dsp::new(&["completions", shell]).end();
        assert!(ended.code == Some(0) && ended.stdout.contains("dsp"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut dsp = Dsp::new(&["completions", "bash"]);
    dsp.command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = dsp.command.spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    std::io::stdout().flush().unwrap();
}

#[cfg(feature = "local")]
#[test]
fn a_prompt_is_shown_without_fetching_a_model() {
    let script = "const qa = predict(\"question -> topic: 'a' | 'b'\");\n";
    let input = r#"{"question": "?"}"#;
    let prompt = ["prompt", "a.dsp", "--predictor", "qa", "--input", input];
    let ended = Dsp::new(&prompt).file("a.dsp", script).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("Topic is one of: a, b."), "{}", ended.stdout);
    assert!(!ended.stderr.contains("downloading"), "{}", ended.stderr);
}

#[test]
fn data_are_checked_across_files() {
    let train = "{\"q\": \"a\", \"label\": \"x\"}\n{\"q\": \"b\", \"label\": \"y\"}\n";
    let check = |test: &str, more: &[&str]| {
        let args = [&["data", "check", "train.jsonl", "test.csv"], more].concat();
        Dsp::new(&args).file("train.jsonl", train).file("test.csv", test).end()
    };
    let clean = check("q,label\nc,x\n", &[]);
    assert_eq!((clean.code, clean.stderr.as_str()), (Some(0), ""));
    let leak = check("q,label\nc,x\na,x\n", &[]);
    assert_eq!((leak.code, leak.stderr.as_str()), (Some(1), ""));
    assert!(leak.stdout.contains("\n  train.jsonl:1 = test.csv:3\n"), "{}", leak.stdout);
    let json = check("q,label\nc,x\na,x\n", &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json.code, Some(1));
    assert_eq!(report["serious"], 1);
    assert_eq!(report["rows"]["test.csv"], 2);
    assert_eq!(report["findings"][0]["kind"], "leak");
    assert_eq!(report["findings"][0]["places"][0][1], "test.csv:3");
}

#[test]
fn data_are_shown() {
    let rows = "q,n\nhello,1\nyou,\n";
    let shown = Dsp::new(&["data", "show", "d.csv"]).file("d.csv", rows).end();
    assert_eq!(
        (shown.code, shown.stdout.as_str()),
        (
            Some(0),
            "2 rows\n\n\
             column  type  filled  different  characters\n\
             ──────  ────  ──────  ─────────  ──────────\n\
             q       str        2          2   3 … 5 … 5\n\
             n       str        1          1           1\n\n\
             d.csv:2\n{\"q\":\"hello\",\"n\":\"1\"}\n\n\
             d.csv:3\n{\"q\":\"you\",\"n\":null}\n"
        )
    );
}
