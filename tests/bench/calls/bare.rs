//! The least that one can do with the same library: a client, a JSON value out and in.

use dsp_lang::adapt::{Adapter, Ask};
use dsp_lang::lm::{Capabilities, Prompt, block_on, runtime};
use dsp_lang::schema::{Record, Signature};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const CAPABILITIES: Capabilities = Capabilities {
    chat: true,
    template: false,
    in_process: false,
    nonblocking: false,
    parallel: 64,
    cacheable: true,
    ..Capabilities::PLAIN
};

pub(crate) struct Bare {
    client: reqwest::Client,
    url: String,
    bodies: Vec<Value>,
}

impl Bare {
    /// Returns a client that sends what our adapter makes of these inputs.
    pub(crate) fn new(base: &str, signature: &Signature, inputs: &[Record]) -> Arc<Self> {
        let client =
            reqwest::Client::builder().no_proxy().pool_max_idle_per_host(256).build().unwrap();
        let bodies = inputs.iter().map(|it| body(signature, it)).collect();
        Arc::new(Self { client, url: format!("{base}/chat/completions"), bodies })
    }

    /// Sends so many requests, one after another.
    pub(crate) fn sequence(&self, calls: usize) {
        for at in 0..calls {
            block_on(self.call(at));
        }
    }

    /// Sends so many requests, so many at once.
    pub(crate) fn concurrent(self: &Arc<Self>, calls: usize, at_once: usize) {
        let next = Arc::new(AtomicUsize::new(0));
        let worker = |_| {
            let (bare, next) = (self.clone(), next.clone());
            runtime().spawn(async move {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= calls {
                        return;
                    }
                    bare.call(at).await;
                }
            })
        };
        for worker in (0..at_once).map(worker).collect::<Vec<_>>() {
            block_on(worker).unwrap();
        }
    }

    async fn call(&self, at: usize) {
        let body = &self.bodies[at % self.bodies.len()];
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(body).unwrap());
        let bytes = request.send().await.unwrap().bytes().await.unwrap();
        let reply: Value = serde_json::from_slice(&bytes).unwrap();
        assert!(reply["choices"][0]["message"]["content"].is_string());
    }
}

fn body(signature: &Signature, inputs: &Record) -> Value {
    let ask = Ask { signature, instructions: &signature.instructions, demos: &[], inputs };
    let Prompt::Chat(messages) = Adapter::Chat.prompt(&ask, &CAPABILITIES).prompt else {
        panic!("the chat adapter writes conversations");
    };
    let messages: Vec<Value> = messages
        .iter()
        .map(|it| json!({ "role": it.role.as_str(), "content": it.text }))
        .collect();
    json!({ "model": "mock", "messages": messages, "temperature": 0.0 })
}
