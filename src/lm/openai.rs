//! Models behind servers that speak OpenAI's chat completions.
//!
//! One `reqwest` client serves the whole process, so that connections are reused across
//! models and runs. A request is serialised once, straight into the bytes that every attempt
//! sends. What is retried, and when, is said by [`Retry`]; here it is only obeyed.

mod failure;
mod wire;

use super::keys::{Endpoint, Provider, Secret, origin};
use super::open::LmOptions;
use super::retry::Retry;
use super::{
    CallContext, CallFuture, Cancel, Capabilities, Completion, Error, ErrorKind, Lm, Request,
    lane,
};
use crate::util::lock;
use failure::Failure;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Url};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use wire::Dialect;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// No reply of a language model is as long; a server that sends more is not one.
const LONGEST_BODY: usize = 64 << 20;

/// A model behind an OpenAI-compatible server.
pub struct OpenAi {
    name: String,
    model: String,
    identity: String,
    url: Url,
    headers: HeaderMap,
    key: Option<Secret>,
    key_env: Option<String>,
    is_loopback: bool,
    is_listed: bool,
    dialect: Dialect,
    retry: Retry,
    request_timeout: Duration,
    connect_timeout: Duration,
}

impl OpenAi {
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
        let is_loopback = endpoint.is_loopback();
        let base = endpoint.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}/chat/completions"))
            .map_err(|e| Error::new(ErrorKind::Unknown, name, format!("the base URL: {e}")))?;
        Ok(Self {
            name: name.to_owned(),
            model: model.to_owned(),
            // The number changes whenever the same request would be sent differently.
            identity: format!("openai-chat/1 {provider} {model} {base}"),
            url,
            headers: headers(name, endpoint.key.as_ref())?,
            key: endpoint.key,
            key_env: endpoint.key_env,
            is_loopback,
            is_listed: Provider::find(provider).is_some_and(|it| it.base_url == base),
            dialect: Dialect::of(provider, model),
            retry: options.retries.map_or_else(Retry::default, Retry::times),
            request_timeout: options.timeout.unwrap_or(REQUEST_TIMEOUT),
            connect_timeout: options.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        })
    }

    /// Returns the client with another schedule of retries.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sends a request until it is answered or there is no more use in it.
    async fn answer(
        &self,
        request: &Request,
        context: &CallContext,
    ) -> Result<Completion, Error> {
        let deadline = context.timeout.map(|it| Instant::now() + it);
        let body = wire::write(&self.model, request, self.dialect);
        let client = client(&self.name, self.is_loopback, self.connect_timeout)?;
        let (mut failed, mut dear) = (0, 0);
        loop {
            let failure = match self.attempt(&client, body.clone(), deadline).await {
                Ok(mut completion) => {
                    completion.attempts = failed + 1;
                    return Ok(completion);
                }
                Err(failure) => failure,
            };
            failed += 1;
            dear += u32::from(failure.is_dear());
            let is_worth_it = failure.error.is_retryable() && self.retry.allows(failed, dear);
            let wait = is_worth_it.then(|| self.wait(&failure, failed, &body, deadline));
            // A reply that was lost may have to be paid for: one more needs room for both.
            let wait = wait.flatten().filter(|_| !failure.is_paid() || context.again.allowed());
            let Some(wait) = wait else {
                return Err(failure.last().attempts(failed));
            };
            sleep(wait).await;
        }
    }

    /// How long to wait before the next attempt; none when it would come too late.
    fn wait(
        &self,
        failure: &Failure,
        failed: u32,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Option<Duration> {
        let wait = self.retry.wait_asked(failed - 1, seed(body), failure.asked)?;
        // An attempt that cannot begin in time is no use waiting for.
        deadline.is_none_or(|it| Instant::now() + wait < it).then_some(wait)
    }

    /// One request and its response, within its time.
    async fn attempt(
        &self,
        client: &Client,
        body: bytes::Bytes,
        deadline: Option<Instant>,
    ) -> Result<Completion, Failure> {
        let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
        let limit = left.map_or(self.request_timeout, |left| left.min(self.request_timeout));
        match timeout(limit, self.exchange(client, body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.failure().timeout(limit)),
        }
    }

    async fn exchange(
        &self,
        client: &Client,
        body: bytes::Bytes,
    ) -> Result<Completion, Failure> {
        let mut request = reqwest::Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = Some(body.into());
        let response =
            client.execute(request).await.map_err(|e| self.failure().transport(&e))?;
        let status = response.status();
        if status != reqwest::StatusCode::OK {
            let headers = response.headers().clone();
            // An error whose explanation is cut off is still that error.
            let body = read(response).await.unwrap_or_default();
            return Err(self.failure().refused(status.as_u16(), &headers, &body));
        }
        let body = read(response).await.map_err(|e| match e {
            Cut::Transport(e) => self.failure().broken_off(&e),
            Cut::TooLong => self.failure().malformed("a body of more than 64 MiB"),
        })?;
        self.completion(&body)
    }

    fn completion(&self, body: &[u8]) -> Result<Completion, Failure> {
        match wire::read(body) {
            Ok(completion) => Ok(self.without_key(completion)),
            Err(wire::Unread::Error(body)) => Err(self.failure().in_body(&body)),
            Err(wire::Unread::Malformed(why)) => Err(self.failure().malformed(&why)),
        }
    }

    /// A server that repeats the key in its reply must not bring it into traces and stores.
    fn without_key(&self, mut completion: Completion) -> Completion {
        if let Some(key) = &self.key {
            if key.is_in(&completion.text) {
                completion.text = key.redact(&completion.text);
            }
            completion.model = completion.model.map(|it| key.redact(&it));
        }
        completion
    }

    fn failure(&self) -> failure::Context<'_> {
        failure::Context {
            name: &self.name,
            model: &self.model,
            origin: origin(&self.url),
            key: self.key.as_ref(),
            key_env: self.key_env.as_deref(),
        }
    }
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi")
            .field("name", &self.name)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl Lm for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn is_listed(&self) -> bool {
        self.is_listed
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: true,
            template: false,
            in_process: false,
            nonblocking: true,
            parallel: 64,
            cacheable: true,
        }
    }

    fn complete<'a>(
        &'a self,
        request: &'a Request,
        context: &'a CallContext,
    ) -> CallFuture<'a> {
        Box::pin(async move {
            let answer = self.answer(request, context);
            match unless(&context.cancel, answer).await {
                Some(outcome) => outcome,
                None => Err(Error::new(
                    ErrorKind::Cancelled,
                    &self.name,
                    "the run was cancelled while the call was under way",
                )),
            }
        })
    }
}

/// The outcome of `work`, or none when the run is cancelled first; `work` is then dropped.
async fn unless<T>(cancel: &Cancel, work: impl Future<Output = T>) -> Option<T> {
    if cancel.is_cancelled() {
        return None;
    }
    let mut work = pin!(work);
    let mut cancelled = pin!(cancel.cancelled());
    poll_fn(|context| {
        // Connections and timers belong to our runtimes, whichever executor polls us: one that
        // is not tokio has neither, and a tokio of a host may end before our process does.
        let _entered = lane::enter();
        if let Poll::Ready(outcome) = work.as_mut().poll(context) {
            return Poll::Ready(Some(outcome));
        }
        cancelled.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// The client for one way of connecting. Each lane has its own, for connections live on them.
///
/// Servers on this machine are not asked for through a proxy, whatever the environment says.
fn client(name: &str, is_loopback: bool, connect_timeout: Duration) -> Result<Client, Error> {
    type Way = (usize, bool, Duration);
    static CLIENTS: Mutex<BTreeMap<Way, Client>> = Mutex::new(BTreeMap::new());
    let way = (lane::current(), is_loopback, connect_timeout);
    let mut clients = lock(&CLIENTS);
    if let Some(client) = clients.get(&way) {
        return Ok(client.clone());
    }
    // Fails when the embedding program has chosen a provider already; then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(256)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_nodelay(true)
        // A redirect would carry prompts to a host that nobody named.
        .redirect(reqwest::redirect::Policy::none());
    let builder = if is_loopback { builder.no_proxy() } else { builder };
    let client = builder.build().map_err(|e| {
        let why = failure::root(&e);
        Error::new(ErrorKind::Connect, name, format!("no connection can be set up: {why}"))
    })?;
    clients.insert(way, client.clone());
    Ok(client)
}

fn headers(name: &str, key: Option<&Secret>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("dsp-lang/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    if let Some(key) = key {
        let mut value =
            HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| {
                let message = "the key holds characters that cannot be sent";
                Error::new(ErrorKind::Key, name, message)
            })?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Why a body was not read to its end.
enum Cut {
    Transport(reqwest::Error),
    TooLong,
}

/// Reads a whole body; one that came in one piece is not copied.
async fn read(mut response: reqwest::Response) -> Result<bytes::Bytes, Cut> {
    let first = response.chunk().await.map_err(Cut::Transport)?.unwrap_or_default();
    let Some(second) = response.chunk().await.map_err(Cut::Transport)? else {
        return Ok(first);
    };
    let mut whole = Vec::with_capacity((first.len() + second.len()) * 2);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(more) = response.chunk().await.map_err(Cut::Transport)? {
        if whole.len() + more.len() > LONGEST_BODY {
            return Err(Cut::TooLong);
        }
        whole.extend_from_slice(&more);
    }
    Ok(whole.into())
}

/// A number from a request, for the jitter of its retries (FNV-1a).
fn seed(body: &[u8]) -> u64 {
    body.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
