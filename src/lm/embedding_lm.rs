//! A model that embeds, asked as other models are: so that budgets, prices, recordings, dry runs
//! and cancellation are the same for both.
//!
//! The prompt is a JSON list of texts, the reply their vectors in base64.

use super::{
    CallContext, CallFuture, Capabilities, Completion, EmbedFuture, Embedder, Embeddings,
    Error, ErrorKind, Lm, Prompt, Request, SharedEmbedder, Usage,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// A model that embeds, as a model.
#[derive(Debug)]
pub struct EmbeddingLm {
    embedder: SharedEmbedder,
    is_scripted: bool,
}

impl EmbeddingLm {
    /// Returns a model that asks `embedder`.
    pub fn new(embedder: SharedEmbedder) -> Self {
        Self { embedder, is_scripted: false }
    }

    /// Returns a model for tests, which embeds by the words of a text: texts that share words
    /// are near. It asks nobody.
    pub fn by_words() -> Self {
        Self { embedder: Arc::new(Words), is_scripted: true }
    }

    /// The request for the vectors of texts.
    pub fn request(texts: &[&str]) -> Request {
        let prompt = serde_json::to_string(texts).expect("texts are JSON");
        let mut request = Request::new(Prompt::Text(prompt));
        // Nothing is written but numbers, which cost nothing.
        request.sampling.max_tokens = Some(0);
        request
    }

    /// Reads a reply: the vectors of `count` texts, one behind the other.
    pub fn read(reply: &str, count: usize) -> Option<Vec<f32>> {
        let bytes = STANDARD.decode(reply).ok()?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        let is_whole = rest.is_empty() && !numbers.is_empty() && numbers.len() % count == 0;
        is_whole.then(|| numbers.iter().map(|it| f32::from_le_bytes(*it)).collect())
    }

    async fn answer(
        &self,
        request: &Request,
        context: &CallContext,
    ) -> Result<Completion, Error> {
        let texts = match &request.prompt {
            Prompt::Text(text) => serde_json::from_str::<Vec<String>>(text).ok(),
            Prompt::Chat(_) => None,
        };
        let Some(texts) = texts else {
            let message = "this model embeds texts and does not answer";
            return Err(Error::new(ErrorKind::Unknown, self.name(), message)
                .hint("it is for `index(…, by: \"embedding\", lm: …)` and `embed(…)`"));
        };
        let Embeddings { vectors, usage, attempts } =
            self.embedder.embed(&texts, context).await?;
        let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|it| it.to_le_bytes()).collect();
        let text = STANDARD.encode(bytes);
        let completion_tokens = usage.prompt_tokens.map(|_| 0);
        let usage = Usage { completion_tokens, ..usage };
        Ok(Completion { text, usage, attempts, ..Completion::default() })
    }
}

impl Lm for EmbeddingLm {
    fn name(&self) -> &str {
        self.embedder.name()
    }

    fn identity(&self) -> String {
        format!("embeds {}", self.embedder.identity())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: false,
            in_process: self.is_scripted,
            nonblocking: !self.is_scripted,
            parallel: 8,
            ..Capabilities::PLAIN
        }
    }

    fn is_scripted(&self) -> bool {
        self.is_scripted
    }

    fn is_listed(&self) -> bool {
        self.embedder.is_listed()
    }

    fn complete<'a>(
        &'a self,
        request: &'a Request,
        context: &'a CallContext,
    ) -> CallFuture<'a> {
        Box::pin(self.answer(request, context))
    }
}

/// How long the vectors of [`Words`] are.
const LENGTH: u64 = 256;

/// Each word of a text is a direction.
#[derive(Debug)]
struct Words;

impl Words {
    fn vector(text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; LENGTH as usize];
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()) {
            let hash = fnv(word.to_lowercase().as_bytes());
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            vector[usize::try_from(hash % LENGTH).unwrap_or(0)] += sign;
        }
        vector
    }
}

/// The FNV-1a hash, of 64 bits: the same on every machine.
fn fnv(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

impl Embedder for Words {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn identity(&self) -> String {
        format!("words {LENGTH}")
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: &'a CallContext) -> EmbedFuture<'a> {
        let vectors = texts.iter().map(|it| Self::vector(it)).collect();
        let embeddings = Embeddings { vectors, usage: Usage::default(), attempts: 1 };
        Box::pin(std::future::ready(Ok(embeddings)))
    }
}
