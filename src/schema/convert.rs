//! Strict conversion of values to types.
//!
//! For what comes from rows, callers and files: an integer may stand for a float, nothing else
//! is guessed. What a model writes is read leniently elsewhere, by `adapt`.

use crate::schema::{Bound, Field, MediaFile, Record, Ty, TypeTable, Value, history_of};
use std::fmt;
use std::sync::Arc;

/// How deep a value may be. It keeps recursive types and hostile files off the stack's end.
pub(crate) const MAX_DEPTH: usize = 100;

/// Why a value is not of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertError {
    /// Where in the value, such as `people[0].role`; empty for the value itself.
    pub path: String,
    /// What is wrong, such as `expected str, found int`.
    pub message: String,
}

impl ConvertError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    /// Returns the error as seen from one level further out.
    #[must_use]
    pub(crate) fn inside(mut self, step: &str) -> Self {
        let dot = !self.path.is_empty() && !self.path.starts_with('[');
        self.path.insert_str(0, if dot { "." } else { "" });
        self.path.insert_str(0, step);
        self
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConvertError {}

/// Returns `value` as a value of `ty`.
///
/// # Errors
/// Where `value` is no value of `ty`, with the place inside it.
///
/// # Example
/// ```
/// use dsp_lang::schema::{convert, Ty, TypeTable, Value};
/// let types = TypeTable::new();
/// assert_eq!(convert(&Value::Int(2), &Ty::Float, &types), Ok(Value::Float(2.0)));
/// let error = convert(&Value::Int(2), &Ty::Str, &types).unwrap_err();
/// assert_eq!(error.to_string(), "expected str, found int");
/// ```
pub fn convert(value: &Value, ty: &Ty, types: &TypeTable) -> Result<Value, ConvertError> {
    Converter { types, depth: 0 }.value(value, ty)
}

/// Returns `values` as values of `fields`, in their order: what is left out becomes the default,
/// or nothing where the type admits it.
///
/// # Errors
/// Where a value is of another type, missing, or of no field.
pub fn convert_fields(
    values: &Record,
    fields: &[Field],
    types: &TypeTable,
) -> Result<Record, ConvertError> {
    Converter { types, depth: 0 }.fields(values, fields)
}

struct Converter<'a> {
    types: &'a TypeTable,
    depth: usize,
}

impl Converter<'_> {
    fn value(&mut self, value: &Value, ty: &Ty) -> Result<Value, ConvertError> {
        if self.depth >= MAX_DEPTH {
            return Err(ConvertError::new("nested too deeply"));
        }
        self.depth += 1;
        let converted = self.step(value, ty);
        self.depth -= 1;
        converted
    }

    fn step(&mut self, value: &Value, ty: &Ty) -> Result<Value, ConvertError> {
        match (ty, value) {
            (Ty::Any, _) => Ok(value.clone()),
            (Ty::Str, Value::Str(_))
            | (Ty::Int, Value::Int(_))
            | (Ty::Float, Value::Float(_))
            | (Ty::Bool, Value::Bool(_)) => Ok(value.clone()),
            #[expect(
                clippy::cast_precision_loss,
                reason = "the nearest float is what is meant"
            )]
            (Ty::Float, Value::Int(it)) => Ok(Value::Float(*it as f64)),
            (Ty::Enum(options), _) if options.contains(value) => Ok(value.clone()),
            // Whether it is one of them is known where there is a call.
            (Ty::OneOf(_), Value::Str(_) | Value::Int(_) | Value::Bool(_)) => Ok(value.clone()),
            (Ty::History, _) => history_of(value).ok_or_else(|| mismatch(ty, value)),
            (Ty::Media(kind), _) => MediaFile::of(value, *kind),
            (Ty::Optional(_), Value::Null) => Ok(Value::Null),
            (Ty::Optional(inner), _) => self.value(value, inner),
            (Ty::List(item), Value::List(items)) => self.list(items, item),
            (Ty::Dict(item), Value::Map(entries)) => self.dict(entries, item),
            (Ty::Record(fields), Value::Map(entries)) => {
                self.fields(entries, fields).map(Value::map)
            }
            (Ty::Union(members), _) => self.union(value, members, ty),
            (Ty::Named(name), _) => self.named(value, name),
            (Ty::Bounded(inner, bound), _) => {
                let converted = self.value(value, inner)?;
                check_bound(&converted, bound, ty).map(|()| converted)
            }
            _ => Err(mismatch(ty, value)),
        }
    }

    fn list(&mut self, items: &[Value], ty: &Ty) -> Result<Value, ConvertError> {
        let items = items.iter().enumerate().map(|(at, item)| {
            self.value(item, ty).map_err(|error| error.inside(&format!("[{at}]")))
        });
        items.collect::<Result<Vec<_>, _>>().map(Value::list)
    }

    fn dict(&mut self, entries: &Record, ty: &Ty) -> Result<Value, ConvertError> {
        let entries = entries.iter().map(|(name, item)| {
            let item = self.value(item, ty).map_err(|error| error.inside(name))?;
            Ok((name.clone(), item))
        });
        entries.collect::<Result<Record, _>>().map(Value::map)
    }

    fn fields(&mut self, values: &Record, fields: &[Field]) -> Result<Record, ConvertError> {
        let unknown =
            values.keys().find(|name| fields.iter().all(|field| field.name != **name));
        if let Some(name) = unknown {
            return Err(ConvertError::new(format!("unknown field `{name}`")));
        }
        let fields = fields.iter().map(|field| {
            let value = self.field(values.get(&field.name), field)?;
            Ok((field.name.clone(), value))
        });
        fields.collect()
    }

    fn field(&mut self, value: Option<&Value>, field: &Field) -> Result<Value, ConvertError> {
        match value {
            Some(value) => {
                self.value(value, &field.ty).map_err(|error| error.inside(&field.name))
            }
            None => left_out(field, self.types)
                .ok_or_else(|| ConvertError::new(format!("missing field `{}`", field.name))),
        }
    }

    fn union(&mut self, value: &Value, of: &[Ty], ty: &Ty) -> Result<Value, ConvertError> {
        let converted = of.iter().find_map(|member| self.value(value, member).ok());
        converted.ok_or_else(|| mismatch(ty, value))
    }

    fn named(&mut self, value: &Value, name: &Arc<str>) -> Result<Value, ConvertError> {
        match self.types.get(name) {
            Some(ty) => self.value(value, ty),
            None => Err(ConvertError::new(format!("unknown type `{name}`"))),
        }
    }
}

/// What a field is when nobody gives it: its default, or nothing where its type admits that.
pub(crate) fn left_out(field: &Field, types: &TypeTable) -> Option<Value> {
    let null = || field.ty.admits_null(types).then_some(Value::Null);
    field.default.clone().or_else(null)
}

pub(crate) fn check_bound(value: &Value, bound: &Bound, ty: &Ty) -> Result<(), ConvertError> {
    if bound.holds(value) {
        return Ok(());
    }
    let found = match value {
        Value::Str(text) => format!("{} characters", text.chars().count()),
        Value::List(items) => format!("{} items", items.len()),
        Value::Map(entries) => format!("{} entries", entries.len()),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Media(_) => {
            value.to_string()
        }
    };
    Err(ConvertError::new(format!("expected {}, found {found}", brief(ty))))
}

fn mismatch(ty: &Ty, value: &Value) -> ConvertError {
    let found = match (ty, value) {
        (Ty::Enum(_), Value::Str(_) | Value::Int(_) | Value::Bool(_)) => {
            shortened(&value.to_json(), 40)
        }
        _ => value.kind().to_owned(),
    };
    ConvertError::new(format!("expected {}, found {found}", brief(ty)))
}

/// A type in a message: long ones are cut, for a message is one line.
pub(crate) fn brief(ty: &Ty) -> String {
    shortened(&ty.to_string(), 120)
}

/// The first `most` characters of a text, with an ellipsis where there were more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
