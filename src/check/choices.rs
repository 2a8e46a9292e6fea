//! What `one_of(X)` chooses from: an input of the same signature, or a const.

use super::Checker;
use super::imports::Import;
use super::model::Resolution;
use super::{literal, types};
use crate::diag::did_you_mean;
use crate::schema::{Choices, Field, Ty, Value, choices_of};
use crate::syntax::ast::FieldDecl;
use crate::syntax::{Node, NodeKind};
use std::sync::Arc;

/// What can stand in `one_of(…)`.
pub(super) const MESSAGE_HINT: &str =
    "`one_of` wants a const list of texts or whole numbers, or an input that is such a list";

/// An input, and whether it may hold a list.
#[derive(Debug, Clone)]
pub(super) struct Input {
    name: Arc<str>,
    list: bool,
}

impl Input {
    /// An input as it is declared.
    pub(super) fn declared(decl: FieldDecl<'_>, text: &str) -> Option<Self> {
        let list = decl.ty().is_some_and(|ty| is_list_type(ty, text));
        Some(Self { name: decl.name()?.text(text).into(), list })
    }

    /// An input of a signature that was read.
    pub(super) fn of(field: &Field) -> Self {
        Self { name: field.name.clone(), list: is_list(&field.ty) }
    }
}

/// Whether a type as it is written may be one of lists.
fn is_list_type(node: &Node, text: &str) -> bool {
    let inner = || node.nodes().any(|it| is_list_type(it, text));
    match node.kind {
        NodeKind::TypeName => !types::is_scalar(node.text(text)),
        NodeKind::TypeGeneric => {
            let name = node.tokens().next().map_or("", |it| it.text(text));
            matches!(name, "list" | "List") || (name == "Optional" && inner())
        }
        NodeKind::TypeBounded | NodeKind::TypeOptional | NodeKind::TypeUnion => inner(),
        _ => false,
    }
}

fn is_list(ty: &Ty) -> bool {
    match ty {
        Ty::List(_) | Ty::Any | Ty::Named(_) => true,
        Ty::Bounded(inner, _) | Ty::Optional(inner) => is_list(inner),
        Ty::Union(members) => members.iter().any(is_list),
        _ => false,
    }
}

/// What a name in `one_of(…)` stands for.
#[derive(Debug)]
pub(super) enum Chosen {
    /// These values.
    Values(Vec<Value>),
    /// Values that only a call knows.
    Later(Choices),
    /// Nothing to choose from, and what may be meant.
    Nothing(String),
}

impl Chosen {
    /// The values of a list that stands in the text; values that do not are known later.
    pub(super) fn of(value: Option<Value>) -> Self {
        match value.as_ref().and_then(choices_of) {
            Some(options) => Self::Values(options),
            None => Self::Nothing(String::new()),
        }
    }
}

/// What a name stands for among inputs; `None` for what is no input.
pub(super) fn among(inputs: &[Input], name: &str) -> Option<Chosen> {
    let input = inputs.iter().find(|it| &*it.name == name)?;
    Some(if input.list {
        Chosen::Later(Choices::Input(input.name.clone()))
    } else {
        Chosen::Nothing(format!("the input `{name}` is no list: write `{name}: list[str]`"))
    })
}

/// What a name stands for where only the names of consts are known.
pub(super) fn by_name(name: &str, key: &dyn Fn(&str) -> Option<Arc<str>>) -> Chosen {
    match key(name) {
        Some(key) => Chosen::Later(Choices::Const { name: name.into(), key }),
        None => Chosen::Nothing(String::new()),
    }
}

impl Checker<'_> {
    /// What a name in `one_of(…)` stands for.
    pub(super) fn chosen(&self, name: &str) -> Chosen {
        among(&self.inputs, name).unwrap_or_else(|| self.chosen_const(name))
    }

    /// What the name of a const in `one_of(…)` stands for.
    pub(super) fn chosen_const(&self, name: &str) -> Chosen {
        if let Some((alias, word)) = name.split_once("::") {
            return by_name(name, &|_| match self.import_named(alias.trim())? {
                Import::Unit(unit) => unit.public_const(word.trim()),
                Import::Unknown => None,
            });
        }
        if self.item(name) != Some(Resolution::Const) {
            let inputs = self.inputs.iter().map(|it| &*it.name);
            let consts = self.items.iter().filter(|(_, it)| it.0 == Resolution::Const);
            return Chosen::Nothing(did_you_mean(name, inputs.chain(consts.map(|it| &**it.0))));
        }
        let value = self.values.get(name).copied();
        match value.and_then(|it| literal::constant(it, self.text)) {
            None => {
                let key = self.out.key(name);
                Chosen::Later(Choices::Const { name: name.into(), key })
            }
            known => Chosen::of(known),
        }
    }
}
