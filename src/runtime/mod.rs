//! Programs run: the host language with our values in it.
//!
//! Beside `lower` this is the only floor that names Rhai. [`Script`] is a compiled program and
//! shared by all its runs; a [`Run`] is one course through it, with its own trace; what the
//! runs of a command have in common (budget, consts, settings) is their [`Session`]. Values
//! are immutable: a predictor or module instance with another state is another value, so a
//! thousand runs share one program and nothing is locked.
//!
//! Higher floors add to the language by implementing [`Native`] and [`Object`].

mod adapter_value;
mod advice;
mod assert;
mod bind;
mod blame;
mod bound;
mod call_log;
mod choices;
mod constant;
mod course;
mod cx;
mod diagnose;
mod embeddings;
mod error;
mod exchange;
mod facts;
mod flights;
mod forking;
mod history;
mod instance;
mod lists;
mod lm_value;
mod media;
mod meter;
pub mod natives;
mod parallel;
mod passages;
mod pen;
mod pool;
mod predictor;
mod program;
mod program_text;
mod record_value;
mod repair;
mod replay;
mod reply;
mod rhai_host;
mod rows;
mod run;
mod score;
mod script;
mod several;
mod signal;
mod signature_value;
mod slices;
mod sources;
mod stream;
mod tape;
mod trace_value;
mod value;
mod watch;
mod why;

pub use adapter_value::adapter_named;
pub use bind::bind_row;
pub use call_log::{CallLog, SharedCallLog};
pub use course::Counts;
pub use cx::{Args, Cx, Native, count, number, wrong};
pub use diagnose::diagnose;
pub use embeddings::{Embedding, Vectors};
pub use error::{Error, Failure, codes};
pub use instance::Instance;
pub use lm_value::LmValue;
pub use meter::{Amount, Limits, Meter, Passed};
pub use pool::{Workers, ordered_flow, ordered_map};
pub use predictor::Predictor;
pub use program::{Overrides, Program, Shown, prompt_text, static_prompt, static_why};
pub use record_value::typed_reply;
pub use replay::{Absent, Fork, Replay, Standing, Unforkable};
pub use reply::Reply;
pub use rhai_host::{Bindings, Host, STACK_SIZE};
pub use rows::{Batch, RowKey};
pub use run::{Env, Opener, Run, Session, Settings, Unnamed, Warning, unpriced};
pub use score::{Judgement, judgement, normalized};
pub use script::{Library, Script, Variables};
pub use signature_value::SignatureValue;
pub use tape::{Asked, Change, NewLm, NewPrompt, Recorded, Tape, Unrecorded};
pub use value::{Func, Object, ObjectRef, Text, Val, to_record};
pub use why::{Ground, Why};
