//! States as DSPy saves them: read and written.
//!
//! Those files hold no names and no types of fields. Descriptions are matched by the prefix
//! that DSPy makes from a field's name, and by position only where the prefixes say nothing
//! and the counts agree; demos are matched by name, and what matches nothing is left out with
//! a warning. Addresses of servers are never taken over.

use crate::diag::{Code, Diagnostic};
use crate::program::apply::{Fitted, resolve, unknown_predictor};
use crate::program::decode::{Decoded, looks_like_dspy, wrong};
use crate::program::{PredictorState, State, StateDemo, json};
use crate::schema::{Demo, Field, Record, Signature, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// A part of a file of DSPy's was left out.
pub(crate) const LEFT_OUT: Code = Code("W0718");

/// What DSPy adds to demos besides fields.
const BOOKKEEPING: [&str; 3] = ["augmented", "dspy_uuid", "dspy_split"];

impl State {
    /// Reads the text of a file, ours or DSPy's, for a program with these signatures.
    ///
    /// # Errors
    /// All that does not fit; `name` is what messages call the file.
    pub fn open(
        text: &str,
        name: &str,
        signatures: &IndexMap<String, Signature>,
    ) -> Result<Fitted, Vec<Diagnostic>> {
        match json::read(text) {
            Ok(Value::Map(record))
                if !record.contains_key("format") && looks_like_dspy(&record) =>
            {
                import(&record, signatures)
            }
            Ok(_) | Err(_) => {
                let state = Self::from_text(text, name).map_err(|it| vec![*it])?;
                state.fit(signatures)
            }
        }
    }

    /// The text of a file that DSPy 2.6 and later load into a program of the same paths. A
    /// predictor whose first output is `reasoning` is a chain of thought there.
    pub fn to_dspy(&self, signatures: &IndexMap<String, Signature>) -> String {
        let mut file = Record::new();
        for (path, predictor) in &self.predictors {
            let Some(signature) = signatures.get(path) else { continue };
            let first = signature.outputs.first();
            let reasons = first.is_some_and(|field| &*field.name == "reasoning");
            let path = match (path.as_str(), reasons) {
                ("self", true) => "predict".to_owned(),
                (path, true) => format!("{path}.predict"),
                (path, false) => path.to_owned(),
            };
            let value = exported(predictor, &predictor.apply(signature));
            file.insert(path.replace("[\"", "['").replace("\"]", "']").into(), value);
        }
        file.insert("metadata".into(), object([("dependency_versions", object([]))]));
        json::write(&Value::map(file))
    }
}

fn import(
    record: &Record,
    signatures: &IndexMap<String, Signature>,
) -> Result<Fitted, Vec<Diagnostic>> {
    let (mut state, mut warnings, mut errors) = (State::default(), Vec::new(), Vec::new());
    for (path, part) in record {
        let parts = match part {
            Value::Map(parts) if parts.contains_key("demos") => parts,
            _ if &**path == "metadata" => continue,
            _ => {
                warnings.push(left_out(format!("`{path}` is no state of a predictor")));
                continue;
            }
        };
        let Some(known) = resolve(path, signatures) else {
            errors.push(unknown_predictor(path, signatures));
            continue;
        };
        match predictor(path, parts, &signatures[known], &mut warnings) {
            Ok(predictor) => {
                state.predictors.insert(known.to_owned(), predictor);
            }
            Err(wrong) => errors.push(*wrong),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let fitted = state.fit(signatures)?;
    warnings.extend(fitted.warnings);
    Ok(Fitted { state: fitted.state, warnings })
}

fn left_out(message: String) -> Diagnostic {
    Diagnostic::bare(LEFT_OUT, format!("left out: {message}"))
}

fn predictor(
    path: &str,
    parts: &Record,
    signature: &Signature,
    warnings: &mut Vec<Diagnostic>,
) -> Decoded<PredictorState> {
    let mut state = PredictorState {
        instructions: instructions(parts).filter(|it| **it != *signature.instructions),
        ..PredictorState::default()
    };
    if let Some(fields) = map(parts.get("signature")).and_then(|it| list(it.get("fields"))) {
        state.descriptions = descriptions(path, fields, signature, warnings);
    }
    let Some(demos) = list(parts.get("demos")) else {
        return Err(wrong(format!("`{path}.demos`: expected a list")));
    };
    for (serial, demo) in demos.iter().enumerate() {
        let place = format!("`{path}.demos[{serial}]`");
        let Some(values) = map(Some(demo)) else {
            return Err(wrong(format!("{place}: expected an object, found {}", demo.kind())));
        };
        let (demo, unknown) = split(values, signature);
        if demo.outputs.is_empty() {
            warnings.push(left_out(format!("{place} has no output of the signature")));
            continue;
        }
        let no_fields = unknown.iter().map(|name| format!("{place}: no field `{name}`"));
        warnings.extend(no_fields.map(left_out));
        state.demos.push(StateDemo { demo, origin: None });
    }
    model(path, parts, &mut state, warnings);
    Ok(state)
}

/// The instructions, unless they are those that DSPy makes up for a signature without any.
fn instructions(parts: &Record) -> Option<String> {
    // Before 2.6 a chain of thought kept a second, extended signature.
    let old = ["extended_signature_instructions", "signature_instructions"];
    let old = old.iter().find_map(|name| text(parts.get(*name)));
    let new = map(parts.get("signature")).and_then(|it| text(it.get("instructions")));
    let made_up =
        |it: &str| it.starts_with("Given the fields ") && it.contains("produce the fields");
    new.or(old).filter(|it| !made_up(it)).map(str::to_owned)
}

/// Descriptions by field, without the placeholders that DSPy puts where there is none.
fn descriptions(
    path: &str,
    fields: &[Value],
    signature: &Signature,
    warnings: &mut Vec<Diagnostic>,
) -> IndexMap<String, String> {
    let all: Vec<&Field> = signature.inputs.iter().chain(&signature.outputs).collect();
    let mut found = IndexMap::new();
    for (serial, field) in fields.iter().filter_map(|it| map(Some(it))).enumerate() {
        let Some(description) = text(field.get("description").or(field.get("desc"))) else {
            continue;
        };
        if description.starts_with("${") {
            continue;
        }
        let prefix = name_of(text(field.get("prefix")).unwrap_or_default());
        let named = all.iter().find(|it| it.name.eq_ignore_ascii_case(&prefix));
        let placed = (all.len() == fields.len()).then(|| all.get(serial)).flatten();
        match named.or(placed) {
            Some(field) if field.description.as_deref() == Some(description) => {}
            Some(field) => {
                found.insert(field.name.as_ref().to_owned(), description.to_owned());
            }
            None => warnings.push(left_out(format!("`{path}`: description of `{prefix}`"))),
        }
    }
    found
}

/// The field that a prefix was made from: `Search Query:` is of `search_query`.
fn name_of(prefix: &str) -> String {
    let words = prefix.split(':').next().unwrap_or_default().trim();
    words.to_lowercase().replace(' ', "_")
}

/// The prefix that DSPy makes from a field's name.
fn prefix_of(name: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
    };
    name.split('_').map(capital).collect::<Vec<String>>().join(" ") + ":"
}

/// A demo, and the names that mean nothing to the signature.
fn split(values: &Record, signature: &Signature) -> (Demo, Vec<Arc<str>>) {
    let (mut demo, mut unknown) = (Demo::default(), Vec::new());
    for (name, value) in values.iter().filter(|(name, _)| !BOOKKEEPING.contains(&&***name)) {
        // What is called reasoning was called rationale before 2.6.
        let renamed = &**name == "rationale" && signature.output("rationale").is_none();
        let name: Arc<str> = if renamed { "reasoning".into() } else { Arc::clone(name) };
        if signature.input(&name).is_some() {
            demo.inputs.insert(name, value.clone());
        } else if signature.output(&name).is_some() {
            demo.outputs.insert(name, value.clone());
        } else {
            unknown.push(name);
        }
    }
    (demo, unknown)
}

/// The model's name and its sampling; where it lives is left out.
fn model(
    path: &str,
    parts: &Record,
    state: &mut PredictorState,
    warnings: &mut Vec<Diagnostic>,
) {
    let Some(lm) = map(parts.get("lm")) else { return };
    state.lm = text(lm.get("model")).filter(|it| !it.contains("://")).map(str::to_owned);
    state.options.temperature = match lm.get("temperature") {
        Some(Value::Float(it)) => Some(*it),
        Some(Value::Int(it)) => i32::try_from(*it).ok().map(f64::from),
        _ => None,
    };
    state.options.max_tokens = match lm.get("max_tokens") {
        Some(Value::Int(it)) => u32::try_from(*it).ok(),
        _ => None,
    };
    if ["api_base", "base_url"].iter().any(|name| text(lm.get(*name)).is_some()) {
        warnings.push(left_out(format!("`{path}`: the address of its model")));
    }
}

fn exported(predictor: &PredictorState, signature: &Signature) -> Value {
    let field = |field: &Field| {
        let placeholder = format!("${{{}}}", field.name);
        let description = field.description.as_deref().unwrap_or(&placeholder);
        let prefix = prefix_of(&field.name);
        object([("prefix", prefix.into()), ("description", description.into())])
    };
    let fields = signature.inputs.iter().chain(&signature.outputs).map(field);
    let demos = predictor.demos.iter().map(|it| {
        let mut values = Record::from([("augmented".into(), Value::Bool(true))]);
        values.extend(it.demo.inputs.clone());
        values.extend(it.demo.outputs.clone());
        Value::map(values)
    });
    let words = [
        ("instructions", Value::from(&*signature.instructions)),
        ("fields", Value::list(fields)),
    ];
    object([
        ("traces", Value::list([])),
        ("train", Value::list([])),
        ("demos", Value::list(demos)),
        ("signature", object(words)),
        ("lm", Value::Null),
    ])
}

fn object<const N: usize>(parts: [(&str, Value); N]) -> Value {
    Value::map(parts.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn map(value: Option<&Value>) -> Option<&Record> {
    match value {
        Some(Value::Map(record)) => Some(record),
        _ => None,
    }
}

fn list(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        Some(Value::List(items)) => Some(items),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value?.as_str()
}
