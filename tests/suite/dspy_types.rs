//! Reads types as the collections spell them: Python's and DSPy's.

use dsp_lang::schema::{Field, Ty, TypeTable, Value};
use serde_json::Value as Json;
use std::sync::Arc;

fn field(name: &str, ty: Ty) -> Field {
    Field::new(name, ty)
}

fn labels(labels: &[&str]) -> Ty {
    Ty::Enum(Arc::new(labels.iter().map(|label| Value::from(*label)).collect()))
}

fn list(ty: Ty) -> Ty {
    Ty::List(Box::new(ty))
}

/// The classes that the collections mention by name only.
pub(crate) fn table() -> TypeTable {
    let zip = field("zip_code", Ty::Optional(Box::new(Ty::Str)));
    let address =
        Ty::Record(Arc::new(vec![field("street", Ty::Str), field("city", Ty::Str), zip]));
    let mut tags = field("tags", list(Ty::Str));
    tags.default = Some(Value::list([]));
    let person =
        vec![field("name", Ty::Str), field("age", Ty::Int), field("address", address), tags];
    let entity = vec![
        field("text", Ty::Str),
        field("kind", labels(&["person", "place", "org"])),
        field("score", Ty::Float),
    ];
    let news = vec![field("text", Ty::Str), field("scientists_involved", list(Ty::Str))];
    TypeTable::from([
        ("Person".into(), Ty::Record(Arc::new(person))),
        ("Entity".into(), Ty::Record(Arc::new(entity))),
        ("ScienceNews".into(), Ty::Record(Arc::new(news))),
        ("Color".into(), labels(&["red", "green", "blue"])),
    ])
}

pub(crate) fn read(ty: &Json) -> Option<Ty> {
    if let Some(object) = ty.as_object() {
        if let (1, Some(item)) = (object.len(), object.get("list")) {
            return read(item).map(list);
        }
        let fields = object.iter().map(|(name, ty)| Some(field(name, read(ty)?)));
        return Some(Ty::Record(Arc::new(fields.collect::<Option<_>>()?)));
    }
    python(ty.as_str()?.trim())
}

fn python(text: &str) -> Option<Ty> {
    let inner = |prefix: &str| text.strip_prefix(prefix)?.strip_suffix(']').map(str::trim);
    if let Some(item) = inner("list[") {
        return python(item).map(list);
    }
    if let Some(item) = inner("dict[str,") {
        return python(item).map(|it| Ty::Dict(Box::new(it)));
    }
    if let Some(item) = inner("optional[").or_else(|| inner("Optional[")) {
        return python(item).map(|it| Ty::Optional(Box::new(it)));
    }
    if let Some(options) = inner("Literal[") {
        return Some(Ty::Enum(Arc::new(options.split(',').map(literal).collect())));
    }
    if let Some(members) = inner("Union[") {
        let members = members.split(',').map(|it| python(it.trim())).collect::<Option<_>>()?;
        return Some(Ty::Union(Arc::new(members)));
    }
    match text {
        "str" => Some(Ty::Str),
        "int" => Some(Ty::Int),
        "float" => Some(Ty::Float),
        "bool" => Some(Ty::Bool),
        "Any" => Some(Ty::Any),
        _ if text.starts_with("dspy.Code") => Some(Ty::Str),
        _ => table().contains_key(text).then(|| Ty::Named(text.into())),
    }
}

fn literal(text: &str) -> Value {
    let text = text.trim();
    match text.parse() {
        Ok(int) => Value::Int(int),
        Err(_) => Value::from(text.trim_matches(['\'', '"'])),
    }
}
