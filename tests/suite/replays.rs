//! Runs that are made again from their traces: `dsp trace replay` and `dsp trace fork`.

use crate::http::server::{Play, Seen, Server};
use crate::testing::{Ended, Project};

/// What a server that writes films says; the term is longer where it must be.
fn film(seen: &Seen) -> Play {
    let body = &seen.body;
    let is_say = body.contains("Write [[ ## answer ## ]]");
    match is_say {
        true if body.contains("Dune Messiah") => say("the second book"),
        true => say("the first book"),
        false if body.contains("must be long") => find("Dune of the desert"),
        false => find("Dune"),
    }
}

fn find(term: &str) -> Play {
    Play::text(&format!("[[ ## term ## ]]\n{term}\n\n[[ ## completed ## ]]"))
}

fn say(answer: &str) -> Play {
    Play::text(&format!("[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]"))
}

const TWO: &str = r#"
settings { lm: "main", adapter: "chat" }
signature Find { in question: str  out term: str }
signature Say { in term: str  out answer: str }
module Two() {
    let find = predict(Find);
    let say = predict(Say);
    fn forward(question) { say(term: find(question).term) }
}
let two = Two();
print(two(question: "Which book?").answer);
print(two(question: "And which film?").answer);
"#;

fn project(server: &Server, script: &str) -> Project {
    let settings =
        format!("[models.main]\nmodel = \"openai/small\"\napi_base = \"{}\"\n", server.base());
    Project::new(&[("main.dsp", script), ("dsp.toml", &settings)])
}

fn goes_well(ended: Ended) -> Ended {
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    ended
}

fn write(project: &Project, name: &str, text: &str) {
    std::fs::write(project.path().join(name), text).unwrap();
}

#[test]
fn a_run_is_made_again_and_nothing_is_sent() {
    let server = Server::answering(film);
    let project = project(&server, TWO);
    let run = goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    assert_eq!(run.stdout, "the first book\nthe first book\n");
    let sent = server.seen().len();
    for threads in ["1", "64"] {
        let again = ["trace", "replay", "t.jsonl", "--threads", threads, "-o", "u.jsonl"];
        let again = goes_well(project.dsp(&again));
        assert_eq!(again.stdout, run.stdout);
        let told = "as in t.jsonl: 4 requests were answered from it, nothing was sent\n";
        assert_eq!(again.stderr, told);
    }
    assert_eq!(server.seen().len(), sent);
    // The trace of the new run is one that can be replayed, too, also by a script elsewhere.
    std::fs::create_dir(project.path().join("b")).unwrap();
    write(&project, "b/other.dsp", TWO);
    goes_well(project.dsp(&["trace", "replay", "u.jsonl", "b/other.dsp"]));
    assert_eq!(server.seen().len(), sent);
}

#[test]
fn the_first_difference_is_told_word_by_word() {
    let server = Server::answering(film);
    let project = project(&server, TWO);
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    let sent = server.seen().len();
    let fails = |script: &str, why: &[&str]| {
        write(&project, "main.dsp", script);
        let ended = project.dsp(&["trace", "replay", "t.jsonl"]);
        assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
        for why in why {
            assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
        }
        assert_eq!(ended.stderr.matches("error[E0510]").count(), 1, "{}", ended.stderr);
    };
    // Another request.
    fails(
        &TWO.replace("Which book?", "What book?"),
        &[
            "`find#0` is asked something else than in the trace (#1)",
            "[-Which-] {+What+} book?",
        ],
    );
    // A call that the trace does not have.
    fails(
        &format!("{TWO}print(two(question: \"More?\").answer);"),
        &["the trace has no call `find#2` to `openai/small`", "it has 2 calls of `find`"],
    );
    // One that is left over.
    fails(
        &TWO.replace("print(two(question: \"And which film?\").answer);", ""),
        &["2 calls of `t.jsonl` were not made again", "#4 Find [find]", "#5 Say [say]"],
    );
    // Another output.
    fails(
        &TWO.replace("print(two(question: \"Which", "print(\"so: \" + two(question: \"Which"),
        &["what is printed is not as in `t.jsonl`", "{+so:+} the first book"],
    );
    // Another model.
    let settings =
        format!("[models.main]\nmodel = \"openai/other\"\napi_base = \"{}\"\n", server.base());
    let before = project.read("dsp.toml");
    write(&project, "dsp.toml", &settings);
    fails(TWO, &["model: [-openai/small-] {+openai/other+}"]);
    write(&project, "dsp.toml", &before);
    assert_eq!(server.seen().len(), sent);
    // Live, only what differs is asked.
    write(&project, "main.dsp", &TWO.replace("And which film?", "Which play?"));
    let live = goes_well(project.dsp(&["trace", "replay", "t.jsonl", "--live", "--no-cache"]));
    assert_eq!(live.stdout, "the first book\nthe first book\n");
    assert!(
        live.stderr.contains("from here on the model is asked: `find#1`"),
        "{}",
        live.stderr
    );
    assert!(live.stderr.contains("3 requests were answered from the trace, 1 sent"));
    assert_eq!(server.seen().len(), sent + 1);
    let capped = ["trace", "replay", "t.jsonl", "--live", "--no-cache", "--max-calls", "0"];
    let capped = project.dsp(&capped);
    assert_eq!(capped.code, Some(1));
    assert!(capped.stderr.contains("E0506"), "{}", capped.stderr);
}

const REPAIRED: &str = r#"
settings { lm: "main", adapter: "chat" }
signature Find { in question: str  out term: str }
signature Say { in term: str  out answer: str }
module Two() {
    let find = predict(Find);
    let say = predict(Say);
    fn forward(question) {
        let found = find(question);
        assert found.term.len() > 10, "it must be long";
        let both = parallel(#{ a: || say(term: found.term), b: || say(term: "Emma") });
        both.a
    }
}
let two = Two();
print(two(question: "Which book?").answer);
for it in ["One?", "Two?", "Three?"].parallel_map(|q| two(question: q)) { print(it.answer); }
"#;

#[test]
fn repairs_and_parallel_calls_are_made_again() {
    let server = Server::answering(film);
    let project = project(&server, REPAIRED);
    for threads in ["1", "64"] {
        let run = ["run", "main.dsp", "--no-cache", "--trace", "t.jsonl", "--threads", threads];
        let run = goes_well(project.dsp(&run));
        let sent = server.seen().len();
        for threads in ["1", "64"] {
            let again = ["trace", "replay", "t.jsonl", "--threads", threads];
            let again = goes_well(project.dsp(&again));
            assert_eq!(again.stdout, run.stdout);
            assert!(again.stderr.contains("16 requests were answered"), "{}", again.stderr);
        }
        assert_eq!(server.seen().len(), sent);
    }
}

/// Scripted replies are held against the trace as well.
const SCRIPTED: &str = r#"
let p = predict("question -> answer, sure: bool",
    lm: scripted(["[[ ## answer ## ]]\nyes\n\n[[ ## sure ## ]]\nwhat?",
        #{ answer: "yes", sure: true }, #{ answer: "no", sure: false }]));
print(p(question: "One?").answer);
print(p(question: "Two?").answer);
"#;

#[test]
fn a_script_with_replies_of_its_own_is_made_again() {
    let project = Project::new(&[("main.dsp", SCRIPTED)]);
    let run = goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    let again = goes_well(project.dsp(&["trace", "replay", "t.jsonl"]));
    assert_eq!(again.stdout, run.stdout);
    assert!(again.stderr.contains("3 requests were answered"), "{}", again.stderr);
    write(&project, "main.dsp", &SCRIPTED.replace("Two?", "Too?"));
    let ended = project.dsp(&["trace", "replay", "t.jsonl"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("[-Two?-]{+Too?+}"), "{}", ended.stderr);
}

#[test]
fn failures_of_the_model_are_made_again() {
    let server =
        Server::start([Play::status(400, "no"), say("later"), Play::status(400, "never")]);
    let script = r#"
settings { lm: "main", adapter: "chat" }
let p = predict("term -> answer");
try { print(p(term: "a").answer) } catch (e) { print("failed: " + e.kind) }
print(p(term: "b").answer);
p(term: "c")
"#;
    let project = project(&server, script);
    let run = project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (Some(1), "failed: lm\nlater\n"),
        "{}",
        run.stderr
    );
    let sent = server.seen().len();
    let again = project.dsp(&["trace", "replay", "t.jsonl"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), "failed: lm\nlater\n"));
    assert!(again.stderr.contains("it failed as it did then:"), "{}", again.stderr);
    assert_eq!(server.seen().len(), sent);
}

#[test]
fn what_cannot_be_made_again_is_told() {
    let server = Server::answering(film);
    let project = project(&server, TWO);
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl", "--no-trace-content"]));
    let told = |args: &[&str], why: &str| {
        let ended = project.dsp(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{args:?}: {}", ended.stderr);
    };
    let head = project.read("t.jsonl").lines().next().unwrap().to_owned();
    assert!(head.contains("main.dsp") && !head.contains("printed"), "{head}");
    told(&["trace", "replay", "t.jsonl"], "`t.jsonl` holds no prompts and replies");
    told(
        &["trace", "fork", "t.jsonl", "--at", "1", "--reply", "x", "-o", "f"],
        "holds no prompts",
    );
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    // A file of before knew nothing of its script.
    let text = project.read("t.jsonl");
    let (_, rest) = text.split_once('\n').unwrap();
    write(&project, "old.jsonl", &format!("{{\"dsp_trace\":1}}\n{rest}"));
    told(&["trace", "replay", "old.jsonl"], "`old.jsonl` does not say which script it is of");
    goes_well(project.dsp(&["trace", "replay", "old.jsonl", "main.dsp"]));
    // On another machine the store has nothing of it.
    let elsewhere = [("DSP_HOME", "elsewhere")];
    let ended = project.dsp_with(&["trace", "replay", "t.jsonl"], &elsewhere);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("of `t.jsonl` are not in the store"), "{}", ended.stderr);
    let whole = ["trace", "export", "t.jsonl", "--format", "jsonl", "-o", "whole.jsonl"];
    goes_well(project.dsp(&whole));
    let bare = ["trace", "export", "t.jsonl", "--format", "jsonl", "--no-content"];
    assert!(!project.dsp(&bare).stdout.contains("book"));
    let sent = server.seen().len();
    goes_well(project.dsp_with(&["trace", "replay", "whole.jsonl"], &elsewhere));
    assert_eq!(server.seen().len(), sent);
}

#[test]
fn a_call_is_changed_and_what_depends_on_it_is_asked() {
    let server = Server::answering(film);
    let project = project(&server, TWO);
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    let sent = server.seen().len();
    let reply = "[[ ## term ## ]]\nDune Messiah\n\n[[ ## completed ## ]]";
    write(&project, "reply.txt", reply);
    let dry = ["trace", "fork", "t.jsonl", "--at", "#1", "--reply", "@reply.txt", "--dry"];
    let dry = goes_well(project.dsp(&dry));
    assert!(dry.stdout.contains("would be asked:"), "{}", dry.stdout);
    assert!(dry.stdout.contains("Dune Messiah"), "{}", dry.stdout);
    assert_eq!(server.seen().len(), sent);
    let fork = ["trace", "fork", "t.jsonl", "--at", "#1", "--reply", reply, "-o", "f.jsonl"];
    let forked = goes_well(project.dsp(&fork));
    assert!(
        forked.stdout.starts_with("the second book\nthe first book\n"),
        "{}",
        forked.stdout
    );
    assert!(forked.stdout.contains("the first: #0 module Two"), "{}", forked.stdout);
    assert!(forked.stderr.contains("2 requests were answered from the trace, 1 sent"));
    assert_eq!(server.seen().len(), sent + 1);
    // Both branches are kept, and can be compared and made again.
    let ended = project.dsp(&["trace", "diff", "t.jsonl", "f.jsonl"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("Dune Messiah") || ended.stdout.contains("Messiah"));
    goes_well(project.dsp(&["trace", "replay", "f.jsonl"]));
    goes_well(project.dsp(&["trace", "replay", "t.jsonl"]));
    assert_eq!(server.seen().len(), sent + 1);
}

#[test]
fn a_call_gets_other_words_or_another_model() {
    let server = Server::answering(film);
    let project = project(&server, TWO);
    let settings = project.read("dsp.toml");
    let other = settings.replace("main", "other").replace("small", "large");
    write(&project, "dsp.toml", &format!("{settings}{other}"));
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    let fork = |change: &[&str]| {
        let sent = server.seen().len();
        let args = [&["trace", "fork", "t.jsonl", "--at", "find#1", "-o", "f.jsonl"], change];
        let ended = goes_well(project.dsp(&args.concat()));
        (ended, server.seen().split_off(sent))
    };
    let (ended, seen) = fork(&["--instructions", "Name it, but it must be long."]);
    assert_eq!(seen.len(), 2, "{}", ended.stderr);
    assert!(
        seen[0].body.contains("must be long") && seen[1].body.contains("Dune of the desert")
    );
    assert!(ended.stdout.contains("{+"), "{}", ended.stdout);
    let (ended, seen) = fork(&["--lm", "other"]);
    // The same term: what follows is answered from the trace.
    assert_eq!(seen.len(), 1, "{}", ended.stderr);
    assert!(seen[0].body.contains("\"large\""), "{}", seen[0].body);
    let (_, seen) = fork(&["--prompt", "Say it. It must be long"]);
    assert!(seen[0].body.contains("Say it.") && !seen[0].body.contains("And which film?"));
    let all = r#"[{"role": "user", "text": "All of it."}]"#;
    let (_, seen) = fork(&["--prompt", all]);
    assert_eq!(seen[0].json()["messages"].as_array().unwrap().len(), 1);
    for (change, why) in [
        (&["--at", "0", "--reply", "x"][..], "#0 is no call of a model"),
        (&["--at", "9", "--reply", "x"], "there is no node #9"),
        (&["--at", "1"], "required arguments"),
    ] {
        let ended =
            project.dsp(&[&["trace", "fork", "t.jsonl", "-o", "f.jsonl"], change].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
}

#[test]
fn a_run_becomes_a_test() {
    let server = Server::answering(film);
    let project = project(&server, REPAIRED);
    goes_well(project.dsp(&["run", "main.dsp", "--trace", "t.jsonl"]));
    let sent = server.seen().len();
    goes_well(project.dsp(&["trace", "test", "t.jsonl"]));
    let text = project.read("main.test.dsp");
    assert!(text.contains("test \"as in t.jsonl\" {"), "{text}");
    assert!(text.contains(".outputs.answer == \"the first book\""), "{text}");
    let nowhere =
        "[models.main]\nmodel = \"openai/small\"\napi_base = \"http://127.0.0.1:9/v1\"\n";
    write(&project, "dsp.toml", nowhere);
    let ended = goes_well(project.dsp(&["test", "main.test.dsp"]));
    assert!(ended.stdout.contains("1 passed") && ended.stderr.is_empty(), "{}", ended.stderr);
    assert_eq!(server.seen().len(), sent);
    // It notices what changes.
    write(&project, "main.test.dsp", &text.replace("Which book?", "What book?"));
    assert_eq!(project.dsp(&["test", "main.test.dsp"]).code, Some(1));
    let again = project.dsp(&["trace", "test", "t.jsonl"]);
    assert_eq!(again.code, Some(2));
    assert!(
        again.stderr.contains("`main.test.dsp` is there already")
            || again.stderr.contains("is there already")
    );
}
