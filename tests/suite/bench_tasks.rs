//! The bench of optimizers on real tasks: its programs run, and its metrics are those of DSPy.

use dsp_lang::eval::metric::{exact_match, f1};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/tasks")
}

/// For each task rows of our own: inputs, and what is right.
fn rows(task: &str) -> [Value; 2] {
    match task {
        "banking10" => [
            json!({"text": "My card is gone.", "label": "lost_or_stolen_card"}),
            json!({"text": "Where is the card you sent?", "label": "card_arrival"}),
        ],
        "langid12" => [
            json!({"text": "Das Haus ist alt.", "label": "German"}),
            json!({"text": "The house is old.", "label": "English"}),
        ],
        "trec6" => [
            json!({"question": "Who built the bridge ?", "label": "human"}),
            json!({"question": "Where does the river end ?", "label": "location"}),
        ],
        "quantities" => [
            json!({"text": "The rope is 4 metres long.", "amount": "4 metres"}),
            json!({"text": "It cost 20 dollars.", "amount": "20 dollars"}),
        ],
        "counting" => [
            json!({"question": "I have a cup and two bowls. How many objects?", "answer": 3}),
            json!({"question": "I have a fig and a pear. How many fruits?", "answer": 2}),
        ],
        "hotpotqa" => [
            json!({"context": "Oak: Ann lives in Oak.", "question": "Who lives in Oak?",
                "answer": "Ann"}),
            json!({"context": "Elm: Ben lives in Elm.", "question": "Where lives Ben?",
                "answer": "Elm"}),
        ],
        other => panic!("`{other}` has no rows here"),
    }
}

fn tasks() -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "dsp"))
        .map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    found
}

/// The output that is right or wrong: the last one.
fn label(row: &Value) -> (&str, &Value) {
    let (name, value) = row.as_object().unwrap().iter().next_back().unwrap();
    (name, value)
}

fn run(dir: &Path, script: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dsp"))
        .args(["run", "-q", script])
        .current_dir(dir)
        .env_clear()
        .env("DSP_HOME", dir.join("home"))
        .output()
        .unwrap()
}

#[test]
fn programs_run_and_are_searched_on_scripted_replies() {
    let tasks = tasks();
    assert!(tasks.len() >= 6, "{tasks:?}");
    for task in tasks {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        std::fs::copy(folder().join(format!("{task}.dsp")), path.join("task.dsp")).unwrap();
        let [first, second] = rows(&task);
        std::fs::write(path.join("learn.jsonl"), format!("{second}\n")).unwrap();
        std::fs::write(path.join("report.jsonl"), format!("{first}\n{second}\n")).unwrap();
        let (name, value) = label(&first);
        let script = format!(
            "import \"task\" as task;\n\
             const program = task::program.with(lm: scripted(#{{ self: #{{ {name}: {value} }} }}));\n\
             fn score(example, reply) {{ task::score(example, reply) }}\n\
             let few = labeled_few_shot(k: 1).compile(program, trainset: load(\"learn.jsonl\"));\n\
             for it in [program, few] {{\n\
                 let result = evaluate(it, load(\"report.jsonl\"), metric: score);\n\
                 print(it.demos.len(), result.rows.map(|row| row.score), result.failures.len());\n\
             }}\n"
        );
        std::fs::write(path.join("cell.dsp"), script).unwrap();
        let output = run(path, "cell.dsp");
        let said = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        let wanted = "0 [1.0, 0.0] 0\n1 [1.0, 0.0] 0\n";
        assert!(output.status.success() && said == wanted, "{task}: {said}{wrong}");
    }
}

#[test]
fn metrics_are_those_of_the_other_side() {
    let text = std::fs::read_to_string(folder().join("replies.jsonl")).unwrap();
    let mut count = 0;
    for line in text.split('\n').filter(|it| !it.is_empty()) {
        let row: Value = serde_json::from_str(line).unwrap();
        let (right, reply) = (row["right"].as_str().unwrap(), row["reply"].as_str().unwrap());
        assert_eq!(exact_match(right, reply), row["exact"].as_bool().unwrap(), "{line}");
        let gap = f1(right, reply) - row["f1"].as_f64().unwrap();
        assert!(gap.abs() < 1e-12, "{line}: {}", f1(right, reply));
        count += 1;
    }
    assert!(count >= 40, "{count}");
}
