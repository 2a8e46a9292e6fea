//! Rows: where they come from, how they are cut into parts, and what is wrong with them.
//!
//! Rows come from files through the host, and are never changed. What is larger than a bound
//! stays in its file (or goes to a nameless one), and a data set keeps where each row begins.

mod apart;
mod bundles;
mod cells;
mod check;
mod dataset;
mod findings;
mod giveaway;
mod list;
mod near;
#[cfg(feature = "parquet")]
mod parquet;
mod profile;
mod reader;
mod roles;
mod split;
mod table;

pub(crate) use apart::rows;
pub use apart::{Shared, nearly_shared, shared};
pub use check::{CheckOptions, check};
pub use dataset::Dataset;
pub use findings::{Finding, Level, Report};
pub use profile::{Column, profile};
pub use reader::{BAD_ROW, Kind};
pub use split::{Share, SplitOptions};
pub use table::Read;
