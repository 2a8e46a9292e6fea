//! `dsp test`: which tests are run, how it ends, and what programs read. How reports look is
//! the specs' business.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A folder with scripts.
pub(crate) struct Project {
    path: PathBuf,
    /// Goes with the last of those who use it.
    _dir: Arc<tempfile::TempDir>,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { path: dir.path().to_owned(), _dir: Arc::new(dir) }
    }

    /// A folder in it.
    pub(crate) fn inside(&self, name: &str) -> Self {
        Self { path: self.path.join(name), _dir: self._dir.clone() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub(crate) fn dsp(&self, args: &[&str]) -> Ended {
        self.dsp_with(args, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn dsp_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_dsp"))
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("DSP_HOME", self.path().join(".home"))
            .envs(env.iter().copied())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

const GOOD: &str = "test \"one\" { assert 1 == 1; }\ntest \"two\" { assert 2 == 2; }\n";
const BAD: &str = "test \"one\" { assert 1 == 2; }\n";

#[test]
fn a_folder_is_run_whole_and_sorted() {
    let project = Project::new(&[
        ("b.dsp", GOOD),
        ("a/inner.dsp", GOOD),
        ("a/notes.txt", "no script"),
        (".hidden/x.dsp", BAD),
        ("c.dsp", "print(1);\n"),
    ]);
    for args in [&["test"][..], &["test", "."]] {
        let ended = project.dsp(args);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        let (first, second) = (ended.stdout.find("inner.dsp"), ended.stdout.find("b.dsp"));
        assert!(first.is_some() && first < second, "{}", ended.stdout);
        assert!(ended.stdout.contains("4 passed"), "{}", ended.stdout);
    }
}

#[test]
fn the_exit_code_tells_how_it_went() {
    let project =
        Project::new(&[("good.dsp", GOOD), ("bad.dsp", BAD), ("broken.dsp", "let = ;\n")]);
    let code = |args: &[&str]| project.dsp(&[&["test"], args].concat()).code;
    assert_eq!(code(&["good.dsp"]), Some(0));
    assert_eq!(code(&["good.dsp", "bad.dsp"]), Some(1));
    assert_eq!(code(&["broken.dsp"]), Some(1));
    assert_eq!(code(&["good.dsp", "broken.dsp"]), Some(1));
    assert_eq!(code(&["good.dsp", "absent.dsp"]), Some(2));
    assert_eq!(code(&["good.dsp", "--nope"]), Some(2));
}

#[test]
fn who_asks_for_tests_learns_that_there_are_none() {
    let project = Project::new(&[("good.dsp", GOOD), ("none/none.dsp", "print(1);\n")]);
    let none = project.dsp(&["test", "none"]);
    assert_eq!(none.code, Some(2), "{}", none.stderr);
    assert!(none.stderr.contains("there are no tests"), "{}", none.stderr);
    let filtered = project.dsp(&["test", "good.dsp", "--filter", "twoo"]);
    assert_eq!(filtered.code, Some(2), "{}", filtered.stderr);
    assert!(filtered.stderr.contains("did you mean `two`?"), "{}", filtered.stderr);
    let one = project.dsp(&["test", "good.dsp", "--filter", "tw"]);
    assert!(one.stdout.contains("1 passed, 1 left out"), "{}", one.stdout);
}

#[test]
fn a_test_that_does_not_end_is_ended() {
    let script = "settings { max_seconds: 0.2 }\n\
        test \"forever\" { loop { } }\ntest \"at once\" { assert true; }\n";
    let ended = Project::new(&[("a.dsp", script)]).dsp(&["test"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("FAIL  forever"), "{}", ended.stdout);
    assert!(ended.stdout.contains("a.dsp:2:6"), "{}", ended.stdout);
    assert!(ended.stdout.contains("ok    at once"), "{}", ended.stdout);
}

#[test]
fn a_program_reads_one_object_a_line() {
    let script = "const qa = predict(\"q -> a\", lm: scripted([#{ a: \"x\" }]));\n\
        test \"wrong\" { print(7); assert qa(\"?\").a == \"y\"; }\n";
    let project = Project::new(&[("a.dsp", script), ("b.dsp", "let = ;\n")]);
    let ended = project.dsp(&["test", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [wrong, broken, summary] = &lines[..] else { panic!("{}", ended.stdout) };
    assert_eq!((&wrong["test"], &wrong["line"]), (&"wrong".into(), &2.into()));
    assert_eq!((&wrong["outcome"], &wrong["output"]), (&"failed".into(), &"7\n".into()));
    assert_eq!(wrong["diagnostics"][0]["code"], "E0502");
    assert_eq!(wrong["exchanges"][0]["reply"], "{\"a\":\"x\"}");
    assert_eq!(wrong["exchanges"][0]["messages"][0]["role"], "system");
    assert_eq!((&broken["outcome"], &broken["test"]), (&"error".into(), &Value::Null));
    assert_eq!(
        (&summary["summary"]["failed"], &summary["summary"]["errors"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn the_documentation_lists_what_programs_read() {
    let page = include_str!("../../src/reference/testing.md");
    let ended = Project::new(&[("a.dsp", BAD)]).dsp(&["test", "--json"]);
    for line in ended.stdout.lines() {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        for key in object.keys() {
            assert!(page.contains(&format!("`{key}`")), "`{key}` is not told of");
        }
    }
}

#[test]
fn build_servers_read_a_whole_report() {
    let script = "test \"<a> & \\\"b\\\"\" { print(\"]]> \\x1b[31m\"); assert 1 == 2, \"x < y & z\"; }\n\
        test \"throws\" { throw \"'it'\"; }\ntest \"fine\" { assert true; }\n";
    let project = Project::new(&[("a.dsp", script), ("b.dsp", "let = ;\n")]);
    let ended = project.dsp(&["test", "--junit", "out/report.xml"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let report = std::fs::read_to_string(project.path().join("out/report.xml")).unwrap();
    let elements = elements(&report);
    let count = |name: &str| elements.iter().filter(|it| *it == name).count();
    assert_eq!((count("testsuite"), count("testcase")), (2, 4), "{report}");
    assert_eq!((count("failure"), count("error")), (1, 2), "{report}");
    assert!(report.contains("tests=\"4\" failures=\"1\" errors=\"2\""), "{report}");
    assert!(report.contains("name=\"&lt;a&gt; &amp; &quot;b&quot;\""), "{report}");
}

/// The names of the elements of an XML text, in the order in which they begin; one that is not
/// well-formed ends the test.
fn elements(xml: &str) -> Vec<String> {
    let allowed = |ch: char| matches!(ch, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(allowed), "{xml:?}");
    let (mut open, mut begun, mut rest) = (Vec::new(), Vec::new(), xml);
    while let Some((text, after)) = rest.split_once('<') {
        entities(text);
        let (tag, after) = after.split_once('>').expect("a tag has an end");
        rest = after;
        if tag.starts_with('?') {
            continue;
        }
        let name: String =
            tag.chars().take_while(|ch| ch.is_alphanumeric() || *ch == '/').collect();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{xml}");
            continue;
        }
        let name = name.trim_end_matches('/').to_owned();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        entities(tag);
        begun.push(name.clone());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} are not closed");
    begun
}

/// Each `&` begins an entity.
fn entities(text: &str) {
    for piece in text.split('&').skip(1) {
        let name = piece.split(';').next().unwrap();
        assert!(
            ["amp", "lt", "gt", "quot", "apos"].contains(&name) || name.starts_with('#'),
            "&{name}"
        );
    }
}

/// Lines that a command writes while it runs.
struct Lines(std::sync::mpsc::Receiver<String>);

impl Lines {
    fn of(output: impl std::io::Read + Send + 'static) -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            use std::io::BufRead;
            for line in std::io::BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self(receiver)
    }

    /// Waits for a line that holds a text.
    fn until(&self, text: &str) {
        let mut seen = Vec::new();
        loop {
            match self.0.recv_timeout(std::time::Duration::from_secs(20)) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no `{text}` after {seen:#?}"),
            }
        }
    }
}

#[test]
fn watched_tests_run_again_when_what_they_read_changes() {
    let script = "import \"lib\" as lib;\nconst rows = load(\"rows.jsonl\");\n\
        test \"sum\" { assert lib::double(rows[0].n) == 4; }\n";
    let project = Project::new(&[
        ("a.dsp", script),
        ("lib.dsp", "fn double(n) { n + n }\n"),
        ("rows.jsonl", "{\"n\": 2}\n"),
    ]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_dsp"))
        .args(["test", "a.dsp", "--watch"])
        .current_dir(project.path())
        .env_clear()
        .env("DSP_HOME", project.path().join(".home"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let out = Lines::of(child.stdout.take().unwrap());
    let err = Lines::of(child.stderr.take().unwrap());
    let write = |name: &str, text: &str| {
        err.until("waiting for changes");
        std::fs::write(project.path().join(name), text).unwrap();
        err.until(name);
    };
    out.until("1 passed");
    write("rows.jsonl", "{\"n\": 3}\n");
    out.until("1 failed");
    write("lib.dsp", "fn double(n) { n + 1 }\n");
    out.until("1 passed");
    write("a.dsp", "let = ;\n");
    out.until("1 stopped by an error");
    write("a.dsp", script);
    out.until("1 passed");
    child.kill().unwrap();
    child.wait().unwrap();
}
