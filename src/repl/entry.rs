//! Where an entry ends, and which names complete it.

use crate::catalog;
use crate::engine::Session;
use crate::syntax::{TokenKind, lex};
use rustyline::completion::Completer;
use rustyline::{Context, Helper, highlight::Highlighter, hint::Hinter, validate::Validator};
use std::collections::BTreeSet;

/// Whether a bracket or a text is still open at the end.
pub(super) fn is_open(text: &str) -> bool {
    let mut depth = 0i64;
    let mut template = false;
    for token in lex(text) {
        match token.kind {
            TokenKind::LParen
            | TokenKind::LBracket
            | TokenKind::LBrace
            | TokenKind::HashBrace
            | TokenKind::QuestionBracket
            | TokenKind::TemplateOpen => depth += 1,
            TokenKind::RParen | TokenKind::RBracket | TokenKind::RBrace => depth -= 1,
            TokenKind::Backtick => template = !template,
            TokenKind::Unknown => {
                let begun = ["#\"", "/*", "`"];
                if begun.iter().any(|it| token.text(text).starts_with(it)) {
                    return true;
                }
            }
            _ => {}
        }
    }
    depth > 0 || template
}

/// Names that complete a word: natives, and what the session has.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: BTreeSet<String>,
}

impl Names {
    /// Takes the names of a session.
    pub(super) fn set(&mut self, session: &Session) {
        let natives = catalog::NATIVES.iter().map(|it| it.name.to_owned());
        let variables = session.variables().into_iter().map(|it| it.to_string());
        let items = session.program().units().iter().flat_map(|unit| {
            let names = unit.modules.keys().chain(unit.consts.keys());
            names.map(ToString::to_string).collect::<Vec<_>>()
        });
        self.names = natives.chain(variables).chain(items).collect();
    }
}

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let is_word = |ch: char| ch.is_alphanumeric() || ch == '_';
        let start = line[..at]
            .rfind(|ch| !is_word(ch))
            .map_or(0, |it| it + line[it..].chars().next().map_or(0, char::len_utf8));
        let word = &line[start..at];
        let fitting =
            self.names.iter().filter(|name| !word.is_empty() && name.starts_with(word));
        Ok((start, fitting.cloned().collect()))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}

impl Validator for Names {}

impl Helper for Names {}

#[cfg(test)]
mod tests {
    use super::is_open;

    #[test]
    fn an_entry_ends_when_everything_is_closed() {
        for open in ["fn f() {\n", "print(\n", "let a = [1,\n", "let a = `x\n", "#{ a: 1\n"] {
            assert!(is_open(open), "{open}");
        }
        for closed in ["1 + 1\n", "fn f() { 1 }\n", "let a = \"(\";\n", ")\n", "`${a}`\n"] {
            assert!(!is_open(closed), "{closed}");
        }
    }
}
