//! `OpenAI`'s interfaces as Azure has them: a deployment is a model, and stands in the address.

use super::chat::Chat;
use super::responses::Responses;
use super::{Ask, KeyHeader, Protocol, Reader, Unread, Unwritable, Vectors, texts};
use crate::lm::{Completion, Takes};

/// The version of the interface that deployments are asked in.
const VERSION: &str = "2024-10-21";

/// The protocol.
#[derive(Debug)]
pub(super) enum Azure {
    Chat,
    Responses,
}

impl Azure {
    fn inner(&self) -> &dyn Protocol {
        match self {
            Self::Chat => &Chat,
            Self::Responses => &Responses,
        }
    }
}

impl Protocol for Azure {
    fn name(&self) -> &'static str {
        match self {
            Self::Chat => "azure-chat/1",
            Self::Responses => "azure-responses/1",
        }
    }

    fn path(&self, model: &str, streams: bool) -> String {
        match self {
            Self::Chat => deployed(model, "chat/completions"),
            Self::Responses => format!("/openai/v1{}", Responses.path(model, streams)),
        }
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Named("api-key")
    }

    fn takes(&self) -> Takes {
        self.inner().takes()
    }

    fn write(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Unwritable> {
        self.inner().write(ask)
    }

    fn read(&self, body: &[u8]) -> Result<Completion, Unread> {
        self.inner().read(body)
    }

    fn reader(&self) -> Box<dyn Reader> {
        self.inner().reader()
    }
}

fn deployed(model: &str, what: &str) -> String {
    format!("/openai/deployments/{model}/{what}?api-version={VERSION}")
}

/// Vectors of texts.
#[derive(Debug)]
pub(super) struct Texts;

impl texts::Texts for Texts {
    fn name(&self) -> &'static str {
        "azure-embeddings/1"
    }

    fn path(&self, model: &str) -> String {
        deployed(model, "embeddings")
    }

    fn most(&self) -> usize {
        texts::OpenAi.most()
    }

    fn write(&self, model: &str, texts: &[String]) -> bytes::Bytes {
        texts::OpenAi.write(model, texts)
    }

    fn read(&self, body: &[u8]) -> Result<Vectors, Unread> {
        texts::OpenAi.read(body)
    }
}
