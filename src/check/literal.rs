//! Values that stand in the text.

use super::value::Known;
use crate::schema::{Record, Ty, Value};
use crate::syntax::ast::{self, MapEntry};
use crate::syntax::text::{Number, number, string_value};
use crate::syntax::{Node, NodeKind, Token, TokenKind};
use std::sync::Arc;

/// The value of a constant expression: literals, `-` before numbers, lists and maps of them.
pub(crate) fn constant(node: &Node, text: &str) -> Option<Value> {
    match node.kind {
        NodeKind::Literal | NodeKind::TypeLiteral => literal(node, text),
        NodeKind::Template => string_value(node, text).map(Value::from),
        NodeKind::Unit => Some(Value::Null),
        NodeKind::Paren => constant(ast::exprs(node).next()?, text),
        NodeKind::Unary => negated(node, text),
        NodeKind::Array => {
            let items: Option<Vec<_>> = ast::exprs(node).map(|it| constant(it, text)).collect();
            Some(Value::list(items?))
        }
        NodeKind::Map => {
            let mut record = Record::new();
            for entry in node.nodes().filter_map(MapEntry::cast) {
                record.insert(key_text(entry, text)?, constant(entry.value()?, text)?);
            }
            Some(Value::map(record))
        }
        _ => None,
    }
}

/// What is known of a literal; its text is not looked at.
pub(super) fn known(node: &Node, text: &str) -> Known {
    match node.tokens().next().map(|it| it.kind) {
        Some(TokenKind::Str | TokenKind::RawStr) => Known::basic(Ty::Str),
        Some(TokenKind::Int) => Known::basic(Ty::Int),
        Some(TokenKind::Float) => Known::basic(Ty::Float),
        _ => constant(node, text).map_or(Known::Nothing, |it| Known::of_value(&it)),
    }
}

fn negated(node: &Node, text: &str) -> Option<Value> {
    let value = constant(ast::exprs(node).next()?, text)?;
    match (node.tokens().next()?.text(text), value) {
        ("-", Value::Int(it)) => it.checked_neg().map(Value::Int),
        ("-", Value::Float(it)) => Some(Value::Float(-it)),
        ("+", value @ (Value::Int(_) | Value::Float(_))) => Some(value),
        ("!", Value::Bool(it)) => Some(Value::Bool(!it)),
        _ => None,
    }
}

/// The value of a literal; a type may have a `-` before it.
fn literal(node: &Node, text: &str) -> Option<Value> {
    let negative = node.tokens().next()?.text(text) == "-";
    let token = node.tokens().nth(usize::from(negative))?;
    match token.kind {
        TokenKind::Int | TokenKind::Float => numeric(token, text, negative),
        TokenKind::True => Some(Value::Bool(true)),
        TokenKind::False => Some(Value::Bool(false)),
        _ => string_value(node, text).map(Value::from),
    }
}

fn numeric(token: Token, text: &str, negative: bool) -> Option<Value> {
    match number(token.text(text))? {
        Number::Int(it) if negative => it.checked_neg().map(Value::Int),
        Number::Int(it) => Some(Value::Int(it)),
        Number::Float(it) if !it.is_finite() => None,
        Number::Float(it) => Some(Value::Float(if negative { -it } else { it })),
    }
}

/// The text that a key stands for.
pub(crate) fn key_text(entry: MapEntry<'_>, text: &str) -> Option<Arc<str>> {
    let Some(token) = entry.key() else {
        return ast::exprs(entry.0)
            .next()
            .and_then(|it| string_value(it, text))
            .map(Into::into);
    };
    match token.kind {
        TokenKind::Str | TokenKind::RawStr => {
            crate::syntax::text::unquote(token, text).ok().map(Into::into)
        }
        _ => Some(token.text(text).into()),
    }
}
