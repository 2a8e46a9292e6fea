//! What went wrong with a request, in the words of this floor.

use super::protocol::ErrorBody;
use crate::lm::keys::Secret;
use crate::lm::limiter::asked;
use crate::lm::retry::Retry;
use crate::lm::{Error, ErrorKind};
use reqwest::header::HeaderMap;
use std::time::Duration;

/// A failed attempt, and how long the server asked us to stay away.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) asked: Option<Duration>,
    /// Whether a reply was written and lost: it may have to be paid for.
    is_paid: bool,
    /// What a server said that takes no request of this form.
    refusal: Option<Box<ErrorBody>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, asked: None, is_paid: false, refusal: None }
    }
}

impl Failure {
    /// How [dear](Retry::allows) it is.
    pub(super) fn dearness(&self) -> u32 {
        match self.error.kind() {
            ErrorKind::Connect | ErrorKind::Timeout => Retry::SILENCE,
            _ if self.is_paid => Retry::LOSS,
            _ => 0,
        }
    }

    /// Whether the request may have to be paid for.
    pub(super) fn is_paid(&self) -> bool {
        self.is_paid
    }

    /// What the server said, where it takes no request of this form.
    pub(super) fn refusal(&self) -> Option<&ErrorBody> {
        self.refusal.as_deref()
    }

    /// The error to hand back when nothing more is tried.
    pub(super) fn last(self) -> Error {
        let error = if self.is_paid { self.error.lost() } else { self.error };
        match self.asked {
            Some(asked) if asked >= Duration::from_secs(1) => {
                error.hint(format!("it asks to be left alone for {} s", asked.as_secs()))
            }
            _ => error,
        }
    }
}

/// What the message of an error may name.
pub(super) struct Context<'a> {
    pub(super) name: &'a str,
    pub(super) model: &'a str,
    pub(super) origin: String,
    pub(super) key: Option<&'a Secret>,
    pub(super) key_env: Option<&'a str>,
}

impl Context<'_> {
    pub(super) fn timeout(&self, limit: Duration) -> Failure {
        let message = format!("{} gave no reply within {limit:?}", self.origin);
        paid(self.error(ErrorKind::Timeout, message))
    }

    /// No response.
    pub(super) fn transport(&self, e: &reqwest::Error) -> Failure {
        let (origin, why) = (&self.origin, root(e));
        let error = if e.is_connect() {
            let message = format!("{origin} could not be reached: {why}");
            self.error(ErrorKind::Connect, message)
                .hint("is the server running, and is the address right?")
        } else if e.is_timeout() {
            let message = format!("{origin} gave no reply in time");
            return paid(self.error(ErrorKind::Timeout, message));
        } else {
            let message = format!("the connection to {origin} was lost: {why}");
            return paid(self.error(ErrorKind::Connect, message));
        };
        error.into()
    }

    /// A response that broke off.
    pub(super) fn broken_off(&self, e: &reqwest::Error) -> Failure {
        let message = format!("the reply of {} broke off: {}", self.origin, root(e));
        self.lost(message)
    }

    /// A stream that ended before its reply did.
    pub(super) fn cut_off(&self) -> Failure {
        self.lost(format!("the reply of {} broke off before its end", self.origin))
    }

    /// Status 200 with a body that is no reply.
    pub(super) fn malformed(&self, why: &str) -> Failure {
        self.lost(format!("{} sent {why}", self.origin))
    }

    fn lost(&self, message: String) -> Failure {
        paid(self.error(ErrorKind::Server, message))
    }

    /// Status 200 with an error for a body.
    pub(super) fn in_body(&self, body: &ErrorBody) -> Failure {
        self.explained(body.status.unwrap_or_else(|| status_of(body)), body).into()
    }

    /// Any other status.
    pub(super) fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
        let said = if status == 429 { body } else { &[] };
        let body = ErrorBody::read(body);
        let error = self.explained(status, &body);
        let refusal = matches!(status, 400 | 404 | 422 | 501).then(|| Box::new(body));
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
        Failure { asked: asked(&header, said), refusal, ..error.into() }
    }

    fn explained(&self, status: u16, body: &ErrorBody) -> Error {
        let kind = kind(status, body);
        let said = excerpt(body.message.as_deref().unwrap_or_default(), self.key);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let message = format!("{} answered {status}{said}", self.origin);
        let error = self.error(kind, message);
        match kind {
            ErrorKind::Key => error.hint(self.about_key(status)),
            ErrorKind::Unknown => error.hint(format!(
                "is `{}` a model of this server, and does the base URL end as it should (`/v1`)?",
                self.model
            )),
            ErrorKind::Refused => error.hint(about_refusal(body)),
            ErrorKind::TooLong => {
                error.hint("shorten the inputs, or use fewer demos or a model that reads more")
            }
            _ => error,
        }
    }

    fn about_key(&self, status: u16) -> String {
        match (self.key, self.key_env) {
            _ if matches!(status, 402 | 429) => {
                "the account has no credit left: see its billing page".to_owned()
            }
            (Some(_), Some(variable)) => format!("is the key in `{variable}` right?"),
            (None, Some(variable)) => format!("set `{variable}` to a key of this server"),
            _ => "no key was sent: name the variable that holds this server's key in `key_env`"
                .to_owned(),
        }
    }

    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, self.name, message)
    }
}

/// What can be done about a request that is not taken.
fn about_refusal(body: &ErrorBody) -> &'static str {
    let said = body.words();
    let names = |words: &[&str]| words.iter().any(|it| said.contains(it));
    if names(&["invalid schema", "invalid_json_schema", "json_schema"]) {
        "the server cannot hold replies to this schema: use simpler types, or another adapter"
    } else if names(&["image", "vision", "audio", "multimodal", "modalit"]) {
        "this model may not take such inputs: ask one that does"
    } else if names(&["content management policy", "content_filter", "content policy"]) {
        "the provider filters this prompt: say it in other words, or ask another model"
    } else if names(&["reasoning_effort", "reasoning.effort", "thinking"]) {
        "this model may not be told how much to think: leave `effort` out"
    } else {
        "`dsp prompt` shows what is sent"
    }
}

/// The failure of a request whose reply may have been written.
fn paid(error: Error) -> Failure {
    Failure { is_paid: true, ..error.into() }
}

/// The status that an error inside a reply would have had.
fn status_of(body: &ErrorBody) -> u16 {
    let status = |code: &String| match code.as_str() {
        "invalid_request_error" | "context_length_exceeded" => Some(400),
        "authentication_error" => Some(401),
        "permission_error" => Some(403),
        "not_found_error" => Some(404),
        "request_too_large" => Some(413),
        "rate_limit_error" | "rate_limit_exceeded" => Some(429),
        "overloaded_error" => Some(529),
        _ => None,
    };
    body.codes.iter().find_map(status).unwrap_or(500)
}

fn kind(status: u16, body: &ErrorBody) -> ErrorKind {
    let says = |codes: &[&str]| body.codes.iter().any(|it| codes.contains(&it.as_str()));
    match status {
        400 if says(&["model_not_found", "model_not_exist", "unknown_model"]) => {
            ErrorKind::Unknown
        }
        400 if says(&["API_KEY_INVALID", "invalid_api_key"]) => ErrorKind::Key,
        401..=403 => ErrorKind::Key,
        404 => ErrorKind::Unknown,
        408 => ErrorKind::Timeout,
        413 => ErrorKind::TooLong,
        // More requests do not refill an account.
        429 if is_quota(body) => ErrorKind::Key,
        429 => ErrorKind::RateLimit,
        500.. => ErrorKind::Server,
        _ if is_too_long(body) => ErrorKind::TooLong,
        _ => ErrorKind::Refused,
    }
}

fn is_quota(body: &ErrorBody) -> bool {
    body.codes.iter().any(|it| it == "insufficient_quota" || it == "billing_hard_limit_reached")
}

/// Servers have a code for it or say it in words of their own.
fn is_too_long(body: &ErrorBody) -> bool {
    const WORDS: [&str; 10] = [
        "maximum prompt length",
        "max_new_tokens",
        "reduce the length",
        "input is too long",
        "context length",
        "context window",
        "context size",
        "prompt is too long",
        "too many tokens",
        "maximum number of tokens",
    ];
    let said = body.message.as_deref().unwrap_or_default().to_lowercase();
    body.codes.iter().any(|it| it.contains("context_length_exceeded"))
        || WORDS.iter().any(|it| said.contains(it))
}

/// The first words of what a server said: one line, nothing that steers a terminal, no key.
fn excerpt(text: &str, key: Option<&Secret>) -> String {
    const LONGEST: usize = 200;
    // Looking further would only cost time: a key is redacted before the text is cut.
    let text: String = text.chars().take(4096).collect();
    let words: Vec<&str> = text
        .split(|it: char| it.is_whitespace() || it.is_control())
        .filter(|it| !it.is_empty())
        .collect();
    let line = words.join(" ");
    let line = key.map_or(line.clone(), |key| key.redact(&line));
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

/// The innermost cause of an error, which names no URL.
pub(super) fn root(e: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = e;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(_) => "no reason was given".to_owned(),
        None => cause.to_string(),
    }
}
