//! Runs by several evaluators in one batch, so that none waits for another's.

use crate::eval::{Evaluator, Job, Outcome};
use crate::optimize::search::evaluator;
use crate::optimize::{Ask, Problem};
use crate::program::State;
use crate::runtime::SharedCallLog;
use crate::schema::Row;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gives each run to the one who is to make it.
pub(super) struct Mixed<'a> {
    /// By where the state and the row of a run lie: that says nothing but which run it is.
    by_place: BTreeMap<(usize, usize), &'a dyn Evaluator>,
}

fn place(state: &Arc<State>, row: &Arc<Row>) -> (usize, usize) {
    (Arc::as_ptr(state).addr(), Arc::as_ptr(row).addr())
}

impl<'a> Mixed<'a> {
    /// Returns one for the runs at `asked`; `None` where two are to make the same run.
    pub(super) fn new(problem: &Problem<'a>, asks: &[Ask], asked: &[usize]) -> Option<Self> {
        let mut by_place: BTreeMap<(usize, usize), &'a dyn Evaluator> = BTreeMap::new();
        for at in asked {
            let Ask { who, state, example, .. } = &asks[*at];
            let own = evaluator(problem, *who);
            let before = by_place.insert(place(state, &example.row), own);
            if before.is_some_and(|it| !std::ptr::addr_eq(it, own)) {
                return None;
            }
        }
        Some(Self { by_place })
    }

    fn of(&self, job: &Job) -> &'a dyn Evaluator {
        self.by_place[&place(&job.state, &job.row)]
    }
}

impl Evaluator for Mixed<'_> {
    fn run(&self, job: &Job) -> Outcome {
        self.of(job).run(job)
    }

    fn run_noted(&self, job: &Job, log: Option<&SharedCallLog>) -> Outcome {
        self.of(job).run_noted(job, log)
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        let each = self.by_place.values().map(|it| it.max_calls_per_run());
        each.collect::<Option<Vec<u64>>>()?.into_iter().max()
    }

    fn only_waits(&self) -> bool {
        self.by_place.values().all(|it| it.only_waits())
    }
}
