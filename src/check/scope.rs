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

/// The names of a block.
pub(crate) type Frame = IndexMap<Arc<str>, Binding, ahash::RandomState>;

/// How many changes of a block lie above what was there before.
const MOST_CHANGED: usize = 64;

/// A block. Copies share what did not change since, so that a branch in a block of many names
/// costs what it changes.
#[derive(Debug, Clone, Default)]
struct Block {
    base: Arc<Frame>,
    /// What was declared or changed since; it counts before the base.
    changed: Arc<Frame>,
}

impl Block {
    fn get(&self, name: &str) -> Option<&Binding> {
        self.changed.get(name).or_else(|| self.base.get(name))
    }

    fn set(&mut self, name: Arc<str>, binding: Binding) {
        let changed = Arc::make_mut(&mut self.changed);
        changed.insert(name, binding);
        if changed.len() > MOST_CHANGED {
            Arc::make_mut(&mut self.base).extend(std::mem::take(changed));
        }
    }

    /// Its names, newest first.
    fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let base = self.base.keys().rev().filter(|it| !self.changed.contains_key(*it));
        self.changed.keys().rev().chain(base)
    }

    /// The names of which something else may be known than in a copy.
    fn changed_from(&self, other: &Self) -> Vec<Arc<str>> {
        if !Arc::ptr_eq(&self.base, &other.base) {
            return self.names().cloned().collect();
        }
        if Arc::ptr_eq(&self.changed, &other.changed) {
            return Vec::new();
        }
        let gone = other.changed.keys().filter(|it| !self.changed.contains_key(*it));
        self.changed.keys().chain(gone).cloned().collect()
    }
}

/// All names in scope, in blocks, outermost first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes(Vec<Block>);

impl Scopes {
    pub(crate) fn push(&mut self, frame: Frame) {
        self.0.push(Block { base: Arc::new(frame), changed: Arc::default() });
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// How many blocks are around.
    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Binding> {
        self.0.iter().rev().find_map(|it| it.get(name))
    }

    /// The block that declares a name, counted from the outermost.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|it| it.get(name).is_some())
    }

    /// Declares a name in the innermost block.
    pub(crate) fn declare(&mut self, name: &str, binding: Binding) {
        if self.0.is_empty() {
            self.0.push(Block::default());
        }
        if let Some(block) = self.0.last_mut() {
            block.set(name.into(), binding);
        }
    }

    /// What is known of a variable from now on.
    pub(crate) fn set(&mut self, name: &str, known: Known) {
        let Some(block) = self.place(name).map(|at| &mut self.0[at]) else { return };
        let Some(binding) = block.get(name).filter(|it| it.known != known) else { return };
        let binding = Binding { known, ..binding.clone() };
        block.set(name.into(), binding);
    }

    /// Whether something else is known than before.
    pub(crate) fn changed_since(&self, before: &Self) -> bool {
        self.0.iter().zip(&before.0).any(|(now, then)| {
            now.changed_from(then).iter().any(|it| now.get(it) != then.get(it))
        })
    }

    /// Takes in what is known on another way to the same place.
    pub(crate) fn join(&mut self, other: &Self) {
        for (block, with) in self.0.iter_mut().zip(&other.0) {
            for name in block.changed_from(with) {
                let Some(here) = block.get(&name) else { continue };
                let there = with.get(&name).map_or(Known::Nothing, |it| it.known.clone());
                if here.known != there {
                    let known = here.known.clone().or(there);
                    let binding = Binding { known, ..here.clone() };
                    block.set(name, binding);
                }
            }
        }
    }

    /// The names in scope, innermost first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().rev().flat_map(|it| it.names().map(|it| &**it))
    }
}
