//! Texts to vectors: models of another kind, behind the same servers.

use super::{CallContext, Error, Usage};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The future of a call to a model that embeds.
pub type EmbedFuture<'a> = Pin<Box<dyn Future<Output = Result<Embeddings, Error>> + Send + 'a>>;

/// A shared model that embeds.
pub type SharedEmbedder = Arc<dyn Embedder>;

/// A model that turns texts into vectors, near ones for texts of like meaning.
pub trait Embedder: Send + Sync + fmt::Debug {
    /// The name that the user gave, such as `openai/text-embedding-3-small`.
    fn name(&self) -> &str;

    /// Everything about the model that shapes its vectors; see [`Lm::identity`](super::Lm).
    fn identity(&self) -> String;

    /// Whether its provider's list prices hold for it.
    fn is_listed(&self) -> bool {
        true
    }

    /// Embeds texts, in as few requests as its server takes them.
    ///
    /// # Errors
    /// See [`Error`]; retries that can help have been made when an error is returned. A text
    /// that is empty is refused by most servers.
    fn embed<'a>(&'a self, texts: &'a [String], context: &'a CallContext) -> EmbedFuture<'a>;
}

/// Vectors of texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embeddings {
    /// One for each text, in their order, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens, of all requests together.
    pub usage: Usage,
    /// Requests that were sent, retries included.
    pub attempts: u32,
}
