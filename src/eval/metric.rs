//! The metrics that come with the language.

pub(crate) use crate::runtime::judgement;
pub use crate::runtime::normalized;
use unicode_normalization::char::is_combining_mark;

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
        let is_word = it.is_alphanumeric() || is_combining_mark(it);
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
