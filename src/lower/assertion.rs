//! `assert` and `suggest`: the condition, and on failure its source, its values, why, and whom
//! to ask again.

use super::{Emitter, names};
use crate::check::Resolution;
use crate::syntax::ast::{self, Assert, Closure, Member, Param};
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use std::collections::BTreeSet;

/// What a failed condition was made of.
#[derive(Default)]
struct Reads<'a> {
    /// Names and members, each once.
    shown: Vec<&'a Node>,
    /// Names whose members are shown: evidence of where the value came from.
    roots: Vec<&'a Node>,
}

impl<'a> Emitter<'a> {
    /// Writes the statement.
    pub(super) fn assertion(&mut self, node: Assert<'_>) {
        let Some(condition) = node.condition() else { return };
        let bare = unwrapped(condition);
        match comparison(bare, self.text) {
            Some((left, operator, right)) => self.compared(node, left, operator, right),
            None => {
                self.write("if !");
                self.write_at(names::CONDITION, condition.start);
                self.write("(");
                self.node(condition);
                self.write(") { ");
                self.failed(node, condition, &[]);
                self.write("; }");
            }
        }
    }

    /// A comparison: both sides are computed once, and their values told.
    fn compared(&mut self, node: Assert<'_>, left: &Node, operator: Token, right: &Node) {
        self.write("{ const __l = ");
        self.node(left);
        self.write("; const __r = ");
        self.node(right);
        self.write("; if !(__l ");
        self.copy(operator);
        self.write(" __r) { ");
        if let Some(condition) = node.condition() {
            self.failed(node, condition, &[(left, "__l"), (right, "__r")]);
        }
        self.write("; } }");
    }

    /// `__assert(kind, source, values, message, retry)`
    fn failed(&mut self, node: Assert<'_>, condition: &Node, sides: &[(&Node, &str)]) {
        let kind = if node.is_suggest(self.text) { "suggest" } else { "assert" };
        self.write_at(names::ASSERT, condition.start);
        self.write(&format!("(\"{kind}\", "));
        self.write_string(condition.text(self.text));
        self.write(", ");
        self.values(condition, sides);
        for part in [node.message(), node.retry()] {
            self.write(", ");
            match part {
                Some(it) => self.node(it),
                None => self.write("()"),
            }
        }
        self.site(condition);
        self.write(")");
    }

    fn values(&mut self, condition: &Node, sides: &[(&Node, &str)]) {
        let mut reads = Reads::default();
        let mut bound = BTreeSet::new();
        self.bound_names(condition, &mut bound);
        self.reads(condition, true, &bound, &mut reads);
        let mut told: BTreeSet<&str> = BTreeSet::new();
        let mut first = true;
        self.is_read_again = true;
        self.write("[");
        for (side, variable) in sides.iter().filter(|(side, _)| !is_literal(side)) {
            let text = side.text(self.text);
            self.pair(&mut first, text, |out| out.write(variable));
            told.insert(text);
        }
        for path in reads.shown {
            let text = path.text(self.text);
            if told.insert(text) {
                self.pair(&mut first, text, |out| out.node(path));
            }
        }
        for root in reads.roots {
            if told.insert(root.text(self.text)) {
                self.pair(&mut first, "", |out| out.node(root));
            }
        }
        self.write("]");
        self.is_read_again = false;
    }

    fn pair(&mut self, first: &mut bool, name: &str, value: impl FnOnce(&mut Self)) {
        self.write(if *first { "[" } else { ", [" });
        *first = false;
        self.write_string(name);
        self.write(", ");
        value(self);
        self.write("]");
    }

    /// The names that a condition binds itself, in closures and blocks.
    fn bound_names(&self, node: &Node, bound: &mut BTreeSet<&'a str>) {
        for inner in node.walk() {
            let tokens: Vec<Token> = match inner.kind {
                NodeKind::Closure => {
                    Closure(inner).params().into_iter().filter_map(Param::name).collect()
                }
                NodeKind::Let | NodeKind::For | NodeKind::Try | NodeKind::ConstItem => {
                    inner.tokens().filter(|it| it.kind == TokenKind::Ident).collect()
                }
                _ => continue,
            };
            for token in tokens {
                bound.insert(token.text(self.text));
            }
        }
    }

    /// The names and member chains that a condition reads. `sure` says that the part has been
    /// evaluated whenever the condition failed, so that reading a member again cannot fail.
    fn reads<'t>(
        &self,
        node: &'t Node,
        sure: bool,
        bound: &BTreeSet<&str>,
        found: &mut Reads<'t>,
    ) {
        match node.kind {
            NodeKind::Name => {
                if self.is_variable(node) && !bound.contains(node.text(self.text)) {
                    found.shown.push(node);
                }
            }
            NodeKind::Member => match root(node) {
                Some(name)
                    if self.is_variable(name) && !bound.contains(name.text(self.text)) =>
                {
                    if sure {
                        found.shown.push(node);
                    }
                    found.roots.push(name);
                }
                _ => self.reads_below(node, sure, bound, found),
            },
            NodeKind::Closure => {
                if let Some(body) = Closure(node).body() {
                    self.reads(body, false, bound, found);
                }
            }
            NodeKind::Binary if is_lazy(node, self.text) => {
                for (index, side) in ast::exprs(node).enumerate() {
                    self.reads(side, sure && index == 0, bound, found);
                }
            }
            NodeKind::If | NodeKind::Switch | NodeKind::Block | NodeKind::Template => {
                self.reads_below(node, false, bound, found);
            }
            NodeKind::Assign | NodeKind::SignatureExpr => {}
            _ => self.reads_below(node, sure, bound, found),
        }
    }

    fn reads_below<'t>(
        &self,
        node: &'t Node,
        sure: bool,
        bound: &BTreeSet<&str>,
        found: &mut Reads<'t>,
    ) {
        for child in node.nodes() {
            self.reads(child, sure, bound, found);
        }
    }

    fn is_variable(&self, node: &Node) -> bool {
        matches!(
            self.checked.resolutions.get(&node.start),
            Some(Resolution::Local | Resolution::Member)
        )
    }
}

/// The expression inside parentheses.
fn unwrapped(mut node: &Node) -> &Node {
    while node.kind == NodeKind::Paren
        && let Some(inner) = ast::exprs(node).next()
    {
        node = inner;
    }
    node
}

/// Whether the value of an expression is plain from its text.
fn is_literal(node: &Node) -> bool {
    let mut inner = ast::exprs(node);
    match node.kind {
        NodeKind::Literal | NodeKind::Unit => true,
        NodeKind::Paren | NodeKind::Unary => inner.next().is_some_and(is_literal),
        NodeKind::Array => inner.all(is_literal),
        _ => false,
    }
}

/// The sides of a comparison.
fn comparison<'a>(node: &'a Node, text: &str) -> Option<(&'a Node, Token, &'a Node)> {
    if node.kind != NodeKind::Binary {
        return None;
    }
    let operator = node.tokens().next()?;
    let compares =
        matches!(operator.text(text), "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "!in");
    let mut sides = ast::exprs(node);
    let (left, right) = (sides.next()?, sides.next()?);
    compares.then_some((left, operator, right))
}

/// Whether the right side may not be evaluated.
fn is_lazy(node: &Node, text: &str) -> bool {
    node.tokens().any(|it| matches!(it.text(text), "&&" | "||" | "??"))
}

/// The name that a chain of members begins with.
fn root(node: &Node) -> Option<&Node> {
    match node.kind {
        NodeKind::Name => Some(node),
        NodeKind::Member => root(Member(node).receiver()?),
        _ => None,
    }
}
