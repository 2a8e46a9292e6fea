//! Rows in small batches: each row once before any row twice.

use crate::util::Random;

/// Batches of rows. An epoch takes all rows in an order of its own; a batch that an epoch cannot
/// fill goes on with the next one, and never holds a row twice.
#[derive(Debug, Clone)]
pub struct Minibatches {
    rows: usize,
    size: usize,
    seed: u64,
    epoch: usize,
    /// What is left of the epoch, the next row last.
    left: Vec<usize>,
}

impl Minibatches {
    /// Returns batches of `size` of the rows below `rows`.
    pub fn new(rows: usize, size: usize, seed: u64) -> Self {
        Self { rows, size: size.min(rows), seed, epoch: 0, left: Vec::new() }
    }

    /// The rows of the next batch, in the order in which they are drawn.
    pub fn next_batch(&mut self) -> Vec<usize> {
        let mut batch = Vec::with_capacity(self.size);
        while batch.len() < self.size {
            if self.left.is_empty() {
                self.begin();
            }
            // Rows that this batch has from the last epoch wait for the next batch.
            let next = self.left.iter().rposition(|row| !batch.contains(row));
            match next {
                Some(at) => batch.push(self.left.remove(at)),
                None => break,
            }
        }
        batch
    }

    fn begin(&mut self) {
        self.left = (0..self.rows).collect();
        Random::new(self.seed, &format!("epoch {}", self.epoch)).shuffle(&mut self.left);
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_comes_once_an_epoch() {
        for (rows, size) in [(10, 3), (7, 7), (5, 9), (12, 4), (1, 1)] {
            let mut batches = Minibatches::new(rows, size, 3);
            let mut seen = vec![0_usize; rows];
            for _ in 0..30 {
                let batch = batches.next_batch();
                assert_eq!(batch.len(), size.min(rows));
                let mut once = batch.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), batch.len(), "a row twice in {batch:?}");
                batch.iter().for_each(|row| seen[*row] += 1);
                let (least, most) = (seen.iter().min(), seen.iter().max());
                assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 2, "{seen:?}");
            }
        }
        assert!(Minibatches::new(0, 3, 1).next_batch().is_empty());
    }

    #[test]
    fn batches_are_those_of_the_seed() {
        let draw = |seed| {
            let mut batches = Minibatches::new(20, 6, seed);
            [batches.next_batch(), batches.next_batch(), batches.next_batch()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
