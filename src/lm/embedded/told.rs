//! How likely the tokens of a reply were, where that is wanted.

use crate::lm::TokenLogprob;
use crate::lm::embedded::vocabulary::Vocabulary;

/// The tokens that were decided so far, with how likely the model had them: among its whole
/// vocabulary, before temperature and whatever a template allows. Fixed text and what of a label
/// is forced is not decided and not told.
#[derive(Debug)]
pub(super) struct Told {
    top: usize,
    tokens: Vec<TokenLogprob>,
}

impl Told {
    /// Begins; `top` of the likeliest tokens are told at each place.
    pub(super) fn new(top: u32) -> Self {
        Self { top: top as usize, tokens: Vec::new() }
    }

    /// Takes down a token by the logits that it was drawn from.
    pub(super) fn add(&mut self, vocabulary: &Vocabulary, logits: &[f32], token: u32) {
        let total = log_total(logits);
        let text = |token: u32| String::from_utf8_lossy(vocabulary.piece(token)).into_owned();
        let logprob = |token: u32| {
            let logit = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
            f64::from(logit) - total
        };
        let top = likeliest(logits, self.top).into_iter();
        let top = top.map(|it| (text(it), logprob(it))).collect();
        self.tokens.push(TokenLogprob { token: text(token), logprob: logprob(token), top });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Forgets all but the first ones.
    pub(super) fn truncate(&mut self, count: usize) {
        self.tokens.truncate(count);
    }

    /// All of them.
    pub(super) fn into_tokens(self) -> Vec<TokenLogprob> {
        self.tokens
    }
}

/// The logarithm of the sum of all weights.
fn log_total(logits: &[f32]) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let most = f64::from(most);
    let sum: f64 = logits.iter().map(|it| (f64::from(*it) - most).exp()).sum();
    most + sum.ln()
}

/// The tokens of the highest logits, the first of equal ones first.
fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let mut best: Vec<(f32, u32)> = Vec::with_capacity(count + 1);
    for (token, logit) in (0_u32..).zip(logits) {
        if best.len() == count && best.last().is_none_or(|it| it.0 >= *logit) {
            continue;
        }
        let at = best.partition_point(|it| it.0 >= *logit);
        best.insert(at, (*logit, token));
        best.truncate(count);
    }
    best.into_iter().map(|it| it.1).collect()
}

#[cfg(test)]
mod tests {
    use super::{likeliest, log_total};

    #[test]
    fn weights_sum_to_one() {
        let logits = [1.5_f32, -2.0, 0.25, 80.0, 79.5];
        let total = log_total(&logits);
        let sum: f64 = logits.iter().map(|it| (f64::from(*it) - total).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn the_likeliest_come_first_and_ties_in_order() {
        assert_eq!(likeliest(&[1.0, 3.0, 2.0, 3.0], 3), [1, 3, 2]);
        assert_eq!(likeliest(&[1.0, 3.0], 0), [0_u32; 0]);
        assert_eq!(likeliest(&[1.0], 5), [0]);
    }
}
