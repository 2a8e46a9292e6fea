//! What differs between two states, predictor by predictor.

use crate::program::{DemoOrigin, PredictorState, Provenance, State, StateDemo, record_text};
use crate::schema::{Record, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What differs between two states: from the first to the second.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StateDiff {
    /// The hashes of what shapes prompts; equal where the prompts are the same.
    pub hashes: (String, String),
    /// Predictors that differ, by path, in the order of the second state.
    pub predictors: Vec<(String, PredictorDiff)>,
    /// What differs in how the states came about.
    pub provenance: Vec<Change>,
}

/// Something with a name that is not the same; `None` where a state does not say it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it is called.
    pub name: String,
    /// What it is in the first state.
    pub before: Option<String>,
    /// What it is in the second.
    pub after: Option<String>,
}

/// What differs in one predictor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PredictorDiff {
    /// The instructions, and where they came from.
    pub instructions: Vec<Change>,
    /// Descriptions, by field.
    pub descriptions: Vec<Change>,
    /// The signature, the model, the adapter, how tokens are drawn.
    pub settings: Vec<Change>,
    /// Demos that differ, those of the second state in its order, then those that are gone.
    pub demos: Vec<DemoDiff>,
    /// How many demos are as they were, and where they were among those that stayed.
    pub same_demos: usize,
}

/// What became of a demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It stands in another place among those that stayed.
    Moved,
    /// It is of the same row or the same question and says something else.
    Changed,
    /// It says the same and came from elsewhere.
    Origin,
}

impl Fate {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Moved => "moved",
            Self::Changed => "changed",
            Self::Origin => "another origin",
        }
    }
}

/// A demo that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoDiff {
    /// What became of it.
    pub fate: Fate,
    /// Its place in the first state.
    pub before: Option<usize>,
    /// Its place in the second.
    pub after: Option<usize>,
    /// Where it came from: of a demo that is gone, there; else in the second state.
    pub origin: Option<DemoOrigin>,
    /// Its values: all of a demo that is new or gone, else those that differ.
    pub fields: Vec<Change>,
}

impl StateDiff {
    /// Compares two states.
    pub fn of(before: &State, after: &State) -> Self {
        let nothing = PredictorState::default();
        let gone = before.predictors.keys().filter(|it| !after.predictors.contains_key(*it));
        let paths = after.predictors.keys().chain(gone);
        let predictors = paths.filter_map(|path| {
            let of = |state: &'_ State| state.get(path).unwrap_or(&nothing).clone();
            let diff = PredictorDiff::of(&of(before), &of(after));
            (!diff.is_empty()).then(|| (path.clone(), diff))
        });
        Self {
            hashes: (before.hash(), after.hash()),
            predictors: predictors.collect(),
            provenance: provenance(before.provenance.as_ref(), after.provenance.as_ref()),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.predictors.is_empty() && self.provenance.is_empty()
    }
}

impl PredictorDiff {
    /// Compares what two states say of a predictor.
    fn of(before: &PredictorState, after: &PredictorState) -> Self {
        let mut diff = Self {
            instructions: instructions(before, after),
            descriptions: descriptions(before, after),
            settings: settings(before, after),
            ..Self::default()
        };
        diff.compare_demos(&before.demos, &after.demos);
        diff
    }

    fn is_empty(&self) -> bool {
        self.instructions.is_empty()
            && self.descriptions.is_empty()
            && self.settings.is_empty()
            && self.demos.is_empty()
    }

    fn compare_demos(&mut self, before: &[StateDemo], after: &[StateDemo]) {
        let pairs = pairs(before, after);
        let stayed = in_order(&pairs.iter().map(|(a, b)| (*b, *a)).collect());
        for (at, demo) in after.iter().enumerate() {
            let found = pairs.iter().find(|it| it.1 == at).map(|it| it.0);
            let from = found.map(|it| &before[it]);
            let fields = match from {
                Some(from) => changed_fields(from, demo),
                None => all_fields(demo, |it| (None, Some(it))),
            };
            let fate = match from {
                None => Fate::Added,
                Some(_) if !fields.is_empty() => Fate::Changed,
                Some(_) if !stayed.contains(&at) => Fate::Moved,
                Some(from) if from.origin != demo.origin => Fate::Origin,
                Some(_) => {
                    self.same_demos += 1;
                    continue;
                }
            };
            let origin = demo.origin.clone();
            self.demos.push(DemoDiff { fate, before: found, after: Some(at), origin, fields });
        }
        for (at, demo) in before.iter().enumerate() {
            if pairs.iter().all(|it| it.0 != at) {
                self.demos.push(DemoDiff {
                    fate: Fate::Removed,
                    before: Some(at),
                    after: None,
                    origin: demo.origin.clone(),
                    fields: all_fields(demo, |it| (Some(it), None)),
                });
            }
        }
    }
}

/// What two demos have in common that are the same one.
type Way<'a> = &'a dyn Fn(&StateDemo) -> Option<String>;

/// Which demo of the first list is which of the second: first those that say the same, then those
/// of the same row, then those of the same question.
fn pairs(before: &[StateDemo], after: &[StateDemo]) -> Vec<(usize, usize)> {
    let whole = |it: &StateDemo| {
        let demo = &it.demo;
        Some(format!("{}{}", record_text(&demo.inputs), record_text(&demo.outputs)))
    };
    let row = |it: &StateDemo| it.origin.as_ref().map(|it| it.row_hash.clone());
    let question = |it: &StateDemo| Some(record_text(&it.demo.inputs));
    let ways: [Way<'_>; 3] = [&whole, &row, &question];
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for way in ways {
        let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let is_left = |pairs: &[(usize, usize)], at| pairs.iter().all(|it| it.0 != at);
        for (at, demo) in before.iter().enumerate().rev() {
            if is_left(&pairs, at)
                && let Some(key) = way(demo)
            {
                open.entry(key).or_default().push(at);
            }
        }
        for (at, demo) in after.iter().enumerate() {
            if pairs.iter().any(|it| it.1 == at) {
                continue;
            }
            let found = way(demo).and_then(|key| open.get_mut(&key)?.pop());
            pairs.extend(found.map(|from| (from, at)));
        }
    }
    pairs
}

/// Of places after and before, those after that stay in order: as many as can.
fn in_order(places: &BTreeMap<usize, usize>) -> BTreeSet<usize> {
    let all: Vec<(usize, usize)> =
        places.iter().map(|(after, before)| (*after, *before)).collect();
    // The longest run that ends with each, and what stands before it there.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(all.len());
    for (at, (_, before)) in all.iter().enumerate() {
        let earlier = (0..at).filter(|it| all[*it].1 < *before);
        let longest = earlier.max_by_key(|it| (best[*it].0, std::cmp::Reverse(*it)));
        best.push((longest.map_or(1, |it| best[it].0 + 1), longest));
    }
    let ends = (0..best.len()).max_by_key(|it| (best[*it].0, std::cmp::Reverse(*it)));
    let mut kept = BTreeSet::new();
    let mut next = ends;
    while let Some(at) = next {
        kept.insert(all[at].0);
        next = best[at].1;
    }
    kept
}

fn change(name: &str, before: Option<String>, after: Option<String>) -> Option<Change> {
    (before != after).then(|| Change { name: name.to_owned(), before, after })
}

fn instructions(before: &PredictorState, after: &PredictorState) -> Vec<Change> {
    let origin = |it: &PredictorState| {
        let origin = it.instructions_origin.as_ref()?;
        let reply = origin.reply_hash.as_ref().map(|it| format!(" (reply {it})"));
        Some(format!("{}: {}{}", origin.optimizer, origin.note, reply.unwrap_or_default()))
    };
    let text = change("instructions", before.instructions.clone(), after.instructions.clone());
    text.into_iter().chain(change("from", origin(before), origin(after))).collect()
}

fn descriptions(before: &PredictorState, after: &PredictorState) -> Vec<Change> {
    let gone = before.descriptions.keys().filter(|it| !after.descriptions.contains_key(*it));
    let names = after.descriptions.keys().chain(gone);
    let of = |it: &PredictorState, name: &str| it.descriptions.get(name).cloned();
    names.filter_map(|name| change(name, of(before, name), of(after, name))).collect()
}

fn settings(before: &PredictorState, after: &PredictorState) -> Vec<Change> {
    type Part = (&'static str, fn(&PredictorState) -> Option<String>);
    let parts: [Part; 9] = [
        ("fields", |it| Some(it.signature.as_ref()?.fields.clone())),
        ("words", |it| Some(it.signature.as_ref()?.text.clone())),
        ("model", |it| it.lm.clone()),
        ("adapter", |it| it.adapter.clone()),
        ("temperature", |it| Some(Value::Float(it.options.temperature?).to_json())),
        ("top_p", |it| Some(Value::Float(it.options.top_p?).to_json())),
        ("max_tokens", |it| Some(it.options.max_tokens?.to_string())),
        ("seed", |it| Some(it.options.seed?.to_string())),
        ("nearest demos", |it| Some(it.nearest?.k.to_string())),
    ];
    parts.iter().filter_map(|(name, of)| change(name, of(before), of(after))).collect()
}

fn sides(demo: &StateDemo) -> [(&'static str, &Record); 2] {
    [("", &demo.demo.inputs), ("-> ", &demo.demo.outputs)]
}

fn all_fields(
    demo: &StateDemo,
    place: fn(String) -> (Option<String>, Option<String>),
) -> Vec<Change> {
    let mut fields = Vec::new();
    for (arrow, record) in sides(demo) {
        for (name, value) in record {
            let (before, after) = place(value.to_string());
            fields.push(Change { name: format!("{arrow}{name}"), before, after });
        }
    }
    fields
}

fn changed_fields(before: &StateDemo, after: &StateDemo) -> Vec<Change> {
    let mut fields = Vec::new();
    for ((arrow, old), (_, new)) in sides(before).into_iter().zip(sides(after)) {
        let gone = old.keys().filter(|it| !new.contains_key(*it));
        for name in new.keys().chain(gone) {
            // Values of two types may read the same.
            if old.get(name) == new.get(name) {
                continue;
            }
            let text = |record: &Record| record.get(name).map(ToString::to_string);
            let (mut before, mut after) = (text(old), text(new));
            if before == after {
                let json = |record: &Record| record.get(name).map(Value::to_json);
                (before, after) = (json(old), json(new));
            }
            fields.push(Change { name: format!("{arrow}{name}"), before, after });
        }
    }
    fields
}

fn provenance(before: Option<&Provenance>, after: Option<&Provenance>) -> Vec<Change> {
    let of = |it: Option<&Provenance>| it.map(facts).unwrap_or_default();
    let (before, after) = (of(before), of(after));
    let mut names: Vec<&String> = after.iter().map(|it| &it.0).collect();
    names.extend(before.iter().map(|it| &it.0).filter(|it| after.iter().all(|b| b.0 != **it)));
    let find = |all: &[(String, String)], name: &str| {
        all.iter().find(|it| it.0 == name).map(|it| it.1.clone())
    };
    names.iter().filter_map(|it| change(it, find(&before, it), find(&after, it))).collect()
}

/// How a state came about, as names and texts.
fn facts(it: &Provenance) -> Vec<(String, String)> {
    let mut facts = vec![("optimizer".to_owned(), it.optimizer.clone())];
    let options = it.options.iter();
    facts.extend(options.map(|(name, value)| (format!("option {name}"), value.to_string())));
    facts.push(("seed".to_owned(), it.seed.to_string()));
    let others = [("teacher", &it.story.teacher), ("proposer", &it.story.proposer)];
    facts.extend(
        others.iter().filter_map(|(name, it)| Some(((*name).to_owned(), (*it).clone()?))),
    );
    facts.extend(it.lm.iter().map(|it| ("model".to_owned(), it.clone())));
    for data in &it.data {
        facts.push((data.role.clone(), format!("{} rows, {}", data.rows, data.hash)));
    }
    for score in &it.scores {
        let (low, high) = score.interval;
        let text =
            format!("{:.3} (95 % {low:.3} to {high:.3}, {} rows)", score.score, score.rows);
        facts.push((format!("score on {}", score.role), text));
    }
    if let Some(gain) = &it.gain {
        let (low, high) = gain.interval;
        let text = format!(
            "{:+.3} (95 % {low:+.3} to {high:+.3}, {} rows of {}): {}",
            gain.gain, gain.rows, gain.role, gain.verdict
        );
        facts.push(("gain".to_owned(), text));
    }
    for (name, count) in [
        ("calls", it.calls),
        ("tokens in", it.prompt_tokens),
        ("tokens out", it.completion_tokens),
    ] {
        facts.push((name.to_owned(), count.to_string()));
    }
    facts.extend(it.stopped.iter().map(|it| ("ended early".to_owned(), it.clone())));
    facts
}
