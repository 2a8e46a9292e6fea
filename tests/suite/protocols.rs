//! What each interface is sent and how its answers are read, against real servers on loopback.

use crate::http::server::{Play, Seen, Server};
use crate::streams::{Heard, KEY, client, cut_sse, listen, request};
use dsp_lang::config::Api;
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::http::{HttpEmbedder, HttpLm};
use dsp_lang::lm::retry::Retry;
use dsp_lang::lm::{
    CallContext, Completion, Decoding, Effort, Embedder, Error, ErrorKind, Finish, Lm,
    LmOptions, Message, Placed, Prompt, Request, Role, Sampling, Tool, ToolCall, ToolChoice,
    UserEndpoints, block_on, keys,
};
use dsp_lang::schema::{Media, MediaKind, Source};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A provider and a model of each interface.
const ALL: [(&str, &str); 6] = [
    ("openai", "gpt-4o"),
    ("openai-responses", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("ollama", "qwen3"),
    ("azure", "mine"),
];

/// A reply with this text in each interface, whole and as the bytes of a stream.
fn replies(provider: &str, text: &str) -> (Value, String) {
    let (a, b) = text.split_at(text.len() / 2);
    let sse = |events: &[Value]| events.iter().map(|it| format!("data: {it}\n\n")).collect();
    match provider {
        "openai" | "azure" => {
            let usage = json!({ "prompt_tokens": 11, "completion_tokens": 3 });
            let piece = |text| json!({ "model": "s", "choices": [{ "index": 0, "delta": { "content": text } }] });
            let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }], "usage": usage });
            let whole = json!({ "model": "s", "usage": usage, "choices": [
                { "message": { "role": "assistant", "content": text }, "finish_reason": "stop" },
            ]});
            (whole, sse(&[piece(a), piece(b), end]))
        }
        "openai-responses" => {
            let part = json!({ "type": "output_text", "text": text });
            let output = json!([{ "type": "message", "role": "assistant", "content": [part] }]);
            let usage = json!({ "input_tokens": 11, "output_tokens": 3 });
            let whole = json!({ "model": "s", "status": "completed", "output": output, "usage": usage });
            let piece = |text| json!({ "type": "response.output_text.delta", "delta": text });
            let end = json!({ "type": "response.completed", "response": whole });
            (whole, sse(&[piece(a), piece(b), end]))
        }
        "anthropic" => {
            let whole = json!({
                "model": "s", "content": [{ "type": "text", "text": text }],
                "stop_reason": "end_turn", "usage": { "input_tokens": 11, "output_tokens": 3 },
            });
            let start = json!({ "type": "message_start", "message": {
                "model": "s", "content": [], "usage": { "input_tokens": 11, "output_tokens": 1 },
            }});
            let block = json!({
                "type": "content_block_start", "index": 0,
                "content_block": { "type": "text", "text": "" },
            });
            let piece = |text| {
                json!({
                    "type": "content_block_delta", "index": 0,
                    "delta": { "type": "text_delta", "text": text },
                })
            };
            let end = json!({
                "type": "message_delta", "delta": { "stop_reason": "end_turn" },
                "usage": { "output_tokens": 3 },
            });
            let stop = json!({ "type": "message_stop" });
            (whole, sse(&[start, block, piece(a), piece(b), end, stop]))
        }
        "gemini" => {
            let usage = json!({ "promptTokenCount": 11, "candidatesTokenCount": 3 });
            let piece = |text: &str, end: Value| {
                json!({
                    "candidates": [{ "content": { "parts": [{ "text": text }] }, "finishReason": end }],
                    "usageMetadata": usage, "modelVersion": "s",
                })
            };
            let events = sse(&[piece(a, Value::Null), piece(b, json!("STOP"))]);
            (piece(text, json!("STOP")), events)
        }
        _ => {
            let piece = |text: &str, done: bool| match done {
                true => json!({
                    "model": "s", "message": { "role": "assistant", "content": text },
                    "done": true, "done_reason": "stop",
                    "prompt_eval_count": 11, "eval_count": 3,
                }),
                false => json!({ "model": "s", "message": { "content": text }, "done": false }),
            };
            let events = format!("{}\n{}\n", piece(a, false), piece(b, true));
            (piece(text, true), events)
        }
    }
}

fn plain(provider: &str, model: &str, server: &Server) -> HttpLm {
    client(provider, model, &server.base(), LmOptions::default())
}

fn ask(lm: &HttpLm, request: &Request) -> Result<Completion, Error> {
    block_on(lm.complete(request, &CallContext::default()))
}

/// What a client sends for a request.
fn sent(provider: &str, model: &str, request: &Request) -> Seen {
    let server = Server::start([Play::ok(replies(provider, "ok").0.to_string())]);
    ask(&plain(provider, model, &server), request).unwrap();
    server.seen()[0].clone()
}

#[test]
fn a_reply_is_the_same_whichever_way_it_comes() {
    for (provider, model) in ALL {
        let (whole, stream) = replies(provider, "pong, „größer“");
        let server = Server::start([
            Play::ok(whole.to_string()),
            cut_sse(&stream),
            cut_sse(&stream[..stream.floor_char_boundary(stream.len() * 2 / 3)]),
            cut_sse(&stream),
        ]);
        let lm = plain(provider, model, &server);
        let asked = ask(&lm, &request()).unwrap();
        assert_eq!(asked.text, "pong, „größer“", "{provider}");
        assert_eq!((asked.finish, asked.model.as_deref()), (Finish::Stop, Some("s")));
        let usage = (asked.usage.prompt_tokens, asked.usage.completion_tokens);
        assert_eq!(usage, (Some(11), Some(3)), "{provider}");
        let (told, heard) = listen(&lm, &request(), |_| false);
        assert_eq!(told.unwrap(), asked, "{provider}");
        assert_eq!(heard, [Heard::Text(asked.text.clone())], "{provider}");
        // A stream that is cut is asked for again.
        let (told, heard) = listen(&lm, &request(), |_| false);
        assert_eq!(told.unwrap(), Completion { attempts: 2, ..asked.clone() }, "{provider}");
        assert_eq!(heard.last(), Some(&Heard::Text(asked.text)), "{provider}");
    }
}

#[test]
fn each_interface_is_asked_at_its_place_with_its_header() {
    let places = [
        ("POST /v1/chat/completions HTTP/1.1", "authorization"),
        ("POST /v1/responses HTTP/1.1", "authorization"),
        ("POST /v1/messages HTTP/1.1", "x-api-key"),
        ("POST /v1/models/gemini-2.5-flash:generateContent HTTP/1.1", "x-goog-api-key"),
        ("POST /api/chat HTTP/1.1", "authorization"),
        (
            "POST /v1/openai/deployments/mine/chat/completions?api-version=2024-10-21 HTTP/1.1",
            "api-key",
        ),
    ];
    for ((provider, model), (line, header)) in ALL.into_iter().zip(places) {
        let seen = sent(provider, model, &request());
        assert_eq!(seen.line, line);
        let with_key: Vec<&str> = seen
            .headers
            .iter()
            .filter(|(_, value)| value.contains(KEY))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(with_key, [header], "{provider}");
    }
    assert_eq!(
        sent("anthropic", "m", &request()).header("anthropic-version"),
        Some("2023-06-01")
    );
}

fn conversation(messages: Vec<Message>) -> Request {
    Request::new(Prompt::Chat(messages))
}

fn strict() -> Value {
    json!({
        "type": "object",
        "properties": { "a": { "type": "string" } },
        "required": ["a"],
        "additionalProperties": false,
    })
}

#[test]
fn schemas_of_replies_are_said_in_the_words_of_each() {
    let wanted = Request { decoding: Decoding::Json(strict()), ..request() };
    let body = |provider, model| sent(provider, model, &wanted).json();
    let format = &body("openai", "gpt-4o")["response_format"]["json_schema"];
    assert_eq!((&format["schema"], &format["strict"]), (&strict(), &json!(true)));
    let format = &body("openai-responses", "gpt-4o")["text"]["format"];
    assert_eq!((&format["schema"], &format["type"]), (&strict(), &json!("json_schema")));
    let claude = body("anthropic", "claude-sonnet-4-5");
    assert_eq!(claude["output_config"]["format"]["schema"], strict());
    let gemini = &body("gemini", "gemini-2.5-flash")["generationConfig"];
    assert_eq!(gemini["responseMimeType"], "application/json");
    assert_eq!(gemini["responseSchema"].get("additionalProperties"), None);
    assert_eq!(body("ollama", "qwen3")["format"], strict());
}

#[test]
fn a_tool_stands_for_the_reply_where_schemas_are_unknown() {
    let call = json!({
        "content": [{ "type": "tool_use", "id": "t", "name": "dsp_reply", "input": { "a": "b" } }],
        "stop_reason": "tool_use", "usage": { "input_tokens": 1, "output_tokens": 1 },
    });
    let server = Server::start([Play::ok(call.to_string())]);
    let lm = plain("anthropic", "claude-3-5-haiku-latest", &server);
    let wanted = Request { decoding: Decoding::Json(strict()), ..request() };
    let reply = ask(&lm, &wanted).unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), (r#"{"a":"b"}"#, Finish::Stop));
    assert!(reply.calls.is_empty());
    let sent = server.seen()[0].json();
    assert_eq!(sent["tools"][0]["input_schema"], strict());
    assert_eq!(sent["tool_choice"], json!({ "type": "tool", "name": "dsp_reply" }));
}

fn called() -> Vec<Message> {
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "weather".to_owned(),
        arguments: r#"{"city":"Ulm"}"#.to_owned(),
    };
    let mut asked = Message::new(Role::Assistant, "");
    asked.calls.push(call);
    let mut answer = Message::new(Role::Tool, "rain");
    answer.answers = Some("call_1".to_owned());
    vec![Message::new(Role::User, "Ulm?"), asked, answer]
}

#[test]
fn tools_and_their_answers_are_told() {
    let tool = Tool {
        name: "weather".to_owned(),
        description: "Tells it.".to_owned(),
        parameters: json!({ "type": "object", "properties": { "city": { "type": "string" } } }),
    };
    let wanted = Request {
        tools: vec![tool],
        tool_choice: ToolChoice::Named("weather".to_owned()),
        ..conversation(called())
    };
    let body = |provider, model| sent(provider, model, &wanted).json();
    let openai = body("openai", "gpt-4o");
    assert_eq!(openai["tools"][0]["function"]["name"], "weather");
    assert_eq!(openai["messages"][1]["tool_calls"][0]["id"], "call_1");
    assert_eq!(openai["messages"][2]["tool_call_id"], "call_1");
    let responses = body("openai-responses", "gpt-4o");
    assert_eq!(responses["input"][1]["type"], "function_call");
    assert_eq!(responses["input"][2]["output"], "rain");
    let claude = body("anthropic", "claude-sonnet-4-5");
    assert_eq!(claude["messages"][1]["content"][0]["input"], json!({ "city": "Ulm" }));
    assert_eq!(claude["messages"][2]["content"][0]["tool_use_id"], "call_1");
    assert_eq!(claude["tool_choice"], json!({ "type": "tool", "name": "weather" }));
    let gemini = body("gemini", "gemini-2.5-flash");
    assert_eq!(gemini["contents"][2]["parts"][0]["functionResponse"]["name"], "weather");
    let choice = &gemini["toolConfig"]["functionCallingConfig"];
    assert_eq!(choice["allowedFunctionNames"], json!(["weather"]));
    let ollama = body("ollama", "qwen3");
    assert_eq!(ollama["messages"][2]["tool_name"], "weather");
}

fn picture() -> Media {
    let source = Source::bytes(*b"\x89PNG");
    Media { kind: MediaKind::Image, mime: "image/png".into(), name: None, source }
}

fn showing(media: Media) -> Request {
    let mut message = Message::new(Role::User, "Look: . Well?");
    message.media.push(Placed { at: 6, media: Arc::new(media) });
    conversation(vec![message])
}

#[test]
fn media_stand_where_they_were_put() {
    let shown = showing(picture());
    let body = |provider, model| sent(provider, model, &shown).json();
    let url = "data:image/png;base64,iVBORw==";
    let text = |text: &str| json!({ "type": "text", "text": text });
    assert_eq!(
        body("openai", "gpt-4o")["messages"][0]["content"],
        json!([text("Look: "), { "type": "image_url", "image_url": { "url": url } }, text(". Well?")])
    );
    let responses = body("openai-responses", "gpt-4o");
    assert_eq!(responses["input"][0]["content"][1]["image_url"], url);
    let source = json!({ "type": "base64", "media_type": "image/png", "data": "iVBORw==" });
    assert_eq!(
        body("anthropic", "m")["messages"][0]["content"],
        json!([text("Look: "), { "type": "image", "source": source }, text(". Well?")])
    );
    assert_eq!(
        body("gemini", "m")["contents"][0]["parts"][1],
        json!({ "inlineData": { "mimeType": "image/png", "data": "iVBORw==" } })
    );
    assert_eq!(body("ollama", "m")["messages"][0]["images"], json!(["iVBORw=="]));
}

#[test]
fn media_that_have_no_place_are_refused_before_anything_is_sent() {
    let sound = Media { kind: MediaKind::Audio, mime: "audio/flac".into(), ..picture() };
    for (provider, model) in [("anthropic", "m"), ("openai", "m"), ("ollama", "m")] {
        let server = Server::start([]);
        let lm = plain(provider, model, &server);
        assert_eq!(lm.capabilities().media.audio, provider == "openai");
        let error = ask(&lm, &showing(sound.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.message().contains("audio/flac"), "{error}");
        assert!(error.hint_text().is_some() && server.seen().is_empty());
    }
}

#[test]
fn efforts_are_said_in_the_words_of_each() {
    let sampling = Sampling { effort: Some(Effort::Low), ..Sampling::default() };
    let wanted = Request { sampling, ..request() };
    let body = |provider, model| sent(provider, model, &wanted).json();
    assert_eq!(body("openai", "gpt-5")["reasoning_effort"], "low");
    assert_eq!(body("openai-responses", "gpt-5")["reasoning"]["effort"], "low");
    let claude = body("anthropic", "claude-sonnet-4-5");
    assert_eq!(claude["thinking"], json!({ "type": "enabled", "budget_tokens": 2048 }));
    assert_eq!(claude.get("temperature"), None);
    let claude = body("anthropic", "claude-opus-4-6");
    assert_eq!(claude["output_config"], json!({ "effort": "low" }));
    let thinking = |model| body("gemini", model)["generationConfig"]["thinkingConfig"].clone();
    assert_eq!(thinking("gemini-2.5-pro")["thinkingBudget"], 1024);
    assert_eq!(thinking("gemini-3-pro")["thinkingLevel"], "low");
    assert_eq!(body("ollama", "qwen3")["think"], true);
}

#[test]
fn long_prompts_are_marked_for_the_cache_of_claude() {
    let long = "word ".repeat(1000);
    let messages = vec![
        Message::new(Role::System, long.as_str()),
        Message::new(Role::User, "demo"),
        Message::new(Role::Assistant, "reply"),
        Message::new(Role::User, "now"),
    ];
    let body = sent("anthropic", "m", &conversation(messages)).json();
    let mark = json!({ "type": "ephemeral" });
    assert_eq!(body["system"][0]["cache_control"], mark);
    assert_eq!(body["messages"][1]["content"][0]["cache_control"], mark);
    assert_eq!(body["messages"][2]["content"], "now");
    let short = sent("anthropic", "m", &request()).json().to_string();
    assert!(!short.contains("cache_control"));
}

#[test]
fn every_kind_of_error_is_told_by_each_without_the_key() {
    let cases = [
        (401, "invalid key", ErrorKind::Key),
        (404, "no such model", ErrorKind::Unknown),
        (400, "prompt is too long: 9 tokens > 8 maximum", ErrorKind::TooLong),
        (400, "Invalid schema for response_format 'reply'", ErrorKind::Refused),
        (400, "image input is no part of it", ErrorKind::Refused),
        (429, "slow down", ErrorKind::RateLimit),
        (529, "overloaded", ErrorKind::Server),
    ];
    for (provider, model) in ALL {
        for (status, said, kind) in cases {
            let body = match provider {
                "anthropic" => {
                    json!({ "type": "error", "error": { "type": "x", "message": format!("{said} {KEY}") } })
                }
                "ollama" => json!({ "error": format!("{said} {KEY}") }),
                _ => json!({ "error": { "message": format!("{said} {KEY}"), "code": null } }),
            };
            let play = Play::status(status, body.to_string());
            let server = Server::answering(move |_| play.clone());
            let lm = plain(provider, model, &server);
            let wanted = Request { decoding: Decoding::Json(strict()), ..request() };
            for error in
                [ask(&lm, &wanted).unwrap_err(), listen(&lm, &wanted, |_| false).0.unwrap_err()]
            {
                assert_eq!(error.kind(), kind, "{provider} {error}");
                let text = format!("{error} {error:?} {:?} {lm:?}", error.hint_text());
                assert!(
                    text.contains(said) && text.contains(&format!("{provider}/{model}")),
                    "{text}"
                );
                assert!(!text.contains(KEY) && !text.contains("0123456789"), "{text}");
                let attempts = if error.is_retryable() { 4 } else { 1 };
                assert_eq!(error.is_retryable(), attempts > 1, "{text}");
            }
            let address = server.seen().iter().any(|it| it.line.contains(KEY));
            assert!(!address, "a key in an address");
        }
    }
}

#[test]
fn a_reply_that_is_not_written_is_told_as_filtered() {
    let refusals = [
        (
            "openai",
            json!({ "choices": [{ "message": { "refusal": "no" }, "finish_reason": "stop" }] }),
        ),
        (
            "openai-responses",
            json!({ "status": "completed", "output": [
                { "type": "message", "content": [{ "type": "refusal", "refusal": "no" }] },
            ]}),
        ),
        (
            "anthropic",
            json!({ "content": [{ "type": "text", "text": "no" }], "stop_reason": "refusal" }),
        ),
        ("gemini", json!({ "promptFeedback": { "blockReason": "SAFETY" } })),
    ];
    for (provider, body) in refusals {
        let server = Server::start([Play::ok(body.to_string())]);
        let reply = ask(&plain(provider, "m", &server), &request()).unwrap();
        assert_eq!(reply.finish, Finish::Filter, "{provider}");
    }
}

fn embedder(provider: &str, server: &Server) -> HttpEmbedder {
    let host = MemoryHost::default().with_env("TEST_KEY", KEY);
    let options = LmOptions {
        api_base: Some(server.base()),
        key_env: Some("TEST_KEY".to_owned()),
        ..LmOptions::default()
    };
    let name = format!("{provider}/e");
    let endpoint =
        keys::endpoint(&name, provider, &options, &UserEndpoints::default(), &host).unwrap();
    let retry = Retry { base: Duration::from_millis(4), ..Retry::default() };
    HttpEmbedder::new(&name, provider, "e", endpoint, &options).unwrap().with_retry(retry)
}

/// A server that embeds: the first number is the length of the text.
fn embedding(provider: &'static str) -> Server {
    Server::answering(move |seen| {
        let body = seen.json();
        let rows = |texts: &Value, text: fn(&Value) -> &Value| -> Vec<Value> {
            let all = texts.as_array().unwrap().iter();
            all.map(|it| json!([text(it).as_str().unwrap().len(), 0.5])).collect()
        };
        let reply = match provider {
            "gemini" => {
                let rows = rows(&body["requests"], |it| &it["content"]["parts"][0]["text"]);
                let rows: Vec<Value> = rows.iter().map(|it| json!({ "values": it })).collect();
                json!({ "embeddings": rows })
            }
            "ollama" => {
                json!({ "embeddings": rows(&body["input"], |it| it), "prompt_eval_count": 7 })
            }
            _ => {
                let rows = rows(&body["input"], |it| it);
                // In any order.
                let data: Vec<Value> = rows
                    .iter()
                    .enumerate()
                    .rev()
                    .map(|(at, it)| json!({ "index": at, "embedding": it }))
                    .collect();
                json!({ "data": data, "usage": { "prompt_tokens": 7, "total_tokens": 7 } })
            }
        };
        Play::ok(reply.to_string())
    })
}

#[test]
fn texts_become_vectors_in_their_order() {
    let places = [
        ("openai", "POST /v1/embeddings HTTP/1.1", Some(14)),
        ("gemini", "POST /v1/models/e:batchEmbedContents HTTP/1.1", None),
        ("ollama", "POST /api/embed HTTP/1.1", Some(14)),
    ];
    let most = |provider| if provider == "gemini" { 100 } else { 256 };
    for (provider, line, tokens) in places {
        let server = embedding(provider);
        let texts: Vec<String> = (0..most(provider) + 9).map(|at| "x".repeat(at + 1)).collect();
        let lm = embedder(provider, &server);
        let found = block_on(lm.embed(&texts, &CallContext::default())).unwrap();
        let lengths: Vec<usize> = found.vectors.iter().map(|it| it[0] as usize).collect();
        assert_eq!(lengths, (1..=texts.len()).collect::<Vec<_>>(), "{provider}");
        assert_eq!((found.attempts, found.usage.prompt_tokens), (2, tokens), "{provider}");
        assert_eq!(server.seen()[0].line, line);
    }
}

#[test]
fn vectors_that_do_not_fit_are_asked_for_again() {
    let wrong = [
        json!({ "data": [] }),
        json!({ "data": [{ "embedding": [1.0] }, { "embedding": [1.0, 2.0] }] }),
        json!({ "data": [{ "embedding": [] }, { "embedding": [] }] }),
    ];
    let texts = ["a".to_owned(), "b".to_owned()];
    for body in wrong {
        let play = Play::ok(body.to_string());
        let server = Server::answering(move |_| play.clone());
        let lm = embedder("openai", &server);
        let error = block_on(lm.embed(&texts, &CallContext::default())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert_eq!(server.seen().len(), 4);
    }
}

#[test]
fn another_interface_may_be_named() {
    let server = Server::start([Play::ok(replies("anthropic", "ok").0.to_string())]);
    let options = LmOptions { api: Some(Api::Anthropic), ..LmOptions::default() };
    let lm = client("deepseek", "m", &server.base().replace("/v1", "/anthropic"), options);
    assert_eq!(ask(&lm, &request()).unwrap().text, "ok");
    assert_eq!(server.seen()[0].line, "POST /anthropic/v1/messages HTTP/1.1");
    assert!(lm.identity().starts_with("anthropic-messages/1 deepseek m "));
}

#[test]
fn what_a_server_knows_of_schemas_is_learned_from_its_answer() {
    let refusals = [
        ("vllm", "response_format of type json_schema is not supported", "json_object"),
        ("anthropic", "output_config: Extra inputs are not permitted", "dsp_reply"),
        (
            "deepseek",
            "Prompt must contain the word 'json' to use 'response_format'",
            "messages",
        ),
    ];
    for (provider, said, then) in refusals {
        let interface = if provider == "anthropic" { provider } else { "openai" };
        let ok = Play::ok(replies(interface, "ok").0.to_string());
        let refusal = json!({ "error": { "message": said, "type": "invalid_request_error" } });
        let server = Server::start([Play::status(400, refusal.to_string()), ok.clone(), ok]);
        let lm = plain(provider, "claude-sonnet-4-5", &server);
        let wanted = Request { decoding: Decoding::Json(strict()), ..request() };
        let attempts = [(); 2].map(|()| ask(&lm, &wanted).unwrap().attempts);
        assert_eq!(attempts, [2, 1], "{provider}");
        let seen = server.seen();
        assert!(seen[1].body.contains(then) && !seen[1].body.contains("json_schema"));
        assert_eq!(seen[1].body, seen[2].body);
    }
    // What is wrong stays wrong, and is told.
    let said = "Invalid schema for response_format 'reply': In context=(), it is not supported";
    let refusal = json!({ "error": { "message": said, "param": "response_format" } });
    let server = Server::start([Play::status(400, refusal.to_string())]);
    let wanted = Request { decoding: Decoding::Json(strict()), ..request() };
    let error = ask(&plain("openai", "gpt-4o", &server), &wanted).unwrap_err();
    assert_eq!((error.kind(), server.seen().len()), (ErrorKind::Refused, 1));
    assert!(error.hint_text().unwrap().contains("schema"), "{error:?}");
}

/// What the reference says of a provider, from the table that the program uses.
fn told(provider: &keys::Provider) -> String {
    let server = Server::start([]);
    let lm = client(provider.name, "MODEL", &server.base(), LmOptions::default());
    let can = lm.capabilities();
    let offers = [
        (can.schema, "schemas"),
        (can.media.image, "images"),
        (can.media.audio, "audio"),
        (can.media.file, "files"),
        (can.logprobs, "logprobs"),
        (can.n, "n"),
    ];
    let offers: Vec<&str> = offers.iter().filter(|it| it.0).map(|it| it.1).collect();
    let key = provider.key_env.map_or_else(|| "none".to_owned(), |it| format!("`{it}`"));
    let address = match provider.base_url {
        "" => "`AZURE_OPENAI_ENDPOINT`".to_owned(),
        address => format!("`{address}`"),
    };
    format!(
        "| `{}/…` | {key} | {address} | `{}` | {} | never |",
        provider.name,
        provider.api.as_str(),
        offers.join(", ")
    )
}

#[test]
fn the_reference_tells_of_every_provider() {
    let page = dsp_lang::manual::topic("models").unwrap();
    let told: Vec<String> = keys::PROVIDERS.iter().map(told).collect();
    let rows: Vec<&str> = page.lines().filter(|it| it.ends_with(" never |")).collect();
    assert_eq!(rows, told, "\n{}", told.join("\n"));
}
