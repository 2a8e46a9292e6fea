//! Model clients: messages in, text and usage out.
//!
//! This floor knows messages, decoding constraints, schemas and money, and nothing of the
//! language: no predictors, no scripts. A client is a value that implements [`Lm`]; it is
//! asynchronous, and the runtime blocks on it from plain threads through [`block_on`].
//! Nothing here retries a parse or reads a cache: that is the runtime's work, where it is
//! visible in the trace.

mod cancel;
#[cfg(feature = "local")]
pub mod download;
#[cfg(feature = "local")]
pub mod embedded;
pub mod embedder;
mod embedding_lm;
mod error;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
pub mod keys;
pub(crate) mod lane;
#[cfg(feature = "http")]
pub mod limiter;
mod listen;
mod message;
#[cfg(feature = "local")]
pub mod models;
pub mod open;
mod price;
pub mod retry;
mod scripted;
mod tokens;
mod unopened;

pub use cancel::Cancel;
pub use embedder::{EmbedFuture, Embedder, Embeddings, SharedEmbedder};
pub use embedding_lm::EmbeddingLm;
pub use error::{Error, ErrorKind};
pub use lane::{block_on, runtime};
pub use listen::{Delta, Flow, Listener};
pub use message::{
    Alternative, Carried, Carry, Completion, Decoding, Effort, Finish, Message, Pattern,
    Placed, Prompt, Request, Role, Sampling, Segment, TokenLogprob, Tool, ToolCall, ToolChoice,
    Usage,
};
pub use open::{LmOptions, UserEndpoint, UserEndpoints, open, open_embedder};
pub use price::{Cost, Money, Price, Prices, Rates, date as price_date};
pub use scripted::Scripted;
pub use tokens::Details;
pub use unopened::Unopened;

use crate::schema::MediaKind;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The future of a call to a model.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<Completion, Error>> + Send + 'a>>;

/// A language model that answers requests.
///
/// Implementations are shared by all threads of a run. A call is cancelled by dropping its
/// future; besides, [`CallContext::cancel`] tells when the whole run is over.
pub trait Lm: Send + Sync + fmt::Debug {
    /// The name that the user gave, such as `openai/gpt-4o-mini`.
    fn name(&self) -> &str;

    /// Everything about the model that shapes a reply, besides the request: provider, model,
    /// server, weights and engine version. It is part of the key under which replies are
    /// stored, and never holds a secret.
    fn identity(&self) -> String;

    /// What the model can do; adapters choose by it.
    fn capabilities(&self) -> Capabilities;

    /// Whether its replies are part of the program, so that tests need no recording of them.
    fn is_scripted(&self) -> bool {
        false
    }

    /// Whether its provider's list prices hold for it: it is the provider that is asked.
    fn is_listed(&self) -> bool {
        true
    }

    /// Answers one request.
    ///
    /// # Errors
    /// See [`Error`]; retries that can help have been made when an error is returned.
    fn complete<'a>(&'a self, request: &'a Request, context: &'a CallContext)
    -> CallFuture<'a>;
}

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It takes [`Prompt::Chat`]; otherwise only [`Prompt::Text`].
    pub chat: bool,
    /// It obeys [`Decoding::Template`].
    pub template: bool,
    /// It runs in this process: replies cost time and no money.
    pub in_process: bool,
    /// Its futures never block the thread that polls them, so the few workers that all calls
    /// share may poll them. Others are polled by the thread that waits for them.
    pub nonblocking: bool,
    /// How many calls at once serve it well.
    pub parallel: usize,
    /// Replies may be kept and used again.
    pub cacheable: bool,
    /// It obeys [`Decoding::Json`] as a rule: its server knows schemas.
    pub schema: bool,
    /// It takes [`Request::tools`].
    pub tools: bool,
    /// Which media it takes in messages.
    pub media: Takes,
    /// It tells [`Request::logprobs`].
    pub logprobs: bool,
    /// It gives several replies to one request ([`Request::n`]); others are asked several
    /// times.
    pub n: bool,
}

impl Capabilities {
    /// What everything can do that is asked by messages, one call at a time; the base of other
    /// values.
    pub const PLAIN: Self = Self {
        chat: true,
        template: false,
        in_process: false,
        nonblocking: false,
        parallel: 1,
        cacheable: false,
        schema: false,
        tools: false,
        media: Takes::NOTHING,
        logprobs: false,
        n: false,
    };
}

/// Which media a model takes. What its provider takes is meant: whether this very model does
/// is known to its server alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Takes {
    /// Pictures.
    pub image: bool,
    /// Sounds.
    pub audio: bool,
    /// Documents.
    pub file: bool,
}

impl Takes {
    /// None.
    pub const NOTHING: Self = Self { image: false, audio: false, file: false };
    /// All.
    pub const ALL: Self = Self { image: true, audio: true, file: true };

    /// Whether media of this kind are taken.
    pub fn takes(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Image => self.image,
            MediaKind::Audio => self.audio,
            MediaKind::File => self.file,
        }
    }
}

/// What a client may need to know about a call besides the request.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// Set when the run is over.
    pub cancel: Cancel,
    /// The most that the call may take in all, retries included.
    pub timeout: Option<Duration>,
    /// Which call of the program this is; scripted replies are addressed by it.
    pub address: Address,
    /// Whether other calls of the same run may go on at the same time.
    pub parallel: bool,
    /// Asked before a request is sent again whose reply may have been written and lost.
    pub again: Again,
    /// After so long the request is sent a second time, and the first answer counts.
    pub hedge: Option<Duration>,
    /// Told of the reply while it is written.
    pub listener: Option<Listener>,
}

impl CallContext {
    /// Of a run that ends with this flag; about the call itself nothing is said.
    pub fn of(cancel: Cancel) -> Self {
        Self {
            cancel,
            timeout: None,
            address: Address::default(),
            parallel: false,
            again: Again::default(),
            hedge: None,
            listener: None,
        }
    }
}

/// Whether one more request may be paid for.
#[derive(Clone, Default)]
pub struct Again(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Again {
    /// Asks this function.
    pub fn when(may: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(may)))
    }

    /// Whether one more may be sent; it counts as sent then.
    pub fn allowed(&self) -> bool {
        self.0.as_ref().is_none_or(|may| may())
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Again")
    }
}

/// The place of a call in a run: independent of time and threads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The predictor's path in its program, such as `answer` or `steps[0]`; `self` when bare.
    pub path: String,
    /// The index of the example under evaluation, when there is one.
    pub example: Option<usize>,
    /// How many calls of this predictor came before in this run of the program. Of a scripted
    /// model's, each repair counts as well, for it takes the next of the replies.
    pub ordinal: usize,
    /// Which of the closures that `parallel` calls at once it was made in; empty elsewhere. Each
    /// counts its calls by itself.
    pub branch: String,
}

impl Address {
    /// The path, and the branch where there is one: `answer`, `answer/left`.
    pub fn place(&self) -> String {
        let Self { path, branch, .. } = self;
        if branch.is_empty() { path.clone() } else { format!("{path}/{branch}") }
    }
}

/// A shared model.
pub type SharedLm = Arc<dyn Lm>;
