//! `dsp check`

use super::args::Check;
use super::fix;
use super::shell::{Failure, MOST_TOLD, Shell};
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
    let mut told = BTreeSet::new();
    for path in &args.files {
        let id = shell.read(path, &mut sources)?;
        let found = engine::check_source(&*shell.host, &mut sources, id);
        // What two of them import is told of once.
        let places: Vec<Told> = found.iter().map(|it| place(&sources, it)).collect();
        let new = found.into_iter().zip(&places).filter(|(_, place)| !told.contains(*place));
        diags.extend(new.map(|it| it.0));
        told.extend(places);
    }
    if args.json {
        let told = diags.iter().take(MOST_TOLD);
        let lines: String = told
            .map(|diag| {
                format!(
                    "{}
",
                    render::json(&sources, diag)
                )
            })
            .collect();
        shell.print(if lines.is_empty() { ALL_WELL } else { &lines });
        shell.more(diags.len());
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
