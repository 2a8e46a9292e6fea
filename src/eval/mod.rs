//! Data sets, scores and what they are worth.
//!
//! Rows come from files through the host; a program is run on them by an [`Evaluator`], which
//! this floor does not know; results are consumed in logical order, so that a number never
//! depends on threads. Every mean has an interval and every comparison is paired.

mod evaluation;
mod export;
mod job;
pub mod metric;
mod natives;
mod program;
mod random;
mod reader;
mod run;
mod values;

pub mod budget;
pub mod dataset;
pub mod stats;

pub use crate::lm::Cancel;
pub use crate::runtime::ordered_map;
pub use budget::CallBudget;
pub use dataset::{Dataset, Share};
pub(crate) use evaluation::compare_scores;
pub use evaluation::{
    Comparison, EvalOptions, Evaluation, Latency, RowResult, compare, evaluate,
};
pub use job::{Evaluator, Failure, FailureKind, Job, Outcome, Progress, Step};
pub use natives::{OPTIONS, Reporter, Scoring, natives, run_options, score};
pub use program::ProgramEvaluator;
pub use random::Random;
pub use reader::Kind;
pub use run::{Batch, RunOptions, Stop, run_jobs};
pub use values::{ComparisonValue, DatasetValue, EvaluationValue, RowValue};
