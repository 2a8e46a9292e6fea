//! What a search has taken of its caps, what runs take, and what is kept for the end: what a
//! policy needs that plans how to spend.
//!
//! All caps are one: parts of them, of which the largest counts. Where there is no cap, a number of
//! runs stands for one.

use crate::eval::{Deadline, Layout, Outcome};
use crate::optimize::choice::Contender;
use crate::optimize::search::{Key, evaluator};
use crate::optimize::{Search, Who};
use crate::program::PredictorState;
use crate::runtime::Amount;
use std::collections::BTreeMap;
use std::fmt;

/// What runs took.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    runs: u64,
    amount: Amount,
    /// What of it the program took, without the metric.
    own: Amount,
    /// Calls whose price is not known.
    unpriced: u32,
}

/// What runs take, and what is kept for the end.
pub(super) struct Means<'a> {
    by_state: BTreeMap<String, Took>,
    all: Took,
    deadline: Option<&'a Deadline>,
    /// Rows that choose between finalists, and rows for the last comparison, as many as are used.
    held: (usize, usize),
    /// How the choice is made, where not by the score alone.
    pub(super) taste: Option<Taste>,
}

/// How much cheapness counts in a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Taste {
    /// The highest mean; of equal ones the cheapest.
    Best,
    /// The cheapest of those within half a standard error of the best, the less the less they save.
    #[default]
    Balanced,
    /// The cheapest of those that the paired test cannot tell from the best.
    Cheapest,
}

impl Taste {
    /// The names of all.
    pub const NAMES: [&str; 3] = ["best", "balanced", "cheapest"];

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Best, Self::Balanced, Self::Cheapest].into_iter().find(|it| it.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => Self::NAMES[0],
            Self::Balanced => Self::NAMES[1],
            Self::Cheapest => Self::NAMES[2],
        }
    }
}

/// What a run of a program costs on average.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Price {
    /// Dollars at list prices; `None` where some are not known.
    pub dollars: Option<f64>,
    /// Tokens, read and written.
    pub tokens: f64,
}

impl fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").field("all", &self.all).finish_non_exhaustive()
    }
}

impl Took {
    fn add(&mut self, outcome: &Outcome) {
        let judge = &*outcome.judge;
        let judged = Amount {
            calls: judge.calls.into(),
            tokens: judge.prompt_tokens + judge.completion_tokens,
            money: judge.cost.listed,
        };
        self.runs += 1;
        self.amount = self.amount.plus(outcome.amount());
        self.own = self.own.plus(outcome.amount().minus(judged));
        self.unpriced = self.unpriced.saturating_add(outcome.cost.unknown);
    }
}

impl Means<'_> {
    pub(super) fn new(held: (usize, usize)) -> Self {
        let (by_state, all) = (BTreeMap::new(), Took::default());
        Self { by_state, all, deadline: None, held, taste: None }
    }

    /// Takes down what a run took. Questions are no runs of the program.
    pub(super) fn note(&mut self, key: &Key, outcome: &Outcome) {
        if matches!(key.who, Who::Proposer(_)) {
            return;
        }
        self.all.add(outcome);
        self.by_state.entry(key.state.clone()).or_default().add(outcome);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far fewer than 2^52")]
fn float(it: u64) -> f64 {
    it as f64
}

impl<'a> Search<'a> {
    /// Says when the time is over.
    pub(in crate::optimize) fn hurry(&mut self, deadline: &'a Deadline) {
        self.means.deadline = Some(deadline);
    }

    /// Whether calls, tokens, dollars or time are capped.
    pub(in crate::optimize) fn is_capped(&self) -> bool {
        !self.settings.caps().is_empty()
    }

    /// The part of the caps that was taken so far; where there are none, `usual` runs are the
    /// cap.
    pub(in crate::optimize) fn taken(&self, usual: usize) -> f64 {
        if !self.is_capped() {
            return float(self.means.all.runs) / float(usual.max(1) as u64);
        }
        let over = self.means.deadline.and_then(Deadline::part).unwrap_or(0.0);
        self.part(self.budget.taken()).max(over)
    }

    /// The part of the caps that a run takes: on average, or with this state where it has been
    /// run. Before any run one call for each predictor is expected.
    pub(in crate::optimize) fn part_of_run(&self, state: Option<&str>, usual: usize) -> f64 {
        if !self.is_capped() {
            return 1.0 / float(usual.max(1) as u64);
        }
        let own = state.and_then(|it| self.means.by_state.get(it)).filter(|it| it.runs > 2);
        let took = own.unwrap_or(&self.means.all);
        if took.runs == 0 {
            let calls = self.problem.signatures.len().max(1) as u64;
            return self.part(Amount { calls, ..Amount::default() });
        }
        let over = self.means.deadline.and_then(Deadline::part).unwrap_or(0.0);
        let time = over / float(self.means.all.runs.max(1));
        (self.part(took.amount) / float(took.runs)).max(time)
    }

    /// The part of the caps that has to be free for the last run to begin.
    pub(in crate::optimize) fn part_to_begin(&self) -> f64 {
        let worst = evaluator(self.problem, Who::Student).max_calls_per_run();
        let calls = Amount { calls: worst.unwrap_or(1), ..Amount::default() };
        let tokens = 2.0 * self.part_of_run(None, usize::MAX);
        if self.is_capped() { self.part(calls).max(tokens) } else { 0.0 }
    }

    fn part(&self, amount: Amount) -> f64 {
        let limits = self.budget.limits();
        let of = |took: u64, cap: Option<u64>| {
            cap.map_or(0.0, |cap| float(took) / float(cap.max(1)))
        };
        let money = limits.money.map_or(0.0, |cap| {
            if cap.dollars() > 0.0 { amount.money.dollars() / cap.dollars() } else { 1.0 }
        });
        of(amount.calls, limits.calls).max(of(amount.tokens, limits.tokens)).max(money)
    }

    /// Rows that choose between finalists, and rows for the last comparison.
    pub(in crate::optimize) fn held(&self) -> (usize, usize) {
        self.means.held
    }

    /// Has no more rows than these used at the end: those that there is a budget for.
    pub(in crate::optimize) fn keep_for_the_end(&mut self, runoff: usize, last: usize) {
        let (all_runoff, all_last) = self.means.held;
        self.means.held = (runoff.min(all_runoff), last.min(all_last));
    }

    /// Has cheapness count in the choice between finalists.
    pub(in crate::optimize) fn choose_by(&mut self, taste: Taste) {
        self.means.taste = Some(taste);
    }

    /// How the predictor at this path asks, and what of that a state cannot change.
    pub(in crate::optimize) fn layout(&self, path: &str) -> Layout {
        evaluator(self.problem, Who::Student).layout(path)
    }

    /// How cheapness counts, where it does.
    pub(in crate::optimize) fn taste(&self) -> Option<Taste> {
        self.means.taste
    }

    /// A candidate as one to choose, with scores of further rows.
    pub(in crate::optimize) fn contender(&self, at: usize, more: &[Option<f64>]) -> Contender {
        let candidate = &self.candidates[at];
        let scores = candidate.values.iter().chain(more).copied().collect();
        let words = |it: &PredictorState| {
            let told: usize = it.descriptions.values().map(String::len).sum();
            it.instructions.as_ref().map_or(0, String::len) + told
        };
        let words = candidate.state.predictors.values().map(words).sum();
        let size = (candidate.state.demo_count(), words);
        Contender { scores, price: self.price(&candidate.state.hash()), size }
    }

    /// What a run with this state costs on average.
    pub(in crate::optimize) fn price(&self, state: &str) -> Price {
        let Some(took) = self.means.by_state.get(state).filter(|it| it.runs > 0) else {
            return Price::default();
        };
        let runs = float(took.runs);
        let dollars = (took.unpriced == 0).then(|| took.own.money.dollars() / runs);
        Price { dollars, tokens: float(took.own.tokens) / runs }
    }
}
