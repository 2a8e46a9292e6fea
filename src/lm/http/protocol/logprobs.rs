//! How likely tokens were, as most interfaces tell it.

use crate::lm::TokenLogprob;
use serde::Deserialize;

/// A token, and what else might have stood in its place.
#[derive(Deserialize)]
pub(super) struct Token {
    token: String,
    logprob: f64,
    #[serde(default)]
    top_logprobs: Vec<Likely>,
}

#[derive(Deserialize)]
struct Likely {
    token: String,
    logprob: f64,
}

impl Token {
    pub(super) fn told(self) -> TokenLogprob {
        let top = self.top_logprobs.into_iter().map(|it| (it.token, it.logprob)).collect();
        TokenLogprob { token: self.token, logprob: self.logprob, top }
    }
}
