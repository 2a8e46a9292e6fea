//! Functions that wait for futures, many of them on one thread.
//!
//! Scripts are plain functions: one that asks a model waits for it. A thread for each of some
//! hundred calls under way costs more than the calls themselves: to wake a thread takes as long as
//! to send a request. So functions run as fibers, each on a stack of its own: where one
//! [waits](wait), its thread goes on with another that has something to do.
//!
//! A fiber stays on the thread that it was started on, and gives it away only where it waits. What
//! it waits for must not need its thread: a lock that another fiber holds while it waits would
//! never be free again. Such locks are futures themselves.

use super::lock;
use corosensei::stack::{DefaultStack, Stack};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

thread_local! {
    /// The fiber that runs on this thread.
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Current {
    /// What gives the thread away.
    yielder: *const Yielder<(), ()>,
    /// What has the fiber go on.
    waker: Waker,
}

impl Current {
    fn enter(&self) {
        CURRENT.with_borrow_mut(|it| *it = Some(self.clone()));
    }

    #[expect(unsafe_code, reason = "the place on the stack has no lifetime that could be told")]
    fn yielder(&self) -> &Yielder<(), ()> {
        // SAFETY: the yielder stands on the stack of the fiber for as long as the fiber runs. Only
        // code of the fiber itself gets here: `CURRENT` is set by the fiber when it begins and
        // when it goes on, and emptied whenever the thread leaves it.
        unsafe { &*self.yielder }
    }

    /// Gives the thread away until the waker was called.
    fn suspend(&self) {
        self.yielder().suspend(());
        self.enter();
    }
}

/// Whether the caller runs as a fiber.
pub fn is_current() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Polls a future to its end in a fiber; the thread goes on with others meanwhile.
///
/// # Panics
/// Outside of a fiber.
pub fn wait<F: Future + Send>(future: F) -> F::Output {
    let current = CURRENT.with_borrow(Clone::clone).expect("it is called in a fiber");
    let mut future = pin!(future);
    loop {
        // Futures go deep, and wait often: on the stack of the thread all do so in the same place,
        // and those of the fibers stay small.
        let (future, waker) = (future.as_mut(), &current.waker);
        let poll = || future.poll(&mut Context::from_waker(waker));
        match current.yielder().on_parent_stack(poll) {
            Poll::Ready(output) => return output,
            Poll::Pending => current.suspend(),
        }
    }
}

/// Stacks of fibers that have ended. Their pages are there already, and what is on them means
/// nothing: the next fibers take them.
static SPARE: Mutex<Vec<DefaultStack>> = Mutex::new(Vec::new());

/// How many are kept.
const MOST_SPARE: usize = 256;

/// A stack of at least this size.
fn stack_of(size: usize) -> io::Result<DefaultStack> {
    let is_large = |it: &mut DefaultStack| it.base().get() - it.limit().get() >= size;
    match lock(&SPARE).pop_if(is_large) {
        Some(stack) => Ok(stack),
        None => DefaultStack::new(size),
    }
}

fn keep(stack: DefaultStack) {
    let mut spare = lock(&SPARE);
    if spare.len() < MOST_SPARE {
        spare.push(stack);
    }
}

/// How many go on before the thread looks at its sockets. What they send leaves meanwhile: where
/// hundreds of replies come at once, the server need not wait until all of them have been read.
const AT_ONCE: usize = 4;

/// Fibers of one thread: a future that ends when all of them have ended.
pub struct Fibers<'a> {
    fibers: Vec<Option<Fiber<'a>>>,
    alive: usize,
    ready: Arc<Mutex<Ready>>,
}

/// Fibers that can go on.
#[derive(Default)]
struct Ready {
    queue: VecDeque<usize>,
    /// What has the thread look at them.
    thread: Option<Waker>,
}

impl<'a> Fibers<'a> {
    /// Returns so many fibers that run `body`, each on a stack of this size. Where the system
    /// gives room for fewer stacks, there are fewer fibers.
    ///
    /// # Errors
    /// There is no room for a single one.
    pub fn new(count: usize, stack: usize, body: &'a (impl Fn() + Sync)) -> io::Result<Self> {
        let ready = Arc::new(Mutex::new(Ready::default()));
        let mut fibers = Vec::with_capacity(count);
        for index in 0..count {
            match Fiber::new(index, stack, &ready, body) {
                Ok(fiber) => fibers.push(Some(fiber)),
                Err(error) if index == 0 => return Err(error),
                Err(_) => break,
            }
        }
        let alive = fibers.len();
        lock(&ready).queue.extend(0..alive);
        Ok(Self { fibers, alive, ready })
    }
}

impl Future for Fibers<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let now: [Option<usize>; AT_ONCE] = {
            let mut ready = lock(&self.ready);
            let now = std::array::from_fn(|_| ready.queue.pop_front());
            match ready.queue.is_empty() {
                true => ready.thread = Some(context.waker().clone()),
                false => context.waker().wake_by_ref(),
            }
            now
        };
        for index in now.into_iter().flatten() {
            if let Some(ended) = self.fibers[index].take_if(Fiber::resume) {
                keep(ended.routine.into_stack());
                self.alive -= 1;
            }
        }
        if self.alive == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for Fibers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fibers").field("alive", &self.alive).finish_non_exhaustive()
    }
}

/// Has a fiber go on.
struct Alarm {
    index: usize,
    /// Whether it stands in the queue.
    is_queued: AtomicBool,
    ready: Arc<Mutex<Ready>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            let thread = {
                let mut ready = lock(&self.ready);
                ready.queue.push_back(self.index);
                // It is told once: it takes all that stand there.
                ready.thread.take()
            };
            if let Some(thread) = thread {
                thread.wake();
            }
        }
    }
}

struct Fiber<'a> {
    routine: Coroutine<(), (), ()>,
    alarm: Arc<Alarm>,
    body: PhantomData<&'a ()>,
}

impl<'a> Fiber<'a> {
    #[expect(unsafe_code, reason = "`body` lives longer than the fiber, and not for ever")]
    fn new(
        index: usize,
        stack: usize,
        ready: &Arc<Mutex<Ready>>,
        body: &'a (impl Fn() + Sync),
    ) -> io::Result<Self> {
        let is_queued = AtomicBool::new(true);
        let alarm = Arc::new(Alarm { index, is_queued, ready: Arc::clone(ready) });
        let waker = Waker::from(Arc::clone(&alarm));
        let main = move |yielder: &Yielder<(), ()>, ()| {
            Current { yielder, waker }.enter();
            body();
        };
        // SAFETY: `body` outlives the routine: the fiber borrows the one, and when it is dropped
        // the other is unwound before it is gone.
        let routine = unsafe { Coroutine::with_stack_unchecked(stack_of(stack)?, main) };
        Ok(Self { routine, alarm, body: PhantomData })
    }

    /// Has it go on; tells whether it has ended.
    fn resume(&mut self) -> bool {
        self.alarm.is_queued.store(false, Ordering::Release);
        let outer = CURRENT.take();
        let result = self.routine.resume(());
        CURRENT.set(outer);
        matches!(result, CoroutineResult::Return(()))
    }
}

#[cfg(test)]
mod tests;
