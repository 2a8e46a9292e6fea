//! Texts to vectors, over the same transport.

use super::attempt::{Job, Post, Transport};
use super::failure::Failure;
use super::protocol::{self, ErrorBody, Texts, Vectors};
use super::{api, based, is_listed};
use crate::lm::keys::Endpoint;
use crate::lm::open::LmOptions;
use crate::lm::retry::Retry;
use crate::lm::{CallContext, EmbedFuture, Embedder, Embeddings, Error, ErrorKind, Usage};
use reqwest::Response;
use std::pin::pin;

/// A model behind a server that turns texts into vectors.
pub struct HttpEmbedder {
    transport: Transport,
    protocol: Box<dyn Texts>,
    identity: String,
    is_listed: bool,
}

impl HttpEmbedder {
    /// Returns a client for `model` at `endpoint`. Nothing is sent.
    ///
    /// # Errors
    /// A key that holds characters which no header can, and a provider that has no interface
    /// for it.
    pub fn new(
        name: &str,
        provider: &str,
        model: &str,
        endpoint: Endpoint,
        options: &LmOptions,
    ) -> Result<Self, Error> {
        let api = api(provider, options);
        let endpoint = Endpoint { base: based(provider, api, &endpoint.base), ..endpoint };
        let base = endpoint.base.as_str().trim_end_matches('/').to_owned();
        let place = protocol::of(provider, api);
        let Some(texts) = protocol::texts_of(provider, api) else {
            let message = format!("`{provider}` has no models that embed");
            return Err(Error::new(ErrorKind::Unknown, name, message)
                .hint("name another's, such as `openai/text-embedding-3-small`"));
        };
        Ok(Self {
            identity: format!("{} {provider} {model} {base}", texts.name()),
            is_listed: is_listed(provider, &base),
            transport: Transport::new(name, model, endpoint, options, &*place)?,
            protocol: texts,
        })
    }

    /// Returns the client with another schedule of retries.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.transport.retry = retry;
        self
    }

    async fn answer(
        &self,
        texts: &[String],
        context: &CallContext,
    ) -> Result<Embeddings, Error> {
        let mut whole = Embeddings::default();
        for batch in batches(texts, self.protocol.most()) {
            let job = Batch { embedder: self, texts: batch };
            let (vectors, attempts) = self.transport.answer(&job, context).await?;
            whole.attempts += attempts;
            whole.usage = sum(whole.usage, vectors.tokens, whole.vectors.is_empty());
            whole.vectors.extend(vectors.rows);
        }
        Ok(whole)
    }
}

/// Texts that go into one request: no more than the server takes, nor many bytes.
fn batches(texts: &[String], most: usize) -> Vec<&[String]> {
    const BYTES: usize = 256 << 10;
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        let is_full = at - start == most || bytes + text.len() > BYTES;
        if is_full && at > start {
            batches.push(&texts[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += text.len();
    }
    if start < texts.len() {
        batches.push(&texts[start..]);
    }
    batches
}

/// The sum of what is known of all.
fn sum(before: Usage, more: Option<u64>, is_first: bool) -> Usage {
    let known = if is_first { Some(0) } else { before.prompt_tokens };
    let prompt_tokens = known.zip(more).map(|(a, b)| a + b);
    let completion_tokens = prompt_tokens.map(|_| 0);
    Usage { prompt_tokens, completion_tokens, ..Usage::default() }
}

struct Batch<'a> {
    embedder: &'a HttpEmbedder,
    texts: &'a [String],
}

impl Job for Batch<'_> {
    type Reply = Vectors;

    fn post(&self) -> Result<Post, Error> {
        let HttpEmbedder { transport, protocol, .. } = self.embedder;
        let model = transport.model.as_str();
        let body = protocol.write(model, self.texts);
        Ok(Post { url: transport.url(&protocol.path(model))?, body })
    }

    async fn read(&self, response: Response) -> Result<Vectors, Failure> {
        let HttpEmbedder { transport, protocol, .. } = self.embedder;
        let body = transport.whole(response).await?;
        let vectors = protocol.read(&body).map_err(|it| transport.unread(it))?;
        let wrong = |why: &str| Err(transport.failure().malformed(why));
        let length = vectors.rows.first().map_or(0, Vec::len);
        if vectors.rows.len() != self.texts.len() {
            return wrong("not one vector for each text");
        }
        if length == 0 || vectors.rows.iter().any(|it| it.len() != length) {
            return wrong("vectors of different lengths");
        }
        if vectors.rows.iter().flatten().any(|it| !it.is_finite()) {
            return wrong("a vector with numbers that are none");
        }
        Ok(vectors)
    }

    fn is_changed_by(&self, _: &ErrorBody) -> bool {
        false
    }

    fn begins_again(&self) {}
}

impl std::fmt::Debug for HttpEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpEmbedder")
            .field("name", &self.transport.name)
            .field("base", &self.transport.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Embedder for HttpEmbedder {
    fn name(&self) -> &str {
        &self.transport.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn is_listed(&self) -> bool {
        self.is_listed
    }

    fn embed<'a>(&'a self, texts: &'a [String], context: &'a CallContext) -> EmbedFuture<'a> {
        Box::pin(async move {
            let answer = pin!(self.answer(texts, context));
            self.transport.unless_cancelled(context, answer).await
        })
    }
}
