//! A tree of broken JSON under a type.

use crate::adapt::read::json::{Flaws, Kind, Node};
use crate::adapt::read::number::{Num, numeral};
use crate::adapt::read::plain::folded;
use crate::adapt::read::{Best, MAX_DEPTH, Reader, Reading};
use crate::adapt::{Liberty, LibertyKind};
use crate::schema::{
    ConvertError, Field, Record, Ty, Value, brief, check_bound, left_out, shortened,
};
use std::borrow::Cow;
use std::sync::Arc;

type Entries<'t> = [(Cow<'t, str>, Node<'t>)];

impl Reader<'_> {
    /// Accounts for what was wrong with the JSON.
    pub(super) fn forgive_flaws(&mut self, flaws: &Flaws) {
        if !flaws.notes.is_empty() {
            self.forgive(LibertyKind::Repair, flaws.notes.join(", "));
            self.cost += u32::try_from(flaws.notes.len()).unwrap_or(8) - 1;
        }
        if flaws.truncated {
            self.forgive(
                LibertyKind::Truncated,
                "the text ends before its brackets are closed",
            );
        }
        if flaws.doubtful {
            self.forgive(LibertyKind::Repair, "words that are no JSON");
            self.cost += 4;
        }
    }

    pub(super) fn fit(&mut self, node: &Node<'_>, ty: &Ty) -> Reading {
        if self.depth >= MAX_DEPTH {
            return Err(ConvertError::new("nested too deeply"));
        }
        self.depth += 1;
        let reading = self.fit_step(node, ty);
        self.depth -= 1;
        reading
    }

    fn fit_step(&mut self, node: &Node<'_>, ty: &Ty) -> Reading {
        match node.kind {
            Kind::Elided if !matches!(ty, Ty::Any) => {
                return Err(ConvertError::new("a part was left out with `...`"));
            }
            Kind::Absent if !matches!(ty, Ty::Any) => {
                return Err(ConvertError::new("no value"));
            }
            _ => {}
        }
        if self.partial && node.cut {
            return self.fit_cut(node, ty);
        }
        match ty {
            Ty::Any | Ty::History | Ty::Media(_) => self.natural(node),
            Ty::Str | Ty::OneOf(_) => self.fit_str(node),
            Ty::Int | Ty::Float | Ty::Bool | Ty::Enum(_) => self.fit_scalar(node, ty),
            Ty::List(item) => self.fit_list(node, item, ty),
            Ty::Dict(item) => self.fit_dict(node, item, ty),
            Ty::Record(fields) => self.fit_record(node, fields, ty),
            Ty::Optional(inner) => self.fit_optional(node, inner),
            Ty::Union(members) => {
                let mut best = Best::default();
                for member in members.iter() {
                    self.attempt(&mut best, |it| it.fit(node, member));
                }
                self.settle(best, || unfit(node, ty))
            }
            Ty::Named(name) => match self.types.get(name) {
                Some(named) => self.fit(node, named),
                None => Err(ConvertError::new(format!("unknown type `{name}`"))),
            },
            Ty::Bounded(inner, bound) => {
                let outer = self.bound.replace(*bound);
                let value = self.fit(node, inner);
                self.bound = outer;
                let value = value?;
                check_bound(&value, bound, ty).map(|()| value)
            }
        }
    }

    /// The value that the tree is by itself. What was left out with `...` is no item, and a
    /// key without a value is empty.
    pub(super) fn natural(&mut self, node: &Node<'_>) -> Reading {
        Ok(match &node.kind {
            Kind::Null => Value::Null,
            Kind::Bool(it) => Value::Bool(*it),
            Kind::Number if is_padded(node.raw) => Value::from(node.raw),
            Kind::Number => number(node.raw).unwrap_or_else(|| Value::from(node.raw)),
            Kind::Text(text) => Value::from(&**text),
            Kind::Bare(words) => Value::from(*words),
            Kind::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    if !self.passes_over(item) {
                        values.push(self.fit(item, &Ty::Any)?);
                    }
                }
                Value::list(values)
            }
            Kind::Map(entries) => {
                let mut record = Record::new();
                for (key, item) in entries {
                    if !self.passes_over(item) {
                        record.insert(Arc::from(&**key), self.fit(item, &Ty::Any)?);
                    }
                }
                Value::map(record)
            }
            Kind::Absent => Value::from(""),
            Kind::Elided => return Err(unfit(node, &Ty::Any)),
        })
    }

    /// Whether a node stands for nothing in a value of any kind.
    fn passes_over(&mut self, node: &Node<'_>) -> bool {
        match node.kind {
            // What nests too deeply is cut and no `...`.
            Kind::Elided if !node.cut => {
                self.forgive(LibertyKind::Repair, "`...` was dropped");
                true
            }
            Kind::Absent => self.partial,
            _ => false,
        }
    }

    fn fit_str(&mut self, node: &Node<'_>) -> Reading {
        match &node.kind {
            Kind::Text(text) => Ok(Value::from(&**text)),
            Kind::Bare(words) => Ok(Value::from(*words)),
            Kind::Number | Kind::Bool(_) => {
                self.forgive(LibertyKind::Shape, "a literal for text");
                Ok(Value::from(node.raw))
            }
            Kind::List(_) | Kind::Map(_) => {
                self.forgive(LibertyKind::Shape, "JSON for text");
                self.forgive(LibertyKind::Shape, "its source was taken");
                Ok(Value::from(node.raw))
            }
            Kind::Null | Kind::Elided | Kind::Absent => Err(unfit(node, &Ty::Str)),
        }
    }

    fn fit_scalar(&mut self, node: &Node<'_>, ty: &Ty) -> Reading {
        match (&node.kind, ty) {
            (Kind::Bool(it), Ty::Bool) => Ok(Value::Bool(*it)),
            (Kind::Bool(it), Ty::Enum(options)) if options.contains(&Value::Bool(*it)) => {
                Ok(Value::Bool(*it))
            }
            (Kind::Bool(_) | Kind::Null | Kind::Bare(_), Ty::Enum(_)) => {
                self.text(node.raw, ty)
            }
            (Kind::Number, _) => self.text(node.raw, ty),
            (Kind::Text(text), _) => {
                if !matches!(ty, Ty::Enum(_)) {
                    self.forgive(LibertyKind::Wrapping, "quotes around a literal");
                }
                self.text(text, ty)
            }
            (Kind::Bare(words), _) => self.text(words, ty),
            (Kind::List(items), _) if items.len() == 1 => {
                self.forgive(LibertyKind::Shape, "a list of one for its item");
                self.fit(&items[0], ty)
            }
            _ => Err(unfit(node, ty)),
        }
    }

    fn fit_list(&mut self, node: &Node<'_>, item: &Ty, ty: &Ty) -> Reading {
        match &node.kind {
            Kind::List(items) => self.fit_items(items.iter(), item),
            Kind::Text(text) if !text.trim().is_empty() && self.may_unpack(text) => {
                self.forgive(LibertyKind::Shape, "text for a list");
                self.text(text, ty)
            }
            Kind::Bare(words) => self.text(words, ty),
            Kind::Map(entries) => {
                let mut best = Best::default();
                if !self.is_text(item) {
                    self.attempt(&mut best, |it| it.fit_one(node, item));
                }
                self.attempt(&mut best, |it| it.fit_boxed(entries, node, ty));
                self.settle(best, || unfit(node, ty))
            }
            Kind::Number | Kind::Bool(_) => self.fit_one(node, item),
            Kind::Null | Kind::Text(_) | Kind::Elided | Kind::Absent => Err(unfit(node, ty)),
        }
    }

    fn fit_one(&mut self, node: &Node<'_>, item: &Ty) -> Reading {
        self.forgive(LibertyKind::Shape, "one item for a list");
        self.fit_items([node].into_iter(), item)
    }

    /// `{"tags": […]}` for the value of `tags`: the only entry has what is wanted.
    fn fit_boxed(&mut self, entries: &Entries<'_>, node: &Node<'_>, ty: &Ty) -> Reading {
        let [(_, inner)] = entries else { return Err(unfit(node, ty)) };
        if !matches!(inner.kind, Kind::List(_) | Kind::Map(_)) {
            return Err(unfit(node, ty));
        }
        self.forgive(LibertyKind::Shape, "an object around the value");
        self.fit(inner, ty)
    }

    pub(super) fn fit_items<'n, 't: 'n>(
        &mut self,
        items: impl Iterator<Item = &'n Node<'t>>,
        ty: &Ty,
    ) -> Reading {
        let items = items.enumerate().map(|(at, item)| {
            self.fit(item, ty).map_err(|error| error.inside(&format!("[{at}]")))
        });
        items.collect::<Result<Vec<_>, _>>().map(Value::list)
    }

    fn fit_dict(&mut self, node: &Node<'_>, item: &Ty, ty: &Ty) -> Reading {
        let Kind::Map(entries) = &node.kind else { return self.fit_inner(node, ty) };
        let mut best = Best::default();
        self.attempt(&mut best, |it| it.fit_entries(entries, item));
        if best.found.is_none() {
            self.attempt(&mut best, |it| it.fit_boxed(entries, node, ty));
        }
        self.settle(best, || unfit(node, ty))
    }

    fn fit_entries(&mut self, entries: &Entries<'_>, item: &Ty) -> Reading {
        let mut record = Record::new();
        for (key, value) in entries {
            let value = self.fit(value, item).map_err(|error| error.inside(key))?;
            record.insert(Arc::from(&**key), value);
        }
        Ok(Value::map(record))
    }

    fn fit_record(&mut self, node: &Node<'_>, fields: &[Field], ty: &Ty) -> Reading {
        let alone = !std::mem::take(&mut self.is_outer);
        match &node.kind {
            Kind::Map(entries) => match fields {
                [only] if alone && !entries.is_empty() && self.is_record(&only.ty) => {
                    let mut best = Best::default();
                    self.attempt(&mut best, |it| {
                        it.fit_fields(entries, fields).map(Value::map)
                    });
                    if best.found.is_none() {
                        self.attempt(&mut best, |it| it.fit_only(node, only));
                    }
                    self.settle(best, || unfit(node, ty))
                }
                _ => self.fit_fields(entries, fields).map(Value::map),
            },
            Kind::Number | Kind::Bool(_) => match fields {
                [only] if alone && !self.is_text(&only.ty) => self.fit_only(node, only),
                _ => Err(unfit(node, ty)),
            },
            _ => self.fit_inner(node, ty),
        }
    }

    /// What only the one field of a record can be, without the record around it.
    pub(super) fn fit_only(&mut self, node: &Node<'_>, field: &Field) -> Reading {
        let before = self.liberties.len();
        let value = self.fit(node, &field.ty)?;
        // Fields that are missing or not known mean that something else was meant.
        let guessed =
            |it: &Liberty| matches!(it.kind, LibertyKind::Extra | LibertyKind::Missing);
        if self.liberties[before..].iter().any(guessed) {
            return Err(ConvertError::new(format!("missing field `{}`", field.name)));
        }
        self.forgive(LibertyKind::Shape, format!("the value of `{}` alone", field.name));
        Ok(Value::map(Record::from_iter([(field.name.clone(), value)])))
    }

    /// Whether a type is a record, or one of several.
    fn is_record(&self, ty: &Ty) -> bool {
        match ty.resolve(self.types) {
            Some(Ty::Record(_)) => true,
            Some(Ty::Optional(inner)) => self.is_record(inner),
            Some(Ty::Union(members)) => members.iter().all(|it| self.is_record(it)),
            _ => false,
        }
    }

    /// A map that is written as text, or is the only item of a list.
    fn fit_inner(&mut self, node: &Node<'_>, ty: &Ty) -> Reading {
        match &node.kind {
            Kind::List(items) if items.len() == 1 && is_nested(&items[0]) => {
                self.forgive(LibertyKind::Shape, "a list of one for its item");
                self.fit(&items[0], ty)
            }
            Kind::Text(text) if text.contains('{') && self.may_unpack(text) => {
                self.forgive(LibertyKind::Shape, "JSON inside text");
                self.text(text, ty)
            }
            _ => Err(unfit(node, ty)),
        }
    }

    fn fit_optional(&mut self, node: &Node<'_>, inner: &Ty) -> Reading {
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Text(text) if !self.is_text(inner) && is_nothing(text) => {
                self.forgive(LibertyKind::Spelling, "a word for nothing");
                Ok(Value::Null)
            }
            _ => self.fit(node, inner),
        }
    }

    /// The fields of a record out of the entries of a map.
    pub(super) fn fit_fields(
        &mut self,
        entries: &Entries<'_>,
        fields: &[Field],
    ) -> Result<Record, ConvertError> {
        if let Some(inner) = wrapped(entries, fields) {
            self.forgive(LibertyKind::Shape, "an object around the object");
            return self.fit_fields(inner, fields);
        }
        let extra =
            entries.iter().filter(|(key, _)| !fields.iter().any(|it| is_key(key, &it.name)));
        if let Some((key, node)) = extra.into_iter().next() {
            if let Kind::Elided = node.kind {
                return Err(ConvertError::new("a part was left out with `...`"));
            }
            let first = self.liberties.len();
            self.forgive(LibertyKind::Extra, format!("unknown key `{}`", shortened(key, 40)));
            self.place(first, node.raw);
        }
        let fields = fields.iter().map(|field| {
            let value = self.fit_field(entries, field)?;
            Ok((field.name.clone(), value))
        });
        fields.collect()
    }

    fn fit_field(&mut self, entries: &Entries<'_>, field: &Field) -> Reading {
        // The last of two is what JSON readers take.
        let exact = entries.iter().rfind(|(key, _)| **key == *field.name);
        let entry = exact.or_else(|| entries.iter().rfind(|(key, _)| is_key(key, &field.name)));
        let Some((key, node)) = entry.filter(|(_, it)| !matches!(it.kind, Kind::Absent)) else {
            return self.absent(field);
        };
        if entries.iter().filter(|(key, _)| **key == *field.name).count() > 1 {
            self.forgive(LibertyKind::Duplicate, format!("`{}` stands twice", field.name));
        }
        if **key != *field.name {
            self.forgive(LibertyKind::Marker, format!("the key `{}`", shortened(key, 40)));
        }
        let before = self.liberties.len();
        let read = |it: &mut Self| it.fit(node, &field.ty);
        let read = self.with_name(&field.name, read).map_err(|error| error.inside(&field.name));
        self.place(before, node.raw);
        read
    }

    /// What a field is that was not written.
    pub(super) fn absent(&mut self, field: &Field) -> Reading {
        let Some(value) = left_out(field, self.types) else {
            return Err(ConvertError::new(format!("missing field `{}`", field.name)));
        };
        let what = if value.is_null() { "nothing" } else { "the default" };
        self.forgive(LibertyKind::Missing, format!("`{}` is left out: {what}", field.name));
        Ok(value)
    }

    /// Whether a type is text, perhaps with a bound.
    pub(super) fn is_text(&self, ty: &Ty) -> bool {
        match ty.resolve(self.types) {
            Some(Ty::Str) => true,
            Some(Ty::Bounded(inner, _)) => matches!(inner.resolve(self.types), Some(Ty::Str)),
            _ => false,
        }
    }
}

fn is_nested(node: &Node<'_>) -> bool {
    matches!(node.kind, Kind::Map(_) | Kind::List(_) | Kind::Text(_))
}

/// Words for nothing.
pub(super) fn is_nothing(text: &str) -> bool {
    let lower = text.trim().to_lowercase();
    matches!(
        &*lower,
        "" | "null" | "none" | "nil" | "n/a" | "na" | "nothing" | "undefined" | "-"
    )
}

fn is_key(key: &str, name: &str) -> bool {
    key == name || (!key.is_empty() && folded(key) == folded(name))
}

/// The map that has the fields, inside a map that has none of them.
fn wrapped<'n, 't>(entries: &'n Entries<'t>, fields: &[Field]) -> Option<&'n Entries<'t>> {
    let known =
        |(key, _): &(Cow<'t, str>, Node<'t>)| fields.iter().any(|it| is_key(key, &it.name));
    if entries.iter().any(known) {
        return None;
    }
    let mut inner = entries.iter().filter_map(|(_, node)| match &node.kind {
        Kind::Map(inner) if inner.iter().any(known) => Some(&inner[..]),
        Kind::Map(inner) => wrapped(inner, fields),
        _ => None,
    });
    let only = inner.next()?;
    inner.next().is_none().then_some(only)
}

/// `007` and `00.` are names of something: a number has no zeros before it.
pub(super) fn is_padded(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let rest = digits.strip_prefix('0').unwrap_or("");
    rest.starts_with(|c: char| c.is_ascii_digit())
}

pub(super) fn number(raw: &str) -> Option<Value> {
    // `2.` and `1e+` are numbers that were cut off.
    let whole = raw.trim_end_matches(['e', 'E', '+', '-']).trim_end_matches('.');
    numeral(raw).or_else(|| numeral(whole)).map(|(num, _)| match num {
        Num::Int(it) => Value::Int(it),
        Num::Float(it) => Value::Float(it),
    })
}

fn unfit(node: &Node<'_>, ty: &Ty) -> ConvertError {
    let found = match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "an object".to_owned(),
        _ => format!("`{}`", shortened(node.raw, 40)),
    };
    ConvertError::new(format!("expected {}, found {found}", brief(ty)))
}
