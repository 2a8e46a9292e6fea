//! What stops a run, and how it is told.
//!
//! A failure of ours is a [`Failure`]: scripts catch it as a value with `kind`, `message` and
//! `at`, unless it is one that nobody may catch (the budget, cancellation, limits). An error
//! of the host language is kept as it is, with its positions, until it is told.

use crate::diag::{Code, Diagnostic};
use crate::lm::ErrorKind;
use crate::runtime::rhai_host::Obj;
use crate::runtime::script::Script;
use crate::runtime::value::{Object, Val};
use rhai::{Dynamic, EvalAltResult, Position};
use std::any::Any;
use std::fmt;

/// Codes of running programs.
pub mod codes {
    use crate::diag::Code;

    /// The host language's own errors: types, arithmetic, limits.
    pub const RUNTIME: Code = Code("E0501");
    /// A false `assert`.
    pub const ASSERT: Code = Code("E0502");
    /// A model could not be called.
    pub const LM: Code = Code("E0503");
    /// A reply could not be read.
    pub const PARSE: Code = Code("E0504");
    /// A value that does not fit.
    pub const VALUE: Code = Code("E0505");
    /// A cap is used up.
    pub const BUDGET: Code = Code("E0506");
    /// The run was cancelled, or its time is over.
    pub const CANCELLED: Code = Code("E0507");
    /// The script's own `throw`.
    pub const THROWN: Code = Code("E0508");
    /// A limit of the language: operations, depth, sizes.
    pub const LIMIT: Code = Code("E0509");
    /// A reply is asked for that was not recorded.
    pub const UNRECORDED: Code = Code("E0510");
    /// A file that cannot be read or written.
    pub const FILE: Code = Code("E0704");
    /// A state that cannot be read, or is of another program.
    pub const STATE: Code = Code("E0706");
    /// A false `suggest`.
    pub const SUGGEST: Code = Code("W0501");
    /// Something to know about a model, state or store.
    pub const NOTICE: Code = Code("W0502");

    /// All codes with their titles.
    pub const CODES: &[(Code, &str)] = &[
        (RUNTIME, "an operation failed"),
        (ASSERT, "an assert is false"),
        (LM, "a model could not be called"),
        (PARSE, "a reply could not be read"),
        (VALUE, "a value does not fit"),
        (BUDGET, "a cap is used up"),
        (CANCELLED, "the run was stopped"),
        (THROWN, "the script threw an error"),
        (LIMIT, "a limit of the language is reached"),
        (UNRECORDED, "a reply is asked for that was not recorded"),
        (FILE, "a file cannot be read or written"),
        (STATE, "a state does not fit"),
        (SUGGEST, "a suggestion is not met"),
        (NOTICE, "something to know"),
    ];
}

/// An error of a run.
#[derive(Debug)]
pub struct Error(pub(in crate::runtime) Box<Inner>);

#[derive(Debug)]
pub(in crate::runtime) enum Inner {
    Ours(Failure),
    Host(Box<EvalAltResult>),
}

/// A failure of ours.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What kind of diagnostic it is.
    pub code: Code,
    /// What `e.kind` says in a script.
    pub kind: &'static str,
    /// One line that stands alone.
    pub message: String,
    /// Facts, such as values.
    pub notes: Vec<String>,
    /// What the user can do.
    pub hints: Vec<String>,
    /// Scripts cannot catch it.
    pub fatal: bool,
    /// It ends an attempt of the outermost call, which is made again.
    pub sent_back: bool,
    /// It says something about machines and networks, and nothing about the program.
    pub infrastructure: bool,
    /// Every request to the model fails so until somebody mends something.
    pub standing: bool,
    /// Another model may not have it.
    pub elsewhere: bool,
    /// What kind of failure of a model's it is.
    pub fault: Option<ErrorKind>,
    /// How many bytes of the text it is about, where that is more than a word.
    pub bytes: usize,
}

impl Failure {
    /// Returns a failure without notes and hints.
    pub fn new(code: Code, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            kind,
            message: message.into(),
            notes: Vec::new(),
            hints: Vec::new(),
            fatal: false,
            sent_back: false,
            infrastructure: false,
            standing: false,
            elsewhere: false,
            fault: None,
            bytes: 0,
        }
    }
}

impl Error {
    /// A value that does not fit.
    pub fn value(message: impl Into<String>) -> Self {
        Failure::new(codes::VALUE, "value", message).into()
    }

    /// Data or a file that cannot be read.
    pub fn data(code: Code, message: impl Into<String>) -> Self {
        Failure::new(code, "value", message).into()
    }

    /// A failure of a model client.
    pub fn lm(error: &crate::lm::Error) -> Self {
        let cancelled = error.kind() == ErrorKind::Cancelled;
        let code = if cancelled { codes::CANCELLED } else { codes::LM };
        let mut failure = Failure::new(code, "lm", error.to_string());
        failure.hints.extend(error.hint_text().map(ToOwned::to_owned));
        failure.infrastructure = error.is_infrastructure();
        failure.standing = error.is_standing();
        failure.elsewhere = error.may_go_elsewhere();
        failure.fatal = cancelled;
        failure.fault = Some(error.kind());
        failure.into()
    }

    /// A failure of a model client as a trace has it; without a kind nobody may catch it.
    pub(in crate::runtime) fn of_trace(fault: Option<ErrorKind>, message: &str) -> Self {
        let Some(fault) = fault else {
            let failure = Failure::new(codes::LM, "lm", message);
            return Failure { fatal: true, ..failure }.into();
        };
        let mut error = Self::lm(&crate::lm::Error::new(fault, "", ""));
        if let Inner::Ours(failure) = &mut *error.0 {
            message.clone_into(&mut failure.message);
        }
        error
    }

    /// What kind of failure of a model's it is.
    pub(in crate::runtime) fn fault(&self) -> Option<ErrorKind> {
        match &*self.0 {
            Inner::Ours(failure) => failure.fault,
            Inner::Host(_) => None,
        }
    }

    /// A reply that the provider filtered, or that says no more than that the model refuses.
    pub fn filtered(model: &str, text: &str, attempt: u32) -> Self {
        let said: String = text.trim().chars().take(120).collect();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        let message = format!(
            "`{model}`: the reply was refused by the model or filtered by its provider \
             (attempt {attempt}){said}"
        );
        let failure: Self = Failure::new(codes::LM, "lm", message).into();
        failure.hint("say it in other words, or ask another model")
    }

    /// Whether another model may answer.
    pub(in crate::runtime) fn may_go_elsewhere(&self) -> bool {
        matches!(&*self.0, Inner::Ours(failure) if failure.elsewhere)
    }

    /// Nobody may catch it.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        if let Inner::Ours(failure) = &mut *self.0 {
            failure.fatal = true;
        }
        self
    }

    /// Adds what the user can do; an empty hint is none.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if let Inner::Ours(failure) = &mut *self.0
            && !hint.is_empty()
        {
            failure.hints.push(hint);
        }
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        if let Inner::Ours(failure) = &mut *self.0 {
            failure.notes.push(note.into());
        }
        self
    }

    /// The error of one of several calls that went on at once.
    #[must_use]
    pub(in crate::runtime) fn in_element(self, what: &str, at: usize) -> Self {
        match *self.0 {
            Inner::Host(error) => {
                let name = format!("{what}, element {at}");
                let around = EvalAltResult::ErrorInFunctionCall(
                    name,
                    String::new(),
                    error,
                    Position::NONE,
                );
                Self(Box::new(Inner::Host(Box::new(around))))
            }
            Inner::Ours(_) => self.note(format!("in element {at} of `{what}`")),
        }
    }

    /// The failure of ours at the bottom of it, if it is one.
    pub fn failure(&self) -> Option<Failure> {
        match &*self.0 {
            Inner::Ours(failure) => Some(failure.clone()),
            Inner::Host(error) => carried(error),
        }
    }

    /// Whether it says something about machines and networks, and nothing about the program.
    pub fn is_infrastructure(&self) -> bool {
        self.failure().is_some_and(|it| it.infrastructure)
    }

    /// Whether it only ends an attempt, which is made again.
    pub(in crate::runtime) fn is_sent_back(&self) -> bool {
        self.failure().is_some_and(|it| it.sent_back)
    }

    /// Whether every request to the model fails so until somebody mends something.
    pub fn is_standing(&self) -> bool {
        self.failure().is_some_and(|it| it.standing)
    }

    /// Whether nobody may catch it: the run is over.
    pub fn is_fatal(&self) -> bool {
        self.failure().is_some_and(|it| it.fatal)
    }
}

/// The failure of ours that an error of the host carries.
pub(in crate::runtime) fn carried(error: &EvalAltResult) -> Option<Failure> {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) => carried(inner),
        EvalAltResult::ErrorSystem(_, inner) => {
            inner.downcast_ref::<Raised>().map(|it| it.failure.clone())
        }
        EvalAltResult::ErrorRuntime(value, at) => {
            let object = value.read_lock::<Obj>()?;
            let Caught { failure, raised, .. } = object.0.as_any().downcast_ref()?;
            // Thrown again it stands elsewhere.
            let bytes = if raised == at { failure.bytes } else { 0 };
            Some(Failure { bytes, ..failure.clone() })
        }
        _ => None,
    }
}

/// A failure on its way through the host language, where nobody can catch it.
#[derive(Debug)]
pub(in crate::runtime) struct Raised {
    pub(in crate::runtime) failure: Failure,
    /// Where; the host notes no places of such errors.
    pub(in crate::runtime) at: Position,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure.message)
    }
}

impl std::error::Error for Raised {}

/// What a script that catches `value` is given: an error of the host's own, which comes as a
/// map, as an error like ours.
pub(in crate::runtime) fn caught(script: &Script, value: Val) -> Val {
    if let Some(Caught { failure, raised, at: None }) = value.downcast::<Caught>() {
        let at = script.told_place(*raised);
        return Val::object(Caught { failure: failure.clone(), raised: *raised, at });
    }
    let Val::Map(entries) = &value else { return value };
    let text = |name: &str| entries.get(name).and_then(Val::as_str);
    let is_host = text("error").is_some_and(|it| it.starts_with("Error"));
    match text("message").filter(|_| is_host) {
        Some(message) => {
            let number = |name: &str| match entries.get(name) {
                Some(Val::Int(it)) => u16::try_from(*it).ok(),
                _ => None,
            };
            let raised = number("line").zip(number("position"));
            let outermost = raised.map_or(Position::NONE, |(line, at)| Position::new(line, at));
            let mut raised = positions(message);
            raised.push(outermost);
            // What is inside of the standard library is nothing to look at.
            let is_users = |it: &Position| {
                script.place(*it).is_some_and(|place| !script.is_standard(place.source))
            };
            let raised = raised.into_iter().find(is_users).unwrap_or(outermost);
            let message = crate::runtime::diagnose::reworded(message);
            let failure = Failure::new(codes::RUNTIME, "value", message);
            Val::object(Caught { failure, raised, at: script.told_place(raised) })
        }
        None => value,
    }
}

/// The places that the host's words name of an error that came through calls, innermost first.
/// That of the outermost call is not among them.
fn positions(message: &str) -> Vec<Position> {
    let place = |line: &str| {
        let (_, place) = line.strip_suffix(')')?.rsplit_once(" (line ")?;
        let (line, at) = place.split_once(", position ")?;
        Some(Position::new(line.parse().ok().filter(|it| *it > 0)?, at.parse().ok()?))
    };
    message.lines().filter_map(place).collect()
}

/// A failure as a script catches it.
#[derive(Debug)]
struct Caught {
    failure: Failure,
    /// Where it was raised.
    raised: Position,
    /// The same in the user's text, once it is caught.
    at: Option<String>,
}

impl Object for Caught {
    fn type_name(&self) -> &'static str {
        "error"
    }

    fn get(&self, name: &str) -> Option<Val> {
        match name {
            "kind" => Some(Val::str(self.failure.kind)),
            "message" => Some(Val::str(&self.failure.message)),
            "code" => Some(Val::str(self.failure.code.0)),
            "at" => Some(self.at.as_deref().map_or(Val::Null, Val::str)),
            "notes" => {
                Some(Val::List(self.failure.notes.iter().map(|it| Val::str(it)).collect()))
            }
            "hints" => {
                Some(Val::List(self.failure.hints.iter().map(|it| Val::str(it)).collect()))
            }
            _ => None,
        }
    }

    fn members(&self) -> Vec<String> {
        ["kind", "message", "code", "at", "notes", "hints"].map(ToOwned::to_owned).to_vec()
    }

    fn show(&self) -> String {
        self.failure.message.clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Error {
    /// The error as the host language carries it; it fills in the place of the call.
    pub(in crate::runtime) fn into_host(self) -> Box<EvalAltResult> {
        self.into_host_at(Position::NONE)
    }

    /// As [`Error::into_host`], raised at a place.
    pub(in crate::runtime) fn into_host_at(self, at: Position) -> Box<EvalAltResult> {
        match *self.0 {
            Inner::Host(error) => error,
            Inner::Ours(failure) if failure.fatal => {
                let raised = Raised { failure, at };
                Box::new(EvalAltResult::ErrorSystem(String::new(), Box::new(raised)))
            }
            Inner::Ours(failure) => Box::new(EvalAltResult::ErrorRuntime(
                Dynamic::from(Obj(std::sync::Arc::new(Caught {
                    failure,
                    raised: at,
                    at: None,
                }))),
                Position::NONE,
            )),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self(Box::new(Inner::Ours(failure)))
    }
}

impl From<Box<Diagnostic>> for Error {
    fn from(diag: Box<Diagnostic>) -> Self {
        let error = Self::data(diag.code, diag.message);
        diag.hints.into_iter().fold(error, Self::hint)
    }
}

impl From<Box<EvalAltResult>> for Error {
    fn from(error: Box<EvalAltResult>) -> Self {
        Self(Box::new(Inner::Host(error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Inner::Ours(failure) => f.write_str(&failure.message),
            // How the host language carries a failure says nothing to anybody.
            Inner::Host(error) => match carried(error) {
                Some(failure) => f.write_str(&failure.message),
                None => write!(f, "{error}"),
            },
        }
    }
}

impl std::error::Error for Error {}
