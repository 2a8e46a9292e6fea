//! Through the code of a unit with the names in scope.

use super::model::Resolution;
use super::scope::{Binding, Frame, Known, Scopes};
use super::{Checker, Context, codes, literal};
use crate::catalog;
use crate::diag::did_you_mean;
use crate::source::Span;
use crate::syntax::ast::{
    self, Assert, Closure, ConstItem, FieldDecl, FnItem, For, Let, MapEntry, Member, ModuleItem,
    Param, SignatureItem, TestItem, Try,
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
        let locals: Frame =
            self.locals
                .iter()
                .map(|name| (name.clone(), Binding::variable(self.prior_known(name))))
                .collect();
        self.scopes.push(locals);
        self.scopes.push(Frame::new());
        self.statements(tree);
        self.out.main =
            tree.nodes().any(|it| !is_item(it.kind) && it.kind != NodeKind::Error);
    }

    fn item_code(&mut self, node: &'a Node) {
        match node.kind {
            NodeKind::SignatureItem => {
                let name = SignatureItem(node).name(self.text).map(|it| it.text(self.text).into());
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
                known: Known::Instance(name.into()),
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
        self.context.loops = 0;
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

    fn looped(&mut self, node: &'a Node) {
        self.context.loops += 1;
        self.block(node);
        self.context.loops -= 1;
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
            NodeKind::Let => self.let_statement(node, Let(node).name(self.text), Let(node).value()),
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
            NodeKind::Break | NodeKind::Continue => {
                if self.context.loops == 0 {
                    let word = node.tokens().next().map_or("", |it| it.text(self.text));
                    let message = format!("`{word}` stands outside a loop");
                    self.tell(codes::OUTSIDE_LOOP, self.span(node), message);
                }
                self.below(node);
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
            NodeKind::While | NodeKind::Loop | NodeKind::DoWhile => self.any_loop(node),
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

    fn any_loop(&mut self, node: &'a Node) {
        for part in ast::exprs(node) {
            match part.kind {
                NodeKind::Block => self.looped(part),
                _ => self.expr(part),
            }
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
            self.looped(body);
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
        self.context.loops = 0;
        if let Some(body) = node.body() {
            self.expr(body);
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
                if part.kind == NodeKind::SwitchGuard {
                    self.below(part);
                } else if part.start > arrow {
                    self.statement(part, true);
                } else {
                    self.pattern(part);
                }
            }
        }
    }

    /// A pattern of a `switch`: Rhai compares with literals and ranges only.
    fn pattern(&mut self, node: &Node) {
        let range = |it: &Node| {
            it.kind == NodeKind::Binary
                && it.tokens().any(|it| matches!(it.kind, TokenKind::DotDot | TokenKind::DotDotEq))
        };
        let wild = node.text(self.text) == "_";
        let constant = |it: &Node| literal::constant(it, self.text).is_some();
        let either = |it: &Node| {
            it.kind == NodeKind::Binary && it.tokens().any(|it| it.kind == TokenKind::Pipe)
        };
        if either(node) {
            for side in ast::exprs(node) {
                self.pattern(side);
            }
        } else if !(wild
            || constant(node)
            || node.kind == NodeKind::Error
            || (range(node) && ast::exprs(node).all(constant)))
        {
            let told = self.tell(
                codes::CASE_NOT_LITERAL,
                self.span(node),
                "a case of a `switch` is a literal or a range",
            );
            told.hints.push("write the comparison as a guard: `_ if x == y => …`".to_owned());
        }
    }

    fn map(&mut self, node: &'a Node) {
        let mut seen: BTreeSet<Arc<str>> = BTreeSet::new();
        for entry in node.nodes().filter_map(MapEntry::cast) {
            if let Some(key) = entry.key() {
                let name = literal::key_text(key, self.text);
                if !seen.insert(name.clone()) {
                    let message = format!("the map has two values for `{name}`");
                    self.tell(codes::ARGUMENT_TWICE, key.span(self.source), message);
                }
            }
            if let Some(value) = entry.value().filter(|it| Some(it.start) != entry.key().map(|k| k.start)) {
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
                if node.start == whole.start && node.end == whole.end {
                    self.target_name(node.text(self.text), span);
                }
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

    fn target_name(&mut self, name: &str, span: Span) {
        let binding = self.scopes.get(name).map(|it| (it.resolution, it.constant));
        match (binding, self.item(name)) {
            (Some((Resolution::Member | Resolution::SelfValue, _)), _) => {
                let message = format!("`{name}` is a member, and members do not change");
                let told = self.tell(codes::ASSIGNED_MEMBER, span, message);
                told.hints.push("declare a variable of another name with `let`".to_owned());
            }
            (Some((_, true)), _) | (None, Some(_)) => {
                let message = format!("`{name}` cannot be assigned: it does not change");
                self.tell(codes::ASSIGNED_CONST, span, message);
            }
            _ => {}
        }
    }

    fn member(&mut self, node: Member<'a>) {
        if let Some(receiver) = node.receiver() {
            self.expr(receiver);
            self.used(receiver);
            self.member_name(receiver, node.name());
        }
    }

    /// What a name stands for as a value.
    fn name(&mut self, node: &Node) {
        let name = node.text(self.text);
        let span = self.span(node);
        let resolution = if name == "this" {
            if !self.context.function {
                let message = "`this` stands outside a function";
                self.tell(codes::SELF_OUTSIDE, span, message);
            }
            Resolution::Local
        } else {
            self.resolve(name)
        };
        self.out.resolutions.insert(node.start, resolution);
        match resolution {
            Resolution::Unknown => self.unknown_name(name, span),
            Resolution::Type => {
                let message = format!("`{name}` is a type, which has no value");
                self.tell(codes::NOT_A_VALUE, span, message);
            }
            _ => {}
        }
    }

    /// What a name means here.
    pub(super) fn resolve(&self, name: &str) -> Resolution {
        if let Some(binding) = self.scopes.get(name) {
            return binding.resolution;
        }
        if let Some(item) = self.item(name) {
            return item;
        }
        if catalog::native(name).is_some() {
            Resolution::Native
        } else if catalog::is_rhai_function(name) {
            Resolution::Rhai
        } else {
            Resolution::Unknown
        }
    }

    fn unknown_name(&mut self, name: &str, span: Span) {
        if name == "self" {
            self.tell(codes::SELF_OUTSIDE, span, "`self` stands outside a module's method");
            return;
        }
        if self.is_main_variable(name) {
            let message = format!("`{name}` is a variable of main, which items do not see");
            let told = self.tell(codes::MAIN_VARIABLE, span, message);
            told.hints.push(format!("make it `const {name} = …;`, or pass it as an argument"));
            return;
        }
        let hint = did_you_mean(name, self.names_in_sight());
        if let Some(signature) = self.context.contract.clone() {
            let owner = match &*signature {
                "" => "the signature".to_owned(),
                name => format!("`{name}`"),
            };
            let message = format!("{owner} has no field `{name}`");
            let told = self.tell(codes::CONTRACT_NAME, span, message);
            *told = told.clone().hint(hint);
            return;
        }
        let later = self.out.lets.iter().any(|it| &**it == name);
        let told = self.tell(codes::UNKNOWN_NAME, span, format!("there is no `{name}` here"));
        *told = told.clone().hint(if later {
            format!("`let {name}` comes later")
        } else {
            // A list of everything in scope helps nobody.
            hint.strip_prefix("did").map_or(String::new(), |it| format!("did{it}"))
        });
    }

    /// Whether an item names what only main sees.
    pub(super) fn is_main_variable(&self, name: &str) -> bool {
        self.context.item
            && (self.out.lets.iter().any(|it| &**it == name)
                || self.locals.iter().any(|it| &**it == name))
    }

    /// Names that could have been meant.
    pub(super) fn names_in_sight(&self) -> Vec<&str> {
        let prior = self.prior.iter().flat_map(|unit| {
            let items = unit.signatures.keys().chain(unit.modules.keys());
            items.chain(unit.functions.keys()).chain(unit.consts.keys()).map(|it| &**it)
        });
        self.scopes
            .names()
            .chain(self.items.keys().map(|it| &**it))
            .chain(prior)
            .chain(catalog::NATIVES.iter().map(|it| it.name))
            .collect()
    }

    /// A name of an import, or of `global`.
    fn path(&mut self, node: &Node) {
        let tokens: Vec<Token> =
            node.tokens().filter(|it| ast::is_word(it.kind)).collect();
        let [alias, name] = tokens.as_slice() else { return };
        let resolution = self.path_resolution(alias.text(self.text), name.text(self.text));
        self.out.resolutions.insert(name.start, resolution);
        if resolution == Resolution::Unknown {
            self.unknown_path(*alias, *name);
        }
    }

    /// What `alias::name` means.
    pub(super) fn path_resolution(&self, alias: &str, name: &str) -> Resolution {
        match self.import_named(alias) {
            Some(super::Import::Metrics) if METRICS.contains(&name) => Resolution::Native,
            Some(_) => Resolution::Unknown,
            None if alias == "global" => self.item(name).unwrap_or(Resolution::Unknown),
            None => Resolution::Unknown,
        }
    }

    fn import_named(&self, alias: &str) -> Option<super::Import> {
        self.imports.get(alias).copied()
    }

    /// Says what is wrong with `alias::name`.
    pub(super) fn unknown_path(&mut self, alias: Token, name: Token) {
        let (prefix, word) = (alias.text(self.text), name.text(self.text));
        match self.import_named(prefix) {
            Some(super::Import::Unknown) => {}
            Some(super::Import::Metrics) => {
                let message = format!("`{prefix}` has no `{word}`");
                let hint = did_you_mean(word, METRICS.iter().copied());
                let told = self.tell(codes::UNKNOWN_NAME, name.span(self.source), message);
                *told = told.clone().hint(hint);
            }
            None if prefix == "global" => {
                let message = format!("there is no const `{word}`");
                self.tell(codes::UNKNOWN_NAME, name.span(self.source), message);
            }
            None => {
                let message = format!("nothing is imported as `{prefix}`");
                let hint = format!("`import \"std/metrics\" as {prefix};`");
                let told = self.tell(codes::UNKNOWN_NAME, alias.span(self.source), message);
                if METRICS.contains(&word) {
                    told.hints.push(hint);
                }
            }
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

/// What `std/metrics` offers.
const METRICS: &[&str] = &["exact_match", "f1", "contains_match"];
