//! Evaluations that are made again from the traces of runs and of `dsp eval`, and forks of forks.

use crate::http::server::{Play, Seen, Server};
use crate::testing::{Ended, Project};
use std::fmt::Write;

const ROWS: usize = 24;

const ITEMS: &str = r#"
settings { lm: "main", adapter: "chat" }
signature Find { in question: str  out term: str }
signature Say { in term: str  out answer: str }
module Two() {
    let find = predict(Find);
    let say = predict(Say);
    fn forward(question) { say(term: find(question).term) }
}
const two = Two();
fn right(example, reply) {
    print(`row ${example.n}`);
    reply.answer.contains(example.answer)
}
"#;

const MAIN: &str = r#"
let data = load("rows.jsonl");
print(two(question: "before").answer);
let first = evaluate(two, data, metric: right);
let again = evaluate(two, data, metric: right);
print(first.score, again.score, two(question: "after").answer, trace().nodes.len());
"#;

/// What a server says: what it was asked, in other words. No two calls get the same.
fn echo(seen: &Seen) -> Play {
    let json = seen.json();
    let messages = json["messages"].as_array().unwrap();
    let asked = messages.last().unwrap()["content"].as_str().unwrap();
    let marker = if asked.contains("[[ ## term ## ]]\n") { "answer" } else { "term" };
    let value = asked.split("]]\n").nth(1).unwrap_or_default().lines().next().unwrap_or("none");
    let loud = if seen.body.contains("Shout") { "!" } else { "" };
    Play::text(&format!("[[ ## {marker} ## ]]\nsaid {value}{loud}\n\n[[ ## completed ## ]]"))
}

fn project(server: &Server, script: &str) -> Project {
    let settings =
        format!("[models.main]\nmodel = \"openai/small\"\napi_base = \"{}\"\n", server.base());
    let mut rows = String::new();
    for n in 0..ROWS {
        let _ = writeln!(rows, r#"{{"n": {n}, "question": "q{n}", "answer": "q{}"}}"#, n % 20);
    }
    Project::new(&[("main.dsp", script), ("dsp.toml", &settings), ("rows.jsonl", &rows)])
}

fn goes_well(ended: Ended) -> Ended {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    ended
}

fn fails(ended: Ended, why: &str) -> Ended {
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    ended
}

fn write(project: &Project, name: &str, text: &str) {
    std::fs::write(project.path().join(name), text).unwrap();
}

#[test]
fn rows_of_a_run_are_made_again_with_any_number_of_threads() {
    let server = Server::answering(echo);
    let project = project(&server, &format!("{ITEMS}{MAIN}"));
    let run = |threads: &str, file: &str| {
        let args = ["run", "main.dsp", "--trace", file, "--no-cache", "--threads", threads];
        goes_well(project.dsp(&args))
    };
    let (one, many) = (run("1", "one.jsonl"), run("64", "many.jsonl"));
    assert_eq!(one.stdout, many.stdout);
    assert!(one.stdout.contains("row 22\nrow 23\nrow 0\n"), "{}", one.stdout);
    assert_eq!(server.seen().len(), 2 * (2 * 2 * ROWS + 4));
    goes_well(project.dsp(&["trace", "diff", "one.jsonl", "many.jsonl"]));
    // Twice the same data, with two calls and their module for each row.
    let nodes = project.read("many.jsonl").lines().filter(|it| it.contains("\"node\"")).count();
    assert_eq!(nodes, 2 * 3 * ROWS + 6);
    for threads in ["1", "64"] {
        let ended =
            goes_well(project.dsp(&["trace", "replay", "many.jsonl", "--threads", threads]));
        assert_eq!(ended.stdout, one.stdout);
        assert!(ended.stderr.contains("100 requests were answered from it, nothing was sent"));
    }
    assert_eq!(server.seen().len(), 200);
}

#[test]
fn a_row_is_forked_and_the_rest_replays() {
    let server = Server::answering(echo);
    let project = project(&server, &format!("{ITEMS}{MAIN}"));
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl", "--no-cache"]));
    let show = goes_well(project.dsp(&["trace", "show", "t.jsonl", "--path", "find"])).stdout;
    // The second evaluation's: the first asks the same at the same place of the program.
    let of_row: Vec<&str> =
        show.lines().filter(|it| it.contains("lm Find [find] example 7 ")).collect();
    let [_, second] = of_row[..] else { panic!("{show}") };
    let at = second.trim().split(' ').next().unwrap();
    let sent = server.seen().len();
    let reply = "[[ ## term ## ]]\nanother\n\n[[ ## completed ## ]]";
    let fork = ["trace", "fork", "t.jsonl", "--at", at, "--reply", reply, "-o", "f.jsonl"];
    let ended = goes_well(project.dsp(&fork));
    assert!(ended.stderr.contains("98 requests were answered from the trace, 1 sent"));
    assert!(ended.stdout.contains("147 nodes are the same, 3 differ"), "{}", ended.stdout);
    assert_eq!(server.seen().len(), sent + 1);
    goes_well(project.dsp(&["trace", "replay", "f.jsonl"]));
    let fork =
        ["trace", "fork", "t.jsonl", "--at", at, "--instructions", "Shout.", "-o", "g.jsonl"];
    let ended = goes_well(project.dsp(&fork));
    assert!(ended.stderr.contains("98 requests were answered from the trace, 2 sent"));
    // What was told otherwise is told so again.
    goes_well(project.dsp(&["trace", "replay", "g.jsonl"]));
    assert_eq!(server.seen().len(), sent + 3);
}

#[test]
fn an_evaluation_of_the_command_line_is_made_again() {
    let server = Server::answering(echo);
    let project = project(&server, ITEMS);
    let eval = |more: &[&str]| {
        let args = ["eval", "main.dsp", "--program", "two", "--metric", "right"];
        goes_well(project.dsp(&[&args, &["--data", "rows.jsonl"][..], more].concat()))
    };
    eval(&["--trace", "t.jsonl"]);
    assert_eq!(server.seen().len(), 2 * ROWS);
    for threads in ["1", "64"] {
        let ended =
            goes_well(project.dsp(&["trace", "replay", "t.jsonl", "--threads", threads]));
        assert!(ended.stdout.starts_with("row 0\nrow 1\n"), "{}", ended.stdout);
        assert!(ended.stderr.contains("48 requests were answered"), "{}", ended.stderr);
    }
    let live = goes_well(project.dsp(&["trace", "replay", "t.jsonl", "--live"]));
    assert!(live.stderr.contains("48 requests were answered from the trace, 0 sent"));
    let fork = ["trace", "fork", "t.jsonl", "--at", "4", "--reply", "term: x", "-o", "f.jsonl"];
    let ended = goes_well(project.dsp(&fork));
    assert!(ended.stderr.contains("46 requests were answered from the trace, 1 sent"));
    goes_well(project.dsp(&["trace", "replay", "f.jsonl"]));
    assert_eq!(server.seen().len(), 2 * ROWS + 1);
    // Searches are not.
    let head =
        project.read("t.jsonl").replace("\"command\":\"eval\"", "\"command\":\"compile\"");
    write(&project, "c.jsonl", &head);
    let ended = project.dsp(&["trace", "replay", "c.jsonl"]);
    assert!(ended.stderr.contains("is a trace of `dsp compile`"), "{}", ended.stderr);
}

#[test]
fn a_file_that_was_changed_is_named() {
    let server = Server::answering(echo);
    let project = project(&server, &format!("{ITEMS}{MAIN}"));
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    let sent = server.seen().len();
    let rows = project.read("rows.jsonl");
    // What only the metric reads changes no request, and the run all the same.
    write(&project, "rows.jsonl", &rows.replacen("\"answer\": \"q3\"", "\"answer\": \"x\"", 1));
    let told = "`rows.jsonl` is not what it was when `t.jsonl` was written";
    fails(project.dsp(&["trace", "replay", "t.jsonl"]), told);
    write(&project, "rows.jsonl", &rows.replacen("\"q5\"", "\"Q5\"", 1));
    fails(project.dsp(&["trace", "replay", "t.jsonl"]), told);
    assert_eq!(server.seen().len(), sent);
    let live = goes_well(project.dsp(&["trace", "replay", "t.jsonl", "--live"]));
    assert!(live.stderr.contains("`rows.jsonl` was changed since"), "{}", live.stderr);
    // The second time the store has what the first one asked.
    assert_eq!(server.seen().len(), sent + 2);
    write(&project, "rows.jsonl", &rows);
    goes_well(project.dsp(&["trace", "replay", "t.jsonl"]));
}

#[test]
fn a_fork_is_forked_and_both_changes_hold() {
    let server = Server::answering(echo);
    let main = "print(two(question: \"which\").answer);\n";
    let project = project(&server, &format!("{ITEMS}{main}"));
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    let fork = |from: &str, at: &str, change: &[&str], to: &str| {
        let args = [&["trace", "fork", from, "--at", at, "-o", to][..], change].concat();
        goes_well(project.dsp(&args))
    };
    let ended = fork("t.jsonl", "say", &["--instructions", "Shout."], "f.jsonl");
    assert!(ended.stdout.starts_with("said said which!\n"), "{}", ended.stdout);
    let ended = fork("f.jsonl", "find", &["--reply", "term: that"], "g.jsonl");
    assert!(ended.stdout.starts_with("said that!\n"), "{}", ended.stdout);
    let sent = server.seen().len();
    for (file, printed) in [("f.jsonl", "said said which!\n"), ("g.jsonl", "said that!\n")] {
        assert_eq!(goes_well(project.dsp(&["trace", "replay", file])).stdout, printed);
    }
    assert_eq!(server.seen().len(), sent);
    let ended = fork("g.jsonl", "say", &["--instructions", "Whisper."], "h.jsonl");
    assert!(ended.stdout.starts_with("said that\n"), "{}", ended.stdout);
}

#[test]
fn a_script_that_forks_is_made_again() {
    let server = Server::answering(echo);
    let main = r#"
let a = two(question: "which");
let b = trace(a).fork(at: "find", reply: #{ term: "that" });
let c = trace(b).fork(at: "say", instructions: "Shout.");
print(a.answer, b.answer, c.answer, cost().calls);
print(trace(a).diff(trace(c)).changed.len());
"#;
    let project = project(&server, &format!("{ITEMS}{main}"));
    let run = goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    assert_eq!(run.stdout, "said said which said that said that! 4\n3\n");
    let sent = server.seen().len();
    assert_eq!(sent, 4);
    for more in [&[][..], &["--live"]] {
        let ended = project.dsp(&[&["trace", "replay", "t.jsonl"], more].concat());
        assert!(ended.stdout.starts_with("said said which said that said that!"));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    assert_eq!(server.seen().len(), sent);
    // Where the script is forked from outside, its own forks follow.
    let fork =
        ["trace", "fork", "t.jsonl", "--at", "1", "--reply", "term: this", "-o", "f.jsonl"];
    let ended = goes_well(project.dsp(&fork));
    assert!(ended.stdout.starts_with("said this said that said that!"), "{}", ended.stdout);
    assert_eq!(server.seen().len(), sent + 1);
    goes_well(project.dsp(&["trace", "test", "t.jsonl"]));
}
