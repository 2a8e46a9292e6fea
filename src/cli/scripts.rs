//! Scripts that a command line names: files, and all below folders.

use super::shell::{Failure, Shell};
use crate::engine;
use crate::host::Entry;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The ending of scripts.
const ENDING: &str = "dsp";
/// Folders deeper than this are no one's scripts.
const DEEPEST: usize = 64;

/// The scripts at these paths: files as they are, of folders all scripts below them, sorted.
/// Folders with a dot before their names are left out, as are links.
///
/// # Errors
/// A folder or file that cannot be read.
pub(super) fn find(shell: &Shell, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        match shell.host.list(path) {
            Ok(entries) => below(shell, entries, DEEPEST, &mut found)?,
            Err(error) if is_no_folder(error.kind()) => {
                engine::read_file(&*shell.host, path)?;
                found.push(path.clone());
            }
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    // What stands here is called by its name alone.
    let plain = |path: PathBuf| path.strip_prefix(".").map_or(path.clone(), Path::to_owned);
    Ok(found.into_iter().map(plain).collect())
}

fn is_no_folder(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotADirectory | ErrorKind::NotFound)
}

fn below(
    shell: &Shell,
    entries: Vec<Entry>,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    for Entry { path, is_folder } in entries {
        if is_hidden(&path) {
            continue;
        }
        if is_folder && depth > 0 {
            let entries = shell.host.list(&path).map_err(|error| unreadable(&path, &error))?;
            below(shell, entries, depth - 1, found)?;
        } else if !is_folder && path.extension().is_some_and(|it| it == ENDING) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read the folder `{}`: {error}", path.display()))
}
