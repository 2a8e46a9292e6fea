//! One run of a worker.

use crate::eval::{Evaluator, Failure, FailureKind, Outcome};
use crate::program::State;
use crate::trace::{About, to_whole_jsonl};
use crate::via::frame::{Run, Word};
use crate::worker::Desk;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Makes a run and says what came of it.
pub(super) fn make(desk: &Desk, run: Run, state: Arc<State>) {
    let id = run.id;
    let (outcome, trace) = match desk.program() {
        Ok(program) => {
            let job = run.into_job(state);
            let (outcome, trace) = catch_unwind(AssertUnwindSafe(|| program.run_traced(&job)))
                .unwrap_or_else(|panic| (panicked(&*panic), None));
            program.print(&outcome.printed);
            (outcome, trace)
        }
        Err(why) => (Outcome::failed(Failure::new(FailureKind::Infrastructure, why)), None),
    };
    let trace = trace.map(|it| to_whole_jsonl(&it, &About::default()));
    let word = |trace| Word::Result { id, outcome: Box::new(outcome.clone()), trace };
    let is_traced = trace.is_some();
    let said = desk.try_say(&word(trace));
    // A trace that is too long to be sent is missing, and no more.
    let said = said.or_else(|why| if is_traced { desk.try_say(&word(None)) } else { Err(why) });
    if let Err(why) = said {
        // What came of it has to be told, whatever it cost.
        let failure = Failure::new(FailureKind::Infrastructure, why);
        let told =
            Outcome { failure: Some(failure), calls: outcome.calls, ..Outcome::default() };
        desk.say(&Word::Result { id, outcome: Box::new(told), trace: None });
    }
}

/// A run that a defect of ours ended is a failed run, as it is without workers.
fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said = text.unwrap_or("a panic without a message");
    Outcome::failed(Failure::new(FailureKind::Program, format!("panicked: {said}")))
}
