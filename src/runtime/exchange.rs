//! One exchange with a model: look it up, else pay for it, keep it.

use crate::lm::{
    self, Address, Again, CallContext, CallFuture, Cancel, Completion, Cost, Decoding, Delta,
    Finish, Flow, Listener, Money, Price, Request, Segment, SharedLm, Usage,
};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::flights::{self, Lead, Part};
use crate::runtime::meter::Amount;
use crate::runtime::repair::given_up;
use crate::runtime::run::{OUT_OF_TIME, Run, unpriced};
use crate::runtime::stream::LEFT;
use crate::runtime::tape::{Asked, Took, recorded};
use crate::store::{About, Key};
use crate::trace::Attempt;
use crate::util::{fiber, hex};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// What ends a run that sends nothing.
const UNSENT: &str = "the request was made up and not sent";

/// The longest reply, in tokens, that is asked for where nobody says it and a cap on tokens or
/// dollars has to hold.
const LONGEST: u32 = 4096;

/// A request that is about to be made.
struct Call<'a> {
    run: &'a Arc<Run>,
    lm: &'a SharedLm,
    request: Arc<Request>,
    context: &'a CallContext,
    key: Key,
    /// Whether the store is asked, and gets the reply.
    cache: bool,
    /// What the call takes at most.
    most: Amount,
    price: Option<Price>,
    /// The request without the limit that a cap put on it.
    is_forced: bool,
}

/// What came of a request that was sent.
#[derive(Default)]
struct Sent {
    is_sent: bool,
    /// Requests that were sent again after one was lost.
    again: u64,
    /// Requests whose reply may have been written and lost.
    lost: u32,
}

/// What is known of a reply before the model is asked.
enum Found {
    /// It need not be paid for.
    Known(Arc<Completion>),
    /// The model is to be asked; others may wait for what it says.
    Nothing(Option<Lead>),
}

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
    let place = &context.address;
    send_heard(run, lm, request, (context, place), cache, attempt, None)
}

/// Who hears a reply while it comes, on the thread that waits for it.
pub(in crate::runtime) struct Ear<'a> {
    /// Hears what is new; a text is why no more is wanted.
    pub(in crate::runtime) hear: &'a mut dyn FnMut(Delta<'_>) -> Option<String>,
    /// Ends the call.
    pub(in crate::runtime) cancel: Cancel,
    /// Why no more of the reply was wanted.
    pub(in crate::runtime) reason: Option<String>,
}

impl Ear<'_> {
    /// Why no more of a reply was wanted is found again.
    fn hear_again(&mut self, completion: &Completion) {
        if completion.finish == Finish::Halted {
            let reason = (self.hear)(Delta::Text(&completion.text));
            self.reason = reason.or(self.reason.take());
        }
    }
}

/// As [`send`], with the address of the node that it belongs to, and with somebody who hears the
/// reply while it comes. A reply from the store comes in one piece, which nobody hears.
pub(in crate::runtime) fn send_heard(
    run: &Arc<Run>,
    lm: &SharedLm,
    request: Arc<Request>,
    (context, place): (&CallContext, &Address),
    cache: bool,
    attempt: &mut Option<Attempt>,
    mut ear: Option<&mut Ear<'_>>,
) -> Result<Arc<Completion>, Error> {
    let call = Call::new(run, lm, request, context, cache)?;
    let key = hex(call.key.as_bytes());
    let repairs = run.repairs();
    let replayed = repairs.and_then(|it| it.reply(place, &key));
    if let Some(completion) = replayed {
        if let Some(ear) = ear.as_deref_mut() {
            ear.hear_again(&completion);
        }
        *attempt = Some(call.replayed(key, completion.clone()));
        return Ok(completion);
    }
    if run.is_wanting() {
        return Err(given_up());
    }
    run.reserve(call.most)?;
    let began = run.env().host.elapsed();
    let (name, capabilities) = (lm.name(), lm.capabilities());
    let tape = run.env().tape.as_deref();
    let tape = tape.filter(|it| !lm.is_scripted() || it.heeds_scripts());
    // A trace knows media by their hashes.
    let request = tape.map_or_else(|| call.request.clone(), |_| call.request.remembered());
    let address = &context.address;
    let asked = Asked {
        model: name,
        address,
        place,
        request: &request,
        capabilities,
        is_scripted: lm.is_scripted(),
    };
    let taped = tape.map_or(Ok(None), |tape| recorded(tape, asked));
    if lm.is_scripted() && matches!(taped, Ok(Some(_)) | Err(_)) {
        // The next reply of the script is for the next call, also where this one took none.
        run.renumbered(address);
    }
    let is_taped = matches!(taped, Ok(Some(_)));
    run.session().note_model(lm);
    let to_note = tape.filter(|_| matches!(taped, Ok(None)));
    let mut then = None;
    let known = match taped {
        Ok(None) => call.shared(),
        Ok(Some((known, took))) => {
            then = took;
            Ok(Found::Known(known))
        }
        Err(error) => Err(error),
    };
    let cached = matches!(known, Ok(Found::Known(_)));
    let mut sent = Sent::default();
    let result = known.and_then(|known| match known {
        Found::Known(completion) => {
            if let Some(ear) = ear.filter(|_| is_taped) {
                ear.hear_again(&completion);
            }
            Ok(completion)
        }
        Found::Nothing(lead) => call.pay(&mut sent, lead, ear),
    });
    let completion = result.as_ref().ok();
    run.settle(call.most, 1 + sent.again, call.took(completion, &sent));
    if let (Some(tape), Some(completion)) = (to_note, completion) {
        tape.note(asked, completion);
    }
    let usual = Took { cached, sent: sent.is_sent, cost: call.cost(completion, cached, &sent) };
    let Took { cached, sent, cost } = then.unwrap_or(usual);
    let happened = Attempt {
        key,
        model: None,
        extracts: false,
        replayed: false,
        cost,
        request: call.request.remembered(),
        parts: Arc::default(),
        completion: completion.cloned(),
        cached,
        sent,
        liberties: Vec::new(),
        error: result.as_ref().err().map(ToString::to_string),
        fault: result.as_ref().err().and_then(Error::fault),
        took: run.env().host.elapsed().saturating_sub(began),
    };
    run.session().note(&context.address.path, name, happened.totals());
    *attempt = Some(happened);
    result
}

impl<'a> Call<'a> {
    fn new(
        run: &'a Arc<Run>,
        lm: &'a SharedLm,
        request: Arc<Request>,
        context: &'a CallContext,
        cache: bool,
    ) -> Result<Self, Error> {
        let capabilities = lm.capabilities();
        let price = run.session().price(lm);
        if run.bounds_money() && price.is_none() {
            return Err(unpriced(lm.name()));
        }
        let mut text = Vec::with_capacity(request.prompt.text_len() * 9 / 8 + 512);
        serde_json::to_writer(&mut text, &*request).expect("requests have only string keys");
        // No token is shorter than a byte, and the marks around messages take more bytes here
        // than tokens there.
        let read = (text.len() as u64).saturating_add(request.prompt.most_media_tokens());
        let written = longest(&request).saturating_mul(request.n.unwrap_or(1).into());
        let money = price.map_or(Money::ZERO, |it| it.at_most(read, written));
        let most = Amount { calls: 1, tokens: read.saturating_add(written), money };
        // Models of this process end their replies by themselves. The key is that of the
        // request without the limit: a reply that ends before it is the same.
        let is_free = request.sampling.max_tokens.is_none();
        let is_forced = run.bounds_tokens() && is_free && !capabilities.in_process;
        Ok(Self {
            key: Key::of([lm.identity().as_bytes(), &text]),
            request: if is_forced { limited(&request) } else { request },
            cache: cache && run.session().settings.cache && capabilities.cacheable,
            run,
            lm,
            context,
            most,
            price,
            is_forced,
        })
    }

    /// The reply of an earlier attempt to the same request: it was paid for, and is counted
    /// there.
    fn replayed(&self, key: String, completion: Arc<Completion>) -> Attempt {
        Attempt {
            key,
            model: None,
            extracts: false,
            replayed: true,
            cost: Cost::default(),
            request: self.request.remembered(),
            parts: Arc::default(),
            completion: Some(completion),
            cached: false,
            sent: false,
            liberties: Vec::new(),
            error: None,
            fault: None,
            took: Duration::ZERO,
        }
    }

    /// A reply that need not be paid for: one that the store has, or one that came before the
    /// evaluation was stopped.
    fn known(&self) -> Option<Arc<Completion>> {
        let stored = self.cache.then(|| stored(self.run, &self.key)).flatten();
        stored.or_else(|| {
            let found = self.run.log()?.find(&self.key)?;
            self.keep(&found);
            Some(Arc::new(found))
        })
    }

    /// A reply that need not be paid for, if need be after a wait for another call that asks for
    /// the same one.
    fn shared(&self) -> Result<Found, Error> {
        let session = self.run.session();
        loop {
            if let Some(known) = self.known() {
                return Ok(Found::Known(known));
            }
            if !self.cache || session.settings.dry {
                return Ok(Found::Nothing(None));
            }
            let flight = match session.flights().join(&self.key) {
                Part::Wait(flight) => flight,
                // Another one may have ended since the store was asked.
                Part::Lead(lead) => {
                    let known = self.known().map(Found::Known);
                    return Ok(known.unwrap_or(Found::Nothing(Some(lead))));
                }
            };
            match flights::wait(flight, &session.cancel, session.time_left()) {
                Some(Some(Ok(completion))) => return Ok(Found::Known(completion)),
                Some(Some(Err(error))) => return Err(Error::lm(&error)),
                Some(None) => {}
                None => return Err(stopped(session.cancel.is_cancelled())),
            }
        }
    }

    /// Keeps a reply in the store, where one is used; tells whether it is there for later
    /// processes.
    fn keep(&self, completion: &Completion) -> bool {
        if !self.cache || !self.is_whole(completion) {
            return false;
        }
        let bytes = serde_json::to_vec(completion).expect("completions have only string keys");
        let store = &self.run.env().store;
        let about = About { label: self.lm.name(), written: self.run.env().host.since_epoch() };
        // A reply that is too long to be kept is still a reply.
        store.put_about(&self.key, &about, &bytes).is_ok() && store.is_lasting()
    }

    /// Whether it is the reply of every call that asks for it.
    fn is_whole(&self, completion: &Completion) -> bool {
        match completion.finish {
            // Without the cap it would have been longer.
            Finish::Length => !self.is_forced,
            // This call wanted no more of it.
            Finish::Halted => false,
            _ => true,
        }
    }

    /// Asks the model, where that is allowed.
    fn pay(
        &self,
        sent: &mut Sent,
        lead: Option<Lead>,
        ear: Option<&mut Ear<'_>>,
    ) -> Result<Arc<Completion>, Error> {
        let (run, session) = (self.run, self.run.session());
        if session.settings.dry {
            let failure = Failure::new(codes::CANCELLED, "lm", UNSENT);
            return Err(Failure { fatal: true, infrastructure: true, ..failure }.into());
        }
        session.reserve(self.most)?;
        sent.is_sent = true;
        let number = run.log().map(|log| log.sent(&self.key));
        let again = Arc::new(AtomicU32::new(0));
        let (counted, asking, most) = (again.clone(), run.clone(), self.most);
        let context = CallContext {
            cancel: ear.as_ref().map_or(&session.cancel, |it| &it.cancel).clone(),
            timeout: session.time_left(),
            parallel: run.depth() > 0,
            again: Again::when(move || {
                let room = asking.reserve_more(most);
                counted.fetch_add(u32::from(room), Ordering::SeqCst);
                room
            }),
            // A script's replies that were given to abandoned attempts are used up.
            address: match self.lm.is_scripted() {
                true => run.renumbered(&self.context.address),
                false => self.context.address.clone(),
            },
            hedge: self.context.hedge,
            listener: self.context.listener.clone(),
        };
        let own = ear.as_ref().map(|it| it.cancel.clone());
        let came = wait(self.lm.clone(), self.request.clone(), context, ear);
        // Each request that was sent again had lost a reply before it.
        sent.lost = again.load(Ordering::SeqCst);
        sent.again = sent.lost.into();
        let end = |reply: Option<&Completion>| {
            let is_kept = reply.is_some_and(|it| self.keep(it));
            if let (Some(log), Some(number)) = (run.log(), number) {
                let reply = reply.filter(|it| !is_kept && it.finish != Finish::Halted);
                log.ended(number, &self.key, reply);
            }
        };
        let is_left = own.is_some_and(|it| it.is_cancelled()) && !session.cancel.is_cancelled();
        // Who leaves a stream ends this call and no other: those that wait for it ask themselves.
        let is_given_up = |it: &Result<_, lm::Error>| {
            is_left && it.as_ref().is_err_and(|it| it.kind() == lm::ErrorKind::Cancelled)
        };
        let came = came.filter(|it| !is_given_up(it));
        let result = match came {
            Some(Ok(completion)) => {
                end(Some(&completion));
                let completion = Arc::new(completion);
                let whole = lead.filter(|_| self.is_whole(&completion));
                whole.into_iter().for_each(|it| it.landed(Ok(completion.clone())));
                Ok(completion)
            }
            Some(Err(error)) => {
                end(None);
                sent.lost += u32::from(error.is_lost());
                lead.into_iter().for_each(|it| it.landed(Err(error.clone())));
                Err(Error::lm(&error))
            }
            // It may have to be paid for: the log is not told of its end.
            None => {
                sent.lost += 1;
                Err(match is_left {
                    true => Failure::new(codes::CANCELLED, "lm", LEFT).into(),
                    false => stopped(session.cancel.is_cancelled()),
                })
            }
        };
        session.settle(self.most, 1 + sent.again, self.took(result.as_ref().ok(), sent));
        result
    }

    /// What the call took: what the model told, and the most where it did not, or where a reply
    /// was lost.
    fn took(&self, completion: Option<&Arc<Completion>>, sent: &Sent) -> Amount {
        let lost = (0..sent.lost).fold(Amount::default(), |sum, _| sum.plus(self.most));
        match completion {
            Some(completion) => lost.plus(self.amount(completion)),
            // Where the last request is among those that were lost, it is counted already.
            None if sent.lost > 0 => lost,
            None => Amount { calls: 1, ..Amount::default() },
        }
    }

    fn amount(&self, completion: &Completion) -> Amount {
        let usage = &completion.usage;
        let (tokens, money) = match (usage.prompt_tokens, usage.completion_tokens) {
            (Some(read), Some(written)) => (read.saturating_add(written), self.price_of(usage)),
            // What runs here hides no tokens from us.
            _ if self.lm.capabilities().in_process => {
                let read = self.most.tokens.saturating_sub(longest(&self.request));
                (read.saturating_add(completion.text.len() as u64), Money::ZERO)
            }
            _ => (self.most.tokens, self.most.money),
        };
        Amount { calls: 1, tokens, money }
    }

    fn price_of(&self, usage: &Usage) -> Money {
        self.price.and_then(|it| it.of(usage)).unwrap_or_default()
    }

    /// What the call cost, for reports.
    fn cost(&self, completion: Option<&Arc<Completion>>, cached: bool, sent: &Sent) -> Cost {
        let is_free = self.lm.capabilities().in_process;
        let lost = Cost {
            lost: sent.lost,
            unknown: if is_free { 0 } else { sent.lost },
            untold_tokens: self.most.tokens.saturating_mul(sent.lost.into()),
            untold: self.most.money.times(sent.lost.into()),
            ..Cost::default()
        };
        let Some(completion) = completion else { return lost };
        let Amount { tokens, money, .. } = self.amount(completion);
        let usage = &completion.usage;
        let is_told = usage.prompt_tokens.is_some() && usage.completion_tokens.is_some();
        let paid = if cached { Money::ZERO } else { money };
        lost.plus(match (is_told, self.price.is_some()) {
            (true, true) => Cost { listed: money, paid, ..Cost::default() },
            (true, false) => Cost { unknown: 1, ..Cost::default() },
            (false, _) => Cost {
                unknown: u32::from(!is_free),
                untold_tokens: tokens,
                untold: money,
                ..Cost::default()
            },
        })
    }
}

/// The most tokens of a reply.
fn longest(request: &Request) -> u64 {
    let said = request.sampling.max_tokens.unwrap_or(LONGEST);
    match &request.decoding {
        Decoding::Free | Decoding::Json(_) => said.into(),
        Decoding::Template(segments) => segments.iter().fold(0, |sum, segment| {
            let most = match segment {
                Segment::Fixed(text) => text.len() as u64,
                Segment::Choice(texts) => {
                    texts.iter().map(String::len).max().unwrap_or_default() as u64
                }
                Segment::Free { max_tokens, .. } => (*max_tokens).into(),
                Segment::Literal(_) => 40,
            };
            most.saturating_add(sum)
        }),
    }
}

/// The request with a limit on its reply.
fn limited(request: &Request) -> Arc<Request> {
    let mut request = request.clone();
    request.sampling.max_tokens = Some(LONGEST);
    Arc::new(request)
}

fn stored(run: &Run, key: &Key) -> Option<Arc<Completion>> {
    let bytes = run.env().store.get(key)?;
    serde_json::from_slice(&bytes).ok().map(Arc::new)
}

/// What a call comes to; nothing when the run is cancelled or out of time first.
type Came = Option<Result<Completion, lm::Error>>;

/// Waits for the answer.
fn wait(
    lm: SharedLm,
    request: Arc<Request>,
    context: CallContext,
    ear: Option<&mut Ear<'_>>,
) -> Came {
    match ear {
        // The way of most calls: nothing stands between who waits and who answers.
        None if fiber::is_current() && lm.capabilities().nonblocking => {
            lm::block_on(asked(lm, request, context))
        }
        None => lm::block_on(answer(lm, request, context)),
        Some(ear) => wait_heard(lm, request, context, ear),
    }
}

/// Waits for the answer, and hears it while it comes.
fn wait_heard(
    lm: SharedLm,
    request: Arc<Request>,
    context: CallContext,
    ear: &mut Ear<'_>,
) -> Came {
    let (tell, mut told) = mpsc::unbounded_channel();
    let listener = Listener::new(move |delta| {
        let delta = match delta {
            Delta::Text(text) => Some(text.to_owned()),
            Delta::Again => None,
            Delta::Reasoning(_) => return Flow::Go,
        };
        if tell.send(delta).is_ok() { Flow::Go } else { Flow::Halt }
    });
    let context = CallContext { listener: Some(listener), ..context };
    let mut call = answer(lm, request, context);
    let mut text = String::new();
    let mut came = None;
    loop {
        // What has come is heard outside, for who hears it may wait for a model, too.
        let delta = match &came {
            Some(_) => told.try_recv().ok(),
            None => lm::block_on(async {
                tokio::select! {
                    biased;
                    Some(delta) = told.recv() => Some(delta),
                    answered = &mut call => {
                        came = Some(answered);
                        None
                    }
                }
            }),
        };
        let Some(delta) = delta else {
            // A call that has just ended may have told more.
            match told.try_recv() {
                Ok(delta) => {
                    if let Some(halted) = heard(delta, &mut text, ear) {
                        return Some(Ok(halted));
                    }
                    continue;
                }
                Err(_) => return came.flatten(),
            }
        };
        // Leaving drops the call, which closes its connection.
        if let Some(halted) = heard(delta, &mut text, ear) {
            return Some(Ok(halted));
        }
    }
}

/// Has a piece heard; what came of the reply so far, where no more of it is wanted.
fn heard(delta: Option<String>, text: &mut String, ear: &mut Ear<'_>) -> Option<Completion> {
    let reason = match &delta {
        Some(more) => {
            text.push_str(more);
            (ear.hear)(Delta::Text(more))
        }
        None => {
            text.clear();
            (ear.hear)(Delta::Again)
        }
    };
    ear.reason = Some(reason?);
    let text = std::mem::take(text);
    Some(Completion { text, finish: Finish::Halted, attempts: 1, ..Completion::default() })
}

/// Asks a model, where that does not hold up others. Dropping what is returned ends the call.
fn answer(
    lm: SharedLm,
    request: Arc<Request>,
    context: CallContext,
) -> Pin<Box<dyn Future<Output = Came> + Send>> {
    let nonblocking = lm.capabilities().nonblocking;
    let call = asked(lm, request, context);
    match (fiber::is_current(), nonblocking) {
        // Where connections live, too: this thread is woken once, by the answer.
        (false, true) => Box::pin(joined(lm::runtime().spawn(call))),
        // A fiber must not hold up the others of its thread.
        (true, false) => {
            Box::pin(joined(lm::runtime().spawn_blocking(move || lm::block_on(call))))
        }
        (false, false) | (true, true) => Box::pin(call),
    }
}

/// Asks a model, until the run is cancelled or out of time.
async fn asked(lm: SharedLm, request: Arc<Request>, context: CallContext) -> Came {
    let complete: CallFuture<'_> = match context.hedge.filter(|_| context.listener.is_none()) {
        Some(after) => Box::pin(hedged(&lm, &request, &context, after)),
        None => lm.complete(&request, &context),
    };
    tokio::select! {
        biased;
        answered = complete => Some(answered),
        () = context.cancel.cancelled() => None,
        () = pause(context.timeout) => None,
    }
}

/// Asks a second time after a while, if there is room for it; the first reply counts, and the other
/// request is dropped. It may have to be paid for.
async fn hedged(
    lm: &SharedLm,
    request: &Request,
    context: &CallContext,
    after: Duration,
) -> Result<Completion, lm::Error> {
    let mut first = lm.complete(request, context);
    tokio::select! {
        biased;
        answered = &mut first => return answered,
        () = tokio::time::sleep(after) => {}
    }
    if !context.again.allowed() {
        return first.await;
    }
    let mut second = lm.complete(request, context);
    let (came, other) = tokio::select! {
        biased;
        came = &mut first => (came, second),
        came = &mut second => (came, first),
    };
    let came = if came.is_ok() { came } else { other.await };
    came.map(|it| Completion { attempts: it.attempts + 1, ..it })
}

/// What a task comes to, a panic included.
async fn joined(task: tokio::task::JoinHandle<Came>) -> Came {
    let mut task = Task(task);
    match (&mut task.0).await {
        Ok(answered) => answered,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

/// A task that ends when nobody waits for it.
struct Task<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(in crate::runtime) async fn pause(time: Option<Duration>) {
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
