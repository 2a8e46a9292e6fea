//! Columns of text.

use super::plain;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table for a terminal: a head, a rule, rows, two spaces between columns.
#[derive(Debug, Clone)]
pub struct Table {
    head: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The widest cell; longer text is cut and ends in `…`.
    const WIDEST: usize = 100;

    /// Returns a table of these columns.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let head = columns.into_iter().map(|(name, align)| (cell(name), align)).collect();
        Self { head, rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty, and those too many are left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) -> &mut Self {
        let mut row: Vec<String> = cells.into_iter().map(|it| cell(it.as_ref())).collect();
        row.resize(self.head.len(), String::new());
        self.rows.push(row);
        self
    }

    /// The narrowest that a column gets where a table has to fit.
    const NARROWEST: usize = 8;

    /// Returns the lines of the table, without spaces at their ends.
    pub fn render(&self) -> String {
        self.render_within(usize::MAX)
    }

    /// Returns the lines of the table, the widest columns cut so that they fit into this many
    /// columns of a terminal where that is possible.
    pub fn render_within(&self, width: usize) -> String {
        let names: Vec<String> = self.head.iter().map(|(name, _)| name.clone()).collect();
        let mut widths: Vec<usize> = (0..self.head.len())
            .map(|at| self.rows.iter().chain([&names]).map(|row| row[at].width()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let between = 2 * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + between > width {
            let Some(widest) = widths.iter_mut().max() else { break };
            if *widest <= Self::NARROWEST {
                break;
            }
            *widest -= 1;
        }
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        [&names, &rule]
            .into_iter()
            .chain(&self.rows)
            .map(|row| self.line(row, &widths))
            .collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells =
            row.iter().zip(widths).zip(&self.head).map(|((cell, width), (_, align))| {
                let cell = cut(cell, *width);
                let space = " ".repeat(width - cell.width());
                match align {
                    Align::Left => format!("{cell}{space}"),
                    Align::Right => format!("{space}{cell}"),
                }
            });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    }
}

/// Text as a cell: one line, no control characters, not too wide.
fn cell(text: &str) -> String {
    let text = plain(text).replace(['\n', '\t'], " ");
    cut(&text, Table::WIDEST).into_owned()
}

/// Text of at most this width; what was cut ends in `…`.
fn cut(text: &str, widest: usize) -> Cow<'_, str> {
    if text.width() <= widest {
        return Cow::Borrowed(text);
    }
    let mut cut = String::new();
    for ch in text.chars() {
        cut.push(ch);
        if cut.width() >= widest {
            cut.pop();
            break;
        }
    }
    Cow::Owned(cut + "…")
}
