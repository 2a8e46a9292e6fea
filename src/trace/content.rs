//! Traces without what was said: which calls there were, what they took and cost, and no more.

use super::{Attempt, Liberty, LmCall, Node, Trace, absent_completion};
use crate::lm::{Completion, Prompt, Request};
use crate::schema::{Record, Value};
use std::sync::Arc;

/// What stands in place of content that was left out.
pub const LEFT_OUT: &str = "(left out)";

impl Trace {
    /// The trace without content: no inputs and outputs, prompts, replies and reasons. Names,
    /// places, hashes, times, tokens and costs stay.
    #[must_use]
    pub fn without_content(&self) -> Self {
        let nodes = self.nodes.iter().map(Node::without_content).collect();
        Self { nodes, edges: self.edges.clone() }
    }
}

impl Node {
    /// The node without content.
    #[must_use]
    pub fn without_content(&self) -> Self {
        without(self)
    }
}

fn without(node: &Node) -> Node {
    let left_out = || LEFT_OUT.to_owned();
    let call = node.call.as_ref().map(|call| {
        let attempts = call.attempts.iter().map(attempt).collect();
        Arc::new(LmCall { attempts, ..LmCall::clone(call) })
    });
    Node {
        inputs: names(&node.inputs),
        outputs: node.outputs.as_ref().map(names),
        error: node.error.as_ref().map(|_| left_out()),
        call,
        ..node.clone()
    }
}

fn names(record: &Record) -> Record {
    record.keys().map(|name| (name.clone(), Value::from(LEFT_OUT))).collect()
}

fn attempt(it: &Attempt) -> Attempt {
    let request = Request {
        prompt: Prompt::Text(LEFT_OUT.to_owned()),
        sampling: it.request.sampling.clone(),
        rollout: it.request.rollout,
        n: it.request.n,
        ..Request::new(Prompt::Text(String::new()))
    };
    // Texts that end a reply may be the user's own.
    let request = Request {
        sampling: crate::lm::Sampling { stop: Vec::new(), ..request.sampling },
        ..request
    };
    Attempt {
        request: Arc::new(request),
        parts: Arc::default(),
        completion: it.completion.as_ref().map(|it| Arc::new(facts(it))),
        liberties: it.liberties.iter().map(Liberty::without_content).collect(),
        error: it.error.as_ref().map(|_| LEFT_OUT.to_owned()),
        ..it.clone()
    }
}

/// A reply without what it says.
fn facts(reply: &Completion) -> Completion {
    Completion {
        finish: reply.finish,
        usage: reply.usage,
        model: reply.model.clone(),
        attempts: reply.attempts,
        ..absent_completion(LEFT_OUT.to_owned())
    }
}
