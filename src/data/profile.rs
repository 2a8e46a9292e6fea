//! What stands in the columns of rows: types, gaps, lengths.

use crate::data::table::Read;
use crate::data::{Dataset, roles};
use crate::schema::{Record, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands in a column.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// How often each kind of value stands there, nothing left out.
    pub kinds: IndexMap<&'static str, usize>,
    /// The first row with each kind.
    pub first: IndexMap<&'static str, usize>,
    /// Rows where it is filled.
    pub filled: usize,
    /// Different values, up to [`Column::MOST`].
    pub distinct: usize,
    /// How long its texts are: row and characters.
    pub(super) lengths: Vec<(u32, u32)>,
    seen: BTreeSet<u64>,
}

impl Column {
    /// Where counting of different values ends.
    pub const MOST: usize = 100_000;

    fn add(&mut self, row: usize, value: &Value) {
        let kind = value.kind();
        *self.kinds.entry(kind).or_insert(0) += 1;
        self.first.entry(kind).or_insert(row);
        self.filled += 1;
        if self.seen.len() < Self::MOST {
            self.seen.insert(hash(&value.to_json()));
            self.distinct = self.seen.len();
        }
        let Value::Str(text) = value else { return };
        let length = text.chars().count();
        self.lengths.push((super::dataset::small(row), super::dataset::small(length)));
    }

    /// The shortest, the middle and the longest length of its texts.
    pub fn range(&self) -> Option<(u32, u32, u32)> {
        let mut lengths: Vec<u32> = self.lengths.iter().map(|it| it.1).collect();
        lengths.sort_unstable();
        Some((*lengths.first()?, lengths[lengths.len() / 2], *lengths.last()?))
    }

    /// Whether it holds texts that people write, not names of classes.
    pub(super) fn is_text(&self) -> bool {
        let all: u64 = self.lengths.iter().map(|it| u64::from(it.1)).sum();
        !self.lengths.is_empty() && all / self.lengths.len() as u64 >= 20
    }

    /// The kinds as words: ints stand beside floats.
    pub fn types(&self) -> Vec<&'static str> {
        let float = self.kinds.contains_key("float");
        self.kinds.keys().copied().filter(|kind| !(float && *kind == "int")).collect()
    }
}

/// Whether a value says nothing: `()`, or a text of spaces.
pub(super) fn is_missing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Str(text)) => text.trim().is_empty(),
        Some(Value::Bool(_) | Value::Int(_) | Value::Float(_)) => false,
        Some(Value::List(_) | Value::Map(_) | Value::Media(_)) => false,
    }
}

/// Looks at all columns of a data set, in order of first appearance.
///
/// # Errors
/// A file that cannot be read again.
pub fn profile(data: &Dataset) -> Read<IndexMap<Arc<str>, Column>> {
    let mut columns: IndexMap<Arc<str>, Column> =
        data.columns().into_iter().map(|name| (name, Column::default())).collect();
    for (at, row) in data.iter().enumerate() {
        add(&mut columns, at, &row?.values);
    }
    Ok(columns)
}

/// Adds a row.
pub(super) fn add(columns: &mut IndexMap<Arc<str>, Column>, at: usize, values: &Record) {
    for (name, value) in values.iter().filter(|(_, value)| !is_missing(Some(value))) {
        columns.entry(Arc::clone(name)).or_default().add(at, value);
    }
}

/// A hash of a text that is the same on every machine (FNV-1a, mixed once more).
pub(super) fn hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The texts and numbers in a value, one after the other.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Str(text) => text.to_string(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => value.to_json(),
        Value::Media(_) => value.to_string(),
        Value::List(items) => items.iter().map(words).collect::<Vec<_>>().join(" "),
        Value::Map(entries) => entries.values().map(words).collect::<Vec<_>>().join(" "),
    }
}

/// The columns of labels, the one that counts first.
pub(super) fn label(columns: &[Arc<str>]) -> Option<Arc<str>> {
    let place = |name: &&Arc<str>| roles::label_rank(name);
    columns.iter().filter(|it| place(it).is_some()).min_by_key(place).cloned()
}
