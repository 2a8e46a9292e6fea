//! The one error of model clients.
//!
//! Callers ask it with predicates and print it; the kind is for clients of this floor and for
//! tests. Its text never holds a key, and at most a short piece of what a server said.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What went wrong with a call.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    model: String,
    message: String,
    hint: Option<String>,
    attempts: u32,
    lost: bool,
}

/// Families of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The name of the model means nothing here, or an option does not fit it.
    Unknown,
    /// A key is missing, refused, out of credit, or may not go to this host.
    Key,
    /// The server could not be reached.
    Connect,
    /// It took too long.
    Timeout,
    /// The server asked us to slow down.
    RateLimit,
    /// The server failed (5xx, or a body that is no reply).
    Server,
    /// The server refused the request (4xx).
    Refused,
    /// The prompt is longer than the model reads.
    TooLong,
    /// The run was cancelled.
    Cancelled,
    /// Scripted replies have run out, or none fits.
    Scripted,
    /// The model's files are missing, damaged or of a kind we cannot read.
    Weights,
}

impl Error {
    /// Returns an error about `model`.
    pub fn new(kind: ErrorKind, model: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            model: model.into(),
            message: message.into(),
            hint: None,
            attempts: 0,
            lost: false,
        }
    }

    /// Adds what the user can do; an empty hint is none.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into()).filter(|it| !it.is_empty());
        self
    }

    /// Notes how many requests were sent.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Notes that a reply may have been written and lost.
    #[must_use]
    pub fn lost(mut self) -> Self {
        self.lost = true;
        self
    }

    /// Whether the last request may have to be paid for: a reply was written and lost, or it
    /// is not known.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// The family.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, without the model's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the user can do, if there is something.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether sending the same request again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::RateLimit | ErrorKind::Server
        )
    }

    /// Whether every request to this model fails so until somebody mends something.
    pub fn is_standing(&self) -> bool {
        matches!(self.kind, ErrorKind::Key | ErrorKind::Unknown | ErrorKind::Weights)
    }

    /// Whether another model may answer: what failed is not the program's doing.
    pub fn may_go_elsewhere(&self) -> bool {
        use ErrorKind::{Connect, Key, RateLimit, Server, Timeout, TooLong, Unknown, Weights};
        matches!(
            self.kind,
            Connect | Key | RateLimit | Server | Timeout | TooLong | Unknown | Weights
        )
    }

    /// Whether the failure says something about machines and networks, and nothing about the
    /// program: such a failure is not a wrong answer.
    pub fn is_infrastructure(&self) -> bool {
        !matches!(self.kind, ErrorKind::TooLong | ErrorKind::Refused)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.model, self.message)?;
        match self.attempts {
            0 => Ok(()),
            1 => f.write_str(" (attempt 1)"),
            many => write!(f, " (after {many} attempts)"),
        }
    }
}

impl std::error::Error for Error {}
