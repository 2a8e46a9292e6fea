//! JSON as files of ours hold it: read strictly, laid out for people.
//!
//! Reading refuses a key that stands twice in an object; writing breaks up what does not fit a
//! line, so that one change is one changed line.

use crate::schema::{MediaFile, Record, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Width that a container may take before it is broken up.
const WIDTH: usize = 92;

/// Reads one JSON value.
///
/// # Errors
/// What is wrong, with line and column.
pub(crate) fn read(text: &str) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads a value in which no key stands twice.
pub(crate) struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Int(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        // As elsewhere, the nearest float stands for what no int holds.
        #[expect(clippy::cast_precision_loss, reason = "said above")]
        Ok(i64::try_from(it).map_or(Value::Float(it as f64), Value::Int))
    }

    fn visit_f64<E: Error>(self, it: f64) -> Result<Value, E> {
        if it.is_finite() {
            Ok(Value::Float(it))
        } else {
            Err(E::custom("number out of range"))
        }
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::list(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut record = Record::new();
        while let Some(name) = entries.next_key::<String>()? {
            if record.contains_key(name.as_str()) {
                return Err(A::Error::custom(format!("duplicate key `{name}`")));
            }
            record.insert(name.into(), entries.next_value_seed(Self)?);
        }
        Ok(MediaFile::revived(record))
    }
}

/// Lays out a value with a final line break.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    lay_out(value, 0, &mut text);
    text.push('\n');
    text
}

fn lay_out(value: &Value, indent: usize, text: &mut String) {
    let line = one_line(value);
    let column = text.len() - text.rfind('\n').map_or(0, |at| at + 1);
    let container = matches!(value, Value::List(_) | Value::Map(_));
    if !container || column + line.chars().count() <= WIDTH {
        text.push_str(&line);
        return;
    }
    let (open, close) = if matches!(value, Value::Map(_)) { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (serial, (key, part)) in parts(value).into_iter().enumerate() {
        text.push_str(if serial == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(indent + 2));
        text.push_str(&key);
        lay_out(part, indent + 2, text);
    }
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    text.push(close);
}

/// A value on one line, with a space after each comma and colon.
fn one_line(value: &Value) -> String {
    let joined = || {
        parts(value)
            .into_iter()
            .map(|(key, part)| format!("{key}{}", one_line(part)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match value {
        Value::List(_) => format!("[{}]", joined()),
        Value::Map(_) => format!("{{{}}}", joined()),
        Value::Null | Value::Bool(_) | Value::Int(_) => value.to_json(),
        Value::Float(_) | Value::Str(_) | Value::Media(_) => value.to_json(),
    }
}

/// The parts of a container, each with `"key": ` or nothing before it.
fn parts(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::List(items) => items.iter().map(|item| (String::new(), item)).collect(),
        Value::Map(record) => record
            .iter()
            .map(|(name, part)| (format!("{}: ", Value::Str(name.clone()).to_json()), part))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Vec::new(),
        Value::Str(_) | Value::Media(_) => Vec::new(),
    }
}
