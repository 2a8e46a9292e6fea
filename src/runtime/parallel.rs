//! `parallel_map` and `parallel`: calls that go on at once.
//!
//! Each call is a branch of the run, on a thread and an engine of its own. Nothing that can be
//! seen depends on time: results, prints, traces and the numbers of calls come in the order of
//! the elements, and the error that is raised is that of the first element that has one. What a
//! closure captured is copied for each call, so that no call sees what another assigns.

use crate::runtime::course::{Fork, Place, moved};
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::exchange::stopped;
use crate::runtime::instance::Instance;
use crate::runtime::pool::{Workers, ordered_map};
use crate::runtime::predictor::Predictor;
use crate::runtime::reply::Reply;
use crate::runtime::rhai_host::{range, unshared};
use crate::runtime::run::Run;
use crate::runtime::value::Val;
use crate::trace::NodeId;
use indexmap::IndexMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many calls go on at once where nobody says it.
const THREADS: usize = 8;
/// The most threads that the parallel calls of a command have together. Each call has one at
/// least, so that calls inside calls come to their end.
const ALL_THREADS: usize = 256;
/// How deeply parallel calls may stand inside one another.
const DEPTH: usize = 8;
/// The most elements: their results are a list.
const ELEMENTS: usize = 1 << 20;

/// `parallel_map(items, f, threads: n)`
pub(in crate::runtime) fn parallel_map(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let threads = threads(&mut args)?;
    let items = args.take(0, "items").unwrap_or_default();
    let f = args.take(1, "f").unwrap_or_default();
    args.finish("parallel_map", 2, &["items", "f", "threads"])?;
    let items = elements(items)?;
    let of = items.len();
    let place = |at| Place::Element { at, of };
    let branches = Branches { what: "parallel_map", threads, of, place: &place };
    let results =
        branches.run(cx, |cx, at| cx.call(&unshared(&f), arguments(&f, &items[at])))?;
    Ok(Val::List(results))
}

/// `parallel([…], threads: n)`, or a map of closures.
pub(in crate::runtime) fn parallel(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let threads = threads(&mut args)?;
    let calls = args.take(0, "calls").unwrap_or_default();
    args.finish("parallel", 1, &["calls", "threads"])?;
    let (names, calls): (Option<Vec<Arc<str>>>, Vec<Val>) = match calls {
        Val::List(calls) => (None, calls),
        Val::Map(calls) => {
            let (names, calls) = calls.into_iter().unzip();
            (Some(names), calls)
        }
        other => return Err(wrong("calls", "a list or a map of closures", &other)),
    };
    let name =
        |at: usize| names.as_ref().map_or_else(|| at.to_string().into(), |it| it[at].clone());
    let place = |at| Place::Named(name(at));
    let branches = Branches { what: "parallel", threads, of: calls.len(), place: &place };
    let results = branches.run(cx, |cx, at| cx.call(&unshared(&calls[at]), Args::default()))?;
    Ok(match names {
        None => Val::List(results),
        Some(names) => Val::Map(names.into_iter().zip(results).collect()),
    })
}

fn threads(args: &mut Args) -> Result<Option<usize>, Error> {
    match args.count("threads")? {
        Some(0) => Err(wrong("threads", "a count above 0", &Val::Int(0))),
        threads => Ok(threads),
    }
}

/// The elements of a list, a data set, a range.
fn elements(items: Val) -> Result<Vec<Val>, Error> {
    let many = |n: usize| {
        let message = format!("{n} elements are too many for `parallel_map`");
        Error::value(message).hint(format!("at most {ELEMENTS}; take them part by part"))
    };
    let n_items = match (&items, range(&items)) {
        (Val::List(items), _) => Some(items.len()),
        (Val::Object(object), _) => object.n_items(),
        (_, Some(range)) => {
            Some(usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0))
        }
        _ => None,
    };
    let Some(n_items) = n_items else {
        return Err(wrong("items", "a list, a data set or a range", &items));
    };
    if n_items > ELEMENTS {
        return Err(many(n_items));
    }
    Ok(match (range(&items), items) {
        (Some(range), _) => range.map(Val::Int).collect(),
        (None, Val::List(items)) => items,
        (None, Val::Object(object)) => {
            let item = |at| object.item(at).unwrap_or(Ok(Val::Null));
            (0..n_items).map(item).collect::<Result<_, _>>()?
        }
        (None, _) => Vec::new(),
    })
}

/// What a call is given: a predictor or module takes the fields of a map by their names.
fn arguments(f: &Val, item: &Val) -> Args {
    let item = unshared(item);
    let is_program = f.downcast::<Predictor>().is_some() || f.downcast::<Instance>().is_some();
    match item {
        Val::Map(named) if is_program => Args { positional: Vec::new(), named },
        item => Args::positional(vec![item]),
    }
}

/// What one call came to: its branch and result; nothing where an earlier one had failed.
type Ended = Option<(Arc<Run>, Result<Val, Error>)>;

/// Calls that go on at once.
struct Branches<'a> {
    what: &'static str,
    threads: Option<usize>,
    of: usize,
    place: &'a (dyn Fn(usize) -> Place + Sync),
}

impl Branches<'_> {
    /// Makes all calls, and returns their values in order.
    fn run(
        &self,
        cx: &Cx<'_>,
        call: impl Fn(&Cx<'_>, usize) -> Result<Val, Error> + Sync,
    ) -> Result<Vec<Val>, Error> {
        let run = cx.run();
        if self.of == 0 {
            return Ok(Vec::new());
        }
        if run.depth() >= DEPTH {
            let message = format!("`{}` is nested too deeply", self.what);
            return Err(Failure::new(codes::LIMIT, "value", message).into());
        }
        let fork = run.fork();
        let failed = AtomicUsize::new(usize::MAX);
        let one = |at: &usize| -> Ended {
            if *at > failed.load(Ordering::SeqCst) {
                return None;
            }
            let branch = run.branch(&fork, (self.place)(*at));
            let result = run.script().with_context(&branch, |cx| call(cx, *at));
            // Where an attempt is made again, all that goes on at once comes to its end: what is
            // asked again does not depend on who was first.
            if result.as_ref().is_err_and(|it| !it.is_sent_back()) {
                failed.fetch_min(*at, Ordering::SeqCst);
            }
            Some((branch, result))
        };
        let taken = Threads::take(run, self.wanted(run));
        let places: Vec<usize> = (0..self.of).collect();
        let mut joined = Joined { run, fork: &fork, ends: Vec::new(), open: true };
        let cancel = &run.session().cancel;
        let workers = Workers::Threads(taken.n);
        let ended = ordered_map(&places, workers, cancel, one, |_, it| joined.take(it));
        let ends = joined.ends;
        drop(taken);
        run.join_consts();
        self.values(run, &fork, ended, &ends)
    }

    fn wanted(&self, run: &Run) -> usize {
        self.threads.or(run.session().settings.threads).unwrap_or(THREADS).min(self.of)
    }

    /// The values of all calls, or the error of the first that has one.
    fn values(
        &self,
        run: &Run,
        fork: &Fork,
        ended: Vec<Option<Result<Ended, String>>>,
        ends: &[usize],
    ) -> Result<Vec<Val>, Error> {
        let mut values = Vec::with_capacity(ended.len());
        for (at, ended) in ended.into_iter().enumerate() {
            match ended {
                Some(Ok(Some((_, Ok(value))))) => {
                    let end = ends.get(at).copied().unwrap_or(fork.base);
                    values.push(placed(&value, fork.base, end));
                }
                Some(Ok(Some((_, Err(error))))) => return Err(error.in_element(self.what, at)),
                Some(Err(panic)) => {
                    return Err(Error::value(format!("an internal error: {panic}"))
                        .hint("this is a defect of dsp, please report it")
                        .fatal());
                }
                Some(Ok(None)) | None => {
                    return Err(stopped(run.session().cancel.is_cancelled()));
                }
            }
        }
        Ok(values)
    }
}

/// What branches wrote down, taken over in their order up to the first that failed.
struct Joined<'a> {
    run: &'a Run,
    fork: &'a Fork,
    /// The first id of each branch now.
    ends: Vec<usize>,
    open: bool,
}

impl Joined<'_> {
    fn take(&mut self, ended: &Result<Ended, String>) {
        if !self.open {
            return;
        }
        match ended {
            Ok(Some((branch, result))) => {
                self.ends.push(self.run.join(branch));
                self.open = result.as_ref().map_or_else(Error::is_sent_back, |_| true);
            }
            Ok(None) | Err(_) => {
                self.ends.push(self.fork.base);
                self.open = false;
            }
        }
    }
}

/// Threads under way, given back when it is dropped.
struct Threads<'a> {
    all: &'a AtomicUsize,
    n: usize,
}

impl<'a> Threads<'a> {
    fn take(run: &'a Run, wanted: usize) -> Self {
        let all = &*run.session().threads;
        let room = ALL_THREADS.saturating_sub(all.load(Ordering::SeqCst));
        let n = wanted.min(room).max(1);
        all.fetch_add(n, Ordering::SeqCst);
        Self { all, n }
    }
}

impl Drop for Threads<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.n, Ordering::SeqCst);
    }
}

/// A value of a branch with its replies at the places that their nodes have now.
pub(in crate::runtime) fn placed(value: &Val, base: usize, end: usize) -> Val {
    map_replies(value, &|reply| reply.moved(&|id: NodeId| Some(moved(id, base, end))))
}

/// A value without the places of its replies, which are of a trace that is gone.
pub(in crate::runtime) fn unplaced(value: &Val) -> Val {
    map_replies(value, &|reply| reply.moved(&|_| None))
}

fn map_replies(value: &Val, change: &dyn Fn(&Reply) -> Reply) -> Val {
    match value {
        Val::List(items) => Val::List(items.iter().map(|it| map_replies(it, change)).collect()),
        Val::Map(entries) => {
            let entries = entries.iter();
            let entries: IndexMap<_, _> =
                entries.map(|(name, it)| (name.clone(), map_replies(it, change))).collect();
            Val::Map(entries)
        }
        Val::Object(_) => match value.downcast::<Reply>() {
            Some(reply) => {
                let fields = reply.fields().iter();
                let fields = fields.map(|(name, it)| (name.clone(), map_replies(it, change)));
                Val::object(change(reply).with_fields(fields.collect()))
            }
            None => value.clone(),
        },
        _ => value.clone(),
    }
}
