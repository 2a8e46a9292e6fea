//! Rhai's programs: each is run by plain Rhai and by us, and must come to the same.
//!
//! `tests/rhai/*.rhai` hold programs in sections. The same means: the same output, the same place
//! of the error, accepted by both or refused by both. An error that Rhai meets when it runs may be
//! told by us before anything runs, at the same place. What differs is in [`DIFFERENT`], with the
//! reason, and every reason stands on the page about Rhai.

use dsp_lang::Engine;
use dsp_lang::host::MemoryHost;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

/// The programs that come to something else here, each with the words of `src/reference/rhai.md`
/// that say why.
const DIFFERENT: &[(&str, &str)] = &[
    ("control/arrow-function", PLACE),
    ("control/missing-brace", PLACE),
    ("control/missing-brace-of-a-function", PLACE),
    ("control/missing-semicolon", PLACE),
    ("control/missing-semicolon-of-a-call", PLACE),
    ("control/python-style", PLACE),
    ("control/try-without-catch", PLACE),
    ("control/undefined-function-in-branch", "also where it would not be reached"),
    ("control/unterminated-comment", "a comment without an end"),
    ("functions/call-bang", "`f!()` sees the variables of its caller"),
    ("functions/duplicate-function", PLACE),
    ("functions/eval", "does not exist: a program is checked before it runs"),
    ("functions/function-sees-a-constant-by-name", "it sees all items"),
    ("functions/int-beyond-64-bits", "an integer beyond 64 bits"),
    ("functions/reserved-as-keys", RESERVED),
    ("functions/reserved-word-match", RESERVED),
    ("functions/reserved-words", RESERVED),
    ("functions/timestamp", "`rand`, `timestamp`"),
    ("functions/unit-with-white-space", "`( )` with white space in it"),
    ("functions/variable-called", "as is any other expression on the same line"),
    ("strings/bad-escape", PLACE),
    ("strings/bad-unicode-escape", PLACE),
    ("strings/unterminated-interpolation", PLACE),
];

const PLACE: &str = "marks where something begins or is missing";
const RESERVED: &str = "are names of variables, fields, keys, arguments and parameters";

/// What a program came to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Course {
    printed: String,
    /// Whether it was refused before it ran.
    refused: bool,
    /// Where it failed.
    place: Option<(usize, usize)>,
    message: String,
}

/// Plain Rhai, as a program that embeds it finds it.
fn plain(text: &str) -> Course {
    let printed = Arc::new(Mutex::new(String::new()));
    let out = printed.clone();
    let mut engine = rhai::Engine::new();
    // With its optimizer Rhai panics where a const is assigned.
    engine.set_optimization_level(rhai::OptimizationLevel::None);
    // As in a release build.
    engine.set_max_call_levels(64);
    engine.set_max_expr_depths(64, 32);
    engine.on_print(move |it| {
        let _ = writeln!(out.lock().unwrap(), "{it}");
    });
    let place = |at: rhai::Position| Some((at.line()?, at.position().unwrap_or(1)));
    let course = |refused, place, message| Course {
        printed: std::mem::take(&mut *printed.lock().unwrap()),
        refused,
        place,
        message,
    };
    match engine.compile(text) {
        Err(error) => course(true, place(error.position()), error.to_string()),
        Ok(ast) => match engine.run_ast(&ast) {
            Ok(()) => course(false, None, String::new()),
            Err(error) => course(false, place(innermost(&error)), error.to_string()),
        },
    }
}

fn innermost(error: &rhai::EvalAltResult) -> rhai::Position {
    match error {
        rhai::EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => innermost(inner),
        other => other.position(),
    }
}

fn ours(text: &str) -> Course {
    let host = Arc::new(MemoryHost::default());
    let engine = Engine::builder().host(host.clone()).build().unwrap();
    let (refused, error) = match engine.load_text("main.dsp", text) {
        Err(error) => (true, Some(error)),
        Ok(program) => (false, program.run().result.err()),
    };
    let first = error.as_ref().and_then(|it| it.diagnostics().iter().find(|it| it.is_error()));
    let place = first.and_then(|it| it.primary.as_ref()).zip(error.as_ref());
    let place = place
        .map(|(at, error)| error.sources().position(at.span.source, at.span.start as usize));
    let message = first.map(|it| it.message.clone()).unwrap_or_default();
    Course { printed: host.printed(), refused, place, message }
}

/// The programs, by file and name.
fn corpus() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rhai");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let topic = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for section in text.split("//# ").skip(1) {
            let (name, program) = section.split_once('\n').unwrap_or((section, ""));
            let key = format!("{topic}/{name}");
            assert!(found.insert(key.clone(), program.to_owned()).is_none(), "twice: {key}");
        }
    }
    found
}

/// Whether both came to the same; where we tell an error before the program runs, nothing is
/// printed.
fn same(plain: &Course, ours: &Course) -> bool {
    let told_early = ours.refused && !plain.refused && plain.place.is_some();
    let failed = |it: &Course| it.refused || it.place.is_some();
    (plain.printed == ours.printed || told_early)
        && failed(plain) == failed(ours)
        && plain.place == ours.place
        && (!plain.refused || ours.refused)
}

#[test]
fn programs_of_rhai_come_to_the_same() {
    let corpus = corpus();
    assert!(corpus.len() >= 300, "{} programs", corpus.len());
    // Some programs go deep.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(move || told(&corpus));
    let told = thread.unwrap().join().unwrap();
    assert!(told.is_empty(), "{told}");
}

fn told(corpus: &BTreeMap<String, String>) -> String {
    let mut told = String::new();
    for (name, text) in corpus {
        let (plain, ours) = (plain(text), ours(text));
        let known = DIFFERENT.iter().any(|(it, _)| it == name);
        if same(&plain, &ours) == known {
            let _ =
                writeln!(told, "{name}: {}", if known { "the same now" } else { "differs" });
            let _ = writeln!(told, "  plain: {plain:?}\n  ours:  {ours:?}");
        }
    }
    told
}

#[test]
fn what_differs_is_told() {
    let page = include_str!("../../src/reference/rhai.md");
    let corpus = corpus();
    for (name, why) in DIFFERENT {
        assert!(corpus.contains_key(*name), "no program `{name}`");
        assert!(page.contains(why), "`{why}` ({name}) does not stand on the page about Rhai");
    }
}
