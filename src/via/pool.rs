//! Several workers, and which of them makes a run.

use crate::eval::{Job, Ran, Remote};
use crate::host::SharedHost;
use crate::program::State;
use crate::util::lock;
use crate::via::files::Files;
use crate::via::frame::{Bundle, Ready};
use crate::via::process::{Begin, LOOK, Lost, Ticket, Worker};
use std::fmt;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A worker that ends so often without having made a run is not started again.
const BARREN: u32 = 3;

/// How workers are started.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// The command, as words.
    pub command: Vec<String>,
    /// How many are started.
    pub workers: usize,
    /// How long one may say nothing before it is given up.
    pub patience: Duration,
}

impl PoolOptions {
    /// Returns the usual ones.
    pub fn new(command: Vec<String>, workers: usize) -> Self {
        Self { command, workers, patience: Duration::from_secs(60) }
    }
}

/// Workers that are started when they are needed, and end with the pool.
pub struct Pool {
    host: SharedHost,
    options: PoolOptions,
    bundle: Arc<Bundle>,
    files: Arc<Files>,
    slots: Mutex<Vec<Slot>>,
    changed: Condvar,
    /// The state that was hashed last: runs of one state come together.
    hashed: Mutex<Option<(Arc<State>, String)>>,
}

/// The place of a worker.
#[derive(Debug, Default)]
struct Slot {
    worker: Option<Arc<Worker>>,
    /// Somebody is starting one.
    starting: bool,
    /// How often in a row one ended without having made a run.
    barren: u32,
    /// Why none is started any more.
    closed: Option<String>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Who makes a run next.
enum Next {
    /// This worker, which was taken for it.
    Worker(Ticket),
    /// One that is to be started in this place.
    Start(usize),
    /// Nobody yet.
    Wait,
    /// Nobody any more.
    Nobody(String),
}

impl Pool {
    /// Starts the first worker, which shows whether the command leads to one; the others are
    /// started when there is work for them. `over` is as in [`Remote::run`].
    ///
    /// # Errors
    /// Why there is no worker, in one line.
    pub fn start(
        host: SharedHost,
        options: PoolOptions,
        bundle: Bundle,
        files: Files,
        over: &dyn Fn() -> Option<String>,
    ) -> Result<Self, String> {
        let slots = (0..options.workers.max(1)).map(|_| Slot::default()).collect();
        let pool = Self {
            host,
            options,
            bundle: Arc::new(bundle),
            files: Arc::new(files),
            slots: Mutex::new(slots),
            changed: Condvar::new(),
            hashed: Mutex::default(),
        };
        loop {
            match pool.begin(0, over) {
                Ok(first) => {
                    lock(&pool.slots)[0].worker = Some(first);
                    return Ok(pool);
                }
                Err(lost) => {
                    let slot = &mut lock(&pool.slots)[0];
                    slot.failed(&lost);
                    if let Some(why) = slot.closed.take() {
                        return Err(why);
                    }
                }
            }
        }
    }

    /// What the first worker has loaded.
    pub fn ready(&self) -> Option<Ready> {
        lock(&self.slots).iter().find_map(|it| it.worker.as_ref()?.ready())
    }

    fn begin(&self, at: usize, over: &dyn Fn() -> Option<String>) -> Result<Arc<Worker>, Lost> {
        let name = format!("worker {}", at + 1);
        let begin = Begin {
            host: &self.host,
            command: &self.options.command,
            name: &name,
            bundle: &self.bundle,
            files: &self.files,
            patience: self.options.patience,
        };
        Worker::start(&begin, over)
    }

    /// The worker that has least to do, or the place of one that could be started.
    fn next(&self) -> Next {
        let mut slots = lock(&self.slots);
        slots.iter_mut().for_each(bury);
        let live = slots.iter().filter_map(|it| it.worker.as_ref());
        let idlest = live.map(|it| (it.load(), it)).min_by_key(|it| it.0);
        let vacant = |it: &Slot| it.worker.is_none() && it.closed.is_none() && !it.starting;
        match (idlest, slots.iter().position(vacant)) {
            (Some((0, worker)), _) | (Some((_, worker)), None) => Next::Worker(worker.take()),
            (_, Some(at)) => {
                slots[at].starting = true;
                Next::Start(at)
            }
            (None, None) if slots.iter().any(|it| it.starting) => Next::Wait,
            (None, None) => {
                let why = slots.iter().find_map(|it| it.closed.clone());
                Next::Nobody(why.unwrap_or_default())
            }
        }
    }

    /// A worker for a run.
    fn worker(&self, over: &dyn Fn() -> Option<String>) -> Result<Ticket, Ran> {
        loop {
            if let Some(why) = over() {
                return Err(Ran::Over(why));
            }
            match self.next() {
                Next::Worker(ticket) => return Ok(ticket),
                Next::Start(at) => self.fill(at, over),
                Next::Wait => {
                    let slots = lock(&self.slots);
                    drop(self.changed.wait_timeout(slots, LOOK));
                }
                Next::Nobody(why) => {
                    return Err(Ran::Nobody(format!("no worker is left: {why}")));
                }
            }
        }
    }

    /// Starts a worker in a place that was taken for it.
    fn fill(&self, at: usize, over: &dyn Fn() -> Option<String>) {
        let begun = self.begin(at, over);
        let mut slots = lock(&self.slots);
        let slot = &mut slots[at];
        slot.starting = false;
        match begun {
            Ok(worker) => slot.worker = Some(worker),
            Err(lost) => slot.failed(&lost),
        }
        self.changed.notify_all();
    }

    /// The hash of a state.
    fn hash(&self, state: &Arc<State>) -> String {
        let mut hashed = lock(&self.hashed);
        match &*hashed {
            Some((known, hash)) if Arc::ptr_eq(known, state) => hash.clone(),
            _ => hashed.insert((state.clone(), content_hash(state))).1.clone(),
        }
    }
}

/// A state by all that it holds: that two prompt alike is not enough, for what a demo came from
/// is told on.
fn content_hash(state: &State) -> String {
    let text = state.to_text().unwrap_or_default();
    crate::util::sha256_hex(text.as_bytes())[..16].to_owned()
}

impl Slot {
    /// Notes that a worker ended before it made a run.
    fn failed(&mut self, lost: &Lost) {
        self.barren += 1;
        if self.barren >= BARREN || lost.lasting {
            self.closed = Some(lost.why.clone());
        }
    }
}

/// Takes a worker that has ended out of its place.
fn bury(slot: &mut Slot) {
    let Some((lost, made_some)) = slot.worker.as_ref().and_then(|it| it.ended()) else {
        return;
    };
    slot.worker = None;
    if made_some {
        slot.barren = 0;
    } else {
        slot.failed(&lost);
    }
}

impl Remote for Pool {
    fn run(&self, job: &Job, over: &dyn Fn() -> Option<String>) -> Ran {
        let ticket = match self.worker(over) {
            Ok(ticket) => ticket,
            Err(ran) => return ran,
        };
        let text = || job.state.to_text().map_err(|it| it.message.clone());
        match ticket.ask(job, &self.hash(&job.state), &text) {
            Ok(()) => wait(&ticket, over),
            Err(how) => Ran::Lost(how),
        }
    }
}

fn wait(ticket: &Ticket, over: &dyn Fn() -> Option<String>) -> Ran {
    loop {
        match ticket.receiver.recv_timeout(LOOK) {
            Ok((outcome, trace)) => return Ran::Done(outcome, trace),
            Err(RecvTimeoutError::Disconnected) => return Ran::Lost(ticket.lost()),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(why) = over() {
                    return Ran::Over(why);
                }
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let workers: Vec<Arc<Worker>> =
            lock(&self.slots).iter_mut().filter_map(|it| it.worker.take()).collect();
        // All at once, for each may take a moment.
        std::thread::scope(|scope| {
            for worker in &workers {
                scope.spawn(|| worker.farewell());
            }
        });
    }
}
