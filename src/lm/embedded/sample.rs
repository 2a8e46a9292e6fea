//! Draws a token from logits.

use crate::lm::Sampling;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// How one reply's tokens are drawn.
#[derive(Debug)]
pub(crate) struct Sampler {
    temperature: f64,
    top_p: f64,
    random: ChaCha8Rng,
}

impl Sampler {
    /// Returns the sampler of a request. Its randomness depends on the seed, the rollout and
    /// the prompt, and on nothing that happens to other requests.
    pub(crate) fn new(sampling: &Sampling, rollout: u64, prompt: &[u32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(sampling.seed.unwrap_or(0).to_le_bytes());
        hash.update(rollout.to_le_bytes());
        for token in prompt {
            hash.update(token.to_le_bytes());
        }
        Self {
            temperature: sampling.temperature,
            top_p: sampling.top_p.unwrap_or(1.0),
            random: ChaCha8Rng::from_seed(hash.finalize().into()),
        }
    }

    /// Draws one of `tokens`; the first of the likeliest at temperature 0. `None` when there is
    /// none to draw.
    pub(crate) fn draw(
        &mut self,
        logits: &[f32],
        tokens: impl Iterator<Item = u32>,
    ) -> Option<u32> {
        let logit =
            |token: u32| logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let scored = tokens.map(|token| (token, logit(token)));
        if self.temperature <= 0.0 {
            return scored
                .reduce(|best, it| if it.1 > best.1 { it } else { best })
                .map(|it| it.0);
        }
        let mut scored: Vec<(u32, f32)> = scored.collect();
        // Ties by number, so that the order of the tokens given does not matter.
        scored.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let most = f64::from(scored.first()?.1);
        let weight = |logit: f32| ((f64::from(logit) - most) / self.temperature).exp();
        let total: f64 = scored.iter().map(|it| weight(it.1)).sum();
        let mut kept = 0.0;
        let within = scored.iter().position(|it| {
            kept += weight(it.1);
            kept >= self.top_p * total
        });
        scored.truncate(within.map_or(scored.len(), |last| last + 1));
        let total: f64 = scored.iter().map(|it| weight(it.1)).sum();
        let mut left = self.random.random::<f64>() * total;
        let drawn = scored.iter().find(|it| {
            left -= weight(it.1);
            left < 0.0
        });
        drawn.or(scored.last()).map(|it| it.0)
    }
}
