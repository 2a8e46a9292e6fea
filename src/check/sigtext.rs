//! Signatures in strings: `question, context: list[str] -> answer: str`.
//!
//! The types are those of the language, and DSPy's spelling of them: `Optional[str]`,
//! `Literal['a', 'b']`, `str | None`, `List[int]`, `typing.` before a name.

use super::codes;
use super::types::{Types, number, optional, union};
use crate::diag::Diagnostic;
use crate::schema::{Bound, Field, Signature, Ty, TypeTable, Value};
use crate::source::Span;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Reads a signature; places in diagnostics are those that `place` gives for offsets of `text`.
pub(crate) fn read(
    text: &str,
    types: &Arc<TypeTable>,
    place: &dyn Fn(usize, usize) -> Span,
) -> (Signature, Vec<Diagnostic>) {
    let names: BTreeSet<Arc<str>> = types.keys().cloned().collect();
    let mut reader = Reader::new(text, &names, place);
    let inputs = reader.fields();
    if !reader.eat("->") {
        reader.expected("`->` between inputs and outputs");
    }
    let outputs = reader.fields();
    reader.end();
    reader.sides(&inputs, &outputs);
    let signature = Signature {
        name: "".into(),
        instructions: "".into(),
        inputs: inputs.into_iter().map(|it| it.0).collect(),
        outputs: outputs.into_iter().map(|it| it.0).collect(),
        types: types.clone(),
        contracts: 0,
    };
    (signature, reader.types.diags)
}

/// Reads one field, such as `out confidence: float(0..=1) 'how sure'`; whether it is an output.
pub(crate) fn read_field(
    text: &str,
    types: &Arc<TypeTable>,
    place: &dyn Fn(usize, usize) -> Span,
) -> (Option<(bool, Field)>, Vec<Diagnostic>) {
    let names: BTreeSet<Arc<str>> = types.keys().cloned().collect();
    let mut reader = Reader::new(text, &names, place);
    let output = reader.eat_word("out");
    let known = output || reader.eat_word("in");
    if !known {
        reader.expected("`in` or `out`");
    }
    let field = reader.field();
    reader.end();
    (field.map(|it| (output, it.0)), reader.types.diags)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    types: Types<'a>,
    place: &'a dyn Fn(usize, usize) -> Span,
    /// After the first error of form the rest is not told.
    broken: bool,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn new(
        text: &'a str,
        names: &'a BTreeSet<Arc<str>>,
        place: &'a dyn Fn(usize, usize) -> Span,
    ) -> Self {
        Self { text, at: 0, types: Types::new(names), place, broken: false, depth: 0 }
    }

    fn span(&self, start: usize) -> Span {
        (self.place)(start, self.at.max(start + 1).min(self.text.len().max(start)))
    }

    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn eat(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.word() == Some(word);
        if !found {
            self.at = before;
        }
        found
    }

    fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let len = rest
            .find(|it: char| !(it.is_alphanumeric() || it == '_'))
            .unwrap_or(rest.len());
        let word = &rest[..len];
        if word.is_empty() || word.starts_with(|it: char| it.is_ascii_digit()) {
            return None;
        }
        self.at += len;
        Some(word)
    }

    fn expected(&mut self, what: &str) {
        if self.broken {
            return;
        }
        self.broken = true;
        let rest = self.rest();
        let found: String = rest.chars().take_while(|it| !it.is_whitespace()).take(20).collect();
        let message = if found.is_empty() {
            format!("expected {what}, but the text ends")
        } else {
            format!("expected {what}, found `{found}`")
        };
        let start = self.at;
        let span = (self.place)(start, start + found.len());
        let hint = "a signature text reads `question, context: list[str] -> answer: str`";
        self.types.diags.push(Diagnostic::new(codes::SIGNATURE_TEXT, span, message).hint(hint));
    }

    fn end(&mut self) {
        if !self.rest().is_empty() {
            self.expected("the end");
        }
    }

    fn fields(&mut self) -> Vec<(Field, Span)> {
        let mut fields: Vec<(Field, Span)> = Vec::new();
        loop {
            let rest = self.rest();
            if rest.is_empty() || rest.starts_with("->") {
                return fields;
            }
            let Some((field, span)) = self.field() else { return fields };
            if fields.iter().any(|it| it.0.name == field.name) {
                let message = format!("the signature has two fields `{}`", field.name);
                self.types.diags.push(Diagnostic::new(codes::DUPLICATE_FIELD, span, message));
            } else {
                fields.push((field, span));
            }
            if !self.eat(",") && !self.eat(";") {
                return fields;
            }
        }
    }

    fn field(&mut self) -> Option<(Field, Span)> {
        self.rest();
        let start = self.at;
        let Some(name) = self.word() else {
            self.expected("the name of a field");
            return None;
        };
        let span = self.span(start);
        let ty = if self.eat(":") { self.ty() } else { Ty::Str };
        let mut field = Field::new(name, ty);
        if self.rest().starts_with(['\'', '"']) {
            field.description = self.string().map(Into::into);
        }
        Some((field, span))
    }

    fn sides(&mut self, inputs: &[(Field, Span)], outputs: &[(Field, Span)]) {
        if self.broken {
            return;
        }
        for (field, span) in outputs {
            if inputs.iter().any(|it| it.0.name == field.name) {
                let message = format!("`{}` is both an input and an output", field.name);
                self.types.diags.push(Diagnostic::new(codes::FIELD_BOTH_WAYS, *span, message));
            }
        }
        if outputs.is_empty() {
            let span = (self.place)(0, self.text.len());
            let message = "the signature has no outputs";
            self.types.diags.push(Diagnostic::new(codes::NO_OUTPUTS, span, message));
        }
    }

    /// A type with `|` between alternatives.
    fn ty(&mut self) -> Ty {
        if self.depth > 64 {
            self.expected("a shallower type");
            return Ty::Any;
        }
        self.depth += 1;
        let mut members = vec![self.suffixed()];
        while self.eat("|") {
            members.push(self.suffixed());
        }
        self.depth -= 1;
        if members.len() == 1 { members.swap_remove(0) } else { union(members) }
    }

    /// A type with `?` or a bound behind it.
    fn suffixed(&mut self) -> Ty {
        self.rest();
        let start = self.at;
        let mut ty = self.primary();
        loop {
            if self.eat("?") {
                ty = optional(ty);
            } else if self.eat("(") {
                let bound = self.bound();
                let span = self.span(start);
                ty = self.types.bounded(ty, bound, span);
            } else {
                return ty;
            }
        }
    }

    fn primary(&mut self) -> Ty {
        let rest = self.rest();
        let start = self.at;
        if rest.starts_with(['\'', '"']) || rest.starts_with(|it: char| it == '-' || it.is_ascii_digit())
        {
            let value = self.literal();
            let span = self.span(start);
            return self.types.literal(value, span);
        }
        if self.eat("{") {
            return self.record();
        }
        let Some(name) = self.word() else {
            self.expected("a type");
            return Ty::Any;
        };
        let name = match name {
            "typing" | "dspy" if self.eat(".") => self.word().unwrap_or(name),
            _ => name,
        };
        match name {
            "true" | "True" => Ty::Enum(Arc::new(vec![Value::Bool(true)])),
            "false" | "False" => Ty::Enum(Arc::new(vec![Value::Bool(false)])),
            "None" | "null" => Ty::Enum(Arc::new(vec![Value::Null])),
            _ if self.rest().starts_with('[') => self.generic(name, start),
            _ => {
                let span = self.span(start);
                self.types.name(spelling(name), span)
            }
        }
    }

    fn generic(&mut self, name: &str, start: usize) -> Ty {
        self.eat("[");
        let mut args = Vec::new();
        while !self.broken && !self.rest().starts_with(']') {
            args.push(self.ty());
            if !self.eat(",") {
                break;
            }
        }
        if !self.eat("]") {
            self.expected("`]`");
        }
        let span = self.span(start);
        match name {
            "Optional" if args.len() == 1 => optional(args.swap_remove(0)),
            "Optional" => self.types.arguments("`Optional` takes one type", "", span),
            "Union" | "Literal" if !args.is_empty() => union(args),
            "Union" | "Literal" => {
                self.types.arguments(&format!("`{name}` takes at least one type"), "", span)
            }
            _ => self.types.generic(spelling(name), args, span),
        }
    }

    fn record(&mut self) -> Ty {
        let mut fields = Vec::new();
        while !self.broken && !self.rest().starts_with('}') {
            let Some((field, span)) = self.field() else { break };
            self.types.push_field(&mut fields, field, span);
            if !self.eat(",") && !self.eat(";") {
                break;
            }
        }
        if !self.eat("}") {
            self.expected("`}`");
        }
        Ty::Record(Arc::new(fields))
    }

    fn literal(&mut self) -> Option<Value> {
        if self.rest().starts_with(['\'', '"']) {
            return self.string().map(Value::from);
        }
        let raw = self.number_text();
        raw.replace('_', "").parse().ok().map(Value::Int)
    }

    fn number_text(&mut self) -> &'a str {
        let rest = self.rest();
        let mut len = usize::from(rest.starts_with('-'));
        for (at, it) in rest.char_indices().skip(len) {
            let range = rest[at..].starts_with("..");
            if range || !(it.is_ascii_digit() || it == '.' || it == '_') {
                break;
            }
            len = at + 1;
        }
        self.at += len;
        &rest[..len]
    }

    fn bound(&mut self) -> Option<Bound> {
        let min = number(self.number_text());
        let mut bound = Bound { min, ..Bound::default() };
        if self.eat("..=") {
            bound.max = number(self.number_text());
        } else if self.eat("..") {
            bound.max = number(self.number_text());
            bound.max_excluded = bound.max.is_some();
        } else {
            bound.max = bound.min;
        }
        if !self.eat(")") {
            self.expected("`)`");
        }
        (bound.min.is_some() || bound.max.is_some()).then_some(bound)
    }

    fn string(&mut self) -> Option<String> {
        let rest = self.rest();
        let quote = rest.chars().next()?;
        let mut out = String::new();
        let mut escaped = false;
        for (at, it) in rest.char_indices().skip(1) {
            if escaped {
                out.push(it);
                escaped = false;
            } else if it == '\\' {
                escaped = true;
            } else if it == quote {
                self.at += at + it.len_utf8();
                return Some(out);
            } else {
                out.push(it);
            }
        }
        self.expected("the quote that closes the text");
        self.at = self.text.len();
        None
    }
}

/// Our spelling of a type of Python's.
fn spelling(name: &str) -> &str {
    match name {
        "List" => "list",
        "Dict" => "dict",
        "Any" => "any",
        other => other,
    }
}
