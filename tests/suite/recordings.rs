//! Recorded replies: who is asked when, what the file holds, and what a changed prompt says.

use crate::http::server::{Play, Server};
use crate::testing::{Ended, Project};

const SCRIPT: &str = r#"settings { lm: "main" }
signature Answer { in question: str  out answer: str }
module Ask() { let answer = predict(Answer); fn forward(question: str) { answer(question) } }
test "dune" { assert Ask()(question: "Who wrote Dune?").answer.contains("Herbert"); }
test "emma" { assert Ask()(question: "Who wrote Emma?").answer.contains("Austen"); }
test "none" { assert true; }
"#;

fn reply(name: &str) -> Play {
    Play::text(&format!("[[ ## answer ## ]]\n{name}\n\n[[ ## completed ## ]]"))
}

/// Settings that name a model behind a server.
fn settings(server: &Server) -> String {
    format!("[models.main]\nmodel = \"openai/small\"\napi_base = \"{}\"\n", server.base())
}

/// The same where there is none.
const NOWHERE: &str = "[models.main]\nmodel = \"openai/small\"\napi_base = \"http://127.0.0.1:9/v1\"\nretries = 0\n";

fn project(server: &Server) -> Project {
    Project::new(&[("a.dsp", SCRIPT), ("dsp.toml", &settings(server))])
}

/// Another checkout: the committed files, and nothing else.
fn clone(project: &Project, script: &str) -> Project {
    let recording = project.read("a.replies.jsonl");
    Project::new(&[("a.dsp", script), ("a.replies.jsonl", &recording), ("dsp.toml", NOWHERE)])
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

/// One thread, so that the replies of the server land where they are meant to.
const RECORD: [&str; 5] = ["test", "a.dsp", "--record", "--threads", "1"];

#[test]
fn what_is_not_recorded_is_not_sent() {
    let server = Server::start([]);
    let ended = project(&server).dsp(&["test"]);
    assert_eq!(ended.code, Some(1), "{}", said(&ended));
    assert!(ended.stdout.contains("E0510"), "{}", said(&ended));
    assert!(ended.stdout.contains("not recorded: call `answer#0` to `openai/small`"));
    assert!(ended.stdout.contains("nothing is recorded of this test"), "{}", said(&ended));
    assert!(ended.stdout.contains("`dsp test a.dsp --record`"), "{}", said(&ended));
    assert!(ended.stdout.contains("1 passed, 2 stopped by an error"), "{}", said(&ended));
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_recording_replays_in_a_clean_checkout() {
    let server = Server::start([reply("Frank Herbert"), reply("Jane Austen")]);
    let project = project(&server);
    let ended = project.dsp(&RECORD);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    assert_eq!(server.seen().len(), 2);
    assert!(ended.stderr.contains("2 replies now, 0 before"), "{}", said(&ended));
    let ended = clone(&project, SCRIPT).dsp(&["test"]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    assert!(ended.stdout.contains("3 passed"), "{}", said(&ended));
}

#[test]
fn a_recording_is_a_stable_text_without_addresses() {
    let server = Server::start([reply("Frank Herbert"), reply("Jane Austen")]);
    let project = project(&server);
    project.dsp(&RECORD);
    let first = project.read("a.replies.jsonl");
    assert!(!first.contains("127.0.0.1"), "{first}");
    assert_eq!(first.lines().filter(|it| it.contains("\"reply\":")).count(), 2, "{first}");
    // What is recorded is not asked again, with the store gone too.
    std::fs::remove_dir_all(project.path().join(".home")).unwrap();
    let ended = project.dsp(&RECORD);
    assert_eq!((ended.code, server.seen().len()), (Some(0), 2), "{}", said(&ended));
    assert_eq!(project.read("a.replies.jsonl"), first);
}

#[test]
fn fresh_replies_are_recorded_where_they_are_wanted() {
    let server = Server::start(["A Herbert", "An Austen", "Herbert", "Austen"].map(reply));
    let project = project(&server);
    project.dsp(&RECORD);
    let ended = project.dsp(&[&RECORD[..], &["--no-cache"]].concat());
    assert_eq!((ended.code, server.seen().len()), (Some(0), 4), "{}", said(&ended));
    let text = project.read("a.replies.jsonl");
    assert!(!text.contains("A Herbert") && text.contains("\\nHerbert\\n"), "{text}");
}

#[test]
fn a_changed_prompt_says_where_it_differs() {
    let server = Server::start([reply("Frank Herbert"), reply("Jane Austen")]);
    let project = project(&server);
    project.dsp(&RECORD);
    let changed = SCRIPT.replace("Who wrote Emma?", "Who wrote the novel Emma?");
    let ended = clone(&project, &changed).dsp(&["test"]);
    assert_eq!(ended.code, Some(1), "{}", said(&ended));
    for line in [
        "the prompt differs from turn 2 (user), line 2 on",
        "recorded: Who wrote Emma?",
        "now:      Who wrote the novel Emma?",
        "2 passed, 1 stopped by an error",
    ] {
        assert!(ended.stdout.contains(line), "{line}:\n{}", said(&ended));
    }
    let cases = [
        ("predict(Answer)", "predict(Answer, temperature: 0.5)", "how tokens are drawn is not"),
        ("\"main\"", "\"openai/big\"", "recorded of the model `openai/small`"),
        ("module", "/// x\nmodule", "3 passed"),
        ("signature", "/// Be brief.\nsignature", "the prompt differs from turn 1 (system)"),
    ];
    for (old, new, told) in cases {
        let ended = clone(&project, &SCRIPT.replacen(old, new, 1)).dsp(&["test"]);
        assert!(ended.stdout.contains(told), "{new}:\n{}", said(&ended));
    }
}

#[test]
fn what_no_test_asks_for_is_told_and_dropped() {
    let server = Server::start([reply("Frank Herbert"), reply("Jane Austen")]);
    let project = project(&server);
    project.dsp(&RECORD);
    let without = SCRIPT.replace("test \"emma\"", "test \"emma, renamed\"");
    let other = clone(&project, &without);
    let ended = other.dsp(&["test", "--filter", "dune"]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    assert!(ended.stderr.contains("holds 1 reply that no test asks for"), "{}", said(&ended));
    let ended = other.dsp(&["test", "--record", "--filter", "dune"]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    let text = other.read("a.replies.jsonl");
    assert!(!text.contains("Jane Austen") && text.contains("Frank Herbert"), "{text}");
}

#[test]
fn a_filter_keeps_the_recordings_of_other_tests() {
    let server = Server::start([reply("Frank Herbert"), reply("Jane Austen")]);
    let project = project(&server);
    let first = project.dsp(&["test", "--record", "--filter", "dune"]);
    assert_eq!((first.code, server.seen().len()), (Some(0), 1), "{}", said(&first));
    let second = project.dsp(&["test", "--record", "--filter", "emma"]);
    assert_eq!((second.code, server.seen().len()), (Some(0), 2), "{}", said(&second));
    assert_eq!(clone(&project, SCRIPT).dsp(&["test"]).code, Some(0));
}

#[test]
fn a_model_that_fails_while_recording_takes_nothing_away() {
    let server = Server::start([reply("Frank Herbert"), reply("Jane Austen")]);
    let project = project(&server);
    project.dsp(&RECORD);
    let first = project.read("a.replies.jsonl");
    std::fs::write(project.path().join("dsp.toml"), NOWHERE).unwrap();
    let ended = project.dsp(&[&RECORD[..], &["--no-cache"]].concat());
    assert_eq!(ended.code, Some(1), "{}", said(&ended));
    assert_eq!(project.read("a.replies.jsonl"), first);
}

#[test]
fn a_broken_recording_is_told_at_its_line() {
    for (text, line) in [
        ("{\"version\":1,\"about\":\"\"}\n<<<<<<< HEAD\n", ":2:"),
        ("{}\n", ":1:"),
        ("{\"version\":9,\"about\":\"\"}\n", ":1:"),
    ] {
        let project = Project::new(&[
            ("a.dsp", SCRIPT),
            ("a.replies.jsonl", text),
            ("dsp.toml", NOWHERE),
        ]);
        let ended = project.dsp(&["test"]);
        assert_eq!(ended.code, Some(2), "{}", said(&ended));
        assert!(
            ended.stderr.contains("a.replies.jsonl") && ended.stderr.contains(line),
            "{}",
            said(&ended)
        );
    }
}

#[test]
fn live_tests_ask_and_record_nothing() {
    let server = Server::start([reply("Frank Herbert"), reply("Jane Austen")]);
    let project = project(&server);
    let live = ["test", "--live", "--threads", "1"];
    let ended = project.dsp(&live);
    assert_eq!((ended.code, server.seen().len()), (Some(0), 2), "{}", said(&ended));
    assert!(ended.stdout.contains("2 calls, 28 tokens"), "{}", said(&ended));
    assert!(!project.path().join("a.replies.jsonl").exists());
    let ended = project.dsp(&live);
    assert_eq!((ended.code, server.seen().len()), (Some(0), 2), "{}", said(&ended));
}

#[test]
fn repeated_tests_say_how_often_they_fail() {
    let replies = ["Herbert", "Herbert", "nobody", "Herbert"].map(reply);
    let server = Server::start(replies);
    let project = project(&server);
    let repeat = ["test", "--filter", "dune", "--repeat", "4", "--threads", "1"];
    let ended = project.dsp(&repeat);
    assert_eq!((ended.code, server.seen().len()), (Some(1), 4), "{}", said(&ended));
    let line = "3/4  dune  fails 25.0 % of the time (95 % interval 0.6 % to 80.6 %)";
    assert!(ended.stdout.contains(line), "{}", said(&ended));
    assert!(ended.stdout.contains("nobody"), "{}", said(&ended));
    let temperatures =
        server.seen().iter().map(|it| it.json()["temperature"].clone()).collect::<Vec<_>>();
    assert!(temperatures.iter().all(|it| *it == temperatures[0]), "{temperatures:?}");
    let json = project.dsp(&[&repeat[..], &["--json"]].concat());
    let line: serde_json::Value =
        serde_json::from_str(json.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&line["repeats"]["passed"], &line["repeats"]["runs"]), (&3.into(), &4.into()));
}

#[test]
fn a_test_inside_an_evaluation_is_stopped_by_what_is_not_recorded() {
    let script = r#"settings { lm: "main" }
const qa = predict("question -> answer");
const rows = dataset([#{ question: "a", answer: "x" }, #{ question: "b", answer: "x" }]);
fn right(example, reply) { example.answer == reply.answer }
test "score" { assert evaluate(qa, rows, metric: right).score == 1.0; }
"#;
    let server = Server::start([reply("x"), reply("x")]);
    let project = Project::new(&[("a.dsp", script), ("dsp.toml", &settings(&server))]);
    let ended = project.dsp(&["test"]);
    assert!(ended.code == Some(1) && ended.stdout.contains("E0510"), "{}", said(&ended));
    assert_eq!(project.dsp(&RECORD).code, Some(0));
    assert_eq!(clone(&project, script).dsp(&["test", "--threads", "4"]).code, Some(0));
    let recording = project.read("a.replies.jsonl");
    assert!(recording.contains("\"example\":1"), "{recording}");
    // The rows that have replies do not make a score alone.
    let less = script.replace("question: \"b\"", "question: \"c\"");
    let ended = clone(&project, &less).dsp(&["test", "--threads", "4"]);
    assert!(
        ended.code == Some(1) && ended.stdout.contains("call `self@1#0`"),
        "{}",
        said(&ended)
    );
}
