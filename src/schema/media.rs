//! Pictures, sounds and files as inputs.

use crate::util::sha256_hex;
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// What a medium is for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sound.
    Audio,
    /// A document.
    File,
}

impl MediaKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Image, Self::Audio, Self::File];

    /// The kind of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Its name in types and prompts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }
}

/// A picture, a sound or a file. Its content counts by its hash: it is not written into traces,
/// keys and states.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Media {
    /// What it is.
    pub kind: MediaKind,
    /// Its type, such as `image/png`.
    pub mime: Arc<str>,
    /// Its name, where it has one that the model may know.
    pub name: Option<Arc<str>>,
    /// Where it is.
    pub source: Source,
}

impl Media {
    /// Returns it without its content, which is known by its hash then.
    #[must_use]
    pub fn remembered(&self) -> Self {
        let source = match &self.source {
            Source::Bytes { sha256, .. } => {
                Source::Absent { sha256: sha256.clone(), size: self.source.size() }
            }
            other => other.clone(),
        };
        Self { source, ..self.clone() }
    }
}

/// Where a medium is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// Here.
    Bytes {
        /// The content.
        bytes: Arc<[u8]>,
        /// The SHA-256 of the content, in hex.
        sha256: Arc<str>,
    },
    /// At a URL that the provider fetches.
    Url(Arc<str>),
    /// It was here when this was written; only the hash is known.
    Absent {
        /// The SHA-256 of the content, in hex.
        sha256: Arc<str>,
        /// How many bytes it has, where that was said.
        size: Option<u64>,
    },
}

impl Source {
    /// The content that is at hand.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let sha256 = sha256_hex(&bytes).into();
        Self::Bytes { bytes, sha256 }
    }

    /// How many bytes the content has, where that is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Bytes { bytes, .. } => Some(bytes.len() as u64),
            Self::Absent { size, .. } => *size,
            Self::Url(_) => None,
        }
    }

    /// The URL, or the hash of the content.
    pub fn told(&self) -> &Arc<str> {
        let (Self::Url(told)
        | Self::Bytes { sha256: told, .. }
        | Self::Absent { sha256: told, .. }) = self;
        told
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Bytes { sha256, .. } | Self::Absent { sha256, .. } => {
                write!(f, "sha256:{sha256}")
            }
        }
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.kind.as_str(), self.mime, self.source)
    }
}

impl Serialize for Media {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("mime", &self.mime)?;
        if let Some(name) = &self.name {
            map.serialize_entry("name", name)?;
        }
        match &self.source {
            Source::Url(url) => map.serialize_entry("url", url)?,
            Source::Bytes { sha256, .. } | Source::Absent { sha256, .. } => {
                map.serialize_entry("sha256", sha256)?;
            }
        }
        if let Some(size) = self.source.size() {
            map.serialize_entry("size", &size)?;
        }
        map.end()
    }
}

#[derive(Deserialize)]
struct Told {
    kind: MediaKind,
    mime: Arc<str>,
    name: Option<Arc<str>>,
    url: Option<Arc<str>>,
    sha256: Option<Arc<str>>,
    size: Option<u64>,
}

impl<'de> Deserialize<'de> for Media {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Told { kind, mime, name, url, sha256, size } = Told::deserialize(deserializer)?;
        let source = match (url, sha256) {
            (Some(url), _) => Source::Url(url),
            (None, Some(sha256)) => Source::Absent { sha256, size },
            (None, None) => return Err(D::Error::custom("a medium has a URL or a hash")),
        };
        Ok(Self { kind, mime, name, source })
    }
}
