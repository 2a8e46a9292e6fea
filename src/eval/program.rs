//! The evaluator of real programs: one run of the host language a row.

use crate::eval::metric::judgement;
use crate::eval::row_traces::RowTraces;
use crate::eval::{
    Evaluator, Exchange, Failure, FailureKind, Job, Layout, METRIC, Outcome, Spent, Step, Used,
};
use crate::lm::{Details, Finish, SharedLm};
use crate::program::State;
use crate::runtime::{
    Args, Cx, Error, Host, Program, Run, SharedCallLog, Val, codes, prompt_text,
};
use crate::schema::{Record, Row};
use crate::trace::{Kind, NoContent, Node, NodeId, Trace, parse_jsonl};
use crate::util::{lock, sha256_hex};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Runs a program of a script on rows, and a metric on what it replies.
#[derive(Debug)]
pub struct ProgramEvaluator {
    run: Arc<Run>,
    program: Program,
    metric: Option<Val>,
    max_calls: Option<u64>,
    /// The program with the state that was asked for last: rows of one state come together.
    latest: Mutex<Option<(Arc<State>, Program)>>,
    /// Traces to be kept, where they are.
    traces: Option<Mutex<RowTraces>>,
    /// What all runs need of the host language.
    host: Host,
}

impl ProgramEvaluator {
    /// Returns an evaluator whose runs belong to the session of `run`.
    pub fn new(run: &Arc<Run>, program: Program, metric: Option<Val>) -> Self {
        let settings = &run.session().settings;
        // An adapter of two steps asks once more.
        let twice = settings.adapter.as_deref() == Some("two_step");
        let retries = settings.retries + u32::from(twice);
        let most = |it: &Program| it.max_calls(run.script(), retries, settings.repairs);
        let of_program = most(&program);
        let max_calls = match metric.as_ref().map(|it| Program::from_val("metric", it)) {
            // A function hardly ever asks a model, and what it asks is not known: none.
            Some(Ok(judge)) if !matches!(judge.value(), Val::Func(_)) => {
                of_program.zip(most(&judge)).map(|(program, judge)| program + judge)
            }
            _ => of_program,
        };
        let traces = settings.keep_traces.then(|| Mutex::new(RowTraces::new(run)));
        let latest = Mutex::default();
        let host = Host::new(run.session());
        Self { run: run.clone(), program, metric, max_calls, latest, traces, host }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The models that it asks, by name, with hashes of what they are.
    pub fn models(&self) -> BTreeMap<String, String> {
        let models = self.program.models(&self.run);
        models.iter().map(|lm| (lm.name().to_owned(), model_hash(lm))).collect()
    }

    /// Says that all its runs were made here and now, for the trace of the run that evaluates.
    pub fn place_traces(&self) {
        if let Some(traces) = &self.traces {
            lock(traces).place(&self.run);
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
        let fail = |error: &Error, kind: Option<FailureKind>, what: &str| {
            let failure = failure(cx, error);
            let message = format!("{what}{}", failure.message);
            Some(Failure { message, kind: kind.unwrap_or(failure.kind), ..failure })
        };
        match cx.call(metric, args) {
            Err(error) => outcome.failure = fail(&error, None, "the metric failed: "),
            Ok(value) => match judgement(&value) {
                Err(error) => outcome.failure = fail(&error, Some(FailureKind::Metric), ""),
                Ok(said) => {
                    outcome.score = Some(said.score);
                    outcome.scores = said.scores.into();
                    outcome.feedback = said.feedback;
                    outcome.feedback_by = said.by.into();
                }
            },
        }
    }

    /// Makes one run and gives its trace away, where traces are kept.
    pub(crate) fn run_traced(&self, job: &Job) -> (Outcome, Option<Trace>) {
        let (outcome, trace) = self.made(job, None);
        (outcome, self.traces.is_some().then_some(trace))
    }

    /// Keeps the trace of a run that was made elsewhere, as if it had just ended here. One that
    /// cannot be read is missing.
    pub(crate) fn keep_told(&self, job: &Job, lines: &str) {
        let Ok(mut trace) = parse_jsonl(lines, &NoContent) else { return };
        let ended = trace.nodes.iter().map(|it| it.began.saturating_add(it.took)).max();
        let (now, ended) = (self.run.env().host.elapsed(), ended.unwrap_or_default());
        for node in &mut trace.nodes {
            node.began = now.saturating_sub(ended.saturating_sub(node.began));
        }
        self.keep_trace(job, trace);
    }

    fn keep_trace(&self, job: &Job, trace: Trace) {
        if let Some(traces) = &self.traces {
            lock(traces).keep(&self.run, job, trace);
        }
    }
}

/// What a model is, as a hash.
pub fn model_hash(lm: &SharedLm) -> String {
    let mut hash = sha256_hex(lm.identity().as_bytes());
    hash.truncate(16);
    hash
}

impl Evaluator for ProgramEvaluator {
    fn run(&self, job: &Job) -> Outcome {
        self.run_noted(job, None)
    }

    fn run_noted(&self, job: &Job, log: Option<&SharedCallLog>) -> Outcome {
        let (outcome, trace) = self.made(job, log);
        self.keep_trace(job, trace);
        outcome
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        self.max_calls
    }

    fn layout(&self, path: &str) -> Layout {
        let found = self.program.predictor(path);
        found.map(|it| it.layout(&self.run)).map_or(Layout::default(), |it| {
            let (adapter, keeps_adapter, keeps_lm) = it;
            Layout { adapter, keeps_adapter, keeps_lm }
        })
    }

    fn print(&self, text: &str) {
        self.run.print(text);
    }

    fn only_waits(&self) -> bool {
        self.run.session().usually_waits()
    }
}

impl ProgramEvaluator {
    /// Makes a run: what came of it, and what happened.
    fn made(&self, job: &Job, log: Option<&SharedCallLog>) -> (Outcome, Trace) {
        let began = self.run.env().host.elapsed();
        let limits = job.limits();
        let run = self.run.for_example(job.row.index, job.rollout, limits, log.cloned());
        let program = self.with_state(&job.state);
        let mut outcome = Outcome::default();
        let mut n_nodes = 0;
        let elapsed = || micros(self.run.env().host.elapsed().saturating_sub(began));
        run.script().clone().with_context_of(&self.host, &run, |cx| {
            match program.run_row(cx, &job.row) {
                Ok(reply) => {
                    n_nodes = run.n_nodes();
                    outcome.reply = reply.record().unwrap_or_default();
                    outcome.latency = elapsed();
                    self.score(cx, &job.row, &Val::object(reply), &mut outcome);
                }
                Err(error) => {
                    n_nodes = run.n_nodes();
                    outcome.latency = elapsed();
                    outcome.failure = Some(failure(cx, &error));
                }
            }
        });
        outcome.printed = run.take_printed();
        let trace = run.take_trace();
        // Only where there is a cap does anybody ask.
        if job.limits().bounds_tokens() {
            outcome.needed = run.needed();
        }
        take_down(&trace, n_nodes, job, &mut outcome);
        if !outcome.judge.is_nothing() {
            outcome.judge.latency = elapsed().saturating_sub(outcome.latency);
        }
        let trace = if self.traces.is_some() { run.with_rows(trace) } else { trace };
        (outcome, trace)
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
    let standing = error.is_standing();
    Failure {
        place,
        by_reply,
        standing,
        ..Failure::new(kind, format!("{}{hint}", told.message))
    }
}

/// Whole microseconds, as files keep them.
fn micros(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Counts what a run took, and writes down what its predictors read and wrote. Nodes from
/// `n_nodes` on are the metric's: they cost, but they are no steps of the program.
fn take_down(trace: &Trace, n_nodes: usize, job: &Job, outcome: &mut Outcome) {
    let of_program = spent(&trace.nodes[..n_nodes]);
    outcome.judge = spent(&trace.nodes[n_nodes..]).into();
    outcome.calls = of_program.calls + outcome.judge.calls;
    outcome.cached_calls = of_program.cached_calls + outcome.judge.cached_calls;
    outcome.prompt_tokens = of_program.prompt_tokens + outcome.judge.prompt_tokens;
    outcome.completion_tokens = of_program.completion_tokens + outcome.judge.completion_tokens;
    outcome.details = of_program.details.plus(outcome.judge.details);
    outcome.cost = of_program.cost.plus(outcome.judge.cost);
    outcome.used = used(trace, n_nodes);
    let abandoned = trace.abandoned();
    let stands = |it: &(NodeId, &Node)| !abandoned[it.0.0];
    let asserts = |it: &(NodeId, &Node)| matches!(it.1.kind, Kind::Assert | Kind::Suggest);
    let failed = trace.iter().filter(stands).filter(asserts).count();
    outcome.asserts_failed = small(failed as u64);
    outcome.repairs = repairs(&trace.nodes);
    if job.keep_steps {
        let of_program = trace.iter().take(n_nodes).filter(stands);
        outcome.steps = of_program.filter_map(|(_, it)| step(it, &trace.nodes)).collect();
        outcome.by_path = by_path(trace, n_nodes).into();
    }
    if job.keep_exchanges && outcome.value().is_none_or(|it| it < 1.0) {
        outcome.exchanges = exchanges(trace, n_nodes);
    }
}

/// How many replies were asked for again: those that could not be read, for what came was
/// followed by more, and those that did not fulfil what must hold.
fn repairs(nodes: &[Node]) -> u32 {
    let again = |it: &&Node| !it.replayed && is_repaired(it, nodes);
    let sent_back = nodes.iter().filter(again).count();
    let calls = nodes.iter().filter_map(|it| it.call.as_ref());
    let followed = calls.flat_map(|it| it.attempts.split_last().map_or(&[][..], |it| it.1));
    let unread = followed.filter(|it| it.completion.is_some() && it.error.is_some());
    small((unread.count() + sent_back) as u64)
}

/// Whether a call was asked again because of its own reply, and not because of what it read.
fn is_repaired(node: &Node, nodes: &[Node]) -> bool {
    let Some(earlier) = node.retry_of.map(|it| &nodes[it.0]) else { return false };
    match node.replayed {
        true => is_repaired(earlier, nodes),
        false => node.kind == Kind::Lm && earlier.inputs == node.inputs,
    }
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Calls and tokens of nodes; the tokens of replies that a store had are counted as well, so
/// that a score costs the same whoever answered.
fn spent(nodes: &[Node]) -> Spent {
    let mut spent = Spent::default();
    let calls = nodes.iter().filter_map(|it| it.call.as_ref());
    for attempt in calls.flat_map(|it| &it.attempts).filter(|it| !it.replayed) {
        let totals = attempt.totals();
        let usage = attempt.completion.as_ref().map(|it| it.usage).unwrap_or_default();
        spent.calls += small(totals.calls + totals.cached);
        spent.cached_calls += small(totals.cached);
        spent.prompt_tokens += usage.prompt_tokens.unwrap_or(0);
        spent.completion_tokens += usage.completion_tokens.unwrap_or(0);
        let told = attempt.completion.as_ref().map(|it| Details::of(&it.usage));
        spent.details = spent.details.plus(told.unwrap_or_default());
        spent.cost = spent.cost.plus(attempt.cost);
    }
    spent
}

/// What the calls of each predictor took, in the order of their first calls.
fn by_path(trace: &Trace, n_nodes: usize) -> IndexMap<String, Spent> {
    let mut nodes: IndexMap<&str, Vec<Node>> = IndexMap::new();
    for (id, node) in trace.iter().filter(|(_, it)| it.call.is_some()) {
        let path = if id.0 < n_nodes { node.address.path.as_str() } else { METRIC };
        nodes.entry(path).or_default().push(node.clone());
    }
    nodes.into_iter().map(|(path, it)| (path.to_owned(), spent(&it))).collect()
}

/// What each predictor took from each model.
fn used(trace: &Trace, n_nodes: usize) -> Vec<Used> {
    let mut all = Vec::new();
    for (id, node) in trace.iter() {
        let Some(call) = &node.call else { continue };
        let path = if id.0 < n_nodes { node.address.path.as_str() } else { METRIC };
        let Spent { calls, prompt_tokens, completion_tokens, details, cost, .. } =
            spent(std::slice::from_ref(node));
        let (predictor, model) = (path.to_owned(), call.model.clone());
        let one =
            Used { predictor, model, calls, prompt_tokens, completion_tokens, details, cost };
        match all.iter_mut().find(|it: &&mut Used| it.is_of(&one)) {
            Some(known) => known.add(&one),
            None => {
                // One for each row of a large evaluation is held, and most programs have one
                // predictor.
                all.reserve_exact(1);
                all.push(one);
            }
        }
    }
    all
}

/// What was sent and what came back, in the order of the calls.
fn exchanges(trace: &Trace, n_nodes: usize) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    for (id, node) in trace.iter() {
        for attempt in node.call.iter().flat_map(|it| &it.attempts) {
            exchanges.push(Exchange {
                path: node.address.path.clone(),
                by_metric: id.0 >= n_nodes,
                prompt: prompt_text(&attempt.request.prompt),
                reply: attempt.completion.as_ref().map(|it| it.text.clone()),
                error: attempt.error.clone(),
            });
        }
    }
    exchanges
}

fn step(node: &Node, nodes: &[Node]) -> Option<Step> {
    let outputs: &Record = node.outputs.as_ref().filter(|_| node.kind == Kind::Lm)?;
    let last = node.call.as_ref()?.attempts.last()?;
    Some(Step {
        path: node.address.path.clone(),
        inputs: node.inputs.clone(),
        outputs: outputs.clone(),
        reply_hash: Some(last.key.clone()),
        repaired: is_repaired(node, nodes),
        cut: last.completion.as_ref().is_some_and(|it| it.finish == Finish::Length),
    })
}
