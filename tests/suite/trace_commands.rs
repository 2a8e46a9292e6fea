//! `--trace` and `dsp trace`, as a person uses them.

#![allow(clippy::print_stdout, reason = "tests say what they leave out")]

use crate::testing::Project;
use std::path::Path;
use std::process::Command;

/// A project with a script.
fn project(script: &str) -> Project {
    Project::new(&[("main.dsp", script)])
}

impl Project {
    /// Runs a command that must go well.
    fn does(&self, args: &[&str]) -> String {
        let ended = self.dsp(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout
    }
}

const PROGRAM: &str = r#"
/// Name the book.
signature Find { in question: str  out term: str }
signature Say { in term: str  out answer: str }
module Two() {
    let find = predict(Find);
    let say = predict(Say);
    fn forward(question) { say(term: find(question).term) }
}
let two = Two().with(lm: scripted(["term: Dune of zebras", #{ answer: "Herbert" }]));
print(two(question: "Who wrote Dune?").answer);
"#;

#[test]
fn a_trace_is_shown_whole_and_in_part() {
    let folder = project(PROGRAM);
    folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
    let all = folder.does(&["trace", "show", "t.jsonl"]);
    assert_eq!(all.lines().filter(|it| it.trim_start().starts_with('#')).count(), 3, "{all}");
    // Of those around it only the first line is shown.
    let say = folder.does(&["trace", "show", "t.jsonl", "--path", "say"]);
    assert!(say.starts_with("#0 module Two") && say.contains("#2 lm Say"), "{say}");
    assert!(!say.contains("#1 ") && !say.contains("in  question"), "{say}");
    let kinds = folder.does(&["trace", "show", "t.jsonl", "--kind", "retrieval,tool"]);
    assert_eq!(kinds, "");
    assert_eq!(folder.does(&["trace", "show", "t.jsonl", "--failed"]), "");
    let prompt = folder.does(&["trace", "show", "t.jsonl", "--prompt", "find"]);
    assert!(prompt.contains("Name the book.") && prompt.contains("term: Dune of zebras"));
    assert!(!prompt.contains("Herbert"), "{prompt}");
    let narrow = folder.does(&["trace", "show", "t.jsonl", "--width", "10"]);
    assert!(narrow.contains("Who wrote …") && !narrow.contains("Who wrote D"), "{narrow}");
    let json = folder.does(&["trace", "show", "t.jsonl", "--kind", "lm", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(json["edges"][0]["from"], 1);
    // Two prompts, two replies, and what was printed.
    assert_eq!(json["content"].as_object().unwrap().len(), 5);
}

#[test]
fn a_wrong_question_about_a_trace_is_told() {
    let folder = project(PROGRAM);
    folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
    for (args, why) in [
        (&["show", "nowhere.jsonl"][..], "there is no file `nowhere.jsonl`"),
        (&["show", "main.dsp"], "`main.dsp` is no trace: line 2: this is no trace"),
        (&["show", "t.jsonl", "--prompt", "nobody"], "no node is at `nobody`"),
        (&["show", "t.jsonl", "--prompt", "7"], "there is no node #7: the nodes are #0 to #2"),
        (&["show", "t.jsonl", "--kind", "lms"], "expected one of module, lm, retrieval"),
        (&["export", "t.jsonl"], "--format"),
        (&["export", "t.jsonl", "--format", "dot", "--to", "http://x"], "only spans"),
        (&["html", "t.jsonl"], "--output"),
        (&["html", "t.jsonl", "-o", "main.dsp/x.html"], "cannot write"),
    ] {
        let ended = folder.dsp(&[&["trace"], args].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ended.stderr.contains(why), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn two_traces_are_compared() {
    let folder = project(PROGRAM);
    folder.does(&["run", "main.dsp", "--trace", "a.jsonl"]);
    folder.does(&["run", "main.dsp", "--trace", "b.jsonl"]);
    let same = folder.does(&["trace", "diff", "a.jsonl", "b.jsonl"]);
    assert_eq!(same, "nothing differs: 3 nodes\n");
    let other = PROGRAM.replace("Name the book", "Name the film").replace("Herbert", "Lynch");
    std::fs::write(folder.path().join("main.dsp"), other).unwrap();
    folder.does(&["run", "main.dsp", "--trace", "c.jsonl"]);
    let differs = folder.dsp(&["trace", "diff", "a.jsonl", "c.jsonl"]);
    assert_eq!((differs.code, differs.stderr.as_str()), (Some(1), ""));
    assert!(differs.stdout.contains("Name the [-book.-]{+film.+}"), "{}", differs.stdout);
    assert!(differs.stdout.contains("out answer: [-Herbert-]{+Lynch+}"), "{}", differs.stdout);
    let json = folder.dsp(&["trace", "diff", "a.jsonl", "c.jsonl", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["changed"].as_array().unwrap().len(), 3);
    assert_eq!(json["first"]["a"], 0);
    folder.does(&["trace", "html", "a.jsonl", "c.jsonl", "-o", "d.html"]);
    assert!(folder.read("d.html").contains("a.jsonl and c.jsonl"));
}

#[test]
fn a_file_of_its_own_needs_no_store() {
    let folder = project(PROGRAM);
    folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
    folder.does(&["trace", "export", "t.jsonl", "--format", "jsonl", "-o", "own.jsonl"]);
    folder.does(&["trace", "export", "t.jsonl", "--format", "json", "-o", "own.json"]);
    std::fs::remove_dir_all(folder.path().join(".home")).unwrap();
    let lost = folder.does(&["trace", "show", "t.jsonl", "--full"]);
    assert!(lost.contains("(not in the store: ") && !lost.contains("Name the book"), "{lost}");
    for own in ["own.jsonl", "own.json"] {
        let whole = folder.does(&["trace", "show", own, "--full"]);
        assert!(
            whole.contains("Name the book.") && whole.contains("Dune of zebras"),
            "{whole}"
        );
    }
}

#[test]
fn what_was_said_can_be_left_out() {
    let folder = project(PROGRAM);
    folder.does(&["run", "main.dsp", "--trace", "bare.jsonl", "--no-trace-content"]);
    folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
    let said = ["zebras", "Herbert", "Who wrote", "Name the book"];
    let has_none = |text: &str| said.iter().all(|it| !text.contains(it));
    assert!(has_none(&folder.read("bare.jsonl")));
    let shown = folder.does(&["trace", "show", "bare.jsonl", "--full"]);
    assert!(has_none(&shown) && shown.contains("(left out)"), "{shown}");
    for format in ["json", "jsonl", "mermaid", "dot", "otlp"] {
        let out = folder.does(&["trace", "export", "bare.jsonl", "--format", format]);
        assert!(has_none(&out) && !out.is_empty(), "{format}: {out}");
        let args = ["trace", "export", "t.jsonl", "--format", format, "--no-content"];
        assert!(has_none(&folder.does(&args)), "{format}");
    }
    folder.does(&["trace", "html", "t.jsonl", "-o", "t.html", "--no-content"]);
    assert!(has_none(&folder.read("t.html")));
    // A project may say so for all its runs.
    std::fs::write(folder.path().join("dsp.toml"), "trace_content = false\n").unwrap();
    folder.does(&["run", "main.dsp", "--trace", "project.jsonl"]);
    assert!(has_none(&folder.read("project.jsonl")));
    let wrong = folder.dsp(&["run", "main.dsp", "--no-trace-content"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}

const SCORED: &str = r#"
const ask = predict("q -> a", lm: scripted(#{ self: [#{ a: "1" }, #{ a: "3" }] }));
fn right(example, reply) { reply.a == example.a }
"#;

#[test]
fn evaluations_and_searches_write_their_traces() {
    let folder = project(SCORED);
    let rows = "{\"q\": \"one\", \"a\": \"1\"}\n{\"q\": \"two\", \"a\": \"2\"}\n";
    std::fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let of = ["--program", "ask", "--metric", "right"];
    let eval = ["eval", "main.dsp", "--data", "rows.jsonl", "--trace", "e.jsonl"];
    folder.does(&[&eval[..], &of].concat());
    let shown = folder.does(&["trace", "show", "e.jsonl"]);
    assert!(shown.contains("example 0") && shown.contains("example 1"), "{shown}");
    assert!(shown.contains("in  q: two"), "{shown}");
    // The log knows where it is.
    let entry = folder.does(&["log", "--json"]);
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    let id = entry["id"].as_str().unwrap();
    assert_eq!(folder.does(&["trace", "show", id]), shown);
    assert!(folder.does(&["log", "show", id]).contains("trace in"));
    let search = ["compile", "main.dsp", "--with", "labeled_few_shot", "--trainset"];
    let more = ["rows.jsonl", "-o", "s.json", "--max-calls", "20", "--trace", "c.jsonl"];
    folder.does(&[&search[..], &more, &of].concat());
    assert!(folder.read("c.jsonl").starts_with("{\"dsp_trace\":1"));
}

#[cfg(feature = "http")]
mod over_http {
    use super::*;
    use crate::http::server::{Play, Server};

    const KEY: &str = "sk-planted-0123456789abcdef";

    /// Where a collector on loopback takes spans.
    fn address(server: &Server) -> String {
        server.base().trim_end_matches("/v1").to_owned()
    }

    #[test]
    fn spans_go_to_a_collector() {
        let folder = project(PROGRAM);
        folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
        let server = Server::start([Play::status(503, "later"), Play::ok("{}")]);
        let args =
            ["trace", "export", "t.jsonl", "--format", "otlp", "--to", &address(&server)];
        let headers = format!("authorization=Bearer%20{KEY},x-scope = mine");
        let sent = folder.dsp_with(&args, &[("OTEL_EXPORTER_OTLP_HEADERS", &headers)]);
        assert_eq!(sent.code, Some(0), "{}", sent.stderr);
        assert!(sent.stderr.starts_with("5 spans were sent to http://127.0.0.1:"));
        let seen = server.seen();
        assert_eq!(seen.len(), 2, "what was not taken is sent again");
        assert_eq!(seen[1].line, "POST /v1/traces HTTP/1.1");
        assert_eq!(seen[1].header("content-type"), Some("application/json"));
        assert_eq!(seen[1].header("authorization"), Some(&*format!("Bearer {KEY}")));
        assert_eq!(seen[1].header("x-scope"), Some("mine"));
        let spans = &seen[1].json()["resourceSpans"][0]["scopeSpans"][0]["spans"];
        assert_eq!(spans.as_array().unwrap().len(), 5);
        assert_eq!(spans[0]["name"], "invoke_workflow Two");
        assert!(!seen[1].body.contains(KEY));
    }

    #[test]
    fn a_collector_without_json_is_sent_protobuf() {
        let folder = project(PROGRAM);
        folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
        let server = Server::start([
            Play::status(415, "no JSON"),
            Play::ok("\n\u{2}\u{8}\u{2}"),
            Play::status(415, "nothing"),
        ]);
        let args =
            ["trace", "export", "t.jsonl", "--format", "otlp", "--to", &address(&server)];
        let sent = folder.dsp(&args);
        let forms = |from: usize| {
            let seen = server.seen();
            let form = |it: &crate::http::server::Seen| {
                it.header("content-type").unwrap_or_default().to_owned()
            };
            seen[from..].iter().map(form).collect::<Vec<_>>()
        };
        assert_eq!(forms(0), ["application/json", "application/x-protobuf"]);
        assert!(server.seen()[1].body.contains("invoke_workflow Two"));
        assert_eq!(sent.code, Some(2));
        assert!(sent.stderr.contains("did not take 2 of them"), "{}", sent.stderr);
        let wish = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")];
        let refused = folder.dsp_with(&args, &wish);
        assert_eq!(forms(2), ["application/x-protobuf"]);
        assert!(refused.stderr.contains("names another form"), "{}", refused.stderr);
        let wrong = folder.dsp_with(&args, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert_eq!(wrong.code, Some(2));
        assert!(wrong.stderr.contains("`http/json` or `http/protobuf`"), "{}", wrong.stderr);
    }

    #[test]
    fn headers_go_to_nobody_else() {
        let folder = project(PROGRAM);
        folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
        let (own, other) = (Server::start([]), Server::start([]));
        let env = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*address(&own)),
            ("OTEL_EXPORTER_OTLP_HEADERS", &*format!("authorization={KEY}")),
        ];
        let export = ["trace", "export", "t.jsonl", "--format", "otlp", "--to"];
        let sent = folder.dsp_with(&export, &env);
        assert_eq!(sent.code, Some(0), "{}", sent.stderr);
        assert_eq!(own.seen()[0].header("authorization"), Some(KEY));
        let sent = folder.dsp_with(&[&export[..], &[&address(&other)]].concat(), &env);
        assert_eq!(sent.code, Some(0), "{}", sent.stderr);
        assert_eq!(other.seen()[0].header("authorization"), None);
        assert!(sent.stderr.contains("they were not sent"), "{}", sent.stderr);
    }

    #[test]
    fn what_a_collector_refuses_is_told_without_secrets() {
        let folder = project(PROGRAM);
        folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
        let refusal = format!("no such key: {KEY}");
        let partial = r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"x"}}"#;
        for (play, why) in [
            (Play::status(401, refusal), "answered 401"),
            (Play::ok(partial), "the collector did not take 2 of them"),
        ] {
            let server = Server::start([play]);
            let args =
                ["trace", "export", "t.jsonl", "--format", "otlp", "--to", &address(&server)];
            let headers = format!("authorization=Bearer {KEY}");
            let ended = folder.dsp_with(&args, &[("OTEL_EXPORTER_OTLP_HEADERS", &headers)]);
            assert_eq!(ended.code, Some(2));
            assert!(ended.stderr.contains(why), "{}", ended.stderr);
            assert!(!ended.stderr.contains(KEY) && !ended.stdout.contains(KEY));
        }
        for (address, why) in [
            ("127.0.0.1:4318", "the collector's address"),
            ("ftp://127.0.0.1", "not that of an HTTP server"),
            ("http://me:word@127.0.0.1:4318", "holds a password"),
            ("http://127.0.0.1:1", "cannot be reached"),
        ] {
            let args = ["trace", "export", "t.jsonl", "--format", "otlp", "--to", address];
            let ended = folder.dsp(&args);
            assert_eq!(ended.code, Some(2), "{address}");
            let is_told = ended.stderr.contains(why) && !ended.stderr.contains("me:word");
            assert!(is_told, "{address}: {}", ended.stderr);
        }
    }

    #[test]
    fn a_planted_key_is_in_no_trace() {
        // A server that repeats the key, and fails with it.
        let server = Server::answering(|seen| match seen.body.contains("fail") {
            true => Play::status(401, format!("no such key {KEY}")),
            false => Play::text(&format!("[[ ## a ## ]]\nyour key is {KEY}")),
        });
        let script = format!(
            "const ask = predict(\"q -> a\", retries: 0, lm: lm(\"openai/m\", \
             api_base: \"{}\", key_env: \"TEST_KEY\"));\nprint(ask(q: \"go\").a.len() > 0);\n\
             try {{ ask(q: \"fail\"); }} catch (e) {{ print(e.kind); }}\n",
            server.base()
        );
        let folder = project(&script);
        let run = ["run", "main.dsp", "--trace", "t.jsonl"];
        let ran = folder.dsp_with(&run, &[("TEST_KEY", KEY)]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.stdout, "true\nlm\n");
        let mut texts = vec![folder.read("t.jsonl")];
        for format in ["json", "jsonl", "mermaid", "dot", "otlp"] {
            texts.push(folder.does(&["trace", "export", "t.jsonl", "--format", format]));
        }
        texts.push(folder.does(&["trace", "show", "t.jsonl", "--full"]));
        folder.does(&["trace", "html", "t.jsonl", "-o", "t.html"]);
        texts.push(folder.read("t.html"));
        for text in texts {
            assert!(!text.contains(KEY) && !text.contains("sk-planted"), "{text}");
        }
    }
}

/// A reply of which much is read freely, with text before it that is no ASCII.
const FREE: &str = r#"
signature Count { in text: str  out n: int  out kind: "plain" | "odd"  out words: list[str] }
let count = predict(Count, lm: scripted([
    "Schön 🎉, here you are.\n\n**N:** about 7\n\n**Kind:** Odd\n\n**Words:** one, two and three",
    "```json\n{\"n\": \"1,000\", \"kind\": \"plain\", \"words\": \"one\", \"more\": 1,}\n```",
    "<think>Hm.</think>\n[[ ## n ## ]]\n3\n[[ ## kind ## ]]\nplain\n[[ ## words ## ]]\n[\"a\"]",
]));
for text in ["a", "b", "c"] { print(count(text: text).n); }
"#;

#[test]
fn what_was_read_freely_is_found_in_the_reply() {
    let folder = project(FREE);
    assert_eq!(folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]), "7\n1000\n3\n");
    let json = folder.does(&["trace", "export", "t.jsonl", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let nodes = json["nodes"].as_array().unwrap().iter();
    let told: Vec<Vec<(String, String, String)>> = nodes
        .map(|node| {
            let attempt = &node["call"]["attempts"][0];
            let reply = &json["content"][attempt["reply"].as_str().unwrap()]["text"];
            let liberties = attempt["liberties"].as_array().unwrap().iter();
            let one = |it: &serde_json::Value| {
                let text = |name: &str| it[name].as_str().unwrap().to_owned();
                let place = |nth: usize| it["at"][nth].as_u64().map(|it| it as usize);
                let part = place(0).zip(place(1)).map(|(a, b)| &reply.as_str().unwrap()[a..b]);
                (text("kind"), text("note"), part.unwrap_or_default().to_owned())
            };
            liberties.map(one).collect()
        })
        .collect();
    let has = |nth: usize, kind: &str, field: &str, part: &str| {
        let is = |it: &&(String, String, String)| {
            it.0 == kind && it.1.starts_with(field) && it.2 == part
        };
        assert!(told[nth].iter().any(|it| is(&it)), "{kind} {field} {part}: {told:#?}");
    };
    has(0, "prose", "the text before", "Schön 🎉, here you are.");
    has(0, "marker", "n: a heading", "about 7");
    has(0, "spelling", "kind: another spelling", "Odd");
    has(0, "shape", "words: words for a list", "one, two and three");
    has(1, "spelling", "another spelling of a number", "\"1,000\"");
    has(1, "shape", "text for a list", "\"one\"");
    has(1, "extra", "unknown key `more`", "1");
    has(2, "prose", "thinking before the reply", "<think>Hm.</think>");
    // Without what was said, only that there was something.
    let bare = folder.does(&["trace", "export", "t.jsonl", "--format", "json", "--no-content"]);
    assert!(bare.contains(r#"{"note":"(left out)","kind":"spelling"}"#), "{bare}");
    // Files of before have only the words.
    let old = folder.read("t.jsonl").lines().map(older).collect::<String>();
    std::fs::write(folder.path().join("old.jsonl"), old).unwrap();
    let same = folder.does(&["trace", "diff", "t.jsonl", "old.jsonl"]);
    assert_eq!(same, "nothing differs: 3 nodes\n");
}

/// A line as it was written when nothing was known of liberties but their notes.
fn older(line: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
    if let Some(all) = value.pointer_mut("/node/call/attempts/0/liberties") {
        for it in all.as_array_mut().unwrap() {
            *it = it["note"].clone();
        }
    }
    format!("{value}\n")
}

/// A browser on this machine.
fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    known.into_iter().find(|it| Command::new(it).arg("--version").output().is_ok())
}

/// The page as a browser has it when its script has run, and what it told of errors.
fn opened(browser: &str, page: &Path, at: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=4000",
            "--window-size=1200,800",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{at}", page.display()))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let told = text(output.stderr);
    let told = told.lines().filter(|it| it.contains("CONSOLE")).collect::<Vec<_>>().join("\n");
    (text(output.stdout), told)
}

#[test]
fn a_browser_shows_the_page() {
    let Some(browser) = browser() else {
        println!("no browser stands on this machine: the page was not opened");
        return;
    };
    let folder = project(&PROGRAM.replace("zebras", "<img src=x onerror=alert(1)>"));
    folder.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
    let other = PROGRAM.replace("Name the book", "Name the film");
    std::fs::write(folder.path().join("main.dsp"), other).unwrap();
    folder.does(&["run", "main.dsp", "--trace", "u.jsonl"]);
    folder.does(&["trace", "html", "t.jsonl", "-o", "t.html"]);
    folder.does(&["trace", "html", "t.jsonl", "u.jsonl", "-o", "d.html"]);
    let free = project(FREE);
    free.does(&["run", "main.dsp", "--trace", "t.jsonl"]);
    free.does(&["trace", "html", "t.jsonl", "-o", "t.html"]);
    let freely = free.path().join("t.html");
    let (one, two) = (folder.path().join("t.html"), folder.path().join("d.html"));
    for (page, at, wanted) in [
        (
            &one,
            "view=tree&node=1",
            &["role=\"treeitem\"", "&lt;img src=x", "from instructions"][..],
        ),
        (
            &freely,
            "view=tree&node=0",
            &[
                ">Schön 🎉, here you are.</mark>",
                "5. spelling: kind: another spelling of a label\">",
                "<span class=\"tally\"",
                "<b>spelling</b>",
                "read freely: 7 liberties",
            ],
        ),
        (&one, "view=timeline", &["class=\"track\""]),
        (&one, "view=graph&node=2", &["<svg", "data-id=\"2\"", " near\""]),
        (&one, "view=cost", &["predictor and model"]),
        (&one, "view=tree&find=herbert", &["2 of 3"]),
        (&two, "", &["<del class=\"minus\">book.", "<ins class=\"plus\">film."]),
    ] {
        let (dom, told) = opened(browser, page, at);
        assert_eq!(told, "", "{at}: the page had errors");
        let body = dom.split("<script").next().unwrap();
        for text in wanted {
            assert!(body.contains(text), "{at}: no {text} in {body}");
        }
        assert!(!body.contains("<img"), "{at}: {body}");
    }
}
