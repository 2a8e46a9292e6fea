//! What the language says of models' replies and takes besides text, against real servers on
//! loopback.

use crate::http::server::{Play, Seen, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dsp_lang::Engine;
use dsp_lang::engine::{Budget, Builder, Finished};
use dsp_lang::host::MemoryHost;
use dsp_lang::store::Store;
use serde_json::{Value, json};
use std::sync::Arc;

const KEY: &str = "sk-planted-0123456789";

fn host() -> MemoryHost {
    MemoryHost::default().with_env("TEST_KEY", KEY)
}

/// Runs a program in which `MODEL` is a chat model and `EMBEDS` one that embeds, at `server`.
fn run_with(
    server: &Server,
    host: &Arc<MemoryHost>,
    text: &str,
    set: impl FnOnce(Builder) -> Builder,
) -> Finished {
    let at = format!("api_base: \"{}\", key_env: \"TEST_KEY\"", server.base());
    let text = text
        .replace("MODEL", &format!("lm(\"openai/gpt-test\", {at})"))
        .replace("EMBEDS", &format!("lm(\"openai/text-embedding-test\", {at})"));
    let engine = set(Engine::builder().host(host.clone())).build().unwrap();
    engine.load_text("main.dsp", &text).unwrap().run()
}

/// What a program prints that ends well.
fn printed(server: &Server, host: MemoryHost, text: &str) -> String {
    let host = Arc::new(host);
    let finished = run_with(server, &host, text, |it| it);
    finished.result.unwrap();
    host.printed()
}

#[test]
fn a_picture_is_sent_where_it_stands_and_kept_nowhere() {
    let picture = b"\x89PNG\r\n\x1a\n some pixels".to_vec();
    let server = Server::start([Play::text("[[ ## caption ## ]]\nA dot.")]);
    let host = Arc::new(host().with_file("pets/dot.png", picture.clone()));
    let text = "let describe = predict(\"photo: image, question -> caption\", lm: MODEL);\n\
                let reply = describe(photo: image(\"pets/dot.png\"), question: \"What?\");\n\
                print(reply.caption, trace(reply).to_json());";
    let store = Arc::new(Store::in_memory());
    let finished = run_with(&server, &host, text, |it| it.store(store.clone()));
    finished.result.unwrap();
    let asked = server.seen()[0].json();
    let parts = asked["messages"][1]["content"].as_array().unwrap();
    let kinds: Vec<&str> = parts.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "image_url", "text"]);
    assert_eq!(parts[0]["text"], "[[ ## photo ## ]]\n");
    let url = format!("data:image/png;base64,{}", STANDARD.encode(&picture));
    assert_eq!(parts[1]["image_url"]["url"], url.as_str());
    assert!(parts[2]["text"].as_str().unwrap().starts_with("\n\n[[ ## question ## ]]\nWhat?"));
    let told = host.printed();
    assert!(told.starts_with("A dot.") && told.contains("sha256"), "{told}");
    for secret in [KEY, &*STANDARD.encode(&picture), "some pixels"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    // The same picture by another name asks nobody.
    let again = Arc::new(self::host().with_file("other.png", picture));
    let text = text.replace("pets/dot.png", "other.png");
    run_with(&server, &again, &text, |it| it.store(store)).result.unwrap();
    assert_eq!(server.seen().len(), 1);
}

fn choices(texts: &[&str]) -> Value {
    let choice = |(at, text): (usize, &&str)| {
        json!({
            "index": at,
            "message": { "role": "assistant", "content": text, "reasoning_content": "Hm." },
            "finish_reason": "stop",
            "logprobs": { "content": [
                { "token": "Pa", "logprob": -0.5, "top_logprobs": [
                    { "token": "Pa", "logprob": -0.5 }, { "token": "Ro", "logprob": -1.25 },
                ] },
                { "token": "ris", "logprob": -0.25, "top_logprobs": [] },
            ] },
        })
    };
    json!({
        "id": "c1", "object": "chat.completion", "model": "served-1",
        "choices": texts.iter().enumerate().map(choice).collect::<Vec<_>>(),
        "usage": { "prompt_tokens": 11, "completion_tokens": 9, "total_tokens": 20 },
    })
}

fn marked(size: &str) -> String {
    format!("[[ ## size ## ]]\n{size}")
}

#[test]
fn several_replies_come_with_one_request_and_are_paid_once() {
    let server = Server::answering(|_| {
        Play::ok(choices(&[&marked("1"), "no idea", &marked("3")]).to_string())
    });
    let text = "let size = predict(\"thing -> size: int\", lm: MODEL, n: 3);\n\
                let reply = size(thing: \"x\");\n\
                print(reply.size, completions(reply).map(|it| it.size), cost(reply).calls);\n\
                print(cost(reply).completion_tokens, warnings(reply));";
    let told = printed(&server, host(), text);
    assert_eq!(
        told,
        "1 [1, 3] 1\n9 [\"1 of 3 replies cannot be read and are left out: size: expected int, \
         found `no idea`\"]\n"
    );
    let asked = server.seen()[0].json();
    assert_eq!(
        (server.seen().len(), &asked["n"], &asked["temperature"]),
        (1, &json!(3), &json!(1.0))
    );
}

#[test]
fn thoughts_and_likelihoods_are_facts_of_a_reply_and_stay_in_the_store() {
    let server = Server::answering(|_| Play::ok(choices(&["Paris"]).to_string()));
    let text = "let ask = predict(\"q -> a\", lm: MODEL, logprobs: 2);\n\
                let reply = ask(q: \"x\");\n\
                print(reasoning(reply), logprob(reply), logprobs(reply)[0].top[1].token);\n\
                print(logprobs(reply).len(), logprobs(reply)[1].logprob, logprobs(reply)[1].token);\n\
                print(trace(reply).show().contains(\"--- reasoning\"));";
    let (store, asked) = (Arc::new(Store::in_memory()), "Hm. -0.75 Ro\n2 -0.25 ris\ntrue\n");
    for _ in 0..2 {
        let host = Arc::new(host());
        run_with(&server, &host, text, |it| it.store(store.clone())).result.unwrap();
        assert_eq!(host.printed(), asked);
    }
    let body = server.seen()[0].json();
    assert_eq!((server.seen().len(), &body["top_logprobs"]), (1, &json!(2)));
}

/// A server that embeds: the vector of a text is its length and its first byte.
fn embeds(seen: &Seen) -> Play {
    let body = seen.json();
    let texts = body["input"].as_array().unwrap();
    let vector = |text: &Value| {
        let text = text.as_str().unwrap();
        json!([text.len(), text.as_bytes()[0], 1])
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(at, it)| json!({ "object": "embedding", "index": at, "embedding": vector(it) }))
        .collect();
    let usage = json!({ "prompt_tokens": 3 * texts.len(), "total_tokens": 3 * texts.len() });
    Play::ok(
        json!({ "object": "list", "data": data, "model": "m", "usage": usage }).to_string(),
    )
}

fn texts_sent(server: &Server) -> usize {
    server.seen().iter().map(|it| it.json()["input"].as_array().unwrap().len()).sum()
}

#[test]
fn no_text_is_embedded_twice() {
    let server = Server::answering(embeds);
    let store = Arc::new(Store::in_memory());
    let text = "let texts = (0..250).map(|it| `${it % 200} is a number`);\n\
                let found = index(texts, by: \"embedding\", lm: EMBEDS).search(\"7 is a number\", 1);\n\
                print(found[0].text, found[0].score > 0.999);\n\
                print(cost().calls, cost().prompt_tokens, embed(EMBEDS, \"3 is a number\"));";
    let text = text.replace("(0..250).map(|it|", "range_list(250).map(|it|");
    let text = format!(
        "fn range_list(n) {{ let all = []; for it in 0..n {{ all.push(it); }} all }}\n{text}"
    );
    let mut told = Vec::new();
    for _ in 0..2 {
        let host = Arc::new(host());
        run_with(&server, &host, &text, |it| it.store(store.clone())).result.unwrap();
        told.push(host.printed());
    }
    // 200 texts, in batches of 96; what is looked for is one of them.
    assert_eq!(told[0], "7 is a number true\n3 600 [13.0, 51.0, 1.0]\n");
    assert_eq!(told[1], "7 is a number true\n0 0 [13.0, 51.0, 1.0]\n");
    assert_eq!((texts_sent(&server), server.seen().len()), (200, 3));
}

#[test]
fn embedding_keeps_to_caps_and_tells_what_is_wrong() {
    let server = Server::answering(embeds);
    let text = "let texts = []; for it in 0..200 { texts.push(`text ${it}`); }\n\
                index(texts, by: \"embedding\", lm: EMBEDS).len();";
    let host = Arc::new(host());
    let finished = run_with(&server, &host, text, |it| it.budget(Budget::calls(2)));
    let error = finished.result.unwrap_err();
    assert_eq!(error.diagnostics()[0].code.0, "E0506", "{error:?}");
    assert!(server.seen().len() <= 2);
    let bad =
        Server::answering(|_| Play::status(400, r#"{"error":{"message":"no such model"}}"#));
    let finished = run_with(&bad, &host, "embed(EMBEDS, \"a\");", |it| it);
    let error = format!("{:?}", finished.result.unwrap_err());
    assert!(error.contains("no such model") && !error.contains(KEY), "{error}");
}
