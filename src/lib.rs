//! A scripting language for programs that call language models: prompts are compiled, not
//! written.
//!
//! People declare typed *signatures*, compose *modules*, state what must hold with *assert*, and
//! *optimizers* find the demonstrations and instructions that score best on their data. This
//! crate is the engine; `dsp` is its command line. An embedder begins at [`Engine`].
//!
//! # How text becomes a call, and a call a better prompt
//!
//! ```text
//! text ─ syntax ─ check ─ lower ─► Rhai AST ─ runtime ─► schema + program ─ adapt ─ lm ─► reply
//!                                               │                                    ▲
//!                                               └► trace ◄─ eval ◄─ optimize ────────┘
//! ```
//!
//! # Floors
//!
//! A module names only modules on lower floors; a test holds this table against the code.
//!
//! ```text
//! 11  cli
//! 10  repl   test_run   worker
//!  9  manual            the reference, as `dsp doc` shows it
//!  8  engine            what an embedder sees; the only place that wires floors together
//!  7  optimize  retrieve  via   runs by other processes
//!  6  eval
//!  5  runtime           the host language, our values in it, budgets
//!  5  data              rows, the files they stand in, what is wrong with them
//!  4  adapt  lower  program  trace
//!  4  serve             a model for other programs, over HTTP
//!  3  check  fmt  lm  store
//!  2  syntax schema config render explain
//!  1  diag   host   catalog  stdlib
//!  1  sampling          what a search tries next and when it stops, as pure numbers
//!  0  source util
//! ```
//!
//! # Invariants
//!
//! - Parsing and checking never fail: they return what they made out, and diagnostics. Only
//!   running returns a `Result`.
//! - Only `runtime` and `lower` know Rhai; above them values are ours.
//! - Files, environment, clock and streams are reached through [`host::Host`]. The store and the
//!   weights of models are the two that read files themselves, for they map and lock them.
//! - No order of a hash map, no clock and no address reaches a prompt, a trace's canonical form
//!   or a file. Decisions are taken in logical order, whatever the number of threads.
//! - A module's instance, a predictor, a data set and a reply never change; an optimizer returns
//!   another program.
//! - Every call to a model is a node of the [`trace`], and every request is reserved against
//!   the budget before it is sent.
//! - A secret lives in `lm::keys` and goes into one header, nowhere else.

#[doc(hidden)]
pub mod adapt;
#[doc(hidden)]
pub mod catalog;
#[doc(hidden)]
pub mod check;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod config;
#[doc(hidden)]
pub mod data;
pub mod diag;
pub mod engine;
#[doc(hidden)]
pub mod eval;
#[doc(hidden)]
pub mod explain;
#[doc(hidden)]
pub mod fmt;
pub mod host;
pub mod lm;
#[doc(hidden)]
pub mod lower;
#[doc(hidden)]
pub mod manual;
#[doc(hidden)]
pub mod optimize;
pub mod program;
pub mod render;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod repl;
#[cfg(feature = "retrieve")]
#[doc(hidden)]
pub mod retrieve;
#[doc(hidden)]
pub mod runtime;
#[doc(hidden)]
pub mod sampling;
pub mod schema;
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod serve;
pub mod source;
#[doc(hidden)]
pub mod stdlib;
pub mod store;
#[doc(hidden)]
pub mod syntax;
#[doc(hidden)]
pub mod test_run;
pub mod trace;
#[doc(hidden)]
pub mod util;
#[doc(hidden)]
pub mod via;
#[doc(hidden)]
pub mod worker;

pub use engine::Engine;
