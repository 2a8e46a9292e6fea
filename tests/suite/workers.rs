//! Workers: what they say, what is made of what they say, and that a result does not depend on
//! them, nor on their deaths.

use crate::http::server::{Play, Seen, Server, completion};
use dsp_lang::config::Config;
use dsp_lang::eval::{Job, Ran, Remote};
use dsp_lang::host::{MemoryHost, OsHost, SharedHost};
use dsp_lang::program::State;
use dsp_lang::schema::Row;
use dsp_lang::store::Store;
use dsp_lang::via::frame::{self, Bundle, Order, VERSION, Word};
use dsp_lang::via::{Answer, Files, Need, Pool, PoolOptions};
use dsp_lang::worker::{Around, serve};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DSP: &str = env!("CARGO_BIN_EXE_dsp");
/// The key that a worker has, and that no frame may hold.
const KEY: &str = "the-key-of-nobody-at-all";
/// Rows of the data.
const ROWS: usize = 60;

/// Answers row n with n; every third with something else, every seventh with what is no number.
fn answer(seen: &Seen) -> Play {
    let body = &seen.body;
    let at = body.rfind("number ").expect("the prompt holds the row") + "number ".len();
    let digits: String = body[at..].chars().take_while(char::is_ascii_digit).collect();
    let n: usize = digits.parse().unwrap();
    let said = match n {
        _ if n % 7 == 6 => "I would rather not say".to_owned(),
        _ if n.is_multiple_of(3) => (n + 1).to_string(),
        _ => n.to_string(),
    };
    let text = format!("[[ ## answer ## ]]\n{said}\n\n[[ ## completed ## ]]");
    Play::ok(completion(&text)).after(Duration::from_millis(15))
}

/// A project of two files and a list of words, and a server that its model is on.
struct Setting {
    dir: tempfile::TempDir,
    server: Server,
}

impl Setting {
    fn new() -> Self {
        let (dir, server) = (tempfile::tempdir().unwrap(), Server::answering(answer));
        let script = format!(
            "settings {{ repairs: 0 }}\nimport \"lib\" as lib;\n\
             const words = load(\"words.jsonl\");\n\
             const ask = predict(\"question -> answer: int\", retries: 0,\n    \
             lm: lm(\"openai/m\", api_base: \"{}\", key_env: \"TEST_KEY\"));\n\
             module Twice() {{\n    let first = ask;\n    fn forward(question) {{\n        \
             print(`asked ${{question}}`);\n        let reply = first(question);\n        \
             assert reply.answer != 11, \"eleven is no answer\";\n        \
             #{{ answer: reply.answer, word: words[0].word }}\n    }}\n}}\n\
             fn right(e, r) {{ lib::judged(e, r) }}\n",
            server.base()
        );
        let lib = "fn judged(e, r) {\n    if r.answer == 8 { throw \"no eight\"; }\n    \
                   #{ score: e.answer == r.answer, feedback: `it is ${e.answer}` }\n}\n";
        let row = |n: usize| format!("{{\"question\": \"number {n}\", \"answer\": {n}}}\n");
        let rows = |from: usize| (from..from + ROWS).map(row).collect::<String>();
        let setting = Self { dir, server };
        setting.write("main.dsp", &script);
        setting.write("lib.dsp", lib);
        setting.write("words.jsonl", "{\"word\": \"plain\"}\n");
        setting.write("rows.jsonl", &rows(0));
        setting.write("more.jsonl", &rows(1000));
        setting.write("dsp.toml", "lm = \"openai/other\"\n");
        setting.write("worker.sh", &format!("echo $$ >> pids\nexec '{DSP}' worker\n"));
        setting
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(DSP);
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DSP_HOME", self.dir.path().join("home")).env("TEST_KEY", KEY);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// An evaluation without kept replies, its report as JSON in a file.
    fn eval(&self, report: &str, more: &[&str]) -> Command {
        let ask = ["--program", "Twice()", "--metric", "right", "--data", "rows.jsonl"];
        let report = format!("--json={report}");
        let usual = ["--no-cache", "--threads", "8", &report];
        self.command(&[&["eval", "main.dsp"], &ask[..], &usual[..], more].concat())
    }

    fn report(&self, name: &str) -> String {
        let mut report: Value = serde_json::from_str(&self.read(name)).unwrap();
        without_times(&mut report);
        report.to_string()
    }

    /// The processes that workers were, in the order in which they were started.
    fn pids(&self) -> Vec<u32> {
        self.read("pids").lines().filter_map(|it| it.trim().parse().ok()).collect()
    }
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.shift_remove("time");
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// What was printed, without the line that tells times.
fn printed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|it| !it.starts_with("time ") && !it.starts_with("asked "));
    lines.map(|it| format!("{it}\n")).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn kill(pid: u32, signal: &str) {
    let _ =
        Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

fn is_alive(pid: u32) -> bool {
    // A process that has ended and was not waited for is no process any more.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

const VIA: [&str; 4] = ["--via", "sh worker.sh", "--workers", "4"];

#[test]
fn four_workers_give_what_one_process_gives() {
    let setting = Setting::new();
    let here = setting.eval("here.json", &[]).output().unwrap();
    assert!(here.status.success(), "{}", said(&here));
    let there = setting.eval("there.json", &VIA).output().unwrap();
    assert!(there.status.success(), "{}", said(&there));
    assert_eq!(printed(&there), printed(&here));
    assert_eq!(setting.report("there.json"), setting.report("here.json"));
    let report: Value = serde_json::from_str(&setting.report("here.json")).unwrap();
    // Rows that fail are data: replies that cannot be read, a false assert, a metric that raises.
    assert_eq!((report["scored"].as_u64(), report["failed"].as_u64()), (Some(60), Some(10)));
    assert!(said(&there).contains("worker 1: asked number"), "{}", said(&there));
    assert!(!said(&here).contains("worker"), "{}", said(&here));
    assert_eq!(setting.pids().len(), 4, "all of them had something to do");
    assert_eq!(setting.server.seen().len(), 2 * ROWS);
    assert!(setting.pids().into_iter().all(|pid| !is_alive(pid)), "they end with the command");
}

#[test]
fn the_trace_of_workers_is_that_of_one_process() {
    let setting = Setting::new();
    let eval = |trace: &str, more: &[&str]| {
        let more = [&["--trace", trace], more].concat();
        let ended = setting.eval("report.json", &more).output().unwrap();
        assert!(ended.status.success(), "{}", said(&ended));
    };
    eval("here.jsonl", &[]);
    eval("there.jsonl", &VIA);
    let differs = |a: &str, b: &str| {
        let ended = setting.command(&["trace", "diff", a, b]).output().unwrap();
        printed(&ended)
    };
    // Rows whose replies cannot be read, a false assert and all: word by word, with origins.
    assert!(differs("here.jsonl", "there.jsonl").starts_with("nothing differs: "));
    let trace = setting.read("there.jsonl");
    assert!(trace.contains(r#""input","input question"]"#), "origins are told");
    let nodes: Vec<Value> = trace.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let nodes: Vec<&Value> = nodes.iter().filter_map(|it| it.get("node")).collect();
    assert_eq!(nodes.iter().filter(|it| it["kind"] == "lm").count(), ROWS);
    let began = |it: &Value| it["began_us"].as_u64().unwrap();
    let span = nodes.iter().map(|it| began(it) + it["took_us"].as_u64().unwrap()).max();
    assert!(span.unwrap() < 600_000_000, "times are those of this process: {span:?}");

    eval("bare.jsonl", &[&VIA[..], &["--no-trace-content"]].concat());
    assert!(!setting.read("bare.jsonl").contains("number 3"));
    let compile = |trace: &str, more: &[&str]| {
        let ask = ["--program", "Twice()", "--metric", "right", "--trainset", "rows.jsonl"];
        let how = ["--with", "bootstrap_few_shot", "--no-cache", "--max-calls", "2000"];
        let out = ["-o", "state.json", "--trace", trace];
        let args = [&["compile", "main.dsp"], &ask[..], &how[..], &out[..], more].concat();
        let ended = setting.command(&args).output().unwrap();
        assert!(ended.status.success(), "{}", said(&ended));
    };
    compile("search-here.jsonl", &[]);
    compile("search-there.jsonl", &VIA);
    assert!(
        differs("search-here.jsonl", "search-there.jsonl").starts_with("nothing differs: ")
    );
}

#[test]
fn workers_read_the_pictures_of_rows() {
    let setting = Setting::new();
    let dir = setting.dir.path().join("data/pets");
    std::fs::create_dir_all(&dir).unwrap();
    let rows = (0..4).map(|n| {
        // Text behind the first bytes of a picture, which no reader takes for text.
        let bytes = [&b"\x89PNG\r\n\x1a\n\xff"[..], &[n]].concat();
        std::fs::write(dir.join(format!("{n}.png")), bytes).unwrap();
        format!("{{\"photo\": \"pets/{n}.png\", \"answer\": {n}, \"note\": \"number {n}\"}}\n")
    });
    setting.write("data/rows.jsonl", &rows.collect::<String>());
    let script = setting.read("main.dsp").replace("\"question -> ", "\"photo: image, note -> ");
    let end = script.find("module").unwrap();
    setting.write(
        "pictures.dsp",
        &format!("{}fn right(e, r) {{ e.answer == r.answer }}\n", &script[..end]),
    );
    let eval = |report: &str, more: &[&str]| {
        let ask = ["--program", "ask", "--metric", "right", "--data", "data/rows.jsonl"];
        let report = format!("--json={report}");
        let usual = ["--no-cache", &report];
        let args = [&["eval", "pictures.dsp"], &ask[..], &usual[..], more].concat();
        let made = setting.command(&args).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
    };
    eval("here.json", &[]);
    let mut asked: Vec<String> = setting.server.seen().into_iter().map(|it| it.body).collect();
    eval("there.json", &VIA);
    assert_eq!(setting.report("there.json"), setting.report("here.json"));
    let mut there: Vec<String> =
        setting.server.seen()[4..].iter().map(|it| it.body.clone()).collect();
    asked.sort();
    there.sort();
    assert_eq!(there, asked);
    assert!(asked[0].contains("data:image/png;base64,iVBORw0KGgr/AA=="), "{}", asked[0]);
}

#[test]
#[cfg(feature = "local")]
#[expect(clippy::print_stderr, reason = "it says what it left out")]
fn workers_have_the_models_of_their_machine() {
    use dsp_lang::host::{Host, Place};
    let models = OsHost::new().place(Place::Models).unwrap();
    if !models.join(dsp_lang::lm::models::KNOWN[0].file).is_file() {
        eprintln!("left out: the default model is not on this machine");
        return;
    }
    let setting = Setting::new();
    let home = setting.dir.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::symlink(models, home.join("models")).unwrap();
    setting.write(
        "own.dsp",
        "const q = predict(\"question -> answer: \\\"yes\\\" | \\\"no\\\"\");\n",
    );
    let rows: String = (0..2).map(|n| format!("{{\"question\": \"Is {n} odd?\"}}\n")).collect();
    setting.write("few.jsonl", &rows);
    let eval = |more: &[&str]| {
        let metric = "|e, r| r.answer == \"yes\"";
        let ask = ["--program", "q", "--metric", metric, "--data", "few.jsonl", "--no-cache"];
        let ask = [&ask[..], &["--lm", "local/smollm2-135m"]].concat();
        let made =
            setting.command(&[&["eval", "own.dsp"], &ask[..], more].concat()).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
        let report = printed(&made);
        report.lines().filter(|it| !it.starts_with("time")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(eval(&VIA), eval(&[]));
}

#[test]
fn a_worker_that_is_killed_changes_nothing() {
    let setting = Setting::new();
    assert!(setting.eval("here.json", &[]).output().unwrap().status.success());
    let expected = setting.report("here.json");
    // A simple stream of numbers: the moments differ from round to round.
    let (mut random, mut restarted) = (4711_u64, 0);
    for round in 0..6 {
        setting.write("pids", "");
        let child = setting.eval("there.json", &VIA).spawn().unwrap();
        let first = wait_for_pids(&setting, 1);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis((random >> 33) % 300));
        let pids = setting.pids();
        let victim = pids.get((random >> 20) as usize % pids.len()).copied();
        kill(victim.unwrap_or(first), "-KILL");
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "round {round}: {}", said(&output));
        assert_eq!(setting.report("there.json"), expected, "round {round}");
        restarted += usize::from(setting.pids().len() > 4);
    }
    assert!(restarted > 0, "no worker was lost while there was work for it");
}

fn wait_for_pids(setting: &Setting, count: usize) -> u32 {
    for _ in 0..2000 {
        if let Some(pid) = setting.pids().get(count - 1) {
            return *pid;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no worker was started");
}

/// Waits for the end of a process; one that hangs fails the test.
fn end(mut child: Child, most: Duration) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > most {
            let _ = child.kill();
            panic!("it hangs: {}", said(&child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn when_all_workers_die_rows_are_left_out_and_nothing_hangs() {
    let setting = Setting::new();
    let via = ["--via", "sh worker.sh", "--workers", "2"];
    let child = setting.eval("there.json", &via).spawn().unwrap();
    // Some rows come back first: where none does there is no score to report.
    setting.server.wait_for(20);
    let ended = Arc::new(AtomicBool::new(false));
    let (at, over) = (setting.dir.path().join("pids"), ended.clone());
    let killer = std::thread::spawn(move || {
        let mut dead = 0;
        while !over.load(Ordering::SeqCst) {
            let text = std::fs::read_to_string(&at).unwrap_or_default();
            let pids: Vec<u32> = text.lines().filter_map(|it| it.parse().ok()).collect();
            pids[dead..].iter().for_each(|pid| kill(*pid, "-KILL"));
            dead = pids.len();
            std::thread::sleep(Duration::from_millis(5));
        }
        dead
    });
    let output = end(child, Duration::from_secs(40));
    ended.store(true, Ordering::SeqCst);
    let killed = killer.join().unwrap();
    // Each of the two places: one that made runs, and three that came to none.
    assert!((4..40).contains(&killed), "{killed} workers were started");
    let told = said(&output);
    let report: Value = serde_json::from_str(&setting.read("there.json")).unwrap();
    assert!(report["left_out"].as_u64().unwrap() > 10, "{told}");
    assert!(report["rows"].to_string().contains("no worker is left"), "{told}");
}

#[test]
fn what_is_no_worker_is_told_and_refused() {
    let setting = Setting::new();
    let hello = |v: u32, version: &str| {
        format!("{{\"frame\":\"hello\",\"v\":{v},\"version\":\"{version}\"}}")
    };
    let ours = env!("CARGO_PKG_VERSION");
    let cases: [(&str, String, &str); 8] = [
        ("nothing", "true".to_owned(), "the worker has ended"),
        (
            "words",
            "echo 'Raylet is terminated'".to_owned(),
            "`Raylet is terminated` is no frame",
        ),
        ("newer", format!("echo '{}'", hello(2, ours)), "version 2 of the frames"),
        ("other", format!("echo '{}'", hello(1, "9.9.9")), "the worker is dsp 9.9.9"),
        ("rude", "echo '{\"frame\":\"alive\"}'".to_owned(), "does not begin with hello"),
        (
            "refusing",
            format!(
                "echo '{}'; echo '{{\"frame\":\"refused\",\"message\":\"no\"}}'",
                hello(1, ours)
            ),
            "cannot load the program: no",
        ),
        (
            "mistaken",
            format!(
                "echo '{}'; echo '{{\"frame\":\"ready\",\"hash\":\"x\",\"models\":{{}}}}'",
                hello(1, ours)
            ),
            "the worker has another program",
        ),
        (
            "endless",
            "head -c 70000000 /dev/zero | tr '\\0' x".to_owned(),
            "a line has more than 67108864 bytes",
        ),
    ];
    for (name, script, expected) in cases {
        let file = format!("{name}.sh");
        setting.write(&file, &format!("{script}\nsleep 3\n"));
        let via = format!("sh {file}");
        let child = setting.eval("x.json", &["--via", &via]).spawn().unwrap();
        let output = end(child, Duration::from_secs(20));
        assert_eq!(output.status.code(), Some(2), "{name}: {}", said(&output));
        assert!(said(&output).contains(expected), "{name}: {}", said(&output));
    }
    for (via, expected) in [
        ("nowhere/at/all worker", "`nowhere/at/all` cannot be started"),
        ("dsp 'worker", "quotes are opened and not closed"),
        ("", "no command is named"),
    ] {
        let output = setting.eval("x.json", &["--via", via]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{via}: {}", said(&output));
        assert!(said(&output).contains(expected), "{via}: {}", said(&output));
    }
    assert_eq!(setting.server.seen().len(), 0);
}

#[test]
fn a_worker_that_falls_silent_is_given_up() {
    let host: SharedHost = Arc::new(OsHost::new());
    let options = PoolOptions {
        patience: Duration::from_millis(300),
        ..PoolOptions::new(["sleep", "1000"].map(ToOwned::to_owned).to_vec(), 1)
    };
    let files = Files::new(host.clone(), "/nowhere".into());
    let began = Instant::now();
    let pool = Pool::start(host, options, bundle("main.dsp", "", "[1, 2]"), files, &|| None);
    let why = pool.err().unwrap();
    assert!(why.contains("said nothing"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn caps_hold_across_workers_and_their_deaths() {
    let setting = Setting::new();
    for (cap, killed) in [(1, false), (17, false), (25, true)] {
        let before = setting.server.seen().len();
        setting.write("pids", "");
        let calls = cap.to_string();
        let more = [&VIA[..], &["--max-calls", &calls]].concat();
        let child = setting.eval("x.json", &more).spawn().unwrap();
        if killed {
            setting.server.wait_for(before + 8);
            setting.pids().into_iter().take(2).for_each(|pid| kill(pid, "-KILL"));
        }
        let output = end(child, Duration::from_secs(30));
        let sent = setting.server.seen().len() - before;
        assert!(sent <= cap && (killed || sent == cap), "{sent} of {cap}: {}", said(&output));
        assert!(
            printed(&output).contains("the cap of"),
            "{}{}",
            printed(&output),
            said(&output)
        );
    }
}

#[test]
fn caps_on_tokens_and_dollars_hold_across_workers() {
    let setting = Setting::new();
    let after = |more: &[&str]| {
        let before = setting.server.seen().len();
        let child = setting.eval("x.json", &[&VIA[..], more].concat()).spawn().unwrap();
        let output = end(child, Duration::from_secs(30));
        (setting.server.seen().len() - before, said(&output) + &*printed(&output))
    };
    // A call may take some 4,400 tokens at most, and takes 14.
    let (sent, told) = after(&["--max-tokens", "1000"]);
    assert!(sent == 0 && told.contains("leaves no room"), "{sent}: {told}");
    let (sent, told) = after(&["--max-tokens", "5000"]);
    assert!((1..=60).contains(&sent) && told.contains("tokens"), "{sent}: {told}");
    assert!(sent < ROWS, "what is left has no room for the worst case: {told}");
    let (sent, told) = after(&["--max-usd", "1"]);
    assert!(sent == 0 && told.contains("the price of `openai/m` is not known"), "{told}");
    let toml = "[prices.\"openai/m\"]\ninput = 10.0\noutput = 10.0\n";
    setting.write("dsp.toml", toml);
    let (sent, told) = after(&["--max-usd", "0.05"]);
    assert!((1..ROWS).contains(&sent), "{sent}: {told}");
}

#[test]
fn frames_hold_no_key_and_a_worker_writes_no_file() {
    let setting = Setting::new();
    let tee = format!("tee in.txt | '{DSP}' worker | tee out.txt\n");
    setting.write("tee.sh", &tee);
    setting.write(".env", "SECRET=hidden-words\n");
    let output = setting.eval("there.json", &["--via", "sh tee.sh"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let frames = [setting.read("in.txt"), setting.read("out.txt")].concat();
    assert!(
        frames.contains("\"frame\":\"program\"") && frames.contains("\"frame\":\"result\"")
    );
    assert!(frames.contains("plain"), "what a const loads is sent");
    assert!(!frames.contains(KEY) && !frames.contains("hidden-words"));
    // What is hidden, or lies beside the project, is not sent; and nothing is written.
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("x.jsonl"), "{\"word\": \"outside\"}\n").unwrap();
    let far = outside.path().join("x.jsonl");
    let script = setting.read("main.dsp");
    let refused = |what: &str, expected: &str| {
        setting.write("main.dsp", &script.replace("load(\"words.jsonl\")", what));
        let output = setting.eval("x.json", &["--via", "sh worker.sh"]).output().unwrap();
        let told = [said(&output), printed(&output), setting.read("x.json")].concat();
        assert!(told.contains(expected), "{what}: {told}");
    };
    refused(&format!("load({:?})", far.display().to_string()), "files of the project only");
    setting.write(".words.jsonl", "{\"word\": \"hidden\"}\n");
    refused("load(\".words.jsonl\")", "no hidden files");
}

#[test]
fn a_search_over_workers_finds_the_same_state() {
    let setting = Setting::new();
    let compile = |output: &str, more: &[&str]| {
        let ask = ["--program", "Twice()", "--metric", "right", "--trainset", "more.jsonl"];
        let how = [
            "--valset",
            "rows.jsonl",
            "--with",
            "random_search(candidates: 2, max_labeled: 4)",
        ];
        let usual =
            ["--no-cache", "--threads", "8", "--max-calls", "2000", "--json", "-o", output];
        let output = setting
            .command(&[&["compile", "main.dsp"], &ask[..], &how[..], &usual[..], more].concat())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().filter(|it| it.starts_with('{'));
        let mut report: Value = serde_json::from_str(lines.next_back().unwrap()).unwrap();
        without_times(&mut report);
        report.to_string()
    };
    let here = compile("here.json", &[]);
    let there = compile("there.json", &VIA);
    assert_eq!(there, here);
    assert_eq!(setting.read("there.json"), setting.read("here.json"));
    assert!(here.contains("bootstrap 2"), "{here}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_workers_too() {
    let setting = Setting::new();
    let child = setting.eval("x.json", &VIA).spawn().unwrap();
    setting.server.wait_for(12);
    kill(child.id(), "-INT");
    let output = end(child, Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("finishing the rows under way"), "{}", said(&output));
    let report: Value = serde_json::from_str(&setting.read("x.json")).unwrap();
    let scored = report["scored"].as_u64().unwrap();
    assert!((5..ROWS as u64).contains(&scored), "{scored}");
    assert!(setting.pids().into_iter().all(|pid| !is_alive(pid)));
}

fn bundle(main: &str, text: &str, expression: &str) -> Bundle {
    Bundle {
        v: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hash: String::new(),
        main: main.to_owned(),
        expression: expression.to_owned(),
        files: [(main.to_owned(), text.to_owned())].into(),
        project: None,
        lm: None,
        seed: Some(0),
        no_cache: false,
        keep_traces: false,
        note_origins: false,
    }
}

fn around() -> Around {
    let host: SharedHost = Arc::new(MemoryHost::default());
    Around { host, store: Arc::new(Store::in_memory()), user: Config::default() }
}

/// A worker in this process, and what was said to it and by it.
struct Talk {
    input: Option<std::io::PipeWriter>,
    output: BufReader<std::io::PipeReader>,
    thread: std::thread::JoinHandle<Result<(), String>>,
}

impl Talk {
    fn begin() -> Self {
        let (input, writer) = std::io::pipe().unwrap();
        let (reader, output) = std::io::pipe().unwrap();
        let serve = move || serve(BufReader::new(input), Box::new(output), &around());
        let mut talk = Self {
            input: Some(writer),
            output: BufReader::new(reader),
            thread: std::thread::spawn(serve),
        };
        assert_eq!(talk.hear()["frame"], "hello");
        talk
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next thing that is said; files that are asked for are answered.
    fn hear(&mut self) -> Value {
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            if line.is_empty() {
                return Value::Null;
            }
            let frame: Value = serde_json::from_str(&line).unwrap();
            match frame["frame"].as_str().unwrap() {
                "alive" => {}
                "need" => {
                    let mut need = frame.clone();
                    need.as_object_mut().unwrap().shift_remove("frame");
                    let path = need["path"].as_str().unwrap_or_default().to_owned();
                    let answer = match need["op"].as_str().unwrap() {
                        "real_path" => json!({ "path": format!("/project/{path}") }),
                        "exists" | "is_file" => json!({ "is": path.ends_with(".jsonl") }),
                        "read" => json!({ "hex": "7b2277223a2022687a227d0a" }),
                        _ => json!("missing"),
                    };
                    self.say(&json!({ "frame": "file", "need": need, "answer": answer }));
                }
                _ => return frame,
            }
        }
    }

    fn end(mut self) -> Result<(), String> {
        self.input = None;
        self.thread.join().unwrap()
    }
}

const PROGRAM: &str = "const list = load(\"w.jsonl\");\n\
    const ask = predict(\"q -> answer\", lm: scripted(#{ self: #{ answer: \"Paris\" } }));\n\
    fn right(e, r) { ask.save(\"stolen.json\"); e.answer == r.answer }\n\
    fn good(e, r) { #{ score: e.answer == r.answer, feedback: list[0].w } }\n";

#[test]
fn a_worker_talks_as_the_reference_says() {
    let mut talk = Talk::begin();
    let program = |metric: &str| {
        let order = Order::Program(bundle("main.dsp", PROGRAM, &format!("[ask, {metric}]")));
        serde_json::to_value(order).unwrap()
    };
    talk.say(&program("good"));
    let ready = talk.hear();
    assert_eq!(
        (&ready["frame"], &ready["models"]["scripted"].is_string()),
        (&json!("ready"), &true)
    );
    let state = State::default().to_text().unwrap();
    talk.say(&json!({ "frame": "state", "hash": "s", "text": state }));
    let run = |id: u64, answer: &str| {
        let values = json!({ "q": "The capital?", "answer": answer });
        json!({ "frame": "run", "id": id, "state": "s", "index": id, "values": values, "new": 1 })
    };
    talk.say(&run(7, "Paris"));
    talk.say(&run(8, "Rome"));
    let mut results: Vec<Value> = vec![talk.hear(), talk.hear()];
    results.sort_by_key(|it| it["id"].as_u64());
    let outcome = |at: usize| &results[at]["outcome"];
    assert_eq!((&results[0]["id"], &outcome(0)["score"]), (&json!(7), &json!(1.0)));
    assert_eq!((&results[1]["id"], &outcome(1)["score"]), (&json!(8), &json!(0.0)));
    assert_eq!(outcome(0)["reply"]["answer"], "Paris");
    assert_eq!((&outcome(0)["calls"], &outcome(0)["feedback"]), (&json!(1), &json!("hz")));
    assert_eq!(talk.end(), Ok(()));
    // A file that a program would write is refused, and the row says so.
    let mut talk = Talk::begin();
    talk.say(&program("right"));
    assert_eq!(talk.hear()["frame"], "ready");
    talk.say(&json!({ "frame": "state", "hash": "s", "text": state }));
    talk.say(&run(1, "Paris"));
    let failure = talk.hear()["outcome"]["failure"]["message"].to_string();
    assert!(failure.contains("a worker writes no files"), "{failure}");
    assert_eq!(talk.end(), Ok(()));
}

#[test]
fn a_worker_ends_at_what_it_does_not_understand() {
    let cases = [
        ("{", "is no frame"),
        ("\"words\"", "is no frame"),
        ("{\"frame\":\"dance\"}", "unknown variant `dance`"),
        (
            "{\"frame\":\"run\",\"id\":1,\"state\":\"s\",\"index\":0,\"values\":{}}",
            "was not sent",
        ),
        ("{\"frame\":\"state\",\"hash\":\"s\",\"text\":\"{}\"}", "state"),
    ];
    for (line, expected) in cases {
        let mut talk = Talk::begin();
        writeln!(talk.input.as_mut().unwrap(), "{line}").unwrap();
        let failed = talk.hear();
        let message = failed["message"].as_str().unwrap_or_default();
        assert!(message.contains(expected), "{line}: {failed}");
        assert!(talk.end().is_err(), "{line}");
    }
    let mut talk = Talk::begin();
    let newer = Bundle { v: 2, ..bundle("main.dsp", PROGRAM, "[ask, right]") };
    talk.say(&serde_json::to_value(Order::Program(newer)).unwrap());
    assert_eq!(talk.hear()["frame"], "refused");
    let mut talk = Talk::begin();
    let broken = bundle("main.dsp", "let a = ;\n", "[1, 2]");
    talk.say(&serde_json::to_value(Order::Program(broken)).unwrap());
    let refused = talk.hear();
    assert!(refused["message"].as_str().unwrap().starts_with("main.dsp:1: "), "{refused}");
}

#[test]
fn a_worker_is_given_files_of_the_project_only() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |at: &Path, text: &[u8]| std::fs::write(at, text).unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    write(&dir.path().join("data/a.txt"), b"text");
    write(&dir.path().join("data/b.bin"), b"\xff\x00");
    write(&dir.path().join("data/.hidden"), b"secret");
    write(&outside.path().join("far.txt"), b"far");
    std::os::unix::fs::symlink(outside.path().join("far.txt"), dir.path().join("near.txt"))
        .unwrap();
    let root = std::fs::canonicalize(dir.path()).unwrap();
    let files = Files::new(Arc::new(OsHost::new()), root);
    let read = |path: &str| {
        let path = dir.path().join(path).display().to_string();
        files.answer(&Need::Read { path })
    };
    assert_eq!(read("data/a.txt"), Answer::Text("text".to_owned()));
    assert_eq!(read("data/b.bin"), Answer::Hex("ff00".to_owned()));
    assert_eq!(read("data/b.bin").into_bytes().unwrap(), b"\xff\x00");
    assert_eq!(read("data/../data/a.txt"), Answer::Text("text".to_owned()));
    assert_eq!(read("data/none.txt"), Answer::Missing);
    for path in ["data/.hidden", "near.txt", "../../etc/passwd", "/etc/passwd"] {
        let answer = read(path);
        assert!(matches!(answer, Answer::Refused(_) | Answer::Missing), "{path}: {answer:?}");
    }
    let path = outside.path().join("far.txt").display().to_string();
    assert_eq!(files.answer(&Need::Exists { path }), Answer::Is(false));
    let path = dir.path().join("data").display().to_string();
    let Answer::List(listed) = files.answer(&Need::List { path }) else { panic!("no list") };
    let names: Vec<&str> = listed.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["a.txt", "b.bin"]);
}

#[test]
fn what_was_written_is_read() {
    let needs = [
        Need::Read { path: "a\nb".to_owned() },
        Need::List { path: String::new() },
        Need::RealPath { path: "ü".to_owned() },
    ];
    for need in needs {
        for answer in [Answer::Missing, Answer::Is(true), Answer::Text("x\"\n".to_owned())] {
            let order = Order::File { need: need.clone(), answer };
            let mut line = Vec::new();
            frame::write(&mut line, &order).unwrap();
            assert_eq!(line.iter().filter(|it| **it == b'\n').count(), 1);
            let read: Option<Order> = frame::read(&mut &line[..]).unwrap();
            assert_eq!(read, Some(order));
        }
        let mut line = Vec::new();
        frame::write(&mut line, &Word::Need(need.clone())).unwrap();
        assert_eq!(frame::read::<Word>(&mut &line[..]).unwrap(), Some(Word::Need(need)));
    }
}

/// Somebody who reads nothing, and keeps it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lines that are nearly frames.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let frames = vec![
        "{\"frame\":\"program\",\"v\":1}".to_owned(),
        "{\"frame\":\"state\",\"hash\":\"\",\"text\":\"\"}".to_owned(),
        "{\"frame\":\"file\",\"need\":{\"op\":\"read\",\"path\":\"\"},\"answer\":\"missing\"}"
            .to_owned(),
        "{\"frame\":\"file\",\"need\":{\"op\":\"read\",\"path\":\"\"},\"answer\":{\"hex\":\"éa\"}}"
            .to_owned(),
        "{\"frame\":\"run\",\"id\":18446744073709551616}".to_owned(),
        "[".repeat(2000),
        format!("{{\"frame\":\"run\",\"values\":{}", "{\"a\":".repeat(500)),
    ];
    let near =
        (proptest::sample::select(frames), any::<proptest::sample::Index>(), any::<u8>());
    let near = near.prop_map(|(text, at, byte)| {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    let line = prop_oneof![near, proptest::collection::vec(any::<u8>(), 0..80)];
    proptest::collection::vec(line, 0..6).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in lines(), limit in 1_usize..200) {
        let mut reader = &bytes[..];
        let mut total = 0;
        while let Ok(Some(line)) = frame::read_line(&mut reader, limit) {
            prop_assert!(line.text.len() <= limit && !line.text.contains(&b'\n'));
            total += line.text.len() + 1;
        }
        prop_assert!(total <= bytes.len() + 1);
        let mut reader = &bytes[..];
        while let Ok(Some(_)) = frame::read::<Order>(&mut reader) {}
        let mut reader = &bytes[..];
        while let Ok(Some(_)) = frame::read::<Word>(&mut reader) {}
    }

    #[test]
    fn a_worker_survives_any_bytes(bytes in lines()) {
        let sink = Sink::default();
        let served = serve(&bytes[..], Box::new(sink.clone()), &around());
        let said = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let last = said.lines().last().unwrap_or_default().to_owned();
        let begins = said.starts_with("{\"frame\":\"hello\"");
        prop_assert!(begins, "{}", said);
        prop_assert_eq!(served.is_err(), last.contains("\"frame\":\"failed\""));
    }
}

/// A pool over a worker that lives.
#[test]
fn a_pool_makes_runs_of_many_states() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.dsp"), PROGRAM).unwrap();
    std::fs::write(dir.path().join("w.jsonl"), "{\"w\": \"word\"}\n").unwrap();
    let host: SharedHost = Arc::new(OsHost::new());
    let main = dir.path().join("main.dsp");
    let program = dsp_lang::Engine::builder().build().unwrap().load(&main).unwrap();
    let bundle = Bundle {
        hash: program.hash(),
        ..bundle(&main.display().to_string(), PROGRAM, "[ask, good]")
    };
    let files = Files::new(host.clone(), std::fs::canonicalize(dir.path()).unwrap());
    let options = PoolOptions::new(vec![DSP.to_owned(), "worker".to_owned()], 2);
    let pool = Pool::start(host, options, bundle, files, &|| None).unwrap();
    let row = |n: usize| {
        let values =
            [("q", "x"), ("answer", if n.is_multiple_of(2) { "Paris" } else { "Rome" })];
        let values = values.map(|(name, it)| (Arc::from(name), it.into()));
        Arc::new(Row { values: values.into_iter().collect(), index: n, folder: None })
    };
    let state = |n: usize| {
        let mut state = State::default();
        state.entry("self").instructions = Some(format!("number {n}"));
        Arc::new(state)
    };
    let score = |n: usize| {
        let job = Job {
            state: state(n % 5),
            row: row(n),
            rollout: 0,
            keep_steps: true,
            keep_exchanges: true,
            max_calls: None,
            max_tokens: None,
            max_cost: None,
        };
        match pool.run(&job, &|| None) {
            Ran::Done(outcome, None) => {
                (outcome.score, outcome.steps.len(), outcome.exchanges.len())
            }
            other => panic!("{other:?}"),
        }
    };
    for n in 0..20_usize {
        let right = n.is_multiple_of(2);
        // What was sent is kept where the score is less than 1.
        assert_eq!(score(n), (Some(f64::from(u8::from(right))), 1, usize::from(!right)));
    }
    assert!(Path::new(DSP).exists());
}
