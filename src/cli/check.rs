//! `dsp check`

use super::args::Check;
use super::fix;
use super::shell::{Failure, Shell};
use crate::diag::{Code, Diagnostic};
use crate::engine;
use crate::render;
use crate::source::Sources;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What `--json` writes where there is nothing to tell.
const ALL_WELL: &str = "{\"errors\":0,\"warnings\":0}\n";

/// Says what is wrong with scripts; those that can be read are all looked at.
pub(super) fn run(shell: &Shell, args: &Check) -> Result<(), Failure> {
    if args.fix {
        for path in &args.files {
            fix::run(shell, path, args.diff)?;
        }
        if args.diff {
            return Ok(());
        }
    }
    let mut sources = Sources::default();
    let mut diags = Vec::new();
    for path in &args.files {
        let id = shell.read(path, &mut sources)?;
        let found = engine::check_source(&*shell.host, &mut sources, id);
        // What two of them import is told of once.
        let told: BTreeSet<_> = diags.iter().map(|it| place(&sources, it)).collect();
        let new = found.into_iter().filter(|it| !told.contains(&place(&sources, it)));
        diags.extend(new.collect::<Vec<_>>());
    }
    if args.json {
        let lines = diags.iter().map(|diag| format!("{}\n", render::json(&sources, diag)));
        let lines = lines.collect::<String>();
        shell.print(if lines.is_empty() { ALL_WELL } else { &lines });
    } else {
        shell.diagnose(&sources, &diags);
        conclude(shell, &diags);
        shell.explain(&diags);
    }
    if diags.iter().any(Diagnostic::is_error) { Err(Failure::told()) } else { Ok(()) }
}

/// The file and the range of a diagnostic, its code and its words.
type Told = (Option<(Arc<str>, u32, u32)>, Code, String);

/// What makes a diagnostic another one than those before.
fn place(sources: &Sources, diag: &Diagnostic) -> Told {
    let place = diag
        .primary
        .as_ref()
        .map(|it| (sources.get(it.span.source).name.clone(), it.span.start, it.span.end));
    (place, diag.code, diag.message.clone())
}

fn conclude(shell: &Shell, diags: &[Diagnostic]) {
    let summary = render::summary(diags);
    if !summary.is_empty() {
        shell.eprint(&format!("{summary}\n"));
    }
}
