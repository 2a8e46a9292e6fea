//! JSON schemas as templates, for models that are decoded here.
//!
//! A template is a row of pieces: fixed text, choices, numbers, and texts of one line without
//! quotes. So an object is written with all its properties, in their order; where a schema leaves
//! a choice between a text and something else, the first that is not nothing is taken; lists must
//! have a fixed length. Every reply is of the schema, though not every value of the schema can be
//! a reply. What cannot be held to at all is refused, with its place.

use crate::lm::{Pattern, Segment};
use serde_json::{Map, Value};

/// How deep schemas may nest.
const DEEPEST: usize = 32;
/// The most items of a list, and the most numbers of a range that become choices.
const MOST: u64 = 64;
/// The most pieces of a reply.
const PIECES: usize = 4096;
/// The longest text, in tokens.
const TEXT: u32 = 256;
/// Words of strings that say what cannot be held to.
const OF_TEXTS: [&str; 2] = ["pattern", "format"];
/// Those of numbers.
const OF_NUMBERS: [&str; 5] =
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

/// What a reply is held to.
#[derive(Debug, PartialEq)]
pub(super) struct Shape(Vec<Piece>);

#[derive(Debug, PartialEq)]
enum Piece {
    Fixed(String),
    /// JSON of scalars.
    Choice(Vec<String>),
    /// What stands between quotes, of so many characters.
    Text(Option<usize>),
    Number(Pattern),
}

type Read<T> = Result<T, String>;

impl Shape {
    /// The shape of a schema's values.
    pub(super) fn of(schema: &Value) -> Read<Self> {
        let mut reader = Reader { root: schema, pieces: Vec::new(), depth: 0 };
        reader.value(schema, "the reply")?;
        Ok(Self(reader.pieces))
    }

    /// What a model is held to.
    pub(super) fn segments(&self, max_tokens: Option<u32>) -> Vec<Segment> {
        let segment = |piece: &Piece| match piece {
            Piece::Fixed(text) => Segment::Fixed(text.clone()),
            Piece::Choice(options) => Segment::Choice(options.clone()),
            Piece::Text(_) => Segment::Free {
                stop: vec!["\"".to_owned(), "\n".to_owned()],
                max_tokens: max_tokens.unwrap_or(TEXT),
            },
            Piece::Number(pattern) => Segment::Literal(*pattern),
        };
        self.0.iter().map(segment).collect()
    }

    /// A reply as JSON: what a model wrote between quotes is escaped, and numbers lose zeros that
    /// JSON does not have. A reply that was cut off stays as it is.
    pub(super) fn mended(&self, reply: &str) -> String {
        self.walk(reply).unwrap_or_else(|| reply.to_owned())
    }

    fn walk(&self, mut rest: &str) -> Option<String> {
        let mut mended = String::with_capacity(rest.len() + 16);
        for piece in &self.0 {
            let taken = match piece {
                Piece::Fixed(text) => {
                    mended.push_str(text);
                    rest.starts_with(text.as_str()).then_some(text.len())?
                }
                Piece::Choice(options) => {
                    let said = options.iter().filter(|it| rest.starts_with(it.as_str()));
                    let said = said.max_by_key(|it| it.len())?;
                    mended.push_str(said);
                    said.len()
                }
                Piece::Text(most) => {
                    let end = rest.find('"')?;
                    mended.push_str(&escaped(&rest[..end], *most));
                    end
                }
                Piece::Number(pattern) => {
                    let is_of = |it: char| it.is_ascii_digit() || matches!(it, '-' | '.');
                    let end = rest.find(|it| !is_of(it)).unwrap_or(rest.len());
                    mended.push_str(&number(&rest[..end], *pattern)?);
                    end
                }
            };
            rest = &rest[taken..];
        }
        rest.is_empty().then_some(mended)
    }
}

/// A text between quotes as JSON has it: with its escapes where they are right.
fn escaped(text: &str, most: Option<usize>) -> String {
    let read = serde_json::from_str::<String>(&format!("\"{text}\""));
    let text = read.unwrap_or_else(|_| text.to_owned());
    let text: String = text.chars().take(most.unwrap_or(usize::MAX)).collect();
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn number(text: &str, pattern: Pattern) -> Option<String> {
    match pattern {
        Pattern::Int => Some(text.parse::<i64>().ok()?.to_string()),
        Pattern::Float => Some(Value::from(text.parse::<f64>().ok()?).to_string()),
    }
}

struct Reader<'a> {
    root: &'a Value,
    pieces: Vec<Piece>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, schema: &'a Value, place: &str) -> Read<()> {
        if self.depth >= DEEPEST || self.pieces.len() >= PIECES {
            return Err(format!("{place}: it is too large or contains itself"));
        }
        self.depth += 1;
        let read = self.step(schema, place);
        self.depth -= 1;
        read
    }

    fn step(&mut self, schema: &'a Value, place: &str) -> Read<()> {
        let schema = self.resolved(schema, place)?;
        if let Some(options) = self.options(schema, 0) {
            if options.is_empty() {
                return Err(format!("{place}: no value is of it"));
            }
            self.pieces.push(Piece::Choice(options));
            return Ok(());
        }
        if let Some(ways) = ways(schema) {
            return self.first_of(ways, place);
        }
        match kind(schema) {
            Some("object") => self.object(schema, place),
            Some("array") => self.array(schema, place),
            Some("string") => self.text(schema, place),
            Some("integer") => self.number(schema, Pattern::Int, place),
            Some("number") => self.number(schema, Pattern::Float, place),
            Some(other) => Err(format!("{place}: there is no type `{other}`")),
            None => Err(format!("{place}: a value of any type")),
        }
    }

    /// The first way that can be held to, besides nothing.
    fn first_of(&mut self, ways: Vec<&'a Value>, place: &str) -> Read<()> {
        let mut wrong = None;
        for way in ways.into_iter().filter(|it| kind(it) != Some("null")) {
            let before = self.pieces.len();
            match self.value(way, place) {
                Ok(()) => return Ok(()),
                Err(why) => wrong = wrong.or(Some(why)),
            }
            self.pieces.truncate(before);
        }
        Err(wrong.unwrap_or_else(|| format!("{place}: no value is of it")))
    }

    fn object(&mut self, schema: &'a Value, place: &str) -> Read<()> {
        let none = Map::new();
        let properties = match schema.get("properties") {
            Some(Value::Object(properties)) => properties,
            _ if schema.get("additionalProperties") == Some(&Value::Bool(false)) => &none,
            _ => return Err(format!("{place}: an object of any names")),
        };
        let required = schema.get("required").and_then(Value::as_array);
        let names = required.into_iter().flatten().filter_map(Value::as_str);
        if let Some(name) = names.into_iter().find(|it| !properties.contains_key(*it)) {
            return Err(format!("{place}: `{name}` is required and not among the properties"));
        }
        let Some(Value::Object(properties)) = schema.get("properties") else {
            self.fixed("{}");
            return Ok(());
        };
        self.fixed("{");
        for (serial, (name, property)) in properties.iter().enumerate() {
            let comma = if serial == 0 { "" } else { ", " };
            self.fixed(&format!("{comma}{}: ", Value::from(name.as_str())));
            self.value(property, &format!("`{name}` of {place}"))?;
        }
        self.fixed("}");
        Ok(())
    }

    fn array(&mut self, schema: &'a Value, place: &str) -> Read<()> {
        let size = |name: &str| schema.get(name).and_then(Value::as_u64);
        let most = size("maxItems").filter(|it| size("minItems") == Some(*it) && *it <= MOST);
        let (Some(count), Some(items)) = (most, schema.get("items")) else {
            return Err(format!("{place}: a list whose length is not fixed"));
        };
        self.fixed("[");
        for serial in 0..count {
            self.fixed(if serial == 0 { "" } else { ", " });
            self.value(items, &format!("an item of {place}"))?;
        }
        self.fixed("]");
        Ok(())
    }

    fn text(&mut self, schema: &Value, place: &str) -> Read<()> {
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
        if let Some(word) = OF_TEXTS.iter().find(|it| schema.get(**it).is_some()) {
            return Err(format!("{place}: `{word}` of a string"));
        }
        if least > 1 {
            return Err(format!("{place}: `minLength` above 1"));
        }
        let most = schema.get("maxLength").and_then(Value::as_u64);
        self.fixed("\"");
        self.pieces.push(Piece::Text(most.and_then(|it| usize::try_from(it).ok())));
        self.fixed("\"");
        Ok(())
    }

    fn number(&mut self, schema: &Value, pattern: Pattern, place: &str) -> Read<()> {
        if let Some(word) = OF_NUMBERS.iter().find(|it| schema.get(**it).is_some()) {
            return Err(format!("{place}: `{word}`, but for a short range of whole numbers"));
        }
        self.pieces.push(Piece::Number(pattern));
        Ok(())
    }

    fn fixed(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Fixed(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Fixed(text.to_owned())),
        }
    }

    /// The schema that is meant by a reference.
    fn resolved(&self, mut schema: &'a Value, place: &str) -> Read<&'a Value> {
        for _ in 0..DEEPEST {
            let Some(name) = schema.get("$ref").and_then(Value::as_str) else {
                return Ok(schema);
            };
            let found = name.strip_prefix('#').and_then(|it| self.root.pointer(it));
            schema = found.ok_or_else(|| format!("{place}: `{name}` leads nowhere"))?;
        }
        Err(format!("{place}: its references lead in a circle"))
    }

    /// All values of a schema as JSON, where they are few and scalars.
    fn options(&self, schema: &'a Value, depth: usize) -> Option<Vec<String>> {
        let schema = self.resolved(schema, "").ok().filter(|_| depth < DEEPEST)?;
        if let Some(only) = schema.get("const") {
            return scalars(std::slice::from_ref(only));
        }
        if let Some(Value::Array(options)) = schema.get("enum") {
            return scalars(options);
        }
        if let Some(ways) = ways(schema) {
            let all = ways.into_iter().map(|it| self.options(it, depth + 1));
            return all.collect::<Option<Vec<_>>>().map(|it| it.concat());
        }
        match kind(schema)? {
            "boolean" => Some(vec!["true".to_owned(), "false".to_owned()]),
            "null" => Some(vec!["null".to_owned()]),
            "integer" => integers(schema),
            _ => None,
        }
    }
}

fn kind(schema: &Value) -> Option<&str> {
    schema.get("type").and_then(Value::as_str)
}

/// The schemas of which a value is of one.
fn ways(schema: &Value) -> Option<Vec<&Value>> {
    let all = ["anyOf", "oneOf"].iter().find_map(|it| schema.get(it)?.as_array());
    let single = || schema.get("allOf")?.as_array().filter(|it| it.len() == 1);
    all.or_else(single).map(|it| it.iter().collect())
}

fn scalars(values: &[Value]) -> Option<Vec<String>> {
    let scalar = |it: &Value| (!it.is_array() && !it.is_object()).then(|| it.to_string());
    values.iter().map(scalar).collect()
}

/// The whole numbers of a short range.
fn integers(schema: &Value) -> Option<Vec<String>> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    if schema.get("multipleOf").is_some() {
        return None;
    }
    let least = match (bound("minimum"), bound("exclusiveMinimum")) {
        (Some(least), None) => least,
        (None, Some(below)) => below.checked_add(1)?,
        _ => return None,
    };
    let most = match (bound("maximum"), bound("exclusiveMaximum")) {
        (Some(most), None) => most,
        (None, Some(above)) => above.checked_sub(1)?,
        _ => return None,
    };
    let count = most.checked_sub(least)?;
    (u64::try_from(count).is_ok_and(|it| it < MOST))
        .then(|| (least..=most).map(|it| it.to_string()).collect())
}

#[cfg(test)]
mod tests;
