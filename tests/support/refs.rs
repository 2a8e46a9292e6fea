//! Long expected texts under `tests/spec/ref`, one file for each: `NAME.KIND`.

use super::section::{SpecFile, Stage};
use super::{difference, root, updating};
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a text stands.
pub(crate) fn path(name: &str, kind: &str) -> PathBuf {
    root().join("tests/spec/ref").join(format!("{name}.{kind}"))
}

/// Compares a text with the one that is kept, or keeps it.
pub(crate) fn compare(name: &str, kind: &str, found: &str) -> Result<(), Failed> {
    let path = path(name, kind);
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    if updating() {
        std::fs::create_dir_all(path.parent().unwrap_or(root()))?;
        return Ok(std::fs::write(&path, found)?);
    }
    Err(format!("ref/{name}.{kind} differs:\n{}", difference(&expected, found)).into())
}

/// A trial that fails for texts that no section names, and for names that are not unique.
pub(crate) fn trial(files: &[SpecFile]) -> Trial {
    let mut stages: BTreeMap<String, Vec<Stage>> = BTreeMap::new();
    let mut twice = Vec::new();
    for section in files.iter().flat_map(|file| &file.sections) {
        if stages.insert(section.name.clone(), section.stages.clone()).is_some() {
            twice.push(section.name.clone());
        }
    }
    Trial::test("names and refs", move || {
        let orphans = orphans(&stages);
        if updating() {
            orphans.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        } else if !orphans.is_empty() {
            return Err(format!("no section names these: {orphans:?}").into());
        }
        match twice.as_slice() {
            [] => Ok(()),
            names => Err(format!("two sections of one name: {names:?}").into()),
        }
    })
}

fn orphans(stages: &BTreeMap<String, Vec<Stage>>) -> Vec<PathBuf> {
    let kept = std::fs::read_dir(root().join("tests/spec/ref")).into_iter().flatten();
    let files = kept.map(|entry| entry.unwrap().path());
    files.filter(|path| !is_named(path, stages)).collect()
}

fn is_named(path: &std::path::Path, stages: &BTreeMap<String, Vec<Stage>>) -> bool {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((name, kind)) = file.split_once('.') else { return false };
    let stages = stages.get(name).map(Vec::as_slice).unwrap_or_default();
    stages.iter().any(|stage| *stage == Stage::Optimize || stage.to_string() == kind)
}
