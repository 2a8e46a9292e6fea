//! Models behind servers.
//!
//! One `reqwest` client serves each lane of the process, so that connections are reused across
//! models and runs. A request is serialised once, straight into the bytes that every attempt
//! sends. What is retried, and when, is said by [`Retry`]; what is written and how it is read
//! is said by the protocol of the server, which knows nothing of connections.

mod attempt;
mod client;
mod collect;
mod embed;
mod failure;
mod frames;
mod offers;
mod protocol;
mod teller;

use super::keys::{Endpoint, Provider, origin};
use super::limiter::{Gate, gate};
use super::open::LmOptions;
use super::retry::Retry;
use super::{
    CallContext, CallFuture, Capabilities, Carry, Completion, Error, ErrorKind, Finish,
    Listener, Lm, Request, Takes,
};
use crate::config::Api;
use crate::util::{lock, sha256_hex};
use attempt::{Job, Post, Transport};
use client::{Cut, LONGEST_BODY, headers};
pub use collect::Collector;
pub use embed::HttpEmbedder;
use failure::Failure;
use frames::Frames;
use offers::Offers;
use protocol::{Ask, ErrorBody, Protocol, Reader};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, Url};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use teller::Teller;
use tokio::time::timeout;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a server may take to end a stream whose last event was read; then its connection
/// is not used again.
const LINGER: Duration = Duration::from_millis(50);

/// A model behind a server.
pub struct HttpLm {
    transport: Transport,
    protocol: Box<dyn Protocol>,
    identity: String,
    /// What its replies carry is for it alone, by this name.
    of: String,
    is_listed: bool,
    offers: Offers,
    takes: Takes,
    /// Where whole replies and streams are asked for.
    urls: [Url; 2],
}

impl HttpLm {
    /// Returns a client for `model` at `endpoint`. Nothing is sent.
    ///
    /// # Errors
    /// A key that holds characters which no header can.
    pub fn new(
        name: &str,
        provider: &str,
        model: &str,
        endpoint: Endpoint,
        options: &LmOptions,
    ) -> Result<Self, Error> {
        let api = api(provider, options);
        let endpoint = Endpoint { base: based(provider, api, &endpoint.base), ..endpoint };
        let base = endpoint.base.as_str().trim_end_matches('/').to_owned();
        let protocol = protocol::of(provider, api);
        let transport = Transport::new(name, model, endpoint, options, &*protocol)?;
        let url = |streams| transport.url(&protocol.path(model, streams));
        Ok(Self {
            urls: [url(false)?, url(true)?],
            // The number in a protocol's name changes whenever the same request would be sent
            // differently.
            of: format!("{} {name}", protocol.name()),
            identity: format!("{} {provider} {model} {base}", protocol.name()),
            is_listed: is_listed(provider, &base),
            offers: Offers::of(provider, api, model),
            takes: offers::takes(provider, protocol.takes()),
            transport,
            protocol,
        })
    }

    /// Returns the client with another schedule of retries.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.transport.retry = retry;
        self
    }

    async fn answer(
        &self,
        request: &Request,
        context: &CallContext,
    ) -> Result<Completion, Error> {
        let listener = context.listener.as_ref();
        let call = Call { lm: self, request, listener, told: Mutex::new(false) };
        let (mut completion, attempts) = self.transport.answer(&call, context).await?;
        completion.attempts = attempts;
        if let Some(carry) = &mut completion.carry {
            Arc::make_mut(carry).of.clone_from(&self.of);
        }
        Ok(self.without_key(completion))
    }

    /// What the server takes, as far as is known by now.
    fn offers(&self) -> Offers {
        lock(&LEARNED).get(&self.identity).copied().unwrap_or(self.offers)
    }

    /// A server that repeats the key in its reply must not bring it into traces and stores.
    fn without_key(&self, mut completion: Completion) -> Completion {
        let Some(key) = &self.transport.key else { return completion };
        let hide = |text: &mut String| {
            if key.is_in(text) {
                *text = key.redact(text);
            }
        };
        hide(&mut completion.text);
        completion.reasoning.iter_mut().for_each(hide);
        completion.others.iter_mut().for_each(|it| hide(&mut it.text));
        completion.calls.iter_mut().for_each(|it| hide(&mut it.arguments));
        let tokens = completion.logprobs.iter_mut().flatten();
        tokens.for_each(|it| hide(&mut it.token));
        completion.model = completion.model.map(|it| key.redact(&it));
        // A sealed piece that is changed is worth nothing.
        let has_key =
            |it: &Arc<Carry>| it.pieces.iter().any(|piece| key.is_in(&piece.value.to_string()));
        completion.carry = completion.carry.filter(|it| !has_key(it));
        completion
    }
}

/// What servers turned out not to take, by the identity of the model: what one call of this
/// process has learned is not tried again by the next.
static LEARNED: Mutex<BTreeMap<String, Offers>> = Mutex::new(BTreeMap::new());

/// The interface in which a provider's server is asked.
fn api(provider: &str, options: &LmOptions) -> Api {
    options.api.unwrap_or_else(|| Provider::find(provider).map_or(Api::Chat, |it| it.api))
}

/// Whether a provider's own server is asked.
fn is_listed(provider: &str, base: &str) -> bool {
    let known = Provider::find(provider).and_then(|it| Url::parse(it.base_url).ok());
    let base = Url::parse(base).ok();
    known.is_some_and(|known| base.is_some_and(|it| it.origin() == known.origin()))
}

/// The base URL as its interface wants it. People write it as they know it from elsewhere,
/// with the version of the interface and without.
fn based(provider: &str, api: Api, base: &Url) -> Url {
    let path = base.path().trim_end_matches('/');
    let without = |end: &str| path.strip_suffix(end).unwrap_or(path).to_owned();
    let has_version = path.rsplit('/').next().is_some_and(|it| {
        it.starts_with('v') && it[1..].starts_with(|it: char| it.is_ascii_digit())
    });
    let path = match (api, provider) {
        (Api::Ollama, _) => without("/v1"),
        (Api::Chat | Api::Responses, "ollama") if path.is_empty() => "/v1".to_owned(),
        (Api::Gemini, _) if path.is_empty() => "/v1beta".to_owned(),
        (Api::Gemini, _) => without("/openai"),
        (Api::Chat, "gemini") if has_version => format!("{path}/openai"),
        (Api::Anthropic, _) if !has_version => format!("{path}/v1"),
        (_, "azure") => without("/openai/v1"),
        _ => path.to_owned(),
    };
    let mut based = base.clone();
    based.set_path(&path);
    based
}

impl Transport {
    fn new(
        name: &str,
        model: &str,
        endpoint: Endpoint,
        options: &LmOptions,
        protocol: &dyn Protocol,
    ) -> Result<Self, Error> {
        let key = endpoint.key.as_ref();
        let gate = gate_of(&endpoint, model);
        if let Some(rate) = options.rate {
            gate.state_rate(rate);
        }
        Ok(Self {
            name: name.to_owned(),
            model: model.to_owned(),
            headers: headers(name, key, protocol.key_header(), protocol.headers())?,
            is_loopback: endpoint.is_loopback(),
            base: endpoint.base,
            key: endpoint.key,
            key_env: endpoint.key_env,
            retry: options.retries.map_or_else(Retry::default, Retry::times),
            request_timeout: options.timeout.unwrap_or(REQUEST_TIMEOUT),
            connect_timeout: options.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            first_token: options.first_token,
            gate,
        })
    }

    /// The URL of a path below the base.
    fn url(&self, path: &str) -> Result<Url, Error> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).map_err(|e| {
            Error::new(ErrorKind::Unknown, &self.name, format!("the base URL: {e}"))
        })
    }
}

/// The gate before a server for a model and key; the key itself is kept nowhere.
fn gate_of(endpoint: &Endpoint, model: &str) -> Arc<Gate> {
    let key = endpoint.key.as_ref().map(|it| sha256_hex(it.expose().as_bytes()));
    gate(&format!("{} {model} {}", origin(&endpoint.base), key.unwrap_or_default()))
}

/// One request to a model.
struct Call<'a> {
    lm: &'a HttpLm,
    request: &'a Request,
    listener: Option<&'a Listener>,
    /// Whether the listener has heard of a reply.
    told: Mutex<bool>,
}

impl Job for Call<'_> {
    type Reply = Completion;

    fn post(&self) -> Result<Post, Error> {
        let HttpLm { transport, protocol, .. } = self.lm;
        let (model, streams) = (transport.model.as_str(), self.listener.is_some());
        let (of, offers) = (self.lm.of.as_str(), &self.lm.offers());
        let ask = Ask { model, of, request: self.request, streams, offers };
        let body = protocol.write(&ask).map_err(|why| {
            Error::new(ErrorKind::Refused, &transport.name, why.message).hint(why.hint)
        })?;
        Ok(Post { url: self.lm.urls[usize::from(streams)].clone(), body })
    }

    async fn read(&self, response: Response) -> Result<Completion, Failure> {
        match self.listener {
            // Most calls are no streams, and need not have room for one.
            Some(listener) => Box::pin(self.streamed(response, listener)).await,
            None => {
                let body = self.lm.transport.whole(response).await?;
                self.completion(&body)
            }
        }
    }

    fn is_changed_by(&self, refusal: &ErrorBody) -> bool {
        let offers = self.lm.offers();
        let Some(less) = offers.without(refusal, self.request) else { return false };
        lock(&LEARNED).insert(self.lm.identity.clone(), less);
        true
    }

    fn begins_again(&self) {
        let told = std::mem::take(&mut *lock(&self.told));
        if let Some(listener) = self.listener.filter(|_| told) {
            listener.hear(super::Delta::Again);
        }
    }
}

impl Call<'_> {
    fn completion(&self, body: &[u8]) -> Result<Completion, Failure> {
        self.lm.protocol.read(body).map_err(|it| self.lm.transport.unread(it))
    }

    /// Reads a reply and tells of it while it comes.
    async fn streamed(
        &self,
        response: Response,
        listener: &Listener,
    ) -> Result<Completion, Failure> {
        let mut teller = Teller::new(listener, self.lm.transport.key.as_ref());
        let outcome = if is_json(&response) {
            self.told_whole(response, &mut teller).await
        } else {
            self.told_by_events(response, &mut teller).await
        };
        *lock(&self.told) = teller.has_told();
        outcome
    }

    /// Some servers answer as a whole, whatever they were asked.
    async fn told_whole(
        &self,
        response: Response,
        teller: &mut Teller<'_>,
    ) -> Result<Completion, Failure> {
        let body = self.lm.transport.whole(response).await?;
        let mut completion = self.completion(&body)?;
        if let Some(reasoning) = &completion.reasoning {
            teller.reasoning(reasoning);
        }
        teller.text(&completion.text);
        teller.end();
        if teller.is_halted() {
            completion.finish = Finish::Halted;
        }
        Ok(completion)
    }

    async fn told_by_events(
        &self,
        mut response: Response,
        teller: &mut Teller<'_>,
    ) -> Result<Completion, Failure> {
        let HttpLm { transport, protocol, .. } = self.lm;
        let mut frames = Frames::new(protocol.framing());
        let mut reader = protocol.reader();
        let mut length = 0;
        loop {
            let chunk = async {
                match length {
                    0 => transport.begun(response.chunk()).await,
                    _ => Ok(response.chunk().await),
                }
            };
            let chunk = chunk.await?.map_err(|e| transport.cut(&Cut::Transport(e)))?;
            let Some(bytes) = chunk else { break };
            length += bytes.len();
            if length > LONGEST_BODY {
                return Err(transport.cut(&Cut::TooLong));
            }
            frames.push(&bytes);
            while let Some(event) = frames.next() {
                reader.event(&event, teller).map_err(|it| transport.unread(it))?;
                if teller.is_halted() {
                    // Dropping the response closes the connection.
                    return Ok(halted(reader));
                }
            }
            if reader.is_ended() {
                let _ = timeout(LINGER, response.chunk()).await;
                break;
            }
        }
        if let Some(event) = frames.last() {
            reader.event(&event, teller).map_err(|it| transport.unread(it))?;
        }
        if !reader.is_whole() {
            return Err(transport.failure().cut_off());
        }
        teller.end();
        reader.completion().map_err(|it| transport.unread(it))
    }
}

/// What has come of a reply that nobody wants more of.
fn halted(reader: Box<dyn Reader>) -> Completion {
    let came = reader.completion().unwrap_or_default();
    Completion { finish: Finish::Halted, ..came }
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    kind.is_some_and(|it| it.trim_start().starts_with("application/json"))
}

impl std::fmt::Debug for HttpLm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpLm")
            .field("name", &self.transport.name)
            .field("base", &self.transport.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Lm for HttpLm {
    fn name(&self) -> &str {
        &self.transport.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn is_listed(&self) -> bool {
        self.is_listed
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            nonblocking: true,
            parallel: 64,
            cacheable: true,
            schema: self.offers.knows_schemas(),
            tools: true,
            media: self.takes,
            logprobs: self.offers.logprobs,
            n: self.offers.n,
            ..Capabilities::PLAIN
        }
    }

    fn complete<'a>(
        &'a self,
        request: &'a Request,
        context: &'a CallContext,
    ) -> CallFuture<'a> {
        Box::pin(async move {
            let answer = pin!(self.answer(request, context));
            self.transport.unless_cancelled(context, answer).await
        })
    }
}
