//! What a check found, as a value, as text and as JSON.

use crate::data::check::{clipped, plural};
use crate::schema::{Record, Value};
use std::fmt::Write;
use std::sync::Arc;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Scores on these rows mean something else than they say.
    Serious,
    /// To be looked at.
    Warning,
    /// Good to know.
    Note,
}

impl Level {
    /// The level as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Serious => "serious",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something about rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is: `leak`, `duplicate`, `disagreement` …
    pub kind: &'static str,
    /// The column that it is about.
    pub field: Option<Arc<str>>,
    /// What it is, in one line.
    pub message: String,
    /// How many rows it is about.
    pub rows: usize,
    /// The first of them; those of one entry belong together.
    pub places: Vec<Vec<String>>,
    /// What to do.
    pub advice: String,
}

/// What a check found, the worst first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The parts and how many rows they have.
    pub parts: Vec<(String, usize)>,
    /// The columns that make rows equal.
    pub inputs: Vec<Arc<str>>,
    /// The column that holds what is right.
    pub label: Option<Arc<str>>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether something is serious.
    pub fn is_serious(&self) -> bool {
        self.count(Level::Serious) > 0
    }

    /// How many findings are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|it| it.level == level).count()
    }

    /// The report for people.
    pub fn render(&self) -> String {
        let mut text = self.head();
        for finding in &self.findings {
            let _ = write!(
                text,
                "\n{}: {}: {}\n",
                finding.level.word(),
                finding.kind,
                finding.message
            );
            for place in finding.places.iter().take(3) {
                let _ = writeln!(text, "  {}", place.join(" = "));
            }
            if finding.places.len() > 3 {
                text.push_str("  …\n");
            }
            let _ = writeln!(text, "  → {}", finding.advice);
        }
        let counts = [Level::Serious, Level::Warning, Level::Note];
        let counts = counts.map(|it| match it {
            Level::Serious => format!("{} serious", self.count(it)),
            Level::Warning | Level::Note => plural(self.count(it), it.word()),
        });
        let _ = write!(text, "\n{}\n", counts.join(", "));
        text
    }

    /// What was looked at.
    fn head(&self) -> String {
        let parts: Vec<String> =
            self.parts.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
        let rows: usize = self.parts.iter().map(|it| it.1).sum();
        let inputs: Vec<String> = self.inputs.iter().map(|it| format!("`{it}`")).collect();
        let inputs = if inputs.is_empty() { "none".to_owned() } else { clipped(&inputs, 8) };
        let label = self.label.as_ref().map_or("none".to_owned(), |it| format!("`{it}`"));
        let parts =
            if parts.len() > 1 { format!(" ({})", parts.join(", ")) } else { String::new() };
        format!("{rows} rows{parts}; inputs {inputs}; label {label}\n")
    }

    /// The report as data.
    pub fn to_value(&self) -> Value {
        let parts =
            self.parts.iter().map(|(name, rows)| (Arc::from(name.as_str()), int(*rows)));
        let names =
            |names: &[Arc<str>]| Value::list(names.iter().map(|it| Value::Str(it.clone())));
        Value::map(Record::from([
            (Arc::from("rows"), Value::map(parts.collect())),
            (Arc::from("inputs"), names(&self.inputs)),
            (Arc::from("label"), self.label.clone().map_or(Value::Null, Value::Str)),
            (Arc::from("serious"), int(self.count(Level::Serious))),
            (Arc::from("findings"), Value::list(self.findings.iter().map(Finding::to_value))),
        ]))
    }
}

impl Finding {
    /// The finding as data.
    pub fn to_value(&self) -> Value {
        let places = self
            .places
            .iter()
            .map(|rows| Value::list(rows.iter().map(|it| Value::from(it.as_str()))));
        Value::map(Record::from([
            (Arc::from("level"), Value::from(self.level.word())),
            (Arc::from("kind"), Value::from(self.kind)),
            (Arc::from("field"), self.field.clone().map_or(Value::Null, Value::Str)),
            (Arc::from("message"), Value::from(self.message.as_str())),
            (Arc::from("rows"), int(self.rows)),
            (Arc::from("places"), Value::list(places)),
            (Arc::from("advice"), Value::from(self.advice.as_str())),
        ]))
    }
}

fn int(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
