//! What servers take beyond messages: a table, and what they refuse.

use super::protocol::ErrorBody;
use crate::lm::{Decoding, Request};

/// How a server is told what JSON is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schemas {
    /// By a schema.
    Schema,
    /// By the wish for some JSON.
    AnyJson,
    /// Not at all: the prompt has to do.
    Nothing,
}

/// What a server takes, as far as the bytes of requests depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offers {
    /// The name of the token limit.
    pub(super) max_tokens: &'static str,
    /// The name of the seed.
    pub(super) seed: Option<&'static str>,
    pub(super) schemas: Schemas,
    pub(super) temperature: bool,
    pub(super) top_p: bool,
    pub(super) stop: bool,
    pub(super) logprobs: bool,
    /// Several replies to one request.
    pub(super) n: bool,
    /// The usage of a stream, where it has to be asked for.
    pub(super) stream_usage: bool,
}

impl Offers {
    /// What a provider's model takes.
    pub(super) fn of(provider: &str, model: &str) -> Self {
        let plain = Self {
            max_tokens: "max_tokens",
            seed: Some("seed"),
            schemas: Schemas::Schema,
            temperature: true,
            top_p: true,
            stop: true,
            logprobs: true,
            n: true,
            stream_usage: true,
        };
        match provider {
            "openai" if reasons(model) => Self {
                max_tokens: "max_completion_tokens",
                temperature: false,
                top_p: false,
                stop: false,
                logprobs: false,
                ..plain
            },
            "openai" => plain,
            "mistral" => Self { seed: Some("random_seed"), logprobs: false, ..plain },
            "anthropic" | "gemini" => Self { seed: None, logprobs: false, n: false, ..plain },
            "deepseek" => Self { schemas: Schemas::AnyJson, seed: None, n: false, ..plain },
            "groq" | "ollama" | "lmstudio" => Self { n: false, logprobs: false, ..plain },
            _ => Self { n: false, ..plain },
        }
    }

    /// Whether schemas reach the model.
    pub(super) fn knows_schemas(&self) -> bool {
        self.schemas == Schemas::Schema
    }

    /// What is left when a server refuses something of a request; none where the refusal
    /// names nothing that could be left out.
    pub(super) fn without(&self, refusal: &ErrorBody, request: &Request) -> Option<Self> {
        let said = refusal.words();
        let names = |words: &[&str]| words.iter().any(|it| said.contains(it));
        let mut less = *self;
        // A schema that is wrong is wrong however often it is sent.
        if names(&["invalid schema", "invalid_json_schema"]) {
            return None;
        }
        if matches!(request.decoding, Decoding::Json(_)) && names(&ABOUT_SCHEMAS) {
            less.schemas = match self.schemas {
                Schemas::Schema if !names(&["json_object"]) => Schemas::AnyJson,
                _ => Schemas::Nothing,
            };
        } else if names(&["max_completion_tokens"]) && self.max_tokens == "max_tokens" {
            less.max_tokens = "max_completion_tokens";
        } else if names(&["stream_options", "include_usage"]) {
            less.stream_usage = false;
        } else if names(&["logprobs"]) {
            less.logprobs = false;
        } else if names(&["seed"]) {
            less.seed = None;
        } else if names(&["top_p"]) && request.sampling.top_p.is_some() {
            less.top_p = false;
        } else if names(&["temperature"]) {
            less.temperature = false;
        } else if names(&["`stop`", "'stop'", "\"stop\"", "stop parameter"]) {
            less.stop = false;
        }
        (less != *self).then_some(less)
    }
}

/// Words of refusals that are about the form of replies.
const ABOUT_SCHEMAS: [&str; 9] = [
    "response_format",
    "response format",
    "json_schema",
    "json mode",
    "json_object",
    "structured output",
    "output_config",
    "response_schema",
    "responseschema",
];

/// OpenAI's models that think before they answer: `o1`, `o3-mini`, `gpt-5` …
pub(super) fn reasons(model: &str) -> bool {
    let series = model
        .strip_prefix('o')
        .is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_digit()));
    series || (model.starts_with("gpt-5") && !model.contains("-chat"))
}
