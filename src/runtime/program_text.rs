//! The text of a program, as those read it who are asked to better it.

use crate::check::Checked;
use crate::runtime::instance::Instance;
use crate::runtime::predictor::Predictor;
use crate::runtime::program::Program;
use crate::runtime::script::Script;
use crate::runtime::value::{Object, Val};
use crate::schema::Signature;
use crate::syntax::Node;
use crate::syntax::ast::{FnItem, ModuleItem, SignatureItem};
use std::sync::Arc;

impl Program {
    /// The texts of what it is made of, each once: its modules or its function, and the
    /// signatures of its predictors that have a name. Empty for a predictor without one.
    pub fn source(&self, script: &Script) -> String {
        let mut found = Found { script, texts: Vec::new() };
        found.collect(self.value());
        found.texts.join("\n\n")
    }
}

struct Found<'a> {
    script: &'a Script,
    texts: Vec<&'a str>,
}

impl<'a> Found<'a> {
    fn collect(&mut self, value: &Val) {
        if let Some(predictor) = value.downcast::<Predictor>() {
            self.signature(predictor.base_signature());
        } else if let Some(instance) = value.downcast::<Instance>() {
            self.module(instance);
        } else if let Val::Func(function) = value {
            let lowered = function.lowered_name();
            let of = |unit: &Checked| {
                let named = unit.functions.iter().find(|(_, it)| it.lowered == lowered);
                named.map(|(name, _)| name.clone())
            };
            let owner = self.script.all_units().find_map(|unit| Some((unit, of(unit)?)));
            self.add(owner, |node, text| {
                FnItem::cast(node)?.name(text).map(|it| it.text(text))
            });
        } else if let Val::List(items) = value {
            items.iter().for_each(|it| self.collect(it));
        } else if let Some(fields) = value.entries() {
            fields.values().for_each(|it| self.collect(it));
        } else if let Val::Object(object) = value {
            object.parts().iter().for_each(|(_, part)| self.collect(part));
        }
    }

    fn module(&mut self, instance: &Instance) {
        let key = &instance.class().key;
        let found = self.script.owner(key, |unit, name| unit.modules.get(name));
        let owner = found.map(|(unit, module)| (unit, module.name.clone()));
        self.add(owner, |node, text| {
            ModuleItem::cast(node)?.name(text).map(|it| it.text(text))
        });
        for name in instance.members() {
            if let Some(member) = instance.get(&name) {
                self.collect(&member);
            }
        }
    }

    fn signature(&mut self, signature: &Signature) {
        let name = &signature.name;
        let same = |unit: &Checked| {
            unit.signatures.get(name).is_some_and(|it| it.inputs == signature.inputs)
        };
        let owner = self.script.all_units().find(|unit| same(unit));
        let owner = owner.map(|unit| (unit, name.clone()));
        self.add(owner, |node, text| {
            SignatureItem::cast(node)?.name(text).map(|it| it.text(text))
        });
    }

    /// Adds the text of the item of this name, unless it is there.
    fn add(
        &mut self,
        owner: Option<(&'a Arc<Checked>, Arc<str>)>,
        named: impl Fn(&'a Node, &'a str) -> Option<&'a str>,
    ) {
        let text = owner.and_then(|(unit, name)| {
            let text = &*self.script.sources().get(unit.source?).text;
            let items = unit.tree.as_deref()?.nodes();
            // The last of a name counts.
            let item = items.filter(|it| named(it, text) == Some(&*name)).last()?;
            Some(text[with_docs(text, item.start as usize)..item.end as usize].trim())
        });
        match text {
            Some(text) if !self.texts.contains(&text) => self.texts.push(text),
            _ => {}
        }
    }
}

/// Where the documentation of what begins here begins.
fn with_docs(text: &str, start: usize) -> usize {
    let mut begin = start;
    let mut lines = text[..start].rsplit('\n');
    // What stands before it in its own line.
    let mut at = start - lines.next().map_or(0, str::len);
    for line in lines.take_while(|it| it.trim_start().starts_with("///")) {
        at -= line.len() + 1;
        begin = at;
    }
    begin
}
