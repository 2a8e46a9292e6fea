//! Evaluations that are stopped, killed and gone on with: no row that is there is run again, and
//! the result is that of an uninterrupted one.

use crate::http::server::{Play, Seen, Server, completion};
use dsp_lang::eval::journal;
use dsp_lang::host::MemoryHost;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Rows of the data.
const ROWS: usize = 60;
/// Rows that are under way at most.
const THREADS: usize = 4;

/// Answers row n with n, and every third with something else.
fn answer(seen: &Seen) -> Play {
    let body = &seen.body;
    let at = body.rfind("number ").expect("the prompt holds the row") + "number ".len();
    let digits: String = body[at..].chars().take_while(char::is_ascii_digit).collect();
    let n: usize = digits.parse().unwrap();
    let said = if n.is_multiple_of(3) { n + 1 } else { n };
    let text = format!("[[ ## answer ## ]]\n{said}\n\n[[ ## completed ## ]]");
    Play::ok(completion(&text)).after(Duration::from_millis(25))
}

/// A program, its data, and a server that its model is on.
struct Setting {
    dir: tempfile::TempDir,
    server: Server,
}

impl Setting {
    fn new() -> Self {
        let (dir, server) = (tempfile::tempdir().unwrap(), Server::answering(answer));
        let script = format!(
            "const ask = predict(\"question -> answer: int\", retries: 0,\n    \
             lm: lm(\"openai/m\", api_base: \"{}\", key_env: \"TEST_KEY\"));\n\
             fn right(e, r) {{ #{{ score: e.answer == r.answer, feedback: `it is ${{e.answer}}` }} }}\n",
            server.base()
        );
        let row = |n: usize| format!("{{\"question\": \"number {n}\", \"answer\": {n}}}\n");
        let rows: String = (0..ROWS).map(row).collect();
        std::fs::write(dir.path().join("main.dsp"), script).unwrap();
        std::fs::write(dir.path().join("rows.jsonl"), rows).unwrap();
        Self { dir, server }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.arg("eval").args(args).args(["--threads", "4", "--json=out.json"]);
        command.current_dir(self.dir.path()).env_clear();
        command.env("DSP_HOME", self.dir.path().join("home")).env("TEST_KEY", "nobody's");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn begin(&self) -> Command {
        let ask = ["--program", "ask", "--metric", "right", "--data", "rows.jsonl"];
        self.command(&[&["main.dsp", "--no-cache"], &ask[..]].concat())
    }

    /// The report without times.
    fn report(&self) -> Value {
        let text = std::fs::read(self.dir.path().join("out.json")).unwrap();
        let mut report = serde_json::from_slice(&text).unwrap();
        without_times(&mut report);
        report
    }

    /// The names of the files of runs.
    fn runs(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.dir.path().join("home/runs")) else {
            return Vec::new();
        };
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.map(|it| it.trim_end_matches(".jsonl").to_owned()).collect()
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

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits a while; true when the process has ended by itself.
fn ends_within(child: &mut Child, time: Duration) -> bool {
    std::thread::sleep(time);
    child.try_wait().unwrap().is_some()
}

#[test]
fn a_killed_evaluation_goes_on_where_it_was() {
    let setting = Setting::new();
    let whole = setting.begin().output().unwrap();
    assert!(whole.status.success(), "{}", said(&whole));
    let expected = setting.report();
    assert_eq!(expected["score"], 40.0 / 60.0, "{expected}");
    assert_eq!(setting.server.seen().len(), ROWS);
    std::fs::remove_dir_all(setting.dir.path().join("home/runs")).unwrap();
    // A simple stream of numbers: the moments differ from kill to kill.
    let (mut kills, mut random) = (0, 12_345_u64);
    loop {
        let resumed = !setting.runs().is_empty();
        let mut command =
            if resumed { setting.command(&["--resume"]) } else { setting.begin() };
        let mut child = command.spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = Duration::from_millis(60 + (random >> 33) % 200);
        if ends_within(&mut child, moment) {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 200, "no kill leaves anything behind");
    }
    assert!(kills > 0, "it was too fast to be killed");
    assert_eq!(setting.report(), expected);
    let asked = setting.server.seen().len() - ROWS;
    assert!(asked <= ROWS + kills * THREADS, "{asked} requests, {kills} kills");
    // Of what is complete the report is made again, and nobody is asked.
    let done = setting.command(&["--resume"]).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!((setting.report(), setting.server.seen().len()), (expected, asked + ROWS));
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_the_rows_under_way_and_says_how_to_go_on() {
    let setting = Setting::new();
    let child = setting.begin().spawn().unwrap();
    setting.server.wait_for(10);
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let id = setting.runs().pop().unwrap();
    let told = said(&output);
    assert!(told.contains("finishing the rows under way"), "{told}");
    assert!(
        told.contains(&format!("rows are left; `dsp eval --resume {id}` goes on")),
        "{told}"
    );
    let partial = setting.report();
    let n_scored = partial["scored"].as_u64().unwrap();
    assert!((10..ROWS as u64).contains(&n_scored), "{n_scored} rows were finished");
    assert!(partial["interval"]["low"].is_f64(), "{partial}");
    // Rows that were under way were finished and kept: none is asked for twice.
    let rest = setting.command(&["--resume", &id]).output().unwrap();
    assert!(rest.status.success(), "{}", said(&rest));
    assert!(
        said(&rest).contains(&format!("{n_scored} of {ROWS} rows are there")),
        "{}",
        said(&rest)
    );
    assert_eq!(setting.server.seen().len(), ROWS);
    assert_eq!(setting.report()["score"], 40.0 / 60.0);
}

#[test]
fn what_has_changed_is_not_gone_on_with() {
    let setting = Setting::new();
    assert!(setting.begin().output().unwrap().status.success());
    let id = setting.runs().pop().unwrap();
    let at = |name: &str| setting.dir.path().join(name);
    let text = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    let refused = |what: &str| {
        let output = setting.command(&["--resume", &id]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let expected = format!("the run `{id}` cannot go on: {what} is another");
        assert!(said(&output).contains(&expected), "{}", said(&output));
    };
    let (script, rows) = (text("main.dsp"), text("rows.jsonl"));
    std::fs::write(at("rows.jsonl"), rows.replace("number 7\"", "number 77\"")).unwrap();
    refused("the data");
    std::fs::write(at("rows.jsonl"), rows).unwrap();
    std::fs::write(at("main.dsp"), script + "// more\n").unwrap();
    refused("the script");
    assert_eq!(setting.server.seen().len(), ROWS);
}

/// A row that names a picture is another one when the picture is.
#[test]
fn a_picture_that_has_changed_is_not_gone_on_with() {
    let setting = Setting::new();
    let at = |name: &str| setting.dir.path().join(name);
    let script = std::fs::read_to_string(at("main.dsp")).unwrap();
    let script = script.replace("question -> answer", "photo: image, question -> answer");
    std::fs::write(at("main.dsp"), script).unwrap();
    let row = |n: usize| {
        format!("{{\"photo\": \"dot.gif\", \"question\": \"number {n}\", \"answer\": {n}}}\n")
    };
    std::fs::write(at("rows.jsonl"), (0..4).map(row).collect::<String>()).unwrap();
    std::fs::write(at("dot.gif"), "GIF89a one").unwrap();
    let begun = setting.begin().output().unwrap();
    assert!(begun.status.success(), "{}", said(&begun));
    let again = setting.command(&["--resume"]).output().unwrap();
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(setting.server.seen().len(), 4);
    std::fs::write(at("dot.gif"), "GIF89a two").unwrap();
    let changed = setting.command(&["--resume"]).output().unwrap();
    assert_eq!(changed.status.code(), Some(1), "{}", said(&changed));
    let told = "cannot go on: a file that the data names is another";
    assert!(said(&changed).contains(told), "{}", said(&changed));
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_read() {
    let setting = Setting::new();
    assert!(setting.begin().output().unwrap().status.success());
    let id = setting.runs().pop().unwrap();
    let folder = setting.dir.path().join("home/runs");
    let bytes = std::fs::read(folder.join(format!("{id}.jsonl"))).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(format!("{id}.jsonl"))), 0o600);
    }
    let head = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let mut before = 0;
    for end in (0..=bytes.len()).step_by(37).chain([bytes.len()]) {
        let host = MemoryHost::default().with_file("runs/cut.jsonl", &bytes[..end]);
        match journal::read(&host, Path::new("runs"), "cut") {
            Ok(saved) => {
                assert!(end >= head && saved.len() >= before && saved.len() <= ROWS);
                assert_eq!(saved.end.is_some(), end + 1 >= bytes.len(), "{end}");
                before = saved.len();
            }
            Err(why) => assert!(end < head && why.contains("no file of a run"), "{end}: {why}"),
        }
    }
    assert_eq!(before, ROWS);
}

impl Setting {
    fn dsp(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("DSP_HOME", self.dir.path().join("home")).env("TEST_KEY", "nobody's");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn search(&self, cache: &str) -> Command {
        let with = "random_search(candidates: 2, max_rounds: 2)";
        let mut args = vec!["compile", "main.dsp", "--program", "ask", "--metric", "right"];
        args.extend(["--with", with, "--trainset", "rows.jsonl", "-o", "tuned.json"]);
        args.extend(["--threads", "4", "--max-calls", "1000"]);
        args.extend((!cache.is_empty()).then_some(cache));
        self.dsp(&args)
    }

    fn state(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("tuned.json")).unwrap()
    }

    fn forget(&self) {
        std::fs::remove_file(self.dir.path().join("tuned.json")).unwrap();
        std::fs::remove_dir_all(self.dir.path().join("home")).unwrap();
    }
}

/// How many calls a command that went on said that may be paid for twice.
fn told_twice(told: &str) -> usize {
    let line = told.lines().find(|it| it.contains("may be paid for twice"));
    line.map_or(0, |it| it.split(' ').next().unwrap().parse().unwrap())
}

fn killed_search(cache: &str) {
    let setting = Setting::new();
    let whole = setting.search(cache).output().unwrap();
    assert!(whole.status.success(), "{}", said(&whole));
    let (expected, once) = (setting.state(), setting.server.seen().len());
    setting.forget();
    let (mut kills, mut twice, mut random) = (0, 0, 54_321_u64);
    loop {
        let resumed = !setting.runs().is_empty();
        let mut command =
            if resumed { setting.dsp(&["compile", "--resume"]) } else { setting.search(cache) };
        let mut child = command.spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Some time into the work, however slow the machine is.
        let enough = setting.server.seen().len() + 6 + (random >> 33) as usize % 30;
        while setting.server.seen().len() < enough && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = ends_within(&mut child, Duration::from_micros((random >> 20) % 20_000));
        if !ended {
            child.kill().unwrap();
            kills += 1;
        }
        let output = child.wait_with_output().unwrap();
        twice += told_twice(&said(&output));
        if ended {
            assert!(output.status.success(), "{}", said(&output));
            break;
        }
        assert!(kills < 100, "no kill leaves anything behind: {}", said(&output));
    }
    assert!(kills > 2, "{kills} kills");
    assert_eq!(setting.state(), expected);
    let repeated = setting.server.seen().len() - 2 * once;
    assert!(repeated <= twice, "{repeated} repeated, {twice} told, {kills} kills");
    assert!(twice <= kills * THREADS, "{twice} told, {kills} kills");
}

#[test]
fn a_killed_search_goes_on_where_it_was() {
    killed_search("");
}

#[test]
fn a_killed_search_without_kept_replies_goes_on_too() {
    killed_search("--no-cache");
}

#[test]
fn runs_are_listed_shown_and_deleted() {
    let setting = Setting::new();
    assert!(setting.begin().output().unwrap().status.success());
    let evaluated = setting.runs().pop().unwrap();
    let mut search = setting.search("").spawn().unwrap();
    setting.server.wait_for(ROWS + 40);
    search.kill().unwrap();
    search.wait().unwrap();
    let runs = setting.runs();
    let searched = runs.iter().find(|it| **it != evaluated).unwrap().clone();
    let stdout = |args: &[&str]| {
        let output = setting.dsp(args).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let list = stdout(&["runs", "list"]);
    let line = |id: &str| list.lines().find(|it| it.starts_with(id)).unwrap().to_owned();
    assert!(line(&evaluated).contains("ask by right"), "{list}");
    assert!(line(&evaluated).contains("finished") && line(&evaluated).contains("0.667"));
    assert!(line(&searched).contains("ask with random_search"), "{list}");
    let json = stdout(&["runs", "list", "--json"]);
    let all: Vec<Value> = json.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let of = |id: &str| all.iter().find(|it| it["id"] == id).unwrap();
    assert_eq!(
        (&of(&evaluated)["finished"], &of(&evaluated)["calls"]),
        (&true.into(), &60.into())
    );
    assert_eq!(
        (&of(&searched)["finished"], &of(&searched)["kind"]),
        (&false.into(), &"compile".into())
    );
    let show = stdout(&["runs", "show", &searched]);
    assert!(show.contains(&format!("goes on   `dsp compile --resume {searched}`")), "{show}");
    let wrong = setting.dsp(&["eval", "--resume", &searched]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("is no evaluation"), "{}", said(&wrong));
    stdout(&["runs", "rm", "--older-than", "30d"]);
    assert_eq!(setting.runs().len(), 2);
    stdout(&["runs", "rm", "--finished"]);
    assert_eq!(setting.runs(), std::slice::from_ref(&searched));
    let unknown = setting.dsp(&["runs", "rm", "nope"]).output().unwrap();
    assert!(said(&unknown).contains("there is no run `nope`"), "{}", said(&unknown));
    stdout(&["runs", "rm", &searched]);
    assert_eq!(setting.runs(), Vec::<String>::new());
    assert_eq!(stdout(&["runs", "list"]), "");
}

/// `dsp state ablate` keeps no file of finished runs: what it was answered is in the store, and
/// its runs are the same each time, so that it goes on where it was by being begun again.
#[test]
fn a_killed_ablation_is_begun_again_and_pays_for_nothing_twice() {
    let setting = Setting::new();
    let dsp = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.args(args).current_dir(setting.dir.path()).env_clear();
        command.env("DSP_HOME", setting.dir.path().join("home")).env("TEST_KEY", "nobody's");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let made = [
        "compile",
        "main.dsp",
        "--program",
        "ask",
        "--metric",
        "right",
        "--trainset",
        "rows.jsonl",
        "--with",
        "labeled_few_shot(k: 3)",
        "-o",
        "s.json",
        "--max-calls",
        "1",
    ];
    let made = dsp(&made).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let begun = setting.server.seen().len();
    let ablate = || {
        let args = [
            "state",
            "ablate",
            "s.json",
            "main.dsp",
            "--program",
            "ask",
            "--metric",
            "right",
            "--data",
            "rows.jsonl",
            "--max-calls",
            "5000",
            "--threads",
            "4",
            "--json",
        ];
        dsp(&args)
    };
    let mut child = ablate().spawn().unwrap();
    setting.server.wait_for(begun + 60);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = setting.server.seen().len();
    let report = |output: Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        without_times(&mut report);
        report
    };
    let second = report(ablate().output().unwrap());
    let seen = setting.server.seen();
    let mut distinct: Vec<&str> = seen[begun..].iter().map(|it| it.body.as_str()).collect();
    let all = distinct.len();
    distinct.sort_unstable();
    distinct.dedup();
    // Calls that were under way when it was killed may be paid for twice, and no others.
    assert!(all - distinct.len() <= THREADS, "{all} requests, {} of them new", distinct.len());
    assert!(killed - begun < all, "it was killed before its end");
    let third = report(ablate().output().unwrap());
    assert_eq!(setting.server.seen().len(), seen.len(), "all replies are in the store");
    assert_eq!(second["calls"], third["calls"]);
    assert_eq!(second["parts"], third["parts"]);
}
