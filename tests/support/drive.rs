//! The one place where specs call the library.

use super::notes::Mark;
use dsp_lang::config::{Caps, Config};
use dsp_lang::diag::Diagnostic;
use dsp_lang::engine::{self, Engine, TestOptions};
use dsp_lang::host::MemoryHost;
use dsp_lang::lm::{Address, Capabilities, Error, ErrorKind, Scripted};
use dsp_lang::source::Sources;
use dsp_lang::{render, syntax, test_run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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
#[derive(Debug)]
pub(crate) struct Store(Arc<dsp_lang::store::Store>);

impl Default for Store {
    fn default() -> Self {
        Self(Arc::new(dsp_lang::store::Store::in_memory()))
    }
}

/// The tokens of a text, one a line, without white space.
pub(crate) fn lex(text: &str) -> String {
    let tokens = syntax::lex(text);
    let lines = tokens
        .iter()
        .filter(|token| is_shown(**token, text))
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
            syntax::Child::Token(token) if is_shown(*token, text) => {
                out.push_str(&format!("{pad}  {:?} {:?}\n", token.kind, token.text(text)));
            }
            syntax::Child::Token(_) => {}
        }
    }
}

/// Whether a token belongs into a ref: white space and the lines of the spec itself do not.
fn is_shown(token: syntax::Token, text: &str) -> bool {
    let text = token.text(text);
    let is_comment = token.kind == syntax::TokenKind::LineComment;
    let is_spec = is_comment && (Mark::of(text).is_some() || text.trim_end() == "//");
    token.kind != syntax::TokenKind::Whitespace && !is_spec
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
pub(crate) fn check(text: &str, files: &BTreeMap<String, String>) -> Vec<Diag> {
    let host = files
        .iter()
        .fold(MemoryHost::default(), |host, (name, text)| host.with_file(name, text.as_str()));
    let host = host.with_file(MAIN, text);
    let check = engine::check_file(&host, Path::new(MAIN)).expect("the program is a text");
    all_seen(&check.sources, &check.diagnostics)
}

/// Runs a program.
pub(crate) fn run(text: &str, setup: &Setup, threads: usize, store: &Store) -> RunResult {
    let machine = Machine::new(text, setup);
    let program = match machine.engine(threads, store).load(MAIN) {
        Ok(program) => program,
        Err(error) => return RunResult { diags: errors_seen(&error), ..RunResult::default() },
    };
    let finished = program.run();
    let mut diags = all_seen(program.sources(), program.warnings());
    diags.extend(all_seen(program.sources(), &finished.warnings));
    diags.extend(finished.result.err().iter().flat_map(errors_seen));
    let replies = lock(&machine.replies);
    RunResult {
        stdout: without_trailing_spaces(&machine.host.printed()),
        diags,
        calls: replies.calls,
        canonical_trace: finished.trace.canonical(),
        leftover_replies: replies.left(),
        files: machine.written(),
    }
}

/// What `dsp test` reports of a program, with what is wrong with it.
pub(crate) fn test(text: &str, setup: &Setup, threads: usize) -> (Vec<Diag>, String) {
    let machine = Machine::new(text, setup);
    let program = match machine.engine(threads, &Store::default()).load(MAIN) {
        Ok(program) => program,
        Err(error) => return (errors_seen(&error), String::new()),
    };
    let tests = test_run::chosen(&program, None);
    let style = test_run::text::Style::default();
    let mut report = String::new();
    let mut tally = test_run::Tally::default();
    test_run::run(
        &program,
        &tests,
        threads,
        |_| TestOptions::default(),
        |ended| {
            report += &test_run::text::test(ended, style);
            tally.count(ended);
        },
    );
    report += &format!("{}\n", test_run::text::tally(tally, style));
    (all_seen(program.sources(), program.warnings()), without_trailing_spaces(&report))
}

/// The prompt that a predictor would send.
///
/// # Errors
/// What is wrong with the program or the inputs.
pub(crate) fn prompt(text: &str, setup: &Setup) -> Result<String, Vec<Diag>> {
    let (path, inputs) = setup.prompt.clone().expect("`//@ prompt:` says which predictor");
    let machine = Machine::new(text, setup);
    let program =
        machine.engine(1, &Store::default()).load(MAIN).map_err(|it| errors_seen(&it))?;
    let inputs: serde_json::Value = serde_json::from_str(&inputs).expect("inputs are JSON");
    let (name, at) = match path.split_once('.') {
        Some((name, at)) => (name, Some(at)),
        None => (path.as_str(), None),
    };
    let prompt = program.value(name).and_then(|it| it.prompt(at, &inputs));
    prompt.map(|it| engine::prompt_text(&it) + "\n").map_err(|it| errors_seen(&it))
}

/// A machine in memory with a program, its files and a scripted model.
struct Machine {
    host: Arc<MemoryHost>,
    replies: Arc<Mutex<Replies>>,
    settings: Config,
    given: BTreeMap<PathBuf, Vec<u8>>,
}

impl Machine {
    fn new(text: &str, setup: &Setup) -> Self {
        let mut host = MemoryHost::default().with_file(MAIN, text);
        for (name, text) in &setup.files {
            host = host.with_file(name, text.as_str());
        }
        let given = host.files();
        let replies = Replies { given: setup.replies.clone(), ..Replies::default() };
        Self {
            host: Arc::new(host),
            replies: Arc::new(Mutex::new(replies)),
            settings: settings(setup),
            given,
        }
    }

    fn engine(&self, threads: usize, store: &Store) -> Engine {
        let replies = self.replies.clone();
        let model = Scripted::try_by(move |_, context| lock(&replies).next(&context.address))
            .with_capabilities(Capabilities {
                chat: true,
                template: false,
                in_process: true,
                nonblocking: false,
                parallel: 4,
                cacheable: true,
                ..Capabilities::PLAIN
            });
        let builder = Engine::builder()
            .host(self.host.clone())
            .store(store.0.clone())
            .model(Arc::new(model))
            .over_scripts(self.settings.clone())
            .threads(threads)
            .keep_traces();
        builder.build().expect("an engine in memory can be built")
    }

    /// Files that were not there before, or are others now.
    fn written(&self) -> BTreeMap<String, String> {
        let now = self.host.files().into_iter();
        let changed = now.filter(|(path, bytes)| self.given.get(path) != Some(bytes));
        let text = |(path, bytes): (PathBuf, Vec<u8>)| {
            (path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())
        };
        changed.map(text).collect()
    }
}

fn settings(setup: &Setup) -> Config {
    fn read<T: std::str::FromStr>(setup: &Setup, name: &str) -> Option<T> {
        let number =
            |text: &String| text.parse().unwrap_or_else(|_| panic!("`{name}: {text}`"));
        setup.settings.get(name).map(number)
    }
    let caps = Caps {
        max_calls: read(setup, "max_calls"),
        max_tokens: read(setup, "max_tokens"),
        max_usd: read(setup, "max_usd"),
        max_seconds: None,
    };
    Config { seed: read(setup, "seed"), caps, ..Config::default() }
}

/// The replies of the model, and which were given.
#[derive(Debug, Default)]
struct Replies {
    given: Vec<Reply>,
    used: BTreeSet<usize>,
    calls: usize,
}

impl Replies {
    /// The reply to a call: one for its example, one for its place, or the next in the list.
    fn next(&mut self, address: &Address) -> Result<String, Error> {
        self.calls += 1;
        let of =
            |example| Place { path: address.path.clone(), example, ordinal: address.ordinal };
        let places = [of(address.example), of(None)];
        let placed =
            |place: &Place| self.given.iter().position(|it| it.place.as_ref() == Some(place));
        let listed = |at: &usize| self.given[*at].place.is_none() && !self.used.contains(at);
        let found = places.iter().find_map(placed).or((0..self.given.len()).find(listed));
        let Some(at) = found else {
            let message = format!("the spec has no reply for {:?}", places[0]);
            return Err(Error::new(ErrorKind::Scripted, "scripted", message));
        };
        self.used.insert(at);
        Ok(self.given[at].text.clone())
    }

    fn left(&self) -> Vec<Reply> {
        let left = (0..self.given.len()).filter(|at| !self.used.contains(at));
        left.map(|at| self.given[at].clone()).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn all_seen(sources: &Sources, diags: &[Diagnostic]) -> Vec<Diag> {
    diags.iter().map(|diag| seen(sources, diag)).collect()
}

fn errors_seen(error: &engine::Error) -> Vec<Diag> {
    all_seen(error.sources(), error.diagnostics())
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

/// Output as notes can hold it.
fn without_trailing_spaces(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
