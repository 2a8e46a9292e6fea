//! What a piece of text looks like: a key, a value, a comment.

use super::{Inside, LOOK_AHEAD};

pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{180e}')
}

pub(in crate::adapt::read) fn is_opening(c: char) -> bool {
    matches!(c, '"' | '\'' | '“' | '”' | '„' | '‘' | '’' | '`' | '´' | '«' | '＂' | '「')
}

pub(super) fn is_closing(c: char) -> bool {
    is_opening(c) || matches!(c, '»' | '」')
}

/// The next piece of a text, as far as is looked ahead.
pub(super) fn window(text: &str) -> &str {
    let mut end = LOOK_AHEAD.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

pub(super) fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") || text.starts_with('#') {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let inner = text.strip_prefix("/*")?;
    Some(inner.find("*/").map_or(text.len(), |end| end + 4))
}

/// Whether a key and a colon stand here.
pub(super) fn begins_key(text: &str) -> bool {
    let mut chars = text.chars();
    let inner = match chars.next() {
        Some(c) if is_opening(c) => {
            let inner = chars.as_str();
            let Some(end) = inner.find(is_closing) else { return false };
            let mut after = inner[end..].chars();
            after.next();
            after.as_str()
        }
        Some(c) if c.is_alphanumeric() || c == '_' => {
            let rest =
                text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
            // `b": 2`: the opening quote is missing.
            rest.strip_prefix('"').filter(|it| it.starts_with(':')).unwrap_or(rest)
        }
        _ => return false,
    };
    let after = inner.trim_start_matches(is_space);
    // `https://…` is no key.
    after.starts_with([':', '：']) && !after.starts_with("://")
}

pub(super) fn begins_value(text: &str) -> bool {
    let literal = ["true", "false", "null", "True", "False", "None", "..."];
    text.starts_with(|c: char| c.is_ascii_digit() || is_opening(c) || "{[-".contains(c))
        || literal.iter().any(|it| text.starts_with(it))
}

/// Whether what stands behind a comma goes with the comma being outside of a string.
pub(super) fn follows_comma(text: &str, inside: Inside) -> bool {
    let next = text.trim_start_matches(is_space);
    if next.is_empty() || next.starts_with(['}', ']', ')', ',', '#']) || next.starts_with("//")
    {
        return true;
    }
    match inside {
        Inside::Map => {
            next.starts_with(is_opening) || begins_key(next) || next.starts_with("/*")
        }
        _ => begins_value(next) || next.starts_with("/*"),
    }
}

/// Whether a key in quotes and a colon stand here.
pub(super) fn begins_quoted_key(text: &str) -> bool {
    let text = text.trim_start_matches(is_space);
    let mut chars = text.chars();
    if !chars.next().is_some_and(is_opening) {
        return false;
    }
    let inner = chars.as_str();
    let Some(end) = inner.find(is_closing) else { return false };
    let mut after = inner[end..].chars();
    after.next();
    after.as_str().trim_start_matches(is_space).starts_with([':', '：'])
}
