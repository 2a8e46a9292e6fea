//! What differs between two texts, word by word.

use std::ops::Range;

/// A stretch of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// It stands in both.
    Same(&'a str),
    /// It stands in the first only.
    Removed(&'a str),
    /// It stands in the second only.
    Added(&'a str),
}

/// Comparisons of words that are made at most: what differs more is replaced as a whole.
const MOST: usize = 4_000_000;
/// So many words of a stretch that is the same are shown on each side.
const AROUND: usize = 8;

/// The stretches of both texts in their order: the first text is all but what was added, the
/// second all but what was removed. Words keep the white space behind them.
pub fn words<'a>(a: &'a str, b: &'a str) -> Vec<Piece<'a>> {
    let (of_a, of_b) = (split(a), split(b));
    let text_a = |it: &Range<usize>| &a[it.clone()];
    let text_b = |it: &Range<usize>| &b[it.clone()];
    let same = |i: usize, j: usize| text_a(&of_a[i]) == text_b(&of_b[j]);
    let most = of_a.len().min(of_b.len());
    let before = (0..most).take_while(|at| same(*at, *at)).count();
    let behind = (0..most - before)
        .take_while(|at| same(of_a.len() - 1 - at, of_b.len() - 1 - at))
        .count();
    let (mid_a, mid_b) = (before..of_a.len() - behind, before..of_b.len() - behind);
    let mut pieces = Pieces { a, b, of_a: &of_a, of_b: &of_b, out: Vec::new() };
    pieces.same(0..before);
    if mid_a.len().saturating_mul(mid_b.len()) > MOST {
        pieces.removed(mid_a);
        pieces.added(mid_b);
    } else {
        pieces.middle(mid_a, mid_b);
    }
    pieces.same(of_a.len() - behind..of_a.len());
    pieces.out
}

/// The places of words, each with the white space behind it; line ends are words of their own.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut in_space) = (0, false);
    for (at, ch) in text.char_indices() {
        let is_space = ch.is_whitespace() && ch != '\n';
        if at > start && (ch == '\n' || (in_space && !is_space)) {
            words.push(start..at);
            start = at;
        }
        in_space = is_space || ch == '\n';
    }
    if start < text.len() {
        words.push(start..text.len());
    }
    words
}

struct Pieces<'a, 'b> {
    a: &'a str,
    b: &'a str,
    of_a: &'b [Range<usize>],
    of_b: &'b [Range<usize>],
    out: Vec<Piece<'a>>,
}

impl<'a> Pieces<'a, '_> {
    fn same(&mut self, words: Range<usize>) {
        if let Some(text) = stretch(self.a, self.of_a, words) {
            self.out.push(Piece::Same(text));
        }
    }

    fn removed(&mut self, words: Range<usize>) {
        if let Some(text) = stretch(self.a, self.of_a, words) {
            self.out.push(Piece::Removed(text));
        }
    }

    fn added(&mut self, words: Range<usize>) {
        if let Some(text) = stretch(self.b, self.of_b, words) {
            self.out.push(Piece::Added(text));
        }
    }

    /// The longest common sequence of words stays; all else was removed or added.
    fn middle(&mut self, mid_a: Range<usize>, mid_b: Range<usize>) {
        let is_same =
            |i: usize, j: usize| self.a[self.of_a[i].clone()] == self.b[self.of_b[j].clone()];
        let width = mid_b.len() + 1;
        let mut longest = vec![0_u32; (mid_a.len() + 1) * width];
        for i in (0..mid_a.len()).rev() {
            for j in (0..mid_b.len()).rev() {
                longest[i * width + j] = if is_same(mid_a.start + i, mid_b.start + j) {
                    longest[(i + 1) * width + j + 1] + 1
                } else {
                    longest[(i + 1) * width + j].max(longest[i * width + j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        let mut steps = Vec::new();
        while i < mid_a.len() || j < mid_b.len() {
            let both = i < mid_a.len() && j < mid_b.len();
            let step = if both && is_same(mid_a.start + i, mid_b.start + j) {
                Step::Same
            } else if j == mid_b.len()
                || (i < mid_a.len()
                    && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
            {
                Step::Remove
            } else {
                Step::Add
            };
            steps.push(step);
            i += usize::from(step != Step::Add);
            j += usize::from(step != Step::Remove);
        }
        self.take(&steps, mid_a.start, mid_b.start);
    }

    fn take(&mut self, steps: &[Step], mut i: usize, mut j: usize) {
        for run in steps.chunk_by(|a, b| a == b) {
            let n = run.len();
            match run[0] {
                Step::Same => self.same(i..i + n),
                Step::Remove => self.removed(i..i + n),
                Step::Add => self.added(j..j + n),
            }
            i += if run[0] == Step::Add { 0 } else { n };
            j += if run[0] == Step::Remove { 0 } else { n };
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Same,
    Remove,
    Add,
}

fn stretch<'a>(text: &'a str, words: &[Range<usize>], these: Range<usize>) -> Option<&'a str> {
    let (first, last) = (words.get(these.start)?, words.get(these.end.checked_sub(1)?)?);
    (these.start < these.end).then(|| &text[first.start..last.end])
}

/// The pieces as one text: `[-removed-]`, `{+added+}`, and of long stretches that are the same
/// only the words around what differs.
pub fn marked(pieces: &[Piece<'_>]) -> String {
    let mut out = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Same(text) => {
                let ends = (at == 0, at + 1 == pieces.len());
                out.push_str(&shortened(text, ends));
            }
            Piece::Removed(text) => push_marked(&mut out, ("[-", "-]"), text),
            Piece::Added(text) => push_marked(&mut out, ("{+", "+}"), text),
        }
    }
    out
}

/// The white space behind what is marked stays behind the mark.
fn push_marked(out: &mut String, (open, close): (&str, &str), text: &str) {
    let words = text.trim_end();
    let words = if words.is_empty() { text } else { words };
    out.push_str(open);
    out.push_str(words);
    out.push_str(close);
    out.push_str(&text[words.len()..]);
}

/// A stretch without its middle; at an end of the texts without what is far from the other end.
fn shortened(text: &str, (is_first, is_last): (bool, bool)) -> String {
    let words = split(text);
    let (before, behind) =
        (if is_first { 0 } else { AROUND }, if is_last { 0 } else { AROUND });
    let left_out = words.len().saturating_sub(before + behind);
    if left_out <= AROUND {
        return text.to_owned();
    }
    let start = words.get(before).map_or(text.len(), |it| it.start);
    let end = words.get(words.len() - behind).map_or(text.len(), |it| it.start);
    format!("{}⟨{left_out} words⟩ {}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(pieces: &[Piece<'_>]) -> (String, String) {
        let (mut a, mut b) = (String::new(), String::new());
        for piece in pieces {
            match piece {
                Piece::Same(it) => (a += it, b += it).1,
                Piece::Removed(it) => a += it,
                Piece::Added(it) => b += it,
            }
        }
        (a, b)
    }

    #[test]
    fn words_that_differ_are_marked() {
        let pieces = words("Answer in one word.\nBe kind.", "Answer in two words.\nBe kind.");
        assert_eq!(marked(&pieces), "Answer in [-one word.-]{+two words.+}\nBe kind.");
    }

    #[test]
    fn long_stretches_are_shortened() {
        let long = "a ".repeat(40);
        let (a, b) = (format!("{long}old {long}"), format!("{long}new {long}"));
        let shown = marked(&words(&a, &b));
        assert_eq!(
            shown,
            "⟨32 words⟩ a a a a a a a a [-old-] {+new+} a a a a a a a a ⟨32 words⟩ "
        );
    }

    proptest::proptest! {
        #[test]
        fn both_texts_are_told_whole(a in "[ab \n]{0,30}", b in "[ab \n]{0,30}") {
            proptest::prop_assert_eq!(sides(&words(&a, &b)), (a, b));
        }
    }
}
