//! A model for other programs: `OpenAI`'s chat completions over HTTP, thin.
//!
//! [`serve`] answers on a listener until it is dropped. [`ask`] reads a request's body, [`shape`]
//! makes a JSON schema what a model of this process can be held to, [`tell`] writes replies, and
//! [`Failure`] is an error as clients of that interface expect it. Requests wait for their turn:
//! no more are worked on at once than serves the model well. What a client no longer waits for is
//! cancelled.

mod answer;
mod ask;
mod failure;
mod route;
mod shape;
mod tell;

pub use failure::Failure;

use crate::host::SharedHost;
use crate::lm::{self, CallContext, Cancel, Completion, Listener, Request, SharedLm};
use crate::util::{lock, sha256_hex};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How long the head of a request may take to come.
const HEAD: Duration = Duration::from_secs(30);
/// How long nobody is let in after the system refused to.
const PAUSE: Duration = Duration::from_millis(50);
/// So many bodies are remembered that were asked more than once for fresh samples.
const REMEMBERED: usize = 100_000;

/// Who is told of requests that were answered: the line of each.
type Told = Arc<dyn Fn(&str) + Send + Sync>;

/// A model and who asks it.
#[derive(Clone)]
pub struct Server(Arc<State>);

struct State {
    lm: SharedLm,
    host: SharedHost,
    /// Only requests that call the server by a name of this machine are answered.
    loopback: bool,
    told: Option<Told>,
    /// As many as serve the model well.
    turns: Semaphore,
    serial: AtomicU64,
    /// How many samples were drawn for a body, by its hash.
    drawn: Mutex<BTreeMap<u64, u64>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("lm", &self.0.lm).finish_non_exhaustive()
    }
}

impl Server {
    /// Returns a server of a model that listens at this address.
    pub fn new(lm: SharedLm, host: SharedHost, address: IpAddr) -> Self {
        let turns = Semaphore::new(lm.capabilities().parallel.clamp(1, 1024));
        let (serial, drawn) = (AtomicU64::new(0), Mutex::default());
        let loopback = address.is_loopback();
        Self(Arc::new(State { lm, host, loopback, told: None, turns, serial, drawn }))
    }

    /// Tells of each request that was answered.
    #[must_use]
    pub fn telling(self, told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let State { lm, host, loopback, turns, serial, drawn, .. } =
            match Arc::try_unwrap(self.0) {
                Ok(state) => state,
                Err(shared) => return Self(shared),
            };
        let told: Option<Told> = Some(Arc::new(told));
        Self(Arc::new(State { lm, host, loopback, told, turns, serial, drawn }))
    }

    /// Asks the model, when it is this request's turn.
    async fn complete(
        &self,
        request: Request,
        listener: Option<Listener>,
    ) -> Result<Completion, lm::Error> {
        let cancel = Cancel::default();
        let _ended = EndsWith(cancel.clone());
        let name = self.0.lm.name().to_owned();
        let gone = |why: String| lm::Error::new(lm::ErrorKind::Server, &name, why);
        let _turn = self.0.turns.acquire().await.map_err(|it| gone(it.to_string()))?;
        let lm = self.0.lm.clone();
        let context =
            CallContext { cancel, listener, parallel: true, ..CallContext::default() };
        // Some models block the thread that waits for them.
        let asked =
            tokio::task::spawn_blocking(move || lm::block_on(lm.complete(&request, &context)));
        asked.await.unwrap_or_else(|it| Err(gone(format!("an internal error: {it}"))))
    }

    /// Which samples a request is given: the first ones with a seed or where there is nothing to
    /// draw, else those after the ones that the same body was given before.
    fn rollouts(&self, body: &[u8], count: u64) -> u64 {
        let hash = sha256_hex(body);
        let hash = hash.get(..16).and_then(|it| u64::from_str_radix(it, 16).ok());
        let mut drawn = lock(&self.0.drawn);
        if drawn.len() >= REMEMBERED {
            drawn.clear();
        }
        let next = drawn.entry(hash.unwrap_or_default()).or_default();
        *next += count;
        *next - count
    }

    /// A number for each reply.
    fn next(&self) -> u64 {
        self.0.serial.fetch_add(1, Ordering::Relaxed)
    }
}

/// Cancels a call that nobody waits for any more.
struct EndsWith(Cancel);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Answers whoever connects, until it is dropped.
pub async fn serve(listener: TcpListener, server: Server) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many connections, as a rule: some will end.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Pieces of a reply are small, and are wanted at once.
        let _ = stream.set_nodelay(true);
        let server = server.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(route::answer(&server, request).await) }
            });
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(HEAD);
            // A client that goes away in the middle is no failure of the server.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Opens a port.
///
/// # Errors
/// The system gives none.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
