//! Many runs at once, consumed in logical order.
//!
//! Workers take the next item as soon as they are free; who consumes the results sees them in
//! the order of the items, whatever the order in which they came back.

use crate::lm::{Cancel, lane};
use crate::runtime::STACK_SIZE;
use crate::runtime::signal::Signal;
use crate::util::lock;
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock};
use std::thread::{Builder, Scope, available_parallelism};
use std::time::Duration;

/// Who runs items, and how many of them at once. What comes of it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// So many threads: for what computes, or waits in ways of its own.
    Threads(usize),
    /// So many [fibers](crate::util::fiber), on as many threads as there are processors: for what waits for
    /// models. Some hundred of them cost little.
    Fibers(usize),
}

impl Workers {
    fn count(self) -> usize {
        let (Self::Threads(count) | Self::Fibers(count)) = self;
        count.max(1)
    }

    /// How many of so many workers share each thread.
    fn a_thread(self, count: usize) -> usize {
        match self {
            Self::Threads(_) => 1,
            Self::Fibers(_) => count.div_ceil(processors()),
        }
    }
}

/// How many processors there are, and two at least. To find out takes some hundred reads of files
/// on Linux.
fn processors() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| available_parallelism().map_or(2, usize::from).max(2))
}

/// Runs `run` on all items with so many workers and gives each result to `consume`, in the order
/// of the items, while later ones still run.
///
/// A panic in `run` is a result too: its message. When `cancel` is set no further item is
/// started; those that had not been started are `None`, and `consume` sees results up to the
/// first of them.
pub fn ordered_map<T: Sync, R: Send>(
    items: &[T],
    workers: Workers,
    cancel: &Cancel,
    run: impl Fn(&T) -> R + Sync,
    mut consume: impl FnMut(usize, &Result<R, String>),
) -> Vec<Option<Result<R, String>>> {
    ordered_flow(items.iter().collect(), workers, cancel, run, |index, result| {
        consume(index, result);
        Vec::new()
    })
}

/// As [`ordered_map`], where more items follow from results: `consume` gives them, and they stand
/// behind all others. Workers go on with what there is meanwhile.
pub fn ordered_flow<T: Send, R: Send>(
    items: Vec<T>,
    workers: Workers,
    cancel: &Cancel,
    run: impl Fn(T) -> R + Sync,
    mut consume: impl FnMut(usize, &Result<R, String>) -> Vec<T>,
) -> Vec<Option<Result<R, String>>> {
    let shop = Shop::default();
    let mut results = Ordered::new();
    let work = || while shop.work(cancel, &run, true) {};
    std::thread::scope(|scope| {
        let _open = Open(&shop);
        results.expect(shop.add(items));
        let (mut started, mut most) = (0, workers.count());
        loop {
            let missing = most.min(results.all.len()).saturating_sub(started);
            let came = start(scope, workers, missing, &work);
            started += came;
            if came < missing {
                // Where the system gives no more threads, those that there are do the work.
                most = started;
            }
            while started == 0 && shop.work(cancel, &run, false) {}
            let Some(came) = shop.wait(cancel) else { return };
            for (index, result) in came {
                let more = results.put(index, result, &mut consume);
                results.expect(shop.add(more));
            }
        }
    });
    results.all
}

/// Starts so many workers; tells how many there are.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    workers: Workers,
    count: usize,
    work: &'scope (impl Fn() + Sync),
) -> usize {
    if count == 0 {
        return 0;
    }
    let share = workers.a_thread(count).max(1);
    let mut started = 0;
    while started < count {
        let fibers = share.min(count - started);
        let thread = Builder::new().name(format!("dsp-{started}")).stack_size(STACK_SIZE);
        let begun = thread.spawn_scoped(scope, move || {
            let in_fibers = matches!(workers, Workers::Fibers(_));
            // A thread has a stack of its own, should there be no room for others.
            if !in_fibers || lane::run(fibers, STACK_SIZE, work).is_err() {
                work();
            }
        });
        if begun.is_err() {
            break;
        }
        started += fibers;
    }
    started
}

/// How long results may lie before they are consumed. Waking the consumer for each of them would
/// cost as much as a run that a store answers.
const PAUSE: Duration = Duration::from_millis(10);

/// Items on their way to the threads, and results on theirs to the one who consumes them.
struct Shop<T, R> {
    state: Mutex<Stock<T, R>>,
    /// There are more items, or there will be none.
    more: Signal,
    /// All work that there was has ended.
    ended: Signal,
}

struct Stock<T, R> {
    items: VecDeque<(usize, T)>,
    /// How many items there were so far.
    count: usize,
    results: Vec<(usize, Result<R, String>)>,
    /// How many threads have an item in hand.
    working: usize,
    is_closed: bool,
}

impl<T, R> Default for Shop<T, R> {
    fn default() -> Self {
        let (items, results) = (VecDeque::new(), Vec::new());
        let state = Stock { items, count: 0, results, working: 0, is_closed: false };
        Self { state: Mutex::new(state), more: Signal::default(), ended: Signal::default() }
    }
}

impl<T, R> Shop<T, R> {
    /// Adds items; tells how many there were so far.
    fn add(&self, items: Vec<T>) -> usize {
        let mut state = lock(&self.state);
        if !items.is_empty() {
            let first = state.count;
            state.count += items.len();
            state.items.extend((first..).zip(items));
            self.more.ring();
        }
        state.count
    }

    /// Works on the next item, if need be after a wait for it; tells whether there was one.
    fn work(&self, cancel: &Cancel, run: &impl Fn(T) -> R, waits: bool) -> bool {
        let mut state = lock(&self.state);
        while waits && state.items.is_empty() && !state.is_closed && !cancel.is_cancelled() {
            state = self.more.wait(&self.state, state, None);
        }
        if cancel.is_cancelled() {
            return false;
        }
        let Some((index, item)) = state.items.pop_front() else { return false };
        state.working += 1;
        drop(state);
        let result = catch_unwind(AssertUnwindSafe(|| run(item))).map_err(|it| said(&*it));
        let mut state = lock(&self.state);
        state.results.push((index, result));
        state.working -= 1;
        if state.working == 0 && (state.items.is_empty() || cancel.is_cancelled()) {
            self.ended.ring();
        }
        true
    }

    /// What came meanwhile, after a pause or when all work has ended; none when it has ended and
    /// nothing is left.
    fn wait(&self, cancel: &Cancel) -> Option<Vec<(usize, Result<R, String>)>> {
        let goes_on = |it: &Stock<T, R>| {
            it.working > 0 || !(it.items.is_empty() || cancel.is_cancelled())
        };
        let mut state = lock(&self.state);
        if goes_on(&state) {
            state = self.ended.wait(&self.state, state, Some(PAUSE));
        }
        let came = std::mem::take(&mut state.results);
        (goes_on(&state) || !came.is_empty()).then_some(came)
    }
}

/// Sends the threads home at the end, also where who consumes panics.
struct Open<'a, T, R>(&'a Shop<T, R>);

impl<T, R> Drop for Open<'_, T, R> {
    fn drop(&mut self) {
        lock(&self.0.state).is_closed = true;
        self.0.more.ring();
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
    fn new() -> Self {
        Self { all: Vec::new(), early: BTreeMap::new(), next: 0 }
    }

    /// Makes room for so many results in all.
    fn expect(&mut self, count: usize) {
        self.all.resize_with(count, || None);
    }

    /// Keeps a result and hands on what is complete from the front; what follows from that.
    fn put<T>(
        &mut self,
        index: usize,
        result: Result<R, String>,
        consume: &mut impl FnMut(usize, &Result<R, String>) -> Vec<T>,
    ) -> Vec<T> {
        let mut more = Vec::new();
        self.early.insert(index, result);
        while let Some(result) = self.early.remove(&self.next) {
            more.extend(consume(self.next, &result));
            self.all[self.next] = Some(result);
            self.next += 1;
        }
        more
    }
}
