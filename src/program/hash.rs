//! Hashes of signatures, states and rows: equal content gives equal hashes, on any machine.

use crate::program::{PredictorState, State};
use crate::schema::{Field, MediaFile, Record, Row, Signature, Ty, Value};
use crate::util::sha256_hex;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// Two hashes of a signature, and what a person reads instead of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHash {
    /// Names and types of its fields: `question: str -> answer: str(..=60)`.
    pub fields: String,
    /// Hash of names and types, whatever the order of the fields. Where it differs a state
    /// does not fit.
    pub structure: String,
    /// Hash of instructions, descriptions, defaults and order of fields. Where it differs a
    /// state fits, but was made for other words.
    pub text: String,
}

impl SignatureHash {
    /// Returns the hashes of a signature.
    pub fn of(signature: &Signature) -> Self {
        Self {
            fields: fields_text(signature),
            structure: short(&structure(signature)),
            text: short(&words(signature)),
        }
    }
}

/// The first 16 hex digits of a SHA-256: enough to tell things of one project apart.
pub(crate) fn short(text: &str) -> String {
    let mut hash = sha256_hex(text.as_bytes());
    hash.truncate(16);
    hash
}

/// The hash of a row's content; its index is no part of it.
pub(crate) fn row_hash(row: &Row) -> String {
    short(&record_text(&row.values))
}

/// Canonical JSON of a record: its names sorted, what is inside as it is.
pub(crate) fn record_text(record: &Record) -> String {
    let mut names: Vec<&str> = record.keys().map(|name| &**name).collect();
    names.sort_unstable();
    let mut text = String::with_capacity(256);
    text.push('{');
    for name in names {
        json_to(&mut text, name);
        text.push(':');
        json_to(&mut text, &*pathless(&record[name]));
        text.push(',');
    }
    text.push('}');
    text
}

/// Appends compact JSON.
fn json_to(text: &mut String, value: &(impl Serialize + ?Sized)) {
    let mut bytes = std::mem::take(text).into_bytes();
    serde_json::to_writer(&mut bytes, value).expect("what is hashed has only string keys");
    *text = String::from_utf8(bytes).expect("JSON is text");
}

/// A value without the places of its media: their content counts.
fn pathless(value: &Value) -> Cow<'_, Value> {
    if !value.has_media() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(match value {
        Value::Media(it) => {
            Value::Media(Arc::new(MediaFile { media: it.media.clone(), path: None }))
        }
        Value::List(items) => Value::list(items.iter().map(|it| pathless(it).into_owned())),
        Value::Map(entries) => {
            let entries = entries.iter();
            Value::map(
                entries.map(|(name, it)| (name.clone(), pathless(it).into_owned())).collect(),
            )
        }
        other => other.clone(),
    })
}

impl State {
    /// A hash of everything that shapes prompts and replies: equal states have equal hashes,
    /// whatever the order of their predictors and wherever they come from.
    pub fn hash(&self) -> String {
        let mut predictors: Vec<_> = self.predictors.iter().collect();
        predictors.sort_by_key(|(path, _)| path.as_str());
        let mut text = String::new();
        for (path, predictor) in predictors {
            let content = predictor_text(predictor);
            if !content.is_empty() {
                let _ = writeln!(text, "{}{content}", quoted(path));
            }
        }
        short(&text)
    }
}

/// What shapes prompts in one predictor's state; empty where nothing is set.
fn predictor_text(predictor: &PredictorState) -> String {
    let mut text = String::new();
    let mut part = |name: &str, value: &str| {
        let _ = write!(text, " {name}={value}");
    };
    if let Some(instructions) = &predictor.instructions {
        part("instructions", &quoted(instructions));
    }
    let mut descriptions: Vec<_> = predictor.descriptions.iter().collect();
    descriptions.sort();
    for (field, description) in descriptions {
        part("description", &format!("{}:{}", quoted(field), quoted(description)));
    }
    let names = [
        ("lm", &predictor.lm),
        ("adapter", &predictor.adapter),
        ("extract", &predictor.extract),
    ];
    for (name, value) in names.into_iter().filter_map(|(n, v)| Some((n, v.as_ref()?))) {
        part(name, &quoted(value));
    }
    let options = predictor.options;
    let numbers = [
        ("temperature", options.temperature.map(|it| Value::Float(it).to_json())),
        ("top_p", options.top_p.map(|it| Value::Float(it).to_json())),
        ("max_tokens", options.max_tokens.map(|it| it.to_string())),
        ("seed", options.seed.map(|it| it.to_string())),
    ];
    for (name, value) in numbers.into_iter().filter_map(|(n, v)| Some((n, v?))) {
        part(name, &value);
    }
    if let Some(nearest) = predictor.nearest {
        part("nearest", &nearest.k.to_string());
    }
    for demo in predictor.demos.iter().map(|it| &it.demo) {
        part("demo", &format!("{}{}", record_text(&demo.inputs), record_text(&demo.outputs)));
    }
    text
}

fn quoted(text: &str) -> String {
    Value::from(text).to_json()
}

/// Names and types of a signature's fields: `question: str -> answer: str(..=60)`.
pub fn fields_text(signature: &Signature) -> String {
    let side = |fields: &[Field]| fields.iter().map(field_text).collect::<Vec<_>>().join(", ");
    format!("{} -> {}", side(&signature.inputs), side(&signature.outputs))
}

fn field_text(field: &Field) -> String {
    format!("{}: {}", field.name, field.ty)
}

/// Names and types, fields sorted by name, with the named types they reach.
fn structure(signature: &Signature) -> String {
    let side = |fields: &[Field]| {
        let mut fields: Vec<String> = fields.iter().map(field_text).collect();
        fields.sort_unstable();
        fields.join(", ")
    };
    let mut text = format!("{} -> {}", side(&signature.inputs), side(&signature.outputs));
    for (name, ty) in reached(signature) {
        let _ = write!(text, "; {name} = {ty}");
    }
    text
}

/// The named types that a signature's fields reach, sorted by name.
fn reached(signature: &Signature) -> Vec<(&Arc<str>, &Ty)> {
    let mut found = signature.reachable_types();
    found.sort_unstable_by_key(|(name, _)| *name);
    found
}

/// Instructions, descriptions, defaults and the order of fields.
fn words(signature: &Signature) -> String {
    let mut text = quoted(&signature.instructions);
    for field in signature.inputs.iter().chain(&signature.outputs) {
        field_words(field, &mut text);
    }
    for (name, ty) in reached(signature) {
        let _ = write!(text, "\n{name}");
        ty_words(ty, &mut text);
    }
    text
}

fn field_words(field: &Field, text: &mut String) {
    let description = field.description.as_deref().map(quoted).unwrap_or_default();
    let default = field.default.as_ref().map(Value::to_json).unwrap_or_default();
    let _ = write!(text, "\n{} {description} {default}", field.name);
    ty_words(&field.ty, text);
}

/// Descriptions inside a type.
fn ty_words(ty: &Ty, text: &mut String) {
    match ty {
        Ty::List(inner) | Ty::Dict(inner) | Ty::Optional(inner) => ty_words(inner, text),
        Ty::Bounded(inner, _) => ty_words(inner, text),
        Ty::Union(parts) => parts.iter().for_each(|part| ty_words(part, text)),
        Ty::Record(fields) => fields.iter().for_each(|field| field_words(field, text)),
        Ty::Named(_) | Ty::Enum(_) | Ty::OneOf(_) => {}
        Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Any | Ty::History | Ty::Media(_) => {}
    }
}
