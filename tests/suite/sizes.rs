//! Long programs and long nonsense: reading, checking, laying out and lowering a text takes time in
//! step with its length. The sizes are such that each takes well under a second, and more than the
//! limit once a step looks at all of the text for each piece of it.

use dsp_lang::diag::Diagnostic;
use dsp_lang::engine::{Engine, check_text};
use dsp_lang::fmt::{self, WIDTH};
use dsp_lang::lm::Scripted;
use dsp_lang::source::SourceId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the steps for one text may take of a processor. Machines differ by less than the time of
/// a step that has become quadratic.
const MOST: Duration = Duration::from_secs(10);
/// The stack of `dsp`'s main thread.
const STACK: usize = 8 << 20;

/// A piece of text for each number.
fn each(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

/// The processor time of this thread, where the system says it.
fn spent() -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = said.and_then(|it| it.split(' ').next()?.parse().ok());
    Duration::from_nanos(spent.unwrap_or(0))
}

/// Checks and lays a text out, and lowers it if it is correct.
fn pass(text: &str) {
    let check = check_text("main.dsp", text);
    drop(fmt::format(SourceId(0), text, WIDTH));
    if !check.diagnostics.iter().any(Diagnostic::is_error) {
        let model = Arc::new(Scripted::new(Vec::<String>::new()));
        let engine = Engine::builder().model(model).build().unwrap();
        // The host language may refuse what is long; what counts is that it does so soon.
        drop(engine.load_checked(check, PathBuf::new()));
    }
}

#[track_caller]
fn soon(cases: Vec<(&'static str, String)>) {
    for (name, text) in cases {
        let steps = move || {
            let (start, before) = (Instant::now(), spent());
            pass(&text);
            let spent = spent() - before;
            // A system that says nothing must not make the limit empty.
            (if spent.is_zero() { start.elapsed() } else { spent }, text.len())
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(steps).unwrap();
        let (took, bytes) = thread.join().unwrap_or_else(|_| panic!("{name} panics"));
        assert!(took < MOST, "{name}: {took:?} for {bytes} bytes");
    }
}

#[test]
fn many_items() {
    soon(vec![
        ("functions", each(5_000, |it| format!("fn f{it}(x) {{ x }}\n"))),
        ("consts", each(10_000, |it| format!("const A{it} = {it};\n"))),
        (
            "consts of consts",
            format!(
                "const A0 = 1;\n{}",
                each(8_000, |it| format!("const A{} = A{it};\n", it + 1))
            ),
        ),
        (
            "consts of later consts",
            format!(
                "{}const A8000 = 1;\n",
                each(8_000, |it| format!("const A{it} = A{};\n", it + 1))
            ),
        ),
        (
            "a circle of consts",
            each(8_000, |it| format!("const A{it} = A{};\n", (it + 1) % 8_000)),
        ),
        ("imports", each(5_000, |it| format!("import \"no{it}\" as m{it};\n"))),
        ("tests", each(5_000, |it| format!("test \"t{it}\" {{ assert 1 == 1; }}\n"))),
        ("modules", each(2_000, |it| format!("module M{it}() {{ fn forward(x) {{ x }} }}\n"))),
        (
            "members",
            format!(
                "module M() {{\n{}fn forward(x) {{ x }}\n}}\n",
                each(3_000, |it| format!("let a{it} = {it};\n"))
            ),
        ),
    ]);
}

#[test]
fn many_parts() {
    let joined = |count, by: &str| each(count, |it| format!("{it}{by}"));
    soon(vec![
        (
            "fields",
            format!(
                "signature S {{\n{}out b: str\n}}\n",
                each(10_000, |it| format!("in a{it}: str,\n"))
            ),
        ),
        ("types", format!("type T = {}1;\n", joined(5_000, " | "))),
        ("a list", format!("let a = [{}];\n", joined(20_000, ", "))),
        (
            "cases",
            format!("switch 1 {{ {} _ => 1 }}\n", each(3_000, |it| format!("{it} => {it}, "))),
        ),
        ("bounds", format!("type T = int{};\n", "(0..1)".repeat(20_000))),
        ("a chain", format!("let a = #{{}};\na{};\n", ".b".repeat(20_000))),
        ("else if", format!("{}{{}}", "if true { 1 } else ".repeat(3_000))),
        ("parameters", format!("fn f({}) {{ 1 }}\n", each(5_000, |it| format!("a{it}, ")))),
        ("variables", each(10_000, |it| format!("let a{it} = {it};\n"))),
        (
            "unused variables",
            format!("fn f() {{\n{}}}\n", each(10_000, |it| format!("let a{it} = {it};\n"))),
        ),
        (
            "branches",
            format!(
                "{}{}",
                each(10_000, |it| format!("let a{it} = {it};\n")),
                each(10_000, |it| format!("if a{it} > 1 {{ a{it} = \"\"; }}\n"))
            ),
        ),
        (
            "methods",
            format!(
                "module M() {{\n{}fn forward(x) {{ self.m1(x) }}\n}}\n",
                each(3_000, |it| format!("fn m{it}(x) {{ self.m{}(x) }}\n", (it + 1) % 3_000))
            ),
        ),
        (
            "read variables",
            format!(
                "fn f() {{\nlet a0 = 1;\n{}}}\n",
                each(8_000, |it| format!("let a{} = a{it};\n", it + 1))
            ),
        ),
    ]);
}

#[test]
fn many_mistakes() {
    soon(vec![
        ("names", each(4_000, |it| format!("let abc{it} = 1;\nabd{it};\n"))),
        ("calls", each(2_000, |it| format!("fn abc{it}() {{ 1 }}\nabd{it}();\n"))),
        ("lines", "let = zz;\n".repeat(10_000)),
        ("one line", "let = zz; ".repeat(10_000)),
        ("brackets of one line", "[1 2 ".repeat(40_000)),
        ("two of a name", "fn f(x) { x }\n".repeat(10_000)),
    ]);
}

#[test]
fn nonsense() {
    let words = [
        "signature",
        "fn",
        "module",
        "if",
        "let",
        "const",
        "type",
        "test",
        "import",
        "switch",
        "(",
        "[",
        "{",
        ")",
        "]",
        "}",
        "a",
        "1",
        "null",
        "in",
        "out",
        "|",
        "`",
        "${",
        "\"",
        "'",
        "#",
        "/*",
        "//",
        ",",
        ";",
        ":",
        "->",
        "=>",
        "=",
        "-",
        "!",
        "?",
        ".",
        "é",
        "\\",
        "\u{0}",
        "<",
        "match",
    ];
    let repeated = words.iter().map(|it| ("one word", format!("{it} ").repeat(20_000)));
    let lines = words.iter().map(|it| ("one word a line", format!("{it}\n").repeat(5_000)));
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    };
    let mixed: String =
        (0..20_000).map(|_| format!("{} ", words[next() % words.len()])).collect();
    let signs: String = (0..60_000).map(|_| char::from(32 + (next() % 95) as u8)).collect();
    let more = [
        ("words", mixed),
        ("signs", signs),
        ("one string", format!("\"{}\"", "a".repeat(1 << 20))),
    ];
    soon(repeated.chain(lines).chain(more).collect());
}
