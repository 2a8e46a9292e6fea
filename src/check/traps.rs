//! What runs and means something else than it says.

use super::args::Argument;
use super::fits::{fits, show};
use super::shape::found;
use super::value::{Known, Typed};
use super::{Checker, codes, literal};
use crate::catalog;
use crate::diag::{Code, suggestion};
use crate::schema::{Ty, Value};
use crate::syntax::ast::{self, Binary, FnItem, MethodCall, Switch};
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use std::sync::Arc;

/// Methods that work in place and return nothing.
const RETURN_NOTHING: &[&str] = &[
    "append",
    "chop",
    "clear",
    "crop",
    "dedup",
    "fill_with",
    "insert",
    "make_lower",
    "make_upper",
    "mixin",
    "pad",
    "push",
    "replace",
    "reverse",
    "set",
    "sort",
    "sort_by",
    "sort_desc",
    "trim",
    "truncate",
];

/// Methods that do nothing but return a changed copy.
const COPIES: &[&str] =
    &["with", "compile", "with_state", "with_field", "with_instructions", "without", "sample"];

impl<'a> Checker<'a> {
    /// Warns of a trap; where replies are judged it is an error, for it falsifies scores.
    fn trap(&mut self, code: Code, node: &Node, message: String, hint: String) {
        let span = self.span(node);
        let code = if self.context.metric { codes::METRIC_TRAP } else { code };
        let told = self.tell(code, span, message);
        *told = told.clone().hint(hint);
    }

    /// A value that is used; what works in place has none.
    pub(super) fn used(&mut self, node: &Node) {
        let Some(call) = MethodCall::cast(node) else { return };
        let Some(name) = call.name() else { return };
        let word = name.text(self.text);
        if !RETURN_NOTHING.contains(&word) || self.is_own_method(word) {
            return;
        }
        let Some(receiver) = call.receiver() else { return };
        let known = self.infer(receiver);
        let plain = matches!(known, Known::Nothing | Known::Of(_) | Known::List(_));
        // `set`, `pad` and their like are rare enough to be somebody else's.
        let likely = matches!(
            word,
            "trim" | "sort" | "sort_desc" | "reverse" | "make_upper" | "make_lower" | "push"
        );
        if !plain || (known.kind().is_none() && !likely) {
            return;
        }
        let message = format!("`{word}` works in place and returns nothing");
        let code =
            if self.context.metric { codes::METRIC_TRAP } else { codes::IN_PLACE_RESULT };
        let pure = match word {
            "make_upper" => Some("to_upper"),
            "make_lower" => Some("to_lower"),
            "trim" => Some("trimmed"),
            "sort" => Some("sorted"),
            _ => None,
        };
        let pure = pure.filter(|it| {
            catalog::is_rhai_method(it) || self.resolve(it) != super::Resolution::Unknown
        });
        let span = name.span(self.source);
        let told = self.tell(code, span, message);
        match pure {
            Some(pure) => *told = told.clone().hint(format!("write `{pure}`")).edit(span, pure),
            None => told
                .hints
                .push("call it as a statement of its own, then use the variable".to_owned()),
        }
    }

    /// A value that nobody uses: where making it is all the code does, that is a mistake.
    pub(super) fn dropped(&mut self, node: &Node, last: bool) {
        let Some(call) = MethodCall::cast(node) else {
            return self.dropped_value(node, last);
        };
        let Some(name) = call.name() else { return };
        let word = name.text(self.text);
        if COPIES.contains(&word) && !self.is_own_method(word) {
            let message = format!("the result of `{word}` is not used");
            let told = self.tell(codes::DROPPED_RESULT, name.span(self.source), message);
            told.hints.push(format!(
                "`{word}` changes nothing, it returns another value: `let better = ….{word}(…);`"
            ));
        }
    }

    /// A comparison or sum that nobody looks at. The last value of a block is its result, with
    /// a semicolon too.
    fn dropped_value(&mut self, node: &Node, last: bool) {
        let Some(operator) = Binary::cast(node).and_then(Binary::operator) else { return };
        let word = operator.text(self.text);
        let pure = matches!(
            word,
            "==" | "!=" | "<" | ">" | "<=" | ">=" | "+" | "-" | "*" | "/" | "%" | "**"
        );
        if last || !pure {
            return;
        }
        let hint = match word {
            "==" => "`=` assigns, `assert` states what must hold",
            _ => "",
        };
        let message = format!("the result of `{word}` is not used");
        let told = self.tell(codes::DROPPED_RESULT, self.span(node), message);
        *told = told.clone().hint(hint);
    }

    /// What follows a `return` or `throw` never runs.
    pub(super) fn unreachable(&mut self, first: &Node, last: &Node) {
        let span = self.span(first).to(self.span(last));
        let told = self.tell(codes::UNREACHABLE, span, "this is never reached");
        told.hints.push("what stands before it always leaves the block".to_owned());
    }

    /// A function that says what it returns, and may end without a value.
    pub(super) fn function_end(&mut self, item: FnItem<'a>) {
        let (Some(ty), Some(body)) = (item.result(), item.body()) else { return };
        let known = self.declared(ty);
        if known == Known::Nothing || known.all().contains(&Known::Unit) {
            return;
        }
        let ends = match body.nodes().last() {
            None => true,
            Some(last) => gives_nothing(last),
        };
        let Some(brace) = body.token(TokenKind::RBrace).filter(|_| ends) else { return };
        let name = item.name(self.text).map_or("", |it| it.text(self.text));
        let message = format!(
            "`{name}` returns {}, and may end here without a value",
            ty.text(self.text)
        );
        let told = self.tell(codes::NO_VALUE, brace.span(self.source), message);
        told.hints.push("end it with the value, or with `else`".to_owned());
    }

    /// The operands of an operator.
    pub(super) fn operator(&mut self, node: &'a Node) {
        let view = Binary(node);
        let (Some(left), Some(right), Some(operator)) =
            (view.left(), view.right(), view.operator())
        else {
            return;
        };
        match operator.text(self.text) {
            "==" | "!=" => self.equality(node, left, right, operator),
            "in" | "!in" if right.kind == NodeKind::Array => {
                let known = self.infer(left);
                for item in ast::exprs(right) {
                    self.never_equal(item, &known, left);
                }
            }
            "/" => self.division(node, left, right),
            _ => {}
        }
        self.arithmetic(left, right, operator);
        self.ordering(node, left, right, operator);
    }

    /// Texts and numbers have no order between them.
    fn ordering(&mut self, node: &'a Node, left: &'a Node, right: &'a Node, operator: Token) {
        if !matches!(operator.text(self.text), "<" | ">" | "<=" | ">=") {
            return;
        }
        let (a, b) = (self.infer(left), self.infer(right));
        let (Some(first), Some(second)) = (a.kind(), b.kind()) else { return };
        let number = |kind| matches!(kind, "int" | "float");
        if (first == "str" && number(second)) || (number(first) && second == "str") {
            let message = format!("{first} and {second} have no order: this is always false");
            self.trap(codes::ALWAYS_SAME, node, message, String::new());
        }
    }

    /// A comparison whose outcome is known before anything runs.
    fn equality(&mut self, node: &'a Node, left: &'a Node, right: &'a Node, operator: Token) {
        let (a, b) = (self.infer(left), self.infer(right));
        if self.never_equal(right, &a, left) || self.never_equal(left, &b, right) {
            return;
        }
        let number = |kind| matches!(kind, "int" | "float");
        let (Some(first), Some(second)) = (a.kind(), b.kind()) else { return };
        let nothing = first == "nothing" || second == "nothing";
        if first == second || nothing || (number(first) && number(second)) {
            return;
        }
        let outcome = operator.text(self.text) == "!=";
        let message = format!("{first} and {second} are never equal: this is always {outcome}");
        self.trap(codes::ALWAYS_SAME, node, message, String::new());
    }

    /// Tells of a literal that no value of what it is compared with can be.
    fn never_equal(&mut self, node: &'a Node, known: &Known, of: &Node) -> bool {
        if !known.all().iter().all(|it| matches!(it, Known::Unit | Known::Of(_))) {
            return false;
        }
        let Some(value) = literal::constant(node, self.text) else { return false };
        if !self.excludes(known, &value) {
            return false;
        }
        let types: Vec<&Arc<Typed>> = known
            .all()
            .iter()
            .filter_map(|it| match it {
                Known::Of(it) => Some(it),
                _ => None,
            })
            .collect();
        let [typed] = types.as_slice() else { return false };
        let message = format!(
            "`{}` is {}, never {}",
            shortened(of.text(self.text)),
            show(&typed.ty),
            found(&value)
        );
        self.trap(codes::ALWAYS_SAME, node, message, String::new());
        self.suggest_literal(&typed.ty, &value);
        true
    }

    /// Whether a value of which this is known cannot be `value`.
    fn excludes(&self, known: &Known, value: &Value) -> bool {
        if value.is_null() || known.all().is_empty() {
            return false;
        }
        known.all().iter().all(|it| match it {
            Known::Unit => true,
            Known::Of(it) => match (&it.ty, value) {
                // An integer is equal to a float of the same value.
                (_, Value::Float(number)) if number.fract() == 0.0 => false,
                (Ty::Float, Value::Int(_)) => false,
                _ => basic(&it.ty) && !fits(value, &it.ty, &it.types),
            },
            _ => false,
        })
    }

    /// A case that never fits.
    pub(super) fn pattern(&mut self, node: &'a Node, subject: &Known) {
        let Some(value) = literal::constant(node, self.text) else { return };
        if !self.excludes(subject, &value) {
            return;
        }
        let Some(Known::Of(typed)) = subject.all().iter().find(|it| matches!(it, Known::Of(_)))
        else {
            return;
        };
        let message = format!("this case is {}, never {}", show(&typed.ty), found(&value));
        let ty = typed.ty.clone();
        self.trap(codes::ALWAYS_SAME, node, message, String::new());
        self.suggest_literal(&ty, &value);
    }

    /// Adds the literal of a type that was likely meant to what was told last.
    fn suggest_literal(&mut self, ty: &Ty, value: &Value) {
        let (Ty::Enum(values), Some(word)) = (ty, value.as_str()) else { return };
        let mut near = suggestion(word, values.iter().filter_map(Value::as_str));
        near.certain = near.certain.map(|it| format!("\"{it}\""));
        if let Some(told) = self.diags.last_mut() {
            *told = told.clone().suggest(near);
        }
    }

    /// A division of integers drops the rest: of two literals, that cannot be meant.
    fn division(&mut self, node: &'a Node, left: &'a Node, right: &'a Node) {
        let values = (literal::constant(left, self.text), literal::constant(right, self.text));
        if let (Some(Value::Int(a)), Some(Value::Int(b))) = values
            && a != 0
            && a.unsigned_abs() < b.unsigned_abs()
        {
            self.truncates(node);
        }
        if self.infer(left).is("int") && self.infer(right).is("int") {
            self.flow.divides(node);
        }
    }

    fn truncates(&mut self, node: &Node) {
        let message = "a division of integers drops the rest".to_owned();
        let hint = "make one of them a float: `1.0 * a / b`, or `a.to_float() / b`".to_owned();
        self.trap(codes::INTEGER_DIVISION, node, message, hint);
    }

    fn is_integer_division(&self, node: &Node) -> bool {
        self.flow.is_divided(unwrapped(node))
    }

    /// What a metric returns: a quotient of integers is 0 or 1 where a share is meant.
    pub(super) fn result_trap(&mut self, node: &'a Node) {
        if !self.context.metric {
            return;
        }
        match node.kind {
            NodeKind::ExprStmt | NodeKind::Paren | NodeKind::Return => {
                ast::exprs(node).take(1).for_each(|it| self.result_trap(it));
            }
            NodeKind::Block => {
                node.nodes().last().into_iter().for_each(|it| self.result_trap(it));
            }
            NodeKind::If => {
                ast::exprs(node).skip(1).for_each(|it| self.result_trap(it));
            }
            NodeKind::Map => {
                for entry in node.nodes().filter_map(ast::MapEntry::cast) {
                    let score = literal::key_text(entry, self.text).as_deref() == Some("score");
                    entry
                        .value()
                        .filter(|_| score)
                        .into_iter()
                        .for_each(|it| self.result_trap(it));
                }
            }
            _ if self.is_integer_division(node) => self.truncates(node),
            // `1 - wrong / all`
            NodeKind::Binary => {
                let operator = Binary(node).operator().map_or("", |it| it.text(self.text));
                let sums = matches!(operator, "+" | "-" | "*");
                ast::exprs(node).filter(|_| sums).for_each(|it| self.result_trap(it));
            }
            _ => {}
        }
    }

    /// Operators on values that they do not work on, and quotients that come too late.
    fn arithmetic(&mut self, left: &'a Node, right: &'a Node, operator: Token) {
        let word = operator.text(self.text);
        let (a, b) = (self.infer(left), self.infer(right));
        let (Some(first), Some(second)) = (a.kind(), b.kind()) else { return };
        let number = |kind| matches!(kind, "int" | "float");
        let counts = matches!(word, "+" | "-" | "*" | "/" | "%" | "**");
        let compares = matches!(word, "<" | ">" | "<=" | ">=");
        if (counts || compares || matches!(word, "==" | "!="))
            && (first == "float" || second == "float")
        {
            for side in [left, right] {
                let whole = literal::constant(side, self.text).is_some();
                if !whole && self.is_integer_division(side) {
                    self.truncates(unwrapped(side));
                }
            }
        }
        let fails = match word {
            "*" | "/" | "%" | "**" => !(number(first) && number(second)),
            "-" => {
                let texts = first == "str" && second == "str";
                !(texts || number(first) && number(second)) && first != "list" && first != "map"
            }
            "+" => {
                let plain = |kind| matches!(kind, "bool" | "nothing") || number(kind);
                plain(first) && plain(second) && !(number(first) && number(second))
            }
            // Literals were told of as conditions.
            "&&" | "||" => [(left, first), (right, second)].iter().any(|(side, kind)| {
                *kind != "bool" && literal::constant(side, self.text).is_none()
            }),
            _ => false,
        };
        if fails && !self.flow.trying {
            let message = format!("`{word}` does not work on {first} and {second}");
            self.tell(codes::WILL_FAIL, operator.span(self.source), message);
        }
    }

    /// What a method does to the variable that it is called on.
    pub(super) fn worked(&mut self, receiver: &'a Node, name: Token, args: &[Argument<'a>]) {
        let word = name.text(self.text);
        let pure = !catalog::is_in_place(word)
            && (catalog::is_rhai_method(word)
                || catalog::native(word).is_some()
                || catalog::is_object_method(word));
        if pure && !self.is_own_method(word) {
            return;
        }
        let own = self.is_own_method(word);
        let known = self.infer(receiver);
        match (&known, word) {
            (Known::List(item), "push") if receiver.kind == NodeKind::Name && !own => {
                let pushed = args.first().and_then(|it| it.positional());
                let pushed = pushed.map_or(Known::Nothing, |it| self.infer(it));
                let list = Known::List(Arc::new((**item).clone().or(pushed)));
                self.assigned_to(receiver.text(self.text), list);
            }
            (Known::List(_), "pop" | "shift" | "remove" | "sort" | "reverse" | "truncate")
            | (Known::List(_), "clear" | "dedup" | "retain" | "sort_by" | "sort_desc")
                if !own => {}
            (known, "trim") if known.is("str") && !own => {}
            _ => self.changed(receiver, None),
        }
    }

    /// Working in place on a part of what does not change has no effect.
    pub(super) fn no_effect(&mut self, node: &'a Node) {
        let Some(call) = MethodCall::cast(node) else { return };
        let (Some(receiver), Some(name)) = (call.receiver(), call.name()) else { return };
        let word = name.text(self.text);
        if !catalog::is_in_place(word) || self.is_own_method(word) {
            return;
        }
        let Some(inner) = ast::exprs(receiver).next() else { return };
        let part = matches!(receiver.kind, NodeKind::Member | NodeKind::Index);
        if part
            && !self.is_of_const(receiver)
            && matches!(self.infer(inner), Known::Reply(_) | Known::Answer(_) | Known::Row(_))
        {
            let message = format!("`{word}` has no effect: a reply does not change");
            let copied = shortened(receiver.text(self.text));
            let told = self.tell(codes::ASSIGNED_CONST, name.span(self.source), message);
            told.hints.push(format!("work on a copy: `let copy = {copied}; copy.{word}(…);`"));
        }
    }
}

/// Whether a statement at the end of a function leaves it without a value.
fn gives_nothing(node: &Node) -> bool {
    use NodeKind as K;
    match node.kind {
        K::Let | K::Assign | K::For | K::While | K::DoWhile | K::Assert | K::ConstItem => true,
        K::If => {
            let branches: Vec<&Node> = ast::exprs(node).skip(1).collect();
            branches.len() < 2 || branches.into_iter().any(gives_nothing)
        }
        K::Switch => {
            let cases: Vec<_> = Switch(node).cases().collect();
            !cases.iter().any(|it| it.is_default())
        }
        K::Block => node.nodes().last().is_none_or(gives_nothing),
        K::ExprStmt => ast::exprs(node).next().is_some_and(gives_nothing),
        _ => false,
    }
}

/// An expression without the brackets around it.
fn unwrapped(node: &Node) -> &Node {
    match node.kind {
        NodeKind::Paren => ast::exprs(node).next().map_or(node, unwrapped),
        _ => node,
    }
}

/// Whether values of a type are texts, numbers or bools.
fn basic(ty: &Ty) -> bool {
    match ty {
        Ty::Str | Ty::Int | Ty::Float | Ty::Bool | Ty::Enum(_) => true,
        Ty::Bounded(inner, _) => basic(inner),
        _ => false,
    }
}

/// The beginning of a text, on one line.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
