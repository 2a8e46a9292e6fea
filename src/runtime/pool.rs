//! Many runs at once, consumed in logical order.
//!
//! Threads take the next item as soon as they are free; who consumes the results sees them in
//! the order of the items, whatever the order in which they came back.

use crate::lm::Cancel;
use crate::runtime::STACK_SIZE;
use crate::util::lock;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Runs `run` on all items with up to `threads` threads and gives each result to `consume`, in
/// the order of the items, while later ones still run.
///
/// A panic in `run` is a result too: its message. When `cancel` is set no further item is
/// started; those that had not been started are `None`, and `consume` sees results up to the
/// first of them.
pub fn ordered_map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    cancel: &Cancel,
    run: impl Fn(&T) -> R + Sync,
    mut consume: impl FnMut(usize, &Result<R, String>),
) -> Vec<Option<Result<R, String>>> {
    let queue = Queue { items, next: AtomicUsize::new(0), cancel, run };
    let inbox = Inbox::default();
    let mut results = Ordered::new(items.len());
    std::thread::scope(|scope| {
        let mut started = 0;
        for serial in 0..threads.clamp(1, items.len().max(1)) {
            let thread = std::thread::Builder::new()
                .name(format!("dsp-{serial}"))
                .stack_size(STACK_SIZE);
            let (queue, working) = (&queue, inbox.begin());
            // Where the system gives no more threads, those that there are do the work.
            started +=
                usize::from(thread.spawn_scoped(scope, move || queue.work(working)).is_ok());
        }
        if started == 0 {
            queue.work(inbox.begin());
        }
        while let Some(came) = inbox.wait() {
            for (index, result) in came {
                results.put(index, result, &mut consume);
            }
        }
    });
    results.all
}

/// Items not yet taken.
struct Queue<'a, T, F> {
    items: &'a [T],
    next: AtomicUsize,
    cancel: &'a Cancel,
    run: F,
}

impl<T, F> Queue<'_, T, F> {
    /// Takes items until there are none or the run is cancelled.
    fn work<R>(&self, working: Working<'_, R>)
    where
        F: Fn(&T) -> R,
    {
        while !self.cancel.is_cancelled() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = self.items.get(index) else { return };
            let result =
                catch_unwind(AssertUnwindSafe(|| (self.run)(item))).map_err(|it| said(&*it));
            working.tell(index, result);
        }
    }
}

/// How long results may lie before they are consumed. Waking the consumer for each of them would
/// cost as much as a run that a store answers.
const PAUSE: Duration = Duration::from_millis(10);

/// Results on their way to the one who consumes them.
struct Inbox<R> {
    state: Mutex<Arrived<R>>,
    ended: Condvar,
}

struct Arrived<R> {
    results: Vec<(usize, Result<R, String>)>,
    /// How many threads still work.
    working: usize,
}

impl<R> Default for Inbox<R> {
    fn default() -> Self {
        let state = Arrived { results: Vec::new(), working: 0 };
        Self { state: Mutex::new(state), ended: Condvar::new() }
    }
}

impl<R> Inbox<R> {
    /// Notes that a thread works until the value is dropped.
    fn begin(&self) -> Working<'_, R> {
        lock(&self.state).working += 1;
        Working(self)
    }

    /// What came meanwhile, after a pause or when all work has ended; none when it has ended and
    /// nothing is left.
    fn wait(&self) -> Option<Vec<(usize, Result<R, String>)>> {
        let state = lock(&self.state);
        let waited = self.ended.wait_timeout_while(state, PAUSE, |it| it.working > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let came = std::mem::take(&mut state.results);
        (state.working > 0 || !came.is_empty()).then_some(came)
    }
}

/// A thread that works.
struct Working<'a, R>(&'a Inbox<R>);

impl<R> Working<'_, R> {
    fn tell(&self, index: usize, result: Result<R, String>) {
        lock(&self.0.state).results.push((index, result));
    }
}

impl<R> Drop for Working<'_, R> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.working -= 1;
        if state.working == 0 {
            self.0.ended.notify_one();
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// Results in the order of their items.
struct Ordered<R> {
    all: Vec<Option<Result<R, String>>>,
    early: BTreeMap<usize, Result<R, String>>,
    next: usize,
}

impl<R> Ordered<R> {
    fn new(len: usize) -> Self {
        Self {
            all: std::iter::repeat_with(|| None).take(len).collect(),
            early: BTreeMap::new(),
            next: 0,
        }
    }

    /// Keeps a result and hands on what is complete from the front.
    fn put(
        &mut self,
        index: usize,
        result: Result<R, String>,
        consume: &mut impl FnMut(usize, &Result<R, String>),
    ) {
        self.early.insert(index, result);
        while let Some(result) = self.early.remove(&self.next) {
            consume(self.next, &result);
            self.all[self.next] = Some(result);
            self.next += 1;
        }
    }
}
