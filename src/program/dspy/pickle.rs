//! What DSPy saves besides JSON: pickles. To load one is to run a program that whoever made the
//! file wrote, so none is opened.

use crate::diag::Diagnostic;
use crate::host::Host;
use crate::program::file::MALFORMED;
use std::path::Path;

/// What is wrong with a path where there is a pickle, or a folder with one.
pub fn pickled(host: &dyn Host, path: &Path) -> Option<Diagnostic> {
    let name = path.display();
    let is_named =
        |path: &Path| path.extension().is_some_and(|it| it == "pkl" || it == "pickle");
    if host.is_file(&path.join("program.pkl")) {
        let message = format!("`{name}` is a whole program that DSPy saved, as a pickle");
        return Some(refused(message));
    }
    let begins = || host.read(path).is_ok_and(|it| is_pickle(&it));
    (host.is_file(path) && (is_named(path) || begins()))
        .then(|| refused(format!("`{name}` is a pickle")))
}

/// Whether bytes begin as pickles of the last twenty years do: with their protocol.
fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2..=5, ..])
}

fn refused(message: String) -> Diagnostic {
    Diagnostic::bare(MALFORMED, message)
        .note("a pickle is a program, and is not loaded whoever made it")
        .hint("load it in DSPy and save the state alone: `program.save(\"state.json\")`")
}
