//! Types of fields.

use crate::schema::{Field, Value};
use indexmap::IndexMap;
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
    /// Named values, each of its own type.
    Record(Arc<Vec<Field>>),
    /// A type with a name, which may be recursive.
    Named(Arc<str>),
    /// A type with a bound on its value (numbers), characters (text) or items (lists).
    Bounded(Box<Ty>, Bound),
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
