use super::{Align, Table, json, plain, summary, text};
use crate::diag::{Code, Diagnostic};
use crate::source::{SourceId, Sources, Span};

fn draw(source: &str, range: std::ops::Range<usize>) -> String {
    let mut sources = Sources::default();
    let id = sources.add("a.dsp", source);
    text(&sources, &[Diagnostic::new(Code("E0203"), at(id, range), "wrong")], false)
}

fn at(id: SourceId, range: std::ops::Range<usize>) -> Span {
    Span::new(id, range.start, range.end)
}

#[test]
fn two_sources_notes_and_hints_are_drawn() {
    let mut sources = Sources::default();
    let main = sources.add("main.dsp", "let r = qa(1);\nprint(r.anwser);\n");
    let lib = sources.add("lib.dsp", "signature QA { out answer }\n");
    let diag =
        Diagnostic::new(Code("E0203"), at(main, 23..29), "`QA` has no output field `anwser`")
            .remark("unknown field")
            .label(at(lib, 19..25), "its fields stand here")
            .note("the value is\ntwo lines")
            .hint("did you mean `answer`?");
    let drawn = text(&sources, &[diag], false);
    let expected = "\
error[E0203]: `QA` has no output field `anwser`
  ┌─ main.dsp:2:9
  │
2 │ print(r.anwser);
  │         ^^^^^^ unknown field
  │
  ┌─ lib.dsp:1:20
  │
1 │ signature QA { out answer }
  │                    ------ its fields stand here
  │
  = note: the value is
    two lines
  = help: did you mean `answer`?

";
    assert_eq!(drawn, expected);
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let source = format!("let x = \"{}\" + y;", "a".repeat(5000));
    let at = source.len() - 2;
    let drawn = draw(&source, at..at + 1);
    assert!(drawn.lines().all(|line| line.chars().count() < 130), "{drawn}");
    assert!(drawn.contains(&format!("a.dsp:1:{}", at + 1)), "{drawn}");
    let lines: Vec<&str> = drawn.lines().collect();
    let caret = lines[4].chars().position(|ch| ch == '^').unwrap();
    assert_eq!(lines[3].chars().nth(caret), Some('y'), "{drawn}");
}

#[test]
fn carets_stand_under_wide_characters_and_after_tabs() {
    let drawn = draw("\tprint(\"世界\" + y);", 18..19);
    assert!(drawn.contains("a.dsp:1:15"), "{drawn}");
    assert!(drawn.contains("    print(\"世界\" + y);\n  │                    ^\n"), "{drawn}");
}

#[test]
fn places_outside_the_text_and_at_its_end_are_drawn() {
    for source in ["", "x", "x\n", "x\r\n", "é"] {
        for range in [0..0, 0..1, 1..1, 2..2, 900..901] {
            assert!(draw(source, range).starts_with("error[E0203]: wrong\n"));
        }
    }
}

#[test]
fn a_place_that_ends_with_the_line_stays_on_it() {
    let drawn = draw("abc\ndef\n", 0..4);
    assert!(drawn.contains("1 │ abc\n  │ ^^^\n"), "{drawn}");
}

#[test]
fn control_characters_of_a_source_are_not_obeyed() {
    let drawn = draw("a\u{1b}[2Jb c\n", 6..7);
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
}

#[test]
fn colours_are_escape_sequences() {
    let diag = Diagnostic::bare(Code("W0001"), "old");
    let colored = text(&Sources::default(), &[diag], true);
    assert!(colored.contains("\u{1b}["));
    assert_eq!(plain(&colored), "warning[W0001]: old\n\n");
}

#[test]
fn json_counts_lines_and_characters_from_one() {
    let mut sources = Sources::default();
    let id = sources.add("a.dsp", "é\nxé y");
    let diag = Diagnostic::new(Code("W0301"), at(id, 7..8), "odd").hint("do not");
    let object = json(&sources, &diag).to_string();
    let expected = r#"{"code":"W0301","severity":"warning","message":"odd","file":"a.dsp","line":2,"column":4,"end_line":2,"end_column":5,"start":7,"end":8,"label":"","labels":[],"notes":[],"hints":["do not"],"edits":[]}"#;
    assert_eq!(object, expected);
}

#[test]
fn a_summary_counts() {
    let diags = ["E0001", "W0001", "W0001"].map(|code| Diagnostic::bare(Code(code), ""));
    assert_eq!(summary(&diags), "1 error, 2 warnings");
    assert_eq!(summary(&[]), "");
}

#[test]
fn plain_drops_what_a_terminal_obeys() {
    let cases = [
        ("a\tb\nc", "a\tb\nc"),
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{1b}]0;title\u{7}x", "x"),
        ("\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
        ("\u{1b}]never ends\nx", "never ends\nx"),
        ("\u{9b}2Jx", "x"),
        ("over\rwritten\u{8}", "overwritten"),
        ("\u{202e}abc\u{2069}", "abc"),
        ("\u{1b}(Bx\u{1b}", "x"),
        ("\u{1b}é", "é"),
    ];
    for (given, expected) in cases {
        assert_eq!(plain(given), expected, "{given:?}");
    }
}

#[test]
fn a_table_lines_up() {
    let mut table = Table::new([("name", Align::Left), ("score", Align::Right)]);
    table.row(["qa", "0.5"]).row(["世界", "12.25"]).row(["x\u{1b}[1m\ny"]);
    let expected = "\
name  score
────  ─────
qa      0.5
世界  12.25
x y
";
    assert_eq!(table.render(), expected);
}
