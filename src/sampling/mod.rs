//! What to try next and when to stop: pure numbers, drawn from seeds.
//!
//! Nothing here knows a model or a program. A search tells what its proposals scored, and is
//! told what to propose ([`Tpe`], [`Pareto`], [`Top2`], [`Ucb`], [`Minibatches`]) or what to drop
//! ([`Halving`], [`Paired`], [`Rejects`]). Each answer depends on the seed and on what was told
//! before it in logical order, never on time or threads.

mod bandit;
mod chance;
mod halving;
mod minibatch;
mod normal;
mod pareto;
mod parzen;
mod sequential;
mod tpe;

pub use bandit::{Arm, Rejects, Top2, Ucb};
pub use chance::{poisson, quantile, softmax};
pub use halving::{Halving, Rung};
pub use minibatch::Minibatches;
pub use pareto::{Pareto, fronts};
pub use sequential::Paired;
pub use tpe::{Dimension, Setting, Tpe};

#[expect(clippy::cast_precision_loss, reason = "counts are far fewer than 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// A count that a float says; what is not a count is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
pub(crate) fn ceil(number: f64) -> usize {
    number.ceil() as usize
}
