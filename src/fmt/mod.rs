//! One layout for all programs.
//!
//! [`format`] reads the lossless tree and writes the same tokens and comments with other white
//! space. The only tokens that come and go are separators that mean nothing: commas at the end
//! of lists, commas and semicolons between the fields of signatures, records and settings.
//! What an author decides is kept where a rule could only guess: blank lines (one at most), a
//! block of one statement on one line, a list or map that begins on a line of its own.
//!
//! Before a text is handed out it is parsed again and compared with the first tree, so that no
//! mistake here can change a program.
//!
//! Three steps: `trivia` says to which token each comment belongs, [`write`] turns the tree into
//! steps that say where lines *may* end, and `print` decides where they do.

pub mod diff;
mod print;
mod same;
mod step;
mod trivia;
mod write;

use crate::diag::Diagnostic;
use crate::source::{SourceId, Span};
use crate::syntax::{Node, parse};

/// The width that lines have at most, where no longer word stands in them.
pub const WIDTH: usize = 100;

/// Why a text has no layout.
#[derive(Debug, Clone)]
pub enum Error {
    /// It has syntax errors.
    Broken(Vec<Diagnostic>),
    /// The formatter would have changed the program here, which is its defect.
    Unsafe(Span),
}

/// Returns the text in its layout.
///
/// # Errors
/// The text has syntax errors.
pub fn format(source: SourceId, text: &str, width: usize) -> Result<String, Error> {
    let parsed = parse(source, text);
    if !parsed.diags.is_empty() {
        return Err(Error::Broken(parsed.diags));
    }
    let formatted = layout(&parsed.tree, text, width);
    if formatted == text {
        return Ok(formatted);
    }
    let again = parse(source, &formatted);
    match same::difference((&parsed.tree, text), (&again.tree, &formatted)) {
        None => Ok(formatted),
        Some((start, end)) => Err(Error::Unsafe(Span::new(source, start, end))),
    }
}

/// Whether two texts are the same program, comments included, in whatever layout. Texts with
/// syntax errors are not.
pub fn is_same(before: &str, after: &str) -> bool {
    let (a, b) = (parse(SourceId(0), before), parse(SourceId(0), after));
    let clean = a.diags.is_empty() && b.diags.is_empty();
    clean && same::difference((&a.tree, before), (&b.tree, after)).is_none()
}

fn layout(tree: &Node, text: &str, width: usize) -> String {
    print::print(&write::steps(tree, text), text, width)
}
