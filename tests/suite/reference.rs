//! The pages of the reference that repeat what the sources say: codes, grammar, command line.
//!
//! `UPDATE=1 cargo test --test suite reference` writes those parts anew.

use crate::sources;
use dsp_lang::explain;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compares what follows `marker` in a page, up to `end`, with `wanted`, or writes it.
fn repeats(page: &str, marker: &str, end: Option<&str>, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reference").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find(marker).unwrap_or_else(|| panic!("{page} holds `{marker}`"));
    let start = start + marker.len();
    let end = end.and_then(|end| text[start..].find(end)).map_or(text.len(), |at| start + at);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, format!("{}{wanted}{}", &text[..start], &text[end..])).unwrap();
    } else {
        assert_eq!(&text[start..end], wanted, "{page}: UPDATE=1 writes it anew");
    }
}

/// The text between the first pair of quotes, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.split_once('"')?.1.split_once('"')
}

fn is_code(text: &str) -> bool {
    text.len() == 5
        && text.starts_with(['E', 'W'])
        && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// Codes with their titles: the text beside them, else the comment above them.
fn codes() -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for file in sources::all().iter().filter(|file| !file.is_test()) {
        let mut comment = String::new();
        for line in file.text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix("/// ") {
                comment = format!("{comment} {words}").trim().to_owned();
                continue;
            }
            let above = std::mem::take(&mut comment);
            let code = quoted(line).filter(|(code, _)| is_code(code));
            let Some((code, rest)) = code.filter(|_| line.contains(" = ")) else { continue };
            let title = quoted(rest).map_or(above, |(title, _)| title.to_owned());
            let mut letters = title.chars();
            let first = letters.next().map(|it| it.to_lowercase().to_string());
            let title = first.unwrap_or_default() + letters.as_str().trim_end_matches('.');
            if !title.is_empty() {
                codes.insert(code.to_owned(), title);
            }
        }
    }
    codes
}

#[test]
fn every_code_stands_in_the_reference() {
    let codes = codes();
    assert!(codes.len() > 80, "{codes:?}");
    let of_errors = codes.keys().filter(|code| code.starts_with('E')).count();
    assert!(of_errors < codes.len());
    let rows: String = codes
        .iter()
        .map(|(code, title)| format!("| [{code}](codes/{code}.md) | {title} |\n"))
        .collect();
    repeats("errors.md", "by a test.\n\n", None, &format!("| code | |\n|---|---|\n{rows}"));
}

#[test]
fn every_code_has_a_page() {
    let titles = codes();
    let listed: Vec<&str> = explain::PAGES.iter().map(|it| it.code).collect();
    let written: Vec<&str> = titles.keys().map(String::as_str).collect();
    assert_eq!(listed, written, "the table in src/explain.rs, and the codes in the sources");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/reference/codes");
    let entries = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<String> =
        entries.map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    files.sort();
    assert_eq!(files, written, "the files in src/reference/codes");
    for page in explain::PAGES {
        let head = format!("# {}: {}\n\n", page.code, titles[page.code]);
        assert!(page.text.starts_with(&head), "{} begins with `{head}`", page.code);
    }
}

#[test]
fn a_code_is_found_as_people_write_it() {
    for word in ["E0203", "e0203", "0203", "203", " E0203 "] {
        assert_eq!(explain::page(word).map(|it| it.code), Some("E0203"), "{word}");
    }
    for word in ["", "E", "E0299", "99999", "reply", "é203"] {
        assert_eq!(explain::page(word), None, "{word}");
    }
    assert_eq!(explain::near("E0293"), Some("E0203"));
    assert_eq!(explain::near("nothing of the kind"), None);
}

/// Productions of the grammar: the comments of the kinds of nodes.
fn productions() -> Vec<(String, String)> {
    let kinds = include_str!("../../src/syntax/kind.rs");
    let kinds = kinds.split("pub enum NodeKind {").nth(1).unwrap().split("\n}").next().unwrap();
    let (mut productions, mut comment) = (Vec::new(), String::new());
    for line in kinds.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            comment = format!("{comment} {words}").trim().to_owned();
        } else if let Some(name) = line.strip_suffix(',') {
            productions.push((name.to_owned(), std::mem::take(&mut comment)));
        }
    }
    productions
}

#[test]
fn the_grammar_is_that_of_the_parser() {
    let productions = productions();
    let names: BTreeSet<&str> = productions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), productions.len());
    assert!(names.contains("SignatureItem") && names.contains("Call"));
    let lines: String = productions
        .iter()
        .filter(|(name, _)| name != "Error")
        .map(|(name, rule)| format!("{name:<14} {rule}\n"))
        .collect();
    repeats("grammar.md", "```text\n", Some("```"), &lines);
}

/// What `dsp … --help` says, in a width of its own.
fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dsp"))
        .args(command)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    // What a command does may go on below it, further in.
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let lines = lines.filter(|line| !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
}

fn pages(command: &[&str], page: &mut String) {
    let text = help(command);
    let name = [&["dsp"], command].concat().join(" ");
    *page += &format!("## {name}\n\n```text\n{}\n```\n\n", text.trim_end());
    for below in commands(&text).iter().filter(|it| *it != "help") {
        pages(&[command, &[below.as_str()]].concat(), page);
    }
}

#[test]
fn the_command_line_is_what_its_help_says() {
    let mut page = String::new();
    pages(&[], &mut page);
    assert!(page.contains("## dsp models pull"), "{page}");
    let page = page.trim_end().to_owned() + "\n";
    repeats("cli.md", "read\nor written.\n\n", None, &page);
}

#[test]
fn links_between_the_manuals_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> =
        ["README.md", "tests/README.md", ".github/CONTRIBUTING.md"].map(PathBuf::from).into();
    for dir in [
        "src/reference",
        "examples/asserts",
        "examples/triage",
        "examples/rag",
        "examples/embed",
    ] {
        let entries = std::fs::read_dir(root.join(dir)).unwrap();
        let names = entries.map(|it| Path::new(dir).join(it.unwrap().file_name()));
        pages.extend(names.filter(|it| it.extension().is_some_and(|it| it == "md")));
    }
    for page in pages {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|it| it.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            // `sub(5)](9)` in a program is no link.
            let file = if file.contains(['.', '-']) { file } else { "" };
            if file.is_empty() || file.starts_with("http") || file.contains([' ', '=']) {
                continue;
            }
            let target = root.join(&page).parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link}", page.display());
        }
    }
}
