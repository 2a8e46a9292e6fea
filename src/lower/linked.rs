//! The generated text of a program with the map back to its sources.

use crate::source::SourceId;

/// The most lines of generated text; Rhai's positions have 16 bits.
pub const MAX_LINES: usize = 60_000;
/// The column behind which a line of generated text is broken.
pub(crate) const MAX_COLUMN: usize = 30_000;

/// Text copied from a source.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Its first byte in the generated text.
    at: usize,
    /// Its length.
    len: usize,
    source: SourceId,
    /// Its first byte in the source.
    from: usize,
}

/// The generated text of a program with the map back to its sources.
#[derive(Debug, Clone, Default)]
pub struct Linked {
    text: String,
    pieces: Vec<Piece>,
    /// The first byte of each line but the first.
    lines: Vec<usize>,
}

impl Linked {
    /// The generated text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number of its lines.
    pub fn lines(&self) -> usize {
        self.lines.len() + 1
    }

    /// The place in the sources of a place in the generated text, as Rhai says it: both from
    /// 1, the column in characters. What was generated around a piece belongs to the nearest
    /// piece before it, or to the first.
    pub fn locate(&self, line: usize, column: usize) -> Option<(SourceId, usize)> {
        let start = match line {
            0 => return None,
            1 => 0,
            _ => *self.lines.get(line - 2)?,
        };
        let end = self.lines.get(line - 1).copied().unwrap_or(self.text.len());
        let row = self.text.get(start..end)?;
        let within =
            row.char_indices().nth(column.saturating_sub(1)).map_or(row.len(), |it| it.0);
        self.locate_offset(start + within)
    }

    /// The place in the sources of a byte of the generated text.
    pub fn locate_offset(&self, at: usize) -> Option<(SourceId, usize)> {
        let index = self.pieces.partition_point(|piece| piece.at <= at);
        let Some(piece) = index.checked_sub(1).map(|it| self.pieces[it]) else {
            return self.pieces.first().map(|piece| (piece.source, piece.from));
        };
        let within = (at - piece.at).min(piece.len.saturating_sub(1));
        Some((piece.source, piece.from + within))
    }

    /// The column of the next character, counted in bytes from 0.
    pub(crate) fn column(&self) -> usize {
        self.text.len() - self.lines.last().copied().unwrap_or(0)
    }

    /// Appends text of ours.
    pub(crate) fn write(&mut self, text: &str) {
        self.append(text);
    }

    /// Appends text of ours that stands for the source at `from`.
    pub(crate) fn write_at(&mut self, text: &str, source: SourceId, from: usize) {
        self.pieces.push(Piece { at: self.text.len(), len: 1, source, from });
        self.append(text);
    }

    /// Copies text of a source.
    pub(crate) fn copy(&mut self, text: &str, source: SourceId, from: usize) {
        let at = self.text.len();
        match self.pieces.last_mut() {
            Some(last)
                if last.source == source
                    && last.at + last.len == at
                    && last.from + last.len == from =>
            {
                last.len += text.len();
            }
            _ => self.pieces.push(Piece { at, len: text.len(), source, from }),
        }
        self.append(text);
    }

    fn append(&mut self, text: &str) {
        let base = self.text.len();
        self.lines.extend(text.match_indices('\n').map(|(at, _)| base + at + 1));
        self.text.push_str(text);
    }
}
