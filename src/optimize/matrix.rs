//! The score matrix: a line for each candidate, a column for each row to choose by, with holes
//! where a candidate was not scored.

use crate::sampling::Pareto;

/// Scores of candidates by row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    lines: Vec<Vec<Option<f64>>>,
}

impl Matrix {
    pub(super) fn new(lines: Vec<Vec<Option<f64>>>) -> Self {
        Self { lines }
    }

    /// The scores, by candidate and row.
    pub fn lines(&self) -> &[Vec<Option<f64>>] {
        &self.lines
    }

    /// The scores of two candidates on the rows that both were scored on.
    pub fn pairs(&self, one: usize, other: usize) -> Vec<(f64, f64)> {
        let line = |at: usize| self.lines.get(at).map_or(&[][..], Vec::as_slice);
        line(one).iter().zip(line(other)).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect()
    }

    /// Candidates that are best on some row.
    pub fn front(&self) -> Pareto {
        Pareto::new(&self.lines)
    }
}
