//! An evaluation as a table for spreadsheets, a row each.
//!
//! A text that a spreadsheet would take for a formula gets a quote before it: replies of models
//! and foreign data must not compute anything where they are looked at.

use crate::eval::tables::why;
use crate::eval::{Evaluation, RowResult};
use crate::schema::{Record, Value};
use indexmap::IndexSet;
use std::sync::Arc;

impl Evaluation {
    /// The rows as CSV with a head. Columns of the data keep their names; fields of the reply
    /// are `reply.NAME`, scores beside the one that counts `score.NAME`.
    pub fn to_csv(&self) -> String {
        let columns = names(self.rows.iter().map(|it| &it.row.values));
        let outcomes = self.rows.iter().filter_map(|it| it.outcome.as_ref());
        let fields = names(outcomes.map(|it| &it.reply));
        let mut out = csv::Writer::from_writer(Vec::new());
        let fixed = ["index", "origin", "score"].map(ToOwned::to_owned);
        let head = fixed.into_iter().chain(self.scores.keys().map(|it| format!("score.{it}")));
        let head =
            head.chain(["why", "calls", "tokens", "usd", "seconds"].map(ToOwned::to_owned));
        let head = head.chain(columns.iter().map(ToString::to_string));
        let head = head.chain(fields.iter().map(|it| format!("reply.{it}")));
        write(&mut out, head.map(|it| guarded(&it)));
        for row in &self.rows {
            write(&mut out, self.csv_row(row, &columns, &fields));
        }
        let bytes = out.into_inner().expect("a table is written to memory");
        String::from_utf8(bytes).expect("what was written is text")
    }

    fn csv_row(
        &self,
        row: &RowResult,
        columns: &IndexSet<Arc<str>>,
        fields: &IndexSet<Arc<str>>,
    ) -> Vec<String> {
        let outcome = row.outcome.as_ref();
        let number = |it: Option<f64>| it.map_or(String::new(), |it| it.to_string());
        let mut cells = vec![row.index.to_string(), guarded(&row.origin), number(row.value())];
        cells.extend(self.scores.keys().map(|name| number(row.named(name))));
        cells.push(guarded(why(row)));
        let tokens = outcome.map(|it| it.prompt_tokens + it.completion_tokens);
        let seconds = outcome.map(|it| it.latency.as_secs_f64());
        cells.push(outcome.map_or(String::new(), |it| it.calls.to_string()));
        cells.push(tokens.map_or(String::new(), |it| it.to_string()));
        cells.push(number(outcome.and_then(|it| it.cost.dollars())));
        cells.push(number(seconds));
        cells.extend(columns.iter().map(|name| cell(row.row.values.get(name))));
        let reply = |name: &Arc<str>| cell(outcome.and_then(|it| it.reply.get(name)));
        cells.extend(fields.iter().map(reply));
        cells
    }
}

fn write(out: &mut csv::Writer<Vec<u8>>, cells: impl IntoIterator<Item = String>) {
    out.write_record(cells).expect("rows of a table have as many cells as its head");
}

/// All names of some records, in order of first appearance.
fn names<'a>(records: impl Iterator<Item = &'a Record>) -> IndexSet<Arc<str>> {
    records.flat_map(|it| it.keys().cloned()).collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(number @ (Value::Int(_) | Value::Float(_))) => number.to_string(),
        Some(other) => guarded(&other.to_string()),
    }
}

/// Text that no spreadsheet computes. A number is none that it would.
fn guarded(text: &str) -> String {
    let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if computes && text.parse::<f64>().is_err() { format!("'{text}") } else { text.to_owned() }
}
