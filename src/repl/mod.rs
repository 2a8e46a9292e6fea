//! The REPL: one entry after the other, with what each did and what it took.
//!
//! An entry is definitions, statements or an expression; it goes on while a bracket or a text
//! is open. Lines that begin with `:` are commands of the REPL itself ([`COMMANDS`]). Values go
//! to standard output, everything else to standard error, so that a session can be piped.

mod entry;

use crate::diag::Diagnostic;
use crate::engine::{Entered, Session};
use crate::host::{Place, SharedHost};
use crate::render;
use crate::trace::{Trace, tree};
use entry::{Names, is_open};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

/// Commands, their arguments, and what they do.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    (":help", "", "lists these commands"),
    (":load", "FILE", "begins again with the items of a script"),
    (":lm", "NAME", "asks another model from now on"),
    (":trace", "", "shows what the last entry did, with prompts and replies"),
    (":names", "", "lists variables"),
    (":quit", "", "ends the session; so does Ctrl-D"),
];

type LineEditor = Editor<Names, FileHistory>;

/// Reads entries until the input ends.
pub fn run(session: Session, host: SharedHost, colors: bool) {
    let mut repl = Repl { session, host, colors, last: Trace::default() };
    let history = repl.host.place(Place::Config).map(|dir| dir.join("history"));
    let config = Config::builder().auto_add_history(true).build();
    let Ok(mut editor) = LineEditor::with_config(config) else {
        repl.tell("the terminal cannot be used");
        return;
    };
    editor.set_helper(Some(Names::default()));
    if let Some(path) = &history {
        // There is none before the first session.
        let _ = editor.load_history(path);
    }
    repl.greet();
    while let Some(text) = read(&mut editor, &repl) {
        if !repl.take(text.trim()) {
            break;
        }
    }
    if let Some(path) = &history {
        // A history that cannot be written costs nothing but itself.
        let _ = editor.save_history(path);
    }
}

/// Reads one entry; `None` at the end of the input.
fn read(editor: &mut LineEditor, repl: &Repl) -> Option<String> {
    if let Some(names) = editor.helper_mut() {
        names.set(&repl.session);
    }
    let mut text = String::new();
    loop {
        let prompt = if text.is_empty() { "> " } else { ". " };
        match editor.readline(prompt) {
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(ReadlineError::Interrupted) => return Some(String::new()),
            Err(_) if text.is_empty() => return None,
            Err(_) => return Some(text),
        }
        if text.starts_with(':') || !is_open(&text) {
            return Some(text);
        }
    }
}

struct Repl {
    session: Session,
    host: SharedHost,
    colors: bool,
    last: Trace,
}

impl Repl {
    fn greet(&self) {
        if self.host.is_terminal() {
            self.tell(concat!("dsp ", env!("CARGO_PKG_VERSION"), ", `:help` lists commands"));
        }
    }

    /// Takes an entry; false ends the session.
    fn take(&mut self, text: &str) -> bool {
        match text.split_once(char::is_whitespace).unwrap_or((text, "")) {
            ("", _) => {}
            (":quit", _) => return false,
            (":help", _) => self.help(),
            (":names", _) => self.tell(&self.session.variables().join(" ")),
            (":trace", _) => self.host.print(&render::plain(&tree(&self.last, true))),
            (":lm", name) => self.session.use_lm(name.trim()),
            (":load", path) => self.load(path.trim()),
            (command, _) if command.starts_with(':') => {
                self.tell(&format!("there is no command `{command}`; `:help` lists them"));
            }
            _ => self.enter(text),
        }
        true
    }

    fn help(&self) {
        for (name, argument, what) in COMMANDS {
            self.tell(&format!("{:<14}{what}", format!("{name} {argument}")));
        }
    }

    fn load(&mut self, path: &str) {
        if let Err(error) = self.session.load(path) {
            self.diagnose(error.sources(), error.diagnostics());
        }
    }

    fn enter(&mut self, text: &str) {
        match self.session.enter(text) {
            Ok(entered) => self.show(entered),
            Err(error) => self.diagnose(error.sources(), error.diagnostics()),
        }
    }

    fn show(&mut self, Entered { finished, program }: Entered) {
        self.diagnose(program.sources(), program.warnings());
        self.diagnose(program.sources(), &finished.warnings);
        match &finished.result {
            Ok(value) if value.is_null() => {}
            Ok(value) => self.host.print(&format!("{}\n", render::plain(&value.show()))),
            Err(error) => self.diagnose(error.sources(), error.diagnostics()),
        }
        self.last = finished.trace;
        let totals = self.last.totals();
        if totals.calls + totals.cached > 0 {
            self.tell(&format!(
                "{} calls, {} kept replies, {} tokens read, {} written",
                totals.calls, totals.cached, totals.prompt_tokens, totals.completion_tokens
            ));
        }
    }

    fn diagnose(&self, sources: &crate::source::Sources, diags: &[Diagnostic]) {
        self.host.eprint(&render::text(sources, diags, self.colors));
    }

    fn tell(&self, text: &str) {
        self.host.eprint(&format!("{text}\n"));
    }
}
