//! `dsp fmt`

use super::args::Fmt;
use super::scripts;
use super::session::{STDIN, read_stdin};
use super::shell::{Failure, Shell};
use crate::engine;
use crate::fmt;
use crate::fmt::diff;
use crate::source::Sources;
use std::path::Path;

/// What there is to say at the end.
#[derive(Debug, Default)]
struct Tally {
    changed: usize,
    same: usize,
    broken: usize,
}

/// Lays out scripts; those with syntax errors are told and left alone.
pub(super) fn run(shell: &Shell, args: &Fmt) -> Result<(), Failure> {
    if args.paths.iter().any(|it| it == Path::new("-")) {
        return stdin(shell, args);
    }
    let mut tally = Tally::default();
    for path in scripts::find(shell, &args.paths)? {
        let path = path.strip_prefix(".").unwrap_or(&path);
        let text = engine::read_file(&*shell.host, path)?;
        let name = path.display().to_string();
        let formatted = match formatted(&name, &text, args.width) {
            Ok(formatted) => formatted,
            Err(failure) => {
                shell.report(&failure);
                tally.broken += 1;
                continue;
            }
        };
        if formatted == text {
            tally.same += 1;
            continue;
        }
        tally.changed += 1;
        if args.diff {
            shell.print(&diff::unified(&name, &text, &formatted));
        } else if args.check {
            shell.print(&format!("{name}\n"));
        } else {
            shell.write(path, &formatted)?;
        }
    }
    shell.eprint(&format!("{}\n", tally.summary(args.check || args.diff)));
    tally.end(args)
}

/// Reads standard input and writes standard output.
fn stdin(shell: &Shell, args: &Fmt) -> Result<(), Failure> {
    if args.paths.len() > 1 {
        return Err(Failure::usage("`-` stands alone: it reads one script"));
    }
    let text = read_stdin()?;
    let formatted = formatted(STDIN, &text, args.width)?;
    if args.diff {
        shell.print(&diff::unified(STDIN, &text, &formatted));
    } else if args.check {
        shell.print(if formatted == text { "" } else { "<stdin>\n" });
    } else {
        shell.print(&formatted);
    }
    let changed = usize::from(formatted != text);
    Tally { changed, ..Tally::default() }.end(args)
}

/// The text in its layout.
///
/// # Errors
/// It has syntax errors.
fn formatted(name: &str, text: &str, width: usize) -> Result<String, Failure> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    fmt::format(id, text, width).map_err(|error| match error {
        fmt::Error::Broken(diags) => Failure { exit: Failure::PROGRAM, sources, diags },
        fmt::Error::Unsafe(span) => {
            let (line, column) = sources.position(id, span.start as usize);
            let place = format!("{name}:{line}:{column}");
            let mut failure =
                Failure::usage(format!("formatting would change the program at {place}"));
            failure.hint("the file is left as it is; this is a defect of `dsp`".to_owned());
            failure
        }
    })
}

impl Tally {
    fn summary(&self, only_looked: bool) -> String {
        let files = |count: usize| match count {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let verb = if only_looked { "would be formatted" } else { "formatted" };
        let mut said = format!("{} {verb}, {} unchanged", files(self.changed), self.same);
        if self.broken > 0 {
            said.push_str(&format!(", {} with errors left alone", self.broken));
        }
        said
    }

    fn end(&self, args: &Fmt) -> Result<(), Failure> {
        if self.broken > 0 || args.check && self.changed > 0 {
            return Err(Failure::told());
        }
        Ok(())
    }
}
