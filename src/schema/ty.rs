//! Types of fields, and how they are written.

use crate::schema::{Field, MediaKind, Value};
use indexmap::IndexMap;
use std::fmt;
use std::sync::Arc;

/// Named types of a program; a [`Ty::Named`] looks itself up here.
pub type TypeTable = IndexMap<Arc<str>, Ty>;

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub enum Ty {
    /// Text.
    Str,
    /// A 64-bit integer.
    Int,
    /// A finite 64-bit float; integers are welcome.
    Float,
    /// True or false.
    Bool,
    /// Any JSON value.
    Any,
    /// The earlier turns of a conversation: an input that is laid out as messages.
    History,
    /// A picture, a sound or a file: inputs only.
    Media(MediaKind),
    /// A list of one type.
    List(Box<Ty>),
    /// Values of one type under any names.
    Dict(Box<Ty>),
    /// A value or nothing.
    Optional(Box<Ty>),
    /// One of these literals: strings, integers or booleans.
    Enum(Arc<Vec<Value>>),
    /// A value of one of these types, tried in this order.
    Union(Arc<Vec<Ty>>),
    /// One of the values of a list that is known only when a call is made.
    OneOf(Choices),
    /// Named values, each of its own type.
    Record(Arc<Vec<Field>>),
    /// A type with a name, which may be recursive.
    Named(Arc<str>),
    /// A type with a bound on its value (numbers), characters (text) or items (lists).
    Bounded(Box<Ty>, Bound),
}

/// Where the values of a [`Ty::OneOf`] stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choices {
    /// In an input of the same call.
    Input(Arc<str>),
    /// In a const of the program.
    Const {
        /// Its name where it is said.
        name: Arc<str>,
        /// Its name in the program.
        key: Arc<str>,
    },
}

impl Choices {
    /// The name of the input or const.
    pub fn name(&self) -> &Arc<str> {
        let (Self::Input(name) | Self::Const { name, .. }) = self;
        name
    }
}

/// How many names may stand for one another before a type counts as endless
/// (`type A = B; type B = A;`).
const MAX_ALIASES: usize = 64;

impl Ty {
    /// The type behind a name; `None` for an unknown name or one that only stands for itself.
    pub fn resolve<'a>(&'a self, types: &'a TypeTable) -> Option<&'a Self> {
        let mut ty = self;
        for _ in 0..MAX_ALIASES {
            match ty {
                Self::Named(name) => ty = types.get(name)?,
                _ => return Some(ty),
            }
        }
        None
    }

    /// Whether nothing is a value of it, so that a field of it may be left out.
    pub fn admits_null(&self, types: &TypeTable) -> bool {
        match self.resolve(types) {
            Some(Self::Optional(_)) => true,
            Some(Self::Union(members)) => {
                members.iter().any(|member| matches!(member, Self::Optional(_)))
            }
            Some(Self::Bounded(inner, _)) => matches!(**inner, Self::Optional(_)),
            _ => false,
        }
    }

    /// Whether pictures, sounds or files may be in a value of it.
    pub fn mentions_media(&self, types: &TypeTable) -> bool {
        self.reaches_media(types, &mut Vec::new())
    }

    fn reaches_media<'a>(&'a self, types: &'a TypeTable, seen: &mut Vec<&'a str>) -> bool {
        match self {
            Self::Media(_) => true,
            Self::List(inner) | Self::Dict(inner) | Self::Optional(inner) => {
                inner.reaches_media(types, seen)
            }
            Self::Bounded(inner, _) => inner.reaches_media(types, seen),
            Self::Union(members) => members.iter().any(|it| it.reaches_media(types, seen)),
            Self::Record(fields) => fields.iter().any(|it| it.ty.reaches_media(types, seen)),
            Self::Named(name) if seen.contains(&&**name) => false,
            Self::Named(name) => {
                seen.push(name);
                types.get(name).is_some_and(|it| it.reaches_media(types, seen))
            }
            Self::Str | Self::Int | Self::Float | Self::Bool | Self::Any => false,
            Self::History | Self::Enum(_) | Self::OneOf(_) => false,
        }
    }

    /// Whether it reads as several words between bars, and so needs parentheses before `?`.
    fn is_choice(&self) -> bool {
        match self {
            Self::Enum(options) => options.len() > 1,
            Self::Union(members) => members.len() > 1,
            _ => false,
        }
    }

    fn fmt_inner(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_choice() { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

/// In the language's own grammar: `list[str](1..=3)`, `"a" | "b"`, `{ name: str, role: str? }`.
impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str => f.write_str("str"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Bool => f.write_str("bool"),
            Self::Any => f.write_str("any"),
            Self::History => f.write_str("history"),
            Self::Media(kind) => f.write_str(kind.as_str()),
            Self::List(item) => write!(f, "list[{item}]"),
            Self::Dict(item) => write!(f, "dict[str, {item}]"),
            Self::Optional(inner) => inner.fmt_inner(f).and_then(|()| f.write_str("?")),
            Self::Enum(options) => joined(f, " | ", options.iter().map(Value::to_json)),
            Self::Union(members) => joined(f, " | ", members.iter()),
            Self::OneOf(choices) => write!(f, "one_of({})", choices.name()),
            Self::Record(fields) => record(f, fields),
            Self::Named(name) => f.write_str(name),
            Self::Bounded(inner, bound) => {
                inner.fmt_inner(f)?;
                write!(f, "({bound})")
            }
        }
    }
}

fn joined<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    between: &str,
    parts: impl Iterator<Item = T>,
) -> fmt::Result {
    for (at, part) in parts.enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}

fn record(f: &mut fmt::Formatter<'_>, fields: &[Field]) -> fmt::Result {
    if fields.is_empty() {
        return f.write_str("{}");
    }
    f.write_str("{ ")?;
    for (at, field) in fields.iter().enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        write!(f, "{comma}{}: {}", field.name, field.ty)?;
    }
    f.write_str(" }")
}

/// A range; an end that is missing is open.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bound {
    /// The least value, inclusive.
    pub min: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
    /// The greatest value itself is excluded (`1..5`).
    pub max_excluded: bool,
}

impl Bound {
    /// Whether `number` lies inside.
    pub fn contains(&self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min)
            && self.max.is_none_or(
                |max| {
                    if self.max_excluded { number < max } else { number <= max }
                },
            )
    }

    /// What of `value` the bound is on: the value of a number, the characters of a text, the
    /// entries of a list or map. `None` where a bound says nothing.
    #[expect(
        clippy::cast_precision_loss,
        reason = "bounds are floats; sizes are far below 2^53"
    )]
    pub fn measure(value: &Value) -> Option<f64> {
        match value {
            Value::Int(it) => Some(*it as f64),
            Value::Float(it) => Some(*it),
            Value::Str(text) => Some(text.chars().count() as f64),
            Value::List(items) => Some(items.len() as f64),
            Value::Map(entries) => Some(entries.len() as f64),
            Value::Null | Value::Bool(_) | Value::Media(_) => None,
        }
    }

    /// Whether `value` keeps the bound.
    pub fn holds(&self, value: &Value) -> bool {
        Self::measure(value).is_none_or(|measure| self.contains(measure))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(min) = self.min {
            write!(f, "{min}")?;
        }
        f.write_str("..")?;
        match self.max {
            Some(max) if self.max_excluded => write!(f, "{max}"),
            Some(max) => write!(f, "={max}"),
            None => Ok(()),
        }
    }
}
