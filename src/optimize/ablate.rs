//! What each part of a state is worth: the program is scored with each demo, each sentence of the
//! instructions and each description left out, one at a time, on the same rows as the whole state.
//!
//! Rows come in rungs, and every part is scored on a rung before the next one begins: whatever cap
//! ends it, all parts were scored on about the same rows, and which rows those are no score has
//! decided. So the tests and intervals of fixed samples hold. There is one test for each part, and
//! their p are corrected together (Holm, 1979).
//!
//! That no difference was seen shows none to be there only as far as the interval says. And parts
//! can stand in for each other: where no single demo is missed, all of them may be. So the demos of
//! a predictor are left out together, too, and so is the whole state.

mod command;
mod drop;
mod parts;
mod report;

pub use command::{Ablated, Wish, ablate_asked};
pub use drop::{Smaller, Verdict};
pub use parts::Part;
pub use report::{Finding, Worth};

use crate::diag::Diagnostic;
use crate::eval::Progress;
use crate::eval::stats::{Interval, holm, mean, mean_interval, paired};
use crate::eval::{Cancel, Deadline, Stop, Used};
use crate::lm::{Cost, Details};
use crate::optimize::data::Data;
use crate::optimize::{Phase, Plan, Problem, Search, Settings, Who, refused};
use parts::Parts;

/// Rows of a rung.
const RUNG: usize = 10;
/// How many rungs there are at most.
const RUNGS: usize = 10;
/// The part of the rows that is held back where a smaller state is wanted.
pub(crate) const HELD: f64 = 1.0 / 3.0;
/// Fewer rows are not torn apart.
const ENOUGH: usize = 40;

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ablation {
    /// The hash of the state.
    pub state: String,
    /// The mean of the whole state.
    pub score: Option<f64>,
    /// Its interval.
    pub interval: Option<Interval>,
    /// Rows that it was scored on.
    pub scored: usize,
    /// Rows that there were.
    pub rows: usize,
    /// Each part, in the order of the state; what is left out together comes first.
    pub parts: Vec<Worth>,
    /// The smaller state, where one was wanted.
    pub smaller: Option<Smaller>,
    /// What it was to take at most.
    pub plan: Plan,
    /// Calls, cached ones included.
    pub calls: u64,
    /// Of those, the ones that a store answered.
    pub cached_calls: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// What is known of the tokens besides.
    pub details: Details,
    /// What the calls cost.
    pub cost: Cost,
    /// What each predictor took from each model.
    pub used: Vec<Used>,
    /// What ended it early.
    pub stop: Option<Stop>,
}

/// What an ablation is made of: its rows, and the states with something left out.
struct Setup {
    parts: Parts,
    data: Data,
    plan: Plan,
}

impl Setup {
    fn new(
        problem: &Problem<'_>,
        settings: &Settings,
        drops: bool,
    ) -> Result<Self, Box<Diagnostic>> {
        let rows = problem.trainset.len();
        if rows == 0 {
            return Err(refused("the data has no rows"));
        }
        let parts = Parts::of(&problem.start, problem.signatures);
        if parts.is_empty() {
            let message = "the state has no demos, and there are no instructions to leave out";
            return Err(refused(message));
        }
        let data = if drops {
            if rows < ENOUGH {
                let message =
                    format!("{rows} rows are too few to hold some back for the smaller state");
                return Err(Box::new(
                    (*refused(message)).hint("leave out `--drop`, or give more rows"),
                ));
            }
            let (own, held) =
                problem.trainset.hold_back(HELD, settings.seed, &problem.care.inputs)?;
            Data::alone(own, held)
        } else {
            Data::alone(problem.trainset.clone(), crate::eval::Dataset::default())
        };
        let (own, held) = data.sizes();
        let mut phases =
            vec![Phase::new("each part left out", Who::Student, own, parts.len() + 1)];
        if drops {
            phases.push(Phase::new("a smaller state", Who::Student, own, parts.single()));
            phases.push(Phase::new("confirm", Who::Student, held, 2));
        }
        let student = problem.evaluator.max_calls_per_run();
        let plan = Plan::new(phases, |_| student, settings.max_calls);
        Ok(Self { parts, data, plan })
    }
}

/// What an ablation takes at most, without running anything, and the parts that it leaves out.
///
/// # Errors
/// A state without parts, and data that cannot be used.
pub fn plan_ablation(
    problem: &Problem<'_>,
    settings: &Settings,
    drops: bool,
) -> Result<(Plan, Vec<Part>), Box<Diagnostic>> {
    let setup = Setup::new(problem, settings, drops)?;
    Ok((setup.plan, setup.parts.all().to_vec()))
}

/// Scores the program in its state with each part left out. The rows are `trainset`; where
/// `drops` is set, some are held back, and a smaller state is looked for.
///
/// # Errors
/// A state without parts, and data that cannot be used.
pub fn ablate(
    problem: &Problem<'_>,
    settings: &Settings,
    drops: bool,
    cancel: &Cancel,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Ablation, Box<Diagnostic>> {
    let Setup { parts, data, plan } = Setup::new(problem, settings, drops)?;
    let deadline = Deadline::begin(cancel, settings.max_time);
    let held = data.held()?;
    let mut search = Search::new(problem, settings, &data, deadline.cancel(), progress)?;
    let states = parts
        .all()
        .iter()
        .enumerate()
        .map(|(at, part)| (at + 1, part.label(), parts.without(&problem.start, &[part])));
    let whole = (0, "the whole state".to_owned(), problem.start.clone());
    search.open(std::iter::once(whole).chain(states).collect());
    let mut stop = climb(&mut search, parts.len() + 1).err();
    let worths = worths(&search, &parts, settings.seed);
    let mut smaller = None;
    if drops {
        smaller = Some(match &stop {
            None => match drop::drop(&mut search, &parts, &worths, &held.last) {
                Ok(smaller) => smaller,
                Err(ended) => {
                    stop = Some(ended);
                    Smaller::none("it ended before a smaller state was confirmed")
                }
            },
            Some(_) => Smaller::none("it ended before all parts were scored on all rows"),
        });
    }
    let stop = deadline.stop(stop);
    let line: Vec<f64> = values(&search, 0).into_iter().flatten().collect();
    let rows = search.val().len();
    let (_, report) = search.finish("ablate", plan.clone(), None);
    Ok(Ablation {
        state: problem.start.hash(),
        score: (!line.is_empty()).then(|| mean(&line)),
        interval: mean_interval(&line, settings.seed),
        scored: line.len(),
        rows,
        parts: worths,
        smaller,
        plan,
        calls: report.calls,
        cached_calls: report.cached_calls,
        prompt_tokens: report.prompt_tokens,
        completion_tokens: report.completion_tokens,
        details: report.details,
        cost: report.cost,
        used: report.used,
        stop,
    })
}

/// Scores all states, rung by rung.
fn climb(search: &mut Search<'_>, states: usize) -> Result<(), Stop> {
    let mut order: Vec<usize> = (0..search.val().len()).collect();
    search.random("ablate").shuffle(&mut order);
    let serials: Vec<usize> = (0..states).collect();
    let most = order.len().div_ceil(RUNGS).max(RUNG);
    let mut rest = &order[..];
    while !rest.is_empty() {
        // The last rung under a cap is as long as all states have room for.
        let room = search.room() / states;
        let rows = if room == 0 { most } else { most.min(room) };
        let (rung, left) = rest.split_at(rows.min(rest.len()));
        let done = order.len() - left.len();
        search.score_on(&format!("rows to {done} of {}", order.len()), &serials, rung)?;
        rest = left;
    }
    Ok(())
}

/// The scores of a state by row.
fn values(search: &Search<'_>, serial: usize) -> Vec<Option<f64>> {
    let at = search.place_of(serial);
    at.map(|at| search.candidates()[at].values.clone()).unwrap_or_default()
}

/// What each part is worth: the whole state against the state without it.
fn worths(search: &Search<'_>, parts: &Parts, seed: u64) -> Vec<Worth> {
    let (whole, matrix) = (search.place_of(0).unwrap_or_default(), search.matrix());
    let pairs: Vec<Vec<(f64, f64)>> = (1..=parts.len())
        .map(|serial| search.place_of(serial).map_or(Vec::new(), |at| matrix.pairs(at, whole)))
        .collect();
    let tested: Vec<_> = pairs.iter().map(|pairs| paired(pairs, seed)).collect();
    let p: Vec<f64> = tested.iter().flatten().map(|it| it.p).collect();
    let mut adjusted = holm(&p).into_iter();
    let worth = |((part, pairs), tested): ((&Part, &Vec<(f64, f64)>), _)| {
        let without: Vec<f64> = pairs.iter().map(|it| it.0).collect();
        let p = if Option::is_some(&tested) { adjusted.next() } else { None };
        Worth::new(part.clone(), &without, tested, p.unwrap_or(1.0))
    };
    parts.all().iter().zip(&pairs).zip(tested).map(worth).collect()
}
