//! States for DSPy.

use super::fields::{REASONING, made_up, prefix_of};
use super::left_out;
use crate::diag::Diagnostic;
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
    /// `reasons` names are chains of thought, which have an inner predictor there.
    pub fn to_dspy(
        &self,
        signatures: &IndexMap<String, Signature>,
        reasons: impl Fn(&str) -> bool,
    ) -> Exported {
        let (mut file, mut warnings) = (Record::new(), Vec::new());
        let usual = PredictorState::default();
        for (path, signature) in signatures {
            let state = self.predictors.get(path).unwrap_or(&usual);
            let chain = reasons(path);
            unsaid(path, state, &mut warnings);
            let parts = parts(path, state, signature, chain, &mut warnings);
            match (path.as_str(), chain) {
                // What is saved by itself stands in the file without a path.
                ("self", false) if signatures.len() == 1 => file.extend(parts),
                _ => {
                    file.insert(spelled(path, chain).into(), Value::map(parts));
                }
            }
        }
        if self.provenance.is_some() || self.predictors.values().any(has_origins) {
            warnings
                .push(left_out("where the state, its instructions and its demos came from"));
        }
        file.insert("metadata".into(), object([("dependency_versions", object([]))]));
        Exported { text: json::write(&Value::map(file)), warnings }
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
