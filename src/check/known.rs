//! What an expression's value is, as far as its text says.
//!
//! Only what cannot be otherwise is inferred.

use super::Checker;
use super::args::{Argument, arguments};
use super::model::{Checked, ModuleInfo, Resolution, Slot, StaticPredictor};
use super::parts::Part;
use super::scope::Known;
use super::sigtext;
use super::types::Place;
use crate::catalog::{self, Native};
use crate::source::Span;
use crate::syntax::ast::{Call, Member, MethodCall};
use crate::syntax::text::string_value;
use crate::syntax::{Node, NodeKind, TokenKind, ast};
use std::sync::Arc;

/// How many consts may wait for each other at once.
const MAX_WAITING: usize = 50;

impl<'a> Checker<'a> {
    /// What is known of the value of an expression.
    pub(crate) fn infer(&mut self, node: &Node) -> Known {
        // What a variable is changes from place to place.
        if node.kind != NodeKind::Name
            && let Some(known) = self.flow.seen(node)
        {
            return known.clone();
        }
        self.infer_here(node)
    }

    /// What is known of the value of an expression, whether it was walked or not.
    pub(crate) fn infer_here(&mut self, node: &Node) -> Known {
        match node.kind {
            NodeKind::Paren => self.infer_first(node),
            NodeKind::Name => self.infer_name(node),
            NodeKind::Path => self.infer_path(node),
            NodeKind::SignatureExpr => self
                .inline_signature(node)
                .map_or(Known::Nothing, |it| Known::Signature(Arc::new(it))),
            NodeKind::Call => self.infer_call(Call(node)),
            NodeKind::MethodCall => self.infer_method(MethodCall(node)),
            NodeKind::Member => self.infer_member(Member(node)),
            NodeKind::Closure => Known::Function(node.start),
            _ => self.infer_plain(node),
        }
    }

    fn infer_first(&mut self, node: &Node) -> Known {
        ast::exprs(node).next().map_or(Known::Nothing, |it| self.infer(it))
    }

    fn infer_name(&mut self, node: &Node) -> Known {
        let name = node.text(self.text);
        if let Some(place) = self.scopes.place(name) {
            let known = self.scopes.get(name).map_or(Known::Nothing, |it| it.known.clone());
            // A closure may run when a variable around it is another value already.
            return if place < self.flow.outside { self.later(name, known) } else { known };
        }
        match self.item(name) {
            Some(Resolution::Function) => {
                let info = self.out.functions.get(name).cloned();
                let key = info.and_then(|it| self.key_of(&it));
                key.map_or(Known::Nothing, Known::Function)
            }
            Some(Resolution::Signature) => {
                self.signature(name).map_or(Known::Nothing, |it| Known::Signature(Arc::new(it)))
            }
            Some(Resolution::Const) => {
                let known = self.const_known(name);
                self.flow.asked_const(name, &known);
                known
            }
            _ => Known::Nothing,
        }
    }

    /// What is known of an item of an imported unit.
    fn infer_path(&self, node: &Node) -> Known {
        let Some((unit, name)) = self.imported(node) else { return Known::Nothing };
        match unit.public(name) {
            Some(Resolution::Signature) => {
                Known::Signature(Arc::new(unit.signatures[name].clone()))
            }
            Some(Resolution::Const) => const_of(&unit, name),
            _ => Known::Nothing,
        }
    }

    /// What is known of a const's value.
    pub(crate) fn const_known(&mut self, name: &str) -> Known {
        if let Some(known) = self.consts.get(name) {
            return known.clone();
        }
        // Each waits on the call stack.
        if self.n_waiting == MAX_WAITING {
            return Known::Nothing;
        }
        // A const that needs itself is known as nothing.
        self.consts.insert(name.into(), Known::Nothing);
        self.n_waiting += 1;
        let known = match self.values.get(name).copied() {
            Some(value) => {
                let scopes = std::mem::take(&mut self.scopes);
                let known = self.infer(value);
                self.scopes = scopes;
                known
            }
            None => self.prior_known(name),
        };
        self.n_waiting -= 1;
        self.consts.insert(name.into(), known.clone());
        known
    }

    /// What an earlier unit knows of its const or variable.
    pub(crate) fn prior_known(&self, name: &str) -> Known {
        for unit in self.around.prior.iter().rev() {
            if unit.consts.contains_key(name) {
                return const_of(unit, name);
            }
            if unit.lets.contains(name) {
                return unit
                    .predictors
                    .get(name)
                    .map_or(Known::Nothing, |it| Known::Predictor(Arc::new(it.clone())));
            }
        }
        Known::Nothing
    }

    fn infer_call(&mut self, call: Call<'_>) -> Known {
        let Some(callee) = call.callee() else { return Known::Nothing };
        let name = callee.text(self.text);
        if callee.kind == NodeKind::Name && self.scopes.get(name).is_none() {
            match self.item(name) {
                Some(Resolution::Module) => return Known::Instance(self.out.key(name)),
                Some(Resolution::Const) => {}
                Some(Resolution::Function) => {
                    let info = self.out.function(name).cloned();
                    return info.map_or(Known::Nothing, |it| self.gives(&it));
                }
                Some(_) => return Known::Nothing,
                None => {
                    return match catalog::native(name) {
                        Some(native) => self.infer_native(native, call),
                        None => self.infer_prelude(name, call),
                    };
                }
            }
        }
        if let Some(info) = self.imported_function(callee) {
            return self.gives(&info);
        }
        if let Some((unit, name)) = self.imported(callee)
            && let Some(module) = unit.public(name).and(unit.modules.get(name))
        {
            return Known::Instance(module.key.clone());
        }
        let called = self.infer(callee);
        self.result_of(&called)
    }

    /// What a function of the prelude gives: what it gives as a method of its first argument.
    fn infer_prelude(&mut self, name: &str, call: Call<'_>) -> Known {
        let Some(info) = self.prelude(name) else { return Known::Nothing };
        let first = arguments(call.args()).into_iter().next().and_then(Argument::positional);
        let of = first.map_or(Known::Nothing, |it| self.infer(it));
        match (name, &of) {
            ("unique" | "sorted" | "sorted_by" | "take" | "slice", Known::List(_)) => of,
            ("take" | "slice", _) if of.is("str") => of,
            _ => self.gives(&info),
        }
    }

    fn infer_native(&mut self, native: &'static Native, call: Call<'_>) -> Known {
        if let Some(known) = self.infer_asking(native, call) {
            return known;
        }
        let kind = match native.name {
            "predict" => "predict",
            "chain_of_thought" => "chain_of_thought",
            "dataset" => return self.infer_rows(call),
            _ => {
                return match Known::of_catalog(native.result) {
                    Known::Optimizer(_) => Known::Optimizer(self.metric_of(call)),
                    known => known,
                };
            }
        };
        let args = arguments(call.args());
        let signature = args.iter().enumerate().find_map(|(index, it)| match *it {
            Argument::Positional(node) if index == 0 => Some(node),
            Argument::Named(name, node) if name.text(self.text) == "signature" => Some(node),
            _ => None,
        });
        let Some(node) = signature else { return Known::Nothing };
        let signature = match self.text_signature(node) {
            Some(it) => Some(Arc::new(it)),
            None => match self.infer(node) {
                Known::Signature(it) => Some(it),
                _ => None,
            },
        };
        let adapter = self.among(&args, "adapter", usize::MAX);
        let adapter = adapter.and_then(|it| self.static_adapter(it));
        signature.map_or(Known::Nothing, |it| {
            let signature = (*it).clone();
            Known::Predictor(Arc::new(StaticPredictor { kind, signature, adapter }))
        })
    }

    /// The signature in a string where a signature is wanted. Reading it the first time tells
    /// what is wrong with it.
    fn text_signature(&mut self, node: &Node) -> Option<crate::schema::Signature> {
        if node.kind != NodeKind::Literal {
            return None;
        }
        let key = (self.source, node.start);
        if self.broken.contains(&node.start) {
            return None;
        }
        if let Some(it) = self.out.inline.get(&key) {
            return Some(it.clone());
        }
        let text = string_value(node, self.text)?;
        let place = self.place_inside(node, &text);
        let (signature, diags) = {
            let consts = |name: &str| self.chosen_const(name);
            sigtext::read(&text, &self.out.type_scope, place, &consts)
        };
        self.out.inline.insert(key, signature.clone());
        if diags.is_empty() {
            return Some(signature);
        }
        self.broken.insert(node.start);
        self.firm.extend(diags);
        None
    }

    /// The place of the text of a string literal; the whole literal where it has escapes.
    fn place_inside(&self, node: &Node, value: &str) -> Place {
        match node.text(self.text).find(value).filter(|_| !value.is_empty()) {
            Some(at) => {
                let start = node.start as usize + at;
                Place { span: Span::new(self.source, start, start + value.len()), exact: true }
            }
            None => Place { span: self.span(node), exact: false },
        }
    }

    fn infer_member(&mut self, member: Member<'_>) -> Known {
        let (Some(receiver), Some(name)) = (member.receiver(), member.name()) else {
            return Known::Nothing;
        };
        let of = self.infer(receiver);
        match self.part(&of, name.text(self.text)) {
            Part::Is(known) => known,
            Part::Unknown | Part::Missing(_) => Known::Nothing,
        }
    }

    /// What is known of a member; `None` where the module has no such parameter, member or
    /// method.
    pub(crate) fn member_known(&self, module: &str, name: &str) -> Option<Known> {
        let info = self.module(module)?;
        Some(match *info.slots.get(name)? {
            Slot::Member(at) => info.members[at].known.clone(),
            Slot::Param(at) => self.param_of(&info, at),
            Slot::Method => Known::Nothing,
        })
    }

    /// What is known of a parameter of a module.
    fn param_of(&self, info: &ModuleInfo, index: usize) -> Known {
        let param = &info.params[index];
        match &param.ty {
            Some(ty) => Known::of(ty, &self.out.types),
            None if info.span.source == self.source && !param.has_default => {
                self.flow.given(info.span.start, index)
            }
            None => Known::Nothing,
        }
    }

    /// Whether a node is a string literal.
    pub(crate) fn is_string(&self, node: &Node) -> bool {
        node.kind == NodeKind::Literal
            && node.tokens().any(|it| matches!(it.kind, TokenKind::Str | TokenKind::RawStr))
    }
}

/// What is known of a const of another unit.
fn const_of(unit: &Checked, name: &str) -> Known {
    if let Some(known) = unit.gives.consts.get(name) {
        return known.clone();
    }
    let info = &unit.consts[name];
    match (&info.predictor, &info.module) {
        (Some(it), _) => Known::Predictor(Arc::new(it.clone())),
        (None, Some(module)) => Known::Instance(module.clone()),
        (None, None) => Known::Nothing,
    }
}

/// The names of a reply's fields.
pub(crate) fn reply_fields(predictor: &StaticPredictor) -> Vec<&str> {
    let reasoning = (predictor.kind == "chain_of_thought").then_some("reasoning");
    reasoning
        .into_iter()
        .chain(predictor.signature.outputs.iter().map(|it| &*it.name))
        .collect()
}
