//! What a native is given: its arguments, and the run it is called in.

use crate::diag::nearest;
use crate::runtime::bind::bind_function;
use crate::runtime::error::Error;
use crate::runtime::forking::remembered;
use crate::runtime::rhai_host;
use crate::runtime::run::Run;
use crate::runtime::value::{Func, Val};
use indexmap::IndexMap;
use rhai::{Dynamic, FnPtr, NativeCallContext};
use std::fmt;
use std::sync::Arc;

/// The arguments of a call.
#[derive(Debug, Clone, Default)]
pub struct Args {
    /// Those before the first named one.
    pub positional: Vec<Val>,
    /// The named ones.
    pub named: IndexMap<Arc<str>, Val>,
}

impl Args {
    /// Arguments without names.
    pub fn positional(positional: Vec<Val>) -> Self {
        Self { positional, named: IndexMap::new() }
    }

    /// Takes the argument that has this name, or stands at this place.
    pub fn take(&mut self, at: usize, name: &str) -> Option<Val> {
        if let Some(value) = self.named.shift_remove(name) {
            return Some(value);
        }
        self.positional.get_mut(at).map(std::mem::take)
    }

    /// Takes the named argument.
    pub fn option(&mut self, name: &str) -> Option<Val> {
        self.named.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Takes a named count.
    ///
    /// # Errors
    /// A value that is no integer, or below zero.
    pub fn count(&mut self, name: &str) -> Result<Option<usize>, Error> {
        self.option(name).map(|value| count(name, &value)).transpose()
    }

    /// Takes a named number.
    ///
    /// # Errors
    /// A value that is no number.
    pub fn number(&mut self, name: &str) -> Result<Option<f64>, Error> {
        self.option(name).map(|value| number(name, &value)).transpose()
    }

    /// Takes a named flag.
    ///
    /// # Errors
    /// A value that is neither true nor false.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.option(name) {
            None => Ok(None),
            Some(Val::Bool(it)) => Ok(Some(it)),
            Some(other) => Err(wrong(name, "true or false", &other)),
        }
    }

    /// Takes a named text.
    ///
    /// # Errors
    /// A value that is no text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.option(name) {
            None => Ok(None),
            Some(Val::Str(it)) => Ok(Some(it.as_str().to_owned())),
            Some(other) => Err(wrong(name, "a str", &other)),
        }
    }

    /// Checks that at most `places` arguments stood without names, and that no named one is
    /// left.
    ///
    /// # Errors
    /// Arguments too many, or names that mean nothing to `what`.
    pub fn finish(&self, what: &str, places: usize, known: &[&str]) -> Result<(), Error> {
        if self.positional.len() > places {
            let given = self.positional.len();
            return Err(Error::value(format!("`{what}` takes {places} values, not {given}")));
        }
        match self.named.keys().next() {
            None => Ok(()),
            Some(name) => {
                let near = nearest(name, known).map(|it| format!("did you mean `{it}`?"));
                Err(Error::value(format!("`{what}` has no option `{name}`"))
                    .hint(near.unwrap_or_default()))
            }
        }
    }
}

/// Reads a count.
///
/// # Errors
/// A value that is no integer, or below zero.
pub fn count(name: &str, value: &Val) -> Result<usize, Error> {
    match value {
        Val::Int(it) if *it >= 0 => Ok(usize::try_from(*it).unwrap_or(usize::MAX)),
        other => Err(wrong(name, "a count", other)),
    }
}

/// Reads a number.
///
/// # Errors
/// A value that is no number.
pub fn number(name: &str, value: &Val) -> Result<f64, Error> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "options are small numbers")]
        Val::Int(it) => Ok(*it as f64),
        Val::Float(it) => Ok(*it),
        other => Err(wrong(name, "a number", other)),
    }
}

/// `what` should have been `wanted`, but is `found`.
pub fn wrong(what: &str, wanted: &str, found: &Val) -> Error {
    Error::value(format!("`{what}` wants {wanted}, found {}: {}", found.kind(), clip(found)))
}

fn clip(value: &Val) -> String {
    let shown = value.show();
    match shown.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// The run and the place in it that a native is called from.
pub struct Cx<'a> {
    pub(in crate::runtime) host: &'a NativeCallContext<'a>,
    run: Arc<Run>,
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").finish_non_exhaustive()
    }
}

impl<'a> Cx<'a> {
    pub(in crate::runtime) fn new(host: &'a NativeCallContext<'a>) -> Self {
        Self { run: rhai_host::run_of(host), host }
    }

    /// The run.
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Where in the user's text the call stands: text and byte.
    pub fn place(&self) -> Option<crate::source::Span> {
        self.run.script().place(self.host.call_position())
    }

    /// Where a path leads that the text at the place of the call says: it starts from the folder
    /// of that text.
    pub fn resolve(&self, path: &str) -> std::path::PathBuf {
        let script = self.run.script();
        match self.place().and_then(|it| script.base(it.source)) {
            Some(base) => base.join(path),
            None => self.run.session().resolve(path),
        }
    }

    /// The types in sight of the text at the place of the call.
    pub(in crate::runtime) fn types(&self) -> Arc<crate::check::TypeScope> {
        let script = self.run.script();
        script.type_scope(self.place().map(|it| it.source))
    }

    /// The key of a const that the text at the place of the call may name.
    pub(in crate::runtime) fn const_key(&self, name: &str) -> Option<Arc<str>> {
        let script = self.run.script();
        let library = self.place().and_then(|it| script.library_of(it.source));
        if let Some((alias, word)) = name.split_once("::") {
            let units = script.units().iter().rev().filter(|_| library.is_none());
            let mut units = library.into_iter().chain(units);
            return units.find_map(|it| it.import(alias.trim()))?.public_const(word.trim());
        }
        match library {
            Some(unit) => unit.consts.contains_key(name).then(|| unit.key(name)),
            None => script.constant_function(name).map(|_| name.into()),
        }
    }

    /// Calls a value: predictor, module, function, closure, model.
    ///
    /// # Errors
    /// What the call raises, or that the value cannot be called.
    pub fn call(&self, callee: &Val, args: Args) -> Result<Val, Error> {
        match callee {
            Val::Object(object) => {
                remembered(self, object, None, args, |args| object.call(self, args))
            }
            Val::Func(function) => self.call_func(function, args),
            other => {
                Err(Error::value(format!("{} cannot be called", crate::util::a(other.kind()))))
            }
        }
    }

    fn call_func(&self, function: &Func, args: Args) -> Result<Val, Error> {
        let name = function.lowered_name();
        let positional = match self.run.script().function(name) {
            Some(info) => bind_function(info, args)?,
            None if args.named.is_empty() => args.positional,
            None => {
                return Err(Error::value("a closure takes no named arguments")
                    .hint("give the values in the order of its parameters"));
            }
        };
        self.call_pointer(&function.0, None, positional)
    }

    /// Calls a function of the lowered program.
    pub(in crate::runtime) fn call_lowered(
        &self,
        name: &str,
        this: Option<Val>,
        args: Vec<Val>,
    ) -> Result<Val, Error> {
        self.call_pointer(&FnPtr::new(name)?, this, args)
    }

    fn call_pointer(
        &self,
        function: &FnPtr,
        this: Option<Val>,
        args: Vec<Val>,
    ) -> Result<Val, Error> {
        let mut args: Vec<Dynamic> = args.into_iter().map(rhai_host::into_dynamic).collect();
        let mut this = this.map(rhai_host::into_dynamic);
        let result = function.call_raw(self.host, this.as_mut(), &mut args)?;
        Ok(rhai_host::from_dynamic(result))
    }
}

/// A function that scripts call and Rust answers.
pub trait Native: Send + Sync {
    /// Answers a call.
    ///
    /// # Errors
    /// What the script sees as an error at the place of the call.
    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error>;
}

impl<F> Native for F
where
    F: Fn(&Cx<'_>, Args) -> Result<Val, Error> + Send + Sync,
{
    fn call(&self, cx: &Cx<'_>, args: Args) -> Result<Val, Error> {
        self(cx, args)
    }
}
