//! Compiled programs: shared by all runs, never changed.

use crate::check::{Checked, FnInfo, ModuleInfo};
use crate::diag::Diagnostic;
use crate::lower::{Linked, lower, names};
use crate::runtime::cx::Cx;
use crate::runtime::error::{Error, codes};
use crate::runtime::rhai_host::{self, from_dynamic};
use crate::runtime::run::Run;
use crate::runtime::signature_value::SignatureValue;
use crate::runtime::value::Val;
use crate::source::{SourceId, Sources, Span};
use rhai::{AST, Position, Scope};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A compiled program: its units in order, each seeing the items of those before it.
#[derive(Clone)]
pub struct Script {
    linked: Linked,
    /// The functions of all units.
    functions: AST,
    /// The functions of all units and the statements of the last one.
    main: AST,
    units: Vec<Arc<Checked>>,
    sources: Sources,
    by_lowered: BTreeMap<String, Arc<FnInfo>>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("units", &self.units.len()).finish_non_exhaustive()
    }
}

/// Variables that live on from one unit to the next, in a session.
#[derive(Default)]
pub struct Variables(Mutex<Scope<'static>>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

impl Variables {
    /// Their names.
    pub fn names(&self) -> Vec<Arc<str>> {
        crate::util::lock(&self.0).iter().map(|(name, _, _)| name.into()).collect()
    }

    /// Gives a variable a value.
    pub fn set(&self, name: &str, value: Val) {
        crate::util::lock(&self.0).set_value(name.to_owned(), rhai_host::into_dynamic(value));
    }

    /// Returns a copy; what is done to it is not done to these.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Mutex::new(crate::util::lock(&self.0).clone()))
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            linked: Linked::default(),
            functions: AST::empty(),
            main: AST::empty(),
            units: Vec::new(),
            sources: Sources::default(),
            by_lowered: BTreeMap::new(),
        }
    }
}

impl Script {
    /// Returns the program with one more unit, which was checked without an error.
    ///
    /// # Errors
    /// The program is too large for the host language.
    pub fn extend(
        &self,
        checked: Arc<Checked>,
        sources: Sources,
    ) -> Result<Self, Box<Diagnostic>> {
        let mut linked = self.linked.clone();
        let text = checked.source.map(|it| sources.get(it).text.clone()).unwrap_or_default();
        let lines_before = linked.lines() - 1;
        let range = lower(&mut linked, &checked, &text)?;
        let column_before = linked.text()[..range.start]
            .rfind('\n')
            .map_or(range.start, |at| range.start - at - 1);
        // The unit is compiled alone, but its places are those in the whole text.
        let padded = format!(
            "{}{}{}",
            "\n".repeat(lines_before),
            " ".repeat(column_before),
            &linked.text()[range]
        );
        let unit = rhai_host::compiler()
            .compile(&padded)
            .map_err(|error| refused(&linked, &sources, &error))?;
        let functions = self.functions.merge(&unit.clone_functions_only());
        let main = self.functions.merge(&unit);
        let mut by_lowered = self.by_lowered.clone();
        for function in checked.functions.values() {
            note_function(&mut by_lowered, function);
        }
        let mut units = self.units.clone();
        units.push(checked);
        Ok(Self { linked, functions, main, units, sources, by_lowered })
    }

    /// The texts it was made from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Its units, the newest last.
    pub fn units(&self) -> &[Arc<Checked>] {
        &self.units
    }

    /// Runs the statements of the last unit; its value is that of the last expression.
    ///
    /// # Errors
    /// What the program raises.
    pub fn run_main(&self, run: &Arc<Run>, variables: &Variables) -> Result<Val, Error> {
        let engine = rhai_host::engine(run);
        let mut scope = crate::util::lock(&variables.0);
        let value = engine.eval_ast_with_scope::<rhai::Dynamic>(&mut scope, &self.main)?;
        Ok(from_dynamic(value))
    }

    /// Runs a test, by the name of its function.
    ///
    /// # Errors
    /// What the test raises.
    pub fn run_test(&self, run: &Arc<Run>, lowered: &str) -> Result<Val, Error> {
        self.with_context(run, |cx| cx.call_lowered(lowered, None, Vec::new()))
    }

    /// Runs `work` in a fresh context over the program's functions.
    pub fn with_context<T>(&self, run: &Arc<Run>, work: impl FnOnce(&Cx<'_>) -> T) -> T {
        rhai_host::with_context(run, &self.functions, work)
    }

    /// The function of this lowered name.
    pub(in crate::runtime) fn function(&self, lowered: &str) -> Option<&Arc<FnInfo>> {
        self.by_lowered.get(lowered)
    }

    /// The module of this name.
    pub fn module(&self, name: &str) -> Option<&Arc<ModuleInfo>> {
        self.units.iter().rev().find_map(|unit| unit.modules.get(name))
    }

    /// The text position of the host language as a place in the user's text.
    pub(in crate::runtime) fn place(&self, position: Position) -> Option<Span> {
        let (line, column) = (position.line()?, position.position().unwrap_or(1));
        let (source, offset) = self.linked.locate(line, column)?;
        Some(self.word_at(source, offset))
    }

    /// The word, or the one character, at a place.
    fn word_at(&self, source: SourceId, offset: usize) -> Span {
        let rest = self.sources.get(source).text.get(offset..).unwrap_or_default();
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = word.max(rest.chars().next().map_or(0, char::len_utf8));
        Span::new(source, offset, offset + len)
    }

    pub(in crate::runtime) fn signature_value(&self, name: &str) -> Result<Val, Error> {
        let signature = self.units.iter().rev().find_map(|unit| unit.signatures.get(name));
        match signature {
            Some(signature) => {
                let contracts = (signature.contracts > 0).then(|| names::contracts(name));
                Ok(Val::object(SignatureValue::new(signature.clone(), contracts)))
            }
            None => Err(Error::value(format!("there is no signature `{name}`"))),
        }
    }

    pub(in crate::runtime) fn inline_value(
        &self,
        source: i64,
        offset: i64,
    ) -> Result<Val, Error> {
        let key = u32::try_from(source).ok().map(SourceId).zip(u32::try_from(offset).ok());
        let found = key.and_then(|key| {
            Some((key, self.units.iter().rev().find_map(|unit| unit.inline.get(&key))?))
        });
        match found {
            Some(((source, offset), signature)) => {
                let contracts =
                    (signature.contracts > 0).then(|| names::inline_contracts(source, offset));
                Ok(Val::object(SignatureValue::new(signature.clone(), contracts)))
            }
            None => Err(Error::value("this signature is not known")),
        }
    }

    pub(in crate::runtime) fn class_value(&self, name: &str) -> Result<Val, Error> {
        match self.module(name) {
            Some(info) => Ok(Val::object(crate::runtime::instance::Class::new(info.clone()))),
            None => Err(Error::value(format!("there is no module `{name}`"))),
        }
    }

    /// The lowered function of a const.
    pub(in crate::runtime) fn constant_function(&self, name: &str) -> Option<String> {
        let found = self.units.iter().rev().find_map(|unit| unit.consts.get(name));
        found.map(|info| info.lowered.clone())
    }

    /// The named types of the program.
    pub fn types(&self) -> Arc<crate::schema::TypeTable> {
        self.units.last().map(|unit| unit.types.clone()).unwrap_or_default()
    }
}

fn note_function(known: &mut BTreeMap<String, Arc<FnInfo>>, function: &Arc<FnInfo>) {
    known.insert(function.lowered.clone(), function.clone());
}

/// The host language refused what was checked: the defect is ours, the place is the user's.
fn refused(linked: &Linked, sources: &Sources, error: &rhai::ParseError) -> Box<Diagnostic> {
    let message = format!("the host language refuses this: {}", error.err_type());
    let position = error.position();
    let place =
        position.line().and_then(|line| linked.locate(line, position.position().unwrap_or(1)));
    let diagnostic = match place {
        Some((source, offset)) => {
            let end = (offset + 1).min(sources.get(source).text.len());
            Diagnostic::new(codes::RUNTIME, Span::new(source, offset, end), message)
        }
        None => Diagnostic::bare(codes::RUNTIME, message),
    };
    Box::new(diagnostic.hint("the check let it through: please report it"))
}
