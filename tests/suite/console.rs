//! The `console` blocks of README.md and of the examples, run with the built binary, offline.
//!
//! Lines that begin with `$ ` are commands, the lines after one are what it prints; `…` alone
//! on a line stands for any lines. `cargo run --release --` is the built binary. A block tagged
//! `console,model` needs the model that runs in the process: here only the scripts in it are
//! checked, and `.ci/run` runs it whole. `console,norun` is for reading.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How the manuals call the binary from a checkout.
const FROM_SOURCE: &str = "cargo run --release -- ";

/// A command of a manual.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    output: String,
    needs_model: bool,
}

#[test]
fn commands_of_the_manuals_print_what_the_manuals_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    for path in manuals(root) {
        let text = std::fs::read_to_string(&path).unwrap();
        for step in steps(&text) {
            let Some(args) = arguments(&step) else { continue };
            let output = Command::new(env!("CARGO_BIN_EXE_dsp"))
                .args(&args)
                .current_dir(root)
                .env_clear()
                .env("DSP_HOME", home.path())
                .output()
                .unwrap();
            let found = String::from_utf8_lossy(&output.stdout).into_owned()
                + String::from_utf8_lossy(&output.stderr).as_ref();
            let place = format!("{}: `{}`", path.display(), step.command);
            if step.needs_model {
                assert!(output.status.success(), "{place} checks as {args:?}:\n{found}");
            } else {
                assert!(fits(&step.output, &found), "{place} prints:\n{found}");
            }
        }
    }
}

fn manuals(root: &Path) -> Vec<PathBuf> {
    let mut paths = vec![root.join("README.md")];
    if let Ok(examples) = std::fs::read_dir(root.join("examples")) {
        let readmes = examples.map(|entry| entry.unwrap().path().join("README.md"));
        paths.extend(readmes.filter(|path| path.exists()));
    }
    paths.sort();
    paths
}

/// The commands of a manual's `console` blocks.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|it| !it.is_empty()) else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let tags: Vec<&str> = info.split(',').collect();
        if tags[0] != "console" || tags.contains(&"norun") {
            continue;
        }
        let needs_model = tags.contains(&"model");
        for line in body {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    let (command, output) = (command.to_owned(), String::new());
                    steps.push(Step { command, output, needs_model });
                }
                (None, Some(step)) => step.output.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
    }
    steps
}

/// The arguments that the binary gets here; none for commands of other programs.
fn arguments(step: &Step) -> Option<Vec<String>> {
    let command =
        step.command.strip_prefix(FROM_SOURCE).or(step.command.strip_prefix("dsp "))?;
    if !step.needs_model {
        return Some(words(command));
    }
    let script = words(command).into_iter().find(|word| word.ends_with(".dsp"))?;
    Some(vec!["check".to_owned(), script])
}

/// Words of a command line, with single and double quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for ch in line.chars() {
        match (quote, ch) {
            (Some(open), _) if ch == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(ch);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(ch),
        }
    }
    words.extend(word);
    words
}

/// Whether `found` is what a manual shows.
fn fits(shown: &str, found: &str) -> bool {
    let pieces: Vec<&str> = shown.split("…\n").collect();
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    if pieces.len() == 1 {
        return first.trim_end() == found.trim_end();
    }
    if !found.starts_with(first) || !found.trim_end().ends_with(last.trim_end()) {
        return false;
    }
    let mut rest = found;
    pieces.iter().all(|piece| match rest.split_once(piece) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => piece.is_empty() || rest.trim_end().ends_with(piece.trim_end()),
    })
}

#[test]
fn console_blocks_are_read() {
    let text = "```console\n$ dsp check 'a b.dsp'\nfine\n$ ls\n```\n```console,norun\n$ rm\n```\n```console,model\n$ cargo run --release -- run x/main.dsp --lm \"a b\"\n```\n";
    let steps = steps(text);
    assert_eq!(steps.len(), 3);
    assert_eq!(arguments(&steps[0]).unwrap(), ["check", "a b.dsp"]);
    assert_eq!(steps[0].output, "fine\n");
    assert_eq!(arguments(&steps[1]), None);
    assert_eq!(arguments(&steps[2]).unwrap(), ["check", "x/main.dsp"]);
    assert!(fits("a\n…\nz\n", "a\nb\nc\nz\n") && fits("a\n", "a\n") && !fits("a\n", "b\n"));
}
