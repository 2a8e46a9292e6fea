//! Expectations in a program: what it prints and which diagnostics it gets.
//!
//! A diagnostic stands before the line it is about: `//! 9-15 E0203 message`. The numbers are
//! its first column and the column behind its last; one number is an empty place, and `9-3+1`
//! ends one line further down. Where no line can stand (inside a text of many lines) it is
//! `@5:9-15`, the fifth line of code, at the end of the section; a place in another file is
//! `lib.dsp:2:9-15`; a diagnostic without a place has only its code. A message or hints that are
//! left out are not compared.

use super::drive::Diag;
use super::section::{LineKind, Section};
use std::fmt;

/// What begins a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// `//>`: a line of output.
    Output,
    /// `//!`: an error.
    Error,
    /// `//~`: a warning.
    Warning,
    /// `//?`: a hint of the diagnostic before it.
    Hint,
}

impl Mark {
    const ALL: [(&'static str, Self); 4] = [
        ("//>", Self::Output),
        ("//!", Self::Error),
        ("//~", Self::Warning),
        ("//?", Self::Hint),
    ];

    /// The mark that a line begins with.
    pub(crate) fn of(line: &str) -> Option<Self> {
        let line = line.trim_start();
        let fits = |text: &str| {
            line.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        Self::ALL.iter().find(|(text, _)| fits(text)).map(|(_, mark)| *mark)
    }

    fn body(line: &str) -> &str {
        let rest = line.trim_start().get(3..).unwrap_or_default();
        rest.strip_prefix(' ').unwrap_or(rest)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Self::ALL.iter().find(|(_, mark)| mark == self).map_or("", |(text, _)| text);
        f.write_str(text)
    }
}

/// Where a diagnostic is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    /// On a line of the section, from 0; a line behind the last is the end of the text.
    Line(usize, String),
    /// In another file, `lib.dsp:2:9-15`.
    Elsewhere(String),
    /// Nowhere.
    Nowhere,
}

/// A diagnostic, expected or found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    /// Where it is.
    pub(crate) site: Site,
    /// [`Mark::Error`] or [`Mark::Warning`].
    pub(crate) mark: Mark,
    /// Its code.
    pub(crate) code: String,
    /// Its message; `None` fits any.
    pub(crate) message: Option<String>,
    /// Its hints; none fit any.
    pub(crate) hints: Vec<String>,
}

impl Note {
    /// The diagnostic as a note on a section.
    pub(crate) fn found(diag: &Diag, section: &Section) -> Self {
        let site = match (&diag.place, diag.file.as_deref()) {
            (None, _) => Site::Nowhere,
            (Some(place), None) => {
                Site::Line((place.line - 1).min(section.end()), place.columns())
            }
            (Some(place), Some(file)) => {
                Site::Elsewhere(format!("{file}:{}:{}", place.line, place.columns()))
            }
        };
        Self {
            site,
            mark: if diag.is_error { Mark::Error } else { Mark::Warning },
            code: diag.code.clone(),
            message: Some(diag.message.clone()),
            hints: diag.hints.clone(),
        }
    }

    /// Whether this expectation is met by `found`.
    pub(crate) fn fits(&self, found: &Self) -> bool {
        (&self.site, self.mark, &self.code) == (&found.site, found.mark, &found.code)
            && self.message.as_ref().is_none_or(|it| Some(it) == found.message.as_ref())
            && (self.hints.is_empty() || self.hints == found.hints)
    }

    /// The lines of the note, written before the line it is about, or with `at` at the end.
    pub(crate) fn lines(&self, at: Option<usize>) -> Vec<String> {
        let place = match (&self.site, at) {
            (Site::Line(_, columns), None) => format!("{columns} "),
            (Site::Line(_, columns), Some(line)) => format!("@{line}:{columns} "),
            (Site::Elsewhere(place), _) => format!("{place} "),
            (Site::Nowhere, _) => String::new(),
        };
        let head = format!("{} {place}{}", self.mark, self.code);
        let first = match &self.message {
            Some(message) => format!("{head} {message}"),
            None => head,
        };
        let hints = self.hints.iter().map(|hint| format!("{} {hint}", Mark::Hint));
        [first].into_iter().chain(hints).collect()
    }
}

/// What a section expects.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Its diagnostics.
    pub(crate) notes: Vec<Note>,
    /// Its output.
    pub(crate) output: String,
}

impl Expected {
    /// Reads the notes of a section.
    pub(crate) fn of(section: &Section) -> Result<Self, String> {
        let mut expected = Self::default();
        for (at, line) in section.lines.iter().enumerate() {
            let LineKind::Note(mark) = line.kind else { continue };
            let body = Mark::body(&line.text);
            match mark {
                Mark::Output => expected.output.push_str(&format!("{body}\n")),
                Mark::Error | Mark::Warning => {
                    let note = parse_note(section, at, mark, body);
                    let note =
                        note.ok_or_else(|| format!("this is no note: `{}`", line.text))?;
                    expected.notes.push(note);
                }
                Mark::Hint => match expected.notes.last_mut() {
                    Some(note) => note.hints.push(body.to_owned()),
                    None => return Err("a hint before any diagnostic".to_owned()),
                },
            }
        }
        Ok(expected)
    }
}

fn parse_note(section: &Section, at: usize, mark: Mark, body: &str) -> Option<Note> {
    let (word, rest) = body.split_once(' ').unwrap_or((body, ""));
    let (site, rest) = match site(section, at, word) {
        Some(site) => (site, rest),
        None => (Site::Nowhere, body),
    };
    let (code, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let message = (!message.is_empty()).then(|| message.to_owned());
    let is_code = code.len() == 5 && code.starts_with(['E', 'W']);
    is_code.then(|| Note { site, mark, code: code.to_owned(), message, hints: Vec::new() })
}

fn site(section: &Section, at: usize, word: &str) -> Option<Site> {
    let is_code = |line: &usize| section.lines[*line].kind == LineKind::Code;
    if let Some((line, columns)) = word.strip_prefix('@').and_then(|it| it.split_once(':')) {
        let number: usize = line.parse().ok()?;
        let line = (0..section.lines.len()).filter(is_code).nth(number.checked_sub(1)?)?;
        return Some(Site::Line(line, columns.to_owned()));
    }
    if word.split_once(':').is_some() {
        return Some(Site::Elsewhere(word.to_owned()));
    }
    let is_place = word.starts_with(|ch: char| ch.is_ascii_digit());
    let next = (at..section.lines.len()).find(is_code).unwrap_or(section.end());
    is_place.then(|| Site::Line(next.min(section.end()), word.to_owned()))
}
