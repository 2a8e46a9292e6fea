//! What names mean, and what to say where they mean nothing.

use super::imports::words;
use super::model::{FnInfo, Resolution};
use super::{Checker, codes};
use crate::catalog;
use crate::diag::{Suggestion, suggestion};
use crate::source::Span;
use crate::stdlib;
use crate::syntax::Node;
use std::sync::Arc;

/// Behind so many mistakes nobody reads what may have been meant, and each guess looks at all
/// names.
pub(super) const MOST_GUESSED: usize = 100;

impl Checker<'_> {
    /// What a name stands for as a value.
    pub(super) fn name(&mut self, node: &Node) {
        let name = node.text(self.text);
        let span = self.span(node);
        let resolution = if name == "this" {
            if !self.context.function {
                let message = "`this` stands outside a function";
                self.tell(codes::SELF_OUTSIDE, span, message);
            }
            Resolution::Local
        } else {
            self.resolve(name)
        };
        self.out.resolutions.insert(node.start, resolution);
        match resolution {
            Resolution::Unknown => self.unknown_name(name, span),
            Resolution::Type => {
                let message = format!("`{name}` is a type, which has no value");
                self.tell(codes::NOT_A_VALUE, span, message);
            }
            _ => {}
        }
    }

    /// What a name means here.
    pub(super) fn resolve(&self, name: &str) -> Resolution {
        if let Some(binding) = self.scopes.get(name) {
            return binding.resolution;
        }
        if let Some(item) = self.item(name) {
            return item;
        }
        if catalog::native(name).is_some() {
            Resolution::Native
        } else if self.prelude(name).is_some() && !catalog::is_rhai_function(name) {
            Resolution::Prelude
        } else if catalog::is_rhai_function(name) {
            Resolution::Rhai
        } else {
            Resolution::Unknown
        }
    }

    /// The function of the prelude of this name.
    pub(super) fn prelude(&self, name: &str) -> Option<Arc<FnInfo>> {
        let prelude = self.around.prelude?;
        prelude.public(name).and(prelude.functions.get(name).cloned())
    }

    /// Tells of a variable of main that is named where items are.
    pub(super) fn main_variable(&mut self, name: &str, span: Span) {
        let message = format!("`{name}` is a variable of main, which items do not see");
        let told = self.tell(codes::MAIN_VARIABLE, span, message);
        told.hints.push(format!("make it `const {name} = …;`, or pass it as an argument"));
    }

    fn unknown_name(&mut self, name: &str, span: Span) {
        if name == "self" {
            self.tell(codes::SELF_OUTSIDE, span, "`self` stands outside a module's method");
            return;
        }
        if self.is_main_variable(name) {
            return self.main_variable(name, span);
        }
        if let Some(signature) = self.context.contract.clone() {
            let owner = match &*signature {
                "" => "the signature".to_owned(),
                name => format!("`{name}`"),
            };
            let message = format!("{owner} has no field `{name}`");
            let hint = suggestion(name, self.scopes.names());
            let told = self.tell(codes::CONTRACT_NAME, span, message);
            *told = told.clone().suggest(hint);
            return;
        }
        if matches!(name, "assert" | "suggest") {
            let told = self.tell(codes::UNKNOWN_NAME, span, format!("`{name}` is a statement"));
            told.hints.push(format!("`{name} condition, \"why\";`"));
            return;
        }
        // Any two short names are near each other.
        let hint = match name.len() {
            0..3 => Suggestion::default(),
            _ if self.diags.len() >= MOST_GUESSED => Suggestion::default(),
            _ => suggestion(name, self.names_in_sight()),
        };
        let later = self.out.lets.contains(name);
        let told = self.tell(codes::UNKNOWN_NAME, span, format!("there is no `{name}` here"));
        *told = if later {
            told.clone().hint(format!("`let {name}` comes later"))
        } else if hint.hint.starts_with("did") {
            told.clone().suggest(hint)
        } else {
            // A list of everything in scope helps nobody.
            told.clone()
        };
    }

    /// Whether an item names what only main sees.
    pub(super) fn is_main_variable(&self, name: &str) -> bool {
        self.context.item
            && (self.out.lets.contains(name)
                || self.around.locals.iter().any(|it| &**it == name))
    }

    /// Names that could have been meant.
    pub(super) fn names_in_sight(&self) -> Vec<&str> {
        let prior = self.around.prior.iter().flat_map(|unit| {
            let items = unit.signatures.keys().chain(unit.modules.keys());
            items.chain(unit.functions.keys()).chain(unit.consts.keys()).map(|it| &**it)
        });
        self.scopes
            .names()
            .chain(self.items.keys().map(|it| &**it))
            .chain(prior)
            .chain(catalog::NATIVES.iter().map(|it| it.name))
            .chain(stdlib::PRELUDE_FUNCTIONS.iter().copied())
            .collect()
    }

    /// A name of an import, or of `global`.
    pub(super) fn path(&mut self, node: &Node) {
        let Some(resolution) = self.path_meaning(node) else { return };
        if resolution == Resolution::Type {
            let message = format!("`{}` is a type, which has no value", node.text(self.text));
            self.tell(codes::NOT_A_VALUE, self.span(node), message);
        }
    }

    /// What a path means; nothing where that was told.
    pub(super) fn path_meaning(&mut self, node: &Node) -> Option<Resolution> {
        let Some([alias, name]) = words(node) else {
            let message = "a name of an import has one `::`";
            let told = self.tell(codes::UNKNOWN_NAME, self.span(node), message);
            told.hints.push("import the unit itself whose item it is".to_owned());
            return None;
        };
        let resolution = self.path_resolution(alias.text(self.text), name.text(self.text));
        self.out.resolutions.insert(name.start, resolution);
        if resolution == Resolution::Unknown {
            self.unknown_path(alias, name);
            return None;
        }
        Some(resolution)
    }
}
