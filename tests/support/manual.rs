//! `dsp` blocks of Markdown files as trials.
//!
//! A block is checked; its info line may say more: `dsp,run` runs it and compares `//>` lines,
//! `dsp,fail=E0203` expects this error and no other, `dsp,norun` (as no tag at all) is checked
//! only, `dsp,skip` is not looked at, and `dsp,more` goes on with the block before it. A block
//! `dsp,file=texts.dsp` is a file beside the blocks behind it, too.

use super::drive::{self, Store};
use super::notes::{Expected, Note};
use super::section::{Section, Stage};
use super::{files, root, run};
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names of the design that later stages bring: what is said about them is no fault of it.
const LATER: [&str; 1] = ["`gepa`"];

/// A program in a Markdown file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    /// What the info line says after `dsp`.
    pub(crate) tags: Vec<String>,
    /// The program.
    pub(crate) text: String,
    /// The files beside it.
    pub(crate) files: BTreeMap<String, String>,
}

/// A trial for each block of the manuals; a block of the design is looked at where it is there.
pub(crate) fn trials() -> Vec<Trial> {
    let mut paths = vec![PathBuf::from("README.md"), PathBuf::from("../shared/design.md")];
    let pages = files("src/reference", "md").into_iter();
    paths.extend(pages.filter(|path| !path.starts_with(super::pages::DIR)));
    paths.into_iter().flat_map(|path| file(&path)).collect()
}

fn file(path: &Path) -> Vec<Trial> {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let blocks = blocks(&text).into_iter();
    let blocks = blocks.filter(|block| !block.tags.iter().any(|tag| tag == "skip"));
    blocks.map(|block| trial(path, block)).collect()
}

fn trial(path: &Path, block: Block) -> Trial {
    let name = format!("{}:{}", path.display(), block.line);
    let runs = block.tags.iter().any(|tag| tag == "run");
    let stage = if runs { Stage::Run } else { Stage::Check };
    Trial::test(name, move || test(&block, stage)).with_kind(stage.to_string())
}

fn test(block: &Block, stage: Stage) -> Result<(), Failed> {
    let lines: Vec<&str> = block.text.lines().collect();
    let mut section = Section::new("block".to_owned(), vec![stage], block.line, "", &lines)?;
    section.setup.files.extend(block.files.clone());
    let (diags, output) = match stage {
        Stage::Run => {
            let result = drive::run(&section.program(), &section.setup, 1, &Store::default());
            (result.diags, Some(result.stdout))
        }
        _ => (drive::check(&section.program(), &section.setup.files), None),
    };
    if let Some(code) = block.tags.iter().find_map(|tag| tag.strip_prefix("fail=")) {
        let codes: Vec<&str> =
            diags.iter().filter(|it| it.is_error).map(|it| it.code.as_str()).collect();
        return match codes.as_slice() {
            [only] if *only == code => Ok(()),
            _ => Err(format!("expected {code} alone, found {codes:?}").into()),
        };
    }
    let expected = Expected::of(&section)?;
    let is_later = |it: &&drive::Diag| LATER.iter().any(|name| it.message.contains(name));
    let found: Vec<Note> =
        diags.iter().filter(|it| !is_later(it)).map(|it| Note::found(it, &section)).collect();
    match run::mismatch(&expected, &found, output.as_deref()) {
        None => Ok(()),
        Some(why) => Err(why.into()),
    }
}

/// The `dsp` blocks of a text.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut beside = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|it| !it.is_empty()) else { continue };
        let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        let text: String = body.map(|line| format!("{line}\n")).collect();
        let mut tags = info.split(',').map(|tag| tag.trim().to_owned());
        if tags.next().as_deref() != Some("dsp") {
            continue;
        }
        let tags: Vec<String> = tags.collect();
        let before = blocks.last().filter(|_| tags.iter().any(|tag| tag == "more"));
        let text = before.map(|it| it.text.clone()).unwrap_or_default() + text.as_str();
        let files = beside.clone();
        if let Some(name) = tags.iter().find_map(|tag| tag.strip_prefix("file=")) {
            beside.insert(name.to_owned(), text.clone());
        }
        blocks.push(Block { line: at + 1, tags, text, files });
    }
    blocks
}
