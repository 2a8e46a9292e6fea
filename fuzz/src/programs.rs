//! Programs: read, laid out, checked, lowered.

use dsp_lang::diag::Diagnostic;
use dsp_lang::engine::{Check, Engine, Error, check_text};
use dsp_lang::fmt::{self, WIDTH};
use dsp_lang::lm::Scripted;
use dsp_lang::render;
use dsp_lang::source::{SourceId, Sources, Span};
use dsp_lang::syntax::{TokenKind, lex, parse};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// Only texts get here: that a file is UTF-8 is for its reader to say.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The tokens and the tree print back as the text, and what is wrong has a place in it.
pub(crate) fn parser(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let tokens: String = lex(text).iter().map(|it| it.text(text)).collect();
    assert_eq!(tokens, text, "the tokens do not print back as the text");
    let mut sources = Sources::default();
    let id = sources.add("main.dsp", text);
    let parsed = parse(id, text);
    let leaves: String = parsed.tree.leaves().iter().map(|it| it.text(text)).collect();
    assert_eq!(leaves, text, "the tree does not print back as the text");
    for node in parsed.tree.walk() {
        assert!(text.get(node.start as usize..node.end as usize).is_some(), "{node:?}");
    }
    all_have_places(&sources, &parsed.diags);
}

/// A layout keeps all tokens and comments and is its own layout; what is broken has none.
pub(crate) fn format(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let is_clean = parse(SourceId(0), text).diags.is_empty();
    for width in [WIDTH, 24] {
        let once = match fmt::format(SourceId(0), text, width) {
            Ok(once) => once,
            Err(fmt::Error::Broken(_)) if !is_clean => return,
            Err(error) => panic!("no layout: {error:?}"),
        };
        assert!(is_clean, "a broken text has a layout: {once}");
        let twice = fmt::format(SourceId(0), &once, width).expect("a layout has a layout");
        assert_eq!(twice, once, "twice is not once, of {text:?}");
        assert_eq!(words(&once), words(text), "of {text:?}");
    }
}

/// All tokens and comments but separators, in order.
fn words(text: &str) -> Vec<String> {
    let tokens = lex(text).into_iter().filter(|it| {
        !matches!(it.kind, TokenKind::Whitespace | TokenKind::Comma | TokenKind::Semi)
    });
    let lines = tokens.map(|it| it.text(text).lines().map(str::trim).collect::<Vec<_>>());
    lines.map(|it| it.join("\n")).collect()
}

/// Checking ends, and what it says has places.
pub(crate) fn check(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let check = check_text("main.dsp", text);
    all_have_places(&check.sources, &check.diagnostics);
    render::text(&check.sources, &check.diagnostics, false);
}

fn all_have_places(sources: &Sources, diags: &[Diagnostic]) {
    for diag in diags {
        let labels = diag.primary.iter().chain(&diag.labels).map(|it| it.span);
        for span in labels.chain(diag.edits.iter().map(|it| it.span)) {
            assert!(has_place(sources, span), "{diag:?}");
        }
        assert!(!diag.message.contains('\n'), "{diag:?}");
        render::json(sources, diag);
    }
}

fn has_place(sources: &Sources, span: Span) -> bool {
    sources.get(span.source).text.get(span.range()).is_some()
}

/// What has no error compiles.
pub(crate) fn lower(bytes: &[u8]) {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        let model = Arc::new(Scripted::new(Vec::<String>::new()));
        Engine::builder().model(model).no_cache().build().expect("it needs no files")
    });
    let Some(text) = text(bytes) else { return };
    let check = check_text("main.dsp", text);
    if has_errors(&check) {
        return;
    }
    if let Err(error) = ENGINE.load_checked(check, PathBuf::new()) {
        panic!("checked and does not compile: {}", shown(&error));
    }
}

fn has_errors(check: &Check) -> bool {
    check.diagnostics.iter().any(Diagnostic::is_error)
}

fn shown(error: &Error) -> String {
    render::text(error.sources(), error.diagnostics(), false)
}
