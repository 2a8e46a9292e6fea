//! One worker: its process, and who listens to it.

use crate::eval::{Job, Outcome};
use crate::host::{Process, SharedHost, Started};
use crate::render::plain;
use crate::util::lock;
use crate::via::files::Files;
use crate::via::frame::{self, Bundle, Order, Ready, Run, VERSION, Word, read_line};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufReader, Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// How often somebody who waits looks around.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// The longest line of a worker's log that is shown.
const LOG_LINE: usize = 8 << 10;
/// How long a worker may take to end when it is told that no more comes.
const FAREWELL: Duration = Duration::from_secs(2);

/// What came of a run, and the lines of its trace.
pub(super) type Made = (Box<Outcome>, Option<String>);

/// A worker that was started.
pub(super) struct Worker {
    host: SharedHost,
    input: Mutex<Option<Box<dyn Write + Send>>>,
    process: Mutex<Box<dyn Process>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    hello: bool,
    ready: Option<Ready>,
    /// Why it is of no use any more.
    ended: Option<Lost>,
    /// Runs under way, by their numbers.
    pending: BTreeMap<u64, mpsc::Sender<Made>>,
    /// Runs that nobody waits for any more.
    forgotten: BTreeSet<u64>,
    next: u64,
    results: u64,
    /// States that it knows.
    states: BTreeSet<String>,
    /// When it said something last.
    heard: Duration,
}

impl State {
    /// Nobody waits for a run any more: it is still made, and its result passed over.
    fn forgotten(&mut self, id: u64) {
        if self.pending.remove(&id).is_some() {
            self.forgotten.insert(id);
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        f.debug_struct("Worker")
            .field("pending", &state.pending.len())
            .field("ended", &state.ended)
            .finish_non_exhaustive()
    }
}

/// Why a worker is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// In one line.
    pub(super) why: String,
    /// Whether another one would be of no use either.
    pub(super) lasting: bool,
}

impl Lost {
    /// It was, or it may be, an accident.
    fn once(why: impl Into<String>) -> Self {
        Self { why: why.into(), lasting: false }
    }

    /// It is no worker, or none of this program.
    fn lasting(why: impl Into<String>) -> Self {
        Self { why: why.into(), lasting: true }
    }
}

/// What a worker is begun with.
pub(super) struct Begin<'a> {
    pub(super) host: &'a SharedHost,
    pub(super) command: &'a [String],
    pub(super) name: &'a str,
    pub(super) bundle: &'a Arc<Bundle>,
    pub(super) files: &'a Arc<Files>,
    /// How long it may say nothing.
    pub(super) patience: Duration,
}

impl Worker {
    /// Starts a worker and waits until it can make runs.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn start(
        begin: &Begin<'_>,
        over: &dyn Fn() -> Option<String>,
    ) -> Result<Arc<Self>, Lost> {
        let Begin { host, command, name, bundle, files, patience } = begin;
        let started = host.start(command);
        let Started { process, input, output, errors } = started.map_err(|error| {
            Lost::lasting(format!("`{}` cannot be started: {error}", command[0]))
        })?;
        let heard = host.elapsed();
        let worker = Arc::new(Self {
            host: Arc::clone(host),
            input: Mutex::new(Some(input)),
            process: Mutex::new(process),
            state: Mutex::new(State { heard, ..State::default() }),
            changed: Condvar::new(),
        });
        let (listening, bundle, files) =
            (worker.clone(), Arc::clone(bundle), Arc::clone(files));
        thread(move || listening.listen(output, &bundle, &files))?;
        let (host, name) = (Arc::clone(host), (*name).to_owned());
        thread(move || show_log(&*host, &name, errors))?;
        let (watched, patience) = (worker.clone(), *patience);
        thread(move || watched.watch(patience))?;
        worker.wait_until_ready(over)?;
        Ok(worker)
    }

    fn wait_until_ready(&self, over: &dyn Fn() -> Option<String>) -> Result<(), Lost> {
        let mut state = lock(&self.state);
        loop {
            if state.ready.is_some() {
                return Ok(());
            }
            if let Some(lost) = &state.ended {
                return Err(lost.clone());
            }
            if let Some(why) = over() {
                drop(state);
                let lost = Lost::lasting(why);
                self.end(lost.clone());
                return Err(lost);
            }
            state = self.wait(state);
        }
    }

    fn wait<'a>(
        &'a self,
        state: std::sync::MutexGuard<'a, State>,
    ) -> std::sync::MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, LOOK);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Hears what it says, until it says no more.
    fn listen(&self, output: Box<dyn Read + Send>, bundle: &Arc<Bundle>, files: &Files) {
        let mut reader = BufReader::new(output);
        let lost = loop {
            match frame::read::<Word>(&mut reader) {
                Ok(Some(word)) => {
                    if let Err(lost) = self.hear(word, bundle, files) {
                        break lost;
                    }
                }
                Ok(None) => break Lost::once("the worker has ended"),
                Err(error) if error.is_cut_off => break Lost::once("the worker has ended"),
                Err(error) => {
                    let why =
                        format!("the worker does not speak our frames: {}", error.message);
                    break Lost::lasting(why);
                }
            }
        };
        self.end(lost);
    }

    fn hear(&self, word: Word, bundle: &Arc<Bundle>, files: &Files) -> Result<(), Lost> {
        let mut state = lock(&self.state);
        state.heard = self.host.elapsed();
        match word {
            Word::Hello { v, version } => {
                same_version(v, &version).map_err(Lost::lasting)?;
                state.hello = true;
                drop(state);
                self.send(&Order::Program(Bundle::clone(bundle))).map_err(Lost::once)?;
            }
            _ if !state.hello => {
                return Err(Lost::lasting("the worker does not begin with hello"));
            }
            Word::Need(need) => {
                drop(state);
                let answer = files.answer(&need);
                self.send(&Order::File { need, answer }).map_err(Lost::once)?;
            }
            Word::Ready(ready) if ready.hash != bundle.hash => {
                return Err(Lost::lasting("the worker has another program"));
            }
            Word::Ready(ready) => {
                state.ready = Some(ready);
                self.changed.notify_all();
            }
            Word::Refused { message } => {
                let why = format!("the worker cannot load the program: {}", plain(&message));
                return Err(Lost::lasting(why));
            }
            Word::Result { id, outcome, trace } => {
                state.results += 1;
                match state.pending.remove(&id) {
                    Some(waiting) => {
                        // Nobody may be waiting any more.
                        let _ = waiting.send((outcome, trace));
                    }
                    None if state.forgotten.remove(&id) => {}
                    None => {
                        let message = "which it was not asked for";
                        let why = format!("the worker answers run {id}, {message}");
                        return Err(Lost::lasting(why));
                    }
                }
            }
            Word::Alive => {}
            Word::Failed { message } => {
                let why = format!("the worker gave up: {}", plain(&message));
                return Err(Lost::lasting(why));
            }
        }
        Ok(())
    }

    fn send(&self, order: &Order) -> Result<(), String> {
        let mut input = lock(&self.input);
        let Some(writer) = input.as_mut() else {
            return Err("the worker has ended".to_owned());
        };
        frame::write(writer, order).map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => "the worker has ended".to_owned(),
            _ => format!("the worker cannot be written to: {error}"),
        })
    }

    /// Ends one that says nothing for too long: it hangs, or the way to it is cut.
    fn watch(&self, patience: Duration) {
        let mut state = lock(&self.state);
        while state.ended.is_none() {
            if self.host.elapsed().saturating_sub(state.heard) > patience {
                drop(state);
                let seconds = patience.as_secs();
                self.end(Lost::once(format!("the worker said nothing for {seconds} seconds")));
                return;
            }
            state = self.wait(state);
        }
    }

    /// It is of no use any more: who waits for it is told.
    pub(super) fn end(&self, lost: Lost) {
        {
            let mut state = lock(&self.state);
            state.ended.get_or_insert(lost);
            state.pending.clear();
            self.changed.notify_all();
        }
        lock(&self.process).kill();
        // Only now: who writes to it is let go by the kill.
        *lock(&self.input) = None;
    }

    /// Says that no more comes, and waits a moment until it has ended.
    pub(super) fn farewell(&self) {
        let busy = !lock(&self.state).pending.is_empty();
        if !busy {
            *lock(&self.input) = None;
            let since = self.host.elapsed();
            let mut state = lock(&self.state);
            while state.ended.is_none() && self.host.elapsed().saturating_sub(since) < FAREWELL
            {
                state = self.wait(state);
            }
        }
        self.end(Lost::once("no more runs are wanted"));
    }

    /// Why it is of no use any more, and whether it has made a run.
    pub(super) fn ended(&self) -> Option<(Lost, bool)> {
        let state = lock(&self.state);
        state.ended.clone().map(|lost| (lost, state.results > 0))
    }

    /// How many runs it has under way.
    pub(super) fn load(&self) -> usize {
        lock(&self.state).pending.len()
    }

    /// What it has loaded.
    pub(super) fn ready(&self) -> Option<Ready> {
        lock(&self.state).ready.clone()
    }

    /// Takes it for a run, which counts as under way from now on.
    pub(super) fn take(self: &Arc<Self>) -> Ticket {
        let (sender, receiver) = mpsc::channel();
        let mut state = lock(&self.state);
        state.next += 1;
        let id = state.next;
        // Of one that has ended nothing will come: the sender is dropped.
        if state.ended.is_none() {
            state.pending.insert(id, sender);
        }
        Ticket { worker: self.clone(), id, receiver }
    }
}

/// A worker that was taken for a run.
pub(super) struct Ticket {
    worker: Arc<Worker>,
    id: u64,
    /// What comes of it will be there; when the worker ends first, nothing comes.
    pub(super) receiver: mpsc::Receiver<Made>,
}

impl Ticket {
    /// Why the worker was lost.
    pub(super) fn lost(&self) -> String {
        self.worker.ended().map(|it| it.0.why).unwrap_or_default()
    }

    /// Asks for the run.
    pub(super) fn ask(
        &self,
        job: &Job,
        hash: &str,
        text: &dyn Fn() -> Result<String, String>,
    ) -> Result<(), String> {
        let (worker, id) = (&self.worker, self.id);
        let knows = lock(&worker.state).states.contains(hash);
        let sent = if knows {
            Ok(())
        } else {
            // Who comes meanwhile sends it again, which does no harm.
            let state = Order::State { hash: hash.to_owned(), text: text()? };
            worker.send(&state).map(|()| {
                lock(&worker.state).states.insert(hash.to_owned());
            })
        };
        sent.and_then(|()| worker.send(&Order::Run(Run::of(id, hash, job))))
    }
}

/// Who does not wait any more does not count any more.
impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.worker.state).forgotten(self.id);
    }
}

fn same_version(v: u32, version: &str) -> Result<(), String> {
    let ours = env!("CARGO_PKG_VERSION");
    if v != VERSION {
        return Err(format!(
            "the worker speaks version {v} of the frames, this `dsp` version {VERSION}"
        ));
    }
    if version != ours {
        return Err(format!(
            "the worker is dsp {}, this is dsp {ours}: they must be the same",
            plain(version)
        ));
    }
    Ok(())
}

fn thread(work: impl FnOnce() + Send + 'static) -> Result<(), Lost> {
    let thread = std::thread::Builder::new().name("dsp-via".to_owned());
    let started = thread.spawn(work);
    started
        .map(drop)
        .map_err(|error| Lost::once(format!("the system gives no thread: {error}")))
}

/// Shows what a worker writes to its standard error.
fn show_log(host: &dyn crate::host::Host, name: &str, errors: Box<dyn Read + Send>) {
    let mut reader = BufReader::new(errors);
    while let Ok(Some(line)) = read_line(&mut reader, LOG_LINE) {
        let line = String::from_utf8_lossy(&line.text);
        let text = plain(&line);
        if !text.trim().is_empty() {
            host.eprint(&format!("{name}: {}\n", text.trim_end()));
        }
    }
    // A line that is too long is not shown, and no more: but somebody has to read it.
    let _ = std::io::copy(&mut reader, &mut std::io::sink());
}
