//! Sections that are formatted: the program, a line `//=`, and its layout.

use super::section::Section;
use super::{difference, updating};
use dsp_lang::fmt;
use dsp_lang::source::SourceId;

/// What parts the two texts.
const MARK: &str = "//=";

/// Formats a section; returns its text with another layout where that is to be rewritten.
///
/// # Errors
/// The layout is not the one expected, or formatting is not stable.
pub(crate) fn test(section: &Section) -> Result<Option<String>, String> {
    let lines: Vec<&str> = section.text_lines().collect();
    let mark = lines.iter().position(|it| *it == MARK).unwrap_or(lines.len());
    let input = joined(&lines[..mark]);
    let expected = joined(lines.get(mark + 1..).unwrap_or_default());
    let width = section.setup.settings.get("width").and_then(|it| it.parse().ok());
    let width = width.unwrap_or(fmt::WIDTH);
    let found = format(&input, width)?;
    if format(&found, width)? != found {
        let again = format(&found, width)?;
        return Err(format!("twice is not once:\n{}", difference(&found, &again)));
    }
    if !fmt::is_same(&input, &found) {
        return Err(format!("another program:\n{found}"));
    }
    if found == expected {
        return Ok(None);
    }
    if !updating() {
        return Err(format!("another layout:\n{}", difference(&expected, &found)));
    }
    let head: String = section
        .lines
        .iter()
        .take_while(|it| it.text != MARK)
        .fold(format!("{}\n", section.header), |all, line| format!("{all}{}\n", line.text));
    Ok(Some(format!("{}\n{MARK}\n{found}\n", head.trim_end())))
}

/// Lines as a text; the empty ones before the next section are not meant.
fn joined(lines: &[&str]) -> String {
    let end = lines.iter().rposition(|it| !it.is_empty()).map_or(0, |it| it + 1);
    lines[..end].iter().map(|line| format!("{line}\n")).collect()
}

fn format(text: &str, width: usize) -> Result<String, String> {
    fmt::format(SourceId(0), text, width).map_err(|error| format!("{error:?}"))
}
