//! Parallel calls: what they leave behind does not depend on threads or time.

use dsp_lang::Engine;
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{Cancel, Scripted};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Nested maps, consts first needed inside, failures that are caught, closures of `parallel`,
/// prints, and calls after and between.
const PROGRAM: &str = r#"
const STYLE = predict("kind -> style")(kind: "any").style;
module Inner() {
    let ask = predict("q -> a");
    let judge = predict("a -> ok: bool");
    fn forward(q) {
        let first = ask(q);
        print(q, first.a);
        if judge(first.a).ok { first } else { ask(first.a + STYLE) }
    }
}
module Outer() {
    let inner = Inner();
    let sum = predict("all: list[str] -> a");
    fn forward(words) {
        let found = words.parallel_map(|word| {
            let halves = ["x", "y"].parallel_map(|it| inner(word + it).a);
            let both = parallel(#{ l: || inner(halves[0]).a, r: || inner(halves[1]).a });
            try { [1, 2, 3].parallel_map(|n| if n > 1 { throw n } else { inner(word).a }); }
            catch (e) { print("caught", e); }
            both.l + both.r
        });
        sum(found)
    }
}
let outer = Outer();
print(outer(["a", "b", "c", "d", "e"]).a);
print(outer(["a"]).a);
"#;

/// Answers by the place of the call, after a while that has nothing to do with its order.
fn model() -> Scripted {
    let n = AtomicUsize::new(0);
    Scripted::by(move |_, context| {
        let turn = n.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros((turn * 7919 % 5) as u64 * 300));
        let place = format!("{}#{}", context.address.place(), context.address.ordinal);
        match context.address.path.as_str() {
            "inner.judge" => format!(r#"{{"ok": {}}}"#, context.address.ordinal % 2 == 0),
            "self" => r#"{"style": "!"}"#.to_owned(),
            _ => format!(r#"{{"a": "{place}"}}"#),
        }
    })
}

fn course(threads: usize) -> (String, String) {
    let host = Arc::new(MemoryHost::default());
    let engine = Engine::builder().host(host.clone()).model(Arc::new(model()));
    let engine = engine.threads(threads).no_cache().build().unwrap();
    let finished = engine.load_text("main.dsp", PROGRAM).unwrap().run();
    if let Err(error) = &finished.result {
        panic!("{error}");
    }
    (finished.trace.canonical(), host.printed())
}

#[test]
fn one_thread_and_many_leave_the_same_behind() {
    let (trace, printed) = course(1);
    assert!(trace.lines().count() > 100, "{trace}");
    for threads in [2, 5, 64] {
        for _ in 0..3 {
            let (other, also) = course(threads);
            assert_eq!(printed, also, "{threads} threads");
            assert!(trace == other, "{threads} threads:\n{trace}\n---\n{other}");
        }
    }
}

#[test]
fn no_two_calls_have_one_address() {
    let (trace, _) = course(8);
    let mut seen = std::collections::BTreeSet::new();
    for line in trace.lines().filter(|it| it.contains(" lm ")) {
        let address: Vec<&str> = line.split(' ').skip(3).take(4).collect();
        assert!(seen.insert(address.join(" ")), "twice: {line}");
    }
}

#[test]
fn cancelling_ends_all_calls() {
    let cancel = Cancel::default();
    let (ends, began) = (cancel.clone(), Instant::now());
    let model = Scripted::by(move |_, _| {
        ends.cancel();
        "x".to_owned()
    });
    let engine = Engine::builder().model(Arc::new(model)).cancel(cancel).build().unwrap();
    let text = "let ask = predict(\"q -> a\");\n\
        (0..1000).parallel_map(|n| { ask(`${n}`); sleep(10); }, threads: 50);";
    let error = engine.load_text("main.dsp", text).unwrap().run().result.unwrap_err();
    assert_eq!(error.diagnostics()[0].code.0, "E0507");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_panic_of_a_model_is_an_error() {
    let model = Scripted::by(|_, context| match context.address.ordinal {
        1 => panic!("a model of the host's"),
        _ => "x".to_owned(),
    });
    let engine = Engine::builder().model(Arc::new(model)).build().unwrap();
    let text = "let ask = predict(\"q -> a\"); [1, 2, 3].parallel_map(|n| ask(`${n}`).a)";
    let error = engine.load_text("main.dsp", text).unwrap().run().result.unwrap_err();
    assert!(error.diagnostics()[0].message.contains("a model of the host's"), "{error}");
}

#[test]
fn a_thousand_calls_go_on_at_once() {
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let highest = most.clone();
    let model = Scripted::by(move |_, _| {
        let n = now.fetch_add(1, Ordering::SeqCst) + 1;
        highest.fetch_max(n, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
        now.fetch_sub(1, Ordering::SeqCst);
        "x".to_owned()
    });
    let engine = Engine::builder().model(Arc::new(model)).build().unwrap();
    let text = "let ask = predict(\"q -> a\");\n\
        (0..40).parallel_map(|n| (0..25).parallel_map(|m| ask(`${n} ${m}`).a, threads: 1000), \
        threads: 1000).len()";
    let finished = engine.load_text("main.dsp", text).unwrap().run();
    assert_eq!(finished.result.unwrap().show(), "40");
    assert_eq!(finished.trace.nodes.len(), 1000);
    let most = most.load(Ordering::SeqCst);
    assert!((2..=300).contains(&most), "{most} calls at once");
}
