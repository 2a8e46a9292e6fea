//! Files of program states.

use dsp_lang::program::{State, show};

/// What is read, written and read again is the same.
pub(crate) fn state(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(state) = State::from_text(text, "x.json") else { return };
    let written = state.to_text().expect("what was read can be written");
    let again = State::from_text(&written, "y.json").expect("what was written can be read");
    assert_eq!(again, state, "{written}");
    assert_eq!(again.to_text().as_ref(), Ok(&written));
    assert_eq!(again.hash(), state.hash());
    show(&state);
}
