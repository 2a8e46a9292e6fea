//! The natives of data and scores: `load`, `dataset`, `evaluate`, `compare` and the metrics.

use crate::eval::contents::contents;
use crate::eval::data_value::DatasetValue;
use crate::eval::journal::{self, End, Header, Journal, Journaled, Keep, Role};
use crate::eval::metric::{contains_match, exact_match, f1, normalized, passage_match};
use crate::eval::observe::{Event, called, observer};
use crate::eval::program::ProgramEvaluator;
use crate::eval::results::{ComparisonValue, EvaluationValue};
use crate::eval::{
    Account, Dataset, Deadline, EvalOptions, Evaluation, Evaluator, FailureKind, Reporter,
    RowResult, RunOptions, Stop, Subject, attached, compare, evaluate, evaluator_of,
};
use crate::lm::{Money, SharedLm};
use crate::program::State;
use crate::runtime::natives::Bound;
use crate::runtime::{Args, Cx, Error, Failure, Program, Val, Warning, codes, unpriced, wrong};
use crate::schema::{Ty, TypeTable, Value};
use indexmap::IndexMap;
use std::sync::Arc;
use std::time::Duration;

/// The natives of this floor.
pub fn natives() -> Vec<Bound> {
    fn bound(name: &'static str, call: fn(&Cx<'_>, Args) -> Result<Val, Error>) -> Bound {
        (name, Arc::new(call))
    }
    vec![
        bound("load", load),
        bound("dataset", dataset),
        bound("evaluate", evaluate_native),
        bound("compare", compare_native),
        bound("exact_match", |_, args| any_of(args, "exact_match", exact_match).map(Val::Bool)),
        bound("contains_match", |_, args| {
            any_of(args, "contains_match", contains_match).map(Val::Bool)
        }),
        bound("normalized", normalized_native),
        bound("passage_match", passage_match_native),
        bound("f1", |_, args| {
            let (expected, got) = texts(args, "f1")?;
            Ok(Val::Float(expected.iter().map(|it| f1(it, &got)).fold(0.0, f64::max)))
        }),
    ]
}

/// The expected texts (one, or a list of which any will do) and the one that came.
fn texts(mut args: Args, what: &str) -> Result<(Vec<String>, String), Error> {
    let expected = args.take(0, "expected").unwrap_or_default();
    let got = args.take(1, "got").unwrap_or_default();
    args.finish(what, 2, &["expected", "got"])?;
    Ok((shown(&expected), got.show()))
}

fn any_of(args: Args, what: &str, same: fn(&str, &str) -> bool) -> Result<bool, Error> {
    let (expected, got) = texts(args, what)?;
    Ok(expected.iter().any(|it| same(it, &got)))
}

fn normalized_native(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let text = args.take(0, "text").unwrap_or_default();
    args.finish("normalized", 1, &["text"])?;
    Ok(Val::str(&normalized(&text.show())))
}

fn passage_match_native(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let expected = args.take(0, "expected").unwrap_or_default();
    let passages = args.take(1, "passages").unwrap_or_default();
    args.finish("passage_match", 2, &["expected", "passages"])?;
    let (expected, passages) = (shown(&expected), shown(&passages));
    Ok(Val::Bool(expected.iter().any(|it| passage_match(it, &passages))))
}

/// The texts of a list, or the one text.
fn shown(value: &Val) -> Vec<String> {
    match value {
        Val::List(items) => items.iter().map(Val::show).collect(),
        one => vec![one.show()],
    }
}

fn load(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let path = args.take(0, "path").unwrap_or_default();
    args.finish("load", 1, &["path"])?;
    let Some(path) = path.as_str() else { return Err(wrong("path", "a path", &path)) };
    let at = cx.resolve(path);
    let data = Dataset::load(&*cx.run().env().host, &at)?;
    Ok(Val::object(DatasetValue(data)))
}

fn dataset(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let rows = args.take(0, "rows").unwrap_or_default();
    args.finish("dataset", 1, &["rows"])?;
    Ok(Val::object(DatasetValue(DatasetValue::from_val("rows", &rows)?)))
}

/// What all that scores programs is told.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// The metric.
    pub metric: Val,
    /// How runs are made, but for the number of threads.
    pub options: EvalOptions,
    /// How many threads the user wants.
    pub threads: Option<usize>,
}

/// How runs of a program are made: with the threads that the user wants, else with as many as
/// serve the models that the program asks well.
pub fn run_options(cx: &Cx<'_>, program: &Program, threads: Option<usize>) -> RunOptions {
    let usual = RunOptions::default();
    let of_models = || {
        let models = program.models(cx.run());
        models.iter().map(|lm| lm.capabilities().parallel).min()
    };
    let threads = threads.or_else(of_models).unwrap_or(usual.threads);
    RunOptions { threads: threads.max(1), ..usual }
}

/// The names of the options that all that scores programs takes.
pub const OPTIONS: &[&str] =
    &["metric", "threads", "max_calls", "max_tokens", "max_usd", "max_seconds", "seed"];

impl Scoring {
    /// Takes the options out of the arguments of a call.
    ///
    /// # Errors
    /// Values that do not fit.
    pub fn take(cx: &Cx<'_>, args: &mut Args) -> Result<Self, Error> {
        let settings = &cx.run().session().settings;
        let metric =
            args.option("metric").ok_or_else(|| Error::value("`metric` is missing"))?;
        if !matches!(metric, Val::Func(_) | Val::Object(_)) {
            return Err(wrong("metric", "a function", &metric));
        }
        let threads = args.count("threads")?.or(settings.threads);
        let max_time = amount(args, "max_seconds")?;
        let options = EvalOptions {
            run: RunOptions::default(),
            seed: args.count("seed")?.map_or(settings.seed, |it| it as u64),
            max_calls: args.count("max_calls")?.map(|it| it as u64),
            max_tokens: args.count("max_tokens")?.map(|it| it as u64),
            max_cost: amount(args, "max_usd")?.map(Money::usd),
            max_time: max_time.and_then(|it| Duration::try_from_secs_f64(it).ok()),
            rollout: 0,
            keep_steps: false,
        };
        Ok(Self { metric, options, threads })
    }

    /// How runs of a program are made.
    pub fn options_for(&self, cx: &Cx<'_>, program: &Program) -> EvalOptions {
        let run = run_options(cx, program, self.threads);
        EvalOptions { run, ..self.options }
    }
}

/// A number that is not negative.
fn amount(args: &mut Args, name: &str) -> Result<Option<f64>, Error> {
    match args.number(name)? {
        Some(it) if it < 0.0 => {
            Err(Error::value(format!("`{name}` wants a number, 0 or more, found {it}")))
        }
        other => Ok(other),
    }
}

/// Refuses models whose price nobody knows where dollars are capped.
///
/// # Errors
/// There is such a model.
pub fn priced(cx: &Cx<'_>, models: &[SharedLm], max_cost: Option<Money>) -> Result<(), Error> {
    let session = cx.run().session();
    if max_cost.is_none() && session.settings.max_usd.is_none() {
        return Ok(());
    }
    match models.iter().find(|lm| session.price(lm).is_none()) {
        Some(lm) => Err(unpriced(lm.name())),
        None => Ok(()),
    }
}

fn evaluate_native(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let scoring = Scoring::take(cx, &mut args)?;
    let program = Program::from_val("program", &args.take(0, "program").unwrap_or_default())?;
    let data = DatasetValue::from_val("data", &args.take(1, "data").unwrap_or_default())?;
    args.finish("evaluate", 2, OPTIONS)?;
    let evaluation = score(cx, &program, &data, &scoring, "evaluate")?;
    Ok(Val::object(EvaluationValue(Arc::new(evaluation))))
}

fn compare_native(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let (a, b) = (args.take(0, "a").unwrap_or_default(), args.take(1, "b").unwrap_or_default());
    if let (Some(before), Some(after)) =
        (a.downcast::<EvaluationValue>(), b.downcast::<EvaluationValue>())
    {
        let seed = args.count("seed")?.map_or(cx.run().session().settings.seed, |it| it as u64);
        args.finish("compare", 2, &["a", "b", "seed"])?;
        return compared(before.0.clone(), after.0.clone(), seed);
    }
    let scoring = Scoring::take(cx, &mut args)?;
    let (a, b) = (Program::from_val("a", &a)?, Program::from_val("b", &b)?);
    let data = args.take(2, "data").ok_or_else(|| {
        Error::value("`data` is missing").hint("two finished evaluations need none")
    })?;
    let data = DatasetValue::from_val("data", &data)?;
    args.finish("compare", 3, OPTIONS)?;
    let before = score(cx, &a, &data, &scoring, "compare: before")?;
    let after = score(cx, &b, &data, &scoring, "compare: after")?;
    let seed = scoring.options.seed;
    let value = compared(Arc::new(before), Arc::new(after), seed)?;
    if let (Some(observer), Some(it)) = (observer(cx), value.downcast::<ComparisonValue>()) {
        let account = Account {
            program: called(b.value()),
            metric: called(&scoring.metric),
            ..Account::compared(it, &data, seed)
        };
        observer.see(&Event::Came(&account, &it.comparison.to_value()));
    }
    Ok(value)
}

fn compared(before: Arc<Evaluation>, after: Arc<Evaluation>, seed: u64) -> Result<Val, Error> {
    if before.data != after.data {
        let (a, b) = (before.rows.len(), after.rows.len());
        let message = format!("the two evaluations are over different data ({a} and {b} rows)");
        return Err(Error::value(message)
            .hint("only scores of the same rows in the same order can be compared"));
    }
    let comparison = compare(&before, &after, seed);
    Ok(Val::object(ComparisonValue { before, after, comparison }))
}

/// Scores a program, telling how far it is.
///
/// # Errors
/// The session's budget or the user ended it, or no row could be run.
pub fn score(
    cx: &Cx<'_>,
    program: &Program,
    data: &Dataset,
    scoring: &Scoring,
    phase: &str,
) -> Result<Evaluation, Error> {
    score_kept(cx, program, data, scoring, phase, Asked::default())
}

/// Scores a program of an expression: program, data and metric. Finished rows are kept.
///
/// # Errors
/// As [`score`], values that do not fit, and a file of rows that cannot be gone on with.
pub fn evaluate_kept(
    cx: &Cx<'_>,
    parts: &[Val],
    title: &str,
    keep: Option<&Keep>,
) -> Result<Val, Error> {
    let [program, data, metric] = parts else { return Err(Error::value("three values")) };
    let mut args = Args::default();
    args.named.insert("metric".into(), metric.clone());
    let scoring = Scoring::take(cx, &mut args)?;
    let program = Program::from_val("program", program)?;
    let data = DatasetValue::from_val("data", data)?;
    let asked = Asked { keep, by_command: true };
    let mut evaluation = score_kept(cx, &program, &data, &scoring, "evaluate", asked)?;
    title.clone_into(&mut evaluation.subject.title);
    Ok(Val::object(EvaluationValue(Arc::new(evaluation))))
}

/// Who asks for an evaluation.
#[derive(Clone, Copy, Default)]
struct Asked<'a> {
    /// Where finished rows are kept.
    keep: Option<&'a Keep>,
    /// Whether it is what a command was asked for, and not a script's own.
    by_command: bool,
}

fn score_kept(
    cx: &Cx<'_>,
    program: &Program,
    data: &Dataset,
    scoring: &Scoring,
    phase: &str,
    asked: Asked<'_>,
) -> Result<Evaluation, Error> {
    let keep = asked.keep;
    let run = cx.run();
    let evaluator = ProgramEvaluator::new(run, program.clone(), Some(scoring.metric.clone()));
    let state = Arc::new(program.state());
    priced(cx, &program.models(run), scoring.options.max_cost)?;
    let host = run.env().host.clone();
    let subject = subject(cx, program, scoring, &state);
    let journal = match keep {
        Some(keep) => Some(journal_of(cx, keep, program, data, scoring, &subject)?),
        None => None,
    };
    // Only what the command line asks for is known to workers.
    let remote = attached(cx).and_then(|it| it.remote.get()).filter(|_| asked.by_command);
    let remote = evaluator_of(&evaluator, remote, run.session());
    let made = remote.as_ref().map_or(&evaluator as &dyn Evaluator, |it| it);
    let kept =
        journal.as_ref().map(|journal| Journaled { inner: made, journal, role: Role::Program });
    let mut reporter = Reporter::new(cx, phase);
    let session = run.session();
    let cancel = session.settings.pause.as_ref().unwrap_or(&session.cancel);
    let deadline = Deadline::begin(cancel, scoring.options.max_time);
    let mut evaluation = evaluate(
        kept.as_ref().map_or(made, |it| it),
        &state,
        data,
        scoring.options_for(cx, program),
        &*host,
        deadline.cancel(),
        &mut |progress| reporter.tell(progress),
    )?;
    drop(reporter);
    evaluator.place_traces();
    evaluation.subject = subject;
    evaluation.stop = deadline.stop(evaluation.stop);
    if let Some(journal) = &journal {
        end(cx, journal, &evaluation);
    }
    account(cx, program, data, scoring, keep, &evaluation);
    match &evaluation.stop {
        Some(Stop::Metric(_)) => Err(no_score(&evaluation)),
        Some(Stop::Unserved(why)) if evaluation.scored == 0 => Err(unserved(&evaluation, why)),
        Some(stop) if evaluation.scored == 0 => {
            Err(Error::data(codes::BUDGET, format!("nothing was scored: {stop}")).fatal())
        }
        _ => {
            if let Some(error) = failed_alike(&evaluation) {
                return Err(error);
            }
            tell_failures(cx, &evaluation);
            Ok(evaluation)
        }
    }
}

/// Tells who watches what came of it.
fn account(
    cx: &Cx<'_>,
    program: &Program,
    data: &Dataset,
    scoring: &Scoring,
    keep: Option<&Keep>,
    evaluation: &Evaluation,
) {
    let Some(observer) = observer(cx) else { return };
    if matches!(evaluation.stop, Some(Stop::Metric(_))) || evaluation.scored == 0 {
        return;
    }
    let account = Account {
        program: called(program.value()),
        metric: called(&scoring.metric),
        run: keep.map(|it| it.id.clone()),
        ..Account::of(evaluation, data, scoring.options.seed)
    };
    observer.see(&Event::Came(&account, &evaluation.summary()));
}

/// The file that rows are kept in.
fn journal_of(
    cx: &Cx<'_>,
    keep: &Keep,
    program: &Program,
    data: &Dataset,
    scoring: &Scoring,
    subject: &Subject,
) -> Result<Journal, Error> {
    let host = cx.run().env().host.clone();
    let hash = data.hash()?;
    let contents = contents(cx.run(), program, [data])?;
    let models = subject.models.iter().chain(&subject.judges).cloned().collect();
    let header = Header {
        state: subject.state.clone(),
        data: hash,
        contents,
        models,
        seed: scoring.options.seed,
        rows: data.len(),
        ..journal::header(&*host, keep)
    };
    open_journal(cx, keep, &header)
}

/// Opens the file that finished runs are kept in.
///
/// # Errors
/// It is to be gone on with and cannot be.
pub fn open_journal(cx: &Cx<'_>, keep: &Keep, header: &Header) -> Result<Journal, Error> {
    let host = cx.run().env().host.clone();
    Journal::open(host, keep, header).map_err(|why| {
        Error::value(why).hint("begin anew: replies that are kept are not paid for again")
    })
}

/// Notes in the file that no row is left, and tells when rows could not be kept.
fn end(cx: &Cx<'_>, journal: &Journal, evaluation: &Evaluation) {
    if evaluation.not_run == 0 && evaluation.stop.is_none() {
        journal.end(End { score: evaluation.score, scored: evaluation.scored });
    }
    warn_of_broken(cx, journal);
}

/// Tells when runs could not be kept.
pub fn warn_of_broken(cx: &Cx<'_>, journal: &Journal) {
    if let Some(why) = journal.broken() {
        let message = format!("finished rows are not kept, so nothing can be resumed: {why}");
        cx.run().warn(Warning { code: codes::NOTICE, message, notes: Vec::new(), place: None });
    }
}

/// What a report should know of what was scored.
fn subject(cx: &Cx<'_>, program: &Program, scoring: &Scoring, state: &State) -> Subject {
    let (run, script) = (cx.run(), cx.run().script());
    let params = program.params(script).unwrap_or_default();
    let names = |program: &Program| {
        let models = program.models(run);
        models.iter().map(|lm| lm.name().to_owned()).collect()
    };
    let table = script.types();
    let mut classes = IndexMap::new();
    for output in program.signatures().into_values().flat_map(|it| it.outputs) {
        if let Some(values) = values_of(&output.ty, &table) {
            classes.insert(output.name, values);
        }
    }
    let outputs = outputs_of(program);
    let judge = Program::from_val("metric", &scoring.metric).ok();
    Subject {
        title: String::new(),
        inputs: params.into_iter().map(|(name, _)| name).collect(),
        classes,
        outputs,
        models: names(program),
        judges: judge.as_ref().map(names).unwrap_or_default(),
        state: state.hash(),
    }
}

/// The types of the outputs of a program's predictors. What two of them mean otherwise is left
/// out.
fn outputs_of(program: &Program) -> IndexMap<Arc<str>, (Ty, Arc<TypeTable>)> {
    let mut all: IndexMap<Arc<str>, Option<(Ty, Arc<TypeTable>)>> = IndexMap::new();
    for signature in program.signatures().into_values() {
        for output in signature.outputs {
            let known = Some((output.ty, signature.types.clone()));
            let first = all.entry(output.name).or_insert_with(|| known.clone());
            if *first != known {
                *first = None;
            }
        }
    }
    all.into_iter().filter_map(|(name, it)| Some((name, it?))).collect()
}

/// The values of a type that has only so many.
fn values_of(ty: &Ty, table: &TypeTable) -> Option<Vec<Value>> {
    match ty {
        Ty::Bool => Some(vec![Value::Bool(true), Value::Bool(false)]),
        Ty::Enum(values) => Some(values.to_vec()),
        Ty::Named(name) => values_of(table.get(name)?, table),
        Ty::Optional(inner) | Ty::Bounded(inner, _) => values_of(inner, table),
        _ => None,
    }
}

/// A metric that gives no score is wrong, whatever it said of other rows.
fn no_score(evaluation: &Evaluation) -> Error {
    let failed = |row: &&RowResult| {
        row.outcome.as_ref().is_some_and(|it| it.failed_by(FailureKind::Metric))
    };
    let row = evaluation.rows.iter().find(failed);
    let failure = row.and_then(|row| Some((row, row.outcome.as_ref()?.failure.as_ref()?)));
    let Some((row, failure)) = failure else {
        return Error::value("the metric gives no score");
    };
    let error = Error::value(format!("{}: {}", row.origin, failure.message));
    match &failure.place {
        Some(place) => error.note(format!("it happened at {place}")),
        None => error,
    }
}

/// A model that cannot be asked is not asked for all rows.
fn unserved(evaluation: &Evaluation, why: &str) -> Error {
    let Evaluation { not_run, left_out, .. } = evaluation;
    let message = format!("no row could be scored; the first one: {why}");
    let failure = Failure::new(codes::LM, "lm", message);
    Error::from(Failure { infrastructure: true, ..failure })
        .note(format!("{left_out} rows were tried, {not_run} were not"))
}

/// Where all rows failed in the same way, something is wrong with the rows, the program or the
/// metric, and a score would hide it. Replies that cannot be used are another matter: a program
/// whose model never keeps to the format scores 0.
fn failed_alike(evaluation: &Evaluation) -> Option<Error> {
    let failures = evaluation.rows.iter().map(|row| row.outcome.as_ref()?.failure.as_ref());
    let failures: Option<Vec<_>> = failures.collect();
    let failures = failures?;
    let (first, row) = (failures.first()?, evaluation.rows.first()?);
    if first.by_reply || failures.iter().any(|it| it.message != first.message) {
        return None;
    }
    let message = format!("every row failed; {}: {}", row.origin, first.message);
    let error = Error::from(Failure::new(codes::RUNTIME, "value", message));
    Some(match &first.place {
        Some(place) => error.note(format!("it happened at {place}")),
        None => error,
    })
}

/// Rows that failed count as wrong or are left out: who only reads the score should know.
fn tell_failures(cx: &Cx<'_>, evaluation: &Evaluation) {
    let failed = evaluation.rows.iter().filter_map(|row| {
        Some((&row.origin, row.outcome.as_ref()?.failure.as_ref()?.message.as_str()))
    });
    let failed: Vec<_> = failed.collect();
    let Some((origin, message)) = failed.first() else { return };
    let (count, all) = (failed.len(), evaluation.rows.len());
    let message = format!("{count} of {all} rows failed; {origin}: {message}");
    let (code, place) = (codes::NOTICE, cx.place());
    cx.run().warn(Warning { code, message, notes: Vec::new(), place });
}
