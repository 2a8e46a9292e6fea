//! What a server is sent and how its answer is read: pure mapping, one file a protocol.

mod chat;
mod count;
mod media;
mod refusal;
mod texts;
mod think;

use super::frames::Framing;
use super::offers::Offers;
use super::teller::Teller;
use crate::lm::open::LmOptions;
use crate::lm::{Completion, Request, Takes};
pub(super) use refusal::ErrorBody;
use std::fmt::Debug;
pub(super) use texts::{Texts, Vectors};

/// Where the key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyHeader {
    /// `Authorization: Bearer …`
    Bearer,
    /// A header of its own.
    Named(&'static str),
}

/// What is asked, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) model: &'a str,
    pub(super) request: &'a Request,
    /// Whether the reply is to come in pieces.
    pub(super) streams: bool,
    pub(super) offers: &'a Offers,
}

/// Why a request cannot be written for this server.
#[derive(Debug)]
pub(super) struct Unwritable {
    pub(super) message: String,
    pub(super) hint: String,
}

/// Why a body with status 200 holds no reply.
#[derive(Debug)]
pub(super) enum Unread {
    /// It holds an error, as gateways send them.
    Error(ErrorBody),
    /// It holds nothing of use.
    Malformed(String),
}

impl Unread {
    /// A body that cannot be read as JSON of the protocol.
    fn json(body: &[u8], e: &serde_json::Error) -> Self {
        Self::Malformed(
            match e.is_eof() {
                _ if body.is_empty() => "an empty body",
                true => "JSON that is cut off",
                false => "JSON of another form",
            }
            .to_owned(),
        )
    }
}

/// An interface that servers have.
pub(super) trait Protocol: Send + Sync + Debug {
    /// Its name, with a number that changes whenever a request is written differently.
    fn name(&self) -> &'static str;

    /// Where requests go, below the base URL.
    fn path(&self, model: &str, streams: bool) -> String;

    /// Where the key goes.
    fn key_header(&self) -> KeyHeader {
        KeyHeader::Bearer
    }

    /// Headers of all requests, besides the usual ones.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The media that have a place in its messages.
    fn takes(&self) -> Takes;

    /// The body of a request.
    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable>;

    /// Reads the body of a response.
    fn read(&self, body: &[u8]) -> Result<Completion, Unread>;

    /// How the events of a stream are set off.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// Returns what reads a stream.
    fn reader(&self) -> Box<dyn Reader>;
}

/// Reads the events of one stream. It gathers what a whole body would have held, so that a
/// reply is the same whichever way it comes.
pub(super) trait Reader: Send {
    /// Reads an event and tells what is new.
    fn event(&mut self, data: &str, teller: &mut Teller<'_>) -> Result<(), Unread>;

    /// Whether an event was read that no other follows.
    fn is_ended(&self) -> bool;

    /// Whether all of the reply has come.
    fn is_whole(&self) -> bool;

    /// The reply, as far as it has come.
    fn completion(self: Box<Self>) -> Result<Completion, Unread>;
}

/// The protocol that a provider speaks.
pub(super) fn of(_provider: &str, _options: &LmOptions) -> Box<dyn Protocol> {
    Box::new(chat::Chat)
}

/// The interface of a provider for vectors of texts; none where it has none.
pub(super) fn texts_of(provider: &str, _options: &LmOptions) -> Option<Box<dyn Texts>> {
    match provider {
        "anthropic" => None,
        "gemini" => Some(Box::new(texts::Gemini)),
        "ollama" => Some(Box::new(texts::Ollama)),
        _ => Some(Box::new(texts::OpenAi)),
    }
}
