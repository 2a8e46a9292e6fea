//! Rows that belong together, in little memory: a data set may have millions of them.

use super::dataset::small;
use std::num::NonZeroU64;

/// Which rows belong together: a forest whose roots are the first rows of their sets.
pub(super) struct Joined(Vec<u32>);

impl Joined {
    pub(super) fn new(len: usize) -> Self {
        Self((0..small(len)).collect())
    }

    pub(super) fn root(&mut self, at: usize) -> usize {
        let mut root = at;
        while self.0[root] as usize != root {
            self.0[root] = self.0[self.0[root] as usize];
            root = self.0[root] as usize;
        }
        root
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = small(a.min(b));
    }

    /// Joins rows with equal keys; a row without a key is alone.
    pub(super) fn join_equal(&mut self, keys: &[Option<NonZeroU64>]) {
        let keyed = (0..keys.len()).filter(|at| keys[*at].is_some());
        let mut rows: Vec<u32> = keyed.map(small).collect();
        rows.sort_unstable_by_key(|at| (keys[*at as usize], *at));
        for pair in rows.windows(2) {
            let (a, b) = (pair[0] as usize, pair[1] as usize);
            if keys[a] == keys[b] {
                self.join(a, b);
            }
        }
    }

    /// The sets in order of their first rows.
    pub(super) fn bundles(mut self) -> Bundles {
        let mut rows: Vec<u32> = (0..small(self.0.len())).collect();
        for at in 0..self.0.len() {
            self.0[at] = small(self.root(at));
        }
        let roots = self.0;
        rows.sort_unstable_by_key(|at| (roots[*at as usize], *at));
        let begins =
            |at: &usize| *at == 0 || roots[rows[at - 1] as usize] != roots[rows[*at] as usize];
        let starts: Vec<u32> = (0..rows.len()).filter(begins).map(small).collect();
        Bundles { order: (0..small(starts.len())).collect(), rows, starts }
    }
}

/// Sets of rows in some order.
pub(super) struct Bundles {
    /// All rows, set by set.
    rows: Vec<u32>,
    /// Where sets begin.
    starts: Vec<u32>,
    /// The order of the sets.
    pub(super) order: Vec<u32>,
}

impl Bundles {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The rows of the set at a place of the order, in order.
    pub(super) fn get(&self, at: usize) -> &[u32] {
        let set = self.order[at] as usize;
        let end = self.starts.get(set + 1).map_or(self.rows.len(), |end| *end as usize);
        &self.rows[self.starts[set] as usize..end]
    }

    /// All sets in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|at| self.get(at))
    }
}
