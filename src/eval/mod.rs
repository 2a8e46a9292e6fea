//! Scores and what they are worth; data sets and scores as values of scripts.
//!
//! A program is run on them by an [`Evaluator`], which
//! this floor does not know; results are consumed in logical order, so that a number never
//! depends on threads. Every mean has an interval and every comparison is paired.

mod data_value;
mod evaluation;
mod export;
mod job;
pub mod metric;
mod natives;
mod program;
mod run;
mod values;

pub mod budget;
pub mod stats;

pub use crate::data::{Dataset, Kind, Share};
pub use crate::lm::Cancel;
pub use crate::runtime::ordered_map;
pub use crate::util::Random;
pub use budget::CallBudget;
pub use data_value::{DatasetValue, RowValue, Splits};
pub(crate) use evaluation::compare_scores;
pub use evaluation::{
    Comparison, EvalOptions, Evaluation, Latency, RowResult, compare, evaluate,
};
pub use job::{Evaluator, Failure, FailureKind, Job, Outcome, Progress, Step};
pub use natives::{OPTIONS, Reporter, Scoring, natives, run_options, score};
pub use program::ProgramEvaluator;
pub use run::{Batch, RunOptions, Stop, run_jobs};
pub use values::{ComparisonValue, EvaluationValue};
