//! `p.stream(…)`: a call whose reply is read while it comes.
//!
//! The call is made on a thread of its own, in a branch of the run, from the moment its first
//! part is asked for. What it writes down is taken over when it has ended, which is when the
//! last part was read, or when who reads goes away: then the connection is closed.

use crate::lm::Cancel;
use crate::runtime::course::{Fork, Place};
use crate::runtime::cx::{Args, Cx};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::parallel::placed;
use crate::runtime::predictor::Predictor;
use crate::runtime::reply::Reply;
use crate::runtime::rhai_host::{STACK_SIZE, unshared};
use crate::runtime::run::Run;
use crate::runtime::signal::Signal;
use crate::runtime::value::{Object, Val};
use crate::util::lock;
use indexmap::IndexMap;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// What a reply states so far.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct Part {
    pub(in crate::runtime) fields: IndexMap<Arc<str>, Val>,
    /// The names of the fields that have ended.
    pub(in crate::runtime) complete: Vec<Arc<str>>,
    /// It is the whole reply.
    pub(in crate::runtime) is_last: bool,
}

/// Between who makes the call and who reads its parts.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Shared {
    state: Mutex<State>,
    changed: Signal,
    /// Ends the call.
    pub(in crate::runtime) cancel: Cancel,
}

#[derive(Debug, Default)]
struct State {
    parts: VecDeque<Part>,
    /// Who reads has read all, and waits.
    is_waiting: bool,
    /// The whole reply was read.
    is_read: bool,
    /// Who reads has gone away.
    is_left: bool,
    ended: Option<Result<Val, Error>>,
}

impl Shared {
    /// A part for who reads.
    pub(in crate::runtime) fn push(&self, part: Part) {
        let mut state = lock(&self.state);
        state.parts.push_back(part);
        state.is_waiting = false;
        self.changed.ring();
    }

    /// Waits until all parts were read, so that nothing is sent before who reads has seen why.
    pub(in crate::runtime) fn wait_until_read(&self) {
        let state = lock(&self.state);
        let unread = |it: &mut State| !(it.is_left || it.is_waiting && it.parts.is_empty());
        drop(self.wait_while(state, unread));
    }

    fn end(&self, result: Result<Val, Error>) {
        lock(&self.state).ended = Some(result);
        self.changed.ring();
    }

    fn leave(&self) {
        lock(&self.state).is_left = true;
        self.cancel.cancel();
        self.changed.ring();
    }

    /// The next part; none when there are no more.
    fn next(&self) -> Option<Part> {
        let mut state = lock(&self.state);
        if state.parts.is_empty() {
            state.is_waiting = true;
            self.changed.ring();
            let idle = |it: &mut State| it.parts.is_empty() && it.ended.is_none();
            state = self.wait_while(state, idle);
        }
        let part = state.parts.pop_front();
        state.is_read |= part.as_ref().is_some_and(|it| it.is_last);
        part
    }

    fn wait_while<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut idle: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        while idle(&mut state) {
            state = self.changed.wait(&self.state, state, None);
        }
        state
    }
}

/// A call that is read while its reply comes.
pub(in crate::runtime) struct Stream {
    predictor: Predictor,
    args: Args,
    run: Arc<Run>,
    course: Mutex<Progress>,
}

/// How far it is.
enum Progress {
    /// Nobody has asked for a part.
    Unborn,
    Open(Open),
    /// The reply, or why there is none.
    Ended(Result<Val, Failure>),
}

/// A call under way.
struct Open {
    shared: Arc<Shared>,
    branch: Arc<Run>,
    fork: Fork,
    thread: JoinHandle<()>,
}

impl Stream {
    /// Returns the call, which is not made yet.
    pub(in crate::runtime) fn new(cx: &Cx<'_>, predictor: &Predictor, args: Args) -> Self {
        let named = args.named.iter().map(|(name, it)| (name.clone(), unshared(it))).collect();
        let positional = args.positional.iter().map(unshared).collect();
        let (predictor, args) = (predictor.clone(), Args { positional, named });
        let course = Mutex::new(Progress::Unborn);
        Self { predictor, args, run: cx.run().clone(), course }
    }

    /// Begins the call, if it has not begun.
    fn open(&self) -> Result<Option<Arc<Shared>>, Error> {
        let mut course = lock(&self.course);
        match &*course {
            Progress::Open(open) => return Ok(Some(open.shared.clone())),
            Progress::Ended(_) => return Ok(None),
            Progress::Unborn => {}
        }
        let cancel = self.run.session().cancel.part();
        let shared = Arc::new(Shared { cancel, ..Shared::default() });
        let fork = self.run.fork();
        let branch = self.run.branch(&fork, Place::Alone);
        // Calls of the same predictor in the meantime come after this one.
        self.run.next_address(self.predictor.path());
        let (predictor, args) = (self.predictor.clone(), self.args.clone());
        let (theirs, told) = (branch.clone(), shared.clone());
        let work = move || {
            let made = AssertUnwindSafe(|| {
                theirs
                    .script()
                    .with_context(&theirs, |cx| predictor.predict_watched(cx, args, &told))
            });
            let result = catch_unwind(made).unwrap_or_else(|_| {
                Err(Error::value("an internal error")
                    .hint("this is a defect of dsp, please report it")
                    .fatal())
            });
            told.end(result);
        };
        let thread = std::thread::Builder::new()
            .name("dsp-stream".to_owned())
            .stack_size(STACK_SIZE)
            .spawn(work)
            .map_err(|e| Error::value(format!("no thread for the stream: {e}")))?;
        *course = Progress::Open(Open { shared: shared.clone(), branch, fork, thread });
        Ok(Some(shared))
    }

    /// The next part, or the error of the call; none at its end.
    fn next(&self) -> Option<Result<Val, Error>> {
        let shared = match self.open() {
            Ok(shared) => shared?,
            Err(error) => return Some(Err(error)),
        };
        if let Some(part) = shared.next() {
            let reply = Reply::new(part.fields, None).with_complete(part.complete);
            return Some(Ok(Val::object(reply)));
        }
        self.end().err().map(Err)
    }

    /// Takes over what the call wrote down, once it has ended; its reply.
    fn end(&self) -> Result<Val, Error> {
        let mut course = lock(&self.course);
        let open = match std::mem::replace(&mut *course, Progress::Unborn) {
            Progress::Open(open) => open,
            Progress::Unborn => return Err(left()),
            Progress::Ended(result) => {
                *course = Progress::Ended(result.clone());
                return result.map_err(Error::from);
            }
        };
        let _ = open.thread.join();
        let end = self.run.join(&open.branch);
        let result = lock(&open.shared.state).ended.take().unwrap_or_else(|| Err(left()));
        let result = result.map(|value| placed(&value, open.fork.base(), end));
        *course = Progress::Ended(match &result {
            Ok(value) => Ok(value.clone()),
            Err(error) => Err(error.failure().unwrap_or_else(failure)),
        });
        result
    }

    /// Reads what is left, and gives the reply.
    fn reply(&self) -> Result<Val, Error> {
        while let Some(shared) = self.open()? {
            if shared.next().is_none() {
                break;
            }
        }
        self.end()
    }

    /// Ends the call before its end.
    fn leave(&self) {
        let shared = match &*lock(&self.course) {
            Progress::Open(open) => open.shared.clone(),
            Progress::Unborn | Progress::Ended(_) => return,
        };
        let is_read = lock(&shared.state).is_read;
        if !is_read {
            shared.leave();
        }
        let _ = self.end();
        if !is_read {
            // The reply may have come to its end in the meantime: that is a matter of time.
            *lock(&self.course) = Progress::Ended(Err(failure()));
        }
    }
}

/// Why a stream has no reply that nobody read to its end.
pub(in crate::runtime) const LEFT: &str = "the stream was left before its end";

fn left() -> Error {
    failure().into()
}

fn failure() -> Failure {
    Failure { infrastructure: true, ..Failure::new(codes::CANCELLED, "lm", LEFT) }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("predictor", &self.predictor).finish_non_exhaustive()
    }
}

/// A stream as a value of scripts.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct StreamValue(pub(in crate::runtime) Arc<Stream>);

/// One course through the parts; who leaves it before its end closes the connection.
struct Parts(Arc<Stream>);

impl Iterator for Parts {
    type Item = Result<Val, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Object for StreamValue {
    fn type_name(&self) -> &'static str {
        "stream"
    }

    fn member(&self, name: &str) -> Option<Result<Val, Error>> {
        (name == "reply").then(|| self.0.reply())
    }

    fn index(&self, key: &Val) -> Option<Result<Val, Error>> {
        self.member(key.as_str()?)
    }

    fn members(&self) -> Vec<String> {
        vec!["reply".to_owned()]
    }

    fn parts_to_come(&self) -> Option<Box<dyn Iterator<Item = Result<Val, Error>>>> {
        Some(Box::new(Parts(self.0.clone())))
    }

    fn show(&self) -> String {
        format!("stream of {}", self.0.predictor)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
