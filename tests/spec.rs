//! Runs the programs under `tests/spec`, the `dsp` blocks of the manuals, and the broken
//! inputs of `tests/spec/bad`.
//!
//! `tests/README.md` says how a spec is written. `cargo test --test spec NAME` runs those whose
//! name holds `NAME`; `UPDATE=1` rewrites the notes and the texts under `tests/spec/ref`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

mod support;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;
use support::{bad, manual, own, pages, refs, run, section::SpecFile, update::Updates};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let updates = Updates::from_env();
    let files: Vec<SpecFile> = support::files("tests/spec", "dsp")
        .into_iter()
        .filter(|path| !path.starts_with("tests/spec/bad"))
        .map(|path| SpecFile::read(&path))
        .collect();
    let mut trials: Vec<Trial> = Vec::new();
    trials.push(refs::trial(&files));
    trials.extend(own::trials());
    trials.extend(run::trials(files, &updates));
    trials.extend(manual::trials());
    trials.extend(manual::examples());
    trials.extend(pages::trials());
    trials.extend(bad::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    updates.write();
    conclusion.exit_code()
}
