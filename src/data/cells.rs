//! Tables in text: CSV and TSV.
//!
//! Cells are text, and empty ones nothing: what they mean is decided where a row is used. Only
//! a cell that is a JSON list or object as a whole is read as one. Where a row ends is found
//! here, so that its line is known; what stands in it is read by the library.

use crate::data::Dataset;
use crate::data::reader::Source;
use crate::data::table::{Form, Read};
use crate::program::json;
use crate::schema::{Record, Value};
use csv::ByteRecord;
use std::sync::Arc;

/// The mark of byte order.
const MARK: char = '\u{feff}';

/// Reads the file of a source.
pub(super) fn read(source: &Source<'_>, delimiter: u8) -> Read<Dataset> {
    let mut lines = source.lines()?;
    let mut sink = source.sink(true);
    let mut names: Arc<[Arc<str>]> = Arc::new([]);
    let mut bytes = Vec::new();
    while let Some(first) = lines.next(&mut bytes)? {
        let mut quotes = Quotes::new(delimiter);
        while quotes.open_after(&bytes) {
            if lines.more(&mut bytes)?.is_none() {
                let line = first.line + quotes.opened_after;
                return Err(source.bad(line, "quotes are opened and not closed"));
            }
        }
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            continue;
        }
        let text = source.text(&bytes, first.line)?;
        let Some(cells) = split(text, delimiter) else {
            return Err(source.bad(first.line, "a carriage return stands inside of the row"));
        };
        if names.is_empty() {
            names = header(source, &cells, first.line)?.into();
        } else if cells.len() == names.len() {
            source.push(&mut sink, record(&names, &cells), first.line, first.offset)?;
        } else {
            let what = format!("expected {} cells, found {}", names.len(), cells.len());
            return Err(source.bad(first.line, what));
        }
    }
    source.finish(sink, Form::Cells(names, delimiter))
}

/// Whether quotes are open, byte by byte.
struct Quotes {
    delimiter: u8,
    open: bool,
    /// Whether a quote would open a cell here.
    fresh: bool,
    /// How many bytes were looked at.
    seen: usize,
    lines: usize,
    /// How many line ends stood before the quote that is open.
    opened_after: usize,
}

impl Quotes {
    fn new(delimiter: u8) -> Self {
        Self { delimiter, open: false, fresh: true, seen: 0, lines: 0, opened_after: 0 }
    }

    /// Whether quotes are open after these bytes, the first of which it knows.
    fn open_after(&mut self, bytes: &[u8]) -> bool {
        for byte in &bytes[self.seen..] {
            match byte {
                b'"' if self.open => self.open = false,
                // A quote behind a closing one is a quote of the text, and quoting goes on.
                b'"' if self.fresh => {
                    self.open = true;
                    self.opened_after = self.lines;
                }
                b'\n' => self.lines += 1,
                _ => {}
            }
            self.fresh = !self.open && (*byte == self.delimiter || *byte == b'"');
        }
        self.seen = bytes.len();
        self.open
    }
}

/// The cells of a row; `None` where the text is not one row.
fn split(text: &str, delimiter: u8) -> Option<Vec<String>> {
    // The library drops a mark of byte order at the start of what it reads. That of the file is
    // gone by now, so one before a row is text: the library gets another one to drop.
    let text = if text.starts_with(MARK) { &format!("{MARK}{text}") } else { text };
    if text.starts_with('\r') {
        // An empty row to the library.
        return None;
    }
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true).buffer_capacity(text.len());
    let mut reader = builder.from_reader(text.as_bytes());
    let mut cells = ByteRecord::new();
    let row = reader.read_byte_record(&mut cells).ok()?;
    let alone = row && !reader.read_byte_record(&mut ByteRecord::new()).ok()?;
    let text = |cell: &[u8]| String::from_utf8(cell.to_vec()).ok();
    if alone { cells.iter().map(text).collect() } else { None }
}

/// The names of the columns.
fn header(source: &Source<'_>, cells: &[String], line: usize) -> Read<Vec<Arc<str>>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for (at, name) in cells.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(source.bad(line, format!("column {} has no name", at + 1)));
        }
        if names.iter().any(|known| **known == **name) {
            return Err(source.bad(line, format!("two columns are called `{name}`")));
        }
        names.push(name.as_str().into());
    }
    Ok(names)
}

fn record(names: &[Arc<str>], cells: &[String]) -> Record {
    names.iter().cloned().zip(cells.iter().map(|cell| value(cell))).collect()
}

/// What a cell holds.
fn value(cell: &str) -> Value {
    let nested = matches!(cell.as_bytes(), [b'[', .., b']'] | [b'{', .., b'}']);
    match nested.then(|| json::read(cell)) {
        Some(Ok(value @ (Value::List(_) | Value::Map(_)))) => value,
        Some(_) | None if cell.is_empty() => Value::Null,
        Some(_) | None => Value::from(cell),
    }
}

/// A row as it stands in a file, with the ends of lines around it.
pub(super) fn again(text: &str, names: &[Arc<str>], delimiter: u8) -> Option<Record> {
    let cells = split(text, delimiter)?;
    (cells.len() == names.len()).then(|| record(names, &cells))
}
