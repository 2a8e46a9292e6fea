//! What flowed where, against programs that carry the truth in their values: the `n`-th call of a
//! model answers with a number that has only the `n`-th bit, and the programs combine numbers
//! with `|`, so that the bits of what a call is given are the calls that it was computed from.

use dsp_lang::Engine;
use dsp_lang::engine::Finished;
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{Prompt, Scripted};
use dsp_lang::schema::Value;
use dsp_lang::trace::{Kind, Trace, Via};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The most calls of a program: there are no more bits.
const CALLS: usize = 60;

fn run(program: &str, threads: usize, model: Scripted) -> Finished {
    let engine = Engine::builder().model(Arc::new(model)).host(Arc::new(MemoryHost::default()));
    let engine = engine.no_cache().threads(threads).build().unwrap();
    let finished = engine.load_text("main.dsp", program).unwrap().run();
    assert!(finished.result.is_ok(), "{:?}\n{program}", finished.result);
    finished
}

/// The `n`-th call answers with the `n`-th bit.
fn bits() -> Scripted {
    let n = AtomicU32::new(0);
    Scripted::by(move |_, _| {
        let at = n.fetch_add(1, Ordering::SeqCst);
        format!("{{\"n\": {}}}", 1_u64 << at.min(62))
    })
}

/// Answers with a number that depends on the question alone, whenever it comes.
fn mixed() -> Scripted {
    Scripted::by(|request, _| {
        let Prompt::Chat(turns) = &request.prompt else { panic!("a chat is asked") };
        let text = turns.iter().map(|it| it.text.as_str()).collect::<String>();
        let hash = text.bytes().fold(7_u64, |hash, it| (hash * 31 + u64::from(it)) % 1_000_003);
        format!("{{\"n\": {hash}}}")
    })
}

/// The calls that went into each call and condition: by their bits, and by the edges.
fn both(trace: &Trace) -> Vec<(String, BTreeSet<usize>, BTreeSet<usize>)> {
    let calls: Vec<usize> =
        trace.iter().filter(|it| it.1.kind == Kind::Lm).map(|it| it.0.0).collect();
    let mut found = Vec::new();
    for (id, node) in trace.iter().filter(|it| it.1.kind == Kind::Lm) {
        let Value::Int(given) = node.inputs["i"] else { panic!("{:?}", node.inputs) };
        let bits = (0..calls.len()).filter(|bit| given >> bit & 1 == 1);
        let edges = trace.edges.iter().filter(|it| it.to == id);
        let edges = edges.filter(|it| it.via == Via::Static).map(|it| it.from.0);
        let name = format!("#{} i = {given:b}", id.0);
        found.push((name, bits.map(|bit| calls[bit]).collect(), edges.collect()));
    }
    found
}

/// A program of statements that are drawn by `choices`; with `lists`, values also go through
/// lists, of which nobody knows which item is which.
struct Writer<'a> {
    choices: std::slice::Iter<'a, u8>,
    out: String,
    depth: usize,
    calls: usize,
    lists: bool,
}

const PRELUDE: &str = "let ask = predict(\"i: int -> n: int\");
fn once(p, x, y) { let r = p(i: x).n; if y % 3 == 1 { return r | y; } r | x }
fn deep(p, n, x) { if n == 0 { return x; } let y = p(x).n; deep(p, n - 1, y) | x }
fn pass(x, y) { if y > 9 { x } else { y } }
module Twice() {
    let ask = predict(\"i: int -> n: int\");
    fn again(x) { ask(i: x).n | x }
    fn forward(x) { let y = self.again(x); #{ n: ask(i: y).n | y } }
}
let twice = Twice();
let a = 0; let b = 0; let c = 0; let d = 0;
";

impl Writer<'_> {
    fn next(&mut self, below: u8) -> u8 {
        self.choices.next().copied().unwrap_or(0) % below
    }

    fn var(&mut self) -> char {
        char::from(b'a' + self.next(4))
    }

    /// An expression that calls nobody.
    fn plain(&mut self) -> String {
        let (a, b) = (self.var(), self.var());
        match self.next(4) {
            0 => "0".to_owned(),
            1 => format!("{a} | {b}"),
            _ => a.to_string(),
        }
    }

    fn value(&mut self) -> String {
        let (x, y) = (self.plain(), self.plain());
        let kinds = if self.lists { 14 } else { 9 };
        self.calls += 1;
        match self.next(kinds) {
            0 => format!("once(ask, {x}, {y})"),
            1 => {
                self.calls += 1;
                format!("deep(ask, 2, {x})")
            }
            2 => format!("if ({y}) % 2 == 0 {{ ask({x}).n }} else {{ {y} }}"),
            3 => format!("switch ({y}) % 3 {{ 0 => ask(i: {x}).n, 1 => {y}, _ => {x} }}"),
            4 => format!("(|x| {{ let t = ask(x | {y}).n; t | x }})({x})"),
            5 => format!("{{ let t = ask({x}).n; let t = t | {y}; t }}"),
            6 => format!("{x} | ask(i: {y}).n"),
            7 => format!("loop {{ let t = ask({x}).n; break t | {y}; }}"),
            8 => format!("ask(`${{{x}}}`.parse_int()).n"),
            9 => format!("pass({x}, ask({y}).n)"),
            10 => {
                self.calls += 1;
                format!("[{x}, {y}].map(|x| ask(x).n | x).reduce(|s, x| s | x, 0)")
            }
            11 => {
                self.calls += 1;
                format!("twice({x}).n | {y}")
            }
            12 => {
                self.calls += 1;
                format!(
                    "[{x}, {y}].parallel_map(|x| {{ let t = ask(x | {x}).n; once(ask, t, x) }})\
                     .reduce(|s, x| s | x, 0)"
                )
            }
            _ => format!("#{{ k: ask({x}).n, l: {y} }}.k"),
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(&"    ".repeat(self.depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn block(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        for _ in 0..=self.next(3) {
            self.statement();
        }
        self.depth -= 1;
        self.line("}");
    }

    fn statement(&mut self) {
        let before = self.calls;
        let (x, y) = (self.var(), self.plain());
        let kinds = if self.depth < 3 { 10 } else { 5 };
        match self.next(kinds) {
            0..=2 => {
                let value = self.value();
                self.line(&format!("{x} = {value};"));
            }
            3 => {
                let value = self.value();
                self.line(&format!("{x} |= {value};"));
            }
            4 => self.line(&format!("{x} = {y};")),
            5 => self.block(&format!("if ({y}) % 2 == 0")),
            6 => {
                self.block("for i in 0..2");
                self.calls += self.calls - before;
            }
            7 => {
                self.line("let turn = 0;");
                self.line("while turn < 2 { turn += 1;");
                self.block("if turn > 0");
                self.line("}");
                self.calls += self.calls - before;
            }
            8 => {
                self.line("try {");
                self.block("if true");
                self.line(&format!("if ({y}) % 5 == 3 {{ throw 1; }} {x} = 0; }} catch {{ }}"));
            }
            _ if self.lists => {
                let value = self.value();
                self.line(&format!(
                    "let all = []; for x in [{x}, {y}] {{ all.push(({value}) | x); }}"
                ));
                self.line(&format!("{x} = all.reduce(|s, x| s | x, 0);"));
                self.calls += 2 * (self.calls - before);
            }
            _ => self.block("if true"),
        }
    }

    fn program(choices: &[u8], lists: bool) -> Option<String> {
        let (choices, out) = (choices.iter(), PRELUDE.to_owned());
        let mut writer = Writer { choices, out, depth: 0, calls: 0, lists };
        while writer.choices.len() > 0 {
            writer.statement();
        }
        for name in ["a", "b", "c", "d"] {
            writer.line(&format!("ask(i: {name});"));
        }
        (writer.calls < CALLS).then_some(writer.out)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Every call that went into a value has an edge, and no other has.
    #[test]
    fn edges_are_what_values_were_computed_from(
        choices in proptest::collection::vec(any::<u8>(), 8..70),
    ) {
        let Some(program) = Writer::program(&choices, false) else { return Ok(()) };
        let trace = run(&program, 1, bits()).trace;
        if trace.iter().count() > CALLS {
            return Ok(());
        }
        for (node, bits, edges) in both(&trace) {
            prop_assert_eq!(bits, edges, "{} in\n{}", node, program);
        }
    }

    /// Through lists and modules no call is missed.
    #[test]
    fn no_edge_is_missed_through_lists(
        choices in proptest::collection::vec(any::<u8>(), 8..60),
    ) {
        let Some(program) = Writer::program(&choices, true) else { return Ok(()) };
        let trace = run(&program, 1, bits()).trace;
        if trace.iter().count() > CALLS {
            return Ok(());
        }
        for (node, bits, edges) in both(&trace) {
            // What a module returned came from its calls, and from what it was given.
            let mut known = edges.clone();
            for at in (0..trace.nodes.len()).rev().filter(|at| trace.nodes[*at].call.is_none()) {
                if known.contains(&at) {
                    let calls = trace.iter().filter(|it| it.1.parent.is_some_and(|it| it.0 == at));
                    known.extend(calls.map(|it| it.0.0));
                    known.extend(trace.edges.iter().filter(|it| it.to.0 == at).map(|it| it.from.0));
                }
            }
            prop_assert!(bits.is_subset(&known), "{node}: {bits:?} {edges:?} in\n{program}");
        }
    }

    /// The canonical trace, edges among it, is the same with one thread and with 64.
    #[test]
    fn threads_change_no_edge(choices in proptest::collection::vec(any::<u8>(), 8..60)) {
        let Some(program) = Writer::program(&choices, true) else { return Ok(()) };
        let one = run(&program, 1, mixed()).trace.canonical();
        let many = run(&program, 64, mixed()).trace.canonical();
        prop_assert_eq!(one, many, "in\n{}", program);
    }
}

/// Many calls, each computed from all before it: the latest are named.
#[test]
fn long_runs_keep_their_edges_in_little_memory() {
    let calls = 3_000;
    let program = format!(
        "let ask = predict(\"i: int -> n: int\");\nlet sum = 0;\n\
         for i in 0..{calls} {{ sum = (sum + ask(sum % 7).n) % 1000; }}\nprint(sum);"
    );
    let trace = run(&program, 1, mixed()).trace;
    assert_eq!(trace.nodes.len(), calls);
    let into = |id: usize| trace.edges.iter().filter(move |it| it.to.0 == id).count();
    assert_eq!((into(0), into(1), into(20)), (0, 1, 20));
    let last = into(calls - 1);
    assert!((32..=64).contains(&last), "{last}");
    assert!(trace.edges.iter().all(|it| it.from < it.to && it.via == Via::Static));
}
