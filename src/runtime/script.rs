//! Compiled programs: shared by all runs, never changed.

use crate::check::slices::{self, Slices};
use crate::check::{Checked, FnInfo, ModuleInfo, TypeScope};
use crate::diag::Diagnostic;
use crate::lower::{Item, Linked, Part, items_named, lower, lower_part, named_items, names};
use crate::runtime::cx::Cx;
use crate::runtime::error::{Error, codes};
use crate::runtime::rhai_host::{self, Host, from_dynamic};
use crate::runtime::run::Run;
use crate::runtime::signature_value::SignatureValue;
use crate::runtime::value::Val;
use crate::schema::Template;
use crate::source::{SourceId, Sources, Span};
use rhai::{AST, Position, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
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
    /// The units that those import, by their prefixes.
    libraries: BTreeMap<Arc<str>, Library>,
    /// The items of the standard library that are written.
    standard: BTreeSet<Item>,
    sources: Sources,
    by_lowered: BTreeMap<String, Arc<FnInfo>>,
    has_conditions: bool,
    /// What flows where in the functions of each text.
    slices: BTreeMap<SourceId, Arc<Slices>>,
}

/// A unit that others import.
#[derive(Debug, Clone)]
pub struct Library {
    /// What was made out of it.
    pub checked: Arc<Checked>,
    /// The folder that paths in it start from.
    pub base: PathBuf,
    /// Whether it is of the standard library, of which only what is used is written.
    pub embedded: bool,
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

    /// The value of the variable of this name.
    pub fn get(&self, name: &str) -> Option<Val> {
        let value = crate::util::lock(&self.0).get(name).cloned();
        value.map(from_dynamic)
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
            libraries: BTreeMap::new(),
            standard: BTreeSet::new(),
            sources: Sources::default(),
            by_lowered: BTreeMap::new(),
            has_conditions: false,
            slices: BTreeMap::new(),
        }
    }
}

impl Script {
    /// Whether the value of a call flows only into conditions; the key of its site.
    pub(in crate::runtime) fn judges(&self, site: i64) -> bool {
        let (unit, site) = slices::split(site);
        let site = self.slices(unit).and_then(|it| it.sites.get(site as usize));
        site.is_some_and(|it| it.judges)
    }

    /// Whether the program states somewhere what must hold.
    pub(in crate::runtime) fn has_conditions(&self) -> bool {
        self.has_conditions
    }

    /// Returns the program with one more unit, and with those of `libraries` that it does not
    /// have yet, each behind the ones that it imports. All were checked without an error.
    ///
    /// # Errors
    /// The program is too large for the host language.
    pub fn extend(
        &self,
        libraries: &[Library],
        checked: Arc<Checked>,
        sources: Sources,
    ) -> Result<Self, Box<Diagnostic>> {
        let standard = self.standard_items(libraries, &checked, &sources);
        let mut linked = self.linked.clone();
        let start = linked.text().len();
        self.link(&mut linked, libraries, &standard, &sources)?;
        lower(&mut linked, &checked, &text_of(&checked, &sources))?;
        let unit = rhai_host::compiler()
            .compile(placed(&linked, start))
            .map_err(|error| refused(&linked, &sources, &error))?;
        let functions = self.functions.merge(&unit.clone_functions_only());
        let main = self.functions.merge(&unit);
        let (mut by_lowered, mut known) = (self.by_lowered.clone(), self.libraries.clone());
        for library in libraries {
            known.insert(library.checked.prefix.clone(), library.clone());
        }
        let all = libraries.iter().map(|it| &it.checked).chain([&checked]);
        let mut slices = self.slices.clone();
        for unit in all.clone() {
            if let Some(source) = unit.source {
                slices.insert(source, unit.slices(&text_of(unit, &sources)).clone());
            }
        }
        for function in all.flat_map(|it| it.functions.values()) {
            note_function(&mut by_lowered, function);
        }
        let mut units = self.units.clone();
        units.push(checked);
        let libraries = known;
        let has_conditions =
            self.has_conditions || linked.text()[start..].contains(names::ASSERT);
        Ok(Self {
            linked,
            functions,
            main,
            units,
            libraries,
            standard,
            sources,
            by_lowered,
            has_conditions,
            slices,
        })
    }

    /// Writes the libraries that the program does not have yet, and of the standard library the
    /// items that it does not have.
    fn link(
        &self,
        linked: &mut Linked,
        libraries: &[Library],
        standard: &BTreeSet<Item>,
        sources: &Sources,
    ) -> Result<(), Box<Diagnostic>> {
        for library in libraries {
            let (unit, text) = (&library.checked, text_of(&library.checked, sources));
            if library.embedded {
                let wanted: BTreeSet<Arc<str>> = standard
                    .iter()
                    .filter(|it| it.0 == unit.prefix && !self.standard.contains(*it))
                    .map(|it| it.1.clone())
                    .collect();
                lower_part(linked, unit, &text, Part::Only(&wanted))?;
            } else if !self.libraries.contains_key(&unit.prefix) {
                lower_part(linked, unit, &text, Part::Items)?;
            }
        }
        Ok(())
    }

    /// The items of the standard library that the program uses with one more unit.
    fn standard_items(
        &self,
        libraries: &[Library],
        checked: &Checked,
        sources: &Sources,
    ) -> BTreeSet<Item> {
        let mut known = self.standard.clone();
        let own = libraries.iter().filter(|it| !it.embedded).map(|it| &*it.checked);
        let mut named: Vec<Item> = Vec::new();
        for unit in own.chain([checked]) {
            if let Some(tree) = &unit.tree {
                named.extend(named_items(unit, &text_of(unit, sources), tree));
            }
        }
        while let Some(item) = named.pop() {
            let library =
                libraries.iter().find(|it| it.embedded && it.checked.prefix == item.0);
            let Some(library) = library.filter(|_| !known.contains(&item)) else { continue };
            let (unit, text) = (&*library.checked, text_of(&library.checked, sources));
            for node in unit.tree.iter().flat_map(|it| items_named(it, &text, &item.1)) {
                named.extend(named_items(unit, &text, node));
                known.insert(item.clone());
            }
        }
        known
    }

    /// What flows where in the functions of a text.
    pub(in crate::runtime) fn slices(&self, source: SourceId) -> Option<&Arc<Slices>> {
        self.slices.get(&source)
    }

    /// Whether a text is of the standard library.
    pub(in crate::runtime) fn is_standard(&self, source: SourceId) -> bool {
        let mut standard = self.libraries.values().filter(|it| it.embedded);
        standard.any(|it| it.checked.source == Some(source))
    }

    /// The texts it was made from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The text that the host language is given.
    pub fn generated(&self) -> &str {
        self.linked.text()
    }

    /// Its units, the newest last.
    pub fn units(&self) -> &[Arc<Checked>] {
        &self.units
    }

    /// The template of a const of this name.
    pub fn template(&self, name: &str) -> Option<&Arc<Template>> {
        self.units.iter().rev().find_map(|it| it.templates.get(name))
    }

    /// The names of consts that are templates.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        self.units.iter().flat_map(|it| it.templates.keys()).map(|it| &**it)
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
        self.with_context_of(&Host::new(run.session()), run, work)
    }

    /// As [`with_context`](Self::with_context), where `host` is that of the run's session.
    pub fn with_context_of<T>(
        &self,
        host: &Host,
        run: &Arc<Run>,
        work: impl FnOnce(&Cx<'_>) -> T,
    ) -> T {
        rhai_host::with_context(host, run, &self.functions, work)
    }

    /// The function of this lowered name.
    pub(in crate::runtime) fn function(&self, lowered: &str) -> Option<&Arc<FnInfo>> {
        self.by_lowered.get(lowered)
    }

    /// The module of this key: its name, for those of no library.
    pub fn module(&self, key: &str) -> Option<&Arc<ModuleInfo>> {
        self.owner(key, |unit, name| unit.modules.get(name)).map(|it| it.1)
    }

    /// The library that the item of this key is of.
    pub(in crate::runtime) fn library(&self, key: &str) -> Option<&Arc<Checked>> {
        let (prefix, _) = names::split(key)?;
        self.libraries.get(prefix).map(|it| &it.checked)
    }

    /// What `find` finds in the unit that the item of this key is of, with the unit; of units
    /// that are no libraries the newest wins.
    pub(in crate::runtime) fn owner<'a, T>(
        &'a self,
        key: &str,
        find: impl Fn(&'a Checked, &str) -> Option<T>,
    ) -> Option<(&'a Arc<Checked>, T)> {
        if let Some((prefix, name)) = names::split(key) {
            let unit = &self.libraries.get(prefix)?.checked;
            return Some((unit, find(unit, name)?));
        }
        self.units.iter().rev().find_map(|unit| Some((unit, find(unit, key)?)))
    }

    /// The folder that paths in a text start from, for the texts of libraries.
    pub(in crate::runtime) fn base(&self, source: SourceId) -> Option<&Path> {
        let mut libraries = self.libraries.values();
        libraries.find(|it| it.checked.source == Some(source)).map(|it| it.base.as_path())
    }

    /// Its units, the newest first, and then the libraries.
    pub(in crate::runtime) fn all_units(&self) -> impl Iterator<Item = &Arc<Checked>> {
        self.units.iter().rev().chain(self.libraries.values().map(|it| &it.checked))
    }

    /// The library that a text is.
    pub(in crate::runtime) fn library_of(&self, source: SourceId) -> Option<&Arc<Checked>> {
        let mut libraries = self.libraries.values().map(|it| &it.checked);
        libraries.find(|it| it.source == Some(source))
    }

    /// The types in sight of a text, by default of the newest.
    pub(in crate::runtime) fn type_scope(&self, source: Option<SourceId>) -> Arc<TypeScope> {
        let found = source.and_then(|it| self.library_of(it));
        found.or(self.units.last()).map(|it| it.type_scope.clone()).unwrap_or_default()
    }

    /// The text position of the host language as a place in the user's text.
    pub(in crate::runtime) fn place(&self, position: Position) -> Option<Span> {
        let (line, column) = (position.line()?, position.position().unwrap_or(1));
        let (source, offset) = self.linked.locate(line, column)?;
        Some(self.word_at(source, offset))
    }

    /// A place as a person reads it: `main.dsp:4:9`.
    pub(in crate::runtime) fn told_place(&self, position: Position) -> Option<String> {
        let span = self.place(position)?;
        let (line, column) = self.sources.position(span.source, span.start as usize);
        Some(format!("{}:{line}:{column}", self.sources.get(span.source).name))
    }

    /// The word, or the one character, at a place.
    fn word_at(&self, source: SourceId, offset: usize) -> Span {
        let rest = self.sources.get(source).text.get(offset..).unwrap_or_default();
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = word.max(rest.chars().next().map_or(0, char::len_utf8));
        Span::new(source, offset, offset + len)
    }

    pub(in crate::runtime) fn signature_value(&self, name: &str) -> Result<Val, Error> {
        match self.owner(name, |unit, name| unit.signatures.get(name)) {
            Some((_, signature)) => {
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
            let libraries = self.libraries.values().map(|it| &it.checked);
            let mut units = self.units.iter().rev().chain(libraries);
            Some((key, units.find_map(|unit| unit.inline.get(&key))?))
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
        let found = self.owner(name, |unit, name| unit.consts.get(name));
        found.map(|(_, info)| info.lowered.clone())
    }

    /// The named types of the program.
    pub fn types(&self) -> Arc<crate::schema::TypeTable> {
        self.units.last().map(|unit| unit.types.clone()).unwrap_or_default()
    }
}

/// The text behind `start`, compiled alone, but with its places those in the whole text.
fn placed(linked: &Linked, start: usize) -> String {
    let before = &linked.text()[..start];
    let column = start - before.rfind('\n').map_or(0, |at| at + 1);
    let lines = before.matches('\n').count();
    format!("{}{}{}", "\n".repeat(lines), " ".repeat(column), &linked.text()[start..])
}

fn text_of(checked: &Checked, sources: &Sources) -> Arc<str> {
    checked.source.map(|it| sources.get(it).text.clone()).unwrap_or_default()
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
