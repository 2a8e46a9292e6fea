//! JSON schema of types, for providers and tools that take one.

use crate::schema::{Bound, Field, MESSAGES, Ty, TypeTable, Value};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// Returns the JSON schema of a type. Named types stand once under `$defs`.
pub fn json_schema(ty: &Ty, types: &TypeTable) -> Json {
    let mut defs = Defs { types, wanted: Vec::new(), strict: false };
    let schema = defs.ty(ty);
    defs.attach(schema)
}

/// Returns the JSON schema of an object with these fields.
pub fn record_schema(fields: &[Field], types: &TypeTable) -> Json {
    let mut defs = Defs { types, wanted: Vec::new(), strict: false };
    let schema = defs.record(fields);
    defs.attach(schema)
}

/// Returns the JSON schema of an object with these fields as servers take it that hold replies
/// to one: every field is required, nothing else may be written, and there are no words besides.
/// Nothing stands for what may be left out. How long a text may be is not said, for not all
/// servers take that.
pub fn strict_schema(fields: &[Field], types: &TypeTable) -> Json {
    let mut defs = Defs { types, wanted: Vec::new(), strict: true };
    let schema = defs.record(fields);
    defs.attach(schema)
}

/// Whether [`strict_schema`] can say these fields: it has no objects of any names.
pub fn has_strict_schema(fields: &[Field], types: &TypeTable) -> bool {
    let mut open = fields.iter().map(|it| &it.ty).collect::<Vec<_>>();
    let mut seen = Vec::new();
    while let Some(ty) = open.pop() {
        match ty {
            Ty::Any | Ty::History | Ty::Dict(_) => return false,
            Ty::List(inner) | Ty::Optional(inner) | Ty::Bounded(inner, _) => open.push(inner),
            Ty::Union(members) => open.extend(members.iter()),
            Ty::Record(fields) => open.extend(fields.iter().map(|it| &it.ty)),
            Ty::Named(name) if !seen.contains(&name) => {
                seen.push(name);
                let Some(named) = types.get(name) else { return false };
                open.push(named);
            }
            _ => {}
        }
    }
    true
}

/// The named types met so far, in the order in which they were met.
struct Defs<'a> {
    types: &'a TypeTable,
    wanted: Vec<Arc<str>>,
    /// As [`strict_schema`] has it.
    strict: bool,
}

impl Defs<'_> {
    fn ty(&mut self, ty: &Ty) -> Json {
        match ty {
            Ty::Str => json!({ "type": "string" }),
            Ty::Int => json!({ "type": "integer" }),
            Ty::Float => json!({ "type": "number" }),
            Ty::Bool => json!({ "type": "boolean" }),
            Ty::Any => json!({}),
            Ty::History => json!({
                "type": "object",
                "properties": { MESSAGES: { "type": "array", "items": { "type": "object" } } },
                "required": [MESSAGES],
            }),
            // Said as text: where it is.
            Ty::Media(_) => json!({ "type": "string" }),
            Ty::List(item) => json!({ "type": "array", "items": self.ty(item) }),
            Ty::Dict(item) => {
                json!({ "type": "object", "additionalProperties": self.ty(item) })
            }
            Ty::Optional(inner) => json!({ "anyOf": [self.ty(inner), { "type": "null" }] }),
            Ty::Enum(options) => options_schema(options, self.strict),
            Ty::OneOf(_) => json!({ "type": ["string", "integer", "boolean"] }),
            Ty::Union(members) => {
                json!({ "anyOf": members.iter().map(|it| self.ty(it)).collect::<Vec<_>>() })
            }
            Ty::Record(fields) => self.record(fields),
            Ty::Named(name) => self.reference(name),
            Ty::Bounded(inner, bound) => {
                let schema = self.ty(inner);
                let inner = inner.resolve(self.types);
                let is_said = !self.strict || !matches!(inner, Some(Ty::Str));
                if is_said { bounded(schema, inner, bound) } else { schema }
            }
        }
    }

    fn record(&mut self, fields: &[Field]) -> Json {
        let required = fields
            .iter()
            .filter(|field| {
                self.strict || field.default.is_none() && !field.ty.admits_null(self.types)
            })
            .map(|field| field.name.to_string())
            .collect::<Vec<_>>();
        let properties = fields
            .iter()
            .map(|field| (field.name.to_string(), self.field(field)))
            .collect::<Map<_, _>>();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    fn field(&mut self, field: &Field) -> Json {
        let mut schema = self.ty(&field.ty);
        if let Some(object) = schema.as_object_mut().filter(|_| !self.strict) {
            if let Some(text) = &field.description {
                object.insert("description".into(), Json::from(&**text));
            }
            if let Some(default) = &field.default {
                object.insert("default".into(), plain(default));
            }
        }
        schema
    }

    fn reference(&mut self, name: &Arc<str>) -> Json {
        if !self.wanted.contains(name) {
            self.wanted.push(name.clone());
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// Adds the definitions; one may ask for others while it is written.
    fn attach(mut self, mut schema: Json) -> Json {
        let mut defs = Map::new();
        while let Some(name) = self.wanted.get(defs.len()).cloned() {
            let definition = self.types.get(&name).map_or_else(|| json!({}), |ty| self.ty(ty));
            defs.insert(name.to_string(), definition);
        }
        if let (false, Some(object)) = (defs.is_empty(), schema.as_object_mut()) {
            object.insert("$defs".into(), Json::Object(defs));
        }
        schema
    }
}

fn plain(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}

fn options_schema(options: &[Value], strict: bool) -> Json {
    let values = options.iter().map(plain).collect::<Vec<_>>();
    let same = |kind: &str| options.iter().all(|option| option.kind() == kind);
    for (kind, name) in [("str", "string"), ("int", "integer"), ("bool", "boolean")] {
        if same(kind) {
            return json!({ "type": name, "enum": values });
        }
    }
    if strict && options.len() > 1 {
        let alone = |it: &Value| options_schema(std::slice::from_ref(it), true);
        return json!({ "anyOf": options.iter().map(alone).collect::<Vec<_>>() });
    }
    json!({ "enum": values })
}

fn bounded(mut schema: Json, inner: Option<&Ty>, bound: &Bound) -> Json {
    let (least, most) = match inner {
        Some(Ty::Int | Ty::Float) => ("minimum", "maximum"),
        Some(Ty::Str) => ("minLength", "maxLength"),
        Some(Ty::List(_)) => ("minItems", "maxItems"),
        _ => return schema,
    };
    let Some(object) = schema.as_object_mut() else { return schema };
    if let Some(min) = bound.min {
        object.insert(least.into(), number(min));
    }
    if let Some(max) = bound.max {
        let (most, max) = match (bound.max_excluded, most) {
            (true, "maximum") => ("exclusiveMaximum", max),
            // A size is whole, so "below 5" is "at most 4".
            (true, _) => (most, max.ceil() - 1.0),
            (false, _) => (most, max),
        };
        object.insert(most.into(), number(max));
    }
    schema
}

/// A bound as JSON: whole numbers without a fraction, for `5.0` is no valid length.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers in range are cast")]
fn number(it: f64) -> Json {
    if it.fract() == 0.0 && it.abs() < 9e15 { json!(it as i64) } else { json!(it) }
}
