//! The interactive session of `dsp repl`.
//!
//! An entry is definitions, statements or an expression; it goes on over lines while something
//! in it is open. Lines that begin with `:` are commands of the session itself ([`COMMANDS`]).
//! Values go to standard output, everything else to standard error, so that a session can be
//! piped. [`run`] reads from the terminal, or from standard input where that is none;
//! [`run_lines`] reads from anywhere.

mod command;
mod complete;
mod entry;
mod fork;
mod interrupt;
mod items;
mod members;
mod prompts;
mod terminal;

pub use command::COMMANDS;

use crate::diag::Diagnostic;
use crate::engine::{Entered, Error, Session};
use crate::host::SharedHost;
use crate::render;
use crate::runtime::Val;
use crate::source::Sources;
use crate::trace::{Totals, Trace};
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

/// Takes entries until the input ends or `:quit`.
pub fn run(session: Session, host: SharedHost, colors: bool) {
    let mut repl = Repl::new(session, host, colors);
    if std::io::stdin().is_terminal() {
        terminal::run(&mut repl);
    } else {
        repl.take_lines(std::io::stdin().lock());
    }
}

/// Takes the entries that `lines` hold.
pub fn run_lines(session: Session, host: SharedHost, colors: bool, lines: impl BufRead) {
    Repl::new(session, host, colors).take_lines(lines);
}

/// The longest list that stands on one line, in characters.
const LINE: usize = 100;

/// What follows an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Entry,
    End,
}

/// A session with what its commands look back at.
#[derive(Debug)]
struct Repl {
    session: Session,
    host: SharedHost,
    colors: bool,
    /// What the last entry did that called anything.
    trace: Arc<Trace>,
    /// What it took.
    spent: Totals,
}

impl Repl {
    fn new(session: Session, host: SharedHost, colors: bool) -> Self {
        Self { session, host, colors, trace: Arc::default(), spent: Totals::default() }
    }

    fn take_lines(&mut self, lines: impl BufRead) {
        let mut text = String::new();
        for line in lines.lines() {
            let Ok(line) = line else {
                self.tell("the input is no UTF-8 text from here on, or cannot be read");
                break;
            };
            text.push_str(&line);
            text.push('\n');
            if entry::is_whole(&text) && self.take(&std::mem::take(&mut text)) == Next::End {
                return;
            }
        }
        self.take(&text);
    }

    /// Takes one entry: a command, or text of the language.
    fn take(&mut self, text: &str) -> Next {
        match text.trim_start().strip_prefix(':') {
            Some(command) => return command::run(self, command.trim()),
            None if text.trim().is_empty() => {}
            None => self.enter(text.trim_end()),
        }
        Next::Entry
    }

    fn enter(&mut self, text: &str) {
        match self.session.enter(text) {
            Ok(entered) => self.show(entered),
            Err(error) => self.fail(&error),
        }
    }

    fn show(&mut self, entered: Entered) {
        let Entered { finished, program, spent } = entered;
        self.diagnose(program.sources(), program.warnings());
        self.diagnose(program.sources(), &finished.warnings);
        match &finished.result {
            Ok(value) if value.is_null() => {}
            Ok(value) => self.print(&shown(value)),
            Err(error) => self.fail(error),
        }
        // Who only looks at values looks back at the same.
        if !finished.trace.nodes.is_empty() {
            self.trace = Arc::new(finished.trace);
        }
        self.spent = spent;
        for warning in program.engine().store_warnings() {
            self.tell(&warning);
        }
    }

    /// Writes a result.
    fn print(&self, text: &str) {
        self.host.print(&format!("{}\n", render::plain(text.trim_end_matches('\n'))));
    }

    /// Writes what is no result.
    fn tell(&self, text: &str) {
        self.host.eprint(&format!("{}\n", render::plain(text)));
    }

    fn fail(&self, error: &Error) {
        self.diagnose(error.sources(), error.diagnostics());
    }

    fn diagnose(&self, sources: &Sources, diags: &[Diagnostic]) {
        self.host.eprint(&render::text(sources, diags, self.colors));
    }
}

/// A value as a person reads it: of a list that is too long for a line, each item on one.
fn shown(value: &Val) -> String {
    let line = value.show();
    match value {
        Val::List(items) if items.len() > 1 && line.chars().count() > LINE => {
            let items = items.iter().map(|it| {
                let one = Val::List(vec![it.clone()]).show();
                one.strip_prefix('[')
                    .and_then(|it| it.strip_suffix(']'))
                    .unwrap_or(&one)
                    .to_owned()
            });
            let items: Vec<String> = items.collect();
            format!("[{}]", items.join(",\n "))
        }
        _ => line,
    }
}
