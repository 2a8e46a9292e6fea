//! Text to tree: what is understood, what is told, and that nothing is lost.

use dsp_lang::source::SourceId;
use dsp_lang::syntax::{NodeKind, Parse, parse};

fn read(text: &str) -> Parse {
    let parsed = parse(SourceId(0), text);
    let joined: String = parsed.tree.leaves().iter().map(|it| it.text(text)).collect();
    assert_eq!(joined, text, "the tree prints back as the text");
    parsed
}

fn errors(text: &str) -> Vec<String> {
    read(text)
        .diags
        .iter()
        .map(|it| {
            let at = it.primary.as_ref().map_or(0, |it| it.span.start as usize);
            let (line, column) = dsp_lang::source::position(text, at);
            format!("{line}:{column} {} {} {:?}", it.code.0, it.message, it.hints)
        })
        .collect()
}

#[track_caller]
fn clean(text: &str) -> Parse {
    let told = errors(text);
    assert!(told.is_empty(), "{text}\n{told:#?}");
    read(text)
}

const PROGRAM: &str = include_str!("syntax/program.dsp");

#[test]
fn the_program_of_the_design_is_understood() {
    let tree = clean(PROGRAM).tree;
    assert!(tree.walk().all(|it| it.kind != NodeKind::Error));
}

#[test]
fn all_programs_of_the_design_are_understood() {
    let Ok(design) =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/design.md"))
    else {
        return;
    };
    let blocks = design.split("```dsp\n").skip(1);
    for block in blocks.filter_map(|it| it.split("```").next()) {
        clean(block);
    }
}

/// Pieces between lines of dashes.
fn pieces(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.split("----\n")
}

/// Rhai without its limits of depth, which differ between debug and release.
fn rhai_engine() -> rhai::Engine {
    let mut engine = rhai::Engine::new();
    engine.set_max_expr_depths(0, 0);
    engine
}

#[test]
fn what_rhai_understands_is_understood() {
    let engine = rhai_engine();
    let mut good = 0;
    for piece in pieces(include_str!("syntax/rhai.txt")) {
        if let Err(error) = engine.compile(piece) {
            panic!("rhai does not understand {piece}: {error}");
        }
        clean(piece);
        good += 1;
    }
    assert!(good >= 120, "only {good}");
}

#[test]
fn what_rhai_refuses_is_told_once() {
    let engine = rhai_engine();
    let mut wrong = Vec::new();
    for piece in pieces(include_str!("syntax/broken.txt")) {
        if engine.compile(piece).is_ok() {
            wrong.push((piece, vec!["rhai understands it".to_owned()]));
        }
        let told = errors(piece);
        if told.len() != 1 {
            wrong.push((piece, told));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The text of an expression with parentheses around every operator.
fn parenthesised(node: &dsp_lang::syntax::Node, text: &str) -> String {
    use dsp_lang::syntax::Child;
    let inner: String = node
        .children
        .iter()
        .map(|child| match child {
            Child::Node(node) => parenthesised(node, text),
            Child::Token(token) => token.text(text).to_owned(),
        })
        .collect();
    match node.kind {
        NodeKind::Binary | NodeKind::Unary => format!("({inner})"),
        _ => inner,
    }
}

#[test]
fn operators_bind_as_in_rhai() {
    let engine = rhai_engine();
    for line in include_str!("syntax/operators.txt").lines() {
        let text =
            format!("let a = 7; let b = 3; let m = #{{ k: [5, 6] }}; let u = (); [{line}]");
        let whole = parenthesised(&clean(&text).tree, &text);
        let plain: rhai::Dynamic =
            engine.eval(&text).unwrap_or_else(|it| panic!("{line}: {it}"));
        let ours: rhai::Dynamic =
            engine.eval(&whole).unwrap_or_else(|it| panic!("{whole}: {it}"));
        assert_eq!(format!("{plain:?}"), format!("{ours:?}"), "{line} is {whole}");
    }
}

/// Our own mistakes: each file, and the lines and codes of all that is told of it.
#[test]
fn each_mistake_is_told_where_it_is() {
    let mut wrong = Vec::new();
    for piece in pieces(include_str!("syntax/mistakes.txt")) {
        let (text, notes) = piece.split_once("====\n").expect("a piece has its notes");
        let told: Vec<String> = errors(text)
            .iter()
            .map(|it| it.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        if told.join("\n") != notes.trim_end() {
            wrong.push(format!("{text}====\n{}", errors(text).join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}

/// On the stack that threads of Rust have, in debug too.
fn on_a_thread(read: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(read);
    thread.expect("threads can be made").join().expect("it ends without a panic");
}

#[test]
fn endless_nesting_is_told() {
    const TIMES: usize = 100_000;
    let nested = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("#{ a: ", "1", " }"),
        ("|x| ", "1", ""),
        ("|| { ", "1", "}"),
        ("-", "1", ""),
        ("- ", "1", ""),
        ("!", "a", ""),
        ("`${", "1", "}`"),
        ("`a${`${", "1", "}`}`"),
        ("{", "1", "}"),
        ("f(", "1", ")"),
        ("a[", "1", "]"),
        ("a.f(x: ", "1", ")"),
        ("if a { ", "1", " }"),
        ("if a { } else ", "{}", ""),
        ("switch a { 1 => ", "1", " }"),
        ("1 + ", "1", ""),
        ("1 ** ", "1", ""),
        ("a ?? ", "1", ""),
        ("a", "", ".b"),
        ("a", "", "(1)"),
        ("a", "", "[1]"),
        ("a", "", "?.b()"),
        ("", "1", " + 1"),
        ("for x in ", "1", " { }"),
        ("loop { ", "1", " }"),
        ("do { ", "1", " } while a"),
        ("try { ", "1", " } catch { }"),
        ("fn f() { ", "1", " }"),
        ("module M { fn f() { ", "", "} }"),
        ("test \"a\" { ", "1", " }"),
        ("signature { in a: str = ", "1", " }"),
        ("signature { in a `${", "1", "}` }"),
        ("settings { a: || { ", "1", "} }"),
        ("type T = one_of(", "a", ")"),
        ("type T = list[", "int", "]"),
        ("type T = { a: list[", "int", "] }"),
        ("a = ", "1", ""),
        ("assert ", "1", ""),
        ("import ", "1", ""),
        ("return ", "1", ""),
        ("1 ?? return ", "1", ""),
        ("(", "", ""),
        ("{", "", ""),
        ("`${", "", ""),
        ("`", "", ""),
        ("/*", "", ""),
        ("|", "", ""),
        ("((((({{{[[[`${", "", ""),
        (")", "", ""),
        ("}", "", ""),
        ("let x = ", "", ""),
        ("in out ", "", ""),
        ("signature ", "", ""),
        ("private ", "", ""),
        ("`${\n", "", ""),
        ("type T = a", "", "?"),
    ];
    on_a_thread(move || {
        for (open, inside, close) in nested {
            let text = [open.repeat(TIMES).as_str(), inside, &close.repeat(TIMES)].concat();
            let start = std::time::Instant::now();
            eprintln!("{open:?}");
            let parsed = read(&text);
            drop(parsed);
            let took = start.elapsed().as_secs_f64();
            assert!(took < 20.0, "{open} took {took} s");
            if took > 0.5 {
                eprintln!("{open:?} … {close:?}: {took:.2} s");
            }
        }
    });
}

#[test]
fn nesting_as_programs_have_it_is_understood() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("f(", ")"), ("- ", ""), ("|x| ", ""), ("if a { ", "}")]
    {
        clean(&[open.repeat(60).as_str(), "a", &close.repeat(60)].concat());
    }
    clean(&["a", &" + a".repeat(300)].concat());
    clean(&["a", &".b(1)".repeat(150)].concat());
}

#[test]
fn a_long_program_is_read_in_milliseconds() {
    let text = include_str!("syntax/program.dsp").repeat(38);
    let start = std::time::Instant::now();
    let parsed = parse(SourceId(0), &text);
    eprintln!("{} lines in {:?}", text.lines().count(), start.elapsed());
    assert!(parsed.diags.is_empty());
}
