//! Text to tree: what is understood, what is told, and that nothing is lost.

use dsp_lang::source::SourceId;
use dsp_lang::syntax::{NodeKind, Parse, parse};

fn read(text: &str) -> Parse {
    let parsed = parse(SourceId(0), text);
    let joined: String = parsed.tree.leaves().iter().map(|it| it.text(text)).collect();
    assert_eq!(joined, text, "the tree prints back as the text");
    parsed
}

fn errors(text: &str) -> Vec<String> {
    read(text)
        .diags
        .iter()
        .map(|it| {
            let at = it.primary.as_ref().map_or(0, |it| it.span.start as usize);
            let (line, column) = dsp_lang::source::position(text, at);
            format!("{line}:{column} {} {} {:?}", it.code.0, it.message, it.hints)
        })
        .collect()
}

#[track_caller]
fn clean(text: &str) -> Parse {
    let told = errors(text);
    assert!(told.is_empty(), "{text}\n{told:#?}");
    read(text)
}

const PROGRAM: &str = include_str!("program.dsp");

#[test]
fn the_program_of_the_design_is_understood() {
    let tree = clean(PROGRAM).tree;
    assert!(tree.walk().all(|it| it.kind != NodeKind::Error));
}

#[test]
fn all_programs_of_the_design_are_understood() {
    let Ok(design) = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/design.md")) else {
        return;
    };
    let blocks = design.split("```dsp\n").skip(1);
    for block in blocks.filter_map(|it| it.split("```").next()) {
        clean(block);
    }
}
