//! Advice from two runs on one row: what is asked, and what is taken of the answer.

use crate::eval::Outcome;
use crate::optimize::Example;
use crate::optimize::propose::{
    Judge, Proposal, Refusal, fields, instructions, with_instructions,
};
use crate::program::State;
use crate::schema::{Record, Signature, Value};
use crate::util::Random;
use indexmap::IndexMap;
use std::fmt::Write;
use std::sync::Arc;

/// The most characters of a value that a question tells.
const MOST_OF_VALUE: usize = 2_000;
/// The most steps of a run that it tells.
const MOST_STEPS: usize = 24;
/// The most characters of a piece of advice.
pub(crate) const MOST_OF_ADVICE: usize = 1_500;

/// The predictor that advice may help: one of those that wrote other things in the two runs, else
/// one of those that were at work.
pub(crate) fn parting<'p>(
    predictors: &'p IndexMap<String, Signature>,
    better: &Outcome,
    worse: &Outcome,
    mut random: Random,
) -> Option<(&'p str, &'p Signature)> {
    let wrote = |run: &'_ Outcome, path: &str| -> Vec<Record> {
        let own = run.steps.iter().filter(|it| it.path == path);
        own.map(|it| it.outputs.clone()).collect()
    };
    let both = |path: &String| (wrote(better, path), wrote(worse, path));
    let named = |it: (&'p String, &'p Signature)| (it.0.as_str(), it.1);
    let at_work: Vec<_> =
        predictors.iter().filter(|(path, _)| both(path) != (Vec::new(), Vec::new())).collect();
    let part = |it: &&(&'p String, &'p Signature)| {
        let (one, other) = both(it.0);
        one != other
    };
    let mut open: Vec<_> = at_work.iter().filter(part).copied().collect();
    if open.is_empty() {
        open = at_work;
    }
    open.get(random.below(open.len())).copied().map(named)
}

/// The inputs of the question.
pub(crate) fn question(
    (path, signature): (&str, &Signature),
    state: &State,
    example: &Example,
    better: (&Outcome, f64),
    worse: (&Outcome, f64),
) -> Record {
    record([
        ("step", path.to_owned()),
        ("current_instruction", instructions(state, path, signature)),
        ("fields", fields(signature)),
        ("row", pairs("", &example.row.values)),
        ("better", run(better)),
        ("worse", run(worse)),
    ])
}

fn record<const N: usize>(texts: [(&str, String); N]) -> Record {
    texts.into_iter().map(|(name, text)| (Arc::from(name), Value::str(text))).collect()
}

/// A run in lines.
fn run((outcome, score): (&Outcome, f64)) -> String {
    let mut text = format!("score {score:.3}\n");
    for step in outcome.steps.iter().take(MOST_STEPS) {
        let _ = writeln!(text, "step {}", step.path);
        text += &pairs("  read ", &step.inputs);
        text += &pairs("  wrote ", &step.outputs);
        if step.repaired {
            text += "  after a reply that did not fulfil what must hold\n";
        }
    }
    if let Some(more) = outcome.steps.len().checked_sub(MOST_STEPS).filter(|it| *it > 0) {
        let _ = writeln!(text, "and {more} more steps");
    }
    text += &pairs("reply ", &outcome.reply);
    if outcome.asserts_failed > 0 {
        let _ = writeln!(text, "{} assertions stayed false", outcome.asserts_failed);
    }
    if let Some(failure) = &outcome.failure {
        let _ = writeln!(text, "it failed: {}", cut(&failure.message));
    }
    let feedback = outcome.feedback.iter().map(|it| ("feedback".to_owned(), it));
    let by = outcome.feedback_by.iter().map(|(path, it)| (format!("feedback on {path}"), it));
    for (what, it) in feedback.chain(by) {
        let _ = writeln!(text, "{what}: {}", cut(it));
    }
    text.trim_end().to_owned()
}

fn pairs(before: &str, values: &Record) -> String {
    let line = |(name, value): (&Arc<str>, &Value)| {
        format!("{before}{name}: {}\n", cut(&value.to_string()))
    };
    values.iter().map(line).collect()
}

/// The beginning of a long text.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_OF_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The state with the advice of an answer at the end of the instructions of a predictor.
pub(crate) fn advised(
    (path, signature): (&str, &Signature),
    state: &State,
    answer: Option<&Outcome>,
    judge: &Judge,
    (optimizer, note): (&str, &str),
) -> Result<State, Refusal> {
    let own = instructions(state, path, signature);
    let advice = judge.text(answer, "module_advice", &own)?;
    if own.contains(&advice.text) {
        return Err(Refusal::Known);
    }
    let gap = if own.trim().is_empty() { "" } else { "\n\n" };
    let text = format!("{}{gap}{}", own.trim_end(), advice.text);
    let proposal = Proposal { text, ..advice };
    Ok(with_instructions(state, path, &proposal, optimizer, note))
}
