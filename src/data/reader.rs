//! Data sets from files: JSONL, JSON, CSV, TSV and Parquet. Errors name the line.
//!
//! A file is read once from its beginning to its end, and every row is checked then. Rows of a
//! large file of lines or cells stay in it; those of other large files go to a nameless file.

use crate::data::dataset::small;
use crate::data::table::{Builder, Entry, Form, IN_MEMORY, Places, Read};
use crate::data::{Dataset, cells, list};
use crate::diag::{Code, Diagnostic};
use crate::host::{self, Blob, Host};
use crate::program::json;
use crate::schema::{Record, Value};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

/// A data file cannot be read.
pub(crate) const DATA_IO: Code = Code("E0701");
/// A row of a data file is not one.
pub const BAD_ROW: Code = Code("E0702");
/// A data file is of a kind that we do not read.
pub(crate) const UNKNOWN_KIND: Code = Code("E0703");

/// The most bytes of a row: where more come, quotes or line ends are missing.
const LONGEST: usize = 64 << 20;

/// The mark that some editors put first.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Kinds of data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One JSON object a line.
    Jsonl,
    /// One JSON list of objects.
    Json,
    /// A table with a line of names first, and this between cells.
    Table(u8),
    /// Columns in a binary file.
    Parquet,
}

impl Kind {
    /// The kind that a file's name says.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Table(b',')),
            "tsv" => Some(Self::Table(b'\t')),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

impl Dataset {
    /// Reads a file; its ending says of what kind it is.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown ending, or the first line that is no row.
    pub fn load(host: &dyn Host, path: &Path) -> Read<Self> {
        Self::load_within(host, path, IN_MEMORY)
    }

    /// As [`Dataset::load`], with another bound for what is kept in memory.
    ///
    /// # Errors
    /// As there.
    pub fn load_within(host: &dyn Host, path: &Path, bound: u64) -> Read<Self> {
        let name = path.display().to_string();
        let Some(kind) = Kind::of(path) else {
            let message = format!("`{name}`: no data of this kind can be read");
            let hint = "data are read from .jsonl, .json, .csv, .tsv and .parquet";
            return Err(Box::new(Diagnostic::bare(UNKNOWN_KIND, message).hint(hint)));
        };
        let blob = host.open(path).map_err(|e| cannot_read(&name, &e))?;
        Source { name: name.into(), blob, host: Some(host), bound }.read(kind)
    }

    /// Reads the bytes of a file; `name` is what messages call it.
    ///
    /// # Errors
    /// The first line that is no row.
    pub fn parse(bytes: &[u8], kind: Kind, name: &str) -> Read<Self> {
        let blob = Arc::new(bytes.to_vec());
        Source { name: name.into(), blob, host: None, bound: u64::MAX }.read(kind)
    }
}

fn cannot_read(name: &str, error: &io::Error) -> Box<Diagnostic> {
    Box::new(Diagnostic::bare(DATA_IO, format!("cannot read `{name}`: {error}")))
}

/// A row as it stands in a file; `None` where it is none.
pub(super) fn again(text: &str, form: &Form) -> Option<Record> {
    match form {
        // A row is one line; what follows up to the next row are lines that were passed over.
        Form::Json => match json::read(text.split('\n').next().unwrap_or_default()) {
            Ok(Value::Map(record)) => Some(Arc::unwrap_or_clone(record)),
            Ok(_) | Err(_) => None,
        },
        Form::Cells(names, delimiter) => cells::again(text, names, *delimiter),
    }
}

/// A file under reading.
pub(super) struct Source<'h> {
    pub(super) name: Arc<str>,
    pub(super) blob: Arc<dyn Blob>,
    host: Option<&'h dyn Host>,
    bound: u64,
}

/// Rows on their way to a data set.
pub(super) enum Sink<'h> {
    /// Kept as they are, in memory or in a nameless file.
    Rows(Builder<'h>),
    /// Left where they stand.
    Places(Places),
}

impl Source<'_> {
    fn read(&self, kind: Kind) -> Read<Dataset> {
        match kind {
            Kind::Jsonl => self.jsonl(),
            Kind::Json => list::read(self),
            Kind::Table(delimiter) => cells::read(self, delimiter),
            #[cfg(feature = "parquet")]
            Kind::Parquet => super::parquet::read(self),
            #[cfg(not(feature = "parquet"))]
            Kind::Parquet => {
                let message = format!("`{}`: this `dsp` was built without Parquet", self.name);
                let hint = "build it with `--features parquet`, or write the rows as .jsonl";
                Err(Box::new(Diagnostic::bare(UNKNOWN_KIND, message).hint(hint)))
            }
        }
    }

    /// An error at a line.
    pub(super) fn bad(&self, line: usize, what: impl std::fmt::Display) -> Box<Diagnostic> {
        Box::new(Diagnostic::bare(BAD_ROW, format!("`{}` line {line}: {what}", self.name)))
    }

    /// An error at a row of a file that has no lines.
    pub(super) fn bad_item(&self, what: &str, row: usize, why: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::bare(BAD_ROW, format!("`{}` {what} {row}: {why}", self.name)))
    }

    /// The file cannot be read any further.
    pub(super) fn broken(&self, error: &io::Error) -> Box<Diagnostic> {
        cannot_read(&self.name, error)
    }

    /// Where rows go whose places can be found again, or which cannot.
    pub(super) fn sink(&self, placed: bool) -> Sink<'_> {
        if placed && self.blob.size() > self.bound {
            return Sink::Places(Places::new(Arc::clone(&self.blob)));
        }
        let mut builder = Builder::new(self.host, self.bound);
        builder.source(Some(&self.name));
        Sink::Rows(builder)
    }

    /// Adds a row that stands at a place and begins at a byte.
    pub(super) fn push(
        &self,
        sink: &mut Sink<'_>,
        values: Record,
        place: usize,
        offset: u64,
    ) -> Read<()> {
        let entry = |index| Entry { index: small(index), place: small(place), source: 0 };
        match sink {
            Sink::Rows(builder) => {
                let entry = entry(builder.len());
                builder.push(values, entry).map_err(|e| self.broken(&e))
            }
            Sink::Places(places) => {
                let entry = entry(places.len());
                places.push(&values, entry, offset);
                Ok(())
            }
        }
    }

    /// The data set of all rows.
    pub(super) fn finish(&self, sink: Sink<'_>, form: Form) -> Read<Dataset> {
        let table = match sink {
            Sink::Rows(builder) => builder.finish().map_err(|e| self.broken(&e))?,
            Sink::Places(places) => places.finish(Arc::clone(&self.name), form),
        };
        Ok(Dataset::of(table))
    }

    /// The bytes without the mark at their beginning, and how long that is.
    pub(super) fn start(&self) -> Read<(impl BufRead + use<>, u64)> {
        let mut mark = [0; 3];
        let marked = self.blob.size() >= 3 && {
            self.blob.read_at(0, &mut mark).map_err(|e| self.broken(&e))?;
            mark == MARK
        };
        let start = if marked { 3 } else { 0 };
        Ok((BufReader::with_capacity(1 << 16, host::reader(&self.blob, start)), start))
    }

    /// The lines of the file from its beginning, without the mark there.
    pub(super) fn lines(&self) -> Read<Lines<'_, impl BufRead + use<>>> {
        let (reader, offset) = self.start()?;
        Ok(Lines { source: self, reader, line: 0, offset })
    }

    fn jsonl(&self) -> Read<Dataset> {
        let mut lines = self.lines()?;
        let mut sink = self.sink(true);
        let mut bytes = Vec::new();
        while let Some(Line { line, offset }) = lines.next(&mut bytes)? {
            let text = self.text(&bytes, line)?;
            let text = text.strip_suffix('\n').unwrap_or(text);
            if !text.trim().is_empty() {
                let value = json::read(text).map_err(|e| self.bad_json(line, &e))?;
                self.push(&mut sink, self.row(value, line)?, line, offset)?;
            }
        }
        self.finish(sink, Form::Json)
    }

    /// The text of a row that begins at a line.
    pub(super) fn text<'a>(&self, bytes: &'a [u8], line: usize) -> Read<&'a str> {
        std::str::from_utf8(bytes).map_err(|e| {
            let before = &bytes[..e.valid_up_to()];
            let line = line + before.iter().filter(|byte| **byte == b'\n').count();
            let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let at = before.len() - start + 1;
            self.bad(line, format!("not UTF-8 text (byte {at} of the line)"))
        })
    }

    /// What the JSON reader says, without its own line, which is always 1 here.
    fn bad_json(&self, line: usize, e: &serde_json::Error) -> Box<Diagnostic> {
        let text = e.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        self.bad(line, format!("bad JSON: {what} (column {})", e.column()))
    }

    fn row(&self, value: Value, line: usize) -> Read<Record> {
        match value {
            Value::Map(record) => Ok(Arc::unwrap_or_clone(record)),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                Err(self.not_an_object(&value, line))
            }
            Value::Str(_) | Value::List(_) | Value::Media(_) => {
                Err(self.not_an_object(&value, line))
            }
        }
    }

    fn not_an_object(&self, value: &Value, line: usize) -> Box<Diagnostic> {
        self.bad(line, format!("expected an object, found {}", value.kind()))
    }
}

/// Goes through a file line by line. Only "\n" ends a line: JSON strings may hold every other
/// separator.
pub(super) struct Lines<'s, R> {
    source: &'s Source<'s>,
    reader: R,
    line: usize,
    offset: u64,
}

/// Where a line begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) line: usize,
    pub(super) offset: u64,
}

impl<R: BufRead> Lines<'_, R> {
    /// Reads the next line, its end included.
    pub(super) fn next(&mut self, into: &mut Vec<u8>) -> Read<Option<Line>> {
        into.clear();
        self.more(into)
    }

    /// Reads the next line behind what is there.
    pub(super) fn more(&mut self, into: &mut Vec<u8>) -> Read<Option<Line>> {
        let begins = Line { line: self.line + 1, offset: self.offset };
        let room = (LONGEST + 1).saturating_sub(into.len()) as u64;
        let count = self.reader.by_ref().take(room).read_until(b'\n', into);
        let count = count.map_err(|e| self.source.broken(&e))?;
        if into.len() > LONGEST {
            let what = format!("the row is longer than {} MiB", LONGEST >> 20);
            return Err(self.source.bad(begins.line, what));
        }
        self.line += 1;
        self.offset += count as u64;
        Ok((count > 0).then_some(begins))
    }
}
