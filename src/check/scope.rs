//! Names in scope, and what is known of their values where the walk is.

use super::model::Resolution;
pub(crate) use super::value::Known;
use indexmap::IndexMap;
use std::sync::Arc;

/// A name in scope.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Binding {
    pub(crate) resolution: Resolution,
    pub(crate) known: Known,
    /// Whether it cannot be assigned.
    pub(crate) constant: bool,
}

impl Binding {
    /// A variable of which nothing is known.
    pub(crate) fn local() -> Self {
        Self { resolution: Resolution::Local, known: Known::Nothing, constant: false }
    }

    /// A variable.
    pub(crate) fn variable(known: Known) -> Self {
        Self { known, ..Self::local() }
    }

    /// A parameter or member of the module around.
    pub(crate) fn member(known: Known) -> Self {
        Self { resolution: Resolution::Member, known, constant: true }
    }
}

/// The names of a block, outermost first in [`Scopes`].
pub(crate) type Frame = IndexMap<Arc<str>, Binding, ahash::RandomState>;

/// All names in scope. Copies share the blocks in which nothing changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes(Vec<Arc<Frame>>);

impl Scopes {
    pub(crate) fn push(&mut self, frame: Frame) {
        self.0.push(Arc::new(frame));
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// How many blocks are around.
    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Binding> {
        self.0.iter().rev().find_map(|frame| frame.get(name))
    }

    /// The block that declares a name, counted from the outermost.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|frame| frame.contains_key(name))
    }

    /// Declares a name in the innermost block.
    pub(crate) fn declare(&mut self, name: &str, binding: Binding) {
        if self.0.is_empty() {
            self.0.push(Arc::default());
        }
        if let Some(frame) = self.0.last_mut() {
            Arc::make_mut(frame).insert(name.into(), binding);
        }
    }

    /// What is known of a variable from now on.
    pub(crate) fn set(&mut self, name: &str, known: Known) {
        let Some(place) = self.place(name) else { return };
        if self.0[place].get(name).is_some_and(|it| it.known == known) {
            return;
        }
        if let Some(binding) = Arc::make_mut(&mut self.0[place]).get_mut(name) {
            binding.known = known;
        }
    }

    /// Whether something else is known than before.
    pub(crate) fn changed_since(&self, before: &Self) -> bool {
        self.0.iter().zip(&before.0).any(|(now, then)| !Arc::ptr_eq(now, then) && now != then)
    }

    /// Takes in what is known on another way to the same place.
    pub(crate) fn join(&mut self, other: &Self) {
        for (frame, with) in self.0.iter_mut().zip(&other.0) {
            if Arc::ptr_eq(frame, with) || frame == with {
                continue;
            }
            let frame = Arc::make_mut(frame);
            for (name, binding) in frame.iter_mut() {
                let known = with.get(name).map_or(Known::Nothing, |it| it.known.clone());
                binding.known = std::mem::take(&mut binding.known).or(known);
            }
        }
    }

    /// The names in scope, innermost first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().rev().flat_map(|frame| frame.keys().rev().map(|it| &**it))
    }
}
