//! `dsp explain`

use super::args::Explain;
use super::shell::{Failure, Shell};
use crate::explain;

/// Shows the page of a code, or lists all codes.
pub(super) fn run(shell: &Shell, args: &Explain) -> Result<(), Failure> {
    let Some(code) = &args.code else {
        let lines = explain::PAGES.iter().map(|it| format!("{}  {}\n", it.code, it.title()));
        shell.print(&lines.collect::<String>());
        return Ok(());
    };
    let Some(page) = explain::page(code) else {
        let mut failure = Failure::usage(format!("there is no code `{code}`"));
        failure.hint(match explain::near(code) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`dsp explain` lists the codes".to_owned(),
        });
        return Err(failure);
    };
    shell.print(page.text);
    Ok(())
}
