//! The natives that belong to running programs: predictors, models, printing, traces, scores.

use crate::config::Api;
use crate::lm::{Effort, LmOptions, Scripted};
use crate::runtime::adapter_value::{adapter, two_step};
use crate::runtime::cx::{Args, Cx, Native, number, wrong};
use crate::runtime::embeddings::embed;
use crate::runtime::error::Error;
use crate::runtime::exchange::stopped;
use crate::runtime::facts;
use crate::runtime::history::history;
use crate::runtime::lm_value::{LmValue, listed};
use crate::runtime::media;
use crate::runtime::parallel::{parallel, parallel_map};
use crate::runtime::predictor::{Predictor, options};
use crate::runtime::reply::Reply;
use crate::runtime::several::{best_of, ensemble, majority, refine};
use crate::runtime::signature_value::SignatureValue;
use crate::runtime::trace_value::TraceValue;
use crate::runtime::value::{Object, Val};
use crate::trace::{Kind, Totals};
use indexmap::IndexMap;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A native and its name.
pub type Bound = (&'static str, Arc<dyn Native>);

/// The natives of this floor.
pub fn natives() -> Vec<Bound> {
    fn bound(name: &'static str, call: fn(&Cx<'_>, Args) -> Result<Val, Error>) -> Bound {
        (name, Arc::new(call))
    }
    let mut all = crate::runtime::lists::natives();
    all.extend([
        bound("predict", predict),
        bound("chain_of_thought", chain_of_thought),
        bound("adapter", adapter),
        bound("two_step", two_step),
        bound("lm", lm),
        bound("scripted", scripted),
        bound("best_of", best_of),
        bound("refine", refine),
        bound("majority", majority),
        bound("ensemble", ensemble),
        bound("completions", completions),
        bound("complete", complete),
        bound("embed", embed),
        bound("history", history),
        bound("image", media::image),
        bound("audio", media::audio),
        bound("file", media::file),
        bound("parallel_map", parallel_map),
        bound("parallel", parallel),
        bound("print", print),
        bound("debug", debug),
        bound("sleep", sleep),
        bound("trace", trace),
        bound("cost", cost),
        bound("warnings", warnings),
        bound("reasoning", facts::reasoning),
        bound("logprobs", facts::logprobs),
        bound("logprob", facts::logprob),
    ]);
    all
}

const PREDICTOR_OPTIONS: &[&str] = &[
    "signature",
    "lm",
    "adapter",
    "temperature",
    "max_tokens",
    "cache",
    "retries",
    "n",
    "logprobs",
];

fn predict(cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
    let (signature, overrides) = predictor_args(cx, "predict", args)?;
    Ok(told(cx, Predictor::new(signature, overrides)))
}

fn chain_of_thought(cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
    let (signature, overrides) = predictor_args(cx, "chain_of_thought", args)?;
    Ok(told(cx, Predictor::chain_of_thought(&signature, overrides)))
}

/// A predictor whose template leaves something out is made with a warning.
fn told(cx: &Cx<'_>, predictor: Predictor) -> Val {
    predictor.warn_of_gaps(cx.run());
    Val::object(predictor)
}

fn predictor_args(
    cx: &Cx<'_>,
    what: &str,
    mut args: Args,
) -> Result<(SignatureValue, crate::runtime::program::Overrides), Error> {
    let overrides = options(cx, &mut args)?;
    let signature = args.take(0, "signature").unwrap_or_default();
    args.finish(what, 1, PREDICTOR_OPTIONS)?;
    Ok((SignatureValue::from_val(cx, &signature)?, overrides))
}

fn lm(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let seconds = |args: &mut Args, name: &str| -> Result<Option<Duration>, Error> {
        let seconds = args.number(name)?;
        let duration = seconds.map(Duration::try_from_secs_f64).transpose();
        duration.map_err(|_| Error::value(format!("`{name}` wants seconds, above 0")))
    };
    let options = LmOptions {
        temperature: args.number("temperature")?,
        top_p: args.number("top_p")?,
        max_tokens: args.count("max_tokens")?.and_then(|it| u32::try_from(it).ok()),
        seed: args.count("seed")?.map(|it| it as u64),
        effort: effort(&mut args)?,
        stop: None,
        api: api(&mut args)?,
        api_base: args.text("api_base")?,
        key_env: args.text("key_env")?,
        timeout: seconds(&mut args, "timeout")?,
        connect_timeout: seconds(&mut args, "connect_timeout")?,
        first_token: seconds(&mut args, "first_token")?,
        rate: args.number("rate")?,
        retries: args.count("retries")?.and_then(|it| u32::try_from(it).ok()),
    };
    let hedge = seconds(&mut args, "hedge")?;
    let by_turns = pick(&mut args)?;
    let name = args.take(0, "name").unwrap_or_default();
    args.finish("lm", 1, &LM_OPTIONS)?;
    let open = |name: &str| (cx.run().env().open_lm)(name, &options);
    let line = match &name {
        Val::Str(names) => LmValue::line(&listed(names.as_str()), &options, open)?,
        Val::List(names) => {
            let texts: Option<Vec<&str>> = names.iter().map(Val::as_str).collect();
            let names = texts.ok_or_else(|| wrong("name", "names of models", &name))?;
            LmValue::line(&names, &options, open)?
        }
        other => return Err(wrong("name", "the name of a model, or a list of them", other)),
    };
    Ok(Val::object(LmValue { by_turns, hedge, ..line }))
}

const LM_OPTIONS: [&str; 16] = [
    "name",
    "temperature",
    "top_p",
    "max_tokens",
    "seed",
    "effort",
    "api",
    "api_base",
    "key_env",
    "timeout",
    "connect_timeout",
    "first_token",
    "rate",
    "retries",
    "hedge",
    "pick",
];

/// Whether calls begin with one model after the other.
fn pick(args: &mut Args) -> Result<bool, Error> {
    match args.text("pick")?.as_deref() {
        None | Some("first") => Ok(false),
        Some("round_robin") => Ok(true),
        Some(word) => {
            Err(Error::value(format!("`pick` is one of `first`, `round_robin`, not `{word}`")))
        }
    }
}

fn api(args: &mut Args) -> Result<Option<Api>, Error> {
    let Some(word) = args.text("api")? else { return Ok(None) };
    let known = Api::ALL.into_iter().find(|it| it.as_str() == word);
    known.map(Some).ok_or_else(|| {
        let words = Api::ALL.map(|it| format!("`{}`", it.as_str())).join(", ");
        Error::value(format!("`api` is one of {words}, not `{word}`"))
    })
}

fn effort(args: &mut Args) -> Result<Option<Effort>, Error> {
    let Some(word) = args.text("effort")? else { return Ok(None) };
    let known = Effort::ALL.into_iter().find(|it| it.as_str() == word);
    known.map(Some).ok_or_else(|| {
        let words = Effort::ALL.map(|it| format!("`{}`", it.as_str())).join(", ");
        Error::value(format!("`effort` is one of {words}, not `{word}`"))
    })
}

/// `scripted(["…"])` or `scripted(#{ "answer": ["…"] })`.
fn scripted(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let replies = args.take(0, "replies").unwrap_or_default();
    args.finish("scripted", 1, &["replies"])?;
    let lm = match &replies {
        Val::List(items) => {
            Scripted::new(items.iter().map(reply_text).collect::<Result<Vec<_>, _>>()?)
        }
        Val::Map(entries) => {
            let mut addressed = Vec::new();
            for (address, value) in entries {
                let texts = match value {
                    Val::List(items) => {
                        items.iter().map(reply_text).collect::<Result<_, _>>()?
                    }
                    other => vec![reply_text(other)?],
                };
                addressed.push((address.to_string(), texts));
            }
            Scripted::addressed(addressed)
        }
        other => return Err(wrong("replies", "a list, or a map from paths to lists", other)),
    };
    Ok(Val::object(LmValue::new(Arc::new(lm), LmOptions::default())))
}

/// A reply is text; a map is the JSON of its fields.
pub(in crate::runtime) fn reply_text(value: &Val) -> Result<String, Error> {
    match value {
        Val::Str(text) => Ok(text.as_str().to_owned()),
        other => Ok(other.to_value()?.to_json()),
    }
}

fn print(cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
    // As in the host language, nothing is shown as nothing.
    let show = |it: &Val| if it.is_null() { String::new() } else { it.show() };
    let shown: Vec<String> = args.positional.iter().map(show).collect();
    cx.run().print(&(shown.join(" ") + "\n"));
    Ok(Val::Null)
}

fn debug(cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
    let shown: Vec<String> =
        args.positional.iter().map(|it| format!("{}: {}", it.kind(), it.show())).collect();
    cx.run().env().host.eprint(&(shown.join(" ") + "\n"));
    Ok(Val::Null)
}

fn sleep(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let seconds = args.take(0, "seconds").unwrap_or_default();
    args.finish("sleep", 1, &["seconds"])?;
    pause(cx, number("seconds", &seconds)?)
}

/// Waits, unless the run is cancelled or its time is over before.
pub(in crate::runtime) fn pause(cx: &Cx<'_>, seconds: f64) -> Result<Val, Error> {
    let wanted = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::value(format!("`sleep` wants seconds, not below 0: {seconds}")))?;
    let session = cx.run().session();
    let left = session.time_left().unwrap_or(Duration::MAX);
    let ended = crate::lm::block_on(async {
        tokio::select! {
            biased;
            () = session.cancel.cancelled() => true,
            () = tokio::time::sleep(wanted.min(left)) => false,
        }
    });
    if ended || left < wanted { Err(stopped(ended)) } else { Ok(Val::Null) }
}

/// The nodes of the reply's call and what happened in its course.
fn trace_of(cx: &Cx<'_>, args: &mut Args) -> Result<TraceValue, Error> {
    let value = args.take(0, "reply").unwrap_or_default();
    if value.is_null() {
        return Ok(TraceValue::new(cx.run().trace(), None));
    }
    let Some(reply) = value.downcast::<Reply>() else {
        return Err(wrong("reply", "a reply", &value));
    };
    let trace = reply.course().map(|root| cx.run().trace_of(root)).unwrap_or_default();
    Ok(TraceValue::new(trace, reply.made().cloned()))
}

fn trace(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    Ok(Val::object(trace_of(cx, &mut args)?))
}

fn cost(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let value = args.positional.first().cloned().unwrap_or_default();
    if let Val::Object(object) = &value
        && let Some(known) = object.get("cost")
    {
        return Ok(known);
    }
    let whole = value.is_null() && !args.named.contains_key("reply");
    let (totals, shares) = if whole {
        (cx.run().session().spent(), cx.run().session().shares())
    } else {
        let trace = trace_of(cx, &mut args)?.trace;
        (trace.totals(), trace.shares())
    };
    let mut entries = spent(&totals);
    let share = |((path, model), it): (&(String, String), &Totals)| {
        let mut entries = IndexMap::from([
            (Arc::from("predictor"), Val::str(path)),
            (Arc::from("model"), Val::str(model)),
        ]);
        entries.extend(spent(it));
        Val::Map(entries)
    };
    entries.insert(Arc::from("by"), Val::List(shares.iter().map(share).collect()));
    if whole {
        let host = &cx.run().env().host;
        let seconds = |it: Duration| Val::Float((it.as_secs_f64() * 100.0).round() / 100.0);
        entries.insert(Arc::from("seconds"), seconds(host.elapsed()));
        let cpu = host.cpu_time().map_or(Val::Null, seconds);
        entries.insert(Arc::from("cpu_seconds"), cpu);
    }
    Ok(Val::Map(entries))
}

/// What calls took, as a map; what nobody told is `()`.
pub(in crate::runtime) fn spent(totals: &Totals) -> IndexMap<Arc<str>, Val> {
    let count = |it: u64| Val::Int(i64::try_from(it).unwrap_or(i64::MAX));
    let told = |it: Option<u64>| it.map_or(Val::Null, count);
    let Totals { calls, cached, prompt_tokens, completion_tokens, details, cost } = totals;
    // Of calls that told nothing there is nothing to add up.
    let is_known = details.untold == 0 || details.untold < *calls;
    let paid = (cost.unknown == 0).then(|| cost.paid.dollars());
    let usd = |it: Option<f64>| it.map_or(Val::Null, Val::Float);
    let entries = [
        ("calls", count(*calls)),
        ("cached", count(*cached)),
        ("prompt_tokens", told(is_known.then_some(*prompt_tokens))),
        ("completion_tokens", told(is_known.then_some(*completion_tokens))),
        ("cached_tokens", told(details.cached)),
        ("cache_write_tokens", told(details.cache_write)),
        ("reasoning_tokens", told(details.reasoning)),
        ("untold", count(details.untold)),
        ("usd", usd(cost.dollars())),
        ("paid_usd", usd(paid)),
    ];
    entries.into_iter().map(|(name, it)| (Arc::from(name), it)).collect()
}

fn warnings(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let value = args.take(0, "reply").unwrap_or_default();
    if value.is_null() {
        let told = cx.run().told_warnings();
        return Ok(Val::List(told.iter().map(|it| Val::str(it)).collect()));
    }
    let Some(reply) = value.downcast::<Reply>() else {
        return Err(wrong("reply", "a reply", &value));
    };
    let course = reply.course().map(|it| cx.run().trace_of(it)).unwrap_or_default();
    let abandoned = course.abandoned();
    let unmet = course.iter().filter(|(id, it)| it.kind == Kind::Suggest && !abandoned[id.0]);
    let unmet = unmet.filter_map(|(_, it)| it.error.as_deref());
    let told = reply.warnings().iter().map(String::as_str).chain(unmet);
    Ok(Val::List(told.map(Val::str).collect()))
}

fn completions(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let value = args.take(0, "reply").unwrap_or_default();
    args.finish("completions", 1, &["reply"])?;
    match value.downcast::<Reply>() {
        Some(reply) => Ok(Val::List(reply.completions())),
        None => Err(wrong("reply", "a reply", &value)),
    }
}

fn complete(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let value = args.take(0, "part").unwrap_or_default();
    args.finish("complete", 1, &["part"])?;
    match value.downcast::<Reply>() {
        Some(reply) => Ok(Val::List(reply.complete().iter().map(|it| Val::str(it)).collect())),
        None => Err(wrong("part", "a part of a stream, or a reply", &value)),
    }
}

/// A native as a value: a metric given by its name, for instance.
pub struct NativeValue {
    name: &'static str,
    native: Arc<dyn Native>,
}

impl NativeValue {
    /// Returns a native as a value.
    pub fn new(name: &'static str, native: Arc<dyn Native>) -> Self {
        Self { name, native }
    }
}

impl fmt::Debug for NativeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Object for NativeValue {
    fn type_name(&self) -> &'static str {
        "function"
    }

    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        self.native.call(cx, args)
    }

    fn show(&self) -> String {
        self.name.to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
