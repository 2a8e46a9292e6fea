//! JSON schemas in the part of `OpenAPI` that Gemini reads.

use serde_json::{Map, Value, json};

/// How deep definitions may stand in one another; recursive ones have no end.
const DEEPEST: usize = 24;

/// Returns the schema as Gemini reads it; none for one that it cannot express: then the prompt
/// has to do.
pub(super) fn subset(schema: &Value) -> Option<Value> {
    Converter { root: schema }.convert(schema, 0)
}

struct Converter<'a> {
    root: &'a Value,
}

impl Converter<'_> {
    fn convert(&self, schema: &Value, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let Some(map) = schema.as_object() else { return Some(json!({})) };
        if let Some(path) = map.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(path.strip_prefix('#')?)?;
            return self.convert(target, depth + 1);
        }
        let mut out = Map::new();
        for name in ["title", "description", "format", "nullable", "default"] {
            copy(map, &mut out, name);
        }
        for name in ["minimum", "maximum", "minItems", "maxItems"] {
            copy(map, &mut out, name);
        }
        for name in ["minLength", "maxLength", "pattern"] {
            copy(map, &mut out, name);
        }
        kind(map, &mut out);
        choices(map, &mut out);
        if let Some(items) = map.get("items") {
            out.insert("items".to_owned(), self.convert(items, depth + 1)?);
        }
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            let converted = properties
                .iter()
                .map(|(name, it)| Some((name.clone(), self.convert(it, depth + 1)?)))
                .collect::<Option<Map<_, _>>>()?;
            let order: Vec<&String> = converted.keys().collect();
            out.insert("propertyOrdering".to_owned(), json!(order));
            out.insert("properties".to_owned(), Value::Object(converted));
            copy(map, &mut out, "required");
        }
        self.either(map, &mut out, depth)?;
        Some(Value::Object(out))
    }

    /// `anyOf`, of which nothing is not an alternative but a mark.
    fn either(
        &self,
        map: &Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Option<()> {
        let Some(all) = map.get("anyOf").or(map.get("oneOf")).and_then(Value::as_array) else {
            return Some(());
        };
        let is_null = |it: &&Value| it["type"] == "null";
        if all.iter().any(|it| is_null(&it)) {
            out.insert("nullable".to_owned(), json!(true));
        }
        let rest = all.iter().filter(|it| !is_null(it));
        let rest: Vec<Value> =
            rest.map(|it| self.convert(it, depth + 1)).collect::<Option<_>>()?;
        match <[Value; 1]>::try_from(rest) {
            Ok([Value::Object(only)]) => {
                for (name, value) in only {
                    out.entry(name).or_insert(value);
                }
            }
            Ok(_) => {}
            Err(several) => {
                out.insert("anyOf".to_owned(), Value::Array(several));
            }
        }
        Some(())
    }
}

fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>, name: &str) {
    if let Some(value) = from.get(name) {
        to.insert(name.to_owned(), value.clone());
    }
}

/// The type: one, with nothing as a mark.
fn kind(map: &Map<String, Value>, out: &mut Map<String, Value>) {
    let Some(kind) = map.get("type") else { return };
    let names: Vec<&str> = match kind {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    if names.contains(&"null") {
        out.insert("nullable".to_owned(), json!(true));
    }
    let names: Vec<&str> = names.into_iter().filter(|it| *it != "null").collect();
    match names.as_slice() {
        [] => {}
        [only] => {
            out.insert("type".to_owned(), json!(only));
        }
        several => {
            let any: Vec<Value> = several.iter().map(|it| json!({ "type": it })).collect();
            out.insert("anyOf".to_owned(), json!(any));
        }
    }
}

/// Choices, which are texts there; others are left to the type.
fn choices(map: &Map<String, Value>, out: &mut Map<String, Value>) {
    let one = map.get("const").map(std::slice::from_ref);
    let Some(all) = map.get("enum").and_then(Value::as_array).map(Vec::as_slice).or(one) else {
        return;
    };
    if all.iter().any(Value::is_null) {
        out.insert("nullable".to_owned(), json!(true));
    }
    let all: Vec<&Value> = all.iter().filter(|it| !it.is_null()).collect();
    if all.iter().all(|it| it.is_string()) {
        out.insert("type".to_owned(), json!("string"));
        out.insert("enum".to_owned(), json!(all));
    }
}

#[cfg(test)]
mod tests {
    use super::subset;
    use serde_json::json;

    #[test]
    fn schemas_are_put_into_the_subset() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "$defs": { "Point": {
                "type": "object",
                "properties": { "x": { "type": "integer" } },
                "required": ["x"],
                "additionalProperties": false,
            } },
            "properties": {
                "mood": { "enum": ["good", "bad"] },
                "note": { "type": ["string", "null"] },
                "at": { "anyOf": [{ "$ref": "#/$defs/Point" }, { "type": "null" }] },
                "either": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
                "kind": { "const": "a" },
                "level": { "enum": [1, 2], "type": "integer" },
            },
            "required": ["mood"],
        });
        let expected = json!({
            "type": "object",
            "propertyOrdering": ["mood", "note", "at", "either", "kind", "level"],
            "properties": {
                "mood": { "type": "string", "enum": ["good", "bad"] },
                "note": { "nullable": true, "type": "string" },
                "at": {
                    "nullable": true,
                    "type": "object",
                    "propertyOrdering": ["x"],
                    "properties": { "x": { "type": "integer" } },
                    "required": ["x"],
                },
                "either": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
                "kind": { "type": "string", "enum": ["a"] },
                "level": { "type": "integer" },
            },
            "required": ["mood"],
        });
        assert_eq!(subset(&schema), Some(expected));
    }

    #[test]
    fn a_recursive_schema_has_no_place_there() {
        let schema = json!({ "$defs": { "T": {
            "type": "object",
            "properties": { "next": { "$ref": "#/$defs/T" } },
        } }, "$ref": "#/$defs/T" });
        assert_eq!(subset(&schema), None);
    }
}
