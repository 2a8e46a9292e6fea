//! Entries from a terminal, with editing, completion and a history.

use super::complete::Editing;
use super::{Next, Repl, interrupt, items};
use crate::host::Place;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::path::{Path, PathBuf};

/// The history's file, among the user's settings. Only the user may read it.
const HISTORY: &str = "history";
/// How many entries are remembered.
const REMEMBERED: usize = 5000;

type LineEditor = Editor<Editing, FileHistory>;

/// Takes entries until Ctrl-D or `:quit`.
pub(super) fn run(repl: &mut Repl) {
    let config = Config::builder().auto_add_history(true).history_ignore_space(true);
    // Tab completes as far as all agree, and then lists them.
    let config =
        config.completion_type(CompletionType::List).completion_show_all_if_ambiguous(true);
    let config = config.max_history_size(REMEMBERED).map(|it| it.build());
    let editor = config.and_then(LineEditor::with_config);
    let Ok(mut editor) = editor else {
        repl.tell("this terminal cannot be used");
        return;
    };
    let mut history = History::open(repl, &mut editor);
    interrupt::on_ctrl_c(repl.session.interrupt());
    repl.tell(concat!("dsp ", env!("CARGO_PKG_VERSION"), "; `:help` lists commands"));
    loop {
        editor.set_helper(Some(Editing {
            names: items::names(&repl.session),
            variables: repl.session.values(),
        }));
        match editor.readline("> ") {
            Ok(text) => {
                history.keep(repl, &mut editor);
                if repl.take(&text) == Next::End {
                    return;
                }
            }
            // Ctrl-C leaves the line that was begun.
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Eof) => return,
            Err(error) => {
                repl.tell(&format!("the terminal cannot be read: {error}"));
                return;
            }
        }
    }
}

/// The file of what was entered; `None` where it cannot be kept.
struct History(Option<PathBuf>);

impl History {
    fn open(repl: &Repl, editor: &mut LineEditor) -> Self {
        let Some(dir) = repl.host.place(Place::Config) else { return Self(None) };
        let path = dir.join(HISTORY);
        if let Err(error) = owner_dir(&dir) {
            repl.tell(&format!("no history is kept: `{}`: {error}", dir.display()));
            return Self(None);
        }
        // There is none before the first session.
        let _ = editor.load_history(&path);
        Self(Some(path))
    }

    /// Writes what was entered since the last time.
    fn keep(&mut self, repl: &Repl, editor: &mut LineEditor) {
        let Some(path) = &self.0 else { return };
        if let Err(error) = editor.append_history(path) {
            repl.tell(&format!("no history is kept: `{}`: {error}", path.display()));
            self.0 = None;
        }
    }
}

/// Makes a directory that only its owner may read, where there is none.
fn owner_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
