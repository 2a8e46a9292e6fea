//! Conditions of modules that do not say whom to ask again, where that is not clear.
//!
//! A false condition blames the newest call that flows into it. Where several do, and none is
//! computed from what another one said, that is the one that happens to stand last. What is not
//! sure is not told of: a call of something that is not known, which of several ways a value
//! came.

use super::slices::{Ends, Slices};
use super::{Checker, Resolution, codes};
use crate::check::scope::Known;
use crate::diag::{Diagnostic, Label};
use crate::syntax::ast::{Assert, Call, MethodCall, ModuleItem};
use crate::syntax::{Node, NodeKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A call that asks a model: what is called, and the call.
type Calls<'a> = BTreeMap<u32, (&'a str, &'a Node)>;

/// How many calls are named at most.
const MOST_SHOWN: usize = 4;

/// `a`, `b` and `c`; of many the first.
fn listed(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [first @ .., last] if names.len() <= MOST_SHOWN => {
            format!("{} and {last}", first.join(", "))
        }
        _ => {
            let shown = names.iter().take(MOST_SHOWN - 1).map(String::as_str);
            let shown: Vec<&str> = shown.collect();
            let more = names.len() - shown.len();
            format!("{} and {more} more", shown.join(", "))
        }
    }
}

impl<'a> Checker<'a> {
    /// Looks at the conditions of all modules.
    pub(super) fn blame(&mut self) {
        let has_errors = self.diags.iter().chain(&self.firm).any(Diagnostic::is_error);
        let conditions = self.open_conditions();
        if has_errors || !self.sound || conditions.is_empty() {
            return;
        }
        let slices = self.out.slices(self.text).clone();
        let calls = self.asking_calls(&slices);
        let asks = |site: u32| calls.contains_key(&site);
        let mut ends = Ends::new(&slices, &asks);
        for condition in conditions {
            let site = slices.site(condition.start, condition.end);
            let site = site.filter(|it| !slices.is_contract(*it));
            let Some(found) = site.and_then(|it| ends.of_condition(it)) else { continue };
            let names: BTreeSet<BTreeSet<&str>> =
                found.iter().map(|it| it.iter().map(|it| calls[it].0).collect()).collect();
            if names.len() > 1 {
                let found = found.iter().map(|it| it.iter().map(|it| calls[it]).collect());
                self.tell_of(condition, found.collect());
            }
        }
    }

    /// Tells of calls of which one each flows into a condition.
    fn tell_of(&mut self, condition: &Node, mut found: Vec<Vec<(&str, &Node)>>) {
        found.iter_mut().for_each(|it| it.sort_by_key(|it| it.1.start));
        found.sort_by_key(|it| it.first().map(|it| it.1.start));
        let mut names: Vec<String> = Vec::new();
        for of_it in &found {
            let mut of_it: Vec<&str> = of_it.iter().map(|it| it.0).collect();
            of_it.dedup();
            names.push(format!("`{}`", of_it.join("` or `")));
        }
        names.dedup();
        let message = format!(
            "{} flow into this condition, and nothing says which is to be asked again",
            listed(&names)
        );
        let mut calls: Vec<(&str, &Node)> = found.into_iter().flatten().collect();
        calls.sort_by_key(|it| it.1.start);
        let labels = calls.iter().take(MOST_SHOWN).map(|(name, node)| {
            let text = format!("asks `{name}`");
            Label { span: self.span(node), text }
        });
        let labels: Vec<Label> = labels.collect();
        let newest = calls.last().map_or("", |it| it.0);
        let span = self.span(condition);
        let told = self.tell(codes::WHOM_TO_ASK, span, message);
        told.labels = labels;
        told.hints.push(format!(
            "say it with `retry:`; without it the newest is asked again, here `{newest}`"
        ));
    }

    /// The conditions in methods of modules that do not say whom to ask again.
    fn open_conditions(&self) -> Vec<&'a Node> {
        let modules = self.tree.nodes().filter_map(ModuleItem::cast);
        let methods = modules.flat_map(|it| it.methods().collect::<Vec<_>>());
        let nodes = methods.filter_map(|it| it.body()).flat_map(Node::walk);
        let asserts = nodes.filter(|it| it.kind == NodeKind::Assert).map(Assert);
        asserts.filter(|it| it.retry().is_none()).filter_map(|it| it.condition()).collect()
    }

    /// The calls of predictors and of modules' instances that are known by their names.
    fn asking_calls(&mut self, slices: &Slices) -> Calls<'a> {
        let mut calls = Calls::new();
        for item in self.tree.nodes() {
            let module = ModuleItem::cast(item).and_then(|it| it.name(self.text));
            let module = module.map(|it| self.out.key(it.text(self.text)));
            for node in item.walk() {
                let Some(site) = slices.site(node.start, node.end) else { continue };
                if let Some(name) = self.asked(node, module.as_ref()) {
                    calls.insert(site, (name, node));
                }
            }
        }
        calls
    }

    /// The name of what a call asks.
    fn asked(&mut self, node: &'a Node, module: Option<&Arc<str>>) -> Option<&'a str> {
        let text = self.text;
        let known = match node.kind {
            NodeKind::Call => {
                let callee = Call(node).callee().filter(|it| it.kind == NodeKind::Name)?;
                let name = callee.text(text);
                match self.out.resolutions.get(&callee.start)? {
                    Resolution::Member => (name, self.member_known(module?, name)?),
                    Resolution::Const => (name, self.const_known(name)),
                    _ => return None,
                }
            }
            NodeKind::MethodCall => {
                let call = MethodCall(node);
                let receiver = call.receiver().filter(|it| it.text(text) == "self")?;
                let found = self.out.resolutions.get(&receiver.start);
                found.filter(|it| **it == Resolution::SelfValue)?;
                let name = call.name()?.text(text);
                (name, self.member_known(module?, name)?)
            }
            _ => return None,
        };
        matches!(known.1, Known::Predictor(_) | Known::Instance(_)).then_some(known.0)
    }
}
