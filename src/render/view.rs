//! The texts of a diagnostic as they are drawn: long lines cut around the place, control
//! characters replaced.
//!
//! Places are translated into the drawn text, and the line and column that the user reads are
//! those of the text itself.

use super::plain::is_power;
use crate::diag::Diagnostic;
use crate::source::{Source, SourceId, Sources, Span};
use codespan_reporting::files::{Error, Files, line_starts};
use std::collections::BTreeMap;
use std::ops::Range;

/// The longest line that is drawn whole, in characters.
const LONGEST: usize = 110;
/// What stands where a line was cut.
const CUT: char = '…';

/// The drawn texts that one diagnostic touches.
pub(super) struct View {
    files: BTreeMap<SourceId, File>,
    ranges: BTreeMap<Span, Range<usize>>,
}

impl View {
    pub(super) fn new(sources: &Sources, diag: &Diagnostic) -> Self {
        let labels = diag.primary.iter().chain(&diag.labels);
        let spans: Vec<Span> = labels.map(|label| label.span).collect();
        let mut view = Self { files: BTreeMap::new(), ranges: BTreeMap::new() };
        for span in &spans {
            let source = sources.get(span.source);
            let file = view.files.entry(span.source).or_insert_with(|| {
                let same = spans.iter().filter(|other| other.source == span.source);
                let places: Vec<usize> = same
                    .map(|other| fit(&source.text, *other))
                    .flat_map(|range| [range.start, range.end])
                    .collect();
                File::draw(source, &places)
            });
            let range = fit(&source.text, *span);
            view.ranges.insert(*span, file.place(range.start)..file.place(range.end));
        }
        view
    }

    /// The drawn range of a place.
    pub(super) fn range(&self, span: Span) -> Range<usize> {
        self.ranges.get(&span).cloned().unwrap_or_default()
    }

    fn file(&self, id: u32) -> Result<&File, Error> {
        self.files.get(&SourceId(id)).ok_or(Error::FileMissing)
    }
}

/// The range of a span inside `text`, between characters, and without white space at its end,
/// so that a place never reaches into a line that shows nothing of it.
fn fit(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary(span.start as usize);
    let end = text.floor_char_boundary(span.end as usize).max(start);
    match text[start..end].trim_end().len() {
        0 => start..start,
        len => start..start + len,
    }
}

struct File {
    name: String,
    text: String,
    starts: Vec<usize>,
    /// From bytes of the source to bytes of the drawn text, for the places of the diagnostic.
    places: BTreeMap<usize, usize>,
    /// The user's columns at these bytes of the drawn text.
    columns: BTreeMap<usize, usize>,
}

impl File {
    /// Draws a source with these places; around the first on a line a long line is cut.
    fn draw(source: &Source, places: &[usize]) -> Self {
        let mut file = Self {
            name: super::line(&source.name),
            text: String::with_capacity(source.text.len()),
            starts: Vec::new(),
            places: BTreeMap::new(),
            columns: BTreeMap::new(),
        };
        let first = places.iter().min().copied().unwrap_or_default();
        let until = places.iter().max().copied().unwrap_or_default();
        let mut start = 0;
        for line in source.text.split_inclusive('\n') {
            let end = start + line.len();
            let last = end == source.text.len() && !line.ends_with('\n');
            if end <= first && !last || start > until {
                // Nobody sees it.
                file.text.push_str(if last { "" } else { "\n" });
                start = end;
                continue;
            }
            let inside = |at: &&usize| start <= **at && (**at < end || last && **at == end);
            let here: Vec<usize> = places.iter().filter(inside).map(|at| at - start).collect();
            file.draw_line(line, start, &here);
            start = end;
        }
        file.note(source.text.len(), 1);
        file.starts = line_starts(&file.text).collect();
        file
    }

    /// Draws one line; `here` are the places on it, in bytes of the line.
    fn draw_line(&mut self, line: &str, start: usize, here: &[usize]) {
        let body =
            line.strip_suffix('\n').map_or(line, |it| it.strip_suffix('\r').unwrap_or(it));
        let window = window(body, here.first().copied().unwrap_or_default());
        let mut columns = 0;
        for (column, (at, ch)) in body.char_indices().enumerate() {
            if here.contains(&at) {
                self.note(start + at, column + 1);
            }
            if window.contains(&column) {
                self.text.push(if is_power(ch) { '\u{fffd}' } else { ch });
            } else if column == 0 || column == window.end {
                self.text.push(CUT);
            }
            columns = column + 1;
        }
        for at in here.iter().filter(|at| **at >= body.len()) {
            self.note(start + at, columns + 1);
        }
        if line.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Notes that a byte of the source is drawn next.
    fn note(&mut self, at: usize, column: usize) {
        let drawn = self.text.len();
        self.places.entry(at).or_insert(drawn);
        self.columns.entry(drawn).or_insert(column);
    }

    fn place(&self, at: usize) -> usize {
        self.places.get(&at).copied().unwrap_or(self.text.len())
    }
}

/// The characters of a line that are drawn, with the byte `focus` among them.
fn window(line: &str, focus: usize) -> Range<usize> {
    let length = line.chars().count();
    if length <= LONGEST {
        return 0..length;
    }
    let column = line[..focus.min(line.len())].chars().count();
    let end = (column.saturating_sub(LONGEST / 3) + LONGEST).min(length);
    end - LONGEST..end
}

impl<'a> Files<'a> for View {
    type FileId = u32;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: u32) -> Result<&'a str, Error> {
        Ok(&self.file(id)?.name)
    }

    fn source(&'a self, id: u32) -> Result<&'a str, Error> {
        Ok(&self.file(id)?.text)
    }

    fn line_index(&'a self, id: u32, byte: usize) -> Result<usize, Error> {
        let starts = &self.file(id)?.starts;
        Ok(starts.partition_point(|start| *start <= byte).saturating_sub(1))
    }

    fn line_range(&'a self, id: u32, line: usize) -> Result<Range<usize>, Error> {
        let file = self.file(id)?;
        let start = *file.starts.get(line).ok_or(Error::FileMissing)?;
        Ok(start..file.starts.get(line + 1).copied().unwrap_or(file.text.len()))
    }

    fn column_number(&'a self, id: u32, _: usize, byte: usize) -> Result<usize, Error> {
        Ok(self.file(id)?.columns.get(&byte).copied().unwrap_or(1))
    }
}
