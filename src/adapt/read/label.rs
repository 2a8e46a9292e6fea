//! Labels of an enum, and yes and no.
//!
//! A label is taken where exactly one is named. An answer that names two, or says what it is
//! not, is refused.

use crate::adapt::read::number;
use crate::adapt::read::plain::{folded, is_negated, occurrences, undecorated};
use crate::schema::Value;

/// How a label was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// Letter by letter.
    Exact,
    /// But for case, quotes, markup or separators.
    Spelled,
    /// In prose that names no other.
    Prose,
}

/// The option that `text` names.
pub(super) fn read<'o>(
    options: &'o [Value],
    text: &str,
    name: &str,
) -> Option<(&'o Value, Match)> {
    let text = text.trim();
    if let Some(option) = options.iter().find(|it| it.as_str() == Some(text)) {
        return Some((option, Match::Exact));
    }
    whole(options, text, name)
        .map(|option| {
            (option, if spells(option, text) { Match::Exact } else { Match::Spelled })
        })
        .or_else(|| by_line(options, text, name).map(|it| (it, Match::Prose)))
        .or_else(|| prose(options, text).map(|it| (it, Match::Prose)))
        .or_else(|| numbered(options, text, name))
}

fn spells(option: &Value, text: &str) -> bool {
    option.to_string() == text
}

/// The option that is the whole of `text`.
fn whole<'o>(options: &'o [Value], text: &str, name: &str) -> Option<&'o Value> {
    let (bare, _) = undecorated(text, name);
    let spelled = |text: &str| {
        let folded = folded(text);
        let mut same = options.iter().filter(|option| match option {
            Value::Str(label) => **label == *text || self::folded(label) == folded,
            _ => option.to_string().to_lowercase() == text.to_lowercase(),
        });
        let first = same.next()?;
        same.next().is_none().then_some(first)
    };
    let exact = |text: &str| options.iter().find(|option| option.as_str() == Some(text));
    exact(bare)
        .or_else(|| spelled(text))
        .or_else(|| spelled(bare).filter(|_| !folded(bare).is_empty()))
}

/// The option that is a whole line, with prose before or after.
fn by_line<'o>(options: &'o [Value], text: &str, name: &str) -> Option<&'o Value> {
    if !text.contains('\n') {
        return None;
    }
    let mut named = text.lines().filter_map(|line| whole(options, line, name));
    let first = named.next()?;
    named.all(|option| option == first).then_some(first)
}

/// The only option that a text mentions. Spelled as declared goes first: with the labels `ONE`
/// and `TWO`, `TWO is one of them` names one.
fn prose<'o>(options: &'o [Value], text: &str) -> Option<&'o Value> {
    let labels = || options.iter().filter(|option| option.as_str().is_some());
    let mut exact = mentions(labels(), text, false);
    if exact.is_empty() {
        exact = mentions(labels(), &text.to_lowercase(), true);
    }
    let first = exact.first()?;
    exact.iter().all(|it| it.option == first.option && !it.refused).then_some(first.option)
}

struct Mention<'o> {
    option: &'o Value,
    start: usize,
    end: usize,
    /// The text says that it is not this one.
    refused: bool,
}

fn mentions<'o>(
    options: impl Iterator<Item = &'o Value>,
    text: &str,
    lower: bool,
) -> Vec<Mention<'o>> {
    let mut found = Vec::new();
    for option in options {
        let Some(label) = option.as_str() else { continue };
        if label.chars().count() < 2 && (lower || label.is_empty()) {
            continue;
        }
        let label = if lower { label.to_lowercase() } else { label.to_owned() };
        for start in occurrences(text, &label) {
            let end = start + label.len();
            if label.chars().count() > 1 || points_out(text, start, end) {
                found.push(Mention { option, start, end, refused: is_negated(text, start) });
            }
        }
    }
    // `bug` inside `bug report` is no mention of `bug`.
    let spans = found.iter().map(|it| (it.start, it.end)).collect::<Vec<_>>();
    found.retain(|it| {
        !spans.iter().any(|(start, end)| {
            *start <= it.start && it.end <= *end && end - start > it.end - it.start
        })
    });
    found
}

/// Whether a single letter is meant as a label (`B)`, `is B.`) and not as a word.
fn points_out(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].trim_end_matches(['*', '(', '"', '\'', '`', ' ']);
    let after = text[end..].trim_start_matches(['*', '"', '\'', '`']);
    let cue = ["is", "option", "Option", "choice", "Choice", "answer", ":"];
    cue.iter().any(|word| before.ends_with(word))
        && after.chars().next().is_none_or(|c| c != ' ')
        || after.starts_with([')', ':'])
        || (before.is_empty() && after.starts_with('.'))
}

/// The option that is the number which `text` states, or the only one in it.
fn numbered<'o>(options: &'o [Value], text: &str, name: &str) -> Option<(&'o Value, Match)> {
    let integers = || options.iter().filter(|option| matches!(option, Value::Int(_)));
    integers().next()?;
    let (num, spelling) = number::read(text, name)?;
    let int = num.as_int()?;
    let option = integers().find(|option| **option == Value::Int(int))?;
    let plain = spelling == number::Spelling::Plain;
    Some((option, if plain { Match::Exact } else { Match::Spelled }))
}

/// The truth that `text` states.
pub(super) fn truth(text: &str, name: &str) -> Option<(bool, Match)> {
    let text = text.trim();
    if let "true" | "false" = text {
        return Some((text == "true", Match::Exact));
    }
    let (bare, _) = undecorated(text, name);
    if let Some(it) = truth_word(bare).or_else(|| truth_word(text)) {
        return Some((it, Match::Spelled));
    }
    truth_by_line(text, name)
        .or_else(|| opening_word(bare))
        .or_else(|| truth_in_prose(text))
        .map(|it| (it, Match::Prose))
}

fn truth_word(word: &str) -> Option<bool> {
    match &*word.to_lowercase() {
        "true" | "yes" | "y" | "t" | "1" | "on" | "１" | "✓" | "✔" | "✅" => Some(true),
        "false" | "no" | "n" | "f" | "0" | "off" | "０" | "✗" | "✘" | "❌" => Some(false),
        _ => None,
    }
}

fn truth_by_line(text: &str, name: &str) -> Option<bool> {
    let mut said = text.lines().filter_map(|line| truth_word(undecorated(line, name).0));
    let first = said.next()?;
    (text.contains('\n') && said.all(|it| it == first)).then_some(first)
}

/// `Yes, because …`: the first word answers, where the rest does not take it back.
fn opening_word(text: &str) -> Option<bool> {
    let end = text.find(|c: char| !c.is_alphanumeric())?;
    let (word, rest) = text.split_at(end);
    let said = truth_word(word).filter(|_| word.len() > 1)?;
    let set_off = rest
        .trim_start_matches('*')
        .starts_with([',', '.', ':', ';', '-', '\n', '!', '(', '–', '—'])
        || rest.starts_with(" -")
        || rest.starts_with(" –")
        || rest.starts_with(" —")
        || rest.starts_with(" (")
        || rest.starts_with(" because");
    let lower = rest.to_lowercase();
    let other = if said { ["false", "no"] } else { ["true", "yes"] };
    let taken_back = other.iter().any(|word| occurrences(&lower, word).next().is_some());
    (set_off && !taken_back).then_some(said)
}

/// The only one of `true`, `false` and `yes` in a text; `no` has too many other uses.
fn truth_in_prose(text: &str) -> Option<bool> {
    let lower = text.to_lowercase();
    let mut said = ["true", "yes", "false"].into_iter().flat_map(|word| {
        occurrences(&lower, word).map(move |at| (at, word != "false")).collect::<Vec<_>>()
    });
    let (at, first) = said.next()?;
    let others = said.any(|(at, it)| it != first || is_negated(&lower, at));
    (!others && !is_negated(&lower, at)).then_some(first)
}
