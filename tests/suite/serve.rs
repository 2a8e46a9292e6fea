//! `dsp serve`: what clients of `OpenAI`'s interface send and get.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::embedded::tiny_gguf::tiny;
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::embedded::Embedded;
use dsp_lang::lm::{
    self, Capabilities, Completion, Error, ErrorKind, Prompt, Request, Scripted, SharedLm,
};
use dsp_lang::serve::{Server, listen, serve};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server of a model on a free port; it ends with the test.
struct Served {
    base: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    fn of(model: SharedLm) -> Self {
        let loopback = Ipv4Addr::LOCALHOST.into();
        let server = Server::new(model, Arc::new(MemoryHost::default()), loopback);
        let listener = lm::block_on(listen(SocketAddr::new(loopback, 0))).unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        Self { base, task: lm::runtime().spawn(serve(listener, server)) }
    }

    fn send(&self, request: reqwest::RequestBuilder) -> (u16, String) {
        lm::block_on(async {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        })
    }

    fn post(&self, body: &Json) -> (u16, Json) {
        let (status, text) = self.send(self.completion(body.to_string()));
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
    }

    fn completion(&self, body: String) -> reqwest::RequestBuilder {
        let url = format!("{}/chat/completions", self.base);
        client().post(url).header("content-type", "application/json").body(body)
    }

    /// The events of a stream, the last of them as text.
    fn events(&self, body: &Json) -> Vec<Json> {
        let (status, text) = self.send(self.completion(body.to_string()));
        assert_eq!(status, 200, "{text}");
        let mut events: Vec<&str> =
            text.split("\n\n").filter_map(|it| it.strip_prefix("data: ")).collect();
        assert_eq!(events.pop(), Some("[DONE]"), "{text}");
        events.into_iter().map(|it| serde_json::from_str(it).unwrap()).collect()
    }
}

fn client() -> reqwest::Client {
    // Whichever test comes first sets it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A request with these parts besides the model and a message.
fn ask(parts: Json) -> Json {
    let mut body = json!({
        "model": "scripted", "messages": [{ "role": "user", "content": "2 + 2?" }],
    });
    body.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    body
}

/// A model that says what it was asked.
fn echo() -> (SharedLm, Arc<Mutex<Vec<Request>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let model = Scripted::by(move |request, _| {
        seen.lock().unwrap().push(request.clone());
        format!("four, sample {}", request.rollout)
    });
    (Arc::new(model.counting_words()), asked)
}

#[test]
fn a_completion_is_as_clients_expect_it() {
    let (model, asked) = echo();
    let served = Served::of(model);
    let (status, reply) = served.post(&ask(json!({
        "messages": [
            { "role": "developer", "content": "Add." },
            { "role": "user", "content": [{ "type": "text", "text": "2 + " }, { "type": "text", "text": "2?" }] },
            { "role": "assistant", "content": "5" },
            { "role": "user", "content": "No." },
        ],
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "seed": -1, "stop": "\n", "user": "u",
    })));
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["object"], "chat.completion");
    assert_eq!(reply["model"], "scripted");
    let choice = &reply["choices"][0];
    assert_eq!(choice["message"]["content"], "four, sample 0");
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")));
    assert_eq!(reply["usage"]["completion_tokens"], 3);
    let prompt = reply["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(reply["usage"]["total_tokens"], prompt + 3);
    let request = asked.lock().unwrap().remove(0);
    let Prompt::Chat(messages) = &request.prompt else { panic!("{request:?}") };
    let told: Vec<(&str, &str)> =
        messages.iter().map(|it| (it.role.as_str(), it.text.as_str())).collect();
    let expected =
        [("system", "Add."), ("user", "2 + 2?"), ("assistant", "5"), ("user", "No.")];
    assert_eq!(told, expected);
    let sampling = request.sampling;
    assert_eq!((sampling.temperature, sampling.top_p), (0.5, Some(0.9)));
    assert_eq!((sampling.max_tokens, sampling.seed), (Some(7), Some(u64::MAX)));
    assert_eq!(sampling.stop, ["\n"]);
    // Without a word on it nothing is drawn.
    served.post(&ask(json!({ "n": 1 })));
    assert_eq!(asked.lock().unwrap()[0].sampling.temperature, 0.0);
}

#[test]
fn several_replies_and_fresh_samples() {
    let served = Served::of(echo().0);
    let texts = |body: &Json| -> Vec<String> {
        let (status, reply) = served.post(body);
        assert_eq!(status, 200, "{reply}");
        let choices = reply["choices"].as_array().unwrap();
        choices.iter().map(|it| it["message"]["content"].as_str().unwrap().to_owned()).collect()
    };
    let warm = ask(json!({ "temperature": 1, "n": 2 }));
    assert_eq!(texts(&warm), ["four, sample 0", "four, sample 1"]);
    assert_eq!(texts(&warm), ["four, sample 2", "four, sample 3"], "asked again");
    let seeded = ask(json!({ "temperature": 1, "n": 2, "seed": 3 }));
    assert_eq!(texts(&seeded), texts(&seeded), "a seed gives the same");
    let cold = ask(json!({}));
    assert_eq!(texts(&cold), texts(&cold));
}

#[test]
fn a_stream_tells_a_reply_in_pieces() {
    let served = Served::of(echo().0);
    let events = served.events(&ask(json!({
        "n": 2, "stream": true, "stream_options": { "include_usage": true },
    })));
    let mut texts = [String::new(), String::new()];
    let mut ends = 0;
    for event in &events {
        assert_eq!(event["object"], "chat.completion.chunk");
        assert_eq!(event["id"], events[0]["id"]);
        let Some(choice) = event["choices"].get(0) else { continue };
        let text = &mut texts[choice["index"].as_u64().unwrap() as usize];
        let delta = &choice["delta"];
        assert_eq!(delta.get("role").is_some(), text.is_empty() && delta != &json!({}));
        text.push_str(delta["content"].as_str().unwrap_or_default());
        ends += usize::from(choice["finish_reason"] == "stop");
    }
    assert_eq!(texts, ["four, sample 0", "four, sample 1"]);
    assert_eq!(ends, 2);
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 6);
}

#[test]
fn models_are_listed() {
    let served = Served::of(Arc::new(Scripted::by(|_, _| "x".to_owned()).named("local/tiny")));
    let get = |path: &str| {
        let (status, text) = served.send(client().get(format!("{}{path}", served.base)));
        (status, serde_json::from_str::<Json>(&text).unwrap())
    };
    let (status, list) = get("/models");
    assert_eq!((status, &list["data"][0]["id"]), (200, &json!("local/tiny")));
    assert_eq!(get("/models/local/tiny").0, 200);
    assert_eq!(get("/models/tiny").0, 200);
    assert_eq!(get("/models/other").0, 404);
    for name in ["local/tiny", "tiny"] {
        assert_eq!(served.post(&ask(json!({ "model": name }))).0, 200);
    }
}

#[test]
fn what_is_wrong_is_said_in_the_shape_of_the_interface() {
    let served = Served::of(echo().0);
    let user = |content: Json| json!({ "messages": [{ "role": "user", "content": content }] });
    for (parts, status, param, said) in [
        (json!({ "model": "gpt" }), 404, "model", "there is no model `gpt`; there is only"),
        (json!({ "model": null }), 400, "model", "`model` is missing"),
        (json!({ "messages": [] }), 400, "messages", "`messages` is empty"),
        (json!({ "messages": "a" }), 400, "messages", "must be a list"),
        (json!({ "messages": [{ "content": "a" }] }), 400, "messages[0]", "`role` is missing"),
        (user(json!(3)), 400, "messages[0]", "`content` must be a string"),
        (user(json!([{ "type": "image_url" }])), 400, "messages[0]", "`image_url` are not"),
        (
            json!({ "messages": [{ "role": "tool", "content": "" }] }),
            400,
            "messages[0]",
            "tools",
        ),
        (json!({ "temperature": 3 }), 400, "temperature", "a number from 0 to 2"),
        (json!({ "top_p": "a" }), 400, "top_p", "a number from 0 to 1"),
        (json!({ "max_tokens": 0 }), 400, "max_tokens", "at least 1"),
        (json!({ "n": 0 }), 400, "n", "`n` must be from 1 to 128"),
        (json!({ "n": 129 }), 400, "n", "`n` must be from 1 to 128"),
        (json!({ "stop": [1] }), 400, "stop", "a string or a list of strings"),
        (json!({ "stream": "yes" }), 400, "stream", "true or false"),
        (json!({ "logprobs": true }), 400, "logprobs", "does not tell"),
        (json!({ "top_logprobs": 2 }), 400, "top_logprobs", "wants `logprobs`"),
        (json!({ "tools": [{}] }), 400, "tools", "not served here"),
        (json!({ "logit_bias": { "5": 1 } }), 400, "logit_bias", "not served here"),
        (
            json!({ "response_format": { "type": "json_object" } }),
            400,
            "response_format",
            "this model can be held to a schema",
        ),
        (
            json!({ "response_format": { "type": "x" } }),
            400,
            "response_format",
            "`type` must be",
        ),
    ] {
        let (code, reply) = served.post(&ask(parts.clone()));
        let error = &reply["error"];
        assert_eq!((code, error["param"].as_str()), (status, Some(param)), "{parts}: {reply}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(said), "{parts}: {reply}");
    }
    // What says nothing is no error.
    let quiet = json!({
        "tools": [], "logit_bias": {}, "presence_penalty": 0, "temperature": null, "stop": null,
        "response_format": { "type": "text" }, "modalities": ["text"], "parallel_tool_calls": true,
    });
    assert_eq!(served.post(&ask(quiet)).0, 200);
    let url = format!("{}/chat/completions", served.base);
    let sent = |request: reqwest::RequestBuilder| {
        let (status, text) = served.send(request);
        let body: Json = serde_json::from_str(&text).unwrap();
        (status, body["error"]["message"].as_str().unwrap().to_owned())
    };
    let (status, said) = sent(served.completion("{".to_owned()));
    assert!(status == 400 && said.starts_with("the body is no JSON: EOF"), "{said}");
    assert_eq!(sent(client().post(&url).body("{}")).0, 415);
    assert_eq!(sent(client().get(&url)).0, 405);
    let (status, said) = sent(client().get(served.base.replace("/v1", "/v2/x")));
    assert_eq!((status, said.contains("POST /v1/chat/completions")), (404, true));
    // A name that a page of the web made mean this machine.
    assert_eq!(sent(served.completion("{}".to_owned()).header("host", "evil.example")).0, 403);
    let long = served.completion(format!("\"{}\"", "a".repeat(33 << 20)));
    assert_eq!(sent(long).0, 413);
}

#[test]
fn errors_of_the_model_have_statuses_also_where_a_stream_was_wanted() {
    let fails = |kind: ErrorKind| -> SharedLm {
        Arc::new(Scripted::try_by(
            move |_, _| Err(Error::new(kind, "m", "why").hint("do this")),
        ))
    };
    for (kind, status) in [
        (ErrorKind::TooLong, 400),
        (ErrorKind::Refused, 400),
        (ErrorKind::RateLimit, 429),
        (ErrorKind::Timeout, 504),
        (ErrorKind::Connect, 502),
        (ErrorKind::Weights, 500),
    ] {
        let served = Served::of(fails(kind));
        for stream in [false, true] {
            let (code, reply) = served.post(&ask(json!({ "stream": stream })));
            assert_eq!(code, status, "{reply}");
            let message = reply["error"]["message"].as_str().unwrap();
            assert!(message.contains("why; do this"), "{message}");
        }
    }
}

/// A model that takes its time and notes how many it answers at once.
#[derive(Debug)]
struct Slow {
    now: AtomicUsize,
    most: AtomicUsize,
    cancelled: AtomicUsize,
    took: Duration,
}

impl lm::Lm for Slow {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn identity(&self) -> String {
        "slow".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { parallel: 3, ..Capabilities::PLAIN }
    }

    fn complete<'a>(
        &'a self,
        _: &'a Request,
        context: &'a lm::CallContext,
    ) -> lm::CallFuture<'a> {
        Box::pin(async move {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let began = tokio::time::Instant::now();
            // However late the others come, it is still there.
            let is_alone = || self.most.load(Ordering::SeqCst) < 3;
            let patience = || began.elapsed() < Duration::from_secs(30);
            while began.elapsed() < self.took || is_alone() && patience() {
                if context.cancel.is_cancelled() {
                    self.cancelled.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            Ok(Completion { text: "ok".to_owned(), ..Completion::default() })
        })
    }
}

fn slow(took: Duration) -> Arc<Slow> {
    let zero = || AtomicUsize::new(0);
    Arc::new(Slow { now: zero(), most: zero(), cancelled: zero(), took })
}

#[test]
fn requests_wait_for_their_turn() {
    let model = slow(Duration::from_millis(40));
    let served = Served::of(model.clone());
    let all = (0..12).map(|_| served.completion(ask(json!({})).to_string()).send());
    let replies: Vec<_> = all.map(|it| lm::runtime().spawn(it)).collect();
    for reply in replies {
        assert_eq!(lm::block_on(reply).unwrap().unwrap().status(), 200);
    }
    assert_eq!(model.most.load(Ordering::SeqCst), 3);
}

#[test]
fn what_nobody_waits_for_is_cancelled() {
    for stream in [false, true] {
        let model = slow(Duration::from_secs(60));
        let served = Served::of(model.clone());
        let body = ask(json!({ "stream": stream, "n": 5 })).to_string();
        let asked = lm::runtime().spawn(served.completion(body).send());
        let count = |it: &AtomicUsize| it.load(Ordering::SeqCst);
        for _ in 0..2000 {
            if count(&model.now) == 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(count(&model.now), 3);
        asked.abort();
        for _ in 0..2000 {
            if count(&model.now) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(count(&model.now), 0, "the two that waited did not begin");
        assert!(count(&model.cancelled) >= 3);
    }
}

/// A schema that a template can hold a reply to, and the smallest of models: it writes nonsense,
/// and each piece of nonsense is of the schema.
#[test]
fn a_model_of_this_process_is_held_to_a_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    std::fs::write(&path, tiny(7)).unwrap();
    let served = Served::of(Arc::new(Embedded::new("local/tiny", path, "tiny").threads(1)));
    let schema = json!({
        "type": "object",
        "properties": {
            "topic": { "enum": ["billing", "shipping"] },
            "why": { "type": "string", "maxLength": 20 },
            "count": { "type": "integer" },
            "sure": { "type": "boolean" },
        },
        "required": ["topic", "why", "count", "sure"],
        "additionalProperties": false,
    });
    let format = json!({
        "type": "json_schema", "json_schema": { "name": "S", "schema": schema, "strict": true },
    });
    let parts = json!({
        "model": "tiny", "messages": [{ "role": "user", "content": "Hi" }],
        "response_format": format, "n": 8, "temperature": 1.5, "max_tokens": 60, "seed": 1,
    });
    let is_of = |text: &str| {
        let value: Json = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!(["billing", "shipping"].contains(&value["topic"].as_str().unwrap()), "{text}");
        assert!(value["why"].as_str().unwrap().chars().count() <= 20, "{text}");
        assert!(value["count"].is_i64() && value["sure"].is_boolean(), "{text}");
    };
    let (status, reply) = served.post(&ask(parts.clone()));
    if status == 400 {
        // The tiny tokenizer has no marks of turns.
        let message = reply["error"]["message"].as_str().unwrap();
        panic!("{message}");
    }
    let choices = reply["choices"].as_array().unwrap();
    assert_eq!((status, choices.len()), (200, 8));
    choices.iter().for_each(|it| is_of(it["message"]["content"].as_str().unwrap()));
    // A stream says the same.
    let mut streamed = parts;
    streamed["stream"] = json!(true);
    let mut texts = vec![String::new(); 8];
    for event in served.events(&ask(streamed)) {
        let choice = &event["choices"][0];
        let text = choice["delta"]["content"].as_str().unwrap_or_default();
        texts[choice["index"].as_u64().unwrap() as usize].push_str(text);
    }
    let whole: Vec<&str> =
        choices.iter().map(|it| it["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(texts, whole);

    // What it was likely to say is told, and free text streams as it is.
    let told = json!({
        "model": "tiny", "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 6,
        "logprobs": true, "top_logprobs": 2,
    });
    let (status, reply) = served.post(&ask(told.clone()));
    assert_eq!(status, 200, "{reply}");
    let tokens = reply["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert!(!tokens.is_empty() && tokens.len() <= 6, "{reply}");
    assert_eq!(tokens[0]["top_logprobs"].as_array().unwrap().len(), 2);
    let mut streamed = told;
    streamed["stream"] = json!(true);
    let events = served.events(&ask(streamed));
    let text: String = events
        .iter()
        .map(|it| it["choices"][0]["delta"]["content"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(text, reply["choices"][0]["message"]["content"].as_str().unwrap());
    let end = &events.last().unwrap()["choices"][0];
    assert_eq!(end["logprobs"]["content"].as_array().unwrap(), tokens);

    let list = json!({
        "type": "json_schema",
        "json_schema": { "name": "S", "schema": {
            "type": "object", "properties": { "all": { "type": "array", "items": {} } },
        }},
    });
    let (status, reply) =
        served.post(&ask(json!({ "model": "tiny", "response_format": list })));
    let message = reply["error"]["message"].as_str().unwrap();
    let said =
        "this model cannot be held to it: `all` of the reply: a list whose length is not";
    assert!(status == 400 && message.contains(said), "{message}");
}

/// The command, from its first line to Ctrl-C.
#[cfg(unix)]
#[test]
fn the_command_serves_until_it_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tiny.gguf"), tiny(7)).unwrap();
    let dsp = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
        command.args(args).current_dir(dir.path()).env_clear();
        command.env("DSP_HOME", dir.path().join("home")).stderr(Stdio::piped());
        command
    };
    let args = ["serve", "--openai", "--port", "0", "--lm", "local:tiny.gguf"];
    let mut child = dsp(&args).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let base = line.split("served at ").nth(1).and_then(|it| it.split(';').next());
    let base = base.unwrap_or_else(|| panic!("{line}")).to_owned();
    let port = base.split(':').nth(2).unwrap().trim_end_matches("/v1");
    let name = line.split(' ').next().unwrap();
    let body = json!({
        "model": name, "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 4,
    });
    let (status, text) = lm::block_on(async {
        let request = client().post(format!("{base}/chat/completions"));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    });
    assert_eq!(status, 200, "{text}");
    // A port that is taken is said.
    let taken = dsp(&["serve", "--openai", "--port", port, "--lm", "local:tiny.gguf"]);
    let taken = { taken }.output().unwrap();
    let told = String::from_utf8(taken.stderr).unwrap();
    assert_eq!(taken.status.code(), Some(2), "{told}");
    assert!(
        told.contains("cannot be listened at") && told.contains("another `--port`"),
        "{told}"
    );
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
