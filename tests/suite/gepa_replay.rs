//! `gepa` on what other implementations recorded: the same replies, and the same decisions.
//!
//! Two of the recordings under `conformance/gepa-replay` are played again, as far as they say
//! what a decision needs. Ours asks its question in other words, so a recorded reflection answers
//! where the instructions and the inputs of its examples are the same.
//!
//! - DSPy's own test: whole. There a minibatch holds a row twice, here it does not.
//! - The AIME recording: both reflections, each on the rows that it was made from. What the
//!   remaining rows should give stands nowhere in it, so one is chosen on the same rows.
//! - Not played: the one on Pareto fronts, whose metric counts words that are not recorded.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads the data that lie beside the sources"
)]

use dsp_lang::diag::Diagnostic;
use dsp_lang::eval::{Cancel, Dataset, Evaluator, Job, Outcome, Step};
use dsp_lang::optimize::{
    Care, Compiled, Effort, Gepa, Problem, Proposer, Question, Settings, compile,
};
use dsp_lang::program::State;
use dsp_lang::schema::{Field, Record, Signature, Ty, TypeTable, Value};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

fn read(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(folder.join("../shared/data/conformance/gepa-replay").join(name))
        .ok()
}

/// Replies by what was asked.
#[derive(Default)]
struct Recorded {
    /// By instructions and input.
    replies: BTreeMap<(String, String), String>,
    /// By instructions and the inputs of the examples.
    reflections: BTreeMap<(String, BTreeSet<String>), String>,
    /// What is right for an input.
    gold: BTreeMap<String, String>,
    /// Whether a reply has to be the right one, or to hold it.
    is_exact: bool,
}

impl Evaluator for Recorded {
    fn run(&self, job: &Job) -> Outcome {
        let input = job.row.values["input"].to_string();
        let own = job.state.get("self").and_then(|it| it.instructions.clone());
        let own = own.unwrap_or_else(|| job.row.values["start"].to_string());
        let reply = self.replies.get(&(own.clone(), input.clone()));
        let reply = reply.unwrap_or_else(|| panic!("not recorded: {own}\n{input}"));
        let gold = &self.gold[&input];
        let is_right = if self.is_exact { reply == gold } else { reply.contains(gold) };
        let record = |name: &str, text: &str| Record::from([(name.into(), Value::from(text))]);
        let step = Step {
            path: "self".to_owned(),
            inputs: record("input", &input),
            outputs: record("output", reply),
            ..Step::default()
        };
        Outcome {
            score: Some(f64::from(u8::from(is_right))),
            steps: vec![step],
            calls: 1,
            ..Outcome::default()
        }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

struct Reflections<'r>(&'r Recorded);

impl Evaluator for Reflections<'_> {
    fn run(&self, job: &Job) -> Outcome {
        let Value::List(examples) = &job.row.values["examples"] else { panic!("no list") };
        let input = |it: &Value| match it {
            Value::Map(it) => it["inputs"].to_string().trim_start_matches("input: ").to_owned(),
            _ => panic!("no map"),
        };
        let inputs: BTreeSet<String> = examples.iter().map(input).collect();
        let current = job.row.values["current_instruction"].to_string();
        let text = &self.0.reflections[&(current, inputs)];
        let reply = Record::from([("new_instruction".into(), Value::from(text.as_str()))]);
        Outcome { reply, steps: vec![Step::default()], calls: 1, ..Outcome::default() }
    }

    fn max_calls_per_run(&self) -> Option<u64> {
        Some(1)
    }
}

impl Proposer for Reflections<'_> {
    fn evaluator(&self, _: Question) -> &dyn Evaluator {
        self
    }
}

/// One round on these rows, chosen on the same.
fn play(recorded: &Recorded, start: &str, inputs: &BTreeSet<String>) -> Compiled {
    let field = |name: &str| vec![Field::new(name, Ty::Str)];
    let signature = Signature {
        name: "S".into(),
        instructions: start.into(),
        inputs: field("input"),
        outputs: field("output"),
        types: Arc::new(TypeTable::new()),
        contracts: 0,
    };
    let signatures = IndexMap::from([("self".to_owned(), signature)]);
    let row = |input: &String| {
        Record::from([
            ("input".into(), Value::from(input.as_str())),
            ("start".into(), Value::from(start)),
        ])
    };
    let rows = Dataset::from_records(inputs.iter().map(row));
    let reflections = Reflections(recorded);
    let problem = Problem {
        source: String::new(),
        proposer: Some(&reflections),
        evaluator: recorded,
        signatures: &signatures,
        start: State::default(),
        teacher: None,
        trainset: rows.clone(),
        valset: Some(rows),
        testset: None,
        care: Care { overlap: true, ..Care::default() },
        lm: None,
    };
    let policy = Gepa { effort: Effort::Rounds(1), ..Gepa::default() };
    let settings = Settings::default();
    compile(&policy, &problem, &settings, &Cancel::default(), &mut |_| ()).unwrap()
}

/// What stands between two marks.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    Some(text.split_once(open)?.1.split_once(close)?.0)
}

/// The instructions and the inputs that the question of GEPA's own prompt shows.
fn shown(prompt: &str, mark: &str) -> (String, BTreeSet<String>) {
    let current = between(prompt, "```\n", "\n```").unwrap().to_owned();
    let inputs = prompt.split(mark).skip(1);
    let inputs = inputs.filter_map(|it| it.split_once("\n\n## Generated Outputs"));
    (current, inputs.map(|it| it.0.trim().to_owned()).collect())
}

fn unfenced(text: &str) -> String {
    text.trim().trim_matches('`').trim().to_owned()
}

#[test]
fn the_test_of_dspy_ends_with_the_same_instructions() {
    let Some(text) = read("dspy.gepa_dummy_lm.json") else { return };
    let json: Json = serde_json::from_str(&text).unwrap();
    let mut recorded = Recorded { is_exact: true, ..Recorded::default() };
    for call in json["lm"].as_array().unwrap() {
        let message = |at: usize| call["messages"][at]["content"].as_str().unwrap();
        let own = message(0).split_once("your objective is:").unwrap().1;
        let own = own.trim().replace("\n        ", "\n");
        let input = between(message(1), "[[ ## input ## ]]\n", "\n\nRespond").unwrap();
        let reply = call["outputs"][0].as_str().unwrap();
        let reply = between(reply, "[[ ## output ## ]]\n", "\n[[").unwrap().trim();
        recorded.replies.insert((own, input.to_owned()), reply.to_owned());
    }
    let reflection = &json["reflection_lm"][0];
    let (start, inputs) = shown(reflection["prompt"].as_str().unwrap(), "### input\n");
    let text = reflection["outputs"][0].as_str().unwrap().to_owned();
    recorded.reflections.insert((start.clone(), inputs.clone()), text.clone());
    // The rows of that test.
    let gold = [
        ("What is the color of the sky?", "blue"),
        ("What does the fox say?", "Ring-ding-ding-ding-dingeringeding!"),
    ];
    recorded.gold = gold.map(|(input, it)| (input.to_owned(), it.to_owned())).into();
    let found = play(&recorded, &start, &inputs);
    let own = found.state.get("self").unwrap().instructions.clone().unwrap();
    assert_eq!(own, unfenced(&text));
    let scores: Vec<_> = found.report.candidates.iter().map(|it| it.score).collect();
    assert_eq!(scores, [Some(0.0), Some(0.5)]);
}

/// The parts of a Python tuple of two strings.
fn pair(text: &str) -> (String, String) {
    let mut parts = Vec::new();
    let mut chars = text.chars();
    while let Some(quote) = chars.find(|it| matches!(it, '\'' | '"')) {
        let mut part = String::new();
        while let Some(char) = chars.next().filter(|it| *it != quote) {
            part.push(match char {
                '\\' => match chars.next().unwrap() {
                    'n' => '\n',
                    't' => '\t',
                    'x' => hex(&mut chars, 2),
                    'u' => hex(&mut chars, 4),
                    other => other,
                },
                other => other,
            });
        }
        parts.push(part);
    }
    let mut parts = parts.into_iter();
    (parts.next().unwrap(), parts.next().unwrap())
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize) -> char {
    let code: String = chars.take(digits).collect();
    char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap()
}

#[test]
fn the_reflections_on_aime_are_kept_and_refused_alike() {
    let Some(text) = read("test_aime_prompt_optimization.llm_cache.json") else { return };
    let json: Json = serde_json::from_str(&text).unwrap();
    let mut recorded = Recorded::default();
    for (key, reply) in json.as_object().unwrap() {
        let (who, asked) = pair(key);
        let reply = reply.as_str().unwrap().to_owned();
        if who == "task_lm" {
            let messages: Json = serde_json::from_str(&asked).unwrap();
            let message = |at: usize| messages[at]["content"].as_str().unwrap().to_owned();
            recorded.replies.insert((message(0), message(1)), reply);
        } else {
            let (current, inputs) = shown(&asked, "## Inputs\n");
            for example in asked.split("## Inputs\n").skip(1) {
                let input = example.split("\n\n## Generated Outputs").next().unwrap().trim();
                let gold = between(example, "The correct answer is '", "'").unwrap();
                recorded.gold.insert(input.to_owned(), gold.to_owned());
            }
            recorded.reflections.insert((current, inputs), reply);
        }
    }
    assert_eq!(recorded.reflections.len(), 2);
    // Of both only one was scored on more rows: the one that the test ended with.
    let wanted = read("test_aime_prompt_optimization.optimized_prompt.txt").unwrap();
    let mut kept = 0;
    for ((start, inputs), proposed) in &recorded.reflections {
        let found = play(&recorded, start, inputs);
        let own = found.state.get("self").and_then(|it| it.instructions.clone());
        let refused = |it: &Diagnostic| it.message.contains("not taken");
        assert!(!found.report.notices.iter().any(refused), "{:?}", found.report.notices);
        let is_wanted = unfenced(proposed) == wanted.trim();
        assert_eq!(own.is_some(), is_wanted, "{proposed}");
        assert!(own.is_none_or(|it| it == wanted.trim()));
        kept += usize::from(is_wanted);
    }
    assert_eq!(kept, 1);
}
