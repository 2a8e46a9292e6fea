//! `dsp check --fix`: the changes that diagnostics are certain of.

use super::shell::{Failure, Shell};
use crate::diag::{Diagnostic, Edit};
use crate::engine;
use crate::fmt::diff;
use crate::source::{SourceId, Sources};
use std::path::Path;

/// How often a text is checked again after changes; each may uncover others.
const ROUNDS: usize = 8;

/// Mends a file, or shows what would be changed.
pub(super) fn run(shell: &Shell, path: &Path, only_show: bool) -> Result<(), Failure> {
    let name = path.display().to_string();
    let mut sources = Sources::default();
    let id = shell.read(path, &mut sources)?;
    let old = sources.get(id).text.to_string();
    let (new, mended) = mend(shell, &name, &old);
    if mended.is_empty() {
        return Ok(());
    }
    if only_show {
        shell.print(&diff::unified(&name, &old, &new));
        return Ok(());
    }
    shell.write(path, &new)?;
    for message in &mended {
        shell.eprint(&format!("fixed: {name}: {message}\n"));
    }
    Ok(())
}

/// The text with all certain changes, and what they mended.
fn mend(shell: &Shell, name: &str, text: &str) -> (String, Vec<String>) {
    let (mut text, mut mended) = (text.to_owned(), Vec::new());
    let mut diags = check(shell, name, &text);
    for _ in 0..ROUNDS {
        let (next, messages) = changed(&text, &diags);
        if messages.is_empty() {
            break;
        }
        let after = check(shell, name, &next);
        // A change that leaves more wrong than there was is not kept.
        if errors(&after) > errors(&diags) {
            break;
        }
        (text, diags) = (next, after);
        mended.extend(messages);
    }
    (text, mended)
}

fn errors(diags: &[Diagnostic]) -> usize {
    diags.iter().filter(|it| it.is_error()).count()
}

/// What is wrong with a text in the place of a file, of the file itself only.
fn check(shell: &Shell, name: &str, text: &str) -> Vec<Diagnostic> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    let mut diags = engine::check_source(&*shell.host, &mut sources, id);
    diags.retain(|it| is_of(it, id));
    diags
}

fn is_of(diag: &Diagnostic, id: SourceId) -> bool {
    let edits = diag.edits.iter().all(|it| it.span.source == id);
    edits && diag.primary.as_ref().is_some_and(|it| it.span.source == id)
}

/// A text with the changes of diagnostics that do not overlap, and the messages of those.
fn changed(text: &str, diags: &[Diagnostic]) -> (String, Vec<String>) {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut messages = Vec::new();
    for diag in diags.iter().filter(|it| !it.edits.is_empty()) {
        let free = diag.edits.iter().all(|edit| {
            text.get(edit.span.range()).is_some()
                && taken
                    .iter()
                    .all(|it| it.span.end < edit.span.start || edit.span.end < it.span.start)
        });
        if free {
            taken.extend(&diag.edits);
            messages.push(diag.message.clone());
        }
    }
    taken.sort_by_key(|it| it.span.start);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for edit in taken {
        out.push_str(&text[at..edit.span.range().start]);
        out.push_str(&edit.text);
        at = edit.span.range().end;
    }
    out.push_str(&text[at..]);
    (out, messages)
}
