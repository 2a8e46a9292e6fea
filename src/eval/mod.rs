//! Scores and what they are worth; data sets and scores as values of scripts.
//!
//! A program is run on them by an [`Evaluator`], which
//! this floor does not know; results are consumed in logical order, so that a number never
//! depends on threads. Every mean has an interval and every comparison is paired.

mod check_value;
mod comparison;
mod confusion;
mod contents;
mod csv;
mod data_value;
mod deadline;
mod evaluation;
mod export;
mod html;
mod job;
pub mod metric;
mod natives;
mod observe;
mod program;
mod progress;
mod rare;
mod results;
mod row_traces;
mod run;
mod tables;
mod text;
mod via;
mod worst;

pub mod budget;
pub mod journal;
pub mod stats;

pub use crate::data::{Dataset, Kind, Share};
pub use crate::lm::Cancel;
pub use crate::runtime::{Workers, ordered_flow, ordered_map};
pub use crate::util::Random;
pub use budget::{Budget, Caps};
pub use check_value::CheckValue;
pub(crate) use comparison::compare_scores;
pub use comparison::{Comparison, compare};
pub(crate) use contents::contents;
pub use data_value::{DatasetValue, RowValue, Splits};
pub use deadline::Deadline;
pub use evaluation::{
    EvalOptions, Evaluation, JudgeCost, Latency, NamedScore, RowResult, Subject, evaluate,
};
pub(crate) use export::usage_value;
pub use job::{
    Evaluator, Exchange, Failure, FailureKind, Job, Layout, METRIC, Outcome, Progress, Scored,
    Spent, Step, Used,
};
pub use journal::Keep;
pub use natives::{
    OPTIONS, Scoring, evaluate_kept, natives, open_journal, priced, run_options, score,
    warn_of_broken,
};
pub use observe::{Account, Attached, Event, Observer, UsedData, attached, called};
pub use program::{ProgramEvaluator, model_hash};
pub use progress::{Reporter, Running};
pub use results::{ComparisonValue, EvaluationValue};
pub use run::{Batch, RunOptions, Stop, run_flow, run_jobs};
pub(crate) use text::usage_text;
pub(crate) use via::evaluator as evaluator_of;
pub use via::{Ran, Remote};
