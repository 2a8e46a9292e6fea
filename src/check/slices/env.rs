//! What variables hold at a place of the text.

use super::{ALL, Origin, Source, TURNS};
use std::collections::BTreeSet;

/// Where a value may have come from.
pub(super) type Set = BTreeSet<Source>;

/// The most sources of one value: more are not told apart by anybody.
const MOST: usize = 128;

/// The variables in scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Env<'a> {
    pub(super) vars: Vec<Var<'a>>,
    /// Whether this place is reached at all.
    pub(super) alive: bool,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Var<'a> {
    pub(super) name: &'a str,
    /// The body that declares it.
    pub(super) body: u32,
    /// The loop in whose round it lives; 0 is the whole body.
    pub(super) within: u32,
    pub(super) set: Set,
}

impl<'a> Env<'a> {
    pub(super) fn new() -> Self {
        Self { vars: Vec::new(), alive: true }
    }

    /// The variable of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.vars.iter().rposition(|it| it.name == name)
    }

    /// Takes in another way to the same place.
    pub(super) fn join(&mut self, other: &Self) {
        if !other.alive {
            return;
        }
        if !self.alive {
            let n = self.vars.len();
            *self = other.clone();
            self.vars.truncate(n);
            return;
        }
        for (own, their) in self.vars.iter_mut().zip(&other.vars) {
            if own.set != their.set {
                add(&mut own.set, their.set.iter().cloned());
            }
        }
    }

    /// A site has another turn: what was its latest is the one before.
    pub(super) fn turn(&mut self, site: u32, at_once: bool) {
        for var in &mut self.vars {
            if var.set.iter().any(|it| it.origin == Origin::Site(site) && it.turn != ALL) {
                let set = std::mem::take(&mut var.set);
                add(&mut var.set, set.into_iter().map(|it| earlier(it, site, at_once)));
            }
        }
    }
}

fn earlier(source: Source, site: u32, at_once: bool) -> Source {
    if source.origin != Origin::Site(site) || source.turn == ALL {
        return source;
    }
    let turn = if at_once || source.turn + 1 >= TURNS { ALL } else { source.turn + 1 };
    Source { turn, ..source }
}

/// Adds sources; one of all turns says what those of some say.
pub(super) fn add(set: &mut Set, more: impl IntoIterator<Item = Source>) {
    for source in more {
        if set.len() >= MOST {
            return;
        }
        if source.turn == ALL {
            let same = |it: &Source| {
                it.turn != ALL
                    && (it.origin, it.body, it.within)
                        == (source.origin, source.body, source.within)
                    && it.path == source.path
            };
            set.retain(|it| !same(it));
            set.insert(source);
        } else if !set.contains(&Source { turn: ALL, ..source.clone() }) {
            set.insert(source);
        }
    }
}
