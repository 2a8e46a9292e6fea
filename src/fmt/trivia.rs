//! Which comment belongs to which token.
//!
//! A comment on the line of the token before it, with nothing but comments behind, belongs to
//! that token; every other one to the token that follows. A comment that ends its line before a
//! comma or semicolon is taken for one behind it.

use crate::syntax::{Token, TokenKind};
use std::ops::Range;

/// How a comment stands in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A token or comment follows on its line.
    Inline,
    /// It ends its line, and the next token begins another.
    Ending,
}

/// A comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comment {
    pub(super) token: Token,
    pub(super) place: Place,
    /// Whether an empty line stands before it.
    pub(super) blank: bool,
}

/// A token that is no trivia, with its comments.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) token: Token,
    /// The comments before it, as indices.
    pub(super) lead: Range<usize>,
    /// The comments behind it on its line.
    pub(super) behind: Range<usize>,
    /// Whether an empty line stands between it and what is before it, its comments included.
    pub(super) blank: bool,
    /// Whether what follows on its line is not its own, for a comment was taken over it.
    settled: bool,
}

/// All words and comments of a text.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) words: Vec<Word>,
    pub(super) comments: Vec<Comment>,
    /// Whether an empty line stands before the word that comes next.
    blank_next: bool,
}

/// Hands each comment to a token; the last word is the end of the text.
pub(super) fn words(tokens: &[Token], text: &str) -> Words {
    let mut found = Words::default();
    let mut gap: Vec<Token> = Vec::new();
    // The tree has no token for the end of the text.
    let end = tokens.last().map_or(0, |it| it.end);
    let end = Token { kind: TokenKind::End, start: end, end };
    for token in tokens.iter().chain([&end]) {
        if token.kind.is_trivia() {
            gap.push(*token);
            continue;
        }
        let first = found.comments.len();
        found.close_gap(&gap, text, token.kind == TokenKind::End);
        match found.over_separator(*token, first) {
            Some(at) => found.push_separator(*token, at),
            None => {
                found.take_behind(first, &gap, text);
                found.push(*token);
            }
        }
        gap.clear();
    }
    found
}

impl Words {
    /// Adds the token whose comments were handed out last.
    fn push(&mut self, token: Token) {
        let end = self.comments.len();
        let start = self.words.last().map_or(0, |it| it.behind.end);
        let blank = std::mem::take(&mut self.blank_next);
        self.words.push(Word {
            token,
            lead: start..end,
            behind: end..end,
            blank,
            settled: false,
        });
    }

    /// The comment before a separator that is to stand behind it.
    fn over_separator(&self, token: Token, first: usize) -> Option<usize> {
        let comments = &self.comments[first..];
        let doc =
            |it: &Comment| matches!(it.token.kind, TokenKind::DocLine | TokenKind::DocBlock);
        let before = self.words.last().map(|it| it.token.kind);
        let moves = match token.kind {
            TokenKind::Comma => true,
            // Documentation would come to stand before an item, and one that ends no statement
            // has nothing to stand behind.
            TokenKind::Semi => {
                let ends = !matches!(before, None | Some(TokenKind::Semi | TokenKind::LBrace));
                ends && !comments.iter().any(doc)
            }
            _ => false,
        };
        let at = comments.iter().position(|it| it.place == Place::Ending)?;
        moves.then_some(first + at)
    }

    /// Adds a separator and puts the comment `at` behind it; those after that one belong to
    /// the next word.
    fn push_separator(&mut self, token: Token, at: usize) {
        let start = self.words.last().map_or(0, |it| it.behind.end);
        self.words.push(Word {
            token,
            lead: start..at,
            behind: at..at + 1,
            blank: false,
            settled: true,
        });
    }

    /// Hands the comments between two tokens to them.
    fn close_gap(&mut self, gap: &[Token], text: &str, at_end: bool) {
        let mut lines = 0;
        for (at, token) in gap.iter().enumerate() {
            if token.kind == TokenKind::Whitespace {
                lines += token.text(text).matches('\n').count();
                continue;
            }
            let ends = token.kind != TokenKind::BlockComment
                && token.kind != TokenKind::DocBlock
                || ends_line(&gap[at + 1..], text, at_end);
            let place = if ends { Place::Ending } else { Place::Inline };
            self.comments.push(Comment { token: *token, place, blank: lines > 1 });
            lines = 0;
        }
        self.blank_next = lines > 1;
    }

    /// Gives the word before the gap the comments that end its line.
    fn take_behind(&mut self, first: usize, gap: &[Token], text: &str) {
        let Some(word) = self.words.last_mut().filter(|it| !it.settled) else { return };
        let line_end = gap
            .iter()
            .find(|it| it.kind == TokenKind::Whitespace && it.text(text).contains('\n'));
        let on_line = |it: &&Comment| line_end.is_none_or(|end| it.token.start < end.start);
        let run = self.comments[first..].iter().take_while(on_line).count();
        // Comments before a token on the same line are that token's, as is all behind the
        // first that ends its line.
        let ending = self.comments[first..first + run]
            .iter()
            .position(|it| it.place == Place::Ending || it.token.text(text).contains('\n'));
        word.behind = match ending {
            Some(at) if self.comments[first + at].place == Place::Ending => {
                first..first + at + 1
            }
            _ => first..first,
        };
    }
}

/// Whether a line ends before the next comment or token; the end of the text is one too.
fn ends_line(rest: &[Token], text: &str, at_end: bool) -> bool {
    match rest.first() {
        Some(token) if token.kind == TokenKind::Whitespace => {
            token.text(text).contains('\n') || at_end && rest.len() == 1
        }
        Some(_) => false,
        None => at_end,
    }
}
