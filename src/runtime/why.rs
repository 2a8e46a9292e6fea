//! A prompt with what stands behind each part of it: which demo from which row, whose instructions.

use crate::adapt::{Origin, Part};
use crate::lm::Prompt;
use crate::program::{DemoOrigin, PredictorState, Provenance};
use crate::runtime::value::Val;
use crate::schema::{Record, Signature, Value};
use std::sync::Arc;

/// The set whose rows demos are made of.
const LEARNT_FROM: &str = "trainset";

/// A prompt and where it comes from.
#[derive(Debug, Clone)]
pub struct Why {
    /// What would be sent.
    pub prompt: Prompt,
    /// Where each part of it comes from, in order.
    pub parts: Vec<Part>,
    /// The adapter.
    pub adapter: String,
    /// The file of the state, where one was named.
    pub state_file: Option<String>,
    /// Where the script declares the signature, where that is known.
    pub place: Option<String>,
    /// The signature as the script has it.
    pub signature: Arc<Signature>,
    pub(in crate::runtime) state: Option<Arc<PredictorState>>,
    /// Which of its demos are shown, where that depends on the inputs.
    pub(in crate::runtime) shown: Option<Arc<[usize]>>,
    pub(in crate::runtime) provenance: Option<Arc<Provenance>>,
    /// The inputs that were given; others have defaults.
    pub(in crate::runtime) given: Vec<Arc<str>>,
}

/// What stands behind a part.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    /// It in words.
    pub words: String,
    /// It as data; `from` is `script`, `state`, `inputs`, `layout` or `template`.
    pub facts: Record,
}

/// Facts under construction.
struct Facts(Record);

impl Facts {
    fn from(from: &str) -> Self {
        Self(Record::from_iter([(Arc::from("from"), Value::from(from))]))
    }

    fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.into(), value.into());
        }
        self
    }

    fn told(self, words: impl Into<String>) -> Ground {
        Ground { words: words.into(), facts: self.0 }
    }
}

fn count(it: u64) -> Value {
    i64::try_from(it).map_or_else(|_| Value::from(it.to_string()), Value::Int)
}

impl Why {
    /// The messages: who says each, and its text.
    pub fn messages(&self) -> Vec<(&'static str, &str)> {
        match &self.prompt {
            Prompt::Text(text) => vec![("text", text)],
            Prompt::Chat(messages) => {
                messages.iter().map(|it| (it.role.as_str(), it.text.as_str())).collect()
            }
        }
    }

    /// The text of a part.
    pub fn text(&self, part: &Part) -> &str {
        let text: &str = match &self.prompt {
            Prompt::Text(text) => text,
            Prompt::Chat(messages) => &messages[part.message].text,
        };
        &text[part.range.clone()]
    }

    /// The same as people read it, with words where media stand.
    pub fn shown(&self, part: &Part) -> String {
        let mut shown = self.text(part).to_owned();
        if let Prompt::Chat(messages) = &self.prompt {
            let message = &messages[part.message];
            let last = part.range.end == message.text.len();
            let inside = |at: usize| part.range.contains(&at) || last && part.range.end == at;
            for placed in message.media.iter().rev().filter(|it| inside(it.at)) {
                shown.insert_str(placed.at - part.range.start, &placed.media.to_string());
            }
        }
        shown
    }

    /// What stands behind an origin.
    pub fn ground(&self, origin: &Origin) -> Ground {
        match origin {
            Origin::Instruction => self.instructions(),
            Origin::Field { name } => self.field(name),
            Origin::Fields => self.script("the signature's fields and types"),
            Origin::Demo { index, .. } => self.demo(*index),
            Origin::History { index, .. } => {
                let words = format!("turn {} of the conversation in the inputs", index + 1);
                Facts::from("inputs").with("turn", Some(count(*index as u64))).told(words)
            }
            Origin::Input { name } => self.input(name),
            Origin::Template => {
                let words = format!("the words of `{}`", self.adapter);
                Facts::from("template").with("adapter", Some(&*self.adapter)).told(words)
            }
            Origin::Closing | Origin::Layout | Origin::Refused | Origin::Repair => {
                let words = format!("the words of the `{}` layout", self.adapter);
                Facts::from("layout").with("adapter", Some(&*self.adapter)).told(words)
            }
        }
    }

    /// What the script says.
    fn script(&self, what: &str) -> Ground {
        let name = Some(&*self.signature.name).filter(|it| !it.is_empty());
        let mut words = format!("the script: {what}");
        if let Some(name) = name {
            words = format!("{words} in `{name}`");
        }
        if let Some(place) = &self.place {
            words = format!("{words}, {place}");
        }
        Facts::from("script")
            .with("signature", name)
            .with("place", self.place.as_deref())
            .told(words)
    }

    fn instructions(&self) -> Ground {
        let own = self.state.as_ref().filter(|it| it.instructions.is_some());
        let Some(state) = own else { return self.script("the instructions") };
        let mut words = self.state_words("instructions");
        let mut facts = self.state_facts();
        match &state.instructions_origin {
            Some(origin) => {
                words = format!("{words}, by {}: {}", origin.optimizer, origin.note);
                if let Some(hash) = &origin.reply_hash {
                    words = format!("{words} (reply {hash})");
                }
                facts = facts
                    .with("optimizer", Some(&*origin.optimizer))
                    .with("note", Some(&*origin.note))
                    .with("reply_hash", origin.reply_hash.as_deref());
            }
            None => words = format!("{words}, by hand"),
        }
        facts.told(words)
    }

    fn field(&self, name: &str) -> Ground {
        let described = |it: &Arc<PredictorState>| it.descriptions.contains_key(name);
        if self.state.as_ref().is_some_and(described) {
            let words = self.state_words(&format!("the description of `{name}`"));
            return self.state_facts().with("field", Some(name)).told(words);
        }
        let mut ground = self.script(&format!("the field `{name}`"));
        ground.facts.insert("field".into(), name.into());
        ground
    }

    fn input(&self, name: &str) -> Ground {
        let facts = Facts::from("inputs").with("input", Some(name));
        if self.given.iter().any(|it| **it == *name) {
            return facts.told(format!("the input `{name}` of this call"));
        }
        let facts = facts.with("default", Some(true));
        facts.told(format!("the input `{name}`, which has its default"))
    }

    fn demo(&self, index: usize) -> Ground {
        let index = self.shown.as_ref().map_or(index, |it| it[index]);
        let demo = self.state.as_ref().and_then(|it| it.demos.get(index));
        let facts = self.state_facts().with("demo", Some(count(index as u64)));
        let words = self.state_words(&format!("demo {}", index + 1));
        match demo.and_then(|it| it.origin.as_ref()) {
            Some(origin) => self.sampled(words, facts, origin),
            None => facts.told(format!("{words}, by hand")),
        }
    }

    /// A demo that was made of a row.
    fn sampled(&self, words: String, facts: Facts, origin: &DemoOrigin) -> Ground {
        let provenance = self.provenance.as_deref();
        let data = provenance.and_then(|it| it.data.iter().find(|it| it.role == LEARNT_FROM));
        let mut words = format!("{words}, {} from row {}", origin.source.as_str(), origin.row);
        if let Some(data) = data {
            words = format!("{words} of the {} {} ({} rows)", data.role, data.hash, data.rows);
        }
        if let Some(hash) = &origin.reply_hash {
            words = format!("{words}, reply {hash} of sample {}", origin.rollout);
        }
        if let Some(score) = origin.score {
            words = format!("{words} in a run that scored {score:.3}");
        }
        if let Some(provenance) = provenance {
            words = format!("{words}, by {}, seed {}", provenance.optimizer, provenance.seed);
        }
        facts
            .with("source", Some(origin.source.as_str()))
            .with("row", Some(count(origin.row as u64)))
            .with("row_hash", Some(&*origin.row_hash))
            .with("data", data.map(|it| &*it.role))
            .with("data_hash", data.map(|it| &*it.hash))
            .with("rollout", Some(count(origin.rollout)))
            .with("reply_hash", origin.reply_hash.as_deref())
            .with("score", origin.score)
            .with("optimizer", provenance.map(|it| &*it.optimizer))
            .with("seed", provenance.map(|it| count(it.seed)))
            .told(words)
    }

    fn state_words(&self, what: &str) -> String {
        match &self.state_file {
            Some(file) => format!("{file}: {what}"),
            None => format!("the state: {what}"),
        }
    }

    fn state_facts(&self) -> Facts {
        Facts::from("state").with("file", self.state_file.as_deref())
    }

    /// The parts as a script sees them.
    pub(in crate::runtime) fn to_val(&self) -> Val {
        let messages = self.messages();
        let part = |it: &Part| {
            let entries = [
                ("role", Val::str(messages[it.message].0)),
                ("text", Val::str(self.text(it))),
                ("origin", Val::str(&it.origin.to_string())),
                ("because", Val::from_value(&Value::map(self.ground(&it.origin).facts))),
            ];
            Val::Map(entries.into_iter().map(|(name, it)| (Arc::from(name), it)).collect())
        };
        Val::List(self.parts.iter().map(part).collect())
    }
}
