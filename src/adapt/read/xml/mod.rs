//! Replies with tags around their values.
//!
//! What is no tag of a field is text: `1 < 2` and `<b>` need no escapes. Attributes and other
//! spellings of names are allowed, end tags may be missing, and what stands around is dropped.
//! Values between tags are read as anywhere else; lists and objects may nest in tags or be JSON.

mod tree;

use crate::adapt::read::fit::is_nothing;
use crate::adapt::read::plain::folded;
use crate::adapt::read::reply::{Outcome, is_thinking, without_thoughts};
use crate::adapt::read::text::unread;
use crate::adapt::read::{Best, MAX_DEPTH, Reader, Reading, read_begun, read_reply};
use crate::adapt::xml::{container, tag_names};
use crate::adapt::{Liberty, LibertyKind, ParseError, Parsed, Partial, place_in};
use crate::schema::{ConvertError, Field, Record, Signature, Ty, Value, check_bound, left_out};
use std::sync::Arc;
use tree::{Element, Known, decoded, elements, settled};

/// Reads the outputs out of a reply with tags, or one of another form that `chat` reads.
pub(in crate::adapt) fn read_xml(
    signature: &Signature,
    text: &str,
) -> Result<Parsed, ParseError> {
    let reply = without_thoughts(text);
    let names = tag_names(signature);
    let tree = elements(reply, (0, reply.len()), &Known::Names(&names), false);
    let mut outer = Vec::new();
    flatten(&tree, signature, &mut outer);
    let stated = |field: &Field| outer.iter().any(|it| it.folded == folded(&field.name));
    let types = &signature.types;
    let all = signature.outputs.iter().all(|it| stated(it) || left_out(it, types).is_some());
    let tagged =
        (all && !outer.is_empty()).then(|| read_tagged(signature, reply, &outer, text));
    if let Some(Ok(parsed)) = tagged {
        return Ok(parsed);
    }
    match (tagged, read_reply(signature, text)) {
        (_, Ok(parsed)) => Ok(parsed),
        (Some(Err(error)), Err(_)) => Err(error),
        (_, Err(error)) => Err(error),
    }
}

/// The elements of outputs; those of inputs that a model repeats are passed over.
fn flatten<'n, 't>(
    tree: &'n [Element<'t>],
    signature: &Signature,
    out: &mut Vec<&'n Element<'t>>,
) {
    let is = |fields: &[Field], it: &Element<'_>| {
        fields.iter().any(|field| folded(&field.name) == it.folded)
    };
    for element in tree {
        if is(&signature.outputs, element) {
            out.push(element);
        } else if !is(&signature.inputs, element) {
            flatten(&element.children, signature, out);
        }
    }
}

fn read_tagged(
    signature: &Signature,
    text: &str,
    outer: &[&Element<'_>],
    whole: &str,
) -> Result<Parsed, ParseError> {
    let mut outcome = Outcome::default();
    let thought = &whole[..whole.len() - text.len()];
    if !thought.is_empty() {
        let at = place_in(whole, thought.trim());
        outcome.drop_text("thinking before the reply", at);
    }
    outcome.liberties.extend(around(text, outer));
    for field in &signature.outputs {
        let name = folded(&field.name);
        let own = outer.iter().filter(|it| it.folded == name).copied().collect::<Vec<_>>();
        let mut reader = Reader::new(&signature.types, field.name.clone()).within(whole);
        reader.allow(text.len());
        let reading = match &own[..] {
            [] => reader.absent(field),
            [one] => reader.field(text, one, field),
            several => reader.several_of(text, several, field),
        };
        reader.place(0, own.last().map_or("", |it| &text[it.start..it.end]));
        outcome.add(field, !own.is_empty(), reading, reader.liberties);
    }
    outcome.finish()
}

/// What stands around the elements of a reply.
fn around(text: &str, outer: &[&Element<'_>]) -> Option<Liberty> {
    let liberty = |kind, note: &str| Liberty::of_reply(kind, note);
    let (mut at, mut marked, mut said) = (0, false, false);
    let ends = outer.iter().map(|it| (it.start, it.end)).chain([(text.len(), text.len())]);
    for (start, end) in ends {
        let between = &text[at..start.max(at)];
        let (is_said, is_marked) = says(between);
        (said, marked) = (said || is_said, marked || is_marked);
        at = end.max(at);
    }
    if said {
        return Some(liberty(LibertyKind::Prose, "the text around the tags was dropped"));
    }
    marked.then(|| liberty(LibertyKind::Wrapping, "a code fence or tag"))
}

/// Whether a text beside the tags says something, and whether it is there at all.
fn says(text: &str) -> (bool, bool) {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return (false, false);
    }
    let mut rest = trimmed;
    let mut said = false;
    while let Some((before, behind)) = rest.split_once('<') {
        said |= is_said(before);
        rest = behind.split_once('>').map_or("", |(_, it)| it);
    }
    (said || is_said(rest), true)
}

fn is_said(text: &str) -> bool {
    let text = text.trim();
    let bare = text.trim_start_matches("```xml").trim_start_matches("```html");
    bare.contains(char::is_alphanumeric)
}

/// What the beginning of a reply with tags states of the outputs.
pub(in crate::adapt) fn begun_xml(signature: &Signature, text: &str) -> Partial {
    if is_thinking(text) {
        return Partial::default();
    }
    let reply = without_thoughts(text);
    let names = tag_names(signature);
    let text = settled(reply, &names);
    let start = text.trim_start();
    if start.starts_with(['{', '[']) || start.starts_with("```json") {
        return read_begun(signature, reply);
    }
    let tree = elements(text, (0, text.len()), &Known::Names(&names), true);
    let mut outer = Vec::new();
    flatten(&tree, signature, &mut outer);
    if outer.is_empty() {
        return if start.starts_with('<') {
            Partial::default()
        } else {
            read_begun(signature, reply)
        };
    }
    let mut partial = Partial::default();
    for field in &signature.outputs {
        let name = folded(&field.name);
        let Some(element) = outer.iter().find(|it| it.folded == name) else { continue };
        let mut reader = Reader::new(&signature.types, field.name.clone());
        reader.allow(text.len());
        let reading = if element.closed {
            reader.element(text, element, &field.ty)
        } else {
            reader.partial = true;
            reader.element_cut(text, element, &field.ty)
        };
        let Ok(value) = reading else { continue };
        partial.values.insert(field.name.clone(), value);
        if element.closed {
            partial.complete.push(field.name.clone());
        }
    }
    partial
}

impl Reader<'_> {
    fn field(&mut self, text: &str, element: &Element<'_>, field: &Field) -> Reading {
        if element.name != &*field.name {
            self.forgive(LibertyKind::Marker, "another spelling of the tag");
        }
        if !element.closed {
            match container(&field.ty, self.types) {
                Some(_) if element.end == text.len() => {
                    self.forgive(LibertyKind::Truncated, "the text ends before the end tag");
                }
                _ => self.forgive(LibertyKind::Marker, "an end tag is missing"),
            }
        }
        self.element(text, element, &field.ty)
    }

    /// Of several elements for one field the one that reads best, or for a list all of them.
    fn several_of(&mut self, text: &str, several: &[&Element<'_>], field: &Field) -> Reading {
        let mut best = Best::default();
        if let Some(Ty::List(item)) = container(&field.ty, self.types) {
            let item = (**item).clone();
            self.attempt(&mut best, |it| {
                it.forgive(LibertyKind::Shape, "a tag for each item");
                let items = several.iter().map(|one| it.element(text, one, &item));
                items.collect::<Result<Vec<_>, _>>().map(Value::list)
            });
        }
        for one in several {
            self.attempt(&mut best, |it| {
                it.forgive(LibertyKind::Duplicate, "the field was written more than once");
                it.field(text, one, field)
            });
        }
        self.settle(best, || ConvertError::new("no reading"))
    }

    /// The value of an element.
    fn element(&mut self, text: &str, element: &Element<'_>, ty: &Ty) -> Reading {
        if self.depth >= MAX_DEPTH {
            return Err(ConvertError::new("nested too deeply"));
        }
        self.depth += 1;
        let reading = self.element_step(text, element, ty);
        self.depth -= 1;
        reading
    }

    fn element_step(&mut self, text: &str, element: &Element<'_>, ty: &Ty) -> Reading {
        let body = text[element.from..element.to].trim();
        match ty.resolve(self.types) {
            Some(Ty::Bounded(inner, bound)) => {
                let outer = self.bound.replace(*bound);
                let value = self.element(text, element, inner);
                self.bound = outer;
                let value = value?;
                check_bound(&value, bound, ty).map(|()| value)
            }
            Some(Ty::Optional(inner)) if !self.is_text(inner) => {
                if body == "null" {
                    return Ok(Value::Null);
                }
                let blank = body.is_empty()
                    && matches!(container(inner, self.types), Some(Ty::List(_) | Ty::Dict(_)));
                if is_nothing(body) && !blank {
                    self.forgive(LibertyKind::Spelling, "a word for nothing");
                    return Ok(Value::Null);
                }
                self.element(text, element, inner)
            }
            Some(inner @ (Ty::List(_) | Ty::Dict(_) | Ty::Record(_))) => {
                self.nested(text, element, inner)
            }
            Some(inner @ Ty::Union(members)) if !element.children.is_empty() => {
                let mut best = Best::default();
                let nested = members.iter().filter(|it| container(it, self.types).is_some());
                for member in nested.cloned().collect::<Vec<_>>() {
                    self.attempt(&mut best, |it| it.element(text, element, &member));
                }
                self.attempt(&mut best, |it| it.text(&decoded(body), inner));
                self.settle(best, || unread(body, ty))
            }
            _ => self.text(&decoded(body), ty),
        }
    }

    /// A list, dict or record: in tags, or as JSON.
    fn nested(&mut self, text: &str, element: &Element<'_>, ty: &Ty) -> Reading {
        let body = text[element.from..element.to].trim();
        if !element.children.is_empty() {
            return self.children(text, &element.children, ty);
        }
        match ty {
            Ty::List(_) if body.is_empty() => return Ok(Value::list([])),
            Ty::Dict(_) if body.is_empty() => return Ok(Value::map(Record::new())),
            _ => {}
        }
        // Tags of other names than were asked for.
        if body.starts_with('<') && self.may_unpack(body) {
            let span = (element.from, element.to);
            let children = elements(text, span, &Known::All, false);
            if !children.is_empty() {
                self.forgive(LibertyKind::Marker, "other tags inside");
                return self.children(text, &children, ty);
            }
        }
        self.text(&decoded(body), ty)
    }

    fn children(&mut self, text: &str, children: &[Element<'_>], ty: &Ty) -> Reading {
        match ty {
            Ty::List(item) => {
                let items = children.iter().enumerate().map(|(at, child)| {
                    let value = self.element(text, child, item);
                    value.map_err(|error| error.inside(&format!("[{at}]")))
                });
                items.collect::<Result<Vec<_>, _>>().map(Value::list)
            }
            Ty::Dict(item) => {
                let mut record = Record::new();
                for child in children {
                    let key = child.key.as_deref().unwrap_or(child.name);
                    let value = self.element(text, child, item);
                    record.insert(key.into(), value.map_err(|error| error.inside(key))?);
                }
                Ok(Value::map(record))
            }
            Ty::Record(fields) => self.record(text, children, fields),
            _ => Err(ConvertError::new("no list or object")),
        }
    }

    fn record(&mut self, text: &str, children: &[Element<'_>], fields: &[Field]) -> Reading {
        let known = |it: &Element<'_>| fields.iter().any(|f| folded(&f.name) == it.folded);
        // `<person><item>…</item></person>`: one more tag around the object.
        if let [only] = children
            && !known(only)
            && only.children.iter().any(known)
        {
            self.forgive(LibertyKind::Shape, "a tag around the object");
            return self.record(text, &only.children, fields);
        }
        if let Some(extra) = children.iter().find(|it| !known(it)) {
            self.forgive(LibertyKind::Extra, format!("unknown tag `{}`", extra.name));
        }
        let mut record = Record::new();
        for field in fields {
            let name = folded(&field.name);
            let value = match children.iter().rfind(|it| it.folded == name) {
                Some(child) => {
                    let read = |it: &mut Self| it.element(text, child, &field.ty);
                    self.with_name(&field.name, read)
                }
                None => self.absent(field),
            };
            let value = value.map_err(|error| error.inside(&field.name))?;
            record.insert(field.name.clone(), value);
        }
        Ok(Value::map(record))
    }

    /// The value of an element that may go on.
    fn element_cut(&mut self, text: &str, element: &Element<'_>, ty: &Ty) -> Reading {
        if element.closed {
            let partial = std::mem::take(&mut self.partial);
            let value = self.element(text, element, ty);
            self.partial = partial;
            return value;
        }
        let not_yet = || ConvertError::new("not written yet");
        let to = element.children.first().map_or(element.to, |it| it.start);
        let body = text[element.from..to].trim();
        match ty.resolve(self.types) {
            Some(Ty::Bounded(inner, _)) => self.element_cut(text, element, inner),
            Some(Ty::Optional(inner)) if !self.is_text(inner) => {
                if element.children.is_empty() && "null".starts_with(body) {
                    return Err(not_yet());
                }
                self.element_cut(text, element, inner)
            }
            Some(inner @ (Ty::List(_) | Ty::Dict(_) | Ty::Record(_))) => {
                if element.children.is_empty() {
                    let opens = body.starts_with(['{', '[']);
                    return if opens { self.text_cut(body, inner) } else { Err(not_yet()) };
                }
                self.children_cut(text, &element.children, inner)
            }
            Some(Ty::Union(_)) | None => Err(not_yet()),
            Some(_) => self.text_cut(&decoded(body), ty),
        }
    }

    fn children_cut(&mut self, text: &str, children: &[Element<'_>], ty: &Ty) -> Reading {
        match ty {
            Ty::List(item) => {
                let items =
                    children.iter().map_while(|it| self.element_cut(text, it, item).ok());
                Ok(Value::list(items.collect::<Vec<_>>()))
            }
            Ty::Dict(item) => {
                let mut record = Record::new();
                for child in children {
                    let key: Arc<str> = child.key.as_deref().unwrap_or(child.name).into();
                    if let Ok(value) = self.element_cut(text, child, item) {
                        record.insert(key, value);
                    }
                }
                Ok(Value::map(record))
            }
            Ty::Record(fields) => {
                let values = fields.iter().map(|field| {
                    let name = folded(&field.name);
                    let child = children.iter().rfind(|it| it.folded == name);
                    let read = child.and_then(|it| self.element_cut(text, it, &field.ty).ok());
                    (field.name.clone(), read.unwrap_or_else(|| self.empty(&field.ty)))
                });
                Ok(Value::map(values.collect()))
            }
            _ => Err(ConvertError::new("no list or object")),
        }
    }
}
