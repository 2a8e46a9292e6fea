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

/// A script with mistakes whose mends are certain, one whose is not, and the script mended.
const BROKEN: &str = "signature QA { in question: string  out answer: str }\nlet ask = predict(QA)\nlet reply = ask(qestion: \"x\");\nif reply.anwser === \"\" { print(1)); }\nprint(nowhere);\n";
const MENDED: &str = "signature QA { in question: str  out answer: str }\nlet ask = predict(QA);\nlet reply = ask(question: \"x\");\nif reply.answer == \"\" { print(1); }\nprint(nowhere);\n";

#[test]
fn what_is_certain_is_mended() {
    let mut dsp = Dsp::new(&["check", "--fix", "a.dsp"]).file("a.dsp", BROKEN);
    let path = dsp.dir.path().join("a.dsp");
    let output = dsp.command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one mistake is left");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.matches("fixed: a.dsp: ").count(), 6, "{told}");
    assert!(told.contains("there is no `nowhere` here"), "{told}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), MENDED);
}

/// Slips whose mends are proved by reading the text again, and those that may mean two things.
const SLIPS: &str = "let list = [1, 2 3];\nlet sum = (1 + 2];\nif sum = 3 { print(sum); }\nlet done = false;\nif not done { print(list); }\nprint(f\"hello\");\nlet map = { \"a\": 1 };\n";
const NO_SLIPS: &str = "let list = [1, 2, 3];\nlet sum = (1 + 2);\nif sum == 3 { print(sum); }\nlet done = false;\nif !done { print(list); }\nprint(f\"hello\");\nlet map = { \"a\": 1 };\n";

#[test]
fn slips_are_mended_where_only_one_thing_can_be_meant() {
    let mut dsp = Dsp::new(&["check", "--fix", "a.dsp"]).file("a.dsp", SLIPS);
    let path = dsp.dir.path().join("a.dsp");
    let output = dsp.command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "two mistakes are left");
    assert_eq!(std::fs::read_to_string(path).unwrap(), NO_SLIPS);
}

#[test]
fn a_script_without_faults_is_one_object() {
    let ended = Dsp::new(&["check", "--json", "a.dsp"]).file("a.dsp", "let a = 1;\n").end();
    assert_eq!(ended.stdout, "{\"errors\":0,\"warnings\":0}\n");
}

#[test]
fn changes_are_shown_and_not_made() {
    let mut dsp = Dsp::new(&["check", "--fix", "--diff", "a.dsp"])
        .file("a.dsp", "let a = 1\nprint(a);\n");
    let output = dsp.command.output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        shown,
        "--- a.dsp\n+++ a.dsp\n@@ -1,2 +1,2 @@\n-let a = 1\n+let a = 1;\n print(a);\n"
    );
    let text = std::fs::read_to_string(dsp.dir.path().join("a.dsp")).unwrap();
    assert_eq!(text, "let a = 1\nprint(a);\n");
}

#[test]
fn nobody_is_told_of_more_than_100_mistakes() {
    let text = "print(nowhere);\n".repeat(150);
    let drawn = Dsp::new(&["check", "a.dsp"]).file("a.dsp", &text).end();
    assert_eq!(drawn.stderr.matches("there is no `nowhere` here").count(), 100);
    assert!(drawn.stderr.ends_with("and 50 more\n150 errors\n"), "{}", drawn.stderr);
    let objects = Dsp::new(&["check", "--json", "a.dsp"]).file("a.dsp", &text).end();
    assert_eq!((objects.code, objects.stdout.lines().count()), (Some(1), 100));
    assert_eq!(objects.stderr, "and 50 more\n");
}

#[test]
fn diagnostics_are_objects_of_one_shape() {
    let ended = Dsp::new(&["check", "--json", "a.dsp"]).file("a.dsp", BROKEN).end();
    let keys = [
        "code",
        "severity",
        "message",
        "file",
        "line",
        "column",
        "end_line",
        "end_column",
        "start",
        "end",
        "label",
        "labels",
        "notes",
        "hints",
        "edits",
    ];
    for line in ended.stdout.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        let found: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, keys, "{line}");
    }
    assert!(ended.stdout.contains(r#""replacement":"answer""#), "{}", ended.stdout);
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

#[test]
fn a_report_is_one_file_that_asks_nobody() {
    let script = "fn echo(q) { #{ answer: q } }\nfn right(e, r) { e.wanted == r.answer }\n";
    let rows = "{\"q\": \"</script><script>alert(1)</script>\", \"wanted\": \"\"}\n\
                {\"q\": \"=1+1\", \"wanted\": \"=1+1\"}\n";
    let ask = ["--program", "echo", "--metric", "right", "--data", "rows.jsonl"];
    let files = ["--html", "report.html", "--csv", "rows.csv", "--json=report.json"];
    let dsp = Dsp::new(&[&["eval", "main.dsp"], &ask[..], &files[..]].concat());
    let mut dsp = dsp.file("main.dsp", script).file("rows.jsonl", rows);
    let output = dsp.command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.contains("error")), (Some(0), false), "{told}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("score    0.500, 95 % interval"), "{said}");
    let read = |name: &str| std::fs::read_to_string(dsp.dir.path().join(name)).unwrap();
    let html = read("report.html");
    assert!(html.contains("&lt;/script&gt;&lt;script&gt;alert(1)"), "{html}");
    assert!(!html.contains("<script>alert") && html.matches("</script>").count() == 1);
    for asking in ["http:", "https:", "src=", "href=", "url(", "@import", "fetch("] {
        assert!(!html.contains(asking), "{asking}");
    }
    assert!(html.contains("Content-Security-Policy\" content=\"default-src 'none'"));
    assert!(html.contains("<h1>echo by right on rows.jsonl</h1>"), "{html}");
    assert!(read("rows.csv").contains(",'=1+1,"), "{}", read("rows.csv"));
    let json: serde_json::Value = serde_json::from_str(&read("report.json")).unwrap();
    assert_eq!((&json["dsp_evaluation"], &json["score"]), (&1.into(), &0.5.into()));
    assert_eq!(json["rows"][1]["inputs"]["q"], "=1+1");
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
