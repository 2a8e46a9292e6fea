//! Rows whose texts are nearly the same.
//!
//! Texts are compared as sets of their words and of their pairs of neighbouring words, by the
//! Jaccard index: pairs tell texts apart that say other things in the same words. Candidates
//! are found by `MinHash` (Broder, 1997) with banding: sets that are equal in the smallest hashes
//! of one band are looked at. At 0.75 one pair in two hundred is missed, above it fewer; what
//! is found is always checked.

use crate::data::bundles::Joined;
use crate::data::profile::hash;

/// From which Jaccard index on texts are nearly the same.
pub(super) const ALIKE: f64 = 0.75;
/// Texts of fewer different words say too little.
const FEWEST: usize = 6;
const BANDS: usize = 20;
const IN_BAND: usize = 5;
/// How many members of a bucket a further one is compared with.
const COMPARED: usize = 16;

/// Collects texts.
#[derive(Debug, Default)]
pub(super) struct Near {
    rows: Vec<u32>,
    words: Vec<Box<[u32]>>,
    bands: Vec<[u32; BANDS]>,
}

impl Near {
    /// Adds the text of a row.
    pub(super) fn add(&mut self, row: usize, text: &str) {
        let Some(words) = tokens(text) else { return };
        self.bands.push(bands(&words));
        let mut short: Vec<u32> = words.iter().map(|it| (it >> 32) as u32).collect();
        short.sort_unstable();
        short.dedup();
        self.words.push(short.into());
        self.rows.push(super::dataset::small(row));
    }

    /// Groups of rows that are nearly the same: places as they were added, in order.
    pub(super) fn groups(&self) -> Vec<Vec<usize>> {
        let mut joined = Joined::new(self.rows.len());
        for band in 0..BANDS {
            let mut order: Vec<u32> = (0..super::dataset::small(self.rows.len())).collect();
            order.sort_unstable_by_key(|at| (self.bands[*at as usize][band], *at));
            for bucket in order
                .chunk_by(|a, b| self.bands[*a as usize][band] == self.bands[*b as usize][band])
            {
                self.bucket(bucket, &mut joined);
            }
        }
        let bundles = joined.bundles();
        let groups = bundles.iter().filter(|it| it.len() > 1);
        groups
            .map(|it| it.iter().map(|at| self.rows[*at as usize] as usize).collect())
            .collect()
    }

    fn bucket(&self, bucket: &[u32], joined: &mut Joined) {
        for (at, one) in bucket.iter().enumerate() {
            for other in bucket[at.saturating_sub(COMPARED)..at].iter().rev() {
                let (one, other) = (*one as usize, *other as usize);
                if joined.root(one) != joined.root(other) && self.alike(one, other) {
                    joined.join(one, other);
                }
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "texts have far fewer words than 2^52")]
    fn alike(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.words[one], &self.words[other]);
        let most = one.len().min(other.len()) as f64 / one.len().max(other.len()) as f64;
        if most < ALIKE {
            return false;
        }
        let (mut a, mut b, mut both) = (0, 0, 0);
        while let (Some(x), Some(y)) = (one.get(a), other.get(b)) {
            both += usize::from(x == y);
            a += usize::from(x <= y);
            b += usize::from(y <= x);
        }
        both as f64 >= ALIKE * (one.len() + other.len() - both) as f64
    }
}

/// Hashes of the different words and pairs of words of a text; none where it says too little.
fn tokens(text: &str) -> Option<Vec<u64>> {
    let lower = text.to_lowercase();
    let words = lower.split(|ch: char| !ch.is_alphanumeric()).filter(|it| !it.is_empty());
    let words: Vec<u64> = words.map(hash).collect();
    let mut tokens = words.clone();
    tokens.sort_unstable();
    tokens.dedup();
    if tokens.len() < FEWEST {
        return None;
    }
    tokens.extend(words.windows(2).map(|it| mixed(it[0].rotate_left(1) ^ it[1])));
    tokens.sort_unstable();
    tokens.dedup();
    Some(tokens)
}

/// For each band a hash of the smallest hashes of the words under several orders.
fn bands(words: &[u64]) -> [u32; BANDS] {
    let mut bands = [0; BANDS];
    for (at, band) in bands.iter_mut().enumerate() {
        let mut all = 0u64;
        for order in 0..IN_BAND {
            // Odd factors permute the numbers of 64 bits; their upper halves are well mixed.
            let factor = mixed((at * IN_BAND + order) as u64) | 1;
            let least = words.iter().map(|it| it.wrapping_mul(factor) >> 16).min();
            all = mixed(all ^ least.unwrap_or_default());
        }
        *band = (all >> 32) as u32;
    }
    bands
}

/// A number that looks like no other (the finalizer of `SplitMix64`).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
