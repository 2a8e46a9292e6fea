//! The forms of numbers that a literal may have, as an automaton over bytes.

use crate::lm::Pattern;

/// The most digits before the point, and after it.
const DIGITS: u8 = 18;

/// How far a literal has been read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Literal {
    pattern: Pattern,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Start,
    Sign,
    Whole(u8),
    Point,
    Fraction(u8),
}

impl Literal {
    /// Returns a literal of which nothing was read.
    pub(crate) fn new(pattern: Pattern) -> Self {
        Self { pattern, state: State::Start }
    }

    /// Reads bytes; `None` when they do not continue the literal.
    pub(crate) fn read(mut self, bytes: &[u8]) -> Option<Self> {
        for byte in bytes {
            self.state = match (self.state, byte) {
                (State::Start, b'-') => State::Sign,
                (State::Start | State::Sign, b'0'..=b'9') => State::Whole(1),
                (State::Whole(n), b'0'..=b'9') if n < DIGITS => State::Whole(n + 1),
                (State::Whole(_), b'.') if self.pattern == Pattern::Float => State::Point,
                (State::Point, b'0'..=b'9') => State::Fraction(1),
                (State::Fraction(n), b'0'..=b'9') if n < DIGITS => State::Fraction(n + 1),
                _ => return None,
            };
        }
        Some(self)
    }

    /// Whether what was read is a literal.
    pub(crate) fn is_whole(self) -> bool {
        matches!(self.state, State::Whole(_) | State::Fraction(_))
    }
}
