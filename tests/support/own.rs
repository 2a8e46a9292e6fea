//! Trials of the runner itself: how sections are read, compared and rewritten.

use super::drive::{Diag, TextPlace};
use super::manual;
use super::notes::{Expected, Note};
use super::run::mismatch;
use super::section::{Section, SpecFile, Stage};
use super::update::rewritten;
use libtest_mimic::{Failed, Trial};
use std::path::Path;

/// All of them.
pub(crate) fn trials() -> Vec<Trial> {
    let trials: [(&str, fn()); 6] = [
        ("sections and set-up", sections_and_setup),
        ("errors in a spec are told", errors_in_a_spec),
        ("notes fit what is found", notes_fit),
        ("places at the end, inside and elsewhere", odd_places),
        ("notes are rewritten", notes_are_rewritten),
        ("blocks of a manual", blocks_of_a_manual),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(format!("runner::{name}"), move || -> Result<(), Failed> {
            test();
            Ok(())
        })
    };
    trials.into_iter().map(trial).collect()
}

fn section(text: &str) -> Section {
    let mut file = SpecFile::parse(Path::new("x.dsp"), text).unwrap();
    file.sections.remove(0)
}

fn diag(code: &str, line: usize, start: usize, end: usize) -> Diag {
    Diag {
        code: code.to_owned(),
        is_error: code.starts_with('E'),
        file: None,
        place: Some(TextPlace { line, start, end_line: line, end }),
        message: "unknown name `b`".to_owned(),
        hints: vec!["did you mean `a`?".to_owned()],
    }
}

fn notes(section: &Section, diags: &[Diag]) -> Vec<Note> {
    diags.iter().map(|it| Note::found(it, section)).collect()
}

fn sections_and_setup() {
    let text = "\
// About replies.
//# first run trace
//@ reply: {\"a\": 1}
//@ reply[answer@3#1]: two
//@ reply[answer] =
//| three
//|
//|   lines
//@ end
//@ file rows.csv =
a,b
//@ end
//@ seed: 7
let a = 1;
//# second check
let b = 2;
";
    let file = SpecFile::parse(Path::new("x.dsp"), text).unwrap();
    assert_eq!(file.head, ["// About replies."]);
    let [first, second] = file.sections.as_slice() else { panic!("two sections") };
    assert_eq!(
        (first.line, first.stages.as_slice()),
        (2, [Stage::Run, Stage::Trace].as_slice())
    );
    let replies: Vec<(String, &str)> =
        first.setup.replies.iter().map(|it| (format!("{:?}", it.place), &*it.text)).collect();
    assert_eq!(replies[0], ("None".to_owned(), "{\"a\": 1}"));
    assert!(replies[1].0.contains("example: Some(3), ordinal: 1"));
    assert_eq!(replies[2].1, "three\n\n  lines\n");
    assert_eq!(first.setup.files["rows.csv"], "a,b\n");
    assert_eq!(first.setup.settings["seed"], "7");
    assert_eq!(first.program(), format!("{}let a = 1;\n", "//\n".repeat(11)));
    assert_eq!((second.name.as_str(), second.program().as_str()), ("second", "let b = 2;\n"));
    let all: String = file.sections.iter().map(Section::text).collect();
    assert_eq!(format!("// About replies.\n{all}"), text);
}

fn errors_in_a_spec() {
    let cases = [
        ("//# \n", "a section without a name"),
        ("//# a\n", "section `a` has no stage"),
        ("//# a walk\n", "unknown stage `walk`"),
        ("//# a run\n//@ colour: red\n", "unknown set-up `colour`"),
        ("//# a run\n//@ file x =\n", "`file x` has no `//@ end`"),
        ("//# a run\n//@ reply[x#y]: z\n", "no place: `x#y`"),
    ];
    for (text, why) in cases {
        let error = SpecFile::parse(Path::new("x.dsp"), text).unwrap_err();
        assert_eq!(error, format!("line 1: {why}"));
    }
}

fn notes_fit() {
    let full = "//# a check\nlet a = 1;\n//! 7-8 E0201 unknown name `b`\n//? did you mean `a`?\nprint(b);\n";
    let short = "//# a check\nlet a = 1;\n//! 7-8 E0201\nprint(b);\n";
    let found = diag("E0201", 4, 7, 8);
    for (text, line) in [(full, 4), (short, 3)] {
        let section = section(text);
        let expected = Expected::of(&section).unwrap();
        let place = TextPlace { line, end_line: line, start: 7, end: 8 };
        let right = Diag { place: Some(place), ..found.clone() };
        assert_eq!(
            mismatch(&expected, &notes(&section, std::slice::from_ref(&right)), None),
            None
        );
        let wrong = Diag { code: "W0201".to_owned(), is_error: false, ..right };
        let why = mismatch(&expected, &notes(&section, &[wrong]), None).unwrap();
        assert!(why.contains("- line") && why.contains("+ line"), "{why}");
    }
}

fn odd_places() {
    let text = "//# a check\nlet a = {\n//! 1 E0101\n//! @1:5-6 E0201\n//! lib.dsp:2:1-4 E0202\n//! E0001\n\n\n";
    let section = section(text);
    let expected = Expected::of(&section).unwrap();
    let bare = Diag { place: None, ..diag("E0001", 1, 1, 1) };
    let elsewhere = Diag { file: Some("lib.dsp".to_owned()), ..diag("E0202", 2, 1, 4) };
    let found = [diag("E0101", 8, 1, 1), diag("E0201", 1, 5, 6), elsewhere, bare];
    assert_eq!(mismatch(&expected, &notes(&section, &found), None), None);
}

fn notes_are_rewritten() {
    let text = "//# a run\nlet a = `\n${b}`;\n//! 7-8 E0201\nprint(a);\n//> old\n\n";
    let section = section(text);
    let expected = Expected::of(&section).unwrap();
    let found = [diag("E0201", 2, 3, 4), diag("E0201", 4, 7, 8), diag("W0301", 4, 1, 2)];
    let found = notes(&section, &found);
    let text = rewritten(&section, &expected, &found, Some("one\n\ntwo\n"), |line| line == 1);
    let expected = "\
//# a run
let a = `
${b}`;
//! 7-8 E0201
//~ 1-2 W0301 unknown name `b`
//? did you mean `a`?
print(a);
//! @2:3-4 E0201 unknown name `b`
//? did you mean `a`?
//> one
//>
//> two

";
    assert_eq!(text, expected);
    let again = self::section(&text);
    let expected = Expected::of(&again).unwrap();
    assert_eq!(expected.output, "one\n\ntwo\n");
}

fn blocks_of_a_manual() {
    let text = "# x\n```dsp\na\n```\n```rust\nb\n```\n```dsp,more,fail=E0203\nc\n```\n";
    let blocks = manual::blocks(text);
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].line, blocks[0].text.as_str()), (2, "a\n"));
    assert_eq!(blocks[1].text, "a\nc\n");
    assert_eq!(blocks[1].tags, ["more", "fail=E0203"]);
}
