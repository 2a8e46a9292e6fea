//! Through the code of a unit with the names in scope.

use super::model::Resolution;
use super::scope::{Binding, Frame, Known, Scopes};
use super::{Checker, Context, codes, literal};
use crate::source::Span;
use crate::syntax::ast::{
    self, Assert, Closure, ConstItem, FieldDecl, FnItem, For, Let, MapEntry, Member,
    ModuleItem, Param, SignatureItem, TestItem, Try,
};
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether a node of the root is an item.
pub(crate) fn is_item(kind: NodeKind) -> bool {
    use NodeKind as K;
    matches!(
        kind,
        K::SignatureItem
            | K::TypeItem
            | K::ModuleItem
            | K::FnItem
            | K::ConstItem
            | K::SettingsItem
            | K::TestItem
            | K::ImportItem
    )
}

impl<'a> Checker<'a> {
    /// Checks the code of all items, then main.
    pub(super) fn walk_unit(&mut self) {
        let tree = self.tree;
        for node in tree.nodes().filter(|it| is_item(it.kind)) {
            self.context = Context { item: true, ..Context::default() };
            self.scopes = Scopes::default();
            self.item_code(node);
        }
        self.context = Context::default();
        self.scopes = Scopes::default();
        let locals: Frame = self
            .around
            .locals
            .iter()
            .map(|name| (name.clone(), Binding::variable(self.prior_known(name))))
            .collect();
        self.scopes.push(locals);
        self.scopes.push(Frame::new());
        self.statements(tree);
        self.out.main = tree.nodes().any(|it| !is_item(it.kind) && it.kind != NodeKind::Error);
    }

    fn item_code(&mut self, node: &'a Node) {
        match node.kind {
            NodeKind::SignatureItem => {
                let name =
                    SignatureItem(node).name(self.text).map(|it| it.text(self.text).into());
                self.contracts(node, name.unwrap_or_default());
            }
            NodeKind::ModuleItem => self.module_code(ModuleItem(node)),
            NodeKind::FnItem => self.function(FnItem(node)),
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
    fn contracts(&mut self, node: &'a Node, name: Arc<str>) {
        let fields = node.nodes().filter_map(FieldDecl::cast).filter_map(FieldDecl::name);
        let frame: Frame = fields
            .map(|it| {
                (it.text(self.text).into(), Binding { constant: true, ..Binding::local() })
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
        let mut frame = Frame::new();
        self.scopes.push(Frame::new());
        for param in item.params() {
            self.param_default(param);
            if let Some(token) = param.name() {
                let binding = Binding::member(Known::Nothing);
                frame.insert(token.text(self.text).into(), binding.clone());
                self.scopes.declare(token.text(self.text), binding);
            }
        }
        for member in item.members() {
            let known = member.value().map(|it| {
                self.expr(it);
                self.used(it);
                self.infer(it)
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
            self.function(method);
            self.scopes.pop();
            self.scopes.pop();
        }
    }

    fn param_default(&mut self, param: Param<'a>) {
        if let Some(value) = param.default() {
            self.expr(value);
        }
    }

    fn function(&mut self, item: FnItem<'a>) {
        self.scopes.push(Frame::new());
        for param in item.params() {
            self.param_default(param);
            if let Some(token) = param.name() {
                self.scopes.declare(token.text(self.text), Binding::local());
            }
        }
        let outside = self.context.clone();
        self.context.function = true;
        if let Some(body) = item.body() {
            self.block(body);
        }
        self.context = outside;
        self.scopes.pop();
    }

    fn block(&mut self, node: &'a Node) {
        self.scopes.push(Frame::new());
        self.statements(node);
        self.scopes.pop();
    }

    fn statements(&mut self, node: &'a Node) {
        let root = node.kind == NodeKind::Root;
        let statements: Vec<&Node> =
            node.nodes().filter(|it| !(root && is_item(it.kind))).collect();
        for (index, statement) in statements.iter().enumerate() {
            self.statement(statement, index + 1 == statements.len());
        }
    }

    fn statement(&mut self, node: &'a Node, last: bool) {
        match node.kind {
            NodeKind::Let => {
                self.let_statement(node, Let(node).name(self.text), Let(node).value());
            }
            NodeKind::ConstItem => {
                let item = ConstItem(node);
                self.let_statement(node, item.name(self.text), item.value());
            }
            NodeKind::ExprStmt => self.expr_statement(node, last),
            NodeKind::Return | NodeKind::Throw => {
                for value in ast::exprs(node) {
                    self.expr(value);
                    self.used(value);
                }
            }
            NodeKind::Try => self.try_statement(Try(node)),
            NodeKind::Assert => self.assertion(Assert(node)),
            NodeKind::ImportItem => {
                let message = "an `import` stands at the top of a file";
                self.tell(codes::IMPORT, self.span(node), message);
            }
            NodeKind::Export => {}
            _ if ast::is_expr(node.kind) => self.expr(node),
            _ => self.below(node),
        }
    }

    fn let_statement(&mut self, node: &'a Node, name: Option<Token>, value: Option<&'a Node>) {
        let known = value.map(|it| {
            self.expr(it);
            self.used(it);
            self.infer(it)
        });
        let Some(name) = name else { return };
        let name = name.text(self.text);
        let known = if self.assigned.contains(name) { None } else { known };
        let mut binding = Binding::variable(known.unwrap_or_default());
        binding.constant = node.kind == NodeKind::ConstItem;
        // Main's predictors can be asked for by their names.
        if self.at_main()
            && let (Some(predictor), _) = super::items::told_of(&binding.known)
        {
            self.out.predictors.insert(name.to_owned(), predictor);
        }
        self.scopes.declare(name, binding);
    }

    /// Whether the statement being walked is one of main's own.
    fn at_main(&self) -> bool {
        !self.context.item && !self.context.function && self.scopes.depth() == 2
    }

    fn expr_statement(&mut self, node: &'a Node, last: bool) {
        let Some(expr) = ast::exprs(node).next() else { return self.below(node) };
        self.expr(expr);
        let value = last && node.token(TokenKind::Semi).is_none();
        if !value {
            self.dropped(expr);
        }
    }

    fn try_statement(&mut self, node: Try<'a>) {
        for (index, block) in node.blocks().enumerate() {
            self.scopes.push(Frame::new());
            if index == 1
                && let Some(name) = node.name(self.text)
            {
                self.scopes.declare(name.text(self.text), Binding::local());
            }
            self.block(block);
            self.scopes.pop();
        }
    }

    fn assertion(&mut self, node: Assert<'a>) {
        let retry = node.retry();
        for part in [node.condition(), node.message(), retry].into_iter().flatten() {
            self.expr(part);
        }
        if let Some(condition) = node.condition() {
            self.condition(condition);
            self.used(condition);
        }
        let Some(retry) = retry else { return };
        let found = match self.infer(retry) {
            Known::Reply(_) => "a reply",
            Known::Signature(_) => "a signature",
            Known::Object(it) => it.name,
            _ if literal::constant(retry, self.text).is_some() => "a literal",
            Known::Nothing | Known::Predictor(_) | Known::Instance(_) => return,
        };
        let message = format!("`retry:` takes a predictor, found {found}");
        let span = self.span(retry);
        let told = self.tell(codes::RETRY_NOT_PREDICTOR, span, message);
        told.hints.push("name the member whose call is to be asked again".to_owned());
    }

    /// All expressions and statements directly below.
    fn below(&mut self, node: &'a Node) {
        for child in node.nodes() {
            self.statement(child, false);
        }
    }

    /// Checks an expression.
    pub(super) fn expr(&mut self, node: &'a Node) {
        self.misuse(node);
        match node.kind {
            NodeKind::Name => self.name(node),
            NodeKind::Path => self.path(node),
            NodeKind::Call => self.call(node),
            NodeKind::MethodCall => self.method_call(node),
            NodeKind::Member => self.member(Member(node)),
            NodeKind::Closure => self.closure(Closure(node)),
            NodeKind::Assign => self.assign(node),
            NodeKind::Block => self.block(node),
            NodeKind::Template => self.block(node),
            NodeKind::For => self.for_loop(For(node)),
            NodeKind::Switch => self.switch(node),
            NodeKind::Map => self.map(node),
            NodeKind::Binary => {
                for side in ast::exprs(node) {
                    self.expr(side);
                    self.used(side);
                }
            }
            NodeKind::SignatureExpr => {
                self.inline_signature(node);
                self.contracts(node, "".into());
            }
            _ => self.below(node),
        }
    }

    fn for_loop(&mut self, node: For<'a>) {
        if let Some(iterable) = node.iterable() {
            self.expr(iterable);
            self.used(iterable);
        }
        self.scopes.push(Frame::new());
        for name in node.names() {
            self.scopes.declare(name.text(self.text), Binding::local());
        }
        if let Some(body) = node.body() {
            self.block(body);
        }
        self.scopes.pop();
    }

    fn closure(&mut self, node: Closure<'a>) {
        let mut frame = Frame::new();
        for token in node.params().into_iter().filter_map(Param::name) {
            let name = token.text(self.text);
            if frame.insert(name.into(), Binding::local()).is_some() {
                let message = format!("there are two parameters `{name}`");
                self.tell(codes::DUPLICATE_PARAM, token.span(self.source), message);
            }
        }
        self.scopes.push(frame);
        let outside = self.context.clone();
        self.context.function = true;
        if let Some(body) = node.body() {
            self.statement(body, true);
        }
        self.context = outside;
        self.scopes.pop();
    }

    fn switch(&mut self, node: &'a Node) {
        if let Some(subject) = ast::exprs(node).next() {
            self.expr(subject);
            self.used(subject);
        }
        for case in node.nodes().filter(|it| it.kind == NodeKind::SwitchCase) {
            let arrow = case.token(TokenKind::FatArrow).map_or(u32::MAX, |it| it.start);
            for part in case.nodes() {
                // Patterns are literals, which the parser sees to.
                if part.kind == NodeKind::SwitchGuard {
                    self.misuse(part);
                    self.below(part);
                } else if part.start > arrow {
                    self.statement(part, true);
                }
            }
        }
    }

    fn map(&mut self, node: &'a Node) {
        let mut seen: BTreeSet<Arc<str>> = BTreeSet::new();
        for entry in node.nodes().filter_map(MapEntry::cast) {
            let place =
                entry.key().map_or_else(|| self.span(entry.0), |it| it.span(self.source));
            if let Some(name) = literal::key_text(entry, self.text)
                && !seen.insert(name.clone())
            {
                let message = format!("the map has two values for `{name}`");
                self.tell(codes::ARGUMENT_TWICE, place, message);
            }
            if let Some(value) = entry.value() {
                self.expr(value);
                self.used(value);
            }
        }
    }

    fn assign(&mut self, node: &'a Node) {
        let mut sides = ast::exprs(node);
        let (Some(target), value) = (sides.next(), sides.next()) else { return };
        if let Some(value) = value {
            self.expr(value);
            self.used(value);
        }
        self.target(target, target);
        self.expr(target);
    }

    /// What an assignment may change: a variable, or a part of one.
    fn target(&mut self, node: &'a Node, whole: &'a Node) {
        let span = self.span(whole);
        match node.kind {
            NodeKind::Name => {
                let part = node.end != whole.end;
                self.target_name(node.text(self.text), part, span);
            }
            NodeKind::Member | NodeKind::Index => {
                let Some(receiver) = ast::exprs(node).next() else { return };
                if let Known::Reply(_) = self.infer(receiver) {
                    let told =
                        self.tell(codes::ASSIGNED_CONST, span, "a reply does not change");
                    told.hints.push("`reply.with(field: value)` is a changed copy".to_owned());
                } else {
                    self.target(receiver, whole);
                }
            }
            NodeKind::Error => {}
            _ => {
                let message = "only variables and their parts can be assigned";
                self.tell(codes::ASSIGNED_CONST, span, message);
            }
        }
    }

    fn target_name(&mut self, name: &str, part: bool, span: Span) {
        let constant = self.scopes.get(name).is_some_and(|it| it.constant);
        match self.resolve(name) {
            Resolution::SelfValue => {
                self.tell(codes::ASSIGNED_MEMBER, span, "`self` and its members do not change");
            }
            Resolution::Member => {
                let message = format!("`{name}` is a member, and members do not change");
                let told = self.tell(codes::ASSIGNED_MEMBER, span, message);
                told.hints.push("declare a variable of another name with `let`".to_owned());
            }
            // The parts of a local const are Rhai's business.
            Resolution::Local if constant && !part => self.unchanging(name, span),
            Resolution::Local | Resolution::Unknown => {}
            _ => self.unchanging(name, span),
        }
    }

    fn unchanging(&mut self, name: &str, span: Span) {
        let message = format!("`{name}` cannot be assigned: it does not change");
        self.tell(codes::ASSIGNED_CONST, span, message);
    }

    fn member(&mut self, node: Member<'a>) {
        if let Some(receiver) = node.receiver() {
            self.expr(receiver);
            self.used(receiver);
            self.member_name(receiver, node.name());
        }
    }

    /// A value that is used; what works in place has none.
    pub(super) fn used(&mut self, node: &Node) {
        let Some(call) = ast::MethodCall::cast(node) else { return };
        let Some(name) = call.name() else { return };
        let word = name.text(self.text);
        let nothing = matches!(
            word,
            "trim" | "sort" | "sort_desc" | "reverse" | "make_upper" | "make_lower" | "push"
        );
        if !nothing || self.is_own_method(word) {
            return;
        }
        if let Some(receiver) = call.receiver()
            && !matches!(self.infer(receiver), Known::Nothing)
        {
            return;
        }
        let message = format!("`{word}` works in place and returns nothing");
        let told = self.tell(codes::IN_PLACE_RESULT, name.span(self.source), message);
        told.hints.push("call it as a statement of its own, then use the variable".to_owned());
    }

    /// A value that nobody uses: where making it is all the call does, that is a mistake.
    fn dropped(&mut self, node: &Node) {
        let Some(call) = ast::MethodCall::cast(node) else { return };
        let Some(name) = call.name() else { return };
        let word = name.text(self.text);
        let copies = matches!(
            word,
            "with" | "compile" | "with_state" | "with_field" | "with_instructions" | "without"
        );
        if copies && !self.is_own_method(word) {
            let message = format!("the result of `{word}` is not used");
            let told = self.tell(codes::DROPPED_RESULT, name.span(self.source), message);
            told.hints.push(format!(
                "`{word}` changes nothing, it returns another value: `let better = ….{word}(…);`"
            ));
        }
    }
}
