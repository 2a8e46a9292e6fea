//! What columns are for: inputs, labels, or numbers of rows.
//!
//! A data set does not say it. Who knows it better says so; otherwise the usual names decide.

use crate::diag::did_you_mean;
use crate::schema::{Record, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Names that a label usually has, the likeliest first.
const LABELS: &[&str] = &[
    "label",
    "answer",
    "target",
    "output",
    "labels",
    "answers",
    "targets",
    "outputs",
    "class",
    "category",
    "intent",
    "expected",
    "gold",
    "completion",
    "response",
    "solution",
    "reasoning",
];

/// Names of columns that number rows.
const NUMBERS: &[&str] = &["id", "idx", "index", "key", "guid", "uid", "uuid"];

/// Whether a column is usually a label, by its name.
pub(super) fn is_label(name: &str) -> bool {
    LABELS.contains(&name.to_ascii_lowercase().as_str())
}

/// How likely a column is the label that counts, by its name: 0 is the likeliest.
pub(super) fn label_rank(name: &str) -> Option<usize> {
    LABELS.iter().position(|it| *it == name.to_ascii_lowercase())
}

/// Whether a column only numbers rows, by its name.
pub(super) fn is_number(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NUMBERS.contains(&name.as_str()) || name.ends_with("_id") || name.starts_with("_")
}

/// The columns that are inputs: all but labels, numbers and those left out; all columns where
/// nothing else is left.
pub(super) fn inputs(columns: &[Arc<str>], except: &[&str]) -> Vec<Arc<str>> {
    let wanted = |it: &&Arc<str>| !is_label(it) && !is_number(it) && !except.contains(&&***it);
    let inputs: Vec<Arc<str>> = columns.iter().filter(wanted).cloned().collect();
    if inputs.is_empty() { columns.to_vec() } else { inputs }
}

/// Checks that a column that somebody names is there.
pub(super) fn known(what: &str, name: &str, columns: &[Arc<str>]) -> Result<(), String> {
    if columns.iter().any(|it| **it == *name) {
        return Ok(());
    }
    let near = did_you_mean(name, columns.iter().map(|it| &**it));
    let near = if near.is_empty() { String::new() } else { format!(" ({near})") };
    Err(format!("`{what}`: there is no column `{name}`{near}"))
}

/// A hash of some columns of a row, whatever their order; what is left out is nothing.
pub(super) fn hash(record: &Record, columns: &[Arc<str>]) -> u64 {
    let part: Record = columns
        .iter()
        .filter_map(|name| Some((Arc::clone(name), record.get(name)?.clone())))
        .filter(|(_, value)| *value != Value::Null)
        .collect();
    let text = crate::program::record_text(&part);
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}
