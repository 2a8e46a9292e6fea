//! The `complete` layout: plain text that a small model continues.
//!
//! ```text
//! Sort a support message.
//! Topic is one of: billing, shipping, other.
//!
//! Message: Where is my parcel?
//! Topic: shipping
//!
//! Message: I was charged twice.
//! Topic:
//! ```
//!
//! The plainer the better: with small models every extra word costs right answers. Lines after
//! the first of a value are indented by two spaces, so that no value can be taken for a label or
//! for the blank line between examples. A model that obeys templates has everything put into its
//! mouth but the values, in the very bytes that a demo has.

use crate::adapt::conversation::{asked, split_demos};
use crate::adapt::origin::{Pen, Said, Silent, Turn};
use crate::adapt::read::{read_begun, read_begun_sections, read_reply, read_sections};
use crate::adapt::write::{is_text, push_value};
use crate::adapt::{Ask, ParseError, Parsed, Partial, Prepared};
use crate::lm::{Capabilities, Decoding, Pattern, Prompt, Segment};
use crate::schema::{
    Bound, Choices, Demo, Field, Record, Signature, Ty, Value, choices_of, shortened,
};
use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest free value in tokens, where no bound says less.
const LINE_TOKENS: u32 = 256;
/// The most characters of a refused reply that are shown.
const MOST_REFUSED: usize = 1000;
/// An int with at most this many values is a choice between them.
const MAX_CHOICES: f64 = 64.0;

pub(super) fn prompt(
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    pen: &mut impl Pen,
) -> Prepared {
    prepared(ask, capabilities, "", pen)
}

pub(super) fn repair(
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    reply: &str,
    error: &ParseError,
    pen: &mut impl Pen,
) -> Prepared {
    let mut note = String::from("Refused:");
    push_lines(&mut note, &refused(ask.signature, reply));
    let _ = writeln!(note, "\nReason: {}", one_line(&error.message));
    prepared(ask, capabilities, &note, pen)
}

/// A refused reply as it is shown: as it came, where several outputs were asked for with the first
/// label, which may have been put into the model's mouth. Of a long one the beginning is shown.
fn refused(signature: &Signature, reply: &str) -> String {
    let reply = reply.trim();
    let label = signature.outputs.first().map(|it| format!("{}:", label(&it.name)));
    let label = label.filter(|it| signature.outputs.len() > 1 && !reply.starts_with(it));
    let lead = label.map(|it| format!("{it} ")).unwrap_or_default();
    format!("{lead}{}", shortened(reply, MOST_REFUSED))
}

fn prepared(
    ask: &Ask<'_>,
    capabilities: &Capabilities,
    note: &str,
    pen: &mut impl Pen,
) -> Prepared {
    let mut text = String::with_capacity(256 + 128 * ask.demos.len());
    push_task(&mut text, ask, pen);
    let (partial, complete) = split_demos(ask.signature, ask.demos);
    for (index, demo) in partial.into_iter().chain(complete) {
        pen.turn(Turn::Demo(index));
        push_turn(&mut text, ask.signature, &demo.inputs, &demo.outputs, pen);
    }
    for (index, turn) in ask.signature.turns(ask.inputs).iter().enumerate() {
        pen.turn(Turn::History(index));
        push_turn(&mut text, ask.signature, turn, turn, pen);
    }
    pen.turn(Turn::Own);
    push_fields(&mut text, ask.signature, &ask.signature.inputs, &asked(ask), pen);
    if !note.is_empty() {
        pen.says(text.len(), Said::Repair);
        text.push_str(note);
    }
    pen.says(text.len(), Said::Closing);
    let forms = ask.signature.outputs.iter().map(|it| Form::of(it, ask)).collect::<Vec<_>>();
    let decoding = if capabilities.template {
        template(ask.signature, &forms)
    } else {
        if let Some(first) = ask.signature.outputs.first() {
            push_label(&mut text, &first.name);
        }
        Decoding::Free
    };
    let stop = if capabilities.template { Vec::new() } else { stops(ask.signature, &forms) };
    let labels = u32::try_from(forms.len()).unwrap_or(u32::MAX).saturating_mul(8);
    let max_tokens = forms.iter().map(Form::tokens).fold(labels, u32::saturating_add);
    Prepared { prompt: Prompt::Text(text), decoding, stop, max_tokens: Some(max_tokens) }
}

/// An example or an earlier turn, and the line that ends it.
fn push_turn(
    text: &mut String,
    signature: &Signature,
    inputs: &Record,
    outputs: &Record,
    pen: &mut impl Pen,
) {
    pen.says(text.len(), Said::Layout);
    push_fields(text, signature, &signature.inputs, inputs, pen);
    push_fields(text, signature, &signature.outputs, outputs, pen);
    text.push('\n');
}

fn push_task(text: &mut String, ask: &Ask<'_>, pen: &mut impl Pen) {
    let instructions = ask.instructions.trim();
    if !instructions.is_empty() {
        pen.says(text.len(), Said::Instruction);
        text.push_str(instructions);
        text.push('\n');
    }
    for field in &ask.signature.outputs {
        pen.says(text.len(), Said::Field(&field.name));
        push_hint(text, field, ask.signature);
    }
    if !text.is_empty() {
        text.push('\n');
    }
}

/// What a field is, where its name does not say it: its description, its labels.
fn push_hint(text: &mut String, field: &Field, signature: &Signature) {
    let label = label(&field.name);
    if let Some(words) = field.description.as_deref().filter(|it| !it.trim().is_empty()) {
        let _ = writeln!(text, "{label} means: {}", one_line(words));
    }
    if let Some(options) = choices(&field.ty, signature, None) {
        let _ = writeln!(text, "{label} is one of: {}.", options.join(", "));
    } else if let Some(input) = chosen_input(&field.ty, signature) {
        let _ = writeln!(text, "{label} is one of the {}.", self::label(input));
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `next_tool_name` is `Next Tool Name`.
fn label(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    push_words(&mut out, name);
    out
}

fn push_words(out: &mut String, name: &str) {
    for (at, word) in name.split('_').filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            out.push(' ');
        }
        let mut letters = word.chars();
        out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        out.push_str(letters.as_str());
    }
}

fn push_label(out: &mut String, name: &str) {
    push_words(out, name);
    out.push(':');
}

/// The lines of the fields that have values.
fn push_fields(
    out: &mut String,
    signature: &Signature,
    fields: &[Field],
    values: &Record,
    pen: &mut impl Pen,
) {
    for field in fields {
        let Some(value) = values.get(&field.name) else { continue };
        pen.says(out.len(), Said::Value(&field.name));
        push_label(out, &field.name);
        push_indented(out, value, field, signature);
        out.push('\n');
    }
}

/// A space and the value, its lines after the first indented.
fn push_indented(out: &mut String, value: &Value, field: &Field, signature: &Signature) {
    let mut text = String::new();
    push_value(&mut text, value, &field.ty, &signature.types);
    push_lines(out, text.trim());
}

/// A space and the text, its lines after the first indented.
fn push_lines(out: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    for (at, line) in text.split('\n').enumerate() {
        out.push_str(if at == 0 { " " } else { "\n  " });
        out.push_str(line);
    }
}

pub(super) fn reply(signature: &Signature, outputs: &Record) -> String {
    let mut out = String::new();
    push_fields(&mut out, signature, &signature.outputs, outputs, &mut Silent);
    out.truncate(out.trim_end_matches('\n').len());
    out
}

/// What the value of an output may be while it is decoded.
enum Form {
    /// One of these, each with the space before it.
    Choice(Vec<String>),
    /// A number.
    Number(Pattern),
    /// Text on one line, or on several.
    Free { lines: bool, tokens: u32 },
}

impl Form {
    fn of(field: &Field, ask: &Ask<'_>) -> Self {
        let ty = &field.ty;
        if let Some(options) = choices(ty, ask.signature, Some(ask.inputs)) {
            return Self::Choice(options.into_iter().map(|it| format!(" {it}")).collect());
        }
        match number(ty, ask.signature) {
            Some(pattern) => Self::Number(pattern),
            None => {
                let lines = has_lines(field, ask);
                Self::Free { lines, tokens: free_tokens(ty, ask.signature, lines) }
            }
        }
    }

    fn tokens(&self) -> u32 {
        match self {
            Self::Choice(options) => {
                let longest = options.iter().map(String::len).max().unwrap_or(0);
                u32::try_from(longest).unwrap_or(LINE_TOKENS)
            }
            Self::Number(_) => 40,
            Self::Free { tokens, .. } => *tokens,
        }
    }
}

/// Whether the demos show that values of this field take several lines.
fn has_lines(field: &Field, ask: &Ask<'_>) -> bool {
    let several = |demo: &Demo| {
        let value = demo.outputs.get(&field.name).and_then(Value::as_str);
        value.is_some_and(|text| text.trim().contains('\n'))
    };
    is_text(&field.ty, &ask.signature.types) && ask.demos.iter().any(several)
}

/// Bounded text needs no more tokens than half its characters, and a few.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn free_tokens(ty: &Ty, signature: &Signature, lines: bool) -> u32 {
    let most = if lines { 4 * LINE_TOKENS } else { LINE_TOKENS };
    match ty.resolve(&signature.types) {
        Some(Ty::Bounded(inner, Bound { max: Some(max), .. }))
            if is_text(inner, &signature.types) =>
        {
            most.min((max / 2.0).clamp(0.0, 1e6) as u32 + 16)
        }
        _ => most,
    }
}

fn number(ty: &Ty, signature: &Signature) -> Option<Pattern> {
    match ty.resolve(&signature.types)? {
        Ty::Int => Some(Pattern::Int),
        Ty::Float => Some(Pattern::Float),
        Ty::Bounded(inner, _) => number(inner, signature),
        _ => None,
    }
}

/// The input that a value is chosen from.
fn chosen_input<'a>(ty: &'a Ty, signature: &'a Signature) -> Option<&'a str> {
    match ty.resolve(&signature.types)? {
        Ty::OneOf(Choices::Input(name)) => Some(name),
        Ty::Optional(inner) => chosen_input(inner, signature),
        _ => None,
    }
}

/// The values of a type that has only a few, as they are written; those of some types are known
/// by the inputs only.
fn choices(ty: &Ty, signature: &Signature, inputs: Option<&Record>) -> Option<Vec<String>> {
    match ty.resolve(&signature.types)? {
        Ty::Bool => Some(vec!["true".to_owned(), "false".to_owned()]),
        Ty::Enum(options) => written(options),
        Ty::OneOf(Choices::Input(name)) => written(&choices_of(inputs?.get(name)?)?),
        Ty::Optional(inner) => {
            let mut options = choices(inner, signature, inputs)?;
            options.push("null".to_owned());
            Some(options)
        }
        Ty::Bounded(inner, bound) => match inner.resolve(&signature.types)? {
            Ty::Int => integers(bound),
            _ => None,
        },
        _ => None,
    }
}

/// Options as they are written, where each is part of one line.
fn written(options: &[Value]) -> Option<Vec<String>> {
    let options = options.iter().map(ToString::to_string).collect::<Vec<_>>();
    options.iter().all(|it| !it.contains('\n') && !it.is_empty()).then_some(options)
}

#[expect(clippy::cast_possible_truncation, reason = "few values, near zero, are cast")]
fn integers(bound: &Bound) -> Option<Vec<String>> {
    let (min, max) = (bound.min?.ceil(), bound.max?.floor());
    if max - min >= MAX_CHOICES || min.abs() > 1e9 {
        return None;
    }
    let inside = (min as i64..=max as i64).filter(|it| bound.holds(&Value::Int(*it)));
    let options = inside.map(|it| it.to_string()).collect::<Vec<_>>();
    (!options.is_empty()).then_some(options)
}

fn template(signature: &Signature, forms: &[Form]) -> Decoding {
    let mut segments = Vec::with_capacity(2 * forms.len());
    for (at, (field, form)) in signature.outputs.iter().zip(forms).enumerate() {
        let mut fixed = String::from(if at > 0 { "\n" } else { "" });
        push_label(&mut fixed, &field.name);
        let value = match form {
            Form::Choice(options) => Segment::Choice(options.clone()),
            Form::Number(pattern) => {
                fixed.push(' ');
                Segment::Literal(*pattern)
            }
            Form::Free { lines, tokens } => {
                Segment::Free { stop: free_stops(signature, at, *lines), max_tokens: *tokens }
            }
        };
        segments.push(Segment::Fixed(fixed));
        segments.push(value);
    }
    Decoding::Template(segments)
}

/// What ends a free value: its line, or where it has several, what follows the last of them.
fn free_stops(signature: &Signature, at: usize, lines: bool) -> Vec<String> {
    if !lines {
        return vec!["\n".to_owned()];
    }
    let next = signature.outputs.get(at + 1).map(|field| format!("\n{}:", label(&field.name)));
    next.into_iter().chain(["\n\n".to_owned()]).collect()
}

/// What ends a reply that nothing else constrains: the next example.
fn stops(signature: &Signature, forms: &[Form]) -> Vec<String> {
    if let [Form::Choice(_) | Form::Number(_) | Form::Free { lines: false, .. }] = forms {
        return vec!["\n".to_owned()];
    }
    let next = signature.inputs.first().map(|field| format!("\n{}:", label(&field.name)));
    ["\n\n".to_owned()].into_iter().chain(next).collect()
}

pub(super) fn parse(signature: &Signature, text: &str) -> Result<Parsed, ParseError> {
    // A model that was taught chat or JSON may use it all the same.
    let other = text.trim_start().starts_with(['{', '[', '<', '`']);
    if other && let Ok(parsed) = read_reply(signature, text) {
        return Ok(parsed);
    }
    let found = sections(signature, text);
    let strict = read_sections(signature, text, &found);
    match strict {
        Ok(parsed) => Ok(parsed),
        Err(error) if other => Err(error),
        Err(error) => read_reply(signature, text).map_err(|_| error),
    }
}

pub(super) fn parse_partial(signature: &Signature, text: &str) -> Partial {
    if text.trim_start().starts_with(['{', '<', '`']) {
        let partial = read_begun(signature, text);
        if !partial.values.is_empty() {
            return partial;
        }
    }
    let (_, line) = text.rsplit_once('\n').unwrap_or(("", text));
    let fields = signature.outputs.iter().chain(&signature.inputs);
    // What may become a label is no text of a value.
    let held = !line.is_empty()
        && fields.into_iter().any(|it| {
            let label = label(&it.name);
            label.starts_with(line.trim_end_matches(':')) && line.len() <= label.len()
        });
    let text = if held { &text[..text.len() - line.len()] } else { text };
    if text.trim().is_empty() {
        return Partial::default();
    }
    let found = sections(signature, text);
    // An object of all outputs may have begun, until there is a label.
    if text.trim_start().starts_with('{') && found.iter().flatten().count() < 2 {
        return Partial::default();
    }
    // The fields come in their order, and the last one that has begun may go on.
    let open = found.iter().rposition(Option::is_some);
    read_begun_sections(signature, &found, open)
}

/// The text of each output by the labels at the starts of lines. The first label may be part of
/// the prompt.
fn sections<'t>(signature: &Signature, text: &'t str) -> Vec<Option<Cow<'t, str>>> {
    let outputs = signature.outputs.iter().map(|it| label(&it.name)).collect::<Vec<_>>();
    let inputs = signature.inputs.iter().map(|it| label(&it.name)).collect::<Vec<_>>();
    let mut found: Vec<Option<Cow<'t, str>>> = vec![None; outputs.len()];
    let text = text.trim_start();
    let mut current = Some(0);
    for (at, line) in text.trim_end().split('\n').enumerate() {
        if let Some((index, rest)) = labelled(line, &outputs) {
            current = found[index].is_none().then_some(index);
            if let Some(index) = current {
                found[index] = Some(Cow::Borrowed(rest));
            }
            continue;
        }
        let done = found.iter().all(Option::is_some);
        if labelled(line, &inputs).is_some() || (done && line.is_empty()) {
            break;
        }
        let Some(index) = current else { continue };
        match (&mut found[index], at) {
            (slot @ None, _) => *slot = Some(Cow::Borrowed(line)),
            (Some(value), _) => {
                let value = value.to_mut();
                value.push('\n');
                value.push_str(line.strip_prefix("  ").unwrap_or(line));
            }
        }
    }
    found
}

/// The label that a line begins with, and what follows it.
fn labelled<'t>(line: &'t str, labels: &[String]) -> Option<(usize, &'t str)> {
    labels.iter().enumerate().find_map(|(at, label)| {
        line.strip_prefix(&**label)?.strip_prefix(':').map(|rest| (at, rest))
    })
}
