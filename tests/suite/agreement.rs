//! What is written twice is compared once.

use crate::sources::{self, SourceFile};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// All codes that are written in the sources, with the files that write them.
fn written_codes() -> BTreeMap<String, Vec<String>> {
    let mut codes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // The table of pages names them all; another test compares it.
    let is_source = |file: &&SourceFile| !file.is_test() && file.path != "explain.rs";
    for file in sources::all().iter().filter(is_source) {
        for code in codes_in(&file.code()) {
            codes.entry(code).or_default().push(file.path.clone());
        }
    }
    codes
}

/// Literals such as `"E0203"`.
fn codes_in(code: &str) -> Vec<String> {
    let quotes = code.match_indices('"').map(|(at, _)| at + 1);
    let literals = quotes.filter_map(|at| code.get(at..at + 6)?.strip_suffix('"'));
    literals.filter(|text| is_code(text)).map(ToOwned::to_owned).collect()
}

fn is_code(text: &str) -> bool {
    text.len() == 5
        && text.starts_with(['E', 'W'])
        && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn a_code_is_written_once() {
    let twice: Vec<(String, Vec<String>)> =
        written_codes().into_iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "one code, two meanings: {twice:#?}");
}

#[test]
fn specs_expect_only_codes_that_exist() {
    let known = written_codes();
    let mut unknown = BTreeSet::new();
    for path in spec_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let notes = text.lines().filter(|line| {
            let line = line.trim_start();
            line.starts_with("//! ") || line.starts_with("//~ ")
        });
        for word in notes.flat_map(str::split_whitespace).filter(|word| is_code(word)) {
            if !known.contains_key(word) {
                unknown.insert(format!("{word} in {}", path.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

fn spec_files() -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|it| it != "bad") {
                dirs.push(path);
            } else if path.extension().is_some_and(|it| it == "dsp") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn the_manual_names_every_feature() {
    let manifest = include_str!("../../Cargo.toml");
    let readme = include_str!("../../README.md");
    let features = manifest
        .split("[features]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .unwrap_or_default();
    let names =
        features.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let missing: Vec<&str> = names
        .filter(|name| *name != "default" && !name.starts_with('#'))
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "README.md does not name these features: {missing:?}");
}

#[test]
fn sources_hold_no_unfinished_work() {
    let marks = ["todo!(", "unimplemented!(", concat!("FIX", "ME"), concat!("XX", "X")];
    let is_unfinished = |file: &&SourceFile| marks.iter().any(|mark| file.text.contains(mark));
    let files = sources::all();
    let found: Vec<&str> =
        files.iter().filter(is_unfinished).map(|file| file.path.as_str()).collect();
    assert!(found.is_empty(), "unfinished by their own words: {found:?}");
}
