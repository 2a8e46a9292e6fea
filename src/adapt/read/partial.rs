//! Values of a text that is still being written.
//!
//! What is read of a beginning is a beginning of what is read of the whole: text and lists grow,
//! records fill up. A number, a label or a truth is told when it has ended, for until then it
//! may become another one; only where any value is welcome is it told as it stands.

use crate::adapt::read::any::{is_announced, is_numeric, json_number};
use crate::adapt::read::json::{self, Kind, Mode, Node};
use crate::adapt::read::plain::{fence, folded};
use crate::adapt::read::text::unread;
use crate::adapt::read::{Reader, Reading};
use crate::schema::{ConvertError, Field, Record, Ty, TypeTable, Value};
use std::sync::Arc;

const MODE: Mode = Mode { loose: false, partial: true };

/// Reads what the beginning of a text states of a value so far; `None` where it states nothing
/// yet.
pub fn read_partial(text: &str, ty: &Ty, types: &TypeTable) -> Option<Value> {
    let mut reader = Reader::new(types, "value");
    reader.partial = true;
    reader.text_cut(text, ty).ok()
}

fn not_yet() -> ConvertError {
    ConvertError::new("not written yet")
}

impl Reader<'_> {
    /// The value of a text that may go on.
    pub(super) fn text_cut(&mut self, text: &str, ty: &Ty) -> Reading {
        let Some(ty) = ty.resolve(self.types) else { return Err(not_yet()) };
        match ty {
            Ty::Str => Ok(Value::from(text.trim())),
            Ty::Any => self.any_cut(text.trim_start()),
            Ty::Bounded(inner, _) => self.text_cut(text, inner),
            Ty::Optional(inner) => self.optional_cut(text, inner),
            Ty::List(_) | Ty::Dict(_) | Ty::Record(_) | Ty::Union(_) => {
                let node = begun(text, MODE).ok_or_else(not_yet)?;
                self.fit(&node, ty)
            }
            _ => Err(not_yet()),
        }
    }

    fn any_cut(&mut self, text: &str) -> Reading {
        if text.is_empty() {
            return Err(not_yet());
        }
        let bare = text.trim_end();
        if matches!(bare, "-" | "+" | "-." | ".") {
            return Err(not_yet());
        }
        if is_numeric(bare)
            && let Some(value) = json_number(bare)
        {
            return Ok(value);
        }
        let mode = Mode { loose: true, ..MODE };
        let quoted = text.starts_with('"') || text.starts_with("\\\"");
        let node = match begun(text, mode) {
            Some(node) if text.starts_with(['{', '[']) || fence(text).is_some() => node,
            _ if quoted || text.len() <= "false".len() => json::read_any(text, mode).node,
            Some(node) if text.find(['{', '[']).is_some_and(|at| is_announced(&text[..at])) => {
                node
            }
            _ => return Ok(Value::from(text.trim_end())),
        };
        match node.kind {
            Kind::Bare(_) | Kind::Absent | Kind::Elided => Ok(Value::from(text.trim_end())),
            _ => self.natural(&node),
        }
    }

    fn optional_cut(&mut self, text: &str, inner: &Ty) -> Reading {
        // Until another letter comes this may be nothing, or nothing escaped.
        let word = text.trim().trim_start_matches('\\');
        if ["null", "None", "none"].iter().any(|nothing| nothing.starts_with(word)) {
            return Err(not_yet());
        }
        self.text_cut(text, inner)
    }

    /// The value of a part of JSON that the text ends in.
    pub(super) fn fit_cut(&mut self, node: &Node<'_>, ty: &Ty) -> Reading {
        match (ty, &node.kind) {
            (Ty::Any | Ty::History | Ty::Media(_), _) => self.natural(node),
            (Ty::Str, Kind::Text(text)) => Ok(Value::from(&**text)),
            (Ty::List(item), Kind::List(items)) => {
                let items = items.iter().filter_map(|it| self.fit(it, item).ok());
                Ok(Value::list(items.collect::<Vec<_>>()))
            }
            (Ty::Dict(item), Kind::Map(entries)) => {
                let values = entries.iter().filter_map(|(key, it)| {
                    let value = self.fit(it, item).ok()?;
                    Some((Arc::from(&**key), value))
                });
                Ok(Value::map(values.collect()))
            }
            (Ty::Record(fields), Kind::Map(entries)) => {
                Ok(Value::map(self.fields_cut(entries, fields)))
            }
            (Ty::Optional(_), Kind::Null) => Ok(Value::Null),
            (Ty::Optional(inner) | Ty::Bounded(inner, _), _) => self.fit(node, inner),
            (Ty::Named(name), _) => match self.types.get(name) {
                Some(named) => self.fit(node, named),
                None => Err(not_yet()),
            },
            (Ty::Union(members), _) => self.union_cut(node, members),
            _ => Err(not_yet()),
        }
    }

    /// The fields that are stated so far; the others are nothing, or as empty as can be.
    fn fields_cut(
        &mut self,
        entries: &[(std::borrow::Cow<'_, str>, Node<'_>)],
        fields: &[Field],
    ) -> Record {
        let stated = |field: &Field| {
            let same = |key: &str| *key == *field.name || folded(key) == folded(&field.name);
            entries.iter().rev().find(|(key, _)| same(key)).map(|(_, node)| node)
        };
        let values = fields.iter().map(|field| {
            let read = stated(field).and_then(|node| self.fit(node, &field.ty).ok());
            (field.name.clone(), read.unwrap_or_else(|| self.empty(&field.ty)))
        });
        values.collect()
    }

    pub(super) fn empty(&self, ty: &Ty) -> Value {
        match ty.resolve(self.types) {
            Some(Ty::List(_)) => Value::list([]),
            Some(Ty::Dict(_)) => Value::map(Record::new()),
            Some(Ty::Bounded(inner, _)) => self.empty(inner),
            _ => Value::Null,
        }
    }

    /// The member of a union that can alone be meant, going by brackets and keys.
    fn union_cut(&mut self, node: &Node<'_>, members: &[Ty]) -> Reading {
        let scores = members.iter().map(|it| self.suits(node, it)).collect::<Vec<_>>();
        let best = scores.iter().copied().max().unwrap_or(0);
        let mut suiting = members.iter().zip(&scores).filter(|(_, score)| **score == best);
        match (suiting.next(), suiting.next()) {
            (Some((member, _)), None) if best > 0 => self.fit(node, member),
            _ => Err(not_yet()),
        }
    }

    /// How well a part of JSON goes with a type: 0 where it does not.
    fn suits(&self, node: &Node<'_>, ty: &Ty) -> usize {
        match (ty.resolve(self.types), &node.kind) {
            (Some(Ty::Record(fields)), Kind::Map(entries)) => {
                let known = |key: &str| fields.iter().any(|it| folded(key) == folded(&it.name));
                let held = entries.iter().filter(|(key, _)| known(key)).count();
                if held == entries.len() { 1 + held } else { 0 }
            }
            (Some(Ty::Dict(_)), Kind::Map(_))
            | (Some(Ty::List(_)), Kind::List(_))
            | (Some(Ty::Str), Kind::Text(_))
            | (Some(Ty::Any), _) => 1,
            (Some(Ty::Optional(inner) | Ty::Bounded(inner, _)), _) => self.suits(node, inner),
            _ => 0,
        }
    }

    /// The value of a text whose end is known, unless it is no value.
    pub(super) fn text_whole(&mut self, text: &str, ty: &Ty) -> Reading {
        let partial = std::mem::take(&mut self.partial);
        let reading = self.text(text, ty);
        self.partial = partial;
        reading.map_err(|_| unread(text, ty))
    }
}

/// The first list or map of a text, as far as it goes.
pub(super) fn begun(text: &str, mode: Mode) -> Option<Node<'_>> {
    let at = text.find(['{', '['])?;
    let mut found = json::read_at(text, at, mode);
    // What follows may still change what was meant.
    found.node.cut = true;
    Some(found.node)
}
