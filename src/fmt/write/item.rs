//! Items, and what stands in them.

use super::list::{Style, all};
use super::{Part, Writer, parts, wants_space};
use crate::fmt::step::{Line, Step, width};
use crate::syntax::ast::{FieldDecl, is_type};
use crate::syntax::{Node, NodeKind, TokenKind};

/// Types longer than this have no say in where descriptions begin.
const LONG_TYPE: usize = 40;

/// A field with a description.
struct Described {
    /// The step before the description.
    pad: usize,
    /// How wide what stands before it is, behind the direction.
    wide: usize,
    /// Whether it has no say in where the others begin.
    long: bool,
}

impl Writer<'_> {
    /// `signature N { … }`, with a name or without: a field a line, in columns.
    pub(super) fn signature(&mut self, node: &Node) {
        self.headed(node, Self::fields);
    }

    fn fields(&mut self, inside: &[Part<'_>]) {
        let columns = self.columns(inside);
        let mut described = Vec::new();
        let mut first = true;
        for part in inside {
            match part {
                // Separators between fields mean nothing.
                Part::Token(token) => self.drop(*token),
                Part::Node(node) => {
                    if !first {
                        self.line(Line::Wide);
                    }
                    first = false;
                    self.fresh();
                    match node.kind {
                        NodeKind::FieldDecl => described.extend(self.columned(node, columns)),
                        _ => self.node(node),
                    }
                }
            }
        }
        self.align(&described);
    }

    /// The width of the longest name with its colon.
    fn columns(&self, inside: &[Part<'_>]) -> usize {
        let fields = inside.iter().filter_map(|part| match part {
            Part::Node(node) => FieldDecl::cast(node),
            Part::Token(_) => None,
        });
        let typed = fields.filter(|it| it.0.token(TokenKind::Colon).is_some());
        let names = typed.filter_map(FieldDecl::name);
        names.map(|it| width(it.text(self.text)) + 1).max().unwrap_or_default()
    }

    /// Writes a field in columns; returns where its description begins, if it has one.
    fn columned(&mut self, node: &Node, columns: usize) -> Option<Described> {
        let field = FieldDecl(node);
        let described = field.description().map(|it| it.start);
        let (mut wide, mut inside) = (0, (0, 0));
        for part in parts(node) {
            match part {
                Part::Token(token) if Some(token) == field.direction() => {
                    self.token(token);
                    self.pad(if token.kind == TokenKind::In { 2 } else { 1 });
                }
                Part::Token(token) if token.kind == TokenKind::Colon => {
                    self.token(token);
                    self.pad(columns.saturating_sub(wide + 1) + 1);
                    wide = columns + 1;
                    inside = (self.steps.list.len(), self.steps.total());
                }
                Part::Token(token) if Some(token) == field.name() => {
                    self.token(token);
                    wide = width(token.text(self.text));
                    inside = (self.steps.list.len(), self.steps.total());
                }
                Part::Node(inner) if Some(inner.start) == described => {
                    self.end_word();
                    let found = Described {
                        pad: self.steps.list.len(),
                        wide: wide + self.steps.total() - inside.1,
                        long: self.steps.total() - inside.1 > LONG_TYPE
                            || self.steps.is_forced_since(inside.0),
                    };
                    self.pad(2);
                    self.node(inner);
                    return Some(found);
                }
                Part::Node(inner) if is_type(inner.kind) => self.node(inner),
                _ => {
                    self.space();
                    self.part(part);
                }
            }
        }
        None
    }

    /// Lets the descriptions of a signature begin in one column.
    fn align(&mut self, described: &[Described]) {
        let short = described.iter().filter(|it| !it.long);
        let column = short.map(|it| it.wide).max().unwrap_or_default();
        for it in described {
            let wide = if it.long { 0 } else { column - it.wide } + 2;
            self.steps.list[it.pad] = Step::Pad(u16::try_from(wide).unwrap_or(u16::MAX));
        }
    }

    fn pad(&mut self, wide: usize) {
        self.end_word();
        let wide = u16::try_from(wide).unwrap_or(u16::MAX);
        self.steps.push(Step::Pad(wide), 1);
    }

    /// A field by itself.
    pub(super) fn field(&mut self, node: &Node) {
        self.columned(node, 0);
    }

    /// `module N(…) { … }`
    pub(super) fn module(&mut self, node: &Node) {
        let all = all(node);
        let Some(brace) = all.iter().position(|it| it.is(TokenKind::LBrace)) else { return };
        let mut before = None;
        for part in &all[..=brace] {
            if before.is_some_and(|before| wants_space(before, *part)) {
                self.space();
            }
            if !part.is(TokenKind::LBrace) {
                self.part(*part);
            }
            before = Some(*part);
        }
        self.open_bracket();
        self.braced(&all[brace..], Line::Space, |writer, inside| {
            writer.steps.force();
            writer.members(inside);
        });
        self.close();
    }

    fn members(&mut self, inside: &[Part<'_>]) {
        for (at, part) in inside.iter().enumerate() {
            match part {
                // A semicolon too many means nothing, unless it parts a comment from a method.
                Part::Token(token) if !self.has_comment_ahead() => self.drop(*token),
                _ => {
                    if at > 0 {
                        self.hard();
                    }
                    self.fresh();
                    self.part(*part);
                }
            }
        }
    }

    /// `settings { … }` and record types: fields with commas.
    pub(super) fn record(&mut self, node: &Node) {
        let all = all(node);
        let Some(brace) = all.iter().position(|it| it.is(TokenKind::LBrace)) else { return };
        for part in &all[..brace] {
            self.part(*part);
            self.space();
        }
        let style = Style { edge: Line::Space, between: Line::Space, keeps: true };
        self.list(&all[brace..], style);
    }

    /// `type N = T;`
    pub(super) fn type_item(&mut self, node: &Node) {
        let mut before = None;
        for part in parts(node) {
            let union = matches!(part, Part::Node(inner) if inner.kind == NodeKind::TypeUnion);
            if !union && before.is_some_and(|before| wants_space(before, part)) {
                self.space();
            }
            match part {
                Part::Node(inner) if union => self.union(inner, true),
                _ => self.part(part),
            }
            before = Some(part);
        }
    }

    /// `(a: T = d "what", ..rest)`
    pub(super) fn param_list(&mut self, node: &Node) {
        let style = Style { edge: Line::Soft, between: Line::Space, keeps: false };
        self.list(&all(node), style);
    }
}
