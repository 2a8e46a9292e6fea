//! stub
pub mod host;
pub mod lm;
#[doc(hidden)]
pub mod util;
