//! A JSON file that is one list of objects, read item by item.

use crate::data::Dataset;
use crate::data::reader::{Sink, Source};
use crate::data::table::{Form, Read};
use crate::diag::Diagnostic;
use crate::program::json::Strict;
use crate::schema::Value;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

/// Reads the file of a source.
pub(super) fn read(source: &Source<'_>) -> Read<Dataset> {
    let (mut reader, _) = source.start()?;
    let listed = begins_list(&mut reader).map_err(|e| source.broken(&e))?;
    let (reader, _) = source.start()?;
    let mut file = serde_json::Deserializer::from_reader(reader);
    if !listed {
        let other = Strict.deserialize(&mut file).and_then(|it| file.end().map(|()| it));
        let other = other.map_err(|e| wrong(source, &e))?;
        let what = format!("expected a list of objects, found {}", other.kind());
        return Err(source.bad(1, what));
    }
    let mut items = Items { source, sink: source.sink(false), count: 0, failed: None };
    let read = file.deserialize_seq(&mut items).and_then(|()| file.end());
    match (items.failed, read) {
        (Some(failed), _) => Err(failed),
        (None, Err(error)) => Err(wrong(source, &error)),
        (None, Ok(())) => source.finish(items.sink, Form::Json),
    }
}

/// What the JSON reader says, in our words.
fn wrong(source: &Source<'_>, error: &serde_json::Error) -> Box<Diagnostic> {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    source.bad(error.line(), format!("bad JSON: {what} (column {})", error.column()))
}

/// Whether the first byte that is no space opens a list.
fn begins_list(reader: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        let bytes = reader.fill_buf()?;
        let spaces = bytes.iter().take_while(|it| it.is_ascii_whitespace()).count();
        match bytes.get(spaces) {
            Some(first) => return Ok(*first == b'['),
            None if bytes.is_empty() => return Ok(false),
            None => reader.consume(spaces),
        }
    }
}

/// Takes the items of the list.
struct Items<'a> {
    source: &'a Source<'a>,
    sink: Sink<'a>,
    count: usize,
    failed: Option<Box<Diagnostic>>,
}

impl Items<'_> {
    fn add(&mut self, value: Value) -> Read<()> {
        self.count += 1;
        let Value::Map(record) = value else {
            let what = format!("expected an object, found {}", value.kind());
            return Err(self.source.bad_item("item", self.count, &what));
        };
        self.source.push(&mut self.sink, Arc::unwrap_or_clone(record), self.count, 0)
    }
}

impl<'de> Visitor<'de> for &mut Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(value) = items.next_element_seed(Strict)? {
            if let Err(failed) = self.add(value) {
                self.failed = Some(failed);
                return Err(A::Error::custom("said already"));
            }
        }
        Ok(())
    }
}
