//! The pages about codes as trials: the first program of a page has its code and nothing else
//! to be told of, the second has nothing.
//!
//! A page whose first block is no program names the spec that shows its code.

use super::drive::{self, Store};
use super::manual::{self, Block};
use super::section::{Section, Stage};
use super::{files, root};
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};

/// Where the pages are.
pub(crate) const DIR: &str = "src/reference/codes";

/// A trial for each page.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |path: PathBuf| {
        let code = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(format!("codes::{code}"), move || test(&path, &code))
    };
    files(DIR, "md").into_iter().map(trial).collect()
}

fn test(path: &Path, code: &str) -> Result<(), Failed> {
    let text = std::fs::read_to_string(root().join(path))?;
    let fences = text.lines().filter(|line| line.starts_with("```")).count();
    if fences != 4 {
        return Err("a page has two blocks: what has the code, and its mend".into());
    }
    let blocks = manual::blocks(&text);
    let mended = match (blocks.as_slice(), tested_by(&text)) {
        ([first, second], None) => {
            let found = codes(first)?;
            if found.is_empty() || found.iter().any(|it| it != code) {
                return Err(format!("the first program has {found:?}").into());
            }
            Some(second)
        }
        ([], Some(_)) => None,
        ([second], Some(_)) => Some(second),
        _ => return Err("either both blocks are programs, or `Tested by` names a spec".into()),
    };
    if let Some(spec) = tested_by(&text) {
        names(spec, code)?;
    }
    match mended.map(codes).transpose()?.filter(|it| !it.is_empty()) {
        Some(found) => Err(format!("the mended program has {found:?}").into()),
        None => Ok(()),
    }
}

/// The spec that a page names.
fn tested_by(text: &str) -> Option<&str> {
    text.split("\nTested by `").nth(1)?.split('`').next()
}

/// The codes that a program has.
fn codes(block: &Block) -> Result<Vec<String>, Failed> {
    let lines: Vec<&str> = block.text.lines().collect();
    let runs = block.tags.iter().any(|tag| tag == "run");
    let stage = if runs { Stage::Run } else { Stage::Check };
    let section = Section::new("block".to_owned(), vec![stage], block.line, "", &lines)?;
    let (text, setup) = (section.program(), &section.setup);
    let diags = match stage {
        Stage::Run => drive::run(&text, setup, 1, &Store::default()).diags,
        _ => drive::check(&text, &setup.files),
    };
    Ok(diags.into_iter().map(|it| it.code).collect())
}

/// Whether a case of `tests/spec/bad`, or a file of the suite, speaks of the code.
fn names(spec: &str, code: &str) -> Result<(), Failed> {
    let path = match spec.split_once("::") {
        Some(("bad", name)) => format!("tests/spec/bad/{name}/case.toml"),
        Some(("suite", name)) => format!("tests/suite/{name}.rs"),
        _ => return Err(format!("`{spec}` is no spec").into()),
    };
    let text = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
    match text.contains(code) {
        true => Ok(()),
        false => Err(format!("{path} does not speak of {code}").into()),
    }
}
