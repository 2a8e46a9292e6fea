//! Advice from two runs on one row: what is asked, and what is taken of the answer.

use crate::eval::Outcome;
use crate::optimize::Example;
use crate::optimize::propose::{
    Judge, Proposal, Refusal, Refusals, answered, clean, fields, instructions,
    with_instructions,
};
use crate::program::State;
use crate::schema::{Record, Signature, Value};
use indexmap::IndexMap;
use std::fmt::Write;
use std::sync::Arc;

/// The most characters of a value that a question tells.
const MOST_OF_VALUE: usize = 2_000;
/// The most steps of a run that it tells.
const MOST_STEPS: usize = 24;
/// The most characters of a piece of advice.
pub(crate) const MOST_OF_ADVICE: usize = 1_500;

/// The inputs of the question.
pub(crate) fn question(
    predictors: &IndexMap<String, Signature>,
    state: &State,
    example: &Example,
    better: (&Outcome, f64),
    worse: (&Outcome, f64),
) -> Record {
    let step = |(path, signature): (&String, &Signature)| {
        let own = instructions(state, path, signature);
        record([("step", path.clone()), ("instructions", own), ("fields", fields(signature))])
    };
    let steps = Value::list(predictors.iter().map(step).map(Value::map));
    let row = pairs("", &example.row.values);
    let told = [("row", row), ("better", run(better)), ("worse", run(worse))];
    let mut inputs = record(told);
    inputs.insert("steps".into(), steps);
    inputs
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

/// The state with the advice of an answer at the end of the instructions that it is for; `None`
/// where nothing of it is taken.
pub(crate) fn advised(
    predictors: &IndexMap<String, Signature>,
    state: &State,
    answer: Option<&Outcome>,
    judge: &Judge,
    (optimizer, note): (&str, &str),
    refusals: &mut Refusals,
) -> Option<State> {
    let (pieces, reply_hash) = match answered(answer, "advice") {
        Ok((Value::List(items), hash)) => (items.to_vec(), hash),
        Ok(_) => (Vec::new(), None),
        Err(why) => {
            refusals.add(&why);
            return None;
        }
    };
    let (mut state, mut any) = (state.clone(), false);
    for piece in &pieces {
        match taken(predictors, &state, piece, judge) {
            Ok((path, text)) => {
                let proposal = Proposal { text, reply_hash: reply_hash.clone() };
                state = with_instructions(&state, path, &proposal, optimizer, note);
                any = true;
            }
            Err(why) => refusals.add(&why),
        }
    }
    any.then_some(state)
}

/// Whom a piece of advice is for, and the instructions with it.
fn taken<'a>(
    predictors: &'a IndexMap<String, Signature>,
    state: &State,
    piece: &Value,
    judge: &Judge,
) -> Result<(&'a str, String), Refusal> {
    let Value::Map(piece) = piece else { return Err(Refusal::Empty) };
    let text = |name: &str| piece.get(name).and_then(Value::as_str).unwrap_or_default();
    let named = predictors.get_key_value(text("step").trim());
    // Where there is one step only, it is meant, whatever the model calls it.
    let only = predictors.iter().next().filter(|_| predictors.len() == 1);
    let Some((path, signature)) = named.or(only) else {
        return Err(Refusal::Elsewhere);
    };
    let (own, advice) = (instructions(state, path, signature), clean(text("advice")));
    judge.passes(&advice, &own)?;
    if own.contains(&advice) {
        return Err(Refusal::Known);
    }
    let gap = if own.trim().is_empty() { "" } else { "\n\n" };
    Ok((path, format!("{}{gap}{advice}", own.trim_end())))
}
