//! Questions to a model that proposes: what is asked, and which answers are taken.
//!
//! A question is a signature of `std/proposals`. It is asked as a run of a small program, so that
//! proposals are remembered, kept for `--resume`, metered and told like all other runs. What comes
//! back is read with distrust: a proposal that was cut off, that is empty or overlong, or that
//! carries rows of the training data into the prompt is refused, and the notice says why.

use crate::check;
use crate::diag::Diagnostic;
use crate::eval::{Evaluator, Outcome};
use crate::optimize::{Ask, Example, REFUSED, Search, Who};
use crate::program::{InstructionsOrigin, State, row_hash};
use crate::schema::{Record, Row, Signature, Value};
use crate::source::SourceId;
use crate::stdlib;
use crate::syntax;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

/// What a model that proposes is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Instructions in place of others.
    FirstInstructions,
    /// Instructions that score higher than those that were tried.
    BetterInstructions,
    /// Rules by which outputs follow from inputs.
    Rules,
    /// What some rows have in common.
    DataNotes,
    /// What notes of several parts of the data say together.
    DataSummary,
    /// What a program does.
    ProgramDescription,
    /// Instructions in place of others, from what is known of the program and its data.
    GroundedInstructions,
    /// Instructions that mend what went wrong in runs.
    ReflectedInstructions,
    /// Descriptions of fields that do.
    ReflectedDescriptions,
    /// Advice to a step of a program, from two runs on one row.
    Advice,
}

impl Question {
    /// All questions.
    #[cfg(test)]
    const ALL: [Self; 10] = [
        Self::FirstInstructions,
        Self::BetterInstructions,
        Self::Rules,
        Self::DataNotes,
        Self::DataSummary,
        Self::ProgramDescription,
        Self::GroundedInstructions,
        Self::ReflectedInstructions,
        Self::ReflectedDescriptions,
        Self::Advice,
    ];

    /// The name of its signature in `std/proposals`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstInstructions => "FirstInstructions",
            Self::BetterInstructions => "BetterInstructions",
            Self::Rules => "Rules",
            Self::DataNotes => "DataNotes",
            Self::DataSummary => "DataSummary",
            Self::ProgramDescription => "ProgramDescription",
            Self::GroundedInstructions => "GroundedInstructions",
            Self::ReflectedInstructions => "ReflectedInstructions",
            Self::ReflectedDescriptions => "ReflectedDescriptions",
            Self::Advice => "Advice",
        }
    }

    /// Its signature.
    pub fn signature(self) -> &'static Signature {
        &signatures()[self.name()]
    }
}

/// The signatures of `std/proposals`, read when the first is wanted.
fn signatures() -> &'static IndexMap<String, Signature> {
    static READ: OnceLock<IndexMap<String, Signature>> = OnceLock::new();
    READ.get_or_init(|| {
        let text = stdlib::unit("proposals").map(|it| it.text).unwrap_or_default();
        let parse = syntax::parse(SourceId(0), text);
        let (checked, _) = check::check(&parse, SourceId(0), text, &[], &[]);
        let signatures = checked.signatures.into_iter();
        signatures.map(|(name, it)| (name.to_string(), it)).collect()
    })
}

/// Who answers questions.
pub trait Proposer: Sync {
    /// What asks this question: a program of one call whose inputs are the columns of a row.
    fn evaluator(&self, question: Question) -> &dyn Evaluator;
}

impl Search<'_> {
    /// A question to the model that proposes, as a run to be made with [`Search::run`].
    pub(crate) fn question(
        &self,
        question: Question,
        inputs: Record,
        temperature: f64,
        rollout: u64,
    ) -> Ask {
        let mut state = State::default();
        state.entry("self").options.temperature = Some(temperature);
        let row = Arc::new(Row { values: inputs, index: 0, folder: None });
        let example = Example { hash: row_hash(&row), row };
        let who = Who::Proposer(question);
        Ask { who, state: Arc::new(state), example, rollout, keep_steps: true }
    }
}

/// Why a proposal is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No answer came, and why.
    Failed(String),
    /// The model did not come to the end.
    Truncated,
    Empty,
    /// So many characters, where so many are the most.
    TooLong(usize, usize),
    /// It carries a row of the training data.
    Copied(usize),
    /// It was proposed before.
    Known,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "no answer came: {why}"),
            Self::Truncated => f.write_str("it was cut off at the limit of tokens"),
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong(has, most) => {
                write!(f, "it has {has} characters, the most is {most}")
            }
            Self::Copied(row) => write!(f, "it carries row {row} of the training data"),
            Self::Known => f.write_str("it was proposed before"),
        }
    }
}

impl Refusal {
    /// It without what is peculiar to one proposal.
    fn kind(&self) -> &'static str {
        match self {
            Self::Failed(_) => "no answer came",
            Self::Truncated => "cut off at the limit of tokens",
            Self::Empty => "empty",
            Self::TooLong(..) => "too long",
            Self::Copied(_) => "carries a row of the training data",
            Self::Known => "proposed before",
        }
    }
}

/// A text that a model proposed, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) text: String,
    pub(crate) reply_hash: Option<String>,
}

impl Proposal {
    /// What a state says of instructions that came so.
    pub(crate) fn origin(&self, optimizer: &str, note: &str) -> InstructionsOrigin {
        InstructionsOrigin {
            optimizer: optimizer.to_owned(),
            note: note.to_owned(),
            reply_hash: self.reply_hash.clone(),
            first_in: None,
        }
    }
}

/// What is taken of answers.
pub(crate) struct Judge {
    /// Runs of words of the training data, with the row of each.
    rows: IndexMap<u64, usize>,
    /// The most characters of a proposal.
    most: usize,
}

/// How many words in a row are a copy and no quotation.
const COPY: usize = 12;

/// The usual most characters of a proposal.
pub(crate) const MOST_CHARS: usize = 6_000;

impl Judge {
    /// Returns what knows the rows to learn from.
    pub(crate) fn new(train: &[Example], most: usize) -> Self {
        let mut rows = IndexMap::new();
        for example in train {
            for text in texts(&example.row.values) {
                for run in runs(&text) {
                    rows.entry(run).or_insert(example.row.index);
                }
            }
        }
        Self { rows, most }
    }

    /// The text that an answer has for this field, if it is to be taken. Words of `known` are the
    /// user's own, whatever rows say the same.
    pub(crate) fn text(
        &self,
        answer: Option<&Outcome>,
        field: &str,
        known: &str,
    ) -> Result<Proposal, Refusal> {
        let (value, reply_hash) = answered(answer, field)?;
        let text = clean(value.as_str().unwrap_or_default());
        self.passes(&text, known)?;
        Ok(Proposal { text, reply_hash })
    }

    /// Whether a text may be taken.
    pub(crate) fn passes(&self, text: &str, known: &str) -> Result<(), Refusal> {
        if text.is_empty() {
            return Err(Refusal::Empty);
        }
        let chars = text.chars().count();
        if chars > self.most {
            return Err(Refusal::TooLong(chars, self.most));
        }
        let own: BTreeSet<u64> = runs(known).collect();
        let copied =
            runs(text).filter(|it| !own.contains(it)).find_map(|it| self.rows.get(&it));
        copied.map_or(Ok(()), |row| Err(Refusal::Copied(*row)))
    }
}

/// What an answer has for a field, and the hash of the reply, unless there is none or it was cut
/// off.
pub(crate) fn answered(
    answer: Option<&Outcome>,
    field: &str,
) -> Result<(Value, Option<String>), Refusal> {
    let answer = answer.ok_or_else(|| Refusal::Failed("the search ended".to_owned()))?;
    if let Some(failure) = &answer.failure {
        return Err(Refusal::Failed(failure.message.clone()));
    }
    let step = answer.steps.last();
    if step.is_some_and(|it| it.cut) {
        return Err(Refusal::Truncated);
    }
    let value = answer.reply.get(field).cloned().ok_or(Refusal::Empty)?;
    Ok((value, step.and_then(|it| it.reply_hash.clone())))
}

/// A text without what models write around one: code fences, quotes, a label of few words.
pub(crate) fn clean(text: &str) -> String {
    let mut text = text.trim();
    if let Some(inner) = text.strip_prefix("```").and_then(|it| it.strip_suffix("```")) {
        // The first line may name a language.
        text = inner.split_once('\n').map_or(inner, |(_, rest)| rest).trim();
    }
    let inner = only_text(text);
    let mut text = inner.as_deref().map_or(text, str::trim);
    let quotes = [('"', '"'), ('“', '”'), ('\'', '\'')];
    for (open, close) in quotes {
        let inner = text.strip_prefix(open).and_then(|it| it.strip_suffix(close));
        if let Some(inner) = inner.filter(|it| !it.contains([open, close])) {
            text = inner.trim();
        }
    }
    match text.split_once(':') {
        Some((label, rest)) if is_label(label) && !rest.trim().is_empty() => {
            rest.trim().to_owned()
        }
        _ => text.to_owned(),
    }
}

/// The text of an object that holds nothing else: `{"advice": "…"}`.
fn only_text(text: &str) -> Option<String> {
    if !text.starts_with('{') {
        return None;
    }
    let fields: IndexMap<String, String> = serde_json::from_str(text).ok()?;
    let [text] = <[String; 1]>::try_from(fields.into_values().collect::<Vec<_>>()).ok()?;
    Some(text)
}

/// Whether a model calls its own proposal so.
fn is_label(text: &str) -> bool {
    let text = text.trim_matches(['*', '#', ' ']).to_lowercase();
    let last = ["instruction", "instructions", "proposal"];
    let words: Vec<&str> = text.split_whitespace().collect();
    words.len() <= 3 && words.last().is_some_and(|it| last.contains(it))
}

/// The texts of a row, however deep.
fn texts(values: &Record) -> Vec<String> {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Str(text) => into.push(text.to_string()),
            Value::List(items) => items.iter().for_each(|it| collect(it, into)),
            Value::Map(fields) => fields.values().for_each(|it| collect(it, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    values.values().for_each(|it| collect(it, &mut all));
    all
}

/// All runs of [`COPY`] words of a text, as hashes: letters and digits only, in lower case.
fn runs(text: &str) -> impl Iterator<Item = u64> + use<> {
    let words = text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty());
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let count = (words.len() + 1).saturating_sub(COPY);
    (0..count).map(move |at| fnv(words[at..at + COPY].iter()))
}

/// FNV-1a over words: the same on all machines, unlike the hashes of the standard library.
fn fnv<'a>(words: impl Iterator<Item = &'a String>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for word in words {
        for byte in word.bytes().chain([b' ']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

/// What a step is given and what it has to write, as a proposer is told it.
pub(crate) fn fields(signature: &Signature) -> String {
    let mut text = String::new();
    for (word, all) in [("given", &signature.inputs), ("writes", &signature.outputs)] {
        for field in all {
            let _ = write!(text, "{word} {}: {}", field.name, field.ty);
            let told = field.description.as_deref().filter(|it| !it.is_empty());
            let _ = writeln!(text, "{}", told.map(|it| format!(" ({it})")).unwrap_or_default());
        }
    }
    text.trim_end().to_owned()
}

/// The instructions that a predictor has in this state.
pub(crate) fn instructions(state: &State, path: &str, signature: &Signature) -> String {
    let own = state.get(path).and_then(|it| it.instructions.clone());
    own.unwrap_or_else(|| signature.effective_instructions().to_string())
}

/// The state with proposed instructions in place of those of a predictor.
pub(crate) fn with_instructions(
    state: &State,
    path: &str,
    proposal: &Proposal,
    optimizer: &str,
    note: &str,
) -> State {
    let mut state = state.clone();
    let own = state.entry(path);
    own.instructions = Some(proposal.text.clone());
    own.instructions_origin = Some(proposal.origin(optimizer, note));
    state
}

/// The most reasons that the notice names; those that quote a reply differ for each.
const MOST_REASONS: usize = 5;

/// Why proposals were not taken, for the notice at the end.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_reason: IndexMap<String, usize>,
    by_kind: IndexMap<&'static str, u64>,
}

impl Refusals {
    pub(crate) fn add(&mut self, why: &Refusal) {
        *self.by_reason.entry(why.to_string()).or_default() += 1;
        *self.by_kind.entry(why.kind()).or_default() += 1;
    }

    /// Tells the user, where anything but a repetition came.
    pub(crate) fn tell(self, search: &mut Search<'_>) {
        self.by_kind.iter().for_each(|(why, times)| search.refused(why, *times));
        let known = Refusal::Known.to_string();
        if self.by_reason.keys().all(|it| *it == known) {
            return;
        }
        let count: usize = self.by_reason.values().sum();
        let what =
            if count == 1 { "1 proposal was" } else { &format!("{count} proposals were") };
        let message = format!("{what} not taken");
        let notice = Diagnostic::bare(REFUSED, message);
        let mut notice = self
            .by_reason
            .iter()
            .take(MOST_REASONS)
            .fold(notice, |notice, (why, count)| notice.note(format!("{count}: {why}")));
        let more: usize = self.by_reason.values().skip(MOST_REASONS).sum();
        if more > 0 {
            notice = notice.note(format!("{more}: other reasons"));
        }
        search
            .notice(notice.hint("see what came: `dsp log show`; another model: `proposer: …`"));
    }
}

#[cfg(test)]
mod tests;
