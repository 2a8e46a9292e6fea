//! Instructions from what is known of program and data, and demos, chosen together.
//!
//! Opsahl-Ong et al., "Optimizing Instructions and Demonstrations for Multi-Stage Language Model
//! Programs" (2024). `MIPROv2` in DSPy. In plain words:
//!
//! 1. Sets of demos: none, labeled rows, and several bootstraps (see `random_search`). Without
//!    demos in the prompt (`max_bootstrapped: 0, max_labeled: 0`) they only inform 2.
//! 2. A model sums up the data, says what the program does, and writes instructions for each
//!    predictor, each time with another tip and with demos of another set (see `grounds`).
//! 3. A search over instructions and set of demos of each predictor proposes what resembles the
//!    good trials (see `trials`). With many rows a trial is scored on a few of them, and now and
//!    then the combination with the best mean so far on all.
//!
//! Differs from DSPy: the instructions as they are now are one more candidate, and no proposal is
//! thrown away; the program is described once and not for each proposal, and parts of the data are
//! read side by side; half of the trials follow from those before, not all from ten random ones
//! on; several may go on at once; a combination that was scored on all rows
//! is not tried again; rows that a combination was scored on are remembered when it is
//! scored on all; rows to choose by are those of all optimizers.

use crate::eval::Stop;
use crate::optimize::demo::{Demos, with_demos};
use crate::optimize::policies::bootstrap_few_shot::{Bootstrap, Courses};
use crate::optimize::policies::count;
use crate::optimize::policies::grounds::{self, Grounds};
use crate::optimize::policies::trials::{Pool, Trials};
use crate::optimize::propose::Refusals;
use crate::optimize::{
    BootstrapFewShot, Phase, Policy, Question, RandomSearch, Search, Sizes, Who,
};
use crate::program::State;
use crate::schema::Value;
use indexmap::IndexMap;

/// With fewer rows to choose by each trial is scored on all of them.
const MANY_ROWS: usize = 50;

/// How large a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// For a first look.
    Light,
    /// For everyday use.
    Medium,
    /// For the last points.
    Heavy,
}

impl Size {
    /// The names that scripts use.
    pub const NAMES: [&'static str; 3] = ["light", "medium", "heavy"];

    /// The size of this name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "light" => Some(Self::Light),
            "medium" => Some(Self::Medium),
            "heavy" => Some(Self::Heavy),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => Self::NAMES[0],
            Self::Medium => Self::NAMES[1],
            Self::Heavy => Self::NAMES[2],
        }
    }

    /// How many candidates there are, and the most rows to choose by.
    fn candidates_and_rows(self) -> (usize, usize) {
        match self {
            Self::Light => (6, 100),
            Self::Medium => (12, 300),
            Self::Heavy => (18, 1000),
        }
    }
}

/// Instructions and demos, chosen together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MiproV2 {
    /// How large the search is, as far as the next two say nothing.
    pub auto: Size,
    /// How many instructions are proposed for a predictor, and how many sets of demos there are.
    pub candidates: Option<usize>,
    /// How many combinations are tried.
    pub trials: Option<usize>,
    /// How the sets of demos are made.
    pub bootstrap: BootstrapFewShot,
    /// How many rows a trial is scored on where there are many; 0 is all.
    pub minibatch: usize,
    /// After so many trials one combination is scored on all rows.
    pub full_every: usize,
    /// How many trials go on at once.
    pub at_once: usize,
    /// How freely the model proposes.
    pub temperature: f64,
}

impl Default for MiproV2 {
    fn default() -> Self {
        Self {
            auto: Size::Light,
            candidates: None,
            trials: None,
            bootstrap: BootstrapFewShot { max_labeled: 4, ..BootstrapFewShot::default() },
            minibatch: 35,
            full_every: 5,
            at_once: 1,
            temperature: 1.0,
        }
    }
}

/// What the options come to for a program and its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Proposals for each predictor.
    pub(super) proposals: usize,
    /// Sets of demos; those that the program has are one more.
    pub(super) sets: usize,
    /// Combinations that are tried.
    pub(super) trials: usize,
    /// Rows that combinations are scored on.
    pub(super) rows: usize,
    /// Rows of a trial, where it is not scored on all.
    pub(super) minibatch: Option<usize>,
    /// Combinations that are scored on all rows where trials are not.
    pub(super) fulls: usize,
}

impl Policy for MiproV2 {
    fn name(&self) -> &'static str {
        "mipro_v2"
    }

    fn options(&self) -> IndexMap<String, Value> {
        let given = |it: Option<usize>| it.map_or(Value::Null, count);
        let mut options = IndexMap::from([
            ("auto".to_owned(), Value::from(self.auto.name())),
            ("candidates".to_owned(), given(self.candidates)),
            ("trials".to_owned(), given(self.trials)),
        ]);
        options.extend(self.bootstrap.options());
        options.extend([
            ("minibatch".to_owned(), count(self.minibatch)),
            ("full_every".to_owned(), count(self.full_every)),
            ("at_once".to_owned(), count(self.at_once)),
            ("proposer_temperature".to_owned(), Value::Float(self.temperature)),
        ]);
        options
    }

    fn needs_valset(&self) -> bool {
        true
    }

    fn questions(&self) -> Vec<Question> {
        vec![
            Question::DataNotes,
            Question::DataSummary,
            Question::ProgramDescription,
            Question::GroundedInstructions,
        ]
    }

    fn phases(&self, sizes: &Sizes) -> Vec<Phase> {
        let extent = self.extent(sizes.predictors, sizes.val);
        let notes = grounds::parts(sizes.train);
        let summaries = usize::from(notes > 1);
        let ask = |name: &str, question: Question, n: usize, times: usize| {
            Phase::new(name, Who::Proposer(question), n, times)
        };
        let tried = extent.trials * extent.minibatch.unwrap_or(extent.rows);
        let runs = extent.rows + tried + extent.fulls * extent.rows;
        let mut phases = self.informing().phases(sizes);
        phases.extend([
            ask("read the data", Question::DataNotes, notes, 1),
            ask("sum up the data", Question::DataSummary, summaries, 1),
            ask("describe the program", Question::ProgramDescription, 1, 1),
            ask("propose", Question::GroundedInstructions, sizes.predictors, extent.proposals),
            Phase::new("score combinations", Who::Student, runs, 1),
        ]);
        phases.retain(|it| it.runs > 0);
        phases
    }

    fn search(&self, search: &mut Search<'_>) -> Result<(), Stop> {
        let mut refusals = Refusals::default();
        let ended = self.combine(search, &mut refusals);
        refusals.tell(search);
        ended
    }
}

impl MiproV2 {
    /// Whether the prompts show demos.
    fn shows_demos(&self) -> bool {
        self.bootstrap.max_bootstrapped + self.bootstrap.max_labeled > 0
    }

    /// How demos are made, those that only inform included.
    fn informing(&self) -> BootstrapFewShot {
        if self.shows_demos() {
            return self.bootstrap;
        }
        BootstrapFewShot { max_bootstrapped: grounds::MOST_EXAMPLES, ..self.bootstrap }
    }

    /// What the options come to.
    pub(super) fn extent(&self, predictors: usize, val: usize) -> Extent {
        let (usual, most) = self.auto.candidates_and_rows();
        let sets = self.candidates.unwrap_or(usual);
        let proposals = match self.candidates {
            None if self.shows_demos() => usual / 2,
            _ => sets,
        };
        let variables = predictors * if self.shows_demos() { 2 } else { 1 };
        let trials = self.trials.unwrap_or_else(|| usual_trials(variables, sets));
        let rows = if self.candidates.is_some() { val } else { val.min(most) };
        let many = rows > MANY_ROWS && self.minibatch > 0 && self.minibatch < rows;
        let fulls = if many { trials.div_ceil(self.full_every) } else { 0 };
        let minibatch = many.then_some(self.minibatch);
        Extent { proposals, sets, trials, rows, minibatch, fulls }
    }

    fn combine(&self, search: &mut Search<'_>, refusals: &mut Refusals) -> Result<(), Stop> {
        let extent = self.extent(search.predictors().len(), search.val().len());
        let rows = chosen_rows(search, extent.rows);
        let (sets, grounds) = self.prepare(search, &extent, &rows, refusals)?;
        let proposed =
            grounds.propose(search, &sets, extent.proposals, self.temperature, refusals)?;
        let pool = Pool {
            proposed,
            sets: if self.shows_demos() { sets } else { Vec::new() },
            optimizer: self.name(),
        };
        Trials::new(pool, search, extent, rows).run(search, self.full_every, self.at_once)
    }

    /// Scores the program as it is, makes the sets of demos, and has the data and the
    /// program described, all beside each other.
    fn prepare(
        &self,
        search: &mut Search<'_>,
        extent: &Extent,
        rows: &[usize],
        refusals: &mut Refusals,
    ) -> Result<(Vec<(String, State)>, Grounds), Stop> {
        let options = self.informing();
        let many = RandomSearch {
            bootstrap: options,
            candidates: extent.sets.saturating_sub(3),
            ..RandomSearch::default()
        };
        let bootstrap = Bootstrap::new(options, search);
        let mut wanted = many.wanted(search);
        wanted.truncate(extent.sets.saturating_sub(2));
        let n_made = wanted.len();
        let mut courses = Courses::new(&bootstrap, search, wanted);
        let mut grounds = Grounds::new(search, self.temperature);
        search.open(vec![(0, "as it is".to_owned(), search.start().clone())]);
        // Few runs stand beside each other here, so the rows are scored in two halves.
        let halves = rows.split_at(rows.len() / 2);
        let mut halves = [halves.0, halves.1].into_iter();
        loop {
            let parts: Vec<_> = halves.next().map(|it| (0, it.to_vec())).into_iter().collect();
            let (asks, questions) = (courses.asks(), grounds.asks(search));
            let all = [&asks[..], &questions[..]].concat();
            let outcomes = search.score_parts("prepare", &parts, &all)?;
            courses.take(search, &asks, &outcomes[..asks.len()]);
            grounds.take(&outcomes[asks.len()..], refusals);
            if courses.are_done() && grounds.are_done() {
                break;
            }
        }
        let rest: Vec<_> = halves.map(|it| (0, it.to_vec())).collect();
        search.score_parts("prepare", &rest, &[])?;
        search.close_early(0);
        let mut sets = self.ready(search, &many, extent.sets);
        for at in 0..n_made {
            let made = courses.made(search, at);
            if at == 0 {
                made.tell(search);
            }
            sets.push((made.label, made.state));
        }
        Ok((sets, grounds))
    }

    /// Sets of demos that need no run. The first is what the program has.
    fn ready(
        &self,
        search: &Search<'_>,
        many: &RandomSearch,
        most: usize,
    ) -> Vec<(String, State)> {
        let mut sets = Vec::new();
        if search.start().demo_count() > 0 {
            sets.push(("its own".to_owned(), search.start().clone()));
        }
        let bare = with_demos(search.start(), &search.predictors(), &Demos::new());
        sets.push(("none".to_owned(), bare));
        if most > 1 {
            sets.push(("labeled".to_owned(), many.labeled(search)));
        }
        sets
    }
}

/// How many trials so many variables of so many values want.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]
fn usual_trials(variables: usize, values: usize) -> usize {
    let values = values.max(1) as f64;
    (2.0 * variables as f64 * values.log2()).max(1.5 * values) as usize
}

/// The rows that combinations are scored on, in order.
fn chosen_rows(search: &Search<'_>, most: usize) -> Vec<usize> {
    let mut rows = search.random("rows").sample(search.val().len(), most);
    rows.sort_unstable();
    rows
}
