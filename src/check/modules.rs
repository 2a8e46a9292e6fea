//! What modules declare, and the predictors that can be named.

use super::items::told_of;
use super::model::{MemberInfo, ModuleInfo, Slot, StaticPredictor};
use super::scope::{Binding, Known, Scopes};
use super::{Checker, codes, names};
use crate::syntax::ast::{FnItem, Let, ModuleItem};
use crate::syntax::{Token, TokenKind};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<'a> Checker<'a> {
    /// The name, the parameters and the methods of a module.
    pub(super) fn module_header(&mut self, item: ModuleItem<'a>) {
        let Some(token) = item.name(self.text) else { return };
        if !self.is_first(token) {
            return;
        }
        let name: Arc<str> = token.text(self.text).into();
        let params = self.params(&item.params());
        let mut info = ModuleInfo {
            name: name.clone(),
            key: self.out.key(&name),
            doc: self.docs(self.tree, item.0),
            span: token.span(self.source),
            params,
            members: Vec::new(),
            methods: indexmap::IndexMap::new(),
            slots: BTreeMap::new(),
        };
        for (at, param) in info.params.iter().enumerate() {
            info.slots.insert(param.name.clone(), Slot::Param(at));
        }
        for node in item.0.nodes() {
            if let Some(member) = Let::cast(node).and_then(|it| it.name(self.text)) {
                let slot = Slot::Member(info.members.len());
                self.unique_member(&mut info, member, slot);
                let name = member.text(self.text).into();
                info.members.push(MemberInfo { name, ..MemberInfo::default() });
            } else if let Some(method) = FnItem::cast(node)
                && let Some(token) = method.name(self.text)
            {
                self.unique_member(&mut info, token, Slot::Method);
                let doc = self.docs(item.0, node);
                let mut method = self.function_info(method, token, doc);
                method.lowered = names::method(&info.key, token.text(self.text));
                info.methods.entry(token.text(self.text).into()).or_insert(method);
            }
        }
        if !info.methods.contains_key("forward") && item.0.token(TokenKind::RBrace).is_some() {
            let message = format!("the module `{name}` has no method `forward`");
            let span = info.span;
            let told = self.tell(codes::NO_FORWARD, span, message);
            told.hints.push("a call of the module runs `fn forward(…) { … }`".to_owned());
        }
        self.out.members.extend(info.slots.keys().cloned());
        self.out.modules.insert(name, Arc::new(info));
    }

    fn unique_member(&mut self, info: &mut ModuleInfo, token: Token, slot: Slot) {
        let name = token.text(self.text);
        if info.has(name) {
            let message = format!("the module `{}` has two members `{name}`", info.name);
            self.tell(codes::DUPLICATE_MEMBER, token.span(self.source), message);
        } else {
            info.slots.insert(name.into(), slot);
        }
    }

    /// What is known of the members of a module.
    pub(super) fn module_members(&mut self, item: ModuleItem<'a>) {
        let Some(token) = item.name(self.text) else { return };
        if !self.is_first(token) {
            return;
        }
        let Some(info) = self.out.modules.get(token.text(self.text)) else { return };
        let mut info = (**info).clone();
        let params =
            info.params.iter().map(|it| (it.name.clone(), Binding::member(Known::Nothing)));
        let mut scopes = Scopes::default();
        scopes.push(params.collect());
        for member in item.members() {
            let (Some(name), Some(value)) = (member.name(self.text), member.value()) else {
                continue;
            };
            let name = name.text(self.text);
            std::mem::swap(&mut self.scopes, &mut scopes);
            let known = self.infer(value);
            std::mem::swap(&mut self.scopes, &mut scopes);
            if let Some(Slot::Member(at)) = info.slots.get(name) {
                let member = &mut info.members[*at];
                (member.predictor, member.module) = told_of(&known);
                member.known = known.outside();
            }
            scopes.declare(name, Binding::member(known));
        }
        self.out.modules.insert(info.name.clone(), Arc::new(info));
    }

    /// Lists the predictors that can be named without running anything.
    pub(super) fn predictors(&mut self) {
        let mut found: Vec<(String, StaticPredictor)> = Vec::new();
        let modules: Vec<Arc<ModuleInfo>> = self.out.modules.values().cloned().collect();
        for module in &modules {
            let start = found.len();
            self.module_predictors(module, &module.name, 8, &mut found);
            // Without the module's name too, where that is clear.
            let short: Vec<_> = found[start..]
                .iter()
                .filter_map(|(path, it)| Some((path.split_once('.')?.1.to_owned(), it.clone())))
                .collect();
            found.extend(short);
        }
        let consts: Vec<_> =
            self.out.consts.iter().map(|(name, it)| (name.clone(), it.clone())).collect();
        for (name, info) in consts {
            if let Some(predictor) = &info.predictor {
                found.push((name.to_string(), predictor.clone()));
            }
            if let Some(module) = info.module.as_ref().and_then(|it| self.module(it)) {
                self.module_predictors(&module, &name, 8, &mut found);
            }
        }
        for (alias, unit) in &self.out.imports {
            let public = unit.predictors.iter().filter(|(path, _)| {
                let item = path.split('.').next().unwrap_or_default();
                unit.public(item).is_some()
            });
            found.extend(public.map(|(path, it)| (format!("{alias}::{path}"), it.clone())));
        }
        for (path, predictor) in found {
            self.out.predictors.entry(path).or_insert(predictor);
        }
    }

    fn module_predictors(
        &self,
        module: &ModuleInfo,
        path: &str,
        depth: usize,
        found: &mut Vec<(String, StaticPredictor)>,
    ) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for member in &module.members {
            let path = format!("{path}.{}", member.name);
            if let Some(predictor) = &member.predictor {
                found.push((path.clone(), predictor.clone()));
            }
            if let Some(inner) = member.module.as_ref().and_then(|it| self.module(it)) {
                self.module_predictors(&inner, &path, depth, found);
            }
        }
    }
}
