//! Optimizers: they propose states of a program and read scores, nothing else.
//!
//! [`compile`] runs a [`Policy`] on one search engine, [`Search`], which makes the runs,
//! remembers them, meters the budget, keeps the score matrix and the best state so far, and
//! consumes results in logical order. So a policy is a short file about its own idea, and the
//! same seed and the same replies give the same state with any number of threads.

mod ablate;
mod asker;
mod choice;
mod confirm;
mod data;
mod demo;
mod export;
mod forecast;
mod guess;
mod matrix;
mod natives;
mod options;
mod plan;
mod policies;
mod propose;
mod race;
mod report;
mod search;
mod sentences;

pub use ablate::{
    Ablated, Ablation, Finding, Part, Smaller, Verdict, Wish, Worth, ablate, ablate_asked,
    plan_ablation,
};
pub use confirm::{Confirmation, End};
pub use data::Care;
pub use forecast::{Forecast, Prompts, Share, forecast};
pub use matrix::Matrix;
pub use natives::compile_kept;
pub use options::natives;
pub use plan::{Phase, Plan};
pub use policies::{
    BetterTogether, BootstrapFewShot, Copro, Effort, Front, Gepa, InferRules, LabeledFewShot,
    MiproV2, PartKind, RandomSearch, Simba, Size, Tune,
};
pub use propose::{Proposer, Question};
pub use race::Race;
pub use report::{Candidate, Path, Report};
pub use search::{Ask, Example, Next, Price, Runs, Search, Step, Taste, Who};

use crate::diag::{Code, Diagnostic, did_you_mean};
use crate::eval::{Cancel, Caps, Dataset, Deadline, Evaluator, Progress, RunOptions, Stop};
use crate::lm::Money;
use crate::program::{DataOrigin, Provenance, State};
use crate::schema::{Signature, Value};
use data::Data;
use indexmap::IndexMap;
use std::fmt;
use std::time::Duration;

/// An optimizer was asked for something that cannot be done.
pub(crate) const BAD_OPTION: Code = Code("E0720");
/// An optimizer chose on rows that it was not given for that.
pub(crate) const NO_VALSET: Code = Code("W0721");
/// An optimizer found less than it was asked for.
pub(crate) const FEW_DEMOS: Code = Code("W0722");
/// Texts that a model proposed were not taken.
pub(crate) const REFUSED: Code = Code("W0725");
/// Rows stand in two sets that are to have nothing in common.
pub(crate) const OVERLAP: Code = Code("E0723");
/// Rows of two sets are nearly the same.
pub(crate) const NEAR_LEAK: Code = Code("W0724");

/// What is optimized, on what.
#[derive(Clone)]
pub struct Problem<'a> {
    /// Runs the program.
    pub evaluator: &'a dyn Evaluator,
    /// The signatures that the program declares, by predictor path.
    pub signatures: &'a IndexMap<String, Signature>,
    /// The text of the program, for those who propose; empty where there is none.
    pub source: String,
    /// The state that the program has now.
    pub start: State,
    /// Who makes the runs that demos are taken from; the program itself when `None`.
    pub teacher: Option<Teacher<'a>>,
    /// Who proposes texts, for policies that ask.
    pub proposer: Option<&'a dyn Proposer>,
    /// Rows to learn from.
    pub trainset: Dataset,
    /// Rows to choose by.
    pub valset: Option<Dataset>,
    /// Rows for the last comparison, which the search does not see.
    pub testset: Option<Dataset>,
    /// How rows are kept apart.
    pub care: Care,
    /// The name of the program's model, for the record.
    pub lm: Option<String>,
}

/// Who makes the runs that demos are taken from.
#[derive(Clone)]
pub struct Teacher<'a> {
    /// Runs another program, or the same with another model; the program itself when `None`.
    pub evaluator: Option<&'a dyn Evaluator>,
    /// Its state.
    pub state: State,
}

impl fmt::Debug for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("start", &self.start)
            .field("trainset", &self.trainset.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Teacher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teacher").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Options that all optimizers share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The seed of all choices.
    pub seed: u64,
    /// How runs are made; `width` is also how many runs are started before it is known
    /// whether they are needed.
    pub run: RunOptions,
    /// The most calls to models, cached ones included; `None` is no cap.
    pub max_calls: Option<u64>,
    /// The most tokens, those of cached replies included; `None` is no cap.
    pub max_tokens: Option<u64>,
    /// The most dollars at list prices; `None` is no cap.
    pub max_cost: Option<Money>,
    /// The longest; `None` is no cap.
    pub max_time: Option<Duration>,
    /// The predictors that may be changed; all when `None`.
    pub only: Option<Vec<String>>,
}

impl Settings {
    /// What the runs of the program may take.
    pub fn caps(&self) -> Caps {
        Caps {
            max_calls: self.max_calls,
            max_tokens: self.max_tokens,
            max_cost: self.max_cost,
            max_time: self.max_time,
        }
    }
}

/// An optimizer: a policy of which states to propose.
pub trait Policy {
    /// Its name in scripts.
    fn name(&self) -> &'static str;

    /// Its options with their values, for the record.
    fn options(&self) -> IndexMap<String, Value>;

    /// Whether it chooses between states by their scores.
    fn needs_valset(&self) -> bool;

    /// What it asks the model that proposes.
    fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    /// The models that it may have the program ask, by name.
    fn models(&self) -> &[String] {
        &[]
    }

    /// How it means to spend what it may take, in lines.
    fn intent(&self, sizes: &Sizes) -> Vec<String> {
        let _ = sizes;
        Vec::new()
    }

    /// The most runs that it makes, by phase.
    fn phases(&self, sizes: &Sizes) -> Vec<Phase>;

    /// Proposes states until it is done or the search stops it.
    ///
    /// # Errors
    /// Why the search stopped it.
    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop>;
}

/// Sizes that a plan depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Rows to learn from.
    pub train: usize,
    /// Rows to choose by.
    pub val: usize,
    /// Predictors that may be changed.
    pub predictors: usize,
    /// Whether the program already has demos.
    pub start_has_demos: bool,
    /// Whether a teacher is given.
    pub has_teacher: bool,
    /// The cap on calls.
    pub max_calls: Option<u64>,
    /// Whether tokens, dollars or time are capped.
    pub has_other_caps: bool,
    /// Rows that choose between finalists, and rows for the last comparison.
    pub held: (usize, usize),
}

/// What an optimizer found.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// The best state, with its provenance.
    pub state: State,
    /// How it was found.
    pub report: Report,
}

/// Says what an optimizer will take at most, without running anything.
///
/// # Errors
/// Options or data that cannot be used.
pub fn plan(
    policy: &dyn Policy,
    problem: &Problem<'_>,
    settings: &Settings,
) -> Result<Plan, Box<Diagnostic>> {
    let data = Data::prepare(policy, problem, settings)?;
    Ok(data.plan(policy, problem, settings))
}

/// Runs an optimizer. When the budget is used up or `cancel` is set, the best state so far is
/// the result, and the report says so.
///
/// # Errors
/// Options or data that cannot be used.
pub fn compile(
    policy: &dyn Policy,
    problem: &Problem<'_>,
    settings: &Settings,
    cancel: &Cancel,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Compiled, Box<Diagnostic>> {
    let data = Data::prepare(policy, problem, settings)?;
    let plan = data.plan(policy, problem, settings);
    let origins = data.origins()?;
    let held = data.held()?;
    let deadline = Deadline::begin(cancel, settings.max_time);
    let mut search = Search::new(problem, settings, &data, deadline.cancel(), progress)?;
    search.hurry(&deadline);
    let stop = deadline.stop(policy.search(&mut search).err());
    let confirmation = confirm::confirm(&mut search, &held, stop.as_ref());
    let (mut state, mut report) = search.finish(policy.name(), plan, stop);
    report.confirmation = confirmation;
    report.notices.splice(0..0, data.notices.clone());
    state.stamp(problem.signatures);
    state.provenance = Some(provenance(policy, problem, settings, origins, &report));
    Ok(Compiled { state, report })
}

pub(crate) fn refused(message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::bare(BAD_OPTION, message))
}

fn check_only(problem: &Problem<'_>, settings: &Settings) -> Result<(), Box<Diagnostic>> {
    let unknown = |path: &&String| !problem.signatures.contains_key(*path);
    match settings.only.iter().flatten().find(unknown) {
        None => Ok(()),
        Some(path) => {
            let message = format!("`only`: the program has no predictor `{path}`");
            let known = problem.signatures.keys().map(String::as_str);
            let hint = did_you_mean(path, known);
            Err(Box::new(Diagnostic::bare(BAD_OPTION, message).hint(hint)))
        }
    }
}

fn provenance(
    policy: &dyn Policy,
    problem: &Problem<'_>,
    settings: &Settings,
    data: Vec<DataOrigin>,
    report: &Report,
) -> Provenance {
    let count = |it: u64| i64::try_from(it).map_or(Value::Null, Value::Int);
    let mut options = policy.options();
    options.insert("width".to_owned(), count(settings.run.width as u64));
    if let Some(cap) = settings.max_calls {
        options.insert("max_calls".to_owned(), count(cap));
    }
    if let Some(cap) = settings.max_tokens {
        options.insert("max_tokens".to_owned(), count(cap));
    }
    if let Some(cap) = settings.max_cost {
        options.insert("max_usd".to_owned(), Value::Float(cap.dollars()));
    }
    if let Some(cap) = settings.max_time {
        options.insert("max_seconds".to_owned(), Value::Float(cap.as_secs_f64()));
    }
    if let Some(only) = &settings.only {
        let only = only.iter().map(|path| Value::from(path.as_str()));
        options.insert("only".to_owned(), Value::list(only));
    }
    Provenance {
        optimizer: policy.name().to_owned(),
        options,
        seed: settings.seed,
        lm: problem.lm.clone(),
        data,
        scores: report.scores(),
        gain: report.gain_record(),
        calls: report.calls,
        prompt_tokens: report.prompt_tokens,
        completion_tokens: report.completion_tokens,
        stopped: report.stop.as_ref().map(Stop::to_string),
    }
}
