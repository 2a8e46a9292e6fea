//! Completion and the ends of entries, as the line editor asks for them.

use super::command::COMMANDS;
use super::entry::is_whole;
use super::members;
use crate::runtime::Variables;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the line editor knows about the language.
#[derive(Debug, Default)]
pub(super) struct Editing {
    /// Names that complete a word.
    pub(super) names: BTreeSet<String>,
    /// The variables, whose fields and methods stand behind dots.
    pub(super) variables: Arc<Variables>,
}

impl Editing {
    /// Where the word before the cursor begins, and what it may become.
    fn candidates(&self, before: &str) -> (usize, Vec<String>) {
        if let Some(begun) = before.strip_prefix(':').filter(|it| !it.contains(' ')) {
            let fitting = COMMANDS.iter().filter(|it| it.name.starts_with(begun));
            return (1, fitting.map(|it| it.name.to_owned()).collect());
        }
        let is_word = |ch: char| ch.is_alphanumeric() || ch == '_';
        let word = before.len() - before.trim_end_matches(is_word).len();
        let start = before.len() - word;
        let begun = &before[start..];
        let of_value;
        let names = if before[..start].ends_with('.') {
            of_value = members::behind(&self.variables, &before[..start]);
            &of_value
        } else if begun.is_empty() {
            return (start, Vec::new());
        } else {
            &self.names
        };
        let fitting = names.iter().filter(|it| it.starts_with(begun));
        (start, fitting.cloned().collect())
    }
}

impl Completer for Editing {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.candidates(&line[..at]))
    }
}

impl Validator for Editing {
    fn validate(
        &self,
        context: &mut ValidationContext<'_>,
    ) -> rustyline::Result<ValidationResult> {
        let whole = is_whole(&format!("{}\n", context.input()));
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Hinter for Editing {
    type Hint = String;
}

impl Highlighter for Editing {}

impl Helper for Editing {}

#[cfg(test)]
mod tests {
    use super::Editing;
    use std::sync::Arc;

    #[test]
    fn words_and_commands_complete() {
        let names = ["predict", "print", "rag"].map(ToOwned::to_owned).into();
        let editing = Editing { names, variables: Arc::default() };
        let complete = |before: &str| editing.candidates(before);
        assert_eq!(complete("let a = pr"), (8, vec!["predict".into(), "print".into()]));
        assert_eq!(complete("ä + r"), (5, vec!["rag".into()]));
        assert_eq!(complete(":tr"), (1, vec!["trace".into()]));
        assert_eq!(complete(":prompt ra"), (8, vec!["rag".into()]));
        assert_eq!(complete("reply.pr").1, Vec::<String>::new());
        assert_eq!(complete("1 + ").1, Vec::<String>::new());
    }
}
