//! Demos that are rows of the training data, drawn at random.
//!
//! Khattab et al., "DSPy: Compiling Declarative Language Model Calls into Self-Improving
//! Pipelines" (2023), appendix E.1. It makes no calls.
//!
//! Differs from DSPy: a row is shown only to predictors whose outputs it has, and each
//! predictor draws from a stream of its own.

use crate::eval::Stop;
use crate::optimize::demo::{Labels, with_demos};
use crate::optimize::policies::count;
use crate::optimize::{Phase, Policy, Search, Sizes};
use crate::schema::Value;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// Demos that are rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabeledFewShot {
    /// The most demos of a predictor.
    pub k: usize,
}

impl Default for LabeledFewShot {
    fn default() -> Self {
        Self { k: 16 }
    }
}

impl Policy for LabeledFewShot {
    fn name(&self) -> &'static str {
        "labeled_few_shot"
    }

    fn options(&self) -> IndexMap<String, Value> {
        IndexMap::from([("k".to_owned(), count(self.k))])
    }

    fn needs_valset(&self) -> bool {
        false
    }

    fn phases(&self, _: &Sizes) -> Vec<Phase> {
        Vec::new()
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let predictors = search.predictors();
        let labels = Labels::new(&predictors, search.train());
        let random = |path: &str| search.random(&format!("labeled/{path}"));
        let demos = labels.draw(search.train(), &BTreeSet::new(), |_| self.k, random);
        let state = with_demos(search.start(), &predictors, &demos);
        search.propose("labeled", state);
        Ok(())
    }
}
