//! stub
pub mod catalog;
pub mod check;
pub mod diag;
pub mod host;
pub mod lm;
pub mod lower;
pub mod schema;
pub mod source;
#[doc(hidden)]
pub mod syntax;
pub mod trace;
#[doc(hidden)]
pub mod util;
