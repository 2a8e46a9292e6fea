//! The examples: their programs check, and their data are what their manuals say.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A row of a data set.
type Row = serde_json::Map<String, Value>;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn rows(path: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(examples().join(path)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row[column].as_str().unwrap()
}

fn assert_unique<'a>(ids: impl IntoIterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        assert!(seen.insert(id), "`{id}` twice");
    }
}

fn scripts(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|it| it == "dsp") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn programs_check_without_a_diagnostic() {
    let home = tempfile::tempdir().unwrap();
    let scripts = scripts(&examples());
    assert!(scripts.len() >= 3, "{scripts:?}");
    let output = Command::new(env!("CARGO_BIN_EXE_dsp"))
        .arg("check")
        .args(&scripts)
        .env_clear()
        .env("DSP_HOME", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn their_tests_pass() {
    for name in ["triage/main.dsp", "rag/main.dsp"] {
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_dsp"))
            .args(["test", "--json"])
            .arg(examples().join(name))
            .env_clear()
            .env("DSP_HOME", home.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {said}");
        assert!(said.contains("\"passed\""), "{name} has no tests: {said}");
    }
}

/// What `main.dsp` of the triage prints, beside the numbers, with a model that is always right.
#[test]
fn the_triage_runs_and_runs_again_without_a_call() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "settings { seed: 1 }";
    let main = std::fs::read_to_string(examples().join("triage/main.dsp")).unwrap();
    let model = "const stub = scripted(#{ sort: #{ article: \"kettle\" } });\n";
    let main = main
        .replace(settings, &format!("{settings}\n{model}"))
        .replace("predict(Triage)", "predict(Triage, lm: stub)");
    assert!(main.contains("lm: stub"));
    std::fs::write(dir.path().join("main.dsp"), main).unwrap();
    for name in ["train.jsonl", "dev.jsonl", "test.jsonl"] {
        std::fs::copy(examples().join("triage").join(name), dir.path().join(name)).unwrap();
    }
    let [first, second] = [(), ()].map(|()| {
        let output = Command::new(env!("CARGO_BIN_EXE_dsp"))
            .args(["run", "main.dsp"])
            .current_dir(dir.path())
            .env_clear()
            .env("DSP_HOME", dir.path().join("home"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    });
    assert!(dir.path().join("out/router.state.json").exists());
    let lines = |text: &str| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    let (first, second) = (lines(&first), lines(&second));
    let (last, same) = first.split_last().unwrap();
    assert_eq!(same, &second[..second.len() - 1]);
    assert!(last.contains(" calls to the model"), "{last}");
    assert!(second[second.len() - 1].starts_with("0 calls to the model"), "{second:?}");
}

const SPLITS: [&str; 3] = ["train", "dev", "test"];

/// The messages of the triage, by split.
fn messages() -> Vec<Vec<Row>> {
    SPLITS.iter().map(|split| rows(&format!("triage/{split}.jsonl"))).collect()
}

#[test]
fn the_triage_has_enough_rows_and_each_once() {
    let splits = messages();
    assert_eq!(splits.iter().map(Vec::len).collect::<Vec<_>>(), [120, 60, 120]);
    assert_unique(splits.iter().flatten().map(|row| text(row, "id")));
    assert_unique(splits.iter().flatten().map(|row| text(row, "message")));
}

#[test]
fn the_labels_of_the_triage_stand_in_its_enum() {
    let main = std::fs::read_to_string(examples().join("triage/main.dsp")).unwrap();
    let list = main.split("type Article =").nth(1).unwrap().split(';').next().unwrap();
    let labels: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(labels.len(), 87);
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let splits = messages();
    for row in splits.iter().flatten() {
        assert!(labels.contains(text(row, "article")), "{row:?}");
        *used.entry(text(row, "article")).or_default() += 1;
    }
    let often: Vec<_> = used.into_iter().filter(|(_, count)| *count > 8).collect();
    assert!(often.is_empty(), "{often:?}");
}

fn tokens(text: &str) -> BTreeSet<String> {
    let words = text.split(|ch: char| !ch.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// How much two messages have in common: shared tokens by all tokens.
fn jaccard(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let shared = a.intersection(b).count();
    shared as f64 / (a.len() + b.len() - shared).max(1) as f64
}

#[test]
fn no_message_of_the_triage_resembles_one_of_another_split() {
    let splits: Vec<Vec<BTreeSet<String>>> = messages()
        .iter()
        .map(|rows| rows.iter().map(|row| tokens(text(row, "message"))).collect())
        .collect();
    for (at, split) in splits.iter().enumerate() {
        for other in splits[at + 1..].iter().flatten() {
            for own in split {
                let near = jaccard(own, other);
                assert!(near < 0.6, "{near:.2}: {own:?} and {other:?}");
            }
        }
    }
}

#[test]
fn the_answers_of_the_rag_stand_in_its_corpus() {
    let corpus = rows("rag/corpus.jsonl");
    assert_unique(corpus.iter().map(|row| text(row, "id")));
    let passages: Vec<String> =
        corpus.iter().map(|row| text(row, "text").to_lowercase()).collect();
    let splits = SPLITS.map(|split| rows(&format!("rag/questions-{split}.jsonl")));
    assert_eq!(splits.each_ref().map(Vec::len), [30, 10, 20]);
    assert_unique(splits.iter().flatten().map(|row| text(row, "id")));
    assert_unique(splits.iter().flatten().map(|row| text(row, "question")));
    for row in splits.iter().flatten() {
        let answer = text(row, "answer").to_lowercase();
        assert!(passages.iter().any(|it| it.contains(&answer)), "no passage holds {row:?}");
    }
}
