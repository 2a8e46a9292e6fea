//! Spec sections as trials.

use super::drive::{self, Diag, RunResult, Store};
use super::notes::{Expected, Note};
use super::section::{Section, SpecFile, Stage};
use super::update::{Updates, rewritten};
use super::{difference, layout, refs};
use libtest_mimic::{Failed, Trial};
use std::path::PathBuf;

/// A trial for each section.
pub(crate) fn trials(files: Vec<SpecFile>, updates: &Updates) -> Vec<Trial> {
    let sections = files.into_iter().flat_map(|file| {
        file.sections.into_iter().map(move |section| (file.path.clone(), section))
    });
    sections.map(|(path, section)| trial(path, section, updates.clone())).collect()
}

fn trial(path: PathBuf, section: Section, updates: Updates) -> Trial {
    let topic = path.strip_prefix("tests/spec").unwrap_or(&path).with_extension("");
    let name = format!("{}::{}", topic.display(), section.name);
    let kind = section.stages.iter().map(Stage::to_string).collect::<Vec<_>>().join(" ");
    Trial::test(name, move || Runner { path, section, updates }.run()).with_kind(kind)
}

struct Runner {
    path: PathBuf,
    section: Section,
    updates: Updates,
}

impl Runner {
    fn run(&self) -> Result<(), Failed> {
        let stages = &self.section.stages;
        stages.iter().try_for_each(|stage| self.stage(*stage)).map_err(|failed| {
            let place = format!("{}:{}", self.path.display(), self.section.line);
            Failed::from(format!("{place}: {}", failed.message().unwrap_or_default()))
        })
    }

    fn stage(&self, stage: Stage) -> Result<(), Failed> {
        let (text, name) = (self.section.program(), &self.section.name);
        match stage {
            Stage::Lex => refs::compare(name, "lex", &drive::lex(&text)),
            Stage::Parse => {
                let (tree, diags) = drive::parse(&text);
                self.compare(&diags, None)?;
                refs::compare(name, "parse", &tree)
            }
            Stage::Fmt => self.layout(),
            Stage::Check => self.compare(&drive::check(&text, &self.section.setup.files), None),
            Stage::Run => self.runs().map(|_| ()),
            Stage::Test => {
                let (diags, report) = drive::test(&text, &self.section.setup, 1);
                self.compare(&diags, Some(&report))?;
                let (_, parallel) = drive::test(&text, &self.section.setup, 4);
                match report == parallel {
                    true => Ok(()),
                    false => Err(format!("with four threads:\n{parallel}").into()),
                }
            }
            Stage::Prompt => match drive::prompt(&text, &self.section.setup) {
                Ok(prompt) => refs::compare(name, "prompt", &prompt),
                Err(diags) => self.compare(&diags, None),
            },
            Stage::Trace => refs::compare(name, "trace", &self.runs()?.canonical_trace),
            Stage::Optimize => {
                let result = self.runs()?;
                result.files.iter().try_for_each(|(file, text)| refs::compare(name, file, text))
            }
        }
    }

    fn layout(&self) -> Result<(), Failed> {
        if let Some(text) = layout::test(&self.section)? {
            self.updates.push(self.path.clone(), self.section.line, text);
        }
        Ok(())
    }

    /// Runs the program cold and warm, and with four threads where that might matter.
    fn runs(&self) -> Result<RunResult, Failed> {
        let store = Store::default();
        let cold = self.once(1, &store);
        self.compare(&cold.diags, Some(&cold.stdout))?;
        if !cold.leftover_replies.is_empty() {
            return Err(format!("replies left over: {:?}", cold.leftover_replies).into());
        }
        if self.section.setup.settings.contains_key("once") {
            return Ok(cold);
        }
        let warm = self.once(1, &store);
        if warm.calls > 0 {
            return Err(format!("the warm run made {} calls", warm.calls).into());
        }
        same("the warm run", &cold, &warm)?;
        if self.section.is_parallel() || self.section.stages.contains(&Stage::Optimize) {
            same("the run with four threads", &cold, &self.once(4, &Store::default()))?;
        }
        Ok(cold)
    }

    fn once(&self, threads: usize, store: &Store) -> RunResult {
        drive::run(&self.section.program(), &self.section.setup, threads, store)
    }

    /// Compares diagnostics, and output where there is some, with the notes.
    fn compare(&self, diags: &[Diag], output: Option<&str>) -> Result<(), Failed> {
        let expected = Expected::of(&self.section)?;
        let found: Vec<Note> = diags.iter().map(|it| Note::found(it, &self.section)).collect();
        let Some(why) = mismatch(&expected, &found, output) else { return Ok(()) };
        if !self.updates.active() {
            return Err(why.into());
        }
        let inside = drive::lines_inside_tokens(&self.section.program());
        let text =
            rewritten(&self.section, &expected, &found, output, |it| inside.contains(&it));
        self.updates.push(self.path.clone(), self.section.line, text);
        Ok(())
    }
}

fn same(what: &str, first: &RunResult, second: &RunResult) -> Result<(), Failed> {
    let pairs = [
        ("output", &first.stdout, &second.stdout),
        ("canonical trace", &first.canonical_trace, &second.canonical_trace),
    ];
    for (name, first, second) in pairs {
        if first != second {
            let lines = difference(first, second);
            return Err(format!("{what} has another {name}:\n{lines}").into());
        }
    }
    if first.files != second.files {
        return Err(format!("{what} wrote other files").into());
    }
    Ok(())
}

/// What differs, if anything does.
pub(crate) fn mismatch(
    expected: &Expected,
    found: &[Note],
    output: Option<&str>,
) -> Option<String> {
    let mut missing: Vec<&Note> = expected.notes.iter().collect();
    let mut surprising = Vec::new();
    for note in found {
        match missing.iter().position(|it| it.fits(note)) {
            Some(at) => drop(missing.remove(at)),
            None => surprising.push(note),
        }
    }
    let mut why = String::new();
    missing.sort();
    for (mark, notes) in [("-", missing), ("+", surprising)] {
        for note in notes {
            let line = match note.site {
                super::notes::Site::Line(line, _) => format!("line {}: ", line + 1),
                _ => String::new(),
            };
            why.push_str(&format!("  {mark} {line}{}\n", note.lines(None).join("\n      ")));
        }
    }
    if let Some(output) = output.filter(|it| *it != expected.output) {
        why.push_str(&format!("output:\n{}", difference(&expected.output, output)));
    }
    (!why.is_empty()).then(|| format!("expected (-) and found (+) differ:\n{why}"))
}
