//! Text to tree: what is understood, what is told, and that nothing is lost.

use dsp_lang::source::{SourceId, Span};
use dsp_lang::syntax::ast::{self, is_word};
use dsp_lang::syntax::text::{Number, dedent, number};
use dsp_lang::syntax::{
    Child, Node, NodeKind, Parse, TokenKind, lex, parse, parse_field, parse_signature,
    parse_type,
};
use proptest::prelude::*;

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
#[expect(
    clippy::disallowed_methods,
    reason = "the design stands beside the package, if at all"
)]
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
fn parenthesised(node: &Node, text: &str) -> String {
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
    on_a_thread(|| {
        for (open, inside, close) in NESTED {
            for times in [201, 5_000] {
                let text = [open.repeat(times).as_str(), inside, &close.repeat(times)].concat();
                read(&text);
            }
        }
        for (open, inside, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("|x| ", "1", ""),
            ("- ", "1", ""),
            ("`${", "1", "}`"),
            ("a.b", "", ".c"),
        ] {
            let text = [open.repeat(100_000).as_str(), inside, &close.repeat(100_000)].concat();
            let told = errors(&text);
            assert_eq!(told.len(), 1, "{open}: {told:?}");
            assert!(told[0].contains("E0119"), "{told:?}");
        }
    });
}

const NESTED: [(&str, &str, &str); 58] = [
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

#[test]
fn nesting_as_programs_have_it_is_understood() {
    let nested =
        [("(", ")"), ("[", "]"), ("f(", ")"), ("- ", ""), ("|x| ", ""), ("if a { ", "}")];
    for (open, close) in nested {
        clean(&[open.repeat(60).as_str(), "a", &close.repeat(60)].concat());
    }
    clean(&["a", &" + a".repeat(300)].concat());
    clean(&["a", &".b(1)".repeat(150)].concat());
}

/// The tree without commas, brackets and the like: `(Binary 1 + (Name x))`, literals and names
/// by their text.
fn shape(node: &Node, text: &str) -> String {
    let mut parts = vec![format!("{:?}", node.kind)];
    for child in &node.children {
        match child {
            Child::Node(node) => parts.push(shape(node, text)),
            Child::Token(token) if token.kind.is_trivia() => {}
            Child::Token(token)
                if ", ; ( ) { } [ ] :".split(' ').any(|it| it == token.text(text)) => {}
            Child::Token(token) => parts.push(token.text(text).to_owned()),
        }
    }
    match node.kind {
        NodeKind::Root => parts[1..].join(" "),
        NodeKind::Name | NodeKind::Literal | NodeKind::TypeName => parts[1..].join(" "),
        _ => format!("({})", parts.join(" ")),
    }
}

#[track_caller]
fn reads(text: &str, expected: &str) {
    assert_eq!(shape(&clean(text).tree, text), expected, "{text}");
}

#[test]
fn our_expressions_have_their_trees() {
    reads(
        "rag(k: 1)(q: 2);",
        "(ExprStmt (Call (Call rag (Args (NamedArg k 1))) (Args (NamedArg q 2))))",
    );
    reads(
        "tuned.answer(x, ..row, in: 2)",
        "(ExprStmt (MethodCall tuned . answer (Args (Arg x) (SpreadArg .. row) (NamedArg in 2))))",
    );
    reads("(a)(1)", "(ExprStmt (Call (Paren a) (Args (Arg 1))))");
    reads("a[0](1)", "(ExprStmt (Call (Index a 0) (Args (Arg 1))))");
    reads(
        "|x| { x }(1)",
        "(ExprStmt (Call (Closure | (Param x) | (Block (ExprStmt x))) (Args (Arg 1))))",
    );
    reads("f!(1)", "(ExprStmt (Call f ! (Args (Arg 1))))");
    reads("reply.match.default", "(ExprStmt (Member (Member reply . match) . default))");
    reads(
        "#{ default: 1, in: 2, \"a b\": 3 }",
        "(ExprStmt (Map #{ (MapEntry default 1) (MapEntry in 2) (MapEntry \"a b\" 3)))",
    );
    reads(
        "a(1); b\n;(2)",
        "(ExprStmt (Call a (Args (Arg 1)))) (ExprStmt b) (ExprStmt (Paren 2))",
    );
    reads("1..5", "(ExprStmt (Binary 1 .. 5))");
    reads(
        "a[..5]; a[5..]; a[..]",
        "(ExprStmt (Index a (Binary .. 5))) (ExprStmt (Index a (Binary 5 ..))) (ExprStmt (Index a (Binary ..)))",
    );
    reads("-1.abs()", "(ExprStmt (MethodCall (Unary - 1) . abs (Args)))");
    reads("- 1.abs()", "(ExprStmt (Unary - (MethodCall 1 . abs (Args))))");
    reads("x ?? return 5", "(ExprStmt (Binary x ?? (Return return 5)))");
    reads("a::b::f(1)", "(ExprStmt (Call (Path a :: b :: f) (Args (Arg 1))))");
    reads("if a {} (b)", "(ExprStmt (If if a (Block))) (ExprStmt (Paren b))");
    reads(
        "let s = signature { in q: str  out a: int };",
        "(Let let s = (SignatureExpr signature (FieldDecl in q str) (FieldDecl out a int)))",
    );
    reads("if signature { 1 }", "(ExprStmt (If if signature (Block (ExprStmt 1))))");
}

#[test]
fn a_parenthesis_on_the_next_line_is_another_statement() {
    let told = errors("let f = g\n(1)");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("1:10 E0111"), "{told:?}");
}

#[test]
fn our_words_are_names_elsewhere() {
    reads("let test = 1; test + 1", "(Let let test = 1) (ExprStmt (Binary test + 1))");
    reads("type == 2", "(ExprStmt (Binary type == 2))");
    reads(
        "let type = settings; signature.x",
        "(Let let type = settings) (ExprStmt (Member signature . x))",
    );
    reads(
        "assert.x; suggest = 1; assert; suggest[0]",
        "(ExprStmt (Member assert . x)) (ExprStmt (Assign suggest = 1)) (ExprStmt assert) (ExprStmt (Index suggest 0))",
    );
    reads(
        "fn assert(x) { x } assert(1);",
        "(FnItem fn assert (ParamList (Param x)) (Block (ExprStmt x))) (ExprStmt (Call assert (Args (Arg 1))))",
    );
    reads(
        "test(1); settings(2); out + 1; private(3)",
        "(ExprStmt (Call test (Args (Arg 1)))) (ExprStmt (Call settings (Args (Arg 2)))) (ExprStmt (Binary out + 1)) (ExprStmt (Call private (Args (Arg 3))))",
    );
    reads(
        "signature S { in in: str out out: str in test out type }",
        "(SignatureItem signature S (FieldDecl in in str) (FieldDecl out out str) (FieldDecl in test) (FieldDecl out type))",
    );
    reads(
        "signature S { in assert: str }",
        "(SignatureItem signature S (FieldDecl in assert str))",
    );
}

#[test]
fn contracts_have_their_trees() {
    reads("assert c;", "(Assert assert c)");
    reads("assert c, \"why\";", "(Assert assert c \"why\")");
    reads("suggest c, \"why\", retry: a.b;", "(Assert suggest c \"why\" retry (Member a . b))");
    reads("assert c, retry: a;", "(Assert assert c retry a)");
    reads("assert(c, \"why\", retry: a);", "(Assert assert c \"why\" retry a)");
    reads("assert(c);", "(Assert assert c)");
    reads("assert (a) && b, \"why\";", "(Assert assert (Binary (Paren a) && b) \"why\")");
    reads(
        "assert !(a && b), \"why\";",
        "(Assert assert (Unary ! (Paren (Binary a && b))) \"why\")",
    );
    reads("assert -x < 1;", "(Assert assert (Binary (Unary - x) < 1))");
    reads(
        "assert [1].all(|x| x > 0);",
        "(Assert assert (MethodCall (Array 1) . all (Args (Arg (Closure | (Param x) | (Binary x > 0))))))",
    );
    let text = "assert c, \"why\", retry: p;";
    let tree = clean(text).tree;
    let view = ast::Assert::cast(tree.nodes().next().unwrap()).unwrap();
    assert_eq!(view.condition().unwrap().text(text), "c");
    assert_eq!(view.message().unwrap().text(text), "\"why\"");
    assert_eq!(view.retry().unwrap().text(text), "p");
}

#[test]
fn items_have_their_trees() {
    reads(
        "signature S {\n in a: list[str] \"what\"\n in b\n out c: \"x\" | \"y\" = \"x\" `why`, out d: int(1..=5)?; assert c != a; }",
        "(SignatureItem signature S (FieldDecl in a (TypeGeneric list str) \"what\") (FieldDecl in b) \
         (FieldDecl out c (TypeUnion (TypeLiteral \"x\") | (TypeLiteral \"y\")) = \"x\" (Template ` why `)) \
         (FieldDecl out d (TypeOptional (TypeBounded int 1 ..= 5) ?)) (Assert assert (Binary c != a)))",
    );
    reads(
        "signature S { in n: int = 4\n in m: int = -1 in l: list[str] = [] out o }",
        "(SignatureItem signature S (FieldDecl in n int = 4) (FieldDecl in m int = (Unary - 1)) \
         (FieldDecl in l (TypeGeneric list str) = (Array)) (FieldDecl out o))",
    );
    reads(
        "private fn f(a: T = 1 \"what\", ..rest, in: str) -> lib::T { }",
        "(FnItem private fn f (ParamList (Param a T = 1 \"what\") (Param .. rest) (Param in str)) -> lib :: T (Block))",
    );
    reads(
        "module M(k = 3) { let a = 1; fn forward() { } private fn g() { } }",
        "(ModuleItem module M (ParamList (Param k = 3)) (Let let a = 1) (FnItem fn forward (ParamList) (Block)) \
         (FnItem private fn g (ParamList) (Block)))",
    );
    reads("module M { }", "(ModuleItem module M)");
    reads(
        "settings { lm: \"a\", max_usd: 2.0\n seed: 1 }",
        "(SettingsItem settings (SettingEntry lm \"a\") (SettingEntry max_usd 2.0) (SettingEntry seed 1))",
    );
    reads("test \"a\" { 1 }", "(TestItem test \"a\" (Block (ExprStmt 1)))");
    reads("import \"a\" as b;", "(ImportItem import \"a\" as b)");
    reads(
        "export const A = 1; export let b = 2; export b as c;",
        "(ConstItem export const A = 1) (Let export let b = 2) (Export export b as c)",
    );
    reads(
        "type T = { a: str \"what\", b: T?\n c };",
        "(TypeItem type T = (TypeRecord (RecordField a str \"what\") (RecordField b (TypeOptional T ?)) (RecordField c)))",
    );
    reads(
        "type T = one_of(xs) | float(0..) | str(..<5) ;".replace("..<5", "..5").as_str(),
        "(TypeItem type T = (TypeUnion (TypeOneOf one_of xs) | (TypeBounded float 0 ..) | (TypeBounded str .. 5)))",
    );
    reads(
        "fn int.double() { this }",
        "(FnItem fn int . double (ParamList) (Block (ExprStmt this)))",
    );
    let text = "fn int.double() { this }";
    let tree = clean(text).tree;
    let view = ast::FnItem::cast(tree.nodes().next().unwrap()).unwrap();
    assert_eq!(view.name(text).unwrap().text(text), "double");
}

fn place(text: &str) -> Span {
    Span::new(SourceId(3), 100, 100 + text.len())
}

#[track_caller]
fn signature(text: &str) -> String {
    let parsed = parse_signature(place(text), text);
    assert!(parsed.diags.is_empty(), "{text}: {:?}", parsed.diags);
    shape(&parsed.tree, text)
}

#[test]
fn signatures_in_strings_are_read() {
    assert_eq!(signature("question -> answer"), "(FieldDecl question) -> (FieldDecl answer)");
    assert_eq!(
        signature("question, context: list[str] -> answer: Optional[str], why: 'a' | None"),
        "(FieldDecl question) (FieldDecl context (TypeGeneric list str)) -> \
         (FieldDecl answer (TypeGeneric Optional str)) \
         (FieldDecl why (TypeUnion (TypeLiteral 'a') | None))"
    );
    assert_eq!(
        signature("in: str -> out: Literal['a', 'b'] 'how sure'"),
        "(FieldDecl in str) -> (FieldDecl out (TypeGeneric Literal (TypeLiteral 'a') (TypeLiteral 'b')) 'how sure')"
    );
    let text = "a, in -> out, d: int";
    let parsed = parse_signature(place(text), text);
    let (inputs, outputs) = ast::sides(&parsed.tree);
    let names = |fields: &[ast::FieldDecl<'_>]| {
        fields.iter().map(|it| it.name().unwrap().text(text)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((names(&inputs), names(&outputs)), ("a in".to_owned(), "out d".to_owned()));
}

#[test]
fn mistakes_in_strings_are_told_inside_them() {
    for (text, at, code) in [
        ("question", 108, "E0110"),
        ("question -> ", 111, "E0110"),
        ("q: [str] -> a", 103, "E0124"),
        ("q -> a b", 107, "E0110"),
        ("q -> a; b", 106, "E0110"),
        ("q -> a: list[", 113, "E0124"),
    ] {
        let parsed = parse_signature(place(text), text);
        let told: Vec<_> = parsed
            .diags
            .iter()
            .map(|it| (it.primary.as_ref().unwrap().span, it.code.0))
            .collect();
        assert_eq!(told.len(), 1, "{text}: {:?}", parsed.diags);
        assert_eq!((told[0].0.start, told[0].1), (at, code), "{text}: {:?}", parsed.diags);
        assert_eq!(told[0].0.source, SourceId(3));
    }
    let field = "out confidence: float(0..=1) 'how sure'";
    let parsed = parse_field(place(field), field);
    assert!(parsed.diags.is_empty());
    let view = ast::FieldDecl::cast(parsed.tree.nodes().next().unwrap()).unwrap();
    assert!(view.is_output(field));
    assert_eq!(view.name().unwrap().text(field), "confidence");
    let description = ast::string_value(view.description().unwrap(), field);
    assert_eq!(description.as_deref(), Some("how sure"));
    let ty = "list[str](1..=3)?";
    assert_eq!(
        shape(&parse_type(place(ty), ty).tree, ty),
        "(TypeOptional (TypeBounded (TypeGeneric list str) 1 ..= 3) ?)"
    );
    assert_eq!(parse_type(place("int int"), "int int").diags.len(), 1);
    assert_eq!(parse_type(place(""), "").diags.len(), 1);
}

#[test]
fn literals_have_the_values_that_rhai_gives_them() {
    let engine = rhai_engine();
    let mut literals = 0;
    let corpus =
        [include_str!("syntax/rhai.txt"), include_str!("syntax/literals.txt")].concat();
    for piece in corpus.split("----\n") {
        let tree = clean(piece).tree;
        for node in
            tree.walk().filter(|it| matches!(it.kind, NodeKind::Literal | NodeKind::Template))
        {
            let Some(ours) = ast::string_value(node, piece) else { continue };
            // The column of the quote counts in continued lines.
            let line = piece[..node.start as usize].rfind('\n').map_or(0, |at| at + 1);
            let indent = " ".repeat(piece[line..node.start as usize].chars().count());
            let theirs: rhai::Dynamic =
                engine.eval(&[&indent, node.text(piece)].concat()).unwrap();
            let theirs = theirs.to_string();
            // Rhai passes over a line end behind the first back-tick, and dedents nothing.
            let lines = node.kind == NodeKind::Template && node.text(piece).contains('\n');
            let theirs = if lines { dedent(&["\n", &theirs].concat()) } else { theirs };
            assert_eq!(ours, theirs, "{}", node.text(piece));
            literals += 1;
        }
    }
    assert!(literals > 60, "only {literals}");
}

#[test]
fn numbers_have_the_values_that_rhai_gives_them() {
    let engine = rhai_engine();
    for shown in [
        "0",
        "1_000",
        "0xff",
        "0XFF_ff",
        "0b1010",
        "0o17",
        "1.5",
        "1.",
        "1e3",
        "1E-3",
        "1.5e+2",
        "1_0.0_1",
        "9223372036854775807",
        "9223372036854775808",
        "0xffffffffffffffff",
        "1__0",
        "1_",
    ] {
        let theirs = engine.eval::<rhai::Dynamic>(&format!("({shown})")).unwrap();
        let ours = match number(shown).unwrap() {
            Number::Int(it) => rhai::Dynamic::from(it),
            Number::Float(it) => rhai::Dynamic::from(it),
        };
        assert_eq!(format!("{theirs:?}"), format!("{ours:?}"), "{shown}");
    }
}

#[test]
fn documentation_keeps_its_lines() {
    let docs = |text: &str| {
        let tree = read(text).tree;
        let item = tree.nodes().last().unwrap();
        ast::docs(&tree, item, text)
    };
    assert_eq!(
        docs("/// One.\n///   two\n///\n/// Three.\nfn f() {}").unwrap(),
        "One.\n  two\n\nThree."
    );
    assert_eq!(docs("/** One. */ fn f() {}").unwrap(), "One.");
    assert_eq!(docs("/**\n * One.\n *   - two\n */\nfn f() {}").unwrap(), "One.\n  - two");
    assert_eq!(docs("/**\n  One.\n    two\n*/\nfn f() {}").unwrap(), "One.\n  two");
    assert_eq!(docs("/// a\n// plain\n/// b\nfn f() {}").unwrap(), "a\nb");
    assert_eq!(docs("/// of the file\n\n/// b\nfn f() {}").unwrap(), "b");
    assert_eq!(docs("/// of g\nfn g() {}\nfn f() {}"), None);
    assert_eq!(docs("// plain\nfn f() {}"), None);
    assert_eq!(docs("/// a\n\nfn f() {}"), None);
    assert_eq!(docs("///a\r\n///  b\r\nfn f() {}").unwrap(), "a\n  b");
}

#[test]
fn descriptions_are_dedented() {
    let prose = |text: &str| {
        let tree = clean(text).tree;
        let field = tree.walk().find_map(ast::FieldDecl::cast).unwrap();
        ast::prose(field.description().unwrap(), text).unwrap()
    };
    assert_eq!(
        prose("signature S { in a: str `\n        one\n          two\n    ` }"),
        "one\n  two"
    );
    assert_eq!(
        prose("signature S { in a: str #\"\n        one\n          two\n    \"# }"),
        "one\n  two"
    );
    assert_eq!(prose("signature S { in a: str \"one\\ntwo\" }"), "one\ntwo");
    assert_eq!(prose("signature S { in a: \"x\" \"one\" }"), "one");
}

#[test]
fn tokens_are_cut_as_in_rhai() {
    use TokenKind as T;
    let kinds = |text: &str| {
        lex(text).iter().map(|it| it.kind).filter(|it| *it != T::Whitespace).collect::<Vec<_>>()
    };
    assert_eq!(kinds("1..5"), [T::Int, T::DotDot, T::Int, T::End]);
    assert_eq!(kinds("1.foo"), [T::Int, T::Dot, T::Ident, T::End]);
    assert_eq!(kinds("1.5e3"), [T::Float, T::End]);
    assert_eq!(kinds("a !in b"), [T::Ident, T::Op, T::Ident, T::End]);
    assert_eq!(kinds("!inner"), [T::Op, T::Ident, T::End]);
    assert_eq!(kinds("/* /* */ */ a"), [T::BlockComment, T::Ident, T::End]);
    assert_eq!(
        kinds("/** a */ /**/ /*** a */"),
        [T::DocBlock, T::BlockComment, T::BlockComment, T::End]
    );
    assert_eq!(
        kinds("/// a\n//// b\n// c"),
        [T::DocLine, T::LineComment, T::LineComment, T::End]
    );
    assert_eq!(kinds("#!/usr/bin/dsp\na"), [T::Shebang, T::Ident, T::End]);
    assert_eq!(
        kinds("`a${`b${c}`}d`"),
        [
            T::Backtick,
            T::TemplateText,
            T::TemplateOpen,
            T::Backtick,
            T::TemplateText,
            T::TemplateOpen,
            T::Ident,
            T::RBrace,
            T::Backtick,
            T::RBrace,
            T::TemplateText,
            T::Backtick,
            T::End
        ]
    );
    assert_eq!(kinds("`${#{a: {1}}}`")[1..4], [T::TemplateOpen, T::HashBrace, T::Ident]);
    assert_eq!(kinds("\"a\nb"), [T::Unknown, T::Ident, T::End]);
    assert_eq!(kinds("\u{feff}a"), [T::Ident, T::End]);
    assert_eq!(kinds("naïve x"), [T::Unknown, T::Ident, T::End]);
    clean("#!/usr/bin/env dsp\nprint(1);");
}

#[test]
fn messages_are_short_and_lower_case() {
    let files =
        [include_str!("syntax/mistakes.txt"), include_str!("syntax/broken.txt")].concat();
    for piece in files.split("----\n") {
        let text = piece.split("====\n").next().unwrap();
        for diag in read(text).diags {
            let message = &diag.message;
            assert!(message.chars().count() <= 72, "{message}");
            assert!(
                !message.starts_with(char::is_uppercase) && !message.ends_with('.'),
                "{message}"
            );
            let codes = dsp_lang::syntax::messages::CODES;
            assert!(codes.iter().any(|(code, _)| *code == diag.code), "{message}");
        }
    }
}

/// Invariants of each tree: nothing lost, nodes around their children, no trivia at the ends,
/// diagnostics in order and inside the text.
fn holds_together(text: &str) {
    let parsed = read(text);
    for node in parsed.tree.walk().filter(|it| it.kind != NodeKind::Root) {
        let tokens = node.leaves();
        let (first, last) = (tokens[0], tokens[tokens.len() - 1]);
        assert!(!first.kind.is_trivia() && !last.kind.is_trivia(), "{node:?}");
        assert_eq!((node.start, node.end), (first.start, last.end));
    }
    let broken = parsed.tree.walk().any(|it| it.kind == NodeKind::Error)
        || parsed.tree.leaves().iter().any(|it| it.kind == TokenKind::Unknown);
    assert!(!broken || !parsed.diags.is_empty(), "an error without a diagnostic: {text}");
    let spans = parsed.diags.iter().filter_map(|it| Some(it.primary.as_ref()?.span));
    assert!(spans.clone().map(|it| it.start).is_sorted());
    assert!(spans.clone().all(|it| text.get(it.range()).is_some()));
    assert_eq!(spans.count(), parsed.diags.len());
}

/// Words of which the soup is made.
const SOUP: &[&str] = &[
    "let",
    "const",
    "fn",
    "if",
    "else",
    "switch",
    "while",
    "loop",
    "do",
    "until",
    "for",
    "in",
    "return",
    "break",
    "continue",
    "throw",
    "try",
    "catch",
    "import",
    "export",
    "as",
    "true",
    "this",
    "module",
    "signature",
    "type",
    "test",
    "settings",
    "assert",
    "suggest",
    "out",
    "private",
    "retry",
    "x",
    "y",
    "_",
    "1",
    "2.5",
    "'c'",
    "\"s\"",
    "#\"r\"#",
    "`",
    "${",
    "\"",
    "'",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "#{",
    ",",
    ";",
    ":",
    "::",
    ".",
    "?.",
    "?[",
    "?",
    "..",
    "..=",
    "->",
    "=>",
    "|",
    "||",
    "=",
    "+=",
    "+",
    "-",
    "*",
    "**",
    "==",
    "!",
    "!in",
    "??",
    "===",
    "++",
    "@",
    "#",
    "// c\n",
    "/// d\n",
    "/* c */",
    "/*",
    "\n",
    "match",
    "elif",
    "var",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in "\\PC*") {
        holds_together(&text);
    }

    #[test]
    fn any_text_of_signs_is_read(text in "[ \n\r\t\"'`${}()\\[\\]#/*!.?:;,=<>|&+a0-9\\\\-]{0,80}") {
        holds_together(&text);
    }

    #[test]
    fn any_row_of_words_is_read(words in prop::collection::vec(prop::sample::select(SOUP), 0..60)) {
        holds_together(&words.concat());
        holds_together(&words.join(" "));
        let joined = words.join(" ");
        let place = Span::new(SourceId(0), 0, joined.len());
        parse_signature(place, &joined);
        parse_type(place, &joined);
        parse_field(place, &joined);
    }

    #[test]
    fn any_piece_of_a_program_is_read(from in 0..PROGRAM.len(), length in 0..200usize) {
        let ends = |at: usize| (0..=at.min(PROGRAM.len())).rev().find(|it| PROGRAM.is_char_boundary(*it)).unwrap();
        let (from, to) = (ends(from), ends(from + length));
        holds_together(&PROGRAM[from.min(to)..to]);
        holds_together(&[&PROGRAM[..from], &PROGRAM[to..]].concat());
    }
}

#[test]
fn each_word_may_be_a_member() {
    for word in SOUP.iter().filter(|it| it.chars().all(char::is_alphabetic) && it.is_ascii()) {
        let kind = lex(word)[0].kind;
        assert!(is_word(kind), "{word}");
        clean(&format!("a.{word}; a.{word}(1); f({word}: 1); #{{ {word}: 1 }};"));
    }
}

/// What somebody who types leaves behind: a word missing, twice, or too many.
#[test]
fn a_slip_is_told_once() {
    let words: Vec<&str> = lex(PROGRAM).iter().map(|it| it.text(PROGRAM)).collect();
    let (mut slips, mut several) = (0, Vec::new());
    for at in 0..words.len() {
        if words[at].trim().is_empty() || words[at].starts_with("//") {
            continue;
        }
        for slip in ["", &format!("{} {}", words[at], words[at]), &format!(" x {}", words[at])]
        {
            let text = [&words[..at].concat(), slip, &words[at + 1..].concat()].concat();
            let told = errors(&text);
            slips += 1;
            if told.len() > 1 {
                several.push(format!("{slip:?} for {:?}: {told:#?}", words[at]));
            }
        }
    }
    assert!(
        several.len() * 100 < slips,
        "{} of {slips}: {}",
        several.len(),
        several.join("\n")
    );
}
