//! Types as text, strict conversion, JSON schema, signatures.

#![allow(clippy::unwrap_used, reason = "a test that unwraps in vain fails, as it should")]

use dsp_lang::program::SignatureHash;
use dsp_lang::schema::{
    Bound, Field, Record, Signature, Ty, TypeTable, Value, convert, convert_fields, json_schema,
};
use serde_json::json;
use std::sync::Arc;

fn list(ty: Ty) -> Ty {
    Ty::List(Box::new(ty))
}

fn optional(ty: Ty) -> Ty {
    Ty::Optional(Box::new(ty))
}

fn bounded(ty: Ty, min: Option<f64>, max: Option<f64>, max_excluded: bool) -> Ty {
    Ty::Bounded(Box::new(ty), Bound { min, max, max_excluded })
}

fn labels(labels: &[&str]) -> Ty {
    Ty::Enum(Arc::new(labels.iter().map(|label| Value::from(*label)).collect()))
}

fn record(fields: &[(&str, Ty)]) -> Ty {
    Ty::Record(Arc::new(
        fields.iter().map(|(name, ty)| Field::new(*name, ty.clone())).collect(),
    ))
}

fn person() -> Ty {
    record(&[("name", Ty::Str), ("role", optional(Ty::Str))])
}

fn value(json: serde_json::Value) -> Value {
    serde_json::from_value(json).unwrap()
}

fn signature() -> Signature {
    Signature {
        name: "Triage".into(),
        instructions: "Sort.".into(),
        inputs: vec![Field::new("message", Ty::Str)],
        outputs: vec![Field::new("topic", Ty::Named("Topic".into()))],
        types: Arc::new(TypeTable::from([("Topic".into(), labels(&["a", "b"]))])),
        contracts: 0,
    }
}

#[test]
fn types_are_written_in_our_grammar() {
    let cases = [
        (bounded(list(Ty::Str), Some(1.0), Some(3.0), false), "list[str](1..=3)"),
        (bounded(Ty::Str, None, Some(60.0), false), "str(..=60)"),
        (bounded(Ty::Float, Some(0.0), Some(1.0), true), "float(0..1)"),
        (bounded(Ty::Int, Some(1.0), None, false), "int(1..)"),
        (labels(&["a", "b"]), r#""a" | "b""#),
        (optional(labels(&["a", "b"])), r#"("a" | "b")?"#),
        (person(), "{ name: str, role: str? }"),
        (Ty::Dict(Box::new(Ty::Any)), "dict[str, any]"),
        (Ty::Union(Arc::new(vec![Ty::Int, Ty::Str])), "int | str"),
        (Ty::Named("Tree".into()), "Tree"),
    ];
    for (ty, text) in cases {
        assert_eq!(ty.to_string(), text);
    }
}

#[test]
fn conversion_says_where_and_what() {
    let types = TypeTable::new();
    let people = record(&[("people", list(person()))]);
    let cases = [
        (Ty::Str, json!(1), "expected str, found int"),
        (Ty::Int, json!(1.0), "expected int, found float"),
        (Ty::Int, json!("1"), "expected int, found str"),
        (Ty::Str, json!(null), "expected str, found nothing"),
        (labels(&["a", "b"]), json!("c"), r#"expected "a" | "b", found "c""#),
        (
            people.clone(),
            json!({"people": [{"name": "x", "role": 1}]}),
            "people[0].role: expected str, found int",
        ),
        (people.clone(), json!({"people": [{}]}), "people[0]: missing field `name`"),
        (people, json!({"people": [], "x": 1}), "unknown field `x`"),
        (
            bounded(Ty::Int, Some(1.0), Some(5.0), false),
            json!(7),
            "expected int(1..=5), found 7",
        ),
        (
            bounded(Ty::Str, None, Some(2.0), false),
            json!("abc"),
            "expected str(..=2), found 3 characters",
        ),
        (
            bounded(list(Ty::Int), Some(1.0), None, false),
            json!([]),
            "expected list[int](1..), found 0 items",
        ),
    ];
    for (ty, json, message) in cases {
        assert_eq!(convert(&value(json), &ty, &types).unwrap_err().to_string(), message);
    }
}

#[test]
fn conversion_takes_ints_for_floats_and_fills_what_may_be_left_out() {
    let types = TypeTable::new();
    assert_eq!(convert(&Value::Int(2), &Ty::Float, &types), Ok(Value::Float(2.0)));
    let mut count = Field::new("count", Ty::Int);
    count.default = Some(Value::Int(4));
    let fields = [count, Field::new("note", optional(Ty::Str))];
    let filled = convert_fields(&Record::new(), &fields, &types).unwrap();
    assert_eq!(Value::map(filled), value(json!({"count": 4, "note": null})));
}

#[test]
fn recursive_types_end() {
    let tree = record(&[("value", Ty::Int), ("children", list(Ty::Named("Tree".into())))]);
    let types =
        TypeTable::from([("Tree".into(), tree), ("Loop".into(), Ty::Named("Loop".into()))]);
    let named = Ty::Named("Tree".into());
    let leaf = value(json!({"value": 1, "children": [{"value": 2, "children": []}]}));
    assert_eq!(convert(&leaf, &named, &types), Ok(leaf));
    let error = convert(&Value::Int(1), &Ty::Named("Loop".into()), &types).unwrap_err();
    assert_eq!(error.message, "nested too deeply");
    let schema = json_schema(&named, &types);
    assert_eq!(schema["$ref"], "#/$defs/Tree");
    let inner = &schema["$defs"]["Tree"]["properties"]["children"]["items"]["$ref"];
    assert_eq!(inner, "#/$defs/Tree");
}

#[test]
fn json_schema_has_bounds_labels_and_what_is_required() {
    let ty = record(&[
        ("score", bounded(Ty::Float, Some(0.0), Some(1.0), true)),
        ("tags", bounded(list(labels(&["a", "b"])), Some(1.0), Some(3.0), false)),
        ("note", optional(bounded(Ty::Str, None, Some(9.0), true))),
    ]);
    let expected = json!({
        "type": "object",
        "properties": {
            "score": { "type": "number", "minimum": 0, "exclusiveMaximum": 1 },
            "tags": {
                "type": "array",
                "items": { "type": "string", "enum": ["a", "b"] },
                "minItems": 1,
                "maxItems": 3,
            },
            "note": { "anyOf": [{ "type": "string", "maxLength": 8 }, { "type": "null" }] },
        },
        "required": ["score", "tags"],
        "additionalProperties": false,
    });
    assert_eq!(json_schema(&ty, &TypeTable::new()), expected);
}

#[test]
fn signatures_change_by_copies() {
    let sig = signature();
    let more = sig.with_field(Field::new("why", Ty::Str), Some(0), false);
    let names = more.outputs.iter().map(|field| &*field.name).collect::<Vec<_>>();
    assert_eq!(names, ["why", "topic"]);
    assert_eq!(more.without("why"), sig);
    assert_eq!(
        sig.with_instructions("").effective_instructions().as_ref(),
        "From `message`, write `topic`."
    );
}

#[test]
fn hashes_tell_structure_from_words() {
    let sig = signature();
    let words = sig.with_instructions("Sort it.").with_description("topic", "what about");
    assert_eq!(SignatureHash::of(&sig).structure, SignatureHash::of(&words).structure);
    assert_ne!(SignatureHash::of(&sig).text, SignatureHash::of(&words).text);
    let mut other = sig.clone();
    other.types = Arc::new(TypeTable::from([("Topic".into(), labels(&["a", "c"]))]));
    assert_ne!(SignatureHash::of(&sig).structure, SignatureHash::of(&other).structure);
    let mut unused = sig.clone();
    Arc::make_mut(&mut unused.types).insert("Unused".into(), Ty::Int);
    assert_eq!(SignatureHash::of(&sig).structure, SignatureHash::of(&unused).structure);
}
