//! Programs of several files: what specs cannot say, with files of the machine, sessions,
//! commands, and imports made to take long.

use dsp_lang::Engine;
use dsp_lang::engine::{Program, check_file};
use dsp_lang::host::{Host, MemoryHost};
use dsp_lang::render;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn host(files: &[(&str, &str)]) -> MemoryHost {
    files.iter().fold(MemoryHost::default(), |host, (name, text)| host.with_file(name, *text))
}

fn engine(files: &[(&str, &str)]) -> Engine {
    Engine::builder().host(Arc::new(host(files))).build().unwrap()
}

fn load(files: &[(&str, &str)]) -> Program {
    engine(files).load("main.dsp").unwrap()
}

/// What is wrong with `main.dsp`, drawn.
fn told(host: &dyn Host) -> Vec<String> {
    let check = check_file(host, Path::new("main.dsp")).unwrap();
    let shown = |it| render::text(&check.sources, std::slice::from_ref(it), false);
    check.diagnostics.iter().map(shown).collect()
}

/// Checks what takes long if anything does: the errors, each in one line.
fn bomb(host: &dyn Host) -> Vec<String> {
    let started = Instant::now();
    let check = check_file(host, Path::new("main.dsp")).unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    check.diagnostics.iter().map(|it| it.message.clone()).collect()
}

#[test]
fn a_chain_of_imports_has_an_end() {
    let mut files =
        MemoryHost::default().with_file("main.dsp", "import \"f0\" as f;\nprint(f::x());");
    for at in 0..3000 {
        let text = format!("import \"f{}\" as f;\nfn x() {{ f::x() }}", at + 1);
        files = files.with_file(format!("f{at}.dsp"), text);
    }
    assert_eq!(bomb(&files), ["imports are nested more than 64 deep"]);
}

#[test]
fn a_chain_that_is_not_too_deep_is_walked() {
    let mut files =
        MemoryHost::default().with_file("main.dsp", "import \"f0\" as f;\nprint(f::x());");
    for at in 0..60 {
        let text = format!("import \"f{}\" as f;\nfn x() {{ f::x() }}", at + 1);
        files = files.with_file(format!("f{at}.dsp"), text);
    }
    let files = Arc::new(files.with_file("f60.dsp", "fn x() { \"the end\" }"));
    let engine = Engine::builder().host(files.clone()).build().unwrap();
    engine.load("main.dsp").unwrap().run().result.unwrap();
    assert_eq!(files.printed(), "the end\n");
}

#[test]
fn thousands_of_imports_are_too_many() {
    let (mut main, mut files) = (String::new(), MemoryHost::default());
    for at in 0..3000 {
        let _ = writeln!(main, "import \"f{at}\" as f{at};\nprint(f{at}::x());");
        files = files.with_file(format!("f{at}.dsp"), "fn x() { 1 }");
    }
    assert_eq!(
        bomb(&files.with_file("main.dsp", main)),
        ["the program imports more than 500 files"]
    );
}

#[test]
fn thousands_of_missing_files_are_told_of_in_part() {
    let mut main = String::new();
    for at in 0..5000 {
        let _ = writeln!(main, "import \"f{at}\" as f{at};\nprint(f{at}::x());");
    }
    let told = bomb(&MemoryHost::default().with_file("main.dsp", main));
    assert_eq!(told.len(), 100);
}

#[test]
fn a_lattice_of_imports_is_walked_once() {
    // Each file of a layer imports all of the next: paths grow with the power of the layers.
    let (layers, width) = (20, 10);
    let mut files = MemoryHost::default();
    for layer in 0..layers {
        for at in 0..width {
            let mut text = String::new();
            for next in (0..width).filter(|_| layer + 1 < layers) {
                let _ = writeln!(text, "import \"f{}_{next}\" as n{next};", layer + 1);
            }
            let uses = (0..width).filter(|_| layer + 1 < layers);
            let uses: Vec<String> = uses.map(|next| format!("n{next}::x")).collect();
            let _ = writeln!(text, "const x = [{}].len();", uses.join(", "));
            files = files.with_file(format!("f{layer}_{at}.dsp"), text);
        }
    }
    let main = "import \"f0_0\" as f;\nprint(f::x);";
    assert_eq!(bomb(&files.with_file("main.dsp", main)), [""; 0]);
}

#[test]
fn too_much_text_is_refused() {
    let (mut main, mut files) = (String::new(), MemoryHost::default());
    let long = format!("// {}\nfn x() {{ 1 }}", "x".repeat(4 << 20));
    for at in 0..12 {
        let _ = writeln!(main, "import \"f{at}\" as f{at};\nprint(f{at}::x());");
        files = files.with_file(format!("f{at}.dsp"), long.as_str());
    }
    let told = bomb(&files.with_file("main.dsp", main));
    assert_eq!(told, ["the program imports more than 32 MiB of text"]);
}

#[test]
fn an_error_names_the_calls_through_all_files() {
    let program = load(&[
        ("main.dsp", "import \"lib/a\" as a;\nfn mine(x) { a::outer(x) }\nmine(0);"),
        ("lib/a.dsp", "import \"b\" as b;\nfn outer(x) {\n    b::inner(x)\n}"),
        ("lib/b.dsp", "fn inner(x) { 1 / x }"),
    ]);
    let error = program.run().result.unwrap_err().to_string();
    for part in [
        "lib/b.dsp:1:",
        "lib/a.dsp:3:",
        "main.dsp:2:",
        "in this call of `inner`",
        "in this call of `outer`",
        "in this call of `mine`",
    ] {
        assert!(error.contains(part), "no {part} in {error}");
    }
    assert!(!error.contains("__u"), "{error}");
}

#[test]
fn a_failed_import_names_the_way_to_it() {
    let told = told(&host(&[
        ("main.dsp", "import \"a\" as a;\nprint(a::x());"),
        ("a.dsp", "import \"b\" as b;\nfn x() { b::x() }"),
        ("b.dsp", "import \"a\" as a;\nfn x() { a::x() }"),
    ]));
    let [told] = told.as_slice() else { panic!("{told:#?}") };
    for part in
        ["`a.dsp` → `b.dsp` → `a.dsp`", "b.dsp:1:8", "`b.dsp` is imported here", "main.dsp:1:8"]
    {
        assert!(told.contains(part), "no {part} in {told}");
    }
}

const TEXTS: &str = "
type Topic = \"billing\" | \"other\";
/// Sort a message.
signature Sort { in message: str  out topic: Topic }
const sort = predict(Sort);
module Router() {
    let ask = predict(Sort);
    fn forward(message: str) { ask(message) }
}
private const hidden = predict(Sort);
";
const MAIN: &str = "import \"lib/texts\" as texts;
module Desk() {
    let route = texts::Router();
    fn forward(message: str) { route(message) }
}
print(\"main\");";

#[test]
fn prompts_of_imported_predictors_are_known_without_a_run() {
    let program = load(&[("main.dsp", MAIN), ("lib/texts.dsp", TEXTS)]);
    let inputs = serde_json::from_value(json!({ "message": "Where is it?" })).unwrap();
    for name in ["Desk.route.ask", "texts::Router.ask", "texts::sort"] {
        let prompt = program.prompt(name, None, &inputs).unwrap();
        let text = dsp_lang::engine::prompt_text(&prompt);
        assert!(text.contains("Sort a message.") && text.contains("Where is it?"), "{text}");
        assert!(text.contains("Topic = \"billing\" | \"other\""), "{text}");
    }
    assert!(program.prompt("texts::hidden", None, &inputs).is_err());
}

#[test]
fn an_embedder_calls_what_is_imported() {
    let engine = Engine::builder()
        .host(Arc::new(host(&[("lib/texts.dsp", TEXTS)])))
        .model(Arc::new(dsp_lang::lm::Scripted::new([r#"{"topic": "billing"}"#; 3])))
        .build()
        .unwrap();
    let program = engine.load_text("main.dsp", MAIN).unwrap();
    for expression in ["Desk()", "texts::Router()", "texts::sort"] {
        let reply = program.value(expression).unwrap();
        let reply: serde_json::Value = reply.call(&json!({ "message": "Hi" })).unwrap();
        assert_eq!(reply, json!({ "topic": "billing" }), "{expression}");
    }
}

#[test]
fn a_state_names_predictors_as_the_program_does() {
    let files = host(&[
        ("main.dsp", "import \"lib/texts\" as texts;
let tuned = labeled_few_shot(k: 1).compile(texts::Router(), trainset: dataset([#{ message: \"m\", topic: \"other\" }]));
tuned.save(\"router.json\");
print(texts::Router().with_state(\"router.json\").ask.demos.len());"),
        ("lib/texts.dsp", TEXTS),
    ]);
    let files = Arc::new(files);
    let engine = Engine::builder().host(files.clone()).build().unwrap();
    engine.load("main.dsp").unwrap().run().result.unwrap();
    assert_eq!(files.printed(), "1\n");
    let state = String::from_utf8(files.files()[Path::new("router.json")].clone()).unwrap();
    assert!(state.contains("\"ask\"") && !state.contains("__u"), "{state}");
}

#[test]
fn a_session_keeps_its_imports_and_reads_changed_files_anew() {
    let files = Arc::new(host(&[
        ("a.dsp", "fn f() { 1 }\ntype T = int;"),
        ("b.dsp", "import \"a\" as a;\nfn g() { a::f() }"),
    ]));
    let engine = Engine::builder().host(files.clone()).build().unwrap();
    let mut session = engine.session();
    let mut enter = |text: &str| {
        let entered = session.enter(text).map_err(|it| it.to_string())?;
        entered.finished.result.map(|it| it.show()).map_err(|it| it.to_string())
    };
    enter("import \"a\" as a;").unwrap();
    assert_eq!(enter("a::f()").unwrap(), "1");
    assert_eq!(enter("const c = a::f(); c").unwrap(), "1");
    assert_eq!(enter("signature S { in q: a::T  out x: a::T } S").unwrap(), "S(q: T -> x: T)");
    assert!(enter("a::g()").unwrap_err().contains("`a` has no `g`"));
    assert!(enter("import \"nothing\" as n;").unwrap_err().contains("no file `nothing.dsp`"));
    assert_eq!(enter("import \"b\" as b; b::g()").unwrap(), "1");
    files.write(Path::new("a.dsp"), b"fn f() { 2 }").unwrap();
    assert_eq!(enter("a::f()").unwrap(), "1");
    assert_eq!(enter("import \"a\" as a; a::f()").unwrap(), "2");
    assert_eq!(enter("b::g()").unwrap(), "1");
    assert_eq!(enter("import \"b\" as b; b::g()").unwrap(), "2");
    assert_eq!(enter("c").unwrap(), "1");
}

/// Runs `dsp` in a folder with these files.
fn dsp(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(dir).env_clear().env("DSP_HOME", dir.join(".home"));
    command.output().unwrap()
}

fn lay_out(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_project_reaches_up_to_its_settings_file() {
    let dir = lay_out(&[
        ("project/dsp.toml", ""),
        ("project/texts.dsp", "fn shout(text) { text.to_upper() }"),
        ("project/bin/main.dsp", "import \"../texts\" as texts;\nprint(texts::shout(\"hi\"));"),
        ("outside.dsp", "fn x() { 1 }"),
        ("project/bin/out.dsp", "import \"../../outside\" as o;\nprint(o::x());"),
    ]);
    let found = dsp(dir.path(), &["run", "project/bin/main.dsp"]);
    assert_eq!(String::from_utf8_lossy(&found.stdout), "HI\n", "{}", stderr(&found));
    let found = dsp(&dir.path().join("project/bin"), &["run", "main.dsp"]);
    assert_eq!(String::from_utf8_lossy(&found.stdout), "HI\n", "{}", stderr(&found));
    let refused = dsp(dir.path(), &["check", "project/bin/out.dsp"]);
    assert!(stderr(&refused).contains("leads out of the project"), "{}", stderr(&refused));
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out() {
    let dir = lay_out(&[
        ("secret.dsp", "fn x() { 1 }"),
        ("project/main.dsp", "import \"link\" as l;\nprint(l::x());"),
        ("project/inner.dsp", "import \"also\" as a;\nprint(a::x());"),
        ("project/real.dsp", "fn x() { 2 }"),
        ("project/pipe.dsp.txt", ""),
    ]);
    let project = dir.path().join("project");
    std::os::unix::fs::symlink("../secret.dsp", project.join("link.dsp")).unwrap();
    std::os::unix::fs::symlink("real.dsp", project.join("also.dsp")).unwrap();
    std::os::unix::fs::symlink("loop.dsp", project.join("loop.dsp")).unwrap();
    let refused = dsp(&project, &["run", "main.dsp"]);
    assert!(
        stderr(&refused).contains("`link` leads out of the project"),
        "{}",
        stderr(&refused)
    );
    let fine = dsp(&project, &["run", "inner.dsp"]);
    assert_eq!(String::from_utf8_lossy(&fine.stdout), "2\n", "{}", stderr(&fine));
    std::fs::write(project.join("main.dsp"), "import \"loop\" as l;\nprint(l::x());").unwrap();
    let refused = dsp(&project, &["run", "main.dsp"]);
    assert!(stderr(&refused).contains("cannot read `loop.dsp`"), "{}", stderr(&refused));
    assert_eq!(refused.status.code(), Some(1));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let dir = lay_out(&[("main.dsp", "import \"pipe\" as p;\nprint(p::x());")]);
    let made = Command::new("mkfifo").arg(dir.path().join("pipe.dsp")).status();
    if !made.is_ok_and(|it| it.success()) {
        return;
    }
    let refused = dsp(dir.path(), &["check", "main.dsp"]);
    assert!(stderr(&refused).contains("`pipe.dsp` is no plain file"), "{}", stderr(&refused));
}

#[test]
fn what_scripts_share_is_told_of_once() {
    let lib = "signature S { in q: str  out a: str }\nfn f(p) { p.with(temperature: 1.0); 1 }";
    let using = "import \"lib\" as lib;\nprint(lib::f(predict(lib::S)));";
    let dir = lay_out(&[("lib.dsp", lib), ("a.dsp", using), ("b.dsp", using)]);
    for files in [["a.dsp", "b.dsp", "lib.dsp"], ["lib.dsp", "b.dsp", "a.dsp"]] {
        let mut args = vec!["check"];
        args.extend(files);
        let found = dsp(dir.path(), &args);
        assert_eq!(stderr(&found).matches("W0201").count(), 1, "{}", stderr(&found));
        assert!(stderr(&found).contains("lib.dsp:2:13"), "{}", stderr(&found));
    }
}
