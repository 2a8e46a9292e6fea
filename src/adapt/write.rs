//! Values into text that reads back as the same values.

use crate::adapt::{media, read_value};
use crate::schema::{Ty, TypeTable, Value};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Appends a value of a field as a reply would state it.
pub(super) fn push_value(out: &mut String, value: &Value, ty: &Ty, types: &TypeTable) {
    match (value, ty) {
        (Value::Str(text), Ty::Str | Ty::Enum(_) | Ty::OneOf(_)) => out.push_str(text),
        (Value::Str(text), _) => push_text(out, text, ty, types),
        (Value::Bool(it), _) => out.push_str(if *it { "true" } else { "false" }),
        (Value::Int(it), _) => {
            let _ = write!(out, "{it}");
        }
        (Value::Media(medium), _) => media::push_mark(out, medium),
        _ if value.has_media() => out.push_str(&media::marked(value).to_json()),
        _ => out.push_str(&value.to_json()),
    }
}

/// Text where it might be taken for something else: for nothing, a number, a list.
fn push_text(out: &mut String, text: &str, ty: &Ty, types: &TypeTable) {
    match ty.resolve(types) {
        Some(Ty::Str | Ty::Enum(_) | Ty::OneOf(_)) => out.push_str(text),
        Some(Ty::Bounded(inner, _)) => push_text(out, text, inner, types),
        Some(Ty::Optional(inner)) if is_text(inner, types) => {
            let word = text.trim().trim_start_matches('\\');
            if matches!(word, "null" | "None" | "none") {
                out.push('\\');
            }
            out.push_str(text);
        }
        Some(Ty::Optional(inner)) => push_text(out, text, inner, types),
        _ => match read_value(text, ty, types) {
            Ok((Value::Str(same), _)) if *same == *text => out.push_str(text),
            _ => out.push_str(&Value::from(text).to_json()),
        },
    }
}

/// Whether a type is text, perhaps with a bound.
pub(super) fn is_text(ty: &Ty, types: &TypeTable) -> bool {
    match ty.resolve(types) {
        Some(Ty::Str) => true,
        Some(Ty::Bounded(inner, _)) => is_text(inner, types),
        _ => false,
    }
}

/// Appends text whose lines must not be taken for markers: such a line gets a backslash.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    if !text.contains("[[ ## ") {
        return out.push_str(text);
    }
    for line in text.split_inclusive('\n') {
        let body = line.trim_start();
        if body.trim_start_matches('\\').starts_with("[[ ## ") {
            out.push_str(&line[..line.len() - body.len()]);
            out.push('\\');
            out.push_str(body);
        } else {
            out.push_str(line);
        }
    }
}

/// Undoes [`push_escaped`].
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("\\[[ ## ") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let body = line.trim_start();
        let is_one =
            body.starts_with('\\') && body.trim_start_matches('\\').starts_with("[[ ## ");
        out.push_str(&line[..line.len() - body.len()]);
        out.push_str(if is_one { &body[1..] } else { body });
    }
    Cow::Owned(out)
}
