//! The front end: diagnostics of `check`, and what `lower` writes.

#![allow(missing_docs, reason = "a test")]

use dsp_lang::check::{Checked, Resolution, check, signature_from_str};
use dsp_lang::diag::{Diagnostic, Severity};
use dsp_lang::engine::check_text;
use dsp_lang::lower::{Linked, lower};
use dsp_lang::source::{SourceId, position};
use dsp_lang::syntax::parse;
use proptest::prelude::*;
use std::sync::Arc;

const SOURCE: SourceId = SourceId(0);

fn analyse(text: &str) -> (Checked, Vec<Diagnostic>) {
    let check = check_text("main.dsp", text);
    ((*check.checked).clone(), check.diagnostics)
}

fn show(text: &str, diag: &Diagnostic) -> String {
    let at = diag.primary.as_ref().map_or_else(String::new, |it| {
        let (line, column) = position(text, it.span.start as usize);
        format!("{line}:{column} ")
    });
    let hints: Vec<String> = diag.hints.iter().map(|it| format!(" ({it})")).collect();
    format!("{at}{} {}{}", diag.code.0, diag.message, hints.concat())
}

fn told(text: &str) -> Vec<String> {
    analyse(text).1.iter().map(|it| show(text, it)).collect()
}

#[track_caller]
fn expect(text: &str, wanted: &[&str]) {
    assert_eq!(told(text), wanted, "in:\n{text}");
}

#[track_caller]
fn clean(text: &str) -> Checked {
    let (checked, diags) = analyse(text);
    let shown: Vec<String> = diags.iter().map(|it| show(text, it)).collect();
    assert!(shown.is_empty(), "{shown:#?} in:\n{text}");
    checked
}

#[track_caller]
fn lowered(text: &str) -> (String, Linked) {
    let (checked, diags) = analyse(text);
    let errors: Vec<String> =
        diags.iter().filter(|it| it.is_error()).map(|it| show(text, it)).collect();
    assert!(errors.is_empty(), "{errors:#?} in:\n{text}");
    let mut linked = Linked::default();
    let range = lower(&mut linked, &checked, text).expect("short");
    compile(&linked.text()[range]);
    (linked.text().to_owned(), linked)
}

fn engine() -> rhai::Engine {
    let mut engine = rhai::Engine::new();
    engine.set_max_expr_depths(1000, 1000);
    engine
}

#[track_caller]
fn compile(text: &str) {
    if let Err(error) = engine().compile(text) {
        panic!("{error} in:\n{text}");
    }
}

const DESIGN: &str = r#"
import "std/metrics" as metrics;

settings { lm: "openai/gpt-4o-mini", max_usd: 2.0 }

/// Answer the question from the passages.
signature Answer {
    in  context:  list[str]   "passages that may hold the answer"
    in  question: str
    out answer:   str(..=60)  "often between one and five words"
}

type Topic = "billing" | "shipping" | "account" | "other";

/// Sort a support message.
signature Triage {
    in  message: str
    out topic:   Topic
    out urgent:  bool
    out people:  list[{ name: str "as written", role: str? }]

    assert !(urgent && topic == "other"), "an urgent message always has a topic";
    assert people.all(|p| p.name in message), "every name stands in the message";
}

const wiki = index("wiki.jsonl", by: "bm25");

/// Retrieve, then answer.
module Rag(k = 3) {
    let search = retrieve(k, from: wiki);
    let answer = chain_of_thought(Answer);

    fn forward(question: str) {
        let found = search(question);
        let reply = answer(context: found.passages, question);
        suggest !reply.answer.contains("I think"), "state the answer, do not hedge";
        assert reply.answer != "", "the answer is empty", retry: answer;
        reply
    }
}

fn correct(example, reply) { metrics::exact_match(example.answer, reply.answer) }

const rag = Rag(k: 5);

test "a known answer" {
    let reply = rag(question: "Who wrote Dune?");
    assert reply.answer.contains("Herbert");
}

// Main: run by `dsp run`, not by eval, compile, test, serve or import.
let data  = load("hotpot.jsonl").split(train: 0.5, dev: 0.25, test: 0.25, seed: 7);
let tuned = random_search(metric: correct, max_calls: 2_000).compile(rag, trainset: data.train, valset: data.dev);
print(compare(rag, tuned, data.test, metric: correct));
tuned.save("rag.state.json");
"#;

const QA: &str =
    "/// Answer.\nsignature QA { in question: str in n: int = 4 out answer: str }\n";

fn qa(rest: &str) -> String {
    format!("{QA}{rest}")
}

#[test]
fn the_program_of_the_design_is_clean() {
    let checked = clean(DESIGN);
    let answer = &checked.signatures["Answer"];
    assert_eq!(&*answer.instructions, "Answer the question from the passages.");
    assert_eq!(answer.inputs.len(), 2);
    assert_eq!(checked.signatures["Triage"].contracts, 2);
    assert_eq!(checked.predictors["answer"].kind, "chain_of_thought");
    assert_eq!(checked.predictors["rag.answer"].signature.name, answer.name);
    assert_eq!(checked.settings.len(), 2);
    assert!(checked.main);
    assert_eq!(checked.tests.len(), 1);
}

#[test]
fn the_program_of_the_design_compiles() {
    let (text, _) = lowered(DESIGN);
    for wanted in [
        "fn Rag__new(k) { let k = if __is_absent(k) { 3 } else { k };",
        r#"__n_retrieve([k], #{from: __const("wiki")})"#,
        r#"__instance("Rag", [["k", k], ["search", search], ["answer", answer]])"#,
        r#"fn Rag__m_forward(question) { const self = this; const answer = __member(self, "answer");"#,
        "__call(answer, [], #{context: found.passages, question: question})",
        r#"__assert("assert", "reply.answer != \"\"", [["reply.answer", __l], ["", reply]], "the answer is empty", answer)"#,
        "__u0_exact_match(example.answer, reply.answer)",
        "fn __const_rag() { Rag__new(5) }",
        "fn __contracts_Triage(__v)",
        r#"let data  = __method(__n_load(["hotpot.jsonl"], #{}), "split", [], #{train: 0.5, dev: 0.25, test: 0.25, seed: 7});"#,
        r#"__n_random_search([], #{metric: Fn("correct"), max_calls: 2_000})"#,
        r#"tuned.save("rag.state.json");"#,
    ] {
        let text = without_sites(&text);
        assert!(text.contains(wanted), "no {wanted} in:\n{text}");
    }
}

/// Generated text without what tells the run which call of the program is made, and what
/// flowed where.
fn without_sites(text: &str) -> String {
    let mut out = text.to_owned();
    while let Some(at) = out.find("__mark(") {
        let inner = at + "__mark(".len();
        let mut depth = 1;
        let end = out[inner..].find(|it| {
            depth += i32::from(it == '(') - i32::from(it == ')');
            depth == 0
        });
        let end = inner + end.expect("brackets match");
        let value = without_frame(&out[inner..end]).unwrap_or_default().to_owned();
        out.replace_range(at..=end, &value);
    }
    while let Some(at) = out.find("let __f") {
        let end = at + out[at..].find("; ").expect("a statement ends") + 2;
        out.replace_range(at..end, "");
    }
    let mut parts = out.split(')');
    let mut all = parts.next().map(|it| without_frame(it).unwrap_or(it).to_owned());
    let all = all.get_or_insert_default();
    for part in parts {
        all.push(')');
        all.push_str(without_frame(part).unwrap_or(part));
    }
    all.clone()
}

/// Arguments without the last two, where they are a number and a frame.
fn without_frame(args: &str) -> Option<&str> {
    let (rest, frame) = args.rsplit_once(", ")?;
    let is_frame = frame == "0" || frame.starts_with("__f");
    let (rest, number) = rest.rsplit_once(", ").unwrap_or(("", rest));
    (is_frame && number.parse::<i64>().is_ok()).then_some(rest)
}

#[test]
fn sites_know_their_places() {
    let text = "fn f(p) { let a = p(1); for x in [a] { p(x); } || p(a) } f(1);";
    let (found, _) = lowered(text);
    for wanted in [
        "fn f(p) { let __f1 = __enter(1);  let a = __mark(__call(p, [1], #{}, 0, __f1), 0, __f1);",
        "for x in [a] { __mark(1, __f1);  __call(p, [x], #{}, 1, __f1);  }",
        "__mark(__mark(|| { let __f2 = __enter(2, __f1); __mark(__call(p, [a], #{}, 2, __f2), 2, __f2) }, 3, __f1), 4, __f1)",
        "__end({ __begin(3, 0); f(1) }, 3, 0);",
    ] {
        assert!(found.contains(wanted), "no\n{wanted}\nin:\n{found}");
    }
    // Where nothing is called, nothing is noted.
    let text = "fn f(a) { let b = a + 1; for x in [b] { b += x; } b } let c = f(1); c + 1";
    let (found, _) = lowered(text);
    assert!(!found.contains("__mark") && !found.contains("__enter"), "{found}");
}

#[test]
fn natives_have_examples_that_check_and_compile() {
    for native in dsp_lang::catalog::NATIVES {
        lowered(native.example);
        clean(native.example);
    }
}

#[test]
fn tables_are_sorted() {
    use dsp_lang::catalog as c;
    for table in [c::RHAI_FUNCTIONS, c::RHAI_METHODS, c::RHAI_IN_PLACE, c::RHAI_RESERVED] {
        assert!(table.is_sorted(), "{table:?}");
    }
}

#[test]
fn names() {
    expect("let x = 1; y", &["1:12 E0201 there is no `y` here"]);
    expect(
        "let count = 1; cuont",
        &["1:16 E0201 there is no `cuont` here (did you mean `count`?)"],
    );
    expect("x; let x = 1;", &["1:1 E0201 there is no `x` here (`let x` comes later)"]);
    expect(
        "let wiki = 1;\nfn f() { wiki }",
        &[
            "2:10 E0204 `wiki` is a variable of main, which items do not see (make it `const wiki = …;`, or pass it as an argument)",
        ],
    );
    expect(
        "predct(\"a -> b\")",
        &["1:1 E0202 there is no function `predct` (did you mean `predict`?)"],
    );
    expect(
        "eval(\"1\")",
        &["1:1 E0215 there is no `eval` (a program is checked before it runs)"],
    );
    expect("self.x", &["1:1 E0404 `self` stands outside a module's method"]);
    expect("type T = str; T", &["1:15 E0217 `T` is a type, which has no value"]);
    expect("const N = 1; N = 2;", &["1:14 E0213 `N` cannot be assigned: it does not change"]);
    expect("fn f(a, a) { a }", &["1:9 E0206 there are two parameters `a`"]);
    expect("fn f(a) { a } const f = 1;", &["1:21 E0205 there are two items named `f`"]);
    expect("fn f(a) { a } fn f(b) { b }", &["1:18 E0205 there are two functions `f`"]);
    clean("fn f(a) { a } fn f(a, b) { a + b } f(1) + f(1, 2)");
    clean("const N = 3; fn f() { N } const M = f; global::N");
    clean(
        "let xs = [1]; xs.map(|x| x + 1); for (x, i) in xs { print(x, i); } try { 1 } catch (e) { e }",
    );
    clean("let f = |a| a; f(1); fn g(h) { h(2) } g(f); g");
    clean("fn inc(n) { this.x += n; } let m = #{ x: 1 }; m.inc(2);");
    clean("let m = #{ x: 1, add: |n| this.x += n }; m.add(2);");
    clean("let x = switch 3 { 1 | 2 => 1, 3..5 if true => 2, _ => 4 };");
    clean("loop { if true { break; } else { continue; } }");
    clean("do { 1; } while false; let s = `a ${let q = 1; q + 1} b`;");
}

#[test]
fn predictor_calls() {
    let text = qa("let answer = predict(QA);\nlet r = answer(qestion: \"a\");");
    expect(&text, &["4:16 E0207 `QA` has no input `qestion` (did you mean `question`?)"]);
    let text = qa("let r = predict(QA)(question: \"2+2?\");\nprint(r.anwser);");
    expect(&text, &["4:9 E0203 `QA` has no output field `anwser` (did you mean `answer`?)"]);
    let text = qa("predict(QA)(question: 5);");
    expect(&text, &["3:23 E0211 the input `question` is str, found 5"]);
    let text = qa("predict(QA)(question: \"a\", question: \"b\");");
    expect(&text, &["3:28 E0210 `question` is given twice"]);
    let text = qa("predict(QA)(\"a\", 1, 2);");
    expect(&text, &["3:21 E0209 `QA` takes 2 arguments"]);
    let text = qa("QA(question: \"a\");");
    expect(
        &text,
        &[
            "3:1 E0212 `QA` is a signature, which nobody answers by itself (`predict(QA)(…)` asks a model)",
        ],
    );
    let text = qa("let n = 1; let question = \"q\"; predict(QA)(n, question);");
    expect(
        &text,
        &["3:32 W0202 `n` is given as the input `question` (name the arguments: `n: n`)"],
    );
    let text = qa("let r = predict(QA)(\"q\"); r.question");
    expect(
        &text,
        &[
            "3:29 E0203 `QA` has no output field `question` (`question` is an input; a reply holds the outputs)",
        ],
    );
    let text = qa("let r = predict(QA)(\"q\"); r.answer = \"x\";");
    expect(
        &text,
        &["3:27 E0213 a reply does not change (`reply.with(field: value)` is a changed copy)"],
    );
    clean(&qa("let r = chain_of_thought(QA)(\"q\"); r.reasoning; r.with(answer: 1).answer"));
    expect(
        &qa("let p = predict(QA); p = 1; p(xx: 1).yy"),
        &["3:29 W0212 an int cannot be called"],
    );
    clean(&qa("let question = \"q\"; let p = predict(QA, lm: \"a/b\"); p(n: 1, question); p(..#{ question })".replace("#{ question }", "#{ question: 1 }").as_str()));
}

#[test]
fn natives() {
    expect(
        "predict()",
        &["1:1 E0208 `predict` misses the argument `signature` (add `signature: …`)"],
    );
    expect(
        "predict(\"a -> b\", temprature: 1.0)",
        &["1:19 E0207 `predict` has no option `temprature` (did you mean `temperature`?)"],
    );
    expect(
        "predict(\"a -> b\", cache: 1)",
        &["1:26 E0211 the option `cache` is bool, found 1"],
    );
    expect("retrieve(3)", &["1:1 E0208 `retrieve` misses the option `from` (add `from: …`)"]);
    expect(
        "random_search(metric: |e, r| true).compile(trainset: [])",
        &["1:1 E0208 `compile` misses the argument `program` (add `program: …`)"],
    );
    expect(
        "load(\"a\").shufle()",
        &["1:11 E0214 a dataset has no `shufle` (did you mean `shuffle`?)"],
    );
    expect("load(\"a\", 2)", &["1:11 E0209 `load` takes 1 argument"]);
    expect(
        "let p = predict(\"a -> b\");\np.with(temperature: 1.0);\np",
        &[
            "2:3 W0201 the result of `with` is not used (`with` changes nothing, it returns another value: `let better = ….with(…);`)",
        ],
    );
    expect(
        "let s = \" a \"; let t = s.trim();",
        &[
            "1:26 W0203 `trim` works in place and returns nothing (call it as a statement of its own, then use the variable)",
        ],
    );
    clean("fn predict(x) { x } predict(1)");
    clean("let d = load(\"a\"); d.filter(|r| r.x).map(|r| r)[0].with(a: 1).b; d.len()");
}

#[test]
fn signature_texts() {
    expect(
        "predict(\"question context -> answer\")",
        &["1:19 E0110 expected `:` before the type, found `context`"],
    );
    expect(
        "predict(\"a: strr -> b\")",
        &["1:13 E0301 there is no type `strr` (did you mean `str`?)"],
    );
    expect("predict(\"a -> a\")", &["1:15 E0303 `a` is both an input and an output"]);
    expect(
        "predict(\"a -> b\")(c: 1)",
        &["1:19 E0207 the predictor has no input `c` (did you mean `a`?)"],
    );
    let types = Arc::default();
    let read = signature_from_str(
        "a: Optional[str], b: Literal['x', \"y\"] -> c: str | None, d: dict[str, List[int]] 'what', e: float(0..=1), f: { g: int, h: bool? }",
        &types,
        &|_| false,
    )
    .unwrap();
    assert_eq!(read.inputs.len(), 2);
    assert_eq!(read.outputs.len(), 4);
    assert_eq!(read.outputs[1].description.as_deref(), Some("what"));
    insta(&format!("{:?}", read.inputs[1].ty), r#"Enum([Str("x"), Str("y")])"#);
    insta(&format!("{:?}", read.outputs[0].ty), "Optional(Str)");
    insta(
        &format!("{:?}", read.outputs[2].ty),
        "Bounded(Float, Bound { min: Some(0.0), max: Some(1.0), max_excluded: false })",
    );
}

#[track_caller]
fn insta(found: &str, wanted: &str) {
    assert_eq!(found, wanted);
}

#[test]
fn signatures_and_types() {
    expect(
        "signature S { in a: strr out b }",
        &["1:21 E0301 there is no type `strr` (did you mean `str`?)"],
    );
    expect("signature S { in a in a out b }", &["1:23 E0302 the signature has two inputs `a`"]);
    expect(
        "signature S { in a out a }",
        &[
            "1:11 E0309 the signature `S` has no outputs (add what the model writes, such as `out answer: str`)",
            "1:24 E0303 `a` is both an input and an output (give one of them another name)",
        ],
    );
    expect(
        "signature S { in a: tool out b }",
        &["1:21 E0304 the type `tool` is not supported yet"],
    );
    expect(
        "signature S { in a: one_of(b) out b }",
        &["1:28 E0311 `b` is no list to choose from (did you mean `a`?)"],
    );
    expect(
        "signature S { in a: bool(1..3) out b: int(5..=1) }",
        &[
            "1:21 E0305 `bool` takes no bound (numbers, `str` (characters) and `list` (items) take bounds, such as `(1..=5)`)",
            "1:39 E0305 no value is within this bound (numbers, `str` (characters) and `list` (items) take bounds, such as `(1..=5)`)",
        ],
    );
    expect(
        "signature S { in a out b; assert bb != \"\"; }",
        &["1:34 E0306 `S` has no field `bb` (did you mean `b`?)"],
    );
    expect(
        "type T = { child: T };",
        &[
            "1:6 E0308 a value of `T` would hold itself without end (let it recur in a list, a dict or as `T?`)",
        ],
    );
    clean("type T = { name: str, children: list[T], parent: T? };");
    expect(
        "signature S { in n: int = \"a\" out b }",
        &["1:27 E0310 the default is \"a\", the field int"],
    );
    expect(
        "signature S { in n: dict[int, str] out b }",
        &["1:21 E0307 the keys of a `dict` are `str` (write `dict[str, T]`)"],
    );
    let checked = clean("signature S { in a: int(1..5) in b: \"x\" | \"y\" | 3 in c: str(..=9) out d: list[str](1..) 'what' }".replace("'what'", "\"what\"").as_str());
    let s = &checked.signatures["S"];
    insta(
        &format!("{:?}", s.inputs[0].ty),
        "Bounded(Int, Bound { min: Some(1.0), max: Some(5.0), max_excluded: true })",
    );
    insta(&format!("{:?}", s.inputs[1].ty), r#"Enum([Str("x"), Str("y"), Int(3)])"#);
    insta(
        &format!("{:?}", s.inputs[2].ty),
        "Bounded(Str, Bound { min: None, max: Some(9.0), max_excluded: false })",
    );
    insta(
        &format!("{:?}", s.outputs[0].ty),
        "Bounded(List(Str), Bound { min: Some(1.0), max: None, max_excluded: false })",
    );
}

#[test]
fn modules() {
    expect(
        "module M { let a = predict(\"a -> b\"); }",
        &[
            "1:8 E0401 the module `M` has no method `forward` (a call of the module runs `fn forward(…) { … }`)",
        ],
    );
    let base = qa(
        "module M(k = 1) { let p = predict(QA); fn forward(question, n) { BODY } fn other(a) { a } fn all() { [k, p] } }\n",
    );
    let with = |body: &str, rest: &str| base.replace("BODY", body) + rest;
    clean(&with(
        "p(question).answer; self.other(1); self.p(question).answer; k; self",
        "M()(1, 2); M(2).other(a: 1); M(k: 1).p(question: \"q\").answer; M().with(rollout: 1).k",
    ));
    expect(
        &with("p = 1;", ""),
        &[
            "3:66 E0402 `p` is a member, and members do not change (declare a variable of another name with `let`)",
        ],
    );
    expect(
        &with("p(questin: question)", ""),
        &["3:68 E0207 `QA` has no input `questin` (did you mean `question`?)"],
    );
    expect(
        &with("self.othr(1)", ""),
        &["3:71 E0214 the module `M` has no `othr` (did you mean `other`?)"],
    );
    expect(
        &with("1", "let m = M(); m.pp; m(question: 1)"),
        &[
            "4:16 E0214 the module `M` has no `pp` (did you mean `p`?)",
            "4:20 E0208 `M` misses the input `n` (add `n: …`)",
        ],
    );
    expect(
        &with("1", "M(3, 4); M(kk: 3);"),
        &[
            "4:6 E0209 `M` takes 1 argument",
            "4:12 E0207 `M` has no parameter `kk` (did you mean `k`?)",
        ],
    );
    expect(
        &with("assert n > 1, \"w\", retry: QA; 1", ""),
        &[
            "3:92 E0216 `retry:` takes a predictor, found a signature (name the member whose call is to be asked again)",
        ],
    );
    expect(
        "module M { let a = 1; let a = 2; fn forward() { a } }",
        &["1:27 E0403 the module `M` has two members `a`"],
    );
}

#[test]
fn settings_and_imports() {
    expect(
        "settings { lmm: \"a\" }",
        &["1:12 E0011 there is no setting `lmm` (did you mean `lm`?)"],
    );
    expect(
        "settings { lm: 1 + 1 }",
        &[
            "1:16 E0012 the setting `lm` is not constant (write a literal: settings are read before anything runs)",
        ],
    );
    expect("settings { lm: 1 }", &["1:16 E0013 the setting `lm` is str, found int"]);
    expect(
        "import \"lib\" as lib;",
        &["1:8 E0014 a text without a place imports no files (load it from a file)"],
    );
    expect(
        "import \"std/metrics\" as m; m::f2(1, 2)",
        &["1:31 E0201 `m` has no `f2` (did you mean `f1`?)"],
    );
}

#[test]
fn lowering() {
    for (text, wanted) in [
        ("let match = 1; match + 1", "let match_ = 1; match_ + 1"),
        (
            "let m = #{ match: 1, a: 2 }; m.match; m?.new",
            "let m = #{ \"match\": 1, a: 2 }; m[\"match\"]; m?[\"new\"]",
        ),
        ("fn new(default) { default } new(1); [1].map(new)", "new_(1); [1].map(Fn(\"new_\"))"),
        (
            "fn f(a, b = 2, ..c) { a } f(1); f(b: 1, a: 2, x: 3)",
            "f(1, __absent(), #{}); f(2, 1, #{x: 3})",
        ),
        (
            "fn f(a, b = 2) { a } f(1, 2)",
            "fn f(a, b) { let b = if __is_absent(b) { 2 } else { b };  a  }",
        ),
        ("fn f(a) { a } f(..#{ a: 1 })", "__call(Fn(\"f\"), [], __spread(#{}, #{ a: 1 }))"),
        (
            "let f = |x| x; f(1); (|x| x)(2)",
            "let f = |x| x; __call(f, [1], #{}); __call((|x| x), [2], #{})",
        ),
        ("let a = [1]; a.push(2); a.len()", "let a = [1]; a.push(2); a.len()"),
        (
            "let p = predict(\"a -> b\"); p.with(rollout: 1)",
            "__method(p, \"with\", [], #{rollout: 1})",
        ),
        ("predict(signature { in a out b })", "__n_predict([__inline(0, 8)], #{})"),
        ("predict(\"a -> b\")", "__n_predict([__inline(0, 8)], #{})"),
        (
            "print(\"a\", 1); let p = print; p(1)",
            "__n_print([\"a\", 1], #{}); let p = __native(\"print\"); __call(p, [1], #{})",
        ),
        (
            "let s = `a ${[1].map(|x| print(x))} b`; s",
            "let s = `a ${[1].map(|x| __n_print([x], #{}))} b`; s",
        ),
        (
            "let x = 1; assert x > 1;",
            "{ const __l = x; const __r = 1; if !(__l > __r) { __assert(\"assert\", \"x > 1\", [[\"x\", __l]], (), ()); } }",
        ),
        (
            "let x = #{}; suggest x.a && x.b.c, \"w\";",
            "if !__condition(x.a && x.b.c) { __assert(\"suggest\", \"x.a && x.b.c\", [[\"x.a\", x.a], [\"\", x]], \"w\", ()); }",
        ),
        ("/// Doc\nfn f() { 1 }\nf()", "fn f() {  1  }"),
        (
            "module M { fn forward() { 1 } } let m = M(); m.forward(); [M]",
            "__method(m, \"forward\", [], #{}); [__class(\"M\")]",
        ),
        (
            "module M(k) { fn forward(a) { || k + a } fn b() { self.forward(1) } }",
            "fn M__m_b() { const self = this;  __method(self, \"forward\", [1], #{})  }",
        ),
        ("let x = (); x?.foo(a: 1)", "__method_opt(x, \"foo\", [], #{a: 1})"),
        (
            "signature S { in a out b } S.instructions; predict(S)",
            "__signature(\"S\").instructions; __n_predict([__signature(\"S\")], #{})",
        ),
        (
            "const N = 1; if N == 1 { N } else { 2 }",
            "if __const(\"N\") == 1 { __const(\"N\") } else { 2 }",
        ),
        (
            "let question = 1; let p = predict(\"question, n: int -> b\"); p(n: 1, question)",
            "__call(p, [], #{n: 1, question: question})",
        ),
        ("fn int.double() { this * 2 } 2.double()", "fn int.double() {  this * 2  }"),
        (
            "module M { fn filter(f) { f } fn forward() { self } } [1].filter(|x| true); [1].push(1)",
            "__method([1], \"filter\", [|x| true], #{}); [1].push(1)",
        ),
        (
            "let f = |x| { assert x > 1, \"w\"; }; f(2);",
            "let f = |x| { { { const __l = x; const __r = 1; if !(__l > __r) { __assert(",
        ),
        ("[1].len(); PI(); type_of(1)", "[1].len(); PI(); __type_of(1)"),
    ] {
        let found = without_sites(&lowered(text).0);
        assert!(found.contains(wanted), "no\n{wanted}\nin:\n{found}");
    }
}

#[test]
fn prior_units_and_locals() {
    let first = "fn f(a, b = 1) { a } signature S { in a out b } let p = predict(S);";
    let (one, _) = analyse(first);
    let one = Arc::new(one);
    let second = "f(1); p(aa: 1)";
    let source = SourceId(1);
    let parsed = parse(source, second);
    let (two, diags) =
        check(&parsed, source, second, std::slice::from_ref(&one), &["p".into()]);
    let shown: Vec<String> = diags.iter().map(|it| show(second, it)).collect();
    assert_eq!(shown, ["1:9 E0207 `S` has no input `aa` (did you mean `a`?)"]);
    assert_eq!(two.resolutions[&0], Resolution::Function);
    let mut linked = Linked::default();
    let a = lower(&mut linked, &one, first).unwrap();
    let b = lower(&mut linked, &two, second).unwrap();
    assert_eq!(a.end, b.start);
    let text = without_sites(&linked.text()[b]);
    assert!(text.contains("f(1, __absent()); __call(p, [], #{aa: 1})"));
}

/// The place that Rhai reports for an error of running `text`.
fn failure(text: &str) -> (usize, usize) {
    let (generated, linked) = lowered(text);
    let mut engine = engine();
    engine.register_fn("__is_absent", |_: rhai::Dynamic| false);
    engine.register_fn("__n_print", |_: rhai::Array, _: rhai::Map| {});
    engine.register_fn(
        "__const",
        |context: rhai::NativeCallContext<'_>,
         name: &str|
         -> Result<rhai::Dynamic, Box<rhai::EvalAltResult>> {
            context
                .call_native_fn::<rhai::Dynamic>("__none", ())
                .or_else(|_| context.call_fn(format!("__const_{name}"), ()))
        },
    );
    let error = engine.run(&generated).expect_err("it fails");
    let mut at = error.position();
    let mut inner = &*error;
    while let rhai::EvalAltResult::ErrorInFunctionCall(_, _, next, _) = inner {
        inner = next;
        at = inner.position();
    }
    let (line, column) = (at.line().expect("a line"), at.position().unwrap_or(1));
    let (source, offset) = linked.locate(line, column).expect("a place");
    assert_eq!(source, SOURCE);
    position(text, offset)
}

#[test]
fn runtime_errors_map_back() {
    for (text, line, column) in [
        ("let a = 1;\nlet b = \"ö\" + missing;\n1 / 0", 3, 3),
        ("fn f(x, y = 2) {\n    let z = x;\n    z + y.foo\n}\nprint(1); f(1, 2)", 3, 11),
        ("let x = 1;\n\nassert x.foo > 2;", 3, 10),
        ("let x = 1; let y = true || x;\nprint(\"é\", x.foo);", 2, 14),
        ("const N = [1][4];\nprint(N)", 1, 15),
    ] {
        let text = text.replace(" + missing", "");
        assert_eq!(failure(&text), (line, column), "in:\n{text}");
    }
}

#[test]
fn places_inside_strings_with_escapes_are_the_string() {
    expect(
        "predict(\"a: strr \\\"x\\\" -> b\")",
        &["1:9 E0301 there is no type `strr` (did you mean `str`?)"],
    );
}

#[test]
fn long_programs_are_checked_quickly() {
    let line = "let r = p(question: \"a\").with(answer: f(1, 2)).answer.len();\n";
    let chain = ".with(rollout: 1)".repeat(100);
    let text = format!(
        "fn f(a, b) {{ a + b }}\nlet p = predict(\"question -> answer\"){chain};\n{}",
        line.repeat(3000)
    );
    let (checked, diags) = analyse(&text);
    assert!(diags.is_empty(), "{:?}", diags.first());
    assert!(checked.main);
    lower(&mut Linked::default(), &checked, &text).unwrap();
}

#[test]
fn long_lines_are_broken() {
    let items = vec!["print(1)"; 20_000].join(", ");
    let (text, _) = lowered(&format!("let x = [{items}];"));
    assert!(text.lines().all(|it| it.len() < 40_000));
    let many = "print(1);\n".repeat(70_000);
    let (checked, _) = analyse(&many);
    let error = lower(&mut Linked::default(), &checked, &many).expect_err("too long");
    assert_eq!(error.code.0, "E0015");
}

/// Programs to be mutilated.
const SEEDS: &[&str] = &[
    DESIGN,
    "fn f(a: int = 1 \"what\", b, ..rest) -> str { a } let x = f(1, b: 2); x.y(1)?.z[2] = 3; f!(1)",
    "module Inner(match) { let p = predict(\"a -> b\"); fn forward(a) { p(a) } }\nmodule Outer { let inner = Inner(1); fn forward(..x) { inner(..x).b; self.inner.p(a: 1) } }\nlet o = Outer(); o(a: 1); o.inner.p.demos",
    "let xs = [1, 2.5, 'c', `t ${xs.len()} t`, #{ a: 1, \"b\": || 2 }]; for (x, i) in xs { if x == 1 { continue } else if i > 2 { break; } }",
    "switch x { 1 | 2 => 3, 4..6 if y => { return 1; }, _ => throw \"x\" } try { 1 } catch (e) { e } do { 1 } until true; while true { loop { break 2; } }",
    "signature { in a: one_of(b) out c: list[{ x: int(1..=5) \"d\", y: \"p\" | 2 | true }]? assert c.len() > 1, \"m\", retry: z; }",
    "fn f(a: int = 1 \"what\", b = 2, ..rest) -> str { let q = a; return q; } let x = f(1, b: 2); x.y.z[2] = 3; f!(1); let match = [1, 2.5][0]; match += x?.new ?? 3;",
    "let xs = [1, 2.5, 'c', `t ${1 + 2} t`, #{ a: 1, \"b\": || 2 }]; for (x, i) in xs { if x == 1 { continue; } else if i > 2 { break; } assert x != 1 && i in xs, `why ${x}`; } xs.push(1); xs.map(|default, i| default + i);",
    "module Inner(match) { let p = predict(\"a -> b\"); fn forward(a, b = 1) { let r = p(a); assert r.b != a, \"w\", retry: p; self.forward(a).b + self.match } }\nmodule Outer { let inner = Inner(1); fn forward(..x) { inner(..x).b } }\nlet o = Outer(); o(a: 1); o.inner.p.demos; o.with(rollout: 1).inner.forward(1, b: 2)",
    "let x = 3; let y = switch x { 1 | 2 => 3, 4..6 if x > 1 => { let z = 1; z } 'c' => 4, _ => 5 }; try { throw \"x\"; } catch (e) { print(e); } do { x -= 1; } until x == 0; while true { loop { break 2; } } let f = |a| |b| a + b; f(1)(2); (f)(3)",
    "fn int.double() { this * 2 } fn add(x) { this += x; } let n = 2; n.double(); n.add(1); let f = |x| { assert x > 0, \"w\"; x }; let h = |x| n = x; let k = #{ `a`: 1, b: () }; k.b ?? return 3; if n == 1 {} else if n == 2 { n } else { k.a }",
    "signature A { in a: str out c: list[{ x: int(1..=5) \"d\", y: \"p\" | 2 | true }]?; assert c.len() > 1, \"m\"; } let p = predict(signature { in match: str = \"x\" out b: float(..=1); assert match != \"y\" || b in 0..1; }); p(match: \"q\").b; let q = chain_of_thought(A); q.signature.with_field(\"out x\").fields",
    "type T = list[T]? | dict[str, int](..5); settings { lm: \"a\", seed: -1 } test \"t\" { assert(1 == 1, \"w\"); } export let q = 1; private const R = global::q; import \"x\" as y; y::z(1)",
];

fn mutilated() -> impl Strategy<Value = String> {
    let seed = proptest::sample::select(SEEDS);
    let edits = proptest::collection::vec((any::<u16>(), any::<u16>(), 0_u8..4), 0..6);
    (seed, edits).prop_map(|(seed, edits)| {
        let mut tokens: Vec<String> =
            dsp_lang::syntax::lex(seed).iter().map(|it| it.text(seed).to_owned()).collect();
        for (a, b, how) in edits {
            let (a, b) = (usize::from(a) % tokens.len(), usize::from(b) % tokens.len());
            match how {
                0 => drop(tokens.remove(a)),
                1 => tokens.swap(a, b),
                2 => tokens.insert(a, tokens[b].clone()),
                _ => tokens[a] = tokens[b].clone(),
            }
            if tokens.is_empty() {
                break;
            }
        }
        tokens.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_clean_programs_compile(text in mutilated()) {
        let (checked, diags) = analyse(&text);
        for diag in &diags {
            let at = diag.primary.as_ref().unwrap();
            prop_assert!(at.span.end as usize <= text.len() && text.get(at.span.range()).is_some());
        }
        let mut linked = Linked::default();
        lower(&mut linked, &checked, &text).unwrap();
        if diags.iter().all(|it| it.severity == Severity::Warning)
            && let Err(error) = engine().compile(linked.text())
        {
            return Err(TestCaseError::fail(format!("{error} in:\n{text}\n---\n{}", linked.text())));
        }
    }

    #[test]
    fn signature_texts_never_panic(text in "[a-zé,:>'\"\\[\\]{}()|?. 0-9-]{0,40}") {
        let _ = signature_from_str(&text, &Arc::default(), &|_| false);
    }
}
