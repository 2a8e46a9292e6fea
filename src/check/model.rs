//! What checking a unit finds out: plain data for `lower`, `runtime` and tools.

use super::slices::{self, Slices};
use super::types::TypeScope;
use super::value::{FnKey, Known};
use crate::schema::{Signature, Template, Ty, TypeTable, Value};
use crate::source::{SourceId, Span};
use crate::syntax::Node;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// A checked unit: one file, one entry of a session, or one expression over a script's items.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// What stands before the names of its items in the program: nothing for a script and the
    /// entries of a session, something of its own for a unit that was imported.
    pub prefix: Arc<str>,
    /// Its text; `None` only in the empty unit.
    pub source: Option<SourceId>,
    /// Its tree.
    pub tree: Option<Arc<Node>>,
    /// Its signatures.
    pub signatures: IndexMap<Arc<str>, Signature>,
    /// All named types in sight, those of earlier and of imported units included.
    pub types: Arc<TypeTable>,
    /// What those types are called here.
    pub type_scope: Arc<TypeScope>,
    /// What it imports, by the names that it gives them.
    pub imports: IndexMap<Arc<str>, Arc<Self>>,
    /// The prelude, where it names something of it.
    pub prelude: Option<Arc<Self>>,
    /// The names of its items that are for its own file only.
    pub private: BTreeSet<Arc<str>>,
    /// Its modules.
    pub modules: IndexMap<Arc<str>, Arc<ModuleInfo>>,
    /// The parameters, members and methods of all of them.
    pub members: BTreeSet<Arc<str>>,
    /// Its functions.
    pub functions: IndexMap<Arc<str>, Arc<FnInfo>>,
    /// Its consts.
    pub consts: IndexMap<Arc<str>, Arc<ConstInfo>>,
    /// Templates that are consts of it, by their names.
    pub templates: IndexMap<Arc<str>, Arc<Template>>,
    /// Its settings.
    pub settings: IndexMap<Arc<str>, Setting>,
    /// Its tests.
    pub tests: Vec<TestInfo>,
    /// Signatures without a name: anonymous ones, and strings where a signature is wanted. The
    /// key is the text and the first byte.
    pub inline: BTreeMap<(SourceId, u32), Signature>,
    /// What each name means, by the first byte of its token.
    pub resolutions: BTreeMap<u32, Resolution>,
    /// Predictors that can be named without running anything: `Rag.answer`, `Rag.inner.answer`,
    /// and those of consts and of main's variables under their names.
    pub predictors: IndexMap<String, StaticPredictor>,
    /// What its functions and methods give whoever calls them, by where their names stand, and
    /// what its consts are.
    pub(crate) gives: Gives,
    /// The names of main's variables.
    pub lets: BTreeSet<Arc<str>>,
    /// Whether it has statements to run.
    pub main: bool,
    /// What it names of earlier units.
    pub outer: Outer,
    /// What flows where in its functions, once somebody asked.
    pub(crate) slices: OnceLock<Arc<Slices>>,
}

/// What other units may know of a unit's values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gives {
    /// What functions and methods return.
    pub(crate) results: BTreeMap<FnKey, Known>,
    /// What consts are.
    pub(crate) consts: BTreeMap<Arc<str>, Known>,
}

/// What is in sight of earlier units, and of imported ones.
#[derive(Debug, Clone, Default)]
pub struct Outer {
    /// Modules of earlier units.
    pub modules: IndexMap<Arc<str>, Arc<ModuleInfo>>,
    /// Functions of earlier units.
    pub functions: IndexMap<Arc<str>, Arc<FnInfo>>,
    /// What earlier units import.
    pub imports: IndexMap<Arc<str>, Arc<Checked>>,
    /// The members and methods of all modules of earlier and of imported units, whoever imports
    /// them: their instances may come from anywhere.
    pub members: BTreeSet<Arc<str>>,
}

impl Checked {
    /// What flows where in its functions, whose text is `text`.
    pub fn slices(&self, text: &str) -> &Arc<Slices> {
        self.slices.get_or_init(|| Arc::new(slices::slices(self, text)))
    }

    /// The module of this name, of this unit or an earlier one.
    pub fn module(&self, name: &str) -> Option<&Arc<ModuleInfo>> {
        self.modules.get(name).or_else(|| self.outer.modules.get(name))
    }

    /// The function of this name, of this unit or an earlier one.
    pub fn function(&self, name: &str) -> Option<&Arc<FnInfo>> {
        self.functions.get(name).or_else(|| self.outer.functions.get(name))
    }

    /// Whether some module in sight has a member or method of this name.
    pub fn has_member(&self, name: &str) -> bool {
        self.members.contains(name) || self.outer.members.contains(name)
    }

    /// The unit that is imported under this name, by this unit or an earlier one.
    pub fn import(&self, alias: &str) -> Option<&Arc<Self>> {
        self.imports.get(alias).or_else(|| self.outer.imports.get(alias))
    }

    /// The name of an item of this unit in the program.
    pub fn key(&self, name: &str) -> Arc<str> {
        super::names::scoped(&self.prefix, name).into()
    }
}

/// A module.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its name in the program, which no other unit has.
    pub key: Arc<str>,
    /// Its documentation.
    pub doc: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// Its parameters, which are members too.
    pub params: Vec<ParamInfo>,
    /// Its members, in order.
    pub members: Vec<MemberInfo>,
    /// Its methods, in order.
    pub methods: IndexMap<Arc<str>, FnInfo>,
    /// What its names are.
    pub slots: BTreeMap<Arc<str>, Slot>,
}

/// What a name of a module is; the first of a name counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The parameter at this place.
    Param(usize),
    /// The member at this place.
    Member(usize),
    /// A method.
    Method,
}

impl ModuleInfo {
    /// Whether it has a parameter, member or method of this name.
    pub fn has(&self, name: &str) -> bool {
        self.slots.contains_key(name)
    }
}

/// A member of a module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemberInfo {
    /// Its name.
    pub name: Arc<str>,
    /// What it predicts, where that is known without running anything.
    pub predictor: Option<StaticPredictor>,
    /// The key of the module it is an instance of, where that is known.
    pub module: Option<Arc<str>>,
    /// What is known of it.
    pub(crate) known: Known,
}

/// A predictor whose signature is known without running anything.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticPredictor {
    /// `predict` or `chain_of_thought`.
    pub kind: &'static str,
    /// Its signature, as written: without `reasoning`.
    pub signature: Signature,
    /// How it lays prompts out, where the program says it in so many words.
    pub adapter: Option<StaticAdapter>,
}

/// An adapter that is known without running anything.
#[derive(Debug, Clone, PartialEq)]
pub enum StaticAdapter {
    /// The one of this name.
    Named(Arc<str>),
    /// A template.
    Template(Arc<Template>),
}

/// A function or method.
#[derive(Debug, Clone, PartialEq)]
pub struct FnInfo {
    /// Its name in the generated text.
    pub lowered: String,
    /// Its parameters.
    pub params: Vec<ParamInfo>,
    /// Its documentation.
    pub doc: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// The type of its result.
    pub result: Option<Ty>,
    /// Whether it is for its own file only.
    pub private: bool,
    /// Functions of the same name with other numbers of parameters.
    pub overloads: Vec<Self>,
}

/// A parameter of a function, method or module.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its name in the generated text.
    pub lowered: String,
    /// Its type.
    pub ty: Option<Ty>,
    /// Whether it may be left out.
    pub has_default: bool,
    /// Whether it collects the remaining named arguments.
    pub rest: bool,
    /// What it is, in the author's words.
    pub description: Option<Arc<str>>,
}

impl ParamInfo {
    /// Whether a call may leave it out.
    pub fn may_be_left_out(&self) -> bool {
        self.has_default || matches!(self.ty, Some(Ty::Optional(_)))
    }
}

/// A const.
#[derive(Debug, Clone, PartialEq)]
pub struct ConstInfo {
    /// The function that computes it, in the generated text.
    pub lowered: String,
    /// Where its name stands.
    pub span: Span,
    /// What it predicts, where that is known without running anything.
    pub predictor: Option<StaticPredictor>,
    /// The key of the module it is an instance of, where that is known.
    pub module: Option<Arc<str>>,
}

/// An entry of `settings`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its value.
    pub value: Value,
    /// Where the value stands.
    pub span: Span,
}

/// A test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestInfo {
    /// Its title.
    pub title: Arc<str>,
    /// The function that runs it, in the generated text.
    pub lowered: String,
    /// Where its title stands.
    pub span: Span,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// A variable or parameter.
    Local,
    /// A parameter or member of the module around.
    Member,
    /// `self` in a module's method.
    SelfValue,
    /// A signature.
    Signature,
    /// A module.
    Module,
    /// A function.
    Function,
    /// A const.
    Const,
    /// A function of the prelude.
    Prelude,
    /// A function of the catalog.
    Native,
    /// A function of Rhai's.
    Rhai,
    /// A named type.
    Type,
    /// Nothing that is known.
    Unknown,
}
