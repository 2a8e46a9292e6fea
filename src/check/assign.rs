//! Assignments, and what they may change.

use super::model::Resolution;
use super::scope::Known;
use super::{Checker, codes};
use crate::source::Span;
use crate::syntax::ast::{self, Member};
use crate::syntax::{Node, NodeKind};

impl<'a> Checker<'a> {
    /// Checks an assignment.
    pub(super) fn assign(&mut self, node: &'a Node) {
        let mut sides = ast::exprs(node);
        let (Some(target), value) = (sides.next(), sides.next()) else { return };
        let mut known = Known::Nothing;
        if let Some(value) = value {
            known = self.expr(value);
            self.used(value);
            self.stands(&known);
        }
        self.target(target, target);
        match target.kind {
            NodeKind::Name => {
                self.expr(target);
                let operator = node.tokens().next().map_or("=", |it| it.text(self.text));
                if operator != "=" {
                    let old = self.infer(target);
                    known =
                        super::infer::combined(operator.trim_end_matches('='), &old, &known);
                }
                self.assigned_to(target.text(self.text), known);
            }
            // What is made here need not have been there.
            NodeKind::Member => {
                let view = Member(target);
                let Some(receiver) = view.receiver() else { return };
                self.expr(receiver);
                let part = view.name().map(|it| (it.text(self.text).into(), known));
                self.changed(receiver, part);
            }
            _ => {
                self.expr(target);
                self.changed(target, None);
            }
        }
    }

    /// That a value does not change, and what to do instead, where that is known of it.
    fn unchanging_value(&mut self, node: &'a Node) -> Option<(&'static str, &'static str)> {
        // Inside a module its members are spoken of.
        if node.text(self.text) == "self" {
            return None;
        }
        match self.infer(node) {
            Known::Reply(_) | Known::Answer(_) => Some((
                "a reply does not change",
                "`reply.with(field: value)` is a changed copy",
            )),
            Known::Row(_) => {
                Some(("a row does not change", "`row.with(column: value)` is a changed copy"))
            }
            Known::Instance(_) => Some((
                "a program does not change",
                "give what varies as a parameter of the module: `M(name: value)`",
            )),
            _ => None,
        }
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
                match self.unchanging_value(receiver) {
                    Some((message, hint)) => {
                        let told = self.tell(codes::ASSIGNED_CONST, span, message);
                        told.hints.push(hint.to_owned());
                    }
                    None => self.target(receiver, whole),
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
}
