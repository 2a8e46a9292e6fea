//! The formatter: what it never does, on all programs of the repository and on made ones. How
//! things are laid out stands in `tests/spec/fmt`.

use dsp_lang::check::names;
use dsp_lang::diag::Diagnostic;
use dsp_lang::engine::check_text;
use dsp_lang::fmt::{self, Error, WIDTH};
use dsp_lang::lower::{Linked, lower};
use dsp_lang::source::SourceId;
use dsp_lang::syntax::{TokenKind, lex, parse};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// All programs of the repository without syntax errors: files, sections of specs, blocks of
/// manuals, pieces of Rhai.
static PROGRAMS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut found = Vec::new();
    for folder in ["examples", "src", "tests"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    found.push(include_str!("../../README.md").to_owned());
    let pieces = found.iter().flat_map(|text| text.split("\n//# ").flat_map(blocks));
    let rhai = include_str!("syntax/rhai.txt").split("----\n").map(ToOwned::to_owned);
    let mut programs: Vec<String> = pieces.chain(rhai).collect();
    programs.retain(|it| parse(SourceId(0), it).diags.is_empty());
    programs.sort();
    programs.dedup();
    programs
});

fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|it| it == "dsp" || it == "md") {
            found.extend(std::fs::read_to_string(path));
        }
    }
}

/// The text itself, and what stands in fences in it.
fn blocks(text: &str) -> Vec<String> {
    let mut found = vec![text.to_owned()];
    let mut rest = text;
    while let Some((_, block)) = rest.split_once("\n```dsp") {
        let Some((_, block)) = block.split_once('\n') else { break };
        let Some((block, behind)) = block.split_once("\n```") else { break };
        found.push(format!("{block}\n"));
        rest = behind;
    }
    found
}

/// The layout of a text, after all that must hold of any.
#[track_caller]
fn holds(text: &str, width: usize) -> String {
    let once = match fmt::format(SourceId(0), text, width) {
        Ok(once) => once,
        Err(Error::Broken(diags)) => panic!("{diags:?} in\n{text}"),
        Err(Error::Unsafe(span)) => panic!("it would change at {span:?}:\n{text}"),
    };
    let twice = fmt::format(SourceId(0), &once, width).unwrap();
    let changes = fmt::diff::unified("", &once, &twice);
    assert!(changes.is_empty(), "twice is not once, of\n{text}\n{changes}");
    assert!(fmt::is_same(text, &once), "{text}\nbecomes\n{once}");
    assert!(!once.contains("\r\n") && !once.starts_with('\u{feff}'), "{once}");
    assert!(once.is_empty() || once.ends_with('\n') && !once.ends_with("\n\n"), "{once:?}");
    assert_eq!(words(text), words(&once), "of\n{text}");
    once
}

/// All tokens and comments but separators, in order.
fn words(text: &str) -> Vec<String> {
    let tokens = lex(text).into_iter().filter(|it| {
        !matches!(it.kind, TokenKind::Whitespace | TokenKind::Comma | TokenKind::Semi)
    });
    let shown = tokens.map(|it| {
        let lines = it.text(text).lines().map(str::trim);
        lines.collect::<Vec<_>>().join("\n")
    });
    shown.collect()
}

#[test]
fn all_programs_of_the_repository_keep_what_they_say() {
    assert!(PROGRAMS.len() > 400, "only {}", PROGRAMS.len());
    for program in PROGRAMS.iter() {
        for width in [WIDTH, 40, 20] {
            holds(program, width);
        }
    }
}

/// What a program is for the host language, word by word; nothing if it has errors. Signatures
/// in its code are called after their places, which a layout moves: they are counted instead.
fn lowered(text: &str) -> Option<Vec<String>> {
    let check = check_text("main.dsp", text);
    if check.diagnostics.iter().any(Diagnostic::is_error) {
        return None;
    }
    let mut linked = Linked::default();
    let range = lower(&mut linked, &check.checked, text).ok()?;
    let text = &linked.text()[range];
    let tokens = lex(text).into_iter().filter(|it| {
        !it.kind.is_trivia() && !matches!(it.kind, TokenKind::Comma | TokenKind::Semi)
    });
    // An assert holds the text of its condition, which has a layout too.
    let bare = |word: &str| match word.starts_with('"') {
        true => word.replace("\\n", "").replace([' ', ',', ';'], ""),
        false => word.to_owned(),
    };
    let mut words: Vec<String> = tokens.map(|it| bare(it.text(text))).collect();
    let places: BTreeSet<u32> = check.checked.inline.keys().map(|it| it.1).collect();
    for (number, place) in places.into_iter().enumerate() {
        let (place, number) = (place.to_string(), format!("#{number}"));
        for at in 0..words.len() {
            let of_inline = at > 2 && words[at - 3] == names::INLINE && words[at] == place;
            let of_contracts = words[at].ends_with(&format!("_{place}"));
            if of_inline || of_contracts {
                words[at] = words[at].replace(&place, &number);
            }
        }
    }
    Some(words)
}

#[test]
fn programs_in_their_layout_are_lowered_to_the_same() {
    let mut tried = 0;
    for program in PROGRAMS.iter() {
        for text in [program, &joined(program)] {
            let Ok(laid_out) = fmt::format(SourceId(0), text, 40) else { continue };
            let before = lowered(text);
            tried += usize::from(before.is_some());
            let lines = |words: Option<Vec<String>>| {
                words.into_iter().flatten().map(|it| it + "\n").collect::<String>()
            };
            let changes = fmt::diff::unified("", &lines(before), &lines(lowered(&laid_out)));
            assert!(changes.is_empty(), "{changes}of\n{text}");
        }
    }
    assert!(tried > 300, "only {tried}");
}

/// A text with other white space, and comments, between its tokens.
fn disturbed(text: &str, gaps: &[u8]) -> String {
    let mut out = String::new();
    let mut gaps = gaps.iter().cycle();
    let tokens = lex(text);
    let mut template = 0;
    for (at, token) in tokens.iter().enumerate() {
        out.push_str(token.text(text));
        match token.kind {
            // Between back-ticks all is text.
            TokenKind::Backtick => template = 1 - template,
            TokenKind::TemplateText => continue,
            _ => {}
        }
        let inside =
            template == 1 || tokens.get(at + 1).is_none_or(|it| it.kind == TokenKind::End);
        if inside || !matches!(token.kind, TokenKind::Whitespace) {
            continue;
        }
        out.push_str(match gaps.next().unwrap_or(&0) {
            0 => "/* a */",
            1 => "// b\n",
            2 => "\n\n\n",
            3 => "\n// c\n",
            4 => "\n/* d\n   e */ ",
            5 => " ",
            6 => "\r\n",
            7 => "/// f\n",
            8 => "\n\n/* g */\n\n",
            _ => "",
        });
    }
    out
}

/// The same program on as few lines as it has room on.
fn joined(text: &str) -> String {
    let tokens = lex(text);
    tokens
        .iter()
        .map(|it| match it.kind {
            TokenKind::Whitespace => " ",
            _ => it.text(text),
        })
        .collect()
}

fn is_clean(text: &str) -> bool {
    parse(SourceId(0), text).diags.is_empty()
}

#[test]
fn programs_on_one_line_are_laid_out() {
    let mut tried = 0;
    for program in PROGRAMS.iter() {
        let joined = joined(program);
        if is_clean(&joined) {
            holds(&joined, WIDTH);
            holds(&joined, 30);
            tried += 1;
        }
    }
    assert!(tried > 300, "only {tried}");
}

/// What may stand between two words.
const GAPS: [&str; 9] = [
    "/* a */",
    " // b\n",
    "\n\n\n",
    "\n// c\n",
    "\n/* d\n   e */ ",
    "\r\n",
    " /// f\n",
    "\n\n/* g */\n\n",
    " /* h */ // i\n\n// j\n",
];

/// The offsets between the words of a text, but for those inside of template strings.
fn gaps(text: &str) -> Vec<usize> {
    let mut inside = false;
    let mut found = Vec::new();
    for token in lex(text) {
        inside ^= token.kind == TokenKind::Backtick;
        if !inside && token.kind != TokenKind::TemplateOpen {
            found.push(token.end as usize);
        }
    }
    found
}

/// `EVERY=1` looks at all places, which takes minutes.
#[test]
fn one_comment_may_stand_anywhere() {
    let every = std::env::var("EVERY").map_or(61, |it| it.parse().unwrap());
    let program =
        concat!(include_str!("syntax/program.dsp"), include_str!("syntax/layout.dsp"));
    let mut tried = 0;
    for (at, place) in gaps(program).into_iter().enumerate() {
        for (number, gap) in GAPS.into_iter().enumerate() {
            let (before, behind) = program.split_at(place);
            let text = [before, gap, behind].concat();
            if (at * GAPS.len() + number).is_multiple_of(every) && is_clean(&text) {
                holds(&text, WIDTH);
                holds(&text, 30);
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "only {tried}");
}

#[test]
fn line_ends_become_one() {
    let text = "\u{feff}#!/usr/bin/dsp\r\nlet a = [1,\r\n2];\r\n// b \r\n\r\n\r\n\r\n/* c\r\n d */\r\nprint(`x\r\ny`);";
    let laid_out = holds(text, WIDTH);
    assert_eq!(
        laid_out,
        "#!/usr/bin/dsp\nlet a = [1, 2];\n// b\n\n/* c\n d */\nprint(`x\ny`);\n"
    );
}

#[test]
fn the_examples_are_laid_out() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let output = dsp(&examples, &["fmt", "--check"], "");
    assert_eq!((output.code, output.out.as_str()), (0, ""), "run `dsp fmt examples`");
}

/// What a command said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn dsp(folder: &Path, args: &[&str], stdin: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsp"));
    command.args(args).current_dir(folder).env_clear().env("DSP_HOME", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn the_command_lays_out_files_and_folders() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (name, text) in [
        ("a.dsp", "let a=1;\n"),
        ("sub/b.dsp", "let b = 1;\n"),
        ("sub/c.dsp", "let c = ;\n"),
        ("sub/d.txt", "let d=1;\n"),
        (".hidden/e.dsp", "let e=1;\n"),
    ] {
        std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        std::fs::write(root.join(name), text).unwrap();
    }
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();

    let checked = dsp(root, &["fmt", "--check"], "");
    assert_eq!((checked.code, checked.out.as_str()), (1, "a.dsp\n"));
    assert!(checked.err.contains("sub/c.dsp:1:9"), "{}", checked.err);
    let shown = dsp(root, &["fmt", "--diff", "a.dsp"], "");
    assert_eq!(shown.code, 0);
    assert_eq!(shown.out, "--- a.dsp\n+++ a.dsp\n@@ -1 +1 @@\n-let a=1;\n+let a = 1;\n");
    assert_eq!(read("a.dsp"), "let a=1;\n", "neither changes anything");

    let written = dsp(root, &["fmt", "a.dsp", "sub"], "");
    assert_eq!(written.code, 1);
    assert!(
        written.err.ends_with("1 file formatted, 1 unchanged, 1 with errors left alone\n"),
        "{}",
        written.err
    );
    assert_eq!(read("a.dsp"), "let a = 1;\n");
    assert_eq!(read("sub/c.dsp"), "let c = ;\n");
    assert_eq!(read("sub/d.txt"), "let d=1;\n");
    assert_eq!(read(".hidden/e.dsp"), "let e=1;\n");
    let again = dsp(root, &["fmt", "a.dsp"], "");
    assert_eq!((again.code, again.err.as_str()), (0, "0 files formatted, 1 unchanged\n"));
}

#[test]
fn the_command_reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let piped = dsp(folder.path(), &["fmt", "-", "--width", "20"], "f(one,two,three,four)");
    let laid_out = "f(\n    one,\n    two,\n    three,\n    four,\n)\n";
    assert_eq!((piped.code, piped.out.as_str()), (0, laid_out));
    let broken = dsp(folder.path(), &["fmt", "-"], "let a = ;");
    assert_eq!((broken.code, broken.out.as_str()), (1, ""));
    assert!(broken.err.contains("<stdin>:1:9"), "{}", broken.err);
    let missing = dsp(folder.path(), &["fmt", "nothing.dsp"], "");
    assert_eq!(missing.code, 2);
}

#[test]
fn differences_are_shown_as_diff_does() {
    let old: String = (1..=20).map(|it| format!("{it}\n")).collect();
    let new =
        old.replace("\n2\n", "\ntwo\n").replace("\n18\n", "\n").replace("9\n10", "9\nx\n10");
    let expected = "--- f\n+++ f\n@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -7,6 +7,7 @@\n 7\n 8\n 9\n+x\n 10\n 11\n 12\n@@ -15,6 +16,5 @@\n 15\n 16\n 17\n-18\n 19\n 20\n";
    assert_eq!(fmt::diff::unified("f", &old, &new), expected);
    assert_eq!(fmt::diff::unified("f", &old, &old), "");
    assert!(fmt::diff::unified("f", "a", "a\n").contains("\\ No newline at end of file"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn comments_and_white_space_may_stand_anywhere(
        at in any::<prop::sample::Index>(),
        gaps in prop::collection::vec(0..40u8, 1..60),
        width in 20..120usize,
    ) {
        let text = disturbed(&PROGRAMS[at.index(PROGRAMS.len())], &gaps);
        if is_clean(&text) {
            holds(&text, width);
        }
    }
}
