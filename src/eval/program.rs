//! The evaluator of real programs: one run of the host language a row.

use crate::eval::metric::score_of;
use crate::eval::{Evaluator, Failure, FailureKind, Job, Outcome, Step};
use crate::program::State;
use crate::runtime::{Args, Cx, Error, Program, Run, RunLimits, Val, codes};
use crate::schema::{Record, Row};
use crate::trace::{Kind, Trace};
use crate::util::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Runs a program of a script on rows, and a metric on what it replies.
#[derive(Debug)]
pub struct ProgramEvaluator {
    run: Arc<Run>,
    program: Program,
    metric: Option<Val>,
    max_calls: Option<u64>,
    /// The program with the state that was asked for last: rows of one state come together.
    latest: Mutex<Option<(Arc<State>, Program)>>,
    /// Traces to be kept, in the order of what they are traces of.
    traces: Mutex<BTreeMap<(String, u64, usize), Trace>>,
}

impl ProgramEvaluator {
    /// Returns an evaluator whose runs belong to the session of `run`.
    pub fn new(run: &Arc<Run>, program: Program, metric: Option<Val>) -> Self {
        let retries = run.session().settings.retries;
        let max_calls = program.max_calls(run.script(), retries);
        let (latest, traces) = (Mutex::default(), Mutex::default());
        Self { run: run.clone(), program, metric, max_calls, latest, traces }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Hands the traces of all runs so far over to the run that evaluates.
    pub fn adopt_traces(&self) {
        for trace in std::mem::take(&mut *lock(&self.traces)).into_values() {
            self.run.adopt(trace);
        }
    }

    fn with_state(&self, state: &Arc<State>) -> Program {
        let mut latest = lock(&self.latest);
        match &*latest {
            Some((known, program)) if Arc::ptr_eq(known, state) => program.clone(),
            _ => {
                let program = self.program.with_state(state);
                *latest = Some((state.clone(), program.clone()));
                program
            }
        }
    }

    fn score(&self, cx: &Cx<'_>, row: &Arc<Row>, reply: &Val, outcome: &mut Outcome) {
        let Some(metric) = &self.metric else { return };
        let example = Val::object(super::RowValue::new(row.clone()));
        let args = Args::positional(vec![example, reply.clone()]);
        match cx.call(metric, args).and_then(|value| score_of(&value)) {
            Ok((score, feedback)) => {
                outcome.score = Some(score);
                outcome.feedback = feedback;
            }
            Err(error) => {
                let failure = failure(cx, &error);
                let message = format!("the metric failed: {}", failure.message);
                outcome.failure = Some(Failure { message, ..failure });
            }
        }
    }

    fn keep_trace(&self, job: &Job, trace: Trace) {
        if self.run.session().settings.keep_traces {
            let key = (job.state.hash(), job.rollout, job.row.index);
            lock(&self.traces).insert(key, trace);
        }
    }
}

impl Evaluator for ProgramEvaluator {
    fn run(&self, job: &Job) -> Outcome {
        let began = self.run.env().host.elapsed();
        let limits = RunLimits { max_calls: job.max_calls };
        let run = self.run.for_example(job.row.index, job.rollout, limits);
        let program = self.with_state(&job.state);
        let mut outcome = Outcome::default();
        let mut n_nodes = 0;
        run.script().clone().with_context(&run, |cx| match program.run_row(cx, &job.row) {
            Ok(reply) => {
                n_nodes = run.n_nodes();
                outcome.reply = reply.record().unwrap_or_default();
                self.score(cx, &job.row, &Val::object(reply), &mut outcome);
            }
            Err(error) => {
                n_nodes = run.n_nodes();
                outcome.failure = Some(failure(cx, &error));
            }
        });
        let trace = run.take_trace();
        take_down(&trace, n_nodes, job.keep_steps, &mut outcome);
        outcome.latency = self.run.env().host.elapsed().saturating_sub(began);
        self.keep_trace(job, trace);
        outcome
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.max_calls
    }
}

fn failure(cx: &Cx<'_>, error: &Error) -> Failure {
    let kind = match () {
        () if error.is_fatal() => FailureKind::Stopped,
        () if error.is_infrastructure() => FailureKind::Infrastructure,
        () => FailureKind::Program,
    };
    // The line of the diagnostic, without the text around it: reports show one line a failure.
    let told = crate::runtime::diagnose(cx.run().script(), error);
    let hint = told.hints.first().map(|it| format!(" ({it})")).unwrap_or_default();
    let sources = cx.run().script().sources();
    let place = told.primary.map(|it| {
        let (line, column) = sources.position(it.span.source, it.span.start as usize);
        format!("{}:{line}:{column}", sources.get(it.span.source).name)
    });
    let by_reply = matches!(told.code, codes::PARSE | codes::ASSERT);
    Failure { place, by_reply, ..Failure::new(kind, format!("{}{hint}", told.message)) }
}

/// Counts what a run took, and writes down what its predictors read and wrote. Nodes from
/// `n_nodes` on are the metric's: they cost, but they are no steps of the program.
fn take_down(trace: &Trace, n_nodes: usize, keep_steps: bool, outcome: &mut Outcome) {
    let totals = trace.totals();
    let small = |it: u64| u32::try_from(it).unwrap_or(u32::MAX);
    outcome.calls = small(totals.calls + totals.cached);
    outcome.cached_calls = small(totals.cached);
    for attempt in
        trace.nodes.iter().filter_map(|it| it.call.as_ref()).flat_map(|it| &it.attempts)
    {
        let usage = attempt.completion.as_ref().map(|it| it.usage).unwrap_or_default();
        outcome.prompt_tokens += usage.prompt_tokens.unwrap_or(0);
        outcome.completion_tokens += usage.completion_tokens.unwrap_or(0);
    }
    let asserts = |kind| matches!(kind, Kind::Assert | Kind::Suggest);
    outcome.asserts_failed =
        small(trace.nodes.iter().filter(|it| asserts(it.kind)).count() as u64);
    if keep_steps {
        outcome.steps = trace.nodes[..n_nodes].iter().filter_map(step).collect();
    }
}

fn step(node: &crate::trace::Node) -> Option<Step> {
    let outputs: &Record = node.outputs.as_ref().filter(|_| node.kind == Kind::Lm)?;
    let last = node.call.as_ref()?.attempts.last()?;
    Some(Step {
        path: node.address.path.clone(),
        inputs: node.inputs.clone(),
        outputs: outputs.clone(),
        reply_hash: Some(last.key.clone()),
    })
}
