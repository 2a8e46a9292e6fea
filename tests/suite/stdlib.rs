//! The standard library: checked, tested and documented like anybody's code, and free where it
//! is not used.

use dsp_lang::Engine;
use dsp_lang::check::Checked;
use dsp_lang::engine::{Check, Program, check_text};
use dsp_lang::stdlib::{PRELUDE_FUNCTIONS, UNITS, unit};
use std::collections::BTreeSet;
use std::path::Path;

fn engine() -> Engine {
    Engine::builder().build().unwrap()
}

fn load(text: &str) -> Program {
    engine().load_text("main.dsp", text).unwrap()
}

fn checked(name: &str) -> Check {
    check_text(name, unit(name).unwrap().text)
}

#[test]
fn nothing_is_wrong_with_its_units() {
    for unit in UNITS {
        let check = checked(unit.name);
        assert!(check.diagnostics.is_empty(), "{}: {:#?}", unit.name, check.diagnostics);
    }
}

#[test]
fn its_tests_pass() {
    for unit in UNITS {
        let program = engine().load_text(unit.name, unit.text).unwrap();
        assert!(!program.tests().is_empty(), "{} has no tests", unit.name);
        for test in program.tests() {
            let end = program.run_test(test, &Default::default());
            let failed = end.finished.result.err().map(|it| it.to_string());
            assert_eq!(failed, None, "{}: {}", unit.name, test.title);
        }
    }
}

/// The functions that others may call.
fn public(checked: &Checked) -> BTreeSet<&str> {
    let public = checked.functions.iter().filter(|(_, it)| !it.private);
    public.map(|(name, _)| &**name).collect()
}

#[test]
fn its_functions_are_documented_and_tested() {
    for unit in UNITS {
        let check = checked(unit.name);
        let tests = unit.text.split_once("\ntest ").map_or("", |it| it.1);
        for name in public(&check.checked) {
            let doc = &check.checked.functions[name].doc;
            assert!(doc.ends_with('.'), "`{name}` of `{}` says `{doc}`", unit.name);
            // A judge is tested by the module that it is an instance of.
            let tested = tests.contains(&format!("{name}(")) || name == "semantic_f1";
            assert!(tested, "no test of `{}` calls `{name}`", unit.name);
        }
    }
}

#[test]
fn its_functions_stand_in_the_reference() {
    let page = include_str!("../../src/reference/stdlib.md");
    for unit in UNITS {
        for name in public(&checked(unit.name).checked) {
            assert!(page.contains(&format!("| `{name}(")), "stdlib.md has no `{name}`");
        }
    }
}

#[test]
fn the_names_of_the_prelude_are_its_public_functions() {
    let check = checked("prelude");
    let known: BTreeSet<&str> = PRELUDE_FUNCTIONS.iter().copied().collect();
    assert_eq!(public(&check.checked), known);
    assert!(PRELUDE_FUNCTIONS.is_sorted());
}

#[test]
fn what_is_not_used_is_not_written() {
    let bare = load("let items = [1, 2];\nprint(items.len());");
    assert!(!bare.generated().contains("__u"), "{}", bare.generated());
    let unused = load("import \"std/metrics\" as m;\nprint(1);");
    assert!(!unused.generated().contains("__u"), "{}", unused.generated());

    let one = load("print([2, 1].sorted());");
    assert_eq!(one.generated().matches("\nfn ").count() + 1, 1, "{}", one.generated());
    assert!(one.generated().contains("sorted"));

    let two = load("import \"std/metrics\" as m;\nprint(m::hotpot_f1(\"a\", \"b\"));");
    let written = two.generated();
    for name in ["hotpot_f1", "normalized", "is_verdict", "listed"] {
        assert!(written.contains(name), "{name} in {written}");
    }
    for name in ["SemanticF1", "passage_match", "harmonic_mean", "Agreement"] {
        assert!(!written.contains(name), "{name} in {written}");
    }
}

#[test]
fn a_session_is_linked_with_more_as_it_goes_on() {
    let mut session = engine().session();
    let mut enter = |text: &str| {
        let entered = session.enter(text).unwrap();
        let value = entered.finished.result.map_err(|it| it.to_string()).unwrap();
        (value.show(), entered.program.generated().matches("fn __u").count())
    };
    assert_eq!(enter("[2, 1].sorted()"), ("[1, 2]".to_owned(), 1));
    assert_eq!(enter("[2, 1].sorted()"), ("[1, 2]".to_owned(), 1));
    assert_eq!(enter("[1, 1].unique()"), ("[1]".to_owned(), 2));
    assert_eq!(enter("import \"std/metrics\" as m;").1, 2);
    assert_eq!(enter("m::f1(\"x y\", \"x\") > 0.6"), ("true".to_owned(), 3));
    assert_eq!(enter("m::exact_match(\"x\", \"X\")"), ("true".to_owned(), 4));
}

/// A value of the reference implementation's, and ours.
#[test]
fn metrics_give_the_values_of_dspy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data/conformance/dspy-metrics.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let mut rows = 0;
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (a, b) = (&row["a"], &row["b"]);
        let script = format!(
            "import \"std/metrics\" as m;\n#{{ norm_a: m::normalized({a}), norm_b: \
             m::normalized({b}), em: m::exact_match({a}, {b}), f1: m::f1({a}, {b}), hotpot_f1: \
             m::hotpot_f1({a}, {b}) }}"
        );
        let value = load(&script).run().result.unwrap().to_value().unwrap();
        let ours: serde_json::Value = serde_json::from_str(&value.to_json()).unwrap();
        for name in ["norm_a", "norm_b", "em", "f1", "hotpot_f1"] {
            assert_eq!(ours[name], row[name], "{name} of {line}");
        }
        rows += 1;
    }
    assert!(rows >= 9);
}
