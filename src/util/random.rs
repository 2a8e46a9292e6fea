//! Seeded randomness: streams derived from a seed and a label, the same on every machine.
//!
//! Each decision of a search draws from a stream of its own, so that adding a decision moves
//! no other. The draws are written here and not taken from a library, whose algorithms may
//! change between versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Returns the stream of this seed and label.
    pub fn new(seed: u64, label: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(label.as_bytes());
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// A number below `n` (at most 2^32), each as likely; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        if n < 2 {
            return 0;
        }
        // Lemire (2019): the upper half of a product, drawn again where the lower half is
        // among the few that would favour some numbers.
        let uneven = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.0.next_u32()) * u64::from(n);
            if (product & u64::from(u32::MAX)) >= u64::from(uneven) {
                return (product >> 32) as usize;
            }
        }
    }

    /// Puts items in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// `count` different numbers below `n` (or all of them), in random order.
    pub fn sample(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        let count = count.min(n);
        for at in 0..count {
            all.swap(at, at + self.below(n - at));
        }
        all.truncate(count);
        all
    }

    /// A number from [0, 1), with all the digits a float of that size has.
    pub fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let steps = (self.0.next_u64() >> 11) as f64;
        steps * STEP
    }

    /// True half of the time.
    pub fn coin(&mut self) -> bool {
        self.0.next_u32() >> 31 == 1
    }
}
