//! What a search leaves behind for who asks later why a state is as it is.

use crate::program::Provenance;

/// How a search went, in short. It names no times and no caches, as all that a state says of
/// where it comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Story {
    /// The hash of the state that the search began with; `None` for a program as it is written.
    pub start: Option<String>,
    /// Who made the runs that demos were taken from: a model and the hash of a state; `None` for
    /// the program itself.
    pub teacher: Option<String>,
    /// The model that proposed texts.
    pub proposer: Option<String>,
    /// States that were tried, in the order in which they were proposed: the first, the chosen
    /// one, those that a part of it came from, and the best of the others.
    pub tried: Vec<Tried>,
    /// How many more were.
    pub more: usize,
    /// Whether none was better than what the search began with.
    pub unchanged: bool,
    /// Those that were compared on further rows, with their means, by rank.
    pub finalists: Vec<(String, f64)>,
    /// Proposals that were not taken, by reason.
    pub refused: Vec<(String, u64)>,
    /// What the optimizer said of how it went.
    pub remarks: Vec<String>,
    /// How the states came about that this one was made from, the latest last. Theirs is told
    /// here, and not again in each of them.
    pub earlier: Vec<Provenance>,
}

/// A state that was tried.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tried {
    /// What the optimizer called it.
    pub label: String,
    /// Its mean on the rows to choose by, if it was scored to its end.
    pub score: Option<f64>,
    /// On how many rows it was scored.
    pub rows: usize,
    /// How many demos it has.
    pub demos: usize,
    /// Whether it was chosen.
    pub chosen: bool,
}

impl Story {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
