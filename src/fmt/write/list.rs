//! Lists in brackets.

use super::{Part, Writer, parts};
use crate::fmt::step::{Line, Step};
use crate::syntax::{Node, NodeKind, Token, TokenKind};

/// How the elements of a list stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// What stands inside the brackets at both ends.
    pub(super) edge: Line,
    /// What stands between elements.
    pub(super) between: Line,
    /// Whether the list stays broken that its author began on a new line.
    pub(super) keeps: bool,
}

/// An element of a list: its parts, and the separators behind it.
#[derive(Default)]
struct Element<'a> {
    parts: Vec<Part<'a>>,
    separators: Vec<Token>,
}

impl Writer<'_> {
    /// Writes a list whose brackets are the first and last of these parts. Separators are
    /// commas; the last one stands where the list is broken.
    pub(super) fn list(&mut self, list: &[Part<'_>], style: Style) {
        let id = self.open_bracket();
        self.list_inside(list, style, id);
        self.close();
    }

    /// The same in the group `id`, which was begun before.
    pub(super) fn list_inside(&mut self, list: &[Part<'_>], style: Style, id: u32) {
        let [Part::Token(opener), inside @ .., Part::Token(closer)] = list else { return };
        let elements = elements(inside);
        let hugged = self.hugged(opener.kind, &elements);
        let first = inside.first().map_or(closer.start, |it| it.start());
        self.token(*opener);
        if elements.is_empty() && !self.has_comment_ahead() {
            return self.token(*closer);
        }
        if style.keeps && self.ends_line(opener.end, first) {
            self.steps.force();
        }
        self.indent();
        self.line(style.edge);
        let last = elements.len().saturating_sub(1);
        for (at, element) in elements.iter().enumerate() {
            self.fresh();
            if at == last && hugged {
                self.steps.begin_hug(id);
                self.hugging = Some(id);
            }
            self.element(&element.parts);
            if at == last && hugged {
                self.hugging = None;
                self.steps.end_hug(id);
            }
            self.separator(&element.separators, true, at < last);
            if at < last {
                self.line(style.between);
            }
        }
        self.closing(style.edge);
        self.token(*closer);
    }

    fn element(&mut self, parts: &[Part<'_>]) {
        match parts {
            [Part::Node(node)] => self.node(node),
            // `retry: p` in an assert that looks like a call.
            _ => {
                for (at, part) in parts.iter().enumerate() {
                    if at > 0 && !part.is(TokenKind::Colon) {
                        self.space();
                    }
                    self.part(*part);
                }
            }
        }
    }

    /// A comma that stands in broken groups, in flat ones, or in both, in place of those that
    /// were written.
    pub(super) fn separator(&mut self, written: &[Token], broken: bool, flat: bool) {
        if !written.is_empty() {
            self.lead();
        }
        self.steps.push(Step::Comma { broken, flat }, usize::from(flat));
        for token in written {
            self.drop(*token);
        }
    }

    /// What stands before a closing bracket: comments still belong to the inside.
    pub(super) fn closing(&mut self, edge: Line) {
        if self.has_line_comment_ahead() {
            self.line(edge);
        }
        self.lead_closer();
        self.dedent();
        self.line(edge);
    }

    /// Whether the last element may be broken while the rest stands on one line.
    fn hugged(&self, opener: TokenKind, elements: &[Element<'_>]) -> bool {
        let values: Vec<&Node> = elements.iter().filter_map(Element::value).collect();
        let [before @ .., last] = values.as_slice() else { return false };
        if opener != TokenKind::LParen || values.len() != elements.len() {
            return false;
        }
        let alone = before.is_empty();
        let alike = before.iter().any(|it| it.kind == last.kind || is_bulky(it));
        self.huggable(last, alone) && !alike
    }

    /// Whether a value shows its shape by its first line.
    pub(super) fn huggable(&self, node: &Node, alone: bool) -> bool {
        use NodeKind as K;
        match node.kind {
            K::Map | K::SignatureExpr => node.nodes().next().is_some(),
            K::Array => {
                let first = node.nodes().next();
                first.is_some_and(|it| alone || self.ends_line(node.start, it.start))
            }
            K::Block | K::Switch => node.nodes().next().is_some(),
            K::Closure => node
                .nodes()
                .last()
                .is_some_and(|it| it.kind != K::Param && self.huggable(it, true)),
            K::Template => self.ends_line(node.start, node.end),
            K::Literal => self.ends_line(node.start, node.end),
            K::Call | K::MethodCall => alone && self.is_plain_call(node),
            _ => false,
        }
    }

    /// Whether a call has arguments, and no other call in what is called.
    fn is_plain_call(&self, node: &Node) -> bool {
        let arguments = node.node(NodeKind::Args).is_some_and(|it| it.nodes().next().is_some());
        let callee = node.nodes().next().is_some_and(|it| {
            it.walk()
                .all(|it| matches!(it.kind, NodeKind::Name | NodeKind::Path | NodeKind::Member))
        });
        arguments && callee
    }
}

impl<'a> Element<'a> {
    /// The value of an argument or entry.
    fn value(&self) -> Option<&'a Node> {
        let [Part::Node(node)] = self.parts.as_slice() else { return None };
        match node.kind {
            NodeKind::Arg | NodeKind::NamedArg | NodeKind::SpreadArg => node.nodes().last(),
            _ => Some(node),
        }
    }
}

/// Whether a value is likely to have several lines of its own.
fn is_bulky(node: &Node) -> bool {
    match node.kind {
        NodeKind::Closure => node.node(NodeKind::Block).is_some(),
        NodeKind::Map => node.nodes().next().is_some(),
        _ => false,
    }
}

/// The elements between two brackets. Where separators may be left out, each node is one.
fn elements<'a>(inside: &[Part<'a>]) -> Vec<Element<'a>> {
    let mut elements: Vec<Element<'a>> = Vec::new();
    for part in inside {
        let begins = elements.last().is_none_or(|it| {
            let complete = matches!(it.parts.last(), Some(Part::Node(_)));
            !it.separators.is_empty() || complete && matches!(part, Part::Node(_))
        });
        let separator = match part {
            Part::Token(token) => {
                matches!(token.kind, TokenKind::Comma | TokenKind::Semi).then_some(*token)
            }
            Part::Node(_) => None,
        };
        if begins && separator.is_none() || elements.is_empty() {
            elements.push(Element::default());
        }
        let Some(element) = elements.last_mut() else { continue };
        match separator {
            Some(token) => element.separators.push(token),
            None => element.parts.push(*part),
        }
    }
    elements
}

/// All parts of a node, as a list.
pub(super) fn all<'a>(node: &'a Node) -> Vec<Part<'a>> {
    parts(node).collect()
}
