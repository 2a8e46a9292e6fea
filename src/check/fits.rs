//! Whether a value that stands in the text fits a type.

use crate::schema::{Bound, Ty, TypeTable, Value};

/// Whether `value` is of type `ty`; true where it is not sure.
pub(crate) fn fits(value: &Value, ty: &Ty, types: &TypeTable) -> bool {
    fits_within(value, ty, types, 32)
}

fn fits_within(value: &Value, ty: &Ty, types: &TypeTable, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    let again = |value: &Value, ty: &Ty| fits_within(value, ty, types, depth);
    match (ty, value) {
        (Ty::Any, _)
        | (Ty::Str, Value::Str(_))
        | (Ty::Int, Value::Int(_))
        | (Ty::Float, Value::Int(_) | Value::Float(_))
        | (Ty::Bool, Value::Bool(_))
        | (Ty::Optional(_), Value::Null) => true,
        (Ty::Str | Ty::Int | Ty::Float | Ty::Bool, _) => false,
        (Ty::List(item), Value::List(items)) => items.iter().all(|it| again(it, item)),
        (Ty::Dict(item), Value::Map(record)) => record.values().all(|it| again(it, item)),
        (Ty::List(_) | Ty::Dict(_), _) => false,
        (Ty::Optional(inner), _) => again(value, inner),
        (Ty::Enum(literals), _) => literals.contains(value),
        (Ty::Union(members), _) => members.iter().any(|it| again(value, it)),
        (Ty::Record(fields), Value::Map(record)) => fields
            .iter()
            .all(|field| record.get(&field.name).is_none_or(|it| again(it, &field.ty))),
        (Ty::Record(_), _) => false,
        (Ty::Named(name), _) => types.get(name).is_none_or(|it| again(value, it)),
        (Ty::Bounded(inner, bound), _) => again(value, inner) && within(value, *bound),
    }
}

#[expect(clippy::cast_precision_loss, reason = "bounds are floats")]
fn within(value: &Value, bound: Bound) -> bool {
    let size = match value {
        Value::Int(it) => *it as f64,
        Value::Float(it) => *it,
        Value::Str(it) => it.chars().count() as f64,
        Value::List(it) => it.len() as f64,
        Value::Null | Value::Bool(_) | Value::Map(_) => return true,
    };
    bound.min.is_none_or(|min| size >= min)
        && bound.max.is_none_or(|max| if bound.max_excluded { size < max } else { size <= max })
}

/// A type as the user would write it, cut short where it is long.
pub(crate) fn show(ty: &Ty) -> String {
    match ty {
        Ty::Str => "str".to_owned(),
        Ty::Int => "int".to_owned(),
        Ty::Float => "float".to_owned(),
        Ty::Bool => "bool".to_owned(),
        Ty::Any => "any".to_owned(),
        Ty::List(item) => format!("list[{}]", show(item)),
        Ty::Dict(item) => format!("dict[str, {}]", show(item)),
        Ty::Optional(inner) => format!("{}?", show(inner)),
        Ty::Enum(values) => {
            let shown: Vec<String> = values.iter().take(6).map(Value::to_json).collect();
            let more = if values.len() > 6 { " | …" } else { "" };
            format!("{}{more}", shown.join(" | "))
        }
        Ty::Union(members) => members.iter().map(show).collect::<Vec<_>>().join(" | "),
        Ty::Record(_) => "a record".to_owned(),
        Ty::Named(name) => name.to_string(),
        Ty::Bounded(inner, bound) => format!("{}({})", show(inner), show_bound(*bound)),
    }
}

fn show_bound(bound: Bound) -> String {
    let end = |it: Option<f64>| it.map(|it| it.to_string()).unwrap_or_default();
    let dots = if bound.max_excluded || bound.max.is_none() { ".." } else { "..=" };
    format!("{}{dots}{}", end(bound.min), end(bound.max))
}
