//! Statements and blocks.

use super::list::{Style, all};
use super::{Part, Writer, parts};
use crate::fmt::step::Line;
use crate::syntax::{Node, NodeKind, TokenKind};

impl Writer<'_> {
    /// Writes a file.
    pub(super) fn root(&mut self, tree: &Node) {
        let all: Vec<Part<'_>> = parts(tree).collect();
        self.statements(&all);
        self.hard();
        self.lead_closer();
    }

    /// Writes statements or items, each on its own line.
    fn statements(&mut self, all: &[Part<'_>]) {
        for (at, part) in all.iter().enumerate() {
            // An empty statement stays behind the one before.
            if at > 0 && !part.is(TokenKind::Semi) {
                self.hard();
            }
            if !part.is(TokenKind::Semi) || at == 0 {
                self.fresh();
            }
            self.part(*part);
        }
    }

    /// Writes `{ … }`; without a group of its own its lines end with those of the group around.
    pub(super) fn block(&mut self, node: &Node, own_group: bool) {
        let all = all(node);
        if own_group {
            self.open_bracket();
        }
        self.braced(&all, Line::Space, |writer, inside| {
            // Two statements do not share a line.
            if inside.len() > 1 || writer.ends_line(node.start, node.end) {
                writer.steps.force();
            }
            writer.statements(inside);
        });
        if own_group {
            self.close();
        }
    }

    /// Writes braces, the first and last of these parts, and what stands between them.
    pub(super) fn braced(
        &mut self,
        list: &[Part<'_>],
        edge: Line,
        write: impl FnOnce(&mut Self, &[Part<'_>]),
    ) {
        let [Part::Token(opener), inside @ .., Part::Token(closer)] = list else { return };
        self.token(*opener);
        if inside.is_empty() && !self.has_comment_ahead() {
            return self.token(*closer);
        }
        self.indent();
        self.line(edge);
        write(self, inside);
        self.closing(edge);
        self.token(*closer);
    }

    /// `if … { } else { }`, `try { } catch (e) { }`: all blocks are of one shape.
    pub(super) fn blocks(&mut self, node: &Node) {
        self.open_bracket();
        self.blocks_inside(node);
        self.close();
    }

    fn blocks_inside(&mut self, node: &Node) {
        let mut first = true;
        for part in parts(node) {
            let after_head = !first;
            first = false;
            match part {
                Part::Node(inner) if inner.kind == NodeKind::Block => {
                    self.space();
                    self.block(inner, false);
                }
                Part::Node(inner) if inner.kind == NodeKind::If && after_head => {
                    self.space();
                    self.blocks_inside(inner);
                }
                Part::Node(inner) => {
                    self.space();
                    self.head(inner);
                }
                Part::Token(token) => {
                    let continues = matches!(token.kind, TokenKind::Else | TokenKind::Catch);
                    if continues {
                        self.space_or_hard();
                    } else if token.kind == TokenKind::LParen {
                        self.space();
                    }
                    self.token(token);
                }
            }
        }
    }

    /// `while … { }`, `for … in … { }`
    pub(super) fn head_and_block(&mut self, node: &Node) {
        let mut before = None;
        for part in parts(node) {
            if before.is_some_and(|before| super::wants_space(before, part)) {
                self.space();
            }
            match part {
                Part::Node(inner) if inner.kind == NodeKind::Block => self.block(inner, true),
                Part::Node(inner) => self.head(inner),
                Part::Token(token) => self.token(token),
            }
            before = Some(part);
        }
    }

    /// The expression before a block. A brace behind one of several lines would be hard to
    /// see, so it goes on a line of its own.
    fn head(&mut self, node: &Node) {
        if node.kind != NodeKind::Binary {
            return self.node(node);
        }
        self.open();
        self.indent();
        self.operation(node);
        self.dedent();
        self.line(Line::Soft);
        self.close();
    }

    /// `assert c, "why", retry: p;`
    pub(super) fn assert(&mut self, node: &Node) {
        let all = all(node);
        let is_call = all.get(1).is_some_and(|it| it.is(TokenKind::LParen));
        if is_call {
            return self.assert_call(&all);
        }
        self.open();
        let mut indented = false;
        for (at, part) in all.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|it| all.get(it));
            let tight = matches!(part, Part::Token(token)
                if matches!(token.kind, TokenKind::Comma | TokenKind::Semi | TokenKind::Colon));
            if before.is_some_and(|it| it.is(TokenKind::Comma)) {
                if !indented {
                    self.indent();
                    indented = true;
                }
                self.line(Line::Space);
            } else if before.is_some() && !tight {
                self.space();
            }
            self.part(*part);
        }
        if indented {
            self.dedent();
        }
        self.close();
    }

    /// `assert(c, "why");`
    fn assert_call(&mut self, all: &[Part<'_>]) {
        let closer = all.iter().rposition(|it| it.is(TokenKind::RParen)).unwrap_or(all.len());
        self.part(all[0]);
        let style = Style { edge: Line::Soft, between: Line::Space, keeps: false };
        self.list(&all[1..=closer.min(all.len() - 1)], style);
        for part in &all[(closer + 1).min(all.len())..] {
            self.part(*part);
        }
    }
}
