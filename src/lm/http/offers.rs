//! What servers take beyond messages: a table, and what they refuse.

use super::protocol::{ErrorBody, claude_version};
use crate::config::Api;
use crate::lm::keys::Provider;
use crate::lm::{Decoding, Request, Takes};

/// How a server is told what JSON is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schemas {
    /// By a schema.
    Schema,
    /// By the wish for some JSON.
    AnyJson,
    /// By a tool that the model has to call.
    Tool,
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
    /// Standing instructions as such; else they are said by the asking side.
    pub(super) system: bool,
    /// A summary of thoughts, where it has to be asked for.
    pub(super) summary: bool,
    /// Thoughts that only the server can read, where they have to be asked for.
    pub(super) sealed: bool,
}

impl Offers {
    /// What a provider's model takes, in an interface.
    pub(super) fn of(provider: &str, api: Api, model: &str) -> Self {
        let plain = Self {
            max_tokens: "max_tokens",
            seed: Some("seed"),
            schemas: Schemas::Schema,
            temperature: true,
            top_p: true,
            stop: true,
            logprobs: true,
            n: false,
            stream_usage: true,
            system: true,
            summary: true,
            sealed: true,
        };
        match api {
            Api::Chat => plain.of_chat(provider, model),
            Api::Responses => Self { seed: None, stop: false, ..plain.of_openai(model) },
            Api::Anthropic => plain.of_claude(model),
            // How many tokens are told, and how likely, differs from model to model.
            Api::Gemini | Api::Ollama => plain,
        }
    }

    fn of_chat(self, provider: &str, model: &str) -> Self {
        match provider {
            "openai" | "azure" => Self { n: true, ..self.of_openai(model) },
            "mistral" => Self { seed: Some("random_seed"), logprobs: false, ..self },
            "anthropic" | "gemini" => Self { seed: None, logprobs: false, ..self },
            "deepseek" => Self { schemas: Schemas::AnyJson, seed: None, ..self },
            "zai" | "moonshot" => Self { schemas: Schemas::AnyJson, logprobs: false, ..self },
            "groq" | "lmstudio" | "cerebras" | "cohere" | "perplexity" => {
                Self { logprobs: false, ..self }
            }
            "vllm" | "sglang" => Self { n: true, ..self },
            _ => self,
        }
    }

    fn of_openai(self, model: &str) -> Self {
        if !reasons(model) {
            return self;
        }
        Self {
            max_tokens: "max_completion_tokens",
            temperature: false,
            top_p: false,
            stop: false,
            logprobs: false,
            ..self
        }
    }

    fn of_claude(self, model: &str) -> Self {
        let version = claude_version(model);
        let knows_schemas = version >= (4, 5) || version == (4, 1);
        // The later ones draw tokens as they like.
        let is_steered = version < (4, 7) || version.0 == u32::MAX;
        Self {
            seed: None,
            schemas: if knows_schemas { Schemas::Schema } else { Schemas::Tool },
            temperature: is_steered,
            top_p: is_steered,
            logprobs: false,
            ..self
        }
    }

    /// Whether schemas reach the model.
    pub(super) fn knows_schemas(&self) -> bool {
        matches!(self.schemas, Schemas::Schema | Schemas::Tool)
    }

    /// What is left when a server refuses something of a request; none where the refusal
    /// names nothing that could be left out.
    pub(super) fn without(&self, refusal: &ErrorBody, request: &Request) -> Option<Self> {
        let said = refusal.words();
        let names = |words: &[&str]| words.iter().any(|it| said.contains(it));
        let mut less = *self;
        // A schema or a number that is wrong is wrong however often it is sent.
        if !names(&NOT_TAKEN) || names(&["invalid schema", "invalid_json_schema"]) {
            return None;
        }
        if matches!(request.decoding, Decoding::Json(_)) && names(&ABOUT_SCHEMAS) {
            less.schemas = match self.schemas {
                Schemas::Schema if names(&["output_config", "output format"]) => Schemas::Tool,
                Schemas::Schema if !names(&["json_object"]) => Schemas::AnyJson,
                _ => Schemas::Nothing,
            };
        } else if names(&["does not support 'system'", "system role"]) {
            less.system = false;
        } else if names(&["reasoning.summary", "reasoning summaries"]) {
            less.summary = false;
        } else if names(&["encrypted content", "encrypted_content"]) {
            less.sealed = false;
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
        } else if names(&["`stop`", "'stop'", "\"stop\"", "stop parameter", "model: stop"]) {
            less.stop = false;
        }
        (less != *self).then_some(less)
    }
}

/// The media that a provider's models take, as far as the interface has a place for them. Of
/// a server that is not in the table nothing is known: it is asked.
pub(super) fn takes(provider: &str, place: Takes) -> Takes {
    let known = match provider {
        "deepseek" | "cerebras" => Takes::NOTHING,
        "vllm" | "sglang" | "llamacpp" => Takes { file: false, ..Takes::ALL },
        "openai" | "openai-responses" | "azure" | "openrouter" | "anthropic" | "gemini" => {
            Takes::ALL
        }
        known if Provider::find(known).is_some() => Takes { image: true, ..Takes::NOTHING },
        _ => Takes::ALL,
    };
    Takes {
        image: place.image && known.image,
        audio: place.audio && known.audio,
        file: place.file && known.file,
    }
}

/// Words of refusals of what a server or a model does not know at all.
const NOT_TAKEN: [&str; 17] = [
    // Some take the wish for JSON only where the prompt has the word.
    "must contain the word",
    "support",
    "unknown",
    "unrecognized",
    "unavailable",
    "not available",
    "not allowed",
    "not permitted",
    "not enabled",
    "not implemented",
    "forbidden",
    "deprecated",
    "unexpected",
    "extra inputs",
    "cannot both",
    "only the default",
    "must be verified",
];

/// Words of refusals that are about the form of replies.
const ABOUT_SCHEMAS: [&str; 10] = [
    "output format",
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
