//! Foreign text without power over the terminal.

use std::borrow::Cow;

/// Returns `text` without what a terminal would obey: escape sequences as a whole, other
/// control characters but line ends and tabs, and the marks that reverse the direction of
/// text.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_power) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(ch) = rest.chars().next() {
        let skipped = match ch {
            '\u{1b}' => escape_len(rest),
            '\u{9b}' => ch.len_utf8() + csi_len(&rest[ch.len_utf8()..]),
            _ if is_power(ch) => ch.len_utf8(),
            _ => 0,
        };
        if skipped == 0 {
            out.push(ch);
        }
        rest = &rest[skipped.max(ch.len_utf8())..];
    }
    Cow::Owned(out)
}

/// Whether a terminal obeys the character instead of showing it.
pub(super) fn is_power(ch: char) -> bool {
    let direction = matches!(ch, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    direction || (ch.is_control() && ch != '\n' && ch != '\t')
}

/// The length of the escape sequence that `text` begins with.
fn escape_len(text: &str) -> usize {
    let after = &text[1..];
    match after.chars().next() {
        Some('[') => 2 + csi_len(&after[1..]),
        Some(']' | 'P' | '_' | '^' | 'X') => 2 + string_len(&after[1..]),
        Some(' '..='/') => 2 + usize::from(after[1..].starts_with(|c: char| c.is_ascii())),
        Some('0'..='~') => 2,
        _ => 1,
    }
}

/// Parameters and the final character of a control sequence.
fn csi_len(text: &str) -> usize {
    let parameters = text.bytes().take_while(|b| (0x20..=0x3f).contains(b)).count();
    let ends = text.as_bytes().get(parameters).is_some_and(|b| (0x40..=0x7e).contains(b));
    parameters + usize::from(ends)
}

/// The text of an operating-system command, such as a title or a link, with its terminator.
/// One that does not end on its line is no command: only its introducer goes.
fn string_len(text: &str) -> usize {
    let line = &text[..text.find('\n').unwrap_or(text.len())];
    let ends = [("\u{7}", 1), ("\u{1b}\\", 2), ("\u{9c}", 2)];
    ends.iter()
        .filter_map(|(end, len)| line.find(end).map(|at| at + len))
        .min()
        .unwrap_or_default()
}
