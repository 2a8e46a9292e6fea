//! `dsp state diff`

use super::read;
use crate::cli::shell::{Failure, Shell};
use crate::program::{Change, DemoDiff, Fate, PredictorDiff, State, StateDiff};
use crate::render::plain;
use crate::util::words::{Piece, marked, words};
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;
use std::path::Path;

/// Values shorter than this stand on one line, the old one before the new one.
const SHORT: usize = 60;
/// What a state has that does not say a thing.
const UNSAID: &str = "as the program says";

/// Says what differs between two states; with one, what it changes about the program.
pub(super) fn run(
    shell: &Shell,
    a: &Path,
    b: Option<&Path>,
    as_json: bool,
) -> Result<(), Failure> {
    let bare = State::default();
    let (before, after) = match b {
        Some(b) => (read(shell, a)?, read(shell, b)?),
        None => (bare, read(shell, a)?),
    };
    let names = match b {
        Some(b) => (a.display().to_string(), b.display().to_string()),
        None => ("the program".to_owned(), a.display().to_string()),
    };
    let found = StateDiff::of(&before, &after);
    match as_json {
        true => shell.print(&format!("{}\n", value(&found))),
        false => {
            let pen = Pen { color: shell.prints_colors() };
            shell.print(&pen.text(&found, &names));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Failure::told()) }
}

const RESET: &str = "\u{1b}[0m";
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const BOLD: &str = "\u{1b}[1m";

/// How differences are drawn.
struct Pen {
    color: bool,
}

impl Pen {
    fn text(&self, it: &StateDiff, names: &(String, String)) -> String {
        let (a, b) = (&it.hashes.0, &it.hashes.1);
        if it.is_empty() {
            return format!("nothing differs: both are state {a}\n");
        }
        let mut out = format!(
            "{} {}\n{} {}\n",
            self.styled(RED, &format!("- {}", plain(&names.0))),
            a,
            self.styled(GREEN, &format!("+ {}", plain(&names.1))),
            b
        );
        if a == b {
            out.push_str("the prompts are the same\n");
        }
        for (path, predictor) in &it.predictors {
            let _ = writeln!(out, "\n{}", self.styled(BOLD, &plain(path)));
            self.predictor(&mut out, predictor);
        }
        if !it.provenance.is_empty() {
            let _ = writeln!(out, "\n{}", self.styled(BOLD, "how they came about"));
            it.provenance.iter().for_each(|it| self.change(&mut out, "  ", it, "-"));
        }
        out
    }

    fn predictor(&self, out: &mut String, it: &PredictorDiff) {
        it.instructions.iter().for_each(|it| self.change(out, "  ", it, UNSAID));
        it.settings.iter().for_each(|it| self.change(out, "  ", it, UNSAID));
        for described in &it.descriptions {
            let name = format!("description of {}", described.name);
            let described = Change { name, ..described.clone() };
            self.change(out, "  ", &described, UNSAID);
        }
        it.demos.iter().for_each(|it| self.demo(out, it));
        if it.same_demos > 0 && !it.demos.is_empty() {
            let _ = match it.same_demos {
                1 => writeln!(out, "  1 demo stays as it was"),
                n => writeln!(out, "  {n} demos stay as they were"),
            };
        }
    }

    fn demo(&self, out: &mut String, it: &DemoDiff) {
        let place = |at: Option<usize>| at.map(|at| (at + 1).to_string());
        let places = match (place(it.before), place(it.after)) {
            (Some(a), Some(b)) if a != b => format!("{a} -> {b}"),
            (Some(at), _) | (None, Some(at)) => at,
            (None, None) => String::new(),
        };
        let origin = it.origin.as_ref().map_or_else(|| "by hand".to_owned(), |it| it.told());
        let fate = match it.fate {
            Fate::Added => self.styled(GREEN, it.fate.as_str()),
            Fate::Removed => self.styled(RED, it.fate.as_str()),
            Fate::Moved | Fate::Changed | Fate::Origin => it.fate.as_str().to_owned(),
        };
        let _ = writeln!(out, "  demo {places} {fate} ({})", plain(&origin));
        it.fields.iter().for_each(|it| self.change(out, "    ", it, "-"));
    }

    /// Something that differs: its words, where both sides have some.
    fn change(&self, out: &mut String, indent: &str, it: &Change, unsaid: &str) {
        let name = plain(&it.name);
        let text = match (&it.before, &it.after) {
            (Some(before), Some(after)) if is_short(before) && is_short(after) => format!(
                "{} -> {}",
                self.styled(RED, &plain(before)),
                self.styled(GREEN, &plain(after))
            ),
            (Some(before), Some(after)) => self.words(&plain(before), &plain(after)),
            (None, Some(after)) if unsaid == "-" => self.alone(GREEN, ("{+", "+}"), after),
            (Some(before), None) if unsaid == "-" => self.alone(RED, ("[-", "-]"), before),
            (None, Some(after)) => {
                format!("{unsaid} -> {}", self.styled(GREEN, &plain(after)))
            }
            (Some(before), None) => {
                format!("{} -> {unsaid}", self.styled(RED, &plain(before)))
            }
            (None, None) => String::new(),
        };
        if text.contains('\n') {
            let _ = writeln!(out, "{indent}{name}:");
            for line in text.lines() {
                let _ = writeln!(out, "{indent}  {line}");
            }
        } else {
            let _ = writeln!(out, "{indent}{name}: {text}");
        }
    }

    fn alone(&self, style: &str, marks: (&str, &str), text: &str) -> String {
        let text = plain(text);
        match self.color {
            true => self.styled(style, &text),
            false => format!("{}{text}{}", marks.0, marks.1),
        }
    }

    fn words(&self, before: &str, after: &str) -> String {
        let pieces = words(before, after);
        if !self.color {
            return marked(&pieces);
        }
        let drawn = pieces.iter().map(|piece| match piece {
            Piece::Same(text) => (*text).to_owned(),
            Piece::Removed(text) => self.styled(RED, text),
            Piece::Added(text) => self.styled(GREEN, text),
        });
        drawn.collect()
    }

    /// A text in a colour, which no end of a line cuts.
    fn styled(&self, style: &str, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let lines = text.split('\n').map(|line| match line.is_empty() {
            true => String::new(),
            false => format!("{style}{line}{RESET}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Whether a text is a name or a number rather than words.
fn is_short(text: &str) -> bool {
    text.len() <= SHORT && !text.contains('\n') && text.split_whitespace().count() <= 2
}

fn value(it: &StateDiff) -> Json {
    let predictors = it.predictors.iter().map(|(path, diff)| {
        let diff = json!({
            "instructions": changes(&diff.instructions),
            "settings": changes(&diff.settings),
            "descriptions": changes(&diff.descriptions),
            "demos": diff.demos.iter().map(demo).collect::<Vec<_>>(),
            "same_demos": diff.same_demos,
        });
        (path.clone(), diff)
    });
    json!({
        "before": it.hashes.0,
        "after": it.hashes.1,
        "same_prompts": it.hashes.0 == it.hashes.1,
        "predictors": predictors.collect::<Map<_, _>>(),
        "provenance": changes(&it.provenance),
    })
}

fn changes(all: &[Change]) -> Json {
    let one = |it: &Change| {
        let words = match (&it.before, &it.after) {
            (Some(before), Some(after)) => {
                Json::Array(words(before, after).iter().map(piece).collect())
            }
            _ => Json::Null,
        };
        let change = json!({ "before": it.before, "after": it.after, "words": words });
        (it.name.clone(), change)
    };
    Json::Object(all.iter().map(one).collect())
}

fn piece(it: &Piece<'_>) -> Json {
    match it {
        Piece::Same(text) => json!({ "same": text }),
        Piece::Removed(text) => json!({ "removed": text }),
        Piece::Added(text) => json!({ "added": text }),
    }
}

fn demo(it: &DemoDiff) -> Json {
    let origin = it.origin.as_ref();
    json!({
        "fate": it.fate.as_str(),
        "before": it.before,
        "after": it.after,
        "row": origin.map(|it| it.row),
        "row_hash": origin.map(|it| &it.row_hash),
        "reply_hash": origin.and_then(|it| it.reply_hash.as_ref()),
        "fields": changes(&it.fields),
    })
}
