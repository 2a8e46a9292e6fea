//! The arguments of a call: which have names, and what the shorthand stands for.

use crate::syntax::ast::{self, NamedArg};
use crate::syntax::{Node, NodeKind, Token};

/// An argument of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument<'a> {
    /// `x` before the first named argument.
    Positional(&'a Node),
    /// `name: x`, or `name` behind a named argument, which stands for `name: name`.
    Named(Token, &'a Node),
    /// `..x`
    Spread(&'a Node),
    /// An expression without a name behind a named argument.
    Misplaced(&'a Node),
}

impl<'a> Argument<'a> {
    /// The expression.
    pub(crate) fn value(self) -> &'a Node {
        match self {
            Self::Positional(it) | Self::Spread(it) | Self::Misplaced(it) => it,
            Self::Named(_, it) => it,
        }
    }

    /// The node of an argument without a name.
    pub(crate) fn positional(self) -> Option<&'a Node> {
        match self {
            Self::Positional(it) => Some(it),
            Self::Named(..) | Self::Spread(_) | Self::Misplaced(_) => None,
        }
    }

    /// Whether it is anything but positional.
    pub(crate) fn is_ours(self) -> bool {
        self.positional().is_none()
    }
}

/// Sorts the nodes of an `Args` node.
pub(crate) fn arguments<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<Argument<'a>> {
    let mut named = false;
    let mut out = Vec::new();
    for node in nodes {
        let argument = match node.kind {
            NodeKind::NamedArg => {
                named = true;
                let view = NamedArg(node);
                view.name().zip(view.value()).map(|(name, value)| Argument::Named(name, value))
            }
            NodeKind::SpreadArg => {
                named = true;
                ast::exprs(node).next().map(Argument::Spread)
            }
            NodeKind::Arg => ast::exprs(node).next().map(|value| match value.kind {
                _ if !named => Argument::Positional(value),
                NodeKind::Name => match value.tokens().next() {
                    Some(name) => Argument::Named(name, value),
                    None => Argument::Misplaced(value),
                },
                _ => Argument::Misplaced(value),
            }),
            _ => None,
        };
        out.extend(argument);
    }
    out
}
