//! The one place where specs call the library.

use super::section::Stage;
use dsp_lang::diag::Diagnostic;
use dsp_lang::render;
use dsp_lang::source::Sources;
use dsp_lang::syntax;
use std::collections::BTreeMap;

/// The name of the program's text.
const MAIN: &str = "main.dsp";

/// What a run finds around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// Files beside the program.
    pub(crate) files: BTreeMap<String, String>,
    /// Replies of the model.
    pub(crate) replies: Vec<Reply>,
    /// Settings by name.
    pub(crate) settings: BTreeMap<String, String>,
    /// The predictor whose prompt is wanted, and its inputs as JSON.
    pub(crate) prompt: Option<(String, String)>,
}

/// A reply of the scripted model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Which call it answers; `None` is the next one.
    pub(crate) place: Option<Place>,
    /// What the model says.
    pub(crate) text: String,
}

/// A call of a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The predictor's path.
    pub(crate) path: String,
    /// The example under evaluation.
    pub(crate) example: Option<usize>,
    /// How many calls of this predictor came before.
    pub(crate) ordinal: usize,
}

/// A diagnostic as the user sees it.
#[derive(Debug, Clone)]
pub(crate) struct Diag {
    /// Its code.
    pub(crate) code: String,
    /// Whether it is an error.
    pub(crate) is_error: bool,
    /// The file it is in, when that is not the program.
    pub(crate) file: Option<String>,
    /// Its place.
    pub(crate) place: Option<TextPlace>,
    /// Its message.
    pub(crate) message: String,
    /// Its hints.
    pub(crate) hints: Vec<String>,
}

/// A range of lines and columns, from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextPlace {
    /// The first line.
    pub(crate) line: usize,
    /// The first column.
    pub(crate) start: usize,
    /// The last line.
    pub(crate) end_line: usize,
    /// The column behind the last.
    pub(crate) end: usize,
}

impl TextPlace {
    /// The columns as notes write them.
    pub(crate) fn columns(&self) -> String {
        let Self { line, start, end_line, end } = self;
        match end_line - line {
            0 if start == end => start.to_string(),
            0 => format!("{start}-{end}"),
            more => format!("{start}-{end}+{more}"),
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunResult {
    /// What it printed.
    pub(crate) stdout: String,
    /// What the checker and the run said.
    pub(crate) diags: Vec<Diag>,
    /// How many calls reached the model.
    pub(crate) calls: usize,
    /// The trace without what differs from run to run.
    pub(crate) canonical_trace: String,
    /// Replies that nobody asked for.
    pub(crate) leftover_replies: Vec<Reply>,
    /// Files that it wrote.
    pub(crate) files: BTreeMap<String, String>,
}

/// Kept replies, shared by the runs of one section.
#[derive(Debug, Default)]
pub(crate) struct Store;

/// Whether the library can do this yet.
pub(crate) fn is_available(stage: Stage) -> bool {
    match stage {
        Stage::Lex | Stage::Parse => !syntax::lex("a").is_empty(),
        Stage::Fmt | Stage::Check => false,
        Stage::Run | Stage::Prompt | Stage::Trace | Stage::Optimize => false,
    }
}

/// The tokens of a text, one a line, without white space.
pub(crate) fn lex(text: &str) -> String {
    let shown = |token: &syntax::Token| token.kind != syntax::TokenKind::Whitespace;
    let tokens = syntax::lex(text);
    let lines = tokens
        .iter()
        .filter(|token| shown(token))
        .map(|token| format!("{:?} {:?}\n", token.kind, token.text(text)));
    lines.collect()
}

/// The tree of a text, a node or token a line, and what is wrong with the text.
pub(crate) fn parse(text: &str) -> (String, Vec<Diag>) {
    let mut sources = Sources::default();
    let id = sources.add(MAIN, text);
    let parse = syntax::parse(id, text);
    let printed: String = parse.tree.leaves().iter().map(|token| token.text(text)).collect();
    assert_eq!(printed, text, "the tree does not print back as the text");
    let mut out = String::new();
    show(&parse.tree, text, 0, &mut out);
    (out, parse.diags.iter().map(|diag| seen(&sources, diag)).collect())
}

fn show(node: &syntax::Node, text: &str, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    out.push_str(&format!("{pad}{:?}\n", node.kind));
    for child in &node.children {
        match child {
            syntax::Child::Node(node) => show(node, text, depth + 1, out),
            syntax::Child::Token(token) if token.kind == syntax::TokenKind::Whitespace => {}
            syntax::Child::Token(token) => {
                out.push_str(&format!("{pad}  {:?} {:?}\n", token.kind, token.text(text)));
            }
        }
    }
}

/// The lines of a text, from 0, that begin inside a token.
pub(crate) fn lines_inside_tokens(text: &str) -> Vec<usize> {
    let tokens = syntax::lex(text);
    let long = tokens.iter().filter(|it| it.kind != syntax::TokenKind::Whitespace);
    let lines = long.flat_map(|token| {
        let line = |at: u32| text[..at as usize].matches('\n').count();
        line(token.start) + 1..line(token.end) + 1
    });
    lines.collect()
}

/// What is wrong with a program.
pub(crate) fn check(_text: &str, _files: &BTreeMap<String, String>) -> Vec<Diag> {
    Vec::new()
}

/// Runs a program.
pub(crate) fn run(_text: &str, _setup: &Setup, _threads: usize, _store: &Store) -> RunResult {
    RunResult::default()
}

/// The prompt that a predictor would send.
///
/// # Errors
/// What is wrong with the program or the inputs.
pub(crate) fn prompt(_text: &str, _setup: &Setup) -> Result<String, Vec<Diag>> {
    Ok(String::new())
}

/// A diagnostic as the user sees it.
fn seen(sources: &Sources, diag: &Diagnostic) -> Diag {
    let json = render::json(sources, diag);
    let number = |key: &str| json[key].as_u64().and_then(|it| usize::try_from(it).ok());
    let place = number("line").map(|line| TextPlace {
        line,
        start: number("column").unwrap(),
        end_line: number("end_line").unwrap(),
        end: number("end_column").unwrap(),
    });
    let file = json["file"].as_str().filter(|file| *file != MAIN);
    Diag {
        code: diag.code.0.to_owned(),
        is_error: diag.is_error(),
        file: file.map(ToOwned::to_owned),
        place,
        message: diag.message.clone(),
        hints: diag.hints.clone(),
    }
}
