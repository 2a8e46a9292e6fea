//! The clients of this process, and what is the same in all requests.

use super::failure;
use super::protocol::KeyHeader;
use crate::lm::keys::Secret;
use crate::lm::{Cancel, Error, ErrorKind, lane};
use crate::util::lock;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

/// No reply of a language model is as long; a server that sends more is not one.
pub(super) const LONGEST_BODY: usize = 64 << 20;

/// The client for one way of connecting. Each lane has its own, for connections live on them.
///
/// Servers on this machine are not asked for through a proxy, whatever the environment says; to
/// read the system's certificates takes longer than to ask one of them, and is done where a
/// connection may need them.
pub(super) fn client(
    name: &str,
    base: &Url,
    is_loopback: bool,
    connect_timeout: Duration,
) -> Result<Client, Error> {
    type Way = (usize, bool, bool, Duration);
    static CLIENTS: Mutex<BTreeMap<Way, Client>> = Mutex::new(BTreeMap::new());
    let is_plain = is_loopback && base.scheme() == "http";
    let way = (lane::current(), is_loopback, is_plain, connect_timeout);
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
        .redirect(reqwest::redirect::Policy::none())
        // What is sent again, and when, is said elsewhere; else each request were copied.
        .retry(reqwest::retry::never().max_retries_per_request(0));
    let builder = if is_loopback { builder.no_proxy() } else { builder };
    let builder = if is_plain { builder.tls_certs_only([]) } else { builder };
    let client = builder.build().map_err(|e| {
        let why = failure::root(&e);
        Error::new(ErrorKind::Connect, name, format!("no connection can be set up: {why}"))
    })?;
    clients.insert(way, client.clone());
    Ok(client)
}

/// The headers of every request: the key goes into the one that the server wants it in.
pub(super) fn headers(
    name: &str,
    key: Option<&Secret>,
    place: KeyHeader,
    more: &[(&'static str, &'static str)],
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::with_capacity(4 + more.len());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("dsp-lang/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in more {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(key) = key {
        let (place, text) = match place {
            KeyHeader::Bearer => (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            KeyHeader::Named(name) => (HeaderName::from_static(name), key.expose().to_owned()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| {
            let message = "the key holds characters that cannot be sent";
            Error::new(ErrorKind::Key, name, message)
        })?;
        value.set_sensitive(true);
        headers.insert(place, value);
    }
    Ok(headers)
}

/// The outcome of `work`, or none when the run is cancelled first.
pub(super) async fn unless<T>(
    cancel: &Cancel,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    if cancel.is_cancelled() {
        return None;
    }
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

/// Why a body was not read to its end.
pub(super) enum Cut {
    Transport(reqwest::Error),
    TooLong,
}

/// Reads a whole body; one that came in one piece is not copied.
pub(super) async fn read_whole(mut response: reqwest::Response) -> Result<bytes::Bytes, Cut> {
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
