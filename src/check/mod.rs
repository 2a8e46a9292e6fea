//! Tree to meaning: names, types, signatures and calls.
//!
//! [`check`] never fails: what it finds wrong is told in diagnostics, and [`Checked`] holds
//! what could be made out. It executes nothing and reads no file. Where it is not sure it says
//! nothing.
//!
//! `items` finds what the unit declares; `walk` goes through its code with the names in scope,
//! whose meaning `resolve` knows; `call` finds what is called, and `shape` compares the
//! arguments with it; `known` says what a value is where the text shows it.

pub(crate) mod args;
mod assign;
mod blame;
mod bodies;
mod call;
mod choices;
pub(crate) mod codes;
mod cycles;
mod exports;
mod fits;
mod flow;
mod history;
mod imports;
mod infer;
mod items;
mod known;
mod literal;
mod methods;
mod misuse;
mod model;
mod modules;
pub mod names;
mod options;
mod parts;
mod pieces;
mod programs;
mod resolve;
mod scope;
mod settings;
mod shape;
mod sigtext;
pub mod slices;
mod templates;
mod traps;
mod types;
mod unused;
mod value;
mod walk;

pub use codes::CODES;
pub use imports::import_path;
pub use model::{
    Checked, ConstInfo, FnInfo, MemberInfo, ModuleInfo, Outer, ParamInfo, Resolution, Setting,
    StaticAdapter, StaticPredictor, TestInfo,
};
pub use types::{ImportedTypes, TypeScope};
pub(crate) use walk::is_item;

use crate::diag::{Code, Diagnostic};
use crate::schema::{Field, Signature, TypeTable};
use crate::source::{SourceId, Span};
use crate::syntax::{Node, Parse};
use flow::Flow;
use imports::Import;
use pieces::{Changes, Piece};
use scope::{Known, Scopes};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a unit finds around it.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Earlier units whose items are visible.
    pub prior: &'a [Arc<Checked>],
    /// The variables in scope.
    pub locals: &'a [Arc<str>],
    /// What stands before the names of its items in the program.
    pub prefix: &'a str,
    /// The units that it imports, by the first byte of the import; nothing for one that cannot
    /// be imported, of which the user is told elsewhere.
    pub imports: &'a BTreeMap<u32, Option<Arc<Checked>>>,
    /// The prelude, where the unit may need it.
    pub prelude: Option<&'a Arc<Checked>>,
    /// All units that were imported so far, by whomever.
    pub units: &'a [Arc<Checked>],
    /// Whether more text may follow and use what is imported, as in a session.
    pub open: bool,
}

/// Checks a unit that imports no other. `prior` are earlier units whose items are visible,
/// `locals` the variables in scope.
pub fn check(
    parse: &Parse,
    source: SourceId,
    text: &str,
    prior: &[Arc<Checked>],
    locals: &[Arc<str>],
) -> (Checked, Vec<Diagnostic>) {
    let imports = &BTreeMap::new();
    let around =
        Around { prior, locals, prefix: "", imports, prelude: None, units: &[], open: false };
    check_unit(parse, source, text, around)
}

/// Checks a unit.
pub fn check_unit(
    parse: &Parse,
    source: SourceId,
    text: &str,
    around: Around<'_>,
) -> (Checked, Vec<Diagnostic>) {
    let mut checker = Checker {
        text,
        source,
        tree: &parse.tree,
        around,
        out: Checked {
            prefix: around.prefix.into(),
            prelude: around.prelude.cloned(),
            source: Some(source),
            tree: Some(parse.tree.clone()),
            ..Checked::default()
        },
        diags: Vec::new(),
        firm: Vec::new(),
        items: BTreeMap::new(),
        imports: BTreeMap::new(),
        used_imports: BTreeSet::new(),
        consts: BTreeMap::new(),
        values: BTreeMap::new(),
        n_waiting: 0,
        broken: BTreeSet::new(),
        inputs: Vec::new(),
        pieces: Vec::new(),
        changes: Arc::default(),
        typed: BTreeSet::new(),
        scopes: Scopes::default(),
        flow: Flow::default(),
        context: Context::default(),
        sound: true,
        words: BTreeMap::new(),
    };
    checker.outer();
    checker.items();
    checker.pieces();
    checker.walk_unit();
    checker.exports();
    checker.const_cycles();
    checker.sound = parse.diags.iter().all(|it| !it.is_error());
    checker.unused();
    checker.predictors();
    checker.unused_imports();
    checker.blame();
    let mut diags = checker.diags;
    diags.extend(checker.firm);
    drop_consequences(&mut diags, parse, text);
    diags.sort_by_key(|it| {
        it.primary.as_ref().map_or((0, 0), |at| (at.span.start, at.span.end))
    });
    diags.dedup();
    (checker.out, diags)
}

/// Takes out what says of a line that does not parse that it means nothing.
fn drop_consequences(diags: &mut Vec<Diagnostic>, parse: &Parse, text: &str) {
    let consequences = [
        codes::UNKNOWN_NAME,
        codes::UNKNOWN_FUNCTION,
        codes::NO_OUTPUTS,
        codes::UNKNOWN_TYPE,
        codes::ASSIGNED_CONST,
        codes::UNUSED_VARIABLE,
        codes::UNUSED_ITEM,
    ];
    let slips: Vec<&Diagnostic> = parse.diags.iter().filter(|it| it.is_error()).collect();
    if slips.is_empty() {
        return;
    }
    let ends: Vec<usize> = text.match_indices('\n').map(|it| it.0).collect();
    let line = |diag: &Diagnostic| {
        let start = diag.primary.as_ref()?.span.start as usize;
        Some(ends.partition_point(|end| *end < start))
    };
    let broken: BTreeSet<Option<usize>> = slips.into_iter().map(line).collect();
    diags.retain(|it| !consequences.contains(&it.code) || !broken.contains(&line(it)));
}

/// Reads a signature such as `question, context: list[str] -> answer: str`. `is_const` knows the
/// consts that `one_of(…)` may name.
///
/// # Errors
///
/// Returns what is wrong with the text. The places are offsets in it, in the text of id 0.
pub fn signature_from_str(
    text: &str,
    types: &Arc<TypeTable>,
    is_const: &dyn Fn(&str) -> bool,
) -> Result<Signature, Vec<Diagnostic>> {
    let key = |name: &str| is_const(name).then(|| name.into());
    signature_in(text, &TypeScope::of(types.clone()), &key)
}

/// As [`signature_from_str`], with the types in sight of a unit. `key` knows the consts that
/// `one_of(…)` may name, and what they are called in the program.
///
/// # Errors
///
/// Returns what is wrong with the text. The places are offsets in it, in the text of id 0.
pub fn signature_in(
    text: &str,
    scope: &TypeScope,
    key: &dyn Fn(&str) -> Option<Arc<str>>,
) -> Result<Signature, Vec<Diagnostic>> {
    let consts = |name: &str| choices::by_name(name, key);
    let (signature, diags) = sigtext::read(text, scope, whole(text), &consts);
    if diags.is_empty() { Ok(signature) } else { Err(diags) }
}

/// Reads a field such as `out confidence: float(0..=1) 'how sure'` of a signature, and says
/// whether it is an output. `key` knows the consts that `one_of(…)` may name.
///
/// # Errors
///
/// Returns what is wrong with the text. The places are offsets in it, in the text of id 0.
pub fn field_from_str(
    text: &str,
    signature: &Signature,
    scope: &TypeScope,
    key: &dyn Fn(&str) -> Option<Arc<str>>,
) -> Result<(bool, Field), Vec<Diagnostic>> {
    let consts = |name: &str| choices::by_name(name, key);
    let (field, diags) = sigtext::read_field(text, signature, scope, whole(text), &consts);
    match field {
        Some(field) if diags.is_empty() => Ok(field),
        _ => Err(diags),
    }
}

fn whole(text: &str) -> types::Place {
    types::Place { span: Span::new(SourceId(0), 0, text.len()), exact: true }
}

/// What the code being walked is part of.
#[derive(Debug, Clone, Default)]
struct Context {
    /// Whether it is an item, which does not see main's variables.
    item: bool,
    /// The module around.
    module: Option<Arc<str>>,
    /// Whether `self` and `this` are bound.
    method: bool,
    /// Whether it is a function or closure, where `this` may be bound.
    function: bool,
    /// The signature whose contracts it belongs to.
    contract: Option<Arc<str>>,
    /// Whether it is a function that judges replies.
    metric: bool,
}

/// The state of checking one unit.
struct Checker<'a> {
    text: &'a str,
    source: SourceId,
    tree: &'a Node,
    around: Around<'a>,
    out: Checked,
    diags: Vec<Diagnostic>,
    /// What is told once, whenever it is found.
    firm: Vec<Diagnostic>,
    /// The unit's own items and where their names stand.
    items: BTreeMap<Arc<str>, (Resolution, Span)>,
    /// The names that imports bind.
    imports: BTreeMap<Arc<str>, (Import, Span)>,
    /// Those that something names.
    used_imports: BTreeSet<Arc<str>>,
    /// What is known of consts that were asked for.
    consts: BTreeMap<Arc<str>, Known>,
    /// The values of the unit's consts, as they are written.
    values: BTreeMap<&'a str, &'a Node>,
    /// How many consts wait for what is known of others.
    n_waiting: usize,
    /// The inputs of the signature being read.
    inputs: Vec<choices::Input>,
    /// Where strings stand that are no signatures.
    broken: BTreeSet<u32>,
    /// Its pieces, as they were walked last.
    pieces: Vec<Piece<'a>>,
    /// Which variables change in the piece being walked.
    changes: Arc<Changes<'a>>,
    /// Functions on a type of Rhai's: `fn int.double()`.
    typed: BTreeSet<&'a str>,
    scopes: Scopes,
    flow: Flow<'a>,
    context: Context,
    /// Whether the text has no slip, so that the tree holds all of it.
    sound: bool,
    /// How often each word stands in a text with slips.
    words: BTreeMap<&'a str, usize>,
}

impl Checker<'_> {
    /// Tells the user something, and gives it to the caller to be completed.
    fn tell(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.diags.push(Diagnostic::new(code, span, message));
        let last = self.diags.len() - 1;
        &mut self.diags[last]
    }

    fn span(&self, node: &Node) -> Span {
        node.span(self.source)
    }

    /// Makes items of earlier units visible.
    fn outer(&mut self) {
        for unit in self.around.prior {
            let outer = &mut self.out.outer;
            outer.modules.extend(unit.modules.iter().map(|(k, v)| (k.clone(), v.clone())));
            outer.functions.extend(unit.functions.iter().map(|(k, v)| (k.clone(), v.clone())));
            outer.imports.extend(unit.imports.iter().map(|(k, v)| (k.clone(), v.clone())));
            outer.members.extend(unit.members.iter().chain(&unit.outer.members).cloned());
        }
    }

    /// What is known of a variable when others may change it at any time.
    fn steady(&self, name: &str, known: Known) -> Known {
        let assigned = self.changes.assigned.get(name).copied().unwrap_or_default();
        let worked = self.changes.worked.get(name).copied().unwrap_or_default();
        if assigned || (worked && known.can_change()) { Known::Nothing } else { known }
    }

    /// What is known of a variable when it is looked at later than it was assigned.
    fn later(&self, name: &str, known: Known) -> Known {
        let worked = self.changes.worked.contains_key(name) && known.can_change();
        if worked || self.changes.assigned.contains_key(name) { Known::Nothing } else { known }
    }

    /// What an item of this name is; the newest wins.
    fn item(&self, name: &str) -> Option<Resolution> {
        if let Some((resolution, _)) = self.items.get(name) {
            return Some(*resolution);
        }
        self.around.prior.iter().rev().find_map(|unit| unit.item(name))
    }

    fn signature(&self, name: &str) -> Option<Signature> {
        let own = self.out.signatures.get(name);
        let mut prior = self.around.prior.iter().rev();
        own.or_else(|| prior.find_map(|it| it.signatures.get(name))).cloned()
    }

    /// Whether a module in sight gives this name a meaning after a dot.
    fn is_own_method(&self, name: &str) -> bool {
        self.out.has_member(name)
            || self.out.function(name).is_some()
            || self.typed.contains(name)
    }
}

impl Checked {
    /// What an item of this unit is.
    pub fn item(&self, name: &str) -> Option<Resolution> {
        if self.signatures.contains_key(name) {
            Some(Resolution::Signature)
        } else if self.modules.contains_key(name) {
            Some(Resolution::Module)
        } else if self.functions.contains_key(name) {
            Some(Resolution::Function)
        } else if self.consts.contains_key(name) {
            Some(Resolution::Const)
        } else if self.type_scope.names.contains_key(name) {
            Some(Resolution::Type)
        } else {
            None
        }
    }
}
