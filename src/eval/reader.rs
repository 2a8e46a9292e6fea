//! Data sets from files: JSONL, JSON, CSV and TSV. Errors name the line.

use crate::diag::{Code, Diagnostic};
use crate::eval::Dataset;
use crate::host::Host;
use crate::program::json;
use crate::schema::{Record, Value};
use std::path::Path;
use std::sync::Arc;

/// A data file cannot be read.
pub(crate) const DATA_IO: Code = Code("E0701");
/// A row of a data file is not one.
pub(crate) const BAD_ROW: Code = Code("E0702");
/// A data file is of a kind that we do not read.
pub(crate) const UNKNOWN_KIND: Code = Code("E0703");

type Read<T> = Result<T, Box<Diagnostic>>;

/// Kinds of data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One JSON object a line.
    Jsonl,
    /// One JSON list of objects.
    Json,
    /// A table with a line of names first, and this between cells.
    Table(u8),
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
        let name = path.display().to_string();
        let Some(kind) = Kind::of(path) else {
            let message = format!("`{name}`: no data of this kind can be read");
            let hint = "data are read from .jsonl, .json, .csv and .tsv";
            return Err(Box::new(Diagnostic::bare(UNKNOWN_KIND, message).hint(hint)));
        };
        let bytes = host.read(path).map_err(|e| {
            Box::new(Diagnostic::bare(DATA_IO, format!("cannot read `{name}`: {e}")))
        })?;
        Self::parse(&bytes, kind, &name)
    }

    /// Reads the bytes of a file; `name` is what messages call it.
    ///
    /// # Errors
    /// The first line that is no row.
    pub fn parse(bytes: &[u8], kind: Kind, name: &str) -> Read<Self> {
        let source = Source { name: name.into() };
        let text = source.text(bytes)?;
        match kind {
            Kind::Jsonl => source.jsonl(text),
            Kind::Json => source.json(text),
            Kind::Table(delimiter) => source.table(text, delimiter),
        }
    }
}

/// A file under reading.
struct Source {
    name: Arc<str>,
}

impl Source {
    /// An error at a line.
    fn bad(&self, line: usize, what: impl std::fmt::Display) -> Box<Diagnostic> {
        Box::new(Diagnostic::bare(BAD_ROW, format!("`{}` line {line}: {what}", self.name)))
    }

    /// The bytes as text, without the mark that some editors put first.
    fn text<'a>(&self, bytes: &'a [u8]) -> Read<&'a str> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        std::str::from_utf8(bytes).map_err(|e| {
            let before = &bytes[..e.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let at = before.len() - start + 1;
            self.bad(line, format!("not UTF-8 text (byte {at} of the line)"))
        })
    }

    /// Only "\n" ends a line: JSON strings may hold every other separator.
    fn jsonl(&self, text: &str) -> Read<Dataset> {
        let mut rows = Vec::new();
        for (serial, line) in text.split('\n').enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let value = json::read(line).map_err(|e| self.bad_json(serial + 1, &e))?;
            rows.push((self.row(value, serial + 1)?, serial + 1));
        }
        Ok(Dataset::numbered(rows, Some(&self.name)))
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
            Value::Str(_) | Value::List(_) => Err(self.not_an_object(&value, line)),
        }
    }

    fn not_an_object(&self, value: &Value, line: usize) -> Box<Diagnostic> {
        self.bad(line, format!("expected an object, found {}", value.kind()))
    }

    fn json(&self, text: &str) -> Read<Dataset> {
        let value = json::read(text).map_err(|e| {
            let text = e.to_string();
            let what = text.split(" at line ").next().unwrap_or_default();
            self.bad(e.line(), format!("bad JSON: {what} (column {})", e.column()))
        })?;
        let Value::List(items) = value else {
            return Err(
                self.bad(1, format!("expected a list of objects, found {}", value.kind()))
            );
        };
        let mut rows = Vec::new();
        for (serial, item) in items.iter().enumerate() {
            let Value::Map(record) = item else {
                let what = format!("expected an object, found {}", item.kind());
                let message = format!("`{}` item {}: {what}", self.name, serial + 1);
                return Err(Box::new(Diagnostic::bare(BAD_ROW, message)));
            };
            rows.push((record.as_ref().clone(), serial + 1));
        }
        Ok(Dataset::numbered(rows, Some(&self.name)))
    }

    /// Cells are text, empty ones nothing; what they mean is decided where a row is used.
    fn table(&self, text: &str, delimiter: u8) -> Read<Dataset> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut names: Option<Vec<Arc<str>>> = None;
        let mut rows = Vec::new();
        for cells in reader.records() {
            let cells = cells.map_err(|e| self.bad(line_of(e.position()), "not a table"))?;
            let line = line_of(cells.position());
            match &names {
                None => names = Some(self.names(&cells, line)?),
                Some(names) => rows.push((self.cells(names, &cells, line)?, line)),
            }
        }
        Ok(Dataset::numbered(rows, Some(&self.name)))
    }

    fn names(&self, cells: &csv::StringRecord, line: usize) -> Read<Vec<Arc<str>>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for (serial, name) in cells.iter().enumerate() {
            if name.is_empty() {
                return Err(self.bad(line, format!("column {} has no name", serial + 1)));
            }
            if names.iter().any(|known| &**known == name) {
                return Err(self.bad(line, format!("two columns are called `{name}`")));
            }
            names.push(name.into());
        }
        Ok(names)
    }

    fn cells(
        &self,
        names: &[Arc<str>],
        cells: &csv::StringRecord,
        line: usize,
    ) -> Read<Record> {
        if cells.len() != names.len() {
            let what = format!("expected {} cells, found {}", names.len(), cells.len());
            return Err(self.bad(line, what));
        }
        let value = |cell: &str| if cell.is_empty() { Value::Null } else { Value::from(cell) };
        Ok(names.iter().cloned().zip(cells.iter().map(value)).collect())
    }
}

fn line_of(position: Option<&csv::Position>) -> usize {
    position.map_or(1, |at| usize::try_from(at.line()).unwrap_or(usize::MAX))
}
