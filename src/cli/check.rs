//! `dsp check`

use super::args::Check;
use super::shell::{Failure, Shell};
use crate::diag::Diagnostic;
use crate::engine;
use crate::render;
use crate::source::Sources;

/// Says what is wrong with scripts; those that can be read are all looked at.
pub(super) fn run(shell: &Shell, args: &Check) -> Result<(), Failure> {
    let mut sources = Sources::default();
    let mut diags = Vec::new();
    for path in &args.files {
        let id = shell.read(path, &mut sources)?;
        diags.extend(engine::check_source(&sources, id));
    }
    if args.json {
        let lines = diags.iter().map(|diag| format!("{}\n", render::json(&sources, diag)));
        shell.print(&lines.collect::<String>());
    } else {
        shell.diagnose(&sources, &diags);
        conclude(shell, &diags);
        shell.explain(&diags);
    }
    if diags.iter().any(Diagnostic::is_error) { Err(Failure::told()) } else { Ok(()) }
}

fn conclude(shell: &Shell, diags: &[Diagnostic]) {
    let summary = render::summary(diags);
    if !summary.is_empty() {
        shell.eprint(&format!("{summary}\n"));
    }
}
