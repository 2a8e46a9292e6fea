//! Attention of one group of heads over the cache, and the elementwise functions around it.
//!
//! The order of every sum is fixed by the position in the sequence, from its first token on: a
//! score adds up over the head's dimensions, a value over positions, and the weights' total
//! over positions in lanes. Neither the queries computed beside one, nor where a prefix ends,
//! can change a bit. Code is written once over [`Isa`] and chosen when the program runs.

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

/// Positions in a block of the cache; also the most lanes that a vector may have.
pub(crate) const BLOCK: usize = 16;

/// Queries of one head group against the cache.
pub(crate) struct Attend<'a> {
    /// Numbers of a head.
    pub(crate) size: usize,
    /// The queries, already scaled by the root of the head's size.
    pub(crate) queries: &'a [f32],
    /// For each query, how many positions it sees.
    pub(crate) limits: &'a [usize],
    /// For each block of positions its keys, `size` rows of [`BLOCK`] positions, followed by
    /// its values, [`BLOCK`] rows of `size` numbers.
    pub(crate) blocks: &'a [&'a [f32]],
    /// Room for the weights.
    pub(crate) scratch: &'a mut Vec<f32>,
    /// Where each query's result goes.
    pub(crate) out: &'a mut [f32],
}

impl SimdOp for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let mut from = 0;
        while from < self.limits.len() {
            let left = self.limits.len() - from;
            from += if left >= 8 {
                self.tile::<I, 8>(isa, from)
            } else if left >= 4 {
                self.tile::<I, 4>(isa, from)
            } else if left >= 2 {
                self.tile::<I, 2>(isa, from)
            } else {
                self.tile::<I, 1>(isa, from)
            };
        }
    }
}

impl Attend<'_> {
    /// Computes `N` queries from number `from` on.
    #[inline(always)]
    fn tile<I: Isa, const N: usize>(&mut self, isa: I, from: usize) -> usize {
        let limits = &self.limits[from..from + N];
        let seen = limits.iter().copied().max().unwrap_or(0);
        let width = seen.next_multiple_of(BLOCK);
        self.scratch.clear();
        self.scratch.resize(N * width, 0.0);
        self.score::<I, N>(isa, from, width);
        let mut totals = [0.0; N];
        for ((row, limit), total) in
            self.scratch.chunks_exact_mut(width).zip(limits).zip(&mut totals)
        {
            *total = soften(isa, row, *limit);
        }
        let mut done = 0;
        while done < N {
            done += if N - done >= 4 {
                self.mix::<I, 4>(isa, from, done, seen, width, &totals)
            } else {
                self.mix::<I, 1>(isa, from, done, seen, width, &totals)
            };
        }
        N
    }

    /// Writes the scores of `N` queries.
    #[inline(always)]
    fn score<I: Isa, const N: usize>(&mut self, isa: I, from: usize, width: usize) {
        let ops = isa.f32();
        let lanes = ops.len();
        let queries: [&[f32]; N] = std::array::from_fn(|n| {
            &self.queries[(from + n) * self.size..(from + n + 1) * self.size]
        });
        for (number, block) in self.blocks[..width / BLOCK].iter().enumerate() {
            let keys = &block[..self.size * BLOCK];
            for lane in (0..BLOCK).step_by(lanes) {
                let mut sums = [ops.zero(); N];
                for (d, row) in keys.chunks_exact(BLOCK).enumerate() {
                    let key = ops.load(&row[lane..]);
                    for (sum, query) in sums.iter_mut().zip(&queries) {
                        *sum = ops.mul_add(ops.splat(query[d]), key, *sum);
                    }
                }
                for (n, sum) in sums.into_iter().enumerate() {
                    let at = n * width + number * BLOCK + lane;
                    ops.store(sum, &mut self.scratch[at..]);
                }
            }
        }
    }

    /// Writes the weighted values of `N` queries of a tile, from its query `done` on.
    #[inline(always)]
    fn mix<I: Isa, const N: usize>(
        &mut self,
        isa: I,
        from: usize,
        done: usize,
        seen: usize,
        width: usize,
        totals: &[f32],
    ) -> usize {
        let lanes = isa.f32().len();
        let mut d = 0;
        while d < self.size {
            if d + 2 * lanes <= self.size {
                self.mix_columns::<I, N, 2>(isa, from, done, d, seen, width, totals);
                d += 2 * lanes;
            } else {
                self.mix_columns::<I, N, 1>(isa, from, done, d, seen, width, totals);
                d += lanes;
            }
        }
        N
    }

    /// Writes `V` vectors of numbers of the results of `N` queries.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "a kernel's loop bounds")]
    fn mix_columns<I: Isa, const N: usize, const V: usize>(
        &mut self,
        isa: I,
        from: usize,
        done: usize,
        d: usize,
        seen: usize,
        width: usize,
        totals: &[f32],
    ) {
        let ops = isa.f32();
        let lanes = ops.len();
        let weights: [&[f32]; N] =
            std::array::from_fn(|n| &self.scratch[(done + n) * width..(done + n + 1) * width]);
        let mut sums = [[ops.zero(); V]; N];
        for (number, block) in self.blocks[..width / BLOCK].iter().enumerate() {
            let start = number * BLOCK;
            let values = &block[self.size * BLOCK..];
            let rows = values.chunks_exact(self.size).take(seen - start);
            for (i, row) in rows.enumerate() {
                let row: [_; V] = std::array::from_fn(|v| ops.load(&row[d + v * lanes..]));
                for (sums, weights) in sums.iter_mut().zip(&weights) {
                    let weight = ops.splat(weights[start + i]);
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum = ops.mul_add(weight, value, *sum);
                    }
                }
            }
        }
        for (n, sums) in sums.into_iter().enumerate() {
            let inverse = ops.splat(1.0 / totals[done + n]);
            for (v, sum) in sums.into_iter().enumerate() {
                let at = (from + done + n) * self.size + d + v * lanes;
                ops.store(ops.mul(sum, inverse), &mut self.out[at..]);
            }
        }
    }
}

/// Turns the first `limit` scores into weights, the rest into zeros; returns the weights' sum.
#[inline(always)]
fn soften<I: Isa>(isa: I, row: &mut [f32], limit: usize) -> f32 {
    let ops = isa.f32();
    let lanes = ops.len();
    // What is not seen gets the weight 0, exactly.
    row[limit..].fill(f32::NEG_INFINITY);
    let mut most = ops.splat(f32::NEG_INFINITY);
    for chunk in row.chunks_exact(lanes) {
        most = ops.max(most, ops.load(chunk));
    }
    let most = most.to_array().into_iter().fold(f32::NEG_INFINITY, f32::max);
    let most = ops.splat(most);
    let mut total = ops.zero();
    for chunk in row.chunks_exact_mut(lanes) {
        let weight = exp(isa, ops.sub(ops.load(chunk), most));
        ops.store(weight, chunk);
        total = ops.add(total, weight);
    }
    total.to_array().into_iter().sum()
}

/// The exponential function, to about 2 units in the last place, for arguments up to 88; what
/// lies below -87 gives exactly 0.
#[inline(always)]
fn exp<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    let ops = isa.f32();
    let ints = isa.i32();
    let low = ops.splat(-87.0);
    let vanishes = ops.lt(x, low);
    let x = ops.min(ops.max(x, low), ops.splat(88.0));
    let n = ops.round_ties_even(ops.mul(x, ops.splat(std::f32::consts::LOG2_E)));
    // The logarithm of 2 in two parts, the first with few bits, after Cody and Waite.
    let r = ops.mul_add(n, ops.splat(-0.693_359_4), x);
    let r = ops.mul_add(n, ops.splat(2.121_944_4e-4), r);
    let mut y = ops.splat(1.987_569_1e-4);
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1, 1.0, 1.0] {
        y = ops.mul_add(y, r, ops.splat(c));
    }
    let power = ints.shift_left::<23>(ints.add(ops.to_int_trunc(n), ints.splat(127)));
    let scale: I::F32 = power.reinterpret_cast();
    ops.select(ops.zero(), ops.mul(y, scale), vanishes)
}

/// `gate * sigmoid(gate) * up`, written over `gate`.
pub(crate) struct Swish<'a> {
    /// The gates.
    pub(crate) gate: &'a mut [f32],
    /// What they let through.
    pub(crate) up: &'a [f32],
}

impl SimdOp for Swish<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        let one = ops.splat(1.0);
        for (gate, up) in self.gate.chunks_exact_mut(lanes).zip(self.up.chunks_exact(lanes)) {
            let x = ops.load(gate);
            let below = ops.add(one, exp(isa, ops.sub(ops.zero(), x)));
            let y = ops.mul(ops.div(x, below), ops.load(up));
            ops.store(y, gate);
        }
    }
}
