//! Adapters that are named on the command line and in states.

use crate::testing::{Ended, Project};

const SCRIPT: &str = r#"
const Short = adapter(#{ user: "{instructions}\nQ: {question}", reply: "A: {answer}" });
const ask = predict("question -> answer");
fn save() {
    let data = dataset([#{ question: "1 + 1?", answer: "2" }]);
    let free = ask.with(adapter: two_step(extract: lm("ollama/qwen3")), lm: scripted([]));
    labeled_few_shot(k: 1).compile(free, trainset: data).save("free.state.json");
    let short = ask.with(adapter: Short, lm: scripted([]));
    labeled_few_shot(k: 1).compile(short, trainset: data).save("short.state.json");
    let here = ask.with(adapter: two_step(extract: scripted([])), lm: scripted([]));
    labeled_few_shot(k: 1).compile(here, trainset: data).save("here.state.json");
}
"#;

fn project() -> Project {
    let main = format!("{SCRIPT}save();\n");
    Project::new(&[("a.dsp", SCRIPT), ("main.dsp", &main)])
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn a_prompt_is_shown_by_a_template_of_the_file() {
    let project = project();
    let prompt = |more: &[&str]| {
        let args =
            ["prompt", "a.dsp", "--predictor", "ask", "--input", r#"{"question": "2?"}"#];
        project.dsp(&[&args[..], more].concat())
    };
    let ended = prompt(&["--adapter", "Short"]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    assert_eq!(ended.stdout, "--- user\nQ: 2?\n");
    let ended = prompt(&["--adapter", "json"]);
    assert!(ended.stdout.contains("JSON"), "{}", said(&ended));
    let ended = prompt(&["--adapter", "Shrot"]);
    assert_ne!(ended.code, Some(0), "{}", said(&ended));
    assert!(ended.stderr.contains("there is no adapter `Shrot`"), "{}", said(&ended));
    assert!(ended.stderr.contains("did you mean `Short`?"), "{}", said(&ended));
}

#[test]
fn a_state_says_who_extracts_and_has_its_template() {
    let project = project();
    let ended = project.dsp(&["run", "main.dsp"]);
    assert_eq!(ended.code, Some(0), "{}", said(&ended));
    let show = |state: &str| project.dsp(&["state", "show", state]).stdout;
    let shown = show("free.state.json");
    assert!(shown.contains("  adapter two_step\n  extraction by ollama/qwen3\n"), "{shown}");
    let shown = show("short.state.json");
    assert!(shown.contains("    user: {instructions} Q: {question}\n"), "{shown}");
    assert!(shown.contains("    reply: A: {answer}\n"), "{shown}");
    // A model that lives in the program has no name elsewhere.
    assert!(!project.read("here.state.json").contains("extract"));
    // A program without the template lays prompts out by that of the state.
    let args = ["prompt", "a.dsp", "--predictor", "ask", "--input", r#"{"question": "2?"}"#];
    let ended = project.dsp(&[&args[..], &["--state", "short.state.json"]].concat());
    let expected = "--- user\nQ: 1 + 1?\n--- assistant\nA: 2\n--- user\nQ: 2?\n";
    assert_eq!(ended.stdout, expected, "{}", said(&ended));
}
