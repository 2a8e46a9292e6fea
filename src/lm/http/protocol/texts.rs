//! Interfaces for vectors of texts.

use super::count::Count;
use super::{ErrorBody, Unread};
use serde::Deserialize;
use serde_json::json;
use std::fmt::Debug;

/// An interface that turns texts into vectors.
pub(in crate::lm::http) trait Texts: Send + Sync + Debug {
    /// Its name, with a number that changes whenever a request is written differently.
    fn name(&self) -> &'static str;

    /// Where requests go, below the base URL.
    fn path(&self, model: &str) -> String;

    /// The most texts of one request.
    fn most(&self) -> usize;

    /// The body of a request.
    fn write(&self, model: &str, texts: &[String]) -> bytes::Bytes;

    /// Reads the body of a response.
    fn read(&self, body: &[u8]) -> Result<Vectors, Unread>;
}

/// What came of a request.
#[derive(Debug, Default)]
pub(in crate::lm::http) struct Vectors {
    pub(in crate::lm::http) rows: Vec<Vec<f32>>,
    pub(in crate::lm::http) tokens: Option<u64>,
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unread> {
    serde_json::from_slice(body).map_err(|e| match ErrorBody::read(body) {
        // Gateways answer 200 with an error for a body.
        error if error.is_explained() => Unread::Error(error),
        _ => Unread::json(body, &e),
    })
}

/// `/embeddings`, as `OpenAI` and those who follow it have it.
#[derive(Debug)]
pub(super) struct OpenAi;

impl Texts for OpenAi {
    fn name(&self) -> &'static str {
        "openai-embeddings/1"
    }

    fn path(&self, _: &str) -> String {
        "/embeddings".to_owned()
    }

    fn most(&self) -> usize {
        256
    }

    fn write(&self, model: &str, texts: &[String]) -> bytes::Bytes {
        json!({ "model": model, "input": texts }).to_string().into()
    }

    fn read(&self, body: &[u8]) -> Result<Vectors, Unread> {
        #[derive(Deserialize)]
        struct Reply {
            data: Vec<Row>,
            #[serde(default)]
            usage: Option<Tokens>,
        }
        #[derive(Deserialize)]
        struct Row {
            #[serde(default)]
            index: Count,
            embedding: Vec<f32>,
        }
        #[derive(Deserialize)]
        struct Tokens {
            #[serde(default)]
            prompt_tokens: Count,
            #[serde(default)]
            total_tokens: Count,
        }
        let Reply { mut data, usage } = parse(body)?;
        data.sort_by_key(|it| it.index.0);
        let tokens = usage.and_then(|it| it.prompt_tokens.0.or(it.total_tokens.0));
        Ok(Vectors { rows: data.into_iter().map(|it| it.embedding).collect(), tokens })
    }
}

/// Gemini's `batchEmbedContents`.
#[derive(Debug)]
pub(super) struct Gemini;

impl Texts for Gemini {
    fn name(&self) -> &'static str {
        "gemini-embeddings/1"
    }

    fn path(&self, model: &str) -> String {
        format!("/models/{model}:batchEmbedContents")
    }

    fn most(&self) -> usize {
        100
    }

    fn write(&self, model: &str, texts: &[String]) -> bytes::Bytes {
        let model = format!("models/{model}");
        let request =
            |text| json!({ "model": model, "content": { "parts": [{ "text": text }] } });
        let requests: Vec<_> = texts.iter().map(request).collect();
        json!({ "requests": requests }).to_string().into()
    }

    fn read(&self, body: &[u8]) -> Result<Vectors, Unread> {
        #[derive(Deserialize)]
        struct Reply {
            embeddings: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            values: Vec<f32>,
        }
        let Reply { embeddings } = parse(body)?;
        let rows = embeddings.into_iter().map(|it| it.values).collect();
        Ok(Vectors { rows, tokens: None })
    }
}

/// Ollama's `/api/embed`.
#[derive(Debug)]
pub(super) struct Ollama;

impl Texts for Ollama {
    fn name(&self) -> &'static str {
        "ollama-embed/1"
    }

    fn path(&self, _: &str) -> String {
        "/api/embed".to_owned()
    }

    fn most(&self) -> usize {
        256
    }

    fn write(&self, model: &str, texts: &[String]) -> bytes::Bytes {
        json!({ "model": model, "input": texts }).to_string().into()
    }

    fn read(&self, body: &[u8]) -> Result<Vectors, Unread> {
        #[derive(Deserialize)]
        struct Reply {
            embeddings: Vec<Vec<f32>>,
            #[serde(default)]
            prompt_eval_count: Count,
        }
        let Reply { embeddings, prompt_eval_count } = parse(body)?;
        Ok(Vectors { rows: embeddings, tokens: prompt_eval_count.0 })
    }
}
