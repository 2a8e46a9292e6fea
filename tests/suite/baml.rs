//! Reads the schemas and types of BAML's tests.

use dsp_lang::schema::{Field, Ty, TypeTable, Value};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The classes and enums of a schema. What has an alias goes by it, as in the prompts that the
/// replies answer.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) types: TypeTable,
    /// The names behind the aliases: of the fields by class, of the labels under "".
    aliases: BTreeMap<(String, String), String>,
}

impl Schema {
    /// Reads a schema.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut schema = Self::default();
        let text = without_comments(text);
        for block in text.split('}').filter(|it| !it.trim().is_empty()) {
            let (head, body) = block.split_once('{')?;
            let (kind, name) = head.trim().split_once(' ')?;
            let lines = body.lines().map(str::trim);
            let lines = lines.filter(|it| !it.is_empty() && !it.starts_with("@@"));
            let name = name.trim();
            let ty = if kind == "enum" {
                let labels = lines.map(|line| Value::from(&*schema.known("", line).0));
                Ty::Enum(Arc::new(labels.collect()))
            } else {
                let fields = lines.map(|line| {
                    let (alias, rest) = schema.known(name, line);
                    Some(Field::new(alias, ty(rest.split('@').next()?)?))
                });
                Ty::Record(Arc::new(fields.collect::<Option<_>>()?))
            };
            schema.types.insert(name.into(), ty);
        }
        Some(schema)
    }

    /// The name that a line gives to a field or label, and what follows it.
    fn known<'t>(&mut self, class: &str, line: &'t str) -> (String, &'t str) {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some((_, alias)) = line.split_once("@alias(") else {
            return (name.to_owned(), rest);
        };
        let alias = alias.split(')').next().unwrap_or("").trim_matches('"').to_owned();
        self.aliases.insert((class.to_owned(), alias.clone()), name.to_owned());
        (alias, rest)
    }

    /// A value with the names of the schema for the aliases.
    pub(crate) fn named(&self, value: &Json, ty: &Ty) -> Json {
        match (value, ty) {
            (Json::String(text), Ty::Named(_)) => {
                let name = self.aliases.get(&(String::new(), text.clone()));
                Json::String(name.unwrap_or(text).clone())
            }
            (_, Ty::Named(class)) => match (value, &self.types[class]) {
                (Json::Object(object), Ty::Record(fields)) => {
                    let entry = |(key, value): (&String, &Json)| {
                        let name = self.aliases.get(&(class.to_string(), key.clone()));
                        let field = fields.iter().find(|it| *it.name == **key);
                        let value = field.map_or(value.clone(), |it| self.named(value, &it.ty));
                        (name.unwrap_or(key).clone(), value)
                    };
                    Json::Object(object.iter().map(entry).collect())
                }
                _ => value.clone(),
            },
            (Json::Array(items), Ty::List(item)) => {
                items.iter().map(|it| self.named(it, item)).collect()
            }
            (Json::Object(object), Ty::Dict(item)) => {
                let entry =
                    |(key, value): (&String, &Json)| (key.clone(), self.named(value, item));
                Json::Object(object.iter().map(entry).collect::<Map<_, _>>())
            }
            (_, Ty::Optional(inner)) => self.named(value, inner),
            (_, Ty::Union(members)) => {
                // The member that the keys are of.
                let renamed = members.iter().map(|it| self.named(value, it));
                renamed.into_iter().find(|it| it != value).unwrap_or_else(|| value.clone())
            }
            _ => value.clone(),
        }
    }
}

/// A schema without comments and descriptions.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, raw)) = rest.split_once("(#\"") {
        out.push_str(before);
        rest = raw.split_once("\"#)").map_or("", |it| it.1);
    }
    out.push_str(rest);
    let lines = out.lines().map(|line| match line.split_once("@description(\"") {
        Some((before, _)) => before,
        None => line.split("//").next().unwrap_or(""),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A type as a schema spells it.
fn ty(text: &str) -> Option<Ty> {
    let text = text.trim();
    let members = split(text, '|');
    if members.len() > 1 {
        let null = members.contains(&"null");
        let others = members.into_iter().filter(|it| *it != "null").map(ty);
        let mut others = others.collect::<Option<Vec<_>>>()?;
        let inner =
            if others.len() == 1 { others.remove(0) } else { Ty::Union(Arc::new(others)) };
        return Some(if null { optional(inner) } else { inner });
    }
    if let Some(inner) = text.strip_suffix('?') {
        return ty(inner).map(optional);
    }
    if let Some(item) = text.strip_suffix("[]") {
        return ty(item).map(list);
    }
    if let Some(inner) = text.strip_prefix('(') {
        return ty(inner.strip_suffix(')')?);
    }
    if let Some(inner) = text.strip_prefix("map<") {
        let parts = split(inner.strip_suffix('>')?, ',');
        return ty(parts.get(1)?).map(|it| Ty::Dict(Box::new(it)));
    }
    if let Some(label) = text.strip_prefix('"') {
        return Some(labels([Value::from(label.strip_suffix('"')?)]));
    }
    Some(match text {
        "string" => Ty::Str,
        "int" => Ty::Int,
        "float" => Ty::Float,
        "bool" => Ty::Bool,
        "" => return None,
        name => Ty::Named(name.into()),
    })
}

/// The parts of a text between separators that stand in no brackets.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth -= 1,
            _ if c == separator && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn list(ty: Ty) -> Ty {
    Ty::List(Box::new(ty))
}

fn optional(ty: Ty) -> Ty {
    Ty::Optional(Box::new(ty))
}

fn labels(labels: impl IntoIterator<Item = Value>) -> Ty {
    Ty::Enum(Arc::new(labels.into_iter().collect()))
}

/// A type as the tests build it: `FieldType::class("Test").as_list()`.
pub(crate) fn target(text: &str) -> Option<Ty> {
    let text = text.trim();
    for (suffix, wrap) in [
        (".as_list()", list as fn(Ty) -> Ty),
        (".as_optional()", optional),
        (".into()", std::convert::identity),
    ] {
        if let Some(inner) = text.strip_suffix(suffix) {
            return target(inner).map(wrap);
        }
    }
    let (head, rest) = text.strip_prefix("FieldType::")?.split_once('(')?;
    let inner = rest.strip_suffix(')')?.trim();
    Some(match &*head.to_lowercase() {
        "string" => Ty::Str,
        "int" => Ty::Int,
        "float" => Ty::Float,
        "bool" => Ty::Bool,
        "primitive" => match inner.strip_prefix("TypeValue::")? {
            "String" => Ty::Str,
            "Int" => Ty::Int,
            "Float" => Ty::Float,
            "Bool" => Ty::Bool,
            _ => return None,
        },
        "class" | "enum" => Ty::Named(inner.split('"').nth(1)?.into()),
        "list" => list(target(inner)?),
        "map" => Ty::Dict(Box::new(target(split(inner, ',').get(1)?)?)),
        "literal" => labels([literal(inner)?]),
        "union" => {
            let members = inner.strip_prefix("vec![")?.strip_suffix(']')?;
            let members = split(members, ',').into_iter().filter(|it| !it.is_empty());
            Ty::Union(Arc::new(members.map(target).collect::<Option<_>>()?))
        }
        _ => return None,
    })
}

fn literal(text: &str) -> Option<Value> {
    let (kind, rest) = text.strip_prefix("LiteralValue::")?.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    Some(match kind {
        "String" => Value::from(inner.split('"').nth(1)?),
        "Int" => Value::Int(inner.parse().ok()?),
        "Bool" => Value::Bool(inner == "true"),
        _ => return None,
    })
}
