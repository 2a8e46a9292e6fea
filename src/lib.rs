//! stub
pub mod diag;
pub mod host;
pub mod lm;
pub mod schema;
pub mod source;
pub mod store;
#[doc(hidden)]
pub mod util;
