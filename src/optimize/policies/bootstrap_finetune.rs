//! Runs that scored well, for training a model on them.
//!
//! Soylu et al., "Fine-Tuning and Prompt Optimization: Two Great Steps that Work Better Together"
//! (2024), for weights that learn from a program's own runs. `BootstrapFinetune` in DSPy. In plain
//! words: the teacher, or the program as it is, runs on each training row, never with a demo of that
//! row; where a run scores at least the threshold every call in it is worth learning from. Where
//! not, up to `max_rounds - 1` fresh samples are tried at temperature 1. What was kept becomes the
//! conversations of a data set (see `finetune`).
//!
//! Differs from DSPy: runs with failed assertions and replies that were cut off teach nothing;
//! equal rows are run once.

use crate::eval::{Outcome, Stop};
use crate::optimize::demo::{Demos, of_step, with_demos, without_row};
use crate::optimize::policies::bootstrap_few_shot::{hotter, is_good, unique};
use crate::optimize::policies::count;
use crate::optimize::{Ask, Example, Phase, Policy, Search, Sizes, Who};
use crate::program::StateDemo;
use crate::schema::{Signature, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// Collects the calls of runs that scored well. Its state holds them as demos; who asked for it
/// writes them down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapFinetune {
    /// How many samples of a row are tried.
    pub max_rounds: usize,
    /// The least score of a run that is kept; any score above 0 when `None`.
    pub threshold: Option<f64>,
}

impl Default for BootstrapFinetune {
    fn default() -> Self {
        Self { max_rounds: 1, threshold: None }
    }
}

impl Policy for BootstrapFinetune {
    fn name(&self) -> &'static str {
        "bootstrap_finetune"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::from([
            ("max_rounds".to_owned(), count(self.max_rounds)),
            ("threshold".to_owned(), self.threshold.map_or(Value::Null, Value::Float)),
        ])
    }

    fn needs_valset(&self) -> bool {
        false
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        vec![Phase::new("collect", Who::Teacher, sizes.train, self.max_rounds)]
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let predictors = search.predictors();
        let rows = unique(search.train().iter().cloned());
        let mut kept: Vec<Option<(u64, Arc<Outcome>)>> = vec![None; rows.len()];
        let mut stop = None;
        for round in 0..self.max_rounds as u64 {
            let open: Vec<usize> = (0..rows.len()).filter(|at| kept[*at].is_none()).collect();
            if stop.is_some() || open.is_empty() {
                break;
            }
            let asks: Vec<Ask> =
                open.iter().map(|at| ask(search, &predictors, &rows[*at], round)).collect();
            let runs = search.run("collect", &asks);
            for (at, outcome) in open.into_iter().zip(runs.outcomes) {
                let good = outcome.filter(|it| is_good(it, self.threshold));
                kept[at] = good.map(|it| (round, it));
            }
            stop = runs.stop;
        }
        let mut demos = Demos::new();
        for (example, kept) in rows.iter().zip(&kept) {
            let Some((round, outcome)) = kept else { continue };
            for (path, demo) in calls(example, *round, outcome, &predictors) {
                demos.entry(path).or_default().push(demo);
            }
        }
        let state = with_demos(search.start(), &predictors, &demos);
        search.propose("collected", state);
        stop.map_or(Ok(()), Err)
    }
}

fn ask(
    search: &Search<'_>,
    predictors: &IndexMap<String, Signature>,
    example: &Example,
    round: u64,
) -> Ask {
    let state = search.teacher().unwrap_or(search.start());
    let mut state = without_row(state, example);
    if round > 0 {
        hotter(&mut state, predictors.keys());
    }
    Ask {
        who: Who::Teacher,
        state: Arc::new(state),
        example: example.clone(),
        rollout: round,
        keep_steps: true,
    }
}

/// Every call of a run that came to its end, in order.
fn calls(
    example: &Example,
    rollout: u64,
    outcome: &Outcome,
    predictors: &IndexMap<String, Signature>,
) -> Vec<(String, StateDemo)> {
    let whole = |path: &str| predictors.contains_key(path);
    let steps = outcome.steps.iter();
    let steps = steps.filter(|it| whole(&it.path) && !it.cut && !it.outputs.is_empty());
    let call =
        steps.map(|step| (step.path.clone(), of_step(step, example, rollout, outcome.score)));
    call.collect()
}
