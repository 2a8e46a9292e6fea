//! Optimizers: they propose states of a program and read scores, nothing else.
//!
//! [`compile`] runs a [`Policy`] on one search engine, [`Search`], which makes the runs,
//! remembers them, meters the budget, keeps the score matrix and the best state so far, and
//! consumes results in logical order. So a policy is a short file about its own idea, and the
//! same seed and the same replies give the same state with any number of threads.

mod bootstrap_few_shot;
mod demo;
mod labeled_few_shot;
mod natives;
mod plan;
mod random_search;
mod report;
mod search;

pub use bootstrap_few_shot::BootstrapFewShot;
pub use labeled_few_shot::LabeledFewShot;
pub use natives::{compile_kept, natives};
pub use plan::{Phase, Plan};
pub use random_search::RandomSearch;
pub use report::{Candidate, Report};
pub use search::{Ask, Example, Runs, Search, Who};

use crate::data::{Read, SplitOptions};
use crate::diag::{Code, Diagnostic, did_you_mean};
use crate::eval::{Cancel, Dataset, Evaluator, Progress, RunOptions, Share, Stop};
use crate::program::{DataOrigin, Provenance, State, row_hash};
use crate::schema::{Signature, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::fmt;

/// An optimizer was asked for something that cannot be done.
pub(crate) const BAD_OPTION: Code = Code("E0720");
/// An optimizer chose on rows that it was not given for that.
pub(crate) const NO_VALSET: Code = Code("W0721");
/// An optimizer found less than it was asked for.
pub(crate) const FEW_DEMOS: Code = Code("W0722");

/// What is optimized, on what.
pub struct Problem<'a> {
    /// Runs the program.
    pub evaluator: &'a dyn Evaluator,
    /// The signatures that the program declares, by predictor path.
    pub signatures: &'a IndexMap<String, Signature>,
    /// The state that the program has now.
    pub start: State,
    /// Who makes the runs that demos are taken from; the program itself when `None`.
    pub teacher: Option<Teacher<'a>>,
    /// Rows to learn from.
    pub trainset: Dataset,
    /// Rows to choose by.
    pub valset: Option<Dataset>,
    /// The name of the program's model, for the record.
    pub lm: Option<String>,
}

/// Who makes the runs that demos are taken from.
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
    /// The predictors that may be changed; all when `None`.
    pub only: Option<Vec<String>>,
}

/// An optimizer: a policy of which states to propose.
pub trait Policy {
    /// Its name in scripts.
    fn name(&self) -> &'static str;

    /// Its options with their values, for the record.
    fn options(&self) -> IndexMap<String, Value>;

    /// Whether it chooses between states by their scores.
    fn needs_valset(&self) -> bool;

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
    /// Whether the program already has demos.
    pub start_has_demos: bool,
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
    let mut search = Search::new(problem, settings, &data, cancel, progress)?;
    let stop = policy.search(&mut search).err();
    let (mut state, mut report) = search.finish(policy.name(), plan, stop);
    report.notices.splice(0..0, data.notices.clone());
    state.stamp(problem.signatures);
    state.provenance = Some(provenance(policy, problem, settings, origins, &report));
    Ok(Compiled { state, report })
}

/// The rows of a search, checked.
pub(crate) struct Data {
    pub(crate) trainset: Dataset,
    pub(crate) valset: Dataset,
    notices: Vec<Diagnostic>,
}

impl Data {
    /// Checks options and data; splits the training rows where rows to choose by are needed
    /// and not given.
    fn prepare(
        policy: &dyn Policy,
        problem: &Problem<'_>,
        settings: &Settings,
    ) -> Result<Self, Box<Diagnostic>> {
        check_only(problem, settings)?;
        if problem.trainset.is_empty() {
            return Err(refused("the trainset has no rows"));
        }
        let given = problem.valset.clone();
        if given.as_ref().is_some_and(Dataset::is_empty) {
            return Err(refused("the valset has no rows"));
        }
        let trainset = problem.trainset.clone();
        match given {
            Some(valset) => {
                Ok(Self { notices: overlap(&trainset, &valset)?, trainset, valset })
            }
            None if policy.needs_valset() => Ok(Self::split(&trainset, settings.seed)),
            None => Ok(Self { trainset, valset: Dataset::default(), notices: Vec::new() }),
        }
    }

    /// Half of the rows to learn from, half to choose by.
    fn split(trainset: &Dataset, seed: u64) -> Self {
        let parts = [("train", Share::Fraction(0.5)), ("val", Share::Fraction(0.5))];
        let options = SplitOptions { seed, ..SplitOptions::default() };
        let mut split = trainset.split(&parts, &options).unwrap_or_default();
        let part = |it: Option<Dataset>| it.filter(|it| !it.is_empty());
        let halves = (part(split.swap_remove("train")), part(split.swap_remove("val")));
        let (train, val, what) = match halves {
            (Some(train), Some(val)) => {
                let what = format!("{} of {} rows were kept for it", val.len(), trainset.len());
                (train, val, what)
            }
            (None, _) | (_, None) => {
                let what = "there are too few rows to split: it chose on what it learnt from";
                (trainset.clone(), trainset.clone(), what.to_owned())
            }
        };
        let notice = Diagnostic::bare(NO_VALSET, "no valset was given").note(what);
        let notice = notice.hint("give rows to choose by: `valset: data.dev`");
        Self { trainset: train, valset: val, notices: vec![notice] }
    }

    /// What a state says about the rows that it was made with.
    fn origins(&self) -> Read<Vec<DataOrigin>> {
        let origin = |(role, data): (&str, &Dataset)| {
            Ok(DataOrigin { role: role.to_owned(), rows: data.len(), hash: data.hash()? })
        };
        let sets = [("trainset", &self.trainset), ("valset", &self.valset)];
        sets.into_iter().filter(|(_, it)| !it.is_empty()).map(origin).collect()
    }

    fn plan(&self, policy: &dyn Policy, problem: &Problem<'_>, settings: &Settings) -> Plan {
        let sizes = Sizes {
            train: self.trainset.len(),
            val: self.valset.len(),
            start_has_demos: problem.start.demo_count() > 0,
        };
        let student = problem.evaluator.max_calls_per_run();
        let teacher = problem.teacher.as_ref().and_then(|teacher| teacher.evaluator);
        let teacher = teacher.map_or(student, Evaluator::max_calls_per_run);
        Plan::new(policy.phases(&sizes), student, teacher, settings.max_calls)
    }
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

/// Warns of rows that are both learnt from and chosen by.
fn overlap(trainset: &Dataset, valset: &Dataset) -> Read<Vec<Diagnostic>> {
    let hashes = |data: &Dataset| -> Read<Vec<String>> {
        data.iter().map(|row| row.map(|row| row_hash(&row))).collect()
    };
    let learnt: BTreeSet<String> = hashes(trainset)?.into_iter().collect();
    let both = hashes(valset)?.into_iter().filter(|it| learnt.contains(it));
    Ok(match both.count() {
        0 => Vec::new(),
        count => {
            let message = format!("{count} rows are in trainset and valset");
            let hint = "split one data set: `data.split(train: 0.5, dev: 0.5)`";
            vec![Diagnostic::bare(NO_VALSET, message).hint(hint)]
        }
    })
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
        scores: report.best_candidate().and_then(Candidate::record).into_iter().collect(),
        calls: report.calls,
        prompt_tokens: report.prompt_tokens,
        completion_tokens: report.completion_tokens,
        stopped: report.stop.as_ref().map(Stop::to_string),
    }
}
