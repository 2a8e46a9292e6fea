//! The same requests in the binary form of OTLP, for collectors that take no JSON.
//!
//! What is written is the JSON of a request; here stands which number each of its names has, and
//! how its values are written (opentelemetry-proto 1, which is stable: numbers never change).

use serde_json::Value as Json;

/// A part of a message: its name in JSON, its number, and how it is written. What is a list in
/// JSON is written once for each item.
struct Field(&'static str, u32, Kind);

/// How a value is written.
enum Kind {
    /// A text.
    Text,
    /// Bytes, which JSON has in hexadecimal.
    Hex,
    /// A number that JSON has as such.
    Number,
    /// A whole number of 64 bits, which JSON has as a text.
    Int,
    /// The same without a sign, in eight bytes.
    Fixed,
    /// Yes or no.
    Bool,
    /// A number with a fraction.
    Double,
    /// A message.
    Message(&'static [Field]),
}

static REQUEST: [Field; 1] = [Field("resourceSpans", 1, Kind::Message(&RESOURCE_SPANS))];
static RESOURCE_SPANS: [Field; 2] = [
    Field("resource", 1, Kind::Message(&RESOURCE)),
    Field("scopeSpans", 2, Kind::Message(&SCOPE_SPANS)),
];
static RESOURCE: [Field; 1] = [Field("attributes", 1, Kind::Message(&KEY_VALUE))];
static SCOPE_SPANS: [Field; 2] =
    [Field("scope", 1, Kind::Message(&SCOPE)), Field("spans", 2, Kind::Message(&SPAN))];
static SCOPE: [Field; 2] = [Field("name", 1, Kind::Text), Field("version", 2, Kind::Text)];
static SPAN: [Field; 11] = [
    Field("traceId", 1, Kind::Hex),
    Field("spanId", 2, Kind::Hex),
    Field("parentSpanId", 4, Kind::Hex),
    Field("name", 5, Kind::Text),
    Field("kind", 6, Kind::Number),
    Field("startTimeUnixNano", 7, Kind::Fixed),
    Field("endTimeUnixNano", 8, Kind::Fixed),
    Field("attributes", 9, Kind::Message(&KEY_VALUE)),
    Field("events", 11, Kind::Message(&EVENT)),
    Field("links", 13, Kind::Message(&LINK)),
    Field("status", 15, Kind::Message(&STATUS)),
];
static EVENT: [Field; 3] = [
    Field("timeUnixNano", 1, Kind::Fixed),
    Field("name", 2, Kind::Text),
    Field("attributes", 3, Kind::Message(&KEY_VALUE)),
];
static LINK: [Field; 3] = [
    Field("traceId", 1, Kind::Hex),
    Field("spanId", 2, Kind::Hex),
    Field("attributes", 4, Kind::Message(&KEY_VALUE)),
];
static STATUS: [Field; 2] = [Field("message", 2, Kind::Text), Field("code", 3, Kind::Number)];
static KEY_VALUE: [Field; 2] =
    [Field("key", 1, Kind::Text), Field("value", 2, Kind::Message(&ANY_VALUE))];
static ANY_VALUE: [Field; 5] = [
    Field("stringValue", 1, Kind::Text),
    Field("boolValue", 2, Kind::Bool),
    Field("intValue", 3, Kind::Int),
    Field("doubleValue", 4, Kind::Double),
    Field("arrayValue", 5, Kind::Message(&ARRAY_VALUE)),
];
static ARRAY_VALUE: [Field; 1] = [Field("values", 1, Kind::Message(&ANY_VALUE))];

/// A request of [`to_otlp`](super::to_otlp) in binary form.
pub fn to_protobuf(request: &Json) -> Vec<u8> {
    message(request, &REQUEST)
}

fn message(of: &Json, fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for Field(name, number, kind) in fields {
        match of.get(name) {
            None | Some(Json::Null) => {}
            Some(Json::Array(items)) => {
                items.iter().for_each(|it| push(&mut out, *number, kind, it));
            }
            Some(value) => push(&mut out, *number, kind, value),
        }
    }
    out
}

/// Numbers are preceded by what they are: a varint, eight bytes, or so many bytes.
const VARINT: u32 = 0;
const EIGHT: u32 = 1;
const LENGTH: u32 = 2;

fn push(out: &mut Vec<u8>, number: u32, kind: &Kind, value: &Json) {
    let text = || value.as_str().unwrap_or_default();
    let tag = |wire: u32| u64::from(number << 3 | wire);
    match kind {
        Kind::Text => push_bytes(out, tag(LENGTH), text().as_bytes()),
        Kind::Hex => push_bytes(out, tag(LENGTH), &bytes(text())),
        Kind::Message(fields) => push_bytes(out, tag(LENGTH), &message(value, fields)),
        Kind::Number => push_varints(out, [tag(VARINT), value.as_u64().unwrap_or_default()]),
        Kind::Bool => {
            push_varints(out, [tag(VARINT), value.as_bool().unwrap_or_default().into()]);
        }
        Kind::Int => {
            let number: i64 = text().parse().unwrap_or_default();
            push_varints(out, [tag(VARINT), number.cast_unsigned()]);
        }
        Kind::Fixed => {
            push_varints(out, [tag(EIGHT)]);
            out.extend(text().parse::<u64>().unwrap_or_default().to_le_bytes());
        }
        Kind::Double => {
            push_varints(out, [tag(EIGHT)]);
            out.extend(value.as_f64().unwrap_or_default().to_le_bytes());
        }
    }
}

fn push_bytes(out: &mut Vec<u8>, tag: u64, bytes: &[u8]) {
    push_varints(out, [tag, bytes.len() as u64]);
    out.extend(bytes);
}

/// Seven bits a byte, the lowest first; all but the last byte of a number say that more follows.
fn push_varints<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    for mut number in numbers {
        while number > 0x7f {
            out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len() / 2).map(|at| hex.get(2 * at..2 * at + 2));
    pairs.filter_map(|it| u8::from_str_radix(it?, 16).ok()).collect()
}
