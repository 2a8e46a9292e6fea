//! The fuzz targets over the texts that they begin with, those of past findings among them.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run on the machine they run on"
)]

use dsp_lang::catalog::NATIVES;
use dsp_lang::diag::Diagnostic;
use dsp_lang::engine::check_text;
use dsp_lang::program::State;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[allow(unreachable_pub, reason = "there it is a library")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

fn in_fuzz(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(in_fuzz(path)).unwrap()
}

fn seeds(folder: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(in_fuzz("seeds").join(folder)).unwrap();
    let read = |path: PathBuf| (path.display().to_string(), fs::read(path).unwrap());
    let mut seeds: Vec<_> = files.map(|it| read(it.unwrap().path())).collect();
    seeds.sort();
    seeds
}

#[test]
fn all_targets_hold_of_all_seeds() {
    for (name, folder, _) in fuzz::TARGETS {
        for (path, bytes) in seeds(folder) {
            assert!(bytes.len() < 1024, "{path} is no small seed");
            println!("{name}: {path}");
            fuzz::run(name, &bytes);
        }
    }
}

/// Else the targets above would hold of nothing.
#[test]
fn seeds_are_read_by_what_they_are_for() {
    let is_correct =
        |text: &str| !check_text("x", text).diagnostics.iter().any(Diagnostic::is_error);
    let is_state = |text: &str| State::from_text(text, "x").is_ok();
    let count = |folder, holds: &dyn Fn(&str) -> bool| {
        let seeds = seeds(folder).into_iter();
        seeds.filter(|it| std::str::from_utf8(&it.1).is_ok_and(holds)).count()
    };
    assert!(count("programs", &is_correct) >= 40, "{}", count("programs", &is_correct));
    assert!(count("states", &is_state) >= 3, "{}", count("states", &is_state));
}

#[test]
fn every_target_has_a_program() {
    let package: toml::Table = toml::from_str(&text("Cargo.toml")).unwrap();
    let programs = package["bin"].as_array().unwrap().iter();
    let named: Vec<&str> = programs.map(|it| it["name"].as_str().unwrap()).collect();
    let targets: Vec<&str> = fuzz::TARGETS.iter().map(|it| it.0).collect();
    assert_eq!(named, targets);
    for name in targets {
        let program = text(&format!("fuzz_targets/{name}.rs"));
        assert!(program.contains(&format!("run(\"{name}\"")), "{name}");
    }
}

/// The lock file of the targets is one of its own: cargo writes it anew when they are next built,
/// unless a change of the dependencies was carried over to it.
#[test]
fn the_lock_file_knows_all_dependencies() {
    let read = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
    let manifest = read(include_str!("../../Cargo.toml"));
    let needed = manifest["dependencies"].as_table().unwrap().iter();
    let needed: BTreeSet<&str> = needed
        .filter(|(_, it)| it.get("optional").is_none_or(|it| it.as_bool() != Some(true)))
        .map(|(name, _)| name.as_str())
        .collect();
    let lock = read(&text("Cargo.lock"));
    let ours = lock["package"].as_array().unwrap();
    let ours = ours.iter().find(|it| it["name"].as_str() == Some("dsp-lang")).unwrap();
    let locked = ours["dependencies"].as_array().unwrap().iter();
    let locked: BTreeSet<&str> =
        locked.filter_map(|it| it.as_str()?.split_whitespace().next()).collect();
    assert_eq!(locked, needed, "run `cargo metadata` in fuzz/ and commit its Cargo.lock");
}

#[test]
fn the_dictionary_knows_all_natives() {
    let dictionary = text("dictionaries/programs.dict");
    let missing: Vec<_> = NATIVES
        .iter()
        .filter(|it| !dictionary.contains(&format!("\n\"{}\"\n", it.name)))
        .map(|it| it.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
