//! Puts questions to the model that proposes.

use crate::eval::journal::{Journal, Journaled, Role};
use crate::eval::{Evaluator, Job, Outcome, ProgramEvaluator};
use crate::optimize::{Proposer, Question};
use crate::runtime::{
    LmValue, Overrides, Predictor, Program, Run, SharedCallLog, SignatureValue,
};
use std::sync::Arc;

/// What the calls of the model that proposes stand under where calls are told by predictor.
const PROPOSER: &str = "the proposer";

/// One predictor for each question.
pub(crate) struct Asker {
    all: Vec<(Question, Asking)>,
}

impl Asker {
    /// Returns one that asks this model, else the usual one of the run.
    pub(crate) fn new(run: &Arc<Run>, questions: &[Question], lm: Option<LmValue>) -> Self {
        let asking = |question: &Question| {
            let signature = SignatureValue::new(question.signature().clone(), None);
            let overrides = Overrides { lm: lm.clone(), ..Overrides::default() };
            let predictor = Predictor::new(signature, overrides);
            let program = Program::apart(predictor, &path(*question));
            (*question, Asking(ProgramEvaluator::new(run, program, None)))
        };
        Self { all: questions.iter().map(asking).collect() }
    }
}

/// Where a question stands in traces.
fn path(question: Question) -> String {
    format!("proposer.{}", question.name())
}

impl Proposer for Asker {
    fn evaluator(&self, question: Question) -> &dyn Evaluator {
        &found(&self.all, question).1
    }
}

fn found<T>(all: &[(Question, T)], question: Question) -> &(Question, T) {
    let known = all.iter().find(|it| it.0 == question);
    known.expect("a policy names all questions that it asks")
}

struct Asking(ProgramEvaluator);

impl Evaluator for Asking {
    fn run(&self, job: &Job) -> Outcome {
        self.run_noted(job, None)
    }

    fn run_noted(&self, job: &Job, log: Option<&SharedCallLog>) -> Outcome {
        let mut outcome = self.0.run_noted(job, log);
        outcome.used.iter_mut().for_each(|it| PROPOSER.clone_into(&mut it.predictor));
        outcome
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.0.max_calls_per_run()
    }

    fn only_waits(&self) -> bool {
        self.0.only_waits()
    }
}

/// Questions whose answers are kept, so that a search that goes on need not ask again.
pub(crate) struct Kept<'a> {
    all: Vec<(Question, Journaled<'a>)>,
}

impl<'a> Kept<'a> {
    pub(crate) fn new(
        inner: &'a dyn Proposer,
        questions: &[Question],
        journal: &'a Journal,
    ) -> Self {
        let kept = |it: &Question| {
            let inner = inner.evaluator(*it);
            (*it, Journaled { inner, journal, role: Role::Proposer })
        };
        Self { all: questions.iter().map(kept).collect() }
    }
}

impl Proposer for Kept<'_> {
    fn evaluator(&self, question: Question) -> &dyn Evaluator {
        &found(&self.all, question).1
    }
}
