//! Where the sentences of instructions end.
//!
//! A full stop is not always one: it stands in numbers, behind abbreviations, initials and the
//! numbers of lists. Items of lists are sentences of their own, and code is torn nowhere.

use std::ops::Range;

/// Words that a full stop belongs to, and that no sentence ends with.
const INSIDE: &[&str] = &[
    "e.g", "i.e", "cf", "vs", "mr", "mrs", "ms", "dr", "prof", "approx", "ca", "resp", "st",
    "z.b", "d.h", "bzw",
];
/// Words that a full stop belongs to where a number follows.
const NUMBERED: &[&str] = &["no", "nr", "fig", "figs", "sec", "ch", "p", "pp", "vol"];
/// What may stand before words of [`INSIDE`], in the same run of letters.
const OPENING: &[char] = &['(', '[', '"', '\'', '“', '‘', '„', '«'];
/// What may stand between the end of a sentence and the space behind it.
const CLOSING: &[char] = &[')', ']', '"', '\'', '”', '’', '“', '»', '*', '_'];

/// The sentences of a text, in order; each has the white space behind it, and together they are
/// the text from its first letter on.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut start = text.len() - text.trim_start().len();
    let mut in_fence = false;
    let mut at = start;
    while at < text.len() {
        let line_end = text[at..].find('\n').map_or(text.len(), |it| at + it + 1);
        let line = at..line_end;
        let is_fence = text[line.clone()].trim_start().starts_with("```");
        in_fence ^= is_fence;
        if !in_fence && !is_fence {
            for end in ends_in(text, &line, start) {
                found.push(start..end);
                start = end;
            }
        }
        // A blank line, an item of a list or a heading ends what is before it.
        if !in_fence && start < line_end && breaks(text, line_end, start) {
            found.push(start..line_end);
            start = line_end;
        }
        at = line_end;
    }
    if !text[start..].trim().is_empty() {
        found.push(start..text.len());
    }
    joined(text, found)
}

/// Sentences without those that are only white space, which go to the one before.
fn joined(text: &str, found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut whole: Vec<Range<usize>> = Vec::new();
    for range in found {
        match whole.last_mut() {
            Some(last) if text[range.clone()].trim().is_empty() => last.end = range.end,
            _ => whole.push(range),
        }
    }
    if let Some(last) = whole.last_mut() {
        last.end = text.len();
    }
    whole
}

/// Whether a sentence that began at `start` cannot go on behind the end of a line.
fn breaks(text: &str, line_end: usize, start: usize) -> bool {
    let Some(next) = text[line_end..].lines().next() else { return true };
    let own = text[start..line_end].trim();
    next.trim().is_empty() || is_item(next) || next.trim_start().starts_with("```")
        || own.starts_with('#') || own.ends_with("```")
        // What stands under an item and is not indented is no part of it.
        || is_item(own) && !next.starts_with([' ', '\t'])
}

/// Whether a line is an item of a list: `- x`, `* x`, `2. x`, `b) x`.
fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix(['-', '*', '•', '–', '+']) {
        return rest.starts_with(' ');
    }
    label_len(line).is_some_and(|it| line[it..].starts_with(' '))
}

/// The length of `12.`, `3)` or `b)` at the beginning.
fn label_len(line: &str) -> Option<usize> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let letters = usize::from(line.starts_with(|c: char| c.is_ascii_alphabetic()));
    match (digits, line[digits.max(letters)..].chars().next()?) {
        (1..=3, '.' | ')') => Some(digits + 1),
        (0, ')') if letters == 1 => Some(2),
        _ => None,
    }
}

/// The ends of sentences inside a line, each behind the white space that follows.
fn ends_in(text: &str, line: &Range<usize>, start: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut in_code = false;
    for (offset, ch) in text[line.clone()].char_indices() {
        let at = line.start + offset;
        in_code ^= ch == '`';
        if in_code || !matches!(ch, '.' | '!' | '?' | '…' | '。' | '！' | '？') {
            continue;
        }
        let begins = ends.last().copied().unwrap_or(start);
        let behind = at + ch.len_utf8();
        let rest = text[behind..].trim_start_matches(CLOSING);
        let next = rest.trim_start();
        let space = rest.len() - next.len();
        let wide = matches!(ch, '。' | '！' | '？');
        let apart = wide || space > 0;
        if !apart || next.is_empty() || !begins_sentence(next) {
            continue;
        }
        if ch == '.' && belongs(text, begins, at, next) {
            continue;
        }
        let end = text.len() - next.len();
        // The white space of the line: what comes behind its end is the next line's business.
        ends.push(end.min(line.end));
    }
    ends.dedup();
    ends
}

/// Whether a text can be the beginning of a sentence.
fn begins_sentence(text: &str) -> bool {
    let first =
        text.trim_start_matches(OPENING).trim_start_matches(['*', '_', '`', '-', '#', ' ']);
    first.chars().next().is_none_or(|it| !it.is_lowercase())
}

/// Whether the full stop at `at` belongs to the word before it.
fn belongs(text: &str, begins: usize, at: usize, next: &str) -> bool {
    let before = &text[begins..at];
    let word_start = before
        .rfind(char::is_whitespace)
        .map_or(0, |it| it + before[it..].chars().next().map_or(0, char::len_utf8));
    let word = before[word_start..].trim_start_matches(OPENING);
    // The number of an item: nothing stands before it.
    let is_first = before[..word_start].trim().is_empty();
    if is_first && !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit()) {
        return true;
    }
    let mut letters = word.chars();
    let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    // `I` ends sentences, too.
    let word_is_in = |list: &[&str]| list.contains(&&*word.to_lowercase());
    let numbered = next.starts_with(|it: char| it.is_ascii_digit()) && word_is_in(NUMBERED);
    (initial && word != "I") || word_is_in(INSIDE) || numbered
}

/// The text without some of its sentences, which are in order.
pub(super) fn without(text: &str, sentences: &[Range<usize>]) -> String {
    let (mut left, mut at) = (String::with_capacity(text.len()), 0);
    for sentence in sentences {
        left.push_str(&text[at..sentence.start]);
        at = sentence.end;
    }
    left.push_str(&text[at..]);
    if at == text.len() {
        left.truncate(left.trim_end().len());
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|it| text[it].trim()).collect()
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  \n ", &[]),
            ("Sort a message", &["Sort a message"]),
            ("Sort it. Be quick!", &["Sort it.", "Be quick!"]),
            ("What is it? Say so.", &["What is it?", "Say so."]),
            ("Round to 3.5 at most. Use v1.2.", &["Round to 3.5 at most.", "Use v1.2."]),
            ("Use units, e.g. Celsius. Stop.", &["Use units, e.g. Celsius.", "Stop."]),
            ("Use units (i.e. SI). Stop.", &["Use units (i.e. SI).", "Stop."]),
            ("Ask Dr. Smith or J. Doe. Wait.", &["Ask Dr. Smith or J. Doe.", "Wait."]),
            ("See Fig. 3 and No. 7. Go on.", &["See Fig. 3 and No. 7.", "Go on."]),
            ("Apples, pears, etc. are fruit. Ok.", &["Apples, pears, etc. are fruit.", "Ok."]),
            ("Apples, pears, etc. Name them.", &["Apples, pears, etc.", "Name them."]),
            ("He said \"No.\" Then he left.", &["He said \"No.\"", "Then he left."]),
            ("Write `a. B` as it is. Done.", &["Write `a. B` as it is.", "Done."]),
            ("So do I. So do you.", &["So do I.", "So do you."]),
            ("Wait… Now go.", &["Wait…", "Now go."]),
            ("这是一句。这是二句！", &["这是一句。", "这是二句！"]),
            ("a.b.c is no end. 2 is.", &["a.b.c is no end.", "2 is."]),
            ("One line\nthat goes on. Two.", &["One line\nthat goes on.", "Two."]),
            ("Title\n\nThe rest. More.", &["Title", "The rest.", "More."]),
            (
                "Do this:\n- be kind\n- be quick\nThen stop.",
                &["Do this:", "- be kind", "- be quick", "Then stop."],
            ),
            (
                "1. First. Really.\n2. Second\n   goes on.",
                &["1. First.", "Really.", "2. Second\n   goes on."],
            ),
            (
                "Run:\n```\nlet a. B\n\nC. D\n```\nThen look.",
                &["Run:", "```\nlet a. B\n\nC. D\n```", "Then look."],
            ),
            ("# Rules\nBe kind. Be quick.", &["# Rules", "Be kind.", "Be quick."]),
            ("One.\r\nTwo.\r\n", &["One.", "Two."]),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn a_sentence_goes_with_its_space() {
        let text = "One. Two.\n\n- Three\n- Four";
        let of = |at: usize| without(text, &sentences(text)[at..=at]);
        assert_eq!(of(0), "Two.\n\n- Three\n- Four");
        assert_eq!(of(1), "One. - Three\n- Four");
        assert_eq!(of(2), "One. Two.\n\n- Four");
        assert_eq!(of(3), "One. Two.\n\n- Three");
        let all = sentences(text);
        assert_eq!(without(text, &[all[0].clone(), all[3].clone()]), "Two.\n\n- Three");
    }

    proptest::proptest! {
        #[test]
        fn sentences_are_the_text(text in "[a-cA-C.!?`0-9 \n\"(#*-]{0,60}|\\PC{0,40}") {
            let found = sentences(&text);
            let joined: String = found.iter().map(|it| &text[it.clone()]).collect();
            proptest::prop_assert_eq!(joined, text.trim_start());
            for range in &found {
                proptest::prop_assert!(!text[range.clone()].trim().is_empty());
            }
            let rest = without(&text, &found);
            proptest::prop_assert_eq!(rest.trim(), "");
            for nth in 0..found.len() {
                let rest = without(&text, &found[..nth]);
                proptest::prop_assert!(text.ends_with(rest.trim_start()));
            }
        }
    }
}
