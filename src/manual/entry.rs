//! What the catalog says of a native, a kind of value, a method or a field, as Markdown.

use crate::catalog::{self, Method, Native, Object, ObjectField, Param};

/// A native.
pub(super) fn native(native: &Native) -> String {
    let call = call(native.name, native.params, native.variadic, native.extra_named);
    let params = params(native.params);
    let (name, result, doc, example) =
        (native.name, native.result, sentence(native.doc), native.example.trim_end());
    format!("# {name}\n\n`{call}` gives: {result}\n\n{doc}\n{params}\n```dsp\n{example}\n```\n")
}

/// A kind of value, with its fields and methods.
pub(super) fn object(object: &Object) -> String {
    let mut out = format!("# {}\n\nA kind of value.\n", object.name.to_lowercase());
    if object.open {
        out += "\nIt has fields or members of its own besides.\n";
    }
    if !object.fields.is_empty() {
        out += "\n| field | type | |\n|---|---|---|\n";
        for field in object.fields {
            out += &format!("| `{}` | {} | {} |\n", field.name, cell(field.ty), field.doc);
        }
    }
    if !object.methods.is_empty() {
        out += "\n| method | gives | |\n|---|---|---|\n";
        for method in object.methods {
            let call = call(method.name, method.params, false, method.extra_named);
            out += &format!("| `{call}` | {} | {} |\n", cell(method.result), method.doc);
        }
    }
    out + example(object).as_str()
}

/// A method or a field of a kind of value.
pub(super) fn member(object: &Object, name: &str) -> Option<String> {
    let method = object.method(name).map(|it| method(object, it));
    method.or_else(|| object.field(name).map(|it| field(object, it)))
}

fn method(object: &Object, method: &Method) -> String {
    let owner = object.name.to_lowercase();
    let call = call(method.name, method.params, false, method.extra_named);
    let (result, doc, params) = (method.result, sentence(method.doc), params(method.params));
    let example = example(object);
    format!(
        "# {owner}.{}\n\n`{owner}.{call}` gives: {result}\n\n{doc}\n{params}{example}",
        method.name
    )
}

fn field(object: &Object, field: &ObjectField) -> String {
    let owner = object.name.to_lowercase();
    let (name, ty, doc, example) = (field.name, field.ty, sentence(field.doc), example(object));
    format!("# {owner}.{name}\n\n`{owner}.{name}` is: {ty}\n\n{doc}\n{example}")
}

/// The program that shows a kind of value.
fn example(object: &Object) -> String {
    let found = catalog::EXAMPLES.iter().find(|(name, _)| *name == object.name);
    found.map_or(String::new(), |(_, text)| format!("\n```dsp\n{}\n```\n", text.trim_end()))
}

/// `evaluate(program, data, metric:, threads:)`: what may be left out stands in brackets.
fn call(name: &str, params: &[Param], variadic: bool, extra_named: bool) -> String {
    let mut shown: Vec<String> = params
        .iter()
        .map(|it| match (it.named_only, it.required) {
            (false, true) => it.name.to_owned(),
            (true, true) => format!("{}:", it.name),
            (false, false) => format!("[{}]", it.name),
            (true, false) => format!("[{}:]", it.name),
        })
        .collect();
    if variadic {
        shown.push("…".to_owned());
    }
    if extra_named {
        shown.push("name: value…".to_owned());
    }
    format!("{name}({})", shown.join(", "))
}

fn params(params: &[Param]) -> String {
    if params.is_empty() {
        return String::new();
    }
    let mut out = String::from("\n| argument | takes | |\n|---|---|---|\n");
    for it in params {
        let name = if it.named_only { format!("{}:", it.name) } else { it.name.to_owned() };
        let must = if it.required { "" } else { " (may be left out)" };
        out += &format!("| `{name}` | {} | {}{must} |\n", cell(it.ty), it.doc);
    }
    out
}

/// Text in a table, where a bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn sentence(doc: &str) -> String {
    let mut letters = doc.chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
