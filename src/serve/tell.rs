//! Replies as `OpenAI`'s interface writes them.

use super::Server;
use crate::lm::{Completion, Finish, TokenLogprob, Usage};
use serde_json::{Value, json};

/// What all events of a stream begin with.
#[derive(Debug, Clone)]
pub(super) struct Head {
    id: String,
    created: u64,
    model: String,
}

impl Head {
    pub(super) fn of(server: &Server) -> Self {
        Self {
            id: format!("chatcmpl-{}", server.next()),
            created: server.0.host.since_epoch().as_secs(),
            model: server.0.lm.name().to_owned(),
        }
    }

    fn event(&self, choices: &Value) -> Value {
        let Self { id, created, model } = self;
        json!({
            "id": id, "object": "chat.completion.chunk", "created": created, "model": model,
            "choices": choices,
        })
    }

    /// More of a reply's text.
    pub(super) fn delta(&self, choice: u32, text: &str, is_first: bool) -> Value {
        let mut delta = json!({ "content": text });
        if is_first {
            delta["role"] = json!("assistant");
        }
        self.event(&json!([{ "index": choice, "delta": delta, "finish_reason": null }]))
    }

    /// The end of a reply.
    pub(super) fn end(&self, choice: u32, reply: &Completion) -> Value {
        let mut end =
            json!({ "index": choice, "delta": {}, "finish_reason": finish(reply.finish) });
        if let Some(tokens) = &reply.logprobs {
            end["logprobs"] = logprobs(tokens);
        }
        self.event(&json!([end]))
    }

    /// What all of it took.
    pub(super) fn usage(&self, usages: &[Usage]) -> Value {
        let mut event = self.event(&json!([]));
        event["usage"] = usage(usages);
        event
    }
}

/// All replies to a request.
pub(super) fn completion(server: &Server, replies: &[Completion]) -> Value {
    let Head { id, created, model } = Head::of(server);
    let choice = |(index, reply): (usize, &Completion)| {
        let mut message =
            json!({ "role": "assistant", "content": reply.text, "refusal": null });
        if let Some(reasoning) = &reply.reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        json!({
            "index": index, "message": message, "finish_reason": finish(reply.finish),
            "logprobs": reply.logprobs.as_deref().map(logprobs),
        })
    };
    let usages: Vec<Usage> = replies.iter().map(|it| it.usage).collect();
    json!({
        "id": id, "object": "chat.completion", "created": created, "model": model,
        "choices": replies.iter().enumerate().map(choice).collect::<Vec<_>>(),
        "usage": usage(&usages),
    })
}

/// The model that is served.
pub(super) fn model(server: &Server) -> Value {
    json!({ "id": server.0.lm.name(), "object": "model", "created": 0, "owned_by": "dsp" })
}

pub(super) fn models(server: &Server) -> Value {
    json!({ "object": "list", "data": [model(server)] })
}

fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::Filter => "content_filter",
        Finish::Tools => "tool_calls",
        Finish::Stop | Finish::Halted | Finish::Other => "stop",
    }
}

/// The prompt was read once for all replies.
fn usage(usages: &[Usage]) -> Value {
    let first = usages.first().copied().unwrap_or_default();
    let prompt = first.prompt_tokens.unwrap_or(0);
    let written: u64 = usages.iter().filter_map(|it| it.completion_tokens).sum();
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": { "cached_tokens": first.cached_tokens.unwrap_or(0) },
    })
}

fn logprobs(tokens: &[TokenLogprob]) -> Value {
    let one = |token: &str, logprob: f64| json!({ "token": token, "logprob": logprob, "bytes": token.as_bytes() });
    let told = tokens.iter().map(|it| {
        let mut told = one(&it.token, it.logprob);
        let top = it.top.iter().map(|(token, logprob)| one(token, *logprob));
        told["top_logprobs"] = Value::from(top.collect::<Vec<_>>());
        told
    });
    json!({ "content": told.collect::<Vec<_>>() })
}
