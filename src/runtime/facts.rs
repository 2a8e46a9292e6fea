//! What a reply knows besides its fields: what the model thought, how likely its tokens were, and
//! the other replies to the same question.

use crate::adapt::Adapter;
use crate::lm::{Completion, TokenLogprob};
use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::{Error, codes};
use crate::runtime::predictor::Predictor;
use crate::runtime::record_value::typed_values;
use crate::runtime::reply::Reply;
use crate::runtime::several::reply_of;
use crate::runtime::value::Val;
use crate::schema::{Record, Signature};
use crate::trace::{Kind, LmCall, Node};
use indexmap::IndexMap;
use std::sync::Arc;

/// `reasoning(reply)`
pub(in crate::runtime) fn reasoning(_: &Cx<'_>, args: Args) -> Result<Val, Error> {
    let reply = reply_in("reasoning", args)?;
    let thought = reply.completion().and_then(|it| it.reasoning.as_deref());
    Ok(thought.map_or(Val::Null, Val::str))
}

/// `logprobs(reply)`
pub(in crate::runtime) fn logprobs(_: &Cx<'_>, args: Args) -> Result<Val, Error> {
    let reply = reply_in("logprobs", args)?;
    Ok(match tokens(&reply) {
        Some(tokens) => Val::List(tokens.iter().map(token).collect()),
        None => Val::Null,
    })
}

/// `logprob(reply)`
pub(in crate::runtime) fn logprob(_: &Cx<'_>, args: Args) -> Result<Val, Error> {
    let reply = reply_in("logprob", args)?;
    let sum = |tokens: &[TokenLogprob]| tokens.iter().map(|it| it.logprob).sum();
    Ok(tokens(&reply).map_or(Val::Null, |it| Val::Float(sum(it))))
}

fn reply_in(what: &str, mut args: Args) -> Result<Reply, Error> {
    let value = args.take(0, "reply").unwrap_or_default();
    args.finish(what, 1, &["reply"])?;
    match value.downcast::<Reply>() {
        Some(reply) => Ok(reply.clone()),
        None => Err(wrong("reply", "a reply", &value)),
    }
}

fn tokens(reply: &Reply) -> Option<&[TokenLogprob]> {
    reply.completion()?.logprobs.as_deref()
}

fn token(it: &TokenLogprob) -> Val {
    let one = |token: &str, logprob: f64| {
        IndexMap::from([
            (Arc::from("token"), Val::str(token)),
            (Arc::from("logprob"), Val::Float(logprob)),
        ])
    };
    let top = it.top.iter().map(|(token, logprob)| Val::Map(one(token, *logprob))).collect();
    let mut entries = one(&it.token, it.logprob);
    entries.insert(Arc::from("top"), Val::List(top));
    Val::Map(entries)
}

/// The reply with what its call told besides.
pub(in crate::runtime) fn told(
    reply: Reply,
    call: &LmCall,
    adapter: &Adapter,
    wanted: &Signature,
) -> Reply {
    let Some(completion) = call.attempts.last().and_then(|it| it.completion.as_ref()) else {
        return reply;
    };
    let reply = if completion.reasoning.is_some() || completion.logprobs.is_some() {
        reply.with_completion(completion.clone())
    } else {
        reply
    };
    if completion.others.is_empty() { reply } else { among(reply, completion, adapter, wanted) }
}

/// The reply as the first of several that came at once; those that cannot be read are left out.
fn among(reply: Reply, of: &Completion, adapter: &Adapter, wanted: &Signature) -> Reply {
    let mut all = vec![Val::object(reply.clone())];
    let mut unread = Vec::new();
    for other in &of.others {
        match adapter.parse(wanted, &other.text) {
            Ok(parsed) => {
                let fields = typed_values(&parsed.values, &wanted.outputs, &wanted.types);
                let warnings = parsed.liberties.iter().map(ToString::to_string).collect();
                let node = reply.clone().with_fields(fields).with_warnings(warnings);
                let other = node.without_completion();
                all.push(Val::object(other));
            }
            Err(error) => unread.push(error.to_string()),
        }
    }
    reply.chosen_from(all).noting(left_out(1 + of.others.len(), &unread))
}

fn left_out(n: usize, unread: &[String]) -> Option<String> {
    let first = unread.first()?;
    let count = unread.len();
    Some(format!("{count} of {n} replies cannot be read and are left out: {first}"))
}

impl Predictor {
    /// `n` replies of a model that gives one at a time: the first is the usual one, each other
    /// a fresh sample, of which those that cannot be read are left out.
    pub(in crate::runtime) fn predict_each(
        &self,
        cx: &Cx<'_>,
        args: &Args,
        n: u32,
    ) -> Result<Val, Error> {
        let run = cx.run();
        let inputs = self.inputs(args.clone())?;
        let data = inputs.iter().filter_map(|(k, v)| Some((k.clone(), v.to_value().ok()?)));
        let data: Record = data.collect();
        let address = run.next_address(&format!("{}.n", self.path()));
        let node = run.open_node(Node::new(Kind::Module, "n", address, data));
        run.note_inputs(node, inputs.iter().map(|(name, value)| (&**name, value)));
        let result = self.each(cx, args, n).map(|it| it.passed_on(node));
        run.close_node(node, |it| {
            it.error = result.as_ref().err().map(ToString::to_string);
            it.outputs = result.as_ref().ok().and_then(|reply| reply.record().ok());
        });
        result.map(Val::object)
    }

    fn each(&self, cx: &Cx<'_>, args: &Args, n: u32) -> Result<Reply, Error> {
        let first = self.one_of(n, 0).predict(cx, args.clone(), None)?;
        let mut all = vec![first.clone()];
        let mut unread = Vec::new();
        for at in 1..n {
            match self.one_of(n, at).predict(cx, args.clone(), None) {
                Ok(reply) => all.push(reply),
                Err(error) if error.failure().is_some_and(|it| it.code == codes::PARSE) => {
                    unread.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(reply_of(&first, all)?.noting(left_out(n as usize, &unread)))
    }
}
