//! Values of fields.

use crate::schema::{MediaFile, MediaKind};
use indexmap::IndexMap;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// Named values in their order.
pub type Record = IndexMap<Arc<str>, Value>;

/// A value: JSON with integers apart from floats. Clones are cheap.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing: JSON null, `()` in scripts.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a fraction. Never NaN or infinite: readers refuse those.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// Named values: a record or a dict.
    Map(Arc<Record>),
    /// A picture, a sound or a file. As JSON it is where it comes from and the hash of its
    /// content, never the content.
    Media(Arc<MediaFile>),
}

impl Value {
    /// Text.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    /// Named values.
    pub fn map(record: Record) -> Self {
        Self::Map(Arc::new(record))
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => None,
            Self::List(_) | Self::Map(_) | Self::Media(_) => None,
        }
    }

    /// Whether a picture, a sound or a file is in it.
    pub fn has_media(&self) -> bool {
        match self {
            Self::Media(_) => true,
            Self::List(items) => items.iter().any(Self::has_media),
            Self::Map(entries) => entries.values().any(Self::has_media),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Str(_) => false,
        }
    }

    /// The kinds of all pictures, sounds and files in it.
    pub fn media_kinds(&self) -> Vec<MediaKind> {
        match self {
            Self::Media(medium) => vec![medium.media.kind],
            Self::List(items) => items.iter().flat_map(Self::media_kinds).collect(),
            Self::Map(entries) => entries.values().flat_map(Self::media_kinds).collect(),
            Self::Null | Self::Bool(_) | Self::Int(_) => Vec::new(),
            Self::Float(_) | Self::Str(_) => Vec::new(),
        }
    }

    /// The value without content that can be read again: it is known by its hash then.
    #[must_use]
    pub fn remembered(&self) -> Self {
        match self {
            Self::Media(medium) if medium.path.is_some() => {
                let media = Arc::new(medium.media.remembered());
                Self::Media(Arc::new(MediaFile { media, path: medium.path.clone() }))
            }
            Self::List(items) if self.has_media() => {
                Self::list(items.iter().map(Self::remembered))
            }
            Self::Map(entries) if self.has_media() => {
                let entries = entries.iter().map(|(name, it)| (name.clone(), it.remembered()));
                Self::map(entries.collect())
            }
            other => other.clone(),
        }
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What kind of value it is, in the language's words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Media(it) => it.media.kind.as_str(),
        }
    }

    /// Compact JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("values have only string keys and finite numbers")
    }
}

impl From<bool> for Value {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

impl From<i64> for Value {
    fn from(it: i64) -> Self {
        Self::Int(it)
    }
}

impl From<f64> for Value {
    fn from(it: f64) -> Self {
        Self::Float(it)
    }
}

impl From<&str> for Value {
    fn from(it: &str) -> Self {
        Self::Str(it.into())
    }
}

impl From<String> for Value {
    fn from(it: String) -> Self {
        Self::Str(it.into())
    }
}

/// Text as it is, media as what they are; everything else as compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => f.write_str(text),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => {
                f.write_str(&self.to_json())
            }
            Self::List(_) | Self::Map(_) => f.write_str(&self.to_json()),
            Self::Media(it) => write!(f, "{}", it.media),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(it) => to.serialize_bool(*it),
            Self::Int(it) => to.serialize_i64(*it),
            Self::Float(it) => to.serialize_f64(*it),
            Self::Str(it) => to.serialize_str(it),
            Self::List(items) => to.collect_seq(items.iter()),
            Self::Map(record) => to.collect_map(record.iter()),
            Self::Media(it) => it.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Int(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        // Beyond i64 the nearest float is what JSON readers give.
        #[expect(clippy::cast_precision_loss, reason = "said above")]
        Ok(i64::try_from(it).map_or(Value::Float(it as f64), Value::Int))
    }

    fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Value, E> {
        if it.is_finite() {
            Ok(Value::Float(it))
        } else {
            Err(E::custom("a number out of range"))
        }
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(Arc::new(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut record = Record::new();
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            record.insert(name.into(), value);
        }
        Ok(MediaFile::revived(record))
    }
}
