//! The programs that are measured, and their data.

use dsp_lang::Engine;
use dsp_lang::config::{Config, Endpoint};
use dsp_lang::engine::{Builder, Program, check_text};
use dsp_lang::schema::{Record, Signature, Value};
use std::path::PathBuf;

const ITEMS: &str = r"
signature Solve { in question: str  out answer: int }
module Answer() {
    let solve = predict(Solve);
    fn forward(question: str) { solve(question) }
}
module Reason() {
    let solve = chain_of_thought(Solve);
    fn forward(question: str) { solve(question) }
}
fn same(row, reply) { row.answer == reply.answer }
";

/// The task's signature.
pub(crate) fn signature() -> Signature {
    let checked = check_text("items", ITEMS).checked;
    checked.signatures["Solve"].clone()
}

/// The data set that all runners share, or one like it.
pub(crate) fn rows(n: usize) -> Vec<(String, i64)> {
    rows_of("eval", n)
}

fn rows_of(name: &str, n: usize) -> Vec<(String, i64)> {
    let path = format!("../shared/bench/data/arith-{name}.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let known: Vec<(String, i64)> = text.lines().map(row).collect();
    let made = |at: i64| (format!("Item {name}-{at}: what is {at} + 6 * 7?"), at + 42);
    let fill = (known.len() as i64..n as i64).map(made);
    known.iter().cloned().chain(fill).take(n).collect()
}

fn row(line: &str) -> (String, i64) {
    let row: serde_json::Value = serde_json::from_str(line).unwrap();
    (row["question"].as_str().unwrap().to_owned(), row["answer"].as_i64().unwrap())
}

/// The inputs of rows.
pub(crate) fn inputs(rows: &[(String, i64)]) -> Vec<Record> {
    let input = |(question, _): &(String, i64)| {
        Record::from_iter([("question".into(), Value::from(question.as_str()))])
    };
    rows.iter().map(input).collect()
}

/// An engine whose model is the server.
pub(crate) fn engine(base: &str) -> Builder {
    let endpoint = Endpoint { base_url: base.to_owned(), key_env: None };
    let config = Config {
        endpoints: std::iter::once(("mock".to_owned(), endpoint)).collect(),
        ..Config::default()
    };
    Engine::builder().over_scripts(config).lm("mock/mock")
}

/// Calls a module on each row, one after another.
pub(crate) fn sequence(engine: &Engine, module: &str, rows: &[(String, i64)]) -> Program {
    let main = "for question in questions() { solve(question); }";
    load(engine, &format!("let solve = {module}();\n{main}"), rows)
}

/// Calls a module so often, each time with another question.
pub(crate) fn many(engine: &Engine, module: &str, calls: usize) -> Program {
    let main = format!("for at in 0..{calls} {{ solve(`what is ${{at}} + 6 * 7?`); }}");
    load(engine, &format!("let solve = {module}();\n{main}"), &[])
}

/// Scores a module on the rows.
pub(crate) fn evaluation(
    engine: &Engine,
    module: &str,
    threads: usize,
    rows: &[(String, i64)],
) -> Program {
    let main = format!("evaluate({module}(), data(), metric: same, threads: {threads}).score");
    load(engine, &main, rows)
}

/// Scores a module on the rows; says how many rows were lost, how many replies were repaired, how
/// many calls that took, and how long the slowest row took, in seconds.
pub(crate) fn robust(engine: &Engine, threads: usize, rows: &[(String, i64)]) -> Program {
    let main = format!(
        "let e = evaluate(Reason(), data(), metric: same, threads: {threads});\n\
         let slowest = 0.0;\n\
         for row in e.rows {{ if row.latency > slowest {{ slowest = row.latency; }} }}\n\
         let said = e.report().split(\"\\n\").filter(|it| it.starts_with(\"repairs\"));\n\
         let repairs = if said.is_empty() {{ \"0\" }} else {{ said[0].split()[1] }};\n\
         `${{e.failures.len()}} ${{repairs}} ${{e.calls}} ${{slowest}}`"
    );
    load(engine, &main, rows)
}

/// Compiles a module by a search, and says how it scored before and after on other rows, how
/// many calls the search made, and how many seconds it took.
pub(crate) fn search(engine: &Engine, threads: usize) -> Program {
    let part = |name: &str, n| data_file_of(name, &rows_of(name, n));
    let (train, val, test) = (part("train", 200), part("val", 100), part("test", 300));
    let text = format!(
        "{ITEMS}settings {{ threads: {threads} }}\n\
         const train = load({train:?});\nconst val = load({val:?});\nconst test = load({test:?});\n\
         let program = Reason();\n\
         let before = evaluate(program, test, metric: same).score;\n\
         let start = cost();\n\
         let search = random_search(metric: same, candidates: 16, max_calls: 10000);\n\
         let found = search.compile(program, trainset: train, valset: val);\n\
         let end = cost();\n\
         let after = evaluate(found, test, metric: same).score;\n\
         `${{before}} ${{after}} ${{end.calls - start.calls}} ${{end.seconds - start.seconds}}`\n"
    );
    engine.load_text("search.dsp", &text).unwrap_or_else(|it| panic!("{it}"))
}

/// Compiles a module by a search, and says how many calls that made and how many seconds it took.
pub(crate) fn search_alone(engine: &Engine, threads: usize, confirm: &str) -> Program {
    let part = |name: &str, n| data_file_of(name, &rows_of(name, n));
    let (train, val) = (part("train", 200), part("val", 100));
    let text = format!(
        "{ITEMS}settings {{ threads: {threads} }}\n\
         // Good for about half of the rows, so that bootstraps find what they look for.\n\
         fn half(row, reply) {{ if row.question.len() % 2 == 0 {{ 1.0 }} else {{ 0.0 }} }}\n\
         const train = load({train:?});\nconst val = load({val:?});\n\
         let program = Reason();\nlet start = cost();\n\
         let search = random_search(metric: half, candidates: 16, max_calls: 10000);\n\
         let found = search.compile(program, trainset: train, valset: val, confirm: {confirm});\n\
         let end = cost();\n\
         `${{end.calls - start.calls}} ${{end.seconds - start.seconds}}`\n"
    );
    engine.load_text("search.dsp", &text).unwrap_or_else(|it| panic!("{it}"))
}

fn load(engine: &Engine, main: &str, rows: &[(String, i64)]) -> Program {
    let path = data_file(rows);
    let data = format!(
        "const table = load({path:?});\nfn data() {{ table }}\n\
         fn questions() {{ let all = []; for row in table {{ all.push(row.question); }} all }}\n"
    );
    let text = format!("{ITEMS}{data}{main}\n");
    engine.load_text("bench.dsp", &text).unwrap_or_else(|it| panic!("{it}"))
}

/// The rows as a file, for `load`.
fn data_file(rows: &[(String, i64)]) -> PathBuf {
    data_file_of("rows", rows)
}

fn data_file_of(name: &str, rows: &[(String, i64)]) -> PathBuf {
    let lines: String = rows
        .iter()
        .map(|(question, answer)| {
            serde_json::json!({ "question": question, "answer": answer }).to_string() + "\n"
        })
        .collect();
    let name = format!("dsp-bench-{}-{name}-{}.jsonl", std::process::id(), rows.len());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, lines).unwrap();
    path
}

/// Runs a program; its result is what it gives.
pub(crate) fn run(program: &Program) -> String {
    match program.run().result {
        Ok(value) => value.show(),
        Err(error) => panic!("{error}"),
    }
}
