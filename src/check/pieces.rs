//! The pieces of a unit, items and main, which the walk goes through in rounds.
//!
//! What a walk of a piece finds hangs on the piece and on the answers to a few questions: what
//! functions return and are given, which of them judge, what consts are. Where the answers are
//! those of the last time, what was found then is taken down again and nothing is walked.

use super::Checker;
use super::value::{FnKey, Known};
use crate::diag::Diagnostic;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a walk asks for that other pieces, or the round before, decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question<'a> {
    /// What a function returns.
    Result(FnKey),
    /// What a function is given for the parameter at this place.
    Given(FnKey, usize),
    /// Whether a function judges replies.
    Judges(FnKey),
    /// What a const is.
    Const(&'a str),
}

/// What was asked, and the answers; `None` where there was more than one.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked<'a>(RefCell<BTreeMap<Question<'a>, Option<Known>>>);

impl<'a> Asked<'a> {
    /// Takes down an answer.
    pub(super) fn note(&self, question: Question<'a>, answer: &Known) {
        let mut all = self.0.borrow_mut();
        let noted = all.entry(question).or_insert_with(|| Some(answer.clone()));
        if noted.as_ref() != Some(answer) {
            *noted = None;
        }
    }
}

/// What a walk takes down for other pieces, in order.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A call with these arguments.
    Call(FnKey, Vec<Known>),
    /// A function that anybody may call.
    Open(FnKey),
    /// A way out of a function with this value.
    Returns(FnKey, Known),
}

/// Which variables change in a piece.
#[derive(Debug, Default)]
pub(super) struct Changes<'a> {
    /// Those that are assigned somewhere, and whether a closure does it.
    pub(super) assigned: BTreeMap<&'a str, bool>,
    /// Those that methods may change in place, and whether a closure calls one.
    pub(super) worked: BTreeMap<&'a str, bool>,
}

/// A piece as it was walked last.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    changes: Arc<Changes<'a>>,
    /// Whether it is walked in each round. What others know of a const is found in its walk.
    always: bool,
    /// `None` where it was not walked yet.
    asked: Option<Asked<'a>>,
    found: Vec<Found>,
    diags: Vec<Diagnostic>,
}

impl<'a> Piece<'a> {
    pub(super) fn new(changes: Changes<'a>, always: bool) -> Self {
        Self { changes: Arc::new(changes), always, ..Self::default() }
    }
}

impl<'a> Checker<'a> {
    /// Walks the piece at `index`, or takes down again what was found in it.
    pub(super) fn piece(&mut self, index: usize, walk: impl FnOnce(&mut Self)) {
        let mut piece = std::mem::take(&mut self.pieces[index]);
        self.changes = piece.changes.clone();
        let asked = piece.asked.as_ref().filter(|_| !piece.always);
        if asked.is_some_and(|it| self.answers(it)) {
            piece.found.iter().for_each(|it| self.flow.take(it.clone()));
            self.diags.extend(piece.diags.iter().cloned());
        } else {
            self.flow.begin();
            let told = self.diags.len();
            walk(self);
            let (asked, found) = self.flow.end();
            (piece.asked, piece.found) = (Some(asked), found);
            piece.diags = self.diags[told..].to_vec();
        }
        self.pieces[index] = piece;
    }

    /// Whether all questions have the answers that they had.
    fn answers(&mut self, asked: &Asked<'a>) -> bool {
        asked.0.borrow().iter().all(|(question, answer)| {
            let Some(answer) = answer else { return false };
            *answer == self.answer(*question)
        })
    }

    fn answer(&mut self, question: Question<'a>) -> Known {
        match question {
            Question::Result(key) => self.flow.result(key),
            Question::Given(key, index) => self.flow.given(key, index),
            Question::Judges(key) => yes(self.flow.judges(key)),
            Question::Const(name) => self.const_known(name),
        }
    }
}

/// An answer to what is yes or no.
pub(super) fn yes(it: bool) -> Known {
    if it { Known::Unit } else { Known::Nothing }
}
