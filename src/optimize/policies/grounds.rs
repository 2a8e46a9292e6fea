//! What a model that writes instructions is told: the data, the program, demos, and a tip.
//!
//! Opsahl-Ong et al. (2024), section 3.2 ("grounding"). The data are read in parts side by side,
//! the program is described from its text and its signatures, and each proposal has a tip of its
//! own and demos of a set of its own, so that proposals differ.

use crate::eval::{Outcome, Stop};
use crate::optimize::propose::{
    Judge, MOST_CHARS, Proposal, Refusal, Refusals, answered, clean, fields, instructions,
};
use crate::optimize::{Ask, Example, Question, Search};
use crate::program::{DemoSource, State, StateDemo};
use crate::schema::{Record, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// Rows of a part of the data.
const PART: usize = 10;
/// The most parts that are read.
const MOST_PARTS: usize = 10;
/// The most demos that a proposal is shown.
pub(super) const MOST_EXAMPLES: usize = 3;
/// The most characters of a row or a demo, as a proposer is shown it.
const MOST_SHOWN: usize = 2_000;
/// The most characters of the program's text.
const MOST_SOURCE: usize = 20_000;

/// How instructions are to be: the name for the record, and what is said. The first says nothing.
const TIPS: [(&str, &str); 6] = [
    ("none", ""),
    ("short", "Be brief: say in one or two sentences what matters most."),
    ("thorough", "Be thorough: say what each input is, and what a good output has and lacks."),
    ("expert", "Begin with who is speaking: an expert in the field of this task."),
    ("stakes", "Say for what, and for whom, it matters that the answer is right."),
    ("fresh", "Leave the present wording behind, and look for another way to put the task."),
];

/// How many parts of so many rows are read.
pub(super) fn parts(train: usize) -> usize {
    train.div_ceil(PART).min(MOST_PARTS)
}

/// What is known of the data and the program, as far as it has been asked.
pub(super) struct Grounds {
    temperature: f64,
    /// What is asked next, in order.
    open: Open,
    notes: Vec<String>,
    data: Option<String>,
    program: Option<String>,
}

/// What is asked.
enum Open {
    /// Notes on so many parts of the data, and what the program does.
    Notes(usize),
    /// What the notes say together.
    Summary,
    Nothing,
}

/// Instructions that were proposed for a predictor.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    pub(super) proposal: Proposal,
    /// How it came about.
    pub(super) note: String,
}

impl Grounds {
    pub(super) fn new(search: &Search<'_>, temperature: f64) -> Self {
        let open = Open::Notes(parts(search.train().len()));
        Self { temperature, open, notes: Vec::new(), data: None, program: None }
    }

    pub(super) fn are_done(&self) -> bool {
        matches!(self.open, Open::Nothing)
    }

    /// What is to be asked now.
    pub(super) fn asks(&self, search: &Search<'_>) -> Vec<Ask> {
        let ask = |question, inputs| search.question(question, inputs, self.temperature, 0);
        match self.open {
            Open::Notes(parts) => {
                let train = search.train();
                let order = search.random("data").sample(train.len(), parts * PART);
                let notes = order.chunks(PART).map(|part| {
                    let rows = apart(part.iter().map(|at| row_text(&train[*at])));
                    ask(Question::DataNotes, record([("rows", rows)]))
                });
                let describe = ask(Question::ProgramDescription, described(search));
                notes.chain([describe]).collect()
            }
            Open::Summary => {
                let notes = Value::list(self.notes.iter().map(|it| Value::from(it.as_str())));
                vec![ask(Question::DataSummary, record([("notes", notes)]))]
            }
            Open::Nothing => Vec::new(),
        }
    }

    /// Takes the answers to what was asked.
    pub(super) fn take(&mut self, answers: &[Option<Arc<Outcome>>], refusals: &mut Refusals) {
        let mut read = |answer: &Option<Arc<Outcome>>, field: &str| {
            let text = answered(answer.as_deref(), field);
            let text = text.map(|(it, _)| clean(it.as_str().unwrap_or_default()));
            text.map_err(|why| refusals.add(&why)).ok().filter(|it| !it.is_empty())
        };
        match self.open {
            Open::Notes(parts) => {
                let (notes, program) = answers.split_at(parts.min(answers.len()));
                self.notes = notes.iter().filter_map(|it| read(it, "notes")).collect();
                self.program = program.iter().find_map(|it| read(it, "description"));
                self.open = if self.notes.len() > 1 { Open::Summary } else { Open::Nothing };
                // One note is a summary of its own.
                self.data = self.notes.first().cloned();
            }
            Open::Summary => {
                self.data = answers.first().and_then(|it| read(it, "summary"));
                self.open = Open::Nothing;
            }
            Open::Nothing => {}
        }
    }

    /// Proposals for each predictor, all asked for at once.
    pub(super) fn propose(
        &self,
        search: &mut Search<'_>,
        sets: &[(String, State)],
        count: usize,
        temperature: f64,
        refusals: &mut Refusals,
    ) -> Result<IndexMap<String, Vec<Proposed>>, Stop> {
        let paths: Vec<String> = search.predictors().keys().cloned().collect();
        let (mut asks, mut notes) = (Vec::new(), Vec::new());
        for path in &paths {
            for nth in 0..count {
                let (inputs, note) = self.told(search, path, nth, sets);
                asks.push(search.question(
                    Question::GroundedInstructions,
                    inputs,
                    temperature,
                    nth as u64,
                ));
                notes.push(note);
            }
        }
        let runs = search.run("propose", &asks);
        if let Some(stop) = runs.stop {
            return Err(stop);
        }
        let judge = Judge::new(search.train(), MOST_CHARS);
        let (mut answers, predictors) = (runs.outcomes.iter().zip(notes), search.predictors());
        let mut all = IndexMap::new();
        for (path, signature) in &predictors {
            let own = instructions(search.start(), path, signature);
            let mut new: Vec<Proposed> = Vec::new();
            for (answer, note) in answers.by_ref().take(count) {
                let is_known = |text: &str| {
                    text == own || new.iter().any(|it: &Proposed| it.proposal.text == text)
                };
                match judge.text(answer.as_deref(), "proposed_instruction", &own) {
                    Ok(it) if is_known(&it.text) => refusals.add(&Refusal::Known),
                    Ok(proposal) => new.push(Proposed { proposal, note }),
                    Err(why) => refusals.add(&why),
                }
            }
            all.insert(path.clone(), new);
        }
        Ok(all)
    }

    /// What the proposer of this number is told, and how that stands in the record.
    fn told(
        &self,
        search: &Search<'_>,
        path: &str,
        nth: usize,
        sets: &[(String, State)],
    ) -> (Record, String) {
        let signature = &search.predictors()[path];
        let (tip, advice) = TIPS[search.random(&format!("tip/{path}/{nth}")).below(TIPS.len())];
        let (set, examples) = examples(path, nth, sets);
        let own = instructions(search.start(), path, signature);
        let shown = examples.iter().map(|it| demo_text(it));
        let given = [
            ("current_instruction", Some(own.as_str().into())),
            ("step", Some(path.into())),
            ("fields", Some(fields(signature).as_str().into())),
            ("program", self.program.as_deref().map(Value::from)),
            ("data", self.data.as_deref().map(Value::from)),
            ("examples", set.map(|_| apart(shown))),
            ("tip", Some(advice).filter(|it| !it.is_empty()).map(Value::from)),
        ];
        let given = given.into_iter().filter_map(|(name, it)| Some((name, it?)));
        let mut note = format!("proposal {}, tip: {tip}", nth + 1);
        if let Some(set) = set {
            note = format!("{note}, examples of: {set}");
        }
        (record(given), note)
    }
}

/// Demos from runs for the proposal of this number: those of its set and, where these are
/// too few, of the following ones. The first proposal is shown none.
fn examples<'a>(
    path: &str,
    nth: usize,
    sets: &'a [(String, State)],
) -> (Option<&'a str>, Vec<&'a StateDemo>) {
    if nth == 0 || sets.is_empty() {
        return (None, Vec::new());
    }
    let (mut first, mut found): (_, Vec<&StateDemo>) = (None, Vec::new());
    for at in 0..sets.len() {
        let (label, state) = &sets[(nth + at) % sets.len()];
        let own = |it: &&StateDemo| {
            it.origin.as_ref().is_some_and(|it| it.source == DemoSource::Bootstrapped)
        };
        for demo in state.get(path).into_iter().flat_map(|it| &it.demos).filter(own) {
            if found.len() < MOST_EXAMPLES && !found.iter().any(|it| it.demo == demo.demo) {
                found.push(demo);
                first.get_or_insert(label.as_str());
            }
        }
    }
    (first, found)
}

/// The program, as a proposer is asked to describe it.
fn described(search: &Search<'_>) -> Record {
    let step = |(path, signature): (&String, _)| {
        let own = instructions(search.start(), path, signature);
        let own = Some(own).filter(|it| !it.is_empty()).map(|it| format!("{it}\n"));
        format!("step {path}\n{}{}", own.unwrap_or_default(), fields(signature))
    };
    let predictors = search.predictors();
    let steps = apart(predictors.iter().map(step));
    let source = Some(clipped(search.source(), MOST_SOURCE)).filter(|it| !it.is_empty());
    let source = source.map(|it| ("source", Value::from(it.as_str())));
    record(source.into_iter().chain([("steps", steps)]))
}

fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Record {
    fields.into_iter().map(|(name, it)| (name.into(), it)).collect()
}

/// Texts with an empty line between them.
fn apart(texts: impl Iterator<Item = String>) -> Value {
    Value::from(texts.collect::<Vec<_>>().join("\n\n").as_str())
}

fn row_text(example: &Example) -> String {
    clipped(&lines(&example.row.values), MOST_SHOWN)
}

fn demo_text(it: &StateDemo) -> String {
    let (inputs, outputs) = (lines(&it.demo.inputs), lines(&it.demo.outputs));
    clipped(&format!("{inputs}\n{outputs}"), MOST_SHOWN)
}

/// Values, a name before each.
fn lines(values: &Record) -> String {
    let each = values.iter().map(|(name, it)| format!("{name}: {it}"));
    each.collect::<Vec<_>>().join("\n")
}

/// A text, or its beginning.
fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
