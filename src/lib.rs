//! stub
pub mod adapt;
pub mod diag;
pub mod host;
pub mod lm;
pub mod schema;
pub mod source;
#[doc(hidden)]
pub mod util;
