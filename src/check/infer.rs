//! What plain expressions give: literals, lists, maps, operators, calls of what is known.

use super::args::{Argument, arguments};
use super::value::{FnKey, Known, Parts};
use super::{Checker, literal};
use crate::catalog;
use crate::schema::Ty;
use crate::syntax::ast::{self, Binary, Call, MapEntry, MethodCall};
use crate::syntax::{Node, NodeKind};
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn infer_plain(&mut self, node: &Node) -> Known {
        match node.kind {
            NodeKind::Literal => literal::known(node, self.text),
            NodeKind::Template => Known::basic(Ty::Str),
            NodeKind::Unit | NodeKind::Assign => Known::Unit,
            NodeKind::Array => {
                let items = ast::exprs(node).map(|it| self.infer(it));
                Known::List(Arc::new(items.fold(Known::Never, Known::or)))
            }
            NodeKind::Map => self.infer_map(node),
            NodeKind::Unary => self.infer_unary(node),
            NodeKind::Binary => self.infer_binary(Binary(node)),
            NodeKind::Index => self.infer_index(node),
            _ => Known::Nothing,
        }
    }

    fn infer_map(&mut self, node: &Node) -> Known {
        let mut parts = Parts::new();
        for entry in node.nodes().filter_map(MapEntry::cast) {
            let Some(name) = literal::key_text(entry, self.text) else { return Known::Nothing };
            let known = entry.value().map_or(Known::Nothing, |it| self.infer(it));
            parts.insert(name, known);
        }
        Known::Map(Arc::new(parts))
    }

    fn infer_unary(&mut self, node: &Node) -> Known {
        let Some(inner) = ast::exprs(node).next() else { return Known::Nothing };
        let known = self.infer(inner);
        match node.tokens().next().map(|it| it.text(self.text)) {
            Some("!") => Known::basic(Ty::Bool),
            _ if known.is("int") => Known::basic(Ty::Int),
            _ if known.is("float") => Known::basic(Ty::Float),
            _ => Known::Nothing,
        }
    }

    fn infer_binary(&mut self, node: Binary<'_>) -> Known {
        let mut side = |it: Option<&Node>| it.map_or(Known::Nothing, |it| self.infer(it));
        let (left, right) = (side(node.left()), side(node.right()));
        let operator = node.operator().map_or("", |it| it.text(self.text));
        combined(operator, &left, &right)
    }

    fn infer_index(&mut self, node: &Node) -> Known {
        let mut sides = ast::exprs(node);
        let (Some(of), Some(at)) = (sides.next(), sides.next()) else { return Known::Nothing };
        let of = self.infer(of);
        if ast::is_range(at, self.text) {
            let each = |it: &Known| sliced(it);
            return of.present().all().iter().map(each).fold(Known::Never, Known::or);
        }
        let key = literal::constant(at, self.text);
        match (&of, key.as_ref().and_then(|it| it.as_str())) {
            (_, Some(key)) => match self.part(&of, key) {
                super::parts::Part::Is(known) => known,
                _ => Known::Nothing,
            },
            (Known::List(_) | Known::Rows(_), None) => of.item(),
            (Known::Of(it), None) => match &it.ty {
                Ty::Dict(item) => Known::of(item, &it.types).or(Known::Unit),
                _ => Known::Nothing,
            },
            _ => Known::Nothing,
        }
    }

    /// What calling a value gives.
    pub(super) fn result_of(&self, called: &Known) -> Known {
        let each = |it: &Known| match it {
            Known::Predictor(it) => Known::Reply(it.clone()),
            Known::Instance(module) => self.answer_of(module),
            Known::Function(key) => self.flow.result(*key),
            Known::Program(asked) => self.reply_of(asked),
            _ => Known::Nothing,
        };
        called.all().iter().map(each).fold(Known::Never, Known::or)
    }

    /// What a program replies with when it is run on a row.
    pub(super) fn reply_of(&self, program: &Known) -> Known {
        let each = |it: &Known| match self.result_of(it) {
            Known::Map(parts) => Known::Answer(parts),
            other => other,
        };
        program.all().iter().map(each).fold(Known::Never, Known::or)
    }

    /// What a module's `forward` gives: its maps become replies.
    fn answer_of(&self, module: &str) -> Known {
        let each = |it: &Known| match it {
            Known::Map(parts) => Known::Answer(parts.clone()),
            Known::Reply(_) | Known::Answer(_) => it.clone(),
            _ => Known::Nothing,
        };
        let result = self.method_result(module, "forward");
        result.all().iter().map(each).fold(Known::Never, Known::or)
    }

    /// What a method of a module gives.
    fn method_result(&self, module: &str, name: &str) -> Known {
        let Some(info) = self.module(module) else { return Known::Nothing };
        info.methods.get(name).map_or(Known::Nothing, |it| self.gives(it))
    }

    pub(super) fn infer_method(&mut self, call: MethodCall<'_>) -> Known {
        let (Some(receiver), Some(name)) = (call.receiver(), call.name()) else {
            return Known::Nothing;
        };
        let known = self.infer(receiver);
        let each = known.all().to_vec();
        let word = name.text(self.text);
        let there = each.iter().filter(|it| **it != Known::Unit);
        there.map(|it| self.infer_method_of(it, word, call)).fold(Known::Never, Known::or)
    }

    fn infer_method_of(&mut self, of: &Known, word: &str, call: MethodCall<'_>) -> Known {
        let copy = matches!(word, "with" | "with_state" | "freeze");
        if word == "parallel_map" && !self.is_own_method(word) {
            let first = arguments(call.args()).into_iter().next();
            return self.mapped(first.map(|it| it.value()));
        }
        match of {
            Known::Instance(module) => {
                let info = self.module(module);
                if info.is_some_and(|it| it.methods.contains_key(word)) {
                    return match word {
                        "forward" => self.answer_of(module),
                        _ => self.method_result(module, word),
                    };
                }
                match self.member_known(module, word) {
                    Some(member) => self.result_of(&member),
                    None if copy => of.clone(),
                    None if matches!(word, "call" | "sample") => self.answer_of(module),
                    None => Known::Nothing,
                }
            }
            Known::Predictor(_) | Known::Program(_) if copy => of.clone(),
            Known::Predictor(_) | Known::Program(_) if word == "sample" => self.result_of(of),
            Known::Predictor(_) | Known::Program(_) | Known::Function(_) if word == "call" => {
                self.result_of(of)
            }
            Known::Signature(_) if word == "with_instructions" => of.clone(),
            Known::Reply(it) if word == "with" => {
                let names = super::known::reply_fields(it);
                let parts = names.into_iter().map(|it| (it.into(), Known::Nothing)).collect();
                self.with_more(parts, call)
            }
            Known::Answer(parts) if word == "with" => {
                let names = parts.keys().map(|it| (it.clone(), Known::Nothing));
                self.with_more(names.collect(), call)
            }
            Known::Optimizer(_) if word == "compile" => self.compiled(call),
            Known::Rows(_) | Known::List(_) | Known::Of(_) => {
                self.infer_plain_method(of, word, call)
            }
            _ => {
                let method = of.object().and_then(|it| it.method(word));
                method.map_or(Known::Nothing, |it| Known::of_catalog(it.result))
            }
        }
    }

    /// A changed copy of a reply.
    fn with_more(&self, mut parts: Parts, call: MethodCall<'_>) -> Known {
        for argument in arguments(call.args()) {
            let Argument::Named(name, _) = argument else { return Known::Nothing };
            parts.insert(name.text(self.text).into(), Known::Nothing);
        }
        Known::Answer(Arc::new(parts))
    }

    /// The program that an optimizer returns is the one it was given, with another state.
    fn compiled(&mut self, call: MethodCall<'_>) -> Known {
        let program = self.argument(call, "program", 0);
        program.map_or(Known::Nothing, |it| self.infer(it))
    }

    /// The argument of this name, or at this place.
    pub(super) fn argument<'n>(
        &self,
        call: MethodCall<'n>,
        name: &str,
        index: usize,
    ) -> Option<&'n Node> {
        self.among(&arguments(call.args()), name, index)
    }

    /// The argument of this name, or at this place.
    pub(super) fn among<'n>(
        &self,
        args: &[Argument<'n>],
        name: &str,
        index: usize,
    ) -> Option<&'n Node> {
        args.iter().enumerate().find_map(|(at, it)| match *it {
            Argument::Positional(node) if at == index => Some(node),
            Argument::Named(key, node) if key.text(self.text) == name => Some(node),
            _ => None,
        })
    }

    fn infer_plain_method(&mut self, of: &Known, word: &str, call: MethodCall<'_>) -> Known {
        if self.is_own_method(word) {
            return Known::Nothing;
        }
        let first = arguments(call.args()).into_iter().next().and_then(Argument::positional);
        let given = match first {
            Some(node) if word == "map" => self.function_result(node),
            _ => Known::Nothing,
        };
        let rows = matches!(of, Known::Rows(_));
        match word {
            "map" if rows => match given {
                Known::Map(parts) => Known::Rows(parts),
                _ => object("Dataset"),
            },
            "map" => Known::List(Arc::new(given)),
            "filter" | "unique" | "shuffle" | "take" | "slice" | "sorted" | "sorted_by"
            | "extract"
                if rows || matches!(of, Known::List(_)) =>
            {
                of.clone()
            }
            "split" if rows => match of {
                Known::Rows(parts) => Known::Splits(parts.clone()),
                _ => Known::Nothing,
            },
            "concat" if rows => object("Dataset"),
            "find" | "pop" | "shift" | "remove" if matches!(of, Known::List(_)) => {
                of.item().or(Known::Unit)
            }
            "len" => Known::basic(Ty::Int),
            "contains" | "is_empty" | "starts_with" | "ends_with" | "some" | "all" => {
                Known::basic(Ty::Bool)
            }
            "to_upper" | "to_lower" | "to_string" | "sub_string" | "trimmed" | "replaced" => {
                Known::basic(Ty::Str)
            }
            "split" if of.is("str") => Known::List(Arc::new(Known::basic(Ty::Str))),
            "abs" if of.is("int") => Known::basic(Ty::Int),
            "abs" | "sqrt" | "round" | "floor" | "ceiling" if of.is("float") => {
                Known::basic(Ty::Float)
            }
            "to_float" => Known::basic(Ty::Float),
            "to_int" => Known::basic(Ty::Int),
            _ if rows => {
                let method = of.object().and_then(|it| it.method(word));
                method.map_or(Known::Nothing, |it| Known::of_catalog(it.result))
            }
            _ => Known::Nothing,
        }
    }

    /// The rows of a list of maps.
    pub(super) fn infer_rows(&mut self, call: Call<'_>) -> Known {
        let args = arguments(call.args());
        let rows = self.among(&args, "rows", 0).map_or(Known::Nothing, |it| self.infer(it));
        match rows.item() {
            Known::Map(parts) => Known::Rows(parts),
            _ => object("Dataset"),
        }
    }

    /// The metric that an optimizer is given.
    pub(super) fn metric_of(&mut self, call: Call<'_>) -> Option<FnKey> {
        let args = arguments(call.args());
        let node = self.among(&args, "metric", usize::MAX)?;
        self.function_at(node)
    }
}

/// A part of a list, text or data set; bits of an integer.
fn sliced(of: &Known) -> Known {
    match of {
        Known::List(_) | Known::Rows(_) => of.clone(),
        Known::Of(_) if of.is("str") => Known::basic(Ty::Str),
        Known::Of(_) if of.is("int") => Known::basic(Ty::Int),
        Known::Object(it) if it.name == "Dataset" => of.clone(),
        _ => Known::Nothing,
    }
}

fn object(name: &str) -> Known {
    catalog::object(name).map_or(Known::Nothing, Known::Object)
}

/// What an operator gives.
pub(super) fn combined(operator: &str, left: &Known, right: &Known) -> Known {
    if *left == Known::Never || *right == Known::Never {
        return Known::Never;
    }
    let (a, b) = (left.kind(), right.kind());
    match operator {
        "==" | "!=" | "<" | ">" | "<=" | ">=" | "&&" | "||" | "in" | "!in" => {
            Known::basic(Ty::Bool)
        }
        "??" => left.present().or(right.clone()),
        "+" if a == Some("str") || (b == Some("str") && a.is_some()) => Known::basic(Ty::Str),
        "+" if a == Some("list") && b == Some("list") => left.clone().or(right.clone()),
        "+" | "-" | "*" | "/" | "%" | "**" => match (a, b) {
            (Some("int"), Some("int")) => Known::basic(Ty::Int),
            (Some("int" | "float"), Some("int" | "float")) => Known::basic(Ty::Float),
            _ => Known::Nothing,
        },
        _ => Known::Nothing,
    }
}
