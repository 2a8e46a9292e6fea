//! A value where no type says which kind is wanted.
//!
//! What is JSON, or was meant to be, becomes what it says; everything else stays the text that it
//! is. As nothing is known to be missing, more is mended here than under a type.

use crate::adapt::LibertyKind;
use crate::adapt::read::fit::number;
use crate::adapt::read::json::{self, Found, Kind};
use crate::adapt::read::text::{candidates, is_bracketed};
use crate::adapt::read::{Reader, Reading};
use crate::schema::{Ty, Value};

/// How many values on lines of their own are read as a list.
const MAX_VALUES: usize = 4096;

impl Reader<'_> {
    pub(super) fn any(&mut self, text: &str) -> Reading {
        let text = text.trim();
        if let Ok(value) = serde_json::from_str(text) {
            return Ok(value);
        }
        if let Some(value) = literal(text) {
            self.forgive(LibertyKind::Spelling, "another spelling of a literal");
            return Ok(value);
        }
        if let Some(reading) = self.any_scalar(text) {
            return reading;
        }
        let first = match self.any_whole(text) {
            Ok(reading) => return reading,
            Err(first) => first,
        };
        let bracketed = is_bracketed(text);
        let is_meant = |found: &Found<'_>| {
            let (filled, stands) = match &found.node.kind {
                Kind::Map(entries) => (!entries.is_empty(), true),
                Kind::List(items) => (!items.is_empty(), stands_out(found, text)),
                _ => (false, false),
            };
            let sound = !found.flaws.doubtful;
            stands && ((bracketed && (filled || sound)) || (filled && sound))
        };
        // Mostly the first one is it, and the others need not be looked for.
        let around_code = |it: &Found<'_>| text[it.start + 1..].trim_start().starts_with("```");
        let found = first.filter(|it| is_meant(it) && !around_code(it));
        let found = found.or_else(|| candidates(text, &Ty::Any).into_iter().find(is_meant));
        if let Some(found) = found {
            return self.fit_found(&found, text, &Ty::Any);
        }
        Ok(Value::from(text))
    }

    /// A number in another spelling, or a word with one of its quotes.
    fn any_scalar(&mut self, text: &str) -> Option<Reading> {
        let bare = text.trim_end_matches([',', ';']).trim_end();
        if is_numeric(bare) {
            let value = json_number(bare)?;
            self.forgive(LibertyKind::Spelling, "another spelling of a number");
            return Some(Ok(value));
        }
        let word = text.strip_suffix('"')?;
        let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_word = !word.is_empty() && word.chars().all(in_word);
        is_word.then(|| {
            self.forgive(LibertyKind::Wrapping, "one quote of two");
            Ok(Value::from(word))
        })
    }

    /// A text that is one value from end to end, or several of them; else the list or map that it
    /// begins with.
    fn any_whole<'t>(&mut self, text: &'t str) -> Result<Reading, Option<Found<'t>>> {
        if let Some(found) = json::read_bare_map(text) {
            self.forgive_flaws(&found.flaws);
            return Ok(self.fit(&found.node, &Ty::Any));
        }
        let found = values(text)?;
        let Some((first, rest)) = found.split_first() else { return Err(None) };
        if matches!(first.node.kind, Kind::Text(_)) && !is_quotation(first, text) {
            return Err(None);
        }
        if rest.is_empty() {
            self.forgive_flaws(&first.flaws);
            return Ok(self.fit(&first.node, &Ty::Any));
        }
        self.forgive(LibertyKind::Shape, "values without a list around them");
        found.iter().for_each(|it| self.forgive_flaws(&it.flaws));
        Ok(self.fit_items(found.iter().map(|it| &it.node), &Ty::Any))
    }
}

/// Whether a list is more than a word in brackets, as in `see [1]` or `[sic]`: it has its lines to
/// itself, or is announced.
fn stands_out(found: &Found<'_>, text: &str) -> bool {
    let (before, after) = (&text[..found.start], &text[found.end..]);
    let line = before.rsplit('\n').next().unwrap_or("").trim();
    let announced = is_announced(line);
    let rest = after.split('\n').next().unwrap_or("");
    announced
        || (line.is_empty()
            && (!rest.contains(char::is_alphanumeric) || rest.starts_with("```")))
}

/// Whether what follows a line's beginning was announced by it: `The answer: `, a fence, a tag.
pub(super) fn is_announced(line: &str) -> bool {
    let line = line.trim_end();
    line.strip_suffix("json").unwrap_or(line).trim_end().ends_with([':', '=', '`', '>'])
}

/// The values that a text is made of, with nothing but line breaks and commas between; where it
/// is made of anything else, the list or map that it begins with.
fn values(text: &str) -> Result<Vec<Found<'_>>, Option<Found<'_>>> {
    let mut all = json::Values::new(text);
    let mut found: Vec<Found<'_>> = Vec::new();
    while !all.rest().is_empty() {
        let begins = begins(all.rest()) && found.len() < MAX_VALUES;
        if begins {
            found.push(all.next_value());
        }
        if !begins || !found.last().is_some_and(is_sound) || !all.pass_separator() {
            let first = found.into_iter().next();
            return Err(first.filter(|it| matches!(it.node.kind, Kind::List(_) | Kind::Map(_))));
        }
    }
    Ok(found)
}

fn is_sound(found: &Found<'_>) -> bool {
    match &found.node.kind {
        Kind::Null | Kind::Bool(_) | Kind::Text(_) => true,
        Kind::Number => number(found.node.raw).is_some(),
        Kind::List(_) | Kind::Map(_) => !found.flaws.doubtful,
        Kind::Bare(_) | Kind::Elided | Kind::Absent => false,
    }
}

/// Whether what stands here, comments aside, could be a value and no prose.
fn begins(text: &str) -> bool {
    let text = json::behind_comments(text);
    text.starts_with(|c: char| {
        "{[\\-.".contains(c) || c.is_ascii_digit() || json::is_opening(c)
    }) || json::is_call(text)
        || ["true", "false", "null", "None", "True", "False"]
            .iter()
            .any(|it| text.starts_with(it))
}

/// Whether a string is all of the text, and not the first of several quotations in prose.
fn is_quotation(found: &Found<'_>, text: &str) -> bool {
    let inner = found.flaws.notes.contains(&"quotes inside strings");
    let plain = text.starts_with('"') || text.starts_with("\\\"");
    if found.node.cut {
        return plain && !inner;
    }
    // `"The TV is 72""` has an odd number of quotes, `"yes" or "no"` an even one.
    !inner || (plain && text.matches('"').count() % 2 == 1)
}

/// `None`, `True` and the like.
fn literal(text: &str) -> Option<Value> {
    match text {
        "None" | "undefined" | "NULL" | "Null" => Some(Value::Null),
        "True" | "TRUE" => Some(Value::Bool(true)),
        "False" | "FALSE" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// Whether a text looks like one number in JSON's way or nearly so.
pub(super) fn is_numeric(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+', '.']);
    text.len() < 64
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c))
}

/// The number that a text is; `007` is text.
pub(super) fn json_number(text: &str) -> Option<Value> {
    if crate::adapt::read::fit::is_padded(text) { None } else { number(text) }
}
