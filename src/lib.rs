//! stub
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod config;
pub mod diag;
pub mod host;
pub mod lm;
pub mod render;
pub mod schema;
pub mod source;
#[doc(hidden)]
pub mod syntax;
#[doc(hidden)]
pub mod util;
