//! Where connections live.
//!
//! One runtime serves all who wait in threads of their own. Work that goes on in [fibers](fiber)
//! has lanes: threads that have a runtime each, on which their fibers, their connections and their
//! timers live together. A reply then has no other thread to wake on its way to who waits for it.
//! The runtimes stay when work ends, for the connections on them are used again.

use crate::util::fiber::{self, Fibers};
use crate::util::lock;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use tokio::runtime::{Builder, Handle, Runtime};

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// Lanes that nobody is on.
static FREE: Mutex<Vec<Lane>> = Mutex::new(Vec::new());

struct Lane {
    runtime: Runtime,
    /// Above 0.
    number: usize,
}

impl Lane {
    /// A lane that nobody is on.
    fn take() -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        // The last one first: connections of the others may be left until they time out.
        if let Some(lane) = lock(&FREE).pop() {
            return Ok(lane);
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        keep_heap();
        Ok(Self { runtime, number: COUNT.fetch_add(1, Ordering::Relaxed) })
    }
}

/// Work of some hundred calls at once frees in a moment what it needs again in the next. The
/// allocator of Linux gives such memory back to the system, and each page that comes again costs
/// as much as some hundred allocations: unless a block was freed once that was much larger.
fn keep_heap() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(16 << 20)));
}

/// Runs so many fibers on this thread until all have ended.
///
/// # Errors
/// The system gives no room for a single one.
pub(crate) fn run(count: usize, stack: usize, body: &(impl Fn() + Sync)) -> io::Result<()> {
    let fibers = Fibers::new(count, stack, body)?;
    let lane = Lane::take()?;
    let before = CURRENT.replace(lane.number);
    lane.runtime.block_on(async {
        // Connections that were closed while nobody looked are noticed before one is used.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        fibers.await;
    });
    CURRENT.set(before);
    lock(&FREE).push(lane);
    Ok(())
}

/// The number of the lane that the caller is on; 0 is the runtime that all others share.
#[cfg(feature = "http")]
pub(crate) fn current() -> usize {
    if fiber::is_current() { CURRENT.get() } else { 0 }
}

/// Makes the runtime that connections of the caller live on the current one.
#[cfg(feature = "http")]
pub(crate) fn enter() -> Option<tokio::runtime::EnterGuard<'static>> {
    // A fiber is polled by its own.
    (!fiber::is_current()).then(|| runtime().enter())
}

/// Runs a future to its end on the calling thread. Where the caller is a fiber, its thread goes on
/// with others meanwhile.
///
/// The calling thread must not be a worker of an async runtime.
pub fn block_on<F: Future + Send>(future: F) -> F::Output {
    if fiber::is_current() { fiber::wait(future) } else { runtime().block_on(future) }
}

/// The one runtime that all share who are on no lane: few workers, started at first use.
pub fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("dsp-lm")
                .enable_all()
                .build()
                .expect("the system gives threads to the async runtime")
        })
        .handle()
}
