//! Several optimizers, one after the other, each from the best that was found so far.
//!
//! Soylu et al., "Fine-Tuning and Prompt Optimization: Two Great Steps that Work Better Together"
//! (2024), for the idea; `BetterTogether` in DSPy. Demos and instructions help each other: with
//! better instructions more runs score well and make demos, and with demos another instruction
//! is the best one. In plain words: `"demos -> instructions -> demos"` names the steps; what comes
//! out is the best of all states that were scored.
//!
//! Differs from DSPy: all steps share one search, so that no run is made twice and one cap holds
//! for all; a step that finds nothing better leaves the program as it was; no step changes the
//! weights of a model.

use crate::eval::Stop;
use crate::optimize::{Phase, Policy, Question, Search, Sizes, Who};
use crate::schema::Value;
use indexmap::IndexMap;
use std::fmt;
use std::sync::Arc;

/// Optimizers one after the other.
pub struct BetterTogether {
    /// Their names in the strategy, and what they are.
    pub steps: Vec<(String, Arc<dyn Policy + Send + Sync>)>,
}

impl fmt::Debug for BetterTogether {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BetterTogether").field(&self.strategy()).finish()
    }
}

impl BetterTogether {
    fn strategy(&self) -> String {
        let names: Vec<&str> = self.steps.iter().map(|it| it.0.as_str()).collect();
        names.join(" -> ")
    }
}

impl Policy for BetterTogether {
    fn name(&self) -> &'static str {
        "better_together"
    }

    fn options(&self) -> IndexMap<String, Value> {
        let mut options = IndexMap::new();
        options.insert("strategy".to_owned(), Value::from(self.strategy().as_str()));
        for (name, policy) in &self.steps {
            options.insert(name.clone(), Value::from(called(&**policy).as_str()));
        }
        options
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn questions(&self) -> Vec<Question> {
        let mut all: Vec<Question> =
            self.steps.iter().flat_map(|it| it.1.questions()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let mut phases = Vec::new();
        for (at, (name, policy)) in self.steps.iter().enumerate() {
            // What was found before may have demos.
            let start_has_demos = sizes.start_has_demos || at > 0;
            let own = policy.phases(&Sizes { start_has_demos, ..*sizes });
            let named =
                |it: Phase| Phase { name: format!("{}. {name}: {}", at + 1, it.name), ..it };
            phases.extend(own.into_iter().map(named));
            if !policy.needs_valset() {
                let name = format!("{}. {name}: score", at + 1);
                phases.push(Phase::new(&name, Who::Student, sizes.val, 1));
            }
        }
        phases.insert(0, Phase::new("score the start", Who::Student, sizes.val, 1));
        phases
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let start = search.start().clone();
        search.score("as it is", start)?;
        for (at, (name, policy)) in self.steps.iter().enumerate() {
            search.stage(&format!("{}. {name}", at + 1), &**policy)?;
        }
        Ok(())
    }
}

/// A policy as a script would write it.
fn called(policy: &dyn Policy) -> String {
    let options: Vec<String> =
        policy.options().iter().map(|(name, it)| format!("{name}: {it}")).collect();
    format!("{}({})", policy.name(), options.join(", "))
}
