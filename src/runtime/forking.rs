//! Forks in scripts: `trace(reply).fork(at: …, reply: …)`.
//!
//! A script cannot be run again from inside itself, so what is run again is the outermost call
//! whose reply it is, with the arguments that it had. It runs as a branch of the run, under the
//! same budget and in the same trace; the trace of the first time answers what is asked word by
//! word as then.

use crate::lm::{Address, Completion, Message, Prompt};
use crate::runtime::course::Place;
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::lm_value::LmValue;
use crate::runtime::natives::reply_text;
use crate::runtime::parallel::placed;
use crate::runtime::replay::{Fork, Replay, Standing};
use crate::runtime::reply::Reply;
use crate::runtime::run::Run;
use crate::runtime::tape::{Asked, Change, NewLm, NewPrompt, Recorded, Tape, Unrecorded};
use crate::runtime::trace_value::TraceValue;
use crate::runtime::value::{ObjectRef, Val};
use crate::schema::Record;
use crate::trace::{Kind, Node, NodeId, Trace};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deeply forks may stand in forks.
const DEPTH: usize = 8;

/// The outermost call that a reply is of: enough to make it again.
#[derive(Debug)]
pub(in crate::runtime) struct Origin {
    callee: ObjectRef,
    /// The method that was called, where it was one.
    method: Option<Arc<str>>,
    args: Args,
    /// Where its calls are counted: the step from one to the next, and the branch.
    stride: usize,
    branch: String,
    /// What was changed in it already.
    changed: Vec<Standing>,
}

/// Makes a call of an object, and has its reply remember it where it is an outermost one.
pub(in crate::runtime) fn remembered(
    cx: &Cx<'_>,
    callee: &ObjectRef,
    method: Option<&str>,
    args: Args,
    call: impl FnOnce(Args) -> Result<Val, Error>,
) -> Result<Val, Error> {
    // A fork knows by itself what it is of.
    let is_fork = callee.as_any().is::<TraceValue>();
    let before = cx.run().end_where_outermost().filter(|_| !is_fork);
    let (run, Some(before)) = (cx.run(), before) else { return call(args) };
    let kept = forgetful_args(&args);
    let value = call(args)?;
    let Some(reply) = value.downcast::<Reply>() else { return Ok(value) };
    // What was there before is not of this call.
    if reply.course().is_none_or(|it| it < before) {
        return Ok(value);
    }
    let origin = Origin {
        callee: callee.clone(),
        method: method.map(Arc::from),
        args: kept,
        stride: run.stride(),
        branch: run.branch_name(),
        changed: Vec::new(),
    };
    Ok(Val::object(reply.clone().made_by(Arc::new(origin))))
}

/// The arguments, whose replies do not remember their calls: else each reply held all before it.
fn forgetful_args(args: &Args) -> Args {
    let named = args.named.iter().map(|(name, it)| (name.clone(), forgetful(it)));
    Args { positional: args.positional.iter().map(forgetful).collect(), named: named.collect() }
}

/// A value whose replies do not remember their calls.
pub(in crate::runtime) fn forgetful(value: &Val) -> Val {
    match value {
        Val::List(items) if items.iter().any(remembers) => {
            Val::List(items.iter().map(forgetful).collect())
        }
        Val::Map(entries) if entries.values().any(remembers) => {
            let entries = entries.iter().map(|(name, it)| (name.clone(), forgetful(it)));
            Val::Map(entries.collect())
        }
        Val::Object(_) => match value.downcast::<Reply>().filter(|it| it.made().is_some()) {
            Some(reply) => Val::object(reply.clone().forgetful()),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

fn remembers(value: &Val) -> bool {
    match value {
        Val::List(items) => items.iter().any(remembers),
        Val::Map(entries) => entries.values().any(remembers),
        Val::Object(_) => value.downcast::<Reply>().is_some_and(|it| it.made().is_some()),
        _ => false,
    }
}

impl Origin {
    /// The step from one call to the next.
    pub(in crate::runtime) fn stride(&self) -> usize {
        self.stride
    }

    /// The trace of the call, with its calls counted from the first and in no branch.
    fn alone(&self, trace: &Trace) -> Trace {
        let mut trace = trace.clone();
        let mut first: BTreeMap<(String, String), usize> = BTreeMap::new();
        let of = |it: &Address| (it.path.clone(), it.branch.clone());
        for node in &trace.nodes {
            let known = first.entry(of(&node.address)).or_insert(usize::MAX);
            *known = (*known).min(node.address.ordinal);
        }
        for node in &mut trace.nodes {
            let Address { path, ordinal, branch, .. } = &node.address;
            let ordinal = (ordinal - first[&of(&node.address)]) / self.stride.max(1);
            let branch = without_prefix(branch, &self.branch).to_owned();
            node.address = Address { path: path.clone(), example: None, ordinal, branch };
        }
        trace
    }

    fn call(&self, cx: &Cx<'_>) -> Result<Val, Error> {
        let args = self.args.clone();
        match &self.method {
            None => self.callee.call(cx, args),
            Some(name) => self.callee.method(cx, name, args).unwrap_or_else(|| {
                Err(Error::value(format!("there is no method `{name}` any more")))
            }),
        }
    }

    /// Makes the call again with one call of a model changed.
    fn again(
        &self,
        cx: &Cx<'_>,
        trace: &Trace,
        fork: Fork,
        said: Record,
    ) -> Result<Val, Error> {
        let run = cx.run();
        if run.n_forks() >= DEPTH {
            let message = "forks are nested too deeply";
            return Err(Failure::new(codes::LIMIT, "value", message).into());
        }
        let address = run.next_address("fork");
        let name = format!("fork{}", address.ordinal);
        let node = run.open_node(Node::new(Kind::Module, "fork", address, said));
        let point = run.fork();
        let alone = self.alone(trace);
        let standing = self.changed.iter().rev().filter_map(|it| it.in_trace(&alone));
        let branch = run.again(&point, Place::Again(name.into()), |branch| {
            let own = Replay::forked(Arc::new(placed_in(&alone, branch)), fork.clone(), |_| {});
            let outer = run.env().tape.clone();
            Arc::new(Spliced { outer, own: own.with(standing.collect()) })
        });
        let result = run.script().with_context(&branch, |cx| self.call(cx));
        let end = run.join(&branch);
        run.join_consts();
        let result = result.map(|it| placed(&it, point.base(), end));
        let result =
            result.map_err(|it| it.note(format!("in branch `{}`", branch.branch_name())));
        run.close_node(node, |it| {
            let reply = result.as_ref().ok().and_then(|it| it.downcast::<Reply>());
            it.error = result.as_ref().err().map(ToString::to_string);
            it.outputs = reply.and_then(|it| it.record().ok());
        });
        let value = result?;
        let Some(reply) = value.downcast::<Reply>() else { return Ok(value) };
        let changed = self.changed.iter().cloned().chain(fork.standing(&alone));
        let origin = Self {
            callee: self.callee.clone(),
            method: self.method.clone(),
            args: self.args.clone(),
            stride: branch.stride(),
            branch: branch.branch_name(),
            changed: changed.collect(),
        };
        Ok(Val::object(reply.clone().made_by(Arc::new(origin))))
    }
}

/// A trace whose calls are counted from the first as that of a run that begins.
fn placed_in(trace: &Trace, run: &Run) -> Trace {
    let mut trace = trace.clone();
    for node in &mut trace.nodes {
        let Address { path, ordinal, branch, .. } = &node.address;
        node.address = Address {
            path: path.clone(),
            example: run.example(),
            ordinal: run.ordinal(path, *ordinal),
            branch: joined(&run.branch_name(), branch),
        };
    }
    trace
}

/// The rest of a branch's name behind that of the branch around it.
pub(in crate::runtime) fn without_prefix<'a>(branch: &'a str, prefix: &str) -> &'a str {
    let rest = branch.strip_prefix(prefix).unwrap_or(branch);
    rest.strip_prefix('.').unwrap_or(rest)
}

fn joined(outer: &str, inner: &str) -> String {
    match (outer, inner) {
        ("", it) | (it, "") => it.to_owned(),
        (outer, inner) => format!("{outer}.{inner}"),
    }
}

/// `trace.fork(at: …, reply: …, lm: …, instructions: …, prompt: …)`; `at` names a node, or is one
/// that `node_of` finds.
pub(in crate::runtime) fn fork(
    cx: &Cx<'_>,
    (trace, origin): (&Arc<Trace>, Option<&Arc<Origin>>),
    node_of: impl FnOnce(&Val) -> Option<Result<NodeId, Error>>,
    mut args: Args,
) -> Result<Val, Error> {
    let at = args.take(0, "at").unwrap_or_default();
    let reply = args.option("reply").map(|it| reply_text(&it)).transpose()?;
    let lm = args.option("lm");
    let instructions = args.text("instructions")?;
    let prompt = args.option("prompt");
    args.finish("fork", 1, &["at", "reply", "lm", "instructions", "prompt"])?;
    let mut said = said(&[("reply", reply.clone()), ("instructions", instructions.clone())]);
    let lm = lm.map(|it| other_lm(cx, &it)).transpose()?;
    if let Some((_, name)) = &lm {
        said.insert("lm".into(), name.as_str().into());
    }
    let prompt = prompt.map(|it| new_prompt(&it)).transpose()?;
    if let Some((_, text)) = &prompt {
        said.insert("prompt".into(), text.as_str().into());
    }
    let Some(origin) = origin else {
        return Err(Error::value("nothing can be run again to fork this trace").hint(
            "fork that of one reply, which a call outside of modules gave: \
             `trace(reply).fork(at: 1, reply: \"…\")`",
        ));
    };
    let id = node_of(&at).unwrap_or_else(|| found(trace, &at))?;
    if said.is_empty() {
        return Err(Error::value("`fork` is told nothing to change")
            .hint("say `reply:`, `lm:`, `instructions:` or `prompt:`"));
    }
    let change = Change { lm: lm.map(|it| it.0), instructions, prompt: prompt.map(|it| it.0) };
    let fork = Fork::of(trace, id, change, reply).map_err(|it| {
        let hint = it.hint("at: ", "reply:");
        Error::value(it.message).hint(hint)
    })?;
    let node = trace.node(id);
    let label = format!("#{} {}", id.0, node.address.path);
    said.shift_insert(0, "at".into(), label.as_str().into());
    origin.again(cx, trace, fork, said)
}

fn said(parts: &[(&str, Option<String>)]) -> Record {
    let parts = parts.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?)));
    parts.map(|(name, it)| (Arc::from(name), it.into())).collect()
}

fn found(trace: &Trace, at: &Val) -> Result<NodeId, Error> {
    let name = match at {
        Val::Int(it) => it.to_string(),
        Val::Str(it) => it.as_str().to_owned(),
        other => return Err(wrong("at", "a node, its number or its path", other)),
    };
    crate::trace::find(trace, &name).map_err(Error::value)
}

fn other_lm(cx: &Cx<'_>, value: &Val) -> Result<(NewLm, String), Error> {
    let lm = LmValue::from_val(cx, value)?;
    let name = lm.lm.name().to_owned();
    Ok((NewLm::Value(Box::new(lm)), name))
}

/// The text of the last message, or a list of `#{ role, text }` in place of all.
fn new_prompt(value: &Val) -> Result<(NewPrompt, String), Error> {
    let refused = || wrong("prompt", "a str, or a list of `#{ role, text }`", value);
    match value {
        Val::Str(text) => {
            let text = text.as_str().to_owned();
            Ok((NewPrompt::Last(text.clone()), text))
        }
        Val::List(_) => {
            let json = value.to_value()?.to_json();
            let messages: Vec<Message> = serde_json::from_str(&json).map_err(|_| refused())?;
            Ok((NewPrompt::Whole(Prompt::Chat(messages)), json))
        }
        _ => Err(refused()),
    }
}

/// The tape of a fork, behind the one that stands between the run and its models already.
#[derive(Debug)]
struct Spliced {
    outer: Option<Arc<dyn Tape>>,
    own: Replay,
}

impl Spliced {
    /// The tape of the run, where it is meant for this model.
    fn outer(&self, asked: Asked<'_>) -> Option<&Arc<dyn Tape>> {
        let outer = self.outer.as_ref()?;
        (!asked.is_scripted || outer.heeds_scripts()).then_some(outer)
    }
}

impl Tape for Spliced {
    fn find(&self, asked: Asked<'_>) -> Result<Option<Recorded>, Unrecorded> {
        // It has to know how far the branch is, whoever answers.
        let own = self.own.find(asked)?;
        let Some(outer) = self.outer(asked) else { return Ok(own) };
        if let Some(known) = outer.find(asked)? {
            return Ok(Some(known));
        }
        if let Some(Recorded::Reply(completion) | Recorded::Again(completion, _)) = &own {
            outer.note(asked, completion);
        }
        Ok(own)
    }

    fn note(&self, asked: Asked<'_>, completion: &Completion) {
        if let Some(outer) = self.outer(asked) {
            outer.note(asked, completion);
        }
    }

    fn missed(&self) -> Option<Unrecorded> {
        self.outer.as_ref()?.missed()
    }

    fn heeds_scripts(&self) -> bool {
        true
    }

    fn leaves_vectors(&self) -> bool {
        self.outer.as_ref().is_none_or(|it| it.leaves_vectors())
    }

    fn change(&self, address: &Address) -> Option<Change> {
        let own = self.own.change(address);
        let outer = self.outer.as_ref().and_then(|it| it.change(address));
        outer.or(own)
    }
}
