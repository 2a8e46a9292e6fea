//! States as DSPy saves them: read and written.
//!
//! Those files hold no names and no types of fields, and their shape changed with the versions:
//! up to 2.4 a signature is one or two texts, since 2.5 it lists its fields. Descriptions are
//! matched by the prefix that DSPy makes from a field's name, and by position only where the
//! prefixes say nothing and the counts agree; demos are matched by name. What has no counterpart
//! is left out, and each such thing is told with its place. Addresses of servers and keys are
//! never taken over, and pickles never opened: they are programs.

mod client;
mod demos;
mod fields;
mod pickle;
mod write;

pub use pickle::pickled;
pub use write::{Exported, Like};

use crate::diag::{Code, Diagnostic};
use crate::program::apply::{Fitted, UNKNOWN_PREDICTOR, resolve, unknown_predictor};
use crate::program::decode::{Decoded, wrong};
use crate::program::file::MALFORMED;
use crate::program::{PredictorState, State, json};
use crate::schema::{Record, Signature, Ty, TypeTable, Value, shortened};
use indexmap::IndexMap;

/// A part of a file of DSPy's was left out.
pub(crate) const LEFT_OUT: Code = Code("W0718");
/// A part of a file of DSPy's was read with liberties.
pub(crate) const LENIENT: Code = Code("W0728");

/// Reads a value under a type, and says what was forgiven.
pub type ReadValue = fn(&Value, &Ty, &TypeTable) -> Result<(Value, Vec<String>), String>;

/// What DSPy keeps for each predictor, in any of its versions.
const PARTS: [&str; 11] = [
    "traces",
    "train",
    "demos",
    "signature",
    "extended_signature",
    "signature_instructions",
    "signature_prefix",
    "extended_signature_instructions",
    "extended_signature_prefix",
    "lm",
    "metadata",
];
/// The part that says which versions wrote a file.
const METADATA: &str = "metadata";
/// The path that a predictor has which was saved by itself.
const BARE: &str = "self";
/// Characters of a text in a message.
const SHOWN: usize = 60;

impl State {
    /// Reads the text of a file, ours or DSPy's, for a program with these signatures. Values of
    /// demos in a file of DSPy's are read by `read`.
    ///
    /// # Errors
    /// All that does not fit; `name` is what messages call the file.
    pub fn open(
        text: &str,
        name: &str,
        signatures: &IndexMap<String, Signature>,
        read: ReadValue,
    ) -> Result<Fitted, Vec<Diagnostic>> {
        match json::read(text.strip_prefix('\u{feff}').unwrap_or(text)) {
            Ok(Value::Map(record)) if looks_like_dspy(&record) => {
                import(&record, signatures, read)
            }
            Ok(_) | Err(_) => {
                let state = Self::from_text(text, name).map_err(|it| vec![*it])?;
                state.fit(signatures)
            }
        }
    }
}

impl State {
    /// Reads the text of a file that DSPy saved, for a program with these signatures.
    ///
    /// # Errors
    /// A file of another kind, and all that does not fit; `name` is what messages call the file.
    pub fn from_dspy(
        text: &str,
        name: &str,
        signatures: &IndexMap<String, Signature>,
        read: ReadValue,
    ) -> Result<Fitted, Vec<Diagnostic>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let refused = |why: &str, hint: &str| {
            vec![Diagnostic::bare(MALFORMED, format!("`{name}`: {why}")).hint(hint)]
        };
        match json::read(text) {
            Ok(Value::Map(record)) if looks_like_dspy(&record) => {
                import(&record, signatures, read)
            }
            Ok(Value::Map(record)) => Err(match () {
                () if record.contains_key("format") => refused(
                    "no state that DSPy saved",
                    "ours are loaded as they are: `--state`",
                ),
                () if record.contains_key("dependency_versions") => refused(
                    "it says which versions saved a whole program, which is a pickle beside it",
                    "save the state alone: `program.save(\"state.json\")`",
                ),
                () if record.contains_key(METADATA) => refused("it has no predictors", ""),
                () => refused(
                    "no state that DSPy saved: nothing in it has the parts of a predictor",
                    "those are `demos`, `signature`, `lm`, `traces` and `train`",
                ),
            }),
            Ok(other) => {
                let why = format!("no state that DSPy saved: {}, not an object", other.kind());
                Err(refused(&why, ""))
            }
            Err(e) => {
                let hint = if e.is_eof() { "the file is cut off" } else { "" };
                Err(refused(&format!("it is no JSON: {e}"), hint))
            }
        }
    }
}

/// Whether it is a file of DSPy's: one predictor's parts, or those of some by their paths.
pub(crate) fn looks_like_dspy(record: &Record) -> bool {
    !record.contains_key("format")
        && (is_predictor(record) || record.values().any(|it| map(it).is_some_and(is_predictor)))
}

/// Whether these are the parts that DSPy keeps of a predictor.
fn is_predictor(parts: &Record) -> bool {
    let known = PARTS.iter().filter(|it| **it != METADATA && parts.contains_key(**it));
    parts.contains_key("demos") && known.count() > 1
}

/// Reads a file of DSPy's.
fn import(
    record: &Record,
    signatures: &IndexMap<String, Signature>,
    read: ReadValue,
) -> Result<Fitted, Vec<Diagnostic>> {
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    let parts = predictors(record, &mut warnings);
    let paths: Vec<&str> = parts.keys().copied().collect();
    let mut state = State::default();
    let mut taken: IndexMap<&str, &str> = IndexMap::new();
    for (path, parts) in &parts {
        let Some(known) = place(path, &paths, signatures, &mut warnings) else {
            errors.push(unknown_predictor(path, signatures));
            continue;
        };
        if let Some(other) = taken.insert(known, path) {
            let message = format!("`{other}` and `{path}` of the file are both `{known}`");
            errors.push(Diagnostic::bare(UNKNOWN_PREDICTOR, message));
            continue;
        }
        let reader = Reader { path, signature: &signatures[known], read, warnings };
        let (read, told) = reader.predictor(parts);
        warnings = told;
        match read {
            Ok(predictor) => {
                state.predictors.insert(known.to_owned(), predictor);
            }
            Err(wrong) => errors.push(*wrong),
        }
    }
    if let Some(first) = errors.first_mut()
        && first.code == UNKNOWN_PREDICTOR
    {
        let known = signatures.keys().map(String::as_str);
        first.notes.push(listed("the file:   ", paths.iter().copied()));
        first.notes.push(listed("the program:", known));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let fitted = state.fit(signatures)?;
    warnings.extend(fitted.warnings);
    Ok(Fitted { state: fitted.state, warnings })
}

/// The predictors of a file by their paths, in its order.
fn predictors<'a>(
    record: &'a Record,
    warnings: &mut Vec<Diagnostic>,
) -> IndexMap<&'a str, &'a Record> {
    if is_predictor(record) {
        return [(BARE, record)].into();
    }
    let mut found = IndexMap::new();
    for (path, part) in record.iter().filter(|(path, _)| &***path != METADATA) {
        match map(part).filter(|it| is_predictor(it)) {
            Some(parts) => {
                found.insert(&**path, parts);
            }
            None => warnings.push(left_out(format!("`{path}` is no state of a predictor"))),
        }
    }
    found
}

/// The program's name of a predictor of the file. Where one side has a single predictor that has
/// no name, and the other a single one, they are the same.
fn place<'a>(
    path: &str,
    paths: &[&str],
    signatures: &'a IndexMap<String, Signature>,
    warnings: &mut Vec<Diagnostic>,
) -> Option<&'a str> {
    if let Some(known) = resolve(path, signatures) {
        return Some(known);
    }
    let (only, _) = signatures.first().filter(|_| paths.len() == 1 && signatures.len() == 1)?;
    if ![path, only].contains(&BARE) && path != "predict" {
        return None;
    }
    let message = format!("`{path}` of the file is taken for `{only}`: each side has only one");
    warnings.push(Diagnostic::bare(LENIENT, message));
    Some(only)
}

fn listed<'a>(whose: &str, paths: impl Iterator<Item = &'a str>) -> String {
    let paths: Vec<&str> = paths.collect();
    let paths = if paths.is_empty() { "no predictors".to_owned() } else { paths.join(", ") };
    format!("{whose} {paths}")
}

fn left_out(message: impl AsRef<str>) -> Diagnostic {
    Diagnostic::bare(LEFT_OUT, format!("left out: {}", message.as_ref()))
}

/// What one predictor of a file is read with.
struct Reader<'a> {
    /// Its path as the file spells it.
    path: &'a str,
    signature: &'a Signature,
    read: ReadValue,
    warnings: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn predictor(mut self, parts: &Record) -> (Decoded<PredictorState>, Vec<Diagnostic>) {
        let read = self.parts(parts);
        (read, self.warnings)
    }

    fn parts(&mut self, parts: &Record) -> Decoded<PredictorState> {
        let mut state = PredictorState::default();
        self.words(parts, &mut state);
        let demos = match parts.get("demos") {
            Some(Value::List(demos)) => demos,
            Some(other) => {
                let message =
                    format!("`{}`: expected a list, found {}", self.at("demos"), other.kind());
                return Err(wrong(message));
            }
            None => return Err(wrong(format!("`{}` is missing", self.at("demos")))),
        };
        self.demos(demos, &mut state)?;
        self.client(parts.get("lm"), &mut state);
        for (name, part) in parts.iter().filter(|(_, part)| !is_empty(part)) {
            match &**name {
                "traces" | "train" => self.leave_out(name, "are runs and rows of a search"),
                name if PARTS.contains(&name) => {}
                // Names and descriptions of fields, which were read with the other words.
                "fields" if matches!(part, Value::List(_)) => {}
                _ => self.leave_out(name, "has no counterpart"),
            }
        }
        Ok(state)
    }

    /// The place of a part in the file.
    fn at(&self, part: &str) -> String {
        format!("{}.{part}", self.path)
    }

    fn leave_out(&mut self, part: &str, why: &str) {
        let place = self.at(part);
        self.warnings.push(left_out(format!("`{place}` {why}")));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Str(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Media(_) => false,
    }
}

/// A text as a message shows it.
fn shown(text: &str) -> String {
    Value::from(shortened(text, SHOWN)).to_json()
}

fn map(value: &Value) -> Option<&Record> {
    match value {
        Value::Map(record) => Some(record),
        _ => None,
    }
}

fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.get(name)?.as_str()
}
