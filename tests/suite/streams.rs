//! Replies that are told while they are written, from real servers on loopback.

use crate::http::server::{Play, Server};
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::http::HttpLm;
use dsp_lang::lm::retry::Retry;
use dsp_lang::lm::{
    CallContext, Completion, Delta, Error, ErrorKind, Finish, Flow, Listener, Lm, LmOptions,
    Message, Prompt, Request, Role, UserEndpoints, block_on, keys,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const KEY: &str = "sk-test-0123456789abcdef";

/// What a listener heard, in order; pieces of one kind that follow each other are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Reasoning(String),
    Again,
}

/// A client for `provider/model` at this address, with a key.
pub(crate) fn client(provider: &str, model: &str, base: &str, options: LmOptions) -> HttpLm {
    let host = MemoryHost::default().with_env("TEST_KEY", KEY);
    let options = LmOptions {
        api_base: Some(base.to_owned()),
        key_env: Some("TEST_KEY".to_owned()),
        ..options
    };
    let name = format!("{provider}/{model}");
    let endpoint =
        keys::endpoint(&name, provider, &options, &UserEndpoints::default(), &host).unwrap();
    let retry =
        Retry { retries: 3, base: Duration::from_millis(4), cap: Duration::from_secs(2) };
    HttpLm::new(&name, provider, model, endpoint, &options).unwrap().with_retry(retry)
}

/// Asks and listens; the listener stops where `halts` says so of what it heard last.
pub(crate) fn listen(
    lm: &HttpLm,
    request: &Request,
    halts: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> (Result<Completion, Error>, Vec<Heard>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&heard);
    let listener = Listener::new(move |delta| {
        let mut heard = shared.lock().unwrap();
        let (text, kind) = match delta {
            Delta::Text(text) => (text, Heard::Text(text.to_owned())),
            Delta::Reasoning(text) => (text, Heard::Reasoning(text.to_owned())),
            Delta::Again => ("", Heard::Again),
        };
        match (heard.last_mut(), &kind) {
            (Some(Heard::Text(whole)), Heard::Text(more))
            | (Some(Heard::Reasoning(whole)), Heard::Reasoning(more)) => whole.push_str(more),
            _ => heard.push(kind),
        }
        if halts(text) { Flow::Halt } else { Flow::Go }
    });
    let context = CallContext { listener: Some(listener), ..CallContext::default() };
    let outcome = block_on(lm.complete(request, &context));
    let heard = heard.lock().unwrap().clone();
    (outcome, heard)
}

pub(crate) fn request() -> Request {
    Request::new(Prompt::Chat(vec![Message::new(Role::User, "hi")]))
}

/// A response of server-sent events.
pub(crate) fn sse(events: &[Value]) -> Play {
    let mut body: String = events.iter().map(|it| format!("data: {it}\n\n")).collect();
    body.push_str("data: [DONE]\n\n");
    cut_sse(&body)
}

/// The same as it stands.
pub(crate) fn cut_sse(body: &str) -> Play {
    Play::ok(body).header("content-type", "text/event-stream; charset=utf-8")
}

fn piece(delta: Value) -> Value {
    json!({ "model": "served-1", "choices": [{ "index": 0, "delta": delta }] })
}

fn last(reason: &str) -> Value {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn usage() -> Value {
    json!({ "choices": [], "usage": { "prompt_tokens": 11, "completion_tokens": 3 } })
}

fn pong() -> Play {
    sse(&[
        piece(json!({ "content": "po" })),
        piece(json!({ "content": "ng" })),
        last("stop"),
        usage(),
    ])
}

/// What a call gives when the server plays these.
fn played(plays: Vec<Play>) -> (Result<Completion, Error>, Vec<Heard>, Server) {
    let server = Server::start(plays);
    let lm = client("openai", "m", &server.base(), LmOptions::default());
    let (outcome, heard) = listen(&lm, &request(), |_| false);
    (outcome, heard, server)
}

fn text(text: &str) -> Heard {
    Heard::Text(text.to_owned())
}

fn reasoning(text: &str) -> Heard {
    Heard::Reasoning(text.to_owned())
}

#[test]
fn a_reply_is_told_while_it_comes() {
    let (reply, heard, server) = played(vec![pong()]);
    assert_eq!(heard, [text("pong")]);
    let whole = Server::start([Play::text("pong")]);
    let lm = client("openai", "m", &whole.base(), LmOptions::default());
    let asked = block_on(lm.complete(&request(), &CallContext::default())).unwrap();
    assert_eq!(reply.unwrap(), asked);
    let sent = server.seen()[0].json();
    assert_eq!(sent["stream"], true);
    assert_eq!(sent["stream_options"], json!({ "include_usage": true }));
}

#[test]
fn one_connection_serves_streams_one_after_the_other() {
    let server = Server::start([pong(), pong(), pong()]);
    let lm = client("openai", "m", &server.base(), LmOptions::default());
    for _ in 0..3 {
        listen(&lm, &request(), |_| false).0.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_listener_may_stop_a_reply() {
    let endless: Vec<Value> =
        (0..200).map(|at| piece(json!({ "content": format!("{at} ") }))).collect();
    let body: String = endless.iter().map(|it| format!("data: {it}\n\n")).collect();
    let head =
        "HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ncontent-length: 9000000\r\n";
    let server = Server::start([Play::Raw(format!("{head}\r\n{body}").into_bytes())]);
    let lm = client("openai", "m", &server.base(), LmOptions::default());
    let (outcome, heard) = listen(&lm, &request(), |text| text == "2 ");
    let reply = outcome.unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("0 1 2 ", Finish::Halted));
    assert_eq!(heard, [text("0 1 2 ")]);
    assert!(server.sees_one_leave());
}

#[test]
fn a_stream_without_its_end_is_asked_for_again() {
    let cut = cut_sse(&format!("data: {}\n\n", piece(json!({ "content": "po" }))));
    let (reply, heard, _) = played(vec![cut.clone(), pong()]);
    let reply = reply.unwrap();
    assert_eq!((reply.text.as_str(), reply.attempts), ("pong", 2));
    assert_eq!(heard, [text("po"), Heard::Again, text("pong")]);
    // It may have to be paid for, so it is not asked for without end.
    let (reply, ..) = played(vec![cut; 9]);
    let error = reply.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(error.to_string().contains("broke off before its end"), "{error}");
    assert!(error.is_lost());
}

#[test]
fn an_error_inside_a_stream_is_an_error() {
    let overloaded = json!({ "error": { "message": "overloaded", "code": 503 } });
    let stream = sse(&[piece(json!({ "content": "po" })), overloaded]);
    let (reply, heard, _) = played(vec![stream, pong()]);
    assert_eq!(reply.unwrap().text, "pong");
    assert_eq!(heard, [text("po"), Heard::Again, text("pong")]);
}

#[test]
fn a_server_that_does_not_stream_is_read_as_well() {
    let whole = Play::text("pong").header("content-type", "application/json");
    let (reply, heard, _) = played(vec![whole]);
    assert_eq!(reply.unwrap().text, "pong");
    assert_eq!(heard, [text("pong")]);
}

#[test]
fn thoughts_are_told_as_thoughts() {
    let marked = ["<thi", "nk>a", " b</", "think>", "\n\n", "po", "ng <think>"];
    let fields: Vec<Value> = vec![
        piece(json!({ "content": null, "reasoning_content": "a " })),
        piece(json!({ "content": null, "reasoning_content": "b" })),
        piece(json!({ "content": "pong <think>" })),
        last("stop"),
    ];
    let marked: Vec<Value> = marked.iter().map(|it| piece(json!({ "content": it }))).collect();
    for events in [fields, [marked, vec![last("stop")]].concat()] {
        let (reply, heard, _) = played(vec![sse(&events)]);
        let reply = reply.unwrap();
        assert_eq!(reply.text, "pong <think>");
        assert_eq!(reply.reasoning.as_deref(), Some("a b"));
        assert_eq!(heard, [reasoning("a b"), text("pong <think>")]);
    }
}

#[test]
fn calls_of_tools_come_in_pieces() {
    let call = |call: Value| piece(json!({ "tool_calls": [call] }));
    let events = [
        call(json!({ "index": 0, "id": "a", "function": { "name": "f", "arguments": "" } })),
        call(json!({ "index": 0, "function": { "arguments": "{\"x\":" } })),
        call(json!({ "index": 0, "function": { "arguments": "1}" } })),
        call(json!({ "index": 1, "id": "b", "function": { "name": "g", "arguments": "{}" } })),
        last("tool_calls"),
    ];
    let (reply, heard, _) = played(vec![sse(&events)]);
    let reply = reply.unwrap();
    let calls: Vec<_> = reply
        .calls
        .iter()
        .map(|it| (it.id.as_str(), it.name.as_str(), it.arguments.as_str()))
        .collect();
    assert_eq!(calls, [("a", "f", "{\"x\":1}"), ("b", "g", "{}")]);
    assert_eq!((reply.finish, heard.len()), (Finish::Tools, 0));
}

#[test]
fn a_key_that_a_server_repeats_is_not_told() {
    let (start, end) = KEY.split_at(9);
    let events = [
        piece(json!({ "content": format!("it is {start}") })),
        piece(json!({ "content": format!("{end}, and sk") })),
        piece(json!({ "content": "-x" })),
        last("stop"),
    ];
    let (reply, heard, _) = played(vec![sse(&events)]);
    assert_eq!(heard, [text("it is …, and sk-x")]);
    assert_eq!(reply.unwrap().text, "it is …, and sk-x");
}

#[test]
fn what_a_server_refuses_is_left_out_from_then_on() {
    let refusal = |message: &str, param: &str| {
        let error =
            json!({ "message": message, "type": "invalid_request_error", "param": param });
        Play::status(400, json!({ "error": error }).to_string())
    };
    let server = Server::start([
        refusal("Unknown parameter: 'stream_options'", "stream_options"),
        refusal("Unsupported value: 'temperature' does not support 0", "temperature"),
        pong(),
        pong(),
    ]);
    let lm = client("openai", "m", &server.base(), LmOptions::default());
    let first = listen(&lm, &request(), |_| false).0.unwrap();
    let second = listen(&lm, &request(), |_| false).0.unwrap();
    assert_eq!((first.attempts, second.attempts), (3, 1));
    for seen in &server.seen()[2..] {
        assert_eq!(seen.json().get("temperature"), None);
        assert_eq!(seen.json().get("stream_options"), None);
    }
}
