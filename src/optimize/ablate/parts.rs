//! The parts of a state that can be left out.

use crate::optimize::sentences::{sentences, without};
use crate::program::State;
use crate::schema::Signature;
use indexmap::IndexMap;
use std::ops::Range;

/// The path of a predictor that is a program by itself.
const BARE: &str = "self";

/// A part of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All that it says.
    State,
    /// All demos of a predictor.
    Demos {
        /// The predictor.
        path: String,
        /// How many.
        count: usize,
    },
    /// A demo.
    Demo {
        /// The predictor.
        path: String,
        /// Its place, from 0.
        index: usize,
        /// The row that it was made of.
        row: Option<usize>,
        /// What it shows, in short.
        text: String,
    },
    /// A sentence of the instructions, the state's or else the program's.
    Sentence {
        /// The predictor.
        path: String,
        /// Its place, from 0.
        index: usize,
        /// Its bytes in the instructions.
        range: (usize, usize),
        /// What it says.
        text: String,
    },
    /// A description; the program's is there again.
    Description {
        /// The predictor.
        path: String,
        /// The field.
        field: String,
        /// What it says.
        text: String,
    },
}

impl Part {
    /// The predictor that it is of.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::State => None,
            Self::Demos { path, .. }
            | Self::Demo { path, .. }
            | Self::Sentence { path, .. }
            | Self::Description { path, .. } => Some(path),
        }
    }

    /// `demo`, `sentence`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Demos { .. } => "demos",
            Self::Demo { .. } => "demo",
            Self::Sentence { .. } => "sentence",
            Self::Description { .. } => "description",
        }
    }

    /// Whether other parts are in it.
    pub fn is_group(&self) -> bool {
        matches!(self, Self::State | Self::Demos { .. })
    }

    /// What it is called.
    pub fn label(&self) -> String {
        let own = match self {
            Self::State => return "the whole state".to_owned(),
            Self::Demos { count, .. } => format!("all {count} demos"),
            Self::Demo { index, row: Some(row), .. } => {
                format!("demo {} (row {row})", index + 1)
            }
            Self::Demo { index, row: None, .. } => format!("demo {}", index + 1),
            Self::Sentence { index, .. } => format!("sentence {}", index + 1),
            Self::Description { field, .. } => format!("description of {field}"),
        };
        match self.path() {
            Some(path) if path != BARE => format!("{path}: {own}"),
            _ => own,
        }
    }

    /// What it says, in short.
    pub fn text(&self) -> &str {
        match self {
            Self::State | Self::Demos { .. } => "",
            Self::Demo { text, .. }
            | Self::Sentence { text, .. }
            | Self::Description { text, .. } => text,
        }
    }
}

/// The parts of a state: groups first, then each by itself.
#[derive(Debug)]
pub(super) struct Parts {
    all: Vec<Part>,
    /// The instructions of each predictor that says none of its own.
    declared: IndexMap<String, String>,
}

impl Parts {
    /// Takes a state apart, as far as it is of predictors with these signatures.
    pub(super) fn of(state: &State, signatures: &IndexMap<String, Signature>) -> Self {
        let (mut groups, mut single) = (Vec::new(), Vec::new());
        let mut declared = IndexMap::new();
        for (path, signature) in signatures {
            declared.insert(path.clone(), signature.instructions.to_string());
            let own = state.get(path);
            let said = own.and_then(|it| it.instructions.as_deref());
            single.extend(told(path, said.unwrap_or(&signature.instructions)));
            let Some(own) = own else { continue };
            single.extend(own.descriptions.iter().map(|(field, text)| Part::Description {
                path: path.clone(),
                field: field.clone(),
                text: text.clone(),
            }));
            if own.demos.len() > 1 {
                groups.push(Part::Demos { path: path.clone(), count: own.demos.len() });
            }
            for (index, demo) in own.demos.iter().enumerate() {
                let row = demo.origin.as_ref().map(|it| it.row);
                let values = demo.demo.inputs.values().chain(demo.demo.outputs.values());
                let text = values.map(ToString::to_string).collect::<Vec<_>>().join(" -> ");
                single.push(Part::Demo { path: path.clone(), index, row, text });
            }
        }
        // Where nothing is set there is nothing to gain.
        if !single.is_empty() && state.hash() != State::default().hash() {
            groups.insert(0, Part::State);
        }
        groups.extend(single);
        let mut parts = Self { all: groups, declared };
        parts.tell_apart(state);
        parts
    }

    /// Leaves out groups that are nothing but a smaller group, or a part.
    fn tell_apart(&mut self, state: &State) {
        let hash = |part: &Part| self.without(state, &[part]).hash();
        let hashes: Vec<String> = self.all.iter().map(hash).collect();
        let mut at = 0;
        self.all.retain(|part| {
            at += 1;
            !part.is_group() || !hashes[at..].contains(&hashes[at - 1])
        });
    }

    pub(super) fn all(&self) -> &[Part] {
        &self.all
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many there are that have no other parts in them.
    pub(super) fn single(&self) -> usize {
        self.all.iter().filter(|it| !it.is_group()).count()
    }

    /// The state without some parts.
    pub(super) fn without(&self, state: &State, left_out: &[&Part]) -> State {
        if left_out.iter().any(|it| matches!(it, Part::State)) {
            return State::default();
        }
        let mut smaller = State { provenance: None, ..state.clone() };
        for (path, declared) in &self.declared {
            let own: Vec<&&Part> =
                left_out.iter().filter(|it| it.path() == Some(path.as_str())).collect();
            if own.is_empty() {
                continue;
            }
            let entry = smaller.entry(path);
            let mut torn: Vec<Range<usize>> = Vec::new();
            let mut demos: Vec<usize> = Vec::new();
            for part in own {
                match part {
                    Part::State => {}
                    Part::Demos { count, .. } => demos.extend(0..*count),
                    Part::Demo { index, .. } => demos.push(*index),
                    Part::Sentence { range, .. } => torn.push(range.0..range.1),
                    Part::Description { field, .. } => {
                        entry.descriptions.shift_remove(field);
                    }
                }
            }
            let mut at = 0;
            entry.demos.retain(|_| {
                at += 1;
                !demos.contains(&(at - 1))
            });
            if !torn.is_empty() {
                let said = entry.instructions.take().unwrap_or_else(|| declared.clone());
                torn.sort_by_key(|it| it.start);
                entry.instructions = Some(without(&said, &torn));
            }
        }
        smaller
    }
}

/// The sentences of instructions.
fn told<'a>(path: &'a str, text: &'a str) -> impl Iterator<Item = Part> + 'a {
    sentences(text).into_iter().enumerate().map(move |(index, range)| Part::Sentence {
        path: path.to_owned(),
        index,
        text: text[range.clone()].trim().to_owned(),
        range: (range.start, range.end),
    })
}
