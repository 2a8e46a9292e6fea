//! The file of a state: JSON with a version, in a fixed order, one demo after the other.
//!
//! Text of several lines is written as a list of its lines, so that `git diff` shows which
//! line changed. What a file must not carry (addresses of servers, keys) has no place in it;
//! where the name of a model looks like one, it is refused in both directions.

use crate::diag::{Code, Diagnostic};
use crate::host::{Host, read_text};
use crate::program::state::record;
use crate::program::{
    DataOrigin, DemoOrigin, GainRecord, InstructionsOrigin, Nearest, Options, PredictorState,
    Provenance, ScoreRecord, SignatureHash, State, StateDemo, Story, Tried, decode, json,
};
use crate::schema::{Record, Template, Value};
use indexmap::IndexMap;
use std::path::Path;
use std::sync::Arc;

/// A state's file cannot be read or written.
pub(crate) const STATE_IO: Code = Code("E0710");
/// A state's file is not one.
pub(crate) const MALFORMED: Code = Code("E0711");
/// A state's file is of another version.
pub(crate) const VERSION_DIFFERS: Code = Code("E0712");
/// A state carries what belongs to a machine.
pub(crate) const NOT_A_NAME: Code = Code("E0717");

/// How the demos nearest to an input are found: there is one way.
pub(crate) const NEAR_BY: &str = "words";

/// What the files call themselves.
pub(crate) const FORMAT: &str = "dsp-lang state";
/// The version that is written, and the only one that is read.
pub(crate) const VERSION: i64 = 1;

impl State {
    /// The text of its file.
    ///
    /// # Errors
    /// The name of a model that is an address.
    pub fn to_text(&self) -> Result<String, Box<Diagnostic>> {
        let predictors = self.predictors.values();
        let names =
            predictors.flat_map(|it| [&it.lm, &it.extract]).flatten().map(String::as_str);
        let earlier = self.provenance.iter().flat_map(|it| &it.story.earlier);
        let searched = self.provenance.iter().chain(earlier);
        let searched = searched.flat_map(|it| [&it.lm, &it.story.teacher, &it.story.proposer]);
        let searched = searched.flatten().map(String::as_str);
        names.chain(searched).try_for_each(check_name)?;
        Ok(json::write(&state_value(self)))
    }

    /// Reads the text of a file; `name` is what messages call it.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn from_text(text: &str, name: &str) -> Result<Self, Box<Diagnostic>> {
        decode::state(text).map_err(|wrong| {
            let message = format!("`{name}`: {}", wrong.message);
            Box::new(Diagnostic { message, ..*wrong })
        })
    }

    /// Writes its file.
    ///
    /// # Errors
    /// As [`State::to_text`], and those of the file system.
    pub fn save(&self, host: &dyn Host, path: &Path) -> Result<(), Box<Diagnostic>> {
        let text = self.to_text()?;
        host.write(path, text.as_bytes()).map_err(|e| {
            let message = format!("cannot write `{}`: {e}", path.display());
            Diagnostic::bare(STATE_IO, message).into()
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`State::from_text`], and those of the file system.
    pub fn load(host: &dyn Host, path: &Path) -> Result<Self, Box<Diagnostic>> {
        let text = read_text(host, path).map_err(|e| {
            let message = format!("cannot read `{}`: {e}", path.display());
            Diagnostic::bare(STATE_IO, message)
        })?;
        Self::from_text(&text, &path.display().to_string())
    }
}

/// Refuses the name of a model that is an address.
pub(crate) fn check_name(name: &str) -> Result<(), Box<Diagnostic>> {
    if name.contains("://") {
        let message = "a state names models and never their addresses";
        let hint = "give the model a name in `[models]` of `dsp.toml` and use that";
        return Err(Box::new(Diagnostic::bare(NOT_A_NAME, message).hint(hint)));
    }
    Ok(())
}

/// An object under construction, in the order of its parts.
#[derive(Default)]
struct Object(Record);

impl Object {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Adds what is there.
    fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a container that is not empty.
    fn with_any(self, name: &str, value: Value) -> Self {
        let empty = match &value {
            Value::Map(record) => record.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Null | Value::Bool(_) | Value::Int(_) => false,
            Value::Float(_) | Value::Str(_) | Value::Media(_) => false,
        };
        if empty { self } else { self.with(name, value) }
    }

    fn end(self) -> Value {
        Value::map(self.0)
    }
}

fn state_value(state: &State) -> Value {
    let predictors: Record = state
        .predictors
        .iter()
        .map(|(path, predictor)| (Arc::from(path.as_str()), predictor_value(predictor)))
        .collect();
    Object::default()
        .with("format", FORMAT)
        .with("version", VERSION)
        .with_some("provenance", state.provenance.as_ref().map(provenance_value))
        .with("predictors", Value::map(predictors))
        .end()
}

fn predictor_value(it: &PredictorState) -> Value {
    let descriptions: Record = it
        .descriptions
        .iter()
        .map(|(field, text)| (Arc::from(field.as_str()), lines(text)))
        .collect();
    Object::default()
        .with_some("signature", it.signature.as_ref().map(signature_value))
        .with_some("instructions", it.instructions.as_deref().map(lines))
        .with_some("instructions_origin", it.instructions_origin.as_ref().map(author_value))
        .with_any("descriptions", Value::map(descriptions))
        .with_any("descriptions_first_in", texts(&it.descriptions_first_in))
        .with_some("lm", it.lm.as_deref())
        .with_some("adapter", it.adapter.as_deref())
        .with_some("template", it.template.as_deref().map(template_value))
        .with_some("extract", it.extract.as_deref())
        .with_any("options", options_value(&it.options))
        .with_some("nearest", it.nearest.as_ref().map(nearest_value))
        .with_any("demos", Value::list(it.demos.iter().map(demo_value)))
        .end()
}

fn nearest_value(it: &Nearest) -> Value {
    Object::default().with("k", count(it.k as u64)).with("by", NEAR_BY).end()
}

fn template_value(it: &Template) -> Value {
    Value::map(it.parts.iter().map(|(part, text)| (part.clone(), lines(text))).collect())
}

/// Text; a list of its lines when there are several.
fn lines(text: &str) -> Value {
    if text.contains('\n') {
        Value::list(text.split('\n').map(Value::from))
    } else {
        Value::from(text)
    }
}

fn signature_value(it: &SignatureHash) -> Value {
    Object::default()
        .with("fields", it.fields.as_str())
        .with("structure", it.structure.as_str())
        .with("text", it.text.as_str())
        .end()
}

fn author_value(it: &InstructionsOrigin) -> Value {
    Object::default()
        .with("optimizer", it.optimizer.as_str())
        .with("note", it.note.as_str())
        .with_some("reply_hash", it.reply_hash.as_deref())
        .with_some("first_in", it.first_in.as_deref())
        .end()
}

fn options_value(it: &Options) -> Value {
    Object::default()
        .with_some("temperature", it.temperature)
        .with_some("top_p", it.top_p)
        .with_some("max_tokens", it.max_tokens.map(i64::from))
        .with_some("seed", it.seed.map(count))
        .end()
}

/// A count; what JSON readers would round is written as text.
fn count(it: u64) -> Value {
    i64::try_from(it).map_or_else(|_| Value::from(it.to_string()), Value::from)
}

fn demo_value(it: &StateDemo) -> Value {
    Object::default()
        .with("inputs", Value::map(record(&it.demo.inputs)))
        .with("outputs", Value::map(record(&it.demo.outputs)))
        .with_some("origin", it.origin.as_ref().map(origin_value))
        .end()
}

fn origin_value(it: &DemoOrigin) -> Value {
    Object::default()
        .with("source", it.source.as_str())
        .with("row", count(it.row as u64))
        .with("row_hash", it.row_hash.as_str())
        .with_some("reply_hash", it.reply_hash.as_deref())
        .with("rollout", count(it.rollout))
        .with_some("score", it.score)
        .with_some("first_in", it.first_in.as_deref())
        .end()
}

fn provenance_value(it: &Provenance) -> Value {
    let options: Record = it
        .options
        .iter()
        .map(|(name, value)| (Arc::from(name.as_str()), value.clone()))
        .collect();
    Object::default()
        .with("optimizer", it.optimizer.as_str())
        .with_any("options", Value::map(options))
        .with("seed", count(it.seed))
        .with_some("lm", it.lm.as_deref())
        .with_any("data", Value::list(it.data.iter().map(data_value)))
        .with_any("scores", Value::list(it.scores.iter().map(score_value)))
        .with_some("gain", it.gain.as_ref().map(gain_value))
        .with("calls", count(it.calls))
        .with("prompt_tokens", count(it.prompt_tokens))
        .with("completion_tokens", count(it.completion_tokens))
        .with_some("stopped", it.stopped.as_deref())
        .with_any("story", story_value(&it.story))
        .end()
}

fn story_value(it: &Story) -> Value {
    let finalist = |(label, mean): &(String, f64)| {
        Object::default().with("label", label.as_str()).with("mean", *mean).end()
    };
    let refused =
        it.refused.iter().map(|(why, times)| (Arc::from(why.as_str()), count(*times)));
    let more = (it.more > 0).then(|| count(it.more as u64));
    Object::default()
        .with_some("start", it.start.as_deref())
        .with_some("teacher", it.teacher.as_deref())
        .with_some("proposer", it.proposer.as_deref())
        .with_any("tried", Value::list(it.tried.iter().map(tried_value)))
        .with_some("more", more)
        .with_some("unchanged", it.unchanged.then_some(true))
        .with_any("finalists", Value::list(it.finalists.iter().map(finalist)))
        .with_any("refused", Value::map(refused.collect()))
        .with_any("remarks", Value::list(it.remarks.iter().map(|it| lines(it))))
        .with_any("earlier", Value::list(it.earlier.iter().map(provenance_value)))
        .end()
}

fn tried_value(it: &Tried) -> Value {
    Object::default()
        .with("label", it.label.as_str())
        .with_some("score", it.score)
        .with("rows", count(it.rows as u64))
        .with("demos", count(it.demos as u64))
        .with_some("chosen", it.chosen.then_some(true))
        .end()
}

fn texts(all: &IndexMap<String, String>) -> Value {
    let text = |(name, it): (&String, &String)| (Arc::from(name.as_str()), it.as_str().into());
    Value::map(all.iter().map(text).collect())
}

fn data_value(it: &DataOrigin) -> Value {
    Object::default()
        .with("role", it.role.as_str())
        .with("rows", count(it.rows as u64))
        .with("hash", it.hash.as_str())
        .end()
}

fn gain_value(it: &GainRecord) -> Value {
    Object::default()
        .with("role", it.role.as_str())
        .with("verdict", it.verdict.as_str())
        .with("gain", it.gain)
        .with("low", it.interval.0)
        .with("high", it.interval.1)
        .with("p", it.p)
        .with("rows", count(it.rows as u64))
        .end()
}

fn score_value(it: &ScoreRecord) -> Value {
    Object::default()
        .with("role", it.role.as_str())
        .with("score", it.score)
        .with("low", it.interval.0)
        .with("high", it.interval.1)
        .with("rows", count(it.rows as u64))
        .end()
}
