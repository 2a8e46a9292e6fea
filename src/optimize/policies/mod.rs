//! The optimizers, one file each: their papers, and where they differ from DSPy's.
//!
//! A policy proposes states and reads scores. It names no models, and knows
//! nothing of how runs are made.

mod advice;
mod better_together;
mod bootstrap_few_shot;
mod buckets;
mod copro;
mod infer_rules;
mod labeled_few_shot;
mod random_search;
mod simba;

pub use better_together::BetterTogether;
pub use bootstrap_few_shot::BootstrapFewShot;
pub use copro::Copro;
pub use infer_rules::InferRules;
pub use labeled_few_shot::LabeledFewShot;
pub use random_search::RandomSearch;
pub use simba::Simba;

use crate::schema::Value;

/// A count as a value.
fn count(it: usize) -> Value {
    Value::Int(i64::try_from(it).unwrap_or(i64::MAX))
}
