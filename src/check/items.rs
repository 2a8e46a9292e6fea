//! What a unit declares: names, types, signatures, modules, functions, consts, tests.

use super::choices::Input;
use super::model::{
    ConstInfo, FnInfo, ParamInfo, Resolution, StaticAdapter, StaticPredictor, TestInfo,
};
use super::pieces::{Changes, Piece};
use super::scope::Known;
use super::shape::found;
use super::types::{Place, Types};
use super::walk::is_item;
use super::{Checker, codes, fits, flow, literal, names};
use crate::catalog;
use crate::diag::Diagnostic;

use crate::schema::{Field, Signature, Ty, TypeTable};
use crate::syntax::ast::{
    self, Assert, ConstItem, FieldDecl, FnItem, ImportItem, Let, ModuleItem, Param,
    SignatureItem, TestItem, TypeItem,
};
use crate::syntax::text::unquote;
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl<'a> Checker<'a> {
    /// Finds what the unit declares.
    pub(super) fn items(&mut self) {
        self.names();
        self.types();
        let tree = self.tree;
        for node in tree.nodes() {
            match node.kind {
                NodeKind::SignatureItem => self.signature_item(SignatureItem(node)),
                NodeKind::FnItem if node.token(TokenKind::Dot).is_none() => {
                    self.function_item(FnItem(node));
                }
                NodeKind::TestItem => self.test_item(TestItem(node)),
                NodeKind::SettingsItem => self.settings(node),
                _ => {}
            }
        }
        // Members may be instances of modules declared later, so headers come first.
        for pass in [Self::module_header, Self::module_members] {
            for item in tree.nodes().filter_map(ModuleItem::cast) {
                pass(self, item);
            }
        }
        self.const_items();
    }

    /// Takes down the names of items and of main's variables, and which names are assigned.
    fn names(&mut self) {
        let tree = self.tree;
        for node in tree.nodes() {
            let named = match node.kind {
                NodeKind::SignatureItem => {
                    SignatureItem(node).name(self.text).map(|it| (it, Resolution::Signature))
                }
                NodeKind::TypeItem => {
                    TypeItem(node).name(self.text).map(|it| (it, Resolution::Type))
                }
                NodeKind::ModuleItem => {
                    ModuleItem(node).name(self.text).map(|it| (it, Resolution::Module))
                }
                NodeKind::FnItem if node.token(TokenKind::Dot).is_some() => {
                    let name = FnItem(node).name(self.text);
                    self.typed.extend(name.map(|it| it.text(self.text)));
                    None
                }
                NodeKind::FnItem => {
                    FnItem(node).name(self.text).map(|it| (it, Resolution::Function))
                }
                NodeKind::ConstItem => {
                    let name = ConstItem(node).name(self.text);
                    if let (Some(name), Some(value)) = (name, ConstItem(node).value()) {
                        self.values.entry(name.text(self.text)).or_insert(value);
                    }
                    name.map(|it| (it, Resolution::Const))
                }
                NodeKind::ImportItem => {
                    self.import(ImportItem(node));
                    None
                }
                NodeKind::Let => {
                    let name = Let(node).name(self.text).map(|it| it.text(self.text).into());
                    self.out.lets.extend(name);
                    None
                }
                _ => None,
            };
            if let Some((name, resolution)) = named {
                self.name_item(name, resolution, node);
            }
        }
    }

    /// Takes down the items and main, each with the variables that change in it.
    pub(super) fn pieces(&mut self) {
        let tree = self.tree;
        let items = tree.nodes().filter(|it| is_item(it.kind));
        let pieces =
            items.map(|it| Piece::new(self.changes_in([it]), it.kind == NodeKind::ConstItem));
        let mut pieces: Vec<Piece<'a>> = pieces.collect();
        let main = tree.nodes().filter(|it| !is_item(it.kind));
        pieces.push(Piece::new(self.changes_in(main), false));
        self.pieces = pieces;
    }

    fn changes_in(&self, nodes: impl IntoIterator<Item = &'a Node>) -> Changes<'a> {
        let mut changes = Changes::default();
        nodes.into_iter().for_each(|it| changes_below(it, self.text, false, &mut changes));
        changes
    }

    fn name_item(&mut self, token: Token, resolution: Resolution, node: &Node) {
        let name = token.text(self.text);
        let span = token.span(self.source);
        if is_private(node, self.text) {
            self.out.private.insert(name.into());
        }
        match self.items.get(name).copied() {
            // Rhai's functions are told apart by their number of parameters too.
            Some((Resolution::Function, _)) if node.kind == NodeKind::FnItem => {}
            Some((_, first)) => {
                let message = format!("there are two items named `{name}`");
                let told = self.tell(codes::DUPLICATE_ITEM, span, message);
                *told = told.clone().label(first, "the first");
            }
            None => {
                self.items.insert(name.into(), (resolution, span));
            }
        }
    }

    fn types(&mut self) {
        let mut scope = self.outer_types();
        let mut table: TypeTable = (*scope.table).clone();
        let own = self.items.iter().filter(|(_, it)| it.0 == Resolution::Type);
        scope.names.extend(own.map(|(name, _)| (name.clone(), name.clone())));
        let choices = |name: &str| self.chosen(name);
        let place = Place::source(self.source);
        let mut types = Types::new(self.text, place, &scope, &choices);
        let mut declared: Vec<(Arc<str>, Token)> = Vec::new();
        for item in self.tree.nodes().filter_map(TypeItem::cast) {
            let Some(name) = item.name(self.text) else { continue };
            let ty = item.ty().map_or(Ty::Any, |it| types.node(it));
            table.insert(name.text(self.text).into(), ty);
            declared.push((name.text(self.text).into(), name));
        }
        let diags = types.diags;
        self.diags.extend(diags);
        for (name, token) in declared {
            let endless = table
                .get(&name)
                .is_some_and(|ty| needs(ty, &name, &table, &mut BTreeSet::new()));
            if endless {
                let message = format!("a value of `{name}` would hold itself without end");
                let hint = "let it recur in a list, a dict or as `T?`";
                let span = token.span(self.source);
                self.diags.push(Diagnostic::new(codes::ENDLESS_TYPE, span, message).hint(hint));
                table.insert(name, Ty::Any);
            }
        }
        scope.table = Arc::new(table);
        self.out.types = scope.table.clone();
        self.out.type_scope = Arc::new(scope);
    }

    /// What is known of a value of the type under a node, of which was told already.
    pub(super) fn declared(&mut self, node: &Node) -> Known {
        let told = self.diags.len();
        let ty = self.ty(node);
        self.diags.truncate(told);
        Known::of(&ty, &self.out.types)
    }

    /// The type under a node; what is wrong with it is told.
    pub(super) fn ty(&mut self, node: &Node) -> Ty {
        let scope = self.out.type_scope.clone();
        let choices = |name: &str| self.chosen(name);
        let place = Place::source(self.source);
        let mut types = Types::new(self.text, place, &scope, &choices);
        let ty = types.node(node);
        let diags = types.diags;
        self.diags.extend(diags);
        ty
    }

    fn signature_item(&mut self, item: SignatureItem<'a>) {
        let Some(name) = item.name(self.text) else { return };
        let doc = self.docs(self.tree, item.0);
        let signature = self.build_signature(name.text(self.text), doc, item.0, name);
        if self.is_first(name) {
            self.out.signatures.insert(name.text(self.text).into(), signature);
        }
    }

    /// Whether the item whose name this is counts, not a later one of the same name.
    pub(super) fn is_first(&self, name: Token) -> bool {
        self.items.get(name.text(self.text)).is_some_and(|it| it.1.start == name.start)
    }

    /// The signature of a `SignatureExpr`. Reading it the first time tells what is wrong.
    pub(super) fn inline_signature(&mut self, node: &Node) -> Option<Signature> {
        let key = (self.source, node.start);
        if let Some(it) = self.out.inline.get(&key) {
            return Some(it.clone());
        }
        let at = node.tokens().next()?;
        let told = self.diags.len();
        let signature = self.build_signature("", "".into(), node, at);
        self.firm.extend(self.diags.split_off(told));
        self.out.inline.insert(key, signature.clone());
        Some(signature)
    }

    fn build_signature(
        &mut self,
        name: &str,
        instructions: Arc<str>,
        node: &Node,
        at: Token,
    ) -> Signature {
        let mut signature = Signature {
            name: name.into(),
            instructions,
            inputs: Vec::new(),
            outputs: Vec::new(),
            types: self.out.types.clone(),
            contracts: node.nodes().filter_map(Assert::cast).count(),
        };
        let decls = || node.nodes().filter_map(FieldDecl::cast);
        let inputs = decls().filter(|it| !it.is_output(self.text));
        let inputs = inputs.filter_map(|it| Input::declared(it, self.text)).collect();
        let outside = std::mem::replace(&mut self.inputs, inputs);
        let mut named = BTreeMap::new();
        decls().for_each(|decl| self.field(decl, &mut signature, &mut named));
        self.inputs = outside;
        if signature.outputs.is_empty() && node.token(TokenKind::RBrace).is_some() {
            let message = match name {
                "" => "the signature has no outputs".to_owned(),
                _ => format!("the signature `{name}` has no outputs"),
            };
            let told = self.tell(codes::NO_OUTPUTS, at.span(self.source), message);
            told.hints.push("add what the model writes, such as `out answer: str`".to_owned());
        }
        signature
    }

    /// Reads a field; `named` are those before it, and whether they are outputs.
    fn field(
        &mut self,
        decl: FieldDecl<'_>,
        signature: &mut Signature,
        named: &mut BTreeMap<Arc<str>, bool>,
    ) {
        let Some(token) = decl.name() else { return };
        let name = token.text(self.text);
        let span = token.span(self.source);
        let ty = decl.ty().map_or(Ty::Str, |it| self.ty(it));
        let default = decl.default().and_then(|it| self.default(it, &ty));
        let description =
            decl.description().and_then(|it| ast::prose(it, self.text).map(Into::into));
        let field = Field { name: name.into(), ty, description, default };
        let output = decl.is_output(self.text);
        let same = if output { &mut signature.outputs } else { &mut signature.inputs };
        self.diags.extend(super::history::misplaced(
            &field,
            output,
            same,
            &self.out.types,
            span,
        ));
        let before = named.get(&field.name).copied();
        if before == Some(output) {
            let kind = if output { "outputs" } else { "inputs" };
            let message = format!("the signature has two {kind} `{name}`");
            self.tell(codes::DUPLICATE_FIELD, span, message);
        } else if before.is_some() {
            let message = format!("`{name}` is both an input and an output");
            let told = self.tell(codes::FIELD_BOTH_WAYS, span, message);
            told.hints.push("give one of them another name".to_owned());
        } else {
            named.insert(field.name.clone(), output);
            same.push(field);
        }
    }

    /// A literal default of a field.
    fn default(&mut self, node: &Node, ty: &Ty) -> Option<crate::schema::Value> {
        let span = self.span(node);
        let Some(value) = literal::constant(node, self.text) else {
            self.tell(codes::BAD_DEFAULT, span, "the default of a field is a literal");
            return None;
        };
        if !fits::fits(&value, ty, &self.out.types) {
            let message =
                format!("the default is {}, the field {}", found(&value), fits::show(ty));
            self.tell(codes::BAD_DEFAULT, span, message);
        }
        Some(value)
    }

    /// The documentation before an item.
    pub(super) fn docs(&self, parent: &Node, item: &Node) -> Arc<str> {
        ast::docs(parent, item, self.text).unwrap_or_default().into()
    }

    /// The parameters of a function, method or module.
    pub(super) fn params(&mut self, params: &[Param<'_>]) -> Vec<ParamInfo> {
        let mut out: Vec<ParamInfo> = Vec::new();
        let mut named: BTreeSet<&str> = BTreeSet::new();
        for param in params {
            let Some(token) = param.name() else { continue };
            let name = token.text(self.text);
            if !named.insert(name) {
                let message = format!("there are two parameters `{name}`");
                self.tell(codes::DUPLICATE_PARAM, token.span(self.source), message);
                continue;
            }
            let ty = param.ty().map(|it| self.ty(it));
            out.push(ParamInfo {
                name: name.into(),
                lowered: names::variable(name),
                ty,
                has_default: param.default().is_some(),
                rest: param.is_rest(),
                description: param
                    .description()
                    .and_then(|it| ast::prose(it, self.text).map(Into::into)),
            });
        }
        out
    }

    pub(super) fn function_info(
        &mut self,
        item: FnItem<'_>,
        name: Token,
        doc: Arc<str>,
    ) -> FnInfo {
        FnInfo {
            lowered: self.out.key(&names::variable(name.text(self.text))).to_string(),
            params: self.params(&item.params()),
            doc,
            span: name.span(self.source),
            result: item.result().map(|it| self.ty(it)),
            private: is_private(item.0, self.text),
            overloads: Vec::new(),
        }
    }

    fn function_item(&mut self, item: FnItem<'a>) {
        let Some(token) = item.name(self.text) else { return };
        let doc = self.docs(self.tree, item.0);
        let info = self.function_info(item, token, doc);
        let name: Arc<str> = token.text(self.text).into();
        let Some(mut first) = self.out.functions.get(&name).map(|it| (**it).clone()) else {
            if self.is_first(token) {
                self.out.functions.insert(name, Arc::new(info));
            }
            return;
        };
        let plain =
            |it: &FnInfo| it.params.iter().all(|param| !param.has_default && !param.rest);
        let clash = std::iter::once(&first)
            .chain(&first.overloads)
            .find(|it| it.params.len() == info.params.len() || !plain(it) || !plain(&info))
            .map(|it| it.span);
        if let Some(clash) = clash {
            let message = format!("there are two functions `{name}`");
            let told = self.tell(codes::DUPLICATE_ITEM, info.span, message);
            *told = told.clone().label(clash, "the first");
            return;
        }
        first.overloads.push(info);
        self.out.functions.insert(name, Arc::new(first));
    }

    fn const_items(&mut self) {
        for item in self.tree.nodes().filter_map(ConstItem::cast) {
            let Some(token) = item.name(self.text) else { continue };
            if !self.is_first(token) {
                continue;
            }
            let name = token.text(self.text);
            let (predictor, module) = told_of(&self.const_known(name));
            let info = ConstInfo {
                lowered: names::constant(&self.out.key(name)),
                span: token.span(self.source),
                predictor,
                module,
            };
            self.out.consts.insert(name.into(), Arc::new(info));
            let said = item.value().and_then(|it| self.static_adapter(it));
            if let Some(StaticAdapter::Template(template)) = said {
                self.out.templates.insert(name.into(), template);
            }
        }
        self.setting_of_adapter();
    }

    fn test_item(&mut self, item: TestItem<'_>) {
        let Some(title) = item.title() else { return };
        let before: usize = self.around.prior.iter().map(|it| it.tests.len()).sum();
        let lowered = names::test(before + self.out.tests.len());
        self.out.tests.push(TestInfo {
            title: unquote(title, self.text).unwrap_or_default().into(),
            lowered,
            span: title.span(self.source),
        });
    }
}

/// Takes down which variables change in a piece of code.
fn changes_below<'a>(node: &'a Node, text: &'a str, closure: bool, out: &mut Changes<'a>) {
    let (target, changes) = match node.kind {
        NodeKind::Assign => (ast::exprs(node).next(), &mut out.assigned),
        NodeKind::MethodCall => {
            let call = ast::MethodCall(node);
            let name = call.name().map_or("", |it| it.text(text));
            let pure = catalog::is_rhai_method(name) && !catalog::is_in_place(name);
            (call.receiver().filter(|_| !pure), &mut out.worked)
        }
        _ => (None, &mut out.assigned),
    };
    if let Some(name) = target.and_then(flow::root) {
        *changes.entry(name.text(text)).or_default() |= closure;
    }
    let closure = closure || node.kind == NodeKind::Closure;
    node.nodes().for_each(|it| changes_below(it, text, closure, out));
}

/// Whether an item is for its own file only.
fn is_private(item: &Node, text: &str) -> bool {
    item.tokens().next().is_some_and(|it| it.text(text) == "private")
}

/// What of a value's knowledge is kept.
pub(super) fn told_of(known: &Known) -> (Option<StaticPredictor>, Option<Arc<str>>) {
    match known {
        Known::Predictor(it) => (Some((**it).clone()), None),
        Known::Instance(module) => (None, Some(module.clone())),
        _ => (None, None),
    }
}

/// Whether a value of `ty` cannot be without a value of the type `name`.
fn needs(ty: &Ty, name: &str, table: &TypeTable, seen: &mut BTreeSet<Arc<str>>) -> bool {
    match ty {
        Ty::Named(other) if &**other == name => true,
        Ty::Named(other) => {
            seen.insert(other.clone())
                && table.get(other).is_some_and(|it| needs(it, name, table, seen))
        }
        Ty::Record(fields) => fields.iter().any(|it| needs(&it.ty, name, table, seen)),
        Ty::Union(members) => members.iter().all(|it| needs(it, name, table, seen)),
        Ty::Bounded(inner, _) => needs(inner, name, table, seen),
        Ty::List(_) | Ty::Dict(_) | Ty::Optional(_) | Ty::Enum(_) | Ty::OneOf(_) => false,
        Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Any | Ty::History | Ty::Media(_) => {
            false
        }
    }
}
