//! What the lexer and the parser tell the user: codes, wordings, and words of other languages.

use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::kind::TokenKind;

macro_rules! codes {
    ($($name:ident = $code:literal $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code($code);
        )*

        /// All codes of this module with what each is about.
        pub const CODES: &[(Code, &str)] = &[$((Code($code), $title)),*];
    };
}

codes! {
    UNKNOWN_CHARACTER = "E0101" "a character that begins nothing";
    OPEN_STRING = "E0102" "a string without an end";
    OPEN_COMMENT = "E0103" "a comment without an end";
    BAD_ESCAPE = "E0104" "an escape that strings do not have";
    BAD_NUMBER = "E0105" "a malformed number";
    BAD_CHARACTER = "E0106" "single quotes around more or less than one character";
    OTHER_LANGUAGE = "E0107" "a word or operator of another language";
    EXPECTED = "E0110" "one thing was expected and another found";
    MISSING_SEMICOLON = "E0111" "a statement without its semicolon";
    MISSING_CLOSER = "E0112" "an opened bracket that is not closed";
    STRAY_CLOSER = "E0113" "a closing bracket that closes nothing";
    BAD_NAME = "E0114" "something that is no name where a name must stand";
    MISPLACED_ITEM = "E0115" "an item where items cannot stand";
    ASSIGNMENT_INSIDE = "E0116" "an assignment inside an expression";
    NOT_ASSIGNABLE = "E0117" "an assignment to something that is no place";
    OUTSIDE_LOOP = "E0118" "`break` or `continue` outside of a loop";
    TOO_DEEP = "E0119" "more nesting than can be read";
    FIELD_DIRECTION = "E0120" "a field without `in` or `out`";
    MODULE_BODY = "E0121" "something in a module that is neither `let` nor `fn`";
    POSITIONAL_AFTER_NAMED = "E0122" "an argument without a name after a named one";
    BAD_CASE = "E0123" "a case that `switch` cannot match";
    BAD_TYPE = "E0124" "something that is no type";
    TYPED_LET = "E0125" "a type where none may stand";
}

/// What the user sees of a token: its text, or what it is if that is long.
pub(crate) fn describe(kind: TokenKind, text: &str) -> String {
    match kind {
        TokenKind::End => "the end of the text".to_owned(),
        TokenKind::Str | TokenKind::RawStr => "a string".to_owned(),
        TokenKind::Backtick => "a template string".to_owned(),
        TokenKind::TemplateText => "the text of a template string".to_owned(),
        TokenKind::Ident | TokenKind::Int | TokenKind::Float if text.chars().count() > 24 => {
            "a long word".to_owned()
        }
        TokenKind::Unknown if text.chars().count() > 12 || text.contains('\n') => {
            "text that is no code".to_owned()
        }
        _ => format!("`{text}`"),
    }
}

/// `expected X, found Y`
pub(crate) fn expected(what: &str, found: &str, span: Span) -> Diagnostic {
    Diagnostic::new(EXPECTED, span, format!("expected {what}, found {found}"))
}

/// What to say of an `Unknown` token.
pub(crate) fn unknown(text: &str, span: Span) -> Diagnostic {
    match text.as_bytes() {
        [b'/', b'*', ..] => {
            let opening = Span { end: span.start + 2, ..span };
            Diagnostic::new(OPEN_COMMENT, opening, "the comment that begins here never ends")
                .hint("close it with `*/`")
        }
        [b'"', ..] => {
            Diagnostic::new(OPEN_STRING, span, "the string that begins here never ends")
                .hint("close it with `\"`; a text of several lines stands in back-ticks")
        }
        [b'`', ..] => Diagnostic::new(OPEN_STRING, span, "the template string never ends")
            .hint("close it with a back-tick, and each `${` with `}`"),
        [b'#', ..] if text.trim_start_matches('#').starts_with('"') => {
            Diagnostic::new(OPEN_STRING, span, "the raw string that begins here never ends")
                .hint("close it with `\"` and as many `#` as it begins with")
        }
        [b'\'', ..] => Diagnostic::new(OPEN_STRING, span, "a single quote without its second")
            .hint("strings stand in double quotes"),
        [b'#', ..] => Diagnostic::new(OTHER_LANGUAGE, span, "`#` begins no comment here")
            .hint("comments begin with `//`"),
        _ => unknown_symbol(text, span),
    }
}

fn unknown_symbol(text: &str, span: Span) -> Diagnostic {
    if let Some(instead) = operator_instead(text) {
        return Diagnostic::new(OTHER_LANGUAGE, span, format!("there is no operator `{text}`"))
            .hint(instead);
    }
    let shown: String = text.chars().take(12).collect();
    let diag = Diagnostic::new(
        UNKNOWN_CHARACTER,
        span,
        format!("`{}` has no meaning here", shown.escape_debug()),
    );
    if text.chars().all(char::is_whitespace) {
        diag.hint("this is an unusual kind of space; put an ordinary one")
    } else if text.chars().any(char::is_alphanumeric) {
        diag.hint("names are made of the letters a to z, digits and `_`; other letters stand in strings")
    } else {
        match text {
            "\u{201c}" | "\u{201d}" | "\u{201e}" => {
                diag.hint("strings stand in straight quotes: `\"`")
            }
            "@" => diag.hint("there are no decorators"),
            _ => diag,
        }
    }
}

/// What to write instead of an operator that we do not have.
fn operator_instead(text: &str) -> Option<&'static str> {
    Some(match text {
        "===" => "equality is `==`",
        "!==" => "inequality is `!=`",
        "++" => "write `x += 1`; between two values put a space: `a + +b`",
        "--" => "write `x -= 1`; between two values put a space: `a - -b`",
        "<-" => "put a space: `a < -b`",
        ":=" => "write `let x = …` for a new variable, `x = …` for an old one",
        "|>" => "call it with a dot: `x.f()`",
        "..." => "ranges are `a..b` and `a..=b`; arguments are spread by `..row`",
        "!." => "put parentheses: `(!a).b`",
        "::<" => "types are not passed to calls",
        "(*" | "*)" => "comments are `// …` and `/* … */`",
        ":;" | "<|" | "~" | "$" | "\\" => "it is not part of the language",
        _ => return None,
    })
}

/// The operator that a word or sign of another language stands for.
pub(crate) fn foreign_operator(text: &str) -> Option<&'static str> {
    Some(match text {
        "and" => "&&",
        "or" => "||",
        "is" | "===" => "==",
        "!==" => "!=",
        _ => return None,
    })
}

/// A hint for a word that means something in other languages.
pub(crate) fn foreign_word(text: &str) -> Option<&'static str> {
    Some(match text {
        "var" | "val" | "auto" => "variables are declared by `let`",
        "def" | "function" | "func" | "fun" | "proc" => "functions are declared by `fn`",
        "elif" | "elseif" | "elsif" => "write `else if`",
        "and" => "write `&&`",
        "or" => "write `||`",
        "not" => "write `!`",
        "is" => "write `==`",
        "null" | "nil" | "None" | "undefined" | "NULL" => "nothing is written `()`",
        "True" => "write `true`",
        "False" => "write `false`",
        "lambda" => "closures are `|x| …`",
        "match" => "write `switch x { … }`",
        "case" => "a case is a value and `=>`: `1 => …`",
        "class" | "struct" => {
            "programs are a `module`, tasks a `signature`, records a `type R = { a: str }`"
        }
        "enum" => "write `type T = \"a\" | \"b\"`",
        "except" | "finally" => "write `try { … } catch (e) { … }`",
        "raise" => "write `throw`",
        "from" => "write `import \"path\" as name`",
        "pass" => "an empty block is `{}`",
        "mut" => "every `let` may be assigned to; leave out `mut`",
        "async" | "await" => "calls wait by themselves",
        "new" => "call it without `new`",
        "with" => "there is no `with`; files and models need no closing",
        "pub" | "public" => "items are visible unless `private`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_of_syntax_and_told_apart() {
        for (index, (code, title)) in CODES.iter().enumerate() {
            assert!(code.0.starts_with("E01"), "{code:?}");
            assert!(!title.is_empty());
            assert!(CODES[..index].iter().all(|(other, _)| other != code), "{code:?} twice");
        }
    }
}
