//! Programs made of others: `best_of`, `refine`, `majority`, `ensemble`.
//!
//! A program inside another keeps the path of the one around it, `[0]`, `[1]` … behind it where
//! there are several, so that states and optimizers find its predictors.

use crate::runtime::advice;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::instance::{resampled, settled};
use crate::runtime::program::{self, Program};
use crate::runtime::reply::Reply;
use crate::runtime::run::Run;
use crate::runtime::score::{judgement, normalized};
use crate::runtime::value::{Object, Val};
use crate::schema::Record;
use crate::trace::{Kind, Node};
use indexmap::IndexMap;
use std::any::Any;
use std::sync::Arc;

/// How many attempts are made where nobody says it.
const ATTEMPTS: usize = 3;
/// How many samples are counted where nobody says it.
const SAMPLES: usize = 5;

/// What is done with the programs inside.
#[derive(Debug, Clone)]
enum Way {
    /// Attempts until one is good enough; the best is taken. `advise` tells each attempt what was
    /// wrong with the one before.
    Best { n: usize, metric: Val, threshold: Option<f64>, advise: bool },
    /// Samples, of which the most frequent answer is taken.
    Majority { n: usize, field: Option<String> },
    /// All programs once, and what a function makes of their replies.
    Ensemble { reduce: Val },
}

/// A program made of others. Immutable.
#[derive(Debug, Clone)]
pub(in crate::runtime) struct Several {
    way: Way,
    parts: Vec<Val>,
    /// Where it stands in its program.
    path: Arc<str>,
}

/// `best_of(program, metric: f, n: 3, threshold: 1.0)`
pub(in crate::runtime) fn best_of(_: &Cx<'_>, args: Args) -> Result<Val, Error> {
    attempts("best_of", args, false)
}

/// `refine(program, metric: f, n: 3, threshold: 1.0)`
pub(in crate::runtime) fn refine(_: &Cx<'_>, args: Args) -> Result<Val, Error> {
    attempts("refine", args, true)
}

fn attempts(what: &str, mut args: Args, advise: bool) -> Result<Val, Error> {
    let n = at_least_one(&mut args, ATTEMPTS)?;
    let threshold = args.number("threshold")?;
    let metric = args.option("metric").unwrap_or_default();
    let program = args.take(0, "program").unwrap_or_default();
    args.finish(what, 1, &["program", "metric", "n", "threshold"])?;
    if metric.is_null() {
        let hint = format!("`{what}(…, metric: |inputs, reply| …)`");
        return Err(Error::value(format!("`{what}` needs a metric")).hint(hint));
    }
    let way = Way::Best { n, metric, threshold, advise };
    Several::of(way, vec![Program::from_val("program", &program)?])
}

/// `majority(program, n: 5)`, or the most frequent of replies that there are.
pub(in crate::runtime) fn majority(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let field = args.text("field")?;
    let n = at_least_one(&mut args, SAMPLES)?;
    let of = args.take(0, "of").unwrap_or_default();
    args.finish("majority", 1, &["of", "n", "field"])?;
    if let Some(reply) = of.downcast::<Reply>() {
        return most_frequent(&reply.completions(), field.as_deref());
    }
    match &of {
        Val::List(replies) => most_frequent(replies, field.as_deref()),
        _ => Several::of(Way::Majority { n, field }, vec![Program::from_val("of", &of)?]),
    }
}

/// `ensemble([a, b], reduce: f)`
pub(in crate::runtime) fn ensemble(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let reduce = args.option("reduce").unwrap_or_default();
    let programs = args.take(0, "programs").unwrap_or_default();
    args.finish("ensemble", 1, &["programs", "reduce"])?;
    let Val::List(programs) = &programs else {
        return Err(wrong("programs", "a list of programs", &programs));
    };
    let programs: Vec<Program> = programs
        .iter()
        .map(|it| Program::from_val("programs", it))
        .collect::<Result<_, _>>()?;
    if programs.is_empty() {
        return Err(Error::value("an ensemble has a program at least"));
    }
    Several::of(Way::Ensemble { reduce }, programs)
}

fn at_least_one(args: &mut Args, usual: usize) -> Result<usize, Error> {
    match args.count("n")?.unwrap_or(usual) {
        0 => Err(wrong("n", "a count above 0", &Val::Int(0))),
        n => Ok(n),
    }
}

/// The reply whose value of a field is the most frequent, the first of them; texts are compared
/// as `exact_match` does it. Without a field the last one is meant.
fn most_frequent(replies: &[Val], field: Option<&str>) -> Result<Val, Error> {
    let mut counts: IndexMap<String, (usize, &Val)> = IndexMap::new();
    for it in replies {
        let Some(reply) = it.downcast::<Reply>() else {
            return Err(wrong("of", "a program, a reply or a list of replies", it));
        };
        let name = field.or_else(|| reply.fields().keys().last().map(|it| &**it));
        let Some(value) = name.and_then(|it| reply.fields().get(it)) else {
            let message = format!("this reply has no `{}`", name.unwrap_or_default());
            return Err(Error::value(message));
        };
        // Nothing is no vote, unless nobody says anything else.
        let key = match value {
            Val::Null => String::new(),
            Val::Str(text) => format!("text {}", normalized(text.as_str())),
            other => other.to_value()?.to_json(),
        };
        counts.entry(key).or_insert((0, it)).0 += 1;
    }
    let voted: Vec<_> = counts.iter().filter(|(key, _)| !key.is_empty()).collect();
    let mut best: Option<(usize, &Val)> = None;
    for (_, (count, reply)) in voted {
        if best.is_none_or(|(most, _)| *count > most) {
            best = Some((*count, reply));
        }
    }
    let first = best.map(|it| it.1).or_else(|| replies.first());
    first.cloned().ok_or_else(|| Error::value("there are no replies to choose from"))
}

impl Several {
    fn of(way: Way, programs: Vec<Program>) -> Result<Val, Error> {
        let parts = programs.iter().map(|it| it.value().clone()).collect();
        let alone = Val::object(Self { way, parts, path: program::BARE.into() });
        Ok(settled(&alone, program::root(&alone)))
    }

    fn name(&self) -> &'static str {
        match &self.way {
            Way::Best { advise: false, .. } => "best_of",
            Way::Best { advise: true, .. } => "refine",
            Way::Majority { .. } => "majority",
            Way::Ensemble { .. } => "ensemble",
        }
    }

    /// The inputs of a call by their names.
    fn inputs(&self, run: &Run, args: &Args) -> Result<IndexMap<Arc<str>, Val>, Error> {
        let program = Program::from_val("program", &self.parts[0])?;
        let names = program.params(run.script())?.into_iter().map(|it| it.0);
        let mut inputs: IndexMap<_, _> = names.zip(args.positional.clone()).collect();
        inputs.extend(args.named.clone());
        Ok(inputs)
    }

    fn answer(&self, cx: &Cx<'_>, args: &Args) -> Result<Reply, Error> {
        let inputs = self.inputs(cx.run(), args)?;
        match &self.way {
            Way::Best { n, metric, threshold, advise } => {
                let judge = Judge { metric, threshold: threshold.unwrap_or(1.0) };
                self.best(cx, args, &inputs, &judge, (*n, *advise))
            }
            Way::Majority { n, field } => {
                let samples = samples(cx, &self.parts[0], args, *n)?;
                reply_of(&most_frequent(&samples, field.as_deref())?, samples)
            }
            Way::Ensemble { reduce } => {
                let calls = self.parts.iter().map(|it| cx.call(it, args.clone()));
                let replies = calls.collect::<Result<Vec<_>, _>>()?;
                let reduced = match reduce {
                    Val::Null => most_frequent(&replies, None)?,
                    reduce => {
                        cx.call(reduce, Args::positional(vec![Val::List(replies.clone())]))?
                    }
                };
                reply_of(&reduced, replies)
            }
        }
    }

    /// The best of up to `n` attempts, the first of equals.
    fn best(
        &self,
        cx: &Cx<'_>,
        args: &Args,
        inputs: &IndexMap<Arc<str>, Val>,
        judge: &Judge<'_>,
        (n, advise): (usize, bool),
    ) -> Result<Reply, Error> {
        let mut best: Option<(f64, Val)> = None;
        let mut all = Vec::new();
        let mut failed = None;
        let mut part = self.parts[0].clone();
        for at in 0..n {
            let reply = match cx.call(&resampled(&part, n, at), args.clone()) {
                Ok(reply) => reply,
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            let (score, feedback) = judge.score(cx, inputs, &reply)?;
            all.push(reply.clone());
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, reply.clone()));
            }
            if score >= judge.threshold {
                break;
            }
            if advise && at + 1 < n {
                let tried = advice::Tried { reply: &reply, score, feedback, inputs };
                part =
                    advice::advised(cx, &self.parts[0], &self.path, judge.threshold, &tried)?;
            }
        }
        match (best, failed) {
            (Some((_, reply)), _) => reply_of(&reply, all),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::value("no attempt was made")),
        }
    }
}

/// Says how good an attempt is.
struct Judge<'a> {
    metric: &'a Val,
    threshold: f64,
}

impl Judge<'_> {
    fn score(
        &self,
        cx: &Cx<'_>,
        inputs: &IndexMap<Arc<str>, Val>,
        reply: &Val,
    ) -> Result<(f64, Option<String>), Error> {
        let args = Args::positional(vec![Val::Map(inputs.clone()), reply.clone()]);
        let said = judgement(&cx.call(self.metric, args)?)?;
        Ok((said.score, said.feedback))
    }
}

/// `n` replies to the same question; the first is the usual one.
pub(in crate::runtime) fn samples(
    cx: &Cx<'_>,
    part: &Val,
    args: &Args,
    n: usize,
) -> Result<Vec<Val>, Error> {
    (0..n).map(|at| cx.call(&resampled(part, n, at), args.clone())).collect()
}

/// What was chosen as a reply that knows what it was chosen from.
pub(in crate::runtime) fn reply_of(value: &Val, all: Vec<Val>) -> Result<Reply, Error> {
    match (value.downcast::<Reply>(), value.entries()) {
        (Some(reply), _) => Ok(reply.clone().chosen_from(all)),
        (None, Some(fields)) => Ok(Reply::new(fields.clone(), None).chosen_from(all)),
        (None, None) => Err(wrong("reduce", "a reply or a map from its function", value)),
    }
}

impl Object for Several {
    fn type_name(&self) -> &'static str {
        "program"
    }

    fn parts(&self) -> Vec<(String, Val)> {
        let several = matches!(self.way, Way::Ensemble { .. });
        let behind = |at| if several { format!("[{at}]") } else { String::new() };
        self.parts.iter().enumerate().map(|(at, it)| (behind(at), it.clone())).collect()
    }

    fn with_parts(&self, path: &str, parts: Vec<Val>) -> Option<Val> {
        let path = if path.is_empty() { program::BARE } else { path };
        Some(Val::object(Self { parts, path: path.into(), way: self.way.clone() }))
    }

    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        let run = cx.run();
        let inputs = self.inputs(run, &args)?;
        let data = inputs.iter().filter_map(|(k, v)| Some((k.clone(), v.to_value().ok()?)));
        let address = run.next_address(&format!("{}.{}", self.path, self.name()));
        let node = run.open_node(Node::new(
            Kind::Module,
            self.name(),
            address,
            data.collect::<Record>(),
        ));
        run.note_inputs(node, inputs.iter().map(|(name, value)| (&**name, value)));
        let result = self.answer(cx, &args).map(|it| it.passed_on(node));
        run.close_node(node, |it| {
            it.error = result.as_ref().err().map(ToString::to_string);
            it.outputs = result.as_ref().ok().and_then(|reply| reply.record().ok());
        });
        result.map(Val::object)
    }

    fn method(&self, cx: &Cx<'_>, name: &str, args: Args) -> Option<Result<Val, Error>> {
        program::method(cx, &Val::object(self.clone()), name, args)
    }

    fn show(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(Val::show).collect();
        format!("{}({})", self.name(), parts.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
