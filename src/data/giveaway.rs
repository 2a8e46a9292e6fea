//! Columns that give the label away.
//!
//! A column determines the label when the label of a row can be told from other rows with the
//! same value; each row is left out of what it is told by, so that values that stand once tell
//! nothing. It contains the label when the label's own words stand in it, and not just as often
//! as those of other labels.

use crate::data::profile::{hash, words};
use crate::schema::{Record, Value};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels by value of a column: how often each.
type Counts = BTreeMap<u64, BTreeMap<u32, u32>>;

/// How much of what guessing the most common label leaves open must be told.
const TELLS: f64 = 0.98;
/// A column with more different values than this, most of them single, is a text.
const MOST: usize = 2_000;

/// Collects rows.
#[derive(Debug)]
pub(super) struct Giveaways {
    label: Arc<str>,
    labels: IndexMap<String, usize>,
    columns: IndexMap<Arc<str>, Told>,
    rows: usize,
    /// The label of the row before that had another.
    other: String,
    last: String,
}

#[derive(Debug, Default)]
struct Told {
    /// None where the values are too many.
    counts: Option<Counts>,
    filled: usize,
    /// Rows that hold the words of their label, and of another.
    own: usize,
    other: usize,
    /// Rows whose label is long enough to be looked for.
    looked: usize,
}

/// What a column does to the label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gives {
    /// It tells the label of this share of the rows.
    Determines(f64),
    /// It holds the label's words in this share of the rows.
    Contains(f64),
}

impl Giveaways {
    /// Looks at these columns.
    pub(super) fn new(label: &Arc<str>, columns: &[Arc<str>]) -> Self {
        let told = || Told { counts: Some(Counts::new()), ..Told::default() };
        let columns = columns.iter().filter(|it| *it != label);
        Self {
            label: Arc::clone(label),
            labels: IndexMap::new(),
            columns: columns.map(|it| (Arc::clone(it), told())).collect(),
            rows: 0,
            other: String::new(),
            last: String::new(),
        }
    }

    pub(super) fn add(&mut self, values: &Record) {
        let Some(label) = values.get(&self.label).filter(|it| !it.is_null()) else { return };
        let text = match label {
            Value::Str(text) => text.trim().to_lowercase(),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => label.to_json(),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Media(_) => return,
        };
        self.rows += 1;
        if text != self.last {
            self.other = std::mem::replace(&mut self.last, text.clone());
        }
        let entry = self.labels.entry(text.clone());
        let id = super::dataset::small(entry.index());
        *entry.or_insert(0) += 1;
        let telling = text.chars().count() >= 3 && text.chars().any(char::is_alphabetic);
        for (name, told) in &mut self.columns {
            let Some(value) = values.get(name).filter(|it| !it.is_null()) else { continue };
            told.filled += 1;
            told.count(value, id);
            if telling && !matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_)) {
                let lower = words(value).to_lowercase();
                told.looked += 1;
                told.own += usize::from(holds(&lower, &text));
                told.other += usize::from(holds(&lower, &self.other));
            }
        }
    }

    /// The labels and how often each stands, where they are classes: few, with many rows each.
    pub(super) fn classes(&self) -> Option<&IndexMap<String, usize>> {
        let few = self.labels.len() >= 2 && self.labels.len() * 10 <= self.rows;
        few.then_some(&self.labels)
    }

    /// The columns that give the label away.
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
    pub(super) fn found(&self) -> Vec<(Arc<str>, Gives)> {
        let most = self.labels.values().max().copied().unwrap_or_default();
        let base = most as f64 / self.rows.max(1) as f64;
        let gives = |told: &Told| {
            let share = told.told() as f64 / told.filled.max(1) as f64;
            let classes = self.classes().is_some() && told.filled * 2 >= self.rows;
            if classes && self.rows >= 20 && share >= base + TELLS * (1.0 - base) && base < 1.0
            {
                return Some(Gives::Determines(share));
            }
            let own = told.own as f64 / told.looked.max(1) as f64;
            let wanted = if self.classes().is_some() { 0.5 } else { 0.9 };
            let holds = told.looked >= 10 && told.looked * 2 >= self.rows && own >= wanted;
            (holds && told.own >= 3 * told.other).then_some(Gives::Contains(own))
        };
        let found = self.columns.iter().filter_map(|(name, told)| Some((name, gives(told)?)));
        found.map(|(name, gives)| (Arc::clone(name), gives)).collect()
    }
}

impl Told {
    fn count(&mut self, value: &Value, label: u32) {
        let Some(counts) = &mut self.counts else { return };
        *counts.entry(hash(&value.to_json())).or_default().entry(label).or_insert(0) += 1;
        if counts.len() > MOST && counts.len() * 2 > self.filled {
            self.counts = None;
        }
    }

    /// How many rows have their label told by other rows.
    fn told(&self) -> usize {
        let told = |labels: &BTreeMap<u32, u32>| {
            let mut right = 0;
            for (label, count) in labels {
                let others = labels.iter().filter(|(it, _)| *it != label).map(|(_, it)| *it);
                if count - 1 > others.max().unwrap_or(0) {
                    right += *count as usize;
                }
            }
            right
        };
        self.counts.iter().flat_map(BTreeMap::values).map(told).sum()
    }
}

/// Whether a text holds these words as whole words.
fn holds(text: &str, words: &str) -> bool {
    let part = |ch: Option<char>| ch.is_some_and(char::is_alphanumeric);
    !words.is_empty()
        && text.match_indices(words).any(|(at, _)| {
            !part(text[..at].chars().next_back())
                && !part(text[at + words.len()..].chars().next())
        })
}
