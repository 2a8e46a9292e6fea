//! What mends a slip of the pen, where that is certain.

use super::messages as m;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// How many guesses are proved in a text: each reads the whole of it again.
const GUESSES: usize = 8;

/// Adds the changes that mend the diagnostics of a whole text, where there are any. `slips` says
/// how many there are in a text that was changed.
pub(crate) fn mend_all(diags: &mut [Diagnostic], text: &str, slips: impl Fn(&str) -> usize) {
    diags.iter_mut().for_each(|it| mend(it, text));
    let count = diags.len();
    let open = diags.iter_mut().filter(|it| it.edits.is_empty());
    let guesses =
        open.filter_map(|it| guess(it, text).map(|(span, instead)| (it, span, instead)));
    for (diag, span, instead) in guesses.take(GUESSES) {
        let mut changed = text.to_owned();
        changed.replace_range(span.range(), &instead);
        // What is right takes away one slip, and brings no other.
        if slips(&changed) + 1 == count {
            *diag = diag.clone().edit(span, instead);
        }
    }
}

/// A change that may mend a diagnostic.
fn guess(diag: &Diagnostic, text: &str) -> Option<(Span, String)> {
    let span = diag.primary.as_ref()?.span;
    let before = text.get(..span.start as usize)?;
    let behind = text.get(span.start as usize..)?;
    let at = |start: usize, end: usize| {
        Some(Span { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()?, ..span })
    };
    let start = span.start as usize;
    if diag.code == m::MISSING_CLOSER {
        // `(1 + 2]`
        let closer = diag.message.strip_prefix("expected `")?.chars().next()?;
        let from = start + behind.len() - behind.trim_start_matches(' ').len();
        let wrong = text[from..].starts_with([')', ']', '}']);
        return wrong.then(|| Some((at(from, from + 1)?, closer.to_string())))?;
    }
    if diag.code == m::ASSIGNMENT_INSIDE {
        // `if x = 5 {`
        let head = before.rsplit(['{', '}', ';', '\n']).next()?.trim_start();
        let head = head.strip_prefix("else ").unwrap_or(head);
        let condition = head.starts_with("if ") || head.starts_with("while ");
        return (condition && text.get(span.range())? == "=").then(|| (span, "==".to_owned()));
    }
    if diag.code != m::EXPECTED {
        return None;
    }
    if let Some(head) = before.trim_end().strip_suffix("not")
        && !head.ends_with(is_word)
        && stands_alone(behind)
    {
        // `if not done {`
        return Some((at(head.len(), start)?, "!".to_owned()));
    }
    let comma = diag.message.starts_with("expected `,` or ");
    let end = before.trim_end().len();
    let gap = end < start || behind.starts_with(['\n', ' ']);
    let line = before.rsplit('\n').next()?;
    let value = before[..end].ends_with(['"', ')', ']', '}', '`'])
        || before[..end]
            .rsplit(|it: char| !is_word(it))
            .next()?
            .starts_with(|it: char| it.is_ascii_digit());
    (comma && gap && value && !line.contains("//"))
        .then(|| Some((at(end, end)?, ",".to_owned())))?
}

fn is_word(it: char) -> bool {
    it == '_' || it.is_alphanumeric()
}

/// Whether a text begins with a name, its parts and calls, and no operator behind them.
fn stands_alone(text: &str) -> bool {
    let rest = text.trim_start_matches(|it: char| is_word(it) || it == '.');
    let rest = match rest.strip_prefix('(').and_then(|it| it.split_once(')')) {
        Some((inside, rest)) if !inside.contains('(') => rest,
        _ => rest,
    };
    let rest = rest.trim_start();
    rest.len() < text.len() && rest.starts_with(['{', ')', ';', ','])
}

/// Adds the change that mends a diagnostic of a whole text, where there is one.
fn mend(diag: &mut Diagnostic, text: &str) {
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
        m::MISSING_SEMICOLON if word.is_empty() => {
            // Behind it on its line, anything else may have been meant.
            let rest = text.get(span.start as usize..)?.lines().next().unwrap_or_default();
            let rest = rest.trim_start();
            let ends = rest.is_empty() || rest.starts_with("//") || begins_statement(rest);
            ends.then(|| ";".to_owned())?
        }
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

/// Whether a text begins with a word that only statements begin with.
fn begins_statement(text: &str) -> bool {
    let word = text.split(|it| !is_word(it)).next().unwrap_or_default();
    matches!(word, "let" | "const" | "for" | "while" | "return" | "assert" | "throw" | "break")
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
