//! Texts and places in them.
//!
//! A [`Span`] is a range of bytes of one text. Lines and columns are computed when somebody
//! looks: both count from 1, columns in characters.

use std::sync::{Arc, OnceLock};

/// A text known to [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// A range of bytes of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// Returns a range of `source`.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { source, start: clamp(start), end: clamp(end) }
    }

    /// The range as indices.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The smallest range that holds both; they must be of one text.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            source: self.source,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The range with at least so many bytes.
    #[must_use]
    pub fn longer(self, bytes: usize) -> Self {
        let least = Self::new(self.source, self.start as usize, self.start as usize + bytes);
        Self { end: self.end.max(least.end), ..self }
    }

    /// Whether `offset` is inside, or just behind the end.
    pub fn touches(self, offset: usize) -> bool {
        self.start as usize <= offset && offset <= self.end as usize
    }
}

/// All texts of a program.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Vec<Source>,
}

/// One text.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name shown to the user: a path, or `<repl>`.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    /// Where its lines begin, found when somebody asks.
    lines: Arc<OnceLock<Vec<usize>>>,
}

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> SourceId {
        let id = u32::try_from(self.texts.len()).expect("fewer than 2^32 texts fit in memory");
        let (name, text) = (name.into(), text.into());
        self.texts.push(Source { name, text, lines: Arc::default() });
        SourceId(id)
    }

    /// The text of `id`.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.texts[id.0 as usize]
    }

    /// The piece of text under `span`; empty where the span does not fit the text.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.range()).unwrap_or_default()
    }

    /// All texts with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0u32..).map(SourceId).zip(&self.texts)
    }

    /// Line and column of a byte.
    pub fn position(&self, id: SourceId, offset: usize) -> (usize, usize) {
        self.get(id).position(offset)
    }
}

impl Source {
    /// Line and column of a byte, as [`position`] finds them, without a look at all that is
    /// before it.
    fn position(&self, offset: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        });
        let offset = self.text.floor_char_boundary(offset);
        let line = lines.partition_point(|start| *start <= offset);
        let column = self.text[lines[line - 1]..offset].chars().count() + 1;
        (line, column)
    }
}

/// Line and column of a byte of `text`, both from 1, the column in characters.
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
