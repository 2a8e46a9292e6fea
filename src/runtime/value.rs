//! The values that natives see: the script's, without Rhai's types.
//!
//! Higher floors implement [`Object`] and [`Native`](crate::runtime::Native) over these and
//! never name Rhai. Texts and functions keep the host's representation inside, because the
//! identity of a text is how a data edge of the trace is known.

use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::Error;
use crate::runtime::media::MediaValue;
use crate::runtime::record_value::RecordValue;
use crate::schema::{Record, Value};
use indexmap::IndexMap;
use rhai::{Dynamic, FnPtr, ImmutableString};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A shared object.
pub type ObjectRef = Arc<dyn Object>;

/// A value of a script.
#[derive(Debug, Clone, Default)]
pub enum Val {
    /// `()`
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Str(Text),
    /// An array.
    List(Vec<Val>),
    /// An object map.
    Map(IndexMap<Arc<str>, Val>),
    /// One of ours: a predictor, reply, data set …
    Object(ObjectRef),
    /// A function or closure.
    Func(Func),
    /// Anything else that Rhai knows, such as a range: it can be passed on.
    Other(Other),
}

/// Text that knows its identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub(in crate::runtime) ImmutableString);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where the text lies: equal for copies of one text while any of them lives.
    pub(in crate::runtime) fn identity(&self) -> usize {
        self.0.as_str().as_ptr() as usize
    }

    /// Whether there are copies of it besides this one.
    pub(in crate::runtime) fn is_held_elsewhere(&self) -> bool {
        self.0.strong_count() > 1
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A function or closure of the script.
#[derive(Debug, Clone)]
pub struct Func(pub(in crate::runtime) FnPtr);

impl Func {
    /// Its name in the lowered program.
    pub fn lowered_name(&self) -> &str {
        self.0.fn_name()
    }

    /// What `print` shows: the name that the user gave it.
    fn show(&self) -> String {
        match self.lowered_name() {
            name if name.starts_with("anon$") => "function".to_owned(),
            name => format!("Fn({})", crate::runtime::diagnose::user_name(name)),
        }
    }
}

/// A value that only Rhai knows.
#[derive(Debug, Clone)]
pub struct Other(pub(in crate::runtime) Dynamic);

/// A value with members and methods of its own. Objects are immutable: a method that changes
/// something returns another object.
pub trait Object: Send + Sync + fmt::Debug + Any {
    /// What it is, in the language's words: `predictor`, `reply`, `dataset`.
    fn type_name(&self) -> &'static str;

    /// The member of this name.
    fn get(&self, name: &str) -> Option<Val> {
        let _ = name;
        None
    }

    /// The member of this name, where getting it may fail.
    fn member(&self, name: &str) -> Option<Result<Val, Error>> {
        self.get(name).map(Ok)
    }

    /// The names of its members, for messages.
    fn members(&self) -> Vec<String> {
        Vec::new()
    }

    /// Calls it.
    ///
    /// # Errors
    /// What the call raises; by default that it is nothing to call.
    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        let _ = (cx, args);
        Err(Error::value(format!("{} cannot be called", crate::util::a(self.type_name()))))
    }

    /// Calls the method of this name; `None` when it has no such method.
    fn method(&self, cx: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        let _ = (cx, name, args);
        None
    }

    /// `self[key]`; `None` when there is no such element.
    fn index(&self, key: &Val) -> Option<Result<Val, Error>> {
        match key {
            Val::Str(name) => self.get(name.as_str()).map(Ok),
            Val::Int(at) => self.item(usize::try_from(*at).ok()?),
            Val::Null | Val::Bool(_) | Val::Float(_) | Val::List(_) | Val::Map(_) => None,
            Val::Object(_) | Val::Func(_) | Val::Other(_) => None,
        }
    }

    /// The number of elements, for what `for` runs over.
    fn n_items(&self) -> Option<usize> {
        None
    }

    /// The element at a place, for what `for` runs over.
    fn item(&self, at: usize) -> Option<Result<Val, Error>> {
        let _ = at;
        None
    }

    /// What `for` runs over, where it comes bit by bit.
    fn parts_to_come(&self) -> Option<Box<dyn Iterator<Item = Result<Val, Error>>>> {
        None
    }

    /// The programs inside it, each with what its path has behind that of this one.
    fn parts(&self) -> Vec<(String, Val)> {
        Vec::new()
    }

    /// The same at a path of a program, with other programs inside.
    fn with_parts(&self, path: &str, parts: Vec<Val>) -> Option<Val> {
        let _ = (path, parts);
        None
    }

    /// Its data, for prompts, files and comparisons; `None` for what is no data.
    fn to_value(&self) -> Option<Value> {
        None
    }

    /// Which node of the trace it is the reply of.
    fn node(&self) -> Option<crate::trace::NodeId> {
        None
    }

    /// What `print` shows.
    fn show(&self) -> String;

    /// The object itself, for those who know its type.
    fn as_any(&self) -> &dyn Any;
}

impl Val {
    /// Text.
    pub fn str(text: &str) -> Self {
        Self::Str(Text(text.into()))
    }

    /// One of our objects.
    pub fn object(object: impl Object) -> Self {
        Self::Object(Arc::new(object))
    }

    /// Data as a script's value.
    pub fn from_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(*it),
            Value::Int(it) => Self::Int(*it),
            Value::Float(it) => Self::Float(*it),
            Value::Str(it) => Self::str(it),
            Value::List(items) => Self::List(items.iter().map(Self::from_value).collect()),
            Value::Map(record) => Self::Map(
                record.iter().map(|(k, v)| (k.clone(), Self::from_value(v))).collect(),
            ),
            Value::Media(it) => Self::object(MediaValue(it.clone())),
        }
    }

    /// The value as data.
    ///
    /// # Errors
    /// Functions, numbers that are not finite, and objects that are no data.
    pub fn to_value(&self) -> Result<Value, Error> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Int(it) => Value::Int(*it),
            Self::Float(it) if it.is_finite() => Value::Float(*it),
            Self::Float(it) => {
                return Err(Error::value(format!("{it} is no number to pass on")));
            }
            Self::Str(it) => Value::from(it.as_str()),
            Self::List(items) => {
                Value::list(items.iter().map(Self::to_value).collect::<Result<Vec<_>, _>>()?)
            }
            Self::Map(entries) => Value::map(to_record(entries)?),
            Self::Object(object) => match object.to_value() {
                Some(value) => value,
                None => {
                    return Err(Error::value(format!(
                        "{} is no data",
                        crate::util::a(object.type_name())
                    )));
                }
            },
            Self::Func(_) => return Err(Error::value("a function is no data")),
            Self::Other(other) => {
                return Err(Error::value(format!(
                    "{} is no data",
                    crate::util::a(other.0.type_name())
                )));
            }
        })
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
            Self::Object(object) => object.type_name(),
            Self::Func(_) => "function",
            Self::Other(_) => "value",
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text.as_str()) } else { None }
    }

    /// Its entries, if it is a map or a record.
    pub fn entries(&self) -> Option<&IndexMap<Arc<str>, Val>> {
        match self {
            Self::Map(entries) => Some(entries),
            other => other.downcast::<RecordValue>().map(RecordValue::fields),
        }
    }

    /// The object, if it is one of type `T`.
    pub fn downcast<T: Object>(&self) -> Option<&T> {
        if let Self::Object(object) = self { object.as_any().downcast_ref() } else { None }
    }

    /// Whether it is `()`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether two values are equal as a script's `==` sees them; objects by their data.
    pub fn same(&self, other: &Self) -> bool {
        match (self.to_value(), other.to_value()) {
            (Ok(a), Ok(b)) => same_data(&a, &b),
            _ => false,
        }
    }

    /// What `print` shows: text as it is, everything else as it would be written.
    pub fn show(&self) -> String {
        match self {
            Self::Null => "()".to_owned(),
            Self::Str(text) => text.as_str().to_owned(),
            Self::Bool(it) => it.to_string(),
            Self::Int(it) => it.to_string(),
            Self::Float(it) => Dynamic::from_float(*it).to_string(),
            Self::Object(object) => object.show(),
            Self::Func(function) => function.show(),
            Self::Other(other) => other.0.to_string(),
            Self::List(items) => {
                let shown: Vec<String> = items.iter().map(Self::show_quoted).collect();
                format!("[{}]", shown.join(", "))
            }
            Self::Map(entries) => {
                let shown: Vec<String> = entries
                    .iter()
                    .map(|(k, v)| format!("\"{k}\": {}", v.show_quoted()))
                    .collect();
                format!("#{{{}}}", shown.join(", "))
            }
        }
    }

    fn show_quoted(&self) -> String {
        match self {
            Self::Str(text) => Value::from(text.as_str()).to_json(),
            other => other.show(),
        }
    }
}

fn same_data(a: &Value, b: &Value) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "as the host language compares them")]
    match (a, b) {
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
        _ => a == b,
    }
}

/// Named values as data, in their order.
///
/// # Errors
/// Those of [`Val::to_value`].
pub fn to_record(entries: &IndexMap<Arc<str>, Val>) -> Result<Record, Error> {
    entries.iter().map(|(name, value)| Ok((name.clone(), value.to_value()?))).collect()
}
