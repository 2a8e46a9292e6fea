//! One exchange with a model: look it up, else pay for it, keep it.

use crate::lm::{self, CallContext, Completion, Request, SharedLm};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::run::{OUT_OF_TIME, Run};
use crate::runtime::tape::{Asked, recorded};
use crate::store::Key;
use crate::trace::Attempt;
use crate::util::hex;
use std::sync::Arc;
use std::time::Duration;

/// What ends a run that sends nothing.
const UNSENT: &str = "the request was made up and not sent";

/// Sends a request, or takes its reply from the store. What happened is left in `attempt`,
/// also when it failed.
pub(in crate::runtime) fn send(
    run: &Arc<Run>,
    lm: &SharedLm,
    request: Arc<Request>,
    context: &CallContext,
    cache: bool,
    attempt: &mut Option<Attempt>,
) -> Result<Arc<Completion>, Error> {
    run.count_call()?;
    let began = run.env().host.elapsed();
    let key = key_of(lm, &request);
    let cache = cache && run.session().settings.cache && lm.capabilities().cacheable;
    let (name, capabilities) = (lm.name(), lm.capabilities());
    let asked =
        Asked { model: name, address: &context.address, request: &request, capabilities };
    let tape = run.env().tape.as_deref().filter(|_| !lm.is_scripted());
    let taped = tape.map_or(Ok(None), |tape| recorded(tape, asked));
    let to_note = tape.filter(|_| matches!(taped, Ok(None)));
    let known = match taped {
        Ok(None) => Ok(known(run, &key, cache)),
        other => other,
    };
    let cached = matches!(known, Ok(Some(_)));
    let mut sent = false;
    let result = known.and_then(|known| match known {
        Some(completion) => Ok(completion),
        None => pay(run, lm, &request, context, (&key, cache), &mut sent),
    });
    if let (Some(tape), Ok(completion)) = (to_note, &result) {
        tape.note(asked, completion);
    }
    let happened = Attempt {
        key: hex(key.as_bytes()),
        request,
        completion: result.as_ref().ok().cloned(),
        cached,
        sent,
        liberties: Vec::new(),
        error: result.as_ref().err().map(ToString::to_string),
        took: run.env().host.elapsed().saturating_sub(began),
    };
    run.session().note(happened.totals());
    *attempt = Some(happened);
    result
}

/// Everything that shapes a reply.
fn key_of(lm: &SharedLm, request: &Request) -> Key {
    let request = serde_json::to_vec(request).expect("requests have only string keys");
    Key::of([lm.identity().as_bytes(), &request])
}

fn stored(run: &Run, key: &Key) -> Option<Arc<Completion>> {
    let bytes = run.env().store.get(key)?;
    serde_json::from_slice(&bytes).ok().map(Arc::new)
}

/// A reply that need not be paid for: one that the store has, or one that came before the
/// evaluation was stopped.
fn known(run: &Run, key: &Key, cache: bool) -> Option<Arc<Completion>> {
    let stored = cache.then(|| stored(run, key)).flatten();
    stored.or_else(|| {
        let found = run.log()?.find(key)?;
        if cache {
            keep(run, key, &found);
        }
        Some(Arc::new(found))
    })
}

/// Keeps a reply in the store; tells whether it is there for later processes.
fn keep(run: &Run, key: &Key, completion: &Completion) -> bool {
    let bytes = serde_json::to_vec(completion).expect("completions have only string keys");
    let store = &run.env().store;
    // A reply that is too long to be kept is still a reply.
    store.put_if_absent(key, &bytes).is_ok() && store.is_lasting()
}

/// Keeps what came of a request where it is found again: in the store, else in the log.
fn take_down(
    run: &Run,
    (key, cache): (&Key, bool),
    number: Option<u64>,
    reply: Option<&Completion>,
) {
    let is_kept = reply.is_some_and(|it| cache && keep(run, key, it));
    if let (Some(log), Some(number)) = (run.log(), number) {
        log.ended(number, key, reply.filter(|_| !is_kept));
    }
}

/// Asks the model, where that is allowed; `sent` tells whether it was.
fn pay(
    run: &Arc<Run>,
    lm: &SharedLm,
    request: &Arc<Request>,
    context: &CallContext,
    kept: (&Key, bool),
    sent: &mut bool,
) -> Result<Arc<Completion>, Error> {
    let session = run.session();
    if session.settings.dry {
        let failure = Failure::new(codes::CANCELLED, "lm", UNSENT);
        return Err(Failure { fatal: true, infrastructure: true, ..failure }.into());
    }
    if session.settings.max_usd.is_some() && !lm.capabilities().in_process {
        return Err(unpriced(lm.name()));
    }
    session.reserve_call()?;
    *sent = true;
    let number = run.log().map(|log| log.sent(kept.0));
    let left = session.time_left();
    let context = CallContext {
        cancel: session.cancel.clone(),
        timeout: left,
        parallel: run.depth() > 0,
        ..context.clone()
    };
    match wait(lm.clone(), request.clone(), context) {
        Some(Ok(completion)) => {
            session.settle(completion.usage);
            take_down(run, kept, number, Some(&completion));
            Ok(Arc::new(completion))
        }
        Some(Err(error)) => {
            take_down(run, kept, number, None);
            Err(Error::lm(&error))
        }
        // It may be paid for: the log is not told of its end.
        None => Err(stopped(session.cancel.is_cancelled())),
    }
}

fn unpriced(name: &str) -> Error {
    let message = format!("the price of `{name}` is not known, so `max_usd` cannot be kept");
    let failure = Failure::new(codes::BUDGET, "budget", message);
    Error::from(Failure { fatal: true, ..failure })
        .hint("cap `max_calls` or `max_tokens` instead, and take `max_usd` out")
}

/// Waits for the answer; there is none when the run is cancelled or out of time first.
fn wait(
    lm: SharedLm,
    request: Arc<Request>,
    context: CallContext,
) -> Option<Result<Completion, lm::Error>> {
    let nonblocking = lm.capabilities().nonblocking;
    let call = async move {
        tokio::select! {
            biased;
            answered = lm.complete(&request, &context) => Some(answered),
            () = context.cancel.cancelled() => None,
            () = pause(context.timeout) => None,
        }
    };
    if !nonblocking {
        return lm::block_on(call);
    }
    // Where connections live, too: this thread is woken once, by the answer.
    match lm::block_on(lm::runtime().spawn(call)) {
        Ok(answered) => answered,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The error of a run that was cancelled, or whose time is over.
pub(in crate::runtime) fn stopped(cancelled: bool) -> Error {
    let message = if cancelled { crate::runtime::run::CANCELLED } else { OUT_OF_TIME };
    let failure = Failure::new(codes::CANCELLED, "lm", message);
    Failure { fatal: true, infrastructure: true, ..failure }.into()
}
