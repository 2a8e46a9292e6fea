//! The one error of the engine: diagnostics, and the texts they speak of.

use crate::diag::{Code, Diagnostic};
use crate::render;
use crate::source::Sources;
use std::fmt;

/// Why a program cannot be loaded or was stopped. It prints as a person reads it.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
}

impl Error {
    pub(in crate::engine) fn new(sources: Sources, diagnostics: Vec<Diagnostic>) -> Self {
        Self(Box::new(Inner { sources, diagnostics }))
    }

    pub(in crate::engine) fn bare(diagnostic: Diagnostic) -> Self {
        Self::new(Sources::default(), vec![diagnostic])
    }

    /// What is wrong.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.0.diagnostics
    }

    /// Whether this is what is wrong first.
    pub(in crate::engine) fn is(&self, code: Code) -> bool {
        self.diagnostics().first().is_some_and(|it| it.code == code)
    }

    /// The texts that the diagnostics speak of.
    pub fn sources(&self) -> &Sources {
        &self.0.sources
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = render::text(&self.0.sources, &self.0.diagnostics, false);
        f.write_str(text.trim_end())
    }
}

impl std::error::Error for Error {}
