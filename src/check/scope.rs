//! Names in scope, and what is known of their values without running anything.

use super::model::{Resolution, StaticPredictor};
use crate::catalog::Object;
use crate::schema::Signature;
use indexmap::IndexMap;
use std::sync::Arc;

/// What is known of a value.
#[derive(Debug, Clone, Default)]
pub(crate) enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// A signature.
    Signature(Arc<Signature>),
    /// A predictor.
    Predictor(Arc<StaticPredictor>),
    /// What a predictor returns.
    Reply(Arc<StaticPredictor>),
    /// An instance of the module of this name.
    Instance(Arc<str>),
    /// A value of ours.
    Object(&'static Object),
}

/// A name in scope.
#[derive(Debug, Clone)]
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
pub(crate) type Frame = IndexMap<Arc<str>, Binding>;

/// All names in scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes(Vec<Frame>);

impl Scopes {
    pub(crate) fn push(&mut self, frame: Frame) {
        self.0.push(frame);
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

    /// Declares a name in the innermost block.
    pub(crate) fn declare(&mut self, name: &str, binding: Binding) {
        if self.0.is_empty() {
            self.0.push(Frame::new());
        }
        if let Some(frame) = self.0.last_mut() {
            frame.insert(name.into(), binding);
        }
    }

    /// The names in scope, innermost first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().rev().flat_map(|frame| frame.keys().rev().map(|it| &**it))
    }
}
