//! `dsp trace html`

use super::args::Html;
use super::{Recorded, read, told};
use crate::cli::shell::{Failure, Shell};
use crate::trace::{Shown, to_html};

/// Writes one HTML file that shows a trace, or two and what differs.
pub(super) fn run(shell: &Shell, args: &Html) -> Result<(), Failure> {
    let first = told(read(shell, &args.file)?, args.no_content);
    let second = args.other.as_deref().map(|it| read(shell, it)).transpose()?;
    let second = second.map(|it| told(it, args.no_content));
    shell.write(&args.output, &to_html(shown(&first), second.as_ref().map(shown)))
}

fn shown(of: &Recorded) -> Shown<'_> {
    Shown { name: &of.name, trace: &of.trace, about: &of.about }
}
