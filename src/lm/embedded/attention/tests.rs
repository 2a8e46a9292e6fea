use super::{Attend, BLOCK, Swish};
use rten_simd::isa::GenericIsa;
use rten_simd::{Isa, SimdOp};

const SIZE: usize = 32;

/// Numbers between -2 and 2, the same everywhere.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 22) as f32 - 2.0
        })
        .collect()
}

/// Queries at the last positions of a sequence.
struct Case {
    queries: Vec<f32>,
    limits: Vec<usize>,
    blocks: Vec<Vec<f32>>,
}

fn case(positions: usize, queries: usize) -> Case {
    Case {
        queries: numbers(queries * SIZE, 1),
        limits: (0..queries).map(|i| positions - queries / 2 + i.div_ceil(2)).collect(),
        blocks: (0..(positions + 1).div_ceil(BLOCK))
            .map(|i| numbers(2 * BLOCK * SIZE, i as u32 + 7))
            .collect(),
    }
}

impl Case {
    fn run(&self, eval: impl FnOnce(Attend<'_>)) -> Vec<f32> {
        let mut out = vec![0.0; self.queries.len()];
        let blocks: Vec<&[f32]> = self.blocks.iter().map(Vec::as_slice).collect();
        eval(Attend {
            size: SIZE,
            queries: &self.queries,
            limits: &self.limits,
            blocks: &blocks,
            scratch: &mut Vec::new(),
            out: &mut out,
        });
        out
    }

    /// What attention means, in double precision.
    fn plain(&self) -> Vec<f64> {
        let key = |at: usize, d: usize| self.blocks[at / BLOCK][d * BLOCK + at % BLOCK];
        let value =
            |at: usize, d: usize| self.blocks[at / BLOCK][(BLOCK + at % BLOCK) * SIZE + d];
        let mut out = Vec::new();
        for (query, limit) in self.queries.chunks_exact(SIZE).zip(&self.limits) {
            let score = |at: usize| -> f64 {
                (0..SIZE).map(|d| f64::from(query[d]) * f64::from(key(at, d))).sum()
            };
            let weights: Vec<f64> = (0..*limit).map(|at| score(at).exp()).collect();
            let total: f64 = weights.iter().sum();
            out.extend((0..SIZE).map(|d| {
                let sum: f64 =
                    weights.iter().enumerate().map(|(at, w)| w * f64::from(value(at, d))).sum();
                sum / total
            }));
        }
        out
    }
}

#[test]
fn attention_is_what_it_means() {
    for (positions, queries) in [(1, 1), (5, 3), (16, 1), (17, 9), (90, 23), (200, 16)] {
        let case = case(positions, queries);
        for out in [case.run(|it| it.dispatch()), case.run(|it| it.eval(GenericIsa::new()))] {
            for (a, b) in out.iter().zip(case.plain()) {
                assert!((f64::from(*a) - b).abs() < 1e-4, "{positions} {queries}: {a} {b}");
            }
        }
    }
}

#[test]
fn swish_is_what_it_means() {
    let gates: Vec<f32> = (-320..320).map(|i| i as f32 * 0.35).collect();
    let up = numbers(gates.len(), 3);
    let run = |eval: &dyn Fn(Swish<'_>)| {
        let mut gate = gates.clone();
        eval(Swish { gate: &mut gate, up: &up });
        gate
    };
    for out in [run(&|it| it.dispatch()), run(&|it| it.eval(GenericIsa::new()))] {
        for ((out, x), up) in out.iter().zip(&gates).zip(&up) {
            let (x, up) = (f64::from(*x), f64::from(*up));
            let exact = x / (1.0 + (-x).exp()) * up;
            let off = (f64::from(*out) - exact).abs();
            assert!(off <= 1e-6 * exact.abs() + 1e-30, "{x}: {out} {exact}");
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn vectors_of_any_width_give_the_same_bits() {
    use rten_simd::isa::{Avx2Isa, Avx512Isa};
    fn bits(out: &[f32]) -> Vec<u32> {
        out.iter().map(|x| x.to_bits()).collect()
    }
    let (Some(narrow), Some(wide)) = (Avx2Isa::new(), Avx512Isa::new()) else { return };
    fn eval<I: Isa>(isa: I) -> impl FnOnce(Attend<'_>) {
        move |it| it.eval(isa)
    }
    for (positions, queries) in [(1, 1), (5, 3), (17, 9), (90, 23)] {
        let case = case(positions, queries);
        assert_eq!(bits(&case.run(eval(narrow))), bits(&case.run(eval(wide))));
    }
}
