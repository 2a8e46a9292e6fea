//! stub
pub mod diag;
pub mod eval;
pub mod host;
pub mod lm;
pub mod optimize;
pub mod program;
#[cfg(feature = "retrieve")]
pub mod retrieve;
pub mod schema;
pub mod source;
#[doc(hidden)]
pub mod syntax;
#[doc(hidden)]
pub mod util;
