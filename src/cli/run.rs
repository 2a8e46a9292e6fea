//! `dsp run`

use super::args::Run;
use super::session::{self, Kept};
use super::shell::{Failure, Shell};
use crate::trace::{Trace, to_jsonl};

/// Runs a script.
pub(super) fn run(shell: &Shell, args: &Run) -> Result<(), Failure> {
    let shell = &if args.quiet { shell.quiet() } else { shell.clone() };
    let builder = session::builder(shell, &args.file, &args.lm)?;
    let builder = if args.quiet { builder } else { builder.progress() };
    let engine = builder.build()?;
    let program = session::load(shell, &engine, &args.file)?;
    let finished = program.run();
    shell.diagnose(program.sources(), &finished.warnings);
    shell.warn(&engine.store_warnings());
    if let Some(path) = &args.trace {
        write_trace(shell, &finished.trace, path)?;
    }
    finished.result?;
    Ok(())
}

fn write_trace(shell: &Shell, trace: &Trace, path: &std::path::Path) -> Result<(), Failure> {
    let content = Kept(session::store(shell)?);
    shell.write(path, &to_jsonl(trace, &content))
}
