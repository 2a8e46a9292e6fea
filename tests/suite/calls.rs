//! Calls of programs, against real servers on loopback: what is sent, how often, and who hears
//! what came of it.

use crate::http::server::{Play, Seen, Server, completion};
use dsp_lang::Engine;
use dsp_lang::config::{Config, Endpoint};
use dsp_lang::engine::{Builder, Finished};
use dsp_lang::host::MemoryHost;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const KEY: &str = "sk-planted-5f3e9a71c2d04b68";

/// An engine with servers of these names and addresses, whose keys stand in the environment.
fn engine(host: &Arc<MemoryHost>, servers: &[(&str, String)]) -> Builder {
    let endpoint = |base: &String| Endpoint {
        base_url: base.clone(),
        key_env: Some("PLANTED_KEY".to_owned()),
    };
    let endpoints = servers.iter().map(|(name, base)| ((*name).to_owned(), endpoint(base)));
    let config = Config { endpoints: endpoints.collect(), ..Config::default() };
    Engine::builder().host(host.clone()).over_scripts(config)
}

fn host() -> Arc<MemoryHost> {
    Arc::new(MemoryHost::default().with_env("PLANTED_KEY", KEY))
}

fn run(engine: &Engine, text: &str) -> Finished {
    engine.load_text("calls.dsp", text).unwrap_or_else(|it| panic!("{it}")).run()
}

/// Runs a program with a server called `mock`; what it printed, and how it ended.
fn with_mock(server: &Server, text: &str) -> (String, Finished) {
    let host = host();
    let engine = engine(&host, &[("mock", server.base())]).build().unwrap();
    let finished = run(&engine, text);
    (host.printed(), finished)
}

/// A reply with one output.
fn reply(name: &str, value: &str) -> Play {
    Play::text(&format!("[[ ## {name} ## ]]\n{value}"))
}

#[test]
fn identical_calls_at_one_time_are_made_once() {
    let server = Server::answering(|_| reply("a", "yes").after(Duration::from_millis(300)));
    let text = r#"
        let p = predict("q -> a", lm: "mock/m");
        let all = parallel_map(0..64, |n| p(q: "the same").a, threads: 64);
        print(all.filter(|it| it == "yes").len(), cost().calls, cost().cached);
        let data = dataset((0..64).map(|n| #{ q: "another", a: "yes" }));
        let e = evaluate(p, data, metric: |row, reply| row.a == reply.a, threads: 64);
        print(e.score, cost().calls);
    "#;
    let text =
        text.replace("(0..64).map(|n| #{", "[0; 64].map(|n| #{").replace("[0; 64]", "list64()");
    let text =
        format!("fn list64() {{ let l = []; for n in 0..64 {{ l.push(n); }} l }}\n{text}");
    let (printed, finished) = with_mock(&server, &text);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!(server.seen().len(), 2, "{printed}");
    assert_eq!(printed, "64 1 63\n1.0 2\n");
}

#[test]
fn an_error_of_identical_calls_is_shared_and_asked_for_once() {
    let server = Server::answering(|_| {
        Play::status(400, r#"{"error": {"message": "no such thing"}}"#)
            .after(Duration::from_millis(200))
    });
    let text = r#"
        let p = predict("q -> a", lm: "mock/m");
        let all = parallel_map(0..16, |n| try { p(q: "the same").a } catch (e) { e.message }, threads: 16);
        print(all.filter(|it| it.contains("no such thing")).len());
    "#;
    let text = text.replace(
        "|n| try { p(q: \"the same\").a } catch (e) { e.message }",
        "|n| { let r = (); try { r = p(q: \"the same\").a; } catch (e) { r = e.message; } r }",
    );
    let (printed, finished) = with_mock(&server, &text);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!((printed.as_str(), server.seen().len()), ("16\n", 1));
}

/// A server that takes 60 requests between any two ends of its seconds, and says so.
fn sixty_a_second(refused: Arc<Mutex<Vec<Instant>>>) -> Server {
    let began = Instant::now();
    let window = Mutex::new((0, 0));
    Server::answering(move |_| {
        let now = began.elapsed();
        let (second, left) = (now.as_secs(), 1000 - u64::from(now.subsec_millis()));
        let mut window = window.lock().unwrap();
        if window.0 != second {
            *window = (second, 0);
        }
        window.1 += 1;
        let remaining = 60_i64 - window.1;
        let play = if remaining >= 0 {
            reply("a", "yes")
        } else {
            refused.lock().unwrap().push(Instant::now());
            Play::status(429, "{}").header("retry-after-ms", &left.to_string())
        };
        play.header("x-ratelimit-limit-requests", "60")
            .header("x-ratelimit-remaining-requests", &remaining.max(0).to_string())
            .header("x-ratelimit-reset-requests", &format!("{left}ms"))
    })
}

#[test]
fn a_servers_limit_is_used_up_and_not_overdrawn() {
    let refused = Arc::new(Mutex::new(Vec::new()));
    let server = sixty_a_second(refused.clone());
    let text = r#"
        let p = predict("q -> a", lm: "mock/m");
        let all = parallel_map(0..200, |n| p(q: `number ${n}`).a, threads: 64);
        print(all.len());
    "#;
    let began = Instant::now();
    let (printed, finished) = with_mock(&server, text);
    let took = began.elapsed();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!(printed, "200\n");
    let refused = refused.lock().unwrap().clone();
    let later = refused.iter().filter(|it| **it > refused[0] + Duration::from_millis(300));
    assert_eq!(later.count(), 0, "{} were refused", refused.len());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn the_next_model_is_asked_where_one_cannot_answer() {
    let broken = Server::answering(|_| Play::status(401, r#"{"error": {"message": "no"}}"#));
    let sound = Server::answering(|seen| {
        assert_eq!(seen.json()["model"], "second");
        reply("a", "yes")
    });
    let host = host();
    let servers = [("one", broken.base()), ("two", sound.base())];
    let engine = engine(&host, &servers).build().unwrap();
    let text = r#"
        let p = predict("q -> a", lm: lm(["one/first", "nobody/knows", "two/second"]));
        print(p(q: "x").a, p(q: "x").a, p(q: "y").a);
        print(trace().show());
        let direct = predict("q -> a", lm: "two/second");
        print(direct(q: "x").a, cost().cached);
    "#;
    let finished = run(&engine, text);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    let printed = host.printed();
    assert!(printed.starts_with("yes yes yes\n"), "{printed}");
    assert!(printed.contains("call one/first by `chat` adapter"), "{printed}");
    assert!(printed.contains("instead two/second by `chat` adapter"), "{printed}");
    assert!(printed.contains("`nobody/knows`"), "{printed}");
    // The reply is stored under the model that gave it.
    assert!(printed.ends_with("yes 2\n"), "{printed}");
    assert_eq!(sound.seen().len(), 2);
}

#[test]
fn where_no_model_answers_each_is_named() {
    let broken = Server::answering(|_| Play::status(404, r#"{"error": {"message": "no"}}"#));
    let text = r#"
        let p = predict("q -> a", lm: lm(["mock/first", "mock/second"]));
        try { p(q: "x"); } catch (e) { print(e.message); }
        p(q: "x");
    "#;
    let (printed, finished) = with_mock(&broken, text);
    assert!(printed.starts_with("`mock/second`: "), "{printed}");
    let told = format!("{:?}", finished.result.unwrap_err());
    assert!(told.contains("before it: `mock/first`"), "{told}");
}

#[test]
fn turns_are_taken_in_the_order_of_the_program() {
    let asked = |threads: usize| {
        let server = Server::answering(|seen| {
            let model = seen.json()["model"].as_str().unwrap().to_owned();
            reply("a", &model)
        });
        let text = format!(
            r#"let p = predict("q -> a", lm: lm(["mock/x", "mock/y", "mock/z"], pick: "round_robin"));
            print(parallel_map(0..9, |n| p(q: `${{n}}`).a, threads: {threads}));"#
        );
        with_mock(&server, &text).0
    };
    let expected = "[\"x\", \"y\", \"z\", \"x\", \"y\", \"z\", \"x\", \"y\", \"z\"]\n";
    assert_eq!(asked(1), expected);
    assert_eq!(asked(9), expected);
}

#[test]
fn a_second_request_is_sent_after_a_while_and_counted() {
    let plays = [reply("a", "slow").after(Duration::from_secs(3)), reply("a", "quick")];
    let server = Server::start(plays);
    let text = r#"
        let p = predict("q -> a", lm: lm("mock/m", hedge: 0.2));
        print(p(q: "x").a, cost().calls);
    "#;
    let began = Instant::now();
    let (printed, finished) = with_mock(&server, text);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!(printed, "quick 2\n");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(server.sees_one_leave(), "the other request is closed");
}

#[test]
fn a_reply_that_does_not_begin_in_time_is_given_up() {
    let server = Server::answering(|_| Play::Silence);
    let text = r#"
        let p = predict("q -> a", lm: lm("mock/m", first_token: 0.1, retries: 0));
        try { p(q: "x"); } catch (e) { print(e.message); }
    "#;
    let began = Instant::now();
    let (printed, _) = with_mock(&server, text);
    assert!(printed.contains("gave no reply within 100ms"), "{printed}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// The events of a streamed reply, each after a pause.
fn streamed(pieces: &[&str], pause: Duration, ends: bool) -> Play {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let mut all = vec![(head.to_owned(), Duration::ZERO)];
    for piece in pieces {
        let event = json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] });
        all.push((format!("data: {event}\n\n"), pause));
    }
    if ends {
        let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        all.push((format!("data: {end}\n\ndata: [DONE]\n\n"), pause));
    }
    Play::Pieces(all)
}

#[test]
fn parts_come_while_the_reply_is_written() {
    let pieces = ["[[ ## a", " ## ]]\none", " two", "\n\n[[ ## b ## ]]\n", "3"];
    let server = Server::start([streamed(&pieces, Duration::from_millis(20), true)]);
    let text = r#"
        let s = predict("q -> a, b: int", lm: "mock/m").stream(q: "x");
        for part in s { print(part.a, part.b, complete(part)); }
        print(s.reply, predict("q -> a, b: int", lm: "mock/m")(q: "x").b, cost().calls);
    "#;
    let (printed, finished) = with_mock(&server, text);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!(server.seen()[0].json()["stream"], true);
    let expected = "one  []\none two  []\none two  [\"a\"]\none two 3 [\"a\", \"b\"]\n\
        reply { a: \"one two\", b: 3 } 3 1\n";
    assert_eq!(printed, expected);
}

#[test]
fn who_leaves_a_stream_closes_the_connection() {
    let pieces = ["[[ ## a ## ]]\n", "one", " two"];
    let server = Server::start([streamed(&pieces, Duration::from_millis(10), false)]);
    let text = r#"
        let s = predict("q -> a", lm: "mock/m").stream(q: "x");
        for part in s { if part.a == "one" { break; } }
        try { s.reply; } catch (e) { print(e.message); }
    "#;
    let began = Instant::now();
    let (printed, finished) = with_mock(&server, text);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!(printed, "the stream was left before its end\n");
    assert!(server.sees_one_leave());
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_contract_that_is_false_already_closes_the_connection() {
    let first = ["[[ ## title ## ]]\nmuch too long", " a title\n\n[[ ## text ## ]]\n", "and"];
    let server = Server::start([
        streamed(&first, Duration::from_millis(10), false),
        streamed(&["[[ ## title ## ]]\nshort\n\n[[ ## text ## ]]\nit"], Duration::ZERO, true),
    ]);
    let text = r#"
        signature Poem { in q: str
            out title: str
            out text: str
            assert title.len() < 8, "a shorter title"
        }
        let s = predict(Poem, lm: "mock/m").stream(q: "x");
        for part in s { }
        print(s.reply.title);
    "#;
    let (printed, finished) = with_mock(&server, text);
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!(printed, "short\n");
    assert!(server.sees_one_leave());
    let repair = server.seen()[1].body.clone();
    assert!(repair.contains("That reply cannot be used: a shorter title"), "{repair}");
}

/// A number that says nothing about the one before it.
fn drawn(number: usize) -> usize {
    let mut z = (number as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) % 100) as usize
}

/// What goes wrong with one request of a server with faults.
fn faulty(number: usize, seen: &Seen) -> Play {
    let whole = {
        let body = seen.json();
        let messages = body["messages"].as_array().unwrap().clone();
        let asked = messages[1]["content"].as_str().unwrap().to_owned();
        let number = asked.split("number ").nth(1).unwrap();
        number.split_whitespace().next().unwrap().to_owned()
    };
    let text = format!("[[ ## a ## ]]\n{whole}");
    match number % 100 {
        0..10 if number.is_multiple_of(2) => Play::status(500, "oops"),
        0..10 => Play::status(429, "{}"),
        10 | 11 => {
            Play::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\":[".to_vec())
        }
        20..25 => Play::ok(completion(&text)[..60].to_owned()),
        40..45 => Play::text("I would rather not say."),
        50 => Play::text(&text).after(Duration::from_millis(2500)),
        _ => Play::text(&text).after(Duration::from_millis(5)),
    }
}

#[test]
fn a_server_with_faults_loses_no_row_and_holds_up_none() {
    let count = AtomicUsize::new(0);
    let server = Server::answering(move |seen| {
        faulty(drawn(count.fetch_add(1, Ordering::SeqCst)), seen)
    });
    let text = r#"
        let rows = [];
        for n in 0..500 { rows.push(#{ q: `number ${n}`, a: n }); }
        let p = predict("q -> a: int", lm: lm("mock/m"));
        let e = evaluate(p, dataset(rows), metric: |row, reply| row.a == reply.a, threads: 64);
        print(e.score, e.failures.len(), e.rows.len(), e.failures.map(|it| it.failure));
    "#;
    let began = Instant::now();
    let (printed, finished) = with_mock(&server, text);
    let took = began.elapsed();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    assert_eq!(printed, "1.0 0 500 []\n");
    // One slow reply may follow another, after two waits between attempts.
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[test]
fn a_planted_key_is_found_nowhere() {
    let echo = |seen: &Seen| {
        let key = seen.header("authorization").unwrap_or_default().to_owned();
        let body = seen.json();
        match body["messages"][1]["content"].as_str().unwrap() {
            it if it.contains("fails") => Play::status(
                401,
                json!({ "error": { "message": format!("wrong key {key}") } }).to_string(),
            ),
            _ => Play::text(&format!("[[ ## a ## ]]\nyour key is {key}")),
        }
    };
    let server = Server::answering(echo);
    let host = host();
    let engine = engine(&host, &[("mock", server.base())]).build().unwrap();
    let text = r#"
        let p = predict("q -> a", lm: "mock/m");
        print(p(q: "x"));
        try { p(q: "fails"); } catch (e) { print(e, e.message, e.hints); }
        let data = dataset([#{ q: "1", a: "1" }, #{ q: "2", a: "2" }, #{ q: "fails", a: "3" }]);
        let e = evaluate(p, data, metric: |row, reply| if reply.a.len() > 3 { 1.0 } else { 0.0 });
        e.save("e.html");
        e.save("e.json");
        e.save("e.csv");
        print(e.report);
        let rows = [];
        for n in 0..8 { rows.push(#{ q: `${n}`, a: "1" }); }
        let more = dataset(rows);
        let tuned = bootstrap_few_shot(metric: |row, reply| 1.0, max_calls: 99).compile(p, trainset: more);
        tuned.save("p.state.json");
        print(tuned.demos, tuned.prompt(q: "y"));
        print(trace().show(), trace().to_json(), trace().canonical());
        p(q: "fails");
    "#;
    let finished = run(&engine, text);
    assert!(host.printed().contains("your key is"), "{:?}", finished.result);
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    all.insert("printed".to_owned(), host.printed().into_bytes());
    all.insert("warned".to_owned(), host.eprinted().into_bytes());
    all.insert("error".to_owned(), format!("{:?}", finished.result).into_bytes());
    all.insert("trace".to_owned(), finished.trace.to_json().to_string().into_bytes());
    let written = host.files();
    for name in ["e.html", "e.json", "e.csv", "p.state.json"] {
        assert!(
            written.keys().any(|it| it.ends_with(name)),
            "{name}: {}",
            finished.result.as_ref().unwrap_err()
        );
    }
    all.extend(written.into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)));
    assert!(server.seen().iter().all(|it| it.header("authorization").unwrap().contains(KEY)));
    for (name, bytes) in all {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.is_empty() || name == "warned", "{name}");
        assert!(!text.contains(KEY) && !text.contains(&KEY[3..]), "{name}: {text}");
    }
}
