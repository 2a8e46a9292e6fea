//! `dsp trace diff`

use super::args::Diff;
use super::read;
use crate::cli::shell::{Failure, Shell};
use crate::render::plain;
use crate::trace::{Difference, diff};
use serde_json::json;

/// Says what differs between two traces.
pub(super) fn run(shell: &Shell, args: &Diff) -> Result<(), Failure> {
    let (a, b) = (read(shell, &args.a)?.trace, read(shell, &args.b)?.trace);
    let found = diff(&a, &b);
    match args.json {
        true => shell.print(&format!("{}\n", value(&found))),
        false => shell.print(&plain(&found.show(&a, &b, args.limit))),
    }
    if found.is_none() { Ok(()) } else { Err(Failure::told()) }
}

fn value(it: &Difference) -> serde_json::Value {
    let (in_a, in_b) = it.first();
    json!({
        "same": it.same,
        "first": { "a": in_a, "b": in_b },
        "changed": it.changed,
        "only_a": it.only_a,
        "only_b": it.only_b,
        "reordered": it.reordered,
    })
}
