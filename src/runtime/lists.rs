//! What the prelude of the language is made of where the language itself would be too slow, or
//! cannot say it.

use crate::runtime::cx::{Args, Cx, wrong};
use crate::runtime::error::Error;
use crate::runtime::natives::Bound;
use crate::runtime::value::Val;
use crate::schema::Value;
use crate::util::lock;
use regex::{Regex, RegexBuilder};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// How many patterns are kept compiled.
const KEPT_PATTERNS: usize = 64;
/// The most memory that a compiled pattern takes, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// The natives of lists and patterns.
pub(in crate::runtime) fn natives() -> Vec<Bound> {
    fn bound(name: &'static str, call: fn(&Cx<'_>, Args) -> Result<Val, Error>) -> Bound {
        (name, Arc::new(call))
    }
    vec![
        bound("order_of", order_of),
        bound("first_places", first_places),
        bound("total_of", total_of),
        bound("mean_of", mean_of),
        bound("found_in", found_in),
    ]
}

fn list(args: &mut Args, name: &str) -> Result<Vec<Val>, Error> {
    match args.take(0, name).unwrap_or_default() {
        Val::List(items) => Ok(items),
        other => Err(wrong(name, "a list", &other)),
    }
}

fn places(places: impl IntoIterator<Item = usize>) -> Val {
    let int = |it| Val::Int(i64::try_from(it).unwrap_or(i64::MAX));
    Val::List(places.into_iter().map(int).collect())
}

/// What is compared of an item.
#[derive(Debug, Clone, Copy)]
enum Key<'a> {
    Nothing,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl<'a> Key<'a> {
    fn of(value: &'a Val) -> Result<Self, Error> {
        match value {
            Val::Null => Ok(Self::Nothing),
            Val::Bool(it) => Ok(Self::Bool(*it)),
            Val::Int(it) => Ok(Self::Int(*it)),
            Val::Float(it) => Ok(Self::Float(*it)),
            Val::Str(it) => Ok(Self::Text(it.as_str())),
            other => {
                let kind = crate::util::a(other.kind());
                Err(Error::value(format!("{kind} has no place in an order"))
                    .hint("say what to sort by: `items.sorted_by(|it| it.name)`"))
            }
        }
    }

    /// What can be compared with one another: numbers, texts, bools.
    fn kind(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Bool(_) => Some("bools"),
            Self::Int(_) | Self::Float(_) => Some("numbers"),
            Self::Text(_) => Some("texts"),
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(&b),
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Nothing, Self::Nothing) => Ordering::Equal,
            (Self::Nothing, _) => Ordering::Less,
            (_, Self::Nothing) => Ordering::Greater,
            (a, b) => a.number().total_cmp(&b.number()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as the host language compares them")]
    fn number(self) -> f64 {
        match self {
            Self::Int(it) => it as f64,
            Self::Float(it) => it,
            Self::Nothing | Self::Bool(_) | Self::Text(_) => f64::NAN,
        }
    }
}

/// `order_of(items, descending: false)`: the places of the items in their order. Equal ones stay
/// as they are.
fn order_of(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let descending = args.flag("descending")?.unwrap_or(false);
    let items = list(&mut args, "items")?;
    args.finish("order_of", 1, &["items", "descending"])?;
    let keys: Vec<Key<'_>> = items.iter().map(Key::of).collect::<Result<_, _>>()?;
    let kinds: BTreeSet<&str> = keys.iter().filter_map(|it| it.kind()).collect();
    if kinds.len() > 1 {
        let kinds: Vec<&str> = kinds.into_iter().collect();
        return Err(Error::value(format!("{} have no common order", kinds.join(" and "))));
    }
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|a, b| {
        let order = keys[*a].compare(keys[*b]);
        if descending { order.reverse() } else { order }
    });
    Ok(places(order))
}

/// `first_places(items)`: the places of the items that no equal one stands before.
fn first_places(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let items = list(&mut args, "items")?;
    args.finish("first_places", 1, &["items"])?;
    let mut seen = BTreeSet::new();
    let mut first = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if seen.insert(canonical(&item.to_value()?)) {
            first.push(at);
        }
    }
    Ok(places(first))
}

/// A text that equal values share: a float that is whole is equal to the integer.
fn canonical(value: &Value) -> String {
    match value {
        Value::Int(it) => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "as the host language compares them"
            )]
            let float = *it as f64;
            Value::Float(float).to_json()
        }
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(record) => {
            let entries: BTreeMap<String, String> = record
                .iter()
                .map(|(name, value)| (Value::from(&**name).to_json(), canonical(value)))
                .collect();
            format!("{entries:?}")
        }
        other => other.to_json(),
    }
}

/// `total_of(items)`: the sum of numbers.
fn total_of(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let items = list(&mut args, "items")?;
    args.finish("total_of", 1, &["items"])?;
    let (mut whole, mut float, mut is_float) = (0_i64, 0.0, false);
    for item in &items {
        match item {
            Val::Int(it) => {
                whole = whole
                    .checked_add(*it)
                    .ok_or_else(|| Error::value("the sum is larger than an int can be"))?;
            }
            Val::Float(it) => (float, is_float) = (float + it, true),
            other => return Err(wrong("items", "numbers", other)),
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "as the host language adds them")]
    let total = float + whole as f64;
    Ok(if is_float { Val::Float(total) } else { Val::Int(whole) })
}

/// `mean_of(items)`: the mean of numbers.
#[expect(clippy::cast_precision_loss, reason = "as the host language divides them")]
fn mean_of(cx: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let items = list(&mut args, "items")?;
    args.finish("mean_of", 1, &["items"])?;
    let count = items.len() as f64;
    match total_of(cx, Args::positional(vec![Val::List(items)]))? {
        _ if count == 0.0 => Err(Error::value("there is no mean of an empty list")),
        Val::Int(total) => Ok(Val::Float(total as f64 / count)),
        total => Ok(Val::Float(crate::runtime::cx::number("items", &total)? / count)),
    }
}

/// `found_in(text, pattern, limit: n)`: what a pattern finds in a text, or its first group.
fn found_in(_: &Cx<'_>, mut args: Args) -> Result<Val, Error> {
    let limit = args.count("limit")?.unwrap_or(usize::MAX);
    let text = args.take(0, "text").unwrap_or_default();
    let pattern = args.take(1, "pattern").unwrap_or_default();
    args.finish("found_in", 2, &["text", "pattern", "limit"])?;
    let (Some(text), Some(pattern)) = (text.as_str(), pattern.as_str()) else {
        let (name, value) =
            if text.as_str().is_some() { ("pattern", &pattern) } else { ("text", &text) };
        return Err(wrong(name, "a str", value));
    };
    let pattern = compiled(pattern)?;
    let found = pattern.captures_iter(text).take(limit).map(|found| {
        let part = if pattern.captures_len() > 1 { found.get(1) } else { found.get(0) };
        Val::str(part.map_or("", |it| it.as_str()))
    });
    Ok(Val::List(found.collect()))
}

/// A pattern that is ready to search; some are kept, for a loop asks for one again and again.
fn compiled(pattern: &str) -> Result<Regex, Error> {
    static KEPT: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    if let Some(known) = lock(&KEPT).get(pattern) {
        return Ok(known.clone());
    }
    let built = RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build();
    let built = built.map_err(|error| unreadable(pattern, &error))?;
    let mut kept = lock(&KEPT);
    if kept.len() >= KEPT_PATTERNS {
        kept.clear();
    }
    kept.insert(pattern.to_owned(), built.clone());
    Ok(built)
}

fn unreadable(pattern: &str, error: &regex::Error) -> Error {
    let why = match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    };
    let shown: String = pattern.chars().take(60).collect();
    Error::value(format!("`{shown}` is no pattern: {why}"))
        .hint("patterns are regular expressions; a raw text such as #\"\\d+\"# needs no `\\\\`")
}
