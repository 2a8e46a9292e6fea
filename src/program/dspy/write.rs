//! States for DSPy.

use super::fields::{REASONING, made_up, prefix_of};
use super::{BARE, METADATA, is_predictor, left_out, looks_like_dspy, place, predictors};
use crate::diag::Diagnostic;
use crate::program::apply::unknown_predictor;
use crate::program::decode::wrong;
use crate::program::{DemoSource, Options, PredictorState, State, StateDemo, json};
use crate::schema::{Field, Record, Signature, Value};
use indexmap::IndexMap;

/// A state as DSPy loads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The text of the file.
    pub text: String,
    /// What could not be carried.
    pub warnings: Vec<Diagnostic>,
}

impl State {
    /// The text of a file that DSPy 2.6 and later load into a program of the same paths. It has
    /// all predictors, for DSPy wants them, also where the state says nothing of one. Those that
    /// `reasons` names are chains of thought, which have an inner predictor there. Where a file of
    /// that program is `like` it, paths and what is no predictor are taken from there.
    pub fn to_dspy(
        &self,
        signatures: &IndexMap<String, Signature>,
        reasons: impl Fn(&str) -> bool,
        like: &Like,
    ) -> Exported {
        let (mut file, mut warnings) = (Record::new(), Vec::new());
        let usual = PredictorState::default();
        for (path, signature) in signatures {
            let state = self.predictors.get(path).unwrap_or(&usual);
            let chain = reasons(path);
            unsaid(path, state, &mut warnings);
            let parts = parts(path, state, signature, chain, &mut warnings);
            let theirs = like.paths.get(path).cloned().unwrap_or_else(|| spelled(path, chain));
            // What is saved by itself stands in the file without a path.
            if theirs == BARE && !chain && signatures.len() == 1 {
                file.extend(parts);
            } else {
                file.insert(theirs.into(), Value::map(parts));
            }
        }
        file.extend(like.others.clone());
        if self.provenance.is_some() || self.predictors.values().any(has_origins) {
            warnings
                .push(left_out("where the state, its instructions and its demos came from"));
        }
        file.insert(METADATA.into(), object([("dependency_versions", object([]))]));
        Exported { text: json::write(&Value::map(file)), warnings }
    }
}

/// What a file of a program has besides what a state says: how its paths are spelt, and parts that
/// are no predictors, such as retrievers.
#[derive(Debug, Clone, Default)]
pub struct Like {
    /// The file's paths by ours.
    paths: IndexMap<String, String>,
    others: Record,
}

impl Like {
    /// Reads it off a file that DSPy saved of the program with these signatures.
    ///
    /// # Errors
    /// It is no such file.
    pub fn of(
        text: &str,
        name: &str,
        signatures: &IndexMap<String, Signature>,
    ) -> Result<Self, Box<Diagnostic>> {
        let file = match json::read(text) {
            Ok(Value::Map(file)) if looks_like_dspy(&file) => file,
            _ => return Err(wrong(format!("`{name}`: no state that DSPy saved"))),
        };
        let mut ignored = Vec::new();
        let parts = predictors(&file, &mut ignored);
        let all: Vec<&str> = parts.keys().copied().collect();
        let mut like = Self::default();
        for path in parts.keys() {
            match place(path, &all, signatures, &mut ignored) {
                Some(known) => like.paths.insert(known.to_owned(), (*path).to_owned()),
                None => return Err(Box::new(unknown_predictor(path, signatures))),
            };
        }
        let is_other = |name: &str| !parts.contains_key(name) && name != METADATA;
        if !is_predictor(&file) {
            let others = file.iter().filter(|(name, _)| is_other(name));
            like.others = others.map(|(name, it)| (name.clone(), it.clone())).collect();
        }
        Ok(like)
    }
}

/// A path as DSPy spells it.
fn spelled(path: &str, chain: bool) -> String {
    let path = path.replace("[\"", "['").replace("\"]", "']");
    match (path.as_str(), chain) {
        ("self", true) => "predict".to_owned(),
        (path, true) => format!("{path}.predict"),
        (path, false) => path.to_owned(),
    }
}

fn has_origins(predictor: &PredictorState) -> bool {
    predictor.instructions_origin.is_some()
        || predictor.demos.iter().any(|it| it.origin.is_some())
}

/// Tells what DSPy keeps nowhere.
fn unsaid(path: &str, state: &PredictorState, warnings: &mut Vec<Diagnostic>) {
    let mut tell = |part: &str, why: &str| {
        warnings.push(left_out(format!("`{path}`: {part}: {why}")));
    };
    let adapter = "DSPy sets adapters for a whole program";
    if let Some(nearest) = state.nearest {
        let k = nearest.k;
        tell(
            &format!("the {k} nearest demos"),
            "DSPy shows all that a state has, as this file does",
        );
    }
    if let Some(name) = &state.adapter {
        tell(&format!("adapter `{name}`"), adapter);
    }
    if let Some(name) = &state.extract {
        tell(&format!("`{name}` as the model that reads replies"), adapter);
    }
    let has_options = state.options != Options::default();
    if has_options && state.lm.is_none() {
        tell("sampling", "DSPy saves it with a model, and the state names none");
    }
}

fn parts(
    path: &str,
    state: &PredictorState,
    declared: &Signature,
    chain: bool,
    warnings: &mut Vec<Diagnostic>,
) -> Record {
    let signature = state.apply(declared);
    let fields = signature.inputs.iter().chain(&signature.outputs).map(|field| {
        let placeholder = format!("${{{}}}", field.name);
        let description = field.description.as_deref().unwrap_or(&placeholder);
        let prefix = prefix_of(&field.name);
        object([("prefix", prefix.into()), ("description", description.into())])
    });
    let words = [
        ("instructions", Value::from(instructions(&signature, chain))),
        ("fields", Value::list(fields)),
    ];
    let demos = state.demos.iter().enumerate();
    let demos =
        demos.map(|(at, it)| demo(&format!("{path}.demos[{at}]"), it, &signature, warnings));
    let demos = Value::list(demos.collect::<Vec<Value>>());
    [
        ("traces", Value::list([])),
        ("train", Value::list([])),
        ("demos", demos),
        ("signature", object(words)),
        ("lm", client(state)),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect()
}

/// The instructions; where there are none, those that DSPy makes up, which then leave out what a
/// chain of thought writes first.
fn instructions(signature: &Signature, chain: bool) -> String {
    if !signature.instructions.is_empty() {
        return signature.instructions.as_ref().to_owned();
    }
    let names = |fields: &[Field]| -> Vec<String> {
        let named = fields.iter().map(|it| it.name.as_ref().to_owned());
        named.filter(|it| !chain || !REASONING.contains(&it.as_str())).collect()
    };
    made_up(&names(&signature.inputs), &names(&signature.outputs))
}

fn demo(
    place: &str,
    it: &StateDemo,
    signature: &Signature,
    warnings: &mut Vec<Diagnostic>,
) -> Value {
    let all = it.demo.inputs.len() + it.demo.outputs.len();
    let is_whole = all == signature.inputs.len() + signature.outputs.len();
    let mut values = Record::new();
    // It tells demos of runs from rows; what is whole and of unknown origin is likely of a run.
    let ran = it.origin.as_ref().map_or(is_whole, |it| it.source == DemoSource::Bootstrapped);
    if ran {
        values.insert("augmented".into(), Value::Bool(true));
    }
    for (name, value) in it.demo.inputs.iter().chain(&it.demo.outputs) {
        if value.has_media() {
            let message =
                format!("`{place}.{name}`: DSPy saves pictures, sounds and files whole");
            warnings.push(left_out(message));
        } else {
            values.insert(name.clone(), value.clone());
        }
    }
    Value::map(values)
}

/// The model, as the settings of its client.
fn client(state: &PredictorState) -> Value {
    let Some(name) = &state.lm else { return Value::Null };
    let Options { temperature, top_p, max_tokens, seed } = state.options;
    let settings = [
        ("temperature", temperature.map(Value::Float)),
        ("top_p", top_p.map(Value::Float)),
        ("max_tokens", max_tokens.map(|it| Value::Int(it.into()))),
        ("seed", seed.and_then(|it| i64::try_from(it).ok()).map(Value::Int)),
    ];
    let given = settings.into_iter().filter_map(|(name, it)| Some((name.into(), it?)));
    let named = [("model".into(), Value::from(name.as_str()))];
    Value::map(named.into_iter().chain(given).collect())
}

fn object<const N: usize>(parts: [(&str, Value); N]) -> Value {
    Value::map(parts.into_iter().map(|(name, value)| (name.into(), value)).collect())
}
