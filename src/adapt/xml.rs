//! The `xml` layout: `<field>` before each value and `</field>` behind it.
//!
//! Lists and records nest: `<item>` holds an item of a list, and each field of a record has its
//! own tags. Text stands as it is: only what would be taken for a tag of this reply, or for an
//! entity, is escaped.

use crate::adapt::conversation::{conversation, repaired};
use crate::adapt::fields::{self, ABSENT, Marked, Marks, is_nested};
use crate::adapt::origin::Pen;
use crate::adapt::read::folded;
use crate::adapt::write::push_value;
use crate::adapt::{Ask, ParseError, Prepared};
use crate::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use std::collections::BTreeSet;

const MARKS: Marks = Marks::Tags;
/// The tag of an item of a list.
pub(super) const ITEM: &str = "item";
/// The tag of an entry of a dict, whose name stands in `key`.
pub(super) const ENTRY: &str = "entry";
/// The entities that are read, and what they stand for.
pub(super) const ENTITIES: [(&str, char); 5] =
    [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\'')];
/// What begins text that is taken as it stands.
pub(super) const CDATA: &str = "<![CDATA[";
/// How deep elements nest; what is deeper is JSON.
const MAX_DEPTH: usize = 24;

pub(super) fn prompt(ask: &Ask<'_>, pen: &mut impl Pen) -> Prepared {
    let system = system(ask, pen);
    conversation(ask, system, &Marked::new(MARKS, ask.signature), pen)
}

pub(super) fn repair(
    ask: &Ask<'_>,
    reply: &str,
    error: &ParseError,
    pen: &mut impl Pen,
) -> Prepared {
    repaired(prompt(ask, pen), reply, error, &MARKS.closing(ask.signature), pen)
}

pub(super) fn reply(signature: &Signature, outputs: &Record, pen: &mut impl Pen) -> String {
    MARKS.outputs(signature, outputs, pen)
}

fn system(ask: &Ask<'_>, pen: &mut impl Pen) -> String {
    let is_nested = |it: &Field| is_nested(&it.ty, ask.signature);
    let rule = match ask.signature.outputs.iter().any(is_nested) {
        true => {
            "A value stands before its end tag; items of lists in <item>, fields of objects in tags."
        }
        false => "A value stands before its end tag.",
    };
    fields::system(ask, MARKS, rule, pen)
}

/// Appends a field between its tags, each on a line of its own.
pub(super) fn push_field(
    out: &mut String,
    field: &Field,
    value: &Value,
    signature: &Signature,
) {
    push_open(out, &field.name);
    out.push('\n');
    push_body(out, value, &field.ty, signature, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    push_close(out, &field.name);
}

/// Appends a field that an incomplete demo lacks.
pub(super) fn push_absent(out: &mut String, field: &Field) {
    push_open(out, &field.name);
    out.push('\n');
    out.push_str(ABSENT);
    out.push('\n');
    push_close(out, &field.name);
}

/// Appends what stands between the tags of a value.
fn push_body(out: &mut String, value: &Value, ty: &Ty, signature: &Signature, depth: usize) {
    let types = &signature.types;
    match (value, container(ty, types)) {
        (Value::List(items), Some(Ty::List(item))) if depth < MAX_DEPTH => {
            items.iter().for_each(|it| push_element(out, ITEM, it, item, signature, depth));
        }
        (Value::Map(record), Some(Ty::Record(fields)))
            if depth < MAX_DEPTH && record.len() == fields.len() =>
        {
            for field in fields.iter() {
                let value = record.get(&field.name).unwrap_or(&Value::Null);
                push_element(out, &field.name, value, &field.ty, signature, depth);
            }
        }
        (Value::Map(record), Some(Ty::Dict(item))) if depth < MAX_DEPTH => {
            for (key, value) in record.iter() {
                push_key(out, key);
                push_nested(out, value, item, signature, depth);
                push_close(out, ENTRY);
                out.push('\n');
            }
        }
        _ => {
            let start = out.len();
            push_value(out, value, ty, types);
            escape_from(out, start, signature);
        }
    }
}

fn push_element(
    out: &mut String,
    name: &str,
    value: &Value,
    ty: &Ty,
    signature: &Signature,
    depth: usize,
) {
    push_open(out, name);
    push_nested(out, value, ty, signature, depth);
    push_close(out, name);
    out.push('\n');
}

fn push_key(out: &mut String, key: &str) {
    out.push_str("<entry key=\"");
    for c in key.chars() {
        match ENTITIES.iter().find(|it| it.1 == c && c != '\'') {
            Some((entity, _)) => out.push_str(entity),
            None => out.push(c),
        }
    }
    out.push_str("\">");
}

fn push_nested(out: &mut String, value: &Value, ty: &Ty, signature: &Signature, depth: usize) {
    let nests = matches!(value, Value::List(_) | Value::Map(_));
    if nests && container(ty, &signature.types).is_some() {
        out.push('\n');
    }
    push_body(out, value, ty, signature, depth + 1);
}

fn push_open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

fn push_close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// The list, dict or record that a type is, or may be.
pub(super) fn container<'a>(ty: &'a Ty, types: &'a TypeTable) -> Option<&'a Ty> {
    match ty.resolve(types)? {
        it @ (Ty::List(_) | Ty::Dict(_) | Ty::Record(_)) => Some(it),
        Ty::Optional(inner) | Ty::Bounded(inner, _) => container(inner, types),
        _ => None,
    }
}

/// Escapes what would be taken for a tag or an entity in the text from `start` on.
fn escape_from(out: &mut String, start: usize, signature: &Signature) {
    if !out[start..].contains(['<', '&']) {
        return;
    }
    let names = tag_names(signature);
    let text = out.split_off(start);
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        match c {
            '<' if rest.starts_with(CDATA) => out.push_str("&lt;"),
            '<' if names.contains(&folded(tag_name(&rest[1..]))) => out.push_str("&lt;"),
            '&' if ENTITIES.iter().any(|it| rest.starts_with(it.0)) => out.push_str("&amp;"),
            _ => out.push(c),
        }
    }
}

/// The name that follows a `<`, also of an end tag; `1 < 2` has none.
pub(super) fn tag_name(text: &str) -> &str {
    let name = text.strip_prefix('/').unwrap_or(text);
    let end = name.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-'));
    &name[..end.unwrap_or(name.len())]
}

/// The names that make tags of a reply, folded: all other tags are text.
pub(super) fn tag_names(signature: &Signature) -> BTreeSet<String> {
    let mut names = BTreeSet::from([folded(ITEM), folded(ENTRY)]);
    let mut add = |fields: &[Field]| names.extend(fields.iter().map(|it| folded(&it.name)));
    add(&signature.inputs);
    add(&signature.outputs);
    let named = signature.reachable_types();
    let mut open = signature.outputs.iter().map(|it| &it.ty).collect::<Vec<_>>();
    open.extend(named.into_iter().map(|(_, ty)| ty));
    while let Some(ty) = open.pop() {
        match ty {
            Ty::List(inner) | Ty::Dict(inner) | Ty::Optional(inner) | Ty::Bounded(inner, _) => {
                open.push(inner);
            }
            Ty::Union(members) => open.extend(members.iter()),
            Ty::Record(fields) => {
                add(fields);
                open.extend(fields.iter().map(|it| &it.ty));
            }
            _ => {}
        }
    }
    names
}
