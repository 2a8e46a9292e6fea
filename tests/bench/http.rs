//! What a call to a model costs besides the model: processor time of our client and of a bare
//! `reqwest` client, over the same sequential calls to a server that answers at once.
//!
//! `cargo bench --bench http -- http://127.0.0.1:8100/v1 [calls] [prompt bytes]`. The server is
//! any that speaks chat completions; without an address nothing is measured. Ours and the bare
//! one take turns, for seven rounds: the system counts processor time in steps of 10 ms.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program to be run and read by a person"
)]

use dsp_lang::host::{Host, MemoryHost, OsHost, SharedHost};
use dsp_lang::lm::{
    CallContext, LmOptions, Message, Prompt, Request, Role, SharedLm, UserEndpoints, block_on,
    open,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    let Some(base) = arguments.next() else {
        println!("no server was named: nothing is measured");
        return;
    };
    let mut number = |default| arguments.next().map_or(default, |it| it.parse().unwrap());
    let (calls, bytes) = (number(1000), number(1000));
    let prompt = "What is 2 + 2? Think first. ".repeat(bytes / 28 + 1);

    let options = LmOptions { api_base: Some(base.clone()), ..LmOptions::default() };
    let host: SharedHost = Arc::new(MemoryHost::default());
    let lm = open("openai/mock", &options, &UserEndpoints::default(), &host).unwrap();
    let request = Request::new(Prompt::Chat(vec![Message::new(Role::User, prompt.clone())]));
    // The first call sets up what TLS needs, which the bare client shares.
    let (_, first) = measure(1, || ours(&lm, &request));
    println!("first call: {:.1} ms", first.as_secs_f64() * 1e3);
    let bare = Bare::new(&base, &prompt);
    bare.call();

    let mut sums = [(Duration::ZERO, Duration::ZERO); 2];
    for _ in 0..ROUNDS {
        add(&mut sums[0], measure(calls, || ours(&lm, &request)));
        add(&mut sums[1], measure(calls, || bare.call()));
    }
    let [ours, bare] = sums;
    report("ours", ours, calls * ROUNDS);
    report("bare", bare, calls * ROUNDS);
    println!("CPU ratio: {:.2}", ours.0.as_secs_f64() / bare.0.as_secs_f64());
}

fn ours(lm: &SharedLm, request: &Request) {
    block_on(lm.complete(request, &CallContext::default())).unwrap();
}

/// The least that one can do with the same library: a client, a JSON value out and in.
struct Bare {
    client: reqwest::Client,
    url: String,
    body: serde_json::Value,
}

impl Bare {
    fn new(base: &str, prompt: &str) -> Self {
        let body = serde_json::json!({
            "model": "mock",
            "messages": [{ "role": "user", "content": prompt }],
            "temperature": 0.0,
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, url: format!("{base}/chat/completions"), body }
    }

    fn call(&self) {
        block_on(async {
            let request = self
                .client
                .post(&self.url)
                .header("content-type", "application/json")
                .body(serde_json::to_vec(&self.body).unwrap());
            let bytes = request.send().await.unwrap().bytes().await.unwrap();
            let reply: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert!(reply["choices"][0]["message"]["content"].is_string());
        });
    }
}

/// Processor and wall time of so many calls.
fn measure(calls: usize, mut call: impl FnMut()) -> (Duration, Duration) {
    let (cpu, start) = (cpu_time(), Instant::now());
    for _ in 0..calls {
        call();
    }
    (cpu_time() - cpu, start.elapsed())
}

fn add(sum: &mut (Duration, Duration), time: (Duration, Duration)) {
    sum.0 += time.0;
    sum.1 += time.1;
}

fn cpu_time() -> Duration {
    OsHost::new().cpu_time().unwrap()
}

fn report(what: &str, (cpu, wall): (Duration, Duration), calls: usize) {
    let each = |it: Duration| it.as_secs_f64() * 1e6 / calls as f64;
    println!("{what}: {:.0} µs CPU, {:.0} µs wall per call", each(cpu), each(wall));
}
