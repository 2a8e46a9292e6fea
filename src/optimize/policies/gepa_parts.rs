//! What `gepa` changes: the instructions, the descriptions of fields, or the demos of a
//! predictor. And what it shows of runs to who proposes.

use crate::eval::{Outcome, Step};
use crate::optimize::demo::from_run;
use crate::optimize::propose::{
    Judge, Refusal, answered, fields, instructions, with_instructions,
};
use crate::optimize::{Example, Question};
use crate::program::{PredictorState, State};
use crate::schema::{Record, Signature, Value};
use crate::util::Random;
use indexmap::IndexMap;
use std::fmt::{self, Write};
use std::sync::Arc;

/// What may change of a predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// Its instructions.
    Instructions,
    /// What its fields are said to be.
    Descriptions,
    /// Its demos, taken from runs that scored well.
    Demos,
}

impl PartKind {
    /// The names of all.
    pub const NAMES: [&str; 3] = ["instructions", "descriptions", "demos"];

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        let all = [Self::Instructions, Self::Descriptions, Self::Demos];
        all.into_iter().find(|it| it.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instructions => Self::NAMES[0],
            Self::Descriptions => Self::NAMES[1],
            Self::Demos => Self::NAMES[2],
        }
    }

    /// What is asked for it; demos need no question.
    pub(super) fn question(self) -> Option<Question> {
        match self {
            Self::Instructions => Some(Question::ReflectedInstructions),
            Self::Descriptions => Some(Question::ReflectedDescriptions),
            Self::Demos => None,
        }
    }
}

/// A part of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: String,
    pub(super) kind: PartKind,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PartKind::Instructions => f.write_str(&self.path),
            kind => write!(f, "{} of {}", kind.name(), self.path),
        }
    }
}

impl Part {
    /// All parts that may change, in the order of their turns.
    pub(super) fn all(
        predictors: &IndexMap<String, Signature>,
        kinds: &[PartKind],
    ) -> Vec<Self> {
        let of = |path: &String| {
            let path = path.clone();
            kinds.iter().map(move |kind| Self { path: path.clone(), kind: *kind })
        };
        predictors.keys().flat_map(of).collect()
    }

    /// Whether two states have the same here.
    pub(super) fn is_same(&self, one: &State, other: &State) -> bool {
        // A predictor that a state does not name is as one that it names and leaves as it is.
        let bare = PredictorState::default();
        let one = one.get(&self.path).unwrap_or(&bare);
        let other = other.get(&self.path).unwrap_or(&bare);
        match self.kind {
            PartKind::Instructions => one.instructions == other.instructions,
            PartKind::Descriptions => one.descriptions == other.descriptions,
            PartKind::Demos => {
                let (one, other) = (one.demos.iter(), other.demos.iter());
                one.map(|it| &it.demo).eq(other.map(|it| &it.demo))
            }
        }
    }

    /// Puts what one state has here into another.
    pub(super) fn copy(&self, from: &State, into: &mut State) {
        let from = from.get(&self.path).cloned().unwrap_or_default();
        let own = into.entry(&self.path);
        match self.kind {
            PartKind::Instructions => {
                own.instructions = from.instructions;
                own.instructions_origin = from.instructions_origin;
            }
            PartKind::Descriptions => own.descriptions = from.descriptions,
            PartKind::Demos => (own.demos, own.nearest) = (from.demos, from.nearest),
        }
    }
}

/// The most characters of a value that is shown to who proposes.
const MOST_SHOWN: usize = 2_000;
/// The most characters of the description of a field.
const MOST_DESCRIPTION: usize = 400;

/// What a predictor read and wrote in some runs, and what was said of it.
pub(super) fn examples<'r>(
    part: &Part,
    signature: &Signature,
    runs: impl Iterator<Item = (&'r Example, &'r Option<Arc<Outcome>>)>,
    predictors: usize,
    random: impl Fn(&str) -> Random,
) -> Vec<Value> {
    let example = |(example, outcome): (&Example, &Option<Arc<Outcome>>)| {
        let outcome = outcome.as_ref().filter(|it| it.value().is_some())?;
        let (inputs, outputs) = match shown_step(part, outcome, random(&example.hash)) {
            Some(step) => (told(&step.inputs), told(&step.outputs)),
            // A reply that could not be read is no step, and worth the most.
            None if predictors == 1 && outcome.failure.is_some() => {
                let is_input = |name: &str| signature.inputs.iter().any(|it| *it.name == *name);
                let values = example.row.values.iter().filter(|(name, _)| is_input(name));
                let values = values.map(|(name, it)| (name.clone(), it.clone())).collect();
                (told(&values), "nothing that could be read".to_owned())
            }
            None => return None,
        };
        let said = feedback(part, outcome);
        let fields = [("inputs", inputs), ("outputs", outputs), ("feedback", said)];
        let fields = fields.into_iter().map(|(name, it)| (name.into(), it.as_str().into()));
        Some(Value::map(fields.collect()))
    };
    runs.filter_map(example).collect()
}

/// One of the calls that a predictor made in a run; a repaired one before others, for it shows
/// what goes wrong.
fn shown_step<'o>(part: &Part, outcome: &'o Outcome, mut random: Random) -> Option<&'o Step> {
    let own: Vec<&Step> = outcome.steps.iter().filter(|it| it.path == part.path).collect();
    let repaired: Vec<&Step> = own.iter().copied().filter(|it| it.repaired).collect();
    let own = if repaired.is_empty() { own } else { repaired };
    own.get(random.below(own.len())).copied()
}

/// What is said of a predictor's part in a run: the score, what failed, and the metric's words,
/// those for this predictor before those for all.
fn feedback(part: &Part, outcome: &Outcome) -> String {
    let mut text = String::new();
    if let Some(score) = outcome.value() {
        let _ = write!(text, "The run scored {score:.3}");
        if outcome.scores.len() > 1 {
            let each = outcome.scores.iter().map(|(name, it)| format!("{name} {it:.3}"));
            let _ = write!(text, " ({})", each.collect::<Vec<_>>().join(", "));
        }
        text.push('.');
    }
    if let Some(failure) = &outcome.failure {
        let _ = write!(text, " It failed: {}", cut(&failure.message));
    }
    if outcome.asserts_failed > 0 {
        let _ = write!(text, " Conditions that stayed false: {}.", outcome.asserts_failed);
    }
    let own = outcome.steps.iter().filter(|it| it.path == part.path);
    if own.into_iter().any(|it| it.repaired) {
        text += " An earlier reply here was sent back.";
    }
    if let Some(said) = outcome.feedback_by.get(&part.path).or(outcome.feedback.as_ref()) {
        let _ = write!(text, " {}", cut(said));
    }
    text
}

fn told(values: &Record) -> String {
    let line = |(name, it): (&Arc<str>, &Value)| format!("{name}: {}", cut(&it.to_string()));
    values.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A text without what is too much of it.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text.to_owned(),
    }
}

/// What is asked for a part.
pub(super) fn inputs(
    part: &Part,
    signature: &Signature,
    state: &State,
    examples: Vec<Value>,
) -> Record {
    let own = instructions(state, &part.path, signature);
    [
        ("current_instruction", Value::from(own.as_str())),
        ("fields", fields(&described(part, signature, state)).as_str().into()),
        ("examples", Value::list(examples)),
    ]
    .into_iter()
    .map(|(name, it)| (name.into(), it))
    .collect()
}

/// The signature with the descriptions that a state has for it.
fn described(part: &Part, signature: &Signature, state: &State) -> Signature {
    let mut signature = signature.clone();
    let own = state.get(&part.path).map(|it| &it.descriptions);
    for field in signature.inputs.iter_mut().chain(&mut signature.outputs) {
        if let Some(text) = own.and_then(|it| it.get(&*field.name)) {
            field.description = Some(text.as_str().into());
        }
    }
    signature
}

/// Puts proposed instructions into a state.
pub(super) fn reword(
    state: &mut State,
    part: &Part,
    signature: &Signature,
    judge: &Judge,
    answer: Option<&Outcome>,
    note: &str,
) -> Result<(), Refusal> {
    let known = instructions(state, &part.path, signature);
    let proposal = judge.text(answer, "new_instruction", &known)?;
    if proposal.text == known {
        return Err(Refusal::Known);
    }
    *state = with_instructions(state, &part.path, &proposal, "gepa", note);
    Ok(())
}

/// Puts proposed descriptions into a state: those of fields that there are, as far as they may
/// be taken.
pub(super) fn redescribe(
    state: &mut State,
    part: &Part,
    signature: &Signature,
    judge: &Judge,
    answer: Option<&Outcome>,
) -> Result<(), Refusal> {
    let (value, _) = answered(answer, "descriptions")?;
    let Value::List(items) = &value else { return Err(Refusal::Empty) };
    let known = fields(&described(part, signature, state));
    let mut refused = Refusal::Empty;
    let mut any = false;
    for item in items.iter() {
        let Value::Map(item) = item else { continue };
        let text =
            |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().trim();
        let (name, text) = (text("field"), text("description"));
        let all = signature.inputs.iter().chain(&signature.outputs);
        let Some(field) = all.into_iter().find(|it| &*it.name == name) else { continue };
        let length = text.chars().count();
        if length > MOST_DESCRIPTION {
            refused = Refusal::TooLong(length, MOST_DESCRIPTION);
        } else if let Err(why) = judge.passes(text, &known) {
            refused = why;
        } else {
            any = true;
            state
                .entry(&part.path)
                .descriptions
                .insert(field.name.to_string(), text.to_owned());
        }
    }
    if any { Ok(()) } else { Err(refused) }
}

/// Adds a demo from the best of some runs; the one that was added first goes where there are too
/// many.
pub(super) fn add_demo<'r>(
    state: &mut State,
    part: &Part,
    signature: &Signature,
    runs: impl Iterator<Item = (&'r Example, &'r Option<Arc<Outcome>>)>,
    most: usize,
    random: &Random,
) {
    let predictors = IndexMap::from([(part.path.clone(), signature.clone())]);
    let own = state.entry(&part.path);
    let has = |hash: &str| {
        own.demos.iter().any(|it| it.origin.as_ref().is_some_and(|it| it.row_hash == hash))
    };
    let good = |(example, outcome): (&'r Example, &'r Option<Arc<Outcome>>)| {
        let outcome = outcome.as_deref()?;
        let score = outcome.value().filter(|it| *it > 0.0)?;
        let is_clean = outcome.failure.is_none() && outcome.asserts_failed == 0;
        (is_clean && !has(&example.hash)).then_some((score, example, outcome))
    };
    // Of equal ones the first.
    let best = runs.filter_map(good).reduce(|a, b| if b.0 > a.0 { b } else { a });
    let Some((_, example, outcome)) = best else { return };
    let demos = from_run(outcome, example, 0, &predictors, |_| random.clone());
    let Some(demo) = demos.into_iter().next().map(|it| it.1).filter(|_| most > 0) else {
        return;
    };
    own.demos.push(demo);
    let surplus = own.demos.len().saturating_sub(most);
    own.demos.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Failure, FailureKind};
    use crate::program::row_hash;
    use crate::schema::{Field, Row, Ty, TypeTable};

    fn record(fields: &[(&str, &str)]) -> Record {
        fields.iter().map(|(name, it)| ((*name).into(), Value::from(*it))).collect()
    }

    fn signature() -> Signature {
        let field = |name: &str| vec![Field::new(name, Ty::Str)];
        Signature {
            name: "S".into(),
            instructions: "Answer.".into(),
            inputs: field("q"),
            outputs: field("a"),
            types: Arc::new(TypeTable::new()),
            contracts: 0,
        }
    }

    fn example(at: usize) -> Example {
        let values = record(&[("q", &format!("q{at}")), ("a", "gold")]);
        let row = Arc::new(Row { values, index: at, folder: None });
        Example { hash: row_hash(&row), row }
    }

    fn outcome(score: f64) -> Option<Arc<Outcome>> {
        let step = Step {
            path: "self".to_owned(),
            inputs: record(&[("q", "q")]),
            outputs: record(&[("a", "x")]),
            ..Step::default()
        };
        Some(Arc::new(Outcome { score: Some(score), steps: vec![step], ..Outcome::default() }))
    }

    fn part(kind: PartKind) -> Part {
        Part { path: "self".to_owned(), kind }
    }

    #[test]
    fn a_demo_comes_from_the_best_run_and_each_row_gives_one() {
        let (mut state, part) = (State::default(), part(PartKind::Demos));
        let examples: Vec<Example> = (0..4).map(example).collect();
        let outcomes = [0.0, 0.5, 1.0, 1.0].map(outcome);
        let random = Random::new(1, "");
        let rows = |state: &State| -> Vec<usize> {
            let demos = state.get("self").map_or(&[][..], |it| &it.demos);
            demos.iter().filter_map(|it| Some(it.origin.as_ref()?.row)).collect()
        };
        let mut seen = Vec::new();
        for _ in 0..4 {
            let runs = examples.iter().zip(&outcomes);
            add_demo(&mut state, &part, &signature(), runs, 2, &random);
            seen.push(rows(&state));
        }
        // Row 2 was pushed out, so that it may come again.
        assert_eq!(seen, [vec![2], vec![2, 3], vec![3, 1], vec![1, 2]]);
        let mut none = State::default();
        let runs = examples.iter().zip(&outcomes);
        add_demo(&mut none, &part, &signature(), runs, 0, &random);
        assert!(rows(&none).is_empty());
    }

    #[test]
    fn parts_are_compared_and_copied_alone() {
        let (words, described) = (part(PartKind::Instructions), part(PartKind::Descriptions));
        let (mut one, mut other) = (State::default(), State::default());
        one.entry("self").instructions = Some("other words".to_owned());
        one.entry("self").descriptions.insert("a".to_owned(), "short".to_owned());
        assert!(!words.is_same(&one, &other) && !described.is_same(&one, &other));
        words.copy(&one, &mut other);
        assert!(words.is_same(&one, &other) && !described.is_same(&one, &other));
        described.copy(&one, &mut other);
        assert_eq!(one.hash(), other.hash());
        other.entry("elsewhere");
        assert!(part(PartKind::Demos).is_same(&one, &State::default()));
    }

    #[test]
    fn what_is_said_of_a_run() {
        let whole = Outcome {
            scores: IndexMap::from([("exact".to_owned(), 0.0), ("short".to_owned(), 1.0)])
                .into(),
            feedback: Some("in general".to_owned()),
            feedback_by: IndexMap::from([("self".to_owned(), "here".to_owned())]).into(),
            asserts_failed: 1,
            ..Outcome::clone(&outcome(0.0).unwrap_or_default())
        };
        let said = |outcome: &Outcome| feedback(&part(PartKind::Instructions), outcome);
        assert_eq!(
            said(&whole),
            "The run scored 0.000 (exact 0.000, short 1.000). Conditions that stayed false: 1. here"
        );
        let general =
            Outcome { feedback_by: IndexMap::new().into(), asserts_failed: 0, ..whole };
        assert!(said(&general).ends_with(". in general"));
        assert_eq!(said(&outcome(0.5).unwrap_or_default()), "The run scored 0.500.");
    }

    #[test]
    fn a_reply_that_could_not_be_read_is_an_example() {
        let failure = Failure::new(FailureKind::Program, "no `a` in the reply");
        let runs = [(example(7), Some(Arc::new(Outcome::failed(failure))))];
        let shown = |predictors: usize| {
            let runs = runs.iter().map(|(example, outcome)| (example, outcome));
            let part = part(PartKind::Instructions);
            examples(&part, &signature(), runs, predictors, |_| Random::new(1, ""))
        };
        let text = shown(1).first().map(Value::to_string).unwrap_or_default();
        assert!(text.contains("q: q7") && !text.contains("gold"), "{text}");
        assert!(text.contains("It failed: no `a` in the reply"), "{text}");
        // With several predictors nobody knows whose it was.
        assert!(shown(2).is_empty());
    }
}
