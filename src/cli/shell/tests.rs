//! What is said behind diagnostics.

use super::*;

#[test]
fn the_first_error_is_explained() {
    let diag = |code| Diagnostic::bare(Code(code), "");
    assert_eq!(more_about(&[]), "");
    assert_eq!(more_about(&[diag("W0201")]), "`dsp explain W0201` says more\n");
    let both = [diag("W0201"), diag("E0203"), diag("E0201")];
    assert_eq!(more_about(&both), "`dsp explain E0203` says more\n");
}
