//! Many runs at once, consumed in logical order.
//!
//! Threads take the next item as soon as they are free; who consumes the results sees them in
//! the order of the items, whatever the order in which they came back.

use crate::lm::Cancel;
use crate::runtime::STACK_SIZE;
use crate::util::lock;
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    ordered_flow(items.iter().collect(), threads, cancel, run, |index, result| {
        consume(index, result);
        Vec::new()
    })
}

/// As [`ordered_map`], where more items follow from results: `consume` gives them, and they stand
/// behind all others. Threads go on with what there is meanwhile.
pub fn ordered_flow<T: Send, R: Send>(
    items: Vec<T>,
    threads: usize,
    cancel: &Cancel,
    run: impl Fn(T) -> R + Sync,
    mut consume: impl FnMut(usize, &Result<R, String>) -> Vec<T>,
) -> Vec<Option<Result<R, String>>> {
    let shop = Shop::default();
    let mut results = Ordered::new();
    std::thread::scope(|scope| {
        let _open = Open(&shop);
        results.expect(shop.add(items));
        let (mut started, mut most) = (0, threads.max(1));
        loop {
            while started < most.min(results.all.len()) {
                let thread = std::thread::Builder::new()
                    .name(format!("dsp-{started}"))
                    .stack_size(STACK_SIZE);
                let work = || while shop.work(cancel, &run, true) {};
                match thread.spawn_scoped(scope, work) {
                    Ok(_) => started += 1,
                    // Where the system gives no more threads, those that there are do the work.
                    Err(_) => most = started,
                }
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

/// How long results may lie before they are consumed. Waking the consumer for each of them would
/// cost as much as a run that a store answers.
const PAUSE: Duration = Duration::from_millis(10);

/// Items on their way to the threads, and results on theirs to the one who consumes them.
struct Shop<T, R> {
    state: Mutex<Stock<T, R>>,
    /// There are more items, or there will be none.
    more: Condvar,
    /// All work that there was has ended.
    ended: Condvar,
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
        Self { state: Mutex::new(state), more: Condvar::new(), ended: Condvar::new() }
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
            self.more.notify_all();
        }
        state.count
    }

    /// Works on the next item, if need be after a wait for it; tells whether there was one.
    fn work(&self, cancel: &Cancel, run: &impl Fn(T) -> R, waits: bool) -> bool {
        let idle = |it: &mut Stock<T, R>| {
            waits && it.items.is_empty() && !it.is_closed && !cancel.is_cancelled()
        };
        let waited = self.more.wait_while(lock(&self.state), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
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
            self.ended.notify_one();
        }
        true
    }

    /// What came meanwhile, after a pause or when all work has ended; none when it has ended and
    /// nothing is left.
    fn wait(&self, cancel: &Cancel) -> Option<Vec<(usize, Result<R, String>)>> {
        let goes_on = |it: &mut Stock<T, R>| {
            it.working > 0 || !(it.items.is_empty() || cancel.is_cancelled())
        };
        let waited = self.ended.wait_timeout_while(lock(&self.state), PAUSE, goes_on);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let came = std::mem::take(&mut state.results);
        (goes_on(&mut state) || !came.is_empty()).then_some(came)
    }
}

/// Sends the threads home at the end, also where who consumes panics.
struct Open<'a, T, R>(&'a Shop<T, R>);

impl<T, R> Drop for Open<'_, T, R> {
    fn drop(&mut self) {
        lock(&self.0.state).is_closed = true;
        self.0.more.notify_all();
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
