//! What mends a slip of the pen, where that is certain.

use super::messages as m;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// Adds the change that mends a diagnostic of a whole text, where there is one.
pub(crate) fn mend(diag: &mut Diagnostic, text: &str) {
    let Some(span) = diag.primary.as_ref().map(|it| it.span) else { return };
    if !diag.edits.is_empty() {
        return;
    }
    if let Some((span, instead)) = change(diag.code, span, text) {
        *diag = diag.clone().edit(span, instead);
    }
}

fn change(code: Code, span: Span, text: &str) -> Option<(Span, String)> {
    let word = text.get(span.range())?;
    let at = |start: u32, end: u32| Span { start, end, ..span };
    let instead = match code {
        m::MISSING_SEMICOLON if word.is_empty() => ";".to_owned(),
        m::STRAY_CLOSER => String::new(),
        m::OTHER_LANGUAGE if word.starts_with('#') => {
            return Some((at(span.start, span.start + 1), "//".to_owned()));
        }
        m::OTHER_LANGUAGE | m::EXPECTED => foreign(word)?.to_owned(),
        m::BAD_CHARACTER => {
            let inner = word.strip_prefix('\'')?.strip_suffix('\'')?;
            let plain = !inner.contains(['"', '\\', '\n', '\'']) && !inner.is_empty();
            plain.then(|| format!("\"{inner}\""))?
        }
        m::TYPED_LET => {
            // The type ends where the value is assigned.
            let rest = text.get(span.start as usize..)?.lines().next()?;
            let end = rest.find(" =").filter(|_| rest.starts_with(':'))?;
            return Some((
                at(span.start, span.start + u32::try_from(end).ok()?),
                String::new(),
            ));
        }
        m::BAD_TYPE if word == "[" => {
            let rest = text.get(span.end as usize..)?;
            let inner = &rest[..rest.find(']')?];
            let name = inner.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
            name.then(|| "list[".to_owned())?
        }
        _ => return None,
    };
    Some((span, instead))
}

/// What a word or operator of another language is here, where it is one word as well.
fn foreign(word: &str) -> Option<&'static str> {
    m::foreign_operator(word).or(match word {
        "null" | "nil" | "None" | "undefined" | "NULL" => Some("()"),
        "True" => Some("true"),
        "False" => Some("false"),
        "elif" | "elseif" | "elsif" => Some("else if"),
        "var" | "val" => Some("let"),
        "def" | "function" | "func" | "fun" => Some("fn"),
        "not" => Some("!"),
        "raise" => Some("throw"),
        "match" => Some("switch"),
        _ => None,
    })
}
