//! Spans to a collector of OpenTelemetry, over the same transport.
//!
//! The headers that the environment names may hold keys. They go to the collector that the
//! environment names, or, where it names none, to the one that the user does on the command line,
//! and to no other.

use super::client::{client, read_whole};
use super::failure;
use crate::host::Host;
use crate::lm::keys::{self, Secret};
use crate::lm::{Error, ErrorKind, block_on};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use std::time::Duration;

/// What errors call it.
const NAME: &str = "OpenTelemetry";
/// Where traces go below a collector's address.
const PATH: &str = "/v1/traces";
/// How often a request is sent that the collector has no room for.
const ATTEMPTS: u32 = 4;
/// The longest wait that a collector may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The longest that one request may take, where the environment says nothing.
const TIMEOUT: Duration = Duration::from_secs(10);
/// So much is shown of what a collector says.
const SHOWN: usize = 300;

/// A form of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    /// Protobuf.
    Binary,
}

impl Form {
    /// The form that the environment calls so.
    fn named(name: &str) -> Result<Self, Error> {
        match name.trim() {
            "http/json" => Ok(Self::Json),
            "http/protobuf" => Ok(Self::Binary),
            other => {
                let message = format!("OTEL_EXPORTER_OTLP_PROTOCOL is `{other}`");
                let error = Error::new(ErrorKind::Unknown, NAME, message);
                Err(error.hint("spans are sent as `http/json` or `http/protobuf`"))
            }
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Binary => "application/x-protobuf",
        }
    }
}

/// A collector of spans.
#[derive(Debug)]
pub struct Collector {
    url: Url,
    headers: HeaderMap,
    secrets: Vec<Secret>,
    timeout: Duration,
    /// The form that the environment asks for.
    form: Option<Form>,
    /// The environment has headers for another collector, and they were not used.
    pub headers_left_out: bool,
}

impl Collector {
    /// The collector at an address, or the one that the environment names.
    ///
    /// # Errors
    /// No address, one that is none, and headers that are none.
    pub fn new(host: &dyn Host, address: Option<&str>) -> Result<Self, Error> {
        let of_env = env(host, "ENDPOINT");
        let whole = host.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let known = match (&whole, &of_env) {
            (Some(whole), _) => Some(parsed(whole)?),
            (None, Some(base)) => Some(below(parsed(base)?)),
            (None, None) => None,
        };
        let url = match (address, &known) {
            (Some(address), _) => below(parsed(address)?),
            (None, Some(known)) => known.clone(),
            (None, None) => {
                let error = Error::new(ErrorKind::Unknown, NAME, "no collector is named");
                return Err(error.hint(
                    "give its address, such as `--to http://127.0.0.1:4318`, or set \
                     OTEL_EXPORTER_OTLP_ENDPOINT",
                ));
            }
        };
        let is_known = known.is_none_or(|it| it.origin() == url.origin());
        let said = env(host, "HEADERS");
        let headers_left_out = said.is_some() && !is_known;
        let said = said.filter(|_| is_known).unwrap_or_default();
        let (headers, secrets) = headers(&said)?;
        let timeout = env(host, "TIMEOUT").and_then(|it| it.trim().parse().ok());
        let timeout = timeout.map_or(TIMEOUT, Duration::from_millis);
        let form = env(host, "PROTOCOL").map(|it| Form::named(&it)).transpose()?;
        Ok(Self { url, headers, secrets, timeout, form, headers_left_out })
    }

    /// Where spans are sent, without what may be secret in it.
    pub fn shown(&self) -> String {
        let port = self.url.port().map(|it| format!(":{it}")).unwrap_or_default();
        let host = self.url.host_str().unwrap_or_default();
        format!("{}://{host}{port}{}", self.url.scheme(), self.url.path())
    }

    /// Sends one request; returns how many of its spans were refused. It goes as JSON, unless the
    /// environment says otherwise or the collector takes none.
    ///
    /// # Errors
    /// The collector cannot be reached, or refuses the whole.
    pub fn send(
        &self,
        json: &serde_json::Value,
        binary: impl Fn(&serde_json::Value) -> Vec<u8> + Sync,
    ) -> Result<u64, Error> {
        let written = |form| match form {
            Form::Json => json.to_string().into(),
            Form::Binary => binary(json).into(),
        };
        block_on(self.sent(&written))
    }

    async fn sent(
        &self,
        written: &(dyn Fn(Form) -> bytes::Bytes + Sync),
    ) -> Result<u64, Error> {
        let is_loopback = keys::is_loopback(&self.url);
        let client = client(NAME, &self.url, is_loopback, self.timeout)?;
        let mut form = self.form.unwrap_or(Form::Json);
        let mut body = written(form);
        let mut attempt = 1;
        loop {
            let post = client.post(self.url.clone()).headers(self.headers.clone());
            let post = post.header(CONTENT_TYPE, form.media_type());
            let post = post.timeout(self.timeout).body(body.clone());
            let response = post.send().await.map_err(|error| self.unreached(&error))?;
            let status = response.status();
            let wait = waits(&response, attempt);
            let said = read_whole(response).await.unwrap_or_default();
            if status.is_success() {
                return Ok(match form {
                    Form::Json => refused(&String::from_utf8_lossy(&said)),
                    Form::Binary => refused_in_binary(&said).unwrap_or_default(),
                });
            }
            let text = String::from_utf8_lossy(&said);
            let takes_none = status == StatusCode::UNSUPPORTED_MEDIA_TYPE;
            if takes_none && form == Form::Json && self.form.is_none() {
                form = Form::Binary;
                body = written(form);
                continue;
            }
            match wait {
                Some(wait) if attempt < ATTEMPTS => tokio::time::sleep(wait).await,
                _ => return Err(self.refusal(status, &text).attempts(attempt)),
            }
            attempt += 1;
        }
    }

    fn unreached(&self, error: &reqwest::Error) -> Error {
        let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Connect };
        let why = self.redacted(&failure::root(error));
        let message = format!("`{}` cannot be reached: {why}", self.shown());
        Error::new(kind, NAME, message)
            .hint("is the collector running? OTLP over HTTP usually listens on port 4318")
    }

    fn refusal(&self, status: StatusCode, text: &str) -> Error {
        let said: String = self.redacted(text.trim()).chars().take(SHOWN).collect();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let message = format!("`{}` answered {}{said}", self.shown(), status.as_u16());
        let error = Error::new(ErrorKind::Refused, NAME, message);
        match status.as_u16() {
            401 | 403 => error.hint("put what it wants into OTEL_EXPORTER_OTLP_HEADERS"),
            404 => error.hint("name the collector's address without `/v1/traces`"),
            415 => error.hint("OTEL_EXPORTER_OTLP_PROTOCOL names another form than it takes"),
            _ => error,
        }
    }

    fn redacted(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
    }
}

/// A variable for traces alone, else the one for all signals.
fn env(host: &dyn Host, what: &str) -> Option<String> {
    let own = host.env(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
    own.filter(|_| what != "ENDPOINT")
        .or_else(|| host.env(&format!("OTEL_EXPORTER_OTLP_{what}")))
}

fn parsed(address: &str) -> Result<Url, Error> {
    let wrong = |why: &str| {
        Error::new(ErrorKind::Unknown, NAME, format!("the collector's address {why}"))
            .hint("expected an address such as `http://127.0.0.1:4318`")
    };
    let url =
        Url::parse(address.trim()).map_err(|error| wrong(&format!("is none: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("is not that of an HTTP server"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a password, which belongs into OTEL_EXPORTER_OTLP_HEADERS"));
    }
    Ok(url)
}

/// Where a collector takes traces.
fn below(mut url: Url) -> Url {
    if !url.path().ends_with(PATH) {
        let path = format!("{}{PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    url
}

/// `name=value,name=value`, with values as in addresses.
fn headers(said: &str) -> Result<(HeaderMap, Vec<Secret>), Error> {
    let mut headers = HeaderMap::new();
    let mut secrets = Vec::new();
    for (at, pair) in said.split(',').enumerate().filter(|(_, it)| !it.trim().is_empty()) {
        // The pair itself may be a secret, and is not shown.
        let wrong = || {
            let message = format!("OTEL_EXPORTER_OTLP_HEADERS: part {} is no header", at + 1);
            Error::new(ErrorKind::Key, NAME, message).hint("expected `name=value,name=value`")
        };
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let value = unescaped(value.trim());
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        let mut sent = HeaderValue::from_str(&value).map_err(|_| wrong())?;
        sent.set_sensitive(true);
        headers.insert(name, sent);
        // `Bearer KEY` is quoted without its first word, too.
        secrets.extend(value.split_whitespace().map(Secret::new));
    }
    headers.remove(CONTENT_TYPE);
    Ok((headers, secrets))
}

/// `%20` is a space.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match code.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How long to wait before it is sent again, where that can help.
fn waits(response: &reqwest::Response, attempt: u32) -> Option<Duration> {
    if !matches!(response.status().as_u16(), 429 | 502 | 503 | 504) {
        return None;
    }
    let said = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
    let seconds = said.and_then(|it| it.trim().parse().ok()).map(Duration::from_secs);
    let usual = Duration::from_millis(250) * 2_u32.pow(attempt);
    Some(seconds.unwrap_or(usual).min(LONGEST_WAIT))
}

/// How many spans a collector says that it did not take.
fn refused(text: &str) -> u64 {
    let said: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let count = &said["partialSuccess"]["rejectedSpans"];
    let text = count.as_str().and_then(|it| it.parse().ok());
    count.as_u64().or(text).unwrap_or_default()
}

/// The same in binary form: the first part of the answer, and of that the first.
fn refused_in_binary(answer: &[u8]) -> Option<u64> {
    let partial = answer.strip_prefix(&[0x0a])?;
    let (length, rest) = varint(partial)?;
    let partial = rest.get(..usize::try_from(length).ok()?)?;
    varint(partial.strip_prefix(&[0x08])?).map(|it| it.0)
}

/// A number of seven bits a byte, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = bytes.iter().take(10).position(|it| it & 0x80 == 0)? + 1;
    let (own, rest) = bytes.split_at(length);
    let number = own.iter().rev().fold(0, |sum, it| (sum << 7) | u64::from(it & 0x7f));
    Some((number, rest))
}
