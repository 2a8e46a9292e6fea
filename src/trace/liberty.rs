//! What was read freely in a reply, and where.

use super::content::LEFT_OUT;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Something in a reply that was not as asked for and was read all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Line", into = "Line")]
pub struct Liberty {
    /// What it was: `answer: another spelling of a number`.
    pub note: String,
    /// What kind of thing, in a word: `spelling`; nothing where it is not known.
    pub kind: String,
    /// Its bytes in the reply, where they are known.
    pub at: Option<Range<usize>>,
}

impl Liberty {
    /// That there was one, and of what kind.
    pub(super) fn without_content(&self) -> Self {
        Self { note: LEFT_OUT.to_owned(), kind: self.kind.clone(), at: None }
    }
}

impl fmt::Display for Liberty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.note)
    }
}

/// A liberty in files; older ones have only the note.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Note(String),
    Told {
        note: String,
        kind: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<(usize, usize)>,
    },
}

impl From<Line> for Liberty {
    fn from(line: Line) -> Self {
        match line {
            Line::Note(note) => Self { note, kind: String::new(), at: None },
            Line::Told { note, kind, at } => {
                Self { note, kind, at: at.map(|(start, end)| start..end) }
            }
        }
    }
}

impl From<Liberty> for Line {
    fn from(it: Liberty) -> Self {
        let at = it.at.map(|at| (at.start, at.end));
        Self::Told { note: it.note, kind: it.kind, at }
    }
}
