//! Values that stand in the text: literals, and documentation.

use crate::schema::{Record, Value};
use crate::syntax::ast::{self, MapEntry};
use crate::syntax::{Child, Node, NodeKind, Token, TokenKind};
use std::sync::Arc;

/// The value of a constant expression: literals, `-` before numbers, lists and maps of them.
pub(crate) fn constant(node: &Node, text: &str) -> Option<Value> {
    match node.kind {
        NodeKind::Literal => literal(node.tokens().next()?, text),
        NodeKind::Template => template(node, text).map(Value::from),
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
                record.insert(key_text(entry.key()?, text), constant(entry.value()?, text)?);
            }
            Some(Value::map(record))
        }
        _ => None,
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

/// The value of a literal token.
pub(crate) fn literal(token: Token, text: &str) -> Option<Value> {
    let raw = token.text(text);
    match token.kind {
        TokenKind::Int => int(raw).map(Value::Int),
        TokenKind::Float => {
            raw.replace('_', "").parse().ok().filter(|it: &f64| it.is_finite()).map(Value::Float)
        }
        TokenKind::True => Some(Value::Bool(true)),
        TokenKind::False => Some(Value::Bool(false)),
        TokenKind::Char | TokenKind::Str | TokenKind::RawStr => string(token, text).map(Value::from),
        _ => None,
    }
}

fn int(raw: &str) -> Option<i64> {
    let plain = raw.replace('_', "").to_ascii_lowercase();
    let radix = |prefix: &str, radix| {
        // Rhai reads 64 bits as they stand: 0xffffffffffffffff is -1.
        plain.strip_prefix(prefix).map(|it| u64::from_str_radix(it, radix).ok())
    };
    match radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)) {
        Some(bits) => bits.map(u64::cast_signed),
        None => plain.parse().ok(),
    }
}

/// The text that a key stands for.
pub(crate) fn key_text(token: Token, text: &str) -> Arc<str> {
    match token.kind {
        TokenKind::Str => string(token, text).unwrap_or_default().into(),
        _ => token.text(text).into(),
    }
}

/// The text that a string or character literal stands for.
pub(crate) fn string(token: Token, text: &str) -> Option<String> {
    let raw = token.text(text);
    match token.kind {
        TokenKind::RawStr => {
            let hashes = raw.bytes().take_while(|it| *it == b'#').count();
            raw.get(hashes + 1..raw.len().checked_sub(hashes + 1)?).map(str::to_owned)
        }
        TokenKind::Str | TokenKind::Char => {
            raw.get(1..raw.len().checked_sub(1)?).map(unescape)
        }
        _ => None,
    }
}

/// Replaces Rhai's escapes.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(it) = chars.next() {
        if it != '\\' {
            out.push(it);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('x') => out.extend(code_point(&mut chars, 2)),
            Some('u') => out.extend(code_point(&mut chars, 4)),
            Some('U') => out.extend(code_point(&mut chars, 8)),
            // A line continued: the line end and the indentation behind it do not count.
            Some('\n') => skip_indentation(&mut chars),
            Some('\r') => {
                chars.next();
                skip_indentation(&mut chars);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

fn code_point(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let code: String = chars.by_ref().take(digits).collect();
    u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)
}

fn skip_indentation(chars: &mut std::str::Chars<'_>) {
    let rest = chars.as_str();
    *chars = rest.trim_start_matches([' ', '\t']).chars();
}

/// The text of a template string without insertions.
fn template(node: &Node, text: &str) -> Option<String> {
    let mut out = String::new();
    for child in &node.children {
        match child {
            Child::Token(token) if token.kind == TokenKind::TemplateText => {
                out.push_str(token.text(text));
            }
            Child::Token(token) if token.kind == TokenKind::Backtick => {}
            Child::Token(_) | Child::Node(_) => return None,
        }
    }
    Some(out.strip_prefix('\n').map_or(out.clone(), str::to_owned))
}

/// The text of a description: any kind of string, dedented.
pub(crate) fn description(node: &Node, text: &str) -> Option<Arc<str>> {
    match constant(node, text)? {
        Value::Str(it) => Some(dedent(&it).into()),
        _ => None,
    }
}

/// Takes away the indentation that all lines but the first share, and blank ends.
pub(crate) fn dedent(text: &str) -> String {
    let shared = indentation(text.lines().skip(1));
    let mut lines = text.lines();
    let mut out = vec![lines.next().unwrap_or_default().trim()];
    out.extend(lines.map(|line| line.get(shared..).unwrap_or_default().trim_end()));
    out.join("\n").trim().to_owned()
}

fn indentation<'a>(lines: impl Iterator<Item = &'a str>) -> usize {
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0)
}

/// The documentation that stands before the child at `index` of `parent`.
pub(crate) fn doc_before(parent: &Node, index: usize, text: &str) -> Arc<str> {
    let mut docs: Vec<String> = Vec::new();
    for child in parent.children[..index].iter().rev() {
        match child {
            Child::Token(token) if token.kind.is_trivia() => match token.kind {
                TokenKind::DocLine => {
                    let line = token.text(text).trim_end();
                    docs.push(line.strip_prefix("///").unwrap_or(line).to_owned());
                }
                TokenKind::DocBlock => docs.push(block_doc(token.text(text))),
                _ => {}
            },
            Child::Token(_) | Child::Node(_) => break,
        }
    }
    docs.reverse();
    let joined = docs.join("\n");
    let shared = indentation(joined.lines());
    let lines: Vec<&str> =
        joined.lines().map(|line| line.get(shared..).unwrap_or_default().trim_end()).collect();
    lines.join("\n").trim_matches('\n').into()
}

/// The lines of `/** … */`, without a column of stars.
fn block_doc(raw: &str) -> String {
    let inner = raw.strip_prefix("/**").unwrap_or(raw);
    let inner = inner.strip_suffix("*/").unwrap_or(inner);
    let starred =
        inner.lines().skip(1).filter(|it| !it.trim().is_empty()).all(|it| it.trim_start().starts_with('*'));
    let mut lines = inner.lines();
    let mut out = vec![lines.next().unwrap_or_default().trim().to_owned()];
    let rest: Vec<&str> = lines
        .map(|line| if starred { line.trim_start().trim_start_matches('*') } else { line })
        .collect();
    let shared = indentation(rest.iter().copied());
    out.extend(rest.iter().map(|line| line.get(shared..).unwrap_or_default().to_owned()));
    // The first line has no indentation of its own; alone it is the whole text.
    if out[0].is_empty() {
        out.remove(0);
    }
    out.join("\n").trim_end().to_owned()
}
