//! stub
#[doc(hidden)]
pub mod adapt;
#[doc(hidden)]
pub mod catalog;
#[doc(hidden)]
pub mod check;
pub mod diag;
#[doc(hidden)]
pub mod eval;
pub mod host;
pub mod lm;
#[doc(hidden)]
pub mod lower;
#[doc(hidden)]
pub mod optimize;
pub mod program;
#[doc(hidden)]
pub mod retrieve;
#[doc(hidden)]
pub mod runtime;
pub mod schema;
pub mod source;
pub mod store;
#[doc(hidden)]
pub mod syntax;
pub mod trace;
#[doc(hidden)]
pub mod util;
