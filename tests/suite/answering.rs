//! A model that answers whatever it is asked, for searches that ask many things: the program's own
//! questions and those of optimizers. It reads from the prompt which fields are wanted and of which
//! type, so that it knows nothing of how a question is put.

use dsp_lang::lm::{Prompt, Request};
use serde_json::{Value, json};

/// A reply to a request: values that depend on the number alone. Where a step of the program is to
/// be named it is one of these.
pub(crate) fn reply(request: &Request, number: u64, steps: &[&str]) -> String {
    let Prompt::Chat(messages) = &request.prompt else { panic!("a conversation is expected") };
    let text = |it: &dsp_lang::lm::Message| it.text.clone();
    let all: Vec<String> = messages.iter().map(text).collect();
    reply_to(&all[0], &all[all.len() - 1], number, steps)
}

/// The same for the first and the last message.
pub(crate) fn reply_to(system: &str, last: &str, number: u64, steps: &[&str]) -> String {
    let fields = fields(system);
    assert!(!fields.is_empty(), "no fields in {system}\n{last}");
    let filled = fields.iter().map(|(name, ty)| (*name, value(name, ty, number, steps)));
    if system.contains(OBJECT) {
        let filled = filled.map(|(name, it)| (name.to_owned(), it));
        return Value::Object(filled.collect()).to_string();
    }
    let mut text = String::new();
    for (name, value) in filled {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        text += &format!("[[ ## {name} ## ]]\n{value}\n\n");
    }
    text + "[[ ## completed ## ]]"
}

/// What stands before the outline of an object.
const OBJECT: &str = "Output, a JSON object:\n";

/// The names and types of the outputs that a prompt asks for, with markers or as an object.
fn fields(system: &str) -> Vec<(&str, &str)> {
    if let Some((_, outline)) = system.split_once(OBJECT) {
        let line = outline.trim_start_matches('{');
        let (mut depth, mut first, mut all) = (0, 0, Vec::new());
        for (at, char) in line.char_indices() {
            match char {
                '{' | '[' => depth += 1,
                '}' if depth == 0 => {
                    all.push(&line[first..at]);
                    break;
                }
                '}' | ']' => depth -= 1,
                ',' if depth == 0 => {
                    all.push(&line[first..at]);
                    first = at + 1;
                }
                _ => {}
            }
        }
        let split = all.into_iter().filter_map(|it| it.split_once(':'));
        return split.map(|(name, ty)| (name.trim().trim_matches('"'), ty.trim())).collect();
    }
    let outputs = system.split("Output fields:\n").nth(1).unwrap_or_default();
    let lines = outputs.lines().map_while(|it| it.strip_prefix("[[ ## "));
    lines.filter_map(|it| it.split_once(" ## ]]")).map(|(name, ty)| (name, ty.trim())).collect()
}

fn value(name: &str, ty: &str, number: u64, steps: &[&str]) -> Value {
    let step = || steps[number as usize % steps.len()];
    if ty.starts_with("list[str]") {
        return json!([format!("Rule {number}."), format!("Rule {}.", number + 1)]);
    }
    if let Some(fields) = ty.strip_prefix("list[{") {
        let fields = fields.split('}').next().unwrap_or_default();
        let names = fields.split(", ").filter_map(|it| it.trim().split_once(':'));
        let filled = names.map(|(name, _)| match name {
            "step" => (name.to_owned(), json!(step())),
            "field" => (name.to_owned(), json!("answer")),
            _ => (name.to_owned(), json!(format!("Say it in way {number}."))),
        });
        return json!([filled.collect::<serde_json::Map<_, _>>()]);
    }
    if ty.starts_with("dict[") || ty.starts_with("map[") {
        return json!({ step(): format!("Say it in way {number}.") });
    }
    if ty.starts_with("int") {
        return json!(number % 2);
    }
    json!(format!("{name} {number}"))
}
