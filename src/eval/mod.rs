//! Data sets, scores and what they are worth.
//!
//! Rows come from files through the host; a program is run on them by an [`Evaluator`], which
//! this floor does not know; results are consumed in logical order, so that a number never
//! depends on threads. Every mean has an interval and every comparison is paired.

mod comparison;
mod confusion;
mod csv;
mod evaluation;
mod export;
mod job;
pub mod metric;
mod natives;
mod pool;
mod program;
mod random;
mod reader;
mod results;
mod run;
mod tables;
mod text;
mod values;
mod worst;

pub mod budget;
pub mod dataset;
pub mod stats;

pub use crate::lm::Cancel;
pub use budget::CallBudget;
pub(crate) use comparison::compare_scores;
pub use comparison::{Comparison, compare};
pub use dataset::{Dataset, Share};
pub use evaluation::{
    EvalOptions, Evaluation, JudgeCost, Latency, NamedScore, RowResult, Subject, evaluate,
};
pub use job::{Evaluator, Exchange, Failure, FailureKind, Job, Outcome, Progress, Spent, Step};
pub use natives::{OPTIONS, Reporter, Scoring, natives, run_options, score};
pub use pool::ordered_map;
pub use program::ProgramEvaluator;
pub use random::Random;
pub use reader::Kind;
pub use results::{ComparisonValue, EvaluationValue};
pub use run::{Batch, RunOptions, Stop, run_jobs};
pub use values::{DatasetValue, RowValue};
