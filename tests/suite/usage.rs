//! What calls used, by predictor and model, and what nobody told; and runs so long that their
//! traces do not stay in memory.

use dsp_lang::Engine;
use dsp_lang::engine::{Builder, Finished};
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{
    CallContext, CallFuture, Capabilities, Completion, Lm, Money, Request, Scripted, Usage,
};
use std::sync::Arc;

/// A model of a provider, that tells of its tokens what it is told to.
#[derive(Debug)]
struct Counted {
    name: &'static str,
    usage: Usage,
}

impl Lm for Counted {
    fn name(&self) -> &str {
        self.name
    }

    fn identity(&self) -> String {
        self.name.to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            chat: true,
            template: false,
            in_process: false,
            nonblocking: false,
            parallel: 4,
            cacheable: true,
            ..Capabilities::PLAIN
        }
    }

    fn complete<'a>(&'a self, _: &'a Request, _: &'a CallContext) -> CallFuture<'a> {
        let text = "{\"a\": \"yes\", \"b\": \"yes\", \"c\": \"yes\"}".to_owned();
        let reply =
            Completion { text, usage: self.usage, attempts: 1, ..Completion::default() };
        Box::pin(async move { Ok(reply) })
    }
}

fn told() -> Usage {
    Usage {
        prompt_tokens: Some(1000),
        completion_tokens: Some(200),
        cached_tokens: Some(600),
        cache_write_tokens: Some(100),
        reasoning_tokens: Some(50),
    }
}

fn models(name: &str) -> Arc<dyn Lm> {
    match name {
        "anthropic/claude-sonnet-4-6" => {
            Arc::new(Counted { name: "anthropic/claude-sonnet-4-6", usage: told() })
        }
        "openai/gpt-4o-mini" => {
            let usage = Usage { cache_write_tokens: None, ..told() };
            Arc::new(Counted { name: "openai/gpt-4o-mini", usage })
        }
        _ => Arc::new(Counted { name: "office/silent", usage: Usage::default() }),
    }
}

fn run(builder: Builder, script: &str) -> (String, Finished) {
    let host = Arc::new(MemoryHost::default());
    let engine = builder
        .host(host.clone())
        .stand_in(Arc::new(|name, _| Ok(models(name))))
        .build()
        .unwrap();
    let finished = engine.load_text("main.dsp", script).unwrap().run();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    (host.printed(), finished)
}

const TWO: &str = r#"
module Two() {
    let first = predict("q -> a", lm: "anthropic/claude-sonnet-4-6");
    let second = predict("a -> b", lm: "openai/gpt-4o-mini");
    fn forward(q: str) { second(a: first(q: q).a) }
}
module Three() {
    let two = Two();
    let last = predict("b -> c", lm: "office/silent");
    fn forward(q: str) { last(b: two(q: q).b) }
}
fn right(row, reply) { true }
let rows = [#{ q: "1" }, #{ q: "2" }];
"#;

#[test]
fn a_reply_tells_what_it_cost_by_predictor_and_model() {
    let script = format!(
        "{TWO}\nlet reply = Two()(q: \"?\");\nlet it = cost(reply);\n\
         print(it.calls, it.prompt_tokens, it.cached_tokens, it.cache_write_tokens,\n    \
         it.completion_tokens, it.reasoning_tokens, it.untold);\n\
         for part in it.by {{ print(part.predictor, part.model, part.usd); }}\n\
         print(it.usd == it.by[0].usd + it.by[1].usd, it.paid_usd == it.usd);\n\
         print(cost(Two()(q: \"?\")).paid_usd, cost(Three()(q: \"?\")).usd == ());\n"
    );
    let (printed, finished) = run(Engine::builder(), &script);
    // 300 × 3 + 600 × 0.30 + 100 × 3.75 + 200 × 15, and 400 × 0.15 + 600 × 0.075 + 200 × 0.60
    // dollars for a million.
    let expected = "2 2000 1200 100 400 100 0\n\
                    first anthropic/claude-sonnet-4-6 0.004455\n\
                    second openai/gpt-4o-mini 0.000225\n\
                    true true\n0.0 true\n";
    assert_eq!(printed, expected);
    let totals = finished.trace.totals();
    assert_eq!(totals.cost.paid, Money::usd(0.00468));
    assert_eq!(totals.details.untold, 1);
    let shown = dsp_lang::trace::tree(&finished.trace, false);
    let line =
        "called, 1000 + 200 tokens, 600 cached, 100 put into the cache, 50 thoughts, $0.004455";
    assert!(shown.contains(line), "{shown}");
}

#[test]
fn reports_say_what_is_not_known() {
    let script = format!(
        "{TWO}\nlet e = evaluate(Two(), rows, metric: right);\nprint(e.report);\n\
         let e = evaluate(Three(), rows, metric: right);\nprint(e.report, e.cost.untold, e.cost.usd == ());\n\
         e.save(\"e.json\");\n\
         print(evaluate(Three().last, [#{{ b: \"1\" }}], metric: right).report);"
    );
    let host = Arc::new(MemoryHost::default());
    let engine = Engine::builder()
        .host(host.clone())
        .stand_in(Arc::new(|name, _| Ok(models(name))))
        .build()
        .unwrap();
    let finished = engine.load_text("main.dsp", &script).unwrap().run();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    let printed = host.printed();
    for line in [
        "calls    4, 4000 tokens in (2400 cached, 200 put into the cache), 800 out (200 thoughts), $0.009360\n",
        "usage    `first` by anthropic/claude-sonnet-4-6: 2 calls, 2000 tokens in (1200 cached, 200 put \
         into the cache), 400 out (100 thoughts), $0.008910\n         `second` by openai/gpt-4o-mini: 2 calls, ",
        "800 out (200 thoughts), and those of 2 calls unknown, $0.009360 and 2 calls of unknown cost\n",
        "         `last` by office/silent: 2 calls, tokens unknown, cost unknown\n",
        "calls    1, tokens unknown, cost unknown\n",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    let saved = &host.files()[std::path::Path::new("e.json")];
    let saved: serde_json::Value = serde_json::from_slice(saved).unwrap();
    assert_eq!(saved["usage"].as_array().unwrap().len(), 3);
    assert_eq!(saved["usage"][2]["usd"], serde_json::Value::Null);
    assert_eq!((&saved["cached_tokens"], &saved["untold"]), (&2400.into(), &2.into()));
}

const LONG: usize = 5000;

fn long(body: &str) -> (String, Finished) {
    let host = Arc::new(MemoryHost::default());
    let lm = Scripted::by(|_, _| "{\"a\": \"yes\"}".to_owned());
    let engine = Engine::builder().model(Arc::new(lm)).host(host.clone()).no_cache();
    let script = format!(
        "let ask = predict(\"q -> a\");\nmodule Many() {{\n    let ask = predict(\"q -> a\");\n    \
         fn forward(n: int) {{ let last = \"0\"; for at in 0..n {{ last = ask(q: last).a; }} #{{ a: last }} }}\n}}\n{body}"
    );
    let finished = engine.build().unwrap().load_text("main.dsp", &script).unwrap().run();
    assert!(finished.result.is_ok(), "{:?}", finished.result);
    (host.printed(), finished)
}

#[test]
fn a_long_run_keeps_its_whole_trace() {
    let body = format!(
        "let first = ask(q: \"0\");\nlet last = first;\nfor at in 1..{LONG} {{ last = ask(q: last.a); }}\n\
         print(trace().nodes.len(), cost(first).calls, cost(last).calls, trace(first).nodes[0].inputs.q);"
    );
    let (printed, finished) = long(&body);
    assert_eq!(printed, format!("{LONG} 1 1 0\n"));
    let trace = &finished.trace;
    assert_eq!((trace.nodes.len(), trace.edges.len()), (LONG, LONG - 1));
    for (at, edge) in trace.edges.iter().enumerate() {
        assert_eq!((edge.from.0, edge.to.0), (at, at + 1));
    }
    for (at, (_, node)) in trace.iter().enumerate() {
        assert_eq!(node.address.ordinal, at);
        let attempt = &node.call.as_ref().unwrap().attempts[0];
        assert_eq!(attempt.completion.as_ref().unwrap().text, "{\"a\": \"yes\"}");
    }
    assert_eq!(trace.totals().calls, LONG as u64);
}

#[test]
fn a_node_under_way_is_written_again_when_it_ends() {
    let body = format!(
        "let reply = Many()(n: {LONG});\nprint(trace(reply).nodes.len(), cost(reply).calls);\n\
         let results = parallel_map(0..3000, |n| ask(q: `${{n}}`));\n\
         print(trace().nodes.len(), trace(results[7]).nodes[0].inputs.q, cost(results[2999]).calls);"
    );
    let (printed, finished) = long(&body);
    assert_eq!(printed, format!("{} {LONG}\n{} 7 1\n", LONG + 1, LONG + 1 + 3000));
    let nodes = &finished.trace.nodes;
    assert!(nodes[0].outputs.is_some() && nodes[0].took >= nodes[1].took);
    assert!(nodes[1..=LONG].iter().all(|it| it.parent.map(|id| id.0) == Some(0)));
    assert!(nodes[LONG + 1..].iter().all(|it| it.parent.is_none()));
    for (at, node) in nodes[LONG + 1..].iter().enumerate() {
        assert_eq!(node.inputs["q"].as_str(), Some(&*at.to_string()));
    }
}
