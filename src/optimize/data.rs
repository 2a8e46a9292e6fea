//! The rows of a search: what it learns from, what it chooses by, and what it must not see.
//!
//! The three are kept apart by the engine. Rows of equal inputs in two of them are refused. Where
//! nobody gives rows for the last comparison, a part of those to choose by is held back for it.

use crate::data::{Read, Shared, nearly_shared, rows, shared};
use crate::diag::Diagnostic;
use crate::eval::{Caps, Dataset};
use crate::optimize::confirm::{FINALISTS, Held};
use crate::optimize::search::{evaluator, examples, predictors};
use crate::optimize::{
    NEAR_LEAK, NO_VALSET, OVERLAP, Phase, Plan, Policy, Problem, Settings, Sizes, Who,
    check_only, refused,
};
use crate::program::DataOrigin;

/// Fewer rows to choose by are not torn apart.
const ENOUGH: usize = 40;
/// From so many rows held back on, a third of them chooses between finalists.
const ENOUGH_FOR_FINALISTS: usize = 60;
/// The part of the rows to choose by that is held back.
const HELD: f64 = 1.0 / 3.0;

/// How rows are kept apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Care {
    /// The part of the rows to choose by that is held back for the last comparison; 0 is none.
    pub confirm: f64,
    /// Whether rows may stand in two sets.
    pub overlap: bool,
    /// The columns that make rows equal; by their usual names where this is empty.
    pub inputs: Vec<String>,
}

impl Default for Care {
    fn default() -> Self {
        Self { confirm: HELD, overlap: false, inputs: Vec::new() }
    }
}

/// The rows of a search, checked.
pub(crate) struct Data {
    pub(crate) trainset: Dataset,
    pub(crate) valset: Dataset,
    /// To choose between finalists.
    runoff: Dataset,
    /// For the last comparison.
    last: Dataset,
    /// What the latter are called.
    role: &'static str,
    /// Why there are none.
    lacking: Option<String>,
    pub(crate) notices: Vec<Diagnostic>,
}

impl Data {
    /// Checks options and data; splits the training rows where rows to choose by are needed
    /// and not given; holds rows back.
    pub(crate) fn prepare(
        policy: &dyn Policy,
        problem: &Problem<'_>,
        settings: &Settings,
    ) -> Result<Self, Box<Diagnostic>> {
        check_only(problem, settings)?;
        let given = [
            ("trainset", Some(&problem.trainset)),
            ("valset", problem.valset.as_ref()),
            ("testset", problem.testset.as_ref()),
        ];
        let given: Vec<(&str, &Dataset)> =
            given.into_iter().filter_map(|(name, data)| Some((name, data?))).collect();
        if let Some((name, _)) = given.iter().find(|it| it.1.is_empty()) {
            return Err(refused(format!("the {name} has no rows")));
        }
        let share = problem.care.confirm;
        if !(0.0..=0.9).contains(&share) {
            let message = format!("`confirm` wants a number from 0 to 0.9, found {share}");
            return Err(refused(message));
        }
        let mut data = Self {
            trainset: problem.trainset.clone(),
            valset: problem.valset.clone().unwrap_or_default(),
            runoff: Dataset::default(),
            last: problem.testset.clone().unwrap_or_default(),
            role: if problem.testset.is_some() { "testset" } else { "confirm" },
            lacking: None,
            notices: apart(&given, &problem.care)?,
        };
        if policy.needs_valset() {
            if problem.valset.is_none() {
                data.split(&problem.care, settings.seed)?;
            }
            data.hold_back(&problem.care, settings.seed)?;
        }
        Ok(data)
    }

    /// Rows to choose by, and some that are held back.
    pub(crate) fn alone(valset: Dataset, last: Dataset) -> Self {
        Self {
            trainset: Dataset::default(),
            valset,
            runoff: Dataset::default(),
            last,
            role: "confirm",
            lacking: None,
            notices: Vec::new(),
        }
    }

    /// How many rows there are to choose by, and how many for the last comparison.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.valset.len(), self.last.len())
    }

    /// How many rows choose between finalists, and how many are for the last comparison.
    pub(crate) fn held_sizes(&self) -> (usize, usize) {
        (self.runoff.len(), self.last.len())
    }

    /// Half of the rows to learn from, half to choose by.
    fn split(&mut self, care: &Care, seed: u64) -> Read<()> {
        let all = self.trainset.len();
        let halves = self.trainset.hold_back(0.5, seed, &care.inputs);
        // Rows that cannot be torn apart are no fault of the user.
        let halves = halves.ok().filter(|(train, val)| !train.is_empty() && !val.is_empty());
        let what = match halves {
            Some((train, val)) => {
                let what = format!("{} of {all} rows were kept for it", val.len());
                (self.trainset, self.valset) = (train, val);
                what
            }
            None => {
                self.valset = self.trainset.clone();
                "there are too few rows to split: it chose on what it learnt from".to_owned()
            }
        };
        let notice = Diagnostic::bare(NO_VALSET, "no valset was given").note(what);
        self.notices.push(notice.hint("give rows to choose by: `valset: data.dev`"));
        Ok(())
    }

    /// Holds back rows to choose by, for finalists and for the last comparison.
    fn hold_back(&mut self, care: &Care, seed: u64) -> Read<()> {
        if care.confirm == 0.0 {
            return Ok(());
        }
        let n = self.valset.len();
        if n < ENOUGH {
            if self.last.is_empty() {
                self.lacking = Some(format!(
                    "{n} rows to choose by are too few to hold some back; give `testset: …`"
                ));
            }
            return Ok(());
        }
        let Ok((rest, held)) = self.valset.hold_back(care.confirm, seed, &care.inputs) else {
            self.lacking = Some("the rows to choose by cannot be torn apart".to_owned());
            return Ok(());
        };
        self.valset = rest;
        if self.role == "testset" {
            self.runoff = held;
        } else if held.len() < ENOUGH_FOR_FINALISTS {
            self.last = held;
        } else {
            (self.last, self.runoff) = held.hold_back(HELD, seed, &care.inputs)?;
        }
        Ok(())
    }

    /// The rows that the search does not see.
    pub(crate) fn held(&self) -> Read<Held> {
        Ok(Held {
            runoff: examples(&self.runoff)?,
            last: examples(&self.last)?,
            role: self.role,
            lacking: self.lacking.clone(),
        })
    }

    /// What a state says about the rows that it was made with.
    pub(crate) fn origins(&self) -> Read<Vec<DataOrigin>> {
        let origin = |(role, data): (&str, &Dataset)| {
            Ok(DataOrigin { role: role.to_owned(), rows: data.len(), hash: data.hash()? })
        };
        let sets = [
            ("trainset", &self.trainset),
            ("valset", &self.valset),
            ("finalists", &self.runoff),
            (self.role, &self.last),
        ];
        sets.into_iter().filter(|(_, it)| !it.is_empty()).map(origin).collect()
    }

    pub(crate) fn plan(
        &self,
        policy: &dyn Policy,
        problem: &Problem<'_>,
        settings: &Settings,
    ) -> Plan {
        let sizes = Sizes {
            train: self.trainset.len(),
            val: self.valset.len(),
            predictors: predictors(problem, settings).count(),
            start_has_demos: problem.start.demo_count() > 0,
            has_teacher: problem.teacher.is_some(),
            max_calls: settings.max_calls,
            has_other_caps: !Caps { max_calls: None, ..settings.caps() }.is_empty(),
            held: self.held_sizes(),
        };
        let mut phases = policy.phases(&sizes);
        let held = [("finalists", &self.runoff, FINALISTS), ("confirm", &self.last, 2)];
        for (name, data, times) in held.into_iter().filter(|it| !it.1.is_empty()) {
            phases.push(Phase::new(name, Who::Student, data.len(), times));
        }
        let per_run = |who| evaluator(problem, who).max_calls_per_run();
        let plan = Plan::new(phases, per_run, settings.max_calls);
        Plan { intent: policy.intent(&sizes), ..plan }
    }
}

/// Refuses sets that share rows, unless that is wanted, and warns of near ones.
fn apart(sets: &[(&str, &Dataset)], care: &Care) -> Read<Vec<Diagnostic>> {
    let found = shared(sets, &care.inputs)?;
    if !care.overlap
        && let Some(first) = found.first()
    {
        return Err(Box::new(overlap(first)));
    }
    if !found.is_empty() {
        let warn = |it: &Shared| {
            let (one, other) = &it.parts;
            let verb = if it.rows == 1 { "is" } else { "are" };
            let message = format!("{} {verb} in {one} and {other}", rows(it.rows));
            Diagnostic::bare(NO_VALSET, message).hint(TEAR)
        };
        return Ok(found.iter().map(warn).collect());
    }
    let near = nearly_shared(sets, &care.inputs)?.map(|(count, (one, other))| {
        let message = format!("{} have nearly the inputs of rows of another set", rows(count));
        let note = format!("{one} and {other}, for one");
        let hint = "look whether one was made from the other: `data.check()` names them all";
        Diagnostic::bare(NEAR_LEAK, message).note(note).hint(hint)
    });
    Ok(near.into_iter().collect())
}

const TEAR: &str = "split one data set, which keeps equal inputs together: \
                    `data.split(train: 0.5, dev: 0.25, test: 0.25)`";

fn overlap(it: &Shared) -> Diagnostic {
    let (one, other) = &it.parts;
    let verb = if it.rows == 1 { "is" } else { "are" };
    let message = format!("{} of the {other} {verb} in the {one} too", rows(it.rows));
    let pairs = it.places.iter().map(|(row, of)| format!("{row} is {of}"));
    let more = it.rows.saturating_sub(it.places.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let note = format!("{}{more}", pairs.collect::<Vec<_>>().join(", "));
    let hint = "where that is meant: `compile(…, overlap: true)`";
    Diagnostic::bare(OVERLAP, message).note(note).hint(TEAR).hint(hint)
}
