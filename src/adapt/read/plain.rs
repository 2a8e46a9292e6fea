//! What people put around a single value: quotes, markup, a label, a full stop.

use crate::adapt::read::json::is_opening;

/// How many layers are taken off; real replies have at most four.
const MAX_LAYERS: usize = 8;

/// Takes off what stands around a single value, and tells how many layers that was.
/// `name` is the field's: `Answer: 5` under `answer` is 5.
pub(super) fn undecorated<'t>(text: &'t str, name: &str) -> (&'t str, u32) {
    let mut text = text.trim();
    for layers in 0..MAX_LAYERS {
        match layer(text, name) {
            Some(inner) => text = inner.trim(),
            None => return (text, u32::try_from(layers).unwrap_or(0)),
        }
    }
    (text, 1)
}

fn layer<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    fence(text)
        .or_else(|| pair(text))
        .or_else(|| tagged(text))
        .or_else(|| latex(text))
        .or_else(|| prefix(text))
        .or_else(|| unlabelled(text, name))
        .or_else(|| suffix(text))
}

/// The inside of a text that is one fenced block, closed or cut off.
pub(super) fn fence(text: &str) -> Option<&str> {
    let body = text.strip_prefix("```")?;
    let (info, body) = body.split_once('\n').unwrap_or(("", body));
    if info.contains("```") {
        return None;
    }
    let body = body.trim_end();
    let body = body.strip_suffix("```").unwrap_or(body);
    (!body.contains("```")).then_some(body)
}

fn pair(text: &str) -> Option<&str> {
    const PAIRS: [(&str, &str); 8] = [
        ("**", "**"),
        ("__", "__"),
        ("*", "*"),
        ("_", "_"),
        ("$$", "$$"),
        ("$", "$"),
        ("(", ")"),
        ("<", ">"),
    ];
    let between = |(open, close): (&str, &str)| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        (!inner.trim().is_empty() && !inner.contains(close) && !inner.contains(open))
            .then_some(inner)
    };
    PAIRS.into_iter().find_map(between).or_else(|| unquoted(text))
}

/// The inside of a text that is one quotation.
pub(super) fn unquoted(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    let (open, close) = (chars.next()?, chars.next_back()?);
    let inner = chars.as_str();
    let is_pair = match open {
        '"' | '\'' | '`' | '＂' => {
            close == open || (open == '`' && matches!(close, '\'' | '´'))
        }
        '“' | '”' | '„' => matches!(close, '“' | '”' | '"'),
        '‘' | '’' => matches!(close, '‘' | '’' | '\''),
        '«' => close == '»',
        '「' => close == '」',
        _ => false,
    };
    (is_pair && is_opening(open) && !inner.contains([open, close])).then_some(inner)
}

/// The inside of `<answer>5</answer>`.
fn tagged(text: &str) -> Option<&str> {
    let (name, rest) = text.strip_prefix('<')?.split_once('>')?;
    let inner = rest.strip_suffix('>')?.strip_suffix(name)?.strip_suffix("</")?;
    (!name.is_empty() && name.chars().all(char::is_alphanumeric)).then_some(inner)
}

fn latex(text: &str) -> Option<&str> {
    for open in ["\\boxed{", "\\text{", "\\mathbf{"] {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix('}')) {
            return Some(inner);
        }
    }
    for (open, close) in [("\\(", "\\)"), ("\\[", "\\]")] {
        if let Some(inner) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            return Some(inner);
        }
    }
    None
}

fn prefix(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('=') {
        return Some(rest);
    }
    let rest = text.trim_start_matches('#');
    if rest.len() < text.len() && rest.starts_with(' ') {
        return Some(rest);
    }
    bullet(text)
}

/// What follows a bullet.
pub(super) fn bullet(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    let is_bullet =
        matches!(chars.next()?, '-' | '*' | '•' | '>' | '–' | '·' | '→' | '‣' | '+');
    let rest = chars.as_str();
    (is_bullet && rest.starts_with([' ', '\t'])).then_some(rest)
}

fn suffix(text: &str) -> Option<&str> {
    let rest = text.strip_suffix(['.', ',', ';', '!', '。', '，'])?;
    (!rest.is_empty() && !rest.ends_with('.')).then_some(rest)
}

/// What follows `name:`, `Answer:`, `**The answer is:**`.
pub(super) fn unlabelled<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    const GENERAL: [&str; 9] = [
        "answer",
        "finalanswer",
        "theanswer",
        "result",
        "output",
        "value",
        "label",
        "theansweris",
        "response",
    ];
    let mut end = text.len().min(64);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let at = text[..end].find([':', '：', '='])?;
    let head = folded(&text[..at]);
    let known = GENERAL.contains(&&*head) || (!head.is_empty() && head == folded(name));
    let rest = text[at..].trim_start_matches([':', '：', '=']).trim_start_matches(['*', '_']);
    (known && !rest.trim().is_empty()).then_some(rest)
}

/// The letters and digits of a text in lower case: names that differ only in spelling are equal.
pub(in crate::adapt) fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a word of negation stands right before `at`.
pub(super) fn is_negated(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches(|c: char| !c.is_alphanumeric() && c != '\n');
    let negates = |word: &str| {
        let word = word.to_lowercase();
        matches!(&*word, "not" | "no" | "never" | "neither" | "nor" | "without" | "isn" | "t")
            || word.ends_with("n't")
            || word.ends_with("n’t")
    };
    before.rsplit(char::is_whitespace).take(2).any(negates)
}

/// The places where `word` stands by itself in `text`.
pub(super) fn occurrences<'t>(
    text: &'t str,
    word: &'t str,
) -> impl Iterator<Item = usize> + 't {
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        alone(text[..at].chars().next_back()) && alone(text[at + word.len()..].chars().next())
    })
}
