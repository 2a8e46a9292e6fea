//! Matrix products in integers: what makes a logit a function of its tokens alone.
//!
//! Weights are `i8` with one scale for each output. Activations have 14 bits and one scale for
//! each row; a row is split into two rows of 7 bits (`x = scale * (128 * high + low)`, stored
//! as `u8` with zero point 64), and one product `u8 * i8 -> i32` computes both. Integer sums do
//! not depend on their order, so neither tiling, nor threads, nor the other rows of a batch
//! can change a result; and no intermediate of 16 bits can saturate, for 2 * 127 * 127 fits.
//!
//! A matrix may be kept *fine*: what rounding its weights to 8 bits lost is a second matrix of
//! 8 bits, whose product with the high halves is added. That costs half as much again in time
//! and twice the memory.

use rayon::prelude::*;
use rten_gemm::{
    GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix, QuantParams,
};
use rten_tensor::{Matrix, NdTensorView};

/// The largest magnitude of a 14-bit activation: `128 * 63 + 63`.
const LIMIT: f32 = 8127.0;
/// What zero is stored as in each 7-bit half.
const ZERO: u8 = 64;
/// From this many rows on, work on rows is shared between threads.
const PARALLEL_ROWS: usize = 32;

/// The product of `u8` rows and packed `i8` columns; making one costs next to nothing.
type Gemm = GemmExecutor<u8, i8, i32>;

/// A matrix of weights, packed for the processor at hand.
pub(crate) struct Linear {
    packed: PackedBMatrix<i8>,
    /// What rounding to `packed` lost, in units of 1/256.
    rest: Option<PackedBMatrix<i8>>,
    scales: Vec<f32>,
}

/// How closely weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// 8 bits: quicker by a third, and wrong about one token in sixteen.
    #[expect(dead_code, reason = "the other end of the table in `weights`, one word away")]
    Plain,
    /// 16 bits.
    Fine,
}

impl Linear {
    /// Packs `weights`, rows of `inputs` numbers, one for each output.
    pub(crate) fn pack(weights: &[f32], inputs: usize, precision: Precision) -> Self {
        let mut scales = Vec::with_capacity(weights.len() / inputs);
        let mut quants = Vec::with_capacity(weights.len());
        let mut rests = Vec::new();
        for row in weights.chunks_exact(inputs) {
            let (scale, inverse) = scale_of(row, 127.0);
            scales.push(scale);
            quants.extend(row.iter().map(|w| nearest(w * inverse) as i8));
            if precision == Precision::Fine {
                rests.extend(row.iter().map(|w| {
                    let lost = w * inverse - nearest(w * inverse) as f32;
                    nearest(lost * 256.0).clamp(-127, 127) as i8
                }));
            }
        }
        let pack = |quants: &[i8]| {
            let rows = NdTensorView::from_data([scales.len(), inputs], quants);
            Gemm::new().prepack_b(rows.transposed())
        };
        let rest = (precision == Precision::Fine).then(|| pack(&rests));
        Self { packed: pack(&quants), rest, scales }
    }

    /// How many outputs there are.
    pub(crate) fn outputs(&self) -> usize {
        self.scales.len()
    }

    /// Computes the outputs of every row of `input` into `out`, which is resized to fit.
    pub(crate) fn apply(&self, input: &Rows, sums: &mut Vec<i32>, out: &mut Vec<f32>) {
        let outputs = self.outputs();
        let rows = input.scales.len();
        out.resize(rows * outputs, 0.0);
        let rest_rows = if self.rest.is_some() { rows } else { 0 };
        sums.resize((2 * rows + rest_rows) * outputs, 0);
        let (sums, rests) = sums.split_at_mut(2 * rows * outputs);
        multiply(input, 2 * rows, input.columns, &self.packed, sums);
        if let Some(rest) = &self.rest {
            // Every other row is a high half.
            multiply(input, rows, 2 * input.columns, rest, rests);
        }
        let rests = &*rests;
        let finish = |(i, ((out, sums), scale)): (usize, Outcome<'_>)| {
            let (high, low) = sums.split_at(outputs);
            let sums = out.iter_mut().zip(high).zip(low).zip(&self.scales);
            if rests.is_empty() {
                for (((out, high), low), weight) in sums {
                    *out = (*high as f32 * 128.0 + *low as f32) * (scale * weight);
                }
            } else {
                let rest = &rests[i * outputs..][..outputs];
                for ((((out, high), low), weight), rest) in sums.zip(rest) {
                    let low = *low as f32 + *rest as f32 * 0.5;
                    *out = (*high as f32 * 128.0 + low) * (scale * weight);
                }
            }
        };
        if rows < PARALLEL_ROWS {
            let parts = out.chunks_exact_mut(outputs).zip(sums.chunks_exact(2 * outputs));
            parts.zip(&input.scales).enumerate().for_each(finish);
        } else {
            let parts =
                out.par_chunks_exact_mut(outputs).zip(sums.par_chunks_exact(2 * outputs));
            parts.zip(&input.scales).enumerate().for_each(finish);
        }
    }
}

/// A row of outputs, the sums of its halves, and the scale of its input.
type Outcome<'a> = ((&'a mut [f32], &'a [i32]), &'a f32);

/// Multiplies `rows` rows of halves, `stride` bytes apart, with a matrix.
fn multiply(
    input: &Rows,
    rows: usize,
    stride: usize,
    matrix: &PackedBMatrix<i8>,
    out: &mut [i32],
) {
    const FITS: &str = "the sizes of a checked model agree";
    if rows == 0 {
        return;
    }
    let shape = [rows, input.columns];
    let a: Matrix<'_, u8> =
        NdTensorView::from_slice_with_strides(shape, &input.halves, [stride, 1]).expect(FITS);
    let zeros = QuantParams { zero_point: &input.zeros[..rows] };
    let options = GemmOptions { a_quant: Some(zeros), ..GemmOptions::default() };
    let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Packed(matrix));
    Gemm::new().gemm(out, a, b, options).expect(FITS);
}

/// Rows of activations as products take them.
#[derive(Default)]
pub(crate) struct Rows {
    columns: usize,
    halves: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<u8>,
}

impl Rows {
    /// Takes the rows of `columns` numbers in `data`, each through `prepare` first, which may
    /// change its row (and its row only).
    pub(crate) fn fill(
        &mut self,
        data: &mut [f32],
        columns: usize,
        prepare: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let rows = data.len() / columns;
        self.columns = columns;
        self.halves.resize(2 * data.len(), 0);
        self.scales.resize(rows, 0.0);
        self.zeros.resize(2 * rows, ZERO);
        let quantise = |(i, ((row, halves), scale)): (usize, Parts<'_>)| {
            prepare(i, row);
            *scale = split(row, halves);
        };
        if rows < PARALLEL_ROWS {
            let parts =
                data.chunks_exact_mut(columns).zip(self.halves.chunks_exact_mut(2 * columns));
            parts.zip(&mut self.scales).enumerate().for_each(quantise);
        } else {
            let halves = self.halves.par_chunks_exact_mut(2 * columns);
            let parts = data.par_chunks_exact_mut(columns).zip(halves);
            parts.zip(&mut self.scales).enumerate().for_each(quantise);
        }
    }
}

/// A row, room for its halves and for its scale.
type Parts<'a> = ((&'a mut [f32], &'a mut [u8]), &'a mut f32);

/// Writes a row as its high and its low halves; returns the scale.
fn split(row: &[f32], halves: &mut [u8]) -> f32 {
    let (scale, inverse) = scale_of(row, LIMIT);
    let (high, low) = halves.split_at_mut(row.len());
    for ((x, high), low) in row.iter().zip(high).zip(low) {
        // Both zero points are added first, so that shift and mask do the rest.
        let q = nearest(x * inverse) + i32::from(ZERO) * 129;
        *high = (q >> 7) as u8;
        *low = (q & 127) as u8;
    }
    scale
}

/// The scale at which the largest magnitude of `row` becomes `limit`, and its inverse; both 0
/// for a row that is next to zero or not finite.
fn scale_of(row: &[f32], limit: f32) -> (f32, f32) {
    let mut lanes = [0.0f32; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (most, x) in lanes.iter_mut().zip(chunk) {
            *most = if x.abs() > *most { x.abs() } else { *most };
        }
    }
    let most = lanes.iter().chain(rest).fold(0.0f32, |most, x| most.max(x.abs()));
    if most.is_finite() && most > 1e-30 { (most / limit, limit / most) } else { (0.0, 0.0) }
}

/// Rounds to the nearest integer, ties to even, for magnitudes below 2^22: adding this makes
/// the unit the last bit of the fraction. `f32::round` is a call on plain x86-64.
fn nearest(x: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    (x + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()).cast_signed()
}
