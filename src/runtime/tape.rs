//! Replies that were written down, in place of models: how tests run offline, and how a run is
//! made again from its trace.

use crate::lm::{Address, Capabilities, Completion, Cost, ErrorKind, Prompt, Request};
use crate::runtime::error::{Error, Failure, codes};
use crate::runtime::lm_value::LmValue;
use crate::runtime::run::Run;
use std::fmt;
use std::sync::Arc;

/// A request on its way to a model.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The model's name.
    pub model: &'a str,
    /// Which call of the program it is.
    pub address: &'a Address,
    /// The node that it belongs to: that of a script's own replies may have another number.
    pub place: &'a Address,
    /// What would be sent.
    pub request: &'a Request,
    /// What the model can do.
    pub capabilities: Capabilities,
    /// Whether it is a script's own, whose replies stand in it.
    pub is_scripted: bool,
}

/// Why a request may not be sent: nothing was recorded for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrecorded {
    /// One line.
    pub message: String,
    /// How it differs from what was recorded.
    pub notes: Vec<String>,
    /// What the user can do.
    pub hint: String,
}

/// What a request took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Whether the store had the reply.
    pub cached: bool,
    /// Whether it was sent.
    pub sent: bool,
    /// What it cost.
    pub cost: Cost,
}

/// What was recorded of a request.
#[derive(Debug)]
pub enum Recorded {
    /// The reply.
    Reply(Arc<Completion>),
    /// The reply, and what it took then: that is told again.
    Again(Arc<Completion>, Took),
    /// It failed so.
    Failure(Option<ErrorKind>, String),
}

/// What is to be otherwise in a call of a predictor than its program says.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The model that is asked.
    pub lm: Option<NewLm>,
    /// Its instructions.
    pub instructions: Option<String>,
    /// What is sent in place of its first prompt.
    pub prompt: Option<NewPrompt>,
}

impl Change {
    /// Whether nothing is otherwise.
    pub fn is_nothing(&self) -> bool {
        let Self { lm, instructions, prompt } = self;
        lm.is_none() && instructions.is_none() && prompt.is_none()
    }
}

impl Change {
    /// This change, and what it leaves open as another one has it.
    #[must_use]
    pub fn over(self, other: Option<Self>) -> Self {
        let other = other.unwrap_or_default();
        Self {
            lm: self.lm.or(other.lm),
            instructions: self.instructions.or(other.instructions),
            prompt: self.prompt.or(other.prompt),
        }
    }
}

/// The model that is asked in place of another.
#[derive(Debug, Clone)]
pub enum NewLm {
    /// The one of this name, or the first of several that answers.
    Named(String),
    /// One that is open.
    Value(Box<LmValue>),
}

impl NewLm {
    /// The model.
    pub(in crate::runtime) fn open(&self, run: &Run) -> Result<LmValue, Error> {
        match self {
            Self::Named(name) => LmValue::named(run, name),
            Self::Value(lm) => Ok(LmValue::clone(lm)),
        }
    }
}

/// What is sent in place of a prompt.
#[derive(Debug, Clone)]
pub enum NewPrompt {
    /// All of it.
    Whole(Prompt),
    /// Only the text of its last message.
    Last(String),
}

impl NewPrompt {
    /// The prompt that is sent in place of this one.
    pub(in crate::runtime) fn of(&self, prompt: &Prompt) -> Prompt {
        match (self, prompt) {
            (Self::Whole(prompt), _) => prompt.clone(),
            (Self::Last(text), Prompt::Text(_)) => Prompt::Text(text.clone()),
            (Self::Last(text), Prompt::Chat(messages)) => {
                let mut messages = messages.clone();
                if let Some(last) = messages.last_mut() {
                    last.text.clone_from(text);
                    last.media.clear();
                }
                Prompt::Chat(messages)
            }
        }
    }
}

/// Stands between a run and its models, those of a script's own replies excepted.
pub trait Tape: Send + Sync + fmt::Debug {
    /// The reply that was recorded; `None` lets the model be asked.
    ///
    /// # Errors
    /// The model must not be asked.
    fn find(&self, asked: Asked<'_>) -> Result<Option<Recorded>, Unrecorded>;

    /// Takes down what came back.
    fn note(&self, asked: Asked<'_>, completion: &Completion);

    /// The first request, in the order of the program, that nothing was recorded for.
    fn missed(&self) -> Option<Unrecorded> {
        None
    }

    /// Whether it stands before a script's own replies, too.
    fn heeds_scripts(&self) -> bool {
        false
    }

    /// Whether it holds no vectors, so that those of the store serve.
    fn leaves_vectors(&self) -> bool {
        false
    }

    /// What is to be otherwise in a call of a predictor that begins now.
    fn change(&self, _: &Address) -> Option<Change> {
        None
    }
}

/// A recorded reply, and what it took where that is told again.
type Known = (Arc<Completion>, Option<Took>);

/// The recorded reply to a request; `None` where a model may be asked.
pub(in crate::runtime) fn recorded(
    tape: &dyn Tape,
    asked: Asked<'_>,
) -> Result<Option<Known>, Error> {
    match tape.find(asked).map_err(Error::from)? {
        None => Ok(None),
        Some(Recorded::Reply(completion)) => Ok(Some((completion, None))),
        Some(Recorded::Again(completion, took)) => Ok(Some((completion, Some(took)))),
        Some(Recorded::Failure(fault, message)) => Err(Error::of_trace(fault, &message)),
    }
}

impl From<Unrecorded> for Error {
    fn from(why: Unrecorded) -> Self {
        let failure = Failure::new(codes::UNRECORDED, "lm", why.message);
        let (notes, hints) = (why.notes, vec![why.hint]);
        Failure { notes, hints, fatal: true, ..failure }.into()
    }
}
