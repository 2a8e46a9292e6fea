//! What an embedder calls: data in, data out.

use crate::diag::Diagnostic;
use crate::engine::error::Error;
use crate::engine::program::Program;
use crate::lm::Prompt;
use crate::runtime::{self, Args, Val, codes};
use crate::schema::{Record, Value};
use crate::trace::{Totals, Trace};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An instance of a module, a predictor or a function, ready to be called from any thread.
#[derive(Debug, Clone)]
pub struct Callable {
    program: Program,
    target: runtime::Program,
}

/// What a call gave, and what happened.
#[derive(Debug, Clone)]
pub struct Reply {
    fields: Record,
    trace: Trace,
    warnings: Vec<Diagnostic>,
}

impl Reply {
    /// Its fields.
    pub fn fields(&self) -> &Record {
        &self.fields
    }

    /// Its fields as a type of the host's.
    ///
    /// # Errors
    /// They do not fit the type.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let json = serde_json::to_value(&self.fields);
        json.and_then(serde_json::from_value).map_err(|error| misfit("the reply", &error))
    }

    /// What happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Calls and tokens.
    pub fn totals(&self) -> Totals {
        self.trace.totals()
    }

    /// What went wrong and did not stop it.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
}

fn misfit(what: &str, error: &serde_json::Error) -> Error {
    Error::bare(Diagnostic::bare(codes::VALUE, format!("{what} does not fit: {error}")))
}

impl Callable {
    pub(in crate::engine) fn new(program: Program, target: runtime::Program) -> Self {
        Self { program, target }
    }

    /// Returns it with the state that a file holds.
    ///
    /// # Errors
    /// The file cannot be read, or was made for another program.
    pub fn with_state(&self, path: &str) -> Result<Self, Error> {
        let target = self.program.within(|cx| self.target.load_state(cx, path))?;
        Ok(Self { target, program: self.program.clone() })
    }

    /// What it would send for these inputs, without sending it: `path` names one of its
    /// predictors, and may be left out where it has only one.
    ///
    /// # Errors
    /// No such predictor, and inputs that do not fit.
    pub fn prompt(&self, path: Option<&str>, input: &impl Serialize) -> Result<Prompt, Error> {
        let inputs = record(input)?;
        self.program.within(|cx| self.target.prompt(cx, path, &inputs))
    }

    /// Calls it: `input` is anything that serializes to named values, `T` anything that reads
    /// the fields of the reply.
    ///
    /// # Errors
    /// What the run raises, and values that do not fit. On a thread that drives an async
    /// runtime it refuses: use [`Callable::call_async`] there.
    pub fn call<T: DeserializeOwned>(&self, input: &impl Serialize) -> Result<T, Error> {
        self.call_reply(input)?.get()
    }

    /// As [`Callable::call`], with the trace.
    ///
    /// # Errors
    /// Those of [`Callable::call`].
    pub fn call_reply(&self, input: &impl Serialize) -> Result<Reply, Error> {
        if tokio::runtime::Handle::try_current().is_ok() {
            let message = "`call` would block the async runtime that this thread drives";
            let diagnostic = Diagnostic::bare(codes::RUNTIME, message);
            return Err(Error::bare(diagnostic.hint("use `call_async(…).await` here")));
        }
        self.finish(args(input)?)
    }

    /// Calls it from async code; the caller's runtime is not blocked.
    ///
    /// # Errors
    /// Those of [`Callable::call`].
    pub async fn call_async<T: DeserializeOwned>(
        &self,
        input: &impl Serialize,
    ) -> Result<T, Error> {
        self.call_reply_async(input).await?.get()
    }

    /// As [`Callable::call_async`], with the trace.
    ///
    /// # Errors
    /// Those of [`Callable::call`].
    pub async fn call_reply_async(&self, input: &impl Serialize) -> Result<Reply, Error> {
        let args = args(input)?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let callable = self.clone();
        let started =
            std::thread::Builder::new().name("dsp-call".to_owned()).spawn(move || {
                // A host that no longer waits has no use for the reply.
                let _ = sender.send(callable.finish(args));
            });
        let lost = |message: String| Error::bare(Diagnostic::bare(codes::RUNTIME, message));
        started.map_err(|error| lost(format!("the system gives no thread: {error}")))?;
        receiver
            .await
            .unwrap_or_else(|_| Err(lost("an internal error ended the run".to_owned())))
    }

    fn finish(&self, args: Args) -> Result<Reply, Error> {
        let called = self.program.call(&self.target, args);
        called.finished.result?;
        let reply = called.reply.expect("a run that did not fail has a reply");
        let fields = reply.record().map_err(|error| self.program.tell(&error))?;
        let (trace, warnings) = (called.finished.trace, called.finished.warnings);
        Ok(Reply { fields, trace, warnings })
    }
}

/// A host's value as named arguments.
fn args(input: &impl Serialize) -> Result<Args, Error> {
    let record = record(input)?;
    let named = record.iter().map(|(k, v)| (k.clone(), Val::from_value(v))).collect();
    Ok(Args { positional: Vec::new(), named })
}

/// A host's value as named values.
fn record(input: &impl Serialize) -> Result<Record, Error> {
    let json = serde_json::to_value(input).map_err(|error| misfit("the input", &error))?;
    match serde_json::from_value(json).map_err(|error| misfit("the input", &error))? {
        Value::Map(record) => Ok(Record::clone(&record)),
        other => {
            let message = format!("the input is {}, not named values", other.kind());
            Err(Error::bare(Diagnostic::bare(codes::VALUE, message)))
        }
    }
}
