//! Diagnostics, tables and foreign text as a terminal or a program reads them.
//!
//! [`text`] draws diagnostics into their sources, [`json()`] is the same for `--json`,
//! [`plain()`] takes the teeth out of text that a model wrote, and [`Table`] lines up columns.
//! Everything here is a pure function to a string; who prints it is the caller's business.

mod plain;
mod table;
mod view;

pub use plain::plain;
pub use table::{Align, Table};

use crate::diag::{Diagnostic, Edit, Label, Severity};
use crate::source::{Sources, Span};
use codespan_reporting::diagnostic as drawn;
use codespan_reporting::term::{self, Config, termcolor::Ansi};
use serde_json::{Value, json};
use view::View;

/// Returns the diagnostics drawn into their sources, in the order given, with colours for a
/// terminal when `color` is set.
pub fn text(sources: &Sources, diags: &[Diagnostic], color: bool) -> String {
    diags.iter().map(|diag| draw(sources, diag, color)).collect()
}

/// Returns one line that says how many errors and warnings there are; empty for none.
pub fn summary(diags: &[Diagnostic]) -> String {
    let errors = diags.iter().filter(|diag| diag.is_error()).count();
    let parts = [count(errors, "error"), count(diags.len() - errors, "warning")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns a diagnostic as a JSON object.
///
/// Lines and columns count from 1, columns in characters; `start` and `end` are bytes.
/// A diagnostic without a place has neither file nor position.
pub fn json(sources: &Sources, diag: &Diagnostic) -> Value {
    let mut object = json!({
        "code": diag.code.0,
        "severity": diag.severity.as_str(),
        "message": diag.message,
    });
    if let Some(primary) = &diag.primary {
        merge(&mut object, label_json(sources, primary));
    }
    let labels: Vec<Value> = diag.labels.iter().map(|it| label_json(sources, it)).collect();
    merge(&mut object, json!({"labels": labels, "notes": diag.notes, "hints": diag.hints}));
    let edits: Vec<Value> = diag.edits.iter().map(|it| edit_json(sources, it)).collect();
    merge(&mut object, json!({ "edits": edits }));
    object
}

fn count(number: usize, noun: &str) -> Option<String> {
    (number > 0).then(|| format!("{number} {noun}{}", if number == 1 { "" } else { "s" }))
}

fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

fn label_json(sources: &Sources, label: &Label) -> Value {
    let Span { source, start, end } = label.span;
    let (line, column) = sources.position(source, start as usize);
    let (end_line, end_column) = sources.position(source, end as usize);
    json!({
        "file": &*sources.get(source).name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": start,
        "end": end,
        "label": label.text,
    })
}

/// A change: the range that goes, and `replacement`.
fn edit_json(sources: &Sources, edit: &Edit) -> Value {
    let mut object = label_json(sources, &Label { span: edit.span, text: String::new() });
    if let Value::Object(object) = &mut object {
        object.shift_remove("label");
    }
    merge(&mut object, json!({ "replacement": edit.text }));
    object
}

fn draw(sources: &Sources, diag: &Diagnostic, color: bool) -> String {
    let view = View::new(sources, diag);
    let picture = drawing(&view, diag);
    let config = Config::default();
    if !color {
        return term::emit_into_string(&config, &view, &picture)
            .unwrap_or_else(|_| one_line(diag));
    }
    let mut out = Ansi::new(Vec::new());
    match term::emit_to_write_style(&mut out, &config, &view, &picture) {
        Ok(()) => String::from_utf8_lossy(&out.into_inner()).into_owned(),
        Err(_) => one_line(diag),
    }
}

/// What is left when a diagnostic cannot be drawn: its places fit no text.
fn one_line(diag: &Diagnostic) -> String {
    format!("{}[{}]: {}\n\n", diag.severity.as_str(), diag.code.0, line(&diag.message))
}

fn drawing(view: &View, diag: &Diagnostic) -> drawn::Diagnostic<u32> {
    let severity = match diag.severity {
        Severity::Error => drawn::Severity::Error,
        Severity::Warning => drawn::Severity::Warning,
    };
    let primary = diag.primary.iter().map(|it| (drawn::LabelStyle::Primary, it));
    let others = diag.labels.iter().map(|it| (drawn::LabelStyle::Secondary, it));
    let labels = primary.chain(others).map(|(style, it)| {
        drawn::Label::new(style, it.span.source.0, view.range(it.span))
            .with_message(line(&it.text))
    });
    let notes = diag.notes.iter().map(|it| format!("note: {}", plain(it)));
    let hints = diag.hints.iter().map(|it| format!("help: {}", plain(it)));
    drawn::Diagnostic::new(severity)
        .with_code(diag.code.0)
        .with_message(line(&diag.message))
        .with_labels(labels.collect())
        .with_notes(notes.chain(hints).collect())
}

/// Text as one line without control characters.
fn line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

#[cfg(test)]
mod tests;
