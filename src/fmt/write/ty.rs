//! Types.

use super::{Part, Writer, parts};
use crate::fmt::step::Line;
use crate::syntax::{Node, TokenKind};

impl Writer<'_> {
    /// `A | B`: as many as fit on each line; behind `=` all of them on lines of their own if
    /// not on one.
    pub(super) fn union(&mut self, node: &Node, behind_equals: bool) {
        self.open();
        self.indent();
        if behind_equals {
            self.line(Line::Space);
        }
        for part in parts(node) {
            if part.is(TokenKind::Pipe) {
                self.space();
                self.part(part);
                self.line(Line::Fill);
            } else {
                self.part(part);
            }
        }
        self.dedent();
        self.close();
    }

    /// `dict[str, T]`
    pub(super) fn generic(&mut self, node: &Node) {
        let mut parts = parts(node).peekable();
        while let Some(part) = parts.next() {
            let last = part.is(TokenKind::Comma)
                && parts.peek().is_some_and(|it| it.is(TokenKind::RBracket));
            match part {
                // A comma behind the last means nothing.
                Part::Token(token) if last => self.drop(token),
                _ => self.part(part),
            }
            if part.is(TokenKind::Comma) && !last {
                self.space();
            }
        }
    }
}
