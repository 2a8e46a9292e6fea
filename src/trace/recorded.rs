//! The exchanges of a trace by their places, to answer a run that is made again.

use super::{Attempt, Kind, NodeId, Trace};
use crate::lm::{Address, Request};
use crate::util::sha256_hex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The exchanges of a trace with models, in its order. Those that an attempt of the program took
/// from the one before are not among them, for it would take them again; nor are vectors, which
/// traces do not hold.
#[derive(Debug)]
pub struct Exchanges {
    trace: Arc<Trace>,
    all: Vec<Exchange>,
    at: BTreeMap<Address, Vec<usize>>,
    asking: BTreeMap<String, Vec<usize>>,
}

/// A request of a trace.
#[derive(Debug)]
pub struct Exchange {
    /// The node of the call.
    pub node: NodeId,
    /// Which of its attempts it is.
    attempt: usize,
    /// The hash of the model and the request.
    pub question: String,
}

impl Exchanges {
    /// Those of a trace.
    pub fn of(trace: Arc<Trace>) -> Self {
        let mut all = Vec::new();
        let mut at: BTreeMap<Address, Vec<usize>> = BTreeMap::new();
        let mut asking: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let calls = trace.iter().filter(|(_, it)| it.kind == Kind::Lm);
        for (node, it) in calls {
            let Some(call) = &it.call else { continue };
            let asked = call.attempts.iter().enumerate().filter(|(_, it)| !it.replayed);
            for (attempt, asked) in asked {
                let model = asked.model.as_deref().unwrap_or(&call.model);
                let question = question(model, &asked.request);
                at.entry(it.address.clone()).or_default().push(all.len());
                asking.entry(question.clone()).or_default().push(all.len());
                all.push(Exchange { node, attempt, question });
            }
        }
        Self { trace, all, at, asking }
    }

    /// The trace.
    pub fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    /// All of them.
    pub fn all(&self) -> &[Exchange] {
        &self.all
    }

    /// What was asked, and what came of it.
    pub fn attempt(&self, number: usize) -> &Attempt {
        let Exchange { node, attempt, .. } = &self.all[number];
        let call = self.trace.node(*node).call.as_ref();
        &call.expect("only calls have exchanges").attempts[*attempt]
    }

    /// The model that was asked.
    pub fn model(&self, number: usize) -> &str {
        let call = self.trace.node(self.all[number].node).call.as_ref();
        let call = call.expect("only calls have exchanges");
        self.attempt(number).model.as_deref().unwrap_or(&call.model)
    }

    /// The numbers of those of a call.
    pub fn at(&self, address: &Address) -> &[usize] {
        self.at.get(address).map_or(&[], Vec::as_slice)
    }

    /// The numbers of those that ask the same of the same model, wherever they stand.
    pub fn asking(&self, question: &str) -> &[usize] {
        self.asking.get(question).map_or(&[], Vec::as_slice)
    }
}

/// The hash of a model's name and a request to it.
pub fn question(model: &str, request: &Request) -> String {
    let request = serde_json::to_string(request).expect("requests have string keys");
    sha256_hex(format!("{model}\n{request}").as_bytes())
}
