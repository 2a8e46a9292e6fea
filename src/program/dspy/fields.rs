//! Instructions, and what files say of fields.

use super::{Reader, left_out, map, shown, text};
use crate::program::PredictorState;
use crate::schema::{Field, Record, Signature, Value};
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What a chain of thought writes before it answers; older versions called it otherwise.
pub(super) const REASONING: [&str; 2] = ["reasoning", "rationale"];

impl Reader<'_> {
    /// Instructions and descriptions.
    pub(super) fn words(&mut self, parts: &Record, state: &mut PredictorState) {
        // A chain of thought kept a second, extended signature before 2.6, and used that one.
        let listed = ["extended_signature", "signature"];
        let listed = listed.iter().find_map(|name| Some((*name, map(parts.get(*name)?)?)));
        let flat = ["extended_signature_", "signature_"];
        let flat = flat.iter().find(|it| parts.contains_key(&*format!("{it}instructions")));
        let mut instructions = None;
        // One version could be asked to write all fields, and then with their names.
        if let Some(Value::List(fields)) = parts.get("fields") {
            self.fields("fields", fields, state);
        }
        if let Some((name, signature)) = listed {
            instructions = text(signature, "instructions");
            if let Some(Value::List(fields)) = signature.get("fields") {
                self.fields(&format!("{name}.fields"), fields, state);
            }
        } else if let Some(prefix) = flat {
            instructions = text(parts, &format!("{prefix}instructions"));
            let name = format!("{prefix}prefix");
            let last = self.signature.outputs.last();
            if let (Some(said), Some(last)) = (text(parts, &name), last) {
                self.prefix(&name, said, last);
            }
        }
        let signature = self.signature;
        let own = |it: &&str| !is_made_up(it, signature) && **it != *signature.instructions;
        state.instructions = instructions.filter(own).map(str::to_owned);
    }

    /// Descriptions by field, without the placeholders that DSPy puts where there is none.
    fn fields(&mut self, place: &str, listed: &[Value], state: &mut PredictorState) {
        for (serial, (said, field)) in matched(listed, self.signature).into_iter().enumerate() {
            let place = format!("{place}[{serial}]");
            let description = text(said, "description").or_else(|| text(said, "desc"));
            let description = description.filter(|it| !it.is_empty() && !it.starts_with("${"));
            let prefix = text(said, "prefix").unwrap_or_default();
            match (field, description) {
                (None, None) => {
                    self.leave_out(&place, &format!("is {}, no field here", shown(prefix)));
                }
                (None, Some(it)) => {
                    let said = shown(it);
                    let why = format!("is {}, no field here: {said}", shown(prefix));
                    self.leave_out(&place, &why);
                }
                (Some(field), Some(it)) if field.description.as_deref() != Some(it) => {
                    state.descriptions.insert(field.name.as_ref().to_owned(), it.to_owned());
                }
                (Some(_), _) => {}
            }
            if let Some(field) = field {
                self.prefix(&format!("{place}.prefix"), prefix, field);
            }
        }
    }

    /// Tells of a prefix that was not made from the field's name.
    fn prefix(&mut self, place: &str, said: &str, field: &Field) {
        // A chain of thought had words of its own there.
        let usual = REASONING.contains(&&*field.name) || said.is_empty();
        if !usual
            && said.trim() != prefix_of(&field.name)
            && folded(said) != folded(&field.name)
        {
            let message =
                format!("`{}` is {}: fields have no prefixes", self.at(place), shown(said));
            self.warnings.push(left_out(message));
        }
    }
}

/// The fields that a file lists, each with the field of the signature that it speaks of.
fn matched<'a>(
    listed: &'a [Value],
    signature: &'a Signature,
) -> Vec<(&'a Record, Option<&'a Field>)> {
    let all: Vec<&Field> = signature.inputs.iter().chain(&signature.outputs).collect();
    let listed: Vec<&Record> = listed.iter().filter_map(map).collect();
    let mut found: Vec<Option<&Field>> = vec![None; listed.len()];
    let is_free = |found: &[Option<&Field>], field: &Field| {
        !found.iter().flatten().any(|it| it.name == field.name)
    };
    for (at, said) in listed.iter().enumerate() {
        let said = text(said, "name").or_else(|| text(said, "prefix"));
        let name = renamed(folded(said.unwrap_or_default()), signature);
        let field = all.iter().find(|it| folded(&it.name) == name);
        found[at] = field.copied().filter(|it| is_free(&found, it));
    }
    if listed.len() == all.len() {
        let in_order = |(at, it): (usize, &Option<&Field>)| {
            it.is_none_or(|field| field.name == all[at].name)
        };
        let left: Vec<&Field> = all.iter().filter(|it| is_free(&found, it)).copied().collect();
        // Where the order is another one, places say nothing, unless there is only one.
        match (found.iter().enumerate().all(in_order), left.as_slice()) {
            (true, _) => found = all.into_iter().map(Some).collect(),
            (false, [only]) => {
                found.iter_mut().filter(|it| it.is_none()).for_each(|it| *it = Some(only));
            }
            (false, _) => {}
        }
    }
    listed.into_iter().zip(found).collect()
}

/// The name that this signature has for what a chain of thought writes first.
pub(super) fn renamed<'a>(
    name: impl Into<Cow<'a, str>>,
    signature: &Signature,
) -> Cow<'a, str> {
    let name = name.into();
    if signature.field(&name).is_some() || !REASONING.contains(&&*name) {
        return name;
    }
    let other = REASONING.into_iter().find(|it| signature.output(it).is_some());
    other.map_or(name, Cow::Borrowed)
}

/// The letters and digits of a name or of the prefix that was made from it: `Search Query:` and
/// `search_query` have the same.
fn folded(name: &str) -> String {
    let words = name.split(':').next().unwrap_or_default();
    words.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The prefix that DSPy makes from a field's name: words apart at capitals, digits and `_`, each
/// with a capital, but for those that are capitals all through.
pub(super) fn prefix_of(name: &str) -> String {
    static CUTS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
        ["(.)([A-Z][a-z]+)", "([a-z0-9])([A-Z])", r"([a-zA-Z])(\d)", r"(\d)([a-zA-Z])"]
            .map(|it| Regex::new(it).expect("a pattern of ours"))
    });
    let cut = |name: String, at: &Regex| at.replace_all(&name, "${1}_${2}").into_owned();
    let cut = CUTS.iter().fold(name.to_owned(), cut);
    let words = cut.split('_').map(|word| {
        let is_capitals =
            word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase);
        if is_capitals { word.to_owned() } else { capitalized(word) }
    });
    words.collect::<Vec<String>>().join(" ") + ":"
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars.flat_map(char::to_lowercase)).collect()
}

/// The instructions that DSPy makes up for a signature without any.
pub(super) fn made_up(inputs: &[String], outputs: &[String]) -> String {
    let names = |names: &[String]| {
        names.iter().map(|it| format!("`{it}`")).collect::<Vec<String>>().join(", ")
    };
    format!("Given the fields {}, produce the fields {}.", names(inputs), names(outputs))
}

/// Whether instructions are those that DSPy makes up for this signature. For another one they say
/// something: what a predictor inside of a program is after.
fn is_made_up(text: &str, signature: &Signature) -> bool {
    let halves = text
        .strip_prefix("Given the fields ")
        .and_then(|it| it.strip_suffix('.'))
        .and_then(|it| it.split_once(", produce the fields "));
    let names = |half: &str| -> BTreeSet<String> {
        half.split(", ").map(|it| it.trim_matches('`').to_owned()).collect()
    };
    let own = |fields: &[Field]| -> BTreeSet<String> {
        let all = fields.iter().map(|it| it.name.as_ref().to_owned());
        all.filter(|it| !REASONING.contains(&it.as_str())).collect()
    };
    halves.is_some_and(|(inputs, outputs)| {
        let mut outputs = names(outputs);
        outputs.retain(|it| !REASONING.contains(&it.as_str()));
        names(inputs) == own(&signature.inputs) && outputs == own(&signature.outputs)
    })
}
