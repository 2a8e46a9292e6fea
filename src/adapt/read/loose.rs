//! Values that others wrote into files, under the types that are wanted.

use crate::adapt::read_value;
use crate::schema::{Ty, TypeTable, Value, brief, convert};

/// Returns a value as one of a type, and what was forgiven. What is of the type stays as it is;
/// anything else is read as a text would be that a model wrote.
///
/// # Errors
/// Where no value of `ty` can be read without guessing.
pub fn read_loose(
    value: &Value,
    ty: &Ty,
    types: &TypeTable,
) -> Result<(Value, Vec<String>), String> {
    let strict = match convert(value, ty, types) {
        Ok(value) => return Ok((value, Vec::new())),
        Err(strict) => strict.to_string(),
    };
    let text = match value {
        // Nothing is no text that says `null`.
        Value::Null | Value::Media(_) => return Err(strict),
        Value::Str(text) => text.as_ref().to_owned(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => value.to_json(),
        Value::List(_) | Value::Map(_) => value.to_json(),
    };
    let (read, liberties) = read_value(&text, ty, types).map_err(|_| strict)?;
    let forgiven: Vec<String> = liberties.into_iter().map(|it| it.note).collect();
    let kinds = || vec![format!("{} for {}", value.kind(), brief(ty))];
    Ok((read, if forgiven.is_empty() { kinds() } else { forgiven }))
}
