//! Whether a value that stands in the text fits a type.

use crate::schema::{Ty, TypeTable, Value, brief};

/// Whether `value` is of type `ty`; true where it is not sure.
pub(crate) fn fits(value: &Value, ty: &Ty, types: &TypeTable) -> bool {
    fits_within(value, ty, types, 32)
}

fn fits_within(value: &Value, ty: &Ty, types: &TypeTable, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    let again = |value: &Value, ty: &Ty| fits_within(value, ty, types, depth);
    match (ty, value) {
        (Ty::Any, _)
        | (Ty::History, Value::List(_) | Value::Map(_))
        | (Ty::Str, Value::Str(_))
        | (Ty::Int, Value::Int(_))
        | (Ty::Float, Value::Int(_) | Value::Float(_))
        | (Ty::Bool, Value::Bool(_))
        | (Ty::Optional(_), Value::Null) => true,
        // No other text is one: a model may have written it.
        (Ty::Media(_), Value::Str(text)) => text.starts_with("data:"),
        (Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::History | Ty::Media(_), _) => false,
        (Ty::List(item), Value::List(items)) => items.iter().all(|it| again(it, item)),
        (Ty::Dict(item), Value::Map(record)) => record.values().all(|it| again(it, item)),
        (Ty::List(_) | Ty::Dict(_), _) => false,
        (Ty::Optional(inner), _) => again(value, inner),
        (Ty::Enum(literals), _) => literals.contains(value),
        (Ty::OneOf(_), _) => matches!(value, Value::Str(_) | Value::Int(_) | Value::Bool(_)),
        (Ty::Union(members), _) => members.iter().any(|it| again(value, it)),
        (Ty::Record(fields), Value::Map(record)) => fields
            .iter()
            .all(|field| record.get(&field.name).is_none_or(|it| again(it, &field.ty))),
        (Ty::Record(_), _) => false,
        (Ty::Named(name), _) => types.get(name).is_none_or(|it| again(value, it)),
        (Ty::Bounded(inner, bound), _) => again(value, inner) && bound.holds(value),
    }
}

/// A type as the user would write it, cut short where it is long.
pub(crate) fn show(ty: &Ty) -> String {
    match ty {
        Ty::Record(_) => "a record".to_owned(),
        _ => brief(ty),
    }
}
