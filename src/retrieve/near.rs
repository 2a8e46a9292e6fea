//! Passages found by their vectors: those whose direction is nearest to that of the query.
//!
//! The search is exact: each passage is compared. A hundred thousand of 768 numbers are 300 MB
//! and take some tens of milliseconds a query.

use crate::retrieve::Hit;
use crate::runtime::Vectors;
use std::fmt;
use std::sync::Arc;

/// Passages with their vectors; clones are cheap.
#[derive(Clone)]
pub struct Near {
    inner: Arc<Inner>,
}

struct Inner {
    passages: Vec<Arc<str>>,
    /// Each of length 1, or all zeros.
    vectors: Vectors,
}

impl Near {
    /// Returns passages with the vectors of each.
    pub fn new(passages: Vec<Arc<str>>, mut vectors: Vectors) -> Self {
        let length = vectors.length.max(1);
        vectors.numbers.chunks_exact_mut(length).for_each(normalise);
        Self { inner: Arc::new(Inner { passages, vectors }) }
    }

    /// How many passages there are.
    pub fn len(&self) -> usize {
        self.inner.passages.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `k` passages nearest to a query's vector, the nearest first, equal ones in their
    /// order. Their scores are cosines. `None` where the vector is of another length.
    pub fn search(&self, query: &[f32], k: usize) -> Option<Vec<Hit>> {
        let Inner { passages, vectors } = &*self.inner;
        if query.len() != vectors.length && !passages.is_empty() {
            return None;
        }
        let mut query = query.to_vec();
        normalise(&mut query);
        let scores: Vec<f32> = vectors.rows().map(|row| dot(row, &query)).collect();
        let mut found: Vec<usize> = (0..passages.len()).collect();
        let order = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        if k < found.len() {
            found.select_nth_unstable_by(k, order);
            found.truncate(k);
        }
        found.sort_unstable_by(order);
        let hit = |index: usize| Hit {
            index,
            score: scores[index],
            text: Arc::clone(&passages[index]),
        };
        Some(found.into_iter().map(hit).collect())
    }
}

/// Makes a vector of length 1; one of zeros stays.
fn normalise(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|it| *it /= length);
    }
}

/// The sum of products, in eight lanes: in the same order on every machine.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Near").field("passages", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Near;
    use crate::runtime::Vectors;
    use std::sync::Arc;

    fn near(rows: &[&[f32]]) -> Near {
        let passages = (0..rows.len()).map(|it| Arc::from(it.to_string())).collect();
        Near::new(passages, Vectors { length: rows[0].len(), numbers: rows.concat() })
    }

    fn found(near: &Near, query: &[f32], k: usize) -> Vec<usize> {
        near.search(query, k).unwrap().iter().map(|it| it.index).collect()
    }

    #[test]
    fn directions_count_and_lengths_do_not() {
        let near = near(&[&[1.0, 0.0], &[0.0, 9.0], &[3.0, 3.0], &[-1.0, 0.0]]);
        assert_eq!(found(&near, &[0.1, 0.0], 4), [0, 2, 1, 3]);
        assert_eq!(found(&near, &[0.0, 5.0], 2), [1, 2]);
        let score = near.search(&[2.0, 0.0], 1).unwrap()[0].score;
        assert!((score - 1.0).abs() < 1e-6, "{score}");
    }

    #[test]
    fn equal_ones_stay_in_order_and_few_are_all() {
        let near = near(&[&[1.0], &[1.0], &[2.0], &[0.0]]);
        assert_eq!(found(&near, &[1.0], 2), [0, 1]);
        assert_eq!(found(&near, &[1.0], 9), [0, 1, 2, 3]);
        assert_eq!(found(&near, &[1.0], 0), [0; 0]);
    }

    #[test]
    fn a_vector_of_another_length_is_none() {
        assert!(near(&[&[1.0, 0.0]]).search(&[1.0], 1).is_none());
    }

    #[test]
    fn the_best_of_many_are_those_of_a_whole_sort() {
        let rows: Vec<Vec<f32>> = (0_u16..500)
            .map(|it| (0..13).map(|at| f32::from((it * 37 + at * 101) % 97) - 48.0).collect())
            .collect();
        let near = near(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let all = found(&near, &rows[17], 500);
        assert_eq!(found(&near, &rows[17], 10), all[..10]);
        assert_eq!(all[0], 17);
    }
}
