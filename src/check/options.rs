//! Arguments of natives: whether their kind is one that the catalog lists, and which of them are
//! functions whose callers are known.

use super::args::Argument;
use super::model::Resolution;
use super::value::{Known, Parts};
use super::{Checker, codes, literal};
use crate::catalog::{self, Native, Param};
use crate::schema::Ty;
use crate::syntax::ast::{self, Call};
use crate::syntax::{Node, NodeKind};
use std::sync::Arc;

/// Methods that call their argument with each item, and with its place.
const EACH: &[&str] = &[
    "map",
    "filter",
    "find",
    "find_map",
    "some",
    "all",
    "for_each",
    "sorted_by",
    "group_by",
    "parallel_map",
    "retain",
    "index_of",
];

impl<'a> Checker<'a> {
    /// The kinds of the arguments of a native or of a method of ours.
    pub(super) fn options(&mut self, params: &[Param], args: &[Argument<'a>]) {
        let mut places = params.iter().filter(|it| !it.named_only);
        for argument in args {
            let (param, node) = match *argument {
                Argument::Positional(node) => (places.next(), node),
                Argument::Named(name, node) => {
                    let name = name.text(self.text);
                    (params.iter().find(|it| it.name == name), node)
                }
                _ => continue,
            };
            let Some(param) = param else { continue };
            let noun = if param.named_only { "option" } else { "argument" };
            // Literals of plain types were compared with the shape already.
            if super::shape::is_plain(param.ty) && literal::constant(node, self.text).is_some()
            {
                continue;
            }
            let known = self.infer(node);
            if known.all().is_empty() || known.all().iter().any(|it| may_be(it, param.ty)) {
                continue;
            }
            let Some(found) = described(&known.all()[0]) else { continue };
            let message = format!("the {noun} `{}` is {}, found {found}", param.name, param.ty);
            self.tell(codes::ARGUMENT_TYPE, self.span(node), message);
        }
    }

    /// Takes down the functions among the arguments of a call of which is known who calls them.
    pub(super) fn placed_arguments(&mut self, call: Call<'a>, args: &[Argument<'a>]) {
        let Some(callee) = call.callee() else { return };
        let name = callee.text(self.text);
        if callee.kind != NodeKind::Name || self.resolve(name) != Resolution::Native {
            return;
        }
        let Some(native) = catalog::native(name) else { return };
        if name == "parallel_map" {
            return self.placed_in_map(args);
        }
        let Some(metric) = self.among(args, "metric", usize::MAX) else { return };
        self.judges(metric);
        if native.result == "optimizer" {
            return self.kept_as_value(metric);
        }
        let program = self.programs(native, args);
        let data = match self.among(args, "data", if name == "compare" { 2 } else { 1 }) {
            Some(node) => self.infer(node),
            None => Known::Nothing,
        };
        let reply = self.reply_of(&program);
        self.called_with(metric, vec![row_of(&data), reply]);
    }

    fn programs(&mut self, native: &Native, args: &[Argument<'a>]) -> Known {
        let names: &[&str] = if native.name == "compare" { &["a", "b"] } else { &["program"] };
        let mut all = Known::Never;
        for (index, name) in names.iter().enumerate() {
            let node = self.among(args, name, index);
            all = all.or(node.map_or(Known::Nothing, |it| self.infer(it)));
        }
        all
    }

    /// A function judges replies.
    fn judges(&mut self, metric: &Node) {
        if let Some(key) = self.function_at(metric) {
            self.flow.judge(key);
        }
    }

    /// A function is held by a value that knows it.
    fn kept_as_value(&mut self, node: &'a Node) {
        if let Some(key) = self.function_at(node) {
            self.flow.place(key);
        }
    }

    /// Takes down the functions among the arguments of a method.
    pub(super) fn placed_in_method(&mut self, of: &Known, word: &str, args: &[Argument<'a>]) {
        let first = args.first().and_then(|it| it.positional());
        if let (Known::Optimizer(Some(key)), "compile") = (of, word) {
            let program = self.among(args, "program", 0).map(|it| self.infer(it));
            let data = self.among(args, "trainset", usize::MAX).map(|it| self.infer(it));
            let reply = program.map_or(Known::Nothing, |it| self.reply_of(&it));
            let row = data.map_or(Known::Nothing, |it| row_of(&it));
            self.flow.call(*key, vec![row, reply]);
            return;
        }
        let Some(function) = first.filter(|_| !self.is_own_method(word)) else { return };
        let of = of.present();
        if !matches!(of, Known::List(_) | Known::Rows(_)) {
            return;
        }
        let item = of.item();
        if EACH.contains(&word) {
            self.called_with(function, vec![item, Known::basic(Ty::Int)]);
        } else if matches!(word, "sort" | "sort_by") {
            self.called_with(function, vec![item.clone(), item]);
        } else if word == "reduce" {
            self.called_with(function, vec![Known::Nothing, item, Known::basic(Ty::Int)]);
        }
    }

    /// Closures that run side by side must not assign what is around them.
    pub(super) fn concurrent(&mut self, name: &str, args: &[Argument<'a>]) {
        if !matches!(name, "parallel" | "parallel_map") || self.is_own_method(name) {
            return;
        }
        for argument in args {
            let value = argument.value();
            if matches!(value.kind, NodeKind::Closure | NodeKind::Array | NodeKind::Map) {
                self.assigns_outside(value, &mut Vec::new());
            }
        }
    }

    fn assigns_outside(&mut self, node: &'a Node, own: &mut Vec<&'a str>) {
        let names = own.len();
        match node.kind {
            NodeKind::Closure => {
                let params = ast::Closure(node).params();
                own.extend(params.iter().filter_map(|it| Some(it.name()?.text(self.text))));
            }
            NodeKind::For => own.extend(ast::For(node).names().map(|it| it.text(self.text))),
            NodeKind::Assign => {
                let target = ast::exprs(node).next();
                if let Some(root) = target.and_then(super::flow::root)
                    && !own.contains(&root.text(self.text))
                    && self.scopes.place(root.text(self.text)).is_some()
                {
                    let name = root.text(self.text);
                    let message = format!(
                        "`{name}` stands outside the closure, which runs beside others"
                    );
                    let told = self.tell(codes::CAPTURE_ASSIGNED, self.span(root), message);
                    told.hints.push(
                        "return a value from the closure, and combine the results".to_owned(),
                    );
                }
            }
            _ => {}
        }
        for child in node.nodes() {
            self.assigns_outside(child, own);
            if child.kind == NodeKind::Let {
                own.extend(ast::Let(child).name(self.text).map(|it| it.text(self.text)));
            }
        }
        let block = matches!(node.kind, NodeKind::Closure | NodeKind::For | NodeKind::Block);
        if block {
            own.truncate(names);
        }
    }
}

/// A row of a data set.
pub(super) fn row_of(data: &Known) -> Known {
    match data {
        Known::Rows(parts) => Known::Row(parts.clone()),
        Known::List(item) => match &**item {
            Known::Map(parts) => Known::Row(Arc::new(Parts::clone(parts))),
            _ => Known::Nothing,
        },
        _ => Known::Nothing,
    }
}

/// Whether a value may be of a type as the catalog writes it; true where it is not sure.
fn may_be(known: &Known, ty: &str) -> bool {
    ty.split(" | ").any(|ty| may_be_one(known, ty))
}

fn may_be_one(known: &Known, ty: &str) -> bool {
    if let (Known::Scored(it), "program" | "metric" | "fn") = (known, ty) {
        return it.object.to_lowercase() == ty;
    }
    let kind = known.kind();
    match ty {
        "str" | "int" | "bool" => kind == Some(ty) || kind.is_none() && !is_ours(known),
        "float" => matches!(kind, Some("int" | "float")) || kind.is_none() && !is_ours(known),
        "adapter" => {
            matches!(known, Known::Object(it) if it.name == "Adapter") || unsure(known)
        }
        "lm" => matches!(known, Known::Object(it) if it.name == "Lm") || unsure(known),
        "dataset" => {
            matches!(known, Known::Rows(_) | Known::List(_))
                || matches!(known, Known::Object(it) if it.name == "Dataset")
                || unsure(known)
        }
        "list" => matches!(known, Known::List(_)) || unsure(known),
        "map" => kind == Some("map") || unsure(known),
        "signature" => {
            matches!(known, Known::Signature(_)) || kind == Some("str") || unsure(known)
        }
        "program" => {
            let plain =
                matches!(kind, Some("str" | "int" | "float" | "bool" | "list" | "nothing"));
            !plain && !matches!(known, Known::Reply(_) | Known::Signature(_))
        }
        "metric" | "fn" => {
            !matches!(kind, Some("str" | "int" | "float" | "bool" | "list" | "nothing"))
                && !matches!(known, Known::Reply(_) | Known::Answer(_) | Known::Signature(_))
        }
        "index" => matches!(known, Known::Object(it) if it.name == "Index") || unsure(known),
        _ => true,
    }
}

/// Whether it could be anything, as far as is known.
fn unsure(known: &Known) -> bool {
    matches!(known, Known::Nothing | Known::Never)
}

/// Whether it is a value of ours, or nothing is known of it.
fn is_ours(known: &Known) -> bool {
    !matches!(known, Known::Nothing | Known::Never | Known::Of(_) | Known::OneOf(_))
}

/// A value as messages show it.
fn described(known: &Known) -> Option<&'static str> {
    match known {
        Known::Reply(_) | Known::Answer(_) => Some("a reply"),
        Known::Predictor(_) => Some("a predictor"),
        Known::Instance(_) | Known::Program(_) => Some("a program"),
        Known::Signature(_) => Some("a signature"),
        Known::Row(_) => Some("a row"),
        other => match other.object() {
            Some(object) => Some(object.name),
            None => other.kind(),
        },
    }
}
