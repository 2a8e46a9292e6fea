//! Runs by other processes: the frames that they are asked for in, and the one who asks.
//!
//! A worker is a command that reads frames from standard input and writes frames to standard
//! output, one JSON object a line ([`frame`]). [`Pool`] starts some, sends them the program once
//! and runs in any order, gives the runs of one that is lost to others, and starts it anew so
//! often as that leads anywhere. What a worker reads of the project it asks for ([`Files`]); a key
//! is never among it.
//!
//! The other side, a worker of ours, is in `worker`.

mod command;
mod files;
pub mod frame;
mod pool;
mod process;

pub use command::words;
pub use files::{Answer, Files, Listed, Need};
pub use pool::{Pool, PoolOptions};
