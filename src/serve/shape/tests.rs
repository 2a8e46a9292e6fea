//! Shapes, and replies mended by them.

use super::Shape;
use crate::lm::Segment;
use serde_json::{Value, json};

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "topic": { "$ref": "#/$defs/Topic" },
            "reason": { "type": "string", "maxLength": 12 },
            "level": { "type": "integer", "minimum": 1, "maximum": 3 },
            "count": { "type": "integer" },
            "share": { "anyOf": [{ "type": "null" }, { "type": "number" }] },
            "sure": { "type": "boolean" },
            "pair": { "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 }
        },
        "required": ["topic"],
        "additionalProperties": false,
        "$defs": { "Topic": { "enum": ["a", "ab", null], "title": "Topic" } }
    })
}

#[test]
fn a_reply_of_a_template_is_json_of_the_schema() {
    let shape = Shape::of(&schema()).unwrap();
    let segments = shape.segments(None);
    assert_eq!(segments[0], Segment::Fixed("{\"topic\": ".to_owned()));
    let topics = ["\"a\"", "\"ab\"", "null"].map(str::to_owned).to_vec();
    assert_eq!(segments[1], Segment::Choice(topics));
    let written = r#"{"topic": "ab", "reason": "it\ is é \u0041 and so on", "level": 3, "count": -007, "share": 00.50, "sure": true, "pair": ["x", "tab	"]}"#;
    let mended: Value = serde_json::from_str(&shape.mended(written)).unwrap();
    assert_eq!(
        mended,
        json!({
            "topic": "ab", "reason": "it\\ is é \\u0", "level": 3, "count": -7, "share": 0.5,
            "sure": true, "pair": ["x", "tab\t"]
        })
    );
    // What was cut off is not made up.
    let cut = "{\"topic\": \"a\", \"reas";
    assert_eq!(shape.mended(cut), cut);
}

#[test]
fn what_cannot_be_held_to_is_refused_with_its_place() {
    let object = |property: Value| json!({ "type": "object", "properties": { "x": property } });
    for (schema, said) in [
        (json!({}), "the reply: a value of any type"),
        (json!({ "type": "object" }), "the reply: an object of any names"),
        (object(json!({ "type": "array", "items": {} })), "`x` of the reply: a list whose"),
        (object(json!({ "type": "string", "pattern": "a" })), "`x` of the reply: `pattern` of"),
        (
            object(json!({ "type": "integer", "minimum": 0 })),
            "`x` of the reply: `minimum`, but",
        ),
        (object(json!({ "$ref": "#/none" })), "`x` of the reply: `#/none` leads nowhere"),
        (json!({ "$ref": "#" }), "the reply: its references lead in a circle"),
        (object(json!({ "$ref": "#" })), "too large or contains itself"),
        (json!({ "enum": [] }), "the reply: no value is of it"),
        (json!({ "type": "thing" }), "the reply: there is no type `thing`"),
        (
            json!({ "type": "object", "properties": {}, "required": ["y"] }),
            "the reply: `y` is required and not among the properties",
        ),
    ] {
        let why = Shape::of(&schema).unwrap_err();
        assert!(why.contains(said), "{schema}: {why}");
    }
}
