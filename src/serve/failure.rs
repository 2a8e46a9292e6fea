//! Errors as clients of `OpenAI`'s interface expect them.

use crate::lm::{self, ErrorKind};
use serde_json::{Value, json};

/// Why a request has no reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The status.
    pub(super) status: u16,
    /// What went wrong, and what the client can do.
    pub(super) message: String,
    /// The part of the request that is meant.
    pub(super) param: Option<String>,
    /// A word for programs.
    pub(super) code: Option<&'static str>,
}

impl Failure {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None }
    }

    /// A part of the request is wrong.
    pub(super) fn of(param: &str, message: impl Into<String>) -> Self {
        let param = Some(param.to_owned());
        Self { param, ..Self::new(400, message) }
    }

    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The body of a response, and what stands in a stream.
    pub(super) fn body(&self) -> Value {
        let kind = match self.status {
            401 | 403 => "permission_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        let Self { message, param, code, .. } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }
}

impl From<lm::Error> for Failure {
    fn from(error: lm::Error) -> Self {
        use ErrorKind::{
            Cancelled, Connect, Key, RateLimit, Refused, Timeout, TooLong, Unknown,
        };
        let (status, code) = match error.kind() {
            TooLong => (400, Some("context_length_exceeded")),
            Refused => (400, None),
            RateLimit => (429, Some("rate_limit_exceeded")),
            Cancelled => (499, None),
            Timeout => (504, None),
            Connect | Key | Unknown => (502, None),
            _ => (500, None),
        };
        let hint = error.hint_text().map_or(String::new(), |it| format!("; {it}"));
        Self { status, message: format!("{error}{hint}"), param: None, code }
    }
}
