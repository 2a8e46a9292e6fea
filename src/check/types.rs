//! Types: what their names, arguments and bounds mean. Shared by types in the text and types
//! inside strings.

use super::codes;
use super::fits::show;
use super::literal;
use crate::diag::{Diagnostic, did_you_mean};
use crate::schema::{Bound, Field, Ty, Value};
use crate::source::{SourceId, Span};
use crate::syntax::ast::{self, RecordField};
use crate::syntax::{Node, NodeKind, TokenKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The types that need no declaration.
const BUILT_IN: &[&str] = &["str", "int", "float", "bool", "any", "list", "dict"];
/// Types of the language that this version cannot carry.
const NOT_YET: &[&str] = &["image", "audio", "file", "history", "tool"];

/// Builds types and collects what is wrong with them. Every method returns a type, `any` where
/// it cannot tell.
pub(crate) struct Types<'a> {
    /// The names of declared types.
    pub(crate) names: &'a BTreeSet<Arc<str>>,
    /// What is wrong.
    pub(crate) diags: Vec<Diagnostic>,
}

impl<'a> Types<'a> {
    pub(crate) fn new(names: &'a BTreeSet<Arc<str>>) -> Self {
        Self { names, diags: Vec::new() }
    }

    /// The type under a node.
    pub(crate) fn node(&mut self, node: &Node, text: &str, source: SourceId) -> Ty {
        let below: Vec<&Node> = node.nodes().filter(|it| ast::is_type(it.kind)).collect();
        match node.kind {
            NodeKind::TypeName => self.name(node.text(text).trim(), node.span(source)),
            NodeKind::TypeGeneric => {
                let args: Vec<Ty> = below.iter().map(|it| self.node(it, text, source)).collect();
                let name = node.token(TokenKind::Ident).map_or("", |it| it.text(text));
                self.generic(name, args, node.span(source))
            }
            NodeKind::TypeOneOf => self.not_yet("one_of(…)", node.span(source)),
            NodeKind::TypeOptional => {
                optional(below.first().map_or(Ty::Any, |it| self.node(it, text, source)))
            }
            NodeKind::TypeLiteral => self.literal_node(node, text, source),
            NodeKind::TypeUnion => {
                let members = below.iter().map(|it| self.node(it, text, source)).collect();
                union(members)
            }
            NodeKind::TypeRecord => self.record(node, text, source),
            NodeKind::TypeBounded => {
                let inner = below.first().map_or(Ty::Any, |it| self.node(it, text, source));
                let bound = bound_node(node, text);
                self.bounded(inner, bound, node.span(source))
            }
            _ => Ty::Any,
        }
    }

    fn literal_node(&mut self, node: &Node, text: &str, source: SourceId) -> Ty {
        let negative = node.tokens().any(|it| it.text(text) == "-");
        let value = node.tokens().find_map(|it| literal::literal(it, text));
        let value = match value {
            Some(Value::Int(it)) if negative => it.checked_neg().map(Value::Int),
            other => other,
        };
        self.literal(value, node.span(source))
    }

    /// A literal as a type.
    pub(crate) fn literal(&mut self, value: Option<Value>, span: Span) -> Ty {
        match value {
            Some(value @ (Value::Str(_) | Value::Int(_) | Value::Bool(_))) => {
                Ty::Enum(Arc::new(vec![value]))
            }
            _ => {
                let message = "only strings, integers and booleans can be types";
                self.diags.push(Diagnostic::new(codes::TYPE_ARGUMENTS, span, message));
                Ty::Any
            }
        }
    }

    fn record(&mut self, node: &Node, text: &str, source: SourceId) -> Ty {
        let mut fields: Vec<Field> = Vec::new();
        for field in node.nodes().filter_map(RecordField::cast) {
            let Some(name) = field.name() else { continue };
            let ty = field.ty().map_or(Ty::Str, |it| self.node(it, text, source));
            let description = field.description().and_then(|it| literal::description(it, text));
            let field = Field { description, ..Field::new(name.text(text), ty) };
            self.push_field(&mut fields, field, name.span(source));
        }
        Ty::Record(Arc::new(fields))
    }

    /// Adds a field to a record, once.
    pub(crate) fn push_field(&mut self, fields: &mut Vec<Field>, field: Field, span: Span) {
        if fields.iter().any(|it| it.name == field.name) {
            let message = format!("the record has two fields `{}`", field.name);
            self.diags.push(Diagnostic::new(codes::DUPLICATE_FIELD, span, message));
        } else {
            fields.push(field);
        }
    }

    /// The type of a name without arguments.
    pub(crate) fn name(&mut self, name: &str, span: Span) -> Ty {
        if self.names.contains(name) {
            return Ty::Named(name.into());
        }
        match name {
            "str" => Ty::Str,
            "int" => Ty::Int,
            "float" => Ty::Float,
            "bool" => Ty::Bool,
            "any" => Ty::Any,
            "list" => Ty::List(Box::new(Ty::Any)),
            "dict" => Ty::Dict(Box::new(Ty::Any)),
            _ if NOT_YET.contains(&name) => self.not_yet(name, span),
            _ => self.unknown(name, span),
        }
    }

    fn unknown(&mut self, name: &str, span: Span) -> Ty {
        let hint = match name {
            "string" | "String" | "text" => "write `str`".to_owned(),
            "integer" | "number" | "i64" => "write `int`, or `float` for fractions".to_owned(),
            "double" | "f64" => "write `float`".to_owned(),
            "boolean" => "write `bool`".to_owned(),
            "array" | "List" | "Array" | "tuple" | "set" => "write `list[T]`".to_owned(),
            "map" | "object" | "Dict" => {
                "write `dict[str, T]`, or a record such as `{ name: str, age: int }`".to_owned()
            }
            _ => {
                let known = self.names.iter().map(|it| &**it).chain(BUILT_IN.iter().copied());
                did_you_mean(name, known)
            }
        };
        let message = format!("there is no type `{name}`");
        self.diags.push(Diagnostic::new(codes::UNKNOWN_TYPE, span, message).hint(hint));
        Ty::Any
    }

    fn not_yet(&mut self, name: &str, span: Span) -> Ty {
        let message = format!("the type `{name}` is not supported yet");
        self.diags.push(Diagnostic::new(codes::TYPE_NOT_SUPPORTED, span, message));
        Ty::Any
    }

    /// The type of a name with arguments.
    pub(crate) fn generic(&mut self, name: &str, args: Vec<Ty>, span: Span) -> Ty {
        let count = args.len();
        let mut args = args.into_iter();
        match (name, count, args.next(), args.next()) {
            ("list", 1, Some(item), _) => Ty::List(Box::new(item)),
            ("dict", 1, Some(item), _) => Ty::Dict(Box::new(item)),
            ("dict", 2, Some(Ty::Str | Ty::Any), Some(item)) => Ty::Dict(Box::new(item)),
            ("list", ..) => self.arguments("`list` takes one type", "write `list[str]`", span),
            ("dict", ..) => {
                self.arguments("the keys of a `dict` are `str`", "write `dict[str, T]`", span)
            }
            (name, ..) if self.names.contains(name) || BUILT_IN.contains(&name) => {
                self.arguments(&format!("`{name}` takes no types"), "", span)
            }
            _ => self.unknown(name, span),
        }
    }

    /// Says that a type's arguments are wrong.
    pub(crate) fn arguments(&mut self, message: &str, hint: &str, span: Span) -> Ty {
        self.diags.push(Diagnostic::new(codes::TYPE_ARGUMENTS, span, message).hint(hint));
        Ty::Any
    }

    /// A type with a bound.
    pub(crate) fn bounded(&mut self, inner: Ty, bound: Option<Bound>, span: Span) -> Ty {
        let Some(bound) = bound else { return inner };
        let complaint = match &inner {
            Ty::Str | Ty::List(_) | Ty::Int | Ty::Float | Ty::Any => {
                empty(&inner, bound).then(|| "no value is within this bound".to_owned())
            }
            Ty::Named(_) => None,
            other => Some(format!("`{}` takes no bound", show(other))),
        };
        if let Some(message) = complaint {
            let hint = "numbers, `str` (characters) and `list` (items) take bounds, such as `(1..=5)`";
            self.diags.push(Diagnostic::new(codes::BAD_BOUND, span, message).hint(hint));
            return inner;
        }
        Ty::Bounded(Box::new(inner), bound)
    }
}

/// Whether no value can be within.
fn empty(ty: &Ty, bound: Bound) -> bool {
    let counted = matches!(ty, Ty::Str | Ty::List(_));
    let crossed = match (bound.min, bound.max) {
        (Some(min), Some(max)) => min > max || (bound.max_excluded && min >= max),
        _ => false,
    };
    let negative =
        bound.max.is_some_and(|max| max < 0.0 || (bound.max_excluded && max <= 0.0));
    crossed || (counted && negative)
}

/// The bound of a `TypeBounded`.
fn bound_node(node: &Node, text: &str) -> Option<Bound> {
    let open = node.token(TokenKind::LParen)?.end;
    let mut bound = Bound::default();
    let (mut negative, mut dots) = (false, false);
    // Numbers are tokens of the node, or literals below it.
    for token in node.leaves().into_iter().filter(|it| it.start >= open) {
        match token.kind {
            TokenKind::DotDot => (dots, bound.max_excluded) = (true, true),
            TokenKind::DotDotEq => dots = true,
            TokenKind::Op if token.text(text) == "-" => negative = true,
            TokenKind::Int | TokenKind::Float => {
                let value = number(token.text(text)).map(|it| if negative { -it } else { it });
                negative = false;
                if dots {
                    bound.max = value;
                } else {
                    bound.min = value;
                }
            }
            _ => {}
        }
    }
    // `5` alone is read as the one value.
    if !dots {
        bound.max = bound.min;
    }
    bound.max_excluded &= bound.max.is_some();
    (bound.min.is_some() || bound.max.is_some()).then_some(bound)
}

/// A number of a bound.
pub(crate) fn number(raw: &str) -> Option<f64> {
    raw.replace('_', "").parse().ok().filter(|it: &f64| it.is_finite())
}

/// `ty?`, once.
pub(crate) fn optional(ty: Ty) -> Ty {
    match ty {
        Ty::Optional(_) => ty,
        other => Ty::Optional(Box::new(other)),
    }
}

/// A union: literals together are one enumeration, an optional member makes the whole so.
pub(crate) fn union(members: Vec<Ty>) -> Ty {
    let mut nothing = false;
    let mut literals: Vec<Value> = Vec::new();
    let mut rest: Vec<Ty> = Vec::new();
    let mut flat: Vec<Ty> = members;
    flat.reverse();
    while let Some(member) = flat.pop() {
        match member {
            Ty::Optional(inner) => {
                nothing = true;
                flat.push(*inner);
            }
            Ty::Enum(values) => {
                literals.extend(values.iter().filter(|it| !it.is_null()).cloned());
                nothing |= values.iter().any(Value::is_null);
            }
            Ty::Union(inner) => flat.extend(inner.iter().rev().cloned()),
            other if !rest.contains(&other) => rest.push(other),
            _ => {}
        }
    }
    let mut seen: Vec<Value> = Vec::new();
    for literal in literals {
        if !seen.contains(&literal) {
            seen.push(literal);
        }
    }
    if !seen.is_empty() {
        rest.insert(0, Ty::Enum(Arc::new(seen)));
    }
    let ty = match rest.len() {
        0 => Ty::Any,
        1 => rest.swap_remove(0),
        _ => Ty::Union(Arc::new(rest)),
    };
    if nothing { optional(ty) } else { ty }
}
