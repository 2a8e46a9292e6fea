//! Where an entry ends.

use crate::syntax::{TokenKind, lex};

/// Whether an entry ends here: nothing is open in it, and its last word wants nothing more.
/// An empty line ends an entry that is only waiting for more, not one in a bracket.
pub(super) fn is_whole(text: &str) -> bool {
    let text = match text.trim_start().strip_prefix(':') {
        // The one command that takes an entry.
        Some(command) => match command.strip_prefix("prompt ") {
            Some(entry) => entry,
            None => return true,
        },
        None => text,
    };
    let (mut depth, mut ticks) = (0i64, 0u32);
    let mut last = TokenKind::Semi;
    for token in lex(text) {
        use TokenKind as T;
        match token.kind {
            T::LParen | T::LBracket | T::QuestionBracket => depth += 1,
            T::LBrace | T::HashBrace | T::TemplateOpen => depth += 1,
            T::RParen | T::RBracket | T::RBrace => depth -= 1,
            T::Backtick => ticks += 1,
            T::Unknown if never_ends(token.text(text)) => return false,
            _ => {}
        }
        if !matches!(
            token.kind,
            T::Whitespace | T::LineComment | T::BlockComment | T::Shebang | T::End
        ) {
            last = token.kind;
        }
    }
    let closed = depth <= 0 && ticks % 2 == 0;
    closed && (!wants_more(last) || text.ends_with("\n\n"))
}

/// A token that goes on over lines and has no end yet: a comment, a template, a raw text, or a
/// text whose line ends with a backslash.
fn never_ends(token: &str) -> bool {
    ["/*", "`", "#\"", "##"].iter().any(|it| token.starts_with(it))
        || (token.starts_with('"') && token.trim_end_matches(['\r', '\n']).ends_with('\\'))
}

/// Whether nothing can end with this token.
fn wants_more(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::Op
            | T::AssignOp
            | T::Eq
            | T::Comma
            | T::Dot
            | T::QuestionDot
            | T::Colon
            | T::ColonColon
            | T::Arrow
            | T::FatArrow
            | T::Else
            | T::DocLine
            | T::DocBlock
    )
}

#[cfg(test)]
mod tests;
