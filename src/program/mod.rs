//! Trainable state: what an optimizer changes about a program, and the file that keeps it.
//!
//! A [`State`] says for each predictor of a program, by path, its instructions, demos, field
//! descriptions, model, adapter and sampling. It is a plain value: applying it to a signature
//! gives another signature. The file is made to be read by people and compared by `git diff`;
//! reading it never panics and says exactly what is wrong.

mod apply;
mod decode;
mod diff;
mod dspy;
mod file;
mod hash;
pub(crate) mod json;
mod nearest;
mod places;
mod show;
mod state;
mod story;

pub use apply::Fitted;
pub(crate) use apply::TEMPLATE_DIFFERS;
pub use diff::{Change, DemoDiff, Fate, PredictorDiff, StateDiff};
pub use dspy::{Exported, Like, ReadValue, pickled};
pub use hash::{SignatureHash, fields_text};
pub(crate) use hash::{record_text, row_hash};
pub use nearest::Nearest;
pub use show::show;
pub use state::{
    DataOrigin, DemoOrigin, DemoSource, GainRecord, InstructionsOrigin, Options,
    PredictorState, Provenance, ScoreRecord, State, StateDemo,
};
pub use story::{Story, Tried};
