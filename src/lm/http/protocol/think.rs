//! Thoughts that models write into their text: `<think>…</think>` at its beginning.

use crate::lm::http::teller::Teller;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes the thoughts out of a text; `None` where it does not begin with some. Thoughts that
/// never end are all there is.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let thoughts = text.trim_start().strip_prefix(OPEN)?;
    let (thoughts, rest) = thoughts.split_once(CLOSE).unwrap_or((thoughts, ""));
    Some((thoughts.trim(), rest.trim_start()))
}

/// Moves the thoughts of a text to where thoughts belong.
pub(super) fn take(text: &mut String, reasoning: &mut Option<String>) {
    let Some((thoughts, rest)) = split(text) else { return };
    if !thoughts.is_empty() {
        let before = reasoning.take().map_or_else(String::new, |it| it + "\n");
        *reasoning = Some(before + thoughts);
    }
    *text = rest.to_owned();
}

/// Tells a text that comes in pieces, with thoughts told as thoughts.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    stage: Stage,
    /// What is not told yet, for it may be a part of a mark or white space before one.
    held: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing but white space has come.
    #[default]
    Start,
    /// Inside thoughts.
    Thoughts,
    /// Behind them; white space is not part of the text yet.
    Between,
    /// In the text.
    Text,
}

impl Splitter {
    pub(super) fn push(&mut self, more: &str, teller: &mut Teller<'_>) {
        if self.stage == Stage::Text {
            return teller.text(more);
        }
        self.held.push_str(more);
        while self.step(teller) {}
    }

    /// Tells what is held back.
    pub(super) fn end(&mut self, teller: &mut Teller<'_>) {
        let held = std::mem::take(&mut self.held);
        match self.stage {
            Stage::Thoughts => teller.reasoning(&held),
            Stage::Start | Stage::Text => teller.text(&held),
            Stage::Between => {}
        }
        self.stage = Stage::Text;
    }

    /// Goes on as far as one mark; whether there may be more.
    fn step(&mut self, teller: &mut Teller<'_>) -> bool {
        match self.stage {
            Stage::Start => {
                let begun = self.held.trim_start();
                if let Some(thoughts) = begun.strip_prefix(OPEN) {
                    self.held = thoughts.to_owned();
                    self.stage = Stage::Thoughts;
                    return true;
                }
                if !OPEN.starts_with(begun) {
                    self.stage = Stage::Text;
                    teller.text(&std::mem::take(&mut self.held));
                }
                false
            }
            Stage::Thoughts => match self.held.split_once(CLOSE) {
                Some((thoughts, rest)) => {
                    teller.reasoning(thoughts);
                    self.held = rest.to_owned();
                    self.stage = Stage::Between;
                    true
                }
                None => {
                    let most = self.held.len().min(CLOSE.len() - 1);
                    let ends = |it: &usize| self.held.ends_with(&CLOSE[..*it]);
                    let part = (1..=most).rev().find(ends).unwrap_or(0);
                    let at = self.held.len() - part;
                    teller.reasoning(&self.held[..at]);
                    self.held.drain(..at);
                    false
                }
            },
            Stage::Between => {
                let rest = self.held.trim_start();
                if !rest.is_empty() {
                    self.stage = Stage::Text;
                    teller.text(rest);
                }
                self.held.clear();
                false
            }
            Stage::Text => false,
        }
    }
}
