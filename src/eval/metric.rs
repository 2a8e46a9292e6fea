//! What a metric says as a score, and the metrics that come with the language.

use crate::runtime::{Error, Val, number};

/// Reads what a metric returned: a bool, a number from 0 to 1, or a map with `score` and, if
/// there is something to say, `feedback`.
///
/// # Errors
/// Anything else.
pub(crate) fn score_of(value: &Val) -> Result<(f64, Option<String>), Error> {
    let score = match value {
        Val::Bool(it) => f64::from(u8::from(*it)),
        Val::Int(_) | Val::Float(_) => number("score", value)?,
        Val::Map(entries) => {
            let score = entries.get("score").ok_or_else(|| {
                Error::value("the metric's map has no `score`")
                    .hint("return `#{ score: …, feedback: \"…\" }`")
            })?;
            let feedback = entries.get("feedback").and_then(Val::as_str).map(ToOwned::to_owned);
            return Ok((score_of(score)?.0, feedback));
        }
        other => {
            return Err(Error::value(format!("the metric returned {}", other.kind()))
                .hint("return true or false, a number from 0 to 1, or `#{ score: … }`"));
        }
    };
    if (0.0..=1.0).contains(&score) {
        Ok((score, None))
    } else {
        Err(Error::value(format!("the metric returned {score}, not a number from 0 to 1")))
    }
}

/// A text as answers are compared: lower case, without punctuation, the articles of English
/// and surplus spaces, as the evaluation of `SQuAD` does it (Rajpurkar et al. 2016).
pub fn normalized(text: &str) -> String {
    let bare: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|it| !it.is_ascii_punctuation())
        .collect();
    let words = bare.split_whitespace().filter(|it| !matches!(*it, "a" | "an" | "the"));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether two texts are equal once normalized.
pub fn exact_match(expected: &str, got: &str) -> bool {
    normalized(expected) == normalized(got)
}

/// Whether the expected text stands in the other, in whole words, once both are normalized.
pub fn contains_match(expected: &str, got: &str) -> bool {
    let (expected, got) = (normalized(expected), normalized(got));
    !expected.is_empty() && format!(" {got} ").contains(&format!(" {expected} "))
}

/// Whether one of the passages holds the expected text, part by part, once all are normalized.
/// A part is a run of letters, digits and marks, or any other character.
pub fn passage_match(expected: &str, passages: &[String]) -> bool {
    let expected = parts(expected);
    !expected.is_empty()
        && passages.iter().any(|passage| {
            parts(passage).windows(expected.len()).any(|window| window == expected)
        })
}

fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut inside = false;
    for it in normalized(text).chars() {
        let is_word = it.is_alphanumeric();
        match parts.last_mut() {
            Some(last) if is_word && inside => last.push(it),
            _ if it.is_whitespace() => {}
            _ => parts.push(it.to_string()),
        }
        inside = is_word;
    }
    parts
}

/// The harmonic mean of precision and recall of the words, once both texts are normalized; 0
/// where they have no word in common.
pub fn f1(expected: &str, got: &str) -> f64 {
    let (expected, got) = (normalized(expected), normalized(got));
    let mut left: Vec<&str> = expected.split_whitespace().collect();
    let (n_expected, words) = (left.len(), got.split_whitespace().collect::<Vec<_>>());
    let mut shared = 0_u32;
    for word in &words {
        if let Some(at) = left.iter().position(|it| it == word) {
            left.swap_remove(at);
            shared += 1;
        }
    }
    if shared == 0 {
        return 0.0;
    }
    2.0 * f64::from(shared) / (n_expected + words.len()) as f64
}
