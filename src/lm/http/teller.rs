//! Tells a listener of a reply while it comes.

use crate::lm::keys::Secret;
use crate::lm::{Delta, Flow, Listener};

/// Tells one listener of one reply. What might be the beginning of the key is held back until
/// it turns out not to be, for a server may repeat the key.
pub(super) struct Teller<'a> {
    listener: &'a Listener,
    key: Option<&'a Secret>,
    held: String,
    is_reasoning: bool,
    has_told: bool,
    is_halted: bool,
}

impl<'a> Teller<'a> {
    pub(super) fn new(listener: &'a Listener, key: Option<&'a Secret>) -> Self {
        Self {
            listener,
            key,
            held: String::new(),
            is_reasoning: false,
            has_told: false,
            is_halted: false,
        }
    }

    /// Whether anything was told.
    pub(super) fn has_told(&self) -> bool {
        self.has_told
    }

    /// Whether no more is wanted.
    pub(super) fn is_halted(&self) -> bool {
        self.is_halted
    }

    /// Tells more of the text.
    pub(super) fn text(&mut self, text: &str) {
        self.more(text, false);
    }

    /// Tells more of the thoughts.
    pub(super) fn reasoning(&mut self, text: &str) {
        self.more(text, true);
    }

    /// Tells what was held back.
    pub(super) fn end(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.tell(&held);
    }

    fn more(&mut self, text: &str, is_reasoning: bool) {
        if self.is_reasoning != is_reasoning {
            self.end();
            self.is_reasoning = is_reasoning;
        }
        let Some(key) = self.key else { return self.tell(text) };
        self.held.push_str(text);
        let held = if key.is_in(&self.held) {
            key.redact(&self.held)
        } else {
            std::mem::take(&mut self.held)
        };
        let at = held.len() - key.begun_at_end(&held);
        self.held = held[at..].to_owned();
        self.tell(&held[..at]);
    }

    fn tell(&mut self, text: &str) {
        if text.is_empty() || self.is_halted {
            return;
        }
        self.has_told = true;
        let delta = if self.is_reasoning { Delta::Reasoning(text) } else { Delta::Text(text) };
        self.is_halted = self.listener.hear(delta) == Flow::Halt;
    }
}
