//! Models behind servers, against real servers on loopback.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

#[path = "../support/server.rs"]
pub(crate) mod server;

use dsp_lang::host::{MemoryHost, SharedHost};
use dsp_lang::lm::http::HttpLm;
use dsp_lang::lm::retry::Retry;
use dsp_lang::lm::{
    CallContext, Cancel, Completion, Decoding, Error, ErrorKind, Finish, Lm, LmOptions,
    Message, Prompt, Request, Role, Sampling, UserEndpoints, block_on, keys, open,
};
use serde_json::json;
use server::{Play, Server, completion};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEY: &str = "sk-test-0123456789abcdef";

fn quick() -> Retry {
    Retry { retries: 3, base: Duration::from_millis(4), cap: Duration::from_secs(2) }
}

/// A client for `provider/m` at this address, with a key.
fn client(provider: &str, base: &str, options: LmOptions) -> HttpLm {
    let host = MemoryHost::default().with_env("TEST_KEY", KEY);
    let options = LmOptions {
        api_base: Some(base.to_owned()),
        key_env: Some("TEST_KEY".to_owned()),
        ..options
    };
    let name = format!("{provider}/m");
    let endpoint =
        keys::endpoint(&name, provider, &options, &UserEndpoints::default(), &host).unwrap();
    HttpLm::new(&name, provider, "m", endpoint, &options).unwrap().with_retry(quick())
}

fn request(text: &str) -> Request {
    Request::new(Prompt::Chat(vec![
        Message::new(Role::System, "Be brief."),
        Message::new(Role::User, text),
    ]))
}

fn ask(lm: &HttpLm) -> Result<Completion, Error> {
    block_on(lm.complete(&request("hi"), &CallContext::default()))
}

/// What one call gives when the server plays these.
fn played(plays: Vec<Play>) -> (Result<Completion, Error>, Server) {
    let server = Server::start(plays);
    let outcome = ask(&client("openai", &server.base(), LmOptions::default()));
    (outcome, server)
}

#[test]
fn a_reply_is_read() {
    let (reply, server) = played(vec![Play::text("pong \u{1F600}")]);
    let reply = reply.unwrap();
    assert_eq!(reply.text, "pong \u{1F600}");
    assert_eq!(reply.finish, Finish::Stop);
    assert_eq!(reply.usage.prompt_tokens, Some(11));
    assert_eq!(reply.usage.completion_tokens, Some(3));
    assert_eq!(reply.usage.cached_tokens, None);
    assert_eq!(reply.model.as_deref(), Some("served-1"));
    assert_eq!(reply.attempts, 1);
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(
        seen.json(),
        json!({
            "model": "m",
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "hi" },
            ],
            "temperature": 0.0,
        })
    );
}

/// The body that a client of this provider and model sends for this request.
fn sent(provider: &str, model: &str, request: &Request) -> serde_json::Value {
    let server = Server::start([]);
    let host: SharedHost = Arc::new(MemoryHost::default());
    let options = LmOptions { api_base: Some(server.base()), ..LmOptions::default() };
    let name = format!("{provider}/{model}");
    let lm = open(&name, &options, &UserEndpoints::default(), &host).unwrap();
    block_on(lm.complete(request, &CallContext::default())).unwrap();
    server.seen()[0].json()
}

#[test]
fn options_and_schemas_are_sent() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let full = Request {
        decoding: Decoding::Json(schema.clone()),
        sampling: Sampling {
            temperature: 0.7,
            top_p: Some(0.9),
            max_tokens: Some(50),
            stop: vec!["END".to_owned()],
            seed: Some(7),
            ..Sampling::default()
        },
        rollout: 3,
        ..Request::new(Prompt::Text("continue".to_owned()))
    };
    let format = json!({
        "type": "json_schema",
        "json_schema": { "name": "reply", "strict": true, "schema": schema },
    });
    let messages = json!([{ "role": "user", "content": "continue" }]);
    assert_eq!(
        sent("openai", "gpt-4o-mini", &full),
        json!({
            "model": "gpt-4o-mini", "messages": messages, "temperature": 0.7, "top_p": 0.9,
            "stop": ["END"], "max_tokens": 50, "seed": 7, "response_format": format,
        })
    );
    // Models that reason refuse what shapes the drawing of tokens.
    assert_eq!(
        sent("openai", "gpt-5-mini", &full),
        json!({
            "model": "gpt-5-mini", "messages": messages, "max_completion_tokens": 50, "seed": 7,
            "response_format": format,
        })
    );
    let mistral = sent("mistral", "small", &full);
    assert_eq!(mistral["random_seed"], 7);
    assert_eq!(mistral.get("seed"), None);
    let deepseek = sent("deepseek", "chat", &full);
    assert_eq!(deepseek["response_format"], json!({ "type": "json_object" }));
    // A template is for models that say that they obey one.
    let template = Request { decoding: Decoding::Template(Vec::new()), ..full };
    assert_eq!(sent("openai", "gpt-4o", &template).get("response_format"), None);
}

#[test]
fn odd_replies_are_read() {
    let body = |message: serde_json::Value, finish: &str| {
        json!({ "choices": [{ "message": message, "finish_reason": finish }], "usage": null })
            .to_string()
    };
    let parts = json!({ "content": [
        { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] },
        { "type": "text", "text": "one " },
        { "type": "text", "text": "two" },
    ]});
    let cases = [
        (body(json!({ "content": "a" }), "length"), "a", Finish::Length),
        (body(json!({ "content": "a" }), "content_filter"), "a", Finish::Filter),
        (body(json!({ "content": null, "tool_calls": [] }), "tool_calls"), "", Finish::Tools),
        (body(json!({ "content": null, "refusal": "no" }), "stop"), "no", Finish::Filter),
        (body(json!({}), "stop"), "", Finish::Stop),
        (body(parts, "stop"), "one two", Finish::Stop),
    ];
    for (body, text, finish) in cases {
        let (reply, _server) = played(vec![Play::ok(body)]);
        let reply = reply.unwrap();
        assert_eq!((reply.text.as_str(), reply.finish), (text, finish));
    }
}

#[test]
fn no_reply_is_lost_because_of_its_bill() {
    let usage = |usage: serde_json::Value| {
        let choices = json!([{ "message": { "content": "a" } }]);
        let (reply, _server) =
            played(vec![Play::ok(json!({ "choices": choices, "usage": usage }).to_string())]);
        let usage = reply.unwrap().usage;
        (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
    };
    let details = json!({ "prompt_tokens": 5, "completion_tokens": 2.0,
        "prompt_tokens_details": { "audio_tokens": {}, "cached_tokens": 4 } });
    assert_eq!(usage(details), (Some(5), Some(2), Some(4)));
    let deepseek = json!({ "prompt_tokens": "5", "prompt_cache_hit_tokens": 3 });
    assert_eq!(usage(deepseek), (Some(5), None, Some(3)));
    let odd = json!({ "prompt_tokens": [1], "completion_tokens": -1,
        "prompt_tokens_details": null });
    assert_eq!(usage(odd), (None, None, None));
}

#[test]
fn what_may_pass_is_tried_again() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\":[".to_vec();
    let unfinished = completion("x")[..40].to_owned();
    let failures = [
        Play::status(500, "oops"),
        Play::status(503, ""),
        Play::status(429, "{}"),
        Play::status(408, "{}"),
        Play::Raw(Vec::new()),
        Play::Raw(cut),
        Play::ok(unfinished),
        Play::ok("<html>welcome</html>"),
        Play::ok(""),
        Play::ok("{\"choices\":[]}"),
        Play::ok("{\"error\":{\"message\":\"busy\",\"code\":503}}"),
    ];
    for failure in failures {
        let (reply, server) = played(vec![failure.clone(), failure.clone(), Play::text("yes")]);
        let reply = reply.unwrap_or_else(|e| panic!("{failure:?}: {e}"));
        assert_eq!((reply.text.as_str(), reply.attempts), ("yes", 3), "{failure:?}");
        assert_eq!(server.seen().len(), 3);
        let bodies: Vec<String> = server.seen().into_iter().map(|it| it.body).collect();
        assert!(bodies.iter().all(|it| *it == bodies[0]), "the same is sent each time");
    }
}

#[test]
fn what_will_not_pass_is_tried_once() {
    let openai = |code: &str, message: &str| {
        json!({ "error": { "message": message, "type": "invalid_request_error", "code": code } })
            .to_string()
    };
    let cases = [
        (400, openai("unsupported_value", "no"), ErrorKind::Refused),
        (422, "{\"detail\":\"no\"}".to_owned(), ErrorKind::Refused),
        (401, openai("invalid_api_key", "no"), ErrorKind::Key),
        (403, String::new(), ErrorKind::Key),
        (402, String::new(), ErrorKind::Key),
        (404, openai("model_not_found", "no"), ErrorKind::Unknown),
        (400, openai("context_length_exceeded", "no"), ErrorKind::TooLong),
        (400, openai("", "This model's maximum context length is 8"), ErrorKind::TooLong),
        (413, String::new(), ErrorKind::TooLong),
        (429, openai("insufficient_quota", "no"), ErrorKind::Key),
        (302, String::new(), ErrorKind::Refused),
    ];
    for (status, body, kind) in cases {
        let (outcome, server) = played(vec![Play::status(status, body)]);
        let e = outcome.unwrap_err();
        assert_eq!(e.kind(), kind, "{status}: {e}");
        assert!(!e.is_retryable());
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[test]
fn attempts_are_counted_in_the_error() {
    let (outcome, server) = played(vec![Play::status(500, "{\"error\":\"it burns\"}"); 9]);
    let e = outcome.unwrap_err();
    assert_eq!(server.seen().len(), 4);
    let origin = server.base().replace("/v1", "");
    assert_eq!(
        e.to_string(),
        format!("`openai/m`: {origin} answered 500: it burns (after 4 attempts)")
    );
}

#[test]
fn the_server_says_when_to_come_back() {
    let busy = |value: &str| Play::status(429, "{}").header("retry-after", value);
    let start = Instant::now();
    let (reply, _server) = played(vec![busy("0.3")]);
    assert_eq!(reply.unwrap().attempts, 2);
    assert!(start.elapsed() >= Duration::from_millis(300));

    let dated =
        busy("Sun, 06 Nov 1994 09:49:37 GMT").header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for hour in [busy("3600"), dated] {
        let (reply, server) = played(vec![hour]);
        let e = reply.unwrap_err();
        assert_eq!(e.kind(), ErrorKind::RateLimit);
        assert_eq!(e.hint_text(), Some("it asks to be left alone for 3600 s"));
        assert_eq!(server.seen().len(), 1, "nobody waits for an hour");
    }
}

#[test]
fn a_slow_server_is_given_up() {
    let server = Server::start([Play::Silence, Play::Silence, Play::Silence]);
    let timeout = Some(Duration::from_millis(60));
    let lm = client("openai", &server.base(), LmOptions { timeout, ..LmOptions::default() });
    let e = ask(&lm).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Timeout);
    assert_eq!(server.seen().len(), 3, "twice more is enough for a server that is silent");
    assert!(server.sees_one_leave());
}

#[test]
fn the_whole_call_ends_at_its_deadline() {
    let server = Server::start(vec![Play::status(500, "").after(Duration::from_millis(30)); 9]);
    let lm = client("openai", &server.base(), LmOptions::default()).with_retry(Retry {
        retries: 100,
        base: Duration::from_millis(20),
        cap: Duration::from_millis(20),
    });
    let context =
        CallContext { timeout: Some(Duration::from_millis(150)), ..CallContext::default() };
    let start = Instant::now();
    let e = block_on(lm.complete(&request("hi"), &context)).unwrap_err();
    assert!(e.is_retryable());
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
}

#[test]
fn connections_are_used_again() {
    let server = Server::start([]);
    let lm = client("openai", &server.base(), LmOptions::default());
    for _ in 0..30 {
        ask(&lm).unwrap();
    }
    let other = client("groq", &server.base(), LmOptions::default());
    ask(&other).unwrap();
    assert_eq!(server.seen().len(), 31);
    // A connection is free a moment after its reply is read, and a quick call may not wait.
    assert!(server.connections() < 10, "also by another model of the same server");
}

#[test]
fn many_calls_run_at_once() {
    let pause = Duration::from_millis(200);
    let server = Server::start(vec![Play::text("ok").after(pause); 256]);
    let lm = client("openai", &server.base(), LmOptions::default());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..256 {
            scope.spawn(|| ask(&lm).unwrap());
        }
    });
    assert!(start.elapsed() < pause * 10, "{:?}", start.elapsed());
    assert!(server.connections() <= 256);
}

#[test]
fn cancelling_closes_the_connection() {
    let server = Server::start([Play::Silence]);
    let lm = client("openai", &server.base(), LmOptions::default());
    let cancel = Cancel::default();
    let context = CallContext { cancel: cancel.clone(), ..CallContext::default() };
    let e = std::thread::scope(|scope| {
        let call = scope.spawn(|| block_on(lm.complete(&request("hi"), &context)));
        server.wait_for(1);
        cancel.cancel();
        call.join().unwrap().unwrap_err()
    });
    assert_eq!(e.kind(), ErrorKind::Cancelled);
    assert!(server.sees_one_leave());
    let again = block_on(lm.complete(&request("hi"), &context)).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Cancelled);
    assert_eq!(server.seen().len(), 1, "a run that is over sends nothing");
}

#[test]
fn cancelling_ends_a_wait_between_attempts() {
    let server = Server::start([Play::status(429, "").header("retry-after", "2")]);
    let lm = client("openai", &server.base(), LmOptions::default());
    let cancel = Cancel::default();
    let context = CallContext { cancel: cancel.clone(), ..CallContext::default() };
    let start = Instant::now();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| block_on(lm.complete(&request("hi"), &context)));
        server.wait_for(1);
        cancel.cancel();
        assert_eq!(call.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    });
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn dropping_a_call_closes_the_connection() {
    let server = Server::start([Play::Silence]);
    let lm = client("openai", &server.base(), LmOptions::default());
    let (request, context) = (request("hi"), CallContext::default());
    block_on(async {
        let call = lm.complete(&request, &context);
        let pause = Duration::from_millis(100);
        assert!(tokio::time::timeout(pause, call).await.is_err());
    });
    assert!(server.sees_one_leave());
}

#[test]
fn a_reply_that_gets_lost_is_not_paid_for_again_and_again() {
    let server = Server::start(vec![Play::ok("<html>"); 9]);
    let lm = client("openai", &server.base(), LmOptions::default())
        .with_retry(Retry { retries: 8, ..quick() });
    assert!(ask(&lm).unwrap_err().is_retryable());
    assert_eq!(server.seen().len(), 3);
}

/// The simplest executor there is.
fn block_on_this_thread<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_call_runs_on_any_executor() {
    let server = Server::start([Play::status(500, "")]);
    let lm = client("openai", &server.base(), LmOptions::default());
    let (request, context) = (request("hi"), CallContext::default());
    let reply = block_on_this_thread(lm.complete(&request, &context)).unwrap();
    assert_eq!(reply.attempts, 2);
    // Connections outlive the runtime of a host that made them.
    for _ in 0..20 {
        let host = tokio::runtime::Builder::new_current_thread().build().unwrap();
        host.block_on(lm.complete(&request, &context)).unwrap();
    }
    assert!(server.connections() < 10);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let e = ask(&client("openai", &base, LmOptions::default())).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Connect);
    let text = e.to_string();
    assert!(text.contains(base.trim_end_matches("/v1")), "{text}");
    assert!(text.contains("refused"), "{text}");
    assert!(text.contains("after 3 attempts"), "{text}");
}

#[test]
fn a_body_in_pieces_is_read() {
    let body = completion("pieces");
    let mut raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in body.as_bytes().chunks(7) {
        raw.extend(format!("{:x}\r\n", piece.len()).bytes());
        raw.extend(piece);
        raw.extend(b"\r\n");
    }
    raw.extend(b"0\r\n\r\n");
    let (reply, _server) = played(vec![Play::Raw(raw)]);
    assert_eq!(reply.unwrap().text, "pieces");
}

#[test]
fn a_server_that_a_script_names_gets_no_key() {
    let server = Server::start([]);
    let host = MemoryHost::default().with_env("OPENAI_API_KEY", KEY);
    let host: SharedHost = Arc::new(host);
    let options = LmOptions { api_base: Some(server.base()), ..LmOptions::default() };
    let lm = open("openai/m", &options, &UserEndpoints::default(), &host).unwrap();
    block_on(lm.complete(&request("hi"), &CallContext::default())).unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("authorization"), None);
    assert!(!format!("{seen:?}").contains(KEY));
}

#[test]
fn a_redirect_takes_no_prompt_along() {
    let other = Server::start([]);
    let server =
        Server::start([Play::status(307, "")
            .header("location", &format!("{}/chat/completions", other.base()))]);
    let e = ask(&client("openai", &server.base(), LmOptions::default())).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Refused);
    assert_eq!(other.connections(), 0);
}

#[test]
fn the_key_is_in_no_text() {
    let said =
        format!("Incorrect API key provided: {KEY}, or sk-test-0123********cdef. See /help");
    let body = json!({ "error": { "message": said } }).to_string();
    let start = &KEY[..12];
    for status in [400, 401, 404, 429, 500] {
        let (outcome, _server) = played(vec![Play::status(status, body.clone()); 4]);
        let e = outcome.unwrap_err();
        assert!(!format!("{e} {e:?}").contains(start), "{e:?}");
        assert!(e.to_string().contains("See /help"), "the rest is told: {e}");
    }
    // A server that is a mirror.
    let mirror = json!({ "choices": [{ "message": { "content": format!("is it {KEY}?") } }],
        "model": format!("m-{KEY}") });
    let (reply, server) = played(vec![Play::ok(mirror.to_string())]);
    assert!(!format!("{reply:?}").contains(start));
    let lm = client("openai", &server.base(), LmOptions::default());
    assert!(!format!("{lm:?} {} {}", lm.identity(), lm.name()).contains(start));
}

#[test]
fn an_error_tells_little_of_a_long_body() {
    let body = format!("<html>\u{1b}[2J{}</html>", "blah \n".repeat(10_000));
    let (outcome, _server) = played(vec![Play::status(400, body)]);
    let text = outcome.unwrap_err().to_string();
    assert!(text.chars().count() < 300, "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\n'));
}

#[test]
fn the_identity_tells_servers_apart() {
    let (one, two) = (Server::start([]), Server::start([]));
    let identity =
        |server: &Server| client("openai", &server.base(), LmOptions::default()).identity();
    assert_ne!(identity(&one), identity(&two));
}

/// Runs the command line in a directory, as one whose environment holds nothing.
#[cfg(feature = "cli")]
fn dsp(dir: &std::path::Path, args: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join("home"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg(feature = "cli")]
fn what_prompt_shows_is_what_is_sent_once_and_recorded() {
    let server = Server::start([Play::text("[[ ## answer ## ]]\nFrank Herbert")]);
    let dir = tempfile::tempdir().unwrap();
    let script = r#"/// Answer in "one" line – ünïcode \ too.
        signature QA { in question: str  in hints: list[str]  out answer: str(..=60) }
        const qa = predict(QA);
        print(qa(question: "Who wrote\n„Dune“?", hints: ["sand", "<b>"]).answer);
        let rows = dataset([#{ question: "Who?", hints: ["a"], answer: "me" }]);
        labeled_few_shot(k: 1).compile(qa, trainset: rows).save("qa.json");"#;
    std::fs::write(dir.path().join("main.dsp"), script).unwrap();
    let config = format!(
        "lm = \"big\"\n[models.big]\nmodel = \"openai/m\"\napi_base = \"{}\"\n",
        server.base()
    );
    std::fs::write(dir.path().join("dsp.toml"), config).unwrap();
    let input = r#"{"question": "Who wrote\n„Dune“?", "hints": ["sand", "<b>"]}"#;
    let prompt = dsp(
        dir.path(),
        &["prompt", "main.dsp", "--predictor", "qa", "--input", input, "--json"],
    );
    assert_eq!(server.seen().len(), 0);
    for _ in 0..2 {
        let run = ["run", "main.dsp", "--quiet", "--trace", "trace.jsonl"];
        assert_eq!(dsp(dir.path(), &run), "Frank Herbert\n");
    }
    // The second run has its reply from the store.
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    let messages = prompt.trim_end().strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    assert!(seen[0].body.contains(messages), "{messages}\nin\n{}", seen[0].body);
    let tree = dsp(dir.path(), &["trace", "show", "trace.jsonl", "--full"]);
    assert!(tree.contains("Frank Herbert") && tree.contains("„Dune“"), "{tree}");
    let state = dsp(dir.path(), &["state", "show", "qa.json"]);
    assert!(state.contains("Who?"), "{state}");
}
