use super::{Fibers, is_current, wait};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const STACK: usize = 256 << 10;

fn run(count: usize, stack: usize, body: &(impl Fn() + Sync)) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let fibers = Fibers::new(count, stack, body)?;
    runtime.block_on(fibers);
    Ok(())
}

/// A future that is woken by another thread.
async fn nap(millis: u64) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(millis));
        sender.send(()).unwrap();
    });
    receiver.await.unwrap();
}

fn rest(millis: u64) {
    wait(nap(millis));
}

#[test]
fn all_wait_at_once_on_one_thread() {
    let (waiting, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let home = std::thread::current().id();
    run(50, STACK, &|| {
        for _ in 0..3 {
            assert!(is_current());
            most.fetch_max(waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            rest(5);
            waiting.fetch_sub(1, Ordering::SeqCst);
            assert_eq!(std::thread::current().id(), home);
        }
    })
    .unwrap();
    assert!(!is_current());
    assert_eq!(most.into_inner(), 50);
}

#[test]
fn a_wake_that_comes_before_the_wait_is_not_lost() {
    let turns = AtomicUsize::new(0);
    run(8, STACK, &|| {
        for _ in 0..1000 {
            let mut again = true;
            wait(poll_fn(|context| {
                // It is woken while it is polled, and twice.
                context.waker().wake_by_ref();
                context.waker().wake_by_ref();
                if std::mem::take(&mut again) { Poll::Pending } else { Poll::Ready(()) }
            }));
        }
        turns.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    assert_eq!(turns.into_inner(), 8);
}

#[test]
fn fibers_wake_one_another_across_threads() {
    let wakers: Mutex<Vec<Waker>> = Mutex::default();
    let (arrived, start) = (AtomicUsize::new(0), Barrier::new(2));
    let work = || {
        arrived.fetch_add(1, Ordering::SeqCst);
        wait(poll_fn(|context| {
            if arrived.load(Ordering::SeqCst) == 20 {
                wakers.lock().unwrap().drain(..).for_each(Waker::wake);
                return Poll::Ready(());
            }
            wakers.lock().unwrap().push(context.waker().clone());
            Poll::Pending
        }));
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                run(10, STACK, &work).unwrap();
            });
        }
    });
}

#[test]
fn a_panic_that_is_caught_stays_in_its_fiber() {
    let caught = AtomicUsize::new(0);
    run(4, STACK, &|| {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            rest(2);
            std::panic::resume_unwind(Box::new("oh"));
        }));
        assert!(ended.is_err());
        rest(2);
        caught.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    assert_eq!(caught.into_inner(), 4);
}

#[test]
fn fibers_that_are_dropped_are_unwound() {
    struct Told<'a>(&'a AtomicUsize);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = AtomicUsize::new(0);
    let body = || {
        let _told = Told(&dropped);
        wait(std::future::pending::<()>());
    };
    let mut fibers = Fibers::new(3, STACK, &body).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert!(std::pin::pin!(&mut fibers).poll(&mut context).is_pending());
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    drop(fibers);
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}
