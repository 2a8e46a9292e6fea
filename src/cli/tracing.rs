//! `--trace`: what a command writes down of what happened.

use super::args::{Lm, Tracing};
use super::record;
use super::session::{Kept, STDIN};
use super::settings::Settings;
use super::shell::{Failure, Shell};
use crate::engine::{Builder, Finished, Program};
use crate::host::Copied;
use crate::trace::{About, Content, Made, NoContent, head_line, line_of_edge, line_of_node};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes a command's trace down, where one is wanted.
#[derive(Debug)]
pub(super) struct Tracer<'a> {
    shell: &'a Shell,
    path: Option<PathBuf>,
    /// Whether what was said is written down, too.
    content: bool,
}

impl<'a> Tracer<'a> {
    /// What the flags and the settings of a script want.
    ///
    /// # Errors
    /// Settings that cannot be read.
    pub(super) fn new(
        shell: &'a Shell,
        args: &Tracing,
        script: &Path,
    ) -> Result<Self, Failure> {
        let path = args.trace.clone();
        let content = match path {
            Some(_) if !args.no_trace_content => {
                let Settings { above, below } = Settings::read(shell, script, &Lm::default())?;
                above.or(below).trace_content.unwrap_or(true)
            }
            _ => false,
        };
        Ok(Self { shell, path, content })
    }

    /// An engine that keeps what is written down, the runs of rows among it.
    pub(super) fn traced(&self, builder: Builder) -> Builder {
        let builder = builder.no_trace();
        if self.path.is_some() { self.noted(builder.keep_traces()) } else { builder }
    }

    /// What is not written down need not be known.
    fn noted(&self, builder: Builder) -> Builder {
        if self.content { builder.note_origins() } else { builder }
    }

    /// Whether anything is written.
    pub(super) fn writes(&self) -> bool {
        self.path.is_some()
    }

    /// Whether prompts and replies are written down, too.
    pub(super) fn tells_content(&self) -> bool {
        self.content
    }

    /// The file that it is written to, as it is found from elsewhere.
    pub(super) fn file(&self) -> Option<String> {
        self.path.as_ref().and_then(|it| self.shell.absolute(it).ok())
    }

    /// Writes the trace down.
    ///
    /// # Errors
    /// A file that cannot be written, and a store that cannot be used.
    pub(super) fn write(&self, finished: &Finished, made: Made) -> Result<(), Failure> {
        let (shell, Some(path)) = (self.shell, &self.path) else { return Ok(()) };
        let began = shell.host.since_epoch().saturating_sub(shell.host.elapsed());
        let began_us = u64::try_from(began.as_micros()).ok();
        let about = About { began_us, made: Some(made), ..About::default() };
        match self.content {
            true => lines(shell, path, finished, &about, &Kept::of(shell)?, true),
            false => lines(shell, path, finished, &about.without_content(), &NoContent, false),
        }
    }
}

/// Writes the lines of a trace as they come: it is never in memory as a whole.
fn lines(
    shell: &Shell,
    path: &Path,
    finished: &Finished,
    about: &About,
    kept: &dyn Content,
    with_content: bool,
) -> Result<(), Failure> {
    let out = RefCell::new(Out { shell, path, lines: String::new(), has_begun: false });
    out.borrow_mut().add(&head_line(about, kept))?;
    finished.tell_trace(
        &mut |id, node| match with_content {
            true => out.borrow_mut().add(&line_of_node(id, node, kept)),
            false => out.borrow_mut().add(&line_of_node(id, &node.without_content(), kept)),
        },
        &mut |edge| out.borrow_mut().add(&line_of_edge(edge)),
    )?;
    out.into_inner().end()
}

/// A file that is written piece by piece; what fits into one piece is there whole or not at all.
struct Out<'a> {
    shell: &'a Shell,
    path: &'a Path,
    lines: String,
    has_begun: bool,
}

impl Out<'_> {
    /// A piece, in bytes.
    const PIECE: usize = 4 << 20;

    fn add(&mut self, line: &str) -> Result<(), Failure> {
        self.lines.push_str(line);
        if self.lines.len() < Self::PIECE {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.has_begun, true) {
            false => self.shell.write(self.path, &self.lines)?,
            true => self.shell.append(self.path, &self.lines)?,
        }
        self.lines.clear();
        Ok(())
    }

    fn end(mut self) -> Result<(), Failure> {
        if self.has_begun && self.lines.is_empty() { Ok(()) } else { self.write() }
    }
}

/// Why a run failed.
pub(super) fn failed(finished: &Finished) -> Option<String> {
    let error = finished.result.as_ref().err()?;
    error.diagnostics().first().map(|it| it.message.clone())
}

/// The files that a run read, as its trace names them: from the folder of the script on, where
/// they stand there.
pub(super) fn files(shell: &Shell, script: &Path, read: &Copied) -> BTreeMap<String, String> {
    let folder = shell.absolute(script).ok().map(PathBuf::from);
    let folder = folder.as_deref().and_then(Path::parent);
    let named = |path: PathBuf| {
        let path = shell.absolute(&path).map_or(path, PathBuf::from);
        let inside = folder.and_then(|it| path.strip_prefix(it).ok());
        inside.unwrap_or(&path).to_string_lossy().into_owned()
    };
    read.files().into_iter().map(|(path, hash)| (named(path), hash)).collect()
}

/// What a trace says of the run that it is of.
pub(super) fn made(
    shell: &Shell,
    command: &str,
    program: &Program,
    (script, lm): (&Path, &Lm),
) -> Made {
    let path = match script.as_os_str() == "-" {
        true => STDIN.to_owned(),
        false => shell.absolute(script).unwrap_or_default(),
    };
    Made { flags: record::record(lm.parts()), ..program.made(command, path) }
}
