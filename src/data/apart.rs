//! Parts of data that are to have nothing in common: what they share, and rows held back.
//!
//! Rows are equal by text: their inputs as people read them, whatever the case and the spaces.
//! What else stands in a row, such as a label, does not make two rows of one input different.

use crate::data::check::plural;
use crate::data::near::Near;
use crate::data::profile::{self, words};
use crate::data::roles;
use crate::data::table::Read;
use crate::data::{Dataset, Share, SplitOptions};
use crate::schema::Record;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows beyond this many are not compared with near ones: that takes time with every compile.
const NEAR_ROWS: usize = 20_000;
/// How many places a finding names.
const NAMED: usize = 3;
/// A label is one of a few: at most one value for so many rows.
const ROWS_PER_LABEL: usize = 4;

/// What two parts share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The names of the two parts.
    pub parts: (String, String),
    /// How many rows of the second have inputs of the first.
    pub rows: usize,
    /// Where the first of them stand: in the second part, and in the first.
    pub places: Vec<(String, String)>,
}

/// Finds rows of equal inputs in different parts. The columns that make rows equal are
/// `inputs`; by their usual names where that is empty.
///
/// # Errors
/// A file that cannot be read again.
pub fn shared(parts: &[(&str, &Dataset)], inputs: &[String]) -> Read<Vec<Shared>> {
    let mut known: IndexMap<String, Vec<(usize, usize)>> = IndexMap::new();
    let mut found: IndexMap<(usize, usize), Shared> = IndexMap::new();
    for (at, (name, data)) in parts.iter().enumerate() {
        let columns = columns(data, inputs);
        let mut own: IndexMap<String, (usize, usize)> = IndexMap::new();
        for (row, values) in data.iter().enumerate() {
            let Some(key) = key(&values?.values, &columns) else { continue };
            for (part, other) in known.get(&key).into_iter().flatten() {
                let (first, data_of_first) = parts[*part];
                let entry = found.entry((*part, at)).or_insert_with(|| Shared {
                    parts: (first.to_owned(), (*name).to_owned()),
                    rows: 0,
                    places: Vec::new(),
                });
                entry.rows += 1;
                if entry.places.len() < NAMED {
                    entry
                        .places
                        .push((place(name, data, row), place(first, data_of_first, *other)));
                }
            }
            own.entry(key).or_insert((at, row));
        }
        own.into_iter().for_each(|(key, it)| known.entry(key).or_default().push(it));
    }
    Ok(found.into_values().collect())
}

/// How many rows have nearly the inputs of rows of other parts, and where the first such pair
/// stands; nothing where most rows follow a few patterns, or where there are very many.
///
/// # Errors
/// A file that cannot be read again.
pub fn nearly_shared(
    parts: &[(&str, &Dataset)],
    inputs: &[String],
) -> Read<Option<(usize, (String, String))>> {
    let all: usize = parts.iter().map(|it| it.1.len()).sum();
    if all > NEAR_ROWS {
        return Ok(None);
    }
    let (mut near, mut of, mut seen) = (Near::default(), Vec::new(), BTreeSet::new());
    for (at, (_, data)) in parts.iter().enumerate() {
        let columns = columns(data, inputs);
        for (row, values) in data.iter().enumerate() {
            let values = &values?.values;
            if key(values, &columns).is_some_and(|key| seen.insert(key)) {
                let texts = columns.iter().filter_map(|name| values.get(name)).map(words);
                near.add(of.len(), &texts.collect::<Vec<_>>().join(" "));
            }
            of.push((at, row));
        }
    }
    let spans = |rows: &Vec<usize>| rows.iter().any(|row| of[*row].0 != of[rows[0]].0);
    let groups: Vec<Vec<usize>> = near.groups().into_iter().filter(spans).collect();
    let count: usize = groups.iter().map(Vec::len).sum();
    let Some(first) = groups.first().filter(|_| count * 2 <= all) else { return Ok(None) };
    let other = first.iter().find(|row| of[**row].0 != of[first[0]].0).unwrap_or(&first[0]);
    let named = |row: usize| {
        let (part, row) = of[row];
        place(parts[part].0, parts[part].1, row)
    };
    Ok(Some((count, (named(first[0]), named(*other)))))
}

/// Says how many rows of a part are meant.
pub(crate) fn rows(count: usize) -> String {
    plural(count, "row")
}

/// Where a row stands: `train.jsonl:17`; rows that came from no file by their part.
fn place(name: &str, data: &Dataset, row: usize) -> String {
    let origin = data.origin(row).unwrap_or_default();
    if origin.starts_with("row ") { format!("{origin} of {name}") } else { origin }
}

/// The columns that make rows equal.
fn columns(data: &Dataset, inputs: &[String]) -> Vec<Arc<str>> {
    let all = data.columns();
    let named: Vec<Arc<str>> =
        all.iter().filter(|it| inputs.iter().any(|name| **name == ***it)).cloned().collect();
    let mut columns = if named.is_empty() { roles::inputs(&all, &[]) } else { named };
    columns.sort_unstable();
    columns
}

/// The inputs of a row as people read them; nothing for a row that says nothing.
fn key(values: &Record, columns: &[Arc<str>]) -> Option<String> {
    let mut key = String::new();
    for name in columns {
        let text = values.get(name).map(words).unwrap_or_default().to_lowercase();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !words.is_empty() {
            key += &format!("{name}\u{1f}{words}\u{1e}");
        }
    }
    (!key.is_empty()).then_some(key)
}

impl Dataset {
    /// Holds a part of the rows back: what is left, and what was held back. Rows of equal inputs
    /// stay together, and each label has its share of both, where the labels are few.
    ///
    /// # Errors
    /// A file that cannot be read again, and rows that cannot be torn apart.
    pub fn hold_back(&self, share: f64, seed: u64, inputs: &[String]) -> Read<(Self, Self)> {
        let parts = [("rest", Share::Fraction(1.0 - share)), ("held", Share::Fraction(share))];
        let columns = columns(self, inputs);
        let options = SplitOptions {
            seed,
            by: self.few_labels(&columns)?,
            group: None,
            inputs: columns.iter().map(ToString::to_string).collect(),
        };
        let mut split = self.split(&parts, &options)?;
        let mut part = |name| split.swap_remove(name).unwrap_or_default();
        let (rest, held) = (part("rest"), part("held"));
        // What is only written differently is as good as equal.
        let mut seen = BTreeSet::new();
        for row in rest.iter() {
            seen.extend(key(&row?.values, &columns));
        }
        let mut fresh = Vec::new();
        for (at, row) in held.iter().enumerate() {
            if key(&row?.values, &columns).is_none_or(|key| !seen.contains(&key)) {
                fresh.push(at);
            }
        }
        let held = if fresh.len() == held.len() { held } else { held.at(fresh) };
        Ok((rest, held))
    }

    /// The column of labels, where they are few enough to give each its share.
    fn few_labels(&self, inputs: &[Arc<str>]) -> Read<Option<String>> {
        let columns: Vec<Arc<str>> =
            self.columns().into_iter().filter(|it| !inputs.contains(it)).collect();
        let Some(label) = profile::label(&columns).or_else(|| only(&columns)) else {
            return Ok(None);
        };
        let mut values = BTreeSet::new();
        for row in self.iter() {
            values.insert(row?.values.get(&label).map(ToString::to_string));
        }
        let few = values.len() * ROWS_PER_LABEL <= self.len();
        Ok(few.then(|| label.to_string()))
    }
}

/// The column that is left beside inputs and numbers of rows, if it is one.
fn only(columns: &[Arc<str>]) -> Option<Arc<str>> {
    let mut rest = columns.iter().filter(|it| !roles::is_number(it));
    rest.next().filter(|_| rest.next().is_none()).cloned()
}
