//! What differs between two traces, as text.

use super::{Difference, Field};
use crate::trace::show::title;
use crate::trace::{NodeId, Trace};
use crate::util::words;
use std::fmt::Write;

/// Values shorter than this stand on the line of their name.
const SHORT: usize = 100;

/// What differs, for people: the nodes that do, at most so many of them, and in what.
pub(super) fn text(it: &Difference, a: &Trace, b: &Trace, limit: usize) -> String {
    if it.is_none() {
        return format!("nothing differs: {}\n", nodes(it.same));
    }
    let mut out = format!("{} the same", be(it.same));
    for (count, what) in [
        (it.changed.len(), "differ"),
        (it.only_a.len(), "only in the first"),
        (it.only_b.len(), "only in the second"),
    ] {
        if count > 0 {
            let verb = if count == 1 && what == "differ" { "differs" } else { what };
            let _ = write!(out, ", {count} {verb}");
        }
    }
    out.push('\n');
    if it.reordered {
        out.push_str("the nodes are the same, in another order\n");
    }
    if let Some(first) = first(it, a, b) {
        let _ = writeln!(out, "the first: {first}");
    }
    for changed in it.changed.iter().take(limit) {
        let numbers = match changed.a == changed.b {
            true => String::new(),
            false => format!("  (#{} in the second)", changed.b.0),
        };
        let _ = writeln!(out, "\n{}{numbers}", title(changed.a, a.node(changed.a)));
        changed.fields.iter().for_each(|it| push_field(&mut out, it));
    }
    push_lost(&mut out, "first", a, &it.only_a, limit);
    push_lost(&mut out, "second", b, &it.only_b, limit);
    let more = it.changed.len().saturating_sub(limit);
    if more > 0 {
        let _ = writeln!(out, "\n{more} more differ");
    }
    out
}

fn nodes(count: usize) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}

fn be(count: usize) -> String {
    format!("{} {}", nodes(count), if count == 1 { "is" } else { "are" })
}

fn first(it: &Difference, a: &Trace, b: &Trace) -> Option<String> {
    match it.first() {
        (Some(id), Some(_)) => Some(title(id, a.node(id))),
        (Some(id), None) => Some(format!("{}, only in the first", title(id, a.node(id)))),
        (None, Some(id)) => Some(format!("{}, only in the second", title(id, b.node(id)))),
        (None, None) => None,
    }
}

fn push_lost(out: &mut String, which: &str, trace: &Trace, ids: &[NodeId], limit: usize) {
    if ids.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nonly in the {which}");
    for id in ids.iter().take(limit) {
        let _ = writeln!(out, "    {}", title(*id, trace.node(*id)));
    }
    if ids.len() > limit {
        let _ = writeln!(out, "    and {} more", ids.len() - limit);
    }
}

/// In what something differs, for people.
pub(super) fn fields(fields: &[Field]) -> String {
    let mut out = String::new();
    fields.iter().for_each(|it| push_field(&mut out, it));
    out
}

fn push_field(out: &mut String, field: &Field) {
    let Field { name, a, b } = field;
    let told = match (a, b) {
        (Some(a), Some(b)) => words::marked(&words::words(a, b)),
        (Some(a), None) => format!("[-{a}-]"),
        (None, Some(b)) => format!("{{+{b}+}}"),
        (None, None) => return,
    };
    if told.len() < SHORT && !told.contains('\n') {
        let _ = writeln!(out, "    {name}: {told}");
        return;
    }
    let _ = writeln!(out, "    {name}:");
    for line in told.lines() {
        let _ = writeln!(out, "      {line}");
    }
}
