//! What was confused with what: an output that is one of some values, and its label.

use crate::eval::{Evaluation, RowResult};
use crate::schema::Value;
use std::sync::Arc;

/// What stands where no value of the output came.
const FAILED: &str = "(failed)";

/// How often each label was answered with each value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confusion {
    /// The output.
    pub(crate) output: Arc<str>,
    /// The column that holds its label.
    pub(crate) column: Arc<str>,
    /// The values, in the order of the type; others that occurred follow.
    pub(crate) values: Vec<String>,
    /// How many of them the type has.
    pub(crate) n_known: usize,
    /// By label, then by answer: how many rows.
    pub(crate) counts: Vec<Vec<usize>>,
}

/// How well one value was told from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PerLabel {
    /// Rows with this label.
    pub(crate) rows: usize,
    /// Of the rows answered so, the part that was right; `None` where none was.
    pub(crate) precision: Option<f64>,
    /// Of the rows with the label, the part that was answered so; `None` where there is none.
    pub(crate) recall: Option<f64>,
}

/// A confusion for each output that has one.
pub(crate) fn confusions(of: &Evaluation) -> Vec<Confusion> {
    let outputs = of.subject.classes.iter();
    outputs.filter_map(|(output, values)| confusion(of, output, values)).collect()
}

fn confusion(of: &Evaluation, output: &Arc<str>, values: &[Value]) -> Option<Confusion> {
    let column = label_column(of, output, values)?;
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    let n_known = values.len();
    let mut found =
        Confusion { output: output.clone(), column, values, n_known, counts: Vec::new() };
    let mut pairs = Vec::new();
    for row in &of.rows {
        if let Some((label, answer)) = found.pair(row) {
            pairs.push((found.place(label), found.place(answer)));
        }
    }
    found.counts = vec![vec![0; found.values.len()]; found.values.len()];
    for (label, answer) in pairs {
        found.counts[label][answer] += 1;
    }
    found.counts.iter().flatten().any(|it| *it > 0).then_some(found)
}

/// The column with the labels of an output: the one of its name, else the only one that holds
/// nothing but its values.
fn label_column(of: &Evaluation, output: &Arc<str>, values: &[Value]) -> Option<Arc<str>> {
    let inputs = &of.subject.inputs;
    let first = of.rows.first()?;
    let columns = || first.row.values.keys().filter(|it| !inputs.contains(it));
    if let Some(same) = columns().find(|it| *it == output) {
        return Some(same.clone());
    }
    let holds = |name: &&Arc<str>| {
        of.rows.iter().all(|it| it.row.values.get(*name).is_some_and(|it| values.contains(it)))
    };
    let mut fitting = columns().filter(holds);
    fitting.next().filter(|_| fitting.next().is_none()).cloned()
}

impl Confusion {
    /// The label of a row and what was answered.
    fn pair(&self, row: &RowResult) -> Option<(String, String)> {
        let outcome = row.outcome.as_ref().filter(|it| it.value().is_some())?;
        let label = row.row.values.get(&self.column).filter(|it| !it.is_null())?;
        let answer = outcome.reply.get(&self.output);
        Some((label.to_string(), answer.map_or(FAILED.to_owned(), ToString::to_string)))
    }

    fn place(&mut self, value: String) -> usize {
        let known = self.values.iter().position(|it| *it == value);
        known.unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - 1
        })
    }

    /// How well the value at a place was told from the others.
    pub(crate) fn per_label(&self, at: usize) -> PerLabel {
        let rows: usize = self.counts[at].iter().sum();
        let answered: usize = self.counts.iter().map(|row| row[at]).sum();
        #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
        let part = |of: usize| (of > 0).then(|| self.counts[at][at] as f64 / of as f64);
        PerLabel { rows, precision: part(answered), recall: part(rows) }
    }

    /// Labels and wrong answers to them, the most frequent first.
    pub(crate) fn mistakes(&self) -> Vec<(&str, &str, usize)> {
        let mut found = Vec::new();
        for (label, counts) in self.counts.iter().enumerate() {
            for (answer, count) in counts.iter().enumerate() {
                if label != answer && *count > 0 {
                    found.push((&*self.values[label], &*self.values[answer], *count));
                }
            }
        }
        found.sort_by_key(|it| std::cmp::Reverse(it.2));
        found
    }
}
