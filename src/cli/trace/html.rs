//! `dsp trace html`

use super::args::Html;
use super::{read, told};
use crate::cli::shell::{Failure, Shell};

/// Writes one HTML file that shows a trace, or two.
pub(super) fn run(shell: &Shell, args: &Html) -> Result<(), Failure> {
    let recorded = told(read(shell, &args.file)?, args.no_content);
    let _ = (&recorded.name, &args.other, &args.output);
    Err(Failure::usage("not yet"))
}
