//! What a unit gives to those that import it, and what it gets from those that it imports.
//!
//! Who else calls a function is not known of a unit that others import, so what its functions
//! return is found once more with nothing known of their parameters.

use super::Checker;
use super::model::{Checked, FnInfo};
use super::value::{FnKey, Known};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Checker<'_> {
    /// Takes down what others may know of the unit's functions and consts.
    pub(super) fn exports(&mut self) {
        if self.around.prefix.is_empty() && !self.around.open {
            return;
        }
        let told = self.diags.len();
        let public = self.public_keys();
        self.flow.publish(public);
        self.walk_rounds();
        self.diags.truncate(told);
        self.out.gives.results = self.flow.results_outside();
        let names: Vec<Arc<str>> = self.out.consts.keys().cloned().collect();
        for name in names {
            let known = self.const_known(&name).outside();
            self.out.gives.consts.insert(name, known);
        }
    }

    /// The functions, methods and modules that others may call.
    fn public_keys(&self) -> BTreeSet<FnKey> {
        let functions = self.out.functions.values().filter(|it| !it.private);
        let functions = functions.map(|it| it.span.start);
        let modules = self.out.modules.values();
        let methods = modules.clone().flat_map(|it| it.methods.values());
        let methods = methods.map(|it| it.span.start);
        functions.chain(methods).chain(modules.map(|it| it.span.start)).collect()
    }

    /// What a function or method returns, of this unit or another.
    pub(super) fn gives(&self, info: &FnInfo) -> Known {
        if let Some(key) = self.key_of(info) {
            return self.flow.result(key);
        }
        let source = Some(info.span.source);
        let around = self.around.units.iter().chain(self.around.prior);
        let around = around.chain(self.around.prelude).chain(self.out.imports.values());
        let mut units = around.filter(|it| it.source == source);
        let unit = units.next().filter(|_| info.overloads.is_empty());
        let known = unit.and_then(|it: &Arc<Checked>| it.gives.results.get(&info.span.start));
        known.cloned().unwrap_or_default()
    }
}
