//! Caps: no number of threads passes them, and what they decide does not depend on threads.

use dsp_lang::Engine;
use dsp_lang::engine::{Budget, Finished};
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{
    CallContext, CallFuture, Capabilities, Completion, Lm, Money, Prices, Request, Usage,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A model whose replies are as long as they may be, and that reads a token a byte.
#[derive(Debug, Default)]
struct Greedy {
    name: &'static str,
    serial: AtomicU64,
    calls: AtomicU64,
    tokens: AtomicU64,
    pico_dollars: AtomicU64,
}

impl Greedy {
    fn new() -> Arc<Self> {
        Arc::new(Self { name: "openai/gpt-4o-mini", ..Self::default() })
    }

    fn spent(&self) -> (u64, u64, Money) {
        let of = |it: &AtomicU64| it.load(Ordering::SeqCst);
        let money: Money =
            serde_json::from_value(of(&self.pico_dollars).into()).expect("money is a number");
        (of(&self.calls), of(&self.tokens), money)
    }
}

impl Lm for Greedy {
    fn name(&self) -> &str {
        self.name
    }

    fn identity(&self) -> String {
        "greedy".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: true,
            template: false,
            in_process: false,
            nonblocking: false,
            parallel: 64,
            cacheable: true,
            ..Capabilities::PLAIN
        }
    }

    fn complete<'a>(&'a self, request: &'a Request, _: &'a CallContext) -> CallFuture<'a> {
        Box::pin(async move {
            // What a cap on tokens or dollars puts there is no part of the key.
            let written = request.sampling.max_tokens.map_or(300, u64::from);
            let mut unlimited = request.clone();
            unlimited.sampling.max_tokens =
                unlimited.sampling.max_tokens.filter(|it| *it != 4096);
            let read = serde_json::to_vec(&unlimited).unwrap().len() as u64;
            let usage = Usage {
                prompt_tokens: Some(read),
                completion_tokens: Some(written),
                ..Usage::default()
            };
            let price = Prices::default().of(self.name, true).unwrap();
            let money = serde_json::to_value(price.of(&usage)).unwrap().as_u64().unwrap();
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.tokens.fetch_add(read + written, Ordering::SeqCst);
            self.pico_dollars.fetch_add(money, Ordering::SeqCst);
            let serial = self.serial.fetch_add(1, Ordering::SeqCst);
            if serial.is_multiple_of(3) {
                std::thread::sleep(Duration::from_micros(serial % 7 * 20));
            }
            // Some replies have to be asked for again.
            let text = match read % 5 {
                0 => "I cannot say.".to_owned(),
                _ => format!("[[ ## a ## ]]\n{}\n\n[[ ## completed ## ]]", read % 2),
            };
            Ok(Completion { text, usage, attempts: 1, ..Completion::default() })
        })
    }
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn script(work: &str, max_reply: u64, rows: u64) -> String {
    let limit =
        if max_reply > 0 { format!(", max_tokens: {max_reply}") } else { String::new() };
    let row = |n| format!("#{{ q: \"what is {}\", a: {} }}", n * 977 % 1009, n % 2);
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "const ask = predict(\"q -> a: int\"{limit});\n\
         fn right(e, r) {{ e.a == r.a }}\n\
         let rows = [{}];\n{work}\n",
        rows.join(", ")
    )
}

fn run(lm: &Arc<Greedy>, script: &str, budget: Option<Budget>, threads: usize) -> Finished {
    let builder = Engine::builder().model(lm.clone()).threads(threads);
    let builder = match budget {
        Some(budget) => builder.budget(budget),
        None => builder,
    };
    builder.build().unwrap().load_text("main.dsp", script).unwrap().run()
}

/// A thousand random caps of all kinds, at the command, at an evaluation and at a search.
#[test]
fn no_cap_is_ever_passed() {
    let mut numbers = Numbers(7);
    let (mut stopped, mut reached) = (0, 0);
    for case in 0..1000 {
        let threads = 1 + numbers.below(64) as usize;
        let max_reply = [0, 1, 50, 700][numbers.below(4) as usize];
        // A call takes some 900 tokens and what it writes, here 12 rows of one or two calls.
        let most = 24 * (900 + if max_reply == 0 { 4096 } else { max_reply });
        let calls = numbers.below(30);
        let tokens = numbers.below(most);
        let dollars = numbers.below(most) as f64 * 0.4e-6;
        let which = numbers.below(3);
        let (budget, option) = match which {
            0 => (Budget::calls(calls), format!("max_calls: {calls}")),
            1 => (Budget::tokens(tokens), format!("max_tokens: {tokens}")),
            _ => (Budget::usd(dollars), format!("max_usd: {dollars:.9}")),
        };
        let of_command = case % 2 == 0;
        let option = if of_command { "threads: 64".to_owned() } else { option };
        let work = match case % 3 {
            0 => format!(
                "let better = bootstrap_few_shot(metric: right, max_rounds: 2, max_seconds: 60, {option}).compile(ask, trainset: rows);"
            ),
            1 if of_command => "let all = parallel_map(rows, |row| ask(q: row.q));".to_owned(),
            _ => format!("let score = evaluate(ask, rows, metric: right, {option});"),
        };
        let lm = Greedy::new();
        let finished =
            run(&lm, &script(&work, max_reply, 12), of_command.then_some(budget), threads);
        let (asked, took, paid) = lm.spent();
        let (usd, about) = (Money::usd(dollars), format!("{work}: {finished:?}"));
        match which {
            0 => assert!(asked <= calls, "{asked} of {calls} calls: {about}"),
            1 => assert!(took <= tokens, "{took} of {tokens} tokens: {about}"),
            _ => assert!(paid <= usd, "{paid} of {usd}: {about}"),
        }
        if let Err(error) = &finished.result {
            let told = error.diagnostics()[0].clone();
            assert_eq!(told.code.0, "E0506", "{told:?}");
            stopped += 1;
        }
        reached += usize::from(asked > 0);
    }
    assert!(stopped > 50 && reached > 400, "{stopped} stopped, {reached} asked");
}

/// What a program prints and writes under a cap.
fn left_by(work: &str, threads: usize) -> (String, String) {
    let (lm, host) = (Greedy::new(), Arc::new(MemoryHost::default()));
    let builder = Engine::builder().model(lm).threads(threads).host(host.clone());
    let program =
        builder.build().unwrap().load_text("main.dsp", &script(work, 50, 12)).unwrap();
    let finished = program.run();
    let told = finished.result.err().map(|it| it.diagnostics()[0].message.clone());
    let files = host.files();
    let state = files.get(Path::new("s.json")).cloned().unwrap_or_default();
    let written = String::from_utf8(state).unwrap();
    (format!("{}{told:?}", host.printed()), written)
}

#[test]
fn what_a_cap_admits_does_not_depend_on_threads() {
    let mut numbers = Numbers(11);
    let mut different = BTreeSet::new();
    for case in 0..80 {
        // A run takes some 350 tokens; the search makes about 50.
        let most = if case % 4 < 2 { 60 } else { 12 };
        let tokens = 300 + numbers.below(350 * most);
        let dollars = tokens as f64 * 0.2e-6;
        let option = match case % 2 {
            0 => format!("max_tokens: {tokens}"),
            _ => format!("max_usd: {dollars:.9}"),
        };
        let work = match case % 4 {
            0 | 1 => format!(
                "let it = random_search(metric: right, candidates: 2, {option})\n    \
                 .compile(ask, trainset: rows);\nit.save(\"s.json\");"
            ),
            _ => format!(
                "let it = evaluate(ask, rows, metric: right, {option});\n\
                 print([it.score, it.cost.calls, it.cost.prompt_tokens, it.cost.usd]);"
            ),
        };
        let alone = left_by(&work, 1);
        assert_eq!(left_by(&work, 64), alone, "{work}");
        different.insert(alone);
    }
    assert!(different.len() > 12, "{} outcomes", different.len());
}

#[test]
fn without_a_cap_a_person_is_asked_and_nobody_else_is_trusted() {
    let work = "let it = bootstrap_few_shot(metric: right).compile(ask, trainset: rows);";
    let run = |host: MemoryHost| {
        let (lm, host) = (Greedy::new(), Arc::new(host));
        let builder = Engine::builder().model(lm.clone()).host(host.clone()).progress();
        let program =
            builder.build().unwrap().load_text("main.dsp", &script(work, 50, 12)).unwrap();
        let told = program.run().result.err().map(|it| it.diagnostics()[0].message.clone());
        (told, lm.spent().0, host.eprinted())
    };
    let (told, calls, asked) = run(MemoryHost::default().with_answer(true));
    assert_eq!(told, None);
    assert!(
        calls > 0 && asked.contains("this search has no cap and may make 60 calls; go on?")
    );
    let (told, calls, _) = run(MemoryHost::default().with_answer(false));
    assert_eq!((told.as_deref(), calls), (Some("the search was not begun"), 0));
    let (told, calls, _) = run(MemoryHost::default());
    let expected = "this search has no cap and may make 60 calls";
    assert_eq!((told.as_deref(), calls), (Some(expected), 0));
}

#[test]
fn a_price_that_nobody_knows_refuses_before_anything_is_spent() {
    let lm = Arc::new(Greedy { name: "openai/unheard-of", ..Greedy::default() });
    for work in [
        "let it = evaluate(ask, rows, metric: right, max_usd: 1.0);",
        "let it = bootstrap_few_shot(metric: right, max_usd: 1.0).compile(ask, trainset: rows);",
    ] {
        let finished = run(&lm, &script(work, 0, 3), None, 4);
        let told = finished.result.unwrap_err().diagnostics()[0].clone();
        assert!(
            told.message.contains("the price of `openai/unheard-of` is not known"),
            "{told:?}"
        );
        assert!(told.hints[0].contains("[prices.\"openai/unheard-of\"]"), "{told:?}");
    }
    assert_eq!(lm.spent().0, 0);
}

#[test]
fn what_it_cost_is_in_reports() {
    let lm = Greedy::new();
    let work = "let e = evaluate(ask, rows, metric: right);\nprint(e.cost.usd == e.cost.paid_usd);\n\
                let again = evaluate(ask, rows, metric: right);\n\
                print(again.cost.paid_usd, again.cost.usd == e.cost.usd);\nprint(again.report);";
    let host = Arc::new(MemoryHost::default());
    let builder = Engine::builder().model(lm.clone()).host(host.clone());
    let finished =
        builder.build().unwrap().load_text("main.dsp", &script(work, 50, 12)).unwrap().run();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    let (printed, paid) = (host.printed(), lm.spent().2);
    assert!(printed.starts_with("true\n0.0 true\n"), "{printed}");
    assert!(printed.contains(&format!("tokens in, 600 out, {paid}")), "{paid}: {printed}");
    assert!(printed.contains("from the store; $0 paid now"), "{printed}");
}

#[test]
fn a_search_ends_when_its_time_is_over() {
    let work = "let it = random_search(metric: right, candidates: 4, max_seconds: 0.02)\n    \
                .compile(ask, trainset: rows);\nit.save(\"s.json\");";
    let host = Arc::new(MemoryHost::default());
    let builder = Engine::builder().model(Greedy::new()).host(host.clone()).threads(1);
    let builder = builder.progress();
    let program =
        builder.build().unwrap().load_text("main.dsp", &script(work, 50, 60)).unwrap();
    let finished = program.run();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    let told = host.eprinted();
    assert!(told.contains("the 0.02 s are over"), "{told}");
    assert!(host.files().contains_key(Path::new("s.json")));
}

#[cfg(feature = "http")]
#[test]
fn a_request_whose_reply_was_lost_is_reserved_again() {
    use crate::http::server::{Play, Server, completion};
    let reply = Play::ok(completion("[[ ## a ## ]]\n1\n\n[[ ## completed ## ]]"));
    let asked = |plays: Vec<Play>, cap: &str| {
        let server = Server::start(plays);
        let host = Arc::new(MemoryHost::default().with_env("TEST_KEY", "nobody's"));
        let script = format!(
            "settings {{ {cap} }}\nconst ask = predict(\"q -> a: int\", retries: 0, lm: \
             lm(\"openai/m\", api_base: \"{}\", key_env: \"TEST_KEY\", max_tokens: 50));\n\
             print(ask(q: \"1\").a);\n",
            server.base()
        );
        let engine = Engine::builder().host(host).build().unwrap();
        let program = engine.load_text("main.dsp", &script).unwrap();
        let finished = program.run();
        (server.seen().len(), program.calls(), finished.result.is_ok())
    };
    let lost = Play::ok("<html>");
    // Two requests may be paid for, a third has no room.
    let plays = vec![lost.clone(), lost.clone(), reply.clone()];
    assert_eq!(asked(plays.clone(), "max_calls: 2"), (2, 2, false));
    assert_eq!(asked(plays, "max_calls: 3"), (3, 3, true));
    // Each of them counts with all the tokens that it may have taken.
    assert_eq!(asked(vec![lost, reply.clone()], "max_tokens: 600"), (1, 1, false));
    // One that was turned away costs nothing.
    let busy = Play::status(429, "{}").header("retry-after-ms", "1");
    assert_eq!(asked(vec![busy.clone(), busy, reply], "max_calls: 1"), (3, 1, true));
}
