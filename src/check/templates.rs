//! Templates of prompts: what stands between braces, and whether a signature has it.

use super::args::{Argument, arguments};
use super::model::{Resolution, StaticAdapter, StaticPredictor};
use super::value::Known;
use super::{Checker, codes, literal};
use crate::diag::did_you_mean;
use crate::schema::{ADAPTERS, Field, Flaw, Signature, Template, Ty};
use crate::source::Span;
use crate::syntax::ast::{Call, Let, MapEntry};
use crate::syntax::{Node, NodeKind};
use std::sync::Arc;

/// A part of a template that stands in the text.
struct Part<'a> {
    name: String,
    text: String,
    node: &'a Node,
}

impl<'a> Checker<'a> {
    /// `adapter(#{ … })`: what is wrong with the template whatever it is used for.
    pub(super) fn template(&mut self, args: &[Argument<'a>]) {
        let Some(map) = args.first().and_then(|it| it.positional()) else { return };
        let Some(parts) = self.template_parts(map) else { return };
        if let Err(flaws) = read(&parts) {
            for flaw in flaws {
                self.tell_flaw(&flaw, &parts, map, None);
            }
        }
    }

    /// `predict(S, adapter: …)`: whether the template and the signature fit each other.
    pub(super) fn template_of(&mut self, node: &'a Node, args: &[Argument<'a>]) {
        let setting = self.out.settings.get("adapter");
        let (map, used) = match (self.among(args, "adapter", usize::MAX), setting) {
            (Some(said), _) => (self.template_map(said), said.span(self.source)),
            (None, Some(it)) => {
                (it.value.as_str().and_then(|name| self.named_map(name)), it.span)
            }
            (None, None) => return,
        };
        let Some(map) = map else { return };
        let Known::Predictor(predictor) = self.infer(node) else { return };
        let Some(parts) = self.template_parts(map) else { return };
        let Ok(template) = read(&parts) else { return };
        for flaw in template.check(&asked(&predictor)) {
            self.tell_flaw(&flaw, &parts, map, Some(used));
        }
    }

    /// The adapter that an expression is, where that can be told.
    pub(super) fn static_adapter(&self, node: &Node) -> Option<StaticAdapter> {
        let node = self.said(node)?;
        if let Some(map) = self.called_map(node) {
            let template = read(&self.template_parts(map)?).ok()?;
            return Some(StaticAdapter::Template(Arc::new(template)));
        }
        if let Some(callee) = Call::cast(node).and_then(Call::callee) {
            let name = callee.text(self.text);
            let twice = name == "two_step" && self.resolve(name) == Resolution::Native;
            return twice.then(|| StaticAdapter::Named(name.into()));
        }
        let name = literal::constant(node, self.text)?;
        let name = name.as_str()?;
        match self.named_map(name) {
            Some(map) => {
                let template = read(&self.template_parts(map)?).ok()?;
                Some(StaticAdapter::Template(Arc::new(template)))
            }
            None => Some(StaticAdapter::Named(name.into())),
        }
    }

    /// The adapter that `settings` name: one of ours, or a template that is a const.
    pub(super) fn setting_of_adapter(&mut self) {
        let Some(setting) = self.out.settings.get("adapter") else { return };
        let Some(name) = setting.value.as_str() else { return };
        let prior = self.around.prior.iter().flat_map(|it| it.templates.keys());
        let known: Vec<&str> = ADAPTERS
            .into_iter()
            .chain(self.out.templates.keys().chain(prior).map(|it| &**it))
            .collect();
        if known.contains(&name) {
            return;
        }
        let message = format!("there is no adapter `{name}`");
        let hint = did_you_mean(name, known);
        let span = setting.span;
        let told = self.tell(codes::SETTING_TYPE, span, message);
        told.hints.push(hint);
    }

    /// The map of the template that an expression is: a call, or a name for one, also in a text.
    fn template_map<'n>(&self, node: &'n Node) -> Option<&'n Node>
    where
        'a: 'n,
    {
        let said = self.said(node)?;
        self.called_map(said).or_else(|| {
            let name = literal::constant(said, self.text)?;
            self.named_map(name.as_str()?)
        })
    }

    /// The map of the template that is a const of this name.
    fn named_map(&self, name: &str) -> Option<&'a Node> {
        let node = self.values.get(name).filter(|_| !ADAPTERS.contains(&name))?;
        self.called_map(node)
    }

    /// What a name stands for that is given its value once; any other expression is itself.
    fn said<'n>(&self, node: &'n Node) -> Option<&'n Node>
    where
        'a: 'n,
    {
        if node.kind != NodeKind::Name {
            return Some(node);
        }
        let name = node.text(self.text);
        match self.resolve(name) {
            Resolution::Const => self.values.get(name).copied(),
            // A variable is what it was made, where nothing else has its name.
            Resolution::Local => {
                let lets = self.tree.walk().filter_map(Let::cast);
                let mut own = lets.filter(|it| {
                    it.name(self.text).is_some_and(|it| it.text(self.text) == name)
                });
                let only = own.next().filter(|_| own.next().is_none())?;
                only.value()
            }
            _ => None,
        }
    }

    fn called_map<'n>(&self, node: &'n Node) -> Option<&'n Node> {
        let call = Call::cast(node)?;
        let callee = call.callee()?;
        let is_adapter = callee.kind == NodeKind::Name
            && callee.text(self.text) == "adapter"
            && self.resolve("adapter") == Resolution::Native;
        let args = arguments(call.args());
        let map = args.first()?.positional()?;
        (is_adapter && map.kind == NodeKind::Map).then_some(map)
    }

    /// The parts of a template, where all are texts that stand in the program.
    fn template_parts<'n>(&self, map: &'n Node) -> Option<Vec<Part<'n>>> {
        if map.kind != NodeKind::Map {
            return None;
        }
        let parts = map.nodes().filter_map(MapEntry::cast).map(|entry| {
            let node = entry.value()?;
            let value = literal::constant(node, self.text)?;
            let name = literal::key_text(entry, self.text)?.to_string();
            Some(Part { name, text: value.as_str()?.to_owned(), node })
        });
        parts.collect()
    }

    fn tell_flaw(&mut self, flaw: &Flaw, parts: &[Part<'_>], map: &Node, used: Option<Span>) {
        let part = parts.iter().find(|it| it.name == flaw.part);
        let span = match (part, &flaw.at) {
            (Some(part), Some(at)) => self.place_in(part, at),
            (Some(part), None) => part.node.span(self.source),
            (None, _) => map.span(self.source),
        };
        let code = if flaw.is_harmless { codes::TEMPLATE_GAP } else { codes::TEMPLATE };
        let message = format!("the template's `{}`: {}", flaw.part, flaw.message);
        let told = self.tell(code, span, message);
        if let Some(used) = used {
            *told = told.clone().label(used, "used here");
        }
        if !flaw.hint.is_empty() {
            told.hints.push(flaw.hint.clone());
        }
    }

    /// The place of a piece of a text in the program: the piece is looked for as it stands, so
    /// that escapes before it do not matter.
    fn place_in(&self, part: &Part<'_>, at: &std::ops::Range<usize>) -> Span {
        let whole = part.node.span(self.source);
        let piece = &part.text[at.clone()];
        let before = part.text[..at.start].matches(piece).count();
        let written = part.node.text(self.text);
        match written.match_indices(piece).nth(before) {
            Some((offset, _)) => {
                let start = whole.start as usize + offset;
                Span::new(self.source, start, start + piece.len())
            }
            None => whole,
        }
    }
}

fn read(parts: &[Part<'_>]) -> Result<Template, Vec<Flaw>> {
    Template::read(parts.iter().map(|it| (&*it.name, &*it.text)))
}

/// The signature that a predictor asks.
fn asked(predictor: &StaticPredictor) -> Signature {
    let signature = &predictor.signature;
    let reasons = predictor.kind == "chain_of_thought";
    if reasons && signature.field("reasoning").is_none() {
        return signature.with_field(Field::new("reasoning", Ty::Str), Some(0), false);
    }
    signature.clone()
}
