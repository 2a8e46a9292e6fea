//! The code of items: contracts, modules, functions, tests.

use super::model::Resolution;
use super::scope::{Binding, Frame, Known};
use super::value::FnKey;
use super::{Checker, Context};
use crate::schema::Signature;
use crate::syntax::ast::{
    ConstItem, FieldDecl, FnItem, ModuleItem, Param, SignatureItem, TestItem,
};
use crate::syntax::{Node, NodeKind, TokenKind};
use std::sync::Arc;

impl<'a> Checker<'a> {
    /// The code of an item.
    pub(super) fn item_code(&mut self, node: &'a Node) {
        match node.kind {
            NodeKind::SignatureItem => {
                let name = SignatureItem(node).name(self.text).map(|it| it.text(self.text));
                let signature = name.and_then(|it| self.signature(it));
                self.contracts(node, name.unwrap_or_default().into(), signature);
            }
            NodeKind::ModuleItem => self.module_code(ModuleItem(node)),
            NodeKind::FnItem => {
                let item = FnItem(node);
                let name = item.name(self.text).map_or("", |it| it.text(self.text));
                let info = self.out.functions.get(name).cloned();
                self.function(item, info.and_then(|it| self.key_of(&it)));
            }
            NodeKind::ConstItem => {
                if let Some(value) = ConstItem(node).value() {
                    self.expr(value);
                }
            }
            NodeKind::TestItem => {
                if let Some(body) = TestItem(node).body() {
                    self.block(body);
                }
            }
            _ => {}
        }
    }

    /// The contracts of a signature, whose fields are in scope in them.
    pub(super) fn contracts(
        &mut self,
        node: &'a Node,
        name: Arc<str>,
        signature: Option<Signature>,
    ) {
        let fields = node.nodes().filter_map(FieldDecl::cast).filter_map(FieldDecl::name);
        let known = |name: &str| {
            let signature = signature.as_ref()?;
            Some(Known::of(&signature.field(name)?.ty, &signature.types))
        };
        let frame: Frame = fields
            .map(|it| it.text(self.text))
            .map(|it| {
                let known = known(it).unwrap_or_default();
                (it.into(), Binding { constant: true, ..Binding::variable(known) })
            })
            .collect();
        let outside = std::mem::take(&mut self.scopes);
        let context = std::mem::take(&mut self.context);
        self.context = Context { item: true, contract: Some(name), ..Context::default() };
        self.scopes.push(frame);
        for contract in node.nodes().filter(|it| it.kind == NodeKind::Assert) {
            self.statement(contract, false);
        }
        self.scopes = outside;
        self.context = context;
    }

    fn module_code(&mut self, item: ModuleItem<'a>) {
        let Some(name) = item.name(self.text).map(|it| it.text(self.text)) else { return };
        self.context.module = Some(name.into());
        let mut frame = Frame::default();
        self.scopes.push(Frame::default());
        let key = self.out.modules.get(name).map(|it| it.span.start);
        for (index, param) in item.params().into_iter().enumerate() {
            self.param_default(param);
            if let Some(token) = param.name() {
                let binding = Binding::member(self.param_known(param, key, index));
                frame.insert(token.text(self.text).into(), binding.clone());
                self.scopes.declare(token.text(self.text), binding);
            }
        }
        for member in item.members() {
            let known = member.value().map(|it| {
                let known = self.expr(it);
                self.used(it);
                known
            });
            if let Some(token) = member.name(self.text) {
                let binding = Binding::member(known.unwrap_or_default());
                frame.insert(token.text(self.text).into(), binding.clone());
                self.scopes.declare(token.text(self.text), binding);
            }
        }
        self.scopes.pop();
        for method in item.methods() {
            self.context.method = true;
            let myself = Binding {
                resolution: Resolution::SelfValue,
                known: Known::Instance(self.out.key(name)),
                constant: true,
            };
            self.scopes.push([("self".into(), myself)].into_iter().collect());
            self.scopes.push(frame.clone());
            self.function(method, method_key(method, self.text));
            self.scopes.pop();
            self.scopes.pop();
        }
    }

    fn param_default(&mut self, param: Param<'a>) {
        if let Some(value) = param.default() {
            self.expr(value);
        }
    }

    /// What is known of a parameter: what its type says, else what calls give.
    pub(super) fn param_known(
        &mut self,
        param: Param<'a>,
        key: Option<FnKey>,
        index: usize,
    ) -> Known {
        let name = param.name().map_or("", |it| it.text(self.text));
        if param.is_rest() {
            return Known::Nothing;
        }
        let given = match (param.ty(), key) {
            (Some(ty), _) => self.declared(ty),
            (None, Some(key)) => self.flow.given(key, index),
            (None, None) => Known::Nothing,
        };
        let known = match param.default() {
            Some(default) => given.or(self.infer(default)),
            None => given,
        };
        self.steady(name, known)
    }

    fn function(&mut self, item: FnItem<'a>, key: Option<FnKey>) {
        self.scopes.push(Frame::default());
        for (index, param) in item.params().into_iter().enumerate() {
            self.param_default(param);
            let known = self.param_known(param, key, index);
            if let Some(token) = param.name() {
                self.scopes.declare(token.text(self.text), Binding::variable(known));
            }
        }
        let outside = self.context.clone();
        self.context.function = true;
        self.context.metric = key.is_some_and(|it| self.flow.judges(it));
        let result = item.0.token(TokenKind::Dot).is_none().then_some(key).flatten();
        self.body_of(result, |this| item.body().map_or(Known::Unit, |it| this.block(it)));
        item.body().into_iter().for_each(|it| self.result_trap(it));
        self.function_end(item);
        self.context = outside;
        self.scopes.pop();
    }
}

/// The key of a method; anybody may call `forward`.
fn method_key(method: FnItem<'_>, text: &str) -> Option<FnKey> {
    method.name(text).map(|it| it.start)
}
