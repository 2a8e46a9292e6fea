//! Texts of replies that stand inside of what later calls are given, word by word.
//!
//! Where a text went through something that nobody looks into, such as a function of the host,
//! or a file, its words still tell where it came from. Only long texts do: a short one stands
//! in others by chance. Only the latest are looked for, and only in the beginning of an input,
//! so that a call costs no more for it, however long the run.

use crate::runtime::value::{Text, Val};
use crate::trace::{Edge, NodeId, Via};
use std::collections::VecDeque;
use std::sync::Arc;

/// The shortest text that is looked for, in characters, without white space around it.
const SHORTEST: usize = 24;
/// How many texts are looked for: the latest.
const LATEST: usize = 16;
/// How many texts of an input are looked at.
const INPUTS: usize = 16;
/// How far into each, in bytes.
const SEEN: usize = 16 << 10;
/// What is looked for first, in bytes: what the standard library compares at once.
const WINDOW: usize = 32;

/// The latest texts of replies.
#[derive(Debug, Clone, Default)]
pub(in crate::runtime) struct Passages(VecDeque<Passage>);

#[derive(Debug, Clone)]
struct Passage {
    text: Text,
    node: NodeId,
    output: Arc<str>,
}

impl Passages {
    /// Takes down the texts of an output.
    pub(in crate::runtime) fn note(&mut self, node: NodeId, output: &Arc<str>, value: &Val) {
        each_text(value, &mut |text| {
            if text.as_str().trim().chars().nth(SHORTEST - 1).is_some() {
                let (text, output) = (text.clone(), output.clone());
                self.push(Passage { text, node, output });
            }
            true
        });
    }

    fn push(&mut self, passage: Passage) {
        // Who says the same again is who said it last.
        self.0.retain(|it| it.text != passage.text);
        if self.0.len() == LATEST {
            self.0.pop_front();
        }
        self.0.push_back(passage);
    }

    /// Takes over those of a branch that were not there when it began.
    pub(in crate::runtime) fn join(
        &mut self,
        theirs: Self,
        moved: impl Fn(NodeId) -> NodeId,
        base: usize,
    ) {
        for passage in theirs.0.into_iter().filter(|it| it.node.0 >= base) {
            self.push(Passage { node: moved(passage.node), ..passage });
        }
    }

    /// The edges of texts that stand in an input, where nothing else is known of them.
    pub(in crate::runtime) fn edges(
        &self,
        to: NodeId,
        input: &str,
        value: &Val,
        known: &[Edge],
    ) -> Vec<Edge> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<Edge> = Vec::new();
        let mut left = INPUTS;
        each_text(value, &mut |text| {
            let text = beginning(text.as_str(), SEEN);
            for passage in self.0.iter().filter(|it| it.node != to && it.stands_in(text)) {
                let same = |it: &&Edge| {
                    let output = it.output.as_deref();
                    it.from == passage.node
                        && it.input.as_deref() == Some(input)
                        && output.is_none_or(|it| it == &*passage.output)
                };
                if known.iter().chain(&found).find(same).is_none() {
                    let (from, output) = (passage.node, Some(passage.output.to_string()));
                    let (input, via) = (Some(input.to_owned()), Via::Text);
                    found.push(Edge { from, output, to, input, via });
                }
            }
            left -= 1;
            left > 0
        });
        found
    }
}

impl Passage {
    fn stands_in(&self, text: &str) -> bool {
        let own = self.text.as_str().trim();
        own.len() <= text.len() && text.contains(beginning(own, WINDOW)) && text.contains(own)
    }
}

/// The beginning of a text, so many bytes at most.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Visits the texts in a value, while `visit` wants more.
fn each_text(value: &Val, visit: &mut impl FnMut(&Text) -> bool) -> bool {
    match value {
        Val::Str(text) => visit(text),
        Val::List(items) => items.iter().all(|it| each_text(it, visit)),
        Val::Map(entries) => entries.values().all(|it| each_text(it, visit)),
        Val::Object(_) => {
            let fields = value.entries().into_iter().flat_map(indexmap::IndexMap::values);
            fields.into_iter().all(|it| each_text(it, visit))
        }
        Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) => true,
        Val::Func(_) | Val::Other(_) => true,
    }
}
