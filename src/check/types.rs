//! Types: what their names, arguments and bounds mean. Shared by types in the text and types
//! inside strings.

use super::choices::{Chosen, MESSAGE_HINT};
use super::codes;
use super::fits::show;
use super::literal;
use crate::diag::{Diagnostic, Suggestion, suggestion};
use crate::schema::{Bound, Field, MediaKind, Ty, TypeTable, Value, shortened};
use crate::source::{SourceId, Span};
use crate::syntax::ast::{self, RecordField};
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The types that need no declaration.
const BUILT_IN: &[&str] = &[
    "str", "int", "float", "bool", "any", "list", "dict", "history", "image", "audio", "file",
];
/// Types of the language that this version cannot carry.
const NOT_YET: &[&str] = &["tool"];

/// Whether a name is that of a type whose values have no parts.
pub(super) fn is_scalar(name: &str) -> bool {
    BUILT_IN.contains(&name) && !matches!(name, "list" | "any")
}

/// Where offsets of a parsed text are: the text may stand inside a string of a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The text that holds it, and its range there.
    pub(crate) span: Span,
    /// Whether its characters stand there as they are, without escapes.
    pub(crate) exact: bool,
}

impl Place {
    /// A whole source.
    pub(crate) fn source(source: SourceId) -> Self {
        Self { span: Span::new(source, 0, 0), exact: true }
    }

    fn of(self, start: u32, end: u32) -> Span {
        if !self.exact {
            return self.span;
        }
        let base = self.span.start;
        Span { source: self.span.source, start: base + start, end: base + end }
    }

    pub(crate) fn node(self, node: &Node) -> Span {
        self.of(node.start, node.end)
    }

    pub(crate) fn token(self, token: Token) -> Span {
        self.of(token.start, token.end)
    }
}

/// The types in sight of a unit.
#[derive(Debug, Clone, Default)]
pub struct TypeScope {
    /// What they are. The types of imported units bear their own names where no other type has
    /// them.
    pub table: Arc<TypeTable>,
    /// Those that are named as they are, with their names in the table.
    pub names: BTreeMap<Arc<str>, Arc<str>>,
    /// Those of imports: nothing for an import that failed.
    pub imports: BTreeMap<Arc<str>, Option<ImportedTypes>>,
}

/// The types of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportedTypes {
    /// Those that may be named, with their names in the table.
    pub types: BTreeMap<Arc<str>, Arc<str>>,
    /// Those that may not.
    pub private: BTreeSet<Arc<str>>,
}

impl TypeScope {
    /// A table whose types all bear their own names.
    pub fn of(table: Arc<TypeTable>) -> Self {
        let names = table.keys().map(|it| (it.clone(), it.clone())).collect();
        Self { table, names, imports: BTreeMap::new() }
    }
}

/// Says that an item is for its own file only.
pub(super) fn private(alias: &str, word: &str, span: Span) -> Diagnostic {
    let message = format!("`{word}` of `{alias}` is private");
    Diagnostic::new(codes::PRIVATE_ITEM, span, message)
        .hint("leave out `private` where it is declared, if it is for others too")
}

/// Builds types and collects what is wrong with them. Every method returns a type, `any` where
/// it cannot tell.
pub(crate) struct Types<'a> {
    text: &'a str,
    place: Place,
    /// Whether DSPy's spelling is read too, as in strings.
    python: bool,
    scope: &'a TypeScope,
    choices: &'a dyn Fn(&str) -> Chosen,
    /// What is wrong.
    pub(crate) diags: Vec<Diagnostic>,
}

impl<'a> Types<'a> {
    pub(crate) fn new(
        text: &'a str,
        place: Place,
        scope: &'a TypeScope,
        choices: &'a dyn Fn(&str) -> Chosen,
    ) -> Self {
        Self { text, place, python: false, scope, choices, diags: Vec::new() }
    }

    /// With DSPy's spelling.
    pub(crate) fn python(self) -> Self {
        Self { python: true, ..self }
    }

    /// The type under a node.
    pub(crate) fn node(&mut self, node: &Node) -> Ty {
        let below: Vec<&Node> = node.nodes().filter(|it| ast::is_type(it.kind)).collect();
        let span = self.place.node(node);
        match node.kind {
            NodeKind::TypeName => self.name(node.text(self.text), span),
            NodeKind::TypeGeneric => {
                let args: Vec<Ty> = below.iter().map(|it| self.node(it)).collect();
                let name = node.token(TokenKind::Ident).map_or("", |it| it.text(self.text));
                self.generic(name, args, span)
            }
            NodeKind::TypeOneOf => self.one_of(node),
            NodeKind::TypeOptional => {
                optional(below.first().map_or(Ty::Any, |it| self.node(it)))
            }
            NodeKind::TypeLiteral => self.literal(literal::constant(node, self.text), span),
            NodeKind::TypeUnion => union(below.iter().map(|it| self.node(it)).collect()),
            NodeKind::TypeRecord => self.record(node),
            NodeKind::TypeBounded => {
                let inner = below.first().map_or(Ty::Any, |it| self.node(it));
                let bound = bound_node(node, self.text);
                self.bounded(inner, bound, span)
            }
            _ => Ty::Any,
        }
    }

    /// `one_of(X)`: X is an input, a const list, or a list that stands there.
    fn one_of(&mut self, node: &Node) -> Ty {
        let Some(from) = ast::exprs(node).next() else { return Ty::Any };
        let span = self.place.node(from);
        let name = from.text(self.text);
        let chosen = match from.kind {
            NodeKind::Name | NodeKind::Path => (self.choices)(name),
            _ => Chosen::of(literal::constant(from, self.text)),
        };
        match chosen {
            Chosen::Values(options) => Ty::Enum(Arc::new(options)),
            Chosen::Later(choices) => Ty::OneOf(choices),
            Chosen::Nothing(hint) => {
                let said = name.split_whitespace().collect::<Vec<_>>().join(" ");
                let message = format!("`{}` is no list to choose from", shortened(&said, 60));
                let hint = if hint.is_empty() { MESSAGE_HINT.to_owned() } else { hint };
                self.diags.push(Diagnostic::new(codes::NO_CHOICES, span, message).hint(hint));
                Ty::Any
            }
        }
    }

    /// A literal as a type.
    fn literal(&mut self, value: Option<Value>, span: Span) -> Ty {
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

    fn record(&mut self, node: &Node) -> Ty {
        let mut fields: Vec<Field> = Vec::new();
        for field in node.nodes().filter_map(RecordField::cast) {
            let Some(name) = field.name() else { continue };
            let word = name.text(self.text);
            let ty = field.ty().map_or(Ty::Str, |it| self.node(it));
            if fields.iter().any(|it| &*it.name == word) {
                let message = format!("the record has two fields `{word}`");
                let span = self.place.token(name);
                self.diags.push(Diagnostic::new(codes::DUPLICATE_FIELD, span, message));
                continue;
            }
            let description =
                field.description().and_then(|it| ast::prose(it, self.text)).map(Into::into);
            fields.push(Field { description, ..Field::new(word, ty) });
        }
        Ty::Record(Arc::new(fields))
    }

    /// The type of a name without arguments.
    fn name(&mut self, name: &str, span: Span) -> Ty {
        if let Some((alias, word)) = name.split_once("::") {
            return self.imported(alias.trim(), word.trim(), span);
        }
        if let Some(key) = self.scope.names.get(name) {
            return Ty::Named(key.clone());
        }
        match self.spelling(name) {
            "None" | "null" if self.python => Ty::Enum(Arc::new(vec![Value::Null])),
            "True" if self.python => Ty::Enum(Arc::new(vec![Value::Bool(true)])),
            "False" if self.python => Ty::Enum(Arc::new(vec![Value::Bool(false)])),
            "str" => Ty::Str,
            "int" => Ty::Int,
            "float" => Ty::Float,
            "bool" => Ty::Bool,
            "any" => Ty::Any,
            "history" => Ty::History,
            "image" => Ty::Media(MediaKind::Image),
            "audio" => Ty::Media(MediaKind::Audio),
            "file" => Ty::Media(MediaKind::File),
            "list" => Ty::List(Box::new(Ty::Any)),
            "dict" => Ty::Dict(Box::new(Ty::Any)),
            _ if NOT_YET.contains(&name) => self.not_yet(name, span),
            _ => self.unknown(name, span),
        }
    }

    fn unknown(&mut self, name: &str, span: Span) -> Ty {
        let known = self.scope.names.keys().map(|it| &**it);
        let mut near = suggestion(name, known.chain(BUILT_IN.iter().copied()));
        let (hint, instead) = match name {
            "string" | "String" | "text" => ("write `str`", Some("str")),
            "integer" | "i64" => ("write `int`, or `float` for fractions", Some("int")),
            "number" => ("write `int`, or `float` for fractions", None),
            "double" | "f64" => ("write `float`", Some("float")),
            "boolean" => ("write `bool`", Some("bool")),
            "array" | "List" | "Array" | "tuple" | "set" => ("write `list[T]`", None),
            "Optional" => ("write `T?`", None),
            "Literal" | "Union" => ("write `\"a\" | \"b\"`", None),
            "map" | "object" | "Dict" => {
                ("write `dict[str, T]`, or a record such as `{ name: str, age: int }`", None)
            }
            _ => ("", near.certain.as_deref()),
        };
        if !hint.is_empty() {
            near = Suggestion { hint: hint.to_owned(), certain: instead.map(str::to_owned) };
        }
        if !self.place.exact {
            near.certain = None;
        }
        let message = format!("there is no type `{name}`");
        self.diags.push(Diagnostic::new(codes::UNKNOWN_TYPE, span, message).suggest(near));
        Ty::Any
    }

    /// The type of a name of an import.
    fn imported(&mut self, alias: &str, word: &str, span: Span) -> Ty {
        let Some(import) = self.scope.imports.get(alias) else {
            let message = format!("nothing is imported as `{alias}`");
            self.diags.push(Diagnostic::new(codes::UNKNOWN_TYPE, span, message));
            return Ty::Any;
        };
        match import {
            None => Ty::Any,
            Some(import) => match import.types.get(word) {
                Some(key) => Ty::Named(key.clone()),
                None if import.private.contains(word) => {
                    self.diags.push(private(alias, word, span));
                    Ty::Any
                }
                None => {
                    let hint = suggestion(word, import.types.keys().map(|it| &**it));
                    let message = format!("`{alias}` has no type `{word}`");
                    let told = Diagnostic::new(codes::UNKNOWN_TYPE, span, message);
                    self.diags.push(told.suggest(hint));
                    Ty::Any
                }
            },
        }
    }

    fn not_yet(&mut self, name: &str, span: Span) -> Ty {
        let message = format!("the type `{name}` is not supported yet");
        self.diags.push(Diagnostic::new(codes::TYPE_NOT_SUPPORTED, span, message));
        Ty::Any
    }

    /// Our spelling of a type of Python's, in strings.
    fn spelling<'n>(&self, name: &'n str) -> &'n str {
        match name {
            "List" if self.python => "list",
            "History" | "dspy.History" if self.python => "history",
            "Image" | "dspy.Image" if self.python => "image",
            "Audio" | "dspy.Audio" if self.python => "audio",
            "File" | "dspy.File" if self.python => "file",
            "Dict" if self.python => "dict",
            "Any" if self.python => "any",
            other => other,
        }
    }

    /// The type of a name with arguments.
    fn generic(&mut self, name: &str, mut args: Vec<Ty>, span: Span) -> Ty {
        let name = self.spelling(name);
        let count = args.len();
        match name {
            "Optional" if self.python && count == 1 => return optional(args.swap_remove(0)),
            "Union" | "Literal" if self.python && count > 0 => return union(args),
            _ => {}
        }
        let mut args = args.into_iter();
        match (name, count, args.next(), args.next()) {
            ("list", 1, Some(item), _) => Ty::List(Box::new(item)),
            ("dict", 1, Some(item), _) => Ty::Dict(Box::new(item)),
            ("dict", 2, Some(Ty::Str | Ty::Any), Some(item)) => Ty::Dict(Box::new(item)),
            ("list", ..) => self.arguments("`list` takes one type", "write `list[str]`", span),
            ("dict", ..) => {
                self.arguments("the keys of a `dict` are `str`", "write `dict[str, T]`", span)
            }
            (name, ..) if self.scope.names.contains_key(name) || BUILT_IN.contains(&name) => {
                self.arguments(&format!("`{name}` takes no types"), "", span)
            }
            _ => self.unknown(name, span),
        }
    }

    /// Says that a type's arguments are wrong.
    fn arguments(&mut self, message: &str, hint: &str, span: Span) -> Ty {
        self.diags.push(Diagnostic::new(codes::TYPE_ARGUMENTS, span, message).hint(hint));
        Ty::Any
    }

    /// A type with a bound.
    fn bounded(&mut self, inner: Ty, bound: Option<Bound>, span: Span) -> Ty {
        let Some(bound) = bound else { return inner };
        let complaint = match &inner {
            Ty::Str | Ty::List(_) | Ty::Int | Ty::Float | Ty::Any => {
                empty(&inner, bound).then(|| "no value is within this bound".to_owned())
            }
            Ty::Named(_) => None,
            other => Some(format!("`{}` takes no bound", show(other))),
        };
        if let Some(message) = complaint {
            let hint =
                "numbers, `str` (characters) and `list` (items) take bounds, such as `(1..=5)`";
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
    let negative = bound.max.is_some_and(|max| max < 0.0 || (bound.max_excluded && max <= 0.0));
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
fn number(raw: &str) -> Option<f64> {
    raw.replace('_', "").parse().ok().filter(|it: &f64| it.is_finite())
}

/// `ty?`, once.
fn optional(ty: Ty) -> Ty {
    match ty {
        Ty::Optional(_) => ty,
        other => Ty::Optional(Box::new(other)),
    }
}

/// A union: literals together are one enumeration, an optional member makes the whole so.
fn union(members: Vec<Ty>) -> Ty {
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
