//! Rewriting notes in place under `UPDATE=1`.

use super::notes::{Expected, Mark, Note, Site};
use super::section::{LineKind, Section, SpecFile};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Sections as they are to stand in their files, collected while trials run.
#[derive(Debug, Clone)]
pub(crate) struct Updates {
    active: bool,
    sections: Arc<Mutex<BTreeMap<PathBuf, BTreeMap<usize, String>>>>,
}

impl Updates {
    /// Returns an empty collection; without `UPDATE` it stays empty.
    pub(crate) fn from_env() -> Self {
        Self { active: super::updating(), sections: Arc::default() }
    }

    /// Whether differences are rewritten.
    pub(crate) fn active(&self) -> bool {
        self.active
    }

    /// Takes the new text of the section that begins on `line`.
    pub(crate) fn push(&self, path: PathBuf, line: usize, text: String) {
        self.sections.lock().unwrap().entry(path).or_default().insert(line, text);
    }

    /// Rewrites the files.
    pub(crate) fn write(&self) {
        for (path, sections) in &*self.sections.lock().unwrap() {
            let file = SpecFile::read(path);
            let head: String = file.head.iter().map(|line| format!("{line}\n")).collect();
            let texts = file.sections.iter().map(|section| match sections.get(&section.line) {
                Some(text) => text.clone(),
                None => section.text(),
            });
            let text = texts.fold(head, |all, text| all + text.as_str());
            std::fs::write(super::root().join(path), text).unwrap();
        }
    }
}

/// The section with the notes of what was found. `inside` says of a line of code whether it
/// begins inside a token, where no note can stand before it.
pub(crate) fn rewritten(
    section: &Section,
    expected: &Expected,
    found: &[Note],
    output: Option<&str>,
    inside: impl Fn(usize) -> bool,
) -> String {
    let output = output.filter(|it| *it != expected.output);
    let drop = |mark| mark != Mark::Output || output.is_some();
    let mut section = section.clone();
    let mut before: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut after = Vec::new();
    for note in found.iter().map(|note| as_written(note, expected)) {
        match note.site {
            Site::Line(line, _) if line < section.end() && !inside(line) => {
                before.entry(line).or_default().extend(note.lines(None));
            }
            Site::Line(line, _) if line < section.end() => {
                let code = |line: &&super::section::Line| line.kind == LineKind::Code;
                let number = section.lines[..=line].iter().filter(code).count();
                after.extend(note.lines(Some(number)));
            }
            Site::Line(..) | Site::Elsewhere(_) | Site::Nowhere => {
                after.extend(note.lines(None));
            }
        }
    }
    for text in output.into_iter().flat_map(str::lines) {
        after.push(format!("{} {text}", Mark::Output).trim_end().to_owned());
    }
    let mut lines = Vec::new();
    for (at, line) in section.lines.drain(..).enumerate() {
        lines.extend(before.remove(&at).unwrap_or_default());
        if !matches!(line.kind, LineKind::Note(mark) if drop(mark)) {
            lines.push(line.text);
        }
    }
    let blank = lines.iter().rev().take_while(|line| line.trim().is_empty()).count();
    let end = lines.len() - blank;
    lines.splice(end..end, after);
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{}\n{lines}", section.header)
}

/// The note found, as short as the one that expected it.
fn as_written(note: &Note, expected: &Expected) -> Note {
    expected.notes.iter().find(|it| it.fits(note)).unwrap_or(note).clone()
}
