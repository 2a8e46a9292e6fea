//! Rows: immutable, shared, and traceable to the line of the file they stand on.
//!
//! Every operation gives another data set; rows themselves are never copied. A row keeps the
//! index it got when its file was read, whatever is done to the set afterwards, so that scores
//! and demos can name it.

use crate::eval::Random;
use crate::program::row_hash;
use crate::schema::{Record, Row};
use crate::util::sha256_hex;
use indexmap::{IndexMap, IndexSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An immutable list of rows; clones are cheap.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    items: Arc<[Item]>,
}

/// A row and where it stands.
#[derive(Debug, Clone)]
struct Item {
    row: Arc<Row>,
    source: Option<Arc<str>>,
    /// The line in a file of lines, the place in a file that is one list; from 1.
    place: usize,
}

/// How much of a data set a part of a split gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// This part of the rows, between 0 and 1.
    Fraction(f64),
    /// This many rows.
    Count(usize),
}

impl Dataset {
    /// Returns a data set of these rows, numbered from 0.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Self {
        let rows = records.into_iter().enumerate().map(|(index, values)| (values, index + 1));
        Self::numbered(rows, None)
    }

    /// Returns a data set of rows with their places in `source`.
    pub(crate) fn numbered(
        rows: impl IntoIterator<Item = (Record, usize)>,
        source: Option<&Arc<str>>,
    ) -> Self {
        let item = |(index, (values, place))| Item {
            row: Arc::new(Row { values, index }),
            source: source.cloned(),
            place,
        };
        Self::of(rows.into_iter().enumerate().map(item).collect())
    }

    fn of(items: Vec<Item>) -> Self {
        Self { items: items.into() }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The row at this place of the set (which need not be the row's own index).
    pub fn get(&self, at: usize) -> Option<&Arc<Row>> {
        self.items.get(at).map(|item| &item.row)
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Row>> {
        self.items.iter().map(|item| &item.row)
    }

    /// All rows in order, shared.
    pub fn rows(&self) -> Vec<Arc<Row>> {
        self.iter().map(Arc::clone).collect()
    }

    /// Where the row at this place of the set comes from: `hotpot.jsonl:17`, or `row 3`.
    pub fn origin(&self, at: usize) -> Option<String> {
        let item = self.items.get(at)?;
        Some(match &item.source {
            Some(source) => format!("{source}:{}", item.place),
            None => format!("row {}", item.row.index),
        })
    }

    /// A hash of the content of all rows in order.
    pub fn hash(&self) -> String {
        let all: String = self.iter().map(|row| row_hash(row) + "\n").collect();
        let mut hash = sha256_hex(all.as_bytes());
        hash.truncate(16);
        hash
    }

    /// The columns of all rows, in order of first appearance.
    pub fn columns(&self) -> Vec<Arc<str>> {
        let mut seen = IndexSet::new();
        for row in self.iter() {
            seen.extend(row.values.keys().cloned());
        }
        seen.into_iter().collect()
    }

    /// The rows that `keep` wants.
    ///
    /// # Errors
    /// The first of `keep`.
    pub fn filter<E>(&self, mut keep: impl FnMut(&Row) -> Result<bool, E>) -> Result<Self, E> {
        let mut kept = Vec::new();
        for item in self.items.iter() {
            if keep(&item.row)? {
                kept.push(item.clone());
            }
        }
        Ok(Self::of(kept))
    }

    /// The rows with the columns that `change` gives; index and origin stay.
    ///
    /// # Errors
    /// The first of `change`.
    pub fn map<E>(&self, mut change: impl FnMut(&Row) -> Result<Record, E>) -> Result<Self, E> {
        let mut changed = Vec::with_capacity(self.len());
        for item in self.items.iter() {
            let row = Row { values: change(&item.row)?, index: item.row.index };
            changed.push(Item { row: Arc::new(row), ..item.clone() });
        }
        Ok(Self::of(changed))
    }

    /// The first of each group of equal rows.
    #[must_use]
    pub fn unique(&self) -> Self {
        let mut seen = BTreeSet::new();
        let first = |item: &&Item| seen.insert(row_hash(&item.row));
        Self::of(self.items.iter().filter(first).cloned().collect())
    }

    /// The rows in an order that the seed decides.
    #[must_use]
    pub fn shuffle(&self, seed: u64) -> Self {
        let mut items = self.items.to_vec();
        Random::new(seed, "shuffle").shuffle(&mut items);
        Self::of(items)
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
        Self::of(self.items.get(start.min(end)..end).unwrap_or_default().to_vec())
    }

    /// These rows and then those of `other`. Where indices would clash, those of `other`
    /// continue behind ours.
    #[must_use]
    pub fn concat(&self, other: &Self) -> Self {
        let ours: BTreeSet<usize> = self.iter().map(|row| row.index).collect();
        let clash = other.iter().any(|row| ours.contains(&row.index));
        let offset = if clash { ours.last().map_or(0, |last| last + 1) } else { 0 };
        let moved = other.items.iter().map(|item| {
            let row = Row { values: item.row.values.clone(), index: item.row.index + offset };
            let row = if offset == 0 { Arc::clone(&item.row) } else { Arc::new(row) };
            Item { row, ..item.clone() }
        });
        Self::of(self.items.iter().cloned().chain(moved).collect())
    }

    /// Splits the rows at random into parts of these sizes, in the order that the seed
    /// decides. Equal rows go into one part, so that nothing that was trained on is tested
    /// on; a part may therefore be a little larger than asked for.
    ///
    /// # Errors
    /// A fraction outside 0 to 1, or more rows wanted than there are.
    pub fn split(
        &self,
        parts: &[(&str, Share)],
        seed: u64,
    ) -> Result<IndexMap<String, Self>, String> {
        let sizes = self.sizes(parts)?;
        let mut groups: IndexMap<String, Vec<&Item>> = IndexMap::new();
        for item in self.items.iter() {
            groups.entry(row_hash(&item.row)).or_default().push(item);
        }
        let mut groups: Vec<Vec<&Item>> = groups.into_values().collect();
        Random::new(seed, "split").shuffle(&mut groups);
        let mut groups = groups.into_iter();
        let mut split = IndexMap::new();
        for ((name, _), size) in parts.iter().zip(sizes) {
            let mut items: Vec<Item> = Vec::new();
            while items.len() < size {
                let Some(group) = groups.next() else { break };
                items.extend(group.into_iter().cloned());
            }
            split.insert((*name).to_owned(), Self::of(items));
        }
        Ok(split)
    }

    /// How many rows each part gets.
    fn sizes(&self, parts: &[(&str, Share)]) -> Result<Vec<usize>, String> {
        let (mut whole, mut taken) = (0.0, 0);
        let mut sizes = Vec::new();
        for (name, share) in parts {
            let size = match share {
                Share::Count(count) => *count,
                Share::Fraction(part) if (0.0..=1.0).contains(part) => {
                    // Rounding sums and not parts: the parts of 1.0 are all rows.
                    let before = portion(self.len(), whole);
                    whole += part;
                    portion(self.len(), whole) - before
                }
                Share::Fraction(part) => {
                    return Err(format!("`{name}`: {part} is not between 0 and 1"));
                }
            };
            taken += size;
            sizes.push(size);
        }
        if whole > 1.0 + 1e-9 {
            return Err(format!("the fractions add up to {whole}"));
        }
        if taken > self.len() {
            return Err(format!("{taken} rows are wanted, there are {}", self.len()));
        }
        Ok(sizes)
    }
}

/// A part of `rows`, rounded.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rows are far fewer than 2^52 and the part is not negative"
)]
fn portion(rows: usize, part: f64) -> usize {
    (rows as f64 * part.min(1.0)).round() as usize
}

impl PartialEq for Dataset {
    /// Equal rows in equal order, wherever they come from.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}
