//! The standard library: units in the language itself, which programs import as `std/…`.
//!
//! `std/prelude` needs no import: a program that names one of its functions, and has no item of
//! this name, is linked with it.

/// A unit of the standard library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Its name behind `std/`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The unit whose functions need no import.
pub const PRELUDE: &str = "prelude";

/// All units.
pub const UNITS: &[Unit] = &[
    Unit { name: "metrics", text: include_str!("../stdlib/metrics.dsp") },
    Unit { name: PRELUDE, text: include_str!("../stdlib/prelude.dsp") },
    Unit { name: "proposals", text: include_str!("../stdlib/proposals.dsp") },
];

/// The functions of the prelude, sorted.
#[rustfmt::skip]
pub const PRELUDE_FUNCTIONS: &[&str] = &[
    "find_all", "flatten", "group_by", "join", "matches", "mean", "replaced", "slice", "sorted",
    "sorted_by", "sum", "take", "trimmed", "unique",
];

/// The unit of this name.
pub fn unit(name: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|it| it.name == name)
}

/// Whether the prelude has a function of this name.
pub fn is_prelude(name: &str) -> bool {
    PRELUDE_FUNCTIONS.binary_search(&name).is_ok()
}
