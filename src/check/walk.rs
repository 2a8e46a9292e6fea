//! Through the code of a unit with the names in scope.

use super::scope::{Binding, Frame, Known, Scopes};
use super::{Checker, Context, codes, literal};
use crate::schema::Ty;
use crate::syntax::ast::{
    self, Assert, Closure, ConstItem, For, If, Let, MapEntry, Member, SwitchCase, Try, is_range,
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
    pub(super) fn walk_items(&mut self) {
        let tree = self.tree;
        let mut count = 0;
        for node in tree.nodes().filter(|it| is_item(it.kind)) {
            self.piece(count, |this| {
                this.context = Context { item: true, ..Context::default() };
                this.scopes = Scopes::default();
                this.item_code(node);
            });
            count += 1;
        }
        self.piece(count, Self::walk_main);
    }

    fn walk_main(&mut self) {
        let tree = self.tree;
        self.context = Context::default();
        self.scopes = Scopes::default();
        let locals: Frame = self
            .around
            .locals
            .iter()
            .map(|name| (name.clone(), Binding::variable(self.prior_known(name))))
            .collect();
        self.scopes.push(locals);
        self.scopes.push(Frame::default());
        self.statements(tree);
        self.out.main = tree.nodes().any(|it| !is_item(it.kind) && it.kind != NodeKind::Error);
    }

    pub(super) fn block(&mut self, node: &'a Node) -> Known {
        self.scopes.push(Frame::default());
        let known = self.statements(node);
        self.scopes.pop();
        known
    }

    /// Statements, and what the last of them gives.
    fn statements(&mut self, node: &'a Node) -> Known {
        let root = node.kind == NodeKind::Root;
        let statements: Vec<&Node> =
            node.nodes().filter(|it| !(root && is_item(it.kind))).collect();
        let (mut known, mut ended) = (Known::Unit, false);
        for (index, statement) in statements.iter().enumerate() {
            let last = index + 1 == statements.len();
            known = self.statement(statement, last);
            if known == Known::Never && leaves(statement) {
                if let Some(next) = statements.get(index + 1).filter(|_| !ended) {
                    self.unreachable(next, statements[statements.len() - 1]);
                }
                ended = true;
            }
        }
        if ended { Known::Never } else { known }
    }

    pub(super) fn statement(&mut self, node: &'a Node, last: bool) -> Known {
        match node.kind {
            NodeKind::Let => {
                self.let_statement(node, Let(node).name(self.text), Let(node).value());
            }
            NodeKind::ConstItem => {
                let item = ConstItem(node);
                self.let_statement(node, item.name(self.text), item.value());
            }
            NodeKind::ExprStmt => return self.expr_statement(node, last),
            NodeKind::Try => return self.try_statement(Try(node)),
            NodeKind::Assert => self.assertion(Assert(node)),
            NodeKind::ImportItem => {
                let message = "an `import` stands at the top of a file";
                self.tell(codes::IMPORT, self.span(node), message);
            }
            NodeKind::Export => {}
            _ if ast::is_expr(node.kind) => return self.expr(node),
            _ => self.below(node),
        }
        Known::Unit
    }

    /// `return`, `throw`, `break` and `continue`.
    fn leaving(&mut self, node: &'a Node) -> Known {
        let mut known = Known::Unit;
        for value in ast::exprs(node) {
            known = self.expr(value);
            self.used(value);
            self.stands(&known);
            self.result_trap(value);
        }
        if node.kind == NodeKind::Return {
            self.returned(known);
        }
        Known::Never
    }

    fn let_statement(&mut self, node: &'a Node, name: Option<Token>, value: Option<&'a Node>) {
        let known = value.map_or(Known::Unit, |it| {
            self.kept(it);
            let known = self.expr(it);
            self.used(it);
            known
        });
        let Some(name) = name else { return };
        let name = name.text(self.text);
        let mut binding = Binding::variable(self.steady(name, known));
        binding.constant = node.kind == NodeKind::ConstItem;
        // Main's predictors can be asked for by their names.
        if self.at_main()
            && !self.changes.assigned.contains_key(name)
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

    fn expr_statement(&mut self, node: &'a Node, last: bool) -> Known {
        let Some(expr) = ast::exprs(node).next() else {
            self.below(node);
            return Known::Unit;
        };
        let known = self.expr(expr);
        let value = last && node.token(TokenKind::Semi).is_none();
        if !value {
            self.dropped(expr, last);
        }
        self.no_effect(expr);
        known
    }

    fn try_statement(&mut self, node: Try<'a>) -> Known {
        let before = self.scopes.clone();
        let weak = std::mem::replace(&mut self.flow.weak, self.scopes.depth());
        let trying = std::mem::replace(&mut self.flow.trying, true);
        let mut ways = Vec::new();
        for (index, block) in node.blocks().enumerate() {
            if index == 1 {
                self.flow.weak = weak;
                self.flow.trying = trying;
                ways.push(self.scopes.clone());
                self.scopes.join(&before);
            }
            self.scopes.push(Frame::default());
            if index == 1
                && let Some(name) = node.name(self.text)
            {
                self.scopes.declare(name.text(self.text), Binding::local());
            }
            self.block(block);
            self.scopes.pop();
        }
        (self.flow.weak, self.flow.trying) = (weak, trying);
        for way in ways {
            self.scopes.join(&way);
        }
        Known::Unit
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
            Known::Reply(_) | Known::Answer(_) => "a reply",
            Known::Signature(_) => "a signature",
            Known::Object(it) => it.name,
            _ if literal::constant(retry, self.text).is_some() => "a literal",
            _ => return,
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

    /// Checks an expression, and says what is known of its value.
    pub(super) fn expr(&mut self, node: &'a Node) -> Known {
        self.misuse(node);
        let flowing = match node.kind {
            NodeKind::If => Some(self.branches(If(node))),
            NodeKind::Switch => Some(self.switch(node)),
            NodeKind::Block => Some(self.block(node)),
            NodeKind::Return | NodeKind::Throw | NodeKind::Break | NodeKind::Continue => {
                Some(self.leaving(node))
            }
            _ => None,
        };
        let known = flowing.unwrap_or_else(|| {
            self.expr_below(node);
            self.infer_here(node)
        });
        if !matches!(node.kind, NodeKind::Name | NodeKind::Literal | NodeKind::Unit) {
            self.saw(node, &known);
        }
        known
    }

    fn expr_below(&mut self, node: &'a Node) {
        match node.kind {
            NodeKind::Name => {
                self.name(node);
                if self.scopes.get(node.text(self.text)).is_none() {
                    self.module_stands(node.text(self.text));
                }
                let known = self.infer(node);
                self.stands(&known);
            }
            NodeKind::Path => self.path(node),
            NodeKind::Call => self.call(node),
            NodeKind::MethodCall => self.method_call(node),
            NodeKind::Member => self.member(Member(node)),
            NodeKind::Closure => self.closure(Closure(node)),
            NodeKind::Assign => self.assign(node),
            // Each of its insertions gives a value.
            NodeKind::Template => {
                self.scopes.push(Frame::default());
                node.nodes().for_each(|it| {
                    self.statement(it, true);
                });
                self.scopes.pop();
            }
            NodeKind::For => self.for_loop(For(node)),
            NodeKind::While | NodeKind::Loop | NodeKind::DoWhile => {
                self.repeated(|this| this.below(node));
            }
            NodeKind::Map => self.map(node),
            NodeKind::Binary => {
                for side in ast::exprs(node) {
                    self.expr(side);
                    self.used(side);
                }
                self.operator(node);
            }
            NodeKind::SignatureExpr => {
                let signature = self.inline_signature(node);
                self.contracts(node, "".into(), signature);
            }
            _ => self.below(node),
        }
    }

    fn for_loop(&mut self, node: For<'a>) {
        let mut item = Known::Nothing;
        if let Some(iterable) = node.iterable() {
            let known = self.expr(iterable);
            self.used(iterable);
            item = if is_range(iterable, self.text) {
                Known::basic(Ty::Int)
            } else {
                known.item()
            };
        }
        self.repeated(|this| {
            this.scopes.push(Frame::default());
            for (index, name) in node.names().enumerate() {
                let known = if index == 0 { item.clone() } else { Known::basic(Ty::Int) };
                let name = name.text(this.text);
                let known = this.steady(name, known);
                this.scopes.declare(name, Binding::variable(known));
            }
            if let Some(body) = node.body() {
                this.block(body);
            }
            this.scopes.pop();
        });
    }

    fn closure(&mut self, node: Closure<'a>) {
        let key = node.0.start;
        self.stands(&Known::Function(key));
        let mut frame = Frame::default();
        for (index, param) in node.params().into_iter().enumerate() {
            let Some(token) = param.name() else { continue };
            let name = token.text(self.text);
            let known = self.param_known(param, Some(key), index);
            if frame.insert(name.into(), Binding::variable(known)).is_some() {
                let message = format!("there are two parameters `{name}`");
                self.tell(codes::DUPLICATE_PARAM, token.span(self.source), message);
            }
        }
        let depth = self.scopes.depth();
        let outer = std::mem::replace(&mut self.flow.outside, depth);
        self.scopes.push(frame);
        let outside = self.context.clone();
        self.context.function = true;
        let metric = self.flow.judges(key);
        self.context.metric |= metric;
        self.body_of(Some(key), |this| {
            let body = node.body();
            let known = body.map_or(Known::Unit, |it| this.statement(it, true));
            body.filter(|_| metric).into_iter().for_each(|it| this.result_trap(it));
            known
        });
        self.context = outside;
        self.scopes.pop();
        self.flow.outside = outer;
    }

    fn switch(&mut self, node: &'a Node) -> Known {
        let mut subject = Known::Nothing;
        if let Some(value) = ast::exprs(node).next() {
            subject = self.expr(value);
            self.used(value);
        }
        let before = self.scopes.clone();
        let (mut all, mut complete) = (Known::Never, false);
        let mut ways: Option<Scopes> = None;
        for case in node.nodes().filter(|it| it.kind == NodeKind::SwitchCase) {
            self.scopes = before.clone();
            complete |= SwitchCase(case).is_default();
            let known = self.case(case, &subject);
            if let Some(other) = ways.take() {
                self.meet(other, &known, &all);
            }
            ways = Some(self.scopes.clone());
            all = all.or(known);
        }
        self.scopes = before;
        match ways {
            Some(other) if complete => self.scopes = other,
            Some(other) => self.meet(other, &Known::Unit, &all),
            None => {}
        }
        if complete { all } else { all.or(Known::Unit) }
    }

    fn case(&mut self, case: &'a Node, subject: &Known) -> Known {
        let arrow = case.token(TokenKind::FatArrow).map_or(u32::MAX, |it| it.start);
        let mut known = Known::Unit;
        for part in case.nodes() {
            // Patterns are literals, which the parser sees to.
            if part.kind == NodeKind::SwitchGuard {
                self.misuse(part);
                self.below(part);
            } else if part.start > arrow {
                known = self.statement(part, true);
            } else {
                self.pattern(part, subject);
            }
        }
        known
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

    fn member(&mut self, node: Member<'a>) {
        if let Some(receiver) = node.receiver() {
            self.expr(receiver);
            self.used(receiver);
            self.member_name(receiver, node.name());
        }
    }
}

/// Whether a statement of this kind can end the block that it stands in.
fn leaves(node: &Node) -> bool {
    use NodeKind as K;
    match node.kind {
        K::Return | K::Throw | K::Break | K::Continue | K::If | K::Switch | K::Block => true,
        K::ExprStmt => ast::exprs(node).next().is_some_and(leaves),
        _ => false,
    }
}
