//! Errors of a run as diagnostics at the user's place, in the user's words.

use crate::diag::{Code, Diagnostic};
use crate::lower::names;
use crate::runtime::error::{Error, Failure, Inner, Raised, carried, codes};
use crate::runtime::script::Script;
use crate::source::Span;
use crate::util::a;
use rhai::{EvalAltResult, Position};

/// Tells an error of a run: where it happened, and through which calls it came.
pub fn diagnose(script: &Script, error: &Error) -> Diagnostic {
    match &*error.0 {
        Inner::Ours(failure) => tell(None, failure),
        Inner::Host(error) => diagnose_host(script, error),
    }
}

fn diagnose_host(script: &Script, error: &EvalAltResult) -> Diagnostic {
    let (innermost, calls) = unwind(error);
    let raised = script.place(position(innermost));
    let (place, calls) = in_users_text(script, raised, calls);
    let mut diagnostic = match carried(innermost) {
        Some(failure) if place == raised => {
            tell(place.map(|it| it.longer(failure.bytes)), &failure)
        }
        Some(failure) => tell(place, &failure),
        None => {
            let (code, message) = words(innermost);
            at(place, code, message)
        }
    };
    // A failure that was thrown again keeps its words, but has only its newest place.
    for (name, position) in calls.iter().rev() {
        if let Some(span) = script.place(*position) {
            diagnostic =
                diagnostic.label(span, format!("in this call of `{}`", user_name(name)));
        }
    }
    diagnostic
}

/// Where the user's text brought an error about, and the calls around: what is inside of the
/// standard library is nothing to look at.
fn in_users_text<'a>(
    script: &Script,
    place: Option<Span>,
    mut calls: Vec<(&'a str, Position)>,
) -> (Option<Span>, Vec<(&'a str, Position)>) {
    let mut place = place;
    while place.is_some_and(|it| script.is_standard(it.source))
        && let Some((_, position)) = calls.pop()
    {
        place = script.place(position).or(place);
    }
    (place, calls)
}

/// Where an error was raised.
fn position(error: &EvalAltResult) -> Position {
    match error {
        EvalAltResult::ErrorSystem(_, inner) => {
            inner.downcast_ref::<Raised>().map_or(Position::NONE, |it| it.at)
        }
        other => other.position(),
    }
}

/// The error at the bottom, and the calls above it with their places, outermost first.
fn unwind(error: &EvalAltResult) -> (&EvalAltResult, Vec<(&str, Position)>) {
    let mut calls = Vec::new();
    let mut error = error;
    while let EvalAltResult::ErrorInFunctionCall(name, _, inner, position) = error {
        if !position.is_none() {
            calls.push((name.as_str(), *position));
        }
        error = inner;
    }
    // The innermost call may only wrap the error of a native at the same place.
    (error, calls)
}

/// The user's name of a lowered function.
pub(in crate::runtime) fn user_name(lowered: &str) -> String {
    let name = lowered.split(" @ ").next().unwrap_or(lowered);
    let name = &without_unit(name);
    if let Some((module, method)) = name.split_once("__m_") {
        return format!("{module}.{method}");
    }
    if let Some(module) = name.strip_suffix("__new") {
        return module.to_owned();
    }
    for prefix in ["__const_", "__n_"] {
        if let Some(name) = name.strip_prefix(prefix) {
            return name.to_owned();
        }
    }
    if let Some(signature) = name.strip_prefix("__contracts_") {
        return format!("the contracts of {signature}");
    }
    if name.starts_with("anon$") {
        return "a closure".to_owned();
    }
    name.to_owned()
}

/// A lowered name without the prefix of its unit.
fn without_unit(name: &str) -> String {
    let own = ["__const_", "__contracts_", ""].iter().find_map(|before| {
        let (_, rest) = names::split(name.strip_prefix(before)?)?;
        Some(format!("{before}{rest}"))
    });
    own.unwrap_or_else(|| name.to_owned())
}

fn tell(place: Option<Span>, failure: &Failure) -> Diagnostic {
    let mut diagnostic = at(place, failure.code, failure.message.clone());
    diagnostic.notes.extend(failure.notes.iter().cloned());
    diagnostic.hints.extend(failure.hints.iter().cloned());
    diagnostic
}

fn at(place: Option<Span>, code: Code, message: String) -> Diagnostic {
    match place {
        Some(span) => Diagnostic::new(code, span, message),
        None => Diagnostic::bare(code, message),
    }
}

/// What the host language says, in our words.
fn words(error: &EvalAltResult) -> (Code, String) {
    use EvalAltResult as E;
    match error {
        E::ErrorFunctionNotFound(signature, _) => (codes::RUNTIME, no_function(signature)),
        E::ErrorVariableNotFound(name, _) => {
            (codes::RUNTIME, format!("there is no variable `{name}`"))
        }
        E::ErrorPropertyNotFound(name, _) => {
            (codes::RUNTIME, format!("there is no `{name}` here"))
        }
        E::ErrorDotExpr(message, _) => (codes::RUNTIME, no_property(message)),
        E::ErrorIndexNotFound(key, _) => (codes::RUNTIME, format!("there is no element {key}")),
        E::ErrorMismatchDataType(wanted, found, _) if found.is_empty() => {
            (codes::RUNTIME, format!("this wants {}", types(wanted)))
        }
        E::ErrorMismatchDataType(wanted, found, _) => {
            (codes::RUNTIME, format!("expected {}, found {}", types(wanted), types(found)))
        }
        E::ErrorMismatchOutputType(wanted, found, _) => {
            (codes::RUNTIME, format!("expected {}, found {}", types(wanted), types(found)))
        }
        E::ErrorRuntime(value, _) => (codes::THROWN, thrown(value)),
        E::ErrorTerminated(token, _) => (codes::CANCELLED, token.to_string()),
        E::ErrorStackOverflow(_) => (codes::LIMIT, "calls are nested too deeply".to_owned()),
        E::ErrorTooManyOperations(_)
        | E::ErrorTooManyVariables(_)
        | E::ErrorTooManyModules(_) => (codes::LIMIT, plain(error)),
        E::ErrorDataTooLarge(what, _) => (codes::LIMIT, too_large(what)),
        E::ErrorArrayBounds(len, index, _) => {
            (codes::RUNTIME, format!("there is no element {index} in a list of {len}"))
        }
        E::ErrorStringBounds(len, index, _) => {
            (codes::RUNTIME, format!("there is no character {index} in a text of {len}"))
        }
        _ => (codes::RUNTIME, plain(error)),
    }
}

fn too_large(what: &str) -> String {
    let what = match what {
        it if it.contains("string") => "text",
        it if it.contains("map") => "map",
        _ => "list",
    };
    format!("the {what} grows too large")
}

fn thrown(value: &rhai::Dynamic) -> String {
    match crate::runtime::rhai_host::from_dynamic(value.clone()).show() {
        text if text.is_empty() => "the script threw an error".to_owned(),
        text => text,
    }
}

/// `Unknown property 'x' - a getter is not registered for type 'i64'` in our words.
fn no_property(message: &str) -> String {
    let mut quoted = message.split('\'').skip(1).step_by(2);
    match (quoted.next(), quoted.next()) {
        (Some(name), Some("object")) if message.contains("setter") => {
            format!("`{name}` cannot be assigned: replies, rows and their like do not change")
        }
        (Some(name), Some(ty)) => format!("{} has no `{name}`", a(&types(ty))),
        _ => lower_first(message),
    }
}

/// What the host says of an error that a script caught, in our words.
pub(in crate::runtime) fn reworded(message: &str) -> String {
    let end = message.find(" (line ").unwrap_or(message.len());
    let plain = &message[..end];
    let plain = plain.split(" in call to ").next().unwrap_or(plain).trim_end();
    if let Some((found, wanted)) = plain
        .strip_prefix("Data type incorrect: ")
        .or_else(|| plain.strip_prefix("Output type incorrect: "))
        .and_then(|it| it.strip_suffix(')')?.split_once(" (expecting "))
    {
        return format!("expected {}, found {}", types(wanted), types(found));
    }
    match plain.strip_prefix("Function not found: ") {
        Some(signature) => no_function(signature),
        None if plain.starts_with("Unknown property") => no_property(plain),
        None => lower_first(plain),
    }
}

/// `foo (i64, &str)` in our words.
fn no_function(signature: &str) -> String {
    let (name, params) = signature.split_once(" (").unwrap_or((signature, ")"));
    let params = params.strip_suffix(')').unwrap_or(params);
    let name = user_name(name);
    let operator = !name.chars().any(|c| c.is_alphanumeric());
    let params: Vec<String> =
        params.split(", ").filter(|it| !it.is_empty()).map(types).collect();
    if signature.starts_with("anon$") {
        return match params.len() {
            0 => "this closure takes a value".to_owned(),
            1 => "this closure does not take 1 value".to_owned(),
            more => format!("this closure does not take {more} values"),
        };
    }
    match params.as_slice() {
        [a, b] if operator => format!("`{name}` does not work on {a} and {b}"),
        [a] if operator => format!("`{name}` does not work on {a}"),
        [] => format!("no function `{name}` takes no values"),
        some => format!("no function `{name}` takes {}", some.join(", ")),
    }
}

/// Rhai's names of types as ours.
fn types(name: &str) -> String {
    let name = name.trim_start_matches('&').trim_start_matches("mut ");
    match name.split(" | ").next().unwrap_or(name) {
        it if it.starts_with("core::ops::range::Range") => "range",
        "i64" => "int",
        "f64" => "float",
        "()" => "nothing",
        "string" | "str" | "ImmutableString" => "str",
        "array" => "list",
        "Fn" => "function",
        other => other,
    }
    .to_owned()
}

/// The host's own words as one of our lines.
fn plain(error: &EvalAltResult) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.rfind(" (line ") {
        text.truncate(at);
    }
    lower_first(&text)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
