//! Spec files: sections, their stages and their set-up.

use super::drive::{Place, Reply, Setup};
use super::notes::Mark;
use std::fmt;
use std::path::{Path, PathBuf};

/// A file of specs.
#[derive(Debug)]
pub(crate) struct SpecFile {
    /// Where it stands, relative to the package.
    pub(crate) path: PathBuf,
    /// Its sections.
    pub(crate) sections: Vec<Section>,
    /// Lines before the first section.
    pub(crate) head: Vec<String>,
}

/// One test.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// Its name, unique among all specs.
    pub(crate) name: String,
    /// What is done with its program.
    pub(crate) stages: Vec<Stage>,
    /// The line of the file on which it begins, from 1.
    pub(crate) line: usize,
    /// Its first line, as written.
    pub(crate) header: String,
    /// Its other lines.
    pub(crate) lines: Vec<Line>,
    /// What a run finds around it.
    pub(crate) setup: Setup,
}

/// A line of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is.
    pub(crate) kind: LineKind,
    /// As written.
    pub(crate) text: String,
}

/// Kinds of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// A line of the program, or an ordinary comment.
    Code,
    /// An expectation.
    Note(Mark),
    /// `//@ key: value`, or the lines of a text that it begins.
    Setup,
}

/// What is done with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Its tokens stand in `ref/NAME.lex`.
    Lex,
    /// Its tree stands in `ref/NAME.parse`.
    Parse,
    /// Its layout stands behind a line `//=`.
    Fmt,
    /// Its diagnostics are noted.
    Check,
    /// What it prints, and what goes wrong, is noted.
    Run,
    /// The report of its tests is noted as output.
    Test,
    /// The prompt of the predictor that `//@ prompt:` names stands in `ref/NAME.prompt`.
    Prompt,
    /// Its canonical trace stands in `ref/NAME.trace`.
    Trace,
    /// It runs with any number of threads, and the files that it writes stand in `ref/NAME.*`.
    Optimize,
}

impl Stage {
    const ALL: [(&'static str, Self); 9] = [
        ("lex", Self::Lex),
        ("parse", Self::Parse),
        ("fmt", Self::Fmt),
        ("check", Self::Check),
        ("run", Self::Run),
        ("test", Self::Test),
        ("prompt", Self::Prompt),
        ("trace", Self::Trace),
        ("optimize", Self::Optimize),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, stage)| *stage)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            Self::ALL.iter().find(|(_, stage)| stage == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl SpecFile {
    /// Reads a file; one that is no spec ends the run with a message.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(super::root().join(path)).unwrap();
        Self::parse(path, &text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }

    /// Reads the text of a file.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let mut file = Self { path: path.to_owned(), sections: Vec::new(), head: Vec::new() };
        let mut open: Option<(usize, &str, Vec<&str>)> = None;
        for (at, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("//# ")) {
                (_, Some(_)) => {
                    let begun = open.replace((at + 1, line, Vec::new()));
                    file.close(begun)?;
                }
                (Some((_, _, lines)), None) => lines.push(line),
                (None, None) => file.head.push(line.to_owned()),
            }
        }
        file.close(open)?;
        Ok(file)
    }

    fn close(&mut self, open: Option<(usize, &str, Vec<&str>)>) -> Result<(), String> {
        let Some((line, header, lines)) = open else { return Ok(()) };
        let section = Section::parse(line, header, &lines)
            .map_err(|why| format!("line {line}: {why}"))?;
        self.sections.push(section);
        Ok(())
    }
}

impl Section {
    fn parse(line: usize, header: &str, lines: &[&str]) -> Result<Self, String> {
        let mut words = header.trim_start_matches("//#").split_whitespace();
        let name = words.next().ok_or("a section without a name")?.to_owned();
        let stages: Vec<Stage> = words
            .map(|word| Stage::parse(word).ok_or_else(|| format!("unknown stage `{word}`")))
            .collect::<Result<_, _>>()?;
        if stages.is_empty() {
            return Err(format!("section `{name}` has no stage"));
        }
        Self::new(name, stages, line, header, lines)
    }

    /// Returns a section of these lines.
    pub(crate) fn new(
        name: String,
        stages: Vec<Stage>,
        line: usize,
        header: &str,
        lines: &[&str],
    ) -> Result<Self, String> {
        let mut section = Self {
            name,
            stages,
            line,
            header: header.to_owned(),
            lines: Vec::new(),
            setup: Setup::default(),
        };
        section.read_lines(lines)?;
        Ok(section)
    }

    fn read_lines(&mut self, lines: &[&str]) -> Result<(), String> {
        let mut lines = lines.iter();
        while let Some(line) = lines.next() {
            let Some(setup) = line.trim_start().strip_prefix("//@ ") else {
                let mark = Mark::of(line);
                self.push(mark.map_or(LineKind::Code, LineKind::Note), line);
                continue;
            };
            self.push(LineKind::Setup, line);
            let Some(key) = setup.trim_end().strip_suffix(" =") else {
                let (key, value) =
                    setup.split_once(':').ok_or_else(|| format!("no `:` in `{line}`"))?;
                self.set(key.trim(), value.trim().to_owned())?;
                continue;
            };
            let mut text = String::new();
            loop {
                let line = lines.next().ok_or_else(|| format!("`{key}` has no `//@ end`"))?;
                self.push(LineKind::Setup, line);
                if line.trim() == "//@ end" {
                    break;
                }
                let body =
                    line.strip_prefix("//|").map(|it| it.strip_prefix(' ').unwrap_or(it));
                text.push_str(body.unwrap_or(line));
                text.push('\n');
            }
            self.set(key.trim(), text)?;
        }
        Ok(())
    }

    fn push(&mut self, kind: LineKind, text: &str) {
        self.lines.push(Line { kind, text: text.to_owned() });
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        if let Some(name) = key.strip_prefix("file ") {
            self.setup.files.insert(name.trim().to_owned(), value);
        } else if key == "reply" {
            self.setup.replies.push(Reply { place: None, text: value });
        } else if let Some(place) =
            key.strip_prefix("reply[").and_then(|it| it.strip_suffix(']'))
        {
            let place = parse_place(place).ok_or_else(|| format!("no place: `{place}`"))?;
            self.setup.replies.push(Reply { place: Some(place), text: value });
        } else if key == "prompt" {
            let (path, inputs) = value.split_once(' ').unwrap_or((&value, "{}"));
            self.setup.prompt = Some((path.to_owned(), inputs.to_owned()));
        } else if ["seed", "max_calls", "max_tokens", "max_usd", "operations", "once", "width"]
            .contains(&key)
        {
            self.setup.settings.insert(key.to_owned(), value);
        } else {
            return Err(format!("unknown set-up `{key}`"));
        }
        Ok(())
    }

    /// The program: all lines, texts of the set-up made comments.
    pub(crate) fn program(&self) -> String {
        let lines = self.lines.iter().map(|line| match line.kind {
            LineKind::Setup => "//\n".to_owned(),
            LineKind::Code | LineKind::Note(_) => format!("{}\n", line.text),
        });
        lines.collect()
    }

    /// The lines of its texts: all but its set-up.
    pub(crate) fn text_lines(&self) -> impl Iterator<Item = &str> {
        let texts = self.lines.iter().filter(|line| line.kind != LineKind::Setup);
        texts.map(|line| line.text.as_str())
    }

    /// The line behind its last that is no blank and no note: all places from there on count
    /// as the end of the text.
    pub(crate) fn end(&self) -> usize {
        let counts = |line: &Line| match line.kind {
            LineKind::Code => !line.text.trim().is_empty(),
            LineKind::Setup => true,
            LineKind::Note(_) => false,
        };
        self.lines.iter().rposition(counts).map_or(0, |at| at + 1)
    }

    /// Whether it evaluates, so that the number of threads might matter.
    pub(crate) fn is_parallel(&self) -> bool {
        let words = ["evaluate", ".compile(", "parallel", "compare("];
        let code = self.lines.iter().filter(|line| line.kind == LineKind::Code);
        code.into_iter().any(|line| words.iter().any(|word| line.text.contains(word)))
    }

    /// The section as it stands in its file.
    pub(crate) fn text(&self) -> String {
        let lines: String = self.lines.iter().map(|line| format!("{}\n", line.text)).collect();
        format!("{}\n{lines}", self.header)
    }
}

/// `path#ordinal` or `path@example#ordinal`; the ordinal is 0 when it is left out.
fn parse_place(text: &str) -> Option<Place> {
    let (path, ordinal) = text.rsplit_once('#').unwrap_or((text, "0"));
    let (path, example) = match path.rsplit_once('@') {
        Some((path, example)) => (path, Some(example.parse().ok()?)),
        None => (path, None),
    };
    Some(Place { path: path.to_owned(), example, ordinal: ordinal.parse().ok()? })
}
