//! The values that make up a state.

use crate::program::{Nearest, SignatureHash, Story};
use crate::schema::{Demo, Record, Template, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// What an optimizer may change about a program, by predictor path (`answer`,
/// `inner.answer`, `steps[0]`, `by["x"]`; a bare predictor is `self`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Predictors by path. One that is missing is as its program declares it.
    pub predictors: IndexMap<String, PredictorState>,
    /// Where the state comes from; `None` for one made by hand.
    pub provenance: Option<Provenance>,
}

impl State {
    /// The state of a predictor.
    pub fn get(&self, path: &str) -> Option<&PredictorState> {
        self.predictors.get(path)
    }

    /// The state of a predictor, added when it is missing.
    pub fn entry(&mut self, path: &str) -> &mut PredictorState {
        self.predictors.entry(path.to_owned()).or_default()
    }

    /// How many demos it holds in all.
    pub fn demo_count(&self) -> usize {
        self.predictors.values().map(|predictor| predictor.demos.len()).sum()
    }
}

/// What may be changed about one predictor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PredictorState {
    /// The signature it was made for.
    pub signature: Option<SignatureHash>,
    /// Instructions in place of the author's.
    pub instructions: Option<String>,
    /// Where those came from.
    pub instructions_origin: Option<InstructionsOrigin>,
    /// Descriptions of fields in place of the author's, by field.
    pub descriptions: IndexMap<String, String>,
    /// What was tried first with each of those: the optimizer and its name for it.
    pub descriptions_first_in: IndexMap<String, String>,
    /// The name of a model, to be looked up where the state is loaded.
    pub lm: Option<String>,
    /// The name of an adapter.
    pub adapter: Option<String>,
    /// The template that this is the name of, whole.
    pub template: Option<Arc<Template>>,
    /// The name of the model that reads what another wrote, where the adapter asks twice.
    pub extract: Option<String>,
    /// How tokens are drawn.
    pub options: Options,
    /// Examples in the prompt, in order; those to pick from where `nearest` says so.
    pub demos: Vec<StateDemo>,
    /// Whether only those demos are shown that are the nearest to an input.
    pub nearest: Option<Nearest>,
}

/// Sampling options; what is `None` is as the program or the model says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// 0 takes the likeliest token.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    pub max_tokens: Option<u32>,
    /// The provider's seed.
    pub seed: Option<u64>,
}

/// A demo and where it comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StateDemo {
    /// The demo.
    pub demo: Demo,
    /// Where it comes from; `None` for one made by hand.
    pub origin: Option<DemoOrigin>,
}

/// How a demo came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoSource {
    /// Columns of a row.
    Labeled,
    /// What a predictor read and wrote in a run that scored well.
    Bootstrapped,
}

impl DemoSource {
    /// `labeled` or `bootstrapped`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Labeled => "labeled",
            Self::Bootstrapped => "bootstrapped",
        }
    }
}

/// Where a demo comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoOrigin {
    /// How it came about.
    pub source: DemoSource,
    /// The row's index in the data set it was loaded into.
    pub row: usize,
    /// The row's content, as a hash.
    pub row_hash: String,
    /// The reply that wrote the outputs, as a hash; `None` for a labeled demo.
    pub reply_hash: Option<String>,
    /// The run: which sample of the row (0 is the first).
    pub rollout: u64,
    /// What the run scored.
    pub score: Option<f64>,
    /// What was tried first with it: the optimizer and its name for it.
    pub first_in: Option<String>,
}

impl DemoOrigin {
    /// It in a few words: `bootstrapped, row 3, scored 1.000`.
    pub fn told(&self) -> String {
        let row = format!("row {}", self.row);
        match (self.source, self.score) {
            (DemoSource::Labeled, _) => format!("labeled, {row}"),
            (DemoSource::Bootstrapped, None) => format!("bootstrapped, {row}"),
            (DemoSource::Bootstrapped, Some(score)) => {
                format!("bootstrapped, {row}, scored {score:.3}")
            }
        }
    }
}

/// Where instructions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructionsOrigin {
    /// The optimizer that proposed them.
    pub optimizer: String,
    /// What it proposed them from, in a few words.
    pub note: String,
    /// The reply that wrote them, as a hash.
    pub reply_hash: Option<String>,
    /// What was tried first with them: the optimizer and its name for it.
    pub first_in: Option<String>,
}

/// How a state came about. It names no times and no caches: the same search gives the same
/// file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Provenance {
    /// The optimizer.
    pub optimizer: String,
    /// Its options, defaults included.
    pub options: IndexMap<String, Value>,
    /// The seed of all its choices.
    pub seed: u64,
    /// The model's name.
    pub lm: Option<String>,
    /// The data it read.
    pub data: Vec<DataOrigin>,
    /// What the state scored.
    pub scores: Vec<ScoreRecord>,
    /// What it gained over the program as it was, on rows that nothing was chosen on; `None`
    /// where that was not measured.
    pub gain: Option<GainRecord>,
    /// Calls to models that the search took, cached ones included.
    pub calls: u64,
    /// Tokens read in those.
    pub prompt_tokens: u64,
    /// Tokens written in those.
    pub completion_tokens: u64,
    /// What ended the search before its end.
    pub stopped: Option<String>,
    /// How the search went.
    pub story: Story,
}

/// A data set that a search read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOrigin {
    /// What it was used for: `trainset`, `valset`, `finalists`, `confirm`, `testset`.
    pub role: String,
    /// How many rows it has.
    pub rows: usize,
    /// Its content, as a hash.
    pub hash: String,
}

/// What a state gained over the program that the search began with.
#[derive(Debug, Clone, PartialEq)]
pub struct GainRecord {
    /// What it was measured on: `testset` or `confirm`.
    pub role: String,
    /// What it comes to: `reliable gain`, `reliable loss` or `no reliable gain`.
    pub verdict: String,
    /// The mean difference, row by row.
    pub gain: f64,
    /// The ends of the 95 % interval.
    pub interval: (f64, f64),
    /// How likely such a difference is by chance alone.
    pub p: f64,
    /// How many rows both scored.
    pub rows: usize,
}

/// A score of a state.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRecord {
    /// What it was scored on: `valset`, `confirm`, `testset`; with ` before`, the score there of
    /// the program that the search began with.
    pub role: String,
    /// The mean.
    pub score: f64,
    /// The ends of the 95 % interval.
    pub interval: (f64, f64),
    /// How many rows were scored.
    pub rows: usize,
}

/// Returns a record of these names and values.
pub(crate) fn record<'a>(
    fields: impl IntoIterator<Item = (&'a Arc<str>, &'a Value)>,
) -> Record {
    fields.into_iter().map(|(name, value)| (Arc::clone(name), value.clone())).collect()
}
