//! Rows: immutable, shared, and traceable to the line of the file they stand on.
//!
//! Every operation gives another data set, which is a list of places in the same tables; rows
//! themselves are never copied. A row keeps the index it got when its file was read, whatever
//! is done to the set afterwards, so that scores and demos can name it. Operations that look
//! at rows may fail: rows of large files are read when they are used.

use crate::data::table::{Builder, Entry, IN_MEMORY, Read, Table};
use crate::diag::Diagnostic;
use crate::host::Host;
use crate::program::row_hash;
use crate::schema::{Record, Row};
use crate::util::{Random, hex};
use indexmap::IndexSet;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// An immutable list of rows; clones are cheap.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    parts: Arc<[Part]>,
    picks: Picks,
}

/// Which rows, in order: places in all parts, one after the other.
#[derive(Debug, Clone)]
enum Picks {
    /// The first ones.
    First(u32),
    /// These.
    These(Arc<[u32]>),
}

impl Default for Picks {
    fn default() -> Self {
        Self::First(0)
    }
}

impl Picks {
    fn len(&self) -> usize {
        match self {
            Self::First(count) => *count as usize,
            Self::These(picks) => picks.len(),
        }
    }

    fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::First(count) => (at < *count as usize).then(|| small(at)),
            Self::These(picks) => picks.get(at).copied(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// A table and how its rows are called here.
#[derive(Debug, Clone)]
struct Part {
    table: Arc<Table>,
    /// The place of its first row among those of all parts.
    start: usize,
    /// What is added to the indices of its rows.
    shift: usize,
}

impl Dataset {
    /// Returns a data set of these rows, numbered from 0.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Self {
        let mut builder = Builder::new(None, 0);
        for (index, values) in records.into_iter().enumerate() {
            let entry =
                Entry { index: small(index), place: small(index + 1), source: u32::MAX };
            builder.push(values, entry).expect("memory takes all");
        }
        Self::of(builder.finish().expect("memory takes all"))
    }

    /// All rows of a table.
    pub(super) fn of(table: Table) -> Self {
        let picks = Picks::First(small(table.len()));
        Self { parts: [Part { table: table.into(), start: 0, shift: 0 }].into(), picks }
    }

    fn picked(&self, picks: impl Into<Arc<[u32]>>) -> Self {
        Self { parts: Arc::clone(&self.parts), picks: Picks::These(picks.into()) }
    }

    /// The rows at these places of the set.
    pub(super) fn at(&self, places: impl IntoIterator<Item = usize>) -> Self {
        self.picked(
            places.into_iter().filter_map(|at| self.picks.get(at)).collect::<Vec<u32>>(),
        )
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.picks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether some rows are in a file, and are read when they are used.
    pub fn in_file(&self) -> bool {
        self.parts.iter().any(|part| part.table.in_file())
    }

    /// The part that the row at this place of the set stands in, and where.
    fn locate(&self, at: usize) -> Option<(&Part, usize)> {
        let pick = self.picks.get(at)? as usize;
        let part = self.parts.partition_point(|part| part.start <= pick).checked_sub(1)?;
        let part = &self.parts[part];
        Some((part, pick - part.start))
    }

    /// The row at this place of the set (which need not be the row's own index).
    ///
    /// # Errors
    /// A file that cannot be read again.
    pub fn get(&self, at: usize) -> Option<Read<Arc<Row>>> {
        let (part, at) = self.locate(at)?;
        let shifted = |row: Arc<Row>| match part.shift {
            0 => row,
            shift => Arc::new(Row { index: row.index + shift, ..(*row).clone() }),
        };
        Some(part.table.row(at).map(shifted))
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Read<Arc<Row>>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// All rows in order, in memory.
    ///
    /// # Errors
    /// A file that cannot be read again.
    pub fn rows(&self) -> Read<Vec<Arc<Row>>> {
        self.iter().collect()
    }

    /// The own index of the row at this place of the set.
    pub fn index(&self, at: usize) -> Option<usize> {
        let (part, at) = self.locate(at)?;
        Some(part.table.entry(at)?.0.index as usize + part.shift)
    }

    /// Where the row at this place of the set comes from: `hotpot.jsonl:17`, or `row 3`.
    pub fn origin(&self, at: usize) -> Option<String> {
        let (part, at) = self.locate(at)?;
        let (entry, source) = part.table.entry(at)?;
        Some(match source {
            Some(source) => format!("{source}:{}", entry.place),
            None => format!("row {}", entry.index as usize + part.shift),
        })
    }

    /// A hash of the content of all rows in order.
    ///
    /// # Errors
    /// A file that cannot be read again.
    pub fn hash(&self) -> Read<String> {
        let mut hash = Sha256::new();
        for row in self.iter() {
            hash.update(row_hash(&*row?) + "\n");
        }
        let mut hash = hex(&hash.finalize());
        hash.truncate(16);
        Ok(hash)
    }

    /// The columns of all rows, in order of first appearance; of rows in a file those of the
    /// whole file.
    pub fn columns(&self) -> Vec<Arc<str>> {
        if self.in_file() {
            let all = self.parts.iter().flat_map(|part| part.table.columns().iter().cloned());
            return all.collect::<IndexSet<_>>().into_iter().collect();
        }
        let mut seen = IndexSet::new();
        for row in self.iter().flatten() {
            seen.extend(row.values.keys().cloned());
        }
        seen.into_iter().collect()
    }

    /// The rows that `keep` wants.
    ///
    /// # Errors
    /// The first of `keep`, and a file that cannot be read again.
    pub fn filter<E: From<Box<Diagnostic>>>(
        &self,
        mut keep: impl FnMut(&Arc<Row>) -> Result<bool, E>,
    ) -> Result<Self, E> {
        let mut kept = Vec::new();
        for (row, pick) in self.iter().zip(self.picks.iter()) {
            if keep(&row?)? {
                kept.push(pick);
            }
        }
        Ok(self.picked(kept))
    }

    /// The rows with the columns that `change` gives; index and origin stay. Where they take
    /// much memory they go to a nameless file of the host.
    ///
    /// # Errors
    /// The first of `change`, and files that cannot be read again or written.
    pub fn map<E: From<Box<Diagnostic>>>(
        &self,
        host: &dyn Host,
        change: impl FnMut(&Arc<Row>) -> Result<Record, E>,
    ) -> Result<Self, E> {
        self.map_within(host, IN_MEMORY, change)
    }

    /// As [`Dataset::map`], with another bound for what is kept in memory.
    ///
    /// # Errors
    /// As there.
    pub fn map_within<E: From<Box<Diagnostic>>>(
        &self,
        host: &dyn Host,
        bound: u64,
        mut change: impl FnMut(&Arc<Row>) -> Result<Record, E>,
    ) -> Result<Self, E> {
        let mut builder = Builder::new(Some(host), bound);
        for (at, row) in self.iter().enumerate() {
            let row = row?;
            let values = change(&row)?;
            let (place, source) = self
                .locate(at)
                .and_then(|(part, at)| part.table.entry(at))
                .map_or((0, None), |(entry, source)| (entry.place, source));
            let source = builder.source(source);
            let entry = Entry { index: small(row.index), place, source };
            builder.push(values, entry).map_err(|error| cannot_set_aside(&error))?;
        }
        Ok(Self::of(builder.finish().map_err(|error| cannot_set_aside(&error))?))
    }

    /// The first of each group of equal rows.
    ///
    /// # Errors
    /// A file that cannot be read again.
    pub fn unique(&self) -> Read<Self> {
        let mut seen = BTreeSet::new();
        self.filter(|row| Ok(seen.insert(row_hash(row))))
    }

    /// The rows in an order that the seed decides.
    #[must_use]
    pub fn shuffle(&self, seed: u64) -> Self {
        let mut picks: Vec<u32> = self.picks.iter().collect();
        Random::new(seed, "shuffle").shuffle(&mut picks);
        self.picked(picks)
    }

    /// The first `count` rows, or all of them.
    #[must_use]
    pub fn take(&self, count: usize) -> Self {
        self.slice(0, count)
    }

    /// The rows from `start` up to, and without, `end`; what lies beyond the last is left out.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let end = end.min(self.len());
        self.at(start.min(end)..end)
    }

    /// These rows and then those of `other`. Where indices would clash, those of `other`
    /// continue behind ours.
    #[must_use]
    pub fn concat(&self, other: &Self) -> Self {
        let index = |data: &Self, at| data.index(at).unwrap_or_default();
        let ours: BTreeSet<usize> = (0..self.len()).map(|at| index(self, at)).collect();
        let clash = (0..other.len()).any(|at| ours.contains(&index(other, at)));
        let shift = if clash { ours.last().map_or(0, |last| last + 1) } else { 0 };
        let end = self.parts.last().map_or(0, |part| part.start + part.table.len());
        let moved = other.parts.iter().map(|part| Part {
            start: part.start + end,
            shift: part.shift + shift,
            ..part.clone()
        });
        let picks = other.picks.iter().map(|pick| pick + small(end));
        Self {
            parts: self.parts.iter().cloned().chain(moved).collect(),
            picks: Picks::These(self.picks.iter().chain(picks).collect()),
        }
    }
}

/// Rows that do not fit memory cannot be put anywhere.
fn cannot_set_aside(error: &io::Error) -> Box<Diagnostic> {
    let message = format!("cannot set rows aside in a file: {error}");
    Box::new(Diagnostic::bare(super::reader::DATA_IO, message))
}

/// A number of a row; more than four thousand million rows are no data set of ours.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl PartialEq for Dataset {
    /// Equal rows in equal order, wherever they come from.
    fn eq(&self, other: &Self) -> bool {
        let same = |(a, b): (Read<Arc<Row>>, Read<Arc<Row>>)| matches!((a, b), (Ok(a), Ok(b)) if a == b);
        self.len() == other.len() && self.iter().zip(other.iter()).all(same)
    }
}
