//! Files of program states.

use dsp_lang::adapt::read_loose;
use dsp_lang::program::{Fitted, Like, Options, State, show};
use dsp_lang::schema::{Field, Signature, Ty, TypeTable};
use std::sync::Arc;

/// What is read, written and read again is the same.
pub(crate) fn state(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    of_dspy(text);
    let Ok(state) = State::from_text(text, "x.json") else { return };
    let written = state.to_text().expect("what was read can be written");
    let again = State::from_text(&written, "y.json").expect("what was written can be read");
    assert_eq!(again, state, "{written}");
    assert_eq!(again.to_text().as_ref(), Ok(&written));
    assert_eq!(again.hash(), state.hash());
    show(&state);
}

/// The same of a file of DSPy's, for a program with one predictor.
fn of_dspy(text: &str) {
    let list = Ty::List(Box::new(Ty::Str));
    let signature = Signature {
        name: "S".into(),
        instructions: "".into(),
        inputs: vec![Field::new("question", Ty::Str)],
        outputs: vec![
            Field::new("reasoning", Ty::Str),
            Field::new("answer", Ty::Int),
            Field::new("names", list),
        ],
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    };
    let program = [("answer".to_owned(), signature)].into();
    let read = |text: &str| State::from_dspy(text, "x.json", &program, read_loose);
    let Ok(Fitted { mut state, .. }) = read(text) else { return };
    // What a model is asked with is read and not written: DSPy would look its own model up by it.
    for own in state.predictors.values_mut() {
        (own.lm, own.options) = (None, Options::default());
    }
    let written = state.to_dspy(&program, |_| true, &Like::default()).text;
    let again = read(&written).expect("what was written can be read");
    assert_eq!(again.state, state, "{written}");
}
