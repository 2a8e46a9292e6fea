//! Where a `history` may stand, and where pictures, sounds and files may.

use super::codes;
use crate::diag::Diagnostic;
use crate::schema::{Field, Ty, TypeTable, is_history_type};
use crate::source::Span;

/// What is wrong with a field that has a history, a picture, a sound or a file in its type;
/// `others` are the fields before it on its side.
pub(super) fn misplaced(
    field: &Field,
    output: bool,
    others: &[Field],
    types: &TypeTable,
    span: Span,
) -> Option<Diagnostic> {
    if output && field.ty.mentions_media(types) {
        let told = Diagnostic::new(codes::MEDIA_PLACE, span, "a model writes text only");
        return Some(told.hint("pictures, sounds and files are inputs"));
    }
    if !mentions(&field.ty) {
        return None;
    }
    let told = |message: &str| Diagnostic::new(codes::HISTORY_PLACE, span, message);
    if output {
        let hint = "make it an input; `history += reply` adds a turn to one";
        return Some(told("a model writes no `history`").hint(hint));
    }
    if !is_history_type(&field.ty) {
        return Some(
            told("a `history` is a whole input").hint("write `history` or `history?`"),
        );
    }
    let second = others.iter().any(|it| is_history_type(&it.ty));
    second.then(|| told("the signature has two histories"))
}

fn mentions(ty: &Ty) -> bool {
    match ty {
        Ty::History => true,
        Ty::List(inner) | Ty::Dict(inner) | Ty::Optional(inner) | Ty::Bounded(inner, _) => {
            mentions(inner)
        }
        Ty::Union(members) => members.iter().any(mentions),
        Ty::Record(fields) => fields.iter().any(|it| mentions(&it.ty)),
        _ => false,
    }
}
