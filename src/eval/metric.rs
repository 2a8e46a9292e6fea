//! The metrics that come with the language.

pub use crate::runtime::normalized;
pub(crate) use crate::runtime::score_of;

/// Whether two texts are equal once normalized.
pub fn exact_match(expected: &str, got: &str) -> bool {
    normalized(expected) == normalized(got)
}

/// Whether the expected text stands in the other, in whole words, once both are normalized.
pub fn contains_match(expected: &str, got: &str) -> bool {
    let (expected, got) = (normalized(expected), normalized(got));
    !expected.is_empty() && format!(" {got} ").contains(&format!(" {expected} "))
}

/// The harmonic mean of precision and recall of the words, once both texts are normalized.
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
        return f64::from(u8::from(n_expected == 0 && words.is_empty()));
    }
    2.0 * f64::from(shared) / (n_expected + words.len()) as f64
}
