//! What a callee takes, and whether the arguments of a call fit it.

use super::args::Argument;
use super::model::ParamInfo;
use super::{Checker, codes, fits, literal};
use crate::catalog;
use crate::diag::suggestion;
use crate::schema::{Field, Signature, Ty, Value};
use crate::source::Span;
use crate::syntax::{Node, Token};
use std::sync::Arc;

/// What a callee takes.
pub(super) struct Shape {
    /// How it is named in messages.
    pub(super) what: String,
    /// What its parameters are called: `input`, `option`, `parameter`.
    pub(super) noun: &'static str,
    pub(super) formals: Vec<Formal>,
    /// Whether it takes named arguments of any name.
    pub(super) open: bool,
    /// Whether it takes any number of positional arguments.
    pub(super) variadic: bool,
}

pub(super) struct Formal {
    pub(super) name: Arc<str>,
    pub(super) required: bool,
    pub(super) named_only: bool,
    pub(super) ty: Option<Ty>,
}

impl Shape {
    /// What a parameter is called: options have names.
    fn noun_of(&self, formal: &Formal) -> &'static str {
        if self.noun == "option" && !formal.named_only { "argument" } else { self.noun }
    }

    pub(super) fn of_signature(what: String, signature: &Signature) -> Self {
        let formal = |field: &Field| Formal {
            name: field.name.clone(),
            required: field.default.is_none() && !may_be_nothing(&field.ty),
            named_only: false,
            ty: Some(field.ty.clone()),
        };
        Self {
            what,
            noun: "input",
            formals: signature.inputs.iter().map(formal).collect(),
            open: false,
            variadic: false,
        }
    }

    pub(super) fn of_params(what: String, params: &[ParamInfo]) -> Self {
        let formal = |param: &ParamInfo| Formal {
            name: param.name.clone(),
            required: !param.may_be_left_out(),
            named_only: false,
            ty: param.ty.clone(),
        };
        Self {
            what,
            noun: "parameter",
            formals: params.iter().filter(|it| !it.rest).map(formal).collect(),
            open: params.iter().any(|it| it.rest),
            variadic: false,
        }
    }

    pub(super) fn of_catalog(
        what: String,
        params: &[catalog::Param],
        open: bool,
        variadic: bool,
    ) -> Self {
        let formal = |param: &catalog::Param| Formal {
            name: param.name.into(),
            required: param.required,
            named_only: param.named_only,
            ty: plain_type(param.ty),
        };
        Self {
            what,
            noun: "option",
            formals: params.iter().map(formal).collect(),
            open,
            variadic,
        }
    }
}

fn may_be_nothing(ty: &Ty) -> bool {
    matches!(ty, Ty::Optional(_))
}

/// The types of the catalog that literals can be compared with.
fn plain_type(ty: &str) -> Option<Ty> {
    match ty {
        "int" => Some(Ty::Int),
        "float" | "float | int" => Some(Ty::Float),
        "bool" => Some(Ty::Bool),
        "str" => Some(Ty::Str),
        _ => None,
    }
}

/// Whether literals were compared with a type of the catalog.
pub(super) fn is_plain(ty: &str) -> bool {
    plain_type(ty).is_some()
}

impl<'a> Checker<'a> {
    /// Compares arguments with what is called.
    pub(super) fn compare(&mut self, shape: &Shape, args: &[Argument<'a>], at: Span) {
        let mut given: Vec<Arc<str>> = Vec::new();
        let mut spread = false;
        let mut positional = shape.formals.iter().filter(|it| !it.named_only);
        let mut count = 0;
        let (mut told_count, mut unknown) = (false, 0);
        for argument in args {
            match *argument {
                Argument::Positional(node) => {
                    count += 1;
                    match positional.next() {
                        Some(formal) => {
                            given.push(formal.name.clone());
                            self.argument_type(shape, formal, node);
                        }
                        None if shape.variadic => {}
                        None if !told_count => {
                            told_count = true;
                            self.too_many(shape, node);
                        }
                        None => {}
                    }
                }
                Argument::Named(name, node) => {
                    unknown += usize::from(!self.named(shape, name, node, &mut given));
                }
                Argument::Spread(_) => spread = true,
                Argument::Misplaced(_) => return,
            }
        }
        if !spread && !told_count {
            self.missing(shape, &given, (count, unknown), at);
        }
    }

    fn too_many(&mut self, shape: &Shape, node: &Node) {
        let most = shape.formals.iter().filter(|it| !it.named_only).count();
        let options: Vec<&str> =
            shape.formals.iter().filter(|it| it.named_only).map(|it| &*it.name).collect();
        let message = match most {
            0 => {
                format!("`{}` takes no arguments without a name", shape.what.trim_matches('`'))
            }
            1 => format!("{} takes 1 argument without a name", shape.what),
            _ => format!("{} takes {most} arguments without a name", shape.what),
        };
        let message =
            if options.is_empty() { message.replace(" without a name", "") } else { message };
        let told = self.tell(codes::TOO_MANY_ARGUMENTS, node.span(self.source), message);
        if let Some(first) = options.first() {
            told.hints.push(format!("options are given by name, such as `{first}: …`"));
        }
    }

    /// Compares a named argument; false where nothing has its name.
    fn named(
        &mut self,
        shape: &Shape,
        name: Token,
        node: &Node,
        given: &mut Vec<Arc<str>>,
    ) -> bool {
        let word = name.text(self.text);
        let span = name.span(self.source);
        if given.iter().any(|it| &**it == word) {
            let message = format!("`{word}` is given twice");
            self.tell(codes::ARGUMENT_TWICE, span, message);
            return true;
        }
        given.push(word.into());
        match shape.formals.iter().find(|it| &*it.name == word) {
            Some(formal) => self.argument_type(shape, formal, node),
            None if shape.open => {}
            None => {
                given.pop();
                let hint = suggestion(word, shape.formals.iter().map(|it| &*it.name));
                let message = format!("{} has no {} `{word}`", shape.what, shape.noun);
                let told = self.tell(codes::UNKNOWN_ARGUMENT, span, message);
                *told = told.clone().suggest(hint);
                return false;
            }
        }
        true
    }

    /// Tells what is missing, unless names that nothing has stand for it. Given are `count`
    /// arguments without a name and `unknown` ones with a wrong one.
    fn missing(
        &mut self,
        shape: &Shape,
        given: &[Arc<str>],
        (count, unknown): (usize, usize),
        at: Span,
    ) {
        let missing: Vec<&Formal> = shape
            .formals
            .iter()
            .filter(|it| it.required && !given.contains(&it.name))
            .collect();
        let Some(first) = missing.first().filter(|_| missing.len() > unknown) else { return };
        let names: Vec<String> = missing.iter().map(|it| format!("`{}`", it.name)).collect();
        let noun = shape.noun_of(first);
        let plural = if names.len() > 1 { "s" } else { "" };
        let message =
            format!("{} misses the {}{plural} {}", shape.what, noun, names.join(", "));
        let named = count == 0 || first.named_only;
        let hint = if named { format!("add `{}: …`", first.name) } else { String::new() };
        let told = self.tell(codes::MISSING_ARGUMENT, at, message);
        *told = told.clone().hint(hint);
    }

    /// A literal must be of the parameter's type.
    fn argument_type(&mut self, shape: &Shape, formal: &Formal, node: &Node) {
        let Some(ty) = &formal.ty else { return };
        let Some(value) = literal::constant(node, self.text) else { return };
        if fits::fits(&value, ty, &self.out.types) {
            return;
        }
        let noun = shape.noun_of(formal);
        let message = format!("the {noun} `{}` is {}", formal.name, fits::show(ty));
        let span = node.span(self.source);
        self.tell(codes::ARGUMENT_TYPE, span, format!("{message}, found {}", found(&value)));
    }
}

/// A literal as messages show it.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::List(_) | Value::Map(_) => value.kind().to_owned(),
        _ => shorten(&value.to_json()),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
