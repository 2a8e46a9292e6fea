//! Replies that were written down, in place of models: how tests run offline.

use crate::lm::{Address, Capabilities, Completion, Request};
use crate::runtime::error::{Error, Failure, codes};
use std::fmt;
use std::sync::Arc;

/// A request on its way to a model.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The model's name.
    pub model: &'a str,
    /// Which call of the program it is.
    pub address: &'a Address,
    /// What would be sent.
    pub request: &'a Request,
    /// What the model can do.
    pub capabilities: Capabilities,
}

/// Why a request may not be sent: nothing was recorded for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrecorded {
    /// One line.
    pub message: String,
    /// How it differs from what was recorded.
    pub notes: Vec<String>,
    /// What the user can do.
    pub hint: String,
}

/// Stands between a run and its models, those of a script's own replies excepted.
pub trait Tape: Send + Sync + fmt::Debug {
    /// The reply that was recorded; `None` lets the model be asked.
    ///
    /// # Errors
    /// The model must not be asked.
    fn find(&self, asked: Asked<'_>) -> Result<Option<Completion>, Unrecorded>;

    /// Takes down what came back.
    fn note(&self, asked: Asked<'_>, completion: &Completion);

    /// The first request, in the order of the program, that nothing was recorded for.
    fn missed(&self) -> Option<Unrecorded> {
        None
    }
}

/// The recorded reply to a request; `None` where a model may be asked.
pub(in crate::runtime) fn recorded(
    tape: &dyn Tape,
    asked: Asked<'_>,
) -> Result<Option<Arc<Completion>>, Error> {
    tape.find(asked).map(|it| it.map(Arc::new)).map_err(Error::from)
}

impl From<Unrecorded> for Error {
    fn from(why: Unrecorded) -> Self {
        let failure = Failure::new(codes::UNRECORDED, "lm", why.message);
        let (notes, hints) = (why.notes, vec![why.hint]);
        Failure { notes, hints, fatal: true, ..failure }.into()
    }
}
