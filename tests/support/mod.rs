//! What the spec runner is made of.
//!
//! `section` reads spec files, `notes` the expectations in them, `drive` is the one place that
//! calls the library, `run` compares, `update` rewrites, `manual` takes programs from Markdown
//! files, `pages` those of the pages about codes, `bad` drives the binary with broken inputs.

pub(crate) mod bad;
pub(crate) mod drive;
pub(crate) mod layout;
pub(crate) mod manual;
pub(crate) mod notes;
pub(crate) mod own;
pub(crate) mod pages;
pub(crate) mod refs;
pub(crate) mod run;
pub(crate) mod section;
pub(crate) mod update;

use std::path::{Path, PathBuf};

/// Files below `dir` that end in `.ext`, relative to the package, in order.
pub(crate) fn files(dir: &str, ext: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::from(dir)];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = std::fs::read_dir(root().join(&dir)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = dir.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|it| it == ext) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The directory of the package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether what differs is to be rewritten.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE").is_some_and(|it| it != "0" && !it.is_empty())
}

/// The lines in which two texts differ, with a line of context, `-` expected and `+` found.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), found.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(&new).take_while(same).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(same).count();
    let mut out = String::new();
    let mut line = |mark: &str, text: &str| out.push_str(&format!("  {mark} {text}\n"));
    head.checked_sub(1).into_iter().for_each(|at| line(" ", old[at]));
    old[head..old.len() - tail].iter().for_each(|text| line("-", text));
    new[head..new.len() - tail].iter().for_each(|text| line("+", text));
    old.get(old.len() - tail).into_iter().for_each(|text| line(" ", text));
    out
}
