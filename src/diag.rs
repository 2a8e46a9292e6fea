//! Diagnostics as data: what is wrong, where, and what to do.
//!
//! A message is one line that stands alone: it begins in lower case, has no full stop, names
//! things of the user's in back-ticks and speaks of fields, modules and predictors. What to do
//! goes into hints. How a diagnostic looks on a terminal is `render`'s business.

use crate::source::Span;
use std::collections::BTreeSet;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The program runs, but perhaps not as meant.
    Warning,
    /// The program does not run.
    Error,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A kind of diagnostic: `E0203` for errors, `W0301` for warnings.
///
/// Codes below 0100 are of files and settings, 01xx of syntax, 02xx of names, fields and
/// calls, 03xx of types and signatures, 04xx of modules, 05xx of running programs, 06xx of
/// models, 07xx of data, states and stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub &'static str);

impl Code {
    /// The severity that the letter says.
    pub fn severity(self) -> Severity {
        if self.0.starts_with('W') { Severity::Warning } else { Severity::Error }
    }
}

/// A place with a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// The remark; may be empty.
    pub text: String,
}

/// A change of the text that mends what is wrong, where it is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes in its place.
    pub text: String,
}

/// What was likely meant by a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suggestion {
    /// What to tell the user; may be empty.
    pub hint: String,
    /// The word that must have been meant, where only one is near.
    pub certain: Option<String>,
}

/// One thing to tell the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line that stands alone.
    pub message: String,
    /// Where; `None` for what has no place in a text, such as a missing file.
    pub primary: Option<Label>,
    /// Other places that belong to it.
    pub labels: Vec<Label>,
    /// Facts that do not fit the line, such as values or a call chain.
    pub notes: Vec<String>,
    /// What the user can do.
    pub hints: Vec<String>,
    /// The changes that mend it, together; none where no change is certain.
    pub edits: Vec<Edit>,
}

impl Diagnostic {
    /// Returns a diagnostic at `span`.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { primary: Some(Label { span, text: String::new() }), ..Self::bare(code, message) }
    }

    /// Returns a diagnostic without a place.
    pub fn bare(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: None,
            labels: Vec::new(),
            notes: Vec::new(),
            hints: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// Sets the remark at the place itself.
    #[must_use]
    pub fn remark(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what the user can do; an empty hint is none.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !hint.is_empty() {
            self.hints.push(hint);
        }
        self
    }

    /// Adds a change that mends it.
    #[must_use]
    pub fn edit(mut self, span: Span, text: impl Into<String>) -> Self {
        self.edits.push(Edit { span, text: text.into() });
        self
    }

    /// Adds what was likely meant by the word at its place.
    #[must_use]
    pub fn suggest(self, suggestion: Suggestion) -> Self {
        let told = self.hint(suggestion.hint);
        match (suggestion.certain, told.primary.as_ref().map(|it| it.span)) {
            (Some(word), Some(span)) => told.edit(span, word),
            _ => told,
        }
    }

    /// Whether it stops the program.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// What was likely meant by `wanted`, and whether it must have been.
pub fn suggestion<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Suggestion {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let hint = did_you_mean(wanted, candidates.iter().copied());
    let certain = nearest(wanted, &candidates).filter(|near| {
        let others: Vec<&str> = candidates.iter().filter(|it| *it != near).copied().collect();
        wanted.len() > 2 && nearest(wanted, &others).is_none()
    });
    Suggestion { hint, certain: certain.map(str::to_owned) }
}

/// How many names a hint lists.
const FEW: usize = 13;

/// A hint that names the likeliest of `candidates`, or lists them when they are few, or is
/// empty.
pub fn did_you_mean<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    // What is a field and a method is one name.
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    let mut seen = BTreeSet::new();
    candidates.retain(|it| seen.insert(*it));
    if let Some(near) = nearest(wanted, &candidates) {
        return format!("did you mean `{near}`?");
    }
    match candidates.as_slice() {
        [] => String::new(),
        [only] => format!("there is only `{only}`"),
        some if some.len() <= FEW => {
            format!(
                "there are {}",
                some.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ")
            )
        }
        _ => String::new(),
    }
}

/// The candidate nearest to `wanted`: equal but for case first, then by edit distance, at most
/// a third of the length.
pub fn nearest<'a>(wanted: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let folded = wanted.to_lowercase();
    if let Some(same) = candidates.iter().find(|it| it.to_lowercase() == folded) {
        return Some(same);
    }
    let bound = (wanted.chars().count() / 3).max(1);
    candidates
        .iter()
        .filter(|it| it.len().abs_diff(wanted.len()) <= 4 * bound)
        .map(|it| (edit_distance(&folded, &it.to_lowercase()), *it))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // What both begin and end with costs nothing.
    let same = |pair: &(&char, &char)| pair.0 == pair.1;
    let head = a.iter().zip(&b).take_while(same).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(same).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let changed = last[j] + usize::from(a[i] != b[j]);
            let mut best = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
