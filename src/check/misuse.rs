//! Literals where they cannot be meant: Rhai refuses them before anything runs, and so do we.

use super::model::Resolution;
use super::{Checker, codes};
use crate::catalog;
use crate::syntax::ast::{self, For, Member};
use crate::syntax::{Node, NodeKind, Token, TokenKind};

/// What a literal is, in the user's words.
fn kind(node: &Node) -> Option<&'static str> {
    match node.kind {
        NodeKind::Paren => kind(ast::exprs(node).next()?),
        NodeKind::Unit => Some("nothing"),
        NodeKind::Array => Some("list"),
        NodeKind::Map => Some("map"),
        NodeKind::Template => Some("str"),
        NodeKind::Literal => match node.tokens().next()?.kind {
            TokenKind::Int => Some("int"),
            TokenKind::Float => Some("float"),
            TokenKind::Char => Some("char"),
            TokenKind::Str | TokenKind::RawStr => Some("str"),
            TokenKind::True | TokenKind::False => Some("bool"),
            _ => None,
        },
        NodeKind::Unary => {
            let inner = kind(ast::exprs(node).next()?)?;
            matches!(inner, "int" | "float").then_some(inner)
        }
        _ => None,
    }
}

impl Checker<'_> {
    /// Looks at the literals directly below an expression.
    pub(super) fn misuse(&mut self, node: &Node) {
        match node.kind {
            NodeKind::Binary if self.is_logical(node) => {
                for side in ast::exprs(node) {
                    self.condition(side);
                }
            }
            NodeKind::If | NodeKind::While | NodeKind::SwitchGuard => {
                if let Some(condition) = ast::exprs(node).next() {
                    self.condition(condition);
                }
            }
            NodeKind::DoWhile => {
                if let Some(condition) = ast::exprs(node).last() {
                    self.condition(condition);
                }
            }
            NodeKind::For => self.iteration(For(node)),
            NodeKind::Index => self.index(node),
            NodeKind::Switch => self.cases(node),
            NodeKind::Member => self.part(Member(node)),
            _ => {}
        }
    }

    fn is_logical(&self, node: &Node) -> bool {
        node.tokens().any(|it| matches!(it.text(self.text), "&&" | "||"))
    }

    /// A condition that is no bool.
    pub(super) fn condition(&mut self, node: &Node) {
        if let Some(found) = kind(node).filter(|it| *it != "bool") {
            let message = format!("a condition is bool, found {found}");
            self.tell(codes::NOT_A_CONDITION, self.span(node), message);
        }
    }

    /// A method that would change a const.
    pub(super) fn in_place(&mut self, receiver: &Node, name: Token) {
        let word = name.text(self.text);
        if !catalog::is_in_place(word) || self.is_own_method(word) {
            return;
        }
        let Some(root) = root(receiver) else { return };
        if self.resolution(root) == Some(Resolution::Const) {
            let of = root.text(self.text);
            let message = format!("`{word}` would change `{of}`, which does not change");
            let told = self.tell(codes::ASSIGNED_CONST, name.span(self.source), message);
            told.hints.push(format!("change a copy: `let copy = {of};`"));
        }
    }

    fn resolution(&self, name: &Node) -> Option<Resolution> {
        self.out.resolutions.get(&name.start).copied()
    }

    fn iteration(&mut self, node: For<'_>) {
        if let Some(iterable) = node.iterable()
            && let Some(found) = kind(iterable).filter(|it| !matches!(*it, "list" | "str"))
        {
            let message = format!("`for` goes through lists and ranges, found {found}");
            self.tell(codes::NOT_ITERABLE, self.span(iterable), message);
        }
        let names: Vec<Token> = node.names().collect();
        if let [first, second] = names.as_slice()
            && first.text(self.text) == second.text(self.text)
        {
            let message = format!("there are two variables `{}`", first.text(self.text));
            self.tell(codes::DUPLICATE_PARAM, second.span(self.source), message);
        }
    }

    fn index(&mut self, node: &Node) {
        let mut sides = ast::exprs(node);
        let (Some(of), Some(at)) = (sides.next(), sides.next()) else { return };
        let logical = at.kind == NodeKind::Binary && self.is_logical(at);
        let index = if logical { Some("bool") } else { kind(at) };
        let message = match (kind(of), index) {
            (Some("map"), Some(found @ ("int" | "float" | "char" | "nothing" | "bool"))) => {
                format!("the keys of a map are str, found {found}")
            }
            (
                Some("list" | "str" | "int"),
                Some(found @ ("str" | "float" | "char" | "nothing" | "bool")),
            ) => format!("the places in a list are int, found {found}"),
            (Some(found @ ("float" | "char" | "bool" | "nothing")), _) => {
                format!("{found} has no parts")
            }
            (_, Some(found @ ("float" | "char" | "nothing" | "bool"))) => {
                format!("places are int and keys are str, found {found}")
            }
            _ => return,
        };
        self.tell(codes::BAD_INDEX, self.span(at), message);
    }
    /// Words that Rhai reserves are never properties of a literal but a map.
    fn part(&mut self, node: Member<'_>) {
        let (Some(receiver), Some(name)) = (node.receiver(), node.name()) else { return };
        let word = name.text(self.text);
        if let Some(found) = kind(receiver).filter(|it| *it != "map")
            && catalog::is_reserved(word)
        {
            let message = format!("{found} has no `{word}`");
            self.tell(codes::BAD_INDEX, name.span(self.source), message);
        }
    }

    /// Ranges are of integers, and stand behind the numbers.
    fn cases(&mut self, node: &Node) {
        let mut ranges = false;
        for case in node.nodes().filter(|it| it.kind == NodeKind::SwitchCase) {
            let arrow = case.token(TokenKind::FatArrow).map_or(u32::MAX, |it| it.start);
            let patterns = case.nodes().filter(|it| it.start < arrow);
            for pattern in patterns.filter(|it| it.kind != NodeKind::SwitchGuard) {
                if let Some(ends) = range(pattern) {
                    ranges = true;
                    if ends.iter().any(|it| kind(it) != Some("int")) {
                        let message = "a range in a case is of integers";
                        self.tell(codes::BAD_RANGE_CASE, self.span(pattern), message);
                    }
                } else if ranges && matches!(kind(pattern), Some("int" | "float")) {
                    let message = "a number stands behind a range, which may hold it";
                    let told = self.tell(codes::BAD_RANGE_CASE, self.span(pattern), message);
                    told.hints.push("put ranges last".to_owned());
                }
            }
        }
    }
}

/// The name whose part an expression is.
fn root(node: &Node) -> Option<&Node> {
    match node.kind {
        NodeKind::Name => Some(node),
        NodeKind::Member | NodeKind::Index | NodeKind::Paren => root(ast::exprs(node).next()?),
        _ => None,
    }
}

/// The ends of a range.
fn range(node: &Node) -> Option<Vec<&Node>> {
    let dots = |it: Token| matches!(it.kind, TokenKind::DotDot | TokenKind::DotDotEq);
    let node = match node.kind {
        NodeKind::Paren => return range(ast::exprs(node).next()?),
        _ => node,
    };
    (node.kind == NodeKind::Binary && node.tokens().any(dots))
        .then(|| ast::exprs(node).collect())
}
