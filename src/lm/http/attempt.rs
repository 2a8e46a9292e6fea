//! Attempts: one request and its response, again where that can help.

use super::client::{Cut, client, read_whole, unless};
use super::failure::{self, Failure};
use super::protocol::{ErrorBody, Unread};
use crate::lm::keys::{Secret, origin};
use crate::lm::limiter::{Gate, Pass, Told, is_of_limits, told};
use crate::lm::retry::Retry;
use crate::lm::{CallContext, Error, ErrorKind};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response, Url};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// What is known of a server and how it is asked, whatever is asked.
pub(super) struct Transport {
    pub(super) name: String,
    pub(super) model: String,
    pub(super) base: Url,
    pub(super) headers: HeaderMap,
    pub(super) key: Option<Secret>,
    pub(super) key_env: Option<String>,
    pub(super) is_loopback: bool,
    pub(super) retry: Retry,
    pub(super) request_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) first_token: Option<Duration>,
    /// Where requests wait for their turn.
    pub(super) gate: Arc<Gate>,
}

/// What is sent. It is serialised once: every attempt shares the bytes.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) url: Url,
    pub(super) body: bytes::Bytes,
}

/// Something to be asked.
pub(super) trait Job: Sync {
    /// What comes of it.
    type Reply: Send;

    /// What is sent now.
    fn post(&self) -> Result<Post, Error>;

    /// Reads a response whose status is 200.
    fn read(
        &self,
        response: Response,
    ) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;

    /// Hears why the server refused it; tells whether [`post`](Self::post) gives something
    /// else now, which it may take.
    fn is_changed_by(&self, refusal: &ErrorBody) -> bool;

    /// Hears that an attempt failed and another follows.
    fn begins_again(&self);
}

impl Transport {
    /// The outcome of a call, which need not be polled again when its run is cancelled. A future
    /// that took it as a whole would be three times as large.
    pub(super) async fn unless_cancelled<T>(
        &self,
        context: &CallContext,
        answer: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        let outcome = unless(&context.cancel, answer).await;
        outcome.unwrap_or_else(|| {
            let message = "the run was cancelled while the call was under way";
            Err(Error::new(ErrorKind::Cancelled, &self.name, message))
        })
    }

    /// Sends a job until it is answered or there is no more use in it; also tells how many
    /// requests that took.
    pub(super) async fn answer<J: Job>(
        &self,
        job: &J,
        context: &CallContext,
    ) -> Result<(J::Reply, u32), Error> {
        let deadline = context.timeout.map(|it| Instant::now() + it);
        let client = client(&self.name, &self.base, self.is_loopback, self.connect_timeout)?;
        let mut post = job.post()?;
        let ticket = self.gate.ticket();
        let (mut sent, mut failed, mut dear) = (0, 0, 0);
        loop {
            let pass = self.turn(ticket, &post).await.map_err(|it| it.attempts(sent.max(1)))?;
            sent += 1;
            let failure =
                match self.attempt(&client, &post, job, deadline, (pass, failed)).await {
                    Ok(reply) => return Ok((reply, sent)),
                    Err(failure) => failure,
                };
            if failure.refusal().is_some_and(|it| job.is_changed_by(it)) {
                post = job.post()?;
                continue;
            }
            failed += 1;
            dear += failure.dearness();
            let is_worth_it = failure.error.is_retryable() && self.retry.allows(failed, dear);
            let wait = is_worth_it.then(|| self.wait(&failure, failed, &post.body, deadline));
            // A reply that was lost may have to be paid for: one more needs room for both.
            let wait = wait.flatten().filter(|_| !failure.is_paid() || context.again.allowed());
            let Some(wait) = wait else {
                return Err(failure.last().attempts(sent));
            };
            sleep(wait).await;
            job.begins_again();
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
        // The gate knows better how long a server that is asked too often wants to be left alone.
        let is_gated = failure.error.kind() == ErrorKind::RateLimit && failure.asked.is_some();
        let wait = if is_gated { Duration::ZERO } else { wait };
        // An attempt that cannot begin in time is no use waiting for.
        deadline.is_none_or(|it| Instant::now() + wait < it).then_some(wait)
    }

    /// One request and its response, within its time.
    async fn attempt<J: Job>(
        &self,
        client: &Client,
        post: &Post,
        job: &J,
        deadline: Option<Instant>,
        turn: (Pass<'_>, u32),
    ) -> Result<J::Reply, Failure> {
        let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
        let limit = left.map_or(self.request_timeout, |left| left.min(self.request_timeout));
        match timeout(limit, self.exchange(client, post, job, turn)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.failure().timeout(limit)),
        }
    }

    async fn exchange<J: Job>(
        &self,
        client: &Client,
        post: &Post,
        job: &J,
        (pass, failed): (Pass<'_>, u32),
    ) -> Result<J::Reply, Failure> {
        let mut request = reqwest::Request::new(Method::POST, post.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = Some(post.body.clone().into());
        let response = self.begun(client.execute(request)).await?;
        let response = response.map_err(|e| self.failure().transport(&e))?;
        let status = response.status();
        if status != reqwest::StatusCode::OK {
            let headers = response.headers().clone();
            // An error whose explanation is cut off is still that error.
            let body = read_whole(response).await.unwrap_or_default();
            let failure = self.failure().refused(status.as_u16(), &headers, &body);
            let told = Told {
                // How long to stay away where the server does not say.
                backoff: self.retry.wait(failed, seed(&post.body)),
                ..heard(status.as_u16(), &headers, &body, failure.error.kind())
            };
            pass.answered(&told);
            return Err(failure);
        }
        pass.answered(&heard(200, response.headers(), &[], ErrorKind::Server));
        job.read(response).await
    }

    /// Waits until it is the turn of a call.
    async fn turn(&self, ticket: u64, post: &Post) -> Result<Pass<'_>, Error> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let tokens = post.body.len() as f64 / 4.0;
        self.gate.pass(ticket, tokens, self.retry.cap + self.retry.cap / 10).await.map_err(
            |wait| {
                let seconds = wait.as_secs();
                let message =
                    format!("{} takes no request for {seconds} s", origin(&self.base));
                Error::new(ErrorKind::RateLimit, &self.name, message).hint(
                    "its limit for this key and model is used up: wait, or ask another model",
                )
            },
        )
    }

    /// What begins in time.
    pub(super) async fn begun<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let Some(limit) = self.first_token else { return Ok(work.await) };
        timeout(limit, work).await.map_err(|_| self.failure().timeout(limit))
    }

    /// The whole body of a response.
    pub(super) async fn whole(&self, response: Response) -> Result<bytes::Bytes, Failure> {
        read_whole(response).await.map_err(|e| self.cut(&e))
    }

    pub(super) fn cut(&self, cut: &Cut) -> Failure {
        match cut {
            Cut::Transport(e) => self.failure().broken_off(e),
            Cut::TooLong => self.failure().malformed("a body of more than 64 MiB"),
        }
    }

    pub(super) fn unread(&self, unread: Unread) -> Failure {
        match unread {
            Unread::Error(body) => self.failure().in_body(&body),
            Unread::Malformed(why) => self.failure().malformed(&why),
        }
    }

    pub(super) fn failure(&self) -> failure::Context<'_> {
        failure::Context {
            name: &self.name,
            model: &self.model,
            origin: origin(&self.base),
            key: self.key.as_ref(),
            key_env: self.key_env.as_deref(),
        }
    }
}

/// What a response tells of limits; `kind` is that of the error, where it is one.
fn heard(status: u16, headers: &HeaderMap, body: &[u8], kind: ErrorKind) -> Told {
    // Most servers say nothing: then nothing is looked for.
    if status == 200 && !headers.keys().any(|it| is_of_limits(it.as_str())) {
        return Told { answered: true, ..Told::default() };
    }
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let told = told(status, &header, body);
    // An account without credit is no question of pace.
    Told { refused: told.refused && kind == ErrorKind::RateLimit, ..told }
}

/// A number from a request, for the jitter of its retries (FNV-1a).
fn seed(body: &[u8]) -> u64 {
    body.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
