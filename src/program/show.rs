//! A state as text for people.

use crate::program::{DemoOrigin, PredictorState, Provenance, State};
use crate::schema::Record;
use std::fmt::Write;

/// Characters of a value before it is cut.
const CUT: usize = 100;

/// Shows a state: where it comes from, then each predictor with its instructions and demos.
pub fn show(state: &State) -> String {
    let mut text = format!("state {}\n", state.hash());
    if let Some(provenance) = &state.provenance {
        show_provenance(provenance, &mut text);
    }
    for (path, predictor) in &state.predictors {
        let _ = writeln!(text, "\n{path}");
        show_predictor(predictor, &mut text);
    }
    text
}

fn show_provenance(it: &Provenance, text: &mut String) {
    let lm = it.lm.as_deref().unwrap_or("an unnamed model");
    let _ = writeln!(text, "  made by {} with {lm}, seed {}", it.optimizer, it.seed);
    let options: Vec<String> =
        it.options.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    if !options.is_empty() {
        let _ = writeln!(text, "  options {}", options.join(", "));
    }
    for data in &it.data {
        let _ = writeln!(text, "  {} {} rows, {}", data.role, data.rows, data.hash);
    }
    for score in &it.scores {
        let (low, high) = score.interval;
        let (said, role) = match score.role.strip_suffix(" before") {
            Some(role) => ("before it was", role),
            None => ("scored", score.role.as_str()),
        };
        let _ = writeln!(
            text,
            "  {said} {:.3} (95 % {low:.3} to {high:.3}) on {} rows of {role}",
            score.score, score.rows
        );
    }
    if let Some(it) = &it.gain {
        let (low, high) = it.interval;
        let _ = writeln!(
            text,
            "  gained {:+.3} (95 % {low:+.3} to {high:+.3}) on {} rows of {}: {}",
            it.gain, it.rows, it.role, it.verdict
        );
    }
    let _ = writeln!(
        text,
        "  took {} calls, {} tokens in, {} out",
        it.calls, it.prompt_tokens, it.completion_tokens
    );
    if let Some(stopped) = &it.stopped {
        let _ = writeln!(text, "  ended early: {stopped}");
    }
}

fn show_predictor(it: &PredictorState, text: &mut String) {
    if let Some(signature) = &it.signature {
        let _ = writeln!(text, "  {}", signature.fields);
    }
    let names = [("model", &it.lm), ("adapter", &it.adapter), ("extraction by", &it.extract)];
    for (name, value) in names {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name} {value}");
        }
    }
    for (part, said) in it.template.iter().flat_map(|it| &it.parts) {
        let _ = writeln!(text, "    {part}: {}", cut(&plain(said)));
    }
    if let Some(temperature) = it.options.temperature {
        let _ = writeln!(text, "  temperature {temperature}");
    }
    if let Some(instructions) = &it.instructions {
        let _ = writeln!(text, "  instructions");
        instructions.lines().for_each(|line| {
            let _ = writeln!(text, "    {}", plain(line));
        });
    }
    if let Some(origin) = &it.instructions_origin {
        let _ = writeln!(text, "    from {}: {}", origin.optimizer, origin.note);
    }
    for (field, description) in &it.descriptions {
        let _ = writeln!(text, "  {field}: {}", cut(&plain(description)));
    }
    if let Some(nearest) = it.nearest {
        let of = it.demos.len();
        let _ = writeln!(
            text,
            "  for each input the {} nearest of {of} demos, by words",
            nearest.k
        );
    }
    for (serial, demo) in it.demos.iter().enumerate() {
        let origin =
            demo.origin.as_ref().map_or_else(|| "by hand".to_owned(), DemoOrigin::told);
        let _ = writeln!(text, "  demo {} ({origin})", serial + 1);
        show_record("", &demo.demo.inputs, text);
        show_record("-> ", &demo.demo.outputs, text);
    }
}

fn show_record(arrow: &str, record: &Record, text: &mut String) {
    for (name, value) in record {
        let _ = writeln!(text, "    {arrow}{name}: {}", cut(&plain(&value.to_string())));
    }
}

/// Text that came from a model must not move the terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CUT {
        return text.to_owned();
    }
    let kept: String = text.chars().take(CUT - 1).collect();
    format!("{kept}…")
}
