//! The text of a field under its type.

use crate::adapt::LibertyKind;
use crate::adapt::read::fit::is_nothing;
use crate::adapt::read::json::{self, Found, Kind, Mode};
use crate::adapt::read::number::{self, Num, Spelling};
use crate::adapt::read::plain::fence;
use crate::adapt::read::{Best, MAX_DEPTH, Reader, Reading, label, list, sections};
use crate::schema::{ConvertError, Field, Record, Ty, Value, brief, check_bound, shortened};
use std::sync::Arc;

/// How many lists and maps of a text are tried. Each may be read to the end of the text, so
/// this also bounds the work.
const MAX_CANDIDATES: usize = 12;
/// How often a long text is passed over in search of them.
const MAX_PASSES: usize = 2;

impl Reader<'_> {
    pub(super) fn text(&mut self, text: &str, ty: &Ty) -> Reading {
        if self.depth >= MAX_DEPTH {
            return Err(ConvertError::new("nested too deeply"));
        }
        if self.depth == 0 {
            self.allow(text.len());
        }
        self.depth += 1;
        let reading = self.text_step(text, ty);
        self.depth -= 1;
        reading
    }

    fn text_step(&mut self, text: &str, ty: &Ty) -> Reading {
        match ty {
            // What may be chosen is known before a reply is read.
            Ty::Str | Ty::OneOf(_) => Ok(Value::from(text.trim())),
            Ty::Int | Ty::Float => self.number(text, ty),
            Ty::Bool | Ty::Enum(_) => self.label(text, ty),
            Ty::Any | Ty::History | Ty::Media(_) => self.any(text),
            Ty::List(_) | Ty::Dict(_) | Ty::Record(_) => self.container(text, ty),
            Ty::Optional(inner) => self.optional(text, inner),
            Ty::Union(members) => self.union(text, members, ty),
            Ty::Named(name) => match self.types.get(name) {
                Some(named) => self.text(text, named),
                None => Err(ConvertError::new(format!("unknown type `{name}`"))),
            },
            Ty::Bounded(inner, bound) => {
                let outer = self.bound.replace(*bound);
                let value = self.text(text, inner);
                self.bound = outer;
                let value = value?;
                check_bound(&value, bound, ty).map(|()| value)
            }
        }
    }

    fn number(&mut self, text: &str, ty: &Ty) -> Reading {
        let (num, spelling) = number::read(text, &self.name).ok_or_else(|| unread(text, ty))?;
        let num = match (spelling, ty) {
            (Spelling::Fraction, Ty::Int) => return Err(unread(text, ty)),
            (Spelling::Percent, Ty::Float) => {
                self.percentage(num).ok_or_else(|| unread(text, ty))?
            }
            _ => num,
        };
        let value = match ty {
            Ty::Float => Value::Float(num.as_float()),
            _ => Value::Int(num.as_int().ok_or_else(|| unread(text, ty))?),
        };
        match (spelling, num, ty) {
            (Spelling::Plain, Num::Float(_), Ty::Int) => {
                self.forgive(LibertyKind::Spelling, "a whole float for an int");
            }
            (Spelling::Plain, ..) => {}
            (Spelling::Prose, ..) => {
                self.forgive(LibertyKind::Prose, "the only number in prose");
            }
            _ => self.forgive(LibertyKind::Spelling, "another spelling of a number"),
        }
        Ok(value)
    }

    /// `50%` is 0.5 where at most 1 is allowed and 50 where 100 is; elsewhere nobody knows.
    fn percentage(&self, num: Num) -> Option<Num> {
        let max = self.bound?.max?;
        if max <= 1.0 {
            return Some(Num::Float(num.as_float() / 100.0));
        }
        (max >= 100.0).then_some(num)
    }

    fn label(&mut self, text: &str, ty: &Ty) -> Reading {
        let found = match ty {
            Ty::Enum(options) => {
                label::read(options, text, &self.name).map(|(it, how)| (it.clone(), how))
            }
            _ => label::truth(text, &self.name).map(|(it, how)| (Value::Bool(it), how)),
        };
        let (value, how) = found.ok_or_else(|| unread(text, ty))?;
        match how {
            label::Match::Exact => {}
            label::Match::Spelled => {
                self.forgive(LibertyKind::Spelling, "another spelling of a label");
            }
            label::Match::Prose => self.forgive(LibertyKind::Prose, "the only label in prose"),
        }
        Ok(value)
    }

    fn optional(&mut self, text: &str, inner: &Ty) -> Reading {
        let trimmed = text.trim();
        if trimmed == "null" {
            return Ok(Value::Null);
        }
        if self.is_text(inner) {
            if matches!(trimmed, "None" | "none") {
                self.forgive(LibertyKind::Spelling, "a word for nothing");
                return Ok(Value::Null);
            }
            // The text `null` is written `\null`.
            let escaped = trimmed.strip_prefix('\\').filter(|rest| is_null_word(rest));
            return self.text(escaped.unwrap_or(text), inner);
        }
        if is_nothing(trimmed) {
            self.forgive(LibertyKind::Spelling, "a word for nothing");
            return Ok(Value::Null);
        }
        self.text(text, inner)
    }

    fn union(&mut self, text: &str, members: &[Ty], ty: &Ty) -> Reading {
        let mut best = Best::default();
        // Quotes say that text is meant: `"5"` is no number where text is welcome.
        let quoted = serde_json::from_str::<String>(text.trim()).ok();
        let text_member = members.iter().find(|it| self.is_text(it));
        if let (Some(quoted), Some(member)) = (quoted, text_member) {
            return self.text(&quoted, member);
        }
        for member in members {
            let is_text = self.is_text(member);
            self.attempt(&mut best, |it| {
                // Anything is text: it is the last resort.
                it.cost += if is_text { 2 } else { 0 };
                it.text(text, member)
            });
        }
        self.settle(best, || unread(text, ty))
    }

    fn container(&mut self, text: &str, ty: &Ty) -> Reading {
        if let Some(inner) = encoded(text).filter(|it| self.may_unpack(it)) {
            self.forgive(LibertyKind::Shape, "JSON inside text");
            return self.text(&inner, ty);
        }
        let mut best = Best::default();
        let mut found = candidates(text, ty);
        // The items of a list that was cut off are not all of it.
        let cut = found.first().is_some_and(|it| it.flaws.truncated && it.node.is_list());
        if cut && matches!(ty, Ty::List(_)) {
            found.truncate(1);
        }
        for one in &found {
            self.attempt(&mut best, |it| it.fit_found(one, text, ty));
        }
        match ty {
            Ty::List(item) => {
                if found.len() > 1 {
                    self.attempt(&mut best, |it| it.several(&found, item));
                }
                // JSON beside words is what is meant, unless it stands inside the words.
                if list::is_bulleted(text) || (best.found.is_none() && !is_bracketed(text)) {
                    self.attempt(&mut best, |it| it.list(text, item));
                }
            }
            Ty::Dict(item) if best.found.is_none() && !is_bracketed(text) => {
                self.attempt(&mut best, |it| it.pairs(text, item));
            }
            Ty::Record(fields) if best.found.is_none() => {
                self.attempt(&mut best, |it| it.lines(text, fields));
                if let ([_], Some(node)) = (&fields[..], json::literal(text.trim())) {
                    self.attempt(&mut best, |it| it.fit(&node, ty));
                }
            }
            _ => {}
        }
        self.settle(best, || unread(text, ty))
    }

    /// JSON that was found in a text, with what stands around it.
    pub(super) fn fit_found(&mut self, found: &Found<'_>, text: &str, ty: &Ty) -> Reading {
        self.forgive_around(found, text);
        self.forgive_flaws(&found.flaws);
        self.fit(&found.node, ty)
    }

    pub(super) fn forgive_around(&mut self, found: &Found<'_>, text: &str) {
        let (before, after) = (text[..found.start].trim(), text[found.end..].trim());
        let said = before.trim_end_matches("json").trim_end_matches("```").trim();
        let rest = after.trim_start_matches("```").trim_start();
        let strays = rest.trim_start_matches(['}', ']', ')', ';', ',', '`']).trim();
        if !is_markup(said) || !is_markup(strays) {
            let first = self.liberties.len();
            self.forgive(LibertyKind::Prose, "text around JSON");
            self.place(first, if is_markup(said) { after } else { before });
        } else if !before.is_empty() || !strays.is_empty() || rest.len() < after.len() {
            self.forgive(LibertyKind::Wrapping, "a code fence or tag");
        }
        if strays.len() < rest.len() {
            self.forgive(LibertyKind::Repair, "stray brackets behind JSON");
        }
    }

    /// One object after the other, where a list of them is wanted.
    fn several(&mut self, found: &[Found<'_>], item: &Ty) -> Reading {
        let maps = found.iter().filter(|it| matches!(it.node.kind, Kind::Map(_)));
        let nodes = maps.clone().map(|it| &it.node).collect::<Vec<_>>();
        if nodes.len() < 2 {
            return Err(ConvertError::new("a list is wanted"));
        }
        self.forgive(LibertyKind::Shape, "objects without a list around them");
        maps.for_each(|it| self.forgive_flaws(&it.flaws));
        self.fit_items(nodes.into_iter(), item)
    }

    /// `name: Ada` line by line, for a record.
    fn lines(&mut self, text: &str, fields: &[Field]) -> Reading {
        let names = fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
        let found = sections::headed(text, &names);
        if found.iter().all(Option::is_none) {
            return Err(unread(text, &Ty::Record(Arc::new(fields.to_vec()))));
        }
        self.forgive(LibertyKind::Shape, "lines for an object");
        let mut record = Record::new();
        for (field, body) in fields.iter().zip(found) {
            let value = match body {
                Some(body) => self.with_name(&field.name, |it| it.text(body, &field.ty)),
                None => self.absent(field),
            };
            let value = value.map_err(|error| error.inside(&field.name))?;
            record.insert(field.name.clone(), value);
        }
        Ok(Value::map(record))
    }
}

/// The list or map that was written as a JSON string.
fn encoded(text: &str) -> Option<String> {
    let text = text.trim();
    let opens = text.strip_prefix('"')?.trim_start().starts_with(['{', '[']);
    if opens { serde_json::from_str(text).ok() } else { None }
}

fn is_null_word(text: &str) -> bool {
    matches!(text.trim_start_matches('\\'), "null" | "None" | "none")
}

/// Whether a text, or the block of code that it is, begins as JSON.
pub(super) fn is_bracketed(text: &str) -> bool {
    let text = text.trim();
    fence(text).unwrap_or(text).trim_start().starts_with(['{', '['])
}

/// Whether nothing is said: only tags and signs.
fn is_markup(text: &str) -> bool {
    let tag = text.starts_with('<') && text.ends_with('>') && !text.contains(' ');
    tag || !text.contains(char::is_alphanumeric)
}

/// The lists and maps that stand in a text.
pub(super) fn candidates<'t>(text: &'t str, ty: &Ty) -> Vec<Found<'t>> {
    let mode = Mode { loose: matches!(ty, Ty::Any), partial: false };
    let mut found = Vec::new();
    let trimmed = text.trim_start();
    let maps = matches!(ty, Ty::Dict(_) | Ty::Record(_));
    let quoted = trimmed.starts_with(json::is_opening) && !trimmed.starts_with('`');
    if maps && quoted && trimmed.contains(':') {
        found.push(json::read_unbraced(text, text.len() - trimmed.len(), mode));
        return found;
    }
    let tuple = trimmed.starts_with('(') && trimmed.trim_end().ends_with(')');
    let mut at = 0;
    let mut spare = (MAX_PASSES * text.len()).max(1024);
    while found.len() < MAX_CANDIDATES && spare > text.len() / 8 {
        let opens = |c: char| matches!(c, '{' | '[') || (c == '(' && at == 0 && tuple);
        let Some(offset) = text[at..].find(opens) else { break };
        let inner = text[at + offset + 1..].trim_start();
        if inner.starts_with("```") && text[at + offset..].starts_with('{') {
            // A block of code in braces: the braces belong to nothing.
            at = text.len() - inner.len();
            continue;
        }
        let one = json::read_at(text, at + offset, mode);
        // A bracket that is never closed may be no JSON; something inside may be.
        let unsure = one.flaws.truncated || one.flaws.doubtful;
        spare = spare.saturating_sub(one.end - one.start);
        at = if unsure { one.start + 1 } else { one.end.max(one.start + 1) };
        found.push(one);
    }
    found
}

/// The message for a text that is no value of a type.
pub(super) fn unread(text: &str, ty: &Ty) -> ConvertError {
    let text = text.trim();
    let found = match text.lines().next() {
        None => "nothing".to_owned(),
        Some(line) => format!("`{}`", shortened(line, 60)),
    };
    ConvertError::new(format!("expected {}, found {found}", brief(ty)))
}
