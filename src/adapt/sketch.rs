//! A JSON object as a sketch: what a JSON schema says, in a fraction of its words.
//!
//! ```text
//! {
//!   "topic": "billing" | "other",
//!   "people": list[Person], // all who are named
//! }
//! Person = {"name": str, "boss": Person | null}
//! ```
//!
//! Types with names stand once, behind the object, so that they may mention themselves.

use crate::adapt::origin::{Pen, Said};
use crate::schema::{Field, Signature, Ty, Value};
use std::fmt::Write as _;

/// Appends the object of all outputs, and the named types that they reach.
pub(super) fn push_outputs(out: &mut String, signature: &Signature, pen: &mut impl Pen) {
    push_object(out, &signature.outputs, 0, |out, field| {
        pen.says(out.len(), Said::Field(&field.name));
    });
    pen.says(out.len(), Said::Fields);
    out.push('\n');
    for (name, ty) in signature.reachable_types() {
        let _ = write!(out, "{name} = ");
        push_type(out, ty, 0);
        out.push('\n');
    }
}

/// Appends a type.
fn push_type(out: &mut String, ty: &Ty, depth: usize) {
    match ty {
        Ty::List(item) => {
            out.push_str("list[");
            push_type(out, item, depth);
            out.push(']');
        }
        Ty::Dict(item) => {
            out.push_str("{str: ");
            push_type(out, item, depth);
            out.push('}');
        }
        Ty::Optional(inner) => {
            push_type(out, inner, depth);
            out.push_str(" | null");
        }
        Ty::Enum(options) => join(out, options, |out, it: &Value| out.push_str(&it.to_json())),
        Ty::Union(members) => join(out, members, |out, it| push_type(out, it, depth)),
        Ty::Record(fields) => push_object(out, fields, depth, |_, _| ()),
        Ty::Bounded(inner, bound) => {
            push_type(out, inner, depth);
            let _ = write!(out, "({bound})");
        }
        _ => {
            let _ = write!(out, "{ty}");
        }
    }
}

fn join<T>(out: &mut String, items: &[T], push: impl Fn(&mut String, &T)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(" | ");
        }
        push(out, item);
    }
}

/// An object on one line, or with a line for each field where one has a description. What begins
/// a field is told.
fn push_object(
    out: &mut String,
    fields: &[Field],
    depth: usize,
    mut begins: impl FnMut(&str, &Field),
) {
    let lines = fields.iter().any(|it| is_described(&it.ty) || it.description.is_some());
    out.push('{');
    for (at, field) in fields.iter().enumerate() {
        let last = at + 1 == fields.len();
        if lines {
            push_line(out, depth + 1);
        }
        begins(out, field);
        let _ = write!(out, "\"{}\": ", field.name);
        push_type(out, &field.ty, depth + 1);
        if !last {
            out.push_str(if lines { "," } else { ", " });
        }
        if let Some(text) = &field.description {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = write!(out, " // {text}");
        }
    }
    if lines {
        push_line(out, depth);
    }
    out.push('}');
}

fn push_line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

/// Whether a type has a description inside.
fn is_described(ty: &Ty) -> bool {
    match ty {
        Ty::List(inner) | Ty::Dict(inner) | Ty::Optional(inner) | Ty::Bounded(inner, _) => {
            is_described(inner)
        }
        Ty::Union(members) => members.iter().any(is_described),
        Ty::Record(fields) => {
            fields.iter().any(|it| it.description.is_some() || is_described(&it.ty))
        }
        _ => false,
    }
}
