//! Replies into values, guided by the types that are wanted.
//!
//! `sections` finds where each field stands; `text` reads a field's text under its type, with
//! `number`, `label` and `list` for what people write; `json` reads broken JSON into a tree and
//! `fit` reads that tree under a type; `xml` reads tags. Everything that is forgiven has a price, and of several
//! readings the cheapest is taken; what no reading gives without guessing is refused.

mod any;
mod begun;
mod fit;
mod json;
mod label;
mod list;
mod loose;
mod number;
mod partial;
mod plain;
mod reply;
mod sections;
mod text;
mod xml;

pub(super) use begun::{begun_object, read_begun, read_begun_sections};
pub use loose::read_loose;
pub use partial::read_partial;
pub(super) use plain::folded;
pub(super) use reply::{is_thinking, read_object, read_reply, read_sections, without_thoughts};
pub(super) use xml::{begun_xml, read_xml};

use crate::adapt::{Liberty, LibertyKind};
use crate::schema::{Bound, ConvertError, Ty, TypeTable, Value};
use std::sync::Arc;

/// How deep types and values may nest while they are read.
const MAX_DEPTH: usize = 48;
/// How many liberties are told of one field; more would tell nothing new.
const MAX_LIBERTIES: usize = 32;

type Reading = Result<Value, ConvertError>;

/// Reads one value of a type out of text.
///
/// # Errors
/// Where no value of `ty` can be read without guessing.
pub fn read_value(
    text: &str,
    ty: &Ty,
    types: &TypeTable,
) -> Result<(Value, Vec<Liberty>), ConvertError> {
    let mut reader = Reader::new(types, "value");
    let value = reader.text(text, ty)?;
    Ok((value, reader.liberties))
}

/// What is known while a field is read, and what was forgiven so far.
struct Reader<'a> {
    types: &'a TypeTable,
    field: Arc<str>,
    /// The innermost name, which a value may be labelled with.
    name: Arc<str>,
    /// The bound around the number that is read: it tells what a percentage means.
    bound: Option<Bound>,
    liberties: Vec<Liberty>,
    /// The whole reply, where it is known.
    whole: &'a str,
    cost: u32,
    depth: usize,
    /// The text is the beginning of one that is still being written.
    partial: bool,
    /// How many bytes of JSON inside of text inside of JSON may still be read.
    spare: usize,
    /// The next record is the reply itself: were its only field taken for all of it, a value
    /// would be read as an object of outputs, and not under its own type.
    is_outer: bool,
}

impl<'a> Reader<'a> {
    fn new(types: &'a TypeTable, field: impl Into<Arc<str>>) -> Self {
        let field = field.into();
        Self {
            types,
            name: field.clone(),
            field,
            bound: None,
            liberties: Vec::new(),
            whole: "",
            cost: 0,
            depth: 0,
            partial: false,
            spare: 0,
            is_outer: false,
        }
    }

    /// Allows for the work that a text of this length is worth.
    fn allow(&mut self, length: usize) {
        self.spare = 2 * length + 256;
    }

    /// Whether a text found inside of JSON may be read in its own right. Such texts nest, and
    /// each level can be read in several ways.
    fn may_unpack(&mut self, text: &str) -> bool {
        let may = text.len() <= self.spare;
        self.spare = self.spare.saturating_sub(text.len());
        may
    }

    fn forgive(&mut self, kind: LibertyKind, note: impl Into<String>) {
        self.cost += kind.cost();
        let liberty = Liberty { field: self.field.clone(), kind, note: note.into(), at: None };
        // A list of a hundred bare words is one liberty.
        let is_known = self.liberties.iter().any(|it| it.says_as(&liberty));
        if self.liberties.len() < MAX_LIBERTIES && !is_known {
            self.liberties.push(liberty);
        }
    }

    /// The same with the reply that all is read out of, so that places in it are known.
    fn within(self, whole: &'a str) -> Self {
        Self { whole, ..self }
    }

    /// Those that were forgiven from the `first` on are about this part of the reply, where no
    /// smaller one is known.
    fn place(&mut self, first: usize, part: &str) {
        let at = crate::adapt::place_in(self.whole, part.trim());
        for liberty in self.liberties.iter_mut().skip(first).filter(|it| it.at.is_none()) {
            liberty.at.clone_from(&at);
        }
    }

    fn with_name<T>(&mut self, name: &Arc<str>, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.name, name.clone());
        let result = read(self);
        self.name = outer;
        result
    }

    /// Tries one way to read a value and keeps it if it is the cheapest so far.
    fn attempt(&mut self, best: &mut Best, read: impl FnOnce(&mut Self) -> Reading) {
        if best.is_free() {
            return;
        }
        let (before, cost) = (self.liberties.len(), self.cost);
        let reading = read(self);
        let spent = self.cost - cost;
        let taken = self.liberties.split_off(before);
        self.cost = cost;
        match reading {
            Ok(value) if best.found.as_ref().is_none_or(|it| spent < it.spent) => {
                best.found = Some(Way { value, spent, taken });
            }
            Ok(_) => {}
            Err(error) => best.error = best.error.take().or(Some(error)),
        }
    }

    /// Takes the cheapest way that was found.
    fn settle(&mut self, best: Best, otherwise: impl FnOnce() -> ConvertError) -> Reading {
        match best.found {
            Some(way) => {
                self.cost += way.spent;
                for liberty in way.taken {
                    if !self.liberties.iter().any(|it| it.says_as(&liberty)) {
                        self.liberties.push(liberty);
                    }
                }
                Ok(way.value)
            }
            None => Err(best.error.unwrap_or_else(otherwise)),
        }
    }
}

/// The cheapest reading so far, and the first failure.
#[derive(Default)]
struct Best {
    found: Option<Way>,
    error: Option<ConvertError>,
}

struct Way {
    value: Value,
    spent: u32,
    taken: Vec<Liberty>,
}

impl Best {
    fn is_free(&self) -> bool {
        self.found.as_ref().is_some_and(|way| way.spent == 0)
    }
}
