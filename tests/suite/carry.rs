//! What providers want back with the answers of tools, against real servers on loopback:
//! signed and sealed thoughts, as they came and where they stood.

use crate::http::server::{Play, Server};
use crate::streams::{KEY, client, cut_sse, listen, request};
use dsp_lang::config::Api;
use dsp_lang::lm::http::HttpLm;
use dsp_lang::lm::{
    Address, CallContext, Completion, Effort, Lm, LmOptions, Message, Prompt, Request, Role,
    Sampling, Tool, block_on,
};
use dsp_lang::runtime::Asked;
use dsp_lang::test_run::recording::Recording;
use serde_json::{Value, json};

/// A reply of an interface, whole and in events, and the turn that it has to become.
struct Case {
    provider: &'static str,
    model: &'static str,
    whole: Value,
    events: Vec<Value>,
    /// Where the turn stands in a body, and what it is there.
    turn: (&'static str, Value),
}

fn chat(provider: &'static str, thoughts: Value, pieces: [Value; 2]) -> Case {
    let call = json!({
        "id": "c1", "type": "function",
        "function": { "name": "weather", "arguments": "{\"city\":\"Ulm\"}" },
    });
    let with = |content: Value, mut message: Value, more: &Value| {
        message["content"] = content;
        let more = more.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(more);
        message
    };
    let calls = json!({ "role": "assistant", "tool_calls": [call] });
    let message = with(json!("I look."), calls.clone(), &thoughts);
    let end =
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }] });
    let delta = |it: Value| json!({ "choices": [{ "index": 0, "delta": it }] });
    let [a, b] = pieces;
    Case {
        provider,
        model: "m",
        whole: json!({ "choices": [{ "message": message, "finish_reason": "tool_calls" }] }),
        events: vec![delta(a), delta(b), delta(with(json!("I look."), calls, &json!({}))), end],
        turn: ("/messages/1", message),
    }
}

fn deepseek() -> Case {
    let piece = |text: &str| json!({ "reasoning_content": text });
    chat("deepseek", piece("Which town?"), [piece("Which "), piece("town?")])
}

fn openrouter() -> Case {
    let part = |text: &str| json!({ "type": "reasoning.text", "text": text, "index": 0 });
    let mut whole = part("Which town?");
    whole["signature"] = json!("s1");
    let mut last = part("town?");
    last["signature"] = json!("s1");
    let details = |it: Value| json!({ "reasoning_details": [it] });
    chat("openrouter", details(whole), [details(part("Which ")), details(last)])
}

fn anthropic() -> Case {
    let content = json!([
        { "type": "thinking", "thinking": "Which town?", "signature": "s1" },
        { "type": "redacted_thinking", "data": "d1" },
        { "type": "text", "text": "I look." },
        { "type": "thinking", "thinking": "Ulm.", "signature": "s2" },
        { "type": "text", "text": " Wait." },
        { "type": "tool_use", "id": "c1", "name": "weather", "input": { "city": "Ulm" } },
    ]);
    let start = |index: usize, block: Value| {
        json!({
            "type": "content_block_start", "index": index, "content_block": block,
        })
    };
    let delta = |index: usize, delta: Value| {
        json!({
            "type": "content_block_delta", "index": index, "delta": delta,
        })
    };
    let thinking = json!({ "type": "thinking", "thinking": "", "signature": "" });
    let events = vec![
        json!({ "type": "message_start", "message": { "content": [] } }),
        start(0, thinking.clone()),
        delta(0, json!({ "type": "thinking_delta", "thinking": "Which town?" })),
        delta(0, json!({ "type": "signature_delta", "signature": "s1" })),
        start(1, content[1].clone()),
        start(2, content[2].clone()),
        start(3, thinking),
        delta(3, json!({ "type": "thinking_delta", "thinking": "Ulm." })),
        delta(3, json!({ "type": "signature_delta", "signature": "s2" })),
        start(4, content[4].clone()),
        start(5, json!({ "type": "tool_use", "id": "c1", "name": "weather", "input": {} })),
        delta(5, json!({ "type": "input_json_delta", "partial_json": "{\"city\":\"Ulm\"}" })),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" } }),
        json!({ "type": "message_stop" }),
    ];
    Case {
        provider: "anthropic",
        model: "claude-sonnet-4-5",
        whole: json!({ "content": content, "stop_reason": "tool_use" }),
        events,
        turn: ("/messages/1/content", content),
    }
}

fn gemini() -> Case {
    let call = |city: &str| json!({ "name": "weather", "args": { "city": city } });
    let parts = json!([
        { "text": "I look." },
        { "text": " Wait.", "thoughtSignature": "s1" },
        { "functionCall": call("Ulm"), "thoughtSignature": "s2" },
        { "functionCall": call("Bonn") },
        { "text": "", "thoughtSignature": "s3" },
    ]);
    let event = |part: &Value, end: Value| {
        json!({
            "candidates": [{ "content": { "parts": [part] }, "finishReason": end }],
        })
    };
    let mut told = vec![json!({ "text": "Which town?", "thought": true })];
    told.extend(parts.as_array().unwrap().iter().cloned());
    let mut events: Vec<Value> = told.iter().map(|it| event(it, Value::Null)).collect();
    events.push(event(&json!({ "text": "" }), json!("STOP")));
    Case {
        provider: "gemini",
        model: "gemini-3-flash",
        whole: json!({ "candidates": [{ "content": { "parts": told }, "finishReason": "STOP" }] }),
        events,
        turn: ("/contents/1/parts", parts),
    }
}

fn responses() -> Case {
    let thought = |id: &str, sealed: &str| {
        json!({
            "type": "reasoning", "id": id, "encrypted_content": sealed,
            "summary": [{ "type": "summary_text", "text": "Which town?" }],
        })
    };
    let call = |id: &str| {
        json!({
            "type": "function_call", "call_id": id, "name": "weather",
            "arguments": "{\"city\":\"Ulm\"}",
        })
    };
    let text = json!([{ "type": "output_text", "text": "I look." }]);
    let output = json!([
        thought("r1", "e1"),
        { "type": "message", "id": "m1", "role": "assistant", "content": text },
        call("c1"),
        thought("r2", "e2"),
        call("c2"),
    ]);
    let turn = json!([
        { "role": "user", "content": "Ulm?" },
        thought("r1", "e1"),
        { "role": "assistant", "content": "I look." },
        call("c1"),
        thought("r2", "e2"),
        call("c2"),
        { "type": "function_call_output", "call_id": "c1", "output": "rain" },
        { "type": "function_call_output", "call_id": "c2", "output": "rain" },
    ]);
    let whole = json!({ "status": "completed", "output": output });
    let mut events = vec![json!({ "type": "response.output_text.delta", "delta": "I look." })];
    let items = output.as_array().unwrap().iter();
    events.extend(items.map(|it| json!({ "type": "response.output_item.done", "item": it })));
    let last = json!({ "status": "completed", "output": [] });
    events.push(json!({ "type": "response.completed", "response": last }));
    Case { provider: "openai-responses", model: "gpt-5", whole, events, turn: ("/input", turn) }
}

fn cases() -> [Case; 5] {
    [deepseek(), openrouter(), anthropic(), gemini(), responses()]
}

fn lm(provider: &str, model: &str, server: &Server) -> HttpLm {
    client(provider, model, &server.base(), LmOptions::default())
}

fn ask(lm: &HttpLm, request: &Request) -> Completion {
    block_on(lm.complete(request, &CallContext::default())).unwrap()
}

/// The next request: the reply, and an answer to each of its calls.
fn next(reply: &Completion) -> Request {
    let mut messages = vec![Message::new(Role::User, "Ulm?"), Message::from(reply)];
    for call in &reply.calls {
        let mut answer = Message::new(Role::Tool, "rain");
        answer.answers = Some(call.id.clone());
        messages.push(answer);
    }
    Request::new(Prompt::Chat(messages))
}

/// What is sent after this reply.
fn sent(case: &Case, lm: &HttpLm, server: &Server, reply: &Completion) -> Value {
    ask(lm, &next(reply));
    let seen = server.seen();
    seen.last().unwrap().json().pointer(case.turn.0).cloned().unwrap_or_default()
}

#[test]
fn thoughts_go_back_as_they_came_and_where_they_stood() {
    for case in cases() {
        let whole = || Play::ok(case.whole.to_string());
        let events: String = case.events.iter().map(|it| format!("data: {it}\n\n")).collect();
        let server = Server::start([whole(), whole(), cut_sse(&events), whole()]);
        let lm = lm(case.provider, case.model, &server);
        let reply = ask(&lm, &request());
        assert_eq!(sent(&case, &lm, &server, &reply), case.turn.1, "{}", case.provider);
        let streamed = listen(&lm, &request(), |_| false).0.unwrap();
        assert_eq!(streamed.carry, reply.carry, "{}", case.provider);
        assert_eq!(sent(&case, &lm, &server, &streamed), case.turn.1, "{}", case.provider);
        // As a store keeps it.
        let kept = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<Completion>(&kept).unwrap(), reply);
    }
}

/// Tools and thoughts stand in a recording of a test as they came.
#[test]
fn a_recording_has_them() {
    for case in cases() {
        let server = Server::start([Play::ok(case.whole.to_string())]);
        let lm = lm(case.provider, case.model, &server);
        let reply = ask(&lm, &request());
        let (address, request) = (Address::default(), request());
        let asked = Asked {
            model: lm.name(),
            address: &address,
            place: &address,
            request: &request,
            capabilities: lm.capabilities(),
            is_scripted: false,
        };
        let mut recording = Recording::default();
        recording.add("a test", asked, reply.clone());
        let read = Recording::parse(&recording.text()).unwrap();
        assert_eq!(read.places().next().unwrap().1[0].completion, reply, "{}", case.provider);
    }
}

#[test]
fn nobody_else_is_sent_them() {
    for case in cases() {
        let play = || Play::ok(case.whole.to_string());
        let server = Server::start([play(), play()]);
        let reply = ask(&lm(case.provider, case.model, &server), &request());
        let other = lm(case.provider, "another", &server);
        let turn = sent(&case, &other, &server, &reply).to_string();
        for sealed in ["s1", "e1", "d1", "town"] {
            assert!(!turn.contains(sealed), "{} {turn}", case.provider);
        }
    }
}

#[test]
fn a_reply_that_calls_no_tool_carries_nothing() {
    let signed = json!({ "type": "thinking", "thinking": "Hm.", "signature": "s1" });
    let text = json!({ "type": "text", "text": "rain" });
    let whole = json!({ "content": [signed, text], "stop_reason": "end_turn" });
    let server = Server::start([Play::ok(whole.to_string())]);
    let reply = ask(&lm("anthropic", "claude-sonnet-4-5", &server), &request());
    assert_eq!((reply.text.as_str(), reply.reasoning.as_deref()), ("rain", Some("Hm.")));
    assert_eq!(reply.carry, None);
}

#[test]
fn who_is_told_not_to_think_is_not_shown_thoughts() {
    let case = anthropic();
    let server = Server::answering(move |_| Play::ok(anthropic().whole.to_string()));
    let lm = lm(case.provider, case.model, &server);
    let reply = ask(&lm, &request());
    let sampling = Sampling { effort: Some(Effort::None), ..Sampling::default() };
    ask(&lm, &Request { sampling, ..next(&reply) });
    let blocks = server.seen()[1].json()["messages"][1]["content"].clone();
    let kinds: Vec<_> =
        blocks.as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
    assert_eq!(kinds, ["text", "text", "tool_use"]);
}

#[test]
fn a_key_in_thoughts_is_kept_nowhere() {
    let mut case = responses();
    case.whole["output"][0]["encrypted_content"] = json!(format!("e {KEY}"));
    let server = Server::start([Play::ok(case.whole.to_string())]);
    let reply = ask(&lm(case.provider, case.model, &server), &request());
    assert!(!serde_json::to_string(&reply).unwrap().contains(KEY));
    assert_eq!(reply.calls.len(), 2);
}

fn with_tool() -> Request {
    let tool = Tool {
        name: "weather".to_owned(),
        description: String::new(),
        parameters: json!({ "type": "object", "properties": {} }),
    };
    Request { tools: vec![tool], ..request() }
}

/// Nothing is left at the server of responses, so that it is asked for sealed thoughts where
/// an answer of a tool may follow, until it says that it has none.
#[test]
fn sealed_thoughts_are_asked_for_where_tools_are_told() {
    let refusal = json!({ "error": {
        "message": "Encrypted content is not supported with this model.", "param": "include",
    }});
    let server = Server::start([
        Play::ok(responses().whole.to_string()),
        Play::ok(responses().whole.to_string()),
        Play::status(400, refusal.to_string()),
        Play::ok(responses().whole.to_string()),
    ]);
    let options = LmOptions { api: Some(Api::Responses), ..LmOptions::default() };
    let lm = client("openai", "gpt-5-mini", &server.base(), options);
    ask(&lm, &request());
    ask(&lm, &with_tool());
    ask(&lm, &with_tool());
    let seen = server.seen();
    let include: Vec<Value> =
        seen.iter().map(|it| it.json().get("include").cloned().unwrap_or_default()).collect();
    let sealed = json!(["reasoning.encrypted_content"]);
    assert_eq!(include, [Value::Null, sealed.clone(), sealed, Value::Null]);
}
