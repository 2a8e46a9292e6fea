//! Pictures, sounds and files as values: with the file that they were read from.

use crate::schema::mime::kind_fits;
use crate::schema::{
    ConvertError, Media, MediaKind, Record, Source, Ty, TypeTable, Value, mime_of,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The key by which a JSON object is known for a medium.
const MARK: &str = "$media";
/// The largest content that is read, in bytes.
const LARGEST: u64 = 20_000_000;

/// A picture, a sound or a file, and where it may be read again.
#[derive(Debug, Clone)]
pub struct MediaFile {
    /// What it is.
    pub media: Arc<Media>,
    /// The file that it was read from.
    pub path: Option<Arc<str>>,
}

/// Equal content is equal, wherever it was read from and whether it is at hand.
impl PartialEq for MediaFile {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.media, &other.media);
        a.kind == b.kind && a.mime == b.mime && a.source.told() == b.source.told()
    }
}

impl MediaFile {
    /// Returns content that was read, as a medium of this kind.
    ///
    /// # Errors
    /// Content that is no such thing, or too large; `what` names it there.
    pub fn read(
        bytes: Vec<u8>,
        kind: MediaKind,
        mime: Option<&str>,
        name: Option<&str>,
        what: &str,
    ) -> Result<Self, ConvertError> {
        fits_size(bytes.len() as u64, what)?;
        let mime = mime.unwrap_or_else(|| mime_of(&bytes, name.unwrap_or("")));
        check_kind(kind, mime, what)?;
        let name = name.map(Into::into);
        let media = Media { kind, mime: mime.into(), name, source: Source::bytes(bytes) };
        Ok(Self { media: Arc::new(media), path: None })
    }

    /// Returns what is at a URL, which the provider fetches.
    ///
    /// # Errors
    /// An ending that tells that it is no such thing.
    pub fn at_url(
        url: &str,
        kind: MediaKind,
        mime: Option<&str>,
    ) -> Result<Self, ConvertError> {
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let name = path.rsplit('/').next().filter(|it| !it.is_empty());
        let by_name = crate::schema::mime::by_ending(name.unwrap_or(""));
        let usual = match kind {
            MediaKind::Image => "image/*",
            MediaKind::Audio => "audio/*",
            MediaKind::File => "application/octet-stream",
        };
        let mime = mime.or(by_name).unwrap_or(usual);
        check_kind(kind, mime, url)?;
        let (mime, name) = (mime.into(), name.map(Into::into));
        let media = Media { kind, mime, name, source: Source::Url(url.into()) };
        Ok(Self { media: Arc::new(media), path: None })
    }

    /// Reads a `data:` URI, which carries its content.
    ///
    /// # Errors
    /// A text that is none, and content that is no such thing.
    pub fn of_data_uri(uri: &str, kind: MediaKind) -> Result<Self, ConvertError> {
        let wrong = |why: &str| ConvertError::new(format!("the `data:` URI {why}"));
        let rest = uri.strip_prefix("data:").ok_or_else(|| wrong("does not begin with it"))?;
        let (head, body) = rest.split_once(',').ok_or_else(|| wrong("has no comma"))?;
        let mut parts = head.split(';').map(str::trim);
        let mime = parts.next().filter(|it| it.contains('/'));
        if parts.next_back() != Some("base64") {
            return Err(wrong("is not written as `data:image/png;base64,…`"));
        }
        fits_size(body.len() as u64 / 4 * 3, "the `data:` URI")?;
        let bytes = STANDARD.decode(body.trim()).map_err(|_| wrong("is no valid base64"))?;
        Self::read(bytes, kind, mime, None, "the `data:` URI")
    }

    /// A value as one of this kind. A text is one only where it carries its content: a path
    /// or URL in a text may be a model's.
    pub(super) fn of(value: &Value, kind: MediaKind) -> Result<Value, ConvertError> {
        let medium = match value {
            Value::Media(it) if it.media.kind == kind => return Ok(value.clone()),
            Value::Str(text) if text.starts_with("data:") => Self::of_data_uri(text, kind)?,
            Value::Str(_) => {
                let message = format!(
                    "expected {}, found str (say `{}(path)`)",
                    kind.as_str(),
                    kind.as_str()
                );
                return Err(ConvertError::new(message));
            }
            other => {
                let message = format!("expected {}, found {}", kind.as_str(), other.kind());
                return Err(ConvertError::new(message));
            }
        };
        Ok(Value::Media(Arc::new(medium)))
    }

    /// A record that was read from JSON: a medium where it was written as one.
    pub(crate) fn revived(record: Record) -> Value {
        if !record.contains_key(MARK) {
            return Value::map(record);
        }
        match Self::of_record(&record) {
            Some(medium) => Value::Media(Arc::new(medium)),
            None => Value::map(record),
        }
    }

    fn of_record(record: &Record) -> Option<Self> {
        let text = |name: &str| match record.get(name) {
            Some(Value::Str(text)) => Some(text.clone()),
            _ => None,
        };
        let kind = MediaKind::by_name(&text(MARK)?)?;
        let source = match (text("url"), text("sha256")) {
            (Some(url), _) => Source::Url(url),
            (None, Some(sha256)) => Source::Absent { sha256, size: size(record) },
            (None, None) => return None,
        };
        let media = Media { kind, mime: text("mime")?, name: text("name"), source };
        Some(Self { media: Arc::new(media), path: text("path") })
    }
}

fn size(record: &Record) -> Option<u64> {
    match record.get("size") {
        Some(Value::Int(size)) => u64::try_from(*size).ok(),
        _ => None,
    }
}

impl Serialize for MediaFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let media = &self.media;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(MARK, &media.kind)?;
        map.serialize_entry("mime", &media.mime)?;
        if let Some(name) = &media.name {
            map.serialize_entry("name", name)?;
        }
        if let Some(path) = &self.path {
            map.serialize_entry("path", path)?;
        }
        match &media.source {
            Source::Url(url) => map.serialize_entry("url", url)?,
            Source::Bytes { sha256, .. } | Source::Absent { sha256, .. } => {
                map.serialize_entry("sha256", sha256)?;
            }
        }
        if let Some(size) = media.source.size() {
            map.serialize_entry("size", &size)?;
        }
        map.end()
    }
}

/// A value of a row with the paths of its media as the row's folder has them. Media that were
/// read already are where they are.
pub(crate) fn located(value: &Value, ty: &Ty, types: &TypeTable, folder: &str) -> Value {
    let join = |said: &str| std::path::Path::new(folder).join(said).to_string_lossy().into();
    at_media(value, ty, types, &|value| match value {
        Value::Str(said) if !is_uri(said) => Value::from(String::as_str(&join(said))),
        other => other.clone(),
    })
}

/// A value with other paths of its media: of those that were read, and of texts that name some.
pub(crate) fn with_paths(
    value: &Value,
    ty: &Ty,
    types: &TypeTable,
    place: &dyn Fn(&str) -> String,
) -> Value {
    at_media(value, ty, types, &|value| match value {
        Value::Str(said) if !is_uri(said) => Value::from(place(said)),
        Value::Media(medium) => {
            let path = medium.path.as_deref().map(|it| place(it).into());
            Value::Media(Arc::new(MediaFile { path, media: medium.media.clone() }))
        }
        other => other.clone(),
    })
}

/// A value with another in each place where a type wants a medium.
fn at_media(
    value: &Value,
    ty: &Ty,
    types: &TypeTable,
    change: &dyn Fn(&Value) -> Value,
) -> Value {
    let again = |value: &Value, ty: &Ty| at_media(value, ty, types, change);
    match (ty.resolve(types).unwrap_or(ty), value) {
        (Ty::Media(_), value) => change(value),
        (Ty::Optional(inner) | Ty::Bounded(inner, _), _) => again(value, inner),
        (Ty::List(item), Value::List(items)) => {
            Value::list(items.iter().map(|it| again(it, item)))
        }
        (Ty::Dict(item), Value::Map(entries)) => {
            let entries = entries.iter().map(|(name, it)| (name.clone(), again(it, item)));
            Value::map(entries.collect())
        }
        (Ty::Record(fields), Value::Map(entries)) => {
            let one = |(name, it): (&Arc<str>, &Value)| {
                let field = fields.iter().find(|field| field.name == *name);
                (name.clone(), field.map_or_else(|| it.clone(), |field| again(it, &field.ty)))
            };
            Value::map(entries.iter().map(one).collect())
        }
        _ => value.clone(),
    }
}

/// Whether a text names something that is no file of ours.
fn is_uri(text: &str) -> bool {
    ["data:", "https://", "http://"].iter().any(|it| text.starts_with(it))
}

/// Checks how large content is that is to be sent.
///
/// # Errors
/// Too large; `what` names it.
pub(crate) fn fits_size(size: u64, what: &str) -> Result<(), ConvertError> {
    if size <= LARGEST {
        return Ok(());
    }
    let (has, most) = (size_text(size), size_text(LARGEST));
    Err(ConvertError::new(format!("{what} has {has}, and at most {most} are sent")))
}

fn check_kind(kind: MediaKind, mime: &str, what: &str) -> Result<(), ConvertError> {
    if kind_fits(kind, mime) {
        return Ok(());
    }
    let a = if kind == MediaKind::Image { "image" } else { "audio" };
    Err(ConvertError::new(format!("{what} is no {a}: it is {mime}")))
}

/// A number of bytes, in words.
pub(crate) fn size_text(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// As prompts and traces show it: `[image image/png 12 kB sha256:ab12cd34ef56]`.
impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} {} ", self.kind.as_str(), self.mime)?;
        if let Source::Url(url) = &self.source {
            return write!(f, "{url}]");
        }
        if let Some(size) = self.source.size() {
            write!(f, "{} ", size_text(size))?;
        }
        let hash = self.source.told();
        write!(f, "sha256:{}]", hash.get(..12).unwrap_or(hash))
    }
}
