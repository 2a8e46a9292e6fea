//! The optimizers, one file each: their papers, and where they differ from DSPy's.
//!
//! A policy proposes states and reads scores. It names no models, and knows
//! nothing of how runs are made.

mod advice;
mod better_together;
mod bootstrap_few_shot;
mod buckets;
mod copro;
mod gepa;
mod gepa_merge;
mod gepa_parts;
mod gepa_pool;
mod grounds;
mod infer_rules;
mod labeled_few_shot;
mod mipro_v2;
mod random_search;
mod simba;
mod trials;
mod tune;

pub use better_together::BetterTogether;
pub use bootstrap_few_shot::BootstrapFewShot;
pub use copro::Copro;
pub use gepa::{Effort, Gepa};
pub use gepa_parts::PartKind;
pub use gepa_pool::Front;
pub use infer_rules::InferRules;
pub use labeled_few_shot::LabeledFewShot;
pub use mipro_v2::{MiproV2, Size};
pub use random_search::RandomSearch;
pub use simba::Simba;
pub use tune::Tune;

use crate::schema::Value;

/// A count as a value.
fn count(it: usize) -> Value {
    Value::Int(i64::try_from(it).unwrap_or(i64::MAX))
}
