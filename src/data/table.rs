//! Rows in memory, or in a file with the place where each begins.

use crate::data::dataset::small;
use crate::data::reader::{self, DATA_IO};
use crate::diag::Diagnostic;
use crate::host::{Blob, Host, Scratch};
use crate::schema::{Record, Row, Value};
use indexmap::IndexSet;
use std::io;
use std::sync::Arc;

/// What reading data gives.
pub type Read<T> = Result<T, Box<Diagnostic>>;

/// Rows that take more bytes than this stay in files.
pub(crate) const IN_MEMORY: u64 = 16 << 20;

/// Where a row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The row's own number.
    pub(super) index: u32,
    /// The line in a file of lines, the place in a file that is one list; from 1.
    pub(super) place: u32,
    /// Which of the sources of its table; none when there is no such source.
    pub(super) source: u32,
}

/// Where rows come from. Most often they are all of one source and numbered in order; then only
/// their places are kept.
#[derive(Debug, Default)]
struct Entries {
    places: Vec<u32>,
    /// Index and source, where one row's are not as said.
    others: Option<Vec<(u32, u32)>>,
}

impl Entries {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn usual(at: usize) -> (u32, u32) {
        (small(at), 0)
    }

    fn push(&mut self, entry: Entry) {
        let at = self.len();
        self.places.push(entry.place);
        let own = (entry.index, entry.source);
        if self.others.is_none() && own != Self::usual(at) {
            self.others = Some((0..at).map(Self::usual).collect());
        }
        self.others.iter_mut().for_each(|others| others.push(own));
    }

    fn get(&self, at: usize) -> Option<Entry> {
        let place = *self.places.get(at)?;
        let (index, source) = self.others.as_ref().map_or(Self::usual(at), |others| others[at]);
        Some(Entry { index, place, source })
    }
}

/// Rows in order; never changed.
#[derive(Debug)]
pub(super) struct Table {
    entries: Entries,
    sources: Vec<Arc<str>>,
    /// The folders of the sources.
    folders: Vec<Arc<str>>,
    columns: IndexSet<Arc<str>>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Memory(Vec<Arc<Row>>),
    File(Held),
}

/// Rows in a file.
#[derive(Debug)]
struct Held {
    blob: Arc<dyn Blob>,
    /// Where rows begin, and the end of the last.
    offsets: Vec<u64>,
    form: Form,
}

/// How a row is written.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// As a JSON object.
    Json,
    /// As cells of these columns, with this between them.
    Cells(Arc<[Arc<str>]>, u8),
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where a row comes from: its entry and the name of its source.
    pub(super) fn entry(&self, at: usize) -> Option<(Entry, Option<&Arc<str>>)> {
        let entry = self.entries.get(at)?;
        Some((entry, self.sources.get(entry.source as usize)))
    }

    /// The columns of all rows, in order of first appearance.
    pub(super) fn columns(&self) -> &IndexSet<Arc<str>> {
        &self.columns
    }

    /// Whether rows have to be read again.
    pub(super) fn in_file(&self) -> bool {
        matches!(self.body, Body::File(_))
    }

    /// The row at a place that exists.
    pub(super) fn row(&self, at: usize) -> Read<Arc<Row>> {
        match &self.body {
            Body::Memory(rows) => Ok(Arc::clone(&rows[at])),
            Body::File(held) => {
                let values = held.read(at).map_err(|what| self.unreadable(at, &what))?;
                let entry = self.entries.get(at);
                let index = entry.map_or(at, |it| it.index as usize);
                let folder = entry.and_then(|it| self.folders.get(it.source as usize)).cloned();
                Ok(Arc::new(Row { values, index, folder }))
            }
        }
    }

    fn unreadable(&self, at: usize, what: &str) -> Box<Diagnostic> {
        let name = self.entry(at).and_then(|(_, source)| source);
        let name = name.map_or("rows that were set aside", |it| &**it);
        let message = format!("cannot read `{name}` again: {what}");
        let hint = "rows of large files are read when they are used: leave the file as it is";
        Box::new(Diagnostic::bare(DATA_IO, message).hint(hint))
    }
}

impl Held {
    fn read(&self, at: usize) -> Result<Record, String> {
        let (start, end) = (self.offsets[at], self.offsets[at + 1]);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(usize::MAX)];
        self.blob.read_at(start, &mut bytes).map_err(|error| error.to_string())?;
        let changed = || "the file has changed since it was opened".to_owned();
        let text = std::str::from_utf8(&bytes).map_err(|_| changed())?;
        reader::again(text, &self.form).ok_or_else(changed)
    }
}

/// Takes rows one after another; those beyond a bound go to a nameless file.
pub(super) struct Builder<'h> {
    host: Option<&'h dyn Host>,
    bound: u64,
    weight: u64,
    rows: Vec<Arc<Row>>,
    entries: Entries,
    sources: Vec<Arc<str>>,
    folders: Vec<Arc<str>>,
    columns: IndexSet<Arc<str>>,
    spilled: Option<Spill>,
}

struct Spill {
    file: Box<dyn Scratch>,
    offsets: Vec<u64>,
    end: u64,
}

impl<'h> Builder<'h> {
    /// Begins; without a host all rows are kept in memory.
    pub(super) fn new(host: Option<&'h dyn Host>, bound: u64) -> Self {
        Self {
            host,
            bound,
            weight: 0,
            rows: Vec::new(),
            entries: Entries::default(),
            sources: Vec::new(),
            folders: Vec::new(),
            columns: IndexSet::new(),
            spilled: None,
        }
    }

    /// How many rows there are so far.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number by which entries name a source.
    pub(super) fn source(&mut self, name: Option<&Arc<str>>) -> u32 {
        let Some(name) = name else { return u32::MAX };
        let known = self.sources.iter().rposition(|it| it == name);
        let at = known.unwrap_or_else(|| {
            self.sources.push(Arc::clone(name));
            self.folders.push(folder(name));
            self.sources.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A nameless file that cannot be written.
    pub(super) fn push(&mut self, values: Record, entry: Entry) -> io::Result<()> {
        self.entries.push(entry);
        note(&mut self.columns, &values);
        if let Some(spill) = &mut self.spilled {
            return spill.add(&Value::map(values));
        }
        self.weight +=
            values.iter().map(|(name, it)| name.len() as u64 + weight(it)).sum::<u64>();
        let folder = self.folders.get(entry.source as usize).cloned();
        self.rows.push(Arc::new(Row { values, index: entry.index as usize, folder }));
        match self.host {
            Some(host) if self.weight > self.bound => self.spill(host),
            Some(_) | None => Ok(()),
        }
    }

    fn spill(&mut self, host: &dyn Host) -> io::Result<()> {
        let mut spill = Spill { file: host.scratch()?, offsets: vec![0], end: 0 };
        for row in std::mem::take(&mut self.rows) {
            spill.add(&Value::map(row.values.clone()))?;
        }
        self.spilled = Some(spill);
        Ok(())
    }

    /// Ends.
    ///
    /// # Errors
    /// A nameless file that cannot be written.
    pub(super) fn finish(self) -> io::Result<Table> {
        let body = match self.spilled {
            None => Body::Memory(self.rows),
            Some(spill) => Body::File(Held {
                blob: spill.file.finish()?,
                offsets: spill.offsets,
                form: Form::Json,
            }),
        };
        let Self { entries, sources, folders, columns, .. } = self;
        Ok(Table { entries, sources, folders, columns, body })
    }
}

impl Spill {
    fn add(&mut self, row: &Value) -> io::Result<()> {
        let text = row.to_json();
        self.file.append(text.as_bytes())?;
        self.end += text.len() as u64;
        self.offsets.push(self.end);
        Ok(())
    }
}

/// The folder of a file.
fn folder(source: &str) -> Arc<str> {
    let parent = std::path::Path::new(source).parent();
    parent.map_or_else(Arc::default, |it| it.to_string_lossy().into())
}

fn note(columns: &mut IndexSet<Arc<str>>, values: &Record) {
    for name in values.keys() {
        if !columns.contains(name) {
            columns.insert(Arc::clone(name));
        }
    }
}

/// About how many bytes a value takes.
fn weight(value: &Value) -> u64 {
    16 + match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
        // Content is shared, and not set aside with its row.
        Value::Media(_) => 0,
        Value::Str(text) => text.len() as u64,
        Value::List(items) => items.iter().map(weight).sum(),
        Value::Map(entries) => {
            entries.iter().map(|(name, it)| name.len() as u64 + weight(it)).sum()
        }
    }
}

/// Notes where the rows of a file begin.
pub(super) struct Places {
    blob: Arc<dyn Blob>,
    entries: Entries,
    offsets: Vec<u64>,
    columns: IndexSet<Arc<str>>,
}

impl Places {
    pub(super) fn new(blob: Arc<dyn Blob>) -> Self {
        Self {
            blob,
            entries: Entries::default(),
            offsets: Vec::new(),
            columns: IndexSet::new(),
        }
    }

    /// How many rows there are so far.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes a row that begins at `offset` and goes up to the next, or to the end.
    pub(super) fn push(&mut self, values: &Record, entry: Entry, offset: u64) {
        note(&mut self.columns, values);
        self.entries.push(entry);
        self.offsets.push(offset);
    }

    pub(super) fn finish(mut self, source: Arc<str>, form: Form) -> Table {
        self.offsets.push(self.blob.size());
        self.entries.places.shrink_to_fit();
        self.offsets.shrink_to_fit();
        let body = Body::File(Held { blob: self.blob, offsets: self.offsets, form });
        let (folders, sources) = (vec![folder(&source)], vec![source]);
        Table { entries: self.entries, sources, folders, columns: self.columns, body }
    }
}
