//! Tables of a report, for a terminal of some width.

use crate::eval::confusion::{Confusion, confusions};
use crate::eval::{Evaluation, RowResult};
use crate::render::{Align, Table};
use crate::schema::{Record, Value};

/// The width where nothing says how wide the terminal is.
pub(crate) const WIDTH: usize = 100;
/// How many of the rows that scored lowest are shown.
const WORST: usize = 10;
/// The most values that a confusion is drawn for; of more, only mistakes are listed.
const DRAWN: usize = 8;
/// How many kinds of mistakes are listed.
const LISTED: usize = 8;

/// What was confused with what, and the rows that scored lowest; empty when there is nothing
/// to show.
pub(crate) fn tables(of: &Evaluation, width: usize) -> String {
    let confusions: String = confusions(of).iter().map(|it| confused(it, width)).collect();
    format!("{confusions}{}", worst(of, width))
}

fn confused(of: &Confusion, width: usize) -> String {
    let title = format!("\n`{}` against column `{}`\n", of.output, of.column);
    if of.values.len() > DRAWN {
        return format!("{title}{}", mistakes(of, width));
    }
    let mut columns = vec![("labelled", Align::Left)];
    columns.extend(of.values.iter().map(|it| (it.as_str(), Align::Right)));
    columns.extend([("precision", Align::Right), ("recall", Align::Right)]);
    let mut table = Table::new(columns);
    for (at, label) in of.values.iter().enumerate() {
        let each = of.per_label(at);
        // What only occurs as an answer, such as a failure, has a column and no row.
        if each.rows == 0 && at >= of.n_known {
            continue;
        }
        let counts =
            of.counts[at].iter().map(|it| if *it == 0 { ".".into() } else { it.to_string() });
        let parts = [share(each.precision), share(each.recall)];
        table.row(std::iter::once(label.clone()).chain(counts).chain(parts));
    }
    format!("{title}{}", table.render_within(width))
}

fn mistakes(of: &Confusion, width: usize) -> String {
    let mut table = Table::new([
        ("labelled", Align::Left),
        ("answered", Align::Left),
        ("rows", Align::Right),
    ]);
    for (label, answer, count) in of.mistakes().into_iter().take(LISTED) {
        table.row([label, answer, &count.to_string()]);
    }
    table.render_within(width)
}

fn worst(of: &Evaluation, width: usize) -> String {
    let rows = of.worst(WORST);
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new([
        ("row", Align::Left),
        ("score", Align::Right),
        ("inputs", Align::Left),
        ("labels", Align::Left),
        ("reply", Align::Left),
        ("why", Align::Left),
    ]);
    for row in &rows {
        let (inputs, labels) = of.columns_of(row);
        let reply = row.outcome.as_ref().map(|it| values(&it.reply)).unwrap_or_default();
        let score = row.value().map_or("-".to_owned(), |it| format!("{it:.2}"));
        table.row([
            short(&row.origin),
            &score,
            &values(&inputs),
            &values(&labels),
            &reply,
            why(row),
        ]);
    }
    let lowest = match of.worst(usize::MAX).len() {
        all if all > WORST => format!("\nthe lowest {WORST} of {all} rows below 1\n"),
        _ => "\nrows below 1\n".to_owned(),
    };
    format!("{lowest}{}", table.render_within(width))
}

/// Where a row stands, without the folder of its file.
pub(crate) fn short(origin: &str) -> &str {
    origin.rsplit(['/', '\\']).next().unwrap_or(origin)
}

/// Why a row scored as it did, as far as anybody said.
pub(crate) fn why(row: &RowResult) -> &str {
    let feedback = row.outcome.as_ref().and_then(|it| it.feedback.as_deref());
    row.failure().or(feedback).unwrap_or_default()
}

/// The values of a record in one line; names are said where there are several.
fn values(record: &Record) -> String {
    let one = |(name, value): (&std::sync::Arc<str>, &Value)| match record.len() {
        1 => value.to_string(),
        _ => format!("{name}: {value}"),
    };
    record.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn share(part: Option<f64>) -> String {
    part.map_or("-".to_owned(), |it| format!("{it:.2}"))
}

impl Evaluation {
    /// The columns of a row that the program takes, and the others.
    pub(crate) fn columns_of(&self, row: &RowResult) -> (Record, Record) {
        let all = row.row.values.iter().map(|(name, it)| (name.clone(), it.clone()));
        all.partition(|(name, _)| self.subject.inputs.contains(name))
    }
}
