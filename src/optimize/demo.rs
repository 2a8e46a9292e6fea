//! Demos from rows and from runs: what all optimizers that choose demos share.

use crate::eval::{Outcome, Random, Step};
use crate::optimize::Example;
use crate::program::{DemoOrigin, DemoSource, State, StateDemo};
use crate::schema::{Demo, Field, Record, Row, Signature, Value, located};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Demos by predictor path.
pub(crate) type Demos = IndexMap<String, Vec<StateDemo>>;

/// Rows that can be shown to a predictor as they are: those with a value for each output that
/// the data have a column for, and at least one input. An output without a column, such as
/// the reasoning before an answer, is left out of the demo.
pub(crate) struct Labels {
    by_path: IndexMap<String, Vec<(usize, Demo)>>,
}

impl Labels {
    /// Finds what rows can be shown to which predictor.
    pub(crate) fn new(predictors: &IndexMap<String, Signature>, rows: &[Example]) -> Self {
        let columns: BTreeSet<&str> =
            rows.iter().flat_map(|it| it.row.values.keys().map(|name| &**name)).collect();
        let fitting = |signature: &Signature| -> Vec<(usize, Demo)> {
            let known = |field: &&Field| columns.contains(&*field.name);
            let outputs: Vec<&Field> = signature.outputs.iter().filter(known).collect();
            let demo = |(at, it): (usize, &Example)| {
                Some((at, labeled(signature, &outputs, &it.row)?))
            };
            rows.iter().enumerate().filter_map(demo).collect()
        };
        let by_path =
            predictors.iter().map(|(path, signature)| (path.clone(), fitting(signature)));
        Self { by_path: by_path.collect() }
    }

    /// Draws up to `count(path)` demos for each predictor, of rows whose content is not in
    /// `used`.
    pub(crate) fn draw(
        &self,
        rows: &[Example],
        used: &BTreeSet<String>,
        count: impl Fn(&str) -> usize,
        random: impl Fn(&str) -> Random,
    ) -> Demos {
        let mut drawn = Demos::new();
        for (path, fitting) in &self.by_path {
            let mut seen: BTreeSet<&str> = used.iter().map(String::as_str).collect();
            let fresh: Vec<&(usize, Demo)> =
                fitting.iter().filter(|(at, _)| seen.insert(&rows[*at].hash)).collect();
            let chosen = random(path).sample(fresh.len(), count(path));
            let demos = chosen.into_iter().map(|at| {
                let (row, demo) = fresh[at];
                StateDemo { demo: demo.clone(), origin: Some(label_origin(&rows[*row])) }
            });
            drawn.insert(path.clone(), demos.collect());
        }
        drawn
    }
}

/// The demo that a row makes, if it has what is needed.
fn labeled(signature: &Signature, outputs: &[&Field], row: &Row) -> Option<Demo> {
    let part = |field: &Field| {
        let value = row.values.get(&field.name).filter(|value| !value.is_null())?;
        let value = match &row.folder {
            Some(folder) if field.ty.mentions_media(&signature.types) => {
                located(value, &field.ty, &signature.types, folder)
            }
            _ => value.clone(),
        };
        Some((field.name.clone(), value))
    };
    let inputs: Record = signature.inputs.iter().filter_map(part).collect();
    let given: Record = outputs.iter().filter_map(|it| part(it)).collect();
    let whole = !given.is_empty() && given.len() == outputs.len() && !inputs.is_empty();
    whole.then_some(Demo { inputs, outputs: given })
}

fn label_origin(example: &Example) -> DemoOrigin {
    DemoOrigin {
        source: DemoSource::Labeled,
        row: example.row.index,
        row_hash: example.hash.clone(),
        reply_hash: None,
        rollout: 0,
        score: None,
        first_in: None,
    }
}

/// The demo that a call of a run is, with where it comes from.
pub(crate) fn of_step(
    step: &Step,
    example: &Example,
    rollout: u64,
    score: Option<f64>,
) -> StateDemo {
    let demo = Demo { inputs: step.inputs.clone(), outputs: step.outputs.clone() };
    let origin = DemoOrigin {
        source: DemoSource::Bootstrapped,
        row: example.row.index,
        row_hash: example.hash.clone(),
        reply_hash: step.reply_hash.clone(),
        rollout,
        score,
        first_in: None,
    };
    StateDemo { demo, origin: Some(origin) }
}

/// The demos that a run gives: one for each predictor that it called. Where a predictor was
/// called several times, the last call is as likely as all earlier ones together, for the
/// last is the one that led to the reply, and loops should show their middle as well. Calls whose
/// reply was repaired come before all others.
pub(crate) fn from_run(
    outcome: &Outcome,
    example: &Example,
    rollout: u64,
    predictors: &IndexMap<String, Signature>,
    random: impl Fn(&str) -> Random,
) -> IndexMap<String, StateDemo> {
    let mut calls: IndexMap<&str, Vec<&Step>> = IndexMap::new();
    for step in outcome.steps.iter().filter(|step| !step.outputs.is_empty()) {
        if predictors.contains_key(&step.path) {
            calls.entry(&step.path).or_default().push(step);
        }
    }
    let mut demos = IndexMap::new();
    for (path, steps) in calls {
        let mut random = random(path);
        // What a model got right only when it was told why teaches the most.
        let repaired: Vec<&Step> = steps.iter().copied().filter(|it| it.repaired).collect();
        let steps = if repaired.is_empty() { steps } else { repaired };
        let last = steps.len() - 1;
        let at = if last == 0 || random.coin() { last } else { random.below(last) };
        let step = steps[at];
        demos.insert(path.to_owned(), of_step(step, example, rollout, outcome.score));
    }
    demos
}

/// The state with these demos, and no others, at the predictors that may be changed.
pub(crate) fn with_demos(
    start: &State,
    predictors: &IndexMap<String, Signature>,
    demos: &Demos,
) -> State {
    let mut state = State { predictors: start.predictors.clone(), provenance: None };
    for path in predictors.keys() {
        let own = state.entry(path);
        own.demos = demos.get(path).cloned().unwrap_or_default();
        own.nearest = None;
    }
    state
}

/// The state without demos that give away the answer to this row.
pub(crate) fn without_row(state: &State, example: &Example) -> State {
    let mut state = state.clone();
    for predictor in state.predictors.values_mut() {
        predictor.demos.retain(|demo| !shows(demo, example));
    }
    state
}

/// Whether a demo was made from the row, or says what its columns say.
fn shows(demo: &StateDemo, example: &Example) -> bool {
    if demo.origin.as_ref().is_some_and(|origin| origin.row_hash == example.hash) {
        return true;
    }
    let values = &example.row.values;
    let same = |(name, value): (&Arc<str>, &Value)| values.get(name) == Some(value);
    let all = demo.demo.inputs.iter().chain(&demo.demo.outputs);
    !demo.demo.inputs.is_empty() && all.into_iter().all(same)
}
