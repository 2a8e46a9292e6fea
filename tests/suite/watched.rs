//! Commands that are watched: their events, what the log keeps of them, and how Ctrl-C ends them.

use crate::http::server::{Play, Seen, Server, completion};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const KEY: &str = "the-key-of-nobody-at-all";

/// Answers row n with n, and every third with something else, with demos every sixth.
fn answer(seen: &Seen) -> Play {
    let body = &seen.body;
    let at = body.rfind("number ").expect("the prompt holds the row") + "number ".len();
    let digits: String = body[at..].chars().take_while(char::is_ascii_digit).collect();
    let n: usize = digits.parse().unwrap();
    // Who is shown how it is done does it better.
    let hard = if body.matches("number ").count() > 2 { 6 } else { 3 };
    let said = if n.is_multiple_of(hard) { n + 1 } else { n };
    let text = format!("[[ ## answer ## ]]\n{said}\n\n[[ ## completed ## ]]");
    Play::ok(completion(&text)).after(Duration::from_millis(25))
}

struct Setting {
    dir: tempfile::TempDir,
    server: Server,
}

impl Setting {
    fn new() -> Self {
        let (dir, server) = (tempfile::tempdir().unwrap(), Server::answering(answer));
        let head = format!(
            "module Ask() {{\n    let answer = predict(\"question -> answer: int\", retries: 0,\n        \
             lm: lm(\"openai/m\", api_base: \"{}\", key_env: \"TEST_KEY\"));\n    \
             fn forward(question: str) {{ answer(question) }}\n}}\n\
             const ask = Ask();\nfn right(e, r) {{ e.answer == r.answer }}\n",
            server.base()
        );
        let row = |n: usize| format!("{{\"question\": \"number {n}\", \"answer\": {n}}}\n");
        let setting = Self { dir, server };
        let rows = |from: usize, to: usize| (from..to).map(row).collect::<String>();
        setting.write("main.dsp", &head);
        setting.write("dev.jsonl", &rows(0, 60));
        setting.write("train.jsonl", &rows(100, 140));
        let search = "let data = load(\"train.jsonl\");\n\
            let tuned = random_search(metric: right, candidates: 6, max_calls: 5000)\n    \
            .compile(ask, trainset: data, valset: load(\"dev.jsonl\"));\n\
            tuned.save(\"tuned.json\");\nprint(\"saved\");\n";
        setting.write("search.dsp", &format!("{head}{search}"));
        let walk = "for i in 0..400 { ask(question: `number ${i}`); }\nprint(\"walked\");\n";
        setting.write("walk.dsp", &format!("{head}{walk}"));
        let tests: String = (0..40)
            .map(|n| format!("test \"t{n}\" {{ ask(question: \"number {n}\"); }}\n"))
            .collect();
        setting.write("tests.dsp", &format!("{head}{tests}"));
        setting
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("DSP_HOME", self.path("home")).env("TEST_KEY", KEY);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn eval(&self, more: &[&str]) -> Command {
        let ask = ["--program", "ask", "--metric", "right", "--data", "dev.jsonl"];
        self.command(&[&["eval", "main.dsp", "--threads", "4"], &ask[..], more].concat())
    }

    fn compile(&self, more: &[&str]) -> Command {
        let ask = ["--program", "ask", "--metric", "right", "--trainset", "train.jsonl"];
        let how = ["--valset", "dev.jsonl", "--with", "random_search(candidates: 6)"];
        let usual = ["--threads", "4", "--max-calls", "5000", "-o", "out.json"];
        self.command(&[&["compile", "main.dsp"], &ask[..], &how[..], &usual[..], more].concat())
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        output
    }

    /// Begins a command, sends Ctrl-C after so many requests, so often, and waits for the end.
    fn interrupted(&self, mut command: Command, requests: usize, times: usize) -> Output {
        let before = self.server.seen().len();
        let mut child = command.spawn().unwrap();
        self.server.wait_for(before + requests);
        for _ in 0..times {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > Duration::from_secs(20) {
                let _ = child.kill();
                panic!("it does not end: {}", said(&child.wait_with_output().unwrap()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|it| it["event"] == name).collect()
}

#[test]
fn events_tell_an_evaluation() {
    let setting = Setting::new();
    setting.write("events.jsonl", "what was there before\n");
    let output = setting.eval(&["--events", "events.jsonl"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(printed(&output).starts_with("score "), "the report is where it always is");
    let events = objects(&setting.read("events.jsonl"));
    assert!(events.iter().all(|it| it["dsp_event"] == 1 && it["seconds"].is_number()));
    assert_eq!((&events[0]["event"], &events[0]["command"]), (&"begin".into(), &"eval".into()));
    let phases = of(&events, "phase");
    assert_eq!((phases.len(), &phases[0]["runs"]), (1, &60.into()));
    let progress = of(&events, "progress");
    let last = progress.last().unwrap();
    assert_eq!(
        (&last["done"], &last["calls"], &last["tokens"]),
        (&60.into(), &60.into(), &840.into())
    );
    assert_eq!((&last["score"], &last["seconds_left"]), (&(40.0 / 60.0).into(), &Value::Null));
    let result = of(&events, "result")[0];
    assert_eq!(result["account"]["score"], 40.0 / 60.0);
    assert_eq!(
        (&result["account"]["program"], &result["report"]["rows"]),
        (&"ask".into(), &Value::Null)
    );
    let end = events.last().unwrap();
    assert_eq!((&end["event"], &end["exit"]), (&"end".into(), &0.into()));
    // A command that fails says so, and why.
    let output = setting
        .eval(&["--events", "events.jsonl", "--max-calls", "0", "--no-cache"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let events = objects(&setting.read("events.jsonl"));
    let end = events.last().unwrap();
    assert_eq!(end["exit"], 1);
    assert!(end["error"].as_str().unwrap().contains("nothing was scored"), "{end}");
}

#[test]
fn events_on_standard_output_are_alone_there() {
    let setting = Setting::new();
    let output = setting.compile(&["--events", "-"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let events = objects(&printed(&output));
    let candidates = of(&events, "candidate");
    assert_eq!(candidates.len(), 9);
    assert!(candidates.iter().all(|it| it["score"].is_number() && it["state"].is_string()));
    let result = of(&events, "result")[0];
    assert_eq!(result["report"]["dsp_compile"], 1);
    assert_eq!(result["report"]["candidates"].as_array().unwrap().len(), 9);
    for (args, expected) in [
        (&["eval", "main.dsp", "--events", "-", "--json"][..], "both want standard output"),
        (&["compile", "main.dsp", "--events", "-", "--json"], "both want standard output"),
        (&["run", "walk.dsp", "--events", "-"], "standard output is the script's own"),
    ] {
        let mut command = match args[0] {
            "eval" => setting.eval(&args[2..]),
            "compile" => setting.compile(&args[2..]),
            _ => setting.command(args),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{args:?}: {}", said(&output));
    }
}

#[test]
fn a_compile_writes_its_report_as_json() {
    let setting = Setting::new();
    let output = setting.compile(&["--json"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_str(&printed(&output)).unwrap();
    assert_eq!(
        (&report["optimizer"], &report["val_rows"]),
        (&"random_search".into(), &40.into()),
        "a third of the rows is held back"
    );
    assert!(report["confirmation"].is_object(), "{report}");
    assert_eq!(report["stopped"], Value::Null);
}

#[test]
fn ctrl_c_ends_a_compile_with_the_best_so_far() {
    let setting = Setting::new();
    // 9 states on 60 rows: some are scored by then, and not all.
    let output = setting.interrupted(setting.compile(&[]), 300, 1);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("finishing the runs under way"), "{told}");
    assert!(told.contains("stopped  cancelled: this is the best so far"), "{told}");
    assert!(told.contains("saved as out.json"), "{told}");
    assert!(setting.read("out.json").contains("\"stopped\": \"cancelled\""), "{told}");
    let log = objects(&printed(&setting.run(&["log", "--json"])));
    assert_eq!(log[0]["stopped"], "cancelled");
}

#[test]
fn ctrl_c_twice_stops_at_once() {
    let setting = Setting::new();
    let output = setting.interrupted(setting.compile(&[]), 40, 2);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let began = Instant::now();
    let output = setting.interrupted(setting.command(&["run", "walk.dsp"]), 5, 1);
    // Nothing in it could be finished, so once is enough.
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!printed(&output).contains("walked") && began.elapsed() < Duration::from_secs(8));
    assert!(said(&output).contains("cancelled"), "{}", said(&output));
}

#[test]
fn ctrl_c_lets_a_script_keep_what_its_search_has_found() {
    let setting = Setting::new();
    let output =
        setting.interrupted(setting.command(&["run", "search.dsp", "--threads", "4"]), 300, 1);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(printed(&output), "saved\n", "{told}");
    assert!(told.contains("this is the best so far"), "{told}");
    assert!(setting.read("tuned.json").contains("\"stopped\": \"cancelled\""));
}

#[test]
fn ctrl_c_ends_tests_after_those_under_way() {
    let setting = Setting::new();
    let live = setting.command(&["test", "tests.dsp", "--live", "--threads", "2"]);
    let output = setting.interrupted(live, 6, 1);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("ended by Ctrl-C: not all tests were run"),
        "{}",
        said(&output)
    );
    let passed = printed(&output).matches("t").count();
    assert!(passed > 5 && setting.server.seen().len() < 40, "{}", printed(&output));
}

#[test]
fn the_log_knows_what_was_run_and_finds_its_state() {
    let setting = Setting::new();
    let compiled = setting.compile(&[]).output().unwrap();
    assert!(compiled.status.success(), "{}", said(&compiled));
    for more in [&[][..], &["--state", "out.json"]] {
        assert!(setting.eval(more).output().unwrap().status.success());
    }
    setting.run(&["run", "search.dsp"]);
    let log = objects(&printed(&setting.run(&["log", "--json"])));
    let kinds: Vec<&str> = log.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["compile", "evaluate", "evaluate", "compile"]);
    let id = |at: usize| log[at]["id"].as_str().unwrap();
    assert_eq!((&log[1]["program"], &log[1]["metric"]), (&"ask".into(), &"right".into()));
    assert_eq!(
        (&log[1]["score"], &log[1]["data"][0]["rows"]),
        (&(40.0 / 60.0).into(), &60.into())
    );
    assert_eq!((&log[3]["command"], &log[3]["metric"]), (&"run".into(), &"right".into()));
    assert_eq!(log[0]["state"], log[2]["state"]);
    assert_ne!(log[1]["state"], log[2]["state"]);
    let raw = setting.read("home/log/log.jsonl");
    assert!(!raw.contains(KEY) && !raw.contains("number 1"), "neither keys nor rows");
    // As a table, of this script, of this project.
    let table = printed(&setting.run(&["log"]));
    assert!(table.contains("0.667 (0.533 to 0.783)"), "{table}");
    assert!(table.lines().last().unwrap().contains("search.dsp"), "{table}");
    let of_main =
        printed(&setting.run(&["log", "--script", "main.dsp", "--limit", "2", "--json"]));
    assert_eq!(objects(&of_main), log[1..3]);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut other = setting.command(&["log", "--json"]);
    assert_eq!(printed(&other.current_dir(elsewhere.path()).output().unwrap()), "");
    let mut all = setting.command(&["log", "--all", "--json"]);
    assert_eq!(
        objects(&printed(&all.current_dir(elsewhere.path()).output().unwrap())).len(),
        4
    );
    // One entry, by a part of its id.
    let shown = printed(&setting.run(&["log", "show", &id(2)[16..]]));
    assert!(shown.contains("state in  ") && shown.contains("out.json"), "{shown}");
    // Two entries.
    let diff = printed(&setting.run(&["log", "diff", id(1), id(2)]));
    assert!(diff.contains("row by row") && diff.contains("60 pairs"), "{diff}");
    let diff: Value =
        serde_json::from_str(&printed(&setting.run(&["log", "diff", id(0), id(1), "--json"])))
            .unwrap();
    assert!(diff["differs"]["data"].is_object() && diff["comparison"].is_null(), "{diff}");
    assert!(diff["not_compared"].as_str().unwrap().contains("not of the same rows"), "{diff}");
    // From a number and from a state to what was run.
    let found = printed(&setting.run(&["log", "find", "0.667"]));
    assert!(found.contains(id(1)) && found.contains("as it is written"), "{found}");
    let found = printed(&setting.run(&["log", "find", "--state", "out.json"]));
    assert!(found.contains(id(0)) && found.contains(id(2)), "{found}");
    assert!(found.contains("out.json") && found.contains("tuned.json"), "{found}");
    let none = setting.command(&["log", "find", "0.123"]).output().unwrap();
    assert_eq!(none.status.code(), Some(1), "{}", said(&none));
    let none = setting.command(&["log", "show", "nothing"]).output().unwrap();
    assert!(said(&none).contains(&format!("the newest is {}", id(3))), "{}", said(&none));
    // A line that was cut off is passed over.
    let mut torn = raw.into_bytes();
    torn.truncate(torn.len() - 20);
    torn.extend_from_slice(b"\nnoise\n");
    std::fs::write(setting.path("home/log/log.jsonl"), torn).unwrap();
    assert_eq!(objects(&printed(&setting.run(&["log", "--json"]))).len(), 3);
}

#[test]
fn an_evaluation_that_went_on_is_one_entry() {
    let setting = Setting::new();
    let output = setting.interrupted(setting.eval(&[]), 12, 1);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let log = || objects(&printed(&setting.run(&["log", "--json"])));
    let first = log();
    assert_eq!((first.len(), &first[0]["stopped"]), (1, &"cancelled".into()));
    setting.run(&["eval", "--resume"]);
    let second = log();
    assert_eq!((second.len(), &second[0]["stopped"]), (1, &Value::Null));
    assert_eq!(
        (&second[0]["id"], &second[0]["score"]),
        (&first[0]["id"], &(40.0 / 60.0).into())
    );
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let setting = Setting::new();
    std::fs::create_dir(setting.path("home")).unwrap();
    setting.write("home/log", "a file where a folder should be\n");
    let output = setting.eval(&[]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("`dsp log` will not know of this"), "{}", said(&output));
}
