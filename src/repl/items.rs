//! What a session has defined, and the names that complete a word.

use crate::catalog::{NATIVES, RHAI_FUNCTIONS};
use crate::check::{Checked, ParamInfo};
use crate::engine::Session;
use crate::stdlib::PRELUDE_FUNCTIONS;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lists items, a line each in the order of their definition, then variables.
pub(super) fn list(session: &Session) -> Vec<String> {
    let mut items: IndexMap<Arc<str>, String> = IndexMap::new();
    for unit in session.program().units() {
        for (name, shown) in items_of(unit) {
            // What is defined anew stands where its newest definition does.
            items.shift_remove(&name);
            items.insert(name, shown);
        }
    }
    let variables = session.variables().into_iter().map(|name| format!("let {name}"));
    items.into_values().chain(variables).collect()
}

fn items_of(unit: &Checked) -> Vec<(Arc<str>, String)> {
    let signatures = unit.signatures.iter().map(|(name, signature)| {
        let names = |fields: &[crate::schema::Field]| {
            fields.iter().map(|it| &*it.name).collect::<Vec<_>>().join(", ")
        };
        let (inputs, outputs) = (names(&signature.inputs), names(&signature.outputs));
        (name.clone(), format!("signature {name} {{ {inputs} -> {outputs} }}"))
    });
    let modules = unit.modules.iter().map(|(name, module)| {
        (name.clone(), format!("module {name}({})", params(&module.params)))
    });
    let functions = unit.functions.iter().map(|(name, function)| {
        (name.clone(), format!("fn {name}({})", params(&function.params)))
    });
    let consts = unit.consts.keys().map(|name| (name.clone(), format!("const {name}")));
    signatures.chain(modules).chain(functions).chain(consts).collect()
}

fn params(params: &[ParamInfo]) -> String {
    params.iter().map(|it| &*it.name).collect::<Vec<_>>().join(", ")
}

/// All names that an entry may begin to write.
pub(super) fn names(session: &Session) -> BTreeSet<String> {
    let natives = NATIVES.iter().map(|it| it.name.to_owned());
    let hosts = RHAI_FUNCTIONS.iter().map(|it| (*it).to_owned());
    let prelude = PRELUDE_FUNCTIONS.iter().map(|it| (*it).to_owned());
    let words = WORDS.iter().map(|it| (*it).to_owned());
    let variables = session.variables().into_iter().map(|it| it.to_string());
    let items = session.program().units().iter().flat_map(|unit| items_of(unit));
    let items = items.map(|(name, _)| name.to_string());
    natives.chain(hosts).chain(prelude).chain(words).chain(variables).chain(items).collect()
}

/// Words of the language that are long enough to be completed.
const WORDS: &[&str] = &[
    "assert",
    "const",
    "continue",
    "false",
    "forward",
    "module",
    "return",
    "signature",
    "suggest",
    "switch",
    "throw",
    "true",
    "while",
];
