//! What must hold of any text: one function for each fuzz target, which panics where it does not.
//!
//! `tests/suite/fuzzed.rs` runs the same functions over `fuzz/seeds`, so that what was found once
//! stays mended.

mod data;
mod programs;
mod replies;
mod states;

/// A target by name: the folder of `fuzz/seeds` that it begins with, and its function.
pub type Target = (&'static str, &'static str, fn(&[u8]));

/// All targets; `fuzz_targets` has a file for each.
pub const TARGETS: [Target; 7] = [
    ("parser", "programs", programs::parser),
    ("format", "programs", programs::format),
    ("check", "programs", programs::check),
    ("lower", "programs", programs::lower),
    ("reply", "replies", replies::reply),
    ("state", "states", states::state),
    ("data", "data", data::data),
];

/// Runs a target.
///
/// # Panics
/// Something does not hold of these bytes, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|it| it.0 == name);
    let (_, _, function) = target.expect("a target of this name");
    function(bytes);
}
