//! The floors: a module names only modules on lower ones.

use crate::sources::{self, SourceFile};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Files that belong to no floor.
const OUTSIDE: [&str; 2] = ["lib", "main"];

/// The modules that may name the host language.
const ON_RHAI: [&str; 2] = ["lower", "runtime"];

/// The floors as the documentation of the crate tells them: `//!  7  optimize  retrieve`, with
/// words behind the names of modules on some.
static FLOORS: LazyLock<BTreeMap<&str, usize>> = LazyLock::new(|| {
    let text = include_str!("../../src/lib.rs");
    let modules: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let mut floors = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! ")) {
        let mut words = line.split_whitespace();
        let Some(floor) = words.next().and_then(|it| it.parse().ok()) else { continue };
        for module in words.take_while(|it| modules.contains(it)) {
            assert_eq!(floors.insert(module, floor), None, "`{module}` has two floors");
        }
    }
    floors
});

fn floor(module: &str) -> Option<usize> {
    FLOORS.get(module).copied()
}

fn inside() -> Vec<SourceFile> {
    let mut files = sources::all();
    files.retain(|file| !OUTSIDE.contains(&file.module()));
    files
}

#[test]
fn every_module_has_a_floor() {
    let files = inside();
    let modules: BTreeSet<&str> = files.iter().map(SourceFile::module).collect();
    let lost: Vec<_> = modules.into_iter().filter(|module| floor(module).is_none()).collect();
    assert!(lost.is_empty(), "these have no floor: {lost:?}");
}

#[test]
fn a_module_names_only_lower_floors() {
    let mut wrong = BTreeSet::new();
    for file in inside().iter().filter(|file| !file.is_test()) {
        for named in named_modules(&file.code()) {
            let higher = floor(&named) >= floor(file.module());
            if floor(&named).is_some() && named != file.module() && higher {
                wrong.insert(format!("src/{} names `{named}`", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", Vec::from_iter(wrong).join("\n"));
}

#[test]
fn only_two_floors_name_the_host_language() {
    let names_rhai = |file: &&SourceFile| {
        let code = file.code();
        let own = code.contains("mod rhai;");
        !own && (code.contains("rhai::") || code.contains("use rhai"))
    };
    let files = inside();
    let wrong: Vec<&str> = files
        .iter()
        .filter(|file| !ON_RHAI.contains(&file.module()))
        .filter(names_rhai)
        .map(|file| file.path.as_str())
        .collect();
    assert!(wrong.is_empty(), "these name Rhai: {wrong:?}");
}

#[test]
fn every_file_says_what_it_is() {
    let files = sources::all();
    let silent: Vec<&str> = files
        .iter()
        .filter(|file| !file.is_test() && !file.text.starts_with("//! "))
        .map(|file| file.path.as_str())
        .collect();
    assert!(silent.is_empty(), "these have no header: {silent:?}");
}

/// The modules behind `crate::`, also those in a group: `use crate::{diag::Code, host};`.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            named.extend(heads(group));
        } else {
            named.insert(word(rest));
        }
    }
    named.remove("");
    named
}

/// The first words of the parts of a group, up to its closing brace.
fn heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, ch) in group.char_indices() {
        match ch {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.push(word(group[start..at].trim_start()));
                start = at + 1;
                if ch == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|ch| ch.is_alphanumeric() || *ch == '_').collect()
}

#[test]
fn modules_are_found_in_paths_and_groups() {
    let code = "use crate::diag::{Code, Span};\nuse crate::{\n    host,\n    lm::{Lm, x::Y},\n    store::Key,\n};\nfn f() -> crate::util::X {}";
    let found: Vec<String> = named_modules(code).into_iter().collect();
    assert_eq!(found, ["diag", "host", "lm", "store", "util"]);
}
