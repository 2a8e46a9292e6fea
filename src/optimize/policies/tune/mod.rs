//! The joint search over instructions, demos, descriptions of fields, adapter and model under one
//! budget: the optimizer to reach for first.
//!
//! Ours. What it stands on: random search over bootstraps (Khattab et al., 2023), grounded proposals
//! (Opsahl-Ong et al., 2024), reflection on failures (Agrawal et al., 2025), successive halving
//! (Karnin et al., 2013), and top-two Thompson sampling (Russo, 2016). In plain words:
//!
//! 1. Divide the budget: a part for the last comparison, which nothing else may take; so many rows
//!    to choose by as leaders can be compared on; a few runs of the teacher on rows to learn from,
//!    whose good ones are kept as demos (see `spend`).
//! 2. The program as it is comes first, and beside it the teacher's runs and, where the budget is
//!    large enough, what a model has to say of data and program.
//! 3. New candidates come in generations of a few at a time. Those of a generation race on the same
//!    rows: on a few first, the better half of those that do not fall behind the leader on twice as
//!    many, and so on. Who reaches the last row joins the leaders.
//! 4. A candidate is a move from a leader (see `moves`). Which kind of move is drawn by how often it
//!    helped so far, so that a model that proposes badly is soon asked no more.
//! 5. When three quarters are spent the best is made cheaper: fewer demos, another model.
//! 6. The cheapest program within noise of the best is chosen (see `choice`).

mod course;
mod moves;
mod space;
mod spend;
mod told;

use crate::eval::Stop;
use crate::optimize::policies::{count, grounds};
use crate::optimize::{Phase, Policy, Question, Search, Sizes, Taste, Who};
use crate::schema::Value;
use course::Course;
use indexmap::IndexMap;
use spend::{Extent, Spend};

/// The adapters that are tried where nobody names any.
const ADAPTERS: [&str; 3] = ["chat", "json", "xml"];

/// The most generations: what has not helped by then will not.
const MOST_GENERATIONS: usize = 200;
/// The most rows that a model is shown for a proposal.
const SHOWN: usize = 5;

/// The joint search.
#[derive(Debug, Clone, PartialEq)]
pub struct Tune {
    /// How the choice is made between programs that are alike.
    pub prefer: Taste,
    /// Adapters to try; some that most models understand when `None`.
    pub adapters: Option<Vec<String>>,
    /// Models to try besides the program's own, by name.
    pub models: Vec<String>,
    /// The most demos of a predictor.
    pub max_demos: usize,
    /// The most of them that come from runs.
    pub max_bootstrapped: usize,
    /// How many candidates a generation has.
    pub at_once: usize,
    /// After so many generations without a better one it ends.
    pub patience: usize,
    /// How freely the model proposes.
    pub temperature: f64,
}

impl Default for Tune {
    fn default() -> Self {
        Self {
            prefer: Taste::Balanced,
            adapters: None,
            models: Vec::new(),
            max_demos: 16,
            max_bootstrapped: 4,
            at_once: 8,
            patience: 12,
            temperature: 1.0,
        }
    }
}

impl Policy for Tune {
    fn name(&self) -> &'static str {
        "tune"
    }

    fn options(&self) -> IndexMap<String, Value> {
        let list = |it: &[String]| Value::list(it.iter().map(|it| Value::from(it.as_str())));
        [
            ("prefer", self.prefer.name().into()),
            ("adapters", self.adapters.as_deref().map_or(Value::Null, list)),
            ("models", list(&self.models)),
            ("max_demos", count(self.max_demos)),
            ("max_bootstrapped", count(self.max_bootstrapped)),
            ("at_once", count(self.at_once)),
            ("patience", count(self.patience)),
            ("proposer_temperature", Value::Float(self.temperature)),
        ]
        .into_iter()
        .map(|(name, it)| (name.to_owned(), it))
        .collect()
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn models(&self) -> &[String] {
        &self.models
    }

    fn questions(&self) -> Vec<Question> {
        vec![
            Question::DataNotes,
            Question::DataSummary,
            Question::ProgramDescription,
            Question::GroundedInstructions,
            Question::ReflectedInstructions,
            Question::ReflectedDescriptions,
        ]
    }

    fn intent(&self, sizes: &Sizes) -> Vec<String> {
        told::intent(self, &self.spend(sizes), sizes)
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let most = self.most_runs(sizes);
        let spend = self.spend(sizes);
        // Runs may turn out to be cheaper than was thought, and the budget to be larger.
        let most_tries = sizes.train.min(64);
        let candidates = (1 + MOST_GENERATIONS * self.at_once) * sizes.val;
        let asked = if spend.proposals > 0 || spend.reflects {
            MOST_GENERATIONS * self.at_once
        } else {
            0
        };
        let grounds = if spend.proposals > 0 { grounds::parts(sizes.train) + 2 } else { 0 };
        let question = Who::Proposer(Question::GroundedInstructions);
        let bounded = |it: usize| most.map_or(it, |most| it.min(most));
        let mut phases = vec![
            Phase::new("make demos", Who::Teacher, bounded(most_tries), 1),
            Phase::new("look at the data", question, bounded(grounds), 1),
            Phase::new(
                "propose",
                question,
                bounded(asked + spend.proposals * sizes.predictors),
                1,
            ),
            Phase::new("try candidates", Who::Student, bounded(candidates), 1),
            Phase::new("try on rows to learn from", Who::Student, bounded(asked * SHOWN), 1),
        ];
        phases.retain(|it| it.runs > 0);
        phases
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        search.choose_by(self.prefer);
        let mut course = Course::new(self, search);
        let ended = course.go(search);
        course.settle(search);
        course.tell(search);
        ended
    }
}

impl Tune {
    /// The most runs, where that is known before any was made.
    fn most_runs(&self, sizes: &Sizes) -> Option<usize> {
        sizes.max_calls.map(|it| usize::try_from(it).unwrap_or(usize::MAX))
    }

    /// How the budget is divided, as far as it is known before any run: each predictor is taken to
    /// be asked once a run.
    fn spend(&self, sizes: &Sizes) -> Spend {
        let extent = Extent {
            train: sizes.train,
            val: sizes.val,
            predictors: sizes.predictors,
            held: sizes.held,
        };
        let runs = match self.most_runs(sizes) {
            Some(calls) => calls / sizes.predictors.max(1),
            None => spend::uncapped(&extent),
        };
        Spend::new(runs, &extent)
    }
}
